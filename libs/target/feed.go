package target

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"eventful.se/ess/libs/roster"
)

// Feed is the roster of one tenant in this process, shared by all of the tenant's links. It is loaded when a link has
// work and gone when none has; in between only the headers of the log are followed, to wake the links.
type Feed struct {
	log        Log
	precedence roster.Precedence
	logger     *slog.Logger
	now        func() time.Time

	mu     sync.RWMutex // guards all below; a writer replaces a record and dirties its neighbours in one step
	roster *roster.Roster
	pos    roster.Position // what roster is equal to, or where the doorbell stands
	open   map[roster.Source]struct{}
	subs   map[*subscriber]struct{}
	leases int
	change chan struct{} // closed and replaced when leases or roster change
}

// subscriber is a link's ear at the feed.
type subscriber struct {
	all   bool
	dirty map[roster.Ref]struct{}
	ring  chan struct{} // holds one token while there is something new
}

func (s *subscriber) wake() {
	select {
	case s.ring <- struct{}{}:
	default:
	}
}

// NewFeed returns a cold feed of a tenant's log.
func NewFeed(log Log, p roster.Precedence, logger *slog.Logger, now func() time.Time) *Feed {
	return &Feed{
		log: log, precedence: p, logger: logger, now: now,
		open: map[roster.Source]struct{}{}, subs: map[*subscriber]struct{}{}, change: make(chan struct{}),
	}
}

// Run keeps the feed: cold until a link asks for the roster, warm while one uses it. It ends with ctx; errors of the log
// are logged and tried again.
func (f *Feed) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 15 * time.Second
	for ctx.Err() == nil {
		phase := f.cold
		if f.wanted() {
			phase = f.warm
		}
		if err := phase(ctx); err != nil && ctx.Err() == nil {
			f.logger.WarnContext(ctx, "the roster log does not answer; trying again", "error", err)
			sleep(ctx, wait.NextBackOff())
			continue
		}
		wait.Reset()
	}
	return context.Cause(ctx)
}

func (f *Feed) wanted() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.leases > 0
}

// until returns a context that ends when stop becomes true at a change of the feed.
func (f *Feed) until(ctx context.Context, stop func() bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			f.mu.RLock()
			change, done := f.change, stop()
			f.mu.RUnlock()
			if done {
				cancel()
				return
			}
			select {
			case <-change:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}

// cold follows the headers from where the last warm phase ended, and wakes every link at each event.
func (f *Feed) cold(ctx context.Context) error {
	phase, cancel := f.until(ctx, func() bool { return f.leases > 0 })
	defer cancel()
	f.mu.RLock()
	from := f.pos
	f.mu.RUnlock()
	if from.IsZero() {
		<-phase.Done()
		return nil
	}
	err := f.log.Follow(phase, from, true, func(e roster.Event) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.pos.Seq = e.Seq
		f.mark(e)
		for s := range f.subs {
			s.wake()
		}
		return nil
	})
	if phase.Err() != nil {
		return nil
	}
	return err
}

// warm loads the roster and follows the log until the last lease is given back.
func (f *Feed) warm(ctx context.Context) error {
	phase, cancel := f.until(ctx, func() bool { return f.leases == 0 })
	defer cancel()
	r := roster.NewRoster(f.precedence, roster.Today(f.now()))
	open := map[roster.Source]struct{}{}
	pos, err := f.log.Load(phase, func(e roster.Event) error {
		if e.Record != nil {
			r.Apply(*e.Record)
		}
		markRun(open, e)
		return nil
	})
	if phase.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.roster, f.pos, f.open = r, pos, open
	for s := range f.subs {
		s.all = true
		s.wake()
	}
	f.signal()
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.roster = nil
		f.signal()
		f.mu.Unlock()
	}()
	err = f.log.Follow(phase, pos, false, func(e roster.Event) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.pos.Seq = e.Seq
		f.mark(e)
		var dirty []roster.Ref
		if e.Record != nil {
			dirty = r.Apply(*e.Record)
		}
		for s := range f.subs {
			for _, ref := range dirty {
				s.dirty[ref] = struct{}{}
			}
			s.wake()
		}
		return nil
	})
	if phase.Err() != nil {
		return nil
	}
	return err
}

func (f *Feed) mark(e roster.Event) { markRun(f.open, e) }

// markRun keeps the set of sources that have a run under way. On load the marks of a run may come in any order by
// subject, so that the later one decides; the log returns them in the order of their sequence.
func markRun(open map[roster.Source]struct{}, e roster.Event) {
	switch e.Mark {
	case roster.RunOpened, roster.RunBatch:
		open[e.Source] = struct{}{}
	case roster.RunEnded:
		delete(open, e.Source)
	}
}

// signal tells all who wait that leases or roster changed. The caller holds mu.
func (f *Feed) signal() {
	close(f.change)
	f.change = make(chan struct{})
}

func (f *Feed) subscribe() *subscriber {
	s := &subscriber{dirty: map[roster.Ref]struct{}{}, ring: make(chan struct{}, 1)}
	f.mu.Lock()
	f.subs[s] = struct{}{}
	f.mu.Unlock()
	return s
}

func (f *Feed) unsubscribe(s *subscriber) {
	f.mu.Lock()
	delete(f.subs, s)
	f.mu.Unlock()
}

// lease keeps the roster loaded until release is called, and waits until it is.
func (f *Feed) lease(ctx context.Context) (release func(), err error) {
	f.mu.Lock()
	f.leases++
	f.signal()
	f.mu.Unlock()
	release = sync.OnceFunc(func() {
		f.mu.Lock()
		f.leases--
		f.signal()
		f.mu.Unlock()
	})
	for {
		f.mu.RLock()
		change, loaded := f.change, f.roster != nil
		f.mu.RUnlock()
		if loaded {
			return release, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			release()
			return nil, context.Cause(ctx)
		}
	}
}

// read runs fn on the roster while nothing changes it. It reports false when the roster is not loaded.
func (f *Feed) read(fn func(r *roster.Roster, pos roster.Position, runOpen bool)) bool {
	f.advance()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.roster == nil {
		return false
	}
	fn(f.roster, f.pos, len(f.open) > 0)
	return true
}

// advance turns the roster's day when midnight in Stockholm has passed. Dates are events: everything is dirty then.
func (f *Feed) advance() {
	today := roster.Today(f.now())
	f.mu.RLock()
	same := f.roster == nil || f.roster.Today() == today
	f.mu.RUnlock()
	if same {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.roster == nil || f.roster.Today() == today {
		return
	}
	f.roster.SetToday(today)
	for s := range f.subs {
		s.all = true
		s.wake()
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
