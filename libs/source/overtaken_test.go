package source_test

import (
	"context"
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/source"
)

// slept is a register whose reader sleeps once, after it has read.
type slept struct {
	*register
	meanwhile func()
}

func (s *slept) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	r, err := s.register.Read(ctx, since, emit)
	if do := s.meanwhile; do != nil {
		s.meanwhile = nil
		do()
	}
	return r, err
}

// TestAReaderThatSleptTakesNothingBack has another reader read something newer while one sleeps.
func TestAReaderThatSleptTakesNothingBack(t *testing.T) {
	for name, c := range map[string]struct {
		before, after time.Time // of the data; zero where the source does not say
		change        bool
		want          source.State
	}{
		"older data":            {time.Unix(1000, 0), time.Unix(2000, 0), true, source.Stale},
		"the same data":         {time.Unix(1000, 0), time.Unix(1000, 0), false, source.Unchanged},
		"data without a time":   {time.Time{}, time.Time{}, true, source.Stale},
		"and the same, no time": {time.Time{}, time.Time{}, false, source.Stale},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.reg.time = c.before
			w.want(source.Published, first)
			w.nextDay()
			other := w.opts
			w.opts.Source = &slept{w.reg, func() {
				if w.reg.time = c.after; c.change {
					w.person(8, nil)
				}
				if run, err := source.NewReader(other).Run(t.Context()); err != nil || !run.Believed() {
					t.Errorf("the other reader: %s, %v", run.State, err)
				}
			}}
			persons := 5
			if c.change {
				persons++
			}
			w.want(c.want, "")
			if n := len(live(w.log, "person")); n != persons {
				t.Errorf("%d persons in the log, want %d", n, persons)
			}
		})
	}
}

// TestAClockThatIsSetBackMakesNoReadStale reads on a machine whose clock is a year behind that of the last run.
func TestAClockThatIsSetBackMakesNoReadStale(t *testing.T) {
	for name, made := range map[string]time.Time{"data with a time": time.Unix(1000, 0), "and without": {}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.reg.time = made
			w.want(source.Published, first)
			w.now = w.now.AddDate(-1, 0, 0)
			w.want(source.Unchanged, "")
		})
	}
}
