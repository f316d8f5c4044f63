package target

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The waits of a link.
const (
	firstRetry  = 5 * time.Second
	lastRetry   = time.Hour
	parkedAfter = 6 // attempts
	silentAfter = 3 // lookups in a row that were not answered
)

// backOff counts attempts and says how long to wait before the next.
type backOff struct{ attempts int }

// next returns the wait after one more failure. A wait that the other side asked for is kept, within reason.
func (b *backOff) next(asked time.Duration) time.Duration {
	b.attempts++
	return waitAfter(b.attempts, asked)
}

func (b *backOff) reset() { b.attempts = 0 }

// waitAfter returns the wait after so many failed attempts.
func waitAfter(attempts int, asked time.Duration) time.Duration {
	e := backoff.NewExponentialBackOff()
	e.InitialInterval, e.MaxInterval, e.Multiplier, e.RandomizationFactor = firstRetry, lastRetry, 3, 0
	wait := firstRetry
	for range min(attempts, 20) {
		wait = e.NextBackOff()
	}
	return max(wait, min(asked, 24*time.Hour))
}
