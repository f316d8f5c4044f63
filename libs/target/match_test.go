package target_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// populated is a directory in which the customer has accounts already. They are found by the family name in lower case,
// which stands for a key that nobody has twice by right.
type populated struct {
	*directory
	mu      sync.Mutex
	own     map[string]target.Found // by the directory's own id: what nobody has taken over
	asked   int                     // how many resources it was asked for
	silent  error
	touched []string // writes to what is only used
	marks   map[target.ID]string
}

func newPopulated(own ...target.Found) *populated {
	p := &populated{directory: newDirectory(), own: map[string]target.Found{}, marks: map[target.ID]string{}}
	for _, f := range own {
		p.own[f.Native] = f
	}
	return p
}

// theirs is an account of the customer.
func theirs(native, family string) target.Found {
	return target.Found{Held: target.Held{Native: native, Fields: target.Fields{{Name: "family", Value: roster.Personal(family)}}}}
}

func (p *populated) Match(_ context.Context, wanted []target.Resource) ([][]target.Found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked += len(wanted)
	if p.silent != nil {
		return nil, p.silent
	}
	out := make([][]target.Found, len(wanted))
	for i, r := range wanted {
		if r.ID.Kind != "person" {
			continue
		}
		name := r.Fields[0].Value.Reveal()
		for _, f := range p.own {
			switch has := f.Fields[0].Value.Reveal(); {
			case strings.EqualFold(has, name):
				f.By = "family"
			case has[:1] != name[:1]:
				continue
			}
			out[i] = append(out[i], f)
		}
		slices.SortFunc(out[i], func(a, b target.Found) int { return strings.Compare(a.Native, b.Native) })
	}
	return out, nil
}

func (p *populated) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	p.mu.Lock()
	for _, op := range ops {
		if f, there := p.own[op.Native]; there && op.Verb == target.Update {
			p.directory.mu.Lock()
			p.held[op.Resource.ID] = target.Held{ID: op.Resource.ID, Native: f.Native, Fields: f.Fields}
			p.off[op.Resource.ID] = f.Disabled
			if !f.Disabled {
				delete(p.off, op.Resource.ID)
			}
			p.directory.mu.Unlock()
			delete(p.own, f.Native)
		} else if there {
			p.touched = append(p.touched, fmt.Sprint(op.Verb, " ", op.Native))
		}
	}
	p.mu.Unlock()
	return p.directory.Apply(ctx, ops)
}

// put changes what the customer has.
func (p *populated) put(list ...target.Found) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range list {
		p.own[f.Native] = f
	}
}

func (p *populated) take(native string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.own, native)
}

// left are the customer's own that nobody has taken over.
func (p *populated) left() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for native, f := range p.own {
		out = append(out, native+"="+f.Fields[0].Value.Reveal())
	}
	slices.Sort(out)
	return strings.Join(append(out, p.touched...), " ")
}

func (p *populated) times() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// roles is the mapping school in which some persons are only used.
type roles struct {
	school
	match func(roster.Key) bool
}

func (m roles) Version() string { return fmt.Sprint("roles", m.match != nil) }

func (m roles) Map(v target.View, e roster.Ref) []target.Wish {
	wishes := m.school.Map(v, e)
	for i := range wishes {
		wishes[i].Match = wishes[i].Withheld == nil && e.Kind == roster.KindPerson && m.match != nil && m.match(e.Key)
	}
	return wishes
}

func populatedSetup(m target.Mapping, own ...target.Found) (setup, *populated) {
	p := newPopulated(own...)
	return setup{log: targettest.NewLog(time.Now), ledger: targettest.NewLedger(), made: &target.Target{Mapping: m, Applier: p, Accounts: []string{"person"}}, idle: 1000 * time.Hour}, p
}

func personID(n int) target.ID { return target.ID{Kind: "person", Key: key(n).String()} }

// entryOf returns what the ledger knows of a person.
func entryOf(s setup, n int) target.Entry { return s.ledger.Entries[personID(n)] }

