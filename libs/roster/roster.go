package roster

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Roster is the merged picture of a tenant, fed with records. It answers as the view of a mapping does, and knows which
// entities a change may concern.
//
// One writer at a time ([Roster.Apply], [Roster.SetToday]) and no reader beside it; between writes any number of
// readers. Whoever owns the roster sees to that. What the methods return is shared with it: read it, never write it.
type Roster struct {
	precedence Precedence
	today      Date
	entities   map[Kind]map[Key]*entity
	heirs      map[Key][]heir      // by former key, who says that the entity has another now
	joins      map[Key]*join       // of persons: by every key of the join
	claimed    map[Key]map[Key]int // by key of a person: under which keys records say that it is the same, and how many
	dated      map[Key]struct{}    // persons with directives, who may be others on another day
	contained  map[Key]struct{}    // persons whom every target must keep out
	starts     map[Date]int        // how many intervals start on a day
	ends       map[Date]int        // how many intervals have a day as their last
	len        int
}

// entity is one node: the records of an entity, what they say together, and who refers to it. It is there also for an
// entity that is only referred to.
type entity struct {
	records []*Record // by precedence
	merged  Merged
	groups  []Key                     // of a person: the groups that list it, sorted
	users   map[Kind]map[Key]struct{} // of an organisation: the persons, groups and organisations that refer to it
}

// heir is a statement that an entity has the key now.
type heir struct {
	source Source
	ref    Ref
}

// NewRoster returns an empty roster that merges sources by a precedence.
func NewRoster(p Precedence, today Date) *Roster {
	r := &Roster{
		precedence: slices.Clone(p), today: today, entities: map[Kind]map[Key]*entity{},
		heirs: map[Key][]heir{}, joins: map[Key]*join{}, claimed: map[Key]map[Key]int{}, dated: map[Key]struct{}{}, contained: map[Key]struct{}{}, starts: map[Date]int{}, ends: map[Date]int{},
	}
	for _, k := range Kinds() {
		r.entities[k] = map[Key]*entity{}
	}
	return r
}

// Today returns the day of the roster.
func (r *Roster) Today() Date { return r.today }

// SetToday moves the roster to another day. What that concerns is not told: on a new day a link looks at everything.
func (r *Roster) SetToday(d Date) {
	if d == r.today {
		return
	}
	r.today = d
	keys := slices.Concat(slices.Collect(maps.Keys(r.dated)), slices.Collect(maps.Keys(r.joins)))
	if len(keys) > 0 {
		r.reform(keys, func() {})
	}
}

// Apply takes a record in, a tombstone too, in the place of what its source said of the entity before. It returns what
// the change may concern, each once: the entity itself first, then, sorted, its neighbours before and after (a person's
// groups and units; a group's members and unit; a unit's persons and groups, and the units above and below) and the keys
// that it had before or has now. A neighbour need not exist. The record must be valid and not be changed afterwards; one
// of no known kind changes nothing.
func (r *Roster) Apply(rec Record) (dirty []Ref) {
	if r.entities[rec.Ref.Kind] == nil || rec.Ref.Key.IsZero() {
		return nil
	}
	if !rec.isNormal() {
		rec = *rec.clone()
		rec.Normalize()
	}
	e := r.entity(rec.Ref)
	if rec.Ref.Kind == KindPerson && (len(rec.SameAs) > 0 || r.joins[rec.Ref.Key] != nil) {
		all := append([]Key{rec.Ref.Key}, rec.SameAs...)
		dirty = append([]Ref{rec.Ref}, r.reform(all, func() { r.replace(r.entity(rec.Ref), &rec) })...)
		return distinct(r.bequeath(dirty, rec.Ref))
	}
	dirty = r.neighbours(append(dirty, rec.Ref), rec.Ref, e)
	r.replace(e, &rec)
	r.settle(rec.Ref, e)
	return distinct(r.bequeath(r.neighbours(dirty, rec.Ref, e), rec.Ref))
}

