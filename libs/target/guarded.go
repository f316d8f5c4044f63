package target

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// looked returns what tells whether a round looked at an entity: it was told to, and what is said of it can be read. The
// caller is inside read.
func (f *Feed) looked(w work) func(roster.Ref) bool {
	unread := map[roster.Ref]bool{}
	for ref, sources := range f.unread {
		unread[ref] = len(sources) > 0
	}
	return func(ref roster.Ref) bool {
		_, told := w.refs[ref]
		return !unread[ref] && (w.all || told)
	}
}

// deeds returns what the intents would do that the guard counts, and notes of who leaves whether a person approved that.
// The caller is inside read.
func (c *calls) deeds(f *Feed, intents []intent) (deeds []*deed) {
	l := c.link
	for i := range intents {
		in := &intents[i]
		known := c.book.entries[in.resource.ID]
		if known == nil || !known.Held || in.contain {
			continue
		}
		if e := &in.entry; e.Held && !e.Left.IsOpen() && !e.Approved {
			e.Approved = l.approved(f, e.Entity, f.roster.State(e.Entity), known)
		}
		if !l.guards(in.resource.ID.Kind) {
			continue
		}
		var ops []guard.Operation
		switch {
		case in.scope:
			ops = []guard.Operation{guard.Scope}
		case in.verb == Delete:
			ops = []guard.Operation{guard.Delete}
		case in.verb == Disable || in.verb == Move && known.State != Disabled:
			ops = []guard.Operation{guard.Disable}
		case in.verb == Update:
			ops = l.watched(known.Fields, in.resource.Fields)
		}
		if len(ops) == 0 {
			continue
		}
		d := l.deed(known, in.resource.Entity, in.resource.Fields, ops...)
		d.needs = known.Needs
		deeds = append(deeds, d)
	}
	l.describe(f, deeds, c.book.entries)
	return deeds
}

// stayIn keeps who waits for a person's decision in the sets where she or he is: a removal that is held takes nobody out of a
// group either.
func (c *calls) stayIn(intents []intent) {
	going, stays := map[ID]bool{}, map[ID]bool{}
	for i := range intents {
		in := &intents[i]
		if in.verb == "" && in.entry.State == OnHold {
			stays[in.resource.ID] = true
		}
		if in.verb == Delete || in.verb == Disable || in.verb == Move || in.contain {
			going[in.resource.ID] = true
		}
	}
	for i := range intents {
		in := &intents[i]
		if in.verb != Update || len(in.resource.Sets) == 0 {
			continue
		}
		known := c.book.entries[in.resource.ID]
		if known == nil || slices.EqualFunc(known.Sets, in.resource.Sets, equalSet) { // nobody is to leave one
			continue
		}
		for n, wished := range in.resource.Sets {
			var kept []ID
			for _, had := range known.Sets {
				if had.Name != wished.Name {
					continue
				}
				for _, m := range had.Members {
					if e := c.book.entries[m]; e != nil && (stays[m] || e.State == OnHold) && !going[m] && !slices.Contains(wished.Members, m) {
						kept = append(kept, m)
					}
				}
			}
			if len(kept) > 0 {
				sets := slices.Clone(in.resource.Sets) // the mapping's own is another's too
				sets[n].Members = slices.Concat(wished.Members, kept)
				slices.SortFunc(sets[n].Members, ID.Compare)
				in.resource.Sets = sets
			}
		}
	}
}

// judge has the guard judge the deeds, and leaves of the intents what is not held: of a resource that is to go the ledger
// says why it does not, and one that is to be called otherwise keeps its fields and follows in its sets.
func (c *calls) judge(ctx context.Context, intents []intent, deeds []*deed, seen func(roster.Ref) bool) (int, error) {
	live := map[guard.Bucket]int{}
	if len(deeds) > 0 {
		for id, e := range c.book.entries {
			if e.Held && !e.theirs() {
				live[bucketOf(id.Kind, "")]++
			}
		}
	}
	held, err := c.link.guard.judge(ctx, deeds, seen, live)
	if err != nil || len(held) == 0 {
		return 0, err
	}
	staying := map[roster.Ref]bool{}
	for i := range intents {
		in := &intents[i]
		id := in.resource.ID
		known, why := c.book.entries[id], held[id]
		switch {
		case why == nil:
		case in.verb == Update:
			in.resource.Fields = known.Fields
			in.entry.Fields, in.entry.State, in.entry.Reason = known.Fields, OnHold, why
		default:
			staying[in.resource.Entity] = true
			next := onHold(known, why)
			next.Anchor, next.Left = in.entry.Anchor, cmp.Or(known.Left, in.entry.Left)
			next.Approved, next.Buried = in.entry.Approved || known.Approved, in.entry.Buried || known.Buried
			in.verb, in.entry = "", next
		}
	}
	for i := range intents { // what joins others stays with what it joins
		in := &intents[i]
		if in.verb == Delete && staying[in.resource.Entity] && !c.link.guards(in.resource.ID.Kind) {
			in.verb, in.entry = "", *c.book.entries[in.resource.ID]
		}
	}
	return len(held), nil
}

