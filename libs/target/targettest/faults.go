package targettest

import (
	"slices"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// faults are the cases about another side that answers badly.
func (s *suite) faults() {
	s.Case("one bad item in a good batch stops nobody else, and what needs it waits", conformance.Partial, func(t *testing.T) {
		parts(s, t, []string{"a person", "a unit"}, s.oneBad)
	})
	s.Case("the other side fails in every way, and nothing is lost or made twice", conformance.CrashSafe, func(t *testing.T) {
		parts(s, t, []Fault{HalfBatch, halfMembers, Broken, Garbage, Hang, LostAnswer}, s.ridesOut)
	})
	s.Case("who asks to wait is waited for", conformance.RatePolite, func(t *testing.T) {
		parts(s, t, []Fault{Throttle, Bare}, s.ridesOut)
	})
	s.Case("refused credentials halt the link and tell a person", conformance.Checks, func(t *testing.T) { s.ridesOut(t, SignIn) })
}

// oneBad has the other side refuse one person or unit for good.
func (s *suite) oneBad(t *testing.T, what string) {
	is := pupil(12, 1)
	if what == "a unit" {
		is = unit(1)
	}
	if !s.has(is) {
		s.DoesNotApply(t, "the target holds no such thing as %s", what)
	}
	w := s.world(t)
	w.log.Publish(school()...)
	bad := w.of(is.Ref)[0]
	s.can(t, w.peer.Fail(RefuseOne, bad))
	w.settle()
	refused := w.witness.errors()
	if !slices.ContainsFunc(refused, func(a answer) bool { return a.op.Resource.ID == bad }) && w.made.Applier != nil {
		t.Error("the one that was refused is not told of: a sink answers each operation by itself (R12)")
	}
	for _, a := range refused {
		if a.op.Resource.ID != bad {
			t.Errorf("%s failed (%v): one bad item delays no other (R7), and what cannot be without it waits for it (Needs)", a.op.Resource.ID, a.err)
		} else if f := reason.FaultOf(a.err); f != reason.Invalid {
			t.Errorf("what can never be taken as it is has the fault %s, want %s: it would be tried for ever (%v)", f, reason.Invalid, a.err)
		}
	}
	for _, problem := range compare(w.wishedBut(bad), w.held()) {
		t.Errorf("with one bad item %s: one bad item delays no other (R7)", problem)
	}
	writes := w.peer.Writes()
	w.pass(day)
	if w.settle(); w.peer.Writes() != writes {
		t.Error("what was refused for good was tried again with nothing changed: it waits for a change, or a person")
	}
	if err := w.peer.Heal(); err != nil {
		t.Fatal(err)
	}
	w.put(renamed(is))
	w.equal("after the bad item was mended")
}

// halfMembers is half a batch in which nothing but the members of a group change: who leaves it may be one call, and who
// joins it another.
const halfMembers Fault = "half of the members"

// mostSignIns is how many calls a target may see of a process whose credentials it refuses, so that no account is locked.
const mostSignIns = 3

// ridesOut has a link work against a fault while people come, change and go, and then without it.
func (s *suite) ridesOut(t *testing.T, fault Fault) {
	w := s.world(t).begin()
	if fault == halfMembers {
		s.can(t, w.peer.Fail(HalfBatch, target.ID{}))
		w.put(group(31, 1, 21, 11, 13, 14))
		s.mends(t, w, fault)
		return
	}
	before := w.held()
	w.witness.errors()
	s.can(t, w.peer.Fail(fault, target.ID{}))
	w.log.Publish(pupil(17, 1), pupil(18, 2), renamed(pupil(12, 1)), teacher(23, 1), group(31, 1, 21, 11, 12, 13, 17))
	calls := 0
	if counter, counts := w.peer.(Counter); counts {
		calls = counter.Calls()
	}
	did := w.settle()
	answers := w.witness.errors()
	if len(answers) == 0 && fault != LostAnswer {
		t.Errorf("%s, and the sink says that everything was done: what was not confirmed did not happen", fault)
	}
	for _, a := range answers {
		s.judge(t, fault, a)
	}
	if counter, counts := w.peer.(Counter); counts && fault == SignIn {
		if n := counter.Calls() - calls; n > mostSignIns {
			t.Errorf("with refused credentials %d calls are made: what refuses one of a batch refuses all of it, and an account is locked by a few", n)
		}
	}
	if fault == SignIn && did.Halted == nil {
		t.Error("with refused credentials the link goes on: the fault must be misconfigured, so that it halts before an account is locked")
	}
	now := w.held()
	for id := range before {
		switch h, there := now[id]; {
		case !there:
			t.Errorf("%s, and %s is gone: no fault of the other side removes anything (R6)", fault, id)
		case h.Disabled:
			t.Errorf("%s, and nobody can use %s: no fault of the other side keeps anybody out (R6)", fault, id)
		}
	}
	s.mends(t, w, fault)
	w.put(gone(pupil(18, 2)), gone(roster.Record{Ref: personRef(17), Source: register}), group(31, 1, 21, 11, 12, 13))
	w.equal("after " + string(fault) + ", and on")
}

// mends has the other side answer again, and a link make good what it could not do.
func (s *suite) mends(t *testing.T, w *world, fault Fault) {
	t.Helper()
	if err := w.peer.Heal(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.pass(2 * time.Hour)
		w.settle()
	}
	w.equal("after " + string(fault))
	writes := w.peer.Writes()
	w.pass(2 * time.Hour)
	if w.settle(); w.peer.Writes() != writes {
		t.Errorf("%s is over, all is well again, and it is written once more: what is confirmed is done (R5)", fault)
	}
}

// judge holds an answer to what the fault was.
func (s *suite) judge(t *testing.T, fault Fault, a answer) {
	t.Helper()
	got, want := reason.FaultOf(a.err), reason.Transient
	if fault == SignIn {
		want = reason.Misconfigured
	}
	// Where an answer is lost the engine asks again, and may then be told that the thing is there.
	if got != want && !(got == reason.Conflict && (fault == LostAnswer || fault == HalfBatch)) {
		t.Errorf("%s: the %s has the fault %s, want %s: the fault says what the link does next (%v)", fault, a.call, got, want, a.err)
	}
	if code := reason.Of(a.err).Code; code == reason.Unexpected || !reason.Known(code) {
		t.Errorf("%s: the %s has no reason that a person understands (R12): %v", fault, a.call, a.err)
	}
	if after := reason.AfterOf(a.err); fault == Throttle && after < Wait {
		t.Errorf("%s: the %s says to wait for %v, and it was asked for %v: whoever calls again too soon is locked out", fault, a.call, after, Wait)
	} else if fault == Throttle && after > 10*Wait {
		t.Errorf("%s: the %s says to wait for %v, and it was asked for %v: look at the unit", fault, a.call, after, Wait)
	}
	if deadline := s.under.Claims.Deadline; a.took > deadline+time.Second {
		t.Errorf("%s: the %s took %v, and %v is claimed: every call has a deadline of its own", fault, a.call, a.took.Round(time.Millisecond), deadline)
	}
}
