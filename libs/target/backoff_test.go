package target

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAttemptsIn: who comes after a process that failed so often waits as that process would have.
func TestAttemptsIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SampledFrom([]time.Duration{firstRetry, firstSignIn}).Draw(t, "first")
		failed, spread := rapid.IntRange(0, 19).Draw(t, "failed"), rapid.Float64Range(0, jitter).Draw(t, "spread")
		var d time.Duration
		for n := range failed {
			d += waitAfter(n+1, 0, first, spread)
		}
		// Chance has added to every wait: of many it may look like a few more, and never like fewer.
		if got := attemptsIn(d, first); got < failed || float64(got) > 1.25*float64(failed)+1 {
			t.Fatalf("%v is taken for %d attempts, want %d", d, got, failed)
		}
	})
}
