package targettest

import (
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
)

// Key makes the key of an entity that a roster of [ReadRoster] calls by an id.
func Key(kind roster.Kind, id string) roster.Key {
	return roster.Key(uuid.NewSHA1(uuid.Nil, []byte(string(kind)+"/"+id)))
}

// Written is a roster that somebody wrote down.
type Written struct {
	Today   roster.Date
	Records []roster.Record
	IDs     map[roster.Key]string // by which the records are called in the file
}

// ReadRoster reads a roster from a YAML file: the records of one register, in the words of SS 12000 by which
// [roster.AppendJSON] prints them, with ids in place of keys, and the day. What is left out is empty; an organisation
// without a type is a school unit; an id that nothing else has is one that dangles.
//
//	today: 2026-09-01
//	organisations:
//	  - {id: north, displayName: Norra skolan}
//	persons:
//	  - id: anna
//	    givenName: Testa
//	    familyName: Åkesdotter
//	    personas: [{role: pupil, username: tesake, email: testa@elev.example}]
//	    enrolments: [{enroledAt: north, schoolType: GR, schoolYear: "7", endDate: 2027-06-11}]
//	groups:
//	  - {id: 7a, displayName: 7A, groupType: Klass, organisation: north, groupMemberships: [{person: anna, role: pupil}]}
func ReadRoster(file string) (w Written, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return w, err
	}
	var d document
	if err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict()); err != nil {
		return w, fmt.Errorf("%s: %w", file, err)
	}
	if d.Today.IsOpen() {
		return w, fmt.Errorf("%s does not say which day it is: write today", file)
	}
	w = Written{Today: d.Today, IDs: map[roster.Key]string{}}
	add := func(kind roster.Kind, id string, r roster.Record) {
		r.Ref, r.Source = roster.Ref{Kind: kind, Key: Key(kind, id)}, register
		if _, twice := w.IDs[r.Ref.Key]; twice || id == "" {
			err = fmt.Errorf("%s has the %s %q twice, or one without id", file, kind, id)
		}
		w.IDs[r.Ref.Key] = id
		w.Records = append(w.Records, r)
	}
	for _, o := range d.Organisations {
		add(roster.KindOrganisation, o.ID, roster.Record{Organisation: o.organisation()})
	}
	for _, p := range d.Persons {
		r := roster.Record{Person: p.person(d.Today)}
		for _, id := range p.Former {
			r.Former = append(r.Former, Key(roster.KindPerson, id))
		}
		for _, x := range p.Directives {
			r.Directives = append(r.Directives, roster.Directive{Kind: x.Directive, Until: x.Until})
		}
		add(roster.KindPerson, p.ID, r)
	}
	for _, g := range d.Groups {
		add(roster.KindGroup, g.ID, roster.Record{Group: g.group()})
	}
	return w, err
}

// document is the file.
type document struct {
	Today         roster.Date    `yaml:"today"`
	Organisations []organisation `yaml:"organisations"`
	Persons       []person12000  `yaml:"persons"`
	Groups        []group12000   `yaml:"groups"`
}

// span is the days on which something holds, both open when nothing is said.
type span struct {
	StartDate roster.Date `yaml:"startDate"`
	EndDate   roster.Date `yaml:"endDate"`
}

func (s span) interval() roster.Interval { return roster.Interval{Start: s.StartDate, End: s.EndDate} }

type organisation struct {
	On                 span                    `yaml:",inline"`
	ID                 string                  `yaml:"id"`
	DisplayName        string                  `yaml:"displayName"`
	OrganisationType   roster.OrganisationType `yaml:"organisationType"`
	ParentOrganisation string                  `yaml:"parentOrganisation"`
	SchoolUnitCodes    []string                `yaml:"schoolUnitCodes"`
	SchoolTypes        []roster.SchoolType     `yaml:"schoolTypes"`
}

func (o organisation) organisation() *roster.Organisation {
	out := &roster.Organisation{
		DisplayName: o.DisplayName, Type: o.OrganisationType, UnitCodes: o.SchoolUnitCodes, SchoolTypes: o.SchoolTypes, Interval: o.On.interval(),
	}
	if out.Type == "" {
		out.Type = roster.SchoolUnit
	}
	if o.ParentOrganisation != "" {
		out.Parent = Key(roster.KindOrganisation, o.ParentOrganisation)
	}
	return out
}

