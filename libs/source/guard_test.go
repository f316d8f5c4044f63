package source_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// school is a world with so many pupils in classes of 25, all of whom the log holds.
func school(t *testing.T, pupils int) *world {
	w := newWorld(t)
	clear(w.reg.docs)
	w.reg.set("unit", fact.Unit{ID: "u", Name: "Skolan"})
	for i := range pupils {
		w.person(i, nil)
	}
	w.classes(pupils)
	w.want(source.Published, fmt.Sprintf("group.created:%d organisation.created:1 person.created:%d", (pupils+24)/25, pupils))
	w.nextDay()
	return w
}

// classes puts who is in the register into classes, as the register does by itself.
func (w *world) classes(pupils int) {
	for c := 0; c*25 < pupils; c++ {
		id := fmt.Sprint("c", c)
		facts := []fact.Fact{fact.Group{ID: id, Name: fmt.Sprint("Klass ", c), Type: "Klass", Unit: "u", SchoolType: "GR"}}
		for i := c * 25; i < min(pupils, c*25+25); i++ {
			if _, there := w.reg.docs[fmt.Sprint("person/p", i)]; there {
				facts = append(facts, fact.Member{Group: id, Person: fmt.Sprint("p", i), Role: "pupil"})
			}
		}
		w.reg.set("class/"+id, facts...)
	}
}

// leave takes persons from a to b out of the register.
func (w *world) leave(a, b int) {
	for i := a; i < b; i++ {
		w.reg.drop(fmt.Sprint("person/p", i))
	}
}

func (w *world) tombstones() (n int) {
	for _, r := range w.log.Last() {
		if r.Tombstone != nil {
			n++
		}
	}
	return n
}

// run reads and checks the state and some counts.
func (w *world) run(s source.State, counts map[string]int) source.Run {
	w.t.Helper()
	run := w.read()
	got := map[string]int{}
	for what := range counts {
		got[what] = run.Counts[what]
	}
	if run.State != s || !maps.Equal(got, counts) {
		w.t.Fatalf("run is %s with %v because of %v, want %s with %v", run.State, run.Counts, run.Reason, s, counts)
	}
	return run
}

