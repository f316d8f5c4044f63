package municipality

import (
	"math/rand/v2"
	"slices"

	"eventful.se/ess/libs/roster"
)

// JoinStaff adds a member of staff, who begins today at a unit. A teacher takes groups that nobody leads.
func (m *Municipality) JoinStaff() (Change, error) { return m.joinStaff(m.nextRand()) }

func (m *Municipality) joinStaff(r *rand.Rand) (Change, error) {
	unit := m.Units[1+r.IntN(len(m.Units)-1)].ID
	p := Person{Duties: []Duty{{Unit: unit, Role: staffRole(r.IntN(12)), Start: m.Day}}}
	m.identify(&p, r, nil)
	m.Persons = append(m.Persons, p)
	return m.changed(Change{Kind: StaffJoined, Person: p.ID, To: m.takeGroups(&p, unit, m.Day), Units: []string{unit}})
}

// LeaveStaff takes a member of staff out of the register, who is just no longer there. A colleague takes the groups.
func (m *Municipality) LeaveStaff() (Change, error) { return m.leaveStaff(m.nextRand()) }

func (m *Municipality) leaveStaff(r *rand.Rand) (Change, error) {
	staff := m.ordinaryStaff(r)
	if len(staff) == 0 {
		return Change{}, ErrNobody
	}
	p := m.Persons[staff[0]]
	from := m.handOver(r, &p, m.Day.AddDays(-1))
	for _, id := range m.remove(p.units(), func(id string) bool { return id == p.ID }) {
		if !slices.Contains(from, id) {
			from = append(from, id)
		}
	}
	return m.changed(Change{Kind: StaffLeft, Person: p.ID, From: from})
}

// LeaveStaffByDate gives a duty an end within two weeks, after which a colleague has the groups.
func (m *Municipality) LeaveStaffByDate() (Change, error) { return m.leaveStaffByDate(m.nextRand()) }

func (m *Municipality) leaveStaffByDate(r *rand.Rand) (Change, error) {
	staff := m.ordinaryStaff(r)
	if len(staff) == 0 {
		return Change{}, ErrNobody
	}
	p := &m.Persons[staff[0]]
	d := &p.Duties[0]
	d.End = m.Day.AddDays(r.IntN(14))
	return m.changed(Change{Kind: Leaving, Person: p.ID, From: m.handOver(r, p, d.End), Units: []string{d.Unit}})
}

// MoveStaff ends a duty today and begins one at another unit on the next working day: over a weekend the person has none.
func (m *Municipality) MoveStaff() (Change, error) { return m.moveStaff(m.nextRand()) }

func (m *Municipality) moveStaff(r *rand.Rand) (Change, error) {
	for _, i := range m.ordinaryStaff(r) {
		p := &m.Persons[i]
		old := &p.Duties[0]
		to := m.otherUnit(r, old.Unit)
		if to == nil {
			continue
		}
		next := Duty{Unit: to.ID, Role: old.Role, Start: nextWorkingDay(m.Day)}
		old.End = m.Day
		c := Change{Kind: SchoolChanged, Person: p.ID, From: m.handOver(r, p, m.Day), Units: []string{old.Unit, to.ID}}
		p.Duties = append(p.Duties, next)
		c.To = m.takeGroups(p, to.ID, next.Start)
		return m.changed(c)
	}
	return Change{}, ErrNobody
}

// ChangeRole gives a member of staff another role from today on. Who no longer teaches hands the groups over.
func (m *Municipality) ChangeRole() (Change, error) { return m.changeRole(m.nextRand()) }

func (m *Municipality) changeRole(r *rand.Rand) (Change, error) {
	staff := m.ordinaryStaff(r)
	if len(staff) == 0 {
		return Change{}, ErrNobody
	}
	p := &m.Persons[staff[0]]
	d := &p.Duties[0]
	c := Change{Kind: RoleChanged, Person: p.ID, Units: []string{d.Unit}}
	if d.Role == Instructor {
		d.Role = pick(r, []Role{Manager, Administrator, Assistant})
		c.From = m.handOver(r, p, m.Day.AddDays(-1))
	} else {
		d.Role = Instructor
		c.To = m.takeGroups(p, d.Unit, m.Day)
	}
	return m.changed(c)
}

// ordinaryStaff returns the indices of the members of staff who are examples of nothing, are not protected, are no pupils
// and have one duty, which goes on, from a random one on.
func (m *Municipality) ordinaryStaff(r *rand.Rand) []int {
	var list []int
	for i := range m.Persons {
		p := &m.Persons[i]
		if len(p.Cases) == 0 && p.Marking == "" && len(p.Enrolments) == 0 && len(p.Duties) == 1 && p.Duties[0].goesOn(m.Day) {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return nil
	}
	k := r.IntN(len(list))
	return slices.Concat(list[k:], list[:k])
}

// goesOn tells whether a duty has begun and has no end.
func (d Duty) goesOn(day roster.Date) bool { return d.Start <= day && d.End.IsOpen() }

// handOver ends after a day all places in which a person leads a group, and gives each to a teacher of the unit if there
// is another one. It returns the ids of the groups.
func (m *Municipality) handOver(r *rand.Rand, p *Person, last roster.Date) (ids []string) {
	var colleagues []string
	for i := range m.Persons {
		o := &m.Persons[i]
		if o.ID != p.ID && slices.ContainsFunc(o.Duties, func(d Duty) bool {
			return d.Unit == p.Duties[0].Unit && d.Role == Instructor && d.goesOn(last)
		}) {
			colleagues = append(colleagues, o.ID)
		}
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		k := slices.IndexFunc(g.Members, isMember(p.ID))
		if k < 0 || g.Members[k].Role == Learner || g.Members[k].End <= last {
			continue
		}
		next := g.Members[k]
		if g.Members[k].End = last; g.Members[k].Start > last {
			g.Members = slices.Delete(g.Members, k, k+1)
		}
		ids = append(ids, g.ID)
		if len(colleagues) > 0 {
			next.Person, next.Start = pick(r, colleagues), max(next.Start, last.AddDays(1))
			if !slices.ContainsFunc(g.Members, isMember(next.Person)) {
				g.Members = append(g.Members, next)
			}
		}
	}
	return ids
}

// takeGroups has a teacher lead up to three groups of a unit that nobody leads, from a day on.
func (m *Municipality) takeGroups(p *Person, unit string, from roster.Date) (ids []string) {
	if !slices.ContainsFunc(p.Duties, func(d Duty) bool { return d.Unit == unit && d.Role == Instructor }) {
		return nil
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		if len(ids) == 3 {
			break
		}
		x := Member{p.ID, g.Kind.leader(), max(g.Start, from), g.End}
		if g.Unit == unit && !g.past && x.Start <= x.End && !slices.ContainsFunc(g.Members, func(o Member) bool {
			return o.Person == p.ID || o.Role != Learner && o.End >= x.Start
		}) {
			g.Members = append(g.Members, x)
			ids = append(ids, g.ID)
		}
	}
	return ids
}
