package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"eventful.se/ess/libs/tenant"
)

// fleet runs the tenants of the documents as they are now. Each has a goroutine of its own, so that one which takes long to
// stop, or cannot start, delays no other (rule R7).
type fleet struct {
	open   func(ctx context.Context, next, now *wanted) (*Tenant, error) // now is what runs of the tenant; nil for nothing
	run    func(context.Context, *Tenant, *wanted) error                 // until the context ends; before that only with an error
	logger *slog.Logger
	advice string // what to do where there is no tenant

	mu     sync.Mutex
	known  bool              // set was called with documents
	unread error             // why the documents cannot be told now
	bad    map[string]string // by tenant: why its document cannot be used
	other  []string          // why documents cannot be used of which no tenant can be told
	berths map[string]*berth
	wg     sync.WaitGroup
}

func newFleet(logger *slog.Logger, advice string) *fleet {
	return &fleet{logger: logger, advice: advice, bad: map[string]string{}, berths: map[string]*berth{}}
}

// set says which documents there are now. A tenant starts, stops or starts anew only where its own document is another. One
// whose document cannot be used goes on with the one before; one without a document stops, and nothing is removed for it.
// With an error nobody can tell what there is, and everything goes on. ctx is that of all tenants.
func (f *fleet) set(ctx context.Context, list []wanted, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.unread == nil || f.unread.Error() != err.Error() {
			f.logger.ErrorContext(ctx, "the documents cannot be read now; what runs goes on", "error", err)
		}
		f.unread = err
		return
	}
	f.known, f.unread = true, nil
	bad, usable := map[string]string{}, map[string]*wanted{}
	var other []string
	for _, w := range list {
		switch {
		case w.err == nil:
			usable[w.tenant] = &w
			continue
		case w.tenant == "":
			other = append(other, w.err.Error())
		default:
			bad[w.tenant] = w.err.Error()
		}
		if f.bad[w.tenant] != w.err.Error() && !slices.Contains(f.other, w.err.Error()) {
			f.logger.ErrorContext(ctx, "a document cannot be used; what runs of the tenant goes on as it is", "tenant", w.tenant, "error", w.err)
		}
	}
	f.bad, f.other = bad, other
	for name, w := range usable {
		if f.berths[name] == nil {
			f.take(ctx, name)
		}
		f.berths[name].wants(w)
	}
	for name, b := range f.berths {
		if usable[name] == nil && bad[name] == "" {
			b.wants(nil)
		}
	}
}

// take gives a tenant its place; mu is held.
func (f *fleet) take(ctx context.Context, name string) {
	b := &berth{fleet: f, name: name, changed: make(chan struct{}, 1)}
	f.berths[name] = b
	f.wg.Go(func() { b.keep(ctx) })
}

// wait returns when every tenant has stopped, after ctx has ended and set is called no more.
func (f *fleet) wait() { f.wg.Wait() }

// documents returns those by which tenants run now.
func (f *fleet) documents() (docs []*tenant.Document) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.berths {
		if b.runs != nil {
			docs = append(docs, b.runs.doc)
		}
	}
	return docs
}

// trouble says what keeps a tenant from running as its document says now; empty for nothing.
func (f *fleet) trouble(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if b := f.berths[name]; b != nil && b.trouble != nil {
		return b.trouble.Error()
	}
	return f.bad[name]
}

// ready says why not all tenants run as their documents say; nil when they do.
func (f *fleet) ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.unread != nil:
		return fmt.Errorf("the documents of the tenants cannot be read now: %w", f.unread)
	case !f.known:
		return errors.New("the documents of the tenants are not read yet")
	}
	var left, behind []string
	starting := 0
	for name, b := range f.berths {
		switch troubled := b.trouble != nil || f.bad[name] != ""; {
		case troubled && b.runs != nil:
			behind = append(behind, "tenant "+name)
		case troubled:
			left = append(left, "tenant "+name)
		case !b.ran:
			starting++
		}
	}
	for name := range f.bad {
		if f.berths[name] == nil {
			left = append(left, "tenant "+name)
		}
	}
	slices.Sort(left)
	slices.Sort(behind)
	if n := len(f.other); n > 0 {
		left = append(left, fmt.Sprintf("%d documents of which no tenant can be told", n))
	}
	var errs []error
	if len(left) > 0 {
		errs = append(errs, fmt.Errorf("left out, for the reason in the log: %s", strings.Join(left, ", ")))
	}
	if len(behind) > 0 {
		errs = append(errs, fmt.Errorf("not run as the newest document says, for the reason in the log: %s", strings.Join(behind, ", ")))
	}
	switch {
	case len(f.berths) == 0:
		errs = append(errs, errors.New("there is no tenant to run: "+f.advice))
	case starting > 0:
		errs = append(errs, fmt.Errorf("%d tenants are starting", starting))
	}
	return errors.Join(errs...)
}

