package target

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// book is what a link knows that its target holds, in memory while the link has work.
type book struct {
	entries  map[ID]*Entry
	byEntity map[roster.Ref][]ID
	natives  map[string]ID // of what is held, by the target's own id
}

func newBook() *book {
	return &book{map[ID]*Entry{}, map[roster.Ref][]ID{}, map[string]ID{}}
}

// set records an entry; one that is gone for no reason that is worth keeping is forgotten.
func (b *book) set(e Entry) {
	old, known := b.entries[e.ID]
	if known && b.natives[old.Native] == e.ID {
		delete(b.natives, old.Native)
	}
	if e.Held && e.Native != "" {
		b.natives[e.Native] = e.ID
	}
	if known && old.Entity != e.Entity {
		b.unlink(old)
		known = false
	}
	if e.State == Gone && e.Reason == nil {
		if known {
			b.unlink(old)
		}
		delete(b.entries, e.ID)
		return
	}
	if !known {
		b.byEntity[e.Entity] = append(b.byEntity[e.Entity], e.ID)
	}
	b.entries[e.ID] = &e
}

func (b *book) unlink(e *Entry) {
	ids := slices.DeleteFunc(b.byEntity[e.Entity], func(id ID) bool { return id == e.ID })
	if len(ids) == 0 {
		delete(b.byEntity, e.Entity)
		return
	}
	b.byEntity[e.Entity] = ids
}

// of returns what is known of an entity's resources, sorted. It is to be read only.
func (b *book) of(ref roster.Ref) []ID {
	ids := b.byEntity[ref]
	if len(ids) < 2 {
		return ids
	}
	return slices.SortedFunc(slices.Values(ids), ID.Compare)
}

func (b *book) holds(id ID) bool {
	e, ok := b.entries[id]
	return ok && e.Held
}

// standing leaves the members of each set that the target holds, and returns those that it does not. The resources of who
// is kept out, and those that are about to go, are neither.
func (b *book) standing(sets []Set, out map[roster.Ref]struct{}, going map[ID]struct{}) (stand []Set, missing []ID) {
	for _, s := range sets {
		kept := Set{Name: s.Name}
		for _, m := range s.Members {
			if _, ok := going[m]; ok {
				continue
			}
			e := b.entries[m]
			if e != nil {
				if _, ok := out[e.Entity]; ok {
					continue
				}
			}
			if e != nil && e.Held {
				kept.Members = append(kept.Members, m)
			} else {
				missing = append(missing, m)
			}
		}
		stand = append(stand, kept)
	}
	return stand, missing
}

// intent is what a link means to do about one resource of one entity.
type intent struct {
	verb     Verb // empty: only the ledger changes
	resource Resource
	entry    Entry // the entry as it will be once the verb, if any, is confirmed
	cause    Cause
	// scope says that the configuration alone asks for a disable or delete: none is made before a person has approved it.
	scope bool
	// contain says that it is done for a contained person. It comes first, nobody holds it, and nobody counts it.
	contain bool
	alias   bool      // with Contain
	match   bool      // the target's own is to be found; there is no verb
	begun   bool      // an operation before this one has an outcome that nobody knows
	by      *Resource // what takes the place of a resource that goes; see [Target.OneOf]
}

// terms are what a link plans by, beside the roster, the mapping and the ledger.
type terms struct {
	outside  Outside
	accounts []string // kinds that are contained in place of being deleted
	changed  bool     // the ledger was planned with other settings
	complete bool     // the target takes complete sets
	oneOf    []string // kinds of which there is one resource for a key
	preview  bool
	hidden   func(*Entry) bool // whether an entry is about a contained person
	member   func(ID) bool     // whether a set of the ledger has it as a member; nil where nobody knows
}

