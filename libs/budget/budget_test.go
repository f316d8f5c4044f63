package budget_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock goes on when somebody sleeps, and not otherwise.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.at = c.at.Add(d)
	return context.Cause(ctx)
}

func set() (*budget.Set, *clock) {
	c := &clock{at: time.Date(2026, 10, 14, 10, 0, 0, 0, time.UTC)}
	return budget.NewSet(c.now, c.sleep), c
}

// took returns how long n calls take.
func took(t *testing.T, c *clock, b *budget.Budget, n int) time.Duration {
	t.Helper()
	begun := c.at
	for range n {
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return c.at.Sub(begun).Round(time.Millisecond)
}

func TestNoMoreCallsThanTheRateAndTheBurst(t *testing.T) {
	for name, c := range map[string]struct {
		spec    budget.Spec
		members int
		calls   int
		want    time.Duration
	}{
		"a burst is free":                    {budget.Spec{Rate: 2, Burst: 5}, 1, 5, 0},
		"then one by one":                    {budget.Spec{Rate: 2, Burst: 5}, 1, 9, 2 * time.Second},
		"a second's worth where none is set": {budget.Spec{Rate: 3}, 1, 6, time.Second},
		"less than one a second":             {budget.Spec{Rate: 0.1}, 1, 3, 20 * time.Second},
		"no limit":                           {budget.Spec{}, 1, 10000, 0},
		"a limit below nothing is none":      {budget.Spec{Rate: -1}, 1, 10000, 0},
		"four share it":                      {budget.Spec{Rate: 4, Burst: 4}, 4, 5, 4 * time.Second},
		"more share it than a burst has":     {budget.Spec{Rate: 4, Burst: 4}, 8, 3, 4 * time.Second},
		"nobody else":                        {budget.Spec{Rate: 2, Burst: 1}, 0, 3, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s, clock := set()
			b := s.Of(c.spec)
			s.SetShare(c.members)
			if got := took(t, clock, b, c.calls); got != c.want {
				t.Errorf("%d calls took %v, want %v", c.calls, got, c.want)
			}
		})
	}
}

func TestWhoIsCountedTogetherDrawsFromOne(t *testing.T) {
	s, _ := set()
	spec := budget.Spec{Name: "graph", Scope: "project 1", Rate: 1}
	a, b := s.Of(spec), s.Of(spec)
	spec.Scope = "project 2"
	other := s.Of(spec)
	if !a.Allow() || b.Allow() || !other.Allow() {
		t.Error("two of a project do not share one call, or another project shares it")
	}
	spec.Scope, spec.Rate = "project 1", 5
	if changed := s.Of(spec); changed.Rate() != 5 || a.Rate() != 5 {
		t.Errorf("a changed setting gives %v, and %v to who was there", changed.Rate(), a.Rate())
	}
	s.SetShare(2)
	if late := s.Of(budget.Spec{Name: "new", Rate: 5}); late.Rate() != 2.5 || a.Rate() != 2.5 {
		t.Errorf("one of two processes may make %v and %v calls a second, want 2.5", late.Rate(), a.Rate())
	}
	if got := s.Specs(); len(got) != 3 || got[0].Scope != "project 1" || got[2].Name != "new" {
		t.Errorf("the specs are %v", got)
	}
}

// wantPause holds an error to a pause of the other side.
func wantPause(t *testing.T, err error, after time.Duration) {
	t.Helper()
	if reason.FaultOf(err) != reason.Transient || reason.Of(err).Code != reason.Throttled || reason.AfterOf(err) != after || err == nil {
		t.Errorf("got %v to wait for %v, want %s and %v", err, reason.AfterOf(err), reason.Throttled, after)
	}
	if at := reason.Of(err).Arg("address"); at != "graph" {
		t.Errorf("it says that %q takes no more calls", at)
	}
}