func TestWhatTheCustomerHasIsTakenOverAndNotMadeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := populatedSetup(school{}, theirs("a1", "EK"), theirs("a2", "Björk"), theirs("a3", "Stranger"))
		s.log.Publish(small()...)
		p := start(t, s)
		wantOps(t, p.reach(s.log), 3, 2, 0) // the unit, Al and the group; EK and Björk
		if e := entryOf(s, 11); e.Native != "a1" || e.FoundBy != "family" || e.Untouched || e.State != target.Applied {
			t.Errorf("the ledger says %+v of what was taken over", e)
		}
		if !strings.Contains(d.text(), "family=Ek\n") || d.left() != "a3=Stranger" {
			t.Errorf("the directory holds\n%s\nand of the customer %s", d.text(), d.left())
		}
		if !strings.Contains(d.text(), "members=[person/"+key(11).String()+" person/"+key(12).String()+"]") {
			t.Errorf("the group lacks who was taken over:\n%s", d.text())
		}
		asked := d.times()
		for range 2 {
			got, err := p.link.Resync(t.Context(), false, false)
			if err != nil {
				t.Fatal(err)
			}
			wantOps(t, got, 0, 0, 0)
		}
		if d.times() != asked {
			t.Errorf("it was asked %d times more for what stands", d.times()-asked)
		}
		s.log.Publish(gone(person(11, "")))
		wantOps(t, p.reach(s.log), 0, 1, 1) // it is ours like any other, and leaves its group
		_ = p.stop()
	})
}

func TestOfSeveralAPersonDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := populatedSetup(school{}, theirs("a1", "EK"), theirs("a2", "ek"))
		s.log.Publish(small()...)
		p := start(t, s)
		got := p.reach(s.log)
		if e := entryOf(s, 11); got.Parked != 1 || e.Reason == nil || e.Reason.Code != reason.Ambiguous || len(e.Near) != 2 || e.Held {
			t.Errorf("%d parked, and the ledger says %+v", got.Parked, e)
		}
		if strings.Contains(entryOf(s, 11).Reason.String(), "ek") {
			t.Errorf("the reason names a person: %s", entryOf(s, 11).Reason)
		}
		asked := d.times()
		if _, err := p.link.Resync(t.Context(), false, false); err != nil || d.times() != asked {
			t.Errorf("it was asked %d times more within the day (%v)", d.times()-asked, err)
		}
		d.take("a2")
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if e := entryOf(s, 11); e.Native != "a1" || e.Near != nil || e.State != target.Applied {
			t.Errorf("a day after somebody decided the ledger says %+v", e)
		}
		_ = p.stop()
	})
}

func TestTwoWhoAskForOneAccountGetNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := populatedSetup(school{}, theirs("a1", "Ek"))
		s.log.Publish(person(11, "Ek"), person(12, "Ek"), unit(1))
		p := start(t, s)
		if got := p.reach(s.log); got.Parked != 2 || d.left() != "a1=Ek" {
			t.Errorf("%d parked, and of the customer is left %s", got.Parked, d.left())
		}
		s.log.Publish(person(12, "Al"))
		p.reach(s.log)
		if _, err := p.link.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := entryOf(s, 11); e.Native != "a1" {
			t.Errorf("whom nobody rivals any more has %+v", e)
		}
		s.log.Publish(person(13, "Ek")) // too late
		if got := p.reach(s.log); got.Parked != 0 || got.Created != 1 {
			t.Errorf("of a namesake who comes later %d are parked and %d made", got.Parked, got.Created)
		}
		_ = p.stop()
	})
}

func TestWhatMayNotBeTakenOverIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		admin := theirs("a1", "Ek")
		admin.Refused = "it is an administrator"
		s, d := populatedSetup(school{}, admin)
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		if e := entryOf(s, 11); e.State != target.Parked || e.Reason.Code != reason.AdoptionRefused || d.left() != "a1=Ek" {
			t.Errorf("the ledger says %+v, and of the customer is left %s", e, d.left())
		}
		_ = p.stop()
	})
}

func TestNothingIsMadeWhileTheTargetDoesNotSayWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := populatedSetup(school{}, theirs("a1", "Ek"))
		d.silent = errors.New("the line broke")
		s.log.Publish(person(11, "Ek"))
		p := start(t, s)
		if got := p.reach(s.log); got.Created != 0 || got.Waiting != 1 {
			t.Errorf("%d made and %d wait", got.Created, got.Waiting)
		}
		d.mu.Lock()
		d.silent = nil
		d.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if e := entryOf(s, 11); e.Native != "a1" {
			t.Errorf("when it answers again the ledger says %+v", e)
		}
		_ = p.stop()
	})
}

