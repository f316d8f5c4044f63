package target_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

func setsSetup() (setup, *inbox) {
	in := newInbox()
	return setup{log: targettest.NewLog(time.Now), ledger: targettest.NewLedger(), made: &target.Target{Mapping: school{}, Deliverer: in}, idle: time.Hour}, in
}

func TestSetsAreDeliveredOnlyWhenTheyChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		got := p.reach(s.log)
		wantOps(t, got, 5, 0, 0)
		s.log.Publish(person(11, "Ek")) // says what it said
		wantOps(t, p.reach(s.log), 0, 0, 0)
		s.log.Mark(register, roster.RunOpened) // else a set may go between the two
		s.log.Publish(person(11, "Ekman"), gone(person(12, "")))
		s.log.Mark(register, roster.RunEnded)
		wantOps(t, p.reach(s.log), 0, 2, 1) // the person, the group's members; the leaver
		if in.count() != 2 {
			t.Errorf("%d uploads, want 2", in.count())
		}
		if strings.Contains(in.last(), key(12).String()) {
			t.Errorf("the leaver is still referred to:\n%s", in.last())
		}
		_ = p.stop()
		p = start(t, s)
		wantOps(t, p.reach(s.log), 0, 0, 0)
		if in.count() != 2 {
			t.Errorf("a restart uploaded again: %d", in.count())
		}
		_ = p.stop()
	})
}

func TestSetsLeaveOutWhatDoesNotResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(unit(1), person(11, "Ek"), person(12, ""), group(21, 1, 11, 12, 99), group(22, 7, 11))
		p := start(t, s)
		got := p.reach(s.log)
		if got.Withheld != 1 || got.Waiting != 1 {
			t.Errorf("%d withheld, %d waiting; want the nameless person and the group without a unit", got.Withheld, got.Waiting)
		}
		want := "group/" + key(21).String() + " name=group21 members=[person/" + key(11).String() + "]"
		if !strings.HasPrefix(in.last(), want) || strings.Contains(in.last(), key(22).String()) {
			t.Errorf("delivered\n%s\nwant it to begin\n%s", in.last(), want)
		}
		_ = p.stop()
	})
}

func TestSetsAreNotDeliveredFromHalfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Mark(register, roster.RunOpened)
		s.log.Publish(small()[:2]...)
		p := start(t, s)
		first := <-p.settled
		if first.Deferred == "" || in.count() != 0 {
			t.Fatalf("settled %+v with %d uploads, want it deferred", first, in.count())
		}
		s.log.Publish(small()[2:]...)
		s.log.Mark(register, roster.RunEnded)
		wantOps(t, p.reach(s.log), 5, 0, 0)
		synctest.Wait()
		if in.count() != 1 {
			t.Errorf("%d uploads, want 1", in.count())
		}
		_ = p.stop()
	})
}

func TestTheFirstSetWaitsForEverySource(t *testing.T) {
	other := roster.Source{System: "other", Instance: "default"}
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.sources = roster.Precedence{register, other}
		run := func(from roster.Source, records ...roster.Record) {
			s.log.Mark(from, roster.RunOpened)
			s.log.Publish(records...)
			s.log.Mark(from, roster.RunEnded)
		}
		p := start(t, s) // before anybody has run
		run(register, small()...)
		synctest.Wait()
		if in.count() != 0 {
			t.Errorf("delivered before the other source has run:\n%s", in.last())
		}
		second := person(14, "Rönn")
		second.Source = other
		run(other, second)
		wantOps(t, p.reach(s.log), 6, 0, 0)
		run(register, person(11, "Ekman")) // from now on each is heard by itself
		wantOps(t, p.reach(s.log), 0, 1, 0)
		if in.count() != 2 {
			t.Errorf("%d uploads, want 2", in.count())
		}
		_ = p.stop()
	})
}

func TestWhatIsMissingRemovesNobody(t *testing.T) {
	for name, engine := range map[string]func() (setup, func() string){
		"calls": func() (setup, func() string) { s, d := callsSetup(); return s, d.text },
		"sets":  func() (setup, func() string) { s, in := setsSetup(); return s, in.last },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, text := engine()
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				before := text()
				s.log.Publish(person(11, ""), person(14, "")) // one who is there lost her family name, one is new without
				got := p.reach(s.log)
				wantOps(t, got, 0, 0, 0)
				if got.Parked != 1 || got.Withheld != 1 || text() != before {
					t.Errorf("%d parked, %d withheld, and the target holds\n%s\nwant\n%s", got.Parked, got.Withheld, text(), before)
				}
				s.log.Publish(person(11, "Ekman"))
				got = p.reach(s.log)
				wantOps(t, got, 0, 1, 0)
				if got.Parked != 0 {
					t.Errorf("%d parked after it was mended", got.Parked)
				}
				_ = p.stop()
			})
		})
	}
}

func TestSetsKeepOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		_ = p.stop()
		s.log.Forget(person(13, "").Ref) // person 13 was never said
		s.log.Publish(person(11, "Ekman"))
		p = start(t, s)
		if got := p.reach(s.log); got.Orphans != 1 || got.Deleted != 0 {
			t.Errorf("%d orphans and %d deleted, want 1 and 0", got.Orphans, got.Deleted)
		}
		if !strings.Contains(in.last(), "Björk") {
			t.Errorf("who is missing from the log was taken out:\n%s", in.last())
		}
		_ = p.stop()
	})
}

func TestAnOrphanGoesWithWhatItRefersTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		_ = p.stop()
		s.log.Forget(group(21, 1).Ref) // the group was never said
		s.log.Publish(gone(unit(1)))
		p = start(t, s)
		got := p.reach(s.log)
		if got.Orphans != 1 || got.Waiting != 1 || got.Halted != nil || strings.Contains(in.last(), "group/") {
			t.Errorf("settled %+v, want the group left out, for its unit is gone; delivered\n%s", got, in.last())
		}
		_ = p.stop()
	})
}

func TestSetsHaltWhenThePreflightOrTheUploadFails(t *testing.T) {
	for name, breakIt := range map[string]func(*inbox){
		"pre-flight": func(in *inbox) {
			in.set(func(target.Resource) *target.Problem {
				return &target.Problem{Reason: reason.New(reason.Unexpected)}
			}, nil)
		},
		"upload": func(in *inbox) { in.set(nil, errors.New("the line broke")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, in := setsSetup()
				breakIt(in)
				s.log.Publish(small()...)
				p := start(t, s)
				if got := <-p.settled; got.Halted == nil || got.Cursor.Seq != 0 || in.last() != "" {
					t.Fatalf("settled %+v, delivered %q", got, in.last())
				}
				in.set(nil, nil)
				p.reach(s.log)
				if in.last() == "" {
					t.Error("nothing was delivered after the fault was mended")
				}
				_ = p.stop()
			})
		})
	}
}

func TestR7ARowThatTheTargetRefusesDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		in.refuse = func(r target.Resource) *target.Problem {
			if len(r.Fields) > 0 && strings.HasPrefix(r.Fields[0].Value.Reveal(), "=") {
				return &target.Problem{ID: r.ID, Reason: reason.New(reason.Unexpected)}
			}
			return nil
		}
		s.log.Publish(append(small(), person(14, "=Rönn"))...)
		p := start(t, s)
		got := p.reach(s.log)
		wantOps(t, got, 5, 0, 0)
		if got.Parked != 1 || strings.Contains(in.last(), key(14).String()) {
			t.Errorf("%d parked, want the new one with the bad name; delivered\n%s", got.Parked, in.last())
		}
		s.log.Publish(person(11, "=Ek"), person(13, "Björkman")) // one who is delivered gets a bad name
		got = p.reach(s.log)
		wantOps(t, got, 0, 1, 0)
		if got.Parked != 2 || !strings.Contains(in.last(), "family=Ek\n") || !strings.Contains(in.last(), "Björkman") {
			t.Errorf("%d parked, want her row as it was and the other changed; delivered\n%s", got.Parked, in.last())
		}
		s.log.Publish(person(11, "Ekman"))
		wantOps(t, p.reach(s.log), 0, 1, 0)
		_ = p.stop()
	})
}

func TestSetsKeepTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.made.Every = 24 * time.Hour
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		s.log.Publish(person(11, "Ekman"))
		synctest.Wait()
		if in.count() != 1 {
			t.Errorf("%d uploads on the first day, want 1", in.count())
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if in.count() != 2 || !strings.Contains(in.last(), "Ekman") {
			t.Errorf("%d uploads, the last\n%s", in.count(), in.last())
		}
		_ = p.stop()
	})
}

// TestSetsTakeAwayWhatAnInterruptedDeliveryLeft has an owner end inside an upload, of which a part stays under its name. The next
// one takes it away when it has another set to bring, and leaves it alone when it is the same one.
func TestSetsTakeAwayWhatAnInterruptedDeliveryLeft(t *testing.T) {
	for name, changes := range map[string]bool{"another set": true, "the same set": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, in := setsSetup()
				in.onStep(func(string) error { return errors.New("the line broke") })
				w := &withdrawing{inbox: in}
				s.made.Deliverer = w
				s.log.Publish(small()...)
				p := start(t, s)
				if got := <-p.settled; got.Halted == nil {
					t.Fatalf("settled %+v", got)
				}
				_ = p.stop()
				in.onStep(nil)
				if changes {
					s.log.Publish(person(11, "Ekman"))
				}
				p = start(t, s)
				p.reach(s.log)
				_ = p.stop()
				if in.count() == 0 {
					t.Fatal("nothing was delivered")
				}
				if changes && (len(w.taken) != 1 || w.taken[0] == in.uploads[0]) || !changes && len(w.taken) > 0 {
					t.Errorf("delivered %v, and took away %v", in.uploads, w.taken)
				}
			})
		})
	}
}

// withdrawing is an inbox from which something can be taken away; it refuses to, for that must not matter.
type withdrawing struct {
	*inbox
	taken []string
}

func (w *withdrawing) Withdraw(_ context.Context, name string) error {
	w.taken = append(w.taken, name)
	return errors.New("not here")
}
