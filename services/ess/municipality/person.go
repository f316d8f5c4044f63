package municipality

import (
	"math/rand/v2"
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
)

// LeaveByDate gives a pupil's enrolment an end within two weeks. A while after it the register no longer has the pupil.
func (m *Municipality) LeaveByDate() (Change, error) { return m.leaveByDate(m.nextRand()) }

func (m *Municipality) leaveByDate(r *rand.Rand) (Change, error) {
	end := m.Day.AddDays(r.IntN(14))
	for _, i := range m.ordinary(r) {
		p := &m.Persons[i]
		if e := &p.Enrolments[0]; e.End.IsOpen() || e.End > end {
			e.End = end
			return m.changed(Change{Kind: Leaving, Person: p.ID, From: m.fit(p), Units: []string{e.Unit}})
		}
	}
	return Change{}, ErrNobody
}

// ChangeSchool ends a pupil's enrolment today and begins one at another unit on the next working day, in groups of that
// unit: over a weekend the pupil is enrolled nowhere. It prefers a unit of the same school years, then of the same school
// type.
func (m *Municipality) ChangeSchool() (Change, error) { return m.changeSchool(m.nextRand()) }

func (m *Municipality) changeSchool(r *rand.Rand) (Change, error) {
	start := nextWorkingDay(m.Day)
	for _, i := range m.ordinary(r) {
		p := &m.Persons[i]
		old := &p.Enrolments[0]
		to := m.otherUnit(r, old.Unit)
		if to == nil || !old.End.IsOpen() && old.End < start.AddDays(30) {
			continue
		}
		grade := 0
		if class := m.find(r, func(g *Group) bool { return g.Kind == Class && m.attends(g, p.ID) }); class != nil && to.kind.has(class.Grade) {
			grade = class.Grade
		}
		e := Enrolment{to.ID, start, old.End}
		old.End = m.Day
		c := Change{Kind: SchoolChanged, Person: p.ID, From: m.fit(p), Units: []string{old.Unit, to.ID}}
		p.Enrolments = append(p.Enrolments, e)
		c.To = m.settle(r, p.ID, e, grade)
		return m.changed(c)
	}
	return Change{}, ErrNobody
}

// otherUnit returns the unit that is most like another one, or nil when there is no other.
func (m *Municipality) otherUnit(r *rand.Rand, id string) (best *Unit) {
	at := slices.IndexFunc(m.Units, func(u Unit) bool { return u.ID == id })
	like := -1
	first := r.IntN(len(m.Units))
	for i := range m.Units {
		u := &m.Units[(first+i)%len(m.Units)]
		alike := 0
		if u.SchoolType == m.Units[at].SchoolType {
			alike++
			if u.kind.first == m.Units[at].kind.first {
				alike++
			}
		}
		if u.Parent != "" && u.ID != id && alike > like {
			best, like = u, alike
		}
	}
	return best
}

func nextWorkingDay(d roster.Date) roster.Date {
	for {
		d = d.AddDays(1)
		if w := d.Start().Weekday(); w != time.Saturday && w != time.Sunday {
			return d
		}
	}
}

// ChangeNumber gives a person with a TF number, a T number or a samordningsnummer a personnummer of the same day of
// birth. The source id stays, and so does everything else.
func (m *Municipality) ChangeNumber() (Change, error) { return m.changeNumber(m.nextRand()) }

func (m *Municipality) changeNumber(r *rand.Rand) (Change, error) {
	first := r.IntN(len(m.Persons))
	for i := range m.Persons {
		p := &m.Persons[(first+i)%len(m.Persons)]
		if p.Marking != "" || !slices.ContainsFunc(p.Cases, ofNumber) {
			continue
		}
		p.CivicNo = m.numbers.registered(p.CivicNo, func(n roster.Personal) bool {
			return slices.ContainsFunc(m.Persons, func(p Person) bool { return p.CivicNo == n })
		})
		p.Cases = slices.DeleteFunc(p.Cases, ofNumber)
		return m.changed(Change{Kind: Renumbered, Person: p.ID})
	}
	return Change{}, ErrNobody
}

