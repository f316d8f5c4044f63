package target_test

import (
	"testing"
	"testing/synctest"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

func TestStuckTellsWhatIsParkedAndOfWhomNobodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		d.set(func(op target.Operation) error {
			if op.Resource.ID.Kind == "person" && op.Resource.ID.Key != key(12).String() {
				return reason.Errorf(reason.Invalid, nil, reason.Unexpected)
			}
			return nil
		})
		s.log.Publish(small()...)
		p := start(t, s)
		if got := p.reach(s.log); got.Parked != 2 {
			t.Fatalf("%d parked, want 2", got.Parked)
		}
		_ = p.stop()
		book, err := s.ledger.Look(t.Context(), register)
		if err != nil {
			t.Fatal(err)
		}
		h, err := target.Hold(t.Context(), book)
		if err != nil {
			t.Fatal(err)
		}
		nobody := func(roster.Ref) bool { return false }
		if list := h.Stuck(nobody); len(list) != 2 || list[0].State != target.Parked || list[0].Reason == nil {
			t.Errorf("stuck are %+v", list)
		}
		protected := func(ref roster.Ref) bool { return ref.Key == key(11) }
		if list := h.Stuck(protected); len(list) != 1 || list[0].Entity.Key != key(13) {
			t.Errorf("beside a protected person stuck are %+v", list)
		}
	})
}