// planEntity compares what is wished for an entity with what the ledger knows (rules R4 to R6), and appends what is to be
// done. It reads nothing else, so the same roster and ledger give the same intents.
//
// A resource is removed only because its entity's tombstone stands, or because its record stands and the mapping no
// longer wishes the resource. What the ledger holds without record or tombstone is an orphan: it is left alone and
// counted. What is out of scope, and what other settings no longer wish, is let go of; see [Outside].
//
// What is held for a person who leaves goes by the stages of the lifecycle; of a contained person at once.
func planEntity(to []intent, ref roster.Ref, l look, b *book, d departure, t terms) (intents []intent, orphans int) {
	if l.contain {
		return append(to, planContained(ref, l, b, t)...), 0
	}
	intents = to
	leaver := leaves(ref, l.merged, l.wishes)
	remove := func(e *Entry, why *reason.Reason) (intent, bool) {
		if e.theirs() {
			return planForgotten(e, why, t), true
		}
		if t.hidden(e) {
			return planHidden(e), true
		}
		by := t.successor(e.ID, l.wishes)
		if by != nil && e.Held && !t.unsettled(e, l) {
			return planReplaced(e, by, l, t), true
		}
		in, ok := planTaken(e, why, l, leaver, d, t)
		in.by = by
		return in, ok
	}
	wished := wishedAmong(l.wishes)
	for _, w := range l.wishes {
		if in, ok := planWish(w, b, remove); ok {
			intents = append(intents, in)
		}
	}
	for _, id := range b.byEntity[ref] {
		e := b.entries[id]
		if e.State == Gone || wished(id) {
			continue
		}
		missing := l.merged.State == roster.Missing || l.merged.Reason == roster.TombstoneBecame
		if e.theirs() {
			if !missing || t.hidden(e) {
				intents = append(intents, planForgotten(e, nil, t))
			}
			continue
		}
		if t.hidden(e) {
			intents = append(intents, planHidden(e))
			continue
		}
		if d.swept && e.Buried && e.State != Released {
			intents = append(intents, planLeaver(e, nil, d))
			continue
		}
		if missing {
			if e.State != Released {
				orphans++ // of an entity that became another one: what it held there would go with no one having left
			}
			continue
		}
		if in, ok := remove(e, nil); ok {
			intents = append(intents, in)
		}
	}
	return intents, orphans
}

// wishedAmong returns what tells whether a resource is one of those that are wished for.
func wishedAmong(wishes []Wish) func(ID) bool {
	const few = 8 // of which none is looked up
	if len(wishes) <= few {
		return func(id ID) bool {
			for i := range wishes {
				if wishes[i].Resource.ID == id {
					return true
				}
			}
			return false
		}
	}
	set := make(map[ID]struct{}, len(wishes))
	for i := range wishes {
		set[wishes[i].Resource.ID] = struct{}{}
	}
	return func(id ID) bool { _, ok := set[id]; return ok }
}

// leaves tells whether an entity is a person who has left: the register says nothing of the person any more, or the
// mapping wishes nothing because of it.
func leaves(ref roster.Ref, m roster.Merged, wishes []Wish) bool {
	if ref.Kind != roster.KindPerson {
		return false
	}
	if m.State == roster.Tombstoned {
		return m.Reason == roster.TombstoneLeft
	}
	left := false
	for _, w := range wishes {
		if w.Withheld == nil {
			return false
		}
		left = left || w.Fate == Leaves
	}
	return left
}

// planLeaver does what is due on a day to something that the target holds for a person who leaves.
func planLeaver(e *Entry, why *reason.Reason, d departure) intent {
	left, as := d.left(e), d.capacity(e.As)
	l := d.life.of(as)
	if !e.Held || l.reached(left, d.today, DeleteStep) {
		return planRemoval(e, why)
	}
	next := *e
	next.Left, next.Buried, next.As, next.Reason = left, e.Buried || d.buried, as, l.leaving(left, DeleteStep)
	in := intent{resource: Resource{ID: e.ID, Entity: e.Entity}, entry: next}
	switch {
	case l.reached(left, d.today, MoveStep):
		if e.State != Moved || e.Begun {
			in.verb, in.entry.State = Move, Moved
		}
	case e.State == Moved: // the stages are others now: it stays where it is
	case (e.State != Disabled || e.Begun) && l.reached(left, d.today, DisableStep):
		in.verb, in.entry.State = Disable, Disabled
	}
	return in
}

