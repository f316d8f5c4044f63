package target_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// process is a link as one process runs it.
type process struct {
	t       testing.TB
	link    *target.Link
	cancel  context.CancelFunc
	settled chan target.Settled
	done    chan error
}

type setup struct {
	log    *targettest.Log
	ledger *targettest.Ledger
	made   *target.Target
	idle   time.Duration

	sources roster.Precedence
	life    target.Lifecycle
	mode    target.Mode
	holds   *guardtest.Store // of all processes of a test
	limits  guard.Limits
	units   roster.Units
	with    func(*target.LinkOptions) // what else the link is made of; may be nil
}

func start(t testing.TB, s setup) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if s.holds == nil {
		s.holds = &guardtest.Store{}
	}
	feed := target.NewFeed(s.log, s.sources, slog.New(slog.DiscardHandler), time.Now).WithUnits(s.units)
	p := &process{t: t, cancel: cancel, settled: make(chan target.Settled, 10_000), done: make(chan error, 1)}
	o := target.LinkOptions{
		Target: roster.Source{System: "memory", Instance: "default"}, Made: s.made, Feed: feed, Log: s.log, Ledger: s.ledger,
		Owner: target.Owner{Name: "test"}, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Idle: s.idle,
		Observer: func(r target.Settled) { p.settled <- r }, Lifecycle: s.life, Mode: s.mode,
		Holds: s.holds, Limits: s.limits,
	}
	if s.with != nil {
		s.with(&o)
	}
	p.link = target.NewLink(o)
	fed := make(chan struct{})
	go func() { defer close(fed); _ = feed.Run(ctx) }()
	go func() {
		err := p.link.Run(ctx)
		cancel()
		<-fed
		p.done <- err
	}()
	return p
}

// reach waits until the link has settled everything in the log, and returns the sum of what it did.
func (p *process) reach(log *targettest.Log) (sum target.Settled) {
	p.t.Helper()
	end, _ := log.End(p.t.Context())
	for {
		select {
		case s := <-p.settled:
			s.Created, s.Updated, s.Deleted = s.Created+sum.Created, s.Updated+sum.Updated, s.Deleted+sum.Deleted
			if s.Delivered == "" {
				s.Delivered = sum.Delivered
			}
			if sum = s; s.Cursor.Seq >= end.Seq {
				return sum
			}
		case err := <-p.done:
			p.t.Fatalf("the link ended before the end of the log: %v", err)
		case <-time.After(24 * time.Hour):
			p.t.Fatalf("the link did not reach the end of the log: %+v", sum)
		}
	}
}

func (p *process) stop() error {
	p.cancel()
	return <-p.done
}

func key(n int) roster.Key { return roster.Key{15: byte(n), 14: byte(n >> 8)} }

func person(n int, family string) roster.Record {
	return roster.Record{
		Ref: roster.Ref{Kind: roster.KindPerson, Key: key(n)}, Source: register,
		Person: &roster.Person{GivenName: "Testa", FamilyName: roster.Personal(family)},
	}
}

func unit(n int) roster.Record {
	return roster.Record{
		Ref: roster.Ref{Kind: roster.KindOrganisation, Key: key(n)}, Source: register,
		Organisation: &roster.Organisation{DisplayName: fmt.Sprint("unit", n), Type: roster.SchoolUnit},
	}
}

func group(n, unit int, members ...int) roster.Record {
	g := &roster.Group{DisplayName: fmt.Sprint("group", n), Organisation: key(unit)}
	for _, m := range members {
		g.Members = append(g.Members, roster.Membership{Person: key(m), Role: roster.MemberPupil})
	}
	return roster.Record{Ref: roster.Ref{Kind: roster.KindGroup, Key: key(n)}, Source: register, Group: g}
}

func gone(r roster.Record) roster.Record {
	return roster.Record{Ref: r.Ref, Source: r.Source, Tombstone: &roster.Tombstone{Reason: roster.TombstoneLeft}}
}
