package municipality

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"eventful.se/ess/libs/roster"
)

// The days after the first on which something happens once.
const (
	firstProtectedOn  = 5
	secondProtectedOn = 12
	unprotectedOn     = 40 // one of the two
	mergedOn          = 200
)

// memory is for how many days a register shows what has ended.
const memory = 14

// After returns the municipality n days later; this one stays as it is. Each day what is usual happens, as often as it
// does in a municipality of this size: pupils join, leave and move, staff come, go and change places, names and numbers change,
// courses end and others begin, classes get other names. Two pupils are protected in the second week and one of them no longer in the sixth, a school is
// merged into another after 200 days, the classes are emptied in the first days of July, and the läsår turns on 15 August.
//
// The same municipality is the same n days later on every machine, and m.After(a).After(b) is m.After(a + b).
func (m *Municipality) After(n int) *Municipality {
	c := m.Clone()
	for range n {
		c.NextDay()
	}
	return c
}

// NextDay lets a day pass, and returns what is otherwise in the register than the day before. What happens when a day
// that stood in the register comes, is no change of it.
func (m *Municipality) NextDay() []Change {
	m.Day = m.Day.AddDays(1)
	m.passed++
	if t := m.Day.Start(); t.After(m.Time) {
		m.Time = t
	}
	m.withoutCases()
	d := day{Municipality: m, r: rand.New(rand.NewPCG(m.seed, uint64(m.passed)<<32))}
	d.expire()
	turned := d.calendar()
	d.once()
	d.extend()
	d.usual()
	d.openCourses(turned)
	return d.changes
}

// day is a day that passes.
type day struct {
	*Municipality
	r       *rand.Rand
	changes []Change
}

// note keeps what happened, if anything did.
func (d *day) note(c Change, err error) {
	if err == nil {
		d.changes = append(d.changes, c)
	}
}

// expire takes out of the register what ended longer ago than it remembers.
func (d *day) expire() {
	limit := d.Day.AddDays(-memory)
	over := func(end roster.Date) bool { return !end.IsOpen() && end < limit }
	c := Change{Kind: Expired}
	gone := map[string]bool{}
	for i := range d.Persons {
		p := &d.Persons[i]
		n := len(p.Enrolments) + len(p.Duties)
		p.Enrolments = slices.DeleteFunc(p.Enrolments, func(e Enrolment) bool { return over(e.End) })
		p.Duties = slices.DeleteFunc(p.Duties, func(d Duty) bool { return over(d.End) })
		left := len(p.Enrolments) + len(p.Duties)
		if left < n {
			c.Persons = append(c.Persons, p.ID)
		}
		if left == 0 {
			gone[p.ID] = true
		}
	}
	if len(gone) > 0 {
		d.Persons = slices.DeleteFunc(d.Persons, func(p Person) bool { return gone[p.ID] })
	}
	for i := range d.Groups {
		g := &d.Groups[i]
		n := len(g.Members)
		// Nobody's place lasts longer than the enrolment does, but for those that are away.
		g.Members = slices.DeleteFunc(g.Members, func(x Member) bool { return over(x.End) || gone[x.Person] })
		g.away = slices.DeleteFunc(g.away, func(x Member) bool { return over(x.End) || gone[x.Person] })
		if len(g.Members) < n || over(g.End) {
			c.Groups = append(c.Groups, g.ID)
		}
	}
	d.Groups = slices.DeleteFunc(d.Groups, func(g Group) bool { return over(g.End) })
	if len(c.Persons)+len(c.Groups) > 0 {
		d.note(d.changed(c))
	}
}

// calendar does what the date asks for, and tells whether the läsår turns today.
func (d *day) calendar() (turned bool) {
	switch year, month, date := int(d.Day)/10000, time.Month(d.Day/100%100), int(d.Day%100); {
	case month == time.July && date <= 3:
		d.note(d.julyEmpties(func(unit string) bool {
			return slices.IndexFunc(d.Units, func(u Unit) bool { return u.ID == unit })%3 == date-1
		}))
	case d.Day == turnOf(year):
		d.note(d.augustTurn(d.r))
		return true
	}
	return false
}

