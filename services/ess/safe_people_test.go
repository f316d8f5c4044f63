package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/services/ess/municipality"
)

// Two registers give out TF numbers of their own: the same one is two children.
func TestSafeTheSameTFNumberInTwoSourcesIsTwoPersons(t *testing.T) {
	w := newWorld(t, setting{other: true})
	here, there := w.ordinary(1)[0], ordinaryOf(w.vux)
	here.CivicNo = "18900314TF01"
	there.CivicNo = here.CivicNo
	w.export()
	w.exportOf("register/vux", w.vux, nil)
	d := w.begin()
	one, other := d.persons[w.key(alvisDefault, here)], d.persons[w.key(alvisVux, there)]
	if one == nil || other == nil || one["person_id"] == other["person_id"] {
		t.Fatalf("Apple was shown one: %t, the other: %t", one != nil, other != nil)
	}
	if one["email_address"] != here.Email.Reveal() || other["email_address"] != there.Email.Reveal() {
		t.Error("one has the other's address")
	}
}

// ordinaryOf returns a pupil of a town who is nothing unusual.
func ordinaryOf(m *municipality.Municipality) *municipality.Person {
	return &m.Persons[slices.IndexFunc(m.Persons, func(p municipality.Person) bool {
		return len(p.Cases) == 0 && len(p.Enrolments) == 1 && len(p.Duties) == 0 && p.Email != ""
	})]
}

// A child who gets a personnummer in place of a TF number keeps the account.
func TestSafeANewNumberKeepsTheAccount(t *testing.T) {
	w := newWorld(t, setting{})
	before := w.begin()
	id := w.happens((*municipality.Municipality).ChangeNumber).Person
	for before.row(w.person(id)) == nil { // some have no account: single names, who starts tomorrow
		id = w.happens((*municipality.Municipality).ChangeNumber).Person
	}
	w.expect(source.Published)
	after := w.delivered()
	was, is := before.row(w.person(id)), after.row(w.person(id))
	if is == nil || was["person_id"] != is["person_id"] {
		t.Error("the account has another id, or is gone")
	}
	w.nobodyGone(before)
	if len(after.persons) != len(before.persons) {
		t.Errorf("there are %d accounts, and were %d", len(after.persons), len(before.persons))
	}
	w.sweep()
	w.restart()
	w.settle()
	if is := w.delivered().row(w.person(id)); is == nil || was["person_id"] != is["person_id"] {
		t.Error("after the janitor and a restart the account has another id, or is gone")
	}
}

// row returns the row of a person, found by the address.
func (d delivery) row(p *municipality.Person) map[string]string {
	for _, row := range d.persons {
		if p.Email != "" && row["email_address"] == p.Email.Reveal() {
			return row
		}
	}
	return nil
}

// Two persons on one number are kept apart and reported, in one register and across two. Neither is shown as the other.
func TestSafeTwoPersonsOnOneNumberAreKeptApart(t *testing.T) {
	t.Parallel()
	t.Run("in one register", func(t *testing.T) {
		w := newWorld(t, setting{})
		before := w.begin()
		two := w.ordinary(2)
		was := [2]map[string]string{before.row(two[0]), before.row(two[1])}
		two[1].CivicNo = two[0].CivicNo
		w.export()
		run := w.read()
		if told(run, reason.IdentityConflict) == 0 {
			t.Errorf("the findings are %v", run.Findings)
		}
		w.noStones()
		w.nobodyGone(before)
		after := w.delivered()
		for n := range two {
			if is := after.row(two[n]); is == nil || is["person_id"] != was[n]["person_id"] || is["last_name"] != was[n]["last_name"] {
				t.Errorf("the account of the one with number %d is another's, or gone", n)
			}
		}
	})
	t.Run("in two registers", func(t *testing.T) {
		w := newWorld(t, setting{other: true})
		before := w.begin()
		here, there := w.ordinary(1)[0], ordinaryOf(w.vux)
		was := before.row(here)
		there.CivicNo = here.CivicNo
		w.exportOf("register/vux", w.vux, nil)
		w.read()
		is := w.delivered().row(here)
		if is == nil || is["person_id"] != was["person_id"] || is["last_name"] != was["last_name"] {
			t.Error("the account is another's, or gone")
		}
		w.noStones()
	})
}