func TestARefusalLowersTheRateForAllAndItComesBack(t *testing.T) {
	s, clock := set()
	spec := budget.Spec{Name: "graph", Rate: 16}
	a, b := s.Of(spec), s.Of(spec)
	a.Throttled(90 * time.Second)
	a.Throttled(0) // a call that was on its way
	b.Throttled(30 * time.Second)
	wantPause(t, b.Wait(t.Context()), 90*time.Second)
	if b.Allow() {
		t.Error("a call is allowed in a pause")
	}
	clock.at = clock.at.Add(90 * time.Second)
	if got := b.Rate(); got != 8 {
		t.Errorf("after three refusals in one moment the rate is %v, want 8", got)
	}
	clock.at = clock.at.Add(90 * time.Second)
	if got := a.Rate(); got != 11 {
		t.Errorf("after three while without a refusal the rate is %v, want 11", got)
	}
	clock.at = clock.at.Add(time.Hour)
	if got := a.Rate(); got != 16 {
		t.Errorf("after an hour without a refusal the rate is %v, want 16", got)
	}
	for range 10 {
		a.Throttled(0)
		clock.at = clock.at.Add(2 * time.Second)
	}
	if got := a.Rate(); got != 1 {
		t.Errorf("after many refusals the rate is %v, want the floor of 1", got)
	}
	a.Throttled(1000 * time.Hour)
	wantPause(t, a.Wait(t.Context()), 24*time.Hour)
}

func TestNothingIsSavedUpForABurstAfterARefusal(t *testing.T) {
	s, clock := set()
	b := s.Of(budget.Spec{Name: "graph", Rate: 4, Burst: 100})
	b.Throttled(0)
	if got := took(t, clock, b, 4); got != 2*time.Second {
		t.Errorf("four calls after a refusal took %v, want 2s", got)
	}
}

func TestWhatBecameOfCallsIsToldByName(t *testing.T) {
	s, clock := set()
	a, b := s.Of(budget.Spec{Name: "one", Scope: "a", Rate: 2, Burst: 1}), s.Of(budget.Spec{Name: "one", Scope: "b"})
	took(t, clock, a, 4)
	took(t, clock, b, 3)
	if a.Allow() {
		t.Error("a call is free that has to wait")
	}
	impatient, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped"))
	if err := a.Wait(impatient); err == nil {
		t.Error("who is to stop called")
	}
	b.Throttled(time.Minute)
	if err := b.Wait(t.Context()); err == nil {
		t.Error("who was asked to wait called")
	}
	s.Of(budget.Spec{Name: "another"})
	want := []budget.Used{{Name: "another"}, {Name: "one", Calls: 7, Waits: 3, Waited: 1500 * time.Millisecond, Refused: 1}}
	if got := s.Used(); !slices.Equal(got, want) {
		t.Errorf("used %+v, want %+v", got, want)
	}
	var none *budget.Set
	if none.Used() != nil {
		t.Error("what has no budgets tells of some")
	}
}

func TestWithoutALimitThereIsStillAPause(t *testing.T) {
	s, clock := set()
	b := s.Of(budget.Spec{Name: "graph"})
	b.Throttled(time.Minute)
	wantPause(t, b.Wait(t.Context()), time.Minute)
	clock.at = clock.at.Add(time.Minute)
	if got := took(t, clock, b, 100); got != 0 || b.Rate() != 0 {
		t.Errorf("100 calls took %v at %v a second", got, b.Rate())
	}
}

func TestWithoutASetThereIsNoLimit(t *testing.T) {
	var s *budget.Set
	b := s.Of(budget.Spec{Name: "graph", Rate: 1})
	s.SetShare(3)
	b.Throttled(time.Hour)
	for range 100 {
		if !b.Allow() || b.Wait(t.Context()) != nil {
			t.Fatal("a call is not allowed")
		}
	}
	if b.Rate() != 0 || s.Specs() != nil {
		t.Error("nothing has a rate")
	}
	ctx, cancel := context.WithCancel(t.Context())
	if cancel(); !errors.Is(b.Wait(ctx), context.Canceled) {
		t.Error("who was told to stop may call")
	}
}

