package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/services/ess/demo"
	"eventful.se/ess/services/ess/municipality"
)

// 300 leave and 40 join in one export: who joins is published, who leaves is frozen. The next read does not ask again for
// what was approved, drops whom the register has again, and shows the rest; and silence deletes nobody.
func TestSafeManyLeaveAndSomeJoin(t *testing.T) {
	w := newWorld(t, setting{town: municipality.Options{Pupils: 800}})
	before := w.begin()
	who, err := municipality.ManyLeave(300)(w.town.Clone())
	if err != nil {
		t.Fatal(err)
	}
	leaving, joined := who.Persons, []string{}
	for range 40 {
		joined = append(joined, w.happens((*municipality.Municipality).Join).Person)
	}
	whole := w.town.Clone()
	w.happens(municipality.TheseLeave(leaving...))

	run := w.expect(source.Held)
	if run.Counts["person.created"] != 40 || run.Counts["person.held"] != 300 {
		t.Errorf("the run counts %v", run.Counts)
	}
	w.noStones()
	w.nobodyGone(before)
	for _, id := range joined {
		if w.delivered().persons[w.key(alvisDefault, w.person(id))] == nil {
			t.Errorf("%s joined, and Apple was not shown it", id)
		}
	}

	groups := w.held().Groups(w.time())
	if groups[0].Open() == 300 {
		t.Fatal("what is held is not shown by class")
	}
	w.approve(groups[0].ID)
	approved := map[roster.Key]bool{}
	for _, i := range groups[0].Items {
		approved[i.Ref.Key] = true
	}
	healed, stillGone := leaving[:50], leaving[50:]
	w.town = whole.Clone()
	w.happens(municipality.TheseLeave(stillGone...))
	left := 0
	for _, id := range stillGone {
		for i := range whole.Persons {
			if p := &whole.Persons[i]; p.ID == id && !approved[w.keyOf(p)] {
				left++
			}
		}
	}
	run = w.expect(source.Held)
	if run.Counts["person.held"] != left || left+len(approved)+len(healed) < 300 || left == 0 {
		t.Errorf("%d are held, want %d: %d were approved and %d are back", run.Counts["person.held"], left, len(approved), len(healed))
	}
	for _, i := range w.held().Hold.Items {
		if approved[i.Ref.Key] {
			t.Error("it asks again for what was approved")
		}
	}
	stones := w.stones(alvisDefault)
	if stones == 0 || stones > len(approved) {
		t.Errorf("%d are gone in the log, and %d were approved", stones, len(approved))
	}
	now := w.delivered()
	if gone := before.gone(now); len(gone) != stones {
		t.Errorf("%d are gone from what Apple was shown, want %d", len(gone), stones)
	}

	w.later(9) // longer than an approval lives
	w.expect(source.Held)
	if w.stones(alvisDefault) != stones {
		t.Error("silence deleted somebody")
	}
	if gone := now.gone(w.delivered()); len(gone) > endedBetween(w.town, w.today().AddDays(-9), w.today()) {
		t.Errorf("%d are gone although nobody decided", len(gone))
	}
}

// keyOf returns the key of a person of the first register.
func (w *world) keyOf(p *municipality.Person) roster.Key {
	return w.keyer.Person(alvisDefault, p.ID, roster.ParseCivicNo(p.CivicNo.Reveal(), w.today()))
}

// endedBetween counts whose time in a register has ended by its own dates between two days.
func endedBetween(m *municipality.Municipality, from, to roster.Date) int {
	there := map[string]bool{}
	each := func(day roster.Date, do func(id string)) {
		a := m.Active(day)
		for _, p := range slices.Concat(a.Pupils, a.Staff) {
			do(p.ID)
		}
	}
	each(from, func(id string) { there[id] = true })
	each(to, func(id string) { delete(there, id) })
	return len(there)
}

// An approval is of one delete. Who came back after it, and is left out again by a bad export while the approval would
// still live, stays.
func TestSafeAnOldApprovalDoesNotLetASecondDeleteThrough(t *testing.T) {
	w := newWorld(t, setting{town: municipality.Options{Pupils: 600}})
	w.begin()
	whole := w.town.Clone()
	leaving := w.happens(municipality.ManyLeave(80)).Persons
	w.expect(source.Held)
	w.approve()
	w.later(1)
	w.expect(source.Published)
	if n := w.stones(alvisDefault); n != 80 {
		t.Fatalf("%d were deleted, want 80", n)
	}
	w.equal()

	w.town = whole.Clone()
	w.later(2)
	w.expect(source.Published)
	w.noStones()
	w.equal()
	back := w.delivered()

	w.happens(municipality.TheseLeave(leaving...))
	if run := w.expect(source.Held); run.Counts["person.held"] != 80 || run.Counts["person.deleted"] != 0 {
		t.Errorf("the run counts %v", run.Counts)
	}
	w.noStones()
	w.nobodyGone(back)
	if n := w.held().Verdicts(w.time()); len(n) > 0 {
		t.Errorf("%d verdicts still live", len(n))
	}
}