// settle makes an entity what its records say now, with what hangs on that.
func (r *Roster) settle(ref Ref, e *entity) {
	before := e.merged
	r.count(&before, -1)
	e.merged = r.merge(ref, e)
	r.count(&e.merged, +1)
	r.relink(ref, &before, &e.merged)
	r.shut(ref, &e.merged)
	if ref.Kind == KindPerson && len(e.merged.Directives) > 0 {
		r.dated[ref.Key] = struct{}{}
	} else {
		delete(r.dated, ref.Key)
	}
}

// replace puts a record in the place of its source's earlier one.
func (r *Roster) replace(e *entity, rec *Record) {
	if e.records == nil {
		r.len++
	}
	i, found := slices.BinarySearchFunc(e.records, rec, r.precedence.compareRecords)
	if !found {
		e.records = slices.Insert(slices.Grow(e.records, 1), i, rec)
	} else {
		for _, k := range e.records[i].Former {
			r.disinherit(k, heir{rec.Source, rec.Ref})
		}
		r.claim(e.records[i], -1)
		e.records[i] = rec
	}
	for _, k := range rec.Former {
		r.heirs[k] = append(r.heirs[k], heir{rec.Source, rec.Ref})
	}
	r.claim(rec, +1)
}

func (r *Roster) disinherit(k Key, h heir) {
	r.heirs[k] = slices.DeleteFunc(r.heirs[k], func(o heir) bool { return o == h })
	if len(r.heirs[k]) == 0 {
		delete(r.heirs, k)
	}
}

// relink moves the back references from what the entity referred to before to what it refers to now.
func (r *Roster) relink(of Ref, before, after *Merged) {
	for to := range references(before) {
		r.unlink(to, of)
	}
	for to := range references(after) {
		r.link(to, of)
	}
}

func (r *Roster) link(to, from Ref) {
	e := r.entity(to)
	if to.Kind == KindPerson {
		if i, found := slices.BinarySearchFunc(e.groups, from.Key, Key.Compare); !found {
			e.groups = slices.Insert(e.groups, i, from.Key)
		}
		return
	}
	if e.users == nil {
		e.users = map[Kind]map[Key]struct{}{}
	}
	if e.users[from.Kind] == nil {
		e.users[from.Kind] = map[Key]struct{}{}
	}
	e.users[from.Kind][from.Key] = struct{}{}
}

func (r *Roster) unlink(to, from Ref) {
	e := r.entities[to.Kind][to.Key]
	if e == nil {
		return // unlinked already: a person is in one group twice
	}
	if i, found := slices.BinarySearchFunc(e.groups, from.Key, Key.Compare); found && to.Kind == KindPerson {
		e.groups = slices.Delete(e.groups, i, i+1)
	}
	if users := e.users[from.Kind]; users != nil {
		delete(users, from.Key)
		if len(users) == 0 {
			delete(e.users, from.Kind)
		}
	}
	r.forget(to)
}

// forget takes a node away that nothing needs any more.
func (r *Roster) forget(ref Ref) {
	e := r.entities[ref.Kind][ref.Key]
	if e != nil && len(e.records) == 0 && len(e.groups) == 0 && len(e.users) == 0 && (ref.Kind != KindPerson || r.joins[ref.Key] == nil) {
		delete(r.entities[ref.Kind], ref.Key)
	}
}

// references yields what an entity refers to; an entity that does not stand refers to nothing.
func references(m *Merged) iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		unit := func(k Key) bool { return k.IsZero() || yield(Ref{KindOrganisation, k}) }
		switch {
		case m.Organisation != nil:
			unit(m.Organisation.Parent)
		case m.Person != nil:
			for i := range m.Person.Enrolments {
				if !unit(m.Person.Enrolments[i].EnroledAt) {
					return
				}
			}
			for i := range m.Person.Duties {
				if !unit(m.Person.Duties[i].DutyAt) {
					return
				}
			}
		case m.Group != nil:
			if !unit(m.Group.Organisation) {
				return
			}
			var last Key // members are sorted by person
			for i := range m.Group.Members {
				if k := m.Group.Members[i].Person; k != last {
					if last = k; !yield(Ref{KindPerson, k}) {
						return
					}
				}
			}
		}
	}
}

