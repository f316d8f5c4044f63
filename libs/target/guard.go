package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// The guard of a link counts what a round would take away, disable or rename of what the target holds, kind by kind, in a
// rolling window. What is over a limit is held, not the link: the resource stays at the target as it is, and its entry
// says why, until a person approves it or the roster no longer asks for it. Silence removes nobody.
//
// It does not ask again about what a person approved at the source, and never holds what contains a person (rule R9).
type warden struct {
	link  *Link
	kept  guard.Kept
	fresh bool // kept is what the store has, as far as is known
	used  []*deed
	acted map[guard.Item]guard.Verdict // those with which everything was looked at
}

// deed is something dangerous that a round would do to a resource that the target holds.
type deed struct {
	entry  *Entry // as the ledger has it
	item   guard.Item
	ops    []guard.Operation // the gravest first
	needs  []ID              // what the resource needs, and the round must not take away while it stays
	unit   roster.Key
	class  roster.Key
	passes bool // nobody is asked

	contains bool // it protects somebody
}

// removal tells whether the resource would go or be disabled.
func (d *deed) removal() bool { return d.ops[0] != guard.Rename && d.ops[0] != guard.Address }

// Where the guard looks for decisions while something is held, and how old it lets its last look become.
const (
	pollEvery = 15 * time.Second
	lookEvery = 24 * time.Hour
)

// guards tells whether the guard counts a kind of resource.
func (l *Link) guards(kind string) bool {
	return len(l.o.Made.Guarded) == 0 || slices.Contains(l.o.Made.Guarded, kind)
}

// watched returns what an update does that the guard counts. What is filled in is harmless.
func (l *Link) watched(before, after Fields) (ops []guard.Operation) {
	if len(l.o.Made.Watched) == 0 || slices.Equal(before, after) {
		return nil
	}
	for _, f := range before {
		op, ok := l.o.Made.Watched[f.Name]
		if ok && f.Value != "" && !slices.Contains(after, f) && !slices.Contains(ops, op) {
			ops = append(ops, op)
		}
	}
	order := guard.Linked()
	slices.SortFunc(ops, func(x, y guard.Operation) int { return slices.Index(order, x) - slices.Index(order, y) })
	return ops
}

// deed returns what ops do to a resource, which is to have the fields; none when it goes.
func (l *Link) deed(e *Entry, entity roster.Ref, after Fields, ops ...guard.Operation) *deed {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", e.ID, entity.Key)
	for _, f := range after {
		if _, ok := l.o.Made.Watched[f.Name]; ok {
			fmt.Fprintf(h, "%q %q\n", f.Name, f.Value.Reveal())
		}
	}
	item := guard.Item{Ref: entity, Expect: e.Cause.Seq, Operation: ops[0], Hash: hex.EncodeToString(h.Sum(nil)[:8])}
	return &deed{entry: e, item: item, ops: ops}
}

// unasked tells whether what is done to an entity's resources must not wait for anybody: it protects a person, or somebody
// decided about just that person. Who is erased is not contained, for nothing of her or him is to stay anywhere.
func unasked(m roster.Merged) bool { return m.Contained() || m.Reason == roster.TombstoneErased }

// describe says of deeds what only the roster knows, and what entries of the ledger tell of those who have left it. The
// caller is inside read.
func (l *Link) describe(f *Feed, deeds []*deed, entries map[ID]*Entry) {
	for _, d := range deeds {
		m := f.roster.State(d.item.Ref)
		d.unit, d.class = whereabouts(f.roster, d.item.Ref, m)
		d.contains = unasked(m)
		d.passes = d.contains || d.ops[0] != guard.Scope && (d.removal() && d.entry.Approved || l.approved(f, d.item.Ref, m, d.entry))
	}
	place(f.roster, deeds, entries)
}

// place says where those were of whom the roster no longer tells: at the unit that their resource needs, in the class
// that refers to it.
func place(r *roster.Roster, deeds []*deed, entries map[ID]*Entry) {
	lost := map[ID]*deed{}
	for _, d := range deeds {
		if d.unit.IsZero() && !d.contains {
			lost[d.entry.ID] = d
		}
	}
	if len(lost) == 0 {
		return
	}
	for _, d := range lost {
		for _, need := range d.needs {
			if e := entries[need]; e != nil && e.Entity.Kind == roster.KindOrganisation && d.unit.IsZero() {
				d.unit = e.Entity.Key
			}
		}
	}
	for _, e := range entries {
		if g := r.Group(e.Entity.Key); e.Entity.Kind != roster.KindGroup || g == nil || g.Type != roster.Class {
			continue
		}
		in := func(ids []ID) {
			for _, id := range ids {
				if d := lost[id]; d != nil && (d.class.IsZero() || e.Entity.Key.Compare(d.class) < 0) {
					d.class = e.Entity.Key
				}
			}
		}
		in(e.Needs)
		for _, s := range e.Sets {
			in(s.Members)
		}
	}
}

