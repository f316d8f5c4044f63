package target

import (
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Outside says what becomes of what the target holds and only the configuration takes out: the link's filter, an
// excluded unit, or settings under which the mapping no longer wishes it (rule R6). The zero Outside is Release.
type Outside string

// The ways out. With all but the first, nothing is disabled or deleted before a person has approved it.
const (
	Release  Outside = "release"  // it stays as it is and is no longer ours; what comes back is ours again
	AsLeaver Outside = "asLeaver" // it goes by the stages of leaving
	Drop     Outside = "delete"   // it goes at once
)

// planTaken decides about a resource that is not wished any more. It reports false where it stays exactly as it is.
//
// A register that says that a person left takes it by the stages; one that says nothing of the kind takes it at once. But
// where the settings are others than those that the ledger was planned with, or the entity is out of scope, nobody in a
// register asked for it: it is let go of. Once it is, it stays so until it is wished again; only of a complete set, where
// to stay is to be delivered again and again, does it leave with its person.
func planTaken(e *Entry, why *reason.Reason, l look, leaver bool, d departure, t terms) (intent, bool) {
	switch {
	case !e.Held:
		return planRemoval(e, why), true
	case l.merged.State == roster.Tombstoned && e.State == Released && t.outside.releases() && !t.complete:
		return intent{}, false
	case l.merged.State == roster.Tombstoned && leaver:
		return planLeaver(e, why, d), true
	case l.merged.State == roster.Tombstoned:
		return planRemoval(e, why), true
	case t.lets(e, l):
		return planOutside(e, why, d, t), true
	case leaver, t.outgrown(e, l):
		return planLeaver(e, why, d), true
	default:
		return planRemoval(e, why), true
	}
}

// outgrown tells whether a person who stays has no more use for one of several accounts, as a teacher has none for that of
// the courses she took: people keep their work in it, so it goes by the stages.
func (t terms) outgrown(e *Entry, l look) bool {
	if e.Entity.Kind != roster.KindPerson || !slices.Contains(t.accounts, e.ID.Kind) {
		return false
	}
	i := slices.IndexFunc(l.wishes, func(w Wish) bool { return w.Resource.ID == e.ID })
	return i < 0 || l.wishes[i].Fate == Leaves
}

// lets tells whether nothing but the configuration takes out what is held for an entity that stands.
func (t terms) lets(e *Entry, l look) bool {
	switch {
	case e.State == Released || l.outside:
		return true
	case t.changed:
		return e.Left.IsOpen() // who was leaving under the old settings goes on leaving
	default:
		// On its way out by what planOutside began, and the mapping does not say that the person leaves.
		return t.outside == AsLeaver && !e.Left.IsOpen() && !leaves(e.Entity, l.merged, l.wishes)
	}
}

func (o Outside) releases() bool { return o == "" || o == Release }

// releases tells whether what is taken out is let go of. Of changed settings nobody knows yet what they take out: what
// else becomes of it is decided when they are the ledger's too.
func (t terms) releases(e *Entry) bool {
	return t.outside.releases() || t.changed && e.State != Released
}

// planOutside lets go of what the configuration takes out, or does what the link wants instead.
func planOutside(e *Entry, why *reason.Reason, d departure, t terms) intent {
	var in intent
	switch {
	case t.releases(e):
		in = intent{resource: Resource{ID: e.ID, Entity: e.Entity}, entry: released(e, why)}
	case t.outside == AsLeaver:
		in = planLeaver(e, why, d)
	default:
		in = planRemoval(e, why)
	}
	in.scope = in.verb != ""
	return in
}

// released returns the entry of what is no longer ours.
func released(e *Entry, why *reason.Reason) Entry {
	next := *e
	next.State, next.Reason, next.Attempts, next.NextTry, next.Refused = Released, why, 0, time.Time{}, ""
	if why == nil {
		r := reason.New(reason.OutOfScope)
		next.Reason = &r
	}
	return next
}
