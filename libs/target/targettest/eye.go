package targettest

import (
	"slices"

	"eventful.se/ess/libs/roster"
)

// eye is the roster as a mapping sees it under the engine: without whom the target may not know of. It remembers what
// was read.
type eye struct {
	*roster.Roster
	anchors map[roster.Key]roster.Key
	read    []roster.Ref
	groups  []roster.Key // persons whose groups were asked for
}

// Anchor returns the key that the target knows a person by.
func (e *eye) Anchor(k roster.Key) roster.Key {
	if a, ok := e.anchors[k]; ok {
		return a
	}
	return k
}

// Organisation returns an organisation.
func (e *eye) Organisation(k roster.Key) *roster.Organisation {
	e.read = append(e.read, roster.Ref{Kind: roster.KindOrganisation, Key: k})
	return e.Roster.Organisation(k)
}

// Person returns a person whom the target may know of.
func (e *eye) Person(k roster.Key) *roster.Person {
	e.read = append(e.read, roster.Ref{Kind: roster.KindPerson, Key: k})
	if e.Contained(k) {
		return nil
	}
	return e.Roster.Person(k)
}

// Group returns a group with the members whom the target may know of.
func (e *eye) Group(k roster.Key) *roster.Group {
	e.read = append(e.read, roster.Ref{Kind: roster.KindGroup, Key: k})
	g := e.Roster.Group(k)
	contained := func(m roster.Membership) bool { return e.Contained(m.Person) }
	if g == nil || !slices.ContainsFunc(g.Members, contained) {
		return g
	}
	c := *g
	c.Members = slices.DeleteFunc(slices.Clone(g.Members), contained)
	return &c
}

// Groups returns the groups of a person.
func (e *eye) Groups(k roster.Key) []roster.Key {
	e.groups = append(e.groups, k)
	return e.Roster.Groups(k)
}

// neighbours are the entities whose change has the engine look at one again: the entity itself, the units and groups of a
// person, the unit and members of a group, and the persons of a unit and all other units.
func (e *eye) neighbours(of roster.Ref) map[roster.Ref]bool {
	near := map[roster.Ref]bool{of: true}
	unit := func(k roster.Key) { near[roster.Ref{Kind: roster.KindOrganisation, Key: k}] = true }
	m := e.State(of)
	switch {
	case m.Organisation != nil:
		unit(m.Organisation.Parent)
		for _, ref := range e.Refs(of.Kind) { // see target.Units
			near[ref] = true
		}
		for _, ref := range e.Referring(of) {
			near[ref] = near[ref] || ref.Kind == roster.KindPerson
		}
	case m.Person != nil:
		for _, x := range m.Person.Enrolments {
			unit(x.EnroledAt)
		}
		for _, x := range m.Person.Duties {
			unit(x.DutyAt)
		}
		for _, g := range e.Roster.Groups(of.Key) {
			near[roster.Ref{Kind: roster.KindGroup, Key: g}] = true
		}
	case m.Group != nil:
		unit(m.Group.Organisation)
		for _, x := range m.Group.Members {
			near[roster.Ref{Kind: roster.KindPerson, Key: x.Person}] = true
		}
	}
	return near
}
