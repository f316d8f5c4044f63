package service

import (
	"cmp"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
)

// merged says what the sources say together, and who says it.
func (e *explainer) merged() WhyPerson {
	m := e.roster.State(e.person())
	w := WhyPerson{State: m.State, Reason: m.Reason, Conflict: m.Conflict}
	var records []*roster.Record
	for _, k := range e.keys {
		records = append(records, e.roster.Records(roster.Ref{Kind: roster.KindPerson, Key: k})...)
	}
	slices.SortStableFunc(records, func(a, b *roster.Record) int { return e.d.Precedence().Compare(a.Source, b.Source) })
	for _, r := range records {
		for _, d := range r.Directives {
			w.Directives = append(w.Directives, WhyDirective{d.Kind, d.Until.String(), r.Source.String(), d.Holds(e.today)})
		}
	}
	if m.Person == nil {
		return w
	}
	w.Attributes = e.attributes(m.Person, records)
	place := func(k roster.Key, name string, in roster.Interval, as ...string) WhyPlace {
		as = slices.DeleteFunc(as, func(s string) bool { return s == "" })
		return WhyPlace{k.String(), name, strings.Join(as, " "), in.Start.String(), in.End.String(), in.Contains(e.today)}
	}
	unit := func(k roster.Key, in roster.Interval, as ...string) {
		name := ""
		if o := e.roster.Organisation(k); o != nil {
			name = o.DisplayName
		}
		w.Places = append(w.Places, place(k, name, in, as...))
	}
	for _, n := range m.Person.Enrolments {
		unit(n.EnroledAt, n.Interval, string(roster.RolePupil), string(n.SchoolType), n.SchoolYear)
	}
	for _, n := range m.Person.Duties {
		unit(n.DutyAt, n.Interval, string(roster.RoleStaff), string(n.Role))
	}
	for _, k := range e.roster.Groups(e.keys[0]) {
		g := e.roster.Group(k)
		for _, n := range g.Members {
			if n.Person == e.keys[0] {
				w.Groups = append(w.Groups, place(k, g.DisplayName, n.Interval, string(n.Role), string(g.Type)))
			}
		}
	}
	return w
}

// trait is an attribute that can come from any source.
type trait struct {
	name string
	of   func(*roster.Person) roster.Personal
}

// number stands for an identity number, which is never shown.
const number = "civicNo"

func traitsOf(p *roster.Person) []trait {
	list := []trait{
		{number, func(p *roster.Person) roster.Personal { return roster.Personal(p.CivicNo.Reveal()) }},
		{"givenName", func(p *roster.Person) roster.Personal { return p.GivenName }},
		{"middleName", func(p *roster.Person) roster.Personal { return p.MiddleName }},
		{"familyName", func(p *roster.Person) roster.Personal { return p.FamilyName }},
		{"birthDate", func(p *roster.Person) roster.Personal { return p.BirthDate }},
	}
	roles := map[roster.Role]bool{}
	for _, a := range p.Personas {
		roles[a.Role] = true
	}
	roles[roster.RolePupil] = roles[roster.RolePupil] || len(p.Enrolments) > 0
	roles[roster.RoleStaff] = roles[roster.RoleStaff] || len(p.Duties) > 0
	for _, role := range []roster.Role{roster.RoleNone, roster.RolePupil, roster.RoleStaff} {
		if !roles[role] {
			continue
		}
		for name, of := range personaAttributes() {
			list = append(list, trait{strings.TrimPrefix(string(role)+"."+name, "."), func(p *roster.Person) (found roster.Personal) {
				for _, a := range p.Personas {
					if a.Role == role || a.Role == roster.RoleNone && found == "" {
						found = cmp.Or(of(a), found)
					}
				}
				return found
			}})
		}
	}
	slices.SortStableFunc(list[5:], func(a, b trait) int { return cmp.Compare(a.name, b.name) })
	return list
}

func personaAttributes() map[string]func(roster.Persona) roster.Personal {
	return map[string]func(roster.Persona) roster.Personal{
		"email":    func(a roster.Persona) roster.Personal { return a.Email },
		"username": func(a roster.Persona) roster.Personal { return a.Username },
		"eppn":     func(a roster.Persona) roster.Personal { return a.EPPN },
	}
}

func (e *explainer) attributes(p *roster.Person, records []*roster.Record) (list []WhyAttribute) {
	// Who wins comes first: an override, then the registers by precedence, then what a target adds.
	turn := func(r *roster.Record) int {
		switch {
		case slices.ContainsFunc(r.Directives, func(d roster.Directive) bool { return d.Kind == roster.Override && d.Holds(e.today) }):
			return 0
		case !r.Overlay:
			return 1
		default:
			return 2
		}
	}
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *roster.Record) int { return turn(a) - turn(b) })
	for _, a := range traitsOf(p) {
		value := a.of(p)
		w := WhyAttribute{Name: a.name, Value: e.shown(a.name, value)}
		for _, r := range records {
			if r.Person == nil {
				continue
			}
			switch said := a.of(r.Person); {
			case said == "":
			case said == value && w.Source == "":
				w.Source = r.Source.String()
			case said != value && !slices.Contains(w.Others, r.Source.String()):
				w.Others = append(w.Others, r.Source.String())
			}
		}
		if optional := a.name == "middleName" || a.name == "birthDate" || strings.HasSuffix(a.name, "eppn"); value != "" || !optional {
			list = append(list, w)
		}
	}
	return list
}

// shown returns a value as it may be told.
func (e *explainer) shown(name string, v roster.Personal) string {
	if e.q.Personal && name != number {
		return v.Reveal()
	}
	return v.String()
}
