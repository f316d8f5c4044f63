package service

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

// Controls hears what operators ask of the readers and links of this process. Whoever owns a reader or link attends to it:
// runs it while it is not paused, and does what is asked of it. An ask that its owner left behind, the next owner does.
type Controls struct {
	control *store.Control
	ensure  func(ctx context.Context, replicas int) error
	worker  string
	logger  *slog.Logger
	now     func() time.Time

	known  chan struct{} // closed when all that was asked before is known
	once   sync.Once
	mu     sync.Mutex
	places map[store.Place]*tray
}

// NewControls returns what hears what is asked, once Run runs. worker names this process in answers.
func NewControls(st *store.Store, worker string, logger *slog.Logger, now func() time.Time) *Controls {
	return &Controls{
		control: st.Control(), ensure: st.EnsureControl, worker: worker, logger: logger, now: now,
		known: make(chan struct{}), places: map[store.Place]*tray{},
	}
}

// tray is what lies at a place.
type tray struct {
	standing store.Ask            // whether it is paused
	open     map[string]store.Ask // by id
	own      map[string]store.Ask // those that a reader keeps for itself, by id, whatever became of them
	ring     chan struct{}        // holds one token while there is something new
}

// program returns whose asks a process with these connectors hears; all for one with several.
func program(sources []source.Connector, targets []target.Connector) string {
	switch {
	case len(sources) == 1 && len(targets) == 0:
		return store.SourcePlace("", roster.Source{System: sources[0].System}).Program
	case len(sources) == 0 && len(targets) == 1:
		return store.LinkPlace("", roster.Source{System: targets[0].System}).Program
	default:
		return ""
	}
}

// Run hears what is asked of a program, or with none named of all of them, and of a tenant, or with none named of all, until
// ctx ends. With keep it makes the stream of
// what is asked where there is none. Nothing is attended to before it knows what is paused; without the stream nothing is,
// for nobody can have asked.
func (c *Controls) Run(ctx context.Context, program, tenant string, keep bool) {
	if keep {
		if err := c.ensure(ctx, 1); err != nil {
			c.logger.WarnContext(ctx, "nobody can ask anything of this program yet", "error", err)
		}
	}
	if err := c.reach(ctx); reason.Of(err).Code == reason.LogMissing {
		c.logger.WarnContext(ctx, "nobody can ask anything of this program: essctl tenants apply, ess init and ess run make the stream", "error", err)
		c.knows()
	}
	if err := c.control.Follow(ctx, program, tenant, c.hear, c.knows); ctx.Err() == nil {
		c.logger.ErrorContext(ctx, "nothing that is asked is heard any more", "error", err)
	}
}

// reach tries until it is known whether the stream of what is asked is there.
func (c *Controls) reach(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 5 * time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := c.control.Reach(ctx) // a program may not read what others are asked
		if reason.Of(err).Code == reason.LogMissing {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		c.logger.WarnContext(ctx, "it is not known yet what is paused, and nothing is done before it is", "error", err)
	}))
	return err
}

func (c *Controls) knows() { c.once.Do(func() { close(c.known) }) }

// hear puts an ask into the tray of its place, in place of an older state of it.
func (c *Controls) hear(a store.Ask) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tray(a.Place)
	if (a.ID == store.HintAsk || a.ID == store.SubscriptionAsk || a.ID == store.SiteAsk) && !t.own[a.ID].After(a) {
		t.own[a.ID] = a
	}
	switch before, lies := t.open[a.ID]; {
	case a.Standing():
		if a.After(t.standing) {
			t.standing = a
		}
	case lies && before.After(a):
	case a.Open():
		t.open[a.ID] = a
	default:
		delete(t.open, a.ID)
	}
	select {
	case t.ring <- struct{}{}:
	default:
	}
}

// tray returns the tray of a place; mu is held.
func (c *Controls) tray(p store.Place) *tray {
	t := c.places[p]
	if t == nil {
		t = &tray{open: map[string]store.Ask{}, own: map[string]store.Ask{}, ring: make(chan struct{}, 1)}
		c.places[p] = t
	}
	return t
}

// look returns whether a place is paused, and what was asked of it first and is not done.
func (c *Controls) look(p store.Place) (standing store.Ask, next *store.Ask, ring <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tray(p)
	if open := slices.SortedFunc(maps.Values(t.open), func(a, b store.Ask) int { return a.Asked.Compare(b.Asked) }); len(open) > 0 {
		next = &open[0]
	}
	return t.standing, next, t.ring
}

