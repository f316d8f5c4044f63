package ss12000server

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/roster"
)

// filter is what all objects of an answer have in common.
type filter []func(ss12000.Object) bool

func (f filter) lets(o ss12000.Object) bool {
	for _, ok := range f {
		if !ok(o) {
			return false
		}
	}
	return true
}

// newFilter reads a query. The relations of a person are looked up as they are when the list is begun.
func (s *Server) newFilter(of ss12000.Resource, q url.Values) (f filter, err error) {
	relation := url.Values{}
	for name, values := range q {
		one, err := func() (func(ss12000.Object) bool, error) {
			switch {
			case name == "limit" || name == "expand" || name == "sortkey" || name == "expandReferenceNames":
				return nil, nil
			case strings.HasPrefix(name, "meta."):
				return byMeta(name, values[0])
			case strings.HasPrefix(name, "startDate.") || strings.HasPrefix(name, "endDate."):
				return byDate(of, name, values[0])
			case strings.HasPrefix(name, "relationship.") && of == ss12000.Persons:
				relation[name] = values
				return nil, nil
			}
			return s.byWord(of, name, values)
		}()
		if err != nil {
			return nil, err
		}
		if one != nil {
			f = append(f, one)
		}
	}
	if len(relation) > 0 {
		one, err := s.byRelation(relation)
		if err != nil {
			return nil, err
		}
		f = append(f, one)
	}
	return f, nil
}

func unknown(name string) error { return fmt.Errorf("there is no filter %s", name) }

func byMeta(name, value string) (func(ss12000.Object) bool, error) {
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return nil, fmt.Errorf("%s is not a time with a zone", name)
	}
	of := func(o ss12000.Object) time.Time { return o.Head().Modified }
	if strings.HasPrefix(name, "meta.created.") {
		of = func(o ss12000.Object) time.Time { return o.Head().Created }
	}
	switch name {
	case "meta.modified.after", "meta.created.after":
		return func(o ss12000.Object) bool { return of(o).After(t) }, nil
	case "meta.modified.before", "meta.created.before":
		return func(o ss12000.Object) bool { return !of(o).After(t) }, nil
	}
	return nil, unknown(name)
}

func byDate(of ss12000.Resource, name, value string) (func(ss12000.Object) bool, error) {
	switch of {
	case ss12000.Organisations, ss12000.Groups, ss12000.Duties, ss12000.Placements, ss12000.Activities:
	default:
		return nil, unknown(name)
	}
	holds, err := dateHolds(name, value)
	if err != nil {
		return nil, err
	}
	return func(o ss12000.Object) bool { return holds(days(o)) }, nil
}

// dateHolds reads a filter of a span of days, by the last two words of its name. What has no such day is let through.
func dateHolds(name, value string) (func(roster.Interval) bool, error) {
	limit, err := roster.ParseDate(value)
	if err != nil {
		return nil, fmt.Errorf("%s is not a date", name)
	}
	end := strings.Contains(name, "endDate.")
	before := strings.HasSuffix(name, ".onOrBefore")
	if !before && !strings.HasSuffix(name, ".onOrAfter") {
		return nil, unknown(name)
	}
	return func(i roster.Interval) bool {
		d := i.Start
		if end {
			d = i.End
		}
		return d.IsOpen() || before && d <= limit || !before && d >= limit
	}, nil
}

// days returns the span of days of an object.
func days(o ss12000.Object) roster.Interval {
	switch o := o.(type) {
	case *ss12000.Organisation:
		return span(o.Start, o.End)
	case *ss12000.Group:
		return span(o.Start, o.End)
	case *ss12000.Duty:
		return span(o.Start, o.End)
	case *ss12000.Placement:
		return span(o.Start, o.End)
	case *ss12000.Activity:
		return span(o.Start, o.End)
	}
	return roster.Interval{}
}

func span(start, end string) (i roster.Interval) {
	// What is no date is none.
	i.Start, _ = roster.ParseDate(start)
	i.End, _ = roster.ParseDate(end)
	return i
}

