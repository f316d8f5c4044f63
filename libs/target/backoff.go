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
	// firstSignIn is the first wait after a target did not let us in. It is long, for who tries a wrong password a few times
	// within half an hour locks the account.
	firstSignIn = time.Minute
	// jitter is the part of a wait that chance may add, so that links that failed together do not come back together.
	jitter = 0.2
)

// firstWait returns the first wait after a halt.
func firstWait(refused bool) time.Duration {
	if refused {
		return firstSignIn
	}
	return firstRetry
}

// attemptsIn returns how many attempts have failed in a row when the next one comes so long after the first.
func attemptsIn(d, first time.Duration) (n int) {
	for waited := time.Duration(0); n < 20; n++ {
		if waited += waitAfter(n+1, 0, first, 0); waited > d {
			break
		}
	}
	return n
}

// backOff counts attempts and says how long to wait before the next.
type backOff struct{ attempts int }

// next returns the wait after one more failure, of which first is the first, spread by a part of it. A wait that the other
// side asked for is kept, within reason.
func (b *backOff) next(asked, first time.Duration, spread float64) time.Duration {
	b.attempts++
	return waitAfter(b.attempts, asked, first, spread)
}

func (b *backOff) reset() { b.attempts = 0 }

// waitAfter returns the wait after so many failed attempts.
func waitAfter(attempts int, asked, first time.Duration, spread float64) time.Duration {
	e := backoff.NewExponentialBackOff()
	e.InitialInterval, e.MaxInterval, e.Multiplier, e.RandomizationFactor = first, lastRetry, 3, 0
	wait := first
	for range min(attempts, 20) {
		wait = e.NextBackOff()
	}
	wait = max(wait, min(asked, 24*time.Hour))
	return wait + time.Duration(spread*float64(wait))
}

// wait returns the wait of a resource after so many failed attempts. Those that fail in one round are tried again together.
func (l *Link) wait(attempts int, asked time.Duration) time.Duration {
	return waitAfter(attempts, asked, firstRetry, l.spread)
}

// toss draws the spread of the waits of a round.
func (l *Link) toss() {
	if l.o.Random != nil {
		l.spread = jitter * l.o.Random.Float64()
	}
}
