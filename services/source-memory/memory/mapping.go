package memory

import (
	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// entry is what a list of the register has.
type entry interface {
	doc() fact.Doc
	last() change
}

func (c change) last() change { return c }

func (u unit) doc() fact.Doc {
	return fact.Doc{ID: "unit/" + u.ID, Facts: []fact.Fact{fact.Unit{ID: u.ID, Name: u.Name}}}
}

// doc states a person, and what ties her or him to a unit.
func (p person) doc() fact.Doc {
	facts := []fact.Fact{fact.Person{
		ID: p.ID, CivicNo: p.CivicNo.Reveal(), GivenName: p.GivenName.Reveal(), FamilyName: p.FamilyName.Reveal(),
		Username: p.Username.Reveal(), Email: p.Email.Reveal(), Role: p.Role, Marking: p.Marking,
	}}
	switch {
	case p.Unit == "":
	case p.Role == string(roster.RoleStaff):
		facts = append(facts, fact.Duty{Person: p.ID, Unit: p.Unit, End: p.End})
	default:
		facts = append(facts, fact.Enrolment{Person: p.ID, Unit: p.Unit, End: p.End})
	}
	return fact.Doc{ID: "person/" + p.ID, Facts: facts}
}

func (g group) doc() fact.Doc {
	facts := []fact.Fact{fact.Group{ID: g.ID, Name: g.Name, Type: g.Type, Unit: g.Unit}}
	for _, m := range g.Members {
		facts = append(facts, fact.Member{Group: g.ID, Person: m.Person, Role: m.Role})
	}
	return fact.Doc{ID: "group/" + g.ID, Facts: facts}
}
