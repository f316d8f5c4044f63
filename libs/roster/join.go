package roster

import "slices"

// join is a person under several keys, because a record states that they are one person's (see [Record.SameAs]).
type join struct {
	lead  Key   // under which the person stands
	keys  []Key // all of them, the lead first, the others sorted
	apart bool  // what stands under the keys speaks of two people: nothing is joined
}

// reform settles anew the joins that keys are part of, and with them every person in them and every group that lists
// one, and returns what that may concern. Between is called when what is to go has been looked at.
func (r *Roster) reform(keys []Key, between func()) (dirty []Ref) {
	var refs []Ref
	add := func(k Key) { refs = append(refs, Ref{KindPerson, k}) }
	for _, k := range keys {
		if add(k); r.joins[k] != nil {
			for _, other := range r.joins[k].keys {
				add(other)
			}
		}
	}
	for _, k := range r.connected(keys) {
		add(k)
	}
	slices.SortFunc(refs, Ref.Compare)
	refs = slices.Compact(refs)
	for i := range refs { // the groups after the persons whom they list
		for _, g := range r.entity(refs[i]).groups {
			refs = append(refs, Ref{KindGroup, g})
		}
	}
	for _, ref := range refs {
		dirty = r.neighbours(append(dirty, ref), ref, r.entity(ref))
	}
	between()
	var persons []Key
	for _, ref := range refs {
		if ref.Kind == KindPerson {
			delete(r.joins, ref.Key)
			persons = append(persons, ref.Key)
		}
	}
	for _, k := range persons {
		if r.joins[k] == nil {
			r.join(k)
		}
	}
	// The lead of a join before those that follow it: what they are hangs on whether it stands.
	slices.SortStableFunc(refs, func(a, b Ref) int { return r.turn(a) - r.turn(b) })
	for _, ref := range refs {
		r.settle(ref, r.entity(ref))
	}
	for _, ref := range refs {
		dirty = r.neighbours(dirty, ref, r.entity(ref))
		r.forget(ref)
	}
	return dirty
}

// turn says when an entity is settled.
func (r *Roster) turn(ref Ref) int {
	j := r.joins[ref.Key]
	switch {
	case ref.Kind == KindGroup:
		return 2
	case j != nil && !j.apart && j.lead != ref.Key:
		return 1
	default:
		return 0
	}
}

// join makes the join that a key is part of, if there is one.
func (r *Roster) join(k Key) {
	keys := r.connected([]Key{k})
	if len(keys) < 2 {
		return
	}
	slices.SortFunc(keys, Key.Compare)
	// Nobody says of the lead that it is another's: who states a join says under which key the person is to stand. Where
	// each is said to be another's, it is one that a record speaks of, for nobody looks for a person under the rest.
	lead := slices.IndexFunc(keys, func(k Key) bool { return len(r.claimed[k]) == 0 })
	if lead < 0 {
		lead = slices.IndexFunc(keys, func(k Key) bool { return r.Records(Ref{KindPerson, k}) != nil })
	}
	j := &join{lead: keys[lead], apart: r.twoPeople(keys)}
	j.keys = append(append(j.keys, keys[lead]), slices.Delete(keys, lead, lead+1)...)
	for _, k := range j.keys {
		r.joins[k] = j
	}
}

// connected returns the keys that statements lead to from some, those themselves too.
func (r *Roster) connected(from []Key) []Key {
	keys, seen := []Key{}, map[Key]bool{}
	for todo := slices.Clone(from); len(todo) > 0; {
		k := todo[0]
		todo = todo[1:]
		if seen[k] {
			continue
		}
		seen[k] = true
		keys = append(keys, k)
		for _, rec := range r.Records(Ref{KindPerson, k}) {
			todo = append(todo, rec.SameAs...)
		}
		for other := range r.claimed[k] {
			todo = append(todo, other)
		}
	}
	return keys
}

// twoPeople tells whether what stands under some keys cannot be one person.
func (r *Roster) twoPeople(keys []Key) bool {
	var standing []*Person
	for _, k := range keys {
		m := Merge(r.precedence, r.today, r.Records(Ref{KindPerson, k}))
		if m.Person == nil {
			continue
		}
		if m.Conflict || slices.ContainsFunc(standing, func(p *Person) bool { return conflict(p, m.Person) }) {
			return true
		}
		standing = append(standing, m.Person)
	}
	return false
}

// claim takes n statements into account that other keys are the same as one.
func (r *Roster) claim(rec *Record, n int) {
	for _, k := range rec.SameAs {
		by := r.claimed[k]
		if by == nil {
			by = map[Key]int{}
			r.claimed[k] = by
		}
		if by[rec.Ref.Key] += n; by[rec.Ref.Key] == 0 {
			delete(by, rec.Ref.Key)
		}
		if len(by) == 0 {
			delete(r.claimed, k)
		}
	}
}

// merge says what an entity is, by its own records and those of the keys that are joined to it.
func (r *Roster) merge(ref Ref, e *entity) Merged {
	j := r.joins[ref.Key]
	switch {
	case ref.Kind == KindGroup && len(r.joins) > 0:
		m := Merge(r.precedence, r.today, e.records)
		m.Group = r.resolved(m.Group)
		return m
	case ref.Kind != KindPerson:
		return Merge(r.precedence, r.today, e.records)
	case j == nil:
		return Merge(r.precedence, r.today, r.inherited(e.records))
	case j.apart:
		m := Merge(r.precedence, r.today, r.inherited(e.records))
		m.Conflict = m.State == Standing
		return m
	case j.lead == ref.Key:
		return r.mergeJoined(j)
	case r.State(Ref{KindPerson, j.lead}).State == Missing:
		return Merged{State: Missing}
	default:
		return Merged{State: Tombstoned, Reason: TombstoneBecame, Became: j.lead}
	}
}

func (r *Roster) mergeJoined(j *join) Merged {
	records := r.joinedRecords(j)
	m := mergeSorted(r.today, records)
	m.Former = slices.DeleteFunc(append(m.Former, j.keys[1:]...), func(k Key) bool { return k == j.lead })
	m.Former = order(m.Former, Key.Compare)
	return m
}

// joinedRecords returns the records of all keys of a join, by precedence.
func (r *Roster) joinedRecords(j *join) (records []*Record) {
	for _, k := range j.keys {
		for _, rec := range r.inherited(r.Records(Ref{KindPerson, k})) {
			// That one key became the other is what being joined says anyhow.
			if (rec.Tombstone == nil || !slices.Contains(j.keys, rec.Tombstone.Became)) && !slices.Contains(records, rec) {
				records = append(records, rec)
			}
		}
	}
	slices.SortStableFunc(records, r.precedence.compareRecords)
	return records
}

// resolved returns a group with the keys of its members under which they stand.
func (r *Roster) resolved(g *Group) *Group {
	follows := func(k Key) *join {
		if j := r.joins[k]; j != nil && !j.apart && j.lead != k {
			return j
		}
		return nil
	}
	if g == nil || !slices.ContainsFunc(g.Members, func(m Membership) bool { return follows(m.Person) != nil }) {
		return g
	}
	c := *g
	c.Members = slices.Clone(g.Members)
	for i := range c.Members {
		if j := follows(c.Members[i].Person); j != nil {
			c.Members[i].Person = j.lead
		}
	}
	slices.SortFunc(c.Members, Membership.compare)
	c.Members = unite(nil, c.Members, func(m Membership) Membership { m.Doc = ""; return m }, Membership.compare)
	return &c
}
