package roster

import "slices"

// inherited returns the records of a person together with what was decided about her or him under keys that she or he
// had before, and with what a register protects there that does not know of the new key: a child who is protected stays
// so when a TF number becomes a personnummer, and when one of two registers learns of a new number first (rule R9). Of a
// former key under which somebody still stands nothing is inherited, for that is somebody else.
func (r *Roster) inherited(records []*Record) []*Record {
	out := records
	for _, rec := range records {
		if !rec.states() {
			continue
		}
		for _, k := range rec.Former {
			before := r.Records(Ref{KindPerson, k})
			if slices.ContainsFunc(before, (*Record).states) {
				continue
			}
			for _, b := range before {
				decided := b.Tombstone == nil && len(b.Directives) > 0
				marked := b.protects() && !slices.ContainsFunc(records, func(r *Record) bool { return r.Source == b.Source && r.states() })
				if (decided || marked) && !slices.Contains(out, b) {
					out = append(slices.Clip(out), b)
				}
			}
		}
	}
	if len(out) > len(records) {
		slices.SortStableFunc(out, r.precedence.compareRecords)
	}
	return out
}

// states tells whether the record makes an entity exist.
func (r *Record) states() bool { return r.Tombstone == nil && !r.Overlay }

// bequeath settles those who had a person's key before, and adds to dirty what that may concern.
func (r *Roster) bequeath(dirty []Ref, of Ref) []Ref {
	if of.Kind != KindPerson {
		return dirty
	}
	for _, h := range r.heirs[of.Key] {
		e := r.entity(h.ref)
		if r.joins[h.ref.Key] != nil {
			dirty = append(dirty, r.reform([]Key{h.ref.Key}, func() {})...)
			continue
		}
		dirty = r.neighbours(append(dirty, h.ref), h.ref, e)
		r.settle(h.ref, e)
		dirty = r.neighbours(dirty, h.ref, e)
	}
	return dirty
}