// spend takes away the approvals that were used, once the ledger has what they were used for: who dies in between would
// ask for them again.
func (c *calls) spend(ctx context.Context) error {
	if len(c.link.guard.used) == 0 {
		return nil
	}
	if err := c.save(ctx); err != nil {
		return err
	}
	return c.link.guard.spend(ctx, func(d *deed) bool {
		e := c.book.entries[d.entry.ID]
		return e == nil || !e.Held || e.Cause.Seq != d.item.Expect
	})
}

// errNotLoaded says that the roster went while a set was made.
var errNotLoaded = errors.New(notLoaded)

// guard has the guard judge what a set would take away or call otherwise, and returns the set in which what is held is as
// it was delivered.
func (e *sets) guard(ctx context.Context, plan setPlan, s *Settled) (setPlan, error) {
	for {
		deeds, err := e.deeds(plan)
		if err != nil {
			return plan, err
		}
		live := map[guard.Bucket]int{}
		for id, en := range e.last {
			if en.Held && len(deeds) > 0 {
				live[bucketOf(id.Kind, "")]++
			}
		}
		held, err := e.link.guard.judge(ctx, deeds, plan.seen, live)
		if err != nil {
			return plan, err
		}
		s.Held = len(held)
		frozen := maps.Clone(plan.frozen)
		if frozen == nil {
			frozen = map[ID]*reason.Reason{}
		}
		asked := map[ID]*deed{}
		for _, d := range deeds {
			asked[d.entry.ID] = d
		}
		for id, why := range held {
			e.freeze(frozen, asked[id], why, plan)
		}
		if len(frozen) == len(plan.frozen) {
			return plan, nil
		}
		plan = plan.again(plan.parked, frozen, deeds)
	}
}

// freeze adds a held resource to what stays as delivered: with what it needs, and with what joins it to others.
func (e *sets) freeze(frozen map[ID]*reason.Reason, d *deed, why *reason.Reason, plan setPlan) {
	frozen[d.entry.ID] = why
	if !d.removal() {
		return
	}
	for _, need := range d.needs {
		if old := e.last[need]; old != nil && old.Held && frozen[need] == nil && !plan.stands(need) && !e.hidden(old) {
			frozen[need] = why
		}
	}
}

// deeds returns what a set does that the guard counts, with what is frozen in it already.
func (e *sets) deeds(plan setPlan) (deeds []*deed, err error) {
	l := e.link
	done := map[ID]bool{}
	for _, d := range plan.deeds {
		if plan.frozen[d.entry.ID] != nil {
			deeds, done[d.entry.ID] = append(deeds, d), true
		}
	}
	var found []*deed
	for id, old := range e.last {
		if !old.Held || done[id] || !l.guards(id.Kind) || e.hidden(old) {
			continue
		}
		en := plan.entries[id]
		var ops []guard.Operation
		ref, fields := old.Entity, Fields(nil)
		switch {
		case en == nil || !en.Held:
			ops = []guard.Operation{guard.Delete}
			if e.scope[id] {
				ops[0] = guard.Scope
			}
		default:
			ref, fields = en.Entity, en.Fields
			ops = l.watched(old.Fields, fields)
		}
		if len(ops) > 0 {
			d := l.deed(old, ref, fields, ops...)
			d.needs = old.Needs
			found = append(found, d)
		}
	}
	if len(found) > 0 && !l.o.Feed.read(func(f *Feed) { l.describe(f, found, e.last) }) {
		return nil, errNotLoaded
	}
	return append(deeds, found...), nil
}

// stays returns what is carried into a set because it is held: as it was delivered, with the rows that join it to others.
func (e *sets) stays(frozen map[ID]*reason.Reason, deeds []*deed) (out []*Entry) {
	byID := map[ID]*deed{}
	for _, d := range deeds {
		byID[d.entry.ID] = d
	}
	entities := map[roster.Ref]bool{}
	for id := range frozen {
		if d := byID[id]; d != nil && !d.removal() {
			continue // it is wished, under another name
		}
		kept := *e.last[id]
		if d := byID[id]; d != nil {
			kept.Entity = d.item.Ref // the person may have another key now
		}
		out, entities[kept.Entity] = append(out, &kept), true
	}
	if len(out) == 0 {
		return nil
	}
	for id, en := range e.last {
		if en.Held && entities[en.Entity] && !e.link.guards(id.Kind) && !e.hidden(en) {
			out = append(out, en)
		}
	}
	return out
}
