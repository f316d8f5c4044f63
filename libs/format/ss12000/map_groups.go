package ss12000

import (
	"maps"
	"slices"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// activity takes an activity.
func (m *Mapper) activity(a *Activity) {
	for _, d := range a.Duties {
		if m.duties[d.ID] == nil {
			m.duty(d)
		}
	}
	a.Duties = nil
	m.activities[a.ID] = a
	if !m.Profile.Windows.Groups.lets(a.Start, a.End, m.Today) {
		return
	}
	for _, g := range a.Groups {
		m.taught[g.ID] = true
	}
	name, ok := m.syllabuses[a.Syllabus.ID]
	if !ok {
		name = a.Syllabus.Name
	}
	if name == "" {
		return
	}
	for _, g := range a.Groups {
		s := m.subjects[g.ID]
		s.unclear = s.unclear || s.name != "" && s.name != name
		s.name = name
		m.subjects[g.ID] = s
	}
}

// group takes a group, with its pupils.
func (m *Mapper) group(g *Group) error {
	if _, again := m.seen[Groups][g.ID]; again {
		return nil
	}
	for _, x := range g.Memberships {
		m.mark(x.Person)
	}
	kind, known := m.words.groups[m.fold(g.Type)]
	if !known {
		kind = g.Type
	}
	unit, in := m.at(g.Unit, g.SchoolType)
	w := m.Profile.Windows
	in = in && kind != ignore && (!m.Profile.OnlyTaught || m.taught[g.ID]) && m.Profile.SchoolTypes.lets(g.SchoolType) && w.of(w.Groups, g.SchoolType).lets(g.Start, g.End, m.Today)
	m.seen[Groups][g.ID] = in
	if !in {
		return m.leave(Groups, g.ID)
	}
	f := fact.Group{ID: g.ID, Name: g.Name, Type: kind, Unit: unit, SchoolType: g.SchoolType, Start: g.Start, End: g.End}
	role := roster.MemberPupil
	switch t, _ := roster.ParseGroupType(kind); t {
	case roster.StaffGroup:
		role = roster.MemberOther
	case roster.TeachingGroup:
		// A class has activities in many subjects, and a teaching group one.
		if s := m.subjects[g.ID]; !s.unclear {
			f.Subject = s.name
		}
	}
	facts := []fact.Fact{f}
	for _, x := range g.Memberships {
		if x.Person.ID != "" && w.Members.lets(x.Start, x.End, m.Today) {
			facts = append(facts, fact.Member{Group: g.ID, Person: x.Person.ID, Role: string(role), Start: x.Start, End: x.End})
		}
	}
	return m.state(Groups, g.ID, facts...)
}

// emitActivities states who teaches which group.
func (m *Mapper) emitActivities() error {
	for _, id := range slices.Sorted(maps.Keys(m.activities)) {
		a := m.activities[id]
		var facts []fact.Fact
		for _, t := range a.Teachers {
			start, end := later(t.Start, a.Start), earlier(t.End, a.End)
			d := m.duties[t.Duty.ID]
			switch {
			case d == nil:
				m.lost++
				continue
			case d.Person.ID == "" || !m.counted(Persons, d.Person.ID) || !m.Profile.Windows.Members.lets(start, end, m.Today):
				continue
			}
			for _, g := range a.Groups {
				if m.counted(Groups, g.ID) {
					f := fact.Member{Group: g.ID, Person: d.Person.ID, Role: string(roster.MemberTeacher), Start: start, End: end}
					if !slices.Contains(facts, fact.Fact(f)) {
						facts = append(facts, f)
					}
				}
			}
		}
		if err := m.state(Activities, id, facts...); err != nil {
			return err
		}
	}
	return nil
}

// later returns the later of two days, of which either may be missing.
func later(x, y string) string {
	if date(x) < date(y) {
		return y
	}
	return x
}

// earlier returns the earlier of two days, of which either may be missing.
func earlier(x, y string) string {
	if dx, dy := date(x), date(y); dx.IsOpen() || !dy.IsOpen() && dy < dx {
		return y
	}
	return x
}