func TestWhatWasNotTakenOverYetIsNotOursToTakeAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := populatedSetup(school{}, theirs("a1", "EK"))
		d.set(func(op target.Operation) error {
			if op.Verb == target.Update {
				return reason.Errorf(reason.Invalid, nil, reason.Unexpected)
			}
			return nil
		})
		s.log.Publish(person(11, "Ek"))
		p := start(t, s)
		p.reach(s.log)
		if e := entryOf(s, 11); !e.Untouched || e.State != target.Parked {
			t.Errorf("of what the target refuses to have changed the ledger says %+v", e)
		}
		d.put(theirs("a1", "EK")) // the stand-in has no other way to say that nothing was written
		s.log.Publish(gone(person(11, "")))
		got := p.reach(s.log)
		wantOps(t, got, 0, 0, 0)
		if _, known := s.ledger.Entries[personID(11)]; known || d.left() != "a1=EK" {
			t.Errorf("the ledger knows it still (%t), and of the customer is left %s", known, d.left())
		}
		_ = p.stop()
	})
}

func TestWhoIsOnlyUsedIsInGroupsAndNeverTouched(t *testing.T) {
	for name, end := range map[string]func(roster.Record) roster.Record{
		"leaves":       gone,
		"is protected": func(r roster.Record) roster.Record { r.Person.Marking = roster.MarkingConfidential; return r },
		"is not known": func(r roster.Record) roster.Record { r.Person.FamilyName = ""; return r },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := populatedSetup(roles{match: func(k roster.Key) bool { return k == key(11) }}, theirs("a1", "EK"), theirs("a2", "Al"))
				s.log.Publish(small()...)
				p := start(t, s)
				wantOps(t, p.reach(s.log), 3, 1, 0)
				e := entryOf(s, 11)
				if e.State != target.Matched || e.Native != "a1" || e.Fields[0].Value != "EK" {
					t.Errorf("the ledger says %+v", e)
				}
				if !strings.Contains(d.text(), "members=[person/"+key(11).String()) {
					t.Errorf("the group does not have who is used:\n%s", d.text())
				}
				s.log.Publish(end(person(11, "Ek")), group(21, 1, 12))
				p.reach(s.log)
				if _, known := s.ledger.Entries[personID(11)]; known != (name == "is not known") || d.left() != "a1=EK" {
					t.Errorf("the ledger knows it still (%t), and of the customer is left %s", known, d.left())
				}
				if strings.Contains(d.text(), "members=[person/"+key(11).String()) {
					t.Errorf("the group has her still:\n%s", d.text())
				}
				_ = p.stop()
			})
		})
	}
}

func TestWhoIsNotFoundIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := func(roster.Key) bool { return true }
		s, d := populatedSetup(roles{match: all}, theirs("a1", "Ekman"), theirs("a9", "Zz"))
		s.log.Publish(unit(1), person(11, "Ek"), group(21, 1, 11))
		p := start(t, s)
		got := p.reach(s.log)
		e := entryOf(s, 11)
		if got.Parked != 1 || got.Created != 2 || e.Reason.Code != reason.Unmatched || len(e.Near) != 1 || e.Near[0].Native != "a1" || e.Near[0].Fields[0].Value != "Ekman" {
			t.Errorf("%d parked, %d made, and the ledger says %+v", got.Parked, got.Created, e)
		}
		asked := d.times()
		s.log.Publish(person(11, "Ekman")) // the register is mended
		p.reach(s.log)
		if e := entryOf(s, 11); e.State != target.Matched || e.Native != "a1" || d.times() != asked+1 {
			t.Errorf("after %d questions the ledger says %+v", d.times()-asked, e)
		}
		if !strings.Contains(d.text(), "members=[person/"+key(11).String()) {
			t.Errorf("the group does not have who was found:\n%s", d.text())
		}
		asked = d.times()
		d.take("a1")
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if e := entryOf(s, 11); e.State != target.Parked || e.Held || strings.Contains(d.text(), "members=[person") || d.times() > asked+2 {
			t.Errorf("a day after the account went, by %d questions, the ledger says %+v", d.times()-asked, e)
		}
		_ = p.stop()
	})
}

