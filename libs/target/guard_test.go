package target_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
	_ "eventful.se/ess/libs/testbed/underrace"
)

// kit is a target under the guard: how many persons it holds, and whether it holds one.
type kit struct {
	setup
	text func() string
}

func (k kit) has(n int) bool { return lineOf(k.text(), n) != "" }

func (k kit) count(from, to int) (n int) {
	for i := from; i < to; i++ {
		if k.has(i) {
			n++
		}
	}
	return n
}

// guarded runs a test on both engines, with persons 100 to 100+n at unit 1 and in group 50 already at the target.
func guarded(t *testing.T, n int, test func(*testing.T, kit, *process)) {
	t.Helper()
	for _, engine := range []string{"calls", "sets"} {
		t.Run(engine, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(engine)
				k.log.Publish(pupils(n)...)
				p := start(t, k.setup)
				p.reach(k.log)
				if got := k.count(100, 100+n); got != n {
					t.Fatalf("%d of %d at the target", got, n)
				}
				test(t, k, p)
			})
		})
	}
}

func newKit(engine string) (k kit) {
	if engine == "calls" {
		s, d := callsSetup()
		k = kit{s, d.text}
	} else {
		s, in := setsSetup()
		k = kit{s, in.last}
	}
	k.holds, k.idle = &guardtest.Store{}, time.Minute
	k.made.Watched = map[string]guard.Operation{"family": guard.Rename}
	return k
}

func pupils(n int) []roster.Record {
	list := []roster.Record{unit(1)}
	var members []int
	for i := range n {
		list, members = append(list, person(100+i, fmt.Sprint("Ek", i))), append(members, 100+i)
	}
	return append(list, group(50, 1, members...))
}

func leavers(from, to int) (list []roster.Record) {
	for i := from; i < to; i++ {
		list = append(list, gone(person(i, "")))
	}
	return list
}

// approve publishes what a person approved.
func approve(log *targettest.Log, records ...roster.Record) {
	for _, r := range records {
		log.Add(roster.Event{Record: &r, Ref: r.Ref, Source: r.Source, Approved: true})
	}
}

// together has a target see changes at once, as by one run.
func together(log *targettest.Log, records ...roster.Record) {
	log.Mark(register, roster.RunOpened)
	log.Publish(records...)
	log.Mark(register, roster.RunEnded)
}

// decide is what a person does with essctl.
func decide(t *testing.T, s *guardtest.Store, v guard.Verdict, now time.Time) {
	t.Helper()
	k := s.Now()
	if k.Hold == nil {
		t.Fatal("nothing is held")
	}
	if _, err := k.Decide(k.Hold.Digest, nil, v, "test", now); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), roster.Source{}, k); err != nil {
		t.Fatal(err)
	}
}

// restart stops a process and starts another, which sees all at once.
func restart(t *testing.T, k kit, p *process, changes ...roster.Record) *process {
	t.Helper()
	_ = p.stop()
	together(k.log, changes...)
	p = start(t, k.setup)
	p.reach(k.log)
	return p
}

