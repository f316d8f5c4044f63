package target

import (
	"slices"

	"eventful.se/ess/libs/roster"
)

// Persons returns everybody who is, was or will be at a unit, sorted: for what a target holds of a unit's people. A mapping
// reads them as the neighbours of the unit, for a change of one of them has the unit looked at.
func Persons(v View, unit roster.Key) (list []roster.Key) {
	r, ok := v.(interface {
		Referring(roster.Ref) []roster.Ref
	})
	if !ok {
		return nil
	}
	for _, ref := range r.Referring(roster.Ref{Kind: roster.KindOrganisation, Key: unit}) {
		if ref.Kind == roster.KindPerson {
			list = append(list, ref.Key)
		}
	}
	slices.SortFunc(list, roster.Key.Compare)
	return list
}

// Units returns all organisations, those that have ended too, sorted: for what a target cannot call alike though the register does. A
// change of one has all of them looked at.
func Units(v View) (list []roster.Key) {
	r, ok := v.(interface {
		Refs(roster.Kind) []roster.Ref
	})
	if !ok {
		return nil
	}
	for _, ref := range r.Refs(roster.KindOrganisation) {
		list = append(list, ref.Key)
	}
	slices.SortFunc(list, roster.Key.Compare)
	return list
}
