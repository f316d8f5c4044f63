package target_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// named is a directory that makes an account of every persona, in which a user name is one account's.
type named struct {
	*directory
	mu      sync.Mutex
	foreign map[string]bool // names that something else there has
	hidden  map[string]bool // that nobody hears of before an account is made
	asked   []string
	silent  error // what it answers who asks for names
}

func (a *named) Taken(_ context.Context, list []string) (map[string]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.silent != nil {
		return nil, a.silent
	}
	a.asked = append(a.asked, list...)
	out := map[string]string{}
	for _, name := range list {
		if a.foreign[name] {
			out[name] = "foreign"
		}
	}
	a.directory.mu.Lock()
	defer a.directory.mu.Unlock()
	for _, h := range a.held {
		if name := username(h.Fields); slices.Contains(list, name) {
			out[name] = h.Native
		}
	}
	return out, nil
}

func (a *named) refuse(op target.Operation) error {
	name := username(op.Resource.Fields)
	if name == "" {
		return nil
	}
	a.mu.Lock()
	taken := a.foreign[name] || a.hidden[name]
	a.mu.Unlock()
	for id, h := range a.held {
		taken = taken || id != op.Resource.ID && username(h.Fields) == name
	}
	if taken {
		return reason.Errorf(reason.Conflict, nil, reason.NameTaken, "column", "sAMAccountName")
	}
	return nil
}

func username(f target.Fields) string {
	if i := slices.IndexFunc(f, func(f target.Field) bool { return f.Name == "username" }); i >= 0 {
		return f[i].Value.Reveal()
	}
	return ""
}

// called returns what everybody is called in the directory.
func (a *named) called() map[string]string {
	a.directory.mu.Lock()
	defer a.directory.mu.Unlock()
	out := map[string]string{}
	for id, h := range a.held {
		if id.Kind == "person" {
			out[id.Key] = username(h.Fields)
		}
	}
	return out
}

// personas wishes an account of each enrolment and duty.
type personas struct{}

func (personas) Version() string { return "1" }

func (personas) Map(v target.View, e roster.Ref) (list []target.Wish) {
	p := v.Person(e.Key)
	if e.Kind != roster.KindPerson || p == nil {
		return nil
	}
	anchor := target.Anchor(v, e.Key)
	for _, role := range []roster.Role{roster.RolePupil, roster.RoleStaff} {
		if role == roster.RolePupil && len(p.Enrolments) == 0 || role == roster.RoleStaff && len(p.Duties) == 0 {
			continue
		}
		name := target.UserName(v, anchor, role)
		mail := name.Current + "@skola.example"
		for _, x := range p.Personas { // its own echo would keep it for good
			if x.Role == role && x.Email != "" {
				mail = x.Email.Reveal()
			}
		}
		list = append(list, target.Wish{Resource: target.Resource{
			ID: target.ID{Kind: "person", Key: anchor.String() + "." + string(role)}, Entity: e,
			Fields: target.Fields{{Name: "role", Value: roster.Personal(role)}, {Name: "username", Value: roster.Personal(name.Current)}, {Name: "mail", Value: roster.Personal(mail)}},
		}})
	}
	return list
}

func overlayOf(h target.Held) (p roster.Persona, ok bool) {
	for _, f := range h.Fields {
		switch f.Name {
		case "role":
			p.Role, ok = roster.Role(f.Value), true
		case "username":
			p.Username = f.Value
		case "mail":
			p.Email = f.Value
		}
	}
	return p, ok
}

// enrolled is a person with an enrolment; teacher has a duty too.
func enrolled(n int, given, family string) roster.Record {
	r := person(n, family)
	r.Person.GivenName, r.Person.Enrolments = roster.Personal(given), []roster.Enrolment{{EnroledAt: key(1), SchoolType: "GR"}}
	return r
}

func teacher(n int, given, family string) roster.Record {
	r := enrolled(n, given, family)
	r.Person.Duties = []roster.Duty{{DutyAt: key(1)}}
	return r
}