// own returns an ask that a reader keeps for itself, as it was heard of last, and whether the reader is paused.
func (c *Controls) own(p store.Place, id string) (a store.Ask, paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tray(p)
	if a = t.own[id]; a.ID == "" {
		a = store.Ask{Place: p, ID: id}
	}
	return a, t.standing.Pauses()
}

// keep keeps an ask of a reader for itself in place of the one before. That may have been swept.
func (c *Controls) keep(ctx context.Context, before store.Ask, a store.Ask) error {
	kept, err := c.control.Put(ctx, before.With(a))
	if errors.Is(err, store.ErrAskChanged) {
		kept, err = c.control.Put(ctx, a)
	}
	if err == nil {
		c.hear(kept)
	}
	return err
}

// answerGrace is how long an answer may take to be kept when it comes as its owner stops.
const answerGrace = 3 * time.Second

// answer is what became of an ask.
type answer struct {
	err    error // why it failed
	text   string
	counts map[string]int
	detail any  // becomes JSON; nil for nothing
	again  bool // it is not done yet: it is to be done again, soon
}

// doer does what is asked; ctx ends when the place is paused, or no longer this process's.
type doer func(ctx context.Context, a store.Ask, paused bool) answer

// attend runs the work of a place while it is not paused, and beside it does what is asked of the place, until ctx ends or
// the work does, whose error it returns. Of what was asked one is done at a time, in the order in which it was asked.
func (c *Controls) attend(ctx context.Context, p store.Place, run func(context.Context) error, do doer) error {
	if c == nil {
		return run(ctx)
	}
	select {
	case <-c.known:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		standing, _, _ := c.look(p)
		work := run
		if standing.Pauses() {
			work = func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
			c.logger.InfoContext(ctx, "paused by an operator", "place", p.Ref().String(), "tenant", p.Tenant, "by", standing.By, "since", standing.Asked)
		}
		if err := c.phase(ctx, standing, p, work, do); !errors.Is(err, errTurned) || ctx.Err() != nil {
			return err
		}
	}
}

// errTurned says that a place was paused or resumed.
var errTurned = errors.New("an operator paused or resumed it")

// phase attends to a place until it is paused or resumed, which is errTurned.
func (c *Controls) phase(ctx context.Context, standing store.Ask, p store.Place, run func(context.Context) error, do doer) error {
	phase, end := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() { ended <- run(phase) }()
	err := c.serve(phase, standing, p, ended, do)
	end(err)
	if errors.Is(err, errTurned) || ctx.Err() != nil {
		if last := <-ended; ctx.Err() != nil {
			return last
		}
	}
	return err
}

