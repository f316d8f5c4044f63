package municipality

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
)

// Active is what a municipality holds that is valid on one day, in content terms: what a target should show that was
// fed from its export. It is computed from the municipality alone, by other code than the synchronisation uses, so that
// one can be checked by the other.
type Active struct {
	Pupils []ActivePerson // with an enrolment that is valid; in the order of Municipality.Persons
	Staff  []ActivePerson // with a duty that is valid; who is both stands in both
	Groups []ActiveGroup  // that are valid, also without members; in the order of Municipality.Groups
}

// ActivePerson is a person in one role. Given, family and e-mail together are no other person's.
type ActivePerson struct {
	ID      string
	CivicNo roster.Personal // 12 characters without separator
	Given   roster.Personal // in the normal form NFC, as every target wants it, whatever the register holds
	Family  roster.Personal // as Given; empty for who has a single name
	Email   roster.Personal
	Units   []string // names of the units of this role that are valid, sorted
}

// ActiveGroup is a group with the members that are valid.
type ActiveGroup struct {
	ID       string
	Name     string
	Kind     GroupKind
	Course   string   // course code of a teaching group
	Unit     string   // name of the unit
	Pupils   []string // ids, sorted
	Teachers []string // ids of the instructors, sorted
	Mentors  []string // ids, sorted
}

// Active returns what is valid on a day, both ends of every span of days included. A member counts as a pupil only
// while enrolled somewhere, and as a teacher or mentor only while on duty somewhere. Who is protected is nowhere, unless
// the exports do not tell.
func (m *Municipality) Active(day roster.Date) Active {
	name := make(map[string]string, len(m.Units))
	for _, u := range m.Units {
		name[u.ID] = u.Name
	}
	var a Active
	pupils, staff := make(map[string]bool), make(map[string]bool)
	for i := range m.Persons {
		p := &m.Persons[i]
		if p.Marking.Protects() && m.Protected != ProtectedNone {
			continue
		}
		var studies, works []string
		for _, e := range p.Enrolments {
			if inForce(e.Start, e.End, day) {
				studies = append(studies, name[e.Unit])
			}
		}
		for _, d := range p.Duties {
			if inForce(d.Start, d.End, day) {
				works = append(works, name[d.Unit])
			}
		}
		if len(studies) > 0 {
			pupils[p.ID] = true
			a.Pupils = append(a.Pupils, p.active(studies))
		}
		if len(works) > 0 {
			staff[p.ID] = true
			a.Staff = append(a.Staff, p.active(works))
		}
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		if !inForce(g.Start, g.End, day) {
			continue
		}
		ag := ActiveGroup{ID: g.ID, Name: norm.NFC.String(g.Name), Kind: g.Kind, Course: g.Course, Unit: name[g.Unit]}
		for _, x := range g.Members {
			switch {
			case !inForce(x.Start, x.End, day):
			case x.Role == Learner && pupils[x.Person]:
				ag.Pupils = append(ag.Pupils, x.Person)
			case x.Role == Instructor && staff[x.Person]:
				ag.Teachers = append(ag.Teachers, x.Person)
			case x.Role == Mentor && staff[x.Person]:
				ag.Mentors = append(ag.Mentors, x.Person)
			}
		}
		slices.Sort(ag.Pupils)
		slices.Sort(ag.Teachers)
		slices.Sort(ag.Mentors)
		a.Groups = append(a.Groups, ag)
	}
	return a
}

func (p *Person) active(units []string) ActivePerson {
	slices.Sort(units)
	return ActivePerson{
		ID: p.ID, CivicNo: p.CivicNo, Given: composed(p.Given), Family: composed(p.Family),
		Email: p.Email, Units: slices.Compact(units),
	}
}

func composed(name roster.Personal) roster.Personal {
	return roster.Personal(norm.NFC.String(strings.TrimSpace(name.Reveal())))
}

// inForce tells whether a day lies between two others or on one of them; an open one is no limit.
func inForce(start, end, day roster.Date) bool {
	return day >= start && (end == 0 || day <= end)
}
