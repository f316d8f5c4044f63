package target

import "slices"

// withNeeds adds to what is carried over from the last set what it refers to, unless that is wished still: a class or a
// school that is gone stays in the set for as long as a leaver's row needs it. It does not for orphans, which nobody stands up
// for: they go with what they refer to.
func (e *sets) withNeeds(carried, orphans []*Entry) []*Entry {
	there := make(map[ID]bool, len(carried)+len(orphans))
	for _, en := range slices.Concat(carried, orphans) {
		there[en.ID] = true
	}
	for i := 0; i < len(carried); i++ { // it grows
		for _, need := range carried[i].Needs {
			old := e.last[need]
			if there[need] || old == nil || !old.Held || e.wished(old) {
				continue
			}
			there[need] = true
			carried = append(carried, old)
		}
	}
	return carried
}

// wished tells whether the mapping still wishes a resource that was delivered.
func (e *sets) wished(old *Entry) bool {
	for _, w := range e.wishes[old.Entity] {
		if w.Resource.ID == old.ID && w.Withheld == nil {
			return true
		}
	}
	return false
}
