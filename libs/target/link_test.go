package target_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// small is a school with a unit, three pupils and a group of two of them.
func small() []roster.Record {
	return []roster.Record{unit(1), person(11, "Ek"), person(12, "Al"), person(13, "Björk"), group(21, 1, 11, 12)}
}

func callsSetup() (setup, *directory) {
	d := newDirectory()
	return setup{log: targettest.NewLog(time.Now), ledger: targettest.NewLedger(), made: &target.Target{Mapping: school{}, Applier: d}, idle: time.Hour}, d
}

func wantOps(t *testing.T, s target.Settled, created, updated, deleted int) {
	t.Helper()
	if s.Created != created || s.Updated != updated || s.Deleted != deleted {
		t.Errorf("created %d, updated %d, deleted %d; want %d, %d, %d", s.Created, s.Updated, s.Deleted, created, updated, deleted)
	}
}

func TestCallsMakeTheTargetEqualToTheRoster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		wantOps(t, p.reach(s.log), 5, 0, 0)

		s.log.Publish(person(11, "Ekman"), group(21, 1, 11, 13))
		wantOps(t, p.reach(s.log), 0, 2, 0)

		s.log.Publish(gone(person(12, "")))
		wantOps(t, p.reach(s.log), 0, 0, 1)

		want := strings.Join([]string{
			"group/" + key(21).String() + " name=group21 members=[person/" + key(11).String() + " person/" + key(13).String() + "]",
			"organisation/" + key(1).String() + " name=unit1",
			"person/" + key(11).String() + " family=Ekman",
			"person/" + key(13).String() + " family=Björk",
		}, "\n")
		if got := d.text(); got != want {
			t.Errorf("the directory holds\n%s\nwant\n%s", got, want)
		}
		if err := p.stop(); err == nil {
			t.Error("the link ended without an error although it was stopped")
		}
	})
}

func TestR5ReplayAndResyncMakeNoOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		begun := time.Now()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		calls, saves := d.count(), len(s.ledger.Entries)
		for name, again := range map[string]func() (target.Settled, error){
			"replay": func() (target.Settled, error) { return p.link.Replay(t.Context(), begun) },
			"resync": func() (target.Settled, error) { return p.link.Resync(t.Context(), false, false) },
			"verify": func() (target.Settled, error) { return p.link.Resync(t.Context(), true, false) },
			"sync":   func() (target.Settled, error) { return p.link.Sync(t.Context(), person(11, "").Ref) },
		} {
			got, err := again()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			wantOps(t, got, 0, 0, 0)
		}
		if err := p.stop(); !errors.Is(err, t.Context().Err()) && err == nil {
			t.Error(err)
		}
		p = start(t, s) // a new process finds nothing to do either
		wantOps(t, p.reach(s.log), 0, 0, 0)
		if d.count() != calls || len(s.ledger.Entries) != saves {
			t.Errorf("%d calls and %d entries, want %d and %d", d.count(), len(s.ledger.Entries), calls, saves)
		}
		_ = p.stop()
	})
}

func TestVerifyRepairsWhatWasTakenBehindOurBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		want := d.text()
		delete(d.held, target.ID{Kind: "person", Key: key(11).String()})
		got, err := p.link.Resync(t.Context(), true, false)
		if err != nil {
			t.Fatal(err)
		}
		wantOps(t, got, 1, 0, 0)
		if d.text() != want {
			t.Errorf("the directory holds\n%s\nwant\n%s", d.text(), want)
		}
		_ = p.stop()
	})
}

// settledOnce returns a setup whose link has settled the small school and was stopped.
func settledOnce(t *testing.T) (setup, *directory) {
	s, d := callsSetup()
	s.log.Publish(small()...)
	p := start(t, s)
	p.reach(s.log)
	_ = p.stop()
	return s, d
}

func TestR6NothingGoesBecauseTheLogMissesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := settledOnce(t)
		want := d.text()
		s.log.Forget(person(11, "").Ref) // person 11 was never said
		p := start(t, s)
		got := p.reach(s.log)
		wantOps(t, got, 0, 0, 0)
		if got.Orphans != 1 || d.text() != want {
			t.Errorf("%d orphans, directory\n%s\nwant 1 orphan and\n%s", got.Orphans, d.text(), want)
		}
		_ = p.stop()
	})
}

