package target

import (
	"context"
	"slices"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Fill has a feed hold some events of the log in place of following it, for a link that explains and does not run.
func (f *Feed) Fill(ctx context.Context, events []roster.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.roster = roster.NewRoster(f.precedence, roster.Today(f.now()))
	f.causes, f.approvals, f.unread = map[roster.Ref]Cause{}, map[roster.Ref]Cause{}, map[roster.Ref]map[roster.Source]struct{}{}
	for _, e := range events {
		if e.Record != nil {
			f.roster.Apply(f.units.Apply(*e.Record))
			f.causes[e.Ref] = causeOf(e)
		}
		f.note(ctx, e)
	}
}

// Roster returns what the feed holds, which nobody else may change: nil while it holds nothing.
func (f *Feed) Roster() *roster.Roster {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.roster
}

// Consult runs fn on the roster, which fn neither changes nor keeps. It reports false when the roster is not loaded.
func (f *Feed) Consult(fn func(*roster.Roster)) bool { return f.read(func(f *Feed) { fn(f.roster) }) }

// Scope says how an entity stands to a link.
type Scope string

// The scopes.
const (
	Inside     Scope = "inside"
	OutByUnit  Scope = "unit"       // at no other unit than those that the document excludes
	OutByRule  Scope = "filter"     // the link's filter leaves it out
	Unanswered Scope = "unanswered" // the filter has no answer for it
	KeptOut    Scope = "contained"  // every target must keep the person out
	NotThere   Scope = "gone"       // nobody says any more that it is there
)

// Inquiry is whom a link is asked about.
type Inquiry struct {
	Keys []roster.Key // of the person: the one under which she or he stands first, then all that were and are hers or his
	// Before are records that stood under those keys and do not any more: they tell what a target may hold of who is gone.
	Before []roster.Record
	// Find returns what the ledger knows of some resources, and may return what it knows of some entities.
	Find func(ids []ID, of []roster.Ref) ([]Entry, error)
	// Names are all user names of the tenant, for a link that gives such.
	Names []names.Claim
}

// Explained is what a link makes of a person.
type Explained struct {
	Scope     Scope
	Filter    string // of the link; empty for none
	Resources []ExplainedResource
}

// ExplainedResource is something that the link wishes, withholds or knows for the person: of the person, of a group that
// the person is in, or, where one of these waits for it, of a unit.
type ExplainedResource struct {
	ID      ID
	Of      roster.Ref
	Own     bool   // it is there for this person and nobody else
	Wish    *Wish  // nil where nothing is wished under this id
	Entry   *Entry // nil where the ledger knows nothing
	Differs []string
	Sets    []ExplainedSet
	Unmet   []ID // what it needs, the target does not hold, and is not on its way there
}

// ExplainedSet says whether the person is in a set of a group's resource, as wished and as held.
type ExplainedSet struct {
	Name         string
	Wished, Held bool
}

// Explain says what the link makes of a person, by what its feed was filled with: the records of the person, of all the
// groups that name her or him and their members, and of the units. It reads, and decides nothing: what a round of the link
// comes to hangs on all others too.
func (l *Link) Explain(q Inquiry) (x Explained, err error) {
	if l.named() {
		l.naming = newNaming(l.o.NameRules, q.Names, 0)
	}
	l.o.Feed.read(func(f *Feed) {
		e := explaining{l: l, f: f, q: q, ref: roster.Ref{Kind: roster.KindPerson, Key: q.Keys[0]}}
		x, err = e.explain()
	})
	return x, err
}

// explaining is one call of Explain.
type explaining struct {
	l   *Link
	f   *Feed
	q   Inquiry
	ref roster.Ref

	anchors anchors
	entries map[ID]*Entry
	mine    map[ID]bool // resources of the person
	out     []ExplainedResource
}

func (e *explaining) explain() (x Explained, err error) {
	e.anchors, e.entries, e.mine = anchors{}, map[ID]*Entry{}, map[ID]bool{}
	r := e.f.roster
	groups := r.Groups(e.ref.Key)
	refs := e.persons()
	for _, g := range groups {
		refs = append(refs, roster.Ref{Kind: roster.KindGroup, Key: g})
	}
	units := e.units()
	refs = append(refs, units...)
	// What a target knows a person by hangs on the ledger, and where to look there on what the target knows the person by:
	// first comes what mappings make ids of.
	if err := e.find(e.guesses(), refs); err != nil {
		return x, err
	}
	e.anchors.moves(r, e.ref, func(ref roster.Ref) bool {
		for _, en := range e.entries {
			if en.Held && en.Entity == ref {
				return true
			}
		}
		return false
	})
	x.Scope, x.Filter = e.scope()
	own := e.l.look(e.f, e.anchors, e.ref).wishes
	ids := idsOf(own)
	for i := range e.q.Before {
		ids = append(ids, idsOf(e.l.o.Made.Mapping.Map(past{e.l.view(e.f, e.anchors), &e.q.Before[i]}, e.ref))...)
	}
	for _, id := range ids {
		e.mine[id] = true
	}
	parts := make([]part, len(groups))
	for i, g := range groups {
		parts[i] = e.part(g)
		ids = append(ids, parts[i].ids()...)
	}
	around := map[ID]Wish{}
	for _, ref := range units {
		for _, w := range e.l.look(e.f, e.anchors, ref).wishes {
			around[w.Resource.ID] = w
			ids = append(ids, w.Resource.ID)
		}
	}
	if err := e.find(ids, refs); err != nil {
		return x, err
	}
	for _, en := range e.entries {
		if slices.Contains(e.persons(), en.Entity) {
			e.mine[en.ID] = true
		}
	}
	for _, w := range own {
		e.add(w.Resource.ID, e.ref, true, &w)
	}
	for _, p := range parts {
		for _, w := range p.wishes {
			around[w.Resource.ID] = w
			e.add(w.Resource.ID, w.Resource.Entity, p.mine[w.Resource.ID], &w)
		}
	}
	e.rest()
	e.unmet(around)
	x.Resources = e.out
	return x, nil
}

// persons returns the person under all keys.
func (e *explaining) persons() (refs []roster.Ref) {
	for _, k := range e.q.Keys {
		refs = append(refs, roster.Ref{Kind: roster.KindPerson, Key: k})
	}
	return refs
}

// units returns the units to which the person or one of the groups refers.
func (e *explaining) units() (refs []roster.Ref) {
	add := func(k roster.Key) {
		if ref := (roster.Ref{Kind: roster.KindOrganisation, Key: k}); !k.IsZero() && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	if p := e.f.roster.Person(e.ref.Key); p != nil {
		for _, en := range p.Enrolments {
			add(en.EnroledAt)
		}
		for _, d := range p.Duties {
			add(d.DutyAt)
		}
	}
	for _, k := range e.f.roster.Groups(e.ref.Key) {
		if g := e.f.roster.Group(k); g != nil {
			add(g.Organisation)
		}
	}
	return refs
}

// guesses are the ids that mappings give to what they make of a person: see [Anchor].
func (e *explaining) guesses() (ids []ID) {
	if e.l.o.Made.Applier == nil {
		return nil
	}
	for _, kind := range e.l.o.Made.Applier.Kinds() {
		for _, k := range e.q.Keys {
			ids = append(ids, ID{kind, k.String()})
		}
	}
	return ids
}

// find takes over what the ledger knows.
func (e *explaining) find(ids []ID, of []roster.Ref) error {
	ids = slices.DeleteFunc(ids, func(id ID) bool { return e.entries[id] != nil })
	list, err := e.q.Find(ids, of)
	for i := range list {
		e.entries[list[i].ID] = &list[i]
		e.anchors.note(list[i])
	}
	return err
}

// scope says how the person stands to the link, and by which filter.
func (e *explaining) scope() (Scope, string) {
	filter := ""
	if e.l.o.Filter != nil {
		filter = e.l.o.Filter.String()
	}
	m := e.f.roster.State(e.ref)
	switch {
	case m.Contained() || containedNow(e.f.roster, e.ref):
		return KeptOut, filter
	case m.State != roster.Standing:
		return NotThere, filter
	case e.f.units.Excluded(e.f.roster, e.ref):
		return OutByUnit, filter
	case e.l.o.Filter == nil:
		return Inside, filter
	}
	switch in, err := e.l.o.Filter.Matches(e.l.view(e.f, e.anchors), e.ref); {
	case err != nil:
		return Unanswered, filter
	case in:
		return Inside, filter
	default:
		return OutByRule, filter
	}
}

// part is what a group has to do with the person.
type part struct {
	wishes []Wish
	mine   map[ID]bool // those that are there because of the person
}

func (p part) ids() []ID { return idsOf(p.wishes) }

func idsOf(wishes []Wish) (ids []ID) {
	for _, w := range wishes {
		ids = append(ids, w.Resource.ID)
	}
	return ids
}

// part maps a group three times: as it is, without the person, and without anybody. What is there only with the person is
// the person's; what is there without anybody is the group's own. All else is the others'.
func (e *explaining) part(group roster.Key) part {
	ref := roster.Ref{Kind: roster.KindGroup, Key: group}
	v, mapping := e.l.view(e.f, e.anchors), e.l.o.Made.Mapping
	without, empty := map[ID]bool{}, map[ID]bool{}
	for _, id := range idsOf(mapping.Map(lacking{v, func(m roster.Membership) bool { return m.Person == e.ref.Key }}, ref)) {
		without[id] = true
	}
	for _, id := range idsOf(mapping.Map(lacking{v, func(roster.Membership) bool { return true }}, ref)) {
		empty[id] = true
	}
	p := part{mine: map[ID]bool{}}
	for _, w := range e.l.look(e.f, e.anchors, ref).wishes {
		if id := w.Resource.ID; empty[id] || !without[id] {
			p.wishes = append(p.wishes, w)
			p.mine[id] = !without[id]
		}
	}
	return p
}

// lacking is a view of groups without some members.
type lacking struct {
	View
	lacks func(roster.Membership) bool
}

func (v lacking) Group(k roster.Key) *roster.Group {
	g := v.View.Group(k)
	if g == nil {
		return nil
	}
	c := *g
	c.Members = slices.DeleteFunc(slices.Clone(g.Members), v.lacks)
	return &c
}

func (v lacking) Anchor(k roster.Key) roster.Key { return Anchor(v.View, k) }

// past is a view in which a person stands as a record says.
type past struct {
	View
	rec *roster.Record
}

func (v past) Person(roster.Key) *roster.Person { return v.rec.Person }
func (v past) Anchor(k roster.Key) roster.Key   { return Anchor(v.View, k) }
func (v past) UserName(k roster.Key, r roster.Role) names.Name {
	return UserName(v.View, k, r)
}

// add adds a resource.
func (e *explaining) add(id ID, of roster.Ref, own bool, w *Wish) {
	x := ExplainedResource{ID: id, Of: of, Own: own, Wish: w, Entry: e.entries[id]}
	if w != nil && w.Withheld == nil {
		for _, need := range w.Resource.Needs {
			if n := e.entries[need]; n == nil || !n.Held {
				x.Unmet = append(x.Unmet, need)
			}
		}
		for _, s := range w.Resource.Sets {
			if slices.ContainsFunc(s.Members, func(m ID) bool { return e.mine[m] }) {
				x.Sets = append(x.Sets, ExplainedSet{Name: s.Name, Wished: true})
			}
		}
	}
	if x.Entry != nil {
		for _, s := range x.Entry.Sets {
			if !slices.ContainsFunc(s.Members, func(m ID) bool { return e.mine[m] }) {
				continue
			}
			i := slices.IndexFunc(x.Sets, func(o ExplainedSet) bool { return o.Name == s.Name })
			if i < 0 {
				i, x.Sets = len(x.Sets), append(x.Sets, ExplainedSet{Name: s.Name})
			}
			x.Sets[i].Held = true
		}
		if own && w != nil && w.Withheld == nil && x.Entry.Held {
			x.Differs = differing(w.Resource.Fields, x.Entry.Fields)
		}
	}
	e.out = append(e.out, x)
}

// differing returns the names of fields that are not alike, in the order in which the target wants them.
func differing(wished, held Fields) (names []string) {
	for _, f := range slices.Concat(wished, held) {
		if !slices.Contains(names, f.Name) && !slices.Equal(wished.of(f.Name), held.of(f.Name)) {
			names = append(names, f.Name)
		}
	}
	return names
}

// rest adds what the ledger knows of the person, or what joins her or him to others, and nobody wishes any more.
func (e *explaining) rest() {
	var left []*Entry
	for id, en := range e.entries {
		known := slices.ContainsFunc(e.out, func(x ExplainedResource) bool { return x.ID == id })
		if !known && en.State != Gone && (e.mine[id] || slices.ContainsFunc(en.Needs, func(n ID) bool { return e.mine[n] })) {
			left = append(left, en)
		}
	}
	slices.SortFunc(left, func(a, b *Entry) int { return a.ID.Compare(b.ID) })
	for _, en := range left {
		e.add(en.ID, en.Entity, true, nil)
	}
}

// unmet leaves of what resources wait for what does not come by itself, and adds it, if it is not told of yet: the unit
// that is closed, the class that is left out.
func (e *explaining) unmet(around map[ID]Wish) {
	for i := 0; i < len(e.out); i++ { //nolint:intrange // it grows meanwhile
		var stuck []ID
		for _, need := range e.out[i].Unmet {
			w, near := around[need]
			told := slices.ContainsFunc(e.out, func(x ExplainedResource) bool { return x.ID == need })
			if near && w.Withheld == nil && e.entries[need] == nil {
				continue
			}
			if stuck = append(stuck, need); near && !told {
				e.add(need, w.Resource.Entity, false, &w)
			}
		}
		e.out[i].Unmet = stuck
	}
}

// Sets tells whether the target takes complete sets.
func (l *Link) Sets() bool { return l.o.Made.Deliverer != nil }

// Why returns why the target does not hold the resource as the roster has it: the mapping's reason, or what stands in the
// ledger. Nil for none.
func (x ExplainedResource) Why() *reason.Reason {
	switch {
	case x.Wish != nil && x.Wish.Withheld != nil:
		return x.Wish.Withheld
	case x.Entry != nil:
		return x.Entry.Reason
	}
	return nil
}
