package ss12000api

import (
	"testing"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/source/sourcetest"
)

// Duties that a server gives out only inside other objects come to the same as those of their own list, also where only
// what changed is read.
func TestDutiesThatStandInOtherObjects(t *testing.T) {
	list, inside := newWorld(t, ss12000server.Options{Path: "/v2.0"}), newWorld(t, ss12000server.Options{Path: "/v2.0", Without: []string{"duties"}})
	inside.cfg.Without = []ss12000.Resource{ss12000.Duties}
	inside.cfg.Query = map[ss12000.Resource]map[string][]string{
		ss12000.Activities: {"expand": {"teachers"}}, ss12000.Persons: {"expand": {"duties"}},
	}
	idle := list.town.Groups[3].Members[0].Person
	for _, w := range []*world{list, inside} {
		w.change(func(t *sourcetest.Town) { t.Groups[3].Members = t.Groups[3].Members[1:] }) // who works there and teaches nothing
		w.pass(time.Hour)                                                                    // the overlap is over
	}
	both := func(after string, complete bool) {
		t.Helper()
		for _, w := range []*world{list, inside} {
			if run := w.read(); run.Complete != complete {
				t.Fatalf("after %s a read is complete: %t, want %t", after, run.Complete, complete)
			}
		}
		if got, want := lines(inside.log), lines(list.log); got != want {
			t.Errorf("after %s the log of duties inside is not that of their list:\ngot\n%s\nwant\n%s", after, got, want)
		}
	}
	both("the first read", true)
	teacher := list.town.Groups[1].Members[0].Person
	for _, x := range []struct {
		name   string
		change func(*sourcetest.Town)
	}{
		{"a new name of a teacher", func(t *sourcetest.Town) {
			for i := range t.Persons {
				if t.Persons[i].ID == teacher {
					t.Persons[i].FamilyName = "Annan"
				}
			}
		}},
		{"a teacher of one more group", func(t *sourcetest.Town) {
			t.Groups[2].Members = append(t.Groups[2].Members, t.Groups[1].Members[0])
		}},
	} {
		for _, w := range []*world{list, inside} {
			w.change(x.change)
		}
		both(x.name, false)
	}
	// Somebody who teaches nothing works at another unit from now on: the person is the same, and only the list of duties
	// tells of it before the next read of everything.
	for _, w := range []*world{list, inside} {
		w.change(func(t *sourcetest.Town) {
			for i := range t.Persons {
				if t.Persons[i].ID == idle {
					t.Persons[i].Unit = "u-2"
				}
			}
		})
		w.read()
	}
	if lines(inside.log) == lines(list.log) {
		t.Error("a duty that changed alone was seen without the list of duties, which the README of EduCloud denies")
	}
	for _, w := range []*world{list, inside} {
		w.pass(day)
	}
	both("a day", true)
	if n := inside.server.Calls()["GET /duties"] + inside.server.Calls()["POST /duties/lookup"]; n > 0 {
		t.Errorf("the list that is not there was asked for %d times", n)
	}
}