// Between Friday and Monday a pupil is enrolled nowhere, and has the account all the while.
func TestSafeWhoChangesSchoolOverAWeekendIsNeverOut(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]setting{
		"stages of a link that names none": {leave: "[{after: 0d, do: leaveGroups}, {after: 30d, do: disable}, {after: 180d, do: delete}]"},
		"a gap, and nothing after it":      {link: "gap: 5d", leave: "[{after: 0d, do: delete}]"},
		"komvux, where nobody said more":   {leave: "[{after: 0d, do: delete}]"},
	} {
		t.Run(name, func(t *testing.T) {
			s.town.Shape = municipality.ShapeSchools
			s.now = time.Date(2026, 9, 18, 18, 30, 0, 0, roster.Stockholm()) // a Friday
			w := newWorld(t, s)
			w.begin()
			moved := w.happens((*municipality.Municipality).ChangeSchool)
			account := w.key(alvisDefault, w.person(moved.Person))
			there := func(day string) map[string]string {
				row := w.delivered().persons[account]
				if row == nil {
					t.Fatalf("on %s the pupil is out", day)
				}
				return row
			}
			w.read()
			old := there("Friday")["location_id"]
			for _, day := range []string{"Saturday", "Sunday", "Monday", "Tuesday"} {
				w.later(1)
				w.read()
				there(day)
			}
			if now := there("Tuesday")["location_id"]; now == old {
				t.Error("on Tuesday the pupil is at the old school")
			}
			w.noStones()
		})
	}
}

// In the first days of July registers empty their classes. Nobody and nothing leaves.
func TestSafeJulysEmptiedClasses(t *testing.T) {
	w := newWorld(t, setting{
		town: municipality.Options{Pupils: 500, Shape: municipality.ShapeSchools},
		now:  time.Date(2026, 6, 30, 18, 30, 0, 0, roster.Stockholm()), document: "quiet: [06-10..08-20]",
	})
	before := w.begin()
	w.later(1)
	w.happens((*municipality.Municipality).JulyEmpties)
	w.expect(source.Held)
	w.nobodyGone(before)
	w.noStones()
	after := w.delivered()
	classes := map[string]bool{}
	for i := range w.town.Groups {
		if g := &w.town.Groups[i]; g.Kind == municipality.Class {
			classes[w.groupKey(g)] = true
		}
	}
	for _, file := range []string{"classes.csv", "rosters.csv"} {
		if was, is := before.of(file, classes), after.of(file, classes); was == 0 || is != was {
			t.Errorf("%s has %d rows of classes, and had %d", file, is, was)
		}
	}
}

// of counts the rows of classes.
func (d delivery) of(file string, classes map[string]bool) (n int) {
	for _, row := range d.rows[file] {
		if classes[row["class_id"]] {
			n++
		}
	}
	return n
}

// groupKey returns the key of a group of the first register.
func (w *world) groupKey(g *municipality.Group) string {
	return w.keyer.Group(alvisDefault, g.ID, "").String()
}

// A register that gives this year's classes last year's ids has new classes in August, not the old ones with others in
// them.
func TestSafeAClassIDReusedInAugustIsANewGeneration(t *testing.T) {
	s := reusing()
	s.register, s.document = "groupIds: reused", "schoolYear: 08-15"
	w := newWorld(t, s)
	w.begin()
	old := map[string]*municipality.Group{}
	was := w.town.Clone()
	for i := range was.Groups {
		if g := &was.Groups[i]; g.Kind == municipality.Class {
			old[g.ID] = g
		}
	}
	w.town.NextDay()
	w.later(1)
	run := w.read()
	if run.State != source.Published && run.Reason.Code != reason.ChangesHeld {
		t.Fatalf("the run is %s: %v", run.State, run.Reason)
	}
	w.noStones()
	now, reused := w.delivered(), 0
	members := func(class string) (list []string) {
		for _, row := range now.rows["rosters.csv"] {
			if row["class_id"] == class {
				list = append(list, row["student_id"])
			}
		}
		return list
	}
	key := func(g *municipality.Group, day roster.Date) string {
		return w.keyer.Group(alvisDefault, g.ID, roster.SchoolYearOf(day, time.August, 15)).String()
	}
	for i := range w.town.Groups {
		g := &w.town.Groups[i]
		last := old[g.ID]
		if g.Kind != municipality.Class || last == nil || g.Start != w.town.Day {
			continue
		}
		reused++
		generation, before := key(g, w.town.Day), key(last, last.Start)
		mine := members(generation)
		if generation == before || len(mine) == 0 {
			t.Errorf("%s is no class of its own, with %d students", g.ID, len(mine))
		}
		for _, id := range members(before) {
			if slices.Contains(mine, id) && !w.attended(last, id) {
				t.Errorf("%s: a student of this year is in last year's class", g.ID)
			}
		}
	}
	if reused < 5 {
		t.Errorf("only %d ids were reused", reused)
	}
}

// attended tells whether a group had a student.
func (w *world) attended(g *municipality.Group, id string) bool {
	return slices.ContainsFunc(g.Members, func(m municipality.Member) bool {
		i := slices.IndexFunc(w.town.Persons, func(p municipality.Person) bool { return p.ID == m.Person })
		return i >= 0 && w.key(alvisDefault, &w.town.Persons[i]) == id
	})
}

// reusing is a town on the day before the läsår turns, whose register gives its classes last year's ids.
func reusing() setting {
	return setting{
		town: municipality.Options{Pupils: 500, Shape: municipality.ShapeSchools, GroupIDs: municipality.GroupIDsReused},
		now:  time.Date(2026, 8, 14, 18, 30, 0, 0, roster.Stockholm()),
	}
}

