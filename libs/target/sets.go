package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// sets is the engine of a target that takes complete sets. Its ledger is the last delivered set itself, one blob.
type sets struct {
	link   *Link
	wishes map[roster.Ref][]Wish // of every entity, kept while warm
	last   map[ID]*Entry         // what was delivered, and what was withheld
	lost   bool                  // the target may not show what was delivered last
	forced bool                  // somebody asked to deliver whatever differs
	behind bool                  // the last round had something to deliver and did not

	contained map[roster.Ref]struct{} // persons whom the target must keep out
	outside   map[roster.Ref]struct{} // entities that are out of scope
	scope     map[ID]bool             // what only the configuration takes out of the set
	replaced  map[ID]ID               // what goes in favour of what
	again     bool                    // what is let go of now is to be replaced when the ledger knows that

	anchors anchors
	known   map[roster.Ref]bool     // persons of whom something was delivered
	as      map[roster.Ref]Capacity // of persons for whom another lifecycle holds than the link's own
}

func (e *sets) unload() { *e = sets{link: e.link} }

func (e *sets) load(ctx context.Context) error {
	mark, err := e.link.book.Load(ctx, func(Entry) error { return nil })
	if err != nil {
		return err
	}
	e.unload()
	e.link.load(mark)
	e.wishes, e.last, e.anchors = map[roster.Ref][]Wish{}, map[ID]*Entry{}, anchors{}
	e.contained, e.outside = map[roster.Ref]struct{}{}, map[roster.Ref]struct{}{}
	e.scope, e.replaced = map[ID]bool{}, map[ID]ID{}
	e.known, e.as = map[roster.Ref]bool{}, map[roster.Ref]Capacity{}
	// Of a delivery whose outcome is not known nobody can say what the target shows.
	e.lost = mark.InFlight.Digest != ""
	if mark.Set.Blob == "" {
		return nil
	}
	blob, err := e.link.book.Blob(ctx, mark.Set.Blob)
	if err != nil {
		return fmt.Errorf("the last delivered set: %w", err)
	}
	return decodeEntries(blob, func(en Entry) {
		e.last[en.ID] = &en
		e.anchors.note(en)
		if en.Held && en.Entity.Kind == roster.KindPerson {
			e.known[en.Entity] = true
		}
	})
}

// verify asks the target whether it still shows the last delivery.
func (e *sets) verify(ctx context.Context, _ bool) error {
	set := e.link.mark.Set
	if set.Digest == "" {
		return nil
	}
	there, err := e.link.o.Made.Deliverer.Delivered(ctx, Package{Name: set.Name, Digest: set.Digest})
	switch {
	case errors.Is(err, ErrUnsupported):
		e.lost = true // who cannot tell gets it again
	case err != nil:
		return err
	default:
		e.lost = !there
	}
	return nil
}

// reconcile has nothing to do: a complete set is delivered whole, whatever others changed.
func (e *sets) reconcile(context.Context, *work) error { return nil }

// due has nothing to add: every round looks at the whole set.
func (e *sets) due(time.Time, *work) {}