// serve does what is asked until the work ends, whose error it returns, or the place is paused or resumed.
func (c *Controls) serve(ctx context.Context, standing store.Ask, p store.Place, ended chan error, do doer) error {
	ctx, stop := context.WithCancel(ctx)
	busy := make(chan struct{}, 1)
	var under sync.WaitGroup
	defer under.Wait()
	defer stop()
	under.Go(func() { c.acted(ctx, standing) })
	for working := false; ; {
		now, next, ring := c.look(p)
		if now.Pauses() != standing.Pauses() {
			return errTurned
		}
		if now.Open() && now.After(standing) { // it was asked again
			under.Go(func() { c.acted(ctx, now) })
			standing = now
		}
		if next != nil && !working {
			working = true
			under.Go(func() {
				c.obey(ctx, *next, standing.Pauses(), do)
				busy <- struct{}{}
			})
		}
		select {
		case err := <-ended:
			ended <- err // the caller waits for it too
			return err
		case <-busy:
			working = false
		case <-ring:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// acted answers that a place is paused, or goes on.
func (c *Controls) acted(ctx context.Context, standing store.Ask) {
	if !standing.Open() {
		return
	}
	standing.State, standing.Worker, standing.Begun, standing.Ended = store.AskDone, c.worker, c.now(), c.now()
	standing.Text = "it goes on"
	if standing.Pauses() {
		standing.Text = "it does nothing until it is resumed"
	}
	c.put(ctx, standing)
}

// obey does one ask, as often as it takes, and answers it. Without an answer it lies there for the next who attends.
func (c *Controls) obey(ctx context.Context, a store.Ask, paused bool, do doer) {
	a.State, a.Worker, a.Begun = store.AskWorking, c.worker, c.now()
	a, ok := c.put(ctx, a)
	if !ok {
		return
	}
	logger := c.logger.With("tenant", a.Tenant, "place", a.Ref().String(), "ask", a.ID, "verb", a.Verb)
	logger.InfoContext(ctx, "an operator asks", "by", a.By)
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 250*time.Millisecond, 15*time.Second
	for {
		got := do(ctx, a, paused)
		if ctx.Err() != nil && (got.err != nil || got.again) {
			return
		}
		before := a
		a.Text, a.Counts, a.Reason, a.Detail = got.text, got.counts, nil, detail(got.detail)
		if got.err != nil {
			why := reason.Of(got.err)
			if a.Reason = &why; why.Code == reason.Unexpected {
				a.Reason, a.Text = nil, got.err.Error()
			}
		}
		if a.State = store.AskWorking; !got.again {
			a.Ended, a.State = c.now(), store.AskDone
			if got.err != nil {
				a.State = store.AskFailed
			}
		}
		if told := a.Text != before.Text || codeOf(a.Reason) != codeOf(before.Reason); got.again && told {
			if a, ok = c.put(ctx, a); !ok {
				return
			}
		}
		if !got.again {
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerGrace)
			defer cancel()
			if _, ok = c.put(grace, a); !ok {
				return
			}
			logger.InfoContext(ctx, "what an operator asked is answered", "state", a.State, "reason", codeOf(a.Reason))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait.NextBackOff()):
		}
		if !c.lies(a) {
			return // it was called off
		}
	}
}

// lies tells whether an ask is still to be done.
func (c *Controls) lies(a store.Ask) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.tray(a.Place).open[a.ID]
	return ok
}

// put keeps an ask, however long NATS is away. It reports false when ctx ended, or somebody else put another in its place.
func (c *Controls) put(ctx context.Context, a store.Ask) (store.Ask, bool) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 5 * time.Second
	kept, err := backoff.Retry(ctx, func() (store.Ask, error) {
		kept, err := c.control.Put(ctx, a)
		if errors.Is(err, store.ErrAskChanged) {
			err = backoff.Permanent(err)
		}
		return kept, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		c.logger.WarnContext(ctx, "an answer cannot be kept yet; it is tried again", "ask", a.ID, "error", err)
	}))
	if err != nil {
		return a, false
	}
	c.hear(kept)
	return kept, true
}

func codeOf(r *reason.Reason) reason.Code {
	if r == nil {
		return ""
	}
	return r.Code
}

// errPausedNow refuses what a paused place does not do.
var errPausedNow = errors.New("it is paused: resume it, and ask again")

// errUnknownVerb refuses what only a newer program knows.
var errUnknownVerb = errors.New("the program that serves this is older than who asks, and does not know how: update it")

// doSource returns who does what is asked of a reader.
func (t *Tenant) doSource(r *source.Reader) doer {
	return func(ctx context.Context, a store.Ask, paused bool) answer {
		switch {
		case a.Verb == store.VerbCheck:
			return checked(ctx, t.checksLine(r.Check))
		case paused:
			return answer{err: errPausedNow}
		case a.Verb == store.VerbRead:
			return toldRun(t.Scheduler.Now(ctx, r.Name.String()))
		default:
			return answer{err: errUnknownVerb}
		}
	}
}

// doLink returns who does what is asked of a link.
func (t *Tenant) doLink(l *target.Link) doer {
	return func(ctx context.Context, a store.Ask, paused bool) answer {
		switch {
		case a.Verb == store.VerbCheck:
			return checked(ctx, l.Check)
		case paused:
			return answer{err: errPausedNow}
		case a.Verb == store.VerbReplay:
			return toldSettled(l.Replay(ctx, a.Since))
		case a.Verb == store.VerbResync:
			return toldSettled(l.Resync(ctx, a.Verify, a.Force))
		case a.Verb == store.VerbSync:
			return toldSettled(l.Sync(ctx, a.Refs...))
		case a.Verb == store.VerbRetry:
			return toldSettled(l.Retry(ctx))
		case a.Verb == store.VerbPasswords:
			return toldReset(l.ResetPasswords(ctx, a.Refs...))
		default:
			return answer{err: errUnknownVerb}
		}
	}
}