func (d *day) once() {
	switch d.passed {
	case firstProtectedOn, secondProtectedOn:
		d.note(d.protect(d.r))
	case unprotectedOn:
		d.note(d.Unprotect())
	case mergedOn:
		d.note(d.mergeSchool(d.r))
	}
}

// extend lets most of the enrolments that end in a week last longer, and the places in classes and mentor groups with
// them.
func (d *day) extend() {
	end, share := d.Day.AddDays(7), 60
	if d.shape == ShapeSchools {
		share = 95
	}
	c := Change{Kind: Extended}
	longer := map[string]roster.Date{}
	for i := range d.Persons {
		p := &d.Persons[i]
		if d.r.IntN(100) >= share || p.Marking != "" {
			continue
		}
		for k := range p.Enrolments {
			if e := &p.Enrolments[k]; e.End == end && e.Start < d.Day {
				e.End = end.AddDays(365)
				longer[p.ID+" "+e.Unit] = e.End
				c.Persons = append(c.Persons, p.ID)
			}
		}
	}
	if len(longer) == 0 {
		return
	}
	for i := range d.Groups {
		g := &d.Groups[i]
		if g.Kind == Teaching || g.past {
			continue
		}
		for _, members := range [][]Member{g.Members, g.away} {
			for k := range members {
				x := &members[k]
				if until, ok := longer[x.Person+" "+g.Unit]; ok && x.Role == Learner && x.End == end {
					x.End = min(g.End, until)
					c.Groups = append(c.Groups, g.ID)
				}
			}
		}
	}
	c.Groups = slices.Compact(c.Groups)
	d.note(d.changed(c))
}

// usual is something that happens on any day.
type usual struct {
	a1000 float64 // how often in a year for a thousand pupils
	every int     // it happens even so when so many days have passed,
	on    int     // and so many more
	rest  bool    // it does not happen while the schools are closed
	do    func(*Municipality, *rand.Rand) (Change, error)
}

func usualIn(shape Shape) []usual {
	churn := 300. // adults come and go all year
	if shape == ShapeSchools {
		churn = 40
	}
	return []usual{
		{churn, 4, 1, true, (*Municipality).join},
		{churn / 2, 6, 2, true, (*Municipality).leave},
		{churn / 2, 9, 4, true, (*Municipality).leaveByDate},
		{40, 5, 3, true, (*Municipality).moveClass},
		{20, 28, 11, true, (*Municipality).changeSchool},
		{12, 7, 1, false, (*Municipality).rename},
		{5, 30, 8, false, (*Municipality).changeNumber},
		{1, 45, 16, true, (*Municipality).renameClass},
		{.2, 90, 22, true, (*Municipality).reuseGroupID},
		{12, 45, 6, true, (*Municipality).joinStaff},
		{6, 75, 27, true, (*Municipality).leaveStaff},
		{6, 80, 33, true, (*Municipality).leaveStaffByDate},
		{4, 60, 19, true, (*Municipality).moveStaff},
		{4, 50, 25, true, (*Municipality).changeRole},
	}
}

func (d *day) usual() {
	_, end := schoolYear(d.Day)
	closed := d.shape == ShapeSchools && d.Day >= end.AddDays(-44) // from 1 July
	for i, u := range usualIn(d.shape) {
		mean, crowded := u.a1000/365/1000*float64(d.pupils), false
		if i == 0 { // who left makes room, and who came takes it
			room := d.pupils - d.Size().Pupils
			mean += float64(room) / 60
			crowded = 10*room < -d.pupils
		}
		n := int(max(mean, 0) + d.r.Float64())
		if d.passed%u.every == u.on && !crowded {
			n = max(n, 1)
		}
		if closed && u.rest {
			continue
		}
		for range n {
			d.note(u.do(d.Municipality, d.r))
		}
	}
}

