package ss12000api

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
)

func TestWhatChangedIsRead(t *testing.T) {
	w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
	w.read()
	w.change(func(t *sourcetest.Town) {
		t.Groups[1].Name = "Nyttnamn"
		t.Groups[4].Members = t.Groups[4].Members[:3]
		t.Person(pupil(4)).FamilyName = "Nynamn"
		t.Persons = append(t.Persons, person(200, roster.RolePupil))
	})
	before := w.server.Calls()["GET /persons"]
	run := w.read()
	if run.Complete || w.server.Calls()["GET /persons"]-before != 1 || run.Seen["persons"] > 4 {
		t.Errorf("it read %d pages, %v", w.server.Calls()["GET /persons"]-before, run.Seen)
	}
	w.agrees("a read of what changed")
	if run := w.read(); run.State != source.Unchanged {
		t.Errorf("nothing changed, and the read is %s: %v", run.State, run.Counts)
	}
}

// TestWhoLosesEveryEnrolmentMayBeProtected: of a register that leaves protected persons out, who is there without the
// enrolment that was not over is contained, by a read of what changed as by one of everything (R9).
func TestWhoLosesEveryEnrolmentMayBeProtected(t *testing.T) {
	for name, later := range map[string]time.Duration{"what changed": 0, "everything": day} {
		w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
		w.read()
		w.pass(later)
		w.server.Put(&ss12000.Person{Meta: ss12000.Meta{ID: pupil(5)}, CivicNo: roster.Personal(person(5, roster.RolePupil).CivicNo), Status: "Aktiv", Marking: "Ingen"})
		if run := w.read(); run.Complete != (later > 0) {
			t.Errorf("a read of %s is complete: %t", name, run.Complete)
		}
		if got := w.gone(); !slices.Equal(got, []roster.TombstoneReason{roster.TombstoneProtected}) {
			t.Errorf("after a read of %s she is %q", name, got)
		}
	}
}

// TestWhoIsMarkedIsContained: a mark is heard whatever else the register no longer says of who has it (R9).
func TestWhoIsMarkedIsContained(t *testing.T) {
	const mark = "Skyddad folkbokföring"
	bare := func(mark string) *ss12000.Person {
		return &ss12000.Person{Meta: ss12000.Meta{ID: pupil(5)}, CivicNo: roster.Personal(person(5, roster.RolePupil).CivicNo), Status: "Aktiv", Marking: mark}
	}
	class := &ss12000.Group{
		Meta: ss12000.Meta{ID: "g-000"}, Name: "Grupp 0", Type: "Undervisning", SchoolType: "GR", Unit: ss12000.Ref{ID: "u-1"},
		Memberships: []ss12000.Membership{{Person: ss12000.Ref{ID: pupil(1)}}, {Person: ss12000.Ref{ID: pupil(5), Marking: mark}}},
	}
	for name, hide := range map[string]func(*world){
		"her enrolments are left out":                                     func(w *world) { w.server.Put(bare(mark)) },
		"only a membership has the mark, and her enrolments are left out": func(w *world) { w.server.Put(bare("Ingen"), class) },
		"only a membership has the mark, and she is left out": func(w *world) {
			w.server.Delete(ss12000.Persons, pupil(5))
			w.server.Put(class)
		},
	} {
		for _, later := range []time.Duration{time.Hour, day} {
			w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
			w.tells = source.ProtectedFlag
			w.read()
			w.pass(later)
			hide(w)
			w.read()
			if got := w.gone(); !slices.Contains(got, roster.TombstoneProtected) || slices.Contains(got, roster.TombstoneLeft) {
				t.Errorf("%s: after %s she is %q", name, later, got)
			}
		}
	}
}

