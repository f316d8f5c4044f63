package roster

// Contained tells whether every target must keep the person out at once: who is protected, excluded or suspended (rule
// R9).
func (m *Merged) Contained() bool {
	return m.Protected || m.Reason == TombstoneExcluded || m.Person != nil && m.Person.Suspended
}

// shut keeps the list of contained persons up to date.
func (r *Roster) shut(ref Ref, m *Merged) {
	if ref.Kind == KindPerson && m.Contained() {
		r.contained[ref.Key] = struct{}{}
	} else if len(r.contained) > 0 && ref.Kind == KindPerson {
		delete(r.contained, ref.Key)
	}
}

// Contained tells whether every target must keep a person out; see [Merged.Contained].
func (r *Roster) Contained(person Key) bool {
	_, ok := r.contained[person]
	return ok
}

// AnyContained tells whether any person is contained.
func (r *Roster) AnyContained() bool { return len(r.contained) > 0 }
