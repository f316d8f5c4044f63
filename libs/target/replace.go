package target

import (
	"maps"
	"slices"

	"eventful.se/ess/libs/reason"
)

// Of some kinds a target holds one resource for a key: a pupil or an employee with the same account. When another one of
// them is wished, that one is the resource's new place and not a second resource. So what the target holds is not let go
// of, beside its successor, but replaced: it goes when the successor stands in its place, in the same set or in the call
// before, and the successor waits for as long as it stays. See [Target.OneOf].
//
// The guard counts it as a delete, or as scope where the settings alone ask for it: none of those passes unasked.

// successor returns the wish that takes the place of what the target holds, or nil.
func (t terms) successor(id ID, wishes []Wish) *Resource {
	if !slices.Contains(t.oneOf, id.Kind) {
		return nil
	}
	for i := range wishes {
		if r := &wishes[i].Resource; wishes[i].Withheld == nil && r.ID != id && r.ID.Key == id.Key && slices.Contains(t.oneOf, r.ID.Kind) {
			return r
		}
	}
	return nil
}

// unsettled tells whether the ledger does not know yet that the settings are what asks for another place: it is let go of
// first, so that a round later it is known that no register asked for it. A preview has no later round.
func (t terms) unsettled(e *Entry, l look) bool {
	return t.changed && !t.preview && e.State != Released && t.lets(e, l)
}

// planReplaced takes a resource away in favour of its successor.
func planReplaced(e *Entry, by *Resource, l look, t terms) intent {
	in := planRemoval(e, nil)
	in.by, in.scope = by, t.lets(e, l)
	return in
}

// placeTaken says that a resource waits for the place that another one has.
func placeTaken(by ID) *reason.Reason {
	why := reason.New(reason.PlaceTaken, "resource", by)
	return &why
}

// occupant returns what has the place of a resource.
func occupant(oneOf []string, id ID, entries map[ID]*Entry) (ID, bool) {
	if !slices.Contains(oneOf, id.Kind) {
		return ID{}, false
	}
	for _, kind := range oneOf {
		if other := (ID{kind, id.Key}); kind != id.Kind && entries[other] != nil && entries[other].Held {
			return other, true
		}
	}
	return ID{}, false
}

// barred tells why a successor could not be made now: then what it is to replace stays.
func (c *calls) barred(by Resource, force bool) *reason.Reason {
	if need, unmet := c.unmet(by); unmet {
		c.await(need, by.Entity)
		why := reason.New(reason.NeedsMissing, "resource", need)
		return &why
	}
	known := c.book.entries[by.ID]
	if known == nil || force {
		return nil
	}
	stand, _ := c.book.standing(by.Sets, c.contained, c.going)
	if known.NextTry.After(c.link.o.Now()) || known.Refused != "" && known.Refused == wishDigest(by.Fields, stand) {
		return known.Reason
	}
	return nil
}

// unreplaced returns what goes on standing because what would take its place does not stand, with what it needs.
func (e *sets) unreplaced(entries map[ID]*Entry) (kept []*Entry) {
	for _, id := range slices.SortedFunc(maps.Keys(e.replaced), ID.Compare) {
		by := entries[e.replaced[id]]
		if entries[id] != nil || by == nil || by.Held {
			continue
		}
		stays := *e.last[id]
		stays.Reason = by.Reason
		kept = append(kept, &stays)
	}
	return e.withNeeds(kept, nil)
}

// await leaves what refers to a resource that waits for its place as it was delivered, until that one stands.
func (e *sets) await(all []Resource, entries map[ID]*Entry) {
	if len(e.link.o.Made.OneOf) == 0 {
		return
	}
	for i := range all {
		r := &all[i]
		old := e.last[r.ID]
		if old == nil || !old.Held {
			continue
		}
		for _, need := range r.Needs {
			if n := entries[need]; n != nil && n.Reason != nil && n.Reason.Code == reason.PlaceTaken {
				why := reason.New(reason.NeedsMissing, "resource", need)
				entries[r.ID].State, entries[r.ID].Reason = Waiting, &why
				r.Fields, r.Needs, r.Sets = old.Fields, old.Needs, old.Sets
				break
			}
		}
	}
}