type person12000 struct {
	ID              string                 `yaml:"id"`
	Former          []string               `yaml:"former"` // ids that the person had before
	CivicNo         string                 `yaml:"civicNo"`
	GivenName       string                 `yaml:"givenName"`
	MiddleName      string                 `yaml:"middleName"`
	FamilyName      string                 `yaml:"familyName"`
	DisplayName     string                 `yaml:"displayName"`
	BirthDate       string                 `yaml:"birthDate"`
	Sex             roster.Sex             `yaml:"sex"`
	SecurityMarking roster.SecurityMarking `yaml:"securityMarking"`
	Directives      []struct {
		Directive roster.DirectiveKind `yaml:"directive"`
		Until     roster.Date          `yaml:"until"`
	} `yaml:"directives"`
	Personas []struct {
		Role     roster.Role `yaml:"role"`
		Email    string      `yaml:"email"`
		Username string      `yaml:"username"`
		EPPN     string      `yaml:"eduPersonPrincipalName"`
	} `yaml:"personas"`
	Enrolments []struct {
		On         span              `yaml:",inline"`
		EnroledAt  string            `yaml:"enroledAt"`
		SchoolType roster.SchoolType `yaml:"schoolType"`
		SchoolYear string            `yaml:"schoolYear"`
		Programme  string            `yaml:"programme"`
	} `yaml:"enrolments"`
	Duties []struct {
		On       span            `yaml:",inline"`
		DutyAt   string          `yaml:"dutyAt"`
		DutyRole roster.DutyRole `yaml:"dutyRole"`
	} `yaml:"duties"`
}

func (p person12000) person(today roster.Date) *roster.Person {
	out := &roster.Person{
		GivenName: roster.Personal(p.GivenName), MiddleName: roster.Personal(p.MiddleName), FamilyName: roster.Personal(p.FamilyName),
		DisplayName: roster.Personal(p.DisplayName), BirthDate: roster.Personal(p.BirthDate), Sex: p.Sex, Marking: p.SecurityMarking,
	}
	if p.CivicNo != "" {
		out.CivicNo = roster.ParseCivicNo(p.CivicNo, today)
	}
	for _, x := range p.Personas {
		out.Personas = append(out.Personas, roster.Persona{
			Role: x.Role, Email: roster.Personal(x.Email), Username: roster.Personal(x.Username), EPPN: roster.Personal(x.EPPN),
		})
	}
	for _, x := range p.Enrolments {
		out.Enrolments = append(out.Enrolments, roster.Enrolment{
			EnroledAt: Key(roster.KindOrganisation, x.EnroledAt), SchoolType: x.SchoolType, SchoolYear: x.SchoolYear, Programme: x.Programme, Interval: x.On.interval(),
		})
	}
	for _, x := range p.Duties {
		out.Duties = append(out.Duties, roster.Duty{DutyAt: Key(roster.KindOrganisation, x.DutyAt), Role: x.DutyRole, Interval: x.On.interval()})
	}
	return out
}

type group12000 struct {
	On               span              `yaml:",inline"`
	ID               string            `yaml:"id"`
	DisplayName      string            `yaml:"displayName"`
	GroupType        roster.GroupType  `yaml:"groupType"`
	Organisation     string            `yaml:"organisation"`
	SchoolType       roster.SchoolType `yaml:"schoolType"`
	Subject          string            `yaml:"subject"`
	SchoolYear       string            `yaml:"schoolYear"`
	GroupMemberships []struct {
		On     span              `yaml:",inline"`
		Person string            `yaml:"person"`
		Role   roster.MemberRole `yaml:"role"`
	} `yaml:"groupMemberships"`
}

func (g group12000) group() *roster.Group {
	out := &roster.Group{
		DisplayName: g.DisplayName, Type: g.GroupType, SchoolType: g.SchoolType, Subject: g.Subject, SchoolYear: g.SchoolYear, Interval: g.On.interval(),
	}
	if g.Organisation != "" {
		out.Organisation = Key(roster.KindOrganisation, g.Organisation)
	}
	for _, m := range g.GroupMemberships {
		out.Members = append(out.Members, roster.Membership{Person: Key(roster.KindPerson, m.Person), Role: m.Role, Interval: m.On.interval()})
	}
	slices.SortFunc(out.Members, func(a, b roster.Membership) int { return a.Person.Compare(b.Person) })
	return out
}
