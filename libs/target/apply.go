package target

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
)

// carryOut does what the intents say: first what contains a person, then creates and updates in the order of the target's
// kinds, right behind what they take the place of, then deletes in the other order. What becomes possible by it is added to next.
func (c *calls) carryOut(ctx context.Context, intents []intent, force bool, s *Settled, next *work) error {
	kinds := c.link.o.Made.Applier.Kinds()
	byKind := map[string][]*intent{} // what is wished
	deletes := map[string][]intent{}
	contains := map[string][]intent{}
	replaced := map[string][]intent{} // by the kind of what takes their place
	c.going = map[ID]struct{}{}       // they leave every set first, so that no set is left with what is not there
	leaving := map[ID]struct{}{}      // they and all else that goes
	for i := range intents {
		in := intents[i]
		if in.verb == Delete {
			leaving[in.resource.ID] = struct{}{}
		}
		switch {
		case in.match || in.verb == Create || in.verb == Update:
			byKind[in.resource.ID.Kind] = append(byKind[in.resource.ID.Kind], &intents[i])
		case in.verb == "" && c.unsure(in):
			if err := c.lookAgain(ctx, in, s, next); err != nil || s.Halted != nil {
				return err
			}
		case in.verb == "":
			if known := c.book.entries[in.resource.ID]; known != nil && known.Held && in.entry.State == Matched && !in.entry.Held {
				next.add(in.entry.Entity) // forgotten once it has left its groups
			}
			c.put(in.entry)
		case in.contain:
			contains[in.resource.ID.Kind] = append(contains[in.resource.ID.Kind], in)
		case in.verb == Delete && in.by != nil:
			replaced[in.by.ID.Kind] = append(replaced[in.by.ID.Kind], in)
		case in.verb == Disable || in.verb == Move || in.verb == Delete:
			if in.verb == Delete {
				c.going[in.resource.ID] = struct{}{}
			}
			deletes[in.resource.ID.Kind] = append(deletes[in.resource.ID.Kind], in)
		}
	}
	type stage struct {
		list   []intent
		wished []*intent
	}
	var stages []stage
	for _, kind := range slices.Backward(kinds) {
		stages = append(stages, stage{list: contains[kind]})
	}
	for _, kind := range kinds {
		stages = append(stages, stage{list: replaced[kind]}, stage{wished: byKind[kind]})
	}
	for _, kind := range slices.Backward(kinds) {
		stages = append(stages, stage{list: deletes[kind]})
	}
	for _, st := range stages {
		if len(st.wished) > 0 {
			met, err := c.meet(ctx, c.outstanding(st.wished, leaving, force), force, s, next)
			if err != nil || s.Halted != nil || c.cut {
				return err
			}
			st.list = met
		}
		if err := c.stage(ctx, st.list, len(st.wished) > 0, force, s, next); err != nil || s.Halted != nil || c.cut {
			return err
		}
	}
	return nil
}

// outstanding leaves those of a stage about which there may be something to do. It is asked when their turn comes: what was
// there before the round may be found to be gone in it.
func (c *calls) outstanding(wished []*intent, leaving map[ID]struct{}, force bool) []intent {
	var list []intent
	for i, in := range wished {
		if !force && c.stands(in, leaving) {
			continue
		}
		if list == nil {
			list = make([]intent, 0, len(wished)-i)
		}
		list = append(list, *in)
	}
	return list
}

// stands tells whether nothing is to be done about what is wished, and nothing to be noted: [calls.ready] would find the
// same, for more.
func (c *calls) stands(in *intent, leaving map[ID]struct{}) bool {
	known := c.book.entries[in.resource.ID]
	if in.match || in.verb != Update || known == nil || known.Begun || known.Untouched || known.off() || !known.Left.IsOpen() ||
		known.State != in.entry.State || !equalReason(known.Reason, in.entry.Reason) || known.Refused != "" || known.Attempts != 0 ||
		!known.NextTry.IsZero() || known.As != in.entry.As || !slices.Equal(known.Needs, in.entry.Needs) || !same(known, in.resource.Fields, in.resource.Sets) {
		return false
	}
	for _, need := range in.resource.Needs {
		if _, goes := leaving[need]; goes || !c.book.holds(need) {
			return false
		}
	}
	for _, s := range in.resource.Sets {
		for _, m := range s.Members {
			e := c.book.entries[m]
			if e == nil || !e.Held {
				return false
			}
			_, goes := leaving[m]
			if _, out := c.contained[e.Entity]; goes || out {
				return false
			}
		}
	}
	return true
}