func TestWhatIsInDoubtIsReadWhole(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"somebody is deleted":        func(*world) {},
		"a school has another name":  func(w *world) { w.change(func(t *sourcetest.Town) { t.Units[0].Name = "Nya skolan" }) },
		"it is another day":          func(w *world) { w.runs.List[0].Started = w.runs.List[0].Started.Add(day); w.pass(day) },
		"another form of the cursor": func(w *world) { w.runs.List[0].Cursor = source.Cursor(`{"v":99}`) },
		"no cursor at all":           func(w *world) { w.runs.List[0].Cursor = source.Cursor("x") },
		"a cursor from the future": func(w *world) {
			w.runs.List[0].Cursor = source.Cursor(strings.Replace(string(w.runs.List[0].Cursor), "2026", "2126", 1))
		},
		"another profile": func(w *world) {
			w.cfg.Query = map[ss12000.Resource]map[string][]string{"persons": {"relationship.entity.type": {"enrolment"}}}
		},
		"delta switched off":           func(w *world) { w.cfg.Delta.On = false },
		"no deletedEntities":           func(w *world) { w.breaks(without("deletedEntities")(w)) },
		"a list that is gone":          func(w *world) { w.breaks(without("placements")(w)) },
		"it forgot what was deleted":   func(w *world) { w.breaks(answers("deletedEntities", 410)) },
		"it cannot go back so far":     func(w *world) { w.breaks(answers("deletedEntities", 400)) },
		"the server's clock went back": func(w *world) { w.skews(-5 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
			if w.read(); len(w.runs.List[0].Cursor) == 0 {
				t.Fatal("a whole read gives no cursor")
			}
			spoil(w)
			w.change(func(t *sourcetest.Town) { t.Drop(pupil(3)) })
			run := w.read()
			if !run.Complete && name != "a list that is gone" {
				t.Errorf("the read is not of everything: %+v", run)
			}
			if !slices.ContainsFunc(run.Findings, func(f source.FindingCount) bool { return f.Reason.Code == reason.DeltaDoubtful }) {
				t.Errorf("it does not say why everything was read: %v", run.Findings)
			}
		})
	}
}

func answers(path string, code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/"+path) {
			return false
		}
		w.WriteHeader(code)
		return true
	}
}

func TestAChainOfDeltasEnds(t *testing.T) {
	w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
	w.cfg.Delta.Chain = 3
	var whole []bool
	for range 8 {
		whole = append(whole, w.read().Complete)
	}
	if want := []bool{true, false, false, false, true, false, false, false}; !slices.Equal(whole, want) {
		t.Errorf("whole reads: %v, want %v", whole, want)
	}
}

// TestDeltasAndWholeReadsAgree: however a register changes, reads of what changed come to what a read of everything does.
func TestDeltasAndWholeReadsAgree(t *testing.T) {
	partly := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, ss12000server.Options{
			Path: "/v2.0",
			Oddities: ss12000server.Oddities{
				FlatDeleted: rapid.Bool().Draw(rt, "flat"), CountsPages: rapid.Bool().Draw(rt, "counts"), UpperReferences: rapid.Bool().Draw(rt, "upper"),
				TimesWithoutZone: rapid.Bool().Draw(rt, "no zone"), NullsForNothing: rapid.Bool().Draw(rt, "nulls"),
			},
		})
		defer w.http.Close()
		w.hold(town(12))
		w.pass(time.Hour)
		w.read()
		for i := range rapid.IntRange(1, 4).Draw(rt, "steps") {
			rng := rand.New(rand.NewPCG(uint64(rapid.IntRange(0, 1<<30).Draw(rt, "seed")), uint64(i)))
			w.change(func(t *sourcetest.Town) {
				for range 1 + rng.IntN(3) {
					mutate(t, rng, i)
				}
			})
			if rng.IntN(3) > 0 {
				w.pass(time.Duration(rng.IntN(30)) * time.Minute)
				w.read()
			}
		}
		w.read()
		w.agrees("reads of what changed")
		for _, run := range w.runs.List {
			if !run.Complete {
				partly++
			}
		}
	})
	if partly == 0 {
		t.Error("nothing was read but everything")
	}
	t.Logf("%d reads of what changed", partly)
}

// mutate changes a town in one way.
func mutate(t *sourcetest.Town, rng *rand.Rand, n int) {
	p := &t.Persons[rng.IntN(len(t.Persons))]
	g := &t.Groups[rng.IntN(len(t.Groups))]
	switch rng.IntN(8) {
	case 0:
		t.Drop(p.ID)
	case 1:
		p.FamilyName = fmt.Sprintf("Bytt%c", 'a'+n)
	case 2:
		p.Unit = []string{"u-1", "u-2"}[rng.IntN(2)]
	case 3:
		p.End = "2026-12-18"
	case 4:
		role := []roster.Role{roster.RolePupil, roster.RoleStaff}[rng.IntN(2)]
		id := 300 + n*40 + rng.IntN(40)
		if t.Person(pupil(id)) == nil {
			t.Persons = append(t.Persons, person(id, role))
			g.Members = append(g.Members, sourcetest.Member{Person: pupil(id), Role: map[roster.Role]roster.MemberRole{
				roster.RolePupil: roster.MemberPupil, roster.RoleStaff: roster.MemberTeacher,
			}[role]})
		}
	case 5:
		g.Name += "x"
	case 6:
		if len(g.Members) > 0 {
			g.Members = g.Members[1:]
		}
	case 7:
		if len(t.Groups) > 1 {
			*t = t.Clone()
			t.Groups = t.Groups[1:]
		}
	}
}

