package target_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// busy is a directory whose calls take time, and that watches how they come: no more at once than it takes, all about one
// kind, and no resource in two of them. What was marked before each call is asked of the ledger.
type busy struct {
	*directory
	takes  func(ops []target.Operation) time.Duration
	marked func(target.ID) bool // whether the ledger says that something was begun; may be nil
	most   int                  // calls that it takes at once

	mu     sync.Mutex
	under  int
	peak   int
	flying map[target.ID]bool
	kind   string
	sizes  []int
	broken []string
}

func (b *busy) wrong(format string, args ...any) {
	b.broken = append(b.broken, fmt.Sprintf(format, args...))
}

func (b *busy) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	b.mu.Lock()
	if b.under++; b.under > b.most {
		b.wrong("%d calls at once", b.under)
	}
	b.peak = max(b.peak, b.under)
	b.sizes = append(b.sizes, len(ops))
	if b.under > 1 && b.kind != ops[0].Resource.ID.Kind {
		b.wrong("%s and %s at once", b.kind, ops[0].Resource.ID.Kind)
	}
	b.kind = ops[0].Resource.ID.Kind
	for _, op := range ops {
		id := op.Resource.ID
		if b.flying[id] {
			b.wrong("%s is in two calls", id)
		}
		b.flying[id] = true
		if b.marked != nil && !b.marked(id) {
			b.wrong("%s was not marked (R2)", id)
		}
	}
	b.mu.Unlock()
	if b.takes != nil {
		select {
		case <-time.After(b.takes(ops)):
		case <-ctx.Done():
		}
	}
	out := b.directory.Apply(ctx, ops)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.under--
	for _, op := range ops {
		delete(b.flying, op.Resource.ID)
	}
	return out
}

// seen returns the most calls at once, the sizes of all batches, and what was wrong.
func (b *busy) seen() (peak int, sizes []int, broken []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak, slices.Clone(b.sizes), slices.Clone(b.broken)
}

func busySetup(most int) (setup, *busy) {
	s, d := callsSetup()
	b := &busy{directory: d, most: most, flying: map[target.ID]bool{}}
	s.made.Applier, s.made.Parallel = b, most
	b.marked = func(id target.ID) bool {
		e, ok := s.ledger.Entry(id)
		return ok && (e.State == target.InFlight || e.Begun)
	}
	return s, b
}

// people says one thing of many persons, as one message after the other that all come at once.
func people(s setup, n int, family string) {
	events := make([]roster.Event, n)
	for i := range events {
		r := person(100+i, family)
		events[i] = roster.Event{Record: &r, Ref: r.Ref, Source: register, Run: "run"}
	}
	s.log.Add(events...)
}

func TestCallsGoSideBySideAsFarAsTheTargetTakesThem(t *testing.T) {
	for _, most := range []int{1, 4} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := busySetup(most)
				d.takes = func(ops []target.Operation) time.Duration { return time.Duration(len(ops)) * time.Millisecond }
				s.log.Publish(small()...)
				people(s, 6000, "Ek")
				begun := time.Now()
				p := start(t, s)
				p.reach(s.log)
				took := time.Since(begun)
				peak, _, broken := d.seen()
				if peak != most || len(broken) > 0 {
					t.Errorf("%d calls at once, want %d; %v", peak, most, broken)
				}
				if want := 6 * time.Second / time.Duration(most); took < want || took > want+time.Second {
					t.Errorf("it took %v, want about %v", took, want)
				}
				if n := d.count(); n != 6005 {
					t.Errorf("%d operations, want each once", n)
				}
				_ = p.stop()
			})
		})
	}
}

// Whatever is said in whatever order, with several calls at once that take their time, and processes that die in between.
func TestEveryOrderOfEventsIsOneTargetWithCallsSideBySide(t *testing.T) {
	deaths := 0
	rapid.Check(t, func(r *rapid.T) {
		all := genSteps().Draw(r, "histories")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))
		w := newPlayed()["calls"]
		d := &busy{directory: w.made.Applier.(*directory), most: 1 + random.IntN(4), flying: map[target.ID]bool{}}
		w.made.Applier, w.made.Parallel = d, d.most
		d.marked = func(id target.ID) bool {
			e, ok := w.ledger.Entry(id)
			return ok && (e.State == target.InFlight || e.Begun)
		}
		d.takes = func([]target.Operation) time.Duration { return time.Nanosecond }
		w.made.Pace = func() float64 { return 4 } // batches of a few
		err := w.play(t.Context(), all, random)
		deaths += w.deaths
		if _, _, broken := d.seen(); err != nil || len(broken) > 0 {
			r.Fatalf("%d deaths: %v; %v", w.deaths, err, broken)
		}
	})
	t.Logf("%d processes died", deaths)
}