// neighbours appends an entity's neighbours, its former keys and the key that it has now.
func (r *Roster) neighbours(to []Ref, of Ref, e *entity) []Ref {
	for ref := range references(&e.merged) {
		to = append(to, ref)
	}
	for _, k := range e.groups {
		to = append(to, Ref{KindGroup, k})
	}
	for kind, users := range e.users {
		for k := range users {
			to = append(to, Ref{kind, k})
		}
	}
	for _, k := range e.merged.Former {
		to = append(to, Ref{of.Kind, k})
	}
	if k := e.merged.Became; !k.IsZero() {
		to = append(to, Ref{of.Kind, k})
	}
	return to
}

// Referring returns the entities that refer to one, in no order: of an organisation its persons, groups and those below it;
// of a person the groups.
func (r *Roster) Referring(ref Ref) (refs []Ref) {
	e := r.entities[ref.Kind][ref.Key]
	if e == nil {
		return nil
	}
	for _, k := range e.groups {
		refs = append(refs, Ref{KindGroup, k})
	}
	for kind, users := range e.users {
		for k := range users {
			refs = append(refs, Ref{kind, k})
		}
	}
	return refs
}

// distinct sorts what follows the first and leaves out what stands twice.
func distinct(refs []Ref) []Ref {
	slices.SortFunc(refs[1:], Ref.Compare)
	rest := slices.Compact(refs[1:])
	if i, found := slices.BinarySearchFunc(rest, refs[0], Ref.Compare); found {
		rest = slices.Delete(rest, i, i+1)
	}
	return refs[:1+len(rest)]
}

// count adds n to what is known of the interval ends of an entity.
func (r *Roster) count(m *Merged, n int) {
	add := func(of map[Date]int, d Date) {
		if d.IsOpen() {
			return
		}
		if of[d] += n; of[d] == 0 {
			delete(of, d)
		}
	}
	interval := func(i Interval) {
		if i.isEmpty() {
			return
		}
		add(r.starts, i.Start)
		add(r.ends, i.End)
	}
	for i := range m.Directives {
		add(r.ends, m.Directives[i].Until)
	}
	switch {
	case m.Organisation != nil:
		interval(m.Organisation.Interval)
	case m.Person != nil:
		for i := range m.Person.Enrolments {
			interval(m.Person.Enrolments[i].Interval)
		}
		for i := range m.Person.Duties {
			interval(m.Person.Duties[i].Interval)
		}
	case m.Group != nil:
		interval(m.Group.Interval)
		for i := range m.Group.Members {
			interval(m.Group.Members[i].Interval)
		}
	}
}

// entity returns the node of an entity, and makes it when there is none.
func (r *Roster) entity(ref Ref) *entity {
	of := r.entities[ref.Kind]
	e := of[ref.Key]
	if e == nil {
		e = &entity{merged: Merged{State: Missing}}
		of[ref.Key] = e
	}
	return e
}

// State returns what the records of an entity say together. An entity that no record speaks of is [Missing].
func (r *Roster) State(ref Ref) Merged {
	if e := r.entities[ref.Kind][ref.Key]; e != nil {
		return e.merged
	}
	return Merged{State: Missing}
}

// Records returns what each source says of an entity, by precedence; tombstones too.
func (r *Roster) Records(ref Ref) []*Record {
	if e := r.entities[ref.Kind][ref.Key]; e != nil {
		return e.records
	}
	return nil
}

// Organisation returns an organisation, or nil when none stands under the key.
func (r *Roster) Organisation(k Key) *Organisation {
	if e := r.entities[KindOrganisation][k]; e != nil {
		return e.merged.Organisation
	}
	return nil
}

// Person returns a person, or nil when none stands under the key.
func (r *Roster) Person(k Key) *Person {
	if e := r.entities[KindPerson][k]; e != nil {
		return e.merged.Person
	}
	return nil
}