// TestClocksThatAreHoursWrong: whichever clock is wrong, and whenever it is set right, no change is lost to it.
func TestClocksThatAreHoursWrong(t *testing.T) {
	const far = 3 * time.Hour
	for name, c := range map[string]struct{ ours, servers time.Duration }{
		"the server's ahead": {0, far}, "the server's behind": {0, -far}, "ours ahead": {far, 0}, "ours behind": {-far, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
			n := 0
			change := func() {
				n++
				w.change(func(t *sourcetest.Town) {
					t.Drop(pupil(n))
					t.Person(pupil(n + 10)).FamilyName = fmt.Sprintf("Nynamn%c", 'a'+n)
					t.Persons = append(t.Persons, person(200+n, roster.RolePupil))
				})
			}
			wrong := func(ours, servers time.Duration) {
				w.pass(ours)
				w.skews(w.skew + servers - ours)
			}
			w.read()
			wrong(c.ours, c.servers)
			for range 2 {
				change()
				run := w.read()
				if !run.Complete || !slices.ContainsFunc(run.Findings, func(f source.FindingCount) bool { return f.Reason.Code == reason.ClockDiffers }) {
					t.Errorf("complete %t, findings %v; want a read of everything that says so", run.Complete, run.Findings)
				}
				w.agrees("a read with a wrong clock")
			}
			change() // by the wrong clock, and read by the right one
			wrong(-c.ours, -c.servers)
			// What was deleted has a time that is still to come, where the server's was ahead: until then it is as if it had
			// moved while it was read, and nobody is taken away.
			if run := w.read(); run.Complete == (c.servers > 0) {
				t.Errorf("the first read with clocks that are right: complete %t, findings %v", run.Complete, run.Findings)
			} else if run.Complete {
				w.agrees("the first read with clocks that are right")
			}
			w.pass(far)
			w.read()
			w.agrees("a read when all times have passed")
			change()
			w.read()
			w.agrees("the second read with clocks that are right")
			for range 2 { // until nobody was deleted within the overlap
				w.pass(time.Hour)
				w.read()
			}
			w.change(func(t *sourcetest.Town) { t.Groups[2].Name = "Nyttnamn" })
			if run := w.read(); run.Complete {
				t.Errorf("everything is still read: %v", run.Findings)
			}
			w.agrees("a read of what changed")
		})
	}
}

// TestAClockThatIsSet: a server's clock that is set back by more than the overlap, and by less than what counts as wrong,
// gives a change a time before which nothing is asked for. It is seen all the same.
func TestAClockThatIsSet(t *testing.T) {
	for _, c := range []struct{ before, after time.Duration }{
		{0, -5 * time.Minute}, {5 * time.Minute, -4 * time.Minute}, {-5 * time.Minute, 0}, {-4 * time.Minute, -9 * time.Minute}, {0, -30 * time.Second},
	} {
		t.Run(fmt.Sprint(c.before, " then ", c.after), func(t *testing.T) {
			w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
			w.cfg.Delta.Overlap = time.Minute
			w.skews(c.before)
			w.read()
			w.skews(c.after)
			w.change(func(t *sourcetest.Town) { t.Person(pupil(4)).FamilyName = "Nynamn" })
			w.pass(time.Hour)
			behind := min(c.before, 0)-c.after > time.Minute
			if run := w.read(); run.Complete != behind {
				t.Errorf("the read is complete: %t, findings %v", run.Complete, run.Findings)
			}
			w.agrees("the first read after the clock was set")
			w.change(func(t *sourcetest.Town) { t.Groups[2].Name = "Nyttnamn" })
			if run := w.read(); run.Complete {
				t.Errorf("the clock stands as before, and everything is read: %v", run.Findings)
			}
			w.agrees("the read after that")
		})
	}
}
