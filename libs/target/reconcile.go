package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
)

// Reconcile says how often a link compares all that its target holds with what the ledger says of it, and whether it writes
// what others changed, lost or turned on as it was, or only counts it. It takes a target that is a [Lister].
type Reconcile struct {
	Every  time.Duration // 0 for never
	Repair bool
}

// Reconciled is what the last comparison of a link came to. A link that has none to look back on begins with the time.
type Reconciled struct {
	At time.Time
	// Found are resources that were not as the ledger says, Repaired those of them that the link set out to repair, through
	// its guard, and Reported those in which something was left as it is.
	Found, Repaired, Reported int
	Reason                    *reason.Reason // why the list was not believed; nothing was changed then
}

// Policy says who has the last word on a field of an account or another resource that the target holds.
type Policy string

// The policies. The zero Policy is that the link has it.
const (
	OnCreate   Policy = "onCreate" // others, once it is made: what they write there is no drift
	ReportOnly Policy = "report"   // others: a difference is counted, and nothing is written
)

const (
	// A list that misses more than fewMissing, and more than one in shareMissing of what the ledger says is held, misses much.
	fewMissing   = 20
	shareMissing = 10
	// listAgainAfter is how soon a list that was not believed is asked for again, where that is not longer than usual.
	listAgainAfter = time.Hour
)

// reconcileAt is when the next comparison is due; zero for never.
func (l *Link) reconcileAt() time.Time {
	_, lists := l.o.Made.Applier.(Lister)
	last, every := l.mark.Reconciled, l.o.Reconcile.Every
	if !lists || every <= 0 || last.At.IsZero() || l.o.Mode == ModePreview {
		return time.Time{}
	}
	if last.Reason != nil {
		every = min(every, listAgainAfter)
	}
	return last.At.Add(every)
}

// reconcile compares what the target holds with the ledger when that is due. What is to be repaired is in the ledger as the
// target has it, with the mark, and its entity in w. A target that is in doubt is not asked.
func (c *calls) reconcile(ctx context.Context, w *work) error {
	l, now := c.link, c.link.o.Now()
	if l.o.Reconcile.Every > 0 && l.mark.Reconciled.At.IsZero() {
		l.mark.Reconciled.At = now
	}
	if due := l.reconcileAt(); due.IsZero() || due.After(now) || c.health.doubt {
		return nil
	}
	done := Reconciled{At: now}
	held, gone, err := c.list(ctx, onlyWhole)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		why := reason.Of(err)
		done.Reason = &why
	default:
		for id, h := range held {
			if e := c.book.entries[id]; e != nil && compared(e) {
				next, drifted, reported := c.drift(e, h)
				done.count(drifted, reported, l.o.Reconcile.Repair)
				if drifted && l.o.Reconcile.Repair {
					c.put(next)
					w.add(e.Entity)
				}
			}
		}
		for _, id := range gone {
			if e := c.book.entries[id]; compared(e) {
				done.count(true, false, l.o.Reconcile.Repair)
				if l.o.Reconcile.Repair {
					w.add(e.Entity)
					c.put(Entry{ID: id, Entity: e.Entity, State: Gone})
				}
			}
		}
	}
	l.mark.Reconciled = done
	return c.save(ctx)
}

func (r *Reconciled) count(drifted, reported, repair bool) {
	if !drifted && !reported {
		return
	}
	r.Found++
	if drifted && repair {
		r.Repaired++
	}
	if reported || !repair {
		r.Reported++
	}
}

// compared tells whether an entry says how the target has something of ours: not what is let go of, or under way.
func compared(e *Entry) bool {
	return e.Held && !e.theirs() && e.State != Released && e.State != InFlight && !e.Begun
}

// drift returns an entry as the target has it, whether that is for the link to repair, and whether something differs that
// is not: a field that others have the last word on, or that somebody else turned an account off. What we turned off
// ourselves differs only when it can be used again.
func (c *calls) drift(e *Entry, h Held) (next Entry, drifted, reported bool) {
	next = c.asHeld(*e, h)
	if e.off() {
		return next, !next.off(), false
	}
	if h.Disabled {
		next.State, reported = e.State, true
	}
	var other bool
	next.Fields, other = c.link.o.Made.byPolicy(e.Fields, h.Fields)
	drifted = e.Native != "" && e.Native != next.Native || !same(e, next.Fields, next.Sets)
	return next, drifted, reported || other
}

