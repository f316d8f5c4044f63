package targettest

import (
	"context"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// sideBySide is the case about calls that come at once. Each is about one thing, so that even a school is enough for as many
// as the sink takes; of a sink that takes one at a time they come one after the other.
func (s *suite) sideBySide() {
	s.Case("as many calls at once as the sink takes come to what one large call does", conformance.RatePolite, func(t *testing.T) {
		if w := s.world(t); w.made.Applier == nil {
			s.DoesNotApply(t, "a complete set is one call")
		}
		t.Run("people come, change and go", s.crowdedLife)
		t.Run("one of them is refused", s.crowdedRefusal)
		t.Run("the process dies", s.crowdedCrash)
	})
}

// crowded makes a world in which every call is about one thing.
func (s *suite) crowded(t *testing.T) *world {
	t.Helper()
	w := s.world(t)
	w.single = true
	w.open()
	w.witness.crowd = &crowd{most: max(1, w.made.Parallel)}
	return w
}

// crowdedSchool is the school with enough pupils for every call.
func crowdedSchool() []roster.Record {
	records := school()
	for n := 41; n < 47; n++ {
		records = append(records, pupil(n, 1))
	}
	return records
}

func (s *suite) crowdedLife(t *testing.T) {
	w := s.crowded(t)
	hold := func(when string) {
		t.Helper()
		for _, a := range w.witness.errors() {
			t.Errorf("%s, and %s failed (%v): calls of Apply share nothing but the client, which is for all of them", when, a.op.Resource.ID, a.err)
		}
		w.equal(when + ", with calls side by side (Target.Parallel),")
	}
	w.put(crowdedSchool()...)
	hold("when people come")
	if peak := w.witness.crowd.peak; w.made.Parallel > 1 && peak < 2 {
		t.Fatalf("the sink takes %d calls at once, and there were never more than %d: the suite has too little for them", w.made.Parallel, peak)
	}
	w.put(renamed(pupil(12, 1)), renamed(pupil(41, 1)), renamed(pupil(42, 1)), gone(pupil(43, 1)), gone(pupil(44, 1)), pupil(17, 2), pupil(18, 2), group(31, 1, 21, 12, 17), group(32, 2, 22, 11, 18, 45))
	hold("when people change and go")
	did := w.command(func(l *target.Link) (target.Settled, error) {
		return l.Resync(t.Context(), s.under.Claims.Verifies, false)
	})
	if did.Operations() > 0 {
		t.Errorf("after calls side by side there is something to do that nobody asked for: %+v: each call has the outcomes of its own operations (R5)", did.Kinds)
	}
	w.command(func(l *target.Link) (target.Settled, error) { return l.Resync(t.Context(), false, true) })
	hold("when all is written again")
}

func (s *suite) crowdedRefusal(t *testing.T) {
	is := pupil(42, 1)
	if !s.has(is) {
		is = teacher(42, 1)
	}
	w := s.crowded(t)
	w.log.Publish(crowdedSchool()...)
	w.log.Publish(is)
	bad := w.of(is.Ref)[0]
	s.can(t, w.peer.Fail(RefuseOne, bad))
	w.settle()
	told := false
	for _, a := range w.witness.errors() {
		switch told = told || a.op.Resource.ID == bad; {
		case a.op.Resource.ID != bad:
			t.Errorf("%s failed (%v), and %s was refused: each call has its own answer (R7)", a.op.Resource.ID, a.err, bad)
		case reason.FaultOf(a.err) != reason.Invalid:
			t.Errorf("what is refused beside other calls has the fault %s, want %s (%v)", reason.FaultOf(a.err), reason.Invalid, a.err)
		}
	}
	if !told {
		t.Error("the one that was refused is not told of: each call has its own answer (R12)")
	}
	for _, problem := range compare(w.wishedBut(bad), w.held()) {
		t.Errorf("with one bad item among calls side by side %s: one bad item delays no other (R7)", problem)
	}
}

// crowdedCrash has the process die while several calls are under way.
func (s *suite) crowdedCrash(t *testing.T) {
	steps := []int{4, 7, 11}
	if s.under.Crashes > 0 {
		steps = steps[1:2]
	}
	for _, step := range steps {
		w := s.crowded(t)
		w.log.Publish(crowdedSchool()...)
		if !w.dieAt(step) {
			t.Fatalf("there is no step %d", step)
		}
		w.settle()
		w.equal("after a crash with several calls under way")
	}
}

// crowd has calls wait for each other a moment, so that as many come at once as may.
type crowd struct {
	most int // that may come at once

	mu    sync.Mutex
	under int
	peak  int
	full  chan struct{} // is closed when the next ones need not wait
}

// gathering is how long a call waits for others. Where none come there are no more.
const gathering = 25 * time.Millisecond

func (c *crowd) enter(ctx context.Context) {
	if c == nil {
		return
	}
	c.mu.Lock()
	if c.full == nil {
		c.full = make(chan struct{})
	}
	full := c.full
	c.under++
	c.peak = max(c.peak, c.under)
	if c.under >= c.most {
		close(full)
		c.full = nil
	}
	c.mu.Unlock()
	select {
	case <-full:
	case <-ctx.Done():
	case <-time.After(gathering):
	}
}

func (c *crowd) leave() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.under--
}
