package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Follow reads every message after from, in order, until ctx ends or each returns an error. A lost connection, a lost
// consumer or a gap makes it read on behind the last message that each took, so none is skipped and none comes twice.
// It ends with [reason.LogRegressed] when the log is another one than from was taken of, or shorter, and with
// [reason.LogMissing] when it is gone.
func (l *Log) Follow(ctx context.Context, from roster.Position, headersOnly bool, each func(roster.Event) error) error {
	f := &follower{l: l, headers: headersOnly, each: each}
	f.at.Store(from.Seq)
	retry := newRetry()
	for {
		before := f.at.Load()
		from.Seq = before
		end, err := l.End(ctx)
		if err == nil {
			if from.Regressed(end) {
				return reason.Errorf(reason.Misconfigured, nil, reason.LogRegressed, "seen", from.Seq, "end", end.Seq)
			}
			from.Log = end.Log
			err = f.read(ctx)
		}
		switch {
		case f.failed != nil:
			return f.failed
		case ctx.Err() != nil:
			return ctx.Err()
		case reason.FaultOf(err) == reason.Misconfigured:
			return err
		}
		if f.at.Load() != before {
			retry.Reset()
		}
		l.s.count.restarts.Add(1)
		l.s.log.WarnContext(ctx, "follower of the roster log reads on with a new consumer", "tenant", l.tenant, "seq", f.at.Load(), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retry.NextBackOff()):
		}
	}
}

// follower is one call of Follow.
type follower struct {
	l       *Log
	headers bool
	each    func(roster.Event) error
	failed  error         // what each returned
	at      atomic.Uint64 // the last message that each took
	busy    atomic.Bool   // each has a message in hand
}

// read reads on until something ends it; the watchdog ends it when nothing comes although something waits.
func (f *follower) read(ctx context.Context) error {
	ctx, stop := f.l.s.bad.watch(ctx, func(x refusal) bool { return concernsReading(x, f.l.stream) })
	defer stop()
	c, err := f.l.s.newConsumer(ctx, reading{
		stream: f.l.stream, filter: f.l.all(), deliver: jetstream.DeliverByStartSequencePolicy, seq: f.at.Load() + 1, headers: f.headers,
	})
	if err != nil {
		return err
	}
	defer c.remove(ctx)

	ctx, cancel := context.WithCancelCause(ctx)
	var watchdog sync.WaitGroup
	watchdog.Go(func() { f.watch(ctx, c, cancel) })
	defer watchdog.Wait()
	defer cancel(nil)

	err = c.each(ctx, func(d delivery) error {
		f.busy.Store(true)
		err := f.each(event(d, f.headers))
		f.busy.Store(false)
		if f.failed = err; err == nil {
			f.at.Store(d.seq)
		}
		return err
	})
	return endOf(ctx, err, "follow "+f.l.stream, f.l.stream)
}

// watch looks, as long as ctx lasts, whether the follower moves: a caller that does not take its message is told of; a
// consumer that has more and delivers nothing is given up, as is one that is gone or whose log lost its end.
func (f *follower) watch(ctx context.Context, c *consumer, giveUp context.CancelCauseFunc) {
	s := f.l.s
	tick := time.NewTicker(s.watch)
	defer tick.Stop()
	for last := f.at.Load(); ; last = f.at.Load() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if f.at.Load() != last {
			continue
		}
		if f.busy.Load() {
			s.count.stalls.Add(1)
			s.log.WarnContext(ctx, "nobody takes the next message of the roster log", "tenant", f.l.tenant, "seq", last, "for", s.watch)
			continue
		}
		var info *jetstream.ConsumerInfo
		err := s.request(ctx, f.l.stream, "", "look after a reader of "+f.l.stream, func(ctx context.Context) (err error) {
			info, err = c.Info(ctx)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, jetstream.ErrConsumerNotFound) || reason.Of(err).Code == reason.LogMissing:
			giveUp(err)
			return
		case err == nil && info.NumPending > 0 && f.at.Load() == last && !f.busy.Load():
			s.count.stalls.Add(1)
			giveUp(errStall)
			return
		}
		if end, err := f.l.End(ctx); err == nil && end.Seq < last {
			giveUp(errors.New("the log became shorter"))
			return
		}
	}
}
