package main

import (
	"testing"
	"time"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/services/ess/municipality"
)

// Two registers have the same people with other addresses. Their order in the document is swapped: everybody would get
// another address in one night, and the link asks first. Swapped back, nothing is asked any more.
func TestSafeTheOrderOfRegistersSwapped(t *testing.T) {
	w := newWorld(t, setting{other: true})
	w.vux = w.town.Clone()
	for i := range w.vux.Persons {
		if p := &w.vux.Persons[i]; p.Email != "" {
			p.Email = "vux." + p.Email
		}
	}
	w.exportOf("register/vux", w.vux, nil)
	before := w.begin()
	asked := func() (n int) {
		t.Helper()
		kept, err := w.store.LinkHolds(tenantName).Kept(t.Context(), appleLink)
		if err != nil {
			t.Fatal(err)
		}
		if kept.Hold != nil {
			for _, i := range kept.Hold.Items {
				if i.Operation != guard.Address {
					t.Errorf("%s is asked about", i.Operation)
				}
				n++
			}
		}
		return n
	}
	if n := asked(); n != 0 {
		t.Fatalf("%d are asked about before anything happened", n)
	}
	for _, reversed := range []bool{true, false} {
		w.reversed = reversed
		w.apply()
		w.settle()
		w.nobodyGone(before)
		now := w.delivered()
		others := 0
		for id, row := range now.persons {
			if was := before.persons[id]; was == nil || was["email_address"] != row["email_address"] {
				others++
			}
		}
		if others > 0 {
			t.Errorf("%d of %d have another address, or are new, with the registers reversed: %t", others, len(now.persons), reversed)
		}
		if n := asked(); (n > 250) != reversed || !reversed && n > 0 {
			t.Errorf("%d are asked about with the registers reversed: %t", n, reversed)
		}
	}
}

// Protection is taken back while the target is down: she is there again when it is up, with the same account and in the
// same classes. Who is protected while it is down is gone when it is up.
func TestSafeTheTargetIsDownWhileProtectionChanges(t *testing.T) {
	w := newWorld(t, setting{now: time.Now().Truncate(time.Second), manual: true})
	before := w.begin()
	two := w.ordinary(2)
	her, him := *two[0], *two[1]
	decide := func(verb string, p municipality.Person) {
		t.Helper()
		w.essctl(number(p)+"\n", "person", verb, "--tenant", tenantName, "--number", "-", "--by", "Skolchefen", "--why", "a decision")
	}
	decide("protect", her)
	w.read()
	w.shown(her, false, "protected")
	shown := w.delivered()

	w.isDown(true)
	decide("unprotect", her)
	decide("protect", him)
	w.readOnly(manualSource)
	for range 3 {
		if _, err := w.link.Resync(t.Context(), false, false); err != nil {
			t.Log("while the target is down:", err)
		}
	}
	w.same(shown)
	if w.isDown(true) == 0 {
		t.Fatal("the link asked nothing of the target while it was down")
	}
	w.restart()
	_, _ = w.link.Resync(t.Context(), false, false)
	w.same(shown)
	w.isDown(false)
	w.later(0)
	w.read()
	w.shown(him, false, "protected while the target was down")
	now := w.delivered()
	was, is := before.row(&her), now.row(&her)
	if is == nil || is["person_id"] != was["person_id"] || places(before, was["person_id"]) != places(now, is["person_id"]) {
		t.Error("who is protected no longer is not there, or has another account or other classes")
	}
	w.nobodyGoneBut(before, []municipality.Person{him})
}

// isDown has Apple answer or not from now on, and returns how many requests it has not answered.
func (w *world) isDown(down bool) (unmet int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	return w.unmet
}
