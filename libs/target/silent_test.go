package target_test

import (
	"testing"
	"testing/synctest"

	"eventful.se/ess/libs/roster"
)

// A link may be there before its tenant's first read: a set without anyone would take away everybody whom the target
// has from before (rule R3).
func TestR3SetsAreNotDeliveredBeforeTheFirstRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		p := start(t, s)
		first := <-p.settled
		synctest.Wait()
		if first.Deferred == "" || len(in.uploads) != 0 {
			t.Fatalf("settled %+v with %d uploads, want it deferred", first, len(in.uploads))
		}
		s.log.Mark(register, roster.RunOpened)
		s.log.Publish(small()...)
		s.log.Mark(register, roster.RunEnded)
		wantOps(t, p.reach(s.log), 5, 0, 0)
		if len(in.uploads) != 1 {
			t.Errorf("%d uploads, want 1", len(in.uploads))
		}
		_ = p.stop()
	})
}