// byWord reads the filters that compare a word of the object with those of the query.
func (s *Server) byWord(of ss12000.Resource, name string, words []string) (func(ss12000.Object) bool, error) {
	var get func(ss12000.Object) []string
	switch of {
	case ss12000.Organisations:
		get = ofOrganisation(name)
	case ss12000.Persons:
		get = ofPerson(name)
	case ss12000.Groups:
		get = ofGroup(name)
	case ss12000.Duties:
		get = ofDuty(name)
	case ss12000.Activities:
		if name == "member" {
			return func(o ss12000.Object) bool {
				a, ok := o.(*ss12000.Activity)
				return ok && s.hasMember(a, words)
			}, nil
		}
		get = ofActivity(name)
	case ss12000.Placements:
		get = ofPlacement(name)
	}
	if get == nil {
		return nil, unknown(name)
	}
	if name == "nameContains" {
		return func(o ss12000.Object) bool {
			return !slices.ContainsFunc(words, func(w string) bool {
				return !slices.ContainsFunc(get(o), func(n string) bool { return strings.Contains(strings.ToLower(n), strings.ToLower(w)) })
			})
		}, nil
	}
	return func(o ss12000.Object) bool {
		return slices.ContainsFunc(get(o), func(x string) bool { return has(words, x) })
	}, nil
}

// of makes of what returns words of a T what returns words of an object.
func of[T ss12000.Object](get func(T) []string) func(ss12000.Object) []string {
	return func(o ss12000.Object) []string {
		if x, ok := o.(T); ok {
			return get(x)
		}
		return nil
	}
}

func ofOrganisation(name string) func(ss12000.Object) []string {
	type T = *ss12000.Organisation
	switch name {
	case "parent":
		return of(func(o T) []string { return []string{o.Parent.ID} })
	case "schoolUnitCode":
		return of(func(o T) []string { return []string{o.SchoolUnitCode} })
	case "organisationCode":
		return of(func(o T) []string { return []string{o.Code} })
	case "municipalityCode":
		return of(func(o T) []string { return []string{o.MunicipalityCode} })
	case "type":
		return of(func(o T) []string { return []string{o.Type} })
	case "schoolTypes":
		return of(func(o T) []string { return o.SchoolTypes })
	}
	return nil
}

func ofPerson(name string) func(ss12000.Object) []string {
	type T = *ss12000.Person
	switch name {
	case "nameContains":
		return of(func(p T) []string { return []string{p.GivenName.Reveal(), p.FamilyName.Reveal()} })
	case "civicNo":
		return of(func(p T) []string { return []string{p.CivicNo.Reveal()} })
	case "eduPersonPrincipalName":
		return of(func(p T) (all []string) {
			for _, n := range p.EPPNs {
				all = append(all, n.Reveal())
			}
			return all
		})
	case "identifier.value":
		return of(func(p T) (all []string) {
			for _, i := range p.Identifiers {
				all = append(all, i.Value.Reveal())
			}
			return all
		})
	case "identifier.context":
		return of(func(p T) (all []string) {
			for _, i := range p.Identifiers {
				all = append(all, i.Context)
			}
			return all
		})
	}
	return nil
}

func ofGroup(name string) func(ss12000.Object) []string {
	type T = *ss12000.Group
	switch name {
	case "groupType":
		return of(func(g T) []string { return []string{g.Type} })
	case "schoolTypes":
		return of(func(g T) []string { return []string{g.SchoolType} })
	case "organisation":
		return of(func(g T) []string { return []string{g.Unit.ID} })
	}
	return nil
}

func ofDuty(name string) func(ss12000.Object) []string {
	type T = *ss12000.Duty
	switch name {
	case "organisation":
		return of(func(d T) []string { return []string{d.Unit.ID} })
	case "dutyRole":
		return of(func(d T) []string { return []string{d.Role} })
	case "person":
		return of(func(d T) []string { return []string{d.Person.ID} })
	}
	return nil
}

func ofActivity(name string) func(ss12000.Object) []string {
	type T = *ss12000.Activity
	switch name {
	case "organisation":
		return of(func(a T) []string { return []string{a.Unit.ID} })
	case "group":
		return of(func(a T) (ids []string) {
			for _, g := range a.Groups {
				ids = append(ids, g.ID)
			}
			return ids
		})
	case "teacher":
		return of(func(a T) (ids []string) {
			for _, t := range a.Teachers {
				ids = append(ids, t.Duty.ID)
			}
			return ids
		})
	}
	return nil
}