func rulesOf(t testing.TB, s names.Spec) *names.Rules {
	t.Helper()
	r, err := names.Compile(s, names.Limits{Max: 20})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// namedSetup is a link that makes accounts.
func namedSetup(t testing.TB, given *targettest.Names, spec names.Spec) (setup, *named) {
	t.Helper()
	s, d := callsSetup()
	d.kinds = []string{"person"}
	a := &named{directory: d, foreign: map[string]bool{}, hidden: map[string]bool{}}
	d.fail = a.refuse
	s.made = &target.Target{
		Mapping: personas{}, Applier: a, Accounts: []string{"person"}, Names: &target.Names{Max: 20}, Overlay: overlayOf,
		Watched: map[string]guard.Operation{"username": guard.Rename},
	}
	rules := rulesOf(t, spec)
	s.with = func(o *target.LinkOptions) { o.Names, o.NameRules, o.Overlays = given, rules, s.log }
	return s, a
}

func idleFor(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func claimsOf(t testing.TB, n *targettest.Names) map[string]names.Claim {
	t.Helper()
	list, _, err := n.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]names.Claim{}
	for _, c := range list {
		out[c.Name] = c
	}
	return out
}

func pupilID(n int) string { return key(n).String() + ".pupil" }

func TestR5NamesakesGetTwoNamesAndAReplayGivesThemAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := targettest.NewNames()
		s, a := namedSetup(t, given, names.Spec{})
		a.foreign["annand2"], a.hidden["anande"] = true, true
		s.log.Publish(unit(1), enrolled(11, "Anna", "Andersson"), enrolled(12, "Anna", "Andersson"), teacher(13, "Anna", "Andersson"))
		p := start(t, s)
		idleFor(time.Minute)
		got := a.called()
		seen := map[string]bool{}
		for id, name := range got {
			if name == "" || seen[name] || a.foreign[name] || a.hidden[name] {
				t.Errorf("%s is called %q", id, name)
			}
			seen[name] = true
		}
		if len(got) != 4 {
			t.Fatalf("there are the accounts %v", got)
		}
		claims := claimsOf(t, given)
		if c := claims["anande"]; c.Owner != (names.Owner{}) {
			t.Errorf("a name that something else has is %+v", c)
		}
		calls, end := a.count(), len(claims)
		pos, _ := s.log.End(t.Context())
		for range 2 { // with the same ledger, and with one that was lost
			_ = p.stop()
			p = start(t, s)
			idleFor(time.Minute)
		}
		if a.count() != calls || len(claimsOf(t, given)) != end || !maps.Equal(a.called(), got) {
			t.Errorf("a replay made %d calls and calls them %v, were %v", a.count()-calls, a.called(), got)
		}
		if now, _ := s.log.End(t.Context()); now != pos {
			t.Errorf("a replay published %d messages", now.Seq-pos.Seq)
		}
		_ = p.stop()
	})
}

func TestANameIsNobodyElsesAfterItsAccountIsGoneAndThePersonsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := targettest.NewNames()
		s, a := namedSetup(t, given, names.Spec{Reserve: 2})
		s.log.Publish(unit(1), enrolled(11, "Anna", "Andersson"))
		p := start(t, s)
		idleFor(time.Minute)
		first := a.called()[pupilID(11)]
		s.log.Publish(gone(enrolled(11, "", "")))
		idleFor(time.Minute)
		if c := claimsOf(t, given)[first]; c.Ended != roster.Today(time.Now()) {
			t.Errorf("the name of who has no account is %+v", c)
		}
		s.log.Publish(enrolled(12, "Anna", "Andersson"))
		idleFor(time.Minute)
		if second := a.called()[pupilID(12)]; second == first || second == "" {
			t.Errorf("the namesake got %q", second)
		}
		s.log.Publish(enrolled(11, "Anna", "Andersson"))
		idleFor(time.Minute)
		if back := a.called()[pupilID(11)]; back != first {
			t.Errorf("who is back is called %q, was %q", back, first)
		}
		if c := claimsOf(t, given)[first]; !c.Ended.IsOpen() {
			t.Errorf("the name of who is back is %+v", c)
		}
		s.log.Publish(gone(enrolled(11, "", "")))
		idleFor(3 * 366 * 24 * time.Hour)
		s.log.Publish(enrolled(14, "Anna", "Andersson"))
		idleFor(time.Minute)
		if late := a.called()[pupilID(14)]; late != first {
			t.Errorf("years later the name is still kept: %q", late)
		}
		_ = p.stop()
	})
}

func TestRenamesFollowThePolicyThroughTheGuard(t *testing.T) {
	for policy, want := range map[names.Policy]string{names.Keep: "annand", names.Rename: "annber", names.RenameWithAlias: "annber"} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprint(policy, held), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					given := targettest.NewNames()
					s, a := namedSetup(t, given, names.Spec{OnRename: policy})
					want := want
					if held {
						s.limits, want = guard.Limits{{Operation: guard.Rename}}, "annand"
					}
					s.log.Publish(unit(1), enrolled(11, "Anna", "Andersson"))
					p := start(t, s)
					idleFor(time.Minute)
					s.log.Publish(enrolled(11, "Anna", "Bergström"))
					idleFor(time.Minute)
					if got := a.called()[pupilID(11)]; got != want {
						t.Errorf("she is called %q, want %q", got, want)
					}
					_ = p.stop()
				})
			})
		}
	}
}

