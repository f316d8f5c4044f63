package target_test

import (
	"context"
	"errors"
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

// doubtful is a directory that takes its time to say which names are taken, or does not say it at all.
type doubtful struct {
	*named
	takes time.Duration // for each question

	mu        sync.Mutex
	away      error
	questions int
	probes    int
}

func (d *doubtful) Taken(ctx context.Context, list []string) (map[string]string, error) {
	d.mu.Lock()
	d.questions++
	away := d.away
	d.mu.Unlock()
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
	}
	if away != nil {
		return nil, away
	}
	return d.named.Taken(ctx, list)
}

func (d *doubtful) Lookup(ctx context.Context, id target.ID, native string) (target.Held, error) {
	d.mu.Lock()
	d.probes++
	away := d.away
	d.mu.Unlock()
	if away != nil {
		return target.Held{}, away
	}
	return d.named.Lookup(ctx, id, native)
}

// heard returns how often it was asked for names, and how often for something of ours.
func (d *doubtful) heard() (questions, probes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.questions, d.probes
}

func (d *doubtful) answers(with error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = with
}

func doubtfulSetup(t *testing.T) (setup, *doubtful) {
	t.Helper()
	s, n := namedSetup(t, targettest.NewNames(), names.Spec{})
	d := &doubtful{named: n}
	s.made.Applier, s.idle = d, 1000*time.Hour
	return s, d
}

func TestATargetThatDoesNotSayWhichNamesAreTakenIsAskedLittle(t *testing.T) {
	const many = 510
	for name, c := range map[string]struct {
		away           error
		after          time.Duration // when it is looked at
		questions      int           // at most by then
		probes, most   int
		halted         bool
		answeredWithin time.Duration
	}{
		"silent": {
			reason.Errorf(reason.Transient, errors.New("the line broke"), reason.NoAnswer, "address", "test"),
			12 * time.Hour, 3, 5, 60, true, 2 * time.Hour,
		},
		"wants no calls": {
			&reason.Error{Fault: reason.Transient, Reason: reason.New(reason.Throttled, "address", "test"), After: 10 * time.Minute},
			9 * time.Minute, 1, 0, 0, false, 10 * time.Minute,
		},
		"lets nobody in": {
			reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials, "address", "test"),
			30 * time.Minute, 1, 1, 4, true, 2 * time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := doubtfulSetup(t)
				s.log.Publish(unit(1), enrolled(12, "Prova", "Al"))
				p := start(t, s)
				p.reach(s.log)
				before, _ := d.heard()
				d.answers(c.away)
				enrol(s, many)
				idleFor(c.after)
				questions, probes := d.heard()
				if questions -= before; questions > c.questions || probes < c.probes || probes > c.most {
					t.Errorf("in %v it was asked %d times for names and %d times whether it is there; want %d at most, and %d to %d", c.after, questions, probes, c.questions, c.probes, c.most)
				}
				if halted := s.ledger.Status().Mode == target.ModeHalted; halted != c.halted {
					t.Errorf("the link is halted: %t, want %t", halted, c.halted)
				}
				if n := d.count(); n != 1 {
					t.Errorf("%d were made with names that may be taken", n-1)
				}
				d.answers(nil)
				idleFor(c.answeredWithin)
				if n := d.count(); n != many+1 {
					t.Errorf("%d were made when it answered again, want all", n-1)
				}
				_ = p.stop()
			})
		})
	}
}

func TestWhoIsToBeContainedWaitsForNoNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := doubtfulSetup(t)
		hidden := enrolled(12, "Prova", "Al")
		s.log.Publish(unit(1), hidden)
		p := start(t, s)
		p.reach(s.log)
		there := personID(12)
		there.Key = pupilID(12)
		if !d.enabled(there) {
			t.Fatal("there is no account")
		}
		d.takes = 10 * time.Second
		enrol(s, 2500) // most of a minute of questions
		idleFor(20 * time.Second)
		if questions, _ := d.heard(); questions < 2 {
			t.Fatalf("%d questions: the link has not begun", questions)
		}
		hidden.Person.Marking = roster.MarkingConfidential
		s.log.Publish(hidden)
		idleFor(15 * time.Second)
		if d.enabled(there) {
			t.Error("R9: who is protected waits until all names were asked for")
		}
		idleFor(time.Hour)
		if questions, _ := d.heard(); questions > 8 {
			t.Errorf("%d questions: what was asked before is asked again", questions)
		}
		if n := d.count(); n < 2502 || n > 2504 {
			t.Errorf("%d operations, want one for each, and one that contains", n)
		}
		_ = p.stop()
	})
}