// Who was managed and is only used from now on keeps the account; who was used and is managed from now on is taken over.
func TestARoleThatChangesTakesNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := roles{match: func(roster.Key) bool { return true }}
		s, d := populatedSetup(m, theirs("a1", "EK"))
		s.log.Publish(person(11, "Ek"))
		p := start(t, s)
		p.reach(s.log)
		_ = p.stop()
		s.made = &target.Target{Mapping: roles{}, Applier: d, Accounts: []string{"person"}}
		p = start(t, s)
		wantOps(t, p.reach(s.log), 0, 1, 0)
		if e := entryOf(s, 11); e.State != target.Applied || e.Native != "a1" || d.left() != "" {
			t.Errorf("the ledger says %+v, and of the customer is left %s", e, d.left())
		}
		_ = p.stop()
		s.made = &target.Target{Mapping: m, Applier: d, Accounts: []string{"person"}}
		p = start(t, s)
		got := p.reach(s.log)
		wantOps(t, got, 0, 0, 0)
		s.log.Publish(gone(person(11, "")))
		wantOps(t, p.reach(s.log), 0, 0, 0)
		if !strings.Contains(d.text(), "family=Ek") {
			t.Errorf("the account went:\n%s", d.text())
		}
		_ = p.stop()
	})
}

func TestAPreviewTellsWhatWouldBeTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := theirs("a5", "Dahl")
		off.Disabled = true
		s, d := populatedSetup(roles{match: func(k roster.Key) bool { return k == key(14) }},
			theirs("a1", "EK"), theirs("a2", "Al"), theirs("a3", "Björk"), theirs("a4", "BJÖRK"), theirs("a6", "Fors"), off)
		s.mode = target.ModePreview
		s.log.Publish(append(small(), person(14, "Fors"), person(15, "Dahl"), person(16, "Gran"))...)
		p := start(t, s)
		settled := <-p.settled
		_ = p.stop()
		if len(s.ledger.Entries) > 0 || d.count() > 0 {
			t.Errorf("a preview wrote %d entries and made %d calls", len(s.ledger.Entries), d.count())
		}
		want := map[int]target.Row{
			11: {Verb: target.Update, FoundBy: "family", Native: "a1"},
			12: {Verb: target.Adopt, FoundBy: "family", Native: "a2"},
			13: {Verb: ""},
			14: {Verb: target.Use, FoundBy: "family", Native: "a6"},
			15: {Verb: target.Update, FoundBy: "family", Native: "a5", Enable: true},
			16: {Verb: target.Create},
		}
		for n, w := range want {
			i := slices.IndexFunc(settled.Rows, func(r target.Row) bool { return r.ID == personID(n) })
			if i < 0 {
				t.Errorf("the preview does not tell of %d", n)
				continue
			}
			if r := settled.Rows[i]; r.Verb != w.Verb || r.FoundBy != w.FoundBy || r.Native != w.Native || r.Enable != w.Enable || (n == 13) != (len(r.Near) == 2) {
				t.Errorf("of %d the preview tells %+v", n, r)
			}
		}
	})
}

func TestWhatIsOnlyUsedIsToldToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := populatedSetup(roles{match: func(roster.Key) bool { return true }}, theirs("a1", "EK"))
		s.made.Overlay = func(h target.Held) (roster.Persona, bool) {
			if h.ID.Kind != "person" {
				return roster.Persona{}, false
			}
			return roster.Persona{Role: roster.RoleStaff, Username: h.Fields[0].Value}, true
		}
		s.with = func(o *target.LinkOptions) { o.Overlays = s.log }
		s.log.Publish(unit(1), person(11, "Ek"), person(12, "Al"))
		p := start(t, s)
		p.reach(s.log)
		told := func(when, want string) {
			t.Helper()
			got := ""
			for k, of := range overlays(t, s.log, s.target()) {
				got += fmt.Sprint(k == key(11), " ", of.Personas[0].Username.Reveal())
			}
			if got != want {
				t.Errorf("%s the log says %q, want %q", when, got, want)
			}
		}
		told("when it was found", "true EK")
		d.put(theirs("a1", "ek"))
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		told("when the customer called it otherwise", "true ek")
		d.take("a1")
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		told("when it was gone", "")
		if d.left() != "" {
			t.Errorf("of the customer is left, or was touched: %s", d.left())
		}
		_ = p.stop()
	})
}