// unsure tells whether a resource that is not wished any more may have been made after all: nobody knows what became of
// the last attempt.
func (c *calls) unsure(in intent) bool {
	known := c.book.entries[in.resource.ID]
	return known != nil && !known.Held && !in.entry.Held && (known.Attempts > 0 || known.Begun) && known.Refused == ""
}

// lookAgain asks the target for such a resource. One that is there is looked at once more; where the target does not
// answer it is asked again later.
func (c *calls) lookAgain(ctx context.Context, in intent, s *Settled, next *work) error {
	known := *c.book.entries[in.resource.ID]
	if e := c.postponed(in, &known); e != nil {
		c.put(*e)
		return nil
	}
	held, err := c.lookup(ctx, known.ID, known.Native, s)
	switch {
	case errors.Is(err, ErrNotFound):
		in.entry.Attempts, in.entry.NextTry = 0, time.Time{}
		c.put(in.entry)
	case err != nil:
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		known.Attempts++
		why := reason.Of(err)
		known.Reason = &why
		c.delay(&known, err)
		c.put(known)
	default:
		c.put(c.asHeld(known, held))
		next.add(known.Entity)
	}
	return nil
}

// ready leaves the intents that can and must be carried out now. The others wait, or have nothing to do.
func (c *calls) ready(batch []intent, force bool) []intent {
	now := c.link.o.Now()
	var out []intent
	every := force
	for _, in := range batch {
		if in.verb == "" { // it is planned anew
			continue
		}
		known := c.book.entries[in.resource.ID]
		_, written := c.written[in.resource.ID]
		force := every && !written
		if known != nil && !known.Left.IsOpen() && in.verb == Update { // back: who leaves again leaves anew
			back := *known
			back.Left, back.Buried, back.Approved = 0, false, false
			c.put(back)
			known = c.book.entries[back.ID]
		}
		if known != nil && known.NextTry.After(now) && !force {
			continue
		}
		if in.verb == Disable || in.verb == Move || in.verb == Delete || in.verb == Contain {
			if why := c.stays(in, force); why != nil {
				c.put(waiting(known, why))
				continue
			}
			if e := c.postponed(in, known); e != nil && !force {
				c.put(*e)
				continue
			}
			out = append(out, in)
			continue
		}
		if need, unmet := c.unmet(in.resource); unmet {
			c.await(need, in.resource.Entity)
			c.short = append(c.short, in)
			w := reason.New(reason.NeedsMissing, "resource", need)
			e := Entry{ID: in.resource.ID, Entity: in.resource.Entity, Anchor: in.entry.Anchor, State: Waiting, Reason: &w}
			if known != nil && known.Held {
				e = *known
				e.State, e.Reason = stuck(known, Waiting), &w
			}
			c.put(e)
			continue
		}
		stand, missing := c.book.standing(in.resource.Sets, c.contained, c.going)
		for _, id := range missing {
			c.await(id, in.resource.Entity)
		}
		in.resource.Sets, in.entry.Sets = stand, stand
		if known != nil && !force {
			if !known.Begun && !known.Untouched && !known.off() && same(known, in.resource.Fields, stand) {
				settled := *known
				settled.State, settled.Reason, settled.Refused, settled.Attempts, settled.NextTry, settled.As = in.entry.State, in.entry.Reason, "", 0, time.Time{}, in.entry.As
				settled.Needs = in.entry.Needs
				c.put(settled)
				continue
			}
			if known.Refused != "" && known.Refused == wishDigest(in.resource.Fields, stand) {
				continue
			}
		}
		if other, taken := occupant(c.link.o.Made.OneOf, in.resource.ID, c.book.entries); taken && in.verb == Create {
			c.put(Entry{ID: in.resource.ID, Entity: in.resource.Entity, Anchor: in.entry.Anchor, State: Waiting, Reason: placeTaken(other)})
			continue
		}
		if e := c.postponed(in, known); e != nil && !force {
			c.put(*e)
			continue
		}
		out = append(out, in)
	}
	return out
}

