package municipality

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// AugustTurn begins a läsår today. The pupils of the last school year of a unit go on to a unit of the next one, or
// leave where there is none: some with an end date, some without a word. As many new ones begin where nobody comes from
// another unit. 7B becomes 8B, with or without its id as [Options.GroupIDs] says, new classes are made for who begins, and
// groups of before that are no longer are ended. What was emptied for the summer is filled again.
func (m *Municipality) AugustTurn() (Change, error) { return m.augustTurn(m.nextRand()) }

func (m *Municipality) augustTurn(r *rand.Rand) (Change, error) {
	t := turn{Municipality: m, r: r, left: map[string]int{}, grade: map[string]int{}, persons: map[string]bool{}, groups: map[string]bool{}}
	t.goOn()
	t.begin()
	t.regroup(Class, pupilsPerClass)
	t.regroup(Mentors, pupilsPerMentor)
	t.fitAll()
	return m.changed(Change{
		Kind:    YearTurned,
		Persons: slices.Sorted(maps.Keys(t.persons)),
		Groups:  t.others(),
	})
}

// turn is a läsår that begins.
type turn struct {
	*Municipality
	r       *rand.Rand
	left    map[string]int  // how many went on from a unit, by id
	grade   map[string]int  // of who comes from another unit, by id
	persons map[string]bool // ids of who is otherwise than before
	groups  map[string]bool // ids of the groups that are
}

// learners returns the pupils of a class or mentor group, also those whom the register took out for the summer.
func (g *Group) learners() []string {
	var ids []string
	for _, list := range [][]Member{g.away, g.Members} {
		for _, x := range list {
			if x.Role == Learner && !slices.Contains(ids, x.Person) {
				ids = append(ids, x.Person)
			}
		}
	}
	return ids
}

// goOn moves the pupils of the last school years to the next unit, or out.
func (t *turn) goOn() {
	units := map[string]*Unit{}
	for i := range t.Units {
		units[t.Units[i].ID] = &t.Units[i]
	}
	at, gone := t.index(), map[string]bool{}
	for i := range t.Groups {
		g := &t.Groups[i]
		u := units[g.Unit]
		if g.Kind != Class || g.past || g.Grade == 0 || g.Grade < u.kind.last {
			continue
		}
		next, grade := t.nextUnits(u)
		for _, id := range g.learners() {
			i, ok := at[id]
			if !ok || gone[id] {
				continue
			}
			p := &t.Persons[i]
			e := slices.IndexFunc(p.Enrolments, func(e Enrolment) bool { return e.Unit == u.ID && inForce(e.Start, e.End, t.Day) })
			if e < 0 {
				continue
			}
			t.left[u.ID]++
			t.persons[id] = true
			old := p.Enrolments[e]
			to := ""
			if len(next) > 0 {
				to = next[t.r.IntN(len(next))].ID
				t.grade[id] = grade
			}
			byDate := to != "" || len(p.Duties) > 0 || t.r.IntN(2) == 0
			switch {
			case !byDate && len(p.Enrolments) == 1:
				gone[id] = true
				continue
			case old.Start < t.Day:
				p.Enrolments[e].End = t.Day.AddDays(-1)
			default:
				p.Enrolments = slices.Delete(p.Enrolments, e, e+1)
			}
			if to != "" && !slices.ContainsFunc(p.Enrolments, func(e Enrolment) bool { return e.Unit == to }) {
				end := old.End
				if !end.IsOpen() {
					end = max(end, t.Day.AddDays(320))
				}
				p.Enrolments = append(p.Enrolments, Enrolment{to, t.Day, end})
			}
			if len(p.Enrolments)+len(p.Duties) == 0 {
				gone[id] = true
			}
		}
	}
	for _, id := range t.remove(nil, func(id string) bool { return gone[id] }) {
		t.groups[id] = true
	}
}

// nextUnits returns the units that the pupils of a unit's last school year go on to, and the school year there.
func (t *turn) nextUnits(u *Unit) (units []*Unit, grade int) {
	next := u.SchoolType
	grade = u.kind.last + 1
	if next == "GR" && grade == 10 {
		next, grade = "GY", 1
	}
	for i := range t.Units {
		if v := &t.Units[i]; v.ID != u.ID && v.SchoolType == next && v.kind.has(grade) {
			units = append(units, v)
		}
	}
	return units, grade
}

// begin enrols new pupils in the units to which none come from another unit, as many as went on from there.
func (t *turn) begin() {
	fed := map[string]bool{}
	for i := range t.Units {
		if t.left[t.Units[i].ID] > 0 {
			next, grade := t.nextUnits(&t.Units[i])
			for _, v := range next {
				fed[v.ID] = fed[v.ID] || v.kind.first == grade
			}
		}
	}
	for i := range t.Units {
		u := &t.Units[i]
		if fed[u.ID] {
			continue
		}
		for range t.left[u.ID] {
			p := Person{Enrolments: []Enrolment{{u.ID, t.Day, t.Day.AddDays(365*u.kind.grades() - 46)}}}
			t.identify(&p, t.r, nil)
			t.Persons = append(t.Persons, p)
			t.persons[p.ID] = true
		}
	}
}

