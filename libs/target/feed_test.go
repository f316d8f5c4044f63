package target_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// followed is a log that counts who follows it.
type followed struct {
	*targettest.Log
	by atomic.Int32
}

func (l *followed) Follow(ctx context.Context, from roster.Position, headersOnly bool, each func(roster.Event) error) error {
	l.by.Add(1)
	defer l.by.Add(-1)
	return l.Log.Follow(ctx, from, headersOnly, each)
}

// TestAFeedWithoutLinksFollowsNothing runs a link of a tenant, which another replica has after that, and runs it again.
func TestAFeedWithoutLinksFollowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(small()...)
		log := &followed{Log: s.log}
		ctx, end := context.WithCancel(t.Context())
		logger := slog.New(slog.DiscardHandler)
		feed := target.NewFeed(log, nil, logger, time.Now)
		fed := make(chan error, 1)
		go func() { fed <- feed.Run(ctx) }()
		link := target.NewLink(target.LinkOptions{
			Target: register, Made: s.made, Feed: feed, Log: log, Ledger: s.ledger, Logger: logger, Now: time.Now, Idle: time.Second, Holds: &guardtest.Store{},
		})
		for round := range 3 {
			name := fmt.Sprint("Ny", round)
			s.log.Publish(person(30+round, name))
			turn, over := context.WithCancel(ctx)
			ran := make(chan error, 1)
			go func() { ran <- link.Run(turn) }()
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := log.by.Load(); n != 1 {
				t.Errorf("round %d: %d follow the log for a link, want 1", round, n)
			}
			if !strings.Contains(d.text(), name) {
				t.Errorf("round %d: the target does not have %s:\n%s", round, name, d.text())
			}
			over()
			if err := <-ran; !errors.Is(err, context.Canceled) {
				t.Errorf("round %d: the link ended with %v", round, err)
			}
			synctest.Wait()
			if n := log.by.Load(); n != 0 {
				t.Errorf("round %d: %d follow the log for nobody", round, n)
			}
		}
		end()
		if err := <-fed; !errors.Is(err, context.Canceled) {
			t.Errorf("the feed ended with %v", err)
		}
	})
}
