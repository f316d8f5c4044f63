package store

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
)

// Counts are what went wrong on a connection and was mended, since it was made.
type Counts struct {
	Disconnects uint64 // lost connections
	Refusals    uint64 // missing permissions that the server told of
	AsyncErrors uint64 // other errors that no call was waiting for
	Restarts    uint64 // followers that read on with a new consumer
	Stalls      uint64 // followers that were behind and got nothing, or that nobody pulled
}

type counters struct{ disconnects, refusals, asyncErrors, restarts, stalls atomic.Uint64 }

// Counts returns the counts; for metrics.
func (s *Store) Counts() Counts {
	c := &s.count
	return Counts{c.disconnects.Load(), c.refusals.Load(), c.asyncErrors.Load(), c.restarts.Load(), c.stalls.Load()}
}

// refusal is a permission that a server found missing. It tells so apart from the call, which gets no answer at all.
type refusal struct {
	operation string // publish, subscription
	subject   string
	at        time.Time
}

func (r refusal) err(cause error) error {
	return reason.Errorf(reason.Misconfigured, cause, reason.LogRefused, "operation", r.operation, "subject", r.subject)
}

// refusals remembers the newest refusal, and wakes the calls that wait for an answer that will not come.
type refusals struct {
	mu      sync.Mutex
	last    refusal
	waiting map[*waiter]struct{}
}

type waiter struct {
	concerns func(refusal) bool
	stop     context.CancelCauseFunc
}

func (r *refusals) add(x refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = x
	for w := range r.waiting {
		if w.concerns(x) {
			w.stop(x.err(nil))
		}
	}
}

// since returns the newest refusal, if there was one after t.
func (r *refusals) since(t time.Time) (refusal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.last.at.After(t)
}

// watch returns a context that ends with the refusal as its cause, as soon as one concerns the caller.
func (r *refusals) watch(ctx context.Context, concerns func(refusal) bool) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	w := &waiter{concerns, stop}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = make(map[*waiter]struct{})
	}
	r.waiting[w] = struct{}{}
	return ctx, func() {
		r.mu.Lock()
		delete(r.waiting, w)
		r.mu.Unlock()
		stop(nil)
	}
}

// refused is how nats-server words a missing permission, in lower case by nats.go or not.
var refused = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

func (s *Store) asyncError(_ *nats.Conn, _ *nats.Subscription, err error) {
	m := refused.FindStringSubmatch(err.Error())
	if m == nil {
		s.count.asyncErrors.Add(1)
		s.log.Warn("NATS reports an error", "error", err)
		return
	}
	s.count.refusals.Add(1)
	s.log.Error("NATS refuses a permission", "operation", strings.ToLower(m[1]), "subject", m[2])
	s.bad.add(refusal{strings.ToLower(m[1]), m[2], s.now()})
}

// request runs op, one question to NATS about a stream, within the store's time. It fails at once when the server
// refuses a permission that op needs: to publish on subject, to ask JetStream about the stream, or to hear the answer.
func (s *Store) request(ctx context.Context, stream, subject, what string, op func(context.Context) error) error {
	ctx, stop := s.bad.watch(ctx, func(r refusal) bool {
		return r.subject == subject || concernsReading(r, stream)
	})
	defer stop()
	timed, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := op(timed)
	if err == nil {
		return nil
	}
	var r *reason.Error
	if cause := context.Cause(ctx); cause != nil && errors.As(cause, &r) {
		return r
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.line != nil && (errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)) {
		return s.line.silent(what, err)
	}
	return wrapped(err, stream, what)
}

// concernsReading tells whether a refusal leaves a question to JetStream about the stream without an answer.
func concernsReading(r refusal, stream string) bool {
	return r.operation == "subscription" ||
		strings.HasPrefix(r.subject, "$JS.") && strings.Contains(r.subject+".", "."+stream+".")
}
