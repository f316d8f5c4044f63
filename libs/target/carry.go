package target

import (
	"cmp"
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
)

// movedOn tells whether the person of an entry has another key now, under which the wishes stand.
func (e *sets) movedOn(en *Entry) bool {
	return en.Entity.Kind == roster.KindPerson && !e.known[en.Entity]
}

// carry returns what stays in the set as it was delivered though nobody wishes it, and when the next of it may go.
//
//   - Of an entity of which the log has neither record nor tombstone, or none that can be read, everything: nothing is
//     removed because it is missing from the log (rule R6).
//   - Of a person who has left, all whose time to go has not come.
//   - What only the configuration takes out; see [Outside].
func (e *sets) carry(f *Feed, s *Settled) (out []*Entry, next time.Time) {
	t := e.link.terms()
	var orphans []*Entry
	clear(e.scope)
	clear(e.replaced)
	e.again = false
	for id, en := range e.last {
		if !en.Held || e.movedOn(en) || e.hidden(en) {
			continue
		}
		_, outside := e.outside[en.Entity]
		l := look{merged: f.roster.State(en.Entity), wishes: e.wishes[en.Entity], outside: outside}
		gone := l.merged.State == roster.Tombstoned
		if by := t.successor(id, l.wishes); by != nil && !e.wished(en) {
			if e.again = e.again || t.unsettled(en, l); !t.unsettled(en, l) {
				e.replaced[id], e.scope[id] = by.ID, t.lets(en, l)
				continue
			}
		}
		leaver := leaves(en.Entity, l.merged, l.wishes) || l.merged.State == roster.Missing && en.Buried
		switch {
		case !f.known(en.Entity), l.merged.State == roster.Missing && !leaver, l.merged.Reason == roster.TombstoneBecame:
			orphans = append(orphans, en)
			if en.State != Released {
				s.Orphans++
			}
		case !gone && l.merged.State == roster.Standing && t.lets(en, l):
			if slices.ContainsFunc(l.wishes, func(w Wish) bool { return w.Resource.ID == id && (w.Withheld == nil || w.Fate == Stays) }) {
				continue
			}
			if t.releases(en) {
				kept := released(en, nil)
				out = append(out, &kept)
				continue
			}
			if kept, at := e.leaving(f, en); kept != nil && t.outside == AsLeaver {
				out, next = append(out, kept), earlier(next, at)
				continue
			}
			e.scope[id] = true
		case leaver:
			if kept, at := e.leaving(f, en); kept != nil {
				out, next = append(out, kept), earlier(next, at)
			}
		}
	}
	return append(e.withNeeds(out, orphans), orphans...), next
}

// leaving returns what stays of a person who has left, and when it may go; nothing when the time has come.
func (e *sets) leaving(f *Feed, en *Entry) (kept *Entry, next time.Time) {
	step := cmp.Or(e.link.o.Made.Omission, DeleteStep)
	d := e.link.departure(f, en.Entity)
	left, as := d.left(en), d.capacity(en.As)
	l := d.life.of(as)
	if l.reached(left, d.today, step) || l.reached(left, d.today, DeleteStep) {
		return nil, next
	}
	stays := *en
	stays.Approved = en.Approved || e.link.approved(f, en.Entity, f.roster.State(en.Entity), en)
	stays.Left, stays.Buried, stays.As, stays.Reason = left, en.Buried || d.buried, as, l.leaving(left, step, DeleteStep)
	return &stays, l.next(left, d.today, step, DeleteStep)
}

// withNeeds adds to what is carried over from the last set what it refers to, unless that is wished still: a class or a
// school that is gone stays in the set for as long as a leaver's row needs it. It does not for orphans, which nobody stands up
// for: they go with what they refer to. Nobody stands up for what is contained or replaced either.
func (e *sets) withNeeds(carried, orphans []*Entry) []*Entry {
	there := make(map[ID]bool, len(carried)+len(orphans))
	for _, en := range slices.Concat(carried, orphans) {
		there[en.ID] = true
	}
	for i := 0; i < len(carried); i++ { // it grows
		for _, need := range carried[i].Needs {
			old := e.last[need]
			if there[need] || old == nil || !old.Held || e.replaced[need] != (ID{}) || e.hidden(old) || e.wished(old) {
				continue
			}
			there[need] = true
			carried = append(carried, old)
		}
	}
	return carried
}

// wished tells whether the mapping still wishes a resource that was delivered.
func (e *sets) wished(old *Entry) bool {
	for _, w := range e.wishes[old.Entity] {
		if w.Resource.ID == old.ID && w.Withheld == nil {
			return true
		}
	}
	return false
}