// Where nobody said that a register gives its classes last year's ids, the read that shows it is not believed.
func TestSafeAClassIDReusedAndNobodySaidSo(t *testing.T) {
	w := newWorld(t, reusing())
	before := w.begin()
	old := w.town.Clone()
	w.town.NextDay()
	w.later(1)
	run := w.expect(source.Held)
	if run.Reason.Code != reason.GroupsExchanged {
		t.Errorf("it is held because of %v", run.Reason)
	}
	w.noStones()
	if gone := before.gone(w.delivered()); len(gone) > endedBetween(old, w.today().AddDays(-1), w.today()) {
		t.Errorf("%d are gone", len(gone))
	}
}

// Two sources list one person; one protects her: gone everywhere, also after the janitor ran and after both restart.
func TestSafeOneOfTwoSourcesProtectsHer(t *testing.T) {
	w := newWorld(t, setting{other: true, manual: true})
	here, there := w.ordinary(1)[0], ordinaryOf(w.vux)
	there.CivicNo, there.Given, there.Family, there.Email = here.CivicNo, here.Given, here.Family, here.Email
	w.exportOf("register/vux", w.vux, nil)
	w.begin()
	her := *here
	w.shown(her, true, "before")
	w.decide("protect:\n  - {owner: Skolchefen, reason: anmält, person: {number: " + number(her) + "}}")
	w.read()
	w.shown(her, false, "protected")
	w.sweep()
	w.settle()
	w.shown(her, false, "protected, after the janitor")
	w.restart()
	w.read()
	w.shown(her, false, "protected, after a restart")
	w.renameAll("Ny") // both registers say something new of her
	w.later(1)
	w.read()
	w.sweep()
	w.restart()
	w.read()
	w.shown(*w.person(her.ID), false, "protected, a day later")
	w.decide("protect: []")
	w.read()
	w.shown(*w.person(her.ID), true, "no longer protected")
}

// number is a person's, as people write it.
func number(p municipality.Person) string {
	n := p.CivicNo.Reveal()
	return n[:8] + "-" + n[8:]
}

// shown checks whether Apple is shown a person, by key, name or address.
func (w *world) shown(p municipality.Person, want bool, when string) {
	w.t.Helper()
	d, key := w.delivered(), w.key(alvisDefault, &p)
	if is := d.persons[key] != nil; is != want {
		w.t.Errorf("%s: shown is %t, want %t", when, is, want)
	}
	if want {
		return
	}
	for name, rows := range d.rows {
		for _, row := range rows {
			for column, value := range row {
				if value == key || value == p.Email.Reveal() {
					w.t.Errorf("%s: %s has her in %s", when, name, column)
				}
			}
		}
	}
}

// Who was deleted in June does not come back: not when the janitor has taken the history and the tombstone out, not with
// a restart, not when the target is read back. Nothing in the log ends by itself, for then the dead come back.
func TestSafeDeletedInJuneDoesNotComeBack(t *testing.T) {
	w := newWorld(t, setting{now: time.Date(2026, 6, 8, 18, 30, 0, 0, roster.Stockholm())})
	w.begin()
	gone := w.ordinary(3)
	var them []municipality.Person
	var ids []string
	for _, p := range gone {
		them, ids = append(them, *p), append(ids, p.ID)
	}
	w.happens((*municipality.Municipality).Rename)
	w.expect(source.Published)
	w.happens(municipality.TheseLeave(ids...))
	w.expect(source.Published)
	w.later(60)
	w.read()
	check := func(when string) {
		t.Helper()
		for _, p := range them {
			w.shown(p, false, when)
			for _, m := range storetest.Messages(t, w.nats.URL()) {
				if m.Stream == "ESS-"+tenantName && bytes.Contains(m.Data, []byte(p.Email.Reveal())) {
					t.Fatalf("%s: the log still holds a record", when)
				}
			}
		}
	}
	for _, p := range them {
		w.shown(p, false, "in August")
	}
	w.sweep()
	w.settle()
	check("after the janitor")
	w.restart()
	w.read()
	if _, err := w.link.Resync(t.Context(), true, true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	check("after a restart")
	if n := w.stones(alvisDefault); n > 0 {
		t.Errorf("the janitor left %d tombstones", n)
	}

	for _, s := range storetest.Streams(t, w.nats.URL()) {
		if s.AllowMsgTTL || s.MaxAge != 0 || s.AllowRollup || s.SubjectDeleteMarkerTTL != 0 {
			t.Errorf("what %s holds can end by itself: %+v", s.Name, s)
		}
	}
	for _, m := range storetest.Messages(t, w.nats.URL()) {
		if m.Header["Nats-Ttl"] != nil || m.Header["Nats-TTL"] != nil {
			t.Errorf("%s has a time to live", m.Subject)
		}
	}
}