func TestMassLeaveIsHeldAndTheRestGoesOn(t *testing.T) {
	guarded(t, 40, func(t *testing.T, k kit, p *process) {
		p = restart(t, k, p, append(leavers(100, 130), person(300, "Ny"), person(139, "Al"))...)
		if k.count(100, 140) != 40 || !k.has(300) || !strings.Contains(k.text(), "family=Al") {
			t.Fatalf("want 30 leavers held, one new and one renamed:\n%s", k.text())
		}
		if h := k.holds.Now().Hold; h == nil || len(h.Items) != 30 {
			t.Fatalf("held: %+v", h)
		}
		time.Sleep(60 * day)
		synctest.Wait()
		if k.count(100, 140) != 40 {
			t.Fatal("silence removed somebody")
		}
		decide(t, k.holds, guard.Approved, time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()
		if k.count(100, 130) != 0 || k.count(130, 140) != 10 || k.holds.Now().Hold != nil || len(k.holds.Now().Decisions) != 0 {
			t.Fatalf("a minute after the approval: %+v\n%s", k.holds.Now().Decisions, k.text())
		}
		_ = p.stop()
	})
}

func TestWhatWasHeldSaysWhyAndTheLinkIsShownAsHeld(t *testing.T) {
	guarded(t, 40, func(t *testing.T, k kit, p *process) {
		_ = p.stop()
		together(k.log, leavers(100, 130)...)
		p = start(t, k.setup)
		s := p.reach(k.log)
		if s.Held != 30 || s.Status.Mode != target.ModeHeld || s.Status.Reason.Code != reason.LinkHolds || s.Status.Reason.Next(reason.Swedish) == "" {
			t.Errorf("settled %+v", s.Status)
		}
		if m := k.ledger.Mark.Status; m.Mode != target.ModeHeld || m.Held != 30 || m.Shown(target.ModePaused) != target.ModePaused {
			t.Errorf("the mark says %+v", m)
		}
		if e, ok := k.ledger.Entries[target.ID{Kind: "person", Key: key(100).String()}]; ok && (e.State != target.OnHold || e.Reason == nil || e.Reason.Code != reason.ResourceHeld || !e.Held) {
			t.Errorf("the entry says %+v", e)
		}
		var back []roster.Record
		for i := range 30 {
			back = append(back, person(100+i, fmt.Sprint("Ek", i)))
		}
		together(k.log, back...)
		if s = p.reach(k.log); s.Held != 0 || s.Status.Mode != target.ModeActive || k.holds.Now().Hold != nil {
			t.Errorf("the register took it back: %+v, %+v", s.Status, k.holds.Now().Hold)
		}
		if e, ok := k.ledger.Entries[target.ID{Kind: "person", Key: key(100).String()}]; ok && (e.State != target.Applied || e.Reason != nil) {
			t.Errorf("the entry says %+v", e)
		}
		_ = p.stop()
	})
}

func TestFourPercentANightIsHeldByTheWindow(t *testing.T) {
	guarded(t, 500, func(t *testing.T, k kit, p *process) {
		for night := range 10 {
			p = restart(t, k, p, leavers(100+20*night, 120+20*night)...)
			time.Sleep(day)
		}
		// The limit is 5 % of those there were: one night of 20, and nothing once the second is held.
		if left := 500 - k.count(100, 600); left != 20 {
			t.Errorf("%d left within ten nights, want 20", left)
		}
		_ = p.stop()
	})
}

func TestMassRenameIsHeld(t *testing.T) {
	guarded(t, 40, func(t *testing.T, k kit, p *process) {
		var renamed []roster.Record
		for i := range 30 {
			renamed = append(renamed, person(100+i, fmt.Sprint("Annan", i)))
		}
		p = restart(t, k, p, append(renamed, group(50, 1, 105))...)
		if strings.Contains(k.text(), "Annan") || !strings.Contains(k.text(), "members=[person/"+key(105).String()+"]") {
			t.Errorf("want the old names, and the group's new members:\n%s", k.text())
		}
		decide(t, k.holds, guard.Rejected, time.Now())
		time.Sleep(5 * day)
		synctest.Wait()
		if strings.Contains(k.text(), "Annan") {
			t.Error("what was rejected was done")
		}
		decide(t, k.holds, guard.Approved, time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()
		if strings.Count(k.text(), "Annan") != 30 {
			t.Errorf("approved, and not done:\n%s", k.text())
		}
		_ = p.stop()
	})
}

func TestWhatWasApprovedAtTheSourceIsNotAskedAgain(t *testing.T) {
	for name, life := range map[string]target.Lifecycle{"at once": {}, "by stages": {Stages: target.DefaultStages()}} {
		t.Run(name, func(t *testing.T) {
			for _, engine := range []string{"calls", "sets"} {
				t.Run(engine, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						k := newKit(engine)
						k.life = life
						k.log.Publish(pupils(40)...)
						p := start(t, k.setup)
						p.reach(k.log)
						k.log.Mark(register, roster.RunOpened)
						approve(k.log, leavers(100, 130)...)
						k.log.Publish(group(50, 1, 130, 131)) // concerns them all, and nobody approved it
						k.log.Mark(register, roster.RunEnded)
						p.reach(k.log)
						time.Sleep(100 * day)
						p = restart(t, k, p)
						time.Sleep(100 * day)
						synctest.Wait()
						if k.count(100, 130) != 0 || k.count(130, 140) != 10 || k.holds.Now().Hold != nil {
							t.Errorf("asked again: %+v\n%s", k.holds.Now().Hold, k.text())
						}
						_ = p.stop()
					})
				})
			}
		})
	}
}

