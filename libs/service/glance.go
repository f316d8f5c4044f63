package service

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

// What whoever asks for the metrics may have NATS asked: how much at once, for how long, and how often anew.
const (
	asksAtOnce = 8
	asksFor    = 2 * time.Second
	asksEvery  = 10 * time.Second
)

// glance finds out how far the links of this process are behind the log, and its sources behind their schedule: a request for
// a tenant, and one more for a link that is behind. Of what NATS does not answer in time it says nothing.
type glance struct {
	store  *store.Store
	places *places
	now    func() time.Time

	mu      sync.Mutex
	taken   time.Time
	links   []behind
	sources []late
}

// behind is how far a link is behind the log.
type behind struct {
	place
	lag    uint64
	oldest time.Duration
}

// late is how long ago a read of a source was due.
type late struct {
	place
	overdue time.Duration
}

// look returns what it found out not long ago.
func (g *glance) look(ctx context.Context) ([]behind, []late) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); g.taken.IsZero() || now.Sub(g.taken) >= asksEvery {
		asking, cancel := context.WithTimeout(ctx, asksFor)
		defer cancel()
		g.taken, g.links, g.sources = now, g.behind(asking), g.late(asking)
	}
	return g.links, g.sources
}

func (g *glance) behind(ctx context.Context) (list []behind) {
	cursors := g.places.cursors()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asksAtOnce)
	for name, links := range cursors {
		group.Go(func() error {
			log := g.store.Log(name)
			end, err := log.End(ctx)
			if err != nil {
				return nil //nolint:nilerr // it is told of no link then, and of every other
			}
			for ref, at := range links {
				if at.Regressed(end) || at.IsZero() && end.Seq == 0 {
					continue
				}
				b := behind{place: place{name, ref}, lag: end.Seq - at.Seq}
				if b.lag > 0 {
					taken, err := log.TakenAfter(ctx, at.Seq)
					if err != nil {
						continue
					}
					if !taken.IsZero() {
						b.oldest = max(0, g.now().Sub(taken))
					}
				}
				mu.Lock()
				list = append(list, b)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // none of them fails
	slices.SortFunc(list, func(a, b behind) int { return a.compare(b.place) })
	return list
}

func (g *glance) late(ctx context.Context) []late {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asksAtOnce)
	for _, at := range g.places.unknown() {
		group.Go(func() error {
			_, believed, err := g.store.Runs(at.tenant).Last(ctx, at.ref)
			switch {
			case err != nil:
				return nil //nolint:nilerr // it is told of no such source then, and of every other
			case believed == nil || believed.Regressed:
				g.places.lastRead(at, time.Time{})
			default:
				g.places.lastRead(at, believed.Started)
			}
			return nil
		})
	}
	_ = group.Wait() // none of them fails
	return g.places.late()
}

// cursors returns how far the links have come that are to come along with the log, by tenant.
func (p *places) cursors() map[string]map[roster.Source]roster.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]map[roster.Source]roster.Position{}
	for at, l := range p.links {
		if !l.settled || l.status.Mode == target.ModePreview {
			continue
		}
		if all[at.tenant] == nil {
			all[at.tenant] = map[roster.Source]roster.Position{}
		}
		all[at.tenant][at.ref] = l.cursor
	}
	return all
}

// unknown returns the sources of which it is not known when they were read last.
func (p *places) unknown() (list []place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, s := range p.sources {
		if s.running && !s.known {
			list = append(list, at)
		}
	}
	return list
}

// late returns how long ago reads were due.
func (p *places) late() (list []late) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, s := range p.sources {
		if s.running && s.known {
			list = append(list, late{at, s.overdue(s.since)})
		}
	}
	slices.SortFunc(list, func(a, b late) int { return a.compare(b.place) })
	return list
}
