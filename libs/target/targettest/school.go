package targettest

import (
	"fmt"
	"strings"

	"eventful.se/ess/libs/roster"
)

// The school that the suite plays: units 1 and 2; pupils 11 to 13 at the first and 14 to 16 at the second; teachers 21
// and 22, one at each; class 31 of the first unit, and group 32 of the second one, which pupil 11 is in too. All of it is
// invented, and each text stands once, so that it can be looked for.
var (
	register = roster.Source{System: "register", Instance: "default"}
	byHand   = roster.Source{System: "manual", Instance: "default"}
)

const marked = "qz" // stands in every text that is invented here, and in no other

func school() []roster.Record {
	return []roster.Record{
		unit(1), unit(2), pupil(11, 1), pupil(12, 1), pupil(13, 1), pupil(14, 2), pupil(15, 2), pupil(16, 2), teacher(21, 1), teacher(22, 2),
		group(31, 1, 21, 11, 12, 13), group(32, 2, 22, 11, 14, 15, 16),
	}
}

func key(n int) roster.Key { return roster.Key{6: 0x80, 8: 0x80, 14: byte(n >> 8), 15: byte(n)} }

func personRef(n int) roster.Ref { return roster.Ref{Kind: roster.KindPerson, Key: key(n)} }

func unit(n int) roster.Record {
	return roster.Record{
		Ref: roster.Ref{Kind: roster.KindOrganisation, Key: key(n)}, Source: register,
		Organisation: &roster.Organisation{DisplayName: fmt.Sprintf("Skola%d%s", n, marked), Type: roster.SchoolUnit, UnitCodes: []string{fmt.Sprintf("%08d", n)}, SchoolTypes: []roster.SchoolType{"GR"}},
	}
}

func person(n int, role roster.Role) roster.Record {
	return roster.Record{Ref: personRef(n), Source: register, Person: &roster.Person{
		CivicNo:   roster.CivicNoOf(roster.Personnummer, fmt.Sprintf("18900101%04d", 9000+n)),
		GivenName: roster.Personal(fmt.Sprintf("Testa%d%s", n, marked)), FamilyName: roster.Personal(fmt.Sprintf("Provsson%d%s", n, marked)),
		Personas: []roster.Persona{{
			Role: role, Username: roster.Personal(fmt.Sprintf("anv%d%s", n, marked)), Email: roster.Personal(fmt.Sprintf("post%d%s@skola.example", n, marked)),
			EPPN: roster.Personal(fmt.Sprintf("eppn%d%s@skola.example", n, marked)),
		}},
	}}
}

func pupil(n, unit int) roster.Record {
	r := person(n, roster.RolePupil)
	r.Person.Enrolments = []roster.Enrolment{{EnroledAt: key(unit), SchoolType: "GR", SchoolYear: "7"}}
	return r
}

func teacher(n, unit int) roster.Record {
	r := person(n, roster.RoleStaff)
	r.Person.Duties = []roster.Duty{{DutyAt: key(unit), Role: roster.Teacher}}
	return r
}

// group is a teaching group with its teacher and its pupils; group 31 is a class.
func group(n, unit, teacher int, pupils ...int) roster.Record {
	g := &roster.Group{DisplayName: fmt.Sprintf("Grupp%d%s", n, marked), Type: roster.TeachingGroup, Organisation: key(unit), SchoolType: "GR"}
	if n == 31 {
		g.Type = roster.Class
	}
	for _, p := range pupils {
		g.Members = append(g.Members, roster.Membership{Person: key(p), Role: roster.MemberPupil})
	}
	g.Members = append(g.Members, roster.Membership{Person: key(teacher), Role: roster.MemberTeacher})
	return roster.Record{Ref: roster.Ref{Kind: roster.KindGroup, Key: key(n)}, Source: register, Group: g}
}

// gone is the tombstone of who has left the register.
func gone(r roster.Record) roster.Record {
	return roster.Record{Ref: r.Ref, Source: r.Source, Tombstone: &roster.Tombstone{Reason: roster.TombstoneLeft}}
}

// decided is what somebody decided by hand about a person.
func decided(n int, marking roster.SecurityMarking, directives ...roster.Directive) roster.Record {
	return roster.Record{Ref: personRef(n), Source: byHand, Overlay: true, Person: &roster.Person{Marking: marking}, Directives: directives}
}

// renamed returns a person or group with other texts everywhere.
func renamed(r roster.Record) roster.Record {
	other := func(s string) string { return strings.Replace(s, marked, "ny"+marked, 1) } // which does not have the old one in it
	switch {
	case r.Person != nil:
		p := *r.Person
		p.GivenName, p.FamilyName = roster.Personal(other(p.GivenName.Reveal())), roster.Personal(other(p.FamilyName.Reveal()))
		a := p.Personas[0]
		a.Username, a.Email, a.EPPN = roster.Personal(other(a.Username.Reveal())), roster.Personal(other(a.Email.Reveal())), roster.Personal(other(a.EPPN.Reveal()))
		p.Personas = []roster.Persona{a}
		r.Person = &p
	case r.Group != nil:
		g := *r.Group
		g.DisplayName = other(g.DisplayName)
		r.Group = &g
	case r.Organisation != nil:
		o := *r.Organisation
		o.DisplayName = other(o.DisplayName)
		r.Organisation = &o
	}
	return r
}

// texts are those of an entity, by attribute.
func texts(r roster.Record) map[Attribute]string {
	switch {
	case r.Person != nil:
		p := r.Person
		return map[Attribute]string{
			GivenName: p.GivenName.Reveal(), FamilyName: p.FamilyName.Reveal(), Number: p.CivicNo.Reveal(),
			Username: p.Personas[0].Username.Reveal(), Email: p.Personas[0].Email.Reveal(),
		}
	case r.Group != nil:
		return map[Attribute]string{GroupName: r.Group.DisplayName}
	default:
		return map[Attribute]string{UnitName: r.Organisation.DisplayName}
	}
}
