// Package budget keeps callers within the number of calls that the other side takes.
//
// A budget is what a vendor counts: so many calls a second by a project, by a tenant, from an address. Whoever calls
// draws from it once a call, and all who are counted together draw from one. When the other side says that it was too
// many all the same, the rate falls for all of them at once and comes back little by little.
package budget

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"eventful.se/ess/libs/reason"
)

// How the rate follows the answers of the other side: it is halved by a refusal, down to a floor, and comes back by an
// equal part of the whole for every while without one.
const (
	floor    = 1.0 / 16
	recovers = 1.0 / 16
	every    = 30 * time.Second
	// inFlight is how long after a refusal others of it are taken for those of calls that were on their way already.
	inFlight = time.Second
	// longest is the longest wait that the other side may ask for.
	longest = 24 * time.Hour
)

// Spec says who is counted together, and how many calls they may make.
type Spec struct {
	// Name is how people know what counts: "graph.microsoft.com". It stands in reasons.
	Name string
	// Scope tells apart those whom it counts by themselves: a project, a customer, a link. It is empty where it counts
	// everything that comes from one address, and so from one process.
	Scope string
	// Rate is how many calls a second it takes; 0 or less is no limit.
	Rate float64
	// Burst is how many may come at once after a while without any; 0 is as many as a second has.
	Burst int
}

// Set holds the budgets of a process. A nil set has none: what it gives is without limit.
type Set struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu      sync.Mutex
	members int
	budgets map[[2]string]*Budget
}

// NewSet returns a set without budgets. The clock is that of now, and sleep waits by it until the time has passed or the
// context ended; see [Sleep].
func NewSet(now func() time.Time, sleep func(context.Context, time.Duration) error) *Set {
	return &Set{now: now, sleep: sleep, members: 1, budgets: map[[2]string]*Budget{}}
}

// Sleep waits for d, or until ctx ends, and returns why it did.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Of returns the budget with the name and scope of a spec, the same one to everybody who asks. Where they say different
// rates the last one counts, so that a changed setting does.
func (s *Set) Of(spec Spec) *Budget {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{spec.Name, spec.Scope}
	b, ok := s.budgets[key]
	if !ok {
		b = &Budget{now: s.now, sleep: s.sleep, part: 1, members: s.members}
		s.budgets[key] = b
	}
	b.set(func() { b.spec = spec })
	return b
}

// SetShare says how many processes share what the budgets allow. Each of them takes an equal part.
func (s *Set) SetShare(members int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = max(1, members)
	for _, b := range s.budgets {
		b.set(func() { b.members = s.members })
	}
}

// Specs returns what was asked for, in the order of names and scopes.
func (s *Set) Specs() (specs []Spec) {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.budgets {
		b.mu.Lock()
		specs = append(specs, b.spec)
		b.mu.Unlock()
	}
	slices.SortFunc(specs, func(a, b Spec) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Scope, b.Scope)) })
	return specs
}

// Used says what became of the calls that were drawn from budgets of one name.
type Used struct {
	Name    string
	Calls   uint64        // that were drawn
	Waits   uint64        // that had to wait for their turn, those too that gave up
	Waited  time.Duration // by all of these together
	Refused uint64        // times that the other side said that it was too many
}