// stays tells why what is to go stays for now.
func (c *calls) stays(in intent, force bool) *reason.Reason {
	if in.verb == Delete && in.by != nil && !in.contain {
		return c.barred(*in.by, force)
	}
	if c.needed(in, nil) {
		why := reason.New(reason.StillNeeded)
		return &why
	}
	return nil
}

// waiting returns the entry of what the target holds and what cannot be done to it yet.
func waiting(known *Entry, why *reason.Reason) Entry {
	e := *known
	e.State, e.Reason = stuck(known, Waiting), why
	return e
}

// adopt asks the target about what is wished and of which nobody knows what has become: what was let go of, which is the
// same resource if it is still there, and what an operation was begun on whose outcome was lost.
func (c *calls) adopt(ctx context.Context, batch []intent, s *Settled, next *work) error {
	for i := range batch {
		in := &batch[i]
		known := c.book.entries[in.resource.ID]
		now := c.link.o.Now()
		if known == nil || known.State != Released && !known.Begun || known.NextTry.After(now) || c.health.paused.After(now) {
			continue
		}
		in.begun = known.Begun
		held, err := c.lookup(ctx, in.resource.ID, known.Native, s)
		switch {
		case errors.Is(err, ErrNotFound):
			c.put(Entry{ID: in.resource.ID, Entity: in.resource.Entity, State: Gone})
			in.verb, in.entry.Native, in.begun = Create, "", false
			if _, matches := c.link.o.Made.Applier.(Matcher); matches { // which is asked first
				in.verb = ""
				next.add(in.resource.Entity)
			}
		case errors.Is(err, ErrUnsupported) && known.Begun:
			blind := *known // who cannot be asked is told again
			blind.Begun, blind.Fields, in.begun = false, nil, false
			c.put(blind)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			if err := c.record(ctx, *in, Outcome{Err: err}, s, next); err != nil || s.Halted != nil {
				return err
			}
		default:
			ours := *known
			if ours.State == Released {
				ours.State = Applied
			}
			c.put(c.asHeld(ours, held))
		}
	}
	return nil
}

func (c *calls) operation(in intent) Operation {
	op := Operation{Verb: in.verb, Resource: in.resource, Native: in.entry.Native, Alias: in.alias}
	if known := c.book.entries[in.resource.ID]; known != nil && known.Held {
		op.Native, op.Before, op.Enable = known.Native, known.Fields, known.off() && in.verb == Update
		op.SetsAdd, op.SetsDrop = difference(in.resource.Sets, known.Sets), difference(known.Sets, in.resource.Sets)
		if removes := in.verb == Disable || in.verb == Move || in.verb == Delete; removes && !in.contain {
			op.Left, op.Why = cmp.Or(in.entry.Left, known.Left), in.entry.Reason
		}
	}
	op.Natives = c.nativesOf(op)
	return op
}

func (c *calls) record(ctx context.Context, in intent, out Outcome, s *Settled, next *work) error {
	e := in.entry
	if out.Err == nil {
		c.confirm(e, in, out, s, next)
		c.withdraw(ctx, in)
		return nil
	}
	known := c.book.entries[e.ID]
	failed := *known
	if failed.State == InFlight {
		failed.Held = false
	}
	why := reason.Of(out.Err)
	failed.Reason, failed.Attempts = &why, known.Attempts+1
	fault := reason.FaultOf(out.Err)
	if in.contain && (fault == reason.Invalid || fault == reason.Unsupported) {
		// A target that will not keep a person out is asked again and again, and whoever runs it is told.
		c.link.o.Logger.ErrorContext(ctx, "the target refuses an operation that must not wait; trying again", "target", c.link.o.Target.String(), "error", out.Err)
		fault = reason.Transient
	}
	failed.Begun = in.begun || failed.Held && (fault == reason.Transient || fault == reason.Conflict) // else it said no
	switch fault {
	case reason.Invalid, reason.Unsupported:
		failed.State, failed.NextTry = stuck(known, Parked), time.Time{}
		failed.Refused = wishDigest(in.resource.Fields, in.resource.Sets)
	case reason.Misconfigured:
		failed.State, failed.Attempts = stuck(known, Waiting), known.Attempts
		c.trip(out.Err, s)
	case reason.Conflict:
		c.nameTaken(in, why)
		if c.fence[e.ID]++; c.fence[e.ID] <= 3 {
			err := c.readBack(ctx, failed)
			if err == nil {
				next.add(e.Entity)
				return nil
			}
			if ctx.Err() != nil {
				return err
			}
			c.link.o.Logger.WarnContext(ctx, "what differs from what was assumed cannot be read; trying again", "target", c.link.o.Target.String(), "error", err)
		}
		c.delay(&failed, out.Err)
	default:
		c.delay(&failed, out.Err)
	}
	c.put(failed)
	return nil
}

