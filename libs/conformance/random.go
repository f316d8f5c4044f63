package conformance

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Random tries check with random cases, at least one and no new ones after the limit; one that fails is made small without
// a limit. rapid prints the seed of a case that fails, and -rapid.seed repeats it.
func Random(t *testing.T, limit time.Duration, check func(*rapid.T)) {
	t.Helper()
	begun, tried, failed := time.Now(), 0, false
	rapid.Check(t, func(r *rapid.T) {
		if tried > 0 && !failed && time.Since(begun) > limit {
			return
		}
		defer func() { failed = failed || r.Failed() }()
		tried++
		check(r)
	})
	t.Logf("%d random cases were tried", tried)
}