func TestAnApprovedChangeExcusesNoLaterOne(t *testing.T) {
	guarded(t, 40, func(t *testing.T, k kit, p *process) {
		_ = p.stop()
		var renamed []roster.Record
		for i := range 30 {
			renamed = append(renamed, person(100+i, fmt.Sprint("Annan", i)))
		}
		k.log.Mark(register, roster.RunOpened)
		approve(k.log, renamed...)
		k.log.Mark(register, roster.RunEnded)
		p = start(t, k.setup)
		p.reach(k.log)
		if strings.Count(k.text(), "Annan") != 30 {
			t.Fatalf("asked again:\n%s", k.text())
		}
		p = restart(t, k, p, leavers(100, 130)...)
		if k.count(100, 130) != 30 {
			t.Error("an approved rename let a delete through")
		}
		_ = p.stop()
	})
}

func TestR9WhatContainsIsNeverHeld(t *testing.T) {
	guarded(t, 40, func(t *testing.T, k kit, p *process) {
		var list []roster.Record
		for i := 100; i < 130; i++ {
			list = append(list, protected(i))
		}
		p = restart(t, k, p, list...)
		if k.count(100, 130) != 0 || k.holds.Now().Hold != nil {
			t.Errorf("a protected person is still there:\n%s", k.text())
		}
		_ = p.stop()
	})
}

func TestAUnitDoesNotGoBeforeWhoIsHeldThere(t *testing.T) {
	guarded(t, 3, func(t *testing.T, k kit, p *process) {
		var units, groups []roster.Record
		for i := range 30 {
			units, groups = append(units, unit(400+i)), append(groups, group(500+i, 400+i))
		}
		p = restart(t, k, p, append(units, groups...)...)
		p = restart(t, k, p, append(each(groups, gone), gone(units[0]))...)
		if n := strings.Count(k.text(), "group/"); n != 31 || !strings.Contains(k.text(), "organisation/"+key(400).String()) {
			t.Errorf("%d groups, and the unit of one:\n%s", n, k.text())
		}
		decide(t, k.holds, guard.Approved, time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := strings.Count(k.text(), "group/"); n != 1 || strings.Contains(k.text(), "organisation/"+key(400).String()) {
			t.Errorf("%d groups after the approval:\n%s", n, k.text())
		}
		_ = p.stop()
	})
}

func each(list []roster.Record, do func(roster.Record) roster.Record) (out []roster.Record) {
	for _, r := range list {
		out = append(out, do(r))
	}
	return out
}

func TestApprovedDeletedBackAndGoneAgainIsAskedAgain(t *testing.T) {
	guarded(t, 40, func(t *testing.T, k kit, p *process) {
		p = restart(t, k, p, leavers(100, 130)...)
		decide(t, k.holds, guard.Approved, time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()
		p = restart(t, k, p, pupils(40)...)
		if k.count(100, 140) != 40 {
			t.Fatalf("they are back, and not there:\n%s", k.text())
		}
		p = restart(t, k, p, leavers(100, 130)...)
		if k.count(100, 140) != 40 || k.holds.Now().Hold == nil {
			t.Error("the old approval let the second delete through")
		}
		_ = p.stop()
	})
}

func TestPreviewShowsWhatWouldBeHeldAndKeepsNothing(t *testing.T) {
	guarded(t, 40, func(t *testing.T, k kit, p *process) {
		_ = p.stop()
		together(k.log, leavers(100, 130)...)
		version := k.holds.Now().Version
		k.mode = target.ModePreview
		p = start(t, k.setup)
		s := <-p.settled
		why := 0
		for _, r := range s.Rows {
			if r.Reason != nil && r.Reason.Code == reason.ResourceHeld && r.Verb == "" {
				why++
			}
		}
		if s.Held != 30 || why != 30 || s.Deleted != 0 || k.holds.Now().Version != version {
			t.Errorf("%d held, %d rows say so, %d deleted", s.Held, why, s.Deleted)
		}
		_ = p.stop()
	})
}

func TestWhatPassedIsCountedBeforeItIsDoneAndOnce(t *testing.T) {
	for _, engine := range []string{"calls", "sets"} {
		for _, at := range []string{"before keep", "after keep"} {
			t.Run(engine+" dies "+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newKit(engine)
					k.log.Publish(pupils(40)...)
					p := start(t, k.setup)
					p.reach(k.log)
					_ = p.stop()
					together(k.log, leavers(100, 108)...)
					k.holds.Hook = func(step string) error {
						if step == at {
							return errKilled
						}
						return nil
					}
					p = start(t, k.setup)
					if err := <-p.done; !errors.Is(err, errKilled) {
						t.Fatalf("the link ended with %v", err)
					}
					if k.count(100, 140) != 40 {
						t.Fatal("it was done before it was counted")
					}
					k.holds.Hook = nil
					p = start(t, k.setup)
					p.reach(k.log)
					if k.count(100, 108) != 0 || counted(k.holds.Now()) != 8 {
						t.Errorf("%d left, %d counted", 8-k.count(100, 108), counted(k.holds.Now()))
					}
					p = restart(t, k, p, leavers(108, 111)...)
					if k.count(108, 111) != 3 {
						t.Error("an eleventh left within the window")
					}
					_ = p.stop()
				})
			})
		}
	}
}

