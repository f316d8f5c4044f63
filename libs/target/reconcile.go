package target

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
)

// Reconcile says how often a link compares all that its target holds with what the ledger says of it, and whether it writes
// what others changed, lost or turned on as it was, or only counts it. It takes a target that is a [Lister].
type Reconcile struct {
	Every   time.Duration // 0 for never
	Changes time.Duration // how often, in between, what the target says has changed, where it is a [ChangeLister]; 0 for never
	Repair  bool
}

// Reconciled is what the last comparison of all came to, and those of what changed since. A link that has none to look back
// on begins with the time.
type Reconciled struct {
	At    time.Time // of the last comparison of all
	Asked time.Time // when the target was last asked what had changed since
	Since string    // from where on it is to tell the next time, in its own words; empty for none
	// Found are resources that were not as the ledger says, Repaired those of them that the link set out to repair, through
	// its guard, and Reported those in which something was left as it is.
	Found, Repaired, Reported int
	Last                      *[]Drift       // the newest of those that were found
	Reason                    *reason.Reason // why the target was not believed; nothing was changed then
}

// Drift is a resource that was not as the ledger says. Of a contained person it is not told.
type Drift struct {
	ID       ID
	What     string // the fields and sets that differ; see also [Missing], [TurnedOff] and [TurnedOn]
	Repaired bool   // the link set out to write it as it was
}

// What a drift may be, beside a field or a set of the resource.
const (
	Missing   = "missing"
	TurnedOff = "turned off"
	TurnedOn  = "turned on"
	Another   = "another object"
)

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
	// listAgainAfter is how soon a target that was not believed is asked for all again, where that is not longer than usual.
	listAgainAfter = time.Hour
	// mostDrifts are how many are told of by name.
	mostDrifts = 20
)

// reconcileAt is when the next comparison is due; zero for never.
func (l *Link) reconcileAt() time.Time {
	_, lists := l.o.Made.Applier.(Lister)
	_, tells := l.o.Made.Applier.(ChangeLister)
	last, o := l.mark.Reconciled, l.o.Reconcile
	if !lists || o.Every <= 0 || last.At.IsZero() || l.o.Mode == ModePreview {
		return time.Time{}
	}
	if last.Reason != nil {
		return last.At.Add(min(o.Every, listAgainAfter))
	}
	at := last.At.Add(o.Every)
	if tells && o.Changes > 0 {
		at = earlier(at, last.Asked.Add(o.Changes))
	}
	return at
}

// reconcile compares what the target holds with the ledger when that is due: all of it, or what the target says has changed.
// What is to be repaired is in the ledger as the target has it, with the mark, and its entity in w. A target that is in doubt is
// not asked.
func (c *calls) reconcile(ctx context.Context, w *work) error {
	l, now := c.link, c.link.o.Now()
	last := &l.mark.Reconciled
	if l.o.Reconcile.Every > 0 && last.At.IsZero() {
		last.At = now
	}
	if due := l.reconcileAt(); due.IsZero() || due.After(now) || c.health.doubt {
		return nil
	}
	done, err := *last, ErrNoMark
	if last.Reason == nil && last.At.Add(l.o.Reconcile.Every).After(now) {
		done.Since, err = c.changes(ctx, &done, w)
	}
	if errors.Is(err, ErrNoMark) {
		done = Reconciled{At: now}
		done.Since, err = c.all(ctx, &done, w)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		why := reason.Of(err)
		done = Reconciled{At: now, Reason: &why}
	case done.Since != "":
		done.Asked = now
	}
	*last = done
	return c.save(ctx)
}

// all compares all that the target holds, and returns from where on it is to tell of changes.
func (c *calls) all(ctx context.Context, done *Reconciled, w *work) (since string, err error) {
	if tells, ok := c.link.o.Made.Applier.(ChangeLister); ok && c.link.o.Reconcile.Changes > 0 {
		if since, err = tells.Changes(ctx, "", nil); err != nil { // first: what changes meanwhile is told of the next time
			return "", err
		}
	}
	held := map[ID]Held{}
	if err := c.link.o.Made.Applier.(Lister).List(ctx, c.into(held)); err != nil {
		return "", err
	}
	gone, err := c.missing(ctx, held, onlyWhole)
	if err != nil {
		return "", err
	}
	c.compare(held, gone, done, w)
	return since, nil
}

// changes compares what the target says has changed, and returns from where on it is to tell the next time.
func (c *calls) changes(ctx context.Context, done *Reconciled, w *work) (since string, err error) {
	tells := c.link.o.Made.Applier.(ChangeLister)
	if done.Since == "" {
		return tells.Changes(ctx, "", nil)
	}
	there, changed := map[ID]Held{}, map[ID]Held{}
	every, some := c.into(there), c.into(changed)
	if since, err = tells.Changes(ctx, done.Since, func(h Held, differs bool) error {
		if differs {
			if err := some(h); err != nil {
				return err
			}
		}
		return every(h)
	}); err != nil {
		return "", err
	}
	told := maps.Clone(there)
	gone, err := c.missing(ctx, there, onlyWhole)
	if err != nil {
		return "", err
	}
	for id, h := range there {
		if _, ok := told[id]; !ok { // it was asked for by itself, and told of as a whole
			changed[id] = h
		}
	}
	c.compare(changed, gone, done, w)
	return since, nil
}

