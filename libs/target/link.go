package target

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/rule"
)

// LinkOptions are what a link is made of.
type LinkOptions struct {
	Tenant   string        // for traces
	Target   roster.Source // the target's system and instance
	Made     *Target
	Feed     *Feed
	Log      Log
	Ledger   Ledger
	Owner    Owner // this process
	Logger   *slog.Logger
	Now      func() time.Time
	Tracer   trace.Tracer  // nil for none
	Idle     time.Duration // how long the roster is kept after the last work; default [DefaultIdle]
	Observer Observer      // told of every settlement; may be nil
	Mode     Mode
	// Settings tells the settings of Made, and the secrets that they name, from others: a wait for a sign-in ends where they
	// change. Nil where they cannot.
	Settings func() string
	Holds    guard.Store  // keeps what the guard holds
	Limits   guard.Limits // of the guard
	// Lifecycle says what becomes of what the target holds for a person who leaves.
	Lifecycle Lifecycle
	Filter    *rule.Rule               // for whom the link is; nil for everybody
	Outside   Outside                  // what becomes of what the target holds and the configuration takes out
	Reconcile Reconcile                // how what others did at the target is found
	Protected Protection               // what the target has of a protected person
	Passwords PasswordKeeper           // initial passwords that wait to be handed out; nil for none
	Roles     map[roster.Role]Handling // as the target was opened with
	Random    *rand.Rand               // spreads the waits of links that fail together; nil for none
	// Names are the user names of the tenant, for a target that makes accounts, and NameRules what they are made by.
	Names     NameStore
	NameRules *names.Rules
	Overlays  Overlays // takes what the target knows of personas; nil where nobody is to hear of it
}

// Observer is told what a link did.
type Observer func(Settled)

// DefaultIdle is how long a link stays warm after its last work.
const DefaultIdle = 30 * time.Second

// Settled is what one round of a link came to.
type Settled struct {
	Created, Updated, Disabled, Deleted int
	Moved                               int // to where those lie who have left
	Waiting, Parked, Withheld           int // as they stand now, not only in this round
	Held                                int // as they stand now: what the guard holds
	Orphans                             int // held at the target, but neither record nor tombstone is in the log
	Kinds                               map[string]Delta
	Rows                                []Row           // of a link in preview: all that it would do, and what it would not send; nothing was written
	Names                               map[string]Name // by key, what Rows speak of
	Delivered                           string          // name of the package, when a complete set was delivered
	Adopted                             bool            // what an interrupted round had begun was found done
	Deferred                            string          // why a complete set was not delivered now; empty when nothing waits
	Halted                              *reason.Reason
	Refused                             bool      // with Halted: the target lets us in no more, or is not set up as it must be
	Runs                                []string  // whose changes it carried out, the newest first; some of them where they are many
	Trace                               string    // id of its trace; empty for none
	Problems                            []Problem // what the pre-flight refused
	Cursor                              roster.Position
	WakeAt                              time.Time
	Status                              Status     // with the mode that the link is shown as
	Reconciled                          Reconciled // the last time, in this round or before
	Took                                time.Duration
	PlanTook, RenderTook, DeliverTook   time.Duration

	counted bool // Waiting and those beside it say how things stand
}

// Delta counts what changes in one kind of resource.
type Delta struct{ Created, Updated, Disabled, Moved, Deleted int }

// Operations is how many writes the round made or, for a complete set, how many resources changed.
func (s Settled) Operations() int { return s.Created + s.Updated + s.Disabled + s.Moved + s.Deleted }

// add counts what was done.
func (s *Settled) add(d differences) {
	for kind, delta := range d {
		s.Created, s.Updated = s.Created+delta.Created, s.Updated+delta.Updated
		s.Disabled, s.Moved, s.Deleted = s.Disabled+delta.Disabled, s.Moved+delta.Moved, s.Deleted+delta.Deleted
		s.Kinds[kind] = delta
	}
}

// Link keeps one target of one tenant equal to the roster.
type Link struct {
	o        LinkOptions
	sub      *subscriber
	book     Book
	mark     Mark
	saved    Mark // as the ledger has it
	commands chan command
	retry    backOff // of halts and failed deliveries
	spread   float64 // of the waits of this round
	trail    trail   // of the round
	engine   engine
	guard    *warden
	naming   *naming // while the engine is loaded, where the link gives user names
	own      func(*roster.Record) bool
	// unsettled says that a round ended before all its work was done, so that the next one looks at everything.
	unsettled bool
	halted    bool            // nothing but time or a command makes the link go on
	loaded    bool            // this process has taken over the mark
	barred    bool            // the process before this one was not let in, and this one has not tried
	lostAt    roster.Position // the end of the log when it was found to have lost something
}