func (e *sets) settle(ctx context.Context, w work) (Settled, error) {
	s := Settled{Kinds: map[string]Delta{}}
	w, pos, ready := e.link.take(w, &s)
	if !ready {
		return s, nil
	}
	if w.broken != nil {
		s.Refused = reason.FaultOf(w.broken) == reason.Misconfigured
		return s, e.halt(ctx, reason.Of(w.broken), reason.AfterOf(w.broken), &s)
	}
	e.forced = e.forced || w.force
	if w.empty() && !e.lost && !e.behind {
		e.link.mark.Cursor = pos // saved with the next work, or when the link goes cold
		return s, nil
	}
	e.behind = true
	begun := e.link.o.Now()
	var boundary time.Time
	var carried []*Entry
	var seen func(roster.Ref) bool
	causes := map[roster.Ref]Cause{}
	if !e.link.o.Feed.read(func(f *Feed) {
		pos = e.link.gather(f, &w) // the end of a run may have come since, and what came before it belongs to it
		e.remap(f, w)
		switch {
		case f.runOpen():
			s.Deferred = "a run of the tenant is under way"
			return
		case e.link.mark.Set.Digest == "" && f.unheard():
			// A first set without a source's people would take them away from a target that has them already.
			s.Deferred = "a source of the tenant has not run yet"
			return
		}
		maps.Copy(causes, f.causes) // the follower goes on while the set is made
		var next time.Time
		carried, next = e.carry(f, &s)
		boundary = earlier(e.link.o.Lifecycle.boundary(f.roster), next)
		seen = f.looked(work{all: true})
	}) {
		e.link.unsettled, s.Deferred = true, notLoaded
		return s, nil
	}
	if s.Deferred != "" {
		return s, nil
	}
	e.link.mark.WakeAt = boundary
	plan, err := e.guard(ctx, e.plan(carried, causes, seen, &s), &s)
	if err != nil {
		return s, e.later(err, &s)
	}
	e.link.guard.heed()
	s.PlanTook = e.link.o.Now().Sub(begun)
	if e.link.o.Mode == ModePreview {
		e.preview(plan, &s)
		return s, nil
	}
	stale, purge := e.link.mark.Mapping != e.link.version(), e.purges(plan)
	if plan.differ.any() || plan.noted || purge || stale || e.lost || e.forced {
		if done, err := e.deliver(ctx, plan, &s); err != nil || !done {
			return s, e.later(err, &s)
		}
		if err := e.link.guard.spend(ctx, func(*deed) bool { return true }); err != nil {
			return s, err
		}
	}
	e.behind = false
	e.link.mark.Cursor, e.link.mark.Mapping = pos, e.link.version()
	if stale && (e.again || !e.link.o.Outside.releases()) {
		// What these settings took out is decided about now that the ledger knows it.
		e.behind, e.link.unsettled, e.link.mark.WakeAt = true, true, e.link.o.Now()
	}
	ctx, cancel := finish(ctx)
	defer cancel()
	if err := e.link.save(ctx, nil); err != nil || !purge {
		return s, err
	}
	return s, e.remember(ctx, e.link.mark.Set.Blob, "", e.last) // and nothing of an earlier set is left
}

// later has everything looked at again when the roster went while a set was made; any other error it returns.
func (e *sets) later(err error, s *Settled) error {
	if errors.Is(err, errNotLoaded) {
		e.link.unsettled, s.Deferred = true, notLoaded
		return nil
	}
	return err
}

// preview tells all that a set would change, and what the pre-flight says of it.
func (e *sets) preview(plan setPlan, s *Settled) {
	_, plan = e.render(plan, s)
	s.count(rowsOf(e.visible(), plan.entries))
}

// setPlan is a set that could be delivered, and what it changes.
type setPlan struct {
	set     []Resource
	entries map[ID]*Entry
	differ  differences
	noted   bool                                                              // the ledger has to know something that the target does not: since when somebody has left
	parked  map[ID]*reason.Reason                                             // what the target would refuse
	frozen  map[ID]*reason.Reason                                             // what the guard holds
	deeds   []*deed                                                           // those of what is frozen
	causes  map[roster.Ref]Cause                                              // the change that last concerned an entity
	seen    func(roster.Ref) bool                                             // whether an entity was looked at
	again   func(parked, frozen map[ID]*reason.Reason, deeds []*deed) setPlan // the same with some resources parked, and some held
}

// stands tells whether the set has a resource.
func (p setPlan) stands(id ID) bool { return p.entries[id] != nil && p.entries[id].Held }

// plan makes the set of what is wished, and of what is carried over from the last one.
func (e *sets) plan(carried []*Entry, causes map[roster.Ref]Cause, seen func(roster.Ref) bool, s *Settled) setPlan {
	var with func(parked, frozen map[ID]*reason.Reason, deeds []*deed) setPlan
	with = func(parked, frozen map[ID]*reason.Reason, deeds []*deed) setPlan {
		stay := slices.Concat(e.stays(frozen, deeds), carried)
		set, entries := e.resolve(stay, causes, parked, frozen)
		if more := e.unreplaced(entries); len(more) > 0 {
			set, entries = e.resolve(append(stay, more...), causes, parked, frozen)
		}
		return setPlan{
			set: set, entries: entries, differ: e.compare(entries, s), noted: e.noted(entries),
			parked: parked, frozen: frozen, deeds: deeds, causes: causes, seen: seen, again: with,
		}
	}
	return with(nil, nil, nil)
}