// decide records a verdict on the groups of what is held, all of it when there are none.
func (w *world) decide(v guard.Verdict, groups ...string) int {
	w.t.Helper()
	g, err := w.hold.Kept(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := g.Decide(g.Hold.Digest, groups, v, "anna", w.now)
	if err == nil {
		err = w.hold.Keep(w.t.Context(), name, g)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestLeaversAreHeldAndTheRestPublished is 300 leavers and 40 new in one run; then an approval of a part, a part that
// heals, and the rest.
func TestLeaversAreHeldAndTheRestPublished(t *testing.T) {
	w := school(t, 1000)
	kept := maps.Clone(w.reg.docs)
	w.leave(0, 300)
	for i := 2000; i < 2040; i++ {
		w.person(i%800+3000, nil)
	}
	w.classes(1000)
	run := w.run(source.Held, map[string]int{"person.created": 40, "person.deleted": 0, "person.held": 300, "group.updated": 0, "group.held": 0})
	if run.Reason == nil || run.Reason.Code != reason.ChangesHeld || run.Cursor != nil {
		t.Errorf("reason %v, cursor %q", run.Reason, run.Cursor)
	}
	groups := w.hold.Now().Groups(w.now)
	if len(groups) != 12 || groups[0].Counts[roster.KindPerson] != 25 || groups[0].Operation != guard.Delete || groups[0].Class.IsZero() {
		t.Fatalf("%d groups, want 12 classes of 25 leavers each; the first: %+v", len(groups), groups[0])
	}
	if live(w.log, roster.KindGroup)[0].Group == nil || !w.everyClassIsWhole() {
		t.Error("a pupil whose leaving is held was taken out of the class")
	}

	// A read that finds the same asks for the same.
	digest := w.hold.Now().Hold.Digest
	w.nextDay()
	w.run(source.Held, map[string]int{"person.created": 0, "person.held": 300})
	if w.hold.Now().Hold.Digest != digest {
		t.Error("the same frozen set has another digest")
	}

	if n := w.decide(guard.Approved, groups[0].ID, groups[1].ID); n != 50 {
		t.Fatalf("%d items approved, want 50", n)
	}
	for i, id := range sortedPersons(w, groups[2]) { // ten of the third class were left out by mistake
		if i < 10 {
			w.reg.docs[id] = kept[id]
		}
	}
	w.classes(1000)
	w.nextDay()
	w.run(source.Held, map[string]int{"person.created": 0, "person.deleted": 50, "person.held": 240})
	w.nextDay()
	w.run(source.Held, map[string]int{"person.deleted": 0, "person.held": 240}) // nothing of it is asked for again
	if len(w.hold.Now().Decisions) != 0 {
		t.Errorf("%d decisions are left", len(w.hold.Now().Decisions))
	}

	// All but a few are approved: the few still wait, though alone they would be below the limit.
	rest := w.hold.Now().Groups(w.now)
	for _, g := range rest[1:] {
		w.decide(guard.Approved, g.ID)
	}
	few := len(rest[0].Items)
	w.nextDay()
	w.run(source.Held, map[string]int{"person.deleted": 240 - few, "person.held": few})
	for range 20 {
		w.nextDay()
		w.run(source.Held, map[string]int{"person.deleted": 0, "person.held": few}) // silence deletes nobody
	}
	w.decide(guard.Approved)
	w.nextDay()
	w.run(source.Published, map[string]int{"person.deleted": few, "person.held": 0})
	w.nextDay()
	w.want(source.Unchanged, "")
	if w.hold.Now().Hold != nil {
		t.Error("something is still held")
	}
}

// everyClassIsWhole tells whether each of the classes in the log still has 25 pupils.
func (w *world) everyClassIsWhole() bool {
	return !slices.ContainsFunc(live(w.log, roster.KindGroup), func(r roster.Record) bool { return len(r.Group.Members) != 25 })
}

// sortedPersons returns the docs of the persons of a group of what is held.
func sortedPersons(w *world, g guard.HoldGroup) (ids []string) {
	for _, i := range g.Items {
		r, _ := w.log.Record(i.Ref)
		ids = append(ids, "person/"+r.Origins[0].ID.Reveal())
	}
	slices.Sort(ids)
	return ids
}

func TestFileWithFortyPercentFewerPersons(t *testing.T) {
	w := school(t, 500)
	w.leave(0, 200)
	w.classes(500)
	w.run(source.Held, map[string]int{"person.held": 200})
	if n := w.tombstones(); n != 0 {
		t.Errorf("%d tombstones", n)
	}
}

func TestEmailBlankedRemovesNobody(t *testing.T) {
	for _, required := range []bool{true, false} {
		w := school(t, 1000)
		if required {
			w.opts.Defaults.Require = []source.Requirement{source.RequireEmail}
		}
		for i := range 30 {
			w.person(i, func(p *fact.Person) { p.Email = "" })
		}
		w.person(500, func(p *fact.Person) { p.FamilyName = "Berg" })
		run := w.read()
		if n := w.tombstones(); n != 0 || len(live(w.log, roster.KindPerson)) != 1000 {
			t.Errorf("required %t: %d tombstones", required, n)
		}
		if required && (run.Counts["person.keptBack"] != 30 || run.Reason == nil || run.Reason.Code != reason.TooManyKeptBack) {
			t.Errorf("kept back %v because of %v", run.Counts, run.Reason)
		}
	}
}

// TestWindow lets 4 % a night leave under a limit of 5 %.
func TestWindow(t *testing.T) {
	w := school(t, 500)
	w.leave(0, 20)
	w.classes(500)
	w.run(source.Published, map[string]int{"person.deleted": 20})
	w.nextDay()
	w.leave(20, 40)
	w.classes(500)
	w.run(source.Held, map[string]int{"person.deleted": 0, "person.held": 20})
	w.now = w.now.Add(guard.Window)
	w.run(source.Held, map[string]int{"person.deleted": 0, "person.held": 20}) // what was frozen once stays so
	w.decide(guard.Rejected)
	w.nextDay()
	if run := w.run(source.Held, map[string]int{"person.deleted": 0, "person.held": 20}); run.Reason.Code != reason.ChangesRejected {
		t.Errorf("what was rejected is asked about again: %s", run.Reason)
	}
	w.nextDay()
	w.leave(40, 55)
	w.classes(500)
	w.run(source.Held, map[string]int{"person.deleted": 15, "person.held": 20}) // a new week has room for others
}

// TestOldApprovalDoesNotLetASecondDeleteThrough approves a delete, has the person return, and leaves her out again
// within the days that the approval would live.
func TestOldApprovalDoesNotLetASecondDeleteThrough(t *testing.T) {
	for _, deleted := range []bool{true, false} {
		t.Run(fmt.Sprintf("deleted between %t", deleted), func(t *testing.T) {
			w := school(t, 400)
			kept := maps.Clone(w.reg.docs)
			w.leave(0, 50)
			w.classes(400)
			w.run(source.Held, map[string]int{"person.held": 50})
			if w.decide(guard.Approved); deleted {
				w.nextDay()
				w.run(source.Published, map[string]int{"person.deleted": 50})
			}
			bad := w.reg.docs
			w.reg.docs = kept
			w.nextDay()
			w.read() // everybody is back
			if n := len(live(w.log, roster.KindPerson)); n != 400 {
				t.Fatalf("%d persons, want all back", n)
			}
			w.nextDay()
			w.reg.docs = bad
			w.run(source.Held, map[string]int{"person.deleted": 0, "person.held": 50})
		})
	}
}

func TestApprovalLivesSevenDays(t *testing.T) {
	w := school(t, 400)
	w.leave(0, 50)
	w.run(source.Held, nil)
	w.decide(guard.Approved)
	w.now = w.now.Add(guard.Window + time.Hour)
	w.run(source.Held, map[string]int{"person.deleted": 0, "person.held": 50})
}

func TestDecisionsAreOnWhatWasLookedAt(t *testing.T) {
	w := school(t, 400)
	w.leave(0, 50)
	w.run(source.Held, nil)
	for _, c := range []struct {
		name   string
		digest string
		groups []string
		days   int
		want   reason.Code
	}{
		{"another set", "other", nil, 0, reason.HoldChanged},
		{"an unknown group", w.hold.Now().Hold.Digest, []string{"nothing"}, 0, reason.HoldGroupUnknown},
		{"a set that no read has seen for long", w.hold.Now().Hold.Digest, nil, 8, reason.HoldExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := w.hold.Now()
			if _, err := g.Decide(c.digest, c.groups, guard.Approved, "anna", w.now.AddDate(0, 0, c.days)); reason.Of(err).Code != c.want || len(g.Decisions) > 0 {
				t.Errorf("got %v with %d decisions, want %s", err, len(g.Decisions), c.want)
			}
		})
	}
	if _, err := (&guard.Kept{}).Decide("d", nil, guard.Approved, "anna", w.now); reason.Of(err).Code != reason.HoldGone {
		t.Errorf("of nothing: %v", err)
	}
}

func TestReadInDoubtIsHeldWhole(t *testing.T) {
	cases := []struct {
		name string
		make func(*world)
		want reason.Code
	}{
		{"too many new", func(w *world) {
			for i := 3000; i < 3200; i++ {
				w.person(i, nil)
			}
		}, reason.TooManyNew},
		{"too many other identities", func(w *world) {
			for i := range 30 {
				w.person(i, func(p *fact.Person) { p.CivicNo = pnr(i + 600) })
			}
		}, reason.TooManyIdentities},
		{"a class of others", func(w *world) {
			facts := []fact.Fact{fact.Group{ID: "c0", Name: "Klass 0", Type: "Klass", Unit: "u", SchoolType: "GR"}}
			for i := 100; i < 125; i++ {
				facts = append(facts, fact.Member{Group: "c0", Person: fmt.Sprint("p", i), Role: "pupil"})
			}
			w.reg.set("class/c0", facts...)
		}, reason.GroupsExchanged},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := school(t, 500)
			docs, log := maps.Clone(w.reg.docs), w.log.Messages()
			c.make(w)
			w.person(499, func(p *fact.Person) { p.FamilyName = "Berg" })
			run := w.run(source.Held, nil)
			if run.Reason == nil || run.Reason.Code != c.want || w.log.Messages() != log {
				t.Errorf("%d messages because of %v, want none because of %s", w.log.Messages()-log, run.Reason, c.want)
			}
			doubtful := w.reg.docs
			w.reg.docs = docs
			w.nextDay()
			w.want(source.Unchanged, "")
			w.reg.docs = doubtful
			w.nextDay()
			w.run(source.Held, nil)
			w.decide(guard.Approved)
			w.nextDay()
			if w.run(source.Published, nil); w.hold.Now().Hold != nil {
				t.Error("what was approved is still held")
			}
			w.nextDay()
			w.want(source.Unchanged, "")
		})
	}
}