// fitAll cuts the places of everyone whom the turn changed.
func (t *turn) fitAll() {
	at := t.index()
	for i := range t.Groups {
		g := &t.Groups[i]
		g.Members = slices.DeleteFunc(g.Members, func(x Member) bool {
			p, ok := at[x.Person]
			out := t.persons[x.Person] && (!ok || !t.Persons[p].fits(g.Unit, &x))
			if out {
				t.groups[g.ID] = true
			}
			return out
		})
		for k := range g.Members {
			if x := &g.Members[k]; t.persons[x.Person] {
				was := *x
				t.Persons[at[x.Person]].fits(g.Unit, x)
				t.groups[g.ID] = t.groups[g.ID] || *x != was
			}
		}
	}
}

// suits returns 1 for a group of the school year, and 0 for any other.
func (h *home) suits(grade int) int {
	if h.Grade == grade {
		return 1
	}
	return 0
}

// others returns the ids of the groups that are otherwise than before.
func (t *turn) others() []string {
	maps.DeleteFunc(t.groups, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(t.groups))
}

// home is a class or mentor group of the new läsår.
type home struct {
	Group
	old      int // index of the group that it was; -1 for a new one
	learners []string
	leader   string
}

// regroup makes the classes or the mentor groups of the new läsår.
func (t *turn) regroup(kind GroupKind, size int) {
	at, placed := t.index(), map[string]bool{}
	homes := map[string][]home{} // by unit
	for i := range t.Groups {
		if g := &t.Groups[i]; g.Kind == kind && !g.past {
			if h, ok := t.goesOn(g, at); ok {
				h.old = i
				homes[g.Unit] = append(homes[g.Unit], h)
				for _, id := range h.learners {
					placed[id] = true
				}
			}
		}
	}
	beginners := map[string]map[int][]string{} // by unit and school year
	for i := range t.Persons {
		p := &t.Persons[i]
		for _, e := range p.Enrolments {
			if inForce(e.Start, e.End, t.Day) && !placed[p.ID] {
				placed[p.ID] = true
				if beginners[e.Unit] == nil {
					beginners[e.Unit] = map[int][]string{}
				}
				beginners[e.Unit][t.grade[p.ID]] = append(beginners[e.Unit][t.grade[p.ID]], p.ID)
			}
		}
	}
	for i := range t.Units {
		u := &t.Units[i]
		if kind == Class && !u.kind.classes || kind == Mentors && !u.kind.mentors {
			delete(beginners, u.ID)
		}
		for _, grade := range slices.Sorted(maps.Keys(beginners[u.ID])) {
			homes[u.ID] = t.welcome(u, kind, grade, homes[u.ID], beginners[u.ID][grade], size)
		}
		t.settleIDs(u.ID, kind, homes[u.ID])
		for k := range homes[u.ID] {
			t.fill(&homes[u.ID][k], at)
		}
	}
	t.replace(kind, homes)
}

// goesOn returns what a class or mentor group is in the new läsår, if anything.
func (t *turn) goesOn(g *Group, at map[string]int) (home, bool) {
	h := home{Group: Group{Name: g.Name, Kind: g.Kind, Unit: g.Unit, Grade: g.Grade}}
	if g.Grade > 0 {
		u := t.Units[slices.IndexFunc(t.Units, func(u Unit) bool { return u.ID == g.Unit })]
		if h.Grade++; h.Grade > u.kind.last {
			return home{}, false
		}
		h.Name = strings.Replace(g.Name, strconv.Itoa(g.Grade), strconv.Itoa(h.Grade), 1)
	}
	for _, id := range g.learners() {
		if i, ok := at[id]; ok && slices.ContainsFunc(t.Persons[i].Enrolments, func(e Enrolment) bool {
			return e.Unit == g.Unit && inForce(e.Start, e.End, t.Day)
		}) {
			h.learners = append(h.learners, id)
		}
	}
	for _, x := range g.Members {
		if i, ok := at[x.Person]; ok && x.Role != Learner && slices.ContainsFunc(t.Persons[i].Duties, func(d Duty) bool {
			return d.Unit == g.Unit && d.goesOn(t.Day)
		}) {
			h.leader = x.Person
		}
	}
	return h, len(h.learners) > 0
}

