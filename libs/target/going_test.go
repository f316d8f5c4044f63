package target_test

import (
	"strings"
	"testing"
	"testing/synctest"
)

// A group whose record still lists who is deleted: the group lets go of the member first, and the next process finds
// nothing that it should have done.
func TestR5WhoGoesIsOutOfEverySetBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)

		s.log.Publish(gone(person(12, "")))
		wantOps(t, p.reach(s.log), 0, 1, 1)
		if strings.Contains(d.text(), idOf(12).String()) {
			t.Errorf("the group still has who is gone:\n%s", d.text())
		}
		_ = p.stop()

		calls := d.count()
		p = start(t, s)
		p.reach(s.log)
		if again := d.count(); again != calls {
			t.Errorf("the next process made %d more calls", again-calls)
		}
		_ = p.stop()
	})
}