// TestDangerousFields changes a field of many, and wants those held and a harmless change beside them published.
func TestDangerousFields(t *testing.T) {
	ended := func(w *world, i int) {
		id := fmt.Sprint("p", i)
		w.reg.set("person/"+id, fact.Person{ID: id, CivicNo: pnr(i), GivenName: "Testa", FamilyName: fmt.Sprint("Åkesdotter", i), Email: id + "@example.org"},
			fact.Enrolment{Person: id, Unit: "u", SchoolType: "GR", SchoolYear: "7", End: "2026-09-30"})
	}
	cases := []struct {
		name string
		of   guard.Operation
		n    int
		make func(*world, int)
	}{
		{"e-mail domain", guard.Account, 60, func(w *world, i int) {
			w.person(i, func(p *fact.Person) { p.Email = fmt.Sprintf("p%d@example.net", i) })
		}},
		{"e-mail gone", guard.Account, 60, func(w *world, i int) { w.person(i, func(p *fact.Person) { p.Email = "" }) }},
		{"family name gone", guard.Lost, 60, func(w *world, i int) { w.person(i, func(p *fact.Person) { p.FamilyName = "" }) }},
		{"school year gone", guard.Lost, 60, func(w *world, i int) {
			id := fmt.Sprint("p", i)
			w.reg.set("person/"+id, fact.Person{ID: id, CivicNo: pnr(i), GivenName: "Testa", FamilyName: fmt.Sprint("Åkesdotter", i), Email: id + "@example.org"},
				fact.Enrolment{Person: id, Unit: "u", SchoolType: "GR"})
		}},
		{"every enrolment is over", guard.Units, 150, ended},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := school(t, 500)
			for i := range c.n {
				c.make(w, i)
			}
			w.person(499, func(p *fact.Person) { p.FamilyName = "Berg" })
			w.run(source.Held, map[string]int{"person.updated": 1, "person.held": c.n})
			if g := w.hold.Now().Groups(w.now)[0]; g.Operation != c.of {
				t.Errorf("held as %s, want %s", g.Operation, c.of)
			}
		})
	}
}