// remap brings the wishes up to date.
func (e *sets) remap(f *Feed, w work) {
	put := func(ref roster.Ref) {
		delete(e.wishes, ref)
		delete(e.contained, ref)
		delete(e.outside, ref)
		seen := e.link.look(f, e.anchors, ref)
		switch {
		case seen.contain:
			e.contained[ref] = struct{}{}
			return
		case seen.outside:
			e.outside[ref] = struct{}{}
		}
		if len(seen.wishes) > 0 {
			e.wishes[ref] = seen.wishes
		}
		if f.known(ref) {
			e.note(f, ref)
		}
	}
	known := func(r roster.Ref) bool { return e.known[r] }
	follow := func(ref roster.Ref) {
		for _, m := range e.anchors.moves(f.roster, ref, known) {
			delete(e.wishes, m.from)
			delete(e.known, m.from)
			e.known[m.to] = true
			w.add(m.to)
		}
	}
	if w.all || len(e.wishes) == 0 {
		for ref := range f.roster.Each() {
			follow(ref)
		}
		e.wishes = make(map[roster.Ref][]Wish, f.roster.Len())
		clear(e.as)
		clear(e.contained)
		clear(e.outside)
		for ref := range f.roster.Each() {
			put(ref)
		}
		return
	}
	for _, ref := range sortedRefs(w.refs) {
		follow(ref)
	}
	for ref := range w.refs {
		put(ref)
	}
}

// note remembers under which lifecycle a person falls.
func (e *sets) note(f *Feed, ref roster.Ref) {
	if ref.Kind != roster.KindPerson || len(e.link.o.Lifecycle.Rules) == 0 {
		return
	}
	delete(e.as, ref)
	if as := e.link.departure(f, ref).capacity(Capacity{}); as != (Capacity{}) {
		e.as[ref] = as
	}
}

func (e *sets) hidden(en *Entry) bool { return e.link.hidden(en, e.last, e.contained) }

// purges tells whether something of a contained person goes.
func (e *sets) purges(plan setPlan) bool {
	if len(e.contained) == 0 {
		return false
	}
	for id, old := range e.last {
		if old.Held && !plan.stands(id) && e.hidden(old) {
			return true
		}
	}
	return false
}

// visible are the entries of the last set that anybody may be told of.
func (e *sets) visible() map[ID]*Entry {
	if len(e.contained) == 0 {
		return e.last
	}
	seen := maps.Clone(e.last)
	maps.DeleteFunc(seen, func(_ ID, en *Entry) bool { return e.hidden(en) })
	return seen
}

// resolve returns the set in which every need stands, sorted by id, and the entry of every resource, those that are
// left out with the reason. A resource that is parked stays as it was delivered, or is left out if it never was.
func (e *sets) resolve(carried []*Entry, causes map[roster.Ref]Cause, parked, frozen map[ID]*reason.Reason) (set []Resource, entries map[ID]*Entry) {
	size := len(carried)
	for _, wishes := range e.wishes {
		size += len(wishes)
	}
	entries = make(map[ID]*Entry, size)
	all := make([]Resource, 0, size)
	add := func(r Resource) {
		if known := entries[r.ID]; known != nil && known.State != Withheld {
			return
		}
		entry := &Entry{ID: r.ID, Entity: r.Entity, Anchor: e.anchors.entry(r.Entity), As: e.as[r.Entity], Held: true, State: Applied}
		old := e.last[r.ID]
		if why := frozen[r.ID]; why != nil {
			*entry = onHold(entry, why)
			r.Fields, r.Needs = old.Fields, old.Needs
		}
		if why, ok := parked[r.ID]; ok {
			entry.State, entry.Reason = Parked, why
			if entry.Held = old != nil && old.Held; entry.Held {
				r.Fields, r.Needs, r.Sets = old.Fields, old.Needs, old.Sets
			}
		}
		if other, taken := occupant(e.link.o.Made.OneOf, r.ID, entries); taken && entry.Held {
			entry.Held, entry.State, entry.Reason = false, Waiting, placeTaken(other)
		}
		entries[r.ID] = entry
		if entry.Held {
			all = append(all, r)
		}
	}
	for _, o := range carried {
		add(Resource{ID: o.ID, Entity: o.Entity, Fields: o.Fields, Needs: o.Needs, Sets: o.Sets})
		en := entries[o.ID]
		if o.State == Released {
			en.State = Released
		}
		en.Left, en.Buried, en.Approved, en.As, en.Reason = o.Left, o.Buried, o.Approved, o.As, cmp.Or(en.Reason, o.Reason)
	}
	for _, ref := range slices.SortedFunc(maps.Keys(e.wishes), roster.Ref.Compare) {
		for _, w := range e.wishes[ref] {
			old := e.last[w.Resource.ID]
			switch {
			case w.Withheld == nil:
				add(w.Resource)
			case w.Fate == Stays && old != nil && old.Held && entries[old.ID] == nil:
				add(Resource{ID: old.ID, Entity: old.Entity, Fields: old.Fields, Needs: old.Needs, Sets: old.Sets})
				entries[old.ID].State, entries[old.ID].Reason = Parked, w.Withheld
			case entries[w.Resource.ID] == nil:
				entries[w.Resource.ID] = &Entry{ID: w.Resource.ID, Entity: w.Resource.Entity, State: Withheld, Reason: w.Withheld}
			}
		}
	}
	slices.SortFunc(all, func(a, b Resource) int { return a.ID.Compare(b.ID) })
	e.await(all, entries)
	set = standingSet(all, entries)
	for i := range set {
		entry := entries[set[i].ID]
		entry.Fields, entry.Needs, entry.Sets = set[i].Fields, set[i].Needs, set[i].Sets
		if old := e.last[entry.ID]; old != nil && same(old, entry.Fields, entry.Sets) {
			entry.Cause = old.Cause
		} else {
			entry.Cause = causes[entry.Entity]
		}
	}
	return set, entries
}

