package roster

import (
	"cmp"
	"slices"
)

// Normalize puts the lists of a record in their defined order, folds what stands twice in them, and makes empty lists
// nil, so that two records that say the same are deeply equal. Done twice it is done once.
func (r *Record) Normalize() {
	r.Origins = order(r.Origins, Origin.compare)
	r.Former = order(r.Former, Key.Compare)
	r.SameAs = order(r.SameAs, Key.Compare)
	r.Directives = order(r.Directives, Directive.compare)
	if o := r.Organisation; o != nil {
		o.UnitCodes = order(o.UnitCodes, cmp.Compare[string])
		o.SchoolTypes = order(o.SchoolTypes, cmp.Compare[SchoolType])
		o.Extra = o.Extra.normal()
	}
	if p := r.Person; p != nil {
		p.Personas = foldPersonas(order(p.Personas, Persona.compare))
		p.Enrolments = order(p.Enrolments, Enrolment.compare)
		p.Duties = order(p.Duties, Duty.compare)
		p.Extra = p.Extra.normal()
	}
	if g := r.Group; g != nil {
		g.Members = order(g.Members, Membership.compare)
		g.Extra = g.Extra.normal()
	}
	if len(r.Unknown) == 0 {
		r.Unknown = nil
	}
}

// isNormal tells whether the lists stand in their order, each item once.
func (r *Record) isNormal() bool {
	ok := inOrder(r.Origins, Origin.compare) && inOrder(r.Former, Key.Compare) && inOrder(r.SameAs, Key.Compare) &&
		inOrder(r.Directives, Directive.compare)
	if o := r.Organisation; ok && o != nil {
		ok = inOrder(o.UnitCodes, cmp.Compare[string]) && inOrder(o.SchoolTypes, cmp.Compare[SchoolType])
	}
	if p := r.Person; ok && p != nil {
		ok = inOrder(p.Personas, func(a, b Persona) int { return cmp.Compare(a.Role, b.Role) }) &&
			inOrder(p.Enrolments, Enrolment.compare) && inOrder(p.Duties, Duty.compare)
	}
	if g := r.Group; ok && g != nil {
		ok = inOrder(g.Members, Membership.compare)
	}
	return ok
}

// clone copies what Normalize would change.
func (r *Record) clone() *Record {
	c := *r
	c.Origins, c.Former = slices.Clone(r.Origins), slices.Clone(r.Former)
	c.SameAs, c.Directives = slices.Clone(r.SameAs), slices.Clone(r.Directives)
	if r.Organisation != nil {
		o := *r.Organisation
		o.UnitCodes, o.SchoolTypes = slices.Clone(o.UnitCodes), slices.Clone(o.SchoolTypes)
		c.Organisation = &o
	}
	if r.Person != nil {
		p := *r.Person
		p.Personas, p.Enrolments, p.Duties = slices.Clone(p.Personas), slices.Clone(p.Enrolments), slices.Clone(p.Duties)
		c.Person = &p
	}
	if r.Group != nil {
		g := *r.Group
		g.Members = slices.Clone(g.Members)
		c.Group = &g
	}
	return &c
}

func order[T comparable](list []T, compare func(a, b T) int) []T {
	if len(list) == 0 {
		return nil
	}
	if !inOrder(list, compare) {
		slices.SortFunc(list, compare)
		list = slices.Compact(list)
	}
	return list
}

func inOrder[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

// foldPersonas makes one persona of those with the same role, which stand beside each other.
func foldPersonas(list []Persona) []Persona {
	for i := len(list) - 1; i > 0; i-- {
		if list[i-1].Role == list[i].Role {
			list[i-1].fill(list[i])
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

// fill takes over what p lacks.
func (p *Persona) fill(from Persona) {
	p.Email = cmp.Or(p.Email, from.Email)
	p.Username = cmp.Or(p.Username, from.Username)
	p.EPPN = cmp.Or(p.EPPN, from.EPPN)
}

func (x Extra) normal() Extra {
	if len(x) == 0 {
		return nil
	}
	return x
}

func (o Origin) compare(p Origin) int {
	return cmp.Or(cmp.Compare(o.ID, p.ID), cmp.Compare(o.Doc, p.Doc))
}

func (p Persona) compare(q Persona) int {
	return cmp.Or(cmp.Compare(p.Role, q.Role), cmp.Compare(p.Email, q.Email), cmp.Compare(p.Username, q.Username), cmp.Compare(p.EPPN, q.EPPN))
}

func (e Enrolment) compare(f Enrolment) int {
	return cmp.Or(e.EnroledAt.Compare(f.EnroledAt), cmp.Compare(e.SchoolType, f.SchoolType), cmp.Compare(e.SchoolYear, f.SchoolYear),
		cmp.Compare(e.Programme, f.Programme), e.Interval.compare(f.Interval), cmp.Compare(e.Doc, f.Doc))
}

func (d Duty) compare(e Duty) int {
	return cmp.Or(d.DutyAt.Compare(e.DutyAt), cmp.Compare(d.Role, e.Role), d.Interval.compare(e.Interval), cmp.Compare(d.Doc, e.Doc))
}

// compare looks at the parts one by one, for a group has many members and most differ in the person.
func (m Membership) compare(n Membership) int {
	if c := m.Person.Compare(n.Person); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(m.Role, n.Role), m.Interval.compare(n.Interval), cmp.Compare(m.Doc, n.Doc))
}

func (i Interval) compare(j Interval) int {
	return cmp.Or(cmp.Compare(i.Start, j.Start), cmp.Compare(i.End, j.End))
}