// 4 % a night under a limit of 5 % empties a school; the window stops it on the second night.
func TestSafeFourPercentANight(t *testing.T) {
	w := newWorld(t, setting{town: municipality.Options{Pupils: 500}})
	w.begin()
	night := municipality.ManyLeave(20)
	w.happens(night)
	w.expect(source.Published)
	if n := w.stones(alvisDefault); n != 20 {
		t.Errorf("%d left in the first night, want 20", n)
	}
	before := w.delivered()
	for range 3 {
		w.later(1)
		w.happens(night)
		w.expect(source.Held)
	}
	if n := w.stones(alvisDefault); n > 27 {
		t.Errorf("%d of 540 left within a week, and the limit is 5 %%", n)
	}
	if gone := len(before.gone(w.delivered())); gone > 7+endedBetween(w.town, w.today().AddDays(-3), w.today()) {
		t.Errorf("%d more are gone from what Apple was shown", gone)
	}
}

// A reader that dies between two batches leaves half a run. Nothing is delivered of it, and the next read is whole.
func TestSafeARunThatDiesBetweenTwoBatches(t *testing.T) {
	w := newWorld(t, setting{town: municipality.Options{Pupils: 940}})
	before := w.begin()
	w.renameAll("Ny")
	w.dieBetweenBatches()
	if s := w.settleOnce(); !strings.Contains(s, "a run of the tenant is under way") {
		t.Errorf("after half a run the link says %q", s)
	}
	w.same(before)
	w.restart()
	if s := w.settleOnce(); !strings.Contains(s, "a run of the tenant is under way") {
		t.Errorf("after half a run and a restart the link says %q", s)
	}
	w.same(before)
	w.expect(source.Published)
	w.equal()
	w.noStones()
}

// renameAll gives everybody another first name.
func (w *world) renameAll(name string) {
	for i := range w.town.Persons {
		p := &w.town.Persons[i]
		p.Given = roster.Personal(name + " " + p.Given.Reveal())
	}
	w.export()
}

// dieBetweenBatches has the reader die when it has published its first batch and not its last.
func (w *world) dieBetweenBatches() {
	w.t.Helper()
	ctx, die := context.WithCancel(w.t.Context())
	reader, died := w.open().Readers[alvisDefault], false
	reader.Progress = func(done, total int) {
		if done > 0 && done < total {
			died = true
			die()
		}
	}
	if _, err := reader.Run(ctx); err == nil || !died {
		w.t.Fatalf("the reader did not die between two batches: %v", err)
	}
}

// settleOnce has the link look at everything once, and returns why it delivers nothing.
func (w *world) settleOnce() string {
	w.t.Helper()
	why := ""
	until(w.t, "answer of the link", &w.log, func() bool {
		s, err := w.link.Resync(w.t.Context(), false, false)
		if err != nil {
			w.t.Fatal(err)
		}
		why = s.Deferred
		return why != "the roster is being loaded"
	})
	return why
}

// A reader sleeps between two batches of an old export; meanwhile another one reads a newer export; then the first wakes
// up. What it says no more counts: after the next read the log is whole, and every set that was ever delivered is that
// of one export.
func TestSafeAnOldReaderWakesUpBesideANewOne(t *testing.T) {
	w := newWorld(t, setting{town: municipality.Options{Pupils: 940}})
	w.begin()
	states := []*municipality.Municipality{w.town.Clone()}
	w.renameAll("Ny")
	states = append(states, w.town.Clone())

	old := w.open().Readers[alvisDefault]
	asleep, wake, done := make(chan struct{}), make(chan struct{}), make(chan source.Run)
	first := true
	old.Progress = func(n, total int) {
		if first && n < total {
			first = false
			close(asleep)
			<-wake
		}
	}
	go func() {
		run, err := old.Run(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Error(err)
		}
		done <- run
	}()
	<-asleep
	w.renameAll("Nyare")
	w.happens((*municipality.Municipality).Join)
	states = append(states, w.town.Clone())
	w.expect(source.Published)
	w.equal()
	close(wake)
	run := <-done
	if run.State != source.Stale {
		t.Errorf("the old reader's run is %s, want %s: %v", run.State, source.Stale, run.Reason)
	}
	w.settle()
	w.equal()
	w.expect(source.Unchanged)
	w.equal()
	w.noStones()
	w.wholeDeliveries(states)
	w.logEquals()
}

// wholeDeliveries checks that every set that Apple was ever shown is that of one of the register's states.
func (w *world) wholeDeliveries(states []*municipality.Municipality) {
	w.t.Helper()
	entries, err := os.ReadDir(w.path("apple/dropbox"))
	if err != nil || len(entries) < 2 {
		w.t.Errorf("%d deliveries (%v)", len(entries), err)
	}
	for _, e := range entries {
		name := e.Name()
		data := []byte(read(w.t, w.path("apple/dropbox", name)))
		if !slices.ContainsFunc(states, func(m *municipality.Municipality) bool {
			_, err := demo.Verify(data, m, w.today())
			return err == nil
		}) {
			w.t.Errorf("%s is of no export that there ever was", name)
		}
	}
}

// logEquals checks that the log holds what the export says, no more and no less, and that no run is open.
func (w *world) logEquals() {
	w.t.Helper()
	(&installation{t: w.t, dir: w.dir, day: w.today()}).checkLog(w.nats.URL())
}
