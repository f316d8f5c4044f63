package targettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// command has a running link do something, and returns what it did.
func (w *world) command(do func(*target.Link) (target.Settled, error)) (did target.Settled) {
	w.t.Helper()
	_, err := w.run(func(_ context.Context, l *target.Link) (err error) {
		did, err = do(l)
		return err
	})
	if err != nil {
		w.t.Fatalf("the link did not do what it was told: %v", err)
	}
	return did
}

// order are the cases about what comes when, and how often.
func (s *suite) order() {
	s.Case("any order of events, with processes that come and go, ends in the same target", conformance.OrderFree, func(t *testing.T) {
		conformance.Random(t, 2*time.Second, func(r *rapid.T) { s.anyOrder(t, r) })
	})
	s.Case("a crash between what is done and what is noted makes nothing twice and loses nothing", conformance.CrashSafe, func(t *testing.T) {
		phases := []struct {
			what    string
			records []roster.Record
		}{
			{"creating", school()},
			{"changing", []roster.Record{renamed(pupil(12, 2)), renamed(group(31, 1, 21, 11, 13)), teacher(23, 2), group(32, 2, 23, 12, 14)}},
			{"deleting", []roster.Record{gone(pupil(13, 1)), gone(teacher(22, 2)), group(31, 1, 21, 11)}},
		}
		for step, died := 1, true; died; step += max(1, s.under.Crashes) {
			w := s.world(t)
			died = false
			for _, phase := range phases {
				w.log.Publish(phase.records...)
				died = w.dieAt(step) || died
				w.settle()
				w.equal(fmt.Sprintf("after a crash at step %d of %s", step, phase.what))
			}
		}
	})
}

// anyOrder publishes a history of the school in another order each time. Of one entity the order stays, for the last
// record is its state (R1).
func (s *suite) anyOrder(t *testing.T, r *rapid.T) {
	histories := [][]roster.Record{}
	for _, rec := range school() {
		histories = append(histories, []roster.Record{rec})
	}
	add := func(n int, more ...roster.Record) {
		i := slices.IndexFunc(histories, func(h []roster.Record) bool { return h[0].Ref.Key == key(n) })
		histories[i] = append(histories[i], more...)
	}
	add(11, renamed(pupil(11, 1)))
	add(12, pupil(12, 2), gone(pupil(12, 2)), pupil(12, 2))
	add(13, gone(pupil(13, 1)))
	add(22, gone(teacher(22, 2)))
	add(31, group(31, 2, 21, 11, 14), renamed(group(31, 1, 22, 11, 12, 13)))
	add(32, gone(group(32, 2, 22)))
	if rapid.Bool().Draw(r, "a school closes") {
		add(2, gone(unit(2)))
	}

	w := s.world(t)
	settles := rapid.IntRange(0, 2).Draw(r, "processes before the last")
	left := 0
	for _, h := range histories {
		left += len(h)
	}
	for left > 0 {
		i := rapid.IntRange(0, len(histories)-1).Draw(r, "next")
		w.log.Publish(histories[i][0])
		if left--; len(histories[i]) == 1 {
			histories = slices.Delete(histories, i, i+1)
		} else {
			histories[i] = histories[i][1:]
		}
		if settles > 0 && rapid.IntRange(0, left).Draw(r, "settle") == 0 {
			settles--
			w.settle()
		}
	}
	w.settle()
	problems := compare(w.wished(), w.held())
	for _, problem := range problems {
		r.Errorf("in this order %s: only the roster as it is now may count (R4)", problem)
	}
	if did := w.settle(); did.Operations() > 0 {
		r.Errorf("in this order the next process has something to do that nobody asked for: %+v (R5)", did.Kinds)
	}
}

// errKilled is what a process sees of its own death: nothing that it does after that has any effect.
var errKilled = errors.New("killed")

// dieAt runs the link until it dies at a step, and tells whether it came so far.
func (w *world) dieAt(step int) bool {
	w.t.Helper()
	defer func() { w.ledger.Hook = nil }()
	w.ledger.Hook = func(string) error {
		if step--; step <= 0 {
			return errKilled
		}
		return nil
	}
	_, err := w.run(nil)
	if err != nil && !errors.Is(err, errKilled) {
		w.t.Fatalf("a link that takes over from a dead one ends: %v", err)
	}
	return err != nil
}
