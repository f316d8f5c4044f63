package target

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Feed is the roster of one tenant in this process, shared by all of the tenant's links. It is loaded when a link has
// work and gone when none has; in between only the headers of the log are followed, to wake the links.
type Feed struct {
	log        Log
	precedence roster.Precedence
	units      roster.Units
	logger     *slog.Logger
	now        func() time.Time

	mu     sync.RWMutex // guards all below; a writer replaces a record and dirties its neighbours in one step
	roster *roster.Roster
	pos    roster.Position // what roster is equal to, or where the doorbell stands
	runs   map[roster.Source]runMark
	causes map[roster.Ref]Cause         // the change that last concerned an entity
	traces map[string]trace.SpanContext // of the runs that published what there is, those that were traced
	// approvals are the last changes of entities themselves, where a person approved just that one at its source.
	approvals map[roster.Ref]Cause
	unread    map[roster.Ref]map[roster.Source]struct{} // of whom a source says something that cannot be read
	overlays  map[overlayOf]uint64                      // sequences of what targets have published of persons
	subs      map[*subscriber]struct{}
	leases    int
	change    chan struct{} // closed and replaced when leases or roster change
}

// subscriber is a link's ear at the feed.
type subscriber struct {
	of     roster.Source // the link's target
	all    bool
	dirty  map[roster.Ref]struct{}
	echoes map[roster.Ref]struct{} // of whom the log has taken what the link's target has published
	ring   chan struct{}           // holds one token while there is something new
}

// overlayOf names what a target has published of an entity.
type overlayOf struct {
	target roster.Source
	ref    roster.Ref
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
		runs: map[roster.Source]runMark{}, subs: map[*subscriber]struct{}{}, change: make(chan struct{}),
	}
}

// WithUnits has what is said of units count in the roster, for every link of the feed. It is called before Run, and
// returns the feed.
func (f *Feed) WithUnits(u roster.Units) *Feed {
	f.units = u
	return f
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

// until returns a context that ends when stop becomes true at a change of the feed. The caller ends it.
func (f *Feed) until(ctx context.Context, stop func() bool) (phase context.Context, end func()) {
	phase, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		for {
			f.mu.RLock()
			change, done := f.change, stop()
			f.mu.RUnlock()
			if done {
				return
			}
			select {
			case <-change:
			case <-phase.Done():
				return
			}
		}
	}()
	return phase, func() {
		cancel()
		<-watched
	}
}

// cold follows the headers from where the last warm phase ended, and wakes every link at each event. Without a link it
// follows nothing: those of the tenant may all be with other replicas.
func (f *Feed) cold(ctx context.Context) error {
	f.mu.Lock()
	if len(f.subs) == 0 {
		f.pos = roster.Position{}
	}
	from := f.pos
	f.mu.Unlock()
	phase, end := f.until(ctx, func() bool { return f.leases > 0 || len(f.subs) == 0 && !from.IsZero() })
	defer end()
	if from.IsZero() {
		<-phase.Done()
		return nil
	}
	err := f.log.Follow(phase, from, true, func(e roster.Event) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.pos.Seq = e.Seq
		noteMark(f.runs, e)
		for s := range f.subs {
			s.wake()
		}
		return nil
	})
	switch {
	case phase.Err() != nil:
		return nil
	case reason.Of(err).Code == reason.LogRegressed || reason.Of(err).Code == reason.LogMissing:
		f.forget(ctx, err)
		return nil
	default:
		return err
	}
}