// In the clock of the machine, which a bubble keeps.
func TestWaitersGoInTheirOrderAndHearWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.NewSet(time.Now, budget.Sleep).Of(budget.Spec{Name: "graph", Rate: 1})
		begun := time.Now()
		var mu sync.Mutex
		var order []int
		var group sync.WaitGroup
		for i := range 5 {
			group.Go(func() {
				if err := b.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait()
		}
		group.Wait()
		for i, n := range order {
			if i != n {
				t.Errorf("they went in the order %v", order)
			}
		}
		if got := time.Since(begun); got != 4*time.Second {
			t.Errorf("five calls took %v, want 4s", got)
		}

		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := b.Wait(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		} else {
			wantPause(t, err, time.Second)
		}
		stopped, stop := context.WithCancelCause(t.Context())
		why := errors.New("the service stops")
		time.AfterFunc(100*time.Millisecond, func() { stop(why) })
		if err := b.Wait(stopped); !errors.Is(err, why) {
			t.Errorf("got %v, want %v", err, why)
		}
		before := time.Now()
		if err := b.Wait(t.Context()); err != nil || time.Since(before) != 800*time.Millisecond {
			t.Errorf("who gave up has taken a call: %v after %v", err, time.Since(before))
		}
		time.AfterFunc(500*time.Millisecond, func() { b.Throttled(time.Minute) })
		wantPause(t, b.Wait(t.Context()), time.Minute-500*time.Millisecond)
	})
}

// Whatever is asked for and refused: in no window are there more calls than the rate and the burst.
func TestPropertyNoWindowHasMore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s, clock := set()
		spec := budget.Spec{Name: "graph", Rate: rapid.Float64Range(0.05, 50).Draw(r, "rate"), Burst: rapid.IntRange(1, 20).Draw(r, "burst")}
		b := s.Of(spec)
		var calls []time.Time
		var pauses [][2]time.Time
		for range rapid.IntRange(1, 100).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"wait", "wait", "wait", "allow", "pass", "throttled", "members"}).Draw(r, "step") {
			case "wait":
				if err := b.Wait(t.Context()); err == nil {
					calls = append(calls, clock.at)
				}
			case "allow":
				if b.Allow() {
					calls = append(calls, clock.at)
				}
			case "pass":
				clock.at = clock.at.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(r, "ms")) * time.Millisecond)
			case "throttled":
				after := time.Duration(rapid.IntRange(0, 60).Draw(r, "after")) * time.Second
				b.Throttled(after)
				pauses = append(pauses, [2]time.Time{clock.at, clock.at.Add(after)})
			case "members":
				s.SetShare(rapid.IntRange(1, 4).Draw(r, "members"))
			}
			if rate := b.Rate(); rate > spec.Rate || rate < spec.Rate/16/4*0.999 {
				r.Fatalf("the rate is %v", rate)
			}
		}
		for i := range calls {
			for j := i; j < len(calls); j++ {
				if most := float64(spec.Burst) + spec.Rate*calls[j].Sub(calls[i]).Seconds(); float64(j-i+1) > most+0.001 {
					r.Fatalf("%d calls within %v, want at most %.2f", j-i+1, calls[j].Sub(calls[i]), most)
				}
			}
			for _, p := range pauses {
				if calls[i].After(p[0]) && calls[i].Before(p[1]) {
					r.Fatalf("a call at %v, in a pause that lasts from %v to %v", calls[i], p[0], p[1])
				}
			}
		}
	})
}

func BenchmarkAllow(b *testing.B) {
	all, _ := set()
	one := all.Of(budget.Spec{Name: "graph", Rate: 1e9, Burst: 1e9})
	for b.Loop() {
		one.Allow()
	}
}
