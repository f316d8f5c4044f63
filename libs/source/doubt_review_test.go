package source_test

import (
	"fmt"
	"strings"
	"testing"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// TestR3LostDecisionsAreNotTakenBack loses all that is kept beside the log: runs, holds and the desk on which decisions
// lay. That a source now says nothing is no decision, so what the log holds of it stays until somebody approves.
func TestR3LostDecisionsAreNotTakenBack(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults = source.Defaults{Protected: source.ProtectedFlag, MayBeEmpty: true}
	clear(w.reg.docs)
	for i := range 3 {
		w.reg.set(fmt.Sprint("protect", i), fact.Person{ID: fmt.Sprint("x", i), About: true, Marking: marked})
	}
	w.want(source.Published, "")
	w.nextDay()

	clear(w.reg.docs)
	w.runs.List = nil
	w.hold.Set(guard.Kept{})
	for range 2 {
		run := w.run(source.Held, map[string]int{"person.held": 3})
		if run.Reason == nil || run.Reason.Code != reason.ChangesHeld {
			t.Errorf("it is held because of %v", run.Reason)
		}
		if n := w.tombstones(); n != 0 {
			t.Fatalf("%d protections were taken back", n)
		}
		w.nextDay()
	}
	w.reg.set("protect0", fact.Person{ID: "x0", About: true, Marking: marked})
	w.reg.set("protect9", fact.Person{ID: "x9", About: true, Marking: marked})
	w.run(source.Held, map[string]int{"person.held": 2})
	if live := live(w.log, roster.KindPerson); len(live) != 4 {
		t.Errorf("%d persons are protected, want those who were and the new one", len(live))
	}
	w.nextDay()
	w.decide(guard.Approved)
	w.read()
	if n := w.tombstones(); n != 2 {
		t.Errorf("%d protections were taken back, want the two that were approved", n)
	}
	w.nextDay()
	w.reg.drop("protect9")
	w.read()
	if n := w.tombstones(); n != 3 {
		t.Errorf("%d protections were taken back: what is decided now acts again", n)
	}
}

// TestR3RegisterOfWhichNoRunIsKnown is the same of a register: what is new and what is harmless comes, nobody leaves.
func TestR3RegisterOfWhichNoRunIsKnown(t *testing.T) {
	w := school(t, 60)
	w.runs.List = nil
	w.hold.Set(guard.Kept{})
	w.leave(0, 2)
	w.person(70, nil)
	w.classes(60)
	w.run(source.Held, map[string]int{"person.created": 1, "person.held": 2, "person.deleted": 0})
}

// TestAnotherPepperIsRefused reads with another pepper than the log was written with: every key would be another one.
func TestAnotherPepperIsRefused(t *testing.T) {
	for what, pupils := range map[string]int{"a large school": 300, "a small one": 6} {
		for how, since := range map[string]bool{"complete": false, "what changed": true} {
			t.Run(what+", "+how, func(t *testing.T) {
				w := school(t, pupils)
				right := w.opts.Keyer
				var err error
				if w.opts.Keyer, err = roster.NewKeyer([]byte(strings.Repeat("q", roster.MinPepper))); err != nil {
					t.Fatal(err)
				}
				if since {
					w.read()
				}
				w.person(0, func(p *fact.Person) { p.Email = "ny@example.org" })
				before := w.log.Messages()
				run := w.read()
				if run.State != source.Refused || run.Reason == nil || run.Reason.Code != reason.PepperChanged || w.log.Messages() != before {
					t.Errorf("run is %s because of %v, and published %d changes", run.State, run.Reason, w.log.Messages()-before)
				}
				if w.hold.Now().Hold != nil {
					t.Error("what waits for an approval can be approved")
				}
				w.opts.Keyer = right
				w.nextDay()
				w.run(source.Published, map[string]int{"person.updated": 1, "person.created": 0})
			})
		}
	}
}

// TestGroupIDsSaidToBeReused changes in the middle of a year what is said of a register's group ids, there and back: the
// same groups would have other keys.
func TestGroupIDsSaidToBeReused(t *testing.T) {
	for what, pupils := range map[string]int{"a large school": 600, "a small one": 50} {
		for _, now := range [][2]source.GroupIDs{{source.GroupIDsStable, source.GroupIDsReused}, {source.GroupIDsReused, source.GroupIDsYearly}} {
			t.Run(fmt.Sprint(what, ", ", now), func(t *testing.T) {
				w := newWorld(t)
				w.opts.Defaults.GroupIDs = now[0]
				clear(w.reg.docs)
				w.reg.set("unit", fact.Unit{ID: "u", Name: "Skolan"})
				for i := range pupils {
					w.person(i, nil)
				}
				w.classes(pupils)
				w.read()
				w.nextDay()
				w.opts.Defaults.GroupIDs = now[1]
				run := w.read()
				if run.State != source.Held || w.tombstones() != 0 || len(live(w.log, roster.KindGroup)) != (pupils+24)/25 {
					t.Errorf("run is %s because of %v with %v: %d tombstones, %d groups", run.State, run.Reason, run.Counts, w.tombstones(), len(live(w.log, roster.KindGroup)))
				}
			})
		}
	}
}
