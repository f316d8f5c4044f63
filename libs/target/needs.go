package target

import (
	"slices"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// unmet returns what a resource needs and the target does not hold.
func (c *calls) unmet(r Resource) (ID, bool) {
	for _, need := range r.Needs {
		if !c.book.holds(need) {
			return need, true
		}
	}
	return ID{}, false
}

// await has an entity looked at again when a resource stands.
func (c *calls) await(id ID, ref roster.Ref) { note(c.waiters, id, ref) }

func note(list map[ID]map[roster.Ref]struct{}, id ID, ref roster.Ref) {
	if list[id] == nil {
		list[id] = map[roster.Ref]struct{}{}
	}
	list[id][ref] = struct{}{}
}

// detain has what is to go stay for as long as the target holds something that needs it and does not go with it: a school's
// unit in a directory while accounts of leavers stand in it. What contains somebody, and what is replaced, waits for nothing.
func (c *calls) detain(intents []intent) {
	c.needing = map[ID][]ID{}
	waits := map[ID]*intent{}
	goes := map[ID]bool{}
	for i := range intents {
		if in := &intents[i]; in.verb == Delete {
			goes[in.resource.ID] = true
			if !in.contain && in.by == nil {
				waits[in.resource.ID] = in
			}
		}
	}
	if len(waits) == 0 {
		return
	}
	moves := map[ID][]ID{} // what others need from now on
	for i := range intents {
		if in := &intents[i]; in.verb == Update {
			moves[in.resource.ID] = in.resource.Needs
		}
	}
	for id, e := range c.book.entries {
		for _, need := range e.Needs {
			if waits[need] != nil && e.Held {
				c.needing[need] = append(c.needing[need], id)
			}
		}
	}
	for again := true; again; { // what waits may need others that are to go
		again = false
		for id, in := range waits {
			if goes[id] && c.needed(*in, func(by ID) bool {
				needs, moved := moves[by]
				return !goes[by] && (!moved || slices.Contains(needs, id))
			}) {
				why := reason.New(reason.StillNeeded)
				in.verb, in.entry = "", waiting(c.book.entries[id], &why)
				goes[id], again = false, true
			}
		}
	}
}

// needed tells whether something that the target holds needs what is to go, and has it looked at again when that changes.
func (c *calls) needed(in intent, counts func(by ID) bool) bool {
	id, found := in.resource.ID, false
	for _, by := range c.needing[id] {
		if e := c.book.entries[by]; e != nil && e.Held && slices.Contains(e.Needs, id) && (counts == nil || counts(by)) {
			note(c.needers, by, in.resource.Entity)
			found = true
		}
	}
	return found
}

// loosen has looked at again what waits for an entry to need it no more.
func (c *calls) loosen(old *Entry, e Entry) {
	if len(c.needers[e.ID]) == 0 || e.Held && slices.Equal(e.Needs, old.Needs) {
		return
	}
	for ref := range c.needers[e.ID] {
		c.again.add(ref)
	}
	delete(c.needers, e.ID)
}