// TestEmptiedClasses is July: the classes lose their pupils, who stay in the register.
func TestEmptiedClasses(t *testing.T) {
	w := school(t, 500)
	for c := range 20 {
		id := fmt.Sprint("c", c)
		w.reg.set("class/"+id, fact.Group{ID: id, Name: fmt.Sprint("Klass ", c), Type: "Klass", Unit: "u", SchoolType: "GR"})
	}
	w.run(source.Held, map[string]int{"group.updated": 0, "group.held": 20})
}

// TestClassDoesNotGoBeforeItsPupils takes a school away with all that is in it.
func TestClassDoesNotGoBeforeItsPupils(t *testing.T) {
	w := school(t, 100)
	clear(w.reg.docs)
	w.reg.set("unit 2", fact.Unit{ID: "u2", Name: "Den andra"})
	for i := 3000; i < 3010; i++ {
		w.person(i, nil)
	}
	w.run(source.Held, map[string]int{"person.held": 100, "group.held": 4, "organisation.held": 1, "person.created": 10})
	w.decide(guard.Approved)
	w.nextDay()
	w.run(source.Published, map[string]int{"person.deleted": 100, "group.deleted": 4, "organisation.deleted": 1})
}

// TestLimitsOfATenant raises a limit for a school form, and not for all together.
func TestLimitsOfATenant(t *testing.T) {
	w := school(t, 500)
	w.opts.Limits = guard.Limits{{Operation: guard.Delete, School: "GR", Percent: 50}, {Operation: guard.Delete, Percent: 10}}
	w.leave(0, 60)
	w.run(source.Held, map[string]int{"person.held": 60})
	w.opts.Limits[1].Percent = 50
	w.hold.Set(guard.Kept{})
	w.run(source.Published, map[string]int{"person.deleted": 60})
}

func TestContainmentIsNeverHeld(t *testing.T) {
	w := school(t, 500)
	for i := range 20 { // over the limit of addresses, for each has another domain beside the mark
		w.person(i, func(p *fact.Person) { p.Marking, p.Email = "Sekretessmarkering", "x@example.net" })
	}
	w.leave(100, 300)
	w.run(source.Held, map[string]int{"person.updated": 0, "person.held": 200})
	if n := w.tombstones(); n != 20 {
		t.Errorf("%d tombstones, want those of the protected", n)
	}
}

