package target_test

import (
	"context"
	"errors"
	"maps"
	"slices"
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
	mute  bool                 // it cannot be asked for one resource
}

func (d *listed) Lookup(ctx context.Context, id target.ID, native string) (target.Held, error) {
	if d.mute {
		return target.Held{}, target.ErrUnsupported
	}
	return d.directory.Lookup(ctx, id, native)
}

func (d *listed) List(_ context.Context, found func(target.Held) error) error {
	d.mu.Lock()
	held := maps.Clone(d.held)
	for id, h := range held {
		h.Disabled = d.off[id]
		held[id] = h
	}
	d.lists++
	omit, err := d.omit, d.err
	d.mu.Unlock()
	for id, h := range held {
		if omit != nil && omit(id) {
			continue
		}
		if err := found(h); err != nil {
			return err
		}
	}
	return err
}

// behind does something behind the back of the link.
func (d *listed) behind(do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do()
}

// change has somebody else write another value.
func (d *listed) change(id target.ID, name, value string) {
	d.behind(func() {
		h := d.held[id]
		h.Fields = target.Fields{{Name: name, Value: roster.Personal(value)}}
		d.held[id] = h
	})
}

// reconciling is a link that compares once a day and has settled a school of so many pupils, one of them in the group.
func reconciling(t *testing.T, pupils int, repair bool, policies map[string]target.Policy) (*process, setup, *listed) {
	t.Helper()
	p, s, d := reconcilingWith(t, pupils, repair, policies, func(d *listed) target.Applier { return d })
	return p, s, d.(*listed)
}

// reconcilingWith is the same with a directory that can more.
func reconcilingWith(t *testing.T, pupils int, repair bool, policies map[string]target.Policy, with func(*listed) target.Applier) (*process, setup, target.Applier) {
	t.Helper()
	s, plain := callsSetup()
	d := with(&listed{directory: plain})
	s.made.Applier, s.made.Policies = d, policies
	s.with = func(o *target.LinkOptions) {
		o.Reconcile = target.Reconcile{Every: day, Changes: 15 * time.Minute, Repair: repair}
		o.Lifecycle = target.Lifecycle{Stages: []target.Stage{{Do: target.DisableStep}}}
	}
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
		d.behind(func() { delete(d.held, idOf(101)) })
		writes := d.count()
		got := lastCompared(s)
		if got.Found != 2 || got.Repaired != 2 || got.Reported != 0 {
			t.Errorf("one changed and one lost: %+v", got)
		}
		if want := []target.Drift{{ID: idOf(100), What: "family", Repaired: true}, {ID: idOf(101), What: target.Missing, Repaired: true}}; !slices.Equal(*got.Last, want) {
			t.Errorf("named %+v, want %+v", *got.Last, want)
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
				if got.At, got.Last = (time.Time{}), nil; got != c.want {
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
		d.behind(func() { d.off[idOf(100)] = true })
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
				d.behind(func() { d.omit, d.err = c.omit, c.err })
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
				settled, err := p.link.Resync(t.Context(), true, false) // which looks for each that the list has not
				if halted := settled.Halted != nil; err != nil || halted != (c.err != nil) || halted && settled.Halted.Code != c.distrust {
					t.Errorf("a verifying resync: %v, %v", settled.Halted, err)
				}
				same("after a verifying resync")
				d.behind(func() { d.omit, d.err = nil, nil })
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

// Who says that the target lost much gets it again by one command, where the target can be asked for each of it.
func TestATargetThatLostMuchIsRecoveredWhenAPersonSaysSo(t *testing.T) {
	for name, mute := range map[string]bool{"it can be asked": false, "it can only list": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, d := reconciling(t, 60, true, nil)
				want := d.text()
				d.behind(func() {
					d.mute = mute
					maps.DeleteFunc(d.held, func(id target.ID, _ target.Held) bool { return id.Kind == "person" })
				})
				_, err := p.link.Resync(t.Context(), true, false)
				if mute {
					if reason.Of(err).Code != reason.ListShort || d.text() == want {
						t.Errorf("without force: %v", err)
					}
					_, err = p.link.Resync(t.Context(), true, true)
				}
				if err != nil {
					t.Fatal(err)
				}
				if d.text() != want {
					t.Errorf("the directory holds\n%s\nwant\n%s", d.text(), want)
				}
				_ = p.stop()
			})
		})
	}
}

// A target that does not answer a verifying resync halts the link, which goes on by itself; asked again, it verifies.
func TestAVerifyOfATargetThatIsDownHaltsAndIsDoneWhenAskedAgain(t *testing.T) {
	unreachable := reason.Errorf(reason.Transient, errors.New("cut"), reason.Unreachable, "address", "test")
	synctest.Test(t, func(t *testing.T) {
		p, s, d := reconciling(t, 5, true, nil)
		want := d.text()
		d.change(idOf(100), "family", "Annan")
		d.behind(func() { d.err = unreachable })
		settled, err := p.link.Resync(t.Context(), true, false)
		if err != nil || settled.Halted == nil || settled.Halted.Code != reason.Unreachable || settled.Status.Mode != target.ModeHalted || settled.WakeAt.IsZero() {
			t.Fatalf("got %+v, %v", settled, err)
		}
		d.behind(func() { d.err = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.ledger.Mark.Status.Mode; got != target.ModeActive {
			t.Errorf("a minute after the target is back the link is %s", got)
		}
		if settled, err := p.link.Resync(t.Context(), true, false); err != nil || settled.Halted != nil || d.text() != want {
			t.Errorf("asked again: %v, %v\n%s", settled.Halted, err, d.text())
		}
		if err := p.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("the link ended with %v", err)
		}
	})
}

// A target that cannot be asked for anything says so to who wants it verified.
func TestAVerifyOfATargetThatCannotBeReadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, plain := callsSetup()
		s.made.Applier = silent{plain}
		s.log.Publish(unit(1), person(100, "Ek"))
		p := start(t, s)
		p.reach(s.log)
		if _, err := p.link.Resync(t.Context(), true, false); reason.Of(err).Code != reason.CannotVerify {
			t.Errorf("got %v", err)
		}
		if _, err := p.link.Resync(t.Context(), true, true); err != nil {
			t.Errorf("with force: %v", err)
		}
		_ = p.stop()
	})
}

// silent is a directory that cannot be asked.
type silent struct{ *directory }

func (silent) Lookup(context.Context, target.ID, string) (target.Held, error) {
	return target.Held{}, target.ErrUnsupported
}
