package target_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// listed is a directory that tells all it holds.
type listed struct {
	*directory
	lists int
	omit  func(target.ID) bool // the flaw: a list that ends too early, with no error
	err   error                // how a list ends
}

func (d *listed) List(_ context.Context, found func(target.Held) error) error {
	d.mu.Lock()
	held := maps.Clone(d.held)
	for id, h := range held {
		h.Disabled = d.off[id]
		held[id] = h
	}
	d.lists++
	d.mu.Unlock()
	for id, h := range held {
		if d.omit != nil && d.omit(id) {
			continue
		}
		if err := found(h); err != nil {
			return err
		}
	}
	return d.err
}

// change has somebody else write another value.
func (d *listed) change(id target.ID, name, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.held[id]
	h.Fields = target.Fields{{Name: name, Value: roster.Personal(value)}}
	d.held[id] = h
}

// reconciling is a link that compares once a day and has settled a school of so many pupils, one of them in the group.
func reconciling(t *testing.T, pupils int, repair bool, policies map[string]target.Policy) (*process, setup, *listed) {
	t.Helper()
	s, plain := callsSetup()
	d := &listed{directory: plain}
	s.made.Applier, s.made.Policies = d, policies
	s.with = func(o *target.LinkOptions) { o.Reconcile = target.Reconcile{Every: day, Repair: repair} }
	records := []roster.Record{unit(1), group(21, 1, 100)}
	for i := range pupils {
		records = append(records, person(100+i, "Ek"))
	}
	s.log.Publish(records...)
	p := start(t, s)
	p.reach(s.log)
	return p, s, d
}

// last waits for the next comparison to be over, and returns what the ledger says of it.
func lastCompared(s setup) target.Reconciled {
	time.Sleep(day + time.Minute)
	synctest.Wait()
	return s.ledger.Mark.Reconciled
}

func TestWhatOthersChangedIsFoundAndRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, d := reconciling(t, 5, true, nil)
		want := d.text()
		if got := lastCompared(s); got.Found != 0 || got.Reason != nil || d.lists != 1 {
			t.Errorf("with nothing changed: %+v after %d lists", got, d.lists)
		}
		d.change(idOf(100), "family", "Annan")
		delete(d.held, idOf(101))
		writes := d.count()
		if got := lastCompared(s); got.Found != 2 || got.Repaired != 2 || got.Reported != 0 {
			t.Errorf("one changed and one lost: %+v", got)
		}
		if got := d.text(); got != want || d.count() != writes+2 {
			t.Errorf("after %d writes the directory holds\n%s\nwant\n%s", d.count()-writes, got, want)
		}
		_ = p.stop()
	})
}

func TestDriftIsOnlyReportedWhereTheLinkOrThePolicySaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		repair   bool
		policies map[string]target.Policy
		want     target.Reconciled
	}{
		"the link does not repair": {false, nil, target.Reconciled{Found: 1, Reported: 1}},
		"report":                   {true, map[string]target.Policy{"family": target.ReportOnly}, target.Reconciled{Found: 1, Reported: 1}},
		"onCreate":                 {true, map[string]target.Policy{"family": target.OnCreate}, target.Reconciled{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s, d := reconciling(t, 5, c.repair, c.policies)
				d.change(idOf(100), "family", "Annan")
				want, writes := d.text(), d.count()
				got := lastCompared(s)
				if got.At = (time.Time{}); got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				if d.text() != want || d.count() != writes {
					t.Error("what others wrote was written over")
				}
				_ = p.stop()
			})
		})
	}
}

// An account that others turned off may be a stolen one: it is not turned on by a clock.
func TestAnAccountThatOthersDisabledStaysDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, d := reconciling(t, 5, true, nil)
		d.mu.Lock()
		d.off[idOf(100)] = true
		d.mu.Unlock()
		if got := lastCompared(s); got.Found != 1 || got.Reported != 1 || got.Repaired != 0 || d.enabled(idOf(100)) {
			t.Errorf("%+v, enabled: %t", got, d.enabled(idOf(100)))
		}
		_ = p.stop()
	})
}

// A list that is short, or breaks off, takes nobody out of a group and makes nothing again (R3).
func TestR3AListThatIsShortIsNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		omit     func(target.ID) bool
		err      error
		distrust reason.Code
	}{
		"one is missing":  {func(id target.ID) bool { return id == idOf(100) }, nil, ""},
		"all are missing": {func(id target.ID) bool { return id.Kind == "person" }, nil, reason.ListShort},
		"it broke off":    {nil, reason.Errorf(reason.Transient, errors.New("cut"), reason.Unreachable, "address", "test"), reason.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s, d := reconciling(t, 60, true, nil)
				want, writes := d.text(), d.count()
				d.omit, d.err = c.omit, c.err
				same := func(when string) {
					t.Helper()
					if d.text() != want || d.count() != writes {
						t.Errorf("%s: %d writes", when, d.count()-writes)
					}
				}
				got := lastCompared(s)
				var code reason.Code
				if got.Reason != nil {
					code = got.Reason.Code
				}
				if code != c.distrust || got.Found != 0 {
					t.Errorf("the comparison came to %+v, want %q", got, c.distrust)
				}
				same("after a comparison")
				if c.err == nil {
					_, err := p.link.Resync(t.Context(), true, false)
					if reason.Of(err).Code != c.distrust && (err != nil || c.distrust != "") {
						t.Errorf("a verifying resync: %v, want %q", err, c.distrust)
					}
					same("after a verifying resync")
				}
				d.omit, d.err = nil, nil
				d.change(idOf(101), "family", "Annan")
				if got := lastCompared(s); got.Reason != nil || got.Found != 0 && d.text() != want {
					t.Errorf("with a list that is whole again: %+v", got)
				}
				if d.text() != want {
					t.Error("the drift was not repaired once the list was whole again")
				}
				_ = p.stop()
			})
		})
	}
}

// Who says that the target did lose much gets it again.
func TestATargetThatLostMuchIsRecoveredWhenAPersonSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, d := reconciling(t, 60, true, nil)
		want := d.text()
		d.mu.Lock()
		maps.DeleteFunc(d.held, func(id target.ID, _ target.Held) bool { return id.Kind == "person" })
		d.mu.Unlock()
		if _, err := p.link.Resync(t.Context(), true, false); reason.Of(err).Code != reason.ListShort {
			t.Errorf("without force: %v", err)
		}
		if _, err := p.link.Resync(t.Context(), true, true); err != nil {
			t.Fatal(err)
		}
		if d.text() != want {
			t.Errorf("the directory holds\n%s\nwant\n%s", d.text(), want)
		}
		_ = p.stop()
	})
}