// delay has a resource tried again later; after several attempts it is parked with its next try.
func (c *calls) delay(e *Entry, err error) {
	if e.State = stuck(e, Waiting); e.State == Waiting && e.Attempts >= parkedAfter {
		e.State = Parked
	}
	e.NextTry = c.link.o.Now().Add(c.link.wait(e.Attempts, reason.AfterOf(err)))
}

func (c *calls) confirm(e Entry, in intent, out Outcome, s *Settled, next *work) {
	delete(c.fence, e.ID)
	if out.Native != "" {
		e.Native = out.Native
	}
	e.Attempts, e.NextTry, e.Refused, e.Begun = 0, time.Time{}, "", false
	e.Cause = in.cause
	if len(out.Refused) > 0 {
		e.Refused = wishDigest(in.resource.Fields, in.resource.Sets)
		e.Sets = without(e.Sets, out.Refused)
		why := reason.New(reason.MembersRefused, "count", len(out.Refused))
		e.Reason = &why
	}
	c.put(e)
	if in.contain {
		return
	}
	d := s.Kinds[e.ID.Kind]
	switch in.verb {
	case Create:
		s.Created++
		d.Created++
	case Update:
		s.Updated++
		d.Updated++
	case Disable:
		s.Disabled++
		d.Disabled++
	case Move:
		s.Moved++
		d.Moved++
	case Delete:
		s.Deleted++
		d.Deleted++
	}
	s.Kinds[e.ID.Kind] = d
	if in.verb == Create {
		for ref := range c.waiters[e.ID] {
			next.add(ref)
		}
		delete(c.waiters, e.ID)
	}
}

func without(sets []Set, refused map[ID]error) []Set {
	out := make([]Set, len(sets))
	for i, s := range sets {
		out[i] = Set{s.Name, slices.DeleteFunc(slices.Clone(s.Members), func(m ID) bool { _, no := refused[m]; return no })}
	}
	return out
}

// put records an entry in memory, to be saved with the next batch, unless it says nothing new.
func (c *calls) put(e Entry) {
	known, ok := c.book.entries[e.ID]
	switch {
	case ok && equalEntry(*known, e), !ok && e.State == Gone && e.Reason == nil:
		return
	case ok:
		c.loosen(known, e)
		c.bereave(known, e)
	}
	c.book.set(e)
	c.unsaved[e.ID] = struct{}{}
}

// save writes what the ledger does not have yet, and the mark.
func (c *calls) save(ctx context.Context) error {
	if err := c.endNames(ctx); err != nil { // first: the ledger forgets whose account it was
		return err
	}
	entries := make([]Entry, 0, len(c.unsaved))
	for id := range c.unsaved {
		if e, ok := c.book.entries[id]; ok {
			entries = append(entries, *e)
		} else {
			entries = append(entries, Entry{ID: id, State: Gone})
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return a.ID.Compare(b.ID) })
	if err := c.link.save(ctx, entries); err != nil {
		return err
	}
	clear(c.unsaved)
	return nil
}

func equalEntry(a, b Entry) bool {
	return a.Entity == b.Entity && a.FoundBy == b.FoundBy && a.Untouched == b.Untouched && slices.EqualFunc(a.Near, b.Near, equalCandidate) && a.Anchor == b.Anchor && a.Native == b.Native && a.Held == b.Held && a.State == b.State &&
		a.Left == b.Left && a.Buried == b.Buried && a.Approved == b.Approved && a.Begun == b.Begun && slices.Equal(a.Needs, b.Needs) && a.As == b.As && a.Refused == b.Refused && a.Attempts == b.Attempts && a.NextTry.Equal(b.NextTry) &&
		slices.Equal(a.Fields, b.Fields) && slices.EqualFunc(a.Sets, b.Sets, equalSet) && equalReason(a.Reason, b.Reason)
}

func equalReason(a, b *reason.Reason) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Code == b.Code && slices.Equal(a.Args, b.Args)
}