// approved tells whether a person approved at the source the change that an entity is what it is by. Of one that stands,
// that holds for what the change itself does: not for what is done later on, or by other settings.
func (l *Link) approved(f *Feed, ref roster.Ref, m roster.Merged, e *Entry) bool {
	a, ok := f.approvals[ref]
	if !ok {
		return false
	}
	if m.State == roster.Tombstoned {
		return true
	}
	return a.Seq > e.Cause.Seq && l.o.Now().Sub(a.When) <= guard.Window && l.mark.Mapping == l.version()
}

// whereabouts returns the unit and the class under which a person looks for an entity that stands.
func whereabouts(r *roster.Roster, ref roster.Ref, m roster.Merged) (unit, class roster.Key) {
	switch {
	case m.Organisation != nil:
		unit = ref.Key
	case m.Group != nil:
		if unit = m.Group.Organisation; m.Group.Type == roster.Class {
			class = ref.Key
		}
	case m.Person != nil && !m.Contained():
		for _, k := range r.Groups(ref.Key) {
			if g := r.Group(k); g != nil && g.Type == roster.Class {
				class = k
			}
		}
		if n := len(m.Person.Enrolments); n > 0 {
			unit = m.Person.Enrolments[n-1].EnroledAt
		} else if n := len(m.Person.Duties); n > 0 {
			unit = m.Person.Duties[n-1].DutyAt
		}
	}
	return unit, class
}

// refresh reads what is kept, unless that is known.
func (w *warden) refresh(ctx context.Context) error {
	if w.fresh && w.kept.Hold != nil { // somebody may have decided
		version, err := w.link.o.Holds.Version(ctx, w.link.o.Target)
		if err != nil {
			return fmt.Errorf("see what was decided: %w", err)
		}
		w.fresh = version == w.kept.Version
	}
	if w.fresh {
		return nil
	}
	kept, err := w.link.o.Holds.Kept(ctx, w.link.o.Target)
	if err != nil {
		return fmt.Errorf("read what is held: %w", err)
	}
	w.kept, w.fresh = kept, true
	return nil
}

// judge returns the reason of each deed that is held. What passes is counted, and what is held can be seen, before any of
// it is done; the caller does nothing after an error. seen tells which entities the round looked at, and live how many
// resources of each kind the target holds.
func (w *warden) judge(ctx context.Context, deeds []*deed, seen func(roster.Ref) bool, live map[guard.Bucket]int) (map[ID]*reason.Reason, error) {
	const attempts = 5
	for range attempts {
		if err := w.refresh(ctx); err != nil {
			return nil, err
		}
		if len(deeds) == 0 && w.kept.Hold == nil && len(w.kept.Decisions) == 0 {
			w.used = nil
			return nil, nil
		}
		held, next, changed := w.weigh(deeds, seen, live)
		if !changed || w.link.o.Mode == ModePreview {
			return held, nil
		}
		w.fresh = false // it has another version then
		err := w.link.o.Holds.Keep(ctx, w.link.o.Target, next)
		switch {
		case err == nil:
			return held, w.refresh(ctx)
		case !errors.Is(err, guard.ErrConflict):
			return nil, fmt.Errorf("save what is held: %w", err)
		}
	}
	return nil, fmt.Errorf("save what is held: %w, %d times", guard.ErrConflict, attempts)
}

// weigh judges, by what is kept.
func (w *warden) weigh(deeds []*deed, seen func(roster.Ref) bool, live map[guard.Bucket]int) (held map[ID]*reason.Reason, next guard.Kept, changed bool) {
	now := w.link.o.Now()
	slices.SortFunc(deeds, func(x, y *deed) int { return x.item.Compare(y.item) })
	verdicts, tally := w.kept.Verdicts(now), w.kept.Tally(w.link.o.Limits, live, now)
	type subject struct {
		ref  roster.Ref
		hash string
	}
	frozen := map[subject]bool{}
	if w.kept.Hold != nil {
		for _, i := range w.kept.Hold.Items {
			frozen[subject{i.Ref, i.Hash}] = true
		}
	}
	asked := map[guard.Item]bool{}
	for _, d := range deeds {
		if d.passes {
			continue
		}
		asked[d.item] = true
		if _, decided := verdicts[d.item]; !decided {
			tally.Ask(d.item.Mark(), d.buckets()...)
		}
	}
	held = map[ID]*reason.Reason{}
	hold := func(d *deed) {
		why := reason.New(reason.ResourceHeld, "operation", d.ops[0])
		held[d.entry.ID] = &why
	}
	for _, d := range deeds {
		verdict, decided := verdicts[d.item]
		if !d.passes && (decided && verdict == guard.Rejected || !decided && (frozen[subject{d.item.Ref, d.item.Hash}] || slices.ContainsFunc(d.buckets(), tally.Over))) {
			hold(d)
		}
	}
	holdNeeds(deeds, held, hold)

	w.used = nil
	var items []guard.HeldItem
	for _, d := range deeds {
		switch _, decided := verdicts[d.item]; {
		case held[d.entry.ID] != nil:
			items = append(items, guard.HeldItem{Item: d.item, Unit: d.unit, Class: d.class})
		case d.passes:
		case decided:
			w.used = append(w.used, d)
		default:
			tally.Pass(d.item.Mark(), d.buckets()...)
		}
	}
	partial := false
	decisions, carried := w.kept.Carry(asked, func(i guard.Item) bool {
		unseen := !seen(i.Ref)
		partial = partial || unseen
		return unseen
	}, now)
	next, changed = w.kept.Next(guard.NewHold(append(items, carried...), w.kept.Hold, "", now, nil), decisions, tally.Passed(), now)
	if was, is := w.kept.Hold, next.Hold; was != nil && is != nil && was.Digest == is.Digest {
		if partial {
			is.Seen = was.Seen
		}
		changed = len(tally.Passed()) > 0 || len(decisions) != len(w.kept.Decisions) || is.Seen.Sub(was.Seen) >= lookEvery
	}
	return held, next, changed
}