// byPolicy returns what the target told of the fields that the link has the last word on, and of the others what is known,
// and whether one differs that is to be reported.
func (t *Target) byPolicy(known, told Fields) (out Fields, report bool) {
	if len(t.Policies) == 0 {
		return told, false
	}
	of := func(list Fields, name string) (values Fields) {
		for _, f := range list {
			if f.Name == name {
				values = append(values, f)
			}
		}
		return values
	}
	seen := map[string]struct{}{}
	for _, f := range slices.Concat(known, told) {
		if _, ok := seen[f.Name]; ok {
			continue
		}
		seen[f.Name] = struct{}{}
		had, has := of(known, f.Name), of(told, f.Name)
		policy := t.Policies[f.Name]
		if policy == "" {
			out = append(out, has...)
			continue
		}
		report = report || policy == ReportOnly && !slices.Equal(had, has)
		out = append(out, had...)
	}
	return out, report
}

// belief says how far a list is believed that misses much of what the ledger says is held (rule R3).
type belief int

const (
	onlyWhole  belief = iota // by a clock not at all: more often the rights are lost than the content
	ifEachGone               // a person asked: the target says of each by itself that it is gone
	always                   // a person said that it is so, of a target that cannot be asked for one
)

// list returns all that the target tells of, and what the ledger says is held and it has not, sorted. A list that ended with
// an error is not believed. What one does not tell of is asked for one by one before it counts as gone, and what the target
// says nothing certain of is in neither.
func (c *calls) list(ctx context.Context, short belief) (held map[ID]Held, gone []ID, err error) {
	held = map[ID]Held{}
	if err := c.link.o.Made.Applier.(Lister).List(ctx, func(h Held) error {
		if e := c.book.entries[h.ID]; e == nil || e.Native != held[h.ID].Native || e.Native == "" { // of two with our id, ours is the one that is known
			held[h.ID] = h
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	var missing []ID
	all := 0
	for id, e := range c.book.entries {
		if !e.Held || e.theirs() {
			continue
		}
		all++
		if _, told := held[id]; !told {
			missing = append(missing, id)
		}
	}
	much := len(missing) > fewMissing && len(missing)*shareMissing > all
	notBelieved := reason.Errorf(reason.Misconfigured, nil, reason.ListShort, "missing", len(missing), "held", all)
	if much && short == onlyWhole {
		return nil, nil, notBelieved
	}
	slices.SortFunc(missing, ID.Compare)
	for _, id := range missing {
		h, err := c.link.o.Made.Applier.Lookup(ctx, id, c.book.entries[id].Native)
		switch {
		case err == nil:
			held[id] = h
		case errors.Is(err, ErrUnsupported) && much && short != always:
			return nil, nil, notBelieved
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrUnsupported):
			gone = append(gone, id)
		case !answers(err):
			return nil, nil, fmt.Errorf("look for %s, which the list has not: %w", id, err)
		}
	}
	return held, gone, nil
}

// verify has the ledger say what the target holds, of all that it holds. The round after it records that. An error is the
// target's.
func (c *calls) verify(ctx context.Context, force bool) error {
	if _, ok := c.link.o.Made.Applier.(Lister); !ok {
		for _, e := range c.book.entries {
			if e.Held && e.State != Matched {
				switch err := c.readBack(ctx, *e); {
				case errors.Is(err, ErrUnsupported) && !force:
					return reason.Errorf(reason.Misconfigured, err, reason.CannotVerify)
				case !answers(err):
					return fmt.Errorf("read back %s: %w", e.ID, err)
				}
			}
		}
		return nil
	}
	short := ifEachGone
	if force {
		short = always
	}
	held, gone, err := c.list(ctx, short)
	if err != nil {
		return err
	}
	for id, h := range held {
		if e, ok := c.book.entries[id]; ok {
			told := c.asHeld(*e, h)
			if told.Fields != nil {
				told.Fields, _ = c.link.o.Made.byPolicy(e.Fields, told.Fields)
			}
			told.Untouched = false // it has our id
			c.put(told)
		}
	}
	for _, id := range gone {
		c.put(Entry{ID: id, Entity: c.book.entries[id].Entity, State: Gone})
	}
	return nil
}