// Somebody is to be contained while thousands are being written, slowly.
func TestWhoIsToBeContainedWaitsForNoLongBatch(t *testing.T) {
	for name, c := range map[string]struct {
		parallel int
		rate     float64
		force    bool
	}{"one by one": {1, 10, false}, "four at once": {4, 40, false}, "a forced resync": {1, 10, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := busySetup(c.parallel)
				s.made.Accounts = []string{"person"}
				s.made.Pace = func() float64 { return c.rate }
				s.log.Publish(small()...)
				people(s, 1000, "Ek")
				p := start(t, s)
				p.reach(s.log)
				before := d.count()
				d.takes = func(ops []target.Operation) time.Duration {
					return time.Duration(float64(len(ops)*c.parallel) / c.rate * float64(time.Second))
				}
				if c.force {
					go func() { _, _ = p.link.Resync(t.Context(), false, true) }()
				} else {
					people(s, 1000, "Ekman")
				}
				time.Sleep(10 * time.Second)
				hidden := person(12, "Al")
				hidden.Person.Marking = roster.MarkingConfidential
				s.log.Publish(hidden)
				asked := time.Now()
				for d.enabled(idOf(12)) && time.Since(asked) < time.Hour {
					time.Sleep(100 * time.Millisecond)
				}
				if took := time.Since(asked); took > 5*time.Second {
					t.Errorf("it took %v until nobody could use the account", took)
				}
				p.reach(s.log)
				time.Sleep(time.Hour)
				synctest.Wait()
				if n, want := d.count()-before, 1000; !c.force && (n < want || n > want+3) {
					t.Errorf("%d operations, want %d, one for who is contained and one for the group", n, want)
				} else if c.force && n > 1010 {
					t.Errorf("%d operations: what a forced resync wrote is written again", n)
				}
				if _, _, broken := d.seen(); len(broken) > 0 || d.enabled(idOf(12)) {
					t.Errorf("%v; enabled is %t", broken, d.enabled(idOf(12)))
				}
				_ = p.stop()
			})
		})
	}
}

// What a batch takes is seen, and the next ones are made as large as goes within a moment.
func TestBatchesAreSmallWhereTheyTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := busySetup(1)
		d.takes = func(ops []target.Operation) time.Duration { return time.Duration(len(ops)) * 100 * time.Millisecond }
		people(s, 2000, "Ek")
		p := start(t, s)
		p.reach(s.log)
		if _, sizes, _ := d.seen(); slices.Max(sizes[1:]) > 40 {
			t.Errorf("batches of %v at ten operations a second", sizes[:4])
		}
		d.takes = nil
		people(s, 2000, "Ekman")
		p.reach(s.log)
		if _, sizes, _ := d.seen(); slices.Max(sizes[len(sizes)-3:]) < 300 {
			t.Errorf("they stay small when it is fast again: %v", sizes[len(sizes)-6:])
		}
		_ = p.stop()
	})
}

// whole is a directory that takes a batch as a whole or not at all, and does not tell which item is at fault.
type whole struct {
	*directory
	bad   func(target.ID) bool
	fault reason.Fault
	asked int
}

func (w *whole) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	w.directory.mu.Lock()
	w.asked++
	w.directory.mu.Unlock()
	for _, op := range ops {
		if w.bad(op.Resource.ID) {
			err := target.WholeBatch(reason.Errorf(w.fault, errors.New("one of them"), reason.ItemRefused, "address", "test", "what", "no"))
			out := make([]target.Outcome, len(ops))
			for i := range out {
				out[i].Err = err
			}
			return out
		}
	}
	return w.directory.Apply(ctx, ops)
}

func (w *whole) times() int {
	w.directory.mu.Lock()
	defer w.directory.mu.Unlock()
	return w.asked
}

func TestABatchThatIsRefusedAsAWholeIsHalved(t *testing.T) {
	for name, c := range map[string]struct {
		bad   []int
		fault reason.Fault
		most  int // calls in the first round
	}{
		"one":       {[]int{250}, reason.Invalid, 1 + 2*9},
		"the first": {[]int{0}, reason.Invalid, 1 + 2*9},
		"three":     {[]int{3, 250, 499}, reason.Invalid, 1 + 6*9},
		"many":      {[]int{1, 50, 100, 150, 200, 220, 240, 260, 300, 310, 320, 330, 400, 450}, reason.Invalid, 1 + 6*9},
		"no item":   {[]int{250}, reason.Transient, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := callsSetup()
				isBad := map[target.ID]bool{}
				for _, n := range c.bad {
					isBad[idOf(100+n)] = true
				}
				w := &whole{directory: d, bad: func(id target.ID) bool { return isBad[id] }, fault: c.fault}
				s.made.Applier = w
				people(s, 500, "Ek")
				p := start(t, s)
				p.reach(s.log)
				synctest.Wait()
				if n := w.times(); n > c.most {
					t.Errorf("%d calls, want %d at most", n, c.most)
				}
				if c.fault != reason.Invalid {
					_ = p.stop()
					return
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				for id := range isBad {
					if e := s.ledger.Entries[id]; e.State != target.Parked || e.Refused == "" {
						t.Errorf("%s is %s with %v, want it parked for good", id, e.State, e.Reason)
					}
				}
				if n := d.count(); n != 500-len(c.bad) {
					t.Errorf("%d were made, want all others, each once", n)
				}
				_ = p.stop()
			})
		})
	}
}