// holdNeeds holds what a resource needs that stays because it is held.
func holdNeeds(deeds []*deed, held map[ID]*reason.Reason, hold func(*deed)) {
	byID := make(map[ID]*deed, len(deeds))
	for _, d := range deeds {
		byID[d.entry.ID] = d
	}
	for again := len(held) > 0; again; {
		again = false
		for _, d := range deeds {
			if held[d.entry.ID] == nil {
				continue
			}
			for _, need := range d.needs {
				if n := byID[need]; n != nil && n.removal() && !n.contains && held[need] == nil {
					hold(n)
					again = true
				}
			}
		}
	}
}

func (d *deed) buckets() (list []guard.Bucket) {
	for _, op := range d.ops {
		list = append(list, bucketOf(d.entry.ID.Kind, op))
	}
	return list
}

func bucketOf(kind string, op guard.Operation) guard.Bucket {
	return guard.Bucket{Kind: roster.Kind(kind), Form: guard.AllForms, Operation: op}
}

// spend takes away the approvals of deeds that were done. They fit nothing any more in any case, so that it does no harm
// when somebody decides meanwhile and the next round takes them away.
func (w *warden) spend(ctx context.Context, done func(*deed) bool) error {
	spent := map[guard.Item]bool{}
	for _, d := range w.used {
		if done(d) {
			spent[d.item] = true
		}
	}
	w.used = nil
	if len(spent) == 0 {
		return nil
	}
	if err := w.refresh(ctx); err != nil {
		return err
	}
	next := w.kept
	next.Decisions = slices.DeleteFunc(slices.Clone(next.Decisions), func(d guard.Decision) bool { return spent[d.Item] })
	w.fresh = false
	if err := w.link.o.Holds.Keep(ctx, w.link.o.Target, next); err != nil && !errors.Is(err, guard.ErrConflict) {
		return fmt.Errorf("save what is held: %w", err)
	}
	return w.refresh(ctx)
}

// holding returns how many resources are held.
func (w *warden) holding() int {
	if w.kept.Hold == nil {
		return 0
	}
	return len(w.kept.Hold.Items)
}

// poll returns a channel that fires when it is time to look for decisions: never, while nothing is held.
func (w *warden) poll() (<-chan time.Time, func()) {
	if w.holding() == 0 || w.link.o.Mode == ModePreview {
		return nil, func() {}
	}
	t := time.NewTicker(pollEvery)
	return t.C, t.Stop
}

// stirred tells whether there is a reason to look at everything: somebody decided, or the last look is old and nobody
// could decide for long.
func (w *warden) stirred(ctx context.Context) bool {
	version, err := w.link.o.Holds.Version(ctx, w.link.o.Target)
	if err != nil {
		w.link.o.Logger.WarnContext(ctx, "what was decided about what the link holds cannot be seen; looking again", "error", err, "in", pollEvery)
		return false
	}
	return version != w.kept.Version || w.unheeded() || w.link.o.Now().Sub(w.kept.Hold.Seen) >= lookEvery
}

// heed notes that everything was looked at with the decisions as they are.
func (w *warden) heed() {
	w.acted = make(map[guard.Item]guard.Verdict, len(w.kept.Decisions))
	for _, d := range w.kept.Decisions {
		w.acted[d.Item] = d.Verdict
	}
}

// unheeded tells whether somebody decided about something that no round has looked at since: a round that looks at a few
// entities reads all decisions.
func (w *warden) unheeded() bool {
	return slices.ContainsFunc(w.kept.Decisions, func(d guard.Decision) bool {
		verdict, acted := w.acted[d.Item]
		return !acted || verdict != d.Verdict
	})
}

// onHold returns the entry of a resource that stays as it is because what was to be done to it is held.
func onHold(known *Entry, why *reason.Reason) Entry {
	e := *known
	e.State, e.Reason = stuck(known, OnHold), why
	return e
}
