package main

import (
	"slices"
	"testing"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/ess/municipality"
)

// What a changed document takes out of a link's scope is left as it is at the target: nobody left school for it.
func TestSafeOutOfScopeIsNotGone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world){
		"a school filtered out": func(w *world) {
			w.setting.link = `filter: "!units.exists(u, u.name == '` + w.town.Units[1].Name + `')"`
		},
		"everybody filtered out":     func(w *world) { w.setting.link = `filter: "false"` },
		"only pupils":                func(w *world) { w.setting.link = `filter: "kind != 'person' || person.pupil"` },
		"only classes, no courses":   func(w *world) { w.apple = "groupTypes: [Klass]" },
		"who is both is a pupil":     func(w *world) { w.apple = "personaWins: pupil" },
		"a register taken out":       func(w *world) { w.other = false },
		"a register, and the filter": func(w *world) { w.other, w.setting.link = false, `filter: "kind == 'unit'"` },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setting{other: true})
			before := w.begin()
			change(w)
			w.apply()
			w.settle()
			w.nothingGone(before)
			w.later(1)
			w.read()
			w.restart()
			w.read()
			w.nothingGone(before)
		})
	}
}

// Who is both a pupil and staff has one account. A setting that moves it to the other file asks first, delays nobody else,
// and moves it then; and back.
func TestSafeAnotherPersonaIsAskedAbout(t *testing.T) {
	w := newWorld(t, setting{})
	before := w.begin()
	in := func(file, id string) bool {
		return slices.ContainsFunc(w.delivered().rows[file], func(row map[string]string) bool { return row["person_id"] == id })
	}
	var both []string
	for i := range w.town.Persons {
		p := &w.town.Persons[i]
		if slices.Contains(p.Cases, municipality.CaseBothRoles) {
			both = append(both, w.key(alvisDefault, p))
		}
	}
	if len(both) == 0 {
		t.Fatal("nobody is both")
	}
	for _, to := range []struct{ persona, from, to string }{{"pupil", "staff.csv", "students.csv"}, {"staff", "students.csv", "staff.csv"}} {
		w.apple = "personaWins: " + to.persona
		w.apply()
		w.settle()
		joined := w.happens((*municipality.Municipality).Join)
		w.read()
		w.nothingGone(before)
		if w.delivered().persons[w.key(alvisDefault, w.person(joined.Person))] == nil {
			t.Error("who joined meanwhile is not there")
		}
		for _, id := range both {
			if !in(to.from, id) || in(to.to, id) {
				t.Errorf("somebody is not in %s alone, and nobody was asked", to.from)
			}
		}
		w.approveLink(len(both))
		w.settle()
		w.nothingGone(before)
		for _, id := range both {
			if in(to.from, id) || !in(to.to, id) {
				t.Errorf("somebody is not in %s alone", to.to)
			}
		}
	}
	w.equal()
}

// approveLink approves all that the link holds, which is so many.
func (w *world) approveLink(count int) {
	w.t.Helper()
	holds := w.store.LinkHolds(tenantName)
	kept, err := holds.Kept(w.t.Context(), appleLink)
	if err != nil || kept.Hold == nil || len(kept.Hold.Items) != count {
		w.t.Fatalf("want %d questions, got %+v, %v", count, kept.Hold, err)
	}
	if _, err := kept.Decide(kept.Hold.Digest, nil, guard.Approved, "Skolchefen", w.time()); err != nil {
		w.t.Fatal(err)
	}
	if err := holds.Keep(w.t.Context(), appleLink, kept); err != nil {
		w.t.Fatal(err)
	}
}

// Settings with which Apple would not take what it has already halt the link. Nobody is left out for that.
func TestSafeSettingsThatAppleRefusesRemoveNothing(t *testing.T) {
	w := newWorld(t, setting{})
	before := w.begin()
	w.apple = "accountName: sis_username, sisUsername: username"
	w.apply()
	until(t, "halt of the link", &w.log, func() bool {
		s, err := w.link.Resync(t.Context(), false, false)
		if err != nil {
			t.Fatal(err)
		}
		return s.Halted != nil
	})
	w.same(before)
	w.apple = ""
	w.apply()
	w.settle()
	w.same(before)
}

// nothingGone checks that Apple was shown every person and every class that it was shown before, but for those whose time
// is over by the dates of the registers.
func (w *world) nothingGone(before delivery) {
	w.t.Helper()
	now := w.delivered()
	begun := roster.Today(w.setting.now)
	over, ended := 0, 0
	for _, town := range []*municipality.Municipality{w.town, w.vux} {
		over += endedBetween(town, begun, w.today())
		for i := range town.Groups {
			if g := &town.Groups[i]; g.End >= begun && g.End < w.today() {
				ended++
			}
		}
	}
	if gone := before.gone(now); len(gone) > over {
		w.t.Errorf("%d persons are gone, and the time of %d is over", len(gone), over)
	}
	classes := map[string]bool{}
	for _, row := range now.rows["classes.csv"] {
		classes[row["class_id"]] = true
	}
	gone := 0
	for _, row := range before.rows["classes.csv"] {
		if !classes[row["class_id"]] {
			gone++
		}
	}
	if gone > ended {
		w.t.Errorf("%d of %d classes are gone, and %d have ended", gone, len(before.rows["classes.csv"]), ended)
	}
}

// A link that is not in the document does nothing; one that comes back goes on where it was.
func TestSafeALinkTakenOutRemovesNothing(t *testing.T) {
	w := newWorld(t, setting{})
	before := w.begin()
	w.unlinked = true
	w.apply()
	joined := w.happens((*municipality.Municipality).Join)
	w.happens((*municipality.Municipality).Leave)
	w.read()
	w.same(before)
	w.unlinked = false
	w.apply()
	w.settle()
	w.equal()
	if w.delivered().persons[w.key(alvisDefault, w.person(joined.Person))] == nil {
		t.Error("who joined meanwhile is not there")
	}
}

// A mistake in a customer's rule stops the tenant before anything is done by it.
func TestSafeATypoInARuleRemovesNothing(t *testing.T) {
	w := newWorld(t, setting{})
	before := w.begin()
	for _, filter := range []string{"person.pupill", "units.exists(u, u.nmae == 'x')", "person.pupil ||", "'yes'", "1 / 0", "person"} {
		w.setting.link = `filter: "` + filter + `"`
		if _, err := w.tryOpen(); err == nil {
			t.Errorf("%q is taken for a rule", filter)
		}
	}
	w.setting.link = ""
	w.settle()
	w.same(before)
}