func ofNumber(c Case) bool { return c == CaseTF || c == CaseT || c == CaseCoordination }

// Protect marks a pupil as protected. What an export shows of it, if anything, is [Municipality.Protected].
func (m *Municipality) Protect() (Change, error) { return m.protect(m.nextRand()) }

func (m *Municipality) protect(r *rand.Rand) (Change, error) {
	pupils := m.ordinary(r)
	if len(pupils) == 0 {
		return Change{}, ErrNobody
	}
	p := &m.Persons[pupils[0]]
	p.Marking = roster.MarkingConfidential
	if r.IntN(4) == 0 {
		p.Marking = roster.MarkingProtected
	}
	return m.changed(Change{Kind: GotProtected, Person: p.ID})
}

// Unprotect takes the mark off the first protected person.
func (m *Municipality) Unprotect() (Change, error) {
	i := slices.IndexFunc(m.Persons, func(p Person) bool { return p.Marking.Protects() })
	if i < 0 {
		return Change{}, ErrNobody
	}
	m.Persons[i].Marking = ""
	return m.changed(Change{Kind: Unprotected, Person: m.Persons[i].ID})
}

// Return returns a mutation that puts a pupil back who has left the register since it was like before: the same person, by
// the same id, in the same groups.
func Return(before *Municipality, person string) Mutation {
	return func(m *Municipality) (Change, error) {
		is := func(p Person) bool { return p.ID == person }
		then := before.Clone()
		i := slices.IndexFunc(then.Persons, is)
		if i < 0 || slices.ContainsFunc(m.Persons, is) {
			return Change{}, ErrNobody
		}
		m.Persons = append(m.Persons, then.Persons[i])
		c := Change{Kind: Returned, Person: person}
		for _, g := range then.Groups {
			at := slices.IndexFunc(g.Members, isMember(person))
			now := slices.IndexFunc(m.Groups, func(x Group) bool { return x.ID == g.ID })
			if at >= 0 && now >= 0 {
				m.Groups[now].Members = append(m.Groups[now].Members, g.Members[at])
				c.To = append(c.To, g.ID)
			}
		}
		return m.changed(c)
	}
}

// fit cuts a person's places in groups to the time that the person is enrolled at the unit of the group, or on duty there.
// It returns the ids of the groups that are other than before.
func (m *Municipality) fit(p *Person) (changed []string) {
	units := p.units()
	for i := range m.Groups {
		g := &m.Groups[i]
		if !slices.Contains(units, g.Unit) {
			continue
		}
		k := slices.IndexFunc(g.Members, isMember(p.ID))
		if k < 0 {
			continue
		}
		was := g.Members[k]
		if !p.fits(g.Unit, &g.Members[k]) {
			g.Members = slices.Delete(g.Members, k, k+1)
		} else if g.Members[k] == was {
			continue
		}
		changed = append(changed, g.ID)
	}
	return changed
}

// fits cuts a place in a group of a unit to the person's time there, and tells whether any is left.
func (p *Person) fits(unit string, x *Member) bool {
	if x.Role != Learner {
		return slices.ContainsFunc(p.Duties, func(d Duty) bool { return d.Unit == unit && d.Start <= x.Start })
	}
	for _, e := range p.Enrolments {
		if e.Unit == unit {
			x.Start, x.End = max(x.Start, e.Start), earlier(x.End, e.End)
			return x.Start <= x.End
		}
	}
	return false
}

// index returns where each person stands in Persons, by id.
func (m *Municipality) index() map[string]int {
	at := make(map[string]int, len(m.Persons))
	for i := range m.Persons {
		at[m.Persons[i].ID] = i
	}
	return at
}