// forget gives up where the doorbell stood, and has every link look for itself: the log is another one, or has lost
// something.
func (f *Feed) forget(ctx context.Context, err error) {
	f.logger.ErrorContext(ctx, "the roster log is not the one that it was", "error", err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pos = roster.Position{}
	for s := range f.subs {
		s.all = true
		s.wake()
	}
}

// warm loads the roster and follows the log until the last lease is given back.
func (f *Feed) warm(ctx context.Context) error {
	phase, end := f.until(ctx, func() bool { return f.leases == 0 })
	defer end()
	r := roster.NewRoster(f.precedence, roster.Today(f.now()))
	f.mu.Lock()
	f.unread = map[roster.Ref]map[roster.Source]struct{}{}
	f.mu.Unlock()
	runs, causes, approvals := map[roster.Source]runMark{}, map[roster.Ref]Cause{}, map[roster.Ref]Cause{}
	overlays := map[overlayOf]uint64{}
	traces := map[string]trace.SpanContext{}
	pos, err := f.log.Load(phase, func(e roster.Event) error {
		if e.Record != nil {
			r.Apply(f.units.Apply(*e.Record))
			causes[e.Ref] = causeOf(e)
			f.noteDecision(approvals, overlays, e)
		}
		f.note(ctx, e)
		noteTrace(ctx, traces, e)
		noteMark(runs, e)
		return nil
	})
	if phase.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.roster, f.pos, f.runs, f.causes, f.approvals, f.traces, f.overlays = r, pos, runs, causes, approvals, traces, overlays
	for s := range f.subs {
		s.all = true
		s.wake()
	}
	f.signal()
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.roster, f.causes, f.approvals, f.overlays = nil, nil, nil, nil
		f.signal()
		f.mu.Unlock()
	}()
	err = f.log.Follow(phase, pos, false, func(e roster.Event) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.pos.Seq = e.Seq
		noteMark(f.runs, e)
		f.note(ctx, e)
		noteTrace(ctx, traces, e)
		var dirty []roster.Ref
		if e.Record != nil {
			dirty = r.Apply(f.units.Apply(*e.Record))
			if e.Ref.Kind == roster.KindOrganisation {
				dirty = append(dirty, r.Refs(e.Ref.Kind)...) // what one is called may depend on the others; see [Units]
			}
			f.noteDecision(approvals, overlays, e)
		}
		for _, ref := range dirty {
			causes[ref] = causeOf(e)
		}
		for s := range f.subs {
			if e.Record != nil && e.Record.Overlay && e.Source == s.of {
				s.echoes[e.Ref] = struct{}{} // what the target itself knows changes nothing for it
				s.wake()
				continue
			}
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

// note remembers whether what a source says of an entity can be read. What is not known of a person may be a
// protection, so that a target is left as it is until the message can be read (rules R7 and R9).
func (f *Feed) note(ctx context.Context, e roster.Event) {
	switch {
	case e.Unreadable != nil:
		f.logger.ErrorContext(ctx, "a message of the roster log cannot be read; what targets hold of the entity stays as it is",
			"entity", e.Ref.String(), "error", e.Unreadable)
		if f.unread[e.Ref] == nil {
			f.unread[e.Ref] = map[roster.Source]struct{}{}
		}
		f.unread[e.Ref][e.Source] = struct{}{}
	case e.Record != nil && f.unread[e.Ref] != nil:
		delete(f.unread[e.Ref], e.Source)
	}
}

// known tells whether all that is said of an entity can be read. The caller is inside read.
func (f *Feed) known(ref roster.Ref) bool { return len(f.unread[ref]) == 0 }

// contained tells whether an entity is a contained person. The caller is inside read.
func (f *Feed) contained(ref roster.Ref) bool {
	return ref.Kind == roster.KindPerson && f.roster.Contained(ref.Key)
}

// noteDecision remembers whether a person approved the last change of an entity, which nothing that a target tells of it
// takes back, and where the log has what targets tell.
func (f *Feed) noteDecision(approvals map[roster.Ref]Cause, overlays map[overlayOf]uint64, e roster.Event) {
	if e.Record.Overlay {
		overlays[overlayOf{e.Source, e.Ref}] = e.Seq
	}
	if f.made(e.Record) {
		return
	}
	if e.Approved {
		approvals[e.Ref] = causeOf(e)
	} else {
		delete(approvals, e.Ref)
	}
}

// made tells whether a record is what a target has published.
func (f *Feed) made(r *roster.Record) bool {
	return r.Overlay && len(r.Directives) == 0 && !slices.Contains(f.precedence, r.Source)
}

// noteTrace remembers the trace of the run that published an event.
func noteTrace(ctx context.Context, traces map[string]trace.SpanContext, e roster.Event) {
	if _, known := traces[e.Run]; known || e.Trace == "" {
		return
	}
	of := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": e.Trace})
	traces[e.Run] = trace.SpanContextFromContext(of)
}

// traceOf returns the trace of a run; an invalid one when it had none.
func (f *Feed) traceOf(run string) trace.SpanContext {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.traces[run]
}

func causeOf(e roster.Event) Cause { return Cause{Seq: e.Seq, Run: e.Run, When: e.Time} }

// runMark is what the log says of the runs of a source.
type runMark struct {
	open  bool
	ended uint64 // sequence of the mark of the last run that ended
}

// noteMark notes an event that is the mark of a run. The log returns marks in the order of their sequence, also on load.
func noteMark(runs map[roster.Source]runMark, e roster.Event) {
	switch e.Mark {
	case roster.RunOpened, roster.RunBatch:
		runs[e.Source] = runMark{open: true, ended: runs[e.Source].ended}
	case roster.RunEnded:
		runs[e.Source] = runMark{ended: e.Seq}
	}
}

// configured are the marks of the sources that the tenant has: one that was taken out of the document while a run of it
// was open would hold every set back for good. A feed that was told of none knows those that the log knows.
func (f *Feed) configured() (marks []runMark) {
	if len(f.precedence) == 0 {
		return slices.Collect(maps.Values(f.runs))
	}
	for _, s := range f.precedence {
		if m, ok := f.runs[s]; ok {
			marks = append(marks, m)
		}
	}
	return marks
}

// runOpen tells whether a run of the tenant is under way. The caller is inside read.
func (f *Feed) runOpen() bool {
	return slices.ContainsFunc(f.configured(), func(m runMark) bool { return m.open })
}

// unheard tells whether a source of the tenant has never ended a run. The caller is inside read.
func (f *Feed) unheard() bool {
	for _, s := range f.precedence {
		if f.runs[s].ended == 0 {
			return true
		}
	}
	return len(f.runs) == 0 && f.roster.Len() == 0
}

// ranSince tells whether every source of the tenant that the log knows has ended a run after seq. The caller is inside
// read.
func (f *Feed) ranSince(seq uint64) bool {
	marks := f.configured()
	return len(marks) > 0 && !slices.ContainsFunc(marks, func(m runMark) bool { return m.open || m.ended <= seq })
}

// signal tells all who wait that leases or roster changed. The caller holds mu.
func (f *Feed) signal() {
	close(f.change)
	f.change = make(chan struct{})
}

func (f *Feed) subscribe(of roster.Source) *subscriber {
	s := &subscriber{of: of, dirty: map[roster.Ref]struct{}{}, echoes: map[roster.Ref]struct{}{}, ring: make(chan struct{}, 1)}
	f.mu.Lock()
	f.subs[s] = struct{}{}
	f.mu.Unlock()
	return s
}

func (f *Feed) unsubscribe(s *subscriber) {
	f.mu.Lock()
	delete(f.subs, s)
	f.signal()
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

// read runs fn while nothing changes the roster. It reports false when the roster is not loaded.
func (f *Feed) read(fn func(*Feed)) bool {
	f.advance()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.roster == nil {
		return false
	}
	fn(f)
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
