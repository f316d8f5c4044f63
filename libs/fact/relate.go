package fact

import (
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// relate adds to persons and groups what a doc says of their relations: enrolments, duties and members. One whose
// person, unit or group the source does not have is left out with a finding (F42).
func (a *Assembler) relate(_ place, e *entry, f Fact) {
	doc := roster.Personal(e.ID)
	switch f := f.(type) {
	case Enrolment:
		h, c := a.humanOf(e, f.Person)
		if h == nil {
			return
		}
		h.pupil = true
		unit := a.unitKey(c, cleanRef(f.Unit))
		if unit.IsZero() {
			return
		}
		t, year := c.schoolYearOf(c.schoolType(f.SchoolType), c.text("schoolYear", f.SchoolYear))
		h.what.Enrolments = append(h.what.Enrolments, roster.Enrolment{
			EnroledAt: unit, SchoolType: t, SchoolYear: year, Programme: c.text("programme", f.Programme),
			Interval: c.interval(f.Start, f.End), Doc: doc,
		})
	case Duty:
		h, c := a.humanOf(e, f.Person)
		if h == nil {
			return
		}
		h.staff = true
		unit := a.unitKey(c, cleanRef(f.Unit))
		if unit.IsZero() {
			return
		}
		h.what.Duties = append(h.what.Duties, roster.Duty{DutyAt: unit, Role: c.dutyRole(f.Role), Interval: c.interval(f.Start, f.End), Doc: doc})
	case Member:
		id := cleanRef(f.Group)
		g := a.groups[id]
		if g == nil {
			a.dangling(cleaner{a, roster.Ref{}, e.Where}, "group", roster.KindGroup, id)
			return
		}
		c := cleaner{a, g.ref(), e.Where}
		if key := a.personKey(c, cleanRef(f.Person)); !key.IsZero() {
			g.what.Members = append(g.what.Members, roster.Membership{Person: key, Role: c.memberRole(f.Role), Interval: c.interval(f.Start, f.End), Doc: doc})
		}
	case Directive:
		a.direct(e, f)
	case SameAs:
		h, c := a.humanOf(e, f.Person)
		if h == nil {
			return
		}
		if key := a.personKey(c, cleanRef(f.Other)); !key.IsZero() && key != h.key {
			h.sameAs = append(h.sameAs, key)
		}
	}
}

// humanOf returns the person whose relation a doc states; nil, and maybe a finding, when the source has none.
func (a *Assembler) humanOf(e *entry, id string) (*human, cleaner) {
	id = cleanRef(id)
	if p := a.persons[id]; p != nil {
		return p.human, cleaner{a, p.human.ref(), e.Where}
	}
	c := cleaner{a, roster.Ref{}, e.Where}
	a.dangling(c, "person", roster.KindPerson, id)
	return nil, c
}

func (a *Assembler) personKey(c cleaner, id string) roster.Key {
	if p := a.persons[id]; p != nil {
		return p.human.key
	}
	return a.unresolved(c, "person", roster.KindPerson, id)
}

func (a *Assembler) unitKey(c cleaner, id string) roster.Key {
	if u := a.units[id]; u != nil {
		return u.key
	}
	return a.unresolved(c, "unit", roster.KindOrganisation, id)
}

// unresolved returns the key of what another source states, the key that a doc of the log refers by, or none.
func (a *Assembler) unresolved(c cleaner, field string, kind roster.Kind, id string) roster.Key {
	if key, ok := a.foreign[foreignID{kind, id}]; ok {
		return key.Key
	}
	key, err := parseKeyRef(id)
	if err != nil {
		a.dangling(c, field, kind, id)
	}
	return key
}

// dangling records that a reference leads nowhere, unless the read itself took away what it led to, or nothing may be
// told about that.
func (a *Assembler) dangling(c cleaner, field string, kind roster.Kind, id string) {
	if kind == roster.KindPerson && a.opts.Hidden != nil && a.opts.Hidden(id) {
		return
	}
	if !a.gone[string(kind)+id] {
		c.find(Warning, Dropped, reason.UnknownReference, "field", field)
	}
}