func counted(k guard.Kept) (n int) {
	for _, p := range k.Passed {
		n += len(p.Marks)
	}
	return n
}

// Whatever the register says, night after night, and whoever restarts: within any window no more leave or are renamed
// than the limit, unless somebody approved it.
func TestNoMoreThanTheLimitWithinAnyWindow(t *testing.T) {
	const size = 12
	rapid.Check(t, func(rt *rapid.T) {
		engine := rapid.SampledFrom([]string{"calls", "sets"}).Draw(rt, "engine")
		nights := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 3*size-1), 0, size), 2, 6).Draw(rt, "nights")
		waits := rapid.SliceOfN(rapid.IntRange(1, 4), len(nights), len(nights)).Draw(rt, "waits")
		floor := rapid.IntRange(0, 4).Draw(rt, "floor")
		synctest.Test(t, func(t *testing.T) {
			k := newKit(engine)
			k.limits = guard.Limits{{Operation: guard.Delete, Floor: floor}, {Operation: guard.Rename, Floor: floor}}
			k.log.Publish(pupils(size)...)
			p := start(t, k.setup)
			p.reach(k.log)
			type loss struct {
				night  time.Time
				person int
			}
			var left, renamed []loss
			for n, night := range nights {
				before := k.text()
				var changes []roster.Record
				for _, x := range night {
					switch who := 100 + x%size; x / size {
					case 0:
						changes = append(changes, gone(person(who, "")))
					case 1:
						changes = append(changes, person(who, fmt.Sprint("Ny", n, "-", who)))
					default:
						changes = append(changes, person(who, fmt.Sprint("Ek", who-100)))
					}
				}
				p = restart(t, k, p, changes...)
				for i := range size {
					was, is := lineOf(before, 100+i), lineOf(k.text(), 100+i)
					switch {
					case was != "" && is == "":
						left = append(left, loss{time.Now(), 100 + i})
					case was != "" && was != is:
						renamed = append(renamed, loss{time.Now(), 100 + i})
					}
				}
				for _, list := range [][]loss{left, renamed} {
					recent := slices.DeleteFunc(slices.Clone(list), func(l loss) bool { return time.Since(l.night) > guard.Window })
					if len(recent) > floor {
						t.Fatalf("night %d: %v within the window, and the limit is %d", n, recent, floor)
					}
				}
				time.Sleep(time.Duration(waits[n]) * day)
			}
			_ = p.stop()
		})
	})
}

func lineOf(text string, n int) string {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "person/"+key(n).String()+" ") {
			return line
		}
	}
	return ""
}