// standingSet drops resources until every need of every one that is left stands, and leaves in each set the members
// that stand.
func standingSet(all []Resource, entries map[ID]*Entry) []Resource {
	stands := func(id ID) bool { en := entries[id]; return en != nil && en.Held }
	for dropped := true; dropped; {
		dropped = false
		all = slices.DeleteFunc(all, func(r Resource) bool {
			for _, need := range r.Needs {
				if !stands(need) {
					why := reason.New(reason.NeedsMissing, "resource", need)
					en := entries[r.ID]
					en.Held, en.State, en.Reason = false, Waiting, &why
					dropped = true
					return true
				}
			}
			return false
		})
	}
	for i := range all {
		kept := make([]Set, len(all[i].Sets))
		for j, s := range all[i].Sets {
			kept[j] = Set{s.Name, slices.DeleteFunc(slices.Clone(s.Members), func(m ID) bool { return !stands(m) })}
		}
		all[i].Sets = kept
	}
	return all
}

// differences count, kind by kind, what a set changes at the target.
type differences map[string]Delta

func (d differences) count(kind string, change func(*Delta)) {
	delta := d[kind]
	change(&delta)
	d[kind] = delta
}

func (d differences) any() bool { return len(d) > 0 }

// compare returns what differs from what was delivered, and counts what is left out.
func (e *sets) compare(entries map[ID]*Entry, s *Settled) differences {
	d := differences{}
	s.Withheld, s.Waiting, s.Parked, s.counted = 0, 0, 0, true
	for id, en := range entries {
		old := e.last[id]
		switch en.State {
		case Withheld:
			s.Withheld++
		case Waiting:
			s.Waiting++
		case Parked:
			s.Parked++
		}
		switch {
		case !en.Held:
		case old == nil || !old.Held:
			d.count(id.Kind, func(d *Delta) { d.Created++ })
		case !same(old, en.Fields, en.Sets):
			d.count(id.Kind, func(d *Delta) { d.Updated++ })
		}
	}
	for id, old := range e.last {
		if en := entries[id]; old.Held && (en == nil || !en.Held) && !e.hidden(old) {
			d.count(id.Kind, func(d *Delta) { d.Deleted++ })
		}
	}
	return d
}

// noted tells whether somebody is known to have left, or to be back, who was not before.
func (e *sets) noted(entries map[ID]*Entry) bool {
	for id, en := range entries {
		if old := e.last[id]; old != nil && old.Held && en.Held && ((old.State == Released) != (en.State == Released) || old.Left != en.Left || old.Buried != en.Buried || old.Approved != en.Approved || old.As != en.As || (old.State == OnHold) != (en.State == OnHold) || old.Entity != en.Entity) {
			return true
		}
	}
	return false
}