// engine is what differs between a target that takes calls and one that takes complete sets.
type engine interface {
	// load reads the ledger into memory, and reads back what was in flight.
	load(ctx context.Context) error
	// verify compares the ledger with what the target holds, and repairs the ledger in memory. With force it believes a list
	// that misses much. An error is the target's, and nothing was repaired for certain.
	verify(ctx context.Context, force bool) error
	// reconcile compares them when that is due, and adds what is to be repaired; see [Reconcile].
	reconcile(ctx context.Context, w *work) error
	// settle makes the target equal to the roster as far as the work goes, and records it.
	settle(ctx context.Context, w work) (Settled, error)
	// due adds what waits for a time that has come.
	due(now time.Time, w *work)
	// unpark makes due what is parked or waits for another try, of some entities or with nil of all.
	unpark(w *work, of map[roster.Ref]struct{})
	// unload forgets what load read.
	unload()
}

// work says what to look at.
type work struct {
	all   bool
	force bool // write even where nothing differs
	done  bool // there is nothing more to do for now
	refs  map[roster.Ref]struct{}
	// broken is why the target could not be read as was asked: the link halts.
	broken error
}

func (w *work) add(ref roster.Ref) {
	if w.refs == nil {
		w.refs = map[roster.Ref]struct{}{}
	}
	w.refs[ref] = struct{}{}
}

func (w *work) empty() bool { return !w.all && !w.force && len(w.refs) == 0 }

// NewLink returns a link that does nothing until Run.
func NewLink(o LinkOptions) *Link {
	if o.Idle == 0 {
		o.Idle = DefaultIdle
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	l := &Link{o: o, commands: make(chan command)}
	l.guard = &warden{link: l}
	if o.Made.Overlay != nil {
		// Of two targets that make one attribute, neither may hold the other to what that has from it: each sees what those
		// before it in the order of sources know, which also wins the merge.
		l.own = func(r *roster.Record) bool { return o.Feed.made(r) && r.Source.Compare(o.Target) >= 0 }
	}
	if o.Made.Applier != nil {
		l.engine = &calls{link: l}
	} else {
		l.engine = &sets{link: l}
	}
	return l
}

// Run owns the link until ctx ends, another process owns it (ErrOwnerLost; ErrOwned where it had it before), or the ledger
// fails. After an error run it again: everything is dirty then, and what was in flight is read back. When ctx ends, what is
// under way is called off, and what came of it recorded.
func (l *Link) Run(ctx context.Context) error {
	if l.o.Mode == ModePaused {
		return l.pause(ctx)
	}
	l.guard.fresh = false
	if err := l.open(ctx); err != nil {
		return err
	}
	l.sub = l.o.Feed.subscribe(l.o.Target)
	defer l.o.Feed.unsubscribe(l.sub)
	pending := &command{} // on start everything is dirty
	for {
		if err := l.warm(ctx, pending); err != nil {
			return fmt.Errorf("link %s: %w", l.o.Target, err)
		}
		c, err := l.cold(ctx)
		if err != nil {
			return err
		}
		pending = c
	}
}

// open takes the ledger over, or only looks at it for a preview, so that an owner elsewhere stays the owner.
func (l *Link) open(ctx context.Context) (err error) {
	if l.o.Mode == ModePreview {
		l.book, err = l.o.Ledger.Look(ctx, l.o.Target)
	} else {
		l.book, err = l.o.Ledger.Own(ctx, l.o.Target, l.o.Owner)
	}
	if err != nil {
		return fmt.Errorf("open the ledger of link %s: %w", l.o.Target, err)
	}
	return nil
}

// cold waits for the doorbell, the mark's time, a decision about what is held, or a command.
func (l *Link) cold(ctx context.Context) (*command, error) {
	wake, stop := l.timer(l.mark.WakeAt)
	defer stop()
	poll, still := l.guard.poll()
	defer still()
	look, blind := l.lookout()
	defer blind()
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.doorbell():
			return nil, nil
		case <-wake:
			l.mark.WakeAt = time.Time{} // the round says when to wake again
			return nil, nil
		case <-look:
			if l.mended() {
				return nil, nil
			}
		case <-poll:
			if l.guard.stirred(ctx) {
				return nil, nil
			}
		case c := <-l.commands:
			return &c, nil
		}
	}
}

