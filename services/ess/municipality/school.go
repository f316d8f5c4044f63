package municipality

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"eventful.se/ess/libs/roster"
)

// RenameClass gives a class another name. Its id and members stay.
func (m *Municipality) RenameClass() (Change, error) { return m.renameClass(m.nextRand()) }

func (m *Municipality) renameClass(r *rand.Rand) (Change, error) {
	g := m.find(r, func(g *Group) bool { return g.Kind == Class && m.open(g) })
	if g == nil {
		return Change{}, ErrNobody
	}
	stem, _, _ := strings.Cut(g.Name, " ")
	if before, _, ok := strings.Cut(stem, strconv.Itoa(g.Grade)); ok && g.Grade > 0 {
		stem = before + strconv.Itoa(g.Grade)
	}
	trees := []string{"Björken", "Eken", "Aspen", "Lönnen", "Granen", "Rönnen", "Almen", "Häggen", "Sälgen", "Linden"}
	first := r.IntN(len(trees))
	for i := 0; ; i++ {
		name := stem + " " + trees[(first+i)%len(trees)]
		if i >= len(trees) {
			name += " " + strconv.Itoa(i/len(trees)+1)
		}
		if !m.named(g.Unit, name) {
			g.Name = name
			return m.changed(Change{Kind: ClassRenamed, Groups: []string{g.ID}})
		}
	}
}

// named tells whether a unit has a group of the name that is no earlier läsår's.
func (m *Municipality) named(unit, name string) bool {
	return slices.ContainsFunc(m.Groups, func(g Group) bool { return g.Unit == unit && g.Name == name && !g.past })
}

// ReuseGroupID exchanges the ids of two classes of a unit, or of two courses where no unit has two classes, which share
// at most two in five of the pupils of either: each id is that of other pupils now.
func (m *Municipality) ReuseGroupID() (Change, error) { return m.reuseGroupID(m.nextRand()) }

func (m *Municipality) reuseGroupID(r *rand.Rand) (Change, error) {
	for _, kind := range []GroupKind{Class, Teaching} {
		for range m.Groups {
			a := m.find(r, func(g *Group) bool { return g.Kind == kind && m.open(g) && len(g.Members) > 0 })
			if a == nil {
				break
			}
			b := m.find(r, func(g *Group) bool {
				return g.ID != a.ID && g.Kind == kind && g.Unit == a.Unit && m.open(g) && len(g.Members) > 0 && unlike(a, g)
			})
			if b != nil {
				a.ID, b.ID = b.ID, a.ID
				return m.changed(Change{Kind: IDReused, Groups: []string{a.ID, b.ID}})
			}
		}
	}
	return Change{}, ErrNobody
}

func unlike(a, b *Group) bool {
	both, ofA, ofB := 0, 0, 0
	for _, x := range a.Members {
		if x.Role == Learner {
			ofA++
			if slices.ContainsFunc(b.Members, isMember(x.Person)) {
				both++
			}
		}
	}
	for _, x := range b.Members {
		if x.Role == Learner {
			ofB++
		}
	}
	return 5*both <= 2*min(ofA, ofB)
}

// MergeSchool merges the last unit into the one that is most like it: pupils, staff and groups are that one's, and the
// unit is gone. Groups may have the same names after it. It leaves two units at least.
func (m *Municipality) MergeSchool() (Change, error) { return m.mergeSchool(m.nextRand()) }