// welcome puts the pupils who begin at a unit into new groups of a school year, the unit's first unless it has the year,
// or when they are too few for one into those that are there.
func (t *turn) welcome(u *Unit, kind GroupKind, grade int, homes []home, beginners []string, size int) []home {
	if !u.kind.has(grade) {
		grade = u.kind.first
	}
	if 2*len(beginners) < size && len(homes) > 0 {
		for _, id := range beginners {
			best := &homes[0]
			for i := range homes {
				if h := &homes[i]; h.suits(grade) > best.suits(grade) || h.suits(grade) == best.suits(grade) && len(h.learners) < len(best.learners) {
					best = h
				}
			}
			best.learners = append(best.learners, id)
		}
		return homes
	}
	taken := map[string]bool{}
	for _, h := range homes {
		taken[h.Name] = true
	}
	var teachers []string
	for i := range t.Persons {
		if slices.ContainsFunc(t.Persons[i].Duties, func(d Duty) bool {
			return d.Unit == u.ID && d.Role == Instructor && d.goesOn(t.Day)
		}) {
			teachers = append(teachers, t.Persons[i].ID)
		}
	}
	n := 0
	for i, learners := range parts(beginners, size) {
		h := home{Group: Group{Kind: kind, Unit: u.ID, Grade: grade}, old: -1, learners: learners}
		for ok := true; ok; n++ {
			switch {
			case kind == Class:
				h.Name = u.kind.className(grade, n)
			case u.kind.classes:
				h.Name = mentorName(u.kind.className(grade, n/2), n%2+1)
			default:
				h.Name = mentorName(u.kind.className(grade, n), 0)
			}
			ok = taken[h.Name]
		}
		if len(teachers) > 0 {
			h.leader = teachers[i%len(teachers)]
		}
		homes = append(homes, h)
	}
	return homes
}

// settleIDs gives the groups of a unit their ids.
func (t *turn) settleIDs(unit string, kind GroupKind, homes []home) {
	ids := t.groupIDs
	if ids == GroupIDsMixed {
		n, _ := strconv.Atoi(strings.TrimPrefix(unit, "u-"))
		ids = []GroupIDs{GroupIDsReused, GroupIDsYearly, GroupIDsStable}[n%3]
	}
	var free []string // ids of last läsår's groups that no group of the same name has taken
	if ids == GroupIDsReused {
		byName := map[string][]int{}
		for i := range homes {
			byName[homes[i].Name] = append(byName[homes[i].Name], i)
		}
		for i := range t.Groups {
			g := &t.Groups[i]
			if g.Unit != unit || g.Kind != kind || g.past {
				continue
			}
			if same := byName[g.Name]; len(same) > 0 {
				homes[same[0]].ID, byName[g.Name] = g.ID, same[1:]
			} else {
				free = append(free, g.ID)
			}
		}
	}
	for i := range homes {
		h := &homes[i]
		switch {
		case h.ID != "":
		case h.old >= 0 && (ids == GroupIDsStable || h.Grade == 0):
			h.ID = t.Groups[h.old].ID
		default:
			// A name that is new takes an id that is free, but for the one that the pupils had.
			if k := slices.IndexFunc(free, func(id string) bool { return h.old < 0 || id != t.Groups[h.old].ID }); k >= 0 {
				h.ID = free[k]
				free = slices.Delete(free, k, k+1)
			} else {
				h.ID = t.newGroupID()
			}
		}
	}
}

// fill gives a group its läsår and its members.
func (t *turn) fill(h *home, at map[string]int) {
	_, h.End = schoolYear(t.Day)
	h.Start = t.Day
	if h.leader != "" {
		h.Members = append(h.Members, Member{h.leader, h.Kind.leader(), h.Start, h.End})
	}
	for _, id := range h.learners {
		for _, e := range t.Persons[at[id]].Enrolments {
			if e.Unit == h.Unit {
				h.Members = append(h.Members, Member{id, Learner, h.Start, earlier(h.End, e.End)})
			}
		}
	}
}

// replace puts the groups of the new läsår in the place of those of before that had their ids, or at the end, and ends
// the others.
func (t *turn) replace(kind GroupKind, homes map[string][]home) {
	made := map[string]Group{}
	for _, list := range homes {
		for _, h := range list {
			made[h.ID] = h.Group
			t.groups[h.ID] = true
		}
	}
	var groups []Group
	for i := range t.Groups {
		g := t.Groups[i]
		if g.Kind == kind && !g.past {
			t.groups[g.ID] = true
			if now, ok := made[g.ID]; ok {
				delete(made, g.ID)
				groups = append(groups, now)
				continue
			}
			if g.Start >= t.Day {
				continue
			}
			g.end(t.Day.AddDays(-1))
		}
		groups = append(groups, g)
	}
	for i := range t.Units {
		for _, h := range homes[t.Units[i].ID] {
			if _, ok := made[h.ID]; ok {
				groups = append(groups, h.Group)
			}
		}
	}
	t.Groups = groups
}
