package target

import (
	"context"
	"errors"
	"slices"
	"time"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// calls is the engine of a target that takes calls.
type calls struct {
	link    *Link
	book    *book
	anchors anchors
	waiters map[ID]map[roster.Ref]struct{} // entities that wait for a resource to stand
	unsaved map[ID]struct{}                // entries that the ledger does not have yet
	fence   map[ID]int                     // re-reads after a conflict, so that two who disagree do not go on for ever
	// contained are the persons whom the target must keep out: no group there has them, and nothing counts them.
	contained map[roster.Ref]struct{}
	needing   map[ID][]ID                    // what needs what a round would take away
	needers   map[ID]map[roster.Ref]struct{} // entities that wait for a resource not to need theirs any more
	again     work                           // those of them that need not wait
	going     map[ID]struct{}                // what this round deletes
	short     []intent                       // of this stage: what needs something that did not stand yet
	health    *health
	written   map[ID]struct{}          // what a forced settlement wrote already; nil for another
	cut       bool                     // the round ended early, for somebody is to be contained
	bereft    map[names.Owner]struct{} // of whom an account is gone
	overlaid  overlaid                 // of whom the log may be to say something else
	met       map[ID]struct{}          // what the target has nothing of its own for, in this round
}

func (c *calls) hidden(e *Entry) bool { return c.link.hidden(e, c.book.entries, c.contained) }

func (c *calls) unload() {
	*c = calls{link: c.link, health: c.health}
}

func (c *calls) load(ctx context.Context) error {
	c.unload()
	c.anchors, c.contained, c.needers = anchors{}, map[roster.Ref]struct{}{}, map[ID]map[roster.Ref]struct{}{}
	c.bereft = map[names.Owner]struct{}{}
	c.book, c.waiters, c.unsaved, c.fence = newBook(), map[ID]map[roster.Ref]struct{}{}, map[ID]struct{}{}, map[ID]int{}
	var inFlight []Entry
	mark, err := c.link.book.Load(ctx, func(e Entry) error {
		c.book.set(e)
		c.anchors.note(e)
		if e.State == InFlight {
			inFlight = append(inFlight, e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.link.load(mark)
	if c.health == nil {
		c.health = newHealth()
		was := mark.Status
		c.health.doubt = was.Mode == ModeHalted && was.Reason != nil && was.Reason.Code != reason.LogRegressed
	}
	if err := c.link.loadNames(ctx); err != nil {
		return err
	}
	if err := c.readInFlight(ctx, inFlight); err != nil {
		return err
	}
	return c.save(ctx)
}

// readBack makes an entry say what the target holds.
func (c *calls) readBack(ctx context.Context, e Entry) error {
	held, err := c.link.o.Made.Applier.Lookup(ctx, e.ID, e.Native)
	switch {
	case errors.Is(err, ErrNotFound):
		c.put(Entry{ID: e.ID, Entity: e.Entity, State: Gone})
		return nil
	case err != nil:
		return err
	}
	c.put(c.asHeld(e, held))
	return nil
}

// asHeld is asHeld with the sets in the words of the link.
func (c *calls) asHeld(e Entry, h Held) Entry {
	h.Sets = c.members(e.ID.Kind, h.Sets, e.Sets)
	return asHeld(e, h)
}

// asHeld returns an entry as it is once the target has told what it holds. What is not ours stays so, and of a contained
// account nothing is taken down; one that can be used all the same is contained anew.
func asHeld(e Entry, h Held) Entry {
	next := Entry{
		ID: e.ID, Entity: e.Entity, Anchor: e.Anchor, Native: h.Native, Held: true, Fields: h.Fields, Sets: h.Sets,
		State: Applied, Cause: e.Cause, Left: e.Left, Buried: e.Buried, Approved: e.Approved, As: e.As, Needs: e.Needs,
		FoundBy: e.FoundBy, Untouched: e.Untouched,
	}
	switch {
	case e.State == Aliased || e.State == Contained && h.Disabled:
		next.State, next.Fields, next.Sets = e.State, nil, nil
	case e.State == Contained:
		next.Fields, next.Sets = nil, nil
	case e.State == Released:
		next.State, next.Reason = Released, e.Reason
	case h.Disabled && e.State == Moved:
		next.State = Moved
	case h.Disabled:
		next.State = Disabled
	}
	return next
}

func (c *calls) due(now time.Time, w *work) {
	for _, e := range c.book.entries {
		if !e.Left.IsOpen() || !e.NextTry.IsZero() && !e.NextTry.After(now) {
			w.add(e.Entity)
		}
	}
}

func (c *calls) settle(ctx context.Context, w work) (Settled, error) {
	s := Settled{Kinds: map[string]Delta{}}
	w, pos, ready := c.link.take(w, &s)
	if !ready {
		return s, nil
	}
	c.link.toss()
	c.health.refused = 0
	if w.broken != nil {
		c.trip(w.broken, &s)
	} else if err := c.greet(ctx, &s); err != nil {
		return s, err
	}
	if c.written = nil; w.force {
		c.written = map[ID]struct{}{}
	}
	if err := c.refreshNames(ctx, &w); err != nil {
		return s, err
	}
	c.met = map[ID]struct{}{}
	var boundary time.Time
	ahead := false // who is to be contained was dealt with before the target is asked for anything
	for round, named := 0, 0; s.Halted == nil && (round == 0 || !w.empty()); round++ {
		c.cut = false
		var intents []intent
		var deeds []*deed
		var seen func(roster.Ref) bool
		s.Orphans = 0
		begun := c.link.o.Now()
		if !c.link.o.Feed.read(func(f *Feed) {
			intents, s.Orphans = c.plan(f, w)
			c.detain(intents)
			deeds, seen = c.deeds(f, intents), f.looked(w)
			boundary = c.link.o.Lifecycle.boundary(f.roster)
		}) {
			c.link.unsettled, s.Deferred = true, notLoaded
			return s, c.save(ctx)
		}
		c.overlaid.addAll(w)
		if first := containing(intents); len(first) > 0 && !ahead && c.link.naming != nil && c.link.o.Mode != ModePreview {
			ahead = true
			if err := c.carry(ctx, first, w.force, &s, &c.again); err != nil {
				return s, err
			}
			continue
		}
		intents, unsure, why, again, err := c.sureOfNames(ctx, intents, &w, &s)
		if err != nil {
			return s, err
		}
		if again && c.cut {
			ahead = false
			c.link.o.Feed.read(func(f *Feed) { pos = c.link.gather(f, &w) })
			continue
		}
		if again {
			if named++; named > namingLimit {
				return s, reason.Errorf(reason.Transient, nil, reason.NamesUnsettled, "times", named)
			}
			continue
		}
		held, err := c.judge(ctx, intents, deeds, seen)
		if err != nil {
			return s, err
		}
		if w.all {
			c.link.guard.heed()
		}
		c.stayIn(intents)
		c.detain(intents)
		s.PlanTook += c.link.o.Now().Sub(begun)
		if c.link.o.Mode == ModePreview {
			if intents, err = c.meetAll(ctx, append(intents, unsure...), &s); err != nil {
				return s, err
			}
			s.count(c.preview(intents))
			s.Held = held
			return s, nil
		}
		next := work{}
		if err := c.carry(ctx, intents, w.force, &s, &next); err != nil {
			return s, err
		}
		for _, in := range unsure {
			if err := c.unnamed(ctx, in, why, &s, &next); err != nil {
				return s, err
			}
		}
		if err := c.spend(ctx); err != nil {
			return s, err
		}
		if err := c.publish(ctx); err != nil {
			return s, err
		}
		for ref := range c.again.refs {
			next.add(ref)
		}
		c.again = work{}
		if c.cut { // all that is left is planned anew, and who is to be contained comes first
			ahead = false
			c.link.o.Feed.read(func(f *Feed) { pos = c.link.gather(f, &w) })
			for ref := range next.refs {
				w.add(ref)
			}
			continue
		}
		if w.all && s.Halted == nil {
			c.resettle(intents, &next)
		}
		w = next
	}
	c.count(&s)
	if s.Halted != nil {
		c.link.unsettled = true
		if s.Refused && c.health.refused > 1 { // as many sign-ins were made at once
			c.link.retry.attempts += c.health.refused
		}
		c.link.mark.WakeAt = c.link.o.Now().Add(c.link.retry.next(c.health.after, firstWait(s.Refused), c.link.spread))
	} else {
		c.link.retry.reset()
		c.link.mark.Cursor = pos
		c.link.mark.WakeAt = earlier(earlier(boundary, c.nextTry()), c.link.reconcileAt())
	}
	return s, c.save(ctx)
}

// carry is carryOut, and saves what was done before it failed.
func (c *calls) carry(ctx context.Context, intents []intent, force bool, s *Settled, next *work) error {
	err := c.carryOut(ctx, intents, force, s, next)
	if err == nil || errors.Is(err, ErrOwnerLost) {
		return err
	}
	ctx, cancel := finish(ctx)
	defer cancel()
	return errors.Join(err, c.save(ctx)) // what was done is done
}

// containing leaves what is done for contained persons.
func containing(intents []intent) (first []intent) {
	for _, in := range intents {
		if in.contain {
			first = append(first, in)
		}
	}
	return first
}

// resettle notes that the ledger is planned with the settings as they are. What they took out, and the link does not only
// let go of, is looked at again.
func (c *calls) resettle(intents []intent, next *work) {
	if t := c.link.terms(); t.changed {
		for _, in := range intents {
			if in.entry.State == Released && (in.by != nil || !t.outside.releases()) {
				next.add(in.entry.Entity)
			}
		}
	}
	c.link.mark.Mapping = c.link.version()
}

func (c *calls) nextTry() (next time.Time) {
	now := c.link.o.Now()
	today := roster.Today(now)
	for _, e := range c.book.entries {
		if e.NextTry.After(now) { // one that is past waits for its entity to be readable or known again
			next = earlier(next, e.NextTry)
		}
		if !e.Left.IsOpen() {
			next = earlier(next, c.link.o.Lifecycle.of(e.As).next(e.Left, today, DisableStep, MoveStep, DeleteStep))
		}
	}
	return next
}

func (c *calls) count(s *Settled) {
	s.Held, s.counted = c.link.guard.holding(), true
	for _, e := range c.book.entries {
		if c.hidden(e) {
			continue
		}
		switch e.State {
		case Waiting:
			s.Waiting++
		case Parked:
			s.Parked++
		case Withheld:
			s.Withheld++
		}
	}
}

// plan returns what is to be done, in the order of the entities.
func (c *calls) plan(f *Feed, w work) (intents []intent, orphans int) {
	r := f.roster
	var sorted []roster.Ref
	if w.all {
		sorted = c.everything(r, roster.KindGroup, roster.KindOrganisation, roster.KindPerson)
	} else {
		sorted = sortedRefs(w.refs)
	}
	t := c.link.terms()
	t.hidden, t.member = c.hidden, c.book.memberOf()
	sorted = c.follow(r, sorted)
	c.seedNames(f, sorted)
	for _, ref := range sorted { // whom others must not have comes before all of them
		if ref.Kind == roster.KindPerson && r.Contained(ref.Key) {
			c.contained[ref] = struct{}{}
		} else {
			delete(c.contained, ref)
		}
	}
	intents = make([]intent, 0, len(sorted)+len(sorted)/4)
	for _, ref := range sorted {
		seen := c.link.look(f, c.anchors, ref)
		d := c.link.departure(f, ref)
		all, lost := planEntity(intents, ref, seen, c.book, d, t)
		for i := len(intents); i < len(all); i++ {
			all[i].cause = f.causes[ref]
			all[i].entry.Anchor = c.anchors.entry(ref)
			if e := &all[i].entry; e.Held {
				e.As = d.capacity(e.As)
			}
		}
		intents, orphans = all, orphans+lost
	}
	return intents, orphans
}

// everything returns the entities of some kinds, which are sorted, that the roster or the ledger knows, sorted.
func (c *calls) everything(r *roster.Roster, kinds ...roster.Kind) (refs []roster.Ref) {
	for _, kind := range kinds {
		refs = append(refs, r.Refs(kind)...)
	}
	known := len(refs)
	for ref := range c.book.byEntity {
		if slices.Contains(kinds, ref.Kind) && r.Records(ref) == nil {
			refs = append(refs, ref)
		}
	}
	if len(refs) > known {
		slices.SortFunc(refs, roster.Ref.Compare)
	}
	return refs
}

// follow moves what the target holds for a person to the key that the person has now, and returns the entities to look
// at after that, sorted.
func (c *calls) follow(r *roster.Roster, refs []roster.Ref) []roster.Ref {
	known := func(ref roster.Ref) bool { return len(c.book.byEntity[ref]) > 0 }
	out := slices.Clip(refs)
	for _, ref := range refs {
		for _, m := range c.anchors.moves(r, ref, known) {
			for _, id := range slices.Clone(c.book.byEntity[m.from]) {
				e := *c.book.entries[id]
				e.Entity, e.Anchor = m.to, c.anchors.entry(m.to)
				c.put(e)
			}
			out = append(out, m.to)
		}
	}
	if len(out) > len(refs) {
		slices.SortFunc(out, roster.Ref.Compare)
		out = slices.Compact(out)
	}
	return out
}