// warm loads roster and ledger, settles everything, and stays for what comes until there has been nothing for a while.
func (l *Link) warm(ctx context.Context, c *command) (err error) {
	release, err := l.o.Feed.lease(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer func() { l.answer(c, Settled{}, err) }() // a command that the error below took along
	if err := l.engine.load(ctx); err != nil {
		return fmt.Errorf("load the ledger: %w", err)
	}
	defer l.engine.unload()
	w := work{all: true}
	for {
		if err := l.obey(ctx, c, &w); err != nil {
			return err
		}
		if err := l.engine.reconcile(ctx, &w); err != nil {
			return fmt.Errorf("reconcile: %w", err)
		}
		settled, err := l.round(ctx, w)
		if err != nil {
			return err
		}
		l.answer(c, settled, nil)
		w, c = work{}, nil
		if c, err = l.next(ctx, &w); err != nil {
			return err
		}
		if w.done {
			return l.save(ctx, nil)
		}
	}
}

// next waits for more work while warm; it marks the work as done when there was none for a while.
func (l *Link) next(ctx context.Context, w *work) (*command, error) {
	wake, stop := l.timer(l.mark.WakeAt)
	defer stop()
	idle := time.NewTimer(l.o.Idle)
	defer idle.Stop()
	poll, still := l.guard.poll()
	defer still()
	look, blind := l.lookout()
	defer blind()
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.doorbell():
			return nil, nil
		case <-wake:
			l.mark.WakeAt = time.Time{} // the round says when to wake again
			l.engine.due(l.o.Now(), w)
			return nil, nil
		case <-look:
			if l.mended() {
				w.all = true
				return nil, nil
			}
		case <-poll:
			if l.guard.stirred(ctx) {
				w.all = true
				return nil, nil
			}
		case c := <-l.commands:
			return &c, nil
		case <-idle.C:
			w.done = true
			return nil, nil
		}
	}
}

// doorbell returns the channel that rings when the log has something new. A halted link does not listen: what it missed
// it finds when it probes.
func (l *Link) doorbell() <-chan struct{} {
	if l.halted {
		return nil
	}
	return l.sub.ring
}

func (l *Link) round(ctx context.Context, w work) (Settled, error) {
	begun := l.o.Now()
	l.trace(begun)
	s, locked := l.lockedOut()
	var err error
	if !locked {
		s, err = l.engine.settle(ctx, w)
	}
	s.Cursor = l.mark.Cursor
	l.trail.end(&s, err)
	if err != nil {
		return s, err
	}
	l.halted = s.Halted != nil && s.Halted.Code != reason.LogRegressed
	if err := l.note(ctx, &s); err != nil {
		return s, err
	}
	if len(s.Rows) > 0 {
		s.Names = l.names(s.Rows)
	}
	s.Took, s.WakeAt, s.Reconciled = l.o.Now().Sub(begun), l.mark.WakeAt, l.mark.Reconciled
	if l.o.Observer != nil {
		l.o.Observer(s)
	}
	return s, nil
}

// lockedOut tells that the target refused to let the process before this one in, and that it is not time to try again: who
// tries at every start locks the account (F48). A command of a person does not wait.
func (l *Link) lockedOut() (s Settled, yes bool) {
	l.barred = l.barred && l.mark.WakeAt.After(l.o.Now())
	if !l.barred {
		return s, false
	}
	l.unsettled = true
	return Settled{Kinds: map[string]Delta{}, Halted: l.mark.Status.Reason, Refused: true}, true
}

// lookoutEvery is how often a link that was not let in looks whether its settings or secrets are others.
const lookoutEvery = time.Minute

// lookout returns a channel that fires when it is time to look whether a refused sign-in was mended; nil for a link that
// waits for none.
func (l *Link) lookout() (<-chan time.Time, func()) {
	if l.mark.Status.Mode != ModeHalted || !isSignIn(l.mark.Status.Reason.Code) {
		return nil, func() {}
	}
	tick := time.NewTicker(lookoutEvery)
	return tick.C, tick.Stop
}

// mended tells whether settings or secrets are others than those with which a sign-in was refused. Then it is tried at once.
func (l *Link) mended() bool {
	if l.settings() == l.mark.Status.Settings {
		return false
	}
	l.barred, l.mark.WakeAt = false, time.Time{}
	l.retry.reset()
	return true
}

func (l *Link) settings() string {
	if l.o.Settings == nil {
		return ""
	}
	return l.o.Settings()
}

// isSignIn tells whether a reason is that of a sign-in that was refused.
func isSignIn(code reason.Code) bool {
	switch code {
	case reason.WrongCredentials, reason.AccountLocked, reason.AccountDisabled, reason.AccountExpired, reason.PasswordExpired, reason.SignInRestricted:
		return true
	}
	return false
}