// planWish compares one wish with what the ledger knows. It reports false where nothing is to be done about it.
func planWish(w Wish, b *book, remove func(*Entry, *reason.Reason) (intent, bool)) (intent, bool) {
	id := w.Resource.ID
	known, ok := b.entries[id]
	if w.Withheld != nil {
		switch {
		case ok && known.Held && w.Fate == Stays:
			next := *known
			next.State, next.Reason = parked(known), w.Withheld
			return intent{resource: w.Resource, entry: next}, true
		case ok && known.Held:
			return remove(known, w.Withheld)
		}
		return intent{resource: w.Resource, entry: Entry{ID: id, Entity: w.Resource.Entity, State: Withheld, Reason: w.Withheld}}, true
	}
	if w.Match {
		return planMatch(w, known), true
	}
	next := Entry{ID: id, Entity: w.Resource.Entity, Held: true, State: Applied, Fields: w.Resource.Fields, Needs: w.Resource.Needs}
	verb := Create
	if ok {
		next.Native, next.Cause, next.FoundBy = known.Native, known.Cause, known.FoundBy
		if known.Held && known.State != Matched { // what was only used is asked for as if it were new
			verb = Update
		}
		if known.State == Parked || known.State == Waiting {
			next.Attempts, next.NextTry, next.Refused = known.Attempts, known.NextTry, known.Refused
		}
	}
	return intent{verb: verb, resource: w.Resource, entry: next}, true
}

// off tells whether the target holds the resource so that nobody can use it as before: an update turns it on again.
func (e *Entry) off() bool {
	return e.State == Disabled || e.State == Moved || e.State == Contained || e.State == Aliased
}

// parked returns the state of a held resource that cannot be brought up to date. That nobody can use it is not forgotten.
func parked(e *Entry) EntryState { return stuck(e, Parked) }

func stuck(e *Entry, s EntryState) EntryState {
	if e.off() || e.State == Released || e.State == Matched {
		return e.State
	}
	return s
}

// planRemoval takes a resource away, or forgets it when the target does not hold it.
func planRemoval(e *Entry, why *reason.Reason) intent {
	next := Entry{ID: e.ID, Entity: e.Entity, Native: e.Native, State: Gone, Attempts: e.Attempts, NextTry: e.NextTry}
	if why != nil {
		next.State, next.Reason = Withheld, why
	}
	in := intent{resource: Resource{ID: e.ID, Entity: e.Entity}, entry: next}
	if e.Held {
		in.verb = Delete
	}
	return in
}

// same tells whether the target already holds the fields and sets.
func same(e *Entry, fields Fields, sets []Set) bool {
	return e.Held && slices.Equal(e.Fields, fields) && slices.EqualFunc(e.Sets, sets, equalSet)
}

func equalSet(a, b Set) bool { return a.Name == b.Name && slices.Equal(a.Members, b.Members) }

// difference returns, set by set, the members that are in to and not in from.
func difference(to, from []Set) []Set {
	had := map[string]map[ID]struct{}{}
	for _, s := range from {
		had[s.Name] = make(map[ID]struct{}, len(s.Members))
		for _, m := range s.Members {
			had[s.Name][m] = struct{}{}
		}
	}
	var out []Set
	for _, s := range to {
		more := slices.DeleteFunc(slices.Clone(s.Members), func(m ID) bool { _, ok := had[s.Name][m]; return ok })
		if len(more) > 0 {
			out = append(out, Set{s.Name, more})
		}
	}
	return out
}

// wishDigest tells two wishes apart, so that one that was refused is not tried again unchanged.
func wishDigest(fields Fields, sets []Set) string {
	h := fnv.New64a()
	text := func(s string) {
		_ = binary.Write(h, binary.LittleEndian, uint32(len(s)))
		_, _ = h.Write([]byte(s))
	}
	for _, f := range fields {
		text(f.Name)
		text(f.Value.Reveal())
	}
	for _, s := range sets {
		text(s.Name)
		for _, m := range s.Members {
			text(m.Kind)
			text(m.Key)
		}
	}
	return strconv.FormatUint(h.Sum64(), 16)
}

// sortedRefs returns the references in a fixed order, so that the same work is done in the same order (rule R11).
func sortedRefs(refs map[roster.Ref]struct{}) []roster.Ref {
	return slices.SortedFunc(maps.Keys(refs), roster.Ref.Compare)
}