// berth is the place of one tenant in the fleet.
type berth struct {
	fleet   *fleet
	name    string
	changed chan struct{} // holds one token while there is something new

	// Guarded by the fleet's mu.
	want    *wanted // nil to stop
	runs    *wanted // nil for nothing
	ran     bool    // it has run
	trouble error   // why want does not run
}

// wants says what is to run; the fleet's mu is held.
func (b *berth) wants(w *wanted) {
	b.want = w
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// crew is a tenant that runs.
type crew struct {
	wanted *wanted
	stop   context.CancelFunc
	ended  chan struct{} // closed when it has stopped
	err    error         // why, once ended is closed
}

// keep brings what runs to what is wanted, until that is nothing or ctx ends.
func (b *berth) keep(ctx context.Context) {
	logger := b.fleet.logger.With("tenant", b.name)
	var now *crew
	defer func() { b.stop(now) }()
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 30 * time.Second
	var again <-chan time.Time
	for due := true; ; {
		want := b.wanted()
		if want == nil {
			if now != nil {
				logger.InfoContext(ctx, "the tenant has no document any more: it stops, and nothing is removed")
				b.stop(now)
				now = nil
			}
			if b.leave() {
				return
			}
			continue
		}
		if due && (now == nil || now.wanted.digest != want.digest) {
			next, err := b.launch(ctx, want, now)
			if err == nil {
				now, again = next, nil
			} else {
				again = time.After(wait.NextBackOff())
			}
			b.says(ctx, logger, err)
		} else if due {
			b.clear()
		}
		var ended chan struct{}
		if now != nil {
			ended = now.ended
		}
		select {
		case <-ctx.Done():
			return
		case <-b.changed:
			due = true
			wait.Reset()
		case <-again:
			due = true
		case <-ended:
			if ctx.Err() != nil {
				return
			}
			b.runsNow(nil)
			b.says(ctx, logger, fmt.Errorf("it stopped: %w", now.err))
			now, due, again = nil, false, time.After(wait.NextBackOff())
		}
	}
}

// launch opens a tenant, stops what runs of it, and runs it. What runs goes on when the new one cannot be opened.
func (b *berth) launch(ctx context.Context, want *wanted, now *crew) (*crew, error) {
	var before *wanted
	if now != nil {
		before = now.wanted
	}
	t, err := b.fleet.open(ctx, want, before)
	if err != nil {
		return nil, err
	}
	b.stop(now)
	running, stop := context.WithCancel(ctx)
	c := &crew{wanted: want, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.err = b.fleet.run(running, t, want)
	}()
	b.runsNow(want)
	return c, nil
}

// stop stops what runs, and waits until it has.
func (b *berth) stop(now *crew) {
	if now == nil {
		return
	}
	now.stop()
	<-now.ended
	b.runsNow(nil)
}

// wanted returns what is to run; nil for nothing.
func (b *berth) wanted() *wanted {
	b.fleet.mu.Lock()
	defer b.fleet.mu.Unlock()
	return b.want
}

// leave gives the place up, unless something is to run again.
func (b *berth) leave() bool {
	b.fleet.mu.Lock()
	defer b.fleet.mu.Unlock()
	if b.want != nil {
		return false
	}
	delete(b.fleet.berths, b.name)
	return true
}

func (b *berth) runsNow(w *wanted) {
	b.fleet.mu.Lock()
	defer b.fleet.mu.Unlock()
	b.runs, b.ran = w, b.ran || w != nil
}

// clear forgets what was in the tenant's way: what runs is what is wanted again.
func (b *berth) clear() {
	b.fleet.mu.Lock()
	defer b.fleet.mu.Unlock()
	b.trouble = nil
}

// says keeps what is in the tenant's way, and logs it when it is another than before.
func (b *berth) says(ctx context.Context, logger *slog.Logger, err error) {
	b.fleet.mu.Lock()
	before := b.trouble
	b.trouble = err
	b.fleet.mu.Unlock()
	switch {
	case err == nil:
		logger.InfoContext(ctx, "the tenant runs")
	case ctx.Err() == nil && (before == nil || before.Error() != err.Error()):
		logger.ErrorContext(ctx, "the tenant cannot be run as its document says; it is tried again", "error", err)
	}
}