// openCourses opens courses in the place of those that ended: a tenth of what is missing, or all of it.
func (d *day) openCourses(all bool) {
	_, end := schoolYear(d.Day)
	if d.shape == ShapeSchools && d.Day > end.AddDays(-90) { // from the middle of May
		return
	}
	pupils, teachers := map[string][]*Person{}, map[string][]string{}
	for i := range d.Persons {
		p := &d.Persons[i]
		for _, e := range p.Enrolments {
			if inForce(e.Start, e.End, d.Day) {
				pupils[e.Unit] = append(pupils[e.Unit], p)
			}
		}
		for _, duty := range p.Duties {
			if duty.Role == Instructor && duty.goesOn(d.Day) {
				teachers[duty.Unit] = append(teachers[duty.Unit], p.ID)
			}
		}
	}
	missing := map[string]int{}
	for id, there := range pupils {
		missing[id] = max(minCourses, len(there)*5/pupilsPerCourse)
	}
	running := func(g *Group) bool { return g.Kind == Teaching && g.End >= d.Day }
	for i := range d.Groups {
		if g := &d.Groups[i]; running(g) {
			missing[g.Unit]--
		}
	}
	attends := map[string]int{}
	for i := range d.Groups {
		if g := &d.Groups[i]; running(g) && missing[g.Unit] > 0 {
			for _, x := range g.Members {
				if x.End >= d.Day {
					attends[x.Person]++
				}
			}
		}
	}
	for i := range d.Units {
		u := &d.Units[i]
		n := missing[u.ID]
		if !all {
			n = (n + 9) / 10
		}
		for range n {
			d.note(d.openCourse(u, pupils[u.ID], teachers[u.ID], attends, end))
		}
	}
}

// openCourse opens a course at a unit with pupils who attend fewer than five.
func (d *day) openCourse(u *Unit, pupils []*Person, teachers []string, attends map[string]int, latest roster.Date) (Change, error) {
	course := pick(d.r, u.kind.courses)
	g := Group{ID: d.newGroupID(), Kind: Teaching, Unit: u.ID, Course: course.code, Start: d.Day}
	g.Name = course.name + " " + strconv.Itoa(1+d.groups%100)
	g.End = d.Day.AddDays(40 + d.r.IntN(120))
	if u.kind.first > 0 {
		g.End = min(g.End, latest.AddDays(-62)) // 13 June
	}
	if len(teachers) > 0 {
		g.Members = append(g.Members, Member{pick(d.r, teachers), Instructor, g.Start, g.End})
	}
	first := d.r.IntN(len(pupils))
	for i := range pupils {
		p := pupils[(first+i)%len(pupils)]
		if len(g.Members) > pupilsPerCourse {
			break
		}
		x := Member{p.ID, Learner, g.Start, g.End}
		if attends[p.ID] < 5 && p.fits(u.ID, &x) && !slices.ContainsFunc(g.Members, isMember(p.ID)) {
			attends[p.ID]++
			g.Members = append(g.Members, x)
		}
	}
	d.Groups = append(d.Groups, g)
	return d.changed(Change{Kind: Opened, Groups: []string{g.ID}, Units: []string{u.ID}})
}

// withoutCases drops the cases that are about the first day.
func (m *Municipality) withoutCases() {
	for i := range m.Persons {
		p := &m.Persons[i]
		p.Cases = slices.DeleteFunc(p.Cases, func(c Case) bool {
			return c == CaseStartsToday || c == CaseStartsLater || c == CaseEndsToday || c == CaseEnded
		})
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		g.Cases = slices.DeleteFunc(g.Cases, func(c GroupCase) bool { return c == GroupStartsLater || c == GroupEnded })
	}
}
