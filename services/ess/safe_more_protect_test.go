package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Two registers list one person, and the one that has a mark of protection sets it: she is gone everywhere, also what
// the other register says of her, after the janitor, after a restart of both, and when the other says something new.
// Nothing names her. She comes back with the same account when the mark is gone.
func TestSafeOneOfTwoRegistersMarksHer(t *testing.T) {
	s := flags()
	s.other = true
	w := newWorld(t, s)
	here, there := w.ordinary(1)[0], ordinaryOf(w.vux)
	there.CivicNo, there.Given, there.Family, there.Email = here.CivicNo, here.Given, here.Family, here.Email
	w.exportOf("register/vux", w.vux, nil)
	before := w.begin()
	her := *here
	w.shown(her, true, "before")
	logged := len(w.log.String())
	w.person(her.ID).Marking = roster.MarkingProtected
	w.export()
	w.read()
	w.shown(her, false, "marked")
	w.sweep()
	w.settle()
	w.shown(her, false, "marked, after the janitor")
	w.restart()
	w.read()
	w.shown(her, false, "marked, after a restart")
	w.later(1)
	there.Email = "ny." + there.Email
	w.exportOf("register/vux", w.vux, nil)
	w.read()
	w.sweep()
	w.restart()
	w.read()
	w.shown(her, false, "marked, a day later")
	if text := w.log.String()[logged:]; strings.Contains(text, her.Email.Reveal()) || strings.Contains(text, w.key(alvisDefault, &her)) {
		t.Error("the log of the programs names her")
	}
	there.Email = her.Email
	w.exportOf("register/vux", w.vux, nil)
	w.person(her.ID).Marking = ""
	w.later(1)
	w.read()
	w.shown(her, true, "no longer marked")
	if was, is := before.row(&her), w.delivered().row(&her); is == nil || was["person_id"] != is["person_id"] {
		t.Error("she has another account, or none")
	}
}

// A child who is protected by hand under a TF number, and then gets a personnummer, stays protected when the janitor has
// taken out what told of the old number.
func TestSafeAProtectedChildGetsANumberAndTheJanitorComes(t *testing.T) {
	w := newWorld(t, setting{manual: true})
	child := w.ordinary(1)[0]
	child.CivicNo = "18900314TF07"
	w.export()
	w.begin()
	w.shown(*child, true, "before")
	w.decide("protect:\n  - {owner: Skolchefen, reason: anmält, person: {source: alvis/default, id: " + child.ID + ", number: " + child.CivicNo.Reveal()[:8] + "-" + child.CivicNo.Reveal()[8:] + "}}")
	w.read()
	w.shown(*child, false, "protected")
	child.CivicNo = numbered("18900314", 981)
	w.later(1)
	w.read()
	w.shown(*child, false, "with a number")
	w.sweep()
	for _, when := range []string{"after the janitor", "a day later", "another day later"} {
		w.read()
		w.shown(*child, false, when)
		w.later(1)
		w.sweep()
	}
	w.restart()
	w.read()
	w.shown(*child, false, "after a restart")
}

// One register marks a child; the other learns of a new number first. What was one child before is still protected.
func TestSafeTheOtherRegisterChangesTheNumberOfAProtectedChild(t *testing.T) {
	s := flags()
	s.other = true
	w := newWorld(t, s)
	here, there := w.ordinary(1)[0], ordinaryOf(w.vux)
	there.CivicNo, there.Given, there.Family, there.Email = here.CivicNo, here.Given, here.Family, here.Email
	w.exportOf("register/vux", w.vux, nil)
	w.begin()
	w.person(here.ID).Marking = roster.MarkingProtected
	w.export()
	w.read()
	w.shown(*here, false, "marked")
	there.CivicNo = numbered(there.CivicNo.Reveal()[:8], 981)
	w.later(1)
	w.exportOf("register/vux", w.vux, nil)
	if run := w.read(); !slices.Contains([]source.State{source.Published, source.Unchanged}, run.State) {
		t.Fatalf("the run is %s: %v", run.State, run.Reason)
	}
	w.shown(*here, false, "with another number in the other register")
	if d := w.delivered(); d.persons[w.key(alvisVux, there)] != nil {
		t.Error("she is shown under the new number")
	}
	w.sweep()
	w.restart()
	w.read()
	if d := w.delivered(); d.persons[w.key(alvisVux, there)] != nil || d.row(there) != nil {
		t.Error("she is shown after the janitor")
	}
}

// numbered returns the personnummer of a day of birth and a serial.
func numbered(born string, serial int) roster.Personal {
	digits, sum := fmt.Sprintf("%s%03d", born, serial), 0
	for i, c := range digits[2:] {
		d := int(c-'0') * (2 - i%2)
		sum += d/10 + d%10
	}
	return roster.Personal(fmt.Sprint(digits, (10-sum%10)%10))
}