// TestNoTombstoneOverTheLimitWithoutApproval plays a register that comes and goes as it likes, and a person who now and
// then approves a part. Whatever happens, within any seven days no more leave unasked than the limit.
func TestNoTombstoneOverTheLimitWithoutApproval(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const pupils = 60
		w := newWorld(t)
		w.t = t
		clear(w.reg.docs)
		w.reg.set("unit", fact.Unit{ID: "u"})
		for i := range pupils {
			w.person(i, nil)
		}
		w.read()
		type left struct {
			at  time.Time
			ref roster.Ref
		}
		var unasked []left
		for range rapid.IntRange(1, 12).Draw(rt, "reads") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 72).Draw(rt, "hours")) * time.Hour)
			for range rapid.IntRange(0, 3).Draw(rt, "moves") {
				from := rapid.IntRange(0, pupils-1).Draw(rt, "from")
				to := min(pupils, from+rapid.IntRange(1, 20).Draw(rt, "many"))
				if rapid.Bool().Draw(rt, "leave") {
					w.leave(from, to)
					continue
				}
				for i := from; i < to; i++ {
					w.person(i, nil)
				}
			}
			if len(w.reg.docs) == 1 {
				w.person(0, nil) // a register without persons is not believed at all
			}
			if h := w.hold.Now().Hold; h != nil && rapid.Bool().Draw(rt, "decide") {
				g := w.hold.Now()
				groups := g.Groups(w.now)
				pick := groups[rapid.IntRange(0, len(groups)-1).Draw(rt, "group")].ID
				verdict := rapid.SampledFrom([]guard.Verdict{guard.Approved, guard.Rejected}).Draw(rt, "verdict")
				if _, err := g.Decide(h.Digest, []string{pick}, verdict, "anna", w.now); err == nil {
					w.hold.Set(g)
				}
			}
			approved := map[roster.Ref]uint64{}
			for _, d := range w.hold.Now().Decisions {
				if d.Verdict == guard.Approved && w.now.Sub(d.At) <= guard.Window {
					approved[d.Ref] = d.Expect
				}
			}
			before := w.log.Messages()
			w.read()
			for _, m := range w.log.Changes()[before:] {
				if m.Record.Tombstone != nil && (approved[m.Record.Ref] == 0 || approved[m.Record.Ref] != m.Expect) {
					unasked = append(unasked, left{w.now, m.Record.Ref})
				}
			}
			n := 0
			for _, l := range unasked {
				if w.now.Sub(l.at) <= guard.Window {
					n++
				}
			}
			if n > 10 { // the floor: of 60 pupils 5 % are fewer
				rt.Fatalf("%d left unasked within seven days, and 10 may", n)
			}
		}
	})
}

// TestDeltaSaysNothingAboutWhatItDoesNotSee holds a part of a delta; later deltas neither forget it nor void an approval.
func TestDeltaSaysNothingAboutWhatItDoesNotSee(t *testing.T) {
	w := school(t, 400)
	w.read()
	w.leave(0, 50)
	if run := w.run(source.Held, map[string]int{"person.held": 50, "person.deleted": 0}); run.Complete {
		t.Fatal("the second read of a day is a delta")
	}
	w.run(source.Held, map[string]int{"person.held": 50})
	w.decide(guard.Approved)
	w.run(source.Held, map[string]int{"person.held": 50, "person.deleted": 0})
	w.nextDay()
	w.run(source.Published, map[string]int{"person.deleted": 50})
}

func TestLimitsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		limit guard.Limit
		want  string // path of the problem; empty for none
	}{
		"good":             {guard.Limit{Operation: guard.Delete, Kind: roster.KindPerson, School: "GR", Percent: 100}, ""},
		"no operation":     {guard.Limit{Percent: 5}, "guard[0].operation"},
		"an unlimited one": {guard.Limit{Operation: guard.Update}, "guard[0].operation"},
		"kept back a form": {guard.Limit{Operation: guard.KeptBack, School: "GR"}, "guard[0].operation"},
		"a kind":           {guard.Limit{Operation: guard.Delete, Kind: "pupil"}, "guard[0].kind"},
		"a share":          {guard.Limit{Operation: guard.Delete, Percent: 101}, "guard[0].percent"},
		"a floor":          {guard.Limit{Operation: guard.Delete, Floor: -1}, "guard[0].floor"},
	} {
		t.Run(name, func(t *testing.T) {
			p := tenant.NewProblems()
			guard.Limits{c.limit}.Validate(p.At("guard"))
			switch list := p.List(); {
			case c.want == "" && len(list) > 0, c.want != "" && (len(list) != 1 || list[0].Path != c.want):
				t.Errorf("problems %v, want one at %q", list, c.want)
			}
		})
	}
}
