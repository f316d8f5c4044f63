package target_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// What is begun and not heard of is begun again, and once it is confirmed that is all (R5): a disable, too, of which the
// ledger has known before that it was begun.
func TestR5ADisableWhoseAnswerWasLostIsMadeOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s = inStages(s)
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		disables, lost := 0, true
		d.after = func(op target.Operation) error {
			if op.Verb != target.Disable {
				return nil
			}
			disables++
			if lost {
				lost = false
				return errKilled
			}
			return nil
		}
		s.log.Publish(gone(person(13, "")))
		p.reach(s.log)
		time.Sleep(40 * day)
		for range 3 {
			if _, err := p.link.Resync(t.Context(), false, false); err != nil {
				t.Fatal(err)
			}
		}
		if d.enabled(idOf(13)) || disables != 2 {
			t.Errorf("enabled: %t, disabled %d times; want false and 2", d.enabled(idOf(13)), disables)
		}
		if e := s.ledger.Entries[idOf(13)]; e.Begun || e.State != target.Disabled {
			t.Errorf("the ledger says %s, begun: %t", e.State, e.Begun)
		}
		_ = p.stop()
	})
}

// A protected account is let in again, nobody is told, and then the target refuses to keep it out: that it said no to the
// second does not say what became of the first.
func TestR9ARefusalSaysNothingOfWhatWasBegunBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.made.Accounts = []string{"person"}
		hidden := person(11, "Ek")
		hidden.Person.Marking = roster.MarkingConfidential
		s.log.Publish(append(small(), hidden)...)
		s.log.Publish(person(11, "Ek"))
		p := start(t, s)
		p.reach(s.log)
		s.log.Publish(hidden)
		p.reach(s.log)
		d.after = func(target.Operation) error { return errKilled }
		s.log.Publish(person(11, "Ek"))
		synctest.Wait()
		d.after = nil
		d.set(func(op target.Operation) error {
			if op.Verb == target.Contain {
				return reason.Errorf(reason.Invalid, nil, reason.ItemRefused, "address", "test", "what", "no")
			}
			return nil
		})
		s.log.Publish(hidden)
		time.Sleep(time.Hour)
		d.set(nil)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if d.enabled(idOf(11)) {
			t.Error("a protected person can be seen and used for good (R9)")
		}
		_ = p.stop()
	})
}

// deaf is a directory that can stop answering lookups.
type deaf struct {
	*directory
	asked int
	err   error
}

func (d *deaf) Lookup(ctx context.Context, id target.ID, native string) (target.Held, error) {
	d.mu.Lock()
	d.asked++
	err := d.err
	d.mu.Unlock()
	if err != nil {
		return target.Held{}, err
	}
	return d.directory.Lookup(ctx, id, native)
}

// answer changes how it answers, and returns how often it was asked.
func (d *deaf) answer(err error) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	return d.asked
}

// A whole batch is not heard of, and then nobody answers: that costs a few time-outs and not hundreds, one after the other,
// and what was begun stays so until it is answered, or the register goes back and nobody sees what is wrong.
func TestATargetThatDoesNotAnswerIsNotAskedAboutEverything(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		halted bool
	}{
		"silent":                      {errors.New("no answer"), false},
		"the credentials are refused": {reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials, "address", "test", "user", "ess"), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, calls := callsSetup()
				d := &deaf{directory: calls}
				s.made.Applier = d
				const people = 100
				publish := func(name string) {
					for n := range people {
						s.log.Publish(person(100+n, name))
					}
				}
				publish("Ek")
				p := start(t, s)
				p.reach(s.log)
				want := d.text()
				d.after = func(target.Operation) error { return errKilled }
				publish("Ekman")
				synctest.Wait()
				d.after = nil
				asked := d.answer(c.err)
				publish("Ek")
				var last target.Settled
				for last.Cursor.Seq < 3*people && last.Halted == nil {
					last = <-p.settled
				}
				time.Sleep(10 * time.Second) // the first retry
				synctest.Wait()
				if asked = d.answer(nil) - asked; asked < 1 || asked > 10 {
					t.Errorf("nobody answers, and it is asked %d times", asked)
				}
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				if got := d.text(); got != want {
					t.Errorf("the directory holds\n%s\nwant\n%s", got, want)
				}
				_ = p.stop()
			})
		})
	}
}

// What a batch came to is written with the marks of the next one, and that of the last with the cursor.
func TestABatchIsOneSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		const people, batches = 1200, 3
		for _, c := range []struct {
			name  string
			saves int
		}{{"Ek", batches + 2}, {"Ekman", batches + 1}} { // with the first comes the status of the link
			for n := range people {
				s.log.Add(roster.Event{Record: new(person(100+n, c.name)), Ref: person(100+n, "").Ref, Source: register, Run: "run"})
			}
			before, calls := s.ledger.Saves, d.count()
			p := start(t, s)
			p.reach(s.log)
			_ = p.stop()
			if got := s.ledger.Saves - before; got != c.saves || d.count()-calls != people {
				t.Errorf("%s: %d calls in %d batches took %d saves, want %d", c.name, d.count()-calls, batches, got, c.saves)
			}
		}
		for id, e := range s.ledger.Entries {
			if e.Begun || e.State != target.Applied {
				t.Fatal(fmt.Sprint(id, " is ", e.State, ", begun: ", e.Begun))
			}
		}
	})
}
