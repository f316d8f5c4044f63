package targettest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// Rate says how many calls the other side takes, as it counts them.
type Rate struct {
	// Settings are added to those of the peer, in YAML, and make the rate what the other fields say. It should be so low
	// that what the suite does takes more calls than a burst.
	Settings  string
	PerSecond float64
	Burst     int
	Shared    bool // all links to one other side are counted together
}

// Counter is a peer that counts every call that comes, whatever the answer is. One with a rate must.
type Counter interface{ Calls() int }

// rates are the cases about how many calls are made.
func (s *suite) rates() {
	s.Case("no more calls are made than the other side takes", conformance.RatePolite, s.within)
	s.Case("one refusal for too many calls slows down every link that is counted with it", conformance.RatePolite, s.slowsDown)
}

// limited makes a world in which the other side takes so many calls.
func (s *suite) limited(t *testing.T) (*world, Counter, Rate) {
	t.Helper()
	if s.under.Claims.Rate == nil {
		w := s.world(t).begin()
		for _, spec := range w.budgets.Specs() {
			t.Errorf("it is claimed that the other side counts no calls, and it draws them from a budget for %s: claim the rate", spec.Name)
		}
		if !t.Failed() {
			s.DoesNotApply(t, "the other side counts no calls")
		}
		t.FailNow()
	}
	rate := *s.under.Claims.Rate
	w := s.worldWith(t, rate.Settings)
	counter, ok := w.peer.(Counter)
	if !ok {
		t.Fatal("a rate is claimed, and the peer of the test does not count calls: have it be a Counter")
	}
	switch specs := w.budgets.Specs(); {
	case len(specs) == 0:
		t.Fatal("a rate is claimed, and no budget is asked for when the target is opened: draw every call from one (Env.Budgets)")
	case specs[0].Rate != rate.PerSecond:
		t.Fatalf("a rate of %v is claimed, and the budget for %s has %v", rate.PerSecond, specs[0].Name, specs[0].Rate)
	}
	return w, counter, rate
}

// within counts the calls that arrive in every stretch of time.
func (s *suite) within(t *testing.T) {
	w, peer, rate := s.limited(t)
	type moment struct {
		at    time.Time
		calls int
	}
	var moments []moment
	note := func() { moments = append(moments, moment{w.now(), peer.Calls()}) }
	note()
	w.dozing = note // whoever waits has made the calls before, and none of those that come
	var more []roster.Record
	for n := 41; n < 53; n++ {
		more = append(more, pupil(n, 1))
	}
	w.log.Publish(more...)
	w.begin()
	w.command(func(l *target.Link) (target.Settled, error) {
		return l.Resync(t.Context(), s.under.Claims.Verifies, true)
	})
	note()
	for i, from := range moments {
		for _, to := range moments[i+1:] {
			// A call that was drawn may arrive a little later, with those of the next moment.
			calls, most := to.calls-from.calls, 2*float64(rate.Burst)+rate.PerSecond*to.at.Sub(from.at).Seconds()
			if float64(calls) > most {
				t.Fatalf("%d calls within %v, where the other side takes %v a second and %d at once: draw every call from the budget, one by one", calls, to.at.Sub(from.at), rate.PerSecond, rate.Burst)
			}
		}
	}
	if len(moments) == 2 {
		t.Errorf("%d calls were made, and none had to wait: choose a lower rate for the test, or nobody sees whether it is kept", moments[1].calls-moments[0].calls)
	}
}

// slowsDown has one link refused, and looks at what another one does.
func (s *suite) slowsDown(t *testing.T) {
	w, peer, rate := s.limited(t)
	if w.made.Applier == nil {
		s.DoesNotApply(t, "a complete set is one call, and the next one is far away")
	}
	w.begin()
	other := w.another()
	there := slices.SortedFunc(maps.Keys(w.held()), target.ID.Compare)[0]
	ask := func() error {
		_, err := other.Applier.Lookup(t.Context(), there, "")
		return err
	}
	if err := ask(); err != nil {
		t.Fatalf("another link with the same settings does not find what is there: %v", err)
	}
	s.can(t, w.peer.Fail(Throttle, target.ID{}))
	w.log.Publish(renamed(unit(1)), pupil(17, 1), teacher(23, 1), renamed(group(31, 1, 21, 11, 12, 13)))
	w.settle()
	if err := w.peer.Heal(); err != nil {
		t.Fatal(err)
	}
	calls := peer.Calls()
	err := ask()
	called := peer.Calls() > calls
	switch {
	case !rate.Shared && !called:
		t.Fatalf("it is claimed that every link is counted by itself, and one that was asked to wait keeps another from calling (%v)", err)
	case !rate.Shared:
		return
	case called:
		t.Fatal("a link was asked to wait, and another that is counted with it calls all the same: tell the budget (Throttled), and give it the scope that the other side counts")
	}
	s.judge(t, Throttle, answer{call: "lookup", err: err})

	w.pass(Wait)
	begun, n := w.now(), rate.Burst+8
	for range n {
		if err := ask(); err != nil {
			t.Fatalf("after the wait that was asked for: %v", err)
		}
	}
	before := float64(n-rate.Burst) / rate.PerSecond
	if took := w.now().Sub(begun).Seconds(); took < 1.5*before {
		t.Errorf("after a refusal %d calls take %.1f s, and took %.1f s before: whoever goes on as fast as before is refused again", n, took, before)
	}
}

// another opens the target once more, for another link of the tenant.
func (w *world) another() *target.Target {
	w.t.Helper()
	config, err := w.suite.config(w.settings)
	if err != nil {
		w.t.Fatal(err)
	}
	env := w.env()
	env.Target.Instance = "another"
	made, err := config.Open(env)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// doze waits by the clock of the suite, for which nobody has to wait.
func (w *world) doze(ctx context.Context, d time.Duration) error {
	if w.dozing != nil {
		w.dozing()
	}
	w.pass(d)
	return context.Cause(ctx)
}
