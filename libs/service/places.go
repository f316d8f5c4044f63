package service

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

// places are the sources and links that this process has now, and how they are: what metrics and readiness tell of. What
// another replica has is not among them, so that no two say different things of one. They are safe for concurrent use.
type places struct {
	mu      sync.Mutex
	sources map[place]*sourcePlace
	links   map[place]*linkPlace
	members int // replicas that share the work
}

// place is a source or a link of a tenant.
type place struct {
	tenant string
	ref    roster.Source
}

func (p place) compare(o place) int {
	return cmp.Or(strings.Compare(p.tenant, o.tenant), strings.Compare(p.ref.String(), o.ref.String()))
}

// sourcePlace is a source that this process reads.
type sourcePlace struct {
	overdue func(since time.Time) time.Duration
	running bool // nobody has paused it
	known   bool // when it was read last is known
	// since is when the last read began that was believed or, of a source that never was, when this process got it.
	since time.Time
}

// linkPlace is a link that this process keeps.
type linkPlace struct {
	running bool // nobody has paused it
	settled bool // it has ended a round, of which the rest tells
	status  target.Status
	held    int
	drift   target.Reconciled
	cursor  roster.Position
	refused *reason.Reason // why it cannot go on before a person has done something; nil where it can
}

func newPlaces() *places {
	return &places{sources: map[place]*sourcePlace{}, links: map[place]*linkPlace{}, members: 1}
}

// hasSource notes that this process has a source, until left is called.
func (p *places) hasSource(at place, since time.Time, overdue func(time.Time) time.Duration) (left func()) {
	return enter(p, p.sources, at, &sourcePlace{overdue: overdue, since: since})
}

// hasLink notes that this process has a link, until left is called.
func (p *places) hasLink(at place) (left func()) { return enter(p, p.links, at, &linkPlace{}) }

func enter[T any](p *places, all map[place]*T, at place, it *T) (left func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all[at] = it
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if all[at] == it {
			delete(all, at)
		}
	}
}

// runsSource notes that a source is read, until paused is called.
func (p *places) runsSource(at place) (paused func()) {
	set := func(running bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s := p.sources[at]; s != nil {
			s.running = running
		}
	}
	set(true)
	return func() { set(false) }
}

// runsLink notes that a link is kept, until stopped is called with the reason. One that stops because something is not set
// up as it must be is started again, and counts as one that is kept.
func (p *places) runsLink(at place) (stopped func(error)) {
	change := func(f func(*linkPlace)) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if l := p.links[at]; l != nil {
			f(l)
		}
	}
	change(func(l *linkPlace) { l.running = true })
	return func(why error) {
		change(func(l *linkPlace) {
			*l = linkPlace{}
			if reason.FaultOf(why) == reason.Misconfigured {
				r := reason.Of(why)
				l.running, l.refused = true, &r
			}
		})
	}
}

// read notes what a read came to.
func (p *places) read(tenant string, r source.Run) {
	if r.Believed() {
		p.lastRead(place{tenant, r.Source}, r.Started)
	}
}

// lastRead notes when the last read began that was believed; a zero time for none.
func (p *places) lastRead(at place, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sources[at]
	if s == nil {
		return
	}
	if !began.IsZero() && (!s.known || began.After(s.since)) {
		s.since = began
	}
	s.known = true
}

// settled notes what a round came to.
func (p *places) settled(at place, s target.Settled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.links[at]
	if l == nil {
		return
	}
	l.settled, l.status, l.held, l.drift, l.cursor, l.refused = true, s.Status, s.Held, s.Reconciled, s.Cursor, nil
	if s.Refused {
		l.refused = s.Halted
	}
}

// share notes how many replicas share the work.
func (p *places) share(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = n
}

// toldLinks is how many links an answer names.
const toldLinks = 10

// ready says that there are links which should act, and that none of them can before a person has done something.
func (p *places) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	refused := map[place]*reason.Reason{}
	for at, l := range p.links {
		switch {
		case !l.running || l.settled && l.status.Mode == target.ModePreview:
		case l.refused == nil:
			return nil
		default:
			refused[at] = l.refused
		}
	}
	if len(refused) == 0 {
		return nil
	}
	var list []string
	for at, why := range refused {
		list = append(list, fmt.Sprintf("tenant %s, %s: %s: %s %s", at.tenant, at.ref, why.Code, why.Text(reason.English), why.Next(reason.English)))
	}
	slices.Sort(list)
	if more := len(list) - toldLinks; more > 0 {
		list = append(list[:toldLinks], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("no active link can go on before a person has done something:\n%s", strings.Join(list, "\n"))
}