func (m *Municipality) mergeSchool(r *rand.Rand) (Change, error) {
	if len(m.Units) < 4 {
		return Change{}, ErrNobody
	}
	last := len(m.Units) - 1
	// The last unit that has another of its school type, if any has.
	for i := last; i > 1; i-- {
		if m.otherUnit(r, m.Units[i].ID).SchoolType == m.Units[i].SchoolType {
			last = i
			break
		}
	}
	gone := m.Units[last]
	into := m.otherUnit(r, gone.ID)
	c := Change{Kind: SchoolMerged, Units: []string{gone.ID, into.ID}}
	if gone.kind.first > 0 && into.kind.first > 0 {
		into.kind.first, into.kind.last = min(into.kind.first, gone.kind.first), max(into.kind.last, gone.kind.last)
	}
	for i := range m.Persons {
		if p := &m.Persons[i]; slices.Contains(p.units(), gone.ID) {
			p.moveTo(gone.ID, into.ID)
			c.Persons = append(c.Persons, p.ID)
		}
	}
	for i := range m.Groups {
		if g := &m.Groups[i]; g.Unit == gone.ID {
			g.Unit = into.ID
			c.Groups = append(c.Groups, g.ID)
		}
	}
	m.Units = slices.Delete(m.Units, last, last+1)
	return m.changed(c)
}

// moveTo makes all that a person has at a unit another unit's, each once.
func (p *Person) moveTo(unit, into string) {
	from := slices.IndexFunc(p.Enrolments, func(e Enrolment) bool { return e.Unit == unit })
	to := slices.IndexFunc(p.Enrolments, func(e Enrolment) bool { return e.Unit == into })
	switch {
	case from >= 0 && to >= 0:
		a, b := &p.Enrolments[to], p.Enrolments[from]
		a.Start, a.End = min(a.Start, b.Start), later(a.End, b.End)
		p.Enrolments = slices.Delete(p.Enrolments, from, from+1)
	case from >= 0:
		p.Enrolments[from].Unit = into
	}
	var duties []Duty
	for _, d := range p.Duties {
		if d.Unit == unit {
			d.Unit = into
		}
		if i := slices.IndexFunc(duties, func(o Duty) bool { return o.Unit == d.Unit && o.Role == d.Role }); i < 0 {
			duties = append(duties, d)
		} else {
			o := &duties[i]
			o.Start, o.End = min(o.Start, d.Start), later(o.End, d.End)
		}
	}
	p.Duties = duties
}

// JulyEmpties takes the learners out of every class and mentor group, as registers do in the first days of July. The
// groups and their leaders stay. The next turn of the läsår knows whom they held.
func (m *Municipality) JulyEmpties() (Change, error) {
	return m.julyEmpties(func(string) bool { return true })
}

func (m *Municipality) julyEmpties(at func(unit string) bool) (Change, error) {
	c := Change{Kind: Emptied}
	for i := range m.Groups {
		g := &m.Groups[i]
		if g.Kind == Teaching || g.past || !at(g.Unit) {
			continue
		}
		learners, leaders := split(g.Members)
		if len(learners) > 0 {
			g.away, g.Members = append(g.away, learners...), leaders
			c.Groups = append(c.Groups, g.ID)
		}
	}
	if len(c.Groups) == 0 {
		return Change{}, ErrNobody
	}
	return m.changed(c)
}

func split(members []Member) (learners, leaders []Member) {
	for _, x := range members {
		if x.Role == Learner {
			learners = append(learners, x)
		} else {
			leaders = append(leaders, x)
		}
	}
	return learners, leaders
}

// schoolYear returns the first and the last day of the läsår of the classes on a day: 15 August to 14 August.
func schoolYear(day roster.Date) (start, end roster.Date) {
	year := int(day) / 10000
	if day < turnOf(year) {
		year--
	}
	return turnOf(year), turnOf(year + 1).AddDays(-1)
}

// turnOf returns the day on which the läsår turns.
func turnOf(year int) roster.Date { return roster.NewDate(year, 8, 15) }

// end makes a class or mentor group one of an earlier läsår.
func (g *Group) end(day roster.Date) {
	g.past, g.away, g.End = true, nil, day
	var members []Member
	for _, x := range g.Members {
		if x.End = min(x.End, day); x.Start <= x.End {
			members = append(members, x)
		}
	}
	g.Members = members
}

func (m *Municipality) newGroupID() string {
	m.groups++
	return "g-" + strconv.Itoa(m.groups)
}