func ofPlacement(name string) func(ss12000.Object) []string {
	type T = *ss12000.Placement
	switch name {
	case "organisation":
		return of(func(p T) []string { return []string{p.Unit.ID} })
	case "group":
		return of(func(p T) []string { return []string{p.Group.ID} })
	case "child":
		return of(func(p T) []string { return []string{p.Child.ID} })
	}
	return nil
}

// hasMember tells whether one of the persons is in a group of an activity.
func (s *Server) hasMember(a *ss12000.Activity, persons []string) bool {
	for _, ref := range a.Groups {
		e := s.lists[ss12000.Groups].byID[ref.ID]
		if e == nil {
			continue
		}
		if g, ok := e.object.(*ss12000.Group); ok && slices.ContainsFunc(g.Memberships, func(m ss12000.Membership) bool { return slices.Contains(persons, m.Person.ID) }) {
			return true
		}
	}
	return false
}

// relation is what ties a person to a unit.
type relation struct {
	kind string
	unit string
	days roster.Interval
}

// byRelation reads the filters of a person's relations: one relation has to fit all of them.
func (s *Server) byRelation(q url.Values) (func(ss12000.Object) bool, error) {
	kinds, units := q["relationship.entity.type"], q["relationship.organisation"]
	known := []string{"enrolment", "duty", "placement.child", "placement.owner", "responsibleFor.enrolment", "responsibleFor.placement", "groupMembership"}
	for _, k := range kinds {
		if !slices.Contains(known, k) {
			return nil, fmt.Errorf("relationship.entity.type %q is none of the standard", k)
		}
	}
	var spans []func(roster.Interval) bool
	for name, values := range q {
		switch {
		case name == "relationship.entity.type" || name == "relationship.organisation":
		case strings.HasPrefix(name, "relationship.startDate.") || strings.HasPrefix(name, "relationship.endDate."):
			holds, err := dateHolds(name, values[0])
			if err != nil {
				return nil, err
			}
			spans = append(spans, holds)
		default:
			return nil, unknown(name)
		}
	}
	others := s.relations(kinds)
	return func(o ss12000.Object) bool {
		p, ok := o.(*ss12000.Person)
		if !ok {
			return false
		}
		all := others[p.ID]
		for _, e := range p.Enrolments {
			if !e.Cancelled {
				all = append(slices.Clip(all), relation{"enrolment", e.Unit.ID, span(e.Start, e.End)})
			}
		}
		return slices.ContainsFunc(all, func(x relation) bool {
			return (len(kinds) == 0 || slices.Contains(kinds, x.kind)) && (len(units) == 0 || slices.Contains(units, x.unit)) &&
				!slices.ContainsFunc(spans, func(holds func(roster.Interval) bool) bool { return !holds(x.days) })
		})
	}, nil
}

// relations returns the relations of persons that stand in other objects.
func (s *Server) relations(kinds []string) map[string][]relation {
	all := map[string][]relation{}
	wanted := func(kind string) bool { return len(kinds) == 0 || slices.Contains(kinds, kind) }
	if wanted("duty") {
		for _, e := range s.lists[ss12000.Duties].byID {
			if d, ok := e.object.(*ss12000.Duty); ok {
				all[d.Person.ID] = append(all[d.Person.ID], relation{"duty", d.Unit.ID, span(d.Start, d.End)})
			}
		}
	}
	if wanted("placement.child") {
		for _, e := range s.lists[ss12000.Placements].byID {
			if p, ok := e.object.(*ss12000.Placement); ok {
				all[p.Child.ID] = append(all[p.Child.ID], relation{"placement.child", p.Unit.ID, span(p.Start, p.End)})
			}
		}
	}
	if wanted("groupMembership") {
		for _, e := range s.lists[ss12000.Groups].byID {
			g, ok := e.object.(*ss12000.Group)
			if !ok {
				continue
			}
			for _, m := range g.Memberships {
				all[m.Person.ID] = append(all[m.Person.ID], relation{"groupMembership", g.Unit.ID, span(m.Start, m.End)})
			}
		}
	}
	return all
}