// Group returns a group, or nil when none stands under the key.
func (r *Roster) Group(k Key) *Group {
	if e := r.entities[KindGroup][k]; e != nil {
		return e.merged.Group
	}
	return nil
}

// Groups returns the standing groups of which a person is, was or will be a member, sorted.
func (r *Roster) Groups(person Key) []Key {
	if e := r.entities[KindPerson][person]; e != nil {
		return e.groups
	}
	return nil
}

// Became returns the key that an entity has now in the place of an old one, through as many changes as there were. An
// entity that still stands under the old key has become nothing else.
func (r *Roster) Became(old Key) (Key, bool) {
	now, moved := r.becameOnce(old)
	if !moved { // nearly always
		return old, false
	}
	for seen := map[Key]bool{old: true}; !seen[now]; {
		seen[now] = true
		next, ok := r.becameOnce(now)
		if !ok {
			break
		}
		now = next
	}
	return now, now != old
}

func (r *Roster) becameOnce(old Key) (Key, bool) {
	var became Key
	for _, kind := range Kinds() {
		if e := r.entities[kind][old]; e != nil && e.merged.State == Standing {
			return Key{}, false
		} else if e != nil {
			became = e.merged.Became
		}
	}
	if became.IsZero() && len(r.heirs[old]) > 0 {
		became = slices.MinFunc(r.heirs[old], func(a, b heir) int {
			if c := r.precedence.Compare(a.source, b.source); c != 0 {
				return c
			}
			return a.ref.Compare(b.ref)
		}).ref.Key
	}
	return became, !became.IsZero()
}

// Superseded tells whether every source by which a person stands says of another key that it is the person's now: no
// source states both, so its record under the old key is about to be replaced.
func (r *Roster) Superseded(ref Ref) bool {
	heirs := r.heirs[ref.Key]
	if ref.Kind != KindPerson || len(heirs) == 0 || r.State(ref).State != Standing {
		return false
	}
	return !slices.ContainsFunc(r.Records(ref), func(rec *Record) bool {
		return rec.states() && !slices.ContainsFunc(heirs, func(h heir) bool { return h.source == rec.Source && r.State(h.ref).State == Standing })
	})
}

// Refs returns every entity of a kind that a record speaks of, tombstones too, sorted.
func (r *Roster) Refs(kind Kind) []Ref {
	refs := make([]Ref, 0, len(r.entities[kind]))
	for k, e := range r.entities[kind] {
		if e.records != nil {
			refs = append(refs, Ref{kind, k})
		}
	}
	slices.SortFunc(refs, func(a, b Ref) int { return a.Key.Compare(b.Key) })
	return refs
}

// Each yields every entity that a record speaks of, tombstones too, in the order of [Kinds], then of the key.
func (r *Roster) Each() iter.Seq2[Ref, Merged] {
	return func(yield func(Ref, Merged) bool) {
		for _, kind := range Kinds() {
			for _, ref := range r.Refs(kind) {
				if !yield(ref, r.entities[kind][ref.Key].merged) {
					return
				}
			}
		}
	}
}

// Len returns how many entities a record speaks of, tombstones too.
func (r *Roster) Len() int { return r.len }

// NextBoundary returns the first day after today on which an interval of anything that stands begins or has ended, or
// a directive has, or an open date when none will.
func (r *Roster) NextBoundary() Date { return r.NextStretched(0, 0) }

// NextStretched returns what NextBoundary would, if everything began lead days earlier and ended linger days later.
func (r *Roster) NextStretched(lead, linger int) Date {
	after := func(dates map[Date]int, d Date) (first Date) {
		for x := range dates {
			if x > d && (first.IsOpen() || x < first) {
				first = x
			}
		}
		return first
	}
	begins := after(r.starts, r.today.AddDays(lead)).AddDays(-lead)
	ends := after(r.ends, r.today.AddDays(-linger-1)).AddDays(linger + 1)
	if begins.IsOpen() || !ends.IsOpen() && ends < begins {
		return ends
	}
	return begins
}

// Format prints how much the roster holds, never what.
func (r *Roster) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "roster of %d entities", r.len) }
