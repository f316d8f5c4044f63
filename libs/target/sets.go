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

	anchors anchors
	known   map[roster.Ref]bool // persons of whom something was delivered
}

func (e *sets) unload() { *e = sets{link: e.link} }

func (e *sets) load(ctx context.Context) error {
	mark, err := e.link.book.Load(ctx, func(Entry) error { return nil })
	if err != nil {
		return err
	}
	e.unload()
	e.link.load(mark)
	e.wishes, e.last, e.anchors, e.known = map[roster.Ref][]Wish{}, map[ID]*Entry{}, anchors{}, map[roster.Ref]bool{}
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
func (e *sets) verify(ctx context.Context) error {
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

// due has nothing to add: every round looks at the whole set.
func (e *sets) due(time.Time, *work) {}

func (e *sets) settle(ctx context.Context, w work) (Settled, error) {
	s := Settled{Kinds: map[string]Delta{}}
	w, pos, ready := e.link.take(w, &s)
	if !ready {
		return s, nil
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
		carried, boundary = e.orphans(f), nextDay(f.roster)
		s.Orphans = len(carried)
		leavers, next := e.leavers(f)
		carried, boundary = append(carried, leavers...), earlier(boundary, next)
	}) {
		e.link.unsettled, s.Deferred = true, notLoaded
		return s, nil
	}
	if s.Deferred != "" {
		return s, nil
	}
	e.link.mark.WakeAt = boundary
	plan := e.plan(carried, causes, &s)
	s.PlanTook = e.link.o.Now().Sub(begun)
	if e.link.o.Mode == ModePreview {
		e.preview(plan, &s)
		return s, nil
	}
	stale := e.link.mark.Mapping != e.link.version()
	if plan.differ.any() || plan.noted || stale || e.lost || e.forced {
		if done, err := e.deliver(ctx, plan, &s); err != nil || !done {
			return s, err
		}
	}
	e.behind = false
	e.link.mark.Cursor, e.link.mark.Mapping = pos, e.link.version()
	ctx, cancel := finish(ctx)
	defer cancel()
	return s, e.link.save(ctx, nil)
}

// preview tells all that a set would change, and what the pre-flight says of it.
func (e *sets) preview(plan setPlan, s *Settled) {
	_, plan = e.render(plan, s)
	s.count(rowsOf(e.last, plan.entries))
}

// setPlan is a set that could be delivered, and what it changes.
type setPlan struct {
	set     []Resource
	entries map[ID]*Entry
	differ  differences
	noted   bool                                       // the ledger has to know something that the target does not: since when somebody has left
	again   func(parked map[ID]*reason.Reason) setPlan // the same with some resources parked
}

// plan makes the set of what is wished, and of what is carried over from the last one.
func (e *sets) plan(carried []*Entry, causes map[roster.Ref]Cause, s *Settled) setPlan {
	var with func(parked map[ID]*reason.Reason) setPlan
	with = func(parked map[ID]*reason.Reason) setPlan {
		set, entries := e.resolve(carried, causes, parked)
		differ := e.compare(entries, s)
		return setPlan{set, entries, differ, e.noted(entries), with}
	}
	return with(nil)
}

// remap brings the wishes up to date.
func (e *sets) remap(f *Feed, w work) {
	put := func(ref roster.Ref) {
		delete(e.wishes, ref)
		if f.known(ref) {
			if wishes := e.link.wishes(f, e.anchors, ref); len(wishes) > 0 {
				e.wishes[ref] = wishes
			}
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

// orphans are resources that were delivered for an entity of which the log has neither record nor tombstone, or none
// that can be read. They stay in the set: nothing is removed because it is missing from the log (rule R6).
func (e *sets) orphans(f *Feed) (out []*Entry) {
	for _, en := range e.last {
		if !en.Held || e.movedOn(en) {
			continue
		}
		if m := f.roster.State(en.Entity); !f.known(en.Entity) || m.State == roster.Missing || m.Reason == roster.TombstoneBecame {
			out = append(out, en)
		}
	}
	return out
}

// movedOn tells whether the person of an entry has another key now, under which the wishes stand.
func (e *sets) movedOn(en *Entry) bool {
	return en.Entity.Kind == roster.KindPerson && !e.known[en.Entity]
}

// leavers are resources that were delivered for a person who has left since, and whose time to go has not come. They
// stay in the set as they were. The time is when the next of them goes.
func (e *sets) leavers(f *Feed) (out []*Entry, next time.Time) {
	l, today, step := e.link.o.Lifecycle, f.roster.Today(), cmp.Or(e.link.o.Made.Omission, DeleteStep)
	for _, en := range e.last {
		if !en.Held || !f.known(en.Entity) || !leaves(en.Entity, f.roster.State(en.Entity), e.wishes[en.Entity]) {
			continue
		}
		left := cmp.Or(en.Left, today)
		if l.reached(left, today, step) || l.reached(left, today, DeleteStep) {
			continue
		}
		kept := *en
		kept.Left, kept.Reason = left, l.leaving(left, step)
		out, next = append(out, &kept), earlier(next, l.next(left, today, step, DeleteStep))
	}
	return out, next
}

// resolve returns the set in which every need stands, sorted by id, and the entry of every resource, those that are
// left out with the reason. A resource that is parked stays as it was delivered, or is left out if it never was.
func (e *sets) resolve(carried []*Entry, causes map[roster.Ref]Cause, parked map[ID]*reason.Reason) (set []Resource, entries map[ID]*Entry) {
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
		entry := &Entry{ID: r.ID, Entity: r.Entity, Anchor: e.anchors.entry(r.Entity), Held: true, State: Applied}
		if why, ok := parked[r.ID]; ok {
			entry.State, entry.Reason = Parked, why
			old := e.last[r.ID]
			if entry.Held = old != nil && old.Held; entry.Held {
				r.Fields, r.Needs, r.Sets = old.Fields, old.Needs, old.Sets
			}
		}
		entries[r.ID] = entry
		if entry.Held {
			all = append(all, r)
		}
	}
	for _, o := range carried {
		add(Resource{ID: o.ID, Entity: o.Entity, Fields: o.Fields, Needs: o.Needs, Sets: o.Sets})
		entries[o.ID].Left, entries[o.ID].Reason = o.Left, cmp.Or(entries[o.ID].Reason, o.Reason)
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
	s.Withheld, s.Waiting, s.Parked = 0, 0, 0
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
		if en := entries[id]; old.Held && (en == nil || !en.Held) {
			d.count(id.Kind, func(d *Delta) { d.Deleted++ })
		}
	}
	return d
}

// noted tells whether somebody is known to have left, or to be back, who was not before.
func (e *sets) noted(entries map[ID]*Entry) bool {
	for id, en := range entries {
		if old := e.last[id]; old != nil && old.Held && en.Held && (old.Left != en.Left || old.Entity != en.Entity) {
			return true
		}
	}
	return false
}

// deliver brings a set to the target. It reports false when the set stays where it is for now.
func (e *sets) deliver(ctx context.Context, plan setPlan, s *Settled) (bool, error) {
	now := e.link.o.Now()
	last := e.link.mark.Set
	if due := last.At.Add(e.link.o.Made.Every); !e.forced && !e.lost && !last.At.IsZero() && due.After(now) {
		s.Deferred = "the last delivery was at " + last.At.UTC().Format(time.RFC3339)
		e.link.mark.WakeAt = due
		return false, e.link.save(ctx, nil)
	}
	p, plan := e.render(plan, s)
	rendered := e.link.o.Now()
	s.RenderTook = rendered.Sub(now)
	if s.Halted != nil {
		return false, e.halt(ctx, *s.Halted, 0, s)
	}
	if p.Digest != last.Digest || e.lost || e.forced {
		ref := SetRef{Blob: "set-" + p.Digest, Name: p.Name, Digest: p.Digest, At: now}
		if err := e.send(ctx, p, ref, plan.entries, s); err != nil {
			return false, err
		}
		if s.Halted != nil {
			return false, nil
		}
		s.Delivered, e.lost, e.forced = p.Name, false, false
		e.link.retry.reset()
		e.link.mark.Set, e.link.mark.InFlight = ref, SetRef{}
	} else if err := e.remember(ctx, last.Blob, "", plan.entries); err != nil {
		return false, err
	}
	e.last = plan.entries
	for _, en := range e.last {
		if en.Held && en.Entity.Kind == roster.KindPerson {
			e.known[en.Entity] = true
		}
	}
	s.add(plan.differ)
	s.DeliverTook = e.link.o.Now().Sub(rendered)
	return true, nil
}

// renders is how often a set is made anew without the resources that the target would refuse.
const renders = 5

// render makes the package. One bad resource delays no other (rule R7): it is parked, and the set made without it. A
// set that is bad as a whole, or stays bad, halts the link.
func (e *sets) render(plan setPlan, s *Settled) (Package, setPlan) {
	parked := map[ID]*reason.Reason{}
	for range renders {
		p, problems := e.link.o.Made.Deliverer.Render(plan.set)
		if len(problems) == 0 {
			return p, plan
		}
		s.Problems = append(s.Problems, problems...)
		for _, problem := range problems {
			if _, again := parked[problem.ID]; again || plan.entries[problem.ID] == nil {
				why := reason.New(reason.PreflightFailed, "count", len(problems), "first", problem.Reason.Text(reason.English))
				s.Halted = &why
				return p, plan
			}
			parked[problem.ID] = &problem.Reason
		}
		plan = plan.again(parked)
	}
	why := reason.New(reason.PreflightFailed, "count", len(s.Problems), "first", s.Problems[0].Reason.Text(reason.English))
	s.Halted = &why
	return Package{}, plan
}

// send uploads the package, unless an interrupted round of the same content did so already.
func (e *sets) send(ctx context.Context, p Package, ref SetRef, entries map[ID]*Entry, s *Settled) error {
	d := e.link.o.Made.Deliverer
	if e.link.mark.InFlight.Digest == p.Digest {
		if there, err := d.Delivered(ctx, p); err == nil && there {
			s.Adopted = true
			return nil
		}
	}
	if err := e.remember(ctx, ref.Blob, e.link.mark.Set.Blob, entries); err != nil {
		return err
	}
	e.link.mark.InFlight = ref
	if err := e.link.save(ctx, nil); err != nil {
		return err
	}
	if err := d.Deliver(ctx, p); err != nil {
		if stopped := context.Cause(ctx); stopped != nil {
			return stopped // whether it arrived is asked by the next owner
		}
		e.lost = true // it may have arrived all the same
		return e.halt(ctx, reason.Of(err), reason.AfterOf(err), s)
	}
	return nil
}

// halt keeps everything as it is and tries again later.
func (e *sets) halt(ctx context.Context, why reason.Reason, after time.Duration, s *Settled) error {
	s.Halted, e.link.unsettled = &why, true
	e.link.mark.WakeAt = e.link.o.Now().Add(e.link.retry.next(after))
	return e.link.save(ctx, nil)
}

func (e *sets) remember(ctx context.Context, name, keep string, entries map[ID]*Entry) error {
	blob, err := encodeEntries(entries)
	if err == nil {
		err = e.link.book.Put(ctx, name, keep, blob)
	}
	if err != nil {
		return fmt.Errorf("keep the set: %w", err)
	}
	return nil
}
