package target

import (
	"maps"
	"slices"

	"eventful.se/ess/libs/roster"
)

// Stuck returns what is parked, waits or is withheld of what was read, sorted. What is about a person for whom hidden says so,
// or joins such a person to others, is left out: nobody is told of it.
func (h Holding) Stuck(hidden func(roster.Ref) bool) (list []Entry) {
	all := map[ID]*Entry{}
	for i := range h.entries {
		all[h.entries[i].ID] = &h.entries[i]
	}
	maps.Copy(all, h.set)
	for _, e := range all {
		about := func(id ID) bool { n := all[id]; return n != nil && n.Entity != e.Entity && hidden(n.Entity) }
		switch e.State {
		case Parked, Waiting, Withheld:
			if !hidden(e.Entity) && !slices.ContainsFunc(e.Needs, about) {
				list = append(list, *e)
			}
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return a.ID.Compare(b.ID) })
	return list
}
