package target_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// drawer keeps the passwords that wait to be handed out, by person.
type drawer struct {
	mu      sync.Mutex
	made    int
	letters map[roster.Key]string
	without bool // there is no key
}

func (d *drawer) New(_ context.Context, person roster.Key, _ roster.Role, _ string) (target.Password, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	p := target.Password{Secret: roster.Personal(fmt.Sprint("password ", d.made)), Kept: !d.without}
	if p.Kept {
		d.letters[person] = p.Secret.Reveal()
	}
	return p, nil
}

func (d *drawer) Drop(_ context.Context, person roster.Key, _ roster.Role) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.letters, person)
	return nil
}

// locked is a directory whose persons have passwords.
type locked struct {
	*directory
	drawer *drawer
	mu     sync.Mutex
	has    map[target.ID]string
	lose   bool // the answer to the next create is lost
	refuse func(target.ID) error
}

func (l *locked) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	for _, op := range ops {
		if op.Verb == target.Create && op.Resource.ID.Kind == "person" {
			p, _ := l.drawer.New(ctx, op.Resource.Entity.Key, roster.RoleNone, "")
			l.mu.Lock()
			l.has[op.Resource.ID] = p.Secret.Reveal()
			l.mu.Unlock()
		}
	}
	out := l.directory.Apply(ctx, ops)
	for i, op := range ops {
		if l.lose && op.Verb == target.Create && op.Resource.ID.Kind == "person" {
			out[i] = target.Outcome{Err: errKilled}
		}
	}
	return out
}

func (l *locked) SetPassword(_ context.Context, id target.ID, _ string, p target.Password) error {
	if l.refuse != nil {
		if err := l.refuse(id); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.has[id] = p.Secret.Reveal()
	return nil
}

func lockedSetup() (setup, *locked) {
	s, d := accounts()
	l := &locked{directory: d, drawer: &drawer{letters: map[roster.Key]string{}}, has: map[target.ID]string{}}
	s.made.Applier = l
	s.with = func(o *target.LinkOptions) { o.Passwords = l.drawer }
	return s, l
}

// agree fails where an account has another password than its letter says.
func (l *locked) agree(t *testing.T, persons ...int) {
	t.Helper()
	for _, n := range persons {
		if letter, has := l.drawer.letters[key(n)], l.has[idOf(n)]; letter != has || has == "" {
			t.Errorf("%d has %q, and the letter says %q", n, has, letter)
		}
	}
}

func TestAnAccountHasThePasswordOfItsLetterAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := lockedSetup()
		s.log.Publish(small()...)
		l.lose = true // made, and nobody heard
		p := start(t, s)
		p.reach(s.log)
		if err := p.stop(); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		l.lose = false
		next := start(t, s)
		next.reach(s.log)
		time.Sleep(time.Hour) // what waits is tried again
		synctest.Wait()
		l.agree(t, 11, 12)
		if err := next.stop(); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestOtherPasswordsGoToAccountsOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := lockedSetup()
		records := small()
		for i := range records {
			if records[i].Person != nil {
				records[i].Person.Enrolments = []roster.Enrolment{{EnroledAt: key(1), SchoolType: roster.SchoolGR}}
			}
		}
		s.log.Publish(records...)
		p := start(t, s)
		p.reach(s.log)
		before := l.has[idOf(11)]
		got, err := p.link.ResetPasswords(t.Context(), roster.Ref{Kind: roster.KindPerson, Key: key(11)})
		if err != nil || got.Given != 1 || l.has[idOf(11)] == before {
			t.Errorf("one person: %+v, %v", got, err)
		}
		l.agree(t, 11, 12)
		for ref, want := range map[roster.Ref]int{groupOf(records): 2, {Kind: roster.KindOrganisation, Key: key(1)}: 3} {
			if got, err = p.link.ResetPasswords(t.Context(), ref); err != nil || got.Given != want || got.Others != 0 {
				t.Errorf("%s: %+v, %v", ref, got, err)
			}
			l.agree(t, 11, 12, 13)
		}

		l.refuse = func(id target.ID) error {
			if id == idOf(12) {
				return errors.New("cut off")
			}
			return nil
		}
		got, err = p.link.ResetPasswords(t.Context(), groupOf(records))
		if err == nil || got.Given != 1 || len(got.Failed) != 1 || got.Failed[0] != key(12) || l.drawer.letters[key(12)] != "" {
			t.Errorf("one fails: %+v, %v, %v", got, err, l.drawer.letters)
		}
		l.agree(t, 11)
		l.refuse = nil

		contained := protected(11)
		s.log.Publish(contained)
		p.reach(s.log)
		if letter, there := l.drawer.letters[key(11)]; there {
			t.Errorf("%q waits for somebody who is contained", letter)
		}
		made := l.drawer.made
		if got, err = p.link.ResetPasswords(t.Context(), roster.Ref{Kind: roster.KindPerson, Key: key(11)}); err != nil || got.Given != 0 || got.Others != 1 || l.drawer.made != made {
			t.Errorf("who is contained: %+v, %v", got, err)
		}

		l.drawer.without = true
		before = l.has[idOf(12)]
		if _, err = p.link.ResetPasswords(t.Context(), groupOf(records)); reason.Of(err).Code != reason.NoHandoutKey || l.has[idOf(12)] != before {
			t.Errorf("without a key: %v", err)
		}
		if err := p.stop(); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func groupOf(records []roster.Record) roster.Ref {
	for _, r := range records {
		if r.Group != nil {
			return r.Ref
		}
	}
	return roster.Ref{}
}

func TestTheRoleOfAnAccountStandsInItsIDOrIsThePersons(t *testing.T) {
	pupil, staff := &roster.Person{Enrolments: make([]roster.Enrolment, 1)}, &roster.Person{Duties: make([]roster.Duty, 1)}
	for _, c := range []struct {
		key  string
		p    *roster.Person
		want roster.Role
	}{
		{key(1).String() + ".pupil", staff, roster.RolePupil},
		{key(1).String() + ".staff", pupil, roster.RoleStaff},
		{key(1).String(), pupil, roster.RolePupil},
		{key(1).String(), staff, roster.RoleStaff},
		{key(1).String(), nil, roster.RoleNone},
	} {
		if got := target.RoleOf(target.ID{Kind: "user", Key: c.key}, c.p); got != c.want {
			t.Errorf("%s: %q, want %q", c.key, got, c.want)
		}
	}
}
