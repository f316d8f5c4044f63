package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// command is what a link is told to do beside what it hears of the log.
type command struct {
	verify, force, retry bool
	since                time.Time
	refs                 []roster.Ref
	reset                *Reset // new passwords for accounts of refs
	reply                chan reply
}

type reply struct {
	settled Settled
	err     error
}

// Resync plans everything against the ledger. With verify the target is read back first and the ledger repaired; with
// force it writes even where nothing differs, for a target that cannot be read. A list that misses much of what the ledger
// says is held is believed once the target says of each of it that it is gone. One that cannot be asked so is refused with
// [reason.ListShort], and believed with both. A target that does not answer halts the link; then ask again.
func (l *Link) Resync(ctx context.Context, verify, force bool) (Settled, error) {
	return l.ask(ctx, command{verify: verify, force: force})
}

// Replay plans what changed at or after since.
func (l *Link) Replay(ctx context.Context, since time.Time) (Settled, error) {
	return l.ask(ctx, command{since: since})
}

// Sync plans the named entities now, what is parked of them too; of an organisation also those that are below it and all
// who belong to it.
func (l *Link) Sync(ctx context.Context, refs ...roster.Ref) (Settled, error) {
	return l.ask(ctx, command{refs: refs})
}

// Retry plans what is parked or waits for another try, as if it had never been refused.
func (l *Link) Retry(ctx context.Context) (Settled, error) {
	return l.ask(ctx, command{retry: true})
}

// Check tells step by step whether the target could be written to, whether the link runs or not. It fails with
// [errors.ErrUnsupported] where the target cannot tell.
func (l *Link) Check(ctx context.Context, step func(name, detail string, err error)) error {
	c, ok := l.o.Made.Applier.(Checker)
	if !ok {
		c, ok = l.o.Made.Deliverer.(Checker)
	}
	if !ok {
		return fmt.Errorf("target %s cannot check itself: %w", l.o.Target, errors.ErrUnsupported)
	}
	return c.Check(ctx, step)
}

func (l *Link) ask(ctx context.Context, c command) (Settled, error) {
	c.reply = make(chan reply, 1)
	select {
	case l.commands <- c:
	case <-ctx.Done():
		return Settled{}, context.Cause(ctx)
	}
	select {
	case r := <-c.reply:
		return r.settled, r.err
	case <-ctx.Done():
		return Settled{}, context.Cause(ctx)
	}
}

func (l *Link) answer(c *command, s Settled, err error) {
	if c != nil && c.reply != nil {
		c.reply <- reply{s, err}
		c.reply = nil
	}
}

// obey turns a command into work.
func (l *Link) obey(ctx context.Context, c *command, w *work) error {
	if c == nil {
		return nil
	}
	l.barred = l.barred && c.reply == nil // a person knows what was mended
	if c.verify {
		switch err := l.engine.verify(ctx, c.force); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case slices.Contains([]reason.Code{reason.ListShort, reason.CannotVerify}, reason.Of(err).Code):
			l.answer(c, Settled{}, err)
			return nil
		case err != nil:
			w.broken = fmt.Errorf("verify: %w", err)
		}
	}
	w.force = c.force
	switch {
	case c.reset != nil:
		l.resetPasswords(ctx, c.refs, c.reset)
	case c.retry:
		l.engine.unpark(w, nil)
	case len(c.refs) > 0:
		if !l.o.Feed.read(func(f *Feed) { below(f.roster, c.refs, w) }) {
			l.unsettled = true // so that everything is looked at
		}
		l.engine.unpark(w, w.refs)
	case !c.since.IsZero():
		return l.changedSince(ctx, c.since, w)
	default:
		w.all = true
	}
	return nil
}

// below adds the entities, and all that refers to an organisation among them.
func below(r *roster.Roster, refs []roster.Ref, w *work) {
	for _, ref := range refs {
		if _, known := w.refs[ref]; known {
			continue
		}
		w.add(ref)
		if ref.Kind == roster.KindOrganisation {
			below(r, r.Referring(ref), w)
		}
	}
}

// changedSince adds every entity that the log took a change of at or after t.
func (l *Link) changedSince(ctx context.Context, t time.Time, w *work) error {
	from, err := l.o.Log.Since(ctx, t)
	if err != nil {
		return err
	}
	end, err := l.o.Log.End(ctx)
	if err != nil || from.Seq >= end.Seq {
		return err
	}
	err = l.o.Log.Follow(ctx, from, true, func(e roster.Event) error {
		if e.Mark == "" {
			w.add(e.Ref)
		}
		if e.Seq >= end.Seq {
			return errReached
		}
		return nil
	})
	if errors.Is(err, errReached) {
		return nil
	}
	return err
}

var errReached = errors.New("reached the end")

// unpark clears what keeps a resource from being tried, of some entities or with nil of all. Only memory knows: an attempt
// is recorded with its outcome.
func (c *calls) unpark(w *work, of map[roster.Ref]struct{}) {
	for _, e := range c.book.entries {
		if _, named := of[e.Entity]; (named || of == nil) && (e.State == Parked || e.Refused != "" || !e.NextTry.IsZero()) {
			e.Refused, e.NextTry = "", time.Time{}
			w.add(e.Entity)
		}
	}
}

// unpark has the whole set looked at: what is parked of it the pre-flight refuses anew, or not.
func (e *sets) unpark(w *work, of map[roster.Ref]struct{}) { w.all = w.all || of == nil }