// note has the ledger say how the link is, where that has changed.
func (l *Link) note(ctx context.Context, s *Settled) error {
	was := l.mark.Status
	is := Status{Mode: ModeActive, Since: l.o.Now(), Waiting: was.Waiting, Parked: was.Parked, Withheld: was.Withheld, Held: l.guard.holding(), Orphans: was.Orphans}
	if s.counted {
		is.Waiting, is.Parked, is.Withheld, is.Orphans = s.Waiting, s.Parked, s.Withheld, s.Orphans
	}
	switch {
	case s.Halted != nil:
		is.Mode, is.Reason, is.Settings = ModeHalted, s.Halted, l.settings()
	case is.Held > 0:
		why := reason.New(reason.LinkHolds, "count", is.Held, "digest", l.guard.kept.Hold.Digest)
		is.Mode, is.Reason = ModeHeld, &why
	}
	if is.Mode == was.Mode {
		is.Since = was.Since
	}
	if equalReason(is.Reason, was.Reason) {
		is.Reason = was.Reason
	}
	if s.Status = is; l.o.Mode != ModePreview {
		s.Held = is.Held
	}
	s.Status.Mode = is.Shown(cmp.Or(l.o.Mode, ModeActive))
	if is == was || l.o.Mode == ModePreview {
		return nil
	}
	l.mark.Status = is
	return l.save(ctx, nil)
}

// take returns what is dirty, and the position that the roster is equal to with it. It is not ready when the roster is
// not loaded, which the next ring mends, or when s is halted because the log has lost something.
func (l *Link) take(w work, s *Settled) (taken work, pos roster.Position, ready bool) {
	l.o.Feed.read(func(f *Feed) {
		if l.lost(f) {
			why := reason.New(reason.LogRegressed, "seen", l.mark.Cursor.Seq, "end", f.pos.Seq)
			s.Halted = &why
			return
		}
		pos, ready = l.gather(f, &w), true
	})
	if !ready && s.Halted == nil {
		l.unsettled, s.Deferred = true, notLoaded
	}
	return w, pos, ready
}

// gather adds what is dirty now to w, and returns the position that the roster is equal to with it. The caller is inside
// read.
func (l *Link) gather(f *Feed, w *work) roster.Position {
	w.all = w.all || l.sub.all || l.unsettled
	for ref := range l.sub.dirty {
		w.add(ref)
	}
	l.sub.all, l.unsettled = false, false
	clear(l.sub.dirty)
	return f.pos
}

// lost tells whether the log is another one, or ends before what this link has settled: it may then not know of people
// who exist, or know of people who are gone. It is believed again once every source of it has ended a run since.
func (l *Link) lost(f *Feed) bool {
	if !l.mark.Cursor.Regressed(f.pos) {
		l.lostAt = roster.Position{}
		return false
	}
	if !l.mark.Cursor.Log.Equal(f.pos.Log) {
		return !f.ranSince(0) // in another log every run is one since
	}
	if l.lostAt.Regressed(f.pos) || l.lostAt.IsZero() {
		l.lostAt = f.pos
	}
	return !f.ranSince(l.lostAt.Seq)
}

// save records entries and the mark, if there is anything that the ledger does not have.
func (l *Link) save(ctx context.Context, entries []Entry) error {
	if l.o.Mode == ModePreview || len(entries) == 0 && l.mark == l.saved {
		return nil
	}
	if err := l.book.Save(ctx, entries, l.mark); err != nil {
		return fmt.Errorf("save the ledger: %w", err)
	}
	l.saved = l.mark
	return nil
}

// load takes over the mark that the ledger has. A process goes on with the waits of the one before it, unless its settings
// are others: who changed them may have mended what was wrong.
func (l *Link) load(m Mark) {
	l.mark, l.saved = m, m
	if l.loaded {
		return
	}
	l.loaded = true
	if was := m.Status; was.Mode == ModeHalted && was.Reason != nil && was.Settings == l.settings() {
		refused := isSignIn(was.Reason.Code)
		l.barred = refused && l.o.Mode != ModePreview // which a person asked for
		l.retry.attempts = attemptsIn(m.WakeAt.Sub(was.Since), firstWait(refused))
	}
}

// finishing is how long recording what was done may take after the link was told to stop.
const finishing = 5 * time.Second

// finish returns a context to record what was done, which a stop does not end at once.
func finish(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), finishing)
}

// notLoaded says that a round could not look at the roster; the next one looks at everything.
const notLoaded = "the roster is being loaded"

// timer returns a channel that fires at t; a zero time never fires.
func (l *Link) timer(t time.Time) (<-chan time.Time, func()) {
	if t.IsZero() {
		return nil, func() {}
	}
	timer := time.NewTimer(t.Sub(l.o.Now()))
	return timer.C, func() { timer.Stop() }
}

// earlier returns the earlier of two times, of which a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