// compare counts what differs from the ledger, and has what is to be repaired planned anew. What was repaired since the last
// comparison of all and differs again is left until the next one, so that two who disagree do not go on all day.
func (c *calls) compare(held map[ID]Held, gone []ID, done *Reconciled, w *work) {
	repair := c.link.o.Reconcile.Repair
	var before []Drift
	if done.Last != nil {
		before = *done.Last
	}
	drifts := before
	note := func(e *Entry, what []string, drifted, reported bool, next Entry) {
		if !drifted && !reported {
			return
		}
		mend := drifted && repair && (e.off() || !slices.ContainsFunc(before, func(d Drift) bool { return d.ID == e.ID && d.Repaired }))
		if mend {
			w.add(e.Entity)
			c.put(next)
		}
		if c.hidden(e) {
			return
		}
		if done.Found++; mend {
			done.Repaired++
		}
		if reported || !mend {
			done.Reported++
		}
		drifts = append(drifts, Drift{e.ID, strings.Join(what, ", "), mend})
	}
	for _, id := range slices.SortedFunc(maps.Keys(held), ID.Compare) {
		if e := c.book.entries[id]; e != nil && compared(e) {
			next, what, drifted, reported := c.drift(e, held[id])
			note(e, what, drifted, reported, next)
		}
	}
	for _, id := range gone {
		e := c.book.entries[id]
		if !compared(e) || e.State == Parked && done.Since != "" { // it is told of already, and looked for when all is compared
			continue
		}
		note(e, []string{Missing}, true, false, Entry{ID: id, Entity: e.Entity, State: Gone})
		if c.book.entries[id] == nil || c.book.entries[id].State == Gone {
			c.leave(id, w)
		}
	}
	if drifts = slices.Clone(drifts[max(0, len(drifts)-mostDrifts):]); len(drifts) > 0 {
		done.Last = &drifts
	}
}

// compared tells whether an entry says how the target has something of ours: not what is let go of, or under way.
func compared(e *Entry) bool {
	return e.Held && !e.theirs() && e.State != Released && e.State != InFlight && !e.Begun
}

// leave takes what is gone out of the sets that had it, which do not change by that at every target.
func (c *calls) leave(id ID, w *work) {
	for _, e := range c.book.entries {
		if compared(e) && slices.ContainsFunc(e.Sets, func(s Set) bool { return slices.Contains(s.Members, id) }) {
			next := *e
			next.Sets = without(e.Sets, map[ID]error{id: nil})
			c.put(next)
			w.add(e.Entity)
		}
	}
}

// drift returns an entry as the target has it, what differs, whether that is for the link to repair, and whether something
// differs that is not: a field that others have the last word on, or that somebody else turned an account off. What we turned
// off ourselves differs only when it can be used again.
func (c *calls) drift(e *Entry, h Held) (next Entry, what []string, drifted, reported bool) {
	next = c.asHeld(*e, h)
	if e.off() {
		return next, []string{TurnedOn}, !next.off(), false
	}
	if h.Disabled {
		next.State, reported, what = e.State, true, append(what, TurnedOff)
	}
	var others []string
	next.Fields, others = c.link.o.Made.byPolicy(e.Fields, h.Fields)
	if e.Native != "" && e.Native != next.Native {
		what, drifted = append(what, Another), true
	}
	if !same(e, next.Fields, next.Sets) {
		what, drifted = slices.Concat(what, differing(e.Fields, next.Fields), setsDiffering(e.Sets, next.Sets)), true
	}
	return next, append(what, others...), drifted, reported || len(others) > 0
}

// setsDiffering returns the names of sets that do not have the same members.
func setsDiffering(a, b []Set) (names []string) {
	for _, s := range slices.Concat(difference(a, b), difference(b, a)) {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// byPolicy returns what the target told of the fields that the link has the last word on, and of the others what is known,
// and the names of those of them that differ and are to be reported.
func (t *Target) byPolicy(known, told Fields) (out Fields, report []string) {
	if len(t.Policies) == 0 {
		return told, nil
	}
	seen := map[string]struct{}{}
	for _, f := range slices.Concat(known, told) {
		if _, ok := seen[f.Name]; ok {
			continue
		}
		seen[f.Name] = struct{}{}
		had, has := known.of(f.Name), told.of(f.Name)
		policy := t.Policies[f.Name]
		if policy == "" {
			out = append(out, has...)
			continue
		}
		if policy == ReportOnly && !slices.Equal(had, has) {
			report = append(report, f.Name)
		}
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

// into returns what notes what the target tells of. Of two that have our id, the one counts that the ledger knows.
func (c *calls) into(held map[ID]Held) func(Held) error {
	return func(h Held) error {
		if e := c.book.entries[h.ID]; e == nil || e.Native == "" || e.Native != held[h.ID].Native {
			held[h.ID] = h
		}
		return nil
	}
}

// missing returns what the ledger says is held and the target did not tell of, sorted. Each is asked for by itself before it
// counts as gone: one that is there after all is added to held, and what the target says nothing certain of is in neither.
func (c *calls) missing(ctx context.Context, held map[ID]Held, short belief) (gone []ID, err error) {
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
		return nil, notBelieved
	}
	slices.SortFunc(missing, ID.Compare)
	for _, id := range missing {
		h, err := c.link.o.Made.Applier.Lookup(ctx, id, c.book.entries[id].Native)
		switch {
		case err == nil:
			held[id] = h
		case errors.Is(err, ErrUnsupported) && much && short != always:
			return nil, notBelieved
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrUnsupported):
			gone = append(gone, id)
		case !answers(err):
			return nil, fmt.Errorf("look for %s, which the list has not: %w", id, err)
		}
	}
	return gone, nil
}

// verify has the ledger say what the target holds, of all that it holds. The round after it records that. An error is the
// target's.
func (c *calls) verify(ctx context.Context, force bool) error {
	lists, ok := c.link.o.Made.Applier.(Lister)
	if !ok {
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
	held := map[ID]Held{}
	if err := lists.List(ctx, c.into(held)); err != nil {
		return err
	}
	gone, err := c.missing(ctx, held, short)
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