// The two messages of a key that changes are read together, or one after the other in either order.
func TestAKeyThatChangesKeepsTheName(t *testing.T) {
	next := enrolled(12, "Anna", "Andersson")
	next.Former = []roster.Key{key(11)}
	old := gone(enrolled(11, "", ""))
	old.Tombstone = &roster.Tombstone{Reason: roster.TombstoneBecame, Became: key(12)}
	for how, steps := range map[string][][]roster.Record{
		"together":          {{next, old}},
		"the new one first": {{next}, {old}},
		"the old one first": {{old}, {next}},
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				given := targettest.NewNames()
				s, a := namedSetup(t, given, names.Spec{})
				s.log.Publish(unit(1), enrolled(11, "Anna", "Andersson"))
				p := start(t, s)
				idleFor(time.Minute)
				calls := a.count()
				s.log.Mark(register, roster.RunOpened)
				for _, records := range steps {
					s.log.Publish(records...)
					idleFor(time.Minute)
				}
				s.log.Mark(register, roster.RunEnded)
				idleFor(time.Minute)
				if a.count() != calls || len(a.called()) != 1 || a.called()[pupilID(11)] != "annand" {
					t.Errorf("%d calls; there are %v", a.count()-calls, a.called())
				}
				if c := claimsOf(t, given)["annand"]; c.Owner.Person != key(12) {
					t.Errorf("the name is %+v", c)
				}
				if of := overlays(t, s.log, s.target()); of[key(11)] != nil || of[key(12)] == nil {
					t.Errorf("the overlays are of %v", slices.Collect(maps.Keys(of)))
				}
				_ = p.stop()
			})
		})
	}
}

func (s setup) target() roster.Source { return roster.Source{System: "memory", Instance: "default"} }

// overlays returns what a target has published that stands.
func overlays(t testing.TB, log *targettest.Log, of roster.Source) map[roster.Key]*roster.Person {
	t.Helper()
	out := map[roster.Key]*roster.Person{}
	_, err := log.Load(t.Context(), func(e roster.Event) error {
		if e.Record != nil && e.Source == of {
			if !e.Record.Overlay {
				t.Errorf("%s is no overlay", e.Ref)
			}
			if e.Record.Person != nil {
				out[e.Ref.Key] = e.Record.Person
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnOverlayHasEveryPersonaAndNoLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := targettest.NewNames()
		s, a := namedSetup(t, given, names.Spec{OnRename: names.Rename})
		s.log.Publish(unit(1), teacher(11, "Anna", "Andersson"), enrolled(12, "Bo", "Ek"))
		p := start(t, s)
		other, b := namedSetup(t, given, names.Spec{OnRename: names.Rename})
		other.log = s.log
		google := roster.Source{System: "other", Instance: "default"}
		with := s.with
		other.with = func(o *target.LinkOptions) { with(o); o.Target = google }
		q := start(t, other)
		idleFor(time.Minute)
		if !maps.Equal(a.called(), b.called()) || len(a.called()) != 3 {
			t.Errorf("in one target they are called %v, in the other %v", a.called(), b.called())
		}
		of := overlays(t, s.log, s.target())
		if anna := of[key(11)]; anna == nil || len(anna.Personas) != 2 || anna.Personas[0].Username == anna.Personas[1].Username {
			t.Errorf("of two personas the log has %+v", anna)
		}
		end, _ := s.log.End(t.Context())
		ones, others := a.count(), b.count()
		idleFor(48 * time.Hour)
		if now, _ := s.log.End(t.Context()); now != end || a.count() != ones || b.count() != others {
			t.Errorf("at rest %d messages and %d and %d calls", now.Seq-end.Seq, a.count()-ones, b.count()-others)
		}
		s.log.Publish(enrolled(12, "Bo", "Alm"))
		idleFor(time.Hour)
		if name, mail := a.called()[pupilID(12)], overlays(t, s.log, s.target())[key(12)].Personas[0]; name == "boek" || mail.Username.Reveal() != name || mail.Email.Reveal() != name+"@skola.example" {
			t.Errorf("renamed he is %s, and the log says %s, %s", name, mail.Username.Reveal(), mail.Email.Reveal())
		}
		hidden := teacher(11, "Anna", "Andersson")
		hidden.Person.Marking = roster.MarkingProtected
		s.log.Publish(hidden, gone(enrolled(12, "", "")))
		idleFor(time.Minute)
		for _, of := range []roster.Source{s.target(), google} {
			if left := overlays(t, s.log, of); len(left) != 0 {
				t.Errorf("of who is protected and who is gone %s still says %v", of, left)
			}
		}
		end, _ = s.log.End(t.Context())
		idleFor(48 * time.Hour)
		if now, _ := s.log.End(t.Context()); now != end {
			t.Errorf("%d messages of what is gone", now.Seq-end.Seq)
		}
		_, _ = p.stop(), q.stop()
	})
}

// Whoever dies at any step of giving names leaves what gives the same names.
func TestR2WhoDiesWhileNamesAreGivenGivesTheSame(t *testing.T) {
	run := func(t *testing.T, dies int) (called map[string]string, said int, steps int) {
		synctest.Test(t, func(t *testing.T) {
			given := targettest.NewNames()
			s, a := namedSetup(t, given, names.Spec{})
			s.log.Publish(unit(1), enrolled(11, "Anna", "Andersson"), enrolled(12, "Anna", "Andersson"), teacher(13, "Bo", "Ek"))
			step := func(string) error {
				if steps++; steps == dies {
					return errKilled
				}
				return nil
			}
			given.Hook, s.ledger.Hook, a.hook = step, step, step
			p := start(t, s)
			idleFor(time.Minute)
			_ = p.stop()
			given.Hook, s.ledger.Hook, a.hook = nil, nil, nil
			p = start(t, s)
			idleFor(2 * time.Hour)
			called, said = a.called(), len(overlays(t, s.log, s.target()))
			for id, n := range a.creates {
				if n > 1 {
					t.Errorf("dead at step %d, %s is made %d times", dies, id, n)
				}
			}
			_ = p.stop()
		})
		return called, said, steps
	}
	want, _, steps := run(t, -1)
	if len(want) != 4 || steps < 8 {
		t.Fatalf("%v in %d steps", want, steps)
	}
	for dies := 1; dies <= steps; dies++ {
		if got, said, _ := run(t, dies); !maps.Equal(got, want) || said != 3 {
			t.Errorf("dead at step %d they are called %v and %d are known, want %v", dies, got, said, want)
		}
	}
}

func TestAPreviewGivesNoNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := targettest.NewNames()
		s, _ := namedSetup(t, given, names.Spec{})
		s.mode = target.ModePreview
		s.log.Publish(unit(1), enrolled(11, "Anna", "Andersson"), enrolled(12, "Anna", "Andersson"))
		end, _ := s.log.End(t.Context())
		p := start(t, s)
		got := <-p.settled
		var would []string
		for _, r := range got.Rows {
			would = append(would, username(r.After))
		}
		if strings.Join(would, " ") != "annand anande" || len(claimsOf(t, given)) != 0 {
			t.Errorf("it would give %v, and gave %v", would, claimsOf(t, given))
		}
		if now, _ := s.log.End(t.Context()); now != end {
			t.Error("a preview published")
		}
		_ = p.stop()
	})
}

func TestWhoCannotBeAskedForNamesIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := targettest.NewNames()
		s, a := namedSetup(t, given, names.Spec{})
		a.foreign["annand"], a.silent = true, errors.New("busy")
		s.log.Publish(unit(1), enrolled(11, "Anna", "Andersson"))
		p := start(t, s)
		idleFor(time.Second)
		if len(a.called()) != 0 {
			t.Errorf("made without knowing: %v", a.called())
		}
		a.mu.Lock()
		a.silent = nil
		a.mu.Unlock()
		idleFor(time.Hour)
		if got := a.called()[pupilID(11)]; got != "anande" {
			t.Errorf("she is called %q", got)
		}
		_ = p.stop()
	})
}

// Two links that race for the names of many namesakes, and die now and then.
func TestTwoLinksGiveEveryPersonaOneNameWhateverTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := targettest.NewNames()
		one, a := namedSetup(t, given, names.Spec{})
		two, b := namedSetup(t, given, names.Spec{})
		two.log = one.log
		with := one.with
		two.with = func(o *target.LinkOptions) {
			with(o)
			o.Target = roster.Source{System: "other", Instance: "default"}
		}
		a.foreign["annand3"], b.hidden["annand4"], b.foreign["annand"] = true, true, true
		p, q := start(t, one), start(t, two)
		const all = 40
		for n := range all {
			one.log.Publish(enrolled(100+n*7%all, "Anna", "Andersson"))
			switch n % 10 {
			case 3:
				_ = p.stop()
				p = start(t, one)
			case 7:
				_ = q.stop()
				q = start(t, two)
			}
		}
		idleFor(time.Hour)
		got := a.called()
		seen := map[string]bool{}
		for id, name := range got {
			if seen[name] || a.foreign[name] || b.foreign[name] || b.hidden[name] {
				t.Errorf("%s is called %s", id, name)
			}
			seen[name] = true
		}
		if len(got) != all || !maps.Equal(got, b.called()) {
			t.Errorf("%d accounts; in one target %v\nin the other %v", len(got), got, b.called())
		}
		_, _ = p.stop(), q.stop()
	})
}
