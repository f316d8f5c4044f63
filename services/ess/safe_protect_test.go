package main

import (
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/services/ess/municipality"
)

// flags is a town whose register marks protected persons.
func flags() setting {
	return setting{
		town: municipality.Options{Protected: municipality.ProtectedFlag}, register: "protected: flag",
		settings: "profile: {extends: alvis, securityMarking: extension/securitymarking}",
	}
}

// A register that no longer tells who is protected is not read: neither is everybody protected, nor nobody.
func TestSafeFlagColumnGone(t *testing.T) {
	w := newWorld(t, flags())
	w.happens((*municipality.Municipality).Protect)
	before := w.begin()
	const open, end = "<extension><securitymarking>", "</securitymarking></extension>\n"
	w.exportOf("register", w.town, func(xml string) string {
		var b strings.Builder
		for {
			head, rest, ok := strings.Cut(xml, open)
			b.WriteString(head)
			if !ok {
				return b.String()
			}
			_, xml, _ = strings.Cut(rest, end)
		}
	})
	stones := w.stones(alvisDefault)
	w.expect(source.Unreadable)
	w.same(before)
	w.edit("<securitymarking>"+string(roster.MarkingNone)+"</securitymarking>", "<securitymarking>kanske</securitymarking>")
	w.expect(source.Unreadable)
	w.same(before)
	if n := w.stones(alvisDefault); n != stones {
		t.Errorf("%d persons have a tombstone, and %d had", n, stones)
	}
	w.export()
	w.expect(source.Unchanged)
	w.same(before)
}

// Five who are protected are contained by the read that shows it: past the guard, out of every file, and out of the log,
// although nothing else of that read may pass. They come back with the same accounts. Nothing names or counts them.
func TestSafeFiveNewlyProtected(t *testing.T) {
	s := flags()
	s.town.Pupils = 600
	w := newWorld(t, s)
	before := w.begin()
	var them []municipality.Person
	leaving := w.happens(municipality.ManyLeave(100)).Persons
	for _, p := range w.ordinary(5) {
		p.Marking = roster.MarkingConfidential
		them = append(them, *p)
	}
	w.export()
	logged := len(w.log.String())
	run := w.expect(source.Held)
	for _, p := range them {
		w.shown(p, false, "protected")
	}
	w.nobodyGoneBut(before, them)
	silent := func(what, text string) {
		t.Helper()
		for _, p := range them {
			for _, say := range []string{p.ID, p.CivicNo.Reveal(), p.Email.Reveal(), w.key(alvisDefault, &p)} {
				if n := strings.Index(text, say); n >= 0 && !w.within(text[n:], say) {
					t.Errorf("%s names one of them", what)
				}
			}
		}
		if strings.Contains(strings.ToLower(text), "protected") {
			t.Errorf("%s tells of protection", what)
		}
	}
	silent("the log of the programs", w.log.String()[logged:])
	for _, f := range run.Findings {
		silent("a finding", f.Reason.String()+f.Where)
	}
	if found, err := w.store.Runs(tenantName).Found(t.Context(), alvisDefault, ""); err != nil || found == nil {
		t.Errorf("no findings are stored: %v", err)
	}
	for what, n := range run.Counts {
		if n == 5 || strings.Contains(what, "protect") {
			t.Errorf("the run counts %d %s", n, what)
		}
	}
	for _, i := range w.held().Hold.Items {
		if slices.ContainsFunc(them, func(p municipality.Person) bool { return w.keyOf(&p) == i.Ref.Key }) {
			t.Error("what is held names one of them")
		}
	}

	w.sweep()
	w.restart()
	w.read()
	for _, p := range them {
		w.shown(p, false, "protected, after the janitor and a restart")
	}
	for _, m := range storetest.Messages(t, w.nats.URL()) {
		for _, p := range them {
			if m.Stream == "ESS-"+tenantName && strings.Contains(string(m.Data), p.Email.Reveal()) {
				t.Errorf("the log still holds what was said of one of them, at %s", m.Subject)
			}
		}
	}

	for _, p := range them {
		w.person(p.ID).Marking = ""
	}
	w.later(1)
	w.read()
	now := w.delivered()
	for _, p := range them {
		was, is := before.row(&p), now.row(&p)
		if is == nil || is["person_id"] != was["person_id"] {
			t.Error("one who is no longer protected has no account, or another one")
		}
		if places(before, was["person_id"]) != places(now, was["person_id"]) {
			t.Errorf("one is in %d classes, and was in %d", places(now, was["person_id"]), places(before, was["person_id"]))
		}
	}
	if n := w.stones(alvisDefault); n > 0 || len(leaving) != 100 {
		t.Errorf("%d have a tombstone", n)
	}
}

// within tells whether a text goes on with a longer id: p-1 is in p-17.
func (w *world) within(text, id string) bool {
	rest := text[len(id):]
	return rest != "" && rest[0] >= '0' && rest[0] <= '9'
}

// places counts the classes that a student is in.
func places(d delivery, id string) (n int) {
	for _, row := range d.rows["rosters.csv"] {
		if row["student_id"] == id {
			n++
		}
	}
	return n
}

// nobodyGoneBut checks that Apple was shown everybody whom it was shown before, but some.
func (w *world) nobodyGoneBut(before delivery, them []municipality.Person) {
	w.t.Helper()
	gone := before.gone(w.delivered())
	for _, p := range them {
		gone = slices.DeleteFunc(gone, func(id string) bool { return id == w.key(alvisDefault, &p) })
	}
	if len(gone) > 0 {
		w.t.Errorf("%d others are gone from what Apple was shown", len(gone))
	}
}