func TestR7WhatCannotBeReadStaysAsItIs(t *testing.T) {
	for name, setUp := range map[string]func() (setup, func() string){
		"calls": func() (setup, func() string) { s, d := callsSetup(); return s, d.text },
		"sets":  func() (setup, func() string) { s, in := setsSetup(); return s, in.last },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, text := setUp()
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				ref := person(11, "").Ref
				s.log.Add(roster.Event{Ref: ref, Source: register, Unreadable: errors.New("of a newer schema")})
				s.log.Publish(person(13, "Björkman"))
				wantOps(t, p.reach(s.log), 0, 1, 0)
				_ = p.stop()
				p = start(t, s) // on load the message is the last on its subject
				got := p.reach(s.log)
				wantOps(t, got, 0, 0, 0)
				if got.Orphans != 1 || !strings.Contains(text(), "family=Ek\n") {
					t.Errorf("%d orphans, and the target holds\n%s", got.Orphans, text())
				}
				s.log.Publish(person(11, "Ekman"))
				wantOps(t, p.reach(s.log), 0, 1, 0)
				_ = p.stop()
			})
		})
	}
}

func TestR6AnotherLogHaltsTheLinkUntilEverySourceHasRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := settledOnce(t)
		want := d.text()
		s.log = targettest.NewLog(time.Now)
		s.log.Created = time.Unix(2, 0)
		s.log.Publish(unit(1))
		p := start(t, s)
		if got := <-p.settled; got.Halted == nil || got.Halted.Code != reason.LogRegressed {
			t.Errorf("settled %+v, want halted", got)
		}
		s.log.Mark(register, roster.RunOpened)
		s.log.Publish(small()[1:4]...)
		s.log.Publish(group(21, 1, 11, 13))
		synctest.Wait()
		if d.text() != want {
			t.Errorf("a link wrote from a log that had lost something:\n%s", d.text())
		}
		s.log.Mark(register, roster.RunEnded)
		wantOps(t, p.reach(s.log), 0, 1, 0)
		_ = p.stop()
	})
}

func TestNeedsAndSetsWaitForExactlyWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(person(11, "Ek"), group(21, 1, 11, 12))
		p := start(t, s)
		got := p.reach(s.log)
		wantOps(t, got, 1, 0, 0)
		if got.Waiting != 1 {
			t.Errorf("%d wait, want the group", got.Waiting)
		}
		s.log.Publish(unit(1))
		wantOps(t, p.reach(s.log), 2, 0, 0) // the unit, and the group with the one member that stands
		s.log.Publish(person(12, "Al"))
		wantOps(t, p.reach(s.log), 1, 1, 0) // the person, and the group's member
		if !strings.Contains(d.text(), "members=[person/"+key(11).String()+" person/"+key(12).String()+"]") {
			t.Errorf("the group does not have both members:\n%s", d.text())
		}
		_ = p.stop()
	})
}

func TestFaultsOfSingleOperations(t *testing.T) {
	invalid := reason.Errorf(reason.Invalid, nil, reason.Unexpected)
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		ek := target.ID{Kind: "person", Key: key(11).String()}
		refuse := func(err error) func(target.Operation) error {
			return func(op target.Operation) error {
				if op.Resource.ID == ek {
					return err
				}
				return nil
			}
		}
		s.log.Publish(small()...)

		d.set(refuse(invalid))
		p := start(t, s)
		got := p.reach(s.log)
		wantOps(t, got, 4, 0, 0)
		if got.Parked != 1 {
			t.Errorf("%d parked, want 1", got.Parked)
		}

		d.set(nil)
		again, err := p.link.Resync(t.Context(), false, false)
		if err != nil {
			t.Fatal(err)
		}
		wantOps(t, again, 0, 0, 0) // the same wish that was refused

		s.log.Publish(person(11, "Ekman"))
		wantOps(t, p.reach(s.log), 1, 1, 0) // another wish, and the group that waited for its member

		d.set(refuse(errors.New("the line broke")))
		s.log.Publish(person(11, "Ekström"))
		got = p.reach(s.log)
		if got.Waiting != 1 || got.WakeAt.IsZero() {
			t.Errorf("%d wait until %s, want 1 with a time", got.Waiting, got.WakeAt)
		}
		d.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !strings.Contains(d.text(), "Ekström") {
			t.Errorf("a passing fault was not tried again:\n%s", d.text())
		}
		_ = p.stop()
	})
}

func TestMisconfiguredHaltsTheLinkAndProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(small()...)
		d.set(func(target.Operation) error {
			return reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials, "address", "directory", "user", "ess")
		})
		p := start(t, s)
		first := <-p.settled
		if first.Halted == nil || first.Halted.Code != reason.WrongCredentials || first.Cursor.Seq != 0 {
			t.Fatalf("settled %+v, want halted with the cursor where it was", first)
		}
		calls := d.count()
		s.log.Publish(person(14, "Rönn"))
		synctest.Wait()
		if d.count() != calls {
			t.Errorf("a halted link made %d calls for a new event: an account could be locked", d.count()-calls)
		}
		d.set(nil)
		p.reach(s.log)
		if n := strings.Count("\n"+d.text(), "\nperson/"); n != 4 {
			t.Errorf("%d persons after the fault was mended, want 4", n)
		}
		_ = p.stop()
	})
}

func TestDatesAreEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.idle = time.Minute // so that the link is cold when midnight comes
		g := group(21, 1, 11)
		g.Group.Members[0].Interval.End = roster.Today(time.Now()).AddDays(1)
		s.log.Publish(unit(1), person(11, "Ek"), g)
		p := start(t, s)
		p.reach(s.log)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if !strings.Contains(d.text(), "members=[person/") {
			t.Errorf("the member left a day early:\n%s", d.text())
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if strings.Contains(d.text(), "members=[person/") {
			t.Errorf("the member is still there on the day after the last:\n%s", d.text())
		}
		_ = p.stop()
	})
}

func TestAnOldOwnerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(small()...)
		old := start(t, s)
		old.reach(s.log)
		calls := d.count()
		if _, err := s.ledger.Own(t.Context(), register, target.Owner{Name: "new"}); err != nil {
			t.Fatal(err)
		}
		s.log.Publish(person(14, "Rönn"))
		if err := <-old.done; !errors.Is(err, target.ErrOwnerLost) {
			t.Errorf("the old owner ended with %v", err)
		}
		if d.count() > calls {
			t.Errorf("the old owner made %d calls", d.count()-calls)
		}
	})
}

// TestR2KilledAtEveryStep kills the process before and after every step that leaves a trace, and starts it again: the
// target must come out equal, with nothing made twice.
func TestR2KilledAtEveryStep(t *testing.T) {
	change := []roster.Record{person(11, "Ekman"), gone(person(12, "")), person(14, "Rönn"), group(21, 1, 11, 13, 14)}
	run := func(t *testing.T, killAt int, deliver bool) (steps int, text string, creates int) {
		synctest.Test(t, func(t *testing.T) {
			s, d := callsSetup()
			in := newInbox()
			if deliver {
				s.made = &target.Target{Mapping: school{}, Deliverer: in}
			}
			var dead atomic.Bool
			var step atomic.Int64
			hook := func(string) error {
				if dead.Load() {
					return errKilled
				}
				if int(step.Add(1)) == killAt {
					dead.Store(true)
					return errKilled
				}
				return nil
			}
			s.ledger.Hook, d.hook, in.hook = hook, hook, hook
			for _, records := range [][]roster.Record{small(), change} {
				s.log.Publish(records...)
				for range 2 {
					p := start(t, s)
					ended := make(chan struct{})
					go func() {
						for range 200 {
							time.Sleep(time.Second)
							if dead.Load() {
								break
							}
						}
						close(ended)
					}()
					<-ended
					_ = p.stop()
					dead.Store(false)
				}
			}
			text, steps = d.text(), int(step.Load())
			for id, n := range d.creates {
				if creates += n; n > 1 {
					t.Errorf("killed at step %d: %s was made %d times", killAt, id, n)
				}
			}
			if deliver {
				text = in.last()
				if in.count() > 2 {
					t.Errorf("killed at step %d: %d uploads for two states", killAt, in.count())
				}
			}
		})
		return steps, text, creates
	}
	for _, deliver := range []bool{false, true} {
		t.Run(map[bool]string{false: "calls", true: "sets"}[deliver], func(t *testing.T) {
			steps, want, creates := run(t, -1, deliver)
			if steps < 6 || want == "" {
				t.Fatalf("%d steps to die at, and the target holds %q", steps, want)
			}
			for at := 1; at <= steps; at++ {
				_, got, made := run(t, at, deliver)
				if got != want {
					t.Errorf("killed at step %d, the target holds\n%s\nwant\n%s", at, got, want)
				}
				if made != creates {
					t.Errorf("killed at step %d: %d creates, want %d", at, made, creates)
				}
			}
		})
	}
}

func TestMappingVersionLooksAtEverythingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		_ = p.stop()
		s.made = &target.Target{Mapping: school{"2"}, Deliverer: in}
		p = start(t, s)
		wantOps(t, p.reach(s.log), 0, 0, 0)
		if s.ledger.Mark.Mapping != "2" || in.count() != 1 {
			t.Errorf("mapping %q and %d uploads, want 2 and 1", s.ledger.Mark.Mapping, in.count())
		}
		_ = p.stop()
	})
}

func BenchmarkPlanUnchanged(b *testing.B) {
	log, ledger := targettest.NewLog(time.Now), targettest.NewLedger()
	log.Publish(unit(1))
	for i := range 20_000 {
		r := person(0, "Ek")
		copy(r.Ref.Key[:], fmt.Sprintf("%016d", i))
		log.Publish(r)
	}
	s := setup{log: log, ledger: ledger, made: &target.Target{Mapping: school{}, Applier: newDirectory()}, idle: time.Hour}
	p := start(b, s)
	p.reach(log)
	for b.Loop() {
		if _, err := p.link.Resync(b.Context(), false, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(20_001*b.N)/b.Elapsed().Seconds(), "resources/s")
	_ = p.stop()
}
