package target_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// slow is a directory in which the customer has nothing, and which takes its time to say so, or does not say it at all.
type slow struct {
	*named
	takes time.Duration // for each that it is asked for

	mu      sync.Mutex
	away    error
	matches []int // how many it was asked for, call by call
	probes  int
}

func (d *slow) Match(ctx context.Context, wanted []target.Resource) ([][]target.Found, error) {
	d.mu.Lock()
	d.matches = append(d.matches, len(wanted))
	away := d.away
	d.mu.Unlock()
	select {
	case <-time.After(d.takes * time.Duration(len(wanted))):
	case <-ctx.Done():
	}
	return make([][]target.Found, len(wanted)), away
}

func (d *slow) Lookup(ctx context.Context, id target.ID, native string) (target.Held, error) {
	d.mu.Lock()
	d.probes++
	away := d.away
	d.mu.Unlock()
	if away != nil {
		return target.Held{}, away
	}
	return d.named.Lookup(ctx, id, native)
}

func (d *slow) Taken(ctx context.Context, list []string) (map[string]string, error) {
	d.mu.Lock()
	away := d.away
	d.mu.Unlock()
	if away != nil {
		return nil, away
	}
	return d.named.Taken(ctx, list)
}

// heard returns how often it was asked for its own, and how often for something of ours.
func (d *slow) heard() (matches, probes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.matches), d.probes
}

func slowSetup(t *testing.T, gives bool) (setup, *slow) {
	t.Helper()
	s, n := namedSetup(t, targettest.NewNames(), names.Spec{})
	d := &slow{named: n}
	s.made.Applier, s.idle = d, 1000*time.Hour
	if !gives {
		s.made.Mapping, s.made.Names, s.made.Overlay, s.with = school{}, nil, nil, nil
	}
	return s, d
}

// enrol says of many persons, at once, that they are pupils.
func enrol(s setup, n int) {
	events := make([]roster.Event, n)
	for i := range events {
		r := enrolled(100+i, fmt.Sprint("Prov", i), "Ek")
		events[i] = roster.Event{Record: &r, Ref: r.Ref, Source: register, Run: "run"}
	}
	s.log.Add(events...)
}

func TestATargetThatIsSilentWhenItIsAskedForItsOwnIsProbed(t *testing.T) {
	for name, gives := range map[string]bool{"names": true, "no names": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := slowSetup(t, gives)
				d.away = reason.Errorf(reason.Transient, errors.New("the line broke"), reason.NoAnswer, "address", "test")
				enrol(s, 1200)
				p := start(t, s)
				p.reach(s.log)
				time.Sleep(12 * time.Hour)
				synctest.Wait()
				matches, probes := d.heard()
				if matches > 3 || probes < 5 || probes > 60 {
					t.Errorf("in 12 hours it was asked %d times for what it has and %d times whether it is there; want 3 at most, and one question at growing waits", matches, probes)
				}
				if status := s.ledger.Status(); status.Mode != target.ModeHalted {
					t.Errorf("the link is %s", status.Mode)
				}
				d.mu.Lock()
				d.away = nil
				d.mu.Unlock()
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if n := d.count(); n != 1200 {
					t.Errorf("%d were made when it answered again, want all", n)
				}
				_ = p.stop()
			})
		})
	}
}

func TestWhoIsToBeContainedWaitsForNoQuestion(t *testing.T) {
	for name, gives := range map[string]bool{"names": true, "no names": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := slowSetup(t, gives)
				s.made.Accounts = []string{"person"}
				hidden := enrolled(12, "Prova", "Al")
				s.log.Publish(hidden)
				p := start(t, s)
				p.reach(s.log)
				there := personID(12)
				if gives {
					there.Key = pupilID(12)
				}
				if !d.enabled(there) {
					t.Fatal("there is no account")
				}
				d.takes = 20 * time.Millisecond
				enrol(s, 3000) // a minute of questions
				time.Sleep(20 * time.Second)
				hidden.Person.Marking = roster.MarkingConfidential
				s.log.Publish(hidden)
				asked := time.Now()
				for d.enabled(there) && time.Since(asked) < time.Hour {
					time.Sleep(100 * time.Millisecond)
				}
				if took := time.Since(asked); took > 5*time.Second {
					t.Errorf("it took %v until nobody could use the account", took)
				}
				p.reach(s.log)
				time.Sleep(time.Hour)
				synctest.Wait()
				d.mu.Lock()
				wanted := 0
				for _, n := range d.matches {
					wanted += n
				}
				d.mu.Unlock()
				if wanted > 3010 {
					t.Errorf("it was asked for %d: what it was asked before is asked again", wanted)
				}
				if n := d.count(); n < 3002 || n > 3004 {
					t.Errorf("%d operations, want one for each, and one that contains", n)
				}
				_ = p.stop()
			})
		})
	}
}