// Used returns what became of all calls, by name and in the order of names: scopes are counted together.
func (s *Set) Used() (list []Used) {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sums := map[string]*Used{}
	for key, b := range s.budgets {
		sum := sums[key[0]]
		if sum == nil {
			sum = &Used{Name: key[0]}
			sums[key[0]] = sum
		}
		b.mu.Lock()
		sum.Calls, sum.Waits, sum.Waited, sum.Refused = sum.Calls+b.used.Calls, sum.Waits+b.used.Waits, sum.Waited+b.used.Waited, sum.Refused+b.used.Refused
		b.mu.Unlock()
	}
	for _, sum := range sums {
		list = append(list, *sum)
	}
	slices.SortFunc(list, func(a, b Used) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Budget is what may be called. It is for any number of goroutines; a nil one is without limit.
type Budget struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu      sync.Mutex
	spec    Spec
	members int
	limiter *rate.Limiter // of calls that may be made
	part    float64       // of the rate, that is used after refusals
	since   time.Time     // from when that part comes back
	paused  time.Time     // until then nobody calls
	deaf    time.Time     // until then one more refusal says nothing new
	used    Used
}

// Wait waits until a call may be made, and draws it. Callers go in the order in which they came. It does not wait out a
// pause that the other side asked for: then, and where the deadline of ctx comes first, its error is transient, is
// [reason.Throttled], and says how long to wait. When ctx is cancelled it is the cause.
func (b *Budget) Wait(ctx context.Context) error {
	if err := context.Cause(ctx); b == nil || err != nil {
		return err
	}
	drawn, wait, err := b.draw()
	if err != nil || wait == 0 {
		return err
	}
	begun := b.now()
	err = b.sleep(ctx, wait)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.used.Waits++
	b.used.Waited += now.Sub(begun)
	if err != nil {
		b.used.Calls--
		drawn.CancelAt(now)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return b.refusal(wait, err)
		}
		return err
	}
	return b.pause(now) // which may have begun meanwhile
}

// draw takes a call out of the budget, and says how long to wait before it is made.
func (b *Budget) draw() (*rate.Reservation, time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.recover(now)
	if err := b.pause(now); err != nil {
		return nil, 0, err
	}
	r := b.limiter.ReserveN(now, 1)
	b.used.Calls++
	return r, r.DelayFrom(now), nil
}

// Allow draws a call if one may be made at once.
func (b *Budget) Allow() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.recover(now)
	if b.pause(now) != nil || !b.limiter.AllowN(now, 1) {
		return false
	}
	b.used.Calls++
	return true
}

// Throttled says that the other side refused a call because there were too many, and how long it asked to wait; 0 when it
// did not say. Nobody calls until then, and after that at half the rate.
func (b *Budget) Throttled(after time.Duration) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.recover(now)
	b.used.Refused++
	if !now.Before(b.deaf) {
		b.part = max(floor, b.part/2)
		if left := int(b.limiter.TokensAt(now)); left > 0 && b.limiter.Limit() != rate.Inf {
			b.limiter.AllowN(now, left) // nothing is saved up for a burst
		}
	}
	b.paused = later(b.paused, now.Add(min(after, longest)))
	b.deaf = later(b.paused, now.Add(inFlight))
	b.since = later(b.paused, now)
	b.apply(now)
}

// Rate returns how many calls a second may be made now; 0 is no limit.
func (b *Budget) Rate() float64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(b.now())
	if b.limiter.Limit() == rate.Inf {
		return 0
	}
	return float64(b.limiter.Limit())
}

// set changes what the rate is made of.
func (b *Budget) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	b.apply(b.now())
}

// recover gives back what refusals took, for every while that has passed without one. The caller holds mu.
func (b *Budget) recover(now time.Time) {
	n := int(now.Sub(b.since) / every)
	if b.part == 1 || n < 1 {
		return
	}
	b.part = min(1, b.part+float64(n)*recovers)
	b.since = b.since.Add(time.Duration(n) * every)
	b.apply(now)
}

// apply has the limiter follow; a new one begins with a whole burst. The caller holds mu.
func (b *Budget) apply(now time.Time) {
	limit, burst := rate.Inf, 1
	if r := b.spec.Rate; r > 0 && !math.IsInf(r, 1) {
		limit, burst = rate.Limit(r*b.part/float64(b.members)), b.spec.Burst
		if burst < 1 {
			burst = int(math.Ceil(min(r, math.MaxInt32)))
		}
		burst = max(1, burst/b.members)
	}
	if b.limiter == nil {
		b.limiter = rate.NewLimiter(limit, burst)
	}
	b.limiter.SetLimitAt(now, limit)
	b.limiter.SetBurstAt(now, burst)
}

// pause returns the error of a call that is not to be made yet, or nil. The caller holds mu.
func (b *Budget) pause(now time.Time) error {
	if left := b.paused.Sub(now); left > 0 {
		return b.refusal(left, nil)
	}
	return nil
}

func (b *Budget) refusal(after time.Duration, cause error) error {
	return &reason.Error{Fault: reason.Transient, Reason: reason.New(reason.Throttled, "address", b.spec.Name), After: after, Err: cause}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
