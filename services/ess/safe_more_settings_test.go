package main

import (
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/services/ess/municipality"
)

// protecting is the decision by hand that a person is protected.
func protecting(p municipality.Person) string {
	return "protect:\n  - {owner: Skolchefen, reason: anmält, person: {number: " + number(p) + "}}"
}

// Whatever a link holds of somebody, and whatever waits about her: protected, she is gone at once. It is undone too.
func TestSafeWhoIsProtectedIsGoneInWhateverState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    setting
		into func(w *world, her *municipality.Person) // brings her into the state
		back bool                                     // she is shown again once she is no longer protected
	}{
		"let go by a filter": {setting{}, func(w *world, _ *municipality.Person) {
			w.setting.link = `filter: "kind != 'person'"`
			w.apply()
			w.settle()
		}, false},
		"leaving": {setting{leave: "[{after: 0d, do: leaveGroups}, {after: 30d, do: delete}], lifecycles: [{schoolForm: VUX, gap: 0d}]"}, func(w *world, her *municipality.Person) {
			w.happens(municipality.TheseLeave(her.ID))
			w.expect(source.Published)
		}, false},
		"held at the register": {setting{}, func(w *world, _ *municipality.Person) {
			w.happens(municipality.ManyLeave(200))
			w.expect(source.Held)
		}, true},
		"held at the link": {setting{link: "guard: [{operation: delete, percent: 0, floor: 0}]"}, func(w *world, her *municipality.Person) {
			w.happens(municipality.TheseLeave(her.ID))
			w.read()
			w.shown(*her, true, "while the link asks")
		}, false},
		"let go and then to be deleted": {setting{}, func(w *world, _ *municipality.Person) {
			w.setting.link = `filter: "kind != 'person'"`
			w.apply()
			w.settle()
			w.setting.link = `filter: "kind != 'person'", onOutOfScope: delete`
			w.apply()
			w.settle()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.s.manual = true
			w := newWorld(t, c.s)
			w.begin()
			her := *w.ordinary(1)[0]
			c.into(w, &her)
			w.shown(her, true, "before")
			w.decide(protecting(her))
			w.readOnly(manualSource)
			w.settle()
			w.shown(her, false, "protected")
			w.sweep()
			w.restart()
			w.read()
			w.shown(her, false, "protected, after the janitor and a restart")
			w.decide("protect: []")
			w.readOnly(manualSource)
			w.settle()
			if c.back {
				w.shown(her, true, "no longer protected")
			}
		})
	}
}

// What a filter let go of stays when the document says later on that such things are to be deleted: nobody approved it.
// When the filter is gone all of it is ours again.
func TestSafeOutOfScopeChangedLaterDeletesNobody(t *testing.T) {
	for _, way := range []string{"delete", "asLeaver"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t, setting{})
			before := w.begin()
			for _, link := range []string{
				`filter: "kind != 'person'"`, `filter: "kind != 'person'", onOutOfScope: ` + way, `filter: "kind == 'unit'", onOutOfScope: ` + way,
				`onOutOfScope: ` + way, `filter: "false", onOutOfScope: ` + way, "",
			} {
				w.setting.link = link
				w.apply()
				w.settle()
				w.nothingGone(before)
				w.later(1)
				w.read()
				w.nothingGone(before)
			}
		})
	}
}

// A school that is merged into another, and is not after all, has nobody leave and nobody doubled.
func TestSafeASchoolMergedAndNotAfterAll(t *testing.T) {
	w := newWorld(t, setting{town: municipality.Options{Pupils: 400, Shape: municipality.ShapeSchools}})
	before := w.begin()
	var ids []string
	for _, u := range w.town.Units[1:3] {
		ids = append(ids, u.ID)
	}
	for _, units := range []string{
		"units: [{source: alvis/default, id: " + ids[0] + ", mergedInto: {source: alvis/default, id: " + ids[1] + "}}]",
		"units: [{source: alvis/default, id: " + ids[0] + ", excluded: true}]",
		"",
	} {
		w.document = units
		w.apply()
		w.settle()
		w.nothingGone(before)
		if n := len(w.delivered().persons); n != len(before.persons) {
			t.Errorf("%d persons are shown, and were %d, with %q", n, len(before.persons), units)
		}
	}
	w.equal()
}

// A register whose instance gets another name in the document: what its old name said stays, and nobody is gone. Who is
// known by a number keeps the account.
func TestSafeARegisterRenamedInTheDocument(t *testing.T) {
	w := newWorld(t, setting{})
	before := w.begin()
	w.register = "instance: gymnasiet"
	w.apply()
	name := roster.Source{System: "alvis", Instance: "gymnasiet"}
	w.readOnly(name)
	w.settle()
	w.nothingGone(before)
	now := w.delivered()
	for i := range w.town.Persons {
		p := &w.town.Persons[i]
		kind := roster.ParseCivicNo(p.CivicNo.Reveal(), w.today()).Kind()
		if is := now.row(p); is != nil && kind == roster.Personnummer && is["person_id"] != w.key(alvisDefault, p) {
			t.Error("somebody with a personnummer has another account")
		}
	}
	w.noStones()
}

// A pepper that is another one by mistake changes nothing, in any source, and the right one goes on where it was.
func TestSafeAnotherPepper(t *testing.T) {
	w := newWorld(t, setting{manual: true, town: municipality.Options{Pupils: 30}})
	before := w.begin()
	her := *w.ordinary(1)[0]
	w.decide(protecting(her))
	w.read()
	w.shown(her, false, "protected")
	shown := w.delivered()
	write(t, w.path("pepper"), strings.Repeat("x", len(pepper))+"\n")
	w.apply()
	w.export()
	for _, name := range []roster.Source{alvisDefault, manualSource} {
		if run := w.readOnly(name); run.State != source.Refused {
			t.Errorf("the run of %s is %s: %v", name, run.State, run.Reason)
		}
	}
	w.settle()
	if gone := shown.gone(w.delivered()); len(gone) > 0 || len(w.delivered().persons) != len(shown.persons) {
		t.Errorf("%d are gone, of %d, and %d are shown", len(gone), len(before.persons), len(w.delivered().persons))
	}
	w.shown(her, false, "protected, with another pepper")
	write(t, w.path("pepper"), pepper+"\n")
	w.apply()
	w.read()
	w.shown(her, false, "protected, with the right pepper")
	w.noStones()
}
