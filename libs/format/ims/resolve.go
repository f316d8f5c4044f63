package ims

import (
	"cmp"
	"slices"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// resolve emits what depends on the whole document: units and groups, memberships, deletions.
func (rd *reader) resolve() error {
	rd.nest()
	if err := rd.emitGroups(); err != nil {
		return err
	}
	if err := rd.emitMembers(); err != nil {
		return err
	}
	if !rd.isDelta() {
		return nil
	}
	for _, d := range rd.deleted {
		if d.doc == "" {
			continue
		}
		if err := rd.emit(fact.Doc{ID: d.doc, Where: rd.where(d.line), Deleted: true}); err != nil {
			return err
		}
	}
	return nil
}

// now returns the id that an object has now.
func (rd *reader) now(kind idtype, id word) word {
	for range len(rd.alias[kind]) {
		newer, ok := rd.alias[kind][id]
		if !ok {
			break
		}
		id = newer
	}
	return id
}

// find returns a group of the document that is not deleted.
func (rd *reader) find(id word) *group {
	if g := rd.byID[rd.now(groupID, id)]; g != nil && !g.leftOut {
		return g
	}
	return nil
}

// knownGone tells whether the document itself says that an object is deleted.
func (rd *reader) knownGone(kind idtype, id word) bool {
	id = rd.now(kind, id)
	if kind == groupID {
		g := rd.byID[id]
		return g != nil && g.leftOut
	}
	w := rd.people[id]
	return w != nil && w.leftOut && w.elements == 0
}

// nest makes parents of the groups that have groups as members, which is the other way to say it, and keeps the
// members that are persons.
func (rd *reader) nest() {
	persons := rd.members[:0]
	for _, m := range rd.members {
		if m.kind == personID {
			persons = append(persons, m)
			continue
		}
		switch below := rd.find(m.who); {
		case m.state != active:
		case below != nil:
			below.addParent(m.group)
		case !rd.knownGone(groupID, m.who):
			rd.dangling("group as member", int(m.line))
		}
	}
	rd.members = persons
}

// dangling counts a reference to something that a snapshot does not hold; in a delta it may be known from before.
func (rd *reader) dangling(what string, line int) {
	if !rd.isDelta() {
		rd.findings.add(reason.ReferenceDangling, fact.Warning, fact.Dropped, line, what)
	}
}

// emitGroups emits every group as a unit or a group.
func (rd *reader) emitGroups() error {
	for _, g := range rd.groups {
		above := rd.above(g)
		var f fact.Fact
		if isUnit(g.as) {
			u := fact.Unit{
				ID: g.fact.ID, Name: g.fact.Name, Parent: above, UnitCodes: g.unitCodes,
				Start: g.fact.Start, End: g.fact.End, Extra: g.fact.Extra,
			}
			if t := roster.OrganisationType(g.as); t != roster.SchoolUnit {
				u.Type = g.as
			} else if rd.profile.DefaultSchoolType != "" {
				u.SchoolTypes = []string{rd.profile.DefaultSchoolType}
			}
			f = u
		} else {
			g.fact.Unit = above
			f = g.fact
		}
		if err := rd.emit(fact.Doc{ID: g.doc, Where: rd.where(g.line), Facts: []fact.Fact{f}}); err != nil {
			return err
		}
	}
	return nil
}

// maxAbove ends the walk to the unit of a group that has no end to the groups above it.
const maxAbove = 64

// above returns the unit above a group: the nearest one for a unit; for any other group the nearest school unit, or
// school where there is no unit. It notes what is wrong on the way.
func (rd *reader) above(g *group) string {
	first := rd.byID[g.id]
	note := func(code reason.Code, effect fact.Effect) {
		if g == first {
			rd.findings.add(code, fact.Warning, effect, g.line, "")
		}
	}
	var nearest []string // the units on the lowest level that has any
	school := ""
	seen := map[word]bool{g.id: true}
	for level := []*group{first}; len(level) > 0 && len(nearest) == 0 && len(seen) < maxAbove; {
		var next []*group
		for _, at := range level {
			for _, p := range rd.parents(at, g == first && at == first) {
				switch {
				case p == first && at == first && g.as == string(roster.Authority):
					// A top node that is its own parent is usual in PIFU-IMS.
				case p == first:
					note(reason.GroupCycle, fact.Dropped)
				case !seen[p.id]:
					seen[p.id] = true
					next = append(next, p)
				}
			}
		}
		for _, p := range next {
			switch t := roster.OrganisationType(p.as); {
			case t == roster.SchoolUnit, isUnit(g.as) && isUnit(p.as):
				nearest = append(nearest, p.fact.ID)
			case t == roster.School && school == "":
				school = p.fact.ID
			}
		}
		level = next
	}
	if len(nearest) > 1 && !isUnit(g.as) {
		note(reason.GroupInTwoUnits, fact.Noted)
	}
	switch {
	case len(nearest) > 0:
		return nearest[0]
	case school == "" && rd.isDelta() && len(first.parents) > 0 && rd.find(first.parents[0]) == nil:
		// In a delta the unit may have come in an earlier document.
		return rd.words.text(rd.now(groupID, first.parents[0]))
	default:
		return school
	}
}

// parents returns the groups above a group that the document holds; with report it counts those it does not.
func (rd *reader) parents(g *group, report bool) []*group {
	var out []*group
	for _, id := range g.parents {
		if p := rd.find(id); p != nil {
			out = append(out, p)
		} else if report && !rd.knownGone(groupID, id) {
			rd.dangling("parent of a group", g.line)
		}
	}
	return out
}

// emitMembers emits a doc for each member of each group.
func (rd *reader) emitMembers() error {
	for i := range rd.members {
		m := &rd.members[i]
		m.group, m.who = rd.now(groupID, m.group), rd.now(personID, m.who)
	}
	slices.SortStableFunc(rd.members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.who, b.who))
	})
	var derived map[enrolKey]*fact.Enrolment
	if rd.profile.EnrolFromGroups {
		derived = rd.deriveEnrolments()
	}
	for rest := rd.members; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].group == rest[0].group && rest[n].who == rest[0].who {
			n++
		}
		if err := rd.emitMember(standing(rest[:n]), rest[0], derived); err != nil {
			return err
		}
		rest = rest[n:]
	}
	rd.unusedYears()
	return nil
}

// standing returns the roles that a member has after each deletion took away what stood before it.
func standing(roles []member) []member {
	if !slices.ContainsFunc(roles, func(m member) bool { return m.state == deletedRole }) {
		return roles
	}
	var out []member
	gone := map[word]bool{}
	for _, m := range slices.Backward(roles) {
		switch {
		case m.state == deletedRole:
			gone[m.role] = true
		case !gone[m.role] && !gone[0]:
			out = append(out, m)
		}
	}
	slices.Reverse(out)
	return out
}

type enrolKey struct{ who, unit word }

// deriveEnrolments returns the enrolments of pupils that are in groups of a school but not in the school's own.
func (rd *reader) deriveEnrolments() map[enrolKey]*fact.Enrolment {
	out := map[enrolKey]*fact.Enrolment{}
	units := map[word]word{}
	for _, m := range rd.members {
		if g := rd.find(m.group); g != nil && isUnit(g.as) && m.state == active {
			if w := rd.people[m.who]; w != nil {
				r, _ := rd.meaning(m, w)
				w.enrolled = w.enrolled || r.AtUnit == enrolment
			}
		}
	}
	for _, m := range rd.members {
		g, w := rd.find(m.group), rd.people[m.who]
		if g == nil || isUnit(g.as) || w == nil || w.enrolled || m.state != active {
			continue
		}
		if r, _ := rd.meaning(m, w); r.InGroup != string(roster.MemberPupil) {
			continue
		}
		unit, ok := units[g.id]
		if !ok {
			unit = rd.words.of([]byte(g.fact.Unit))
			units[g.id] = unit
		}
		if unit == 0 {
			continue
		}
		start, end := rd.words.text(m.start), rd.words.text(m.end)
		e := out[enrolKey{m.who, unit}]
		if e == nil {
			out[enrolKey{m.who, unit}] = &fact.Enrolment{
				Person: rd.words.text(m.who), Unit: g.fact.Unit, SchoolType: rd.profile.DefaultSchoolType, Start: start, End: end,
			}
			continue
		}
		if e.Start = min(e.Start, start); end == "" || e.End == "" {
			e.End = ""
		} else {
			e.End = max(e.End, end)
		}
	}
	return out
}

// emitMember emits the doc of one member with all its roles.
func (rd *reader) emitMember(roles []member, first member, derived map[enrolKey]*fact.Enrolment) error {
	id := "membership/" + rd.words.text(first.group) + "/" + rd.words.text(first.who)
	line := int(first.line)
	g, w := rd.find(first.group), rd.people[first.who]
	switch {
	case len(roles) == 0:
		rd.drop(id, line)
		return nil
	case g == nil && !rd.isDelta():
		if !rd.knownGone(groupID, first.group) {
			rd.dangling("membership of a group", line)
		}
		return nil
	case (w == nil || w.elements == 0) && !rd.isDelta():
		if !rd.knownGone(personID, first.who) {
			rd.dangling("person as member", line)
		}
		return nil
	}
	if w == nil {
		w = &who{}
	}
	d := fact.Doc{ID: id, Where: rd.where(line), Facts: make([]fact.Fact, 0, len(roles))}
	var said map[fact.Fact]bool
	if len(roles) > 1 {
		said = map[fact.Fact]bool{}
	}
	for _, m := range roles {
		if m.state == inactive && m.end == 0 {
			rd.findings.add(reason.InactiveUndated, fact.Info, fact.Dropped, int(m.line), "")
			continue
		}
		if f := rd.statement(m, g, w); f != nil && !said[f] {
			if len(roles) > 1 {
				said[f] = true
			}
			d.Facts = append(d.Facts, f)
		}
	}
	if g != nil && !isUnit(g.as) && derived != nil {
		k := enrolKey{first.who, rd.words.of([]byte(g.fact.Unit))}
		if e := derived[k]; e != nil {
			rd.schoolYear(first.who, e)
			d.Facts = append(d.Facts, *e)
			delete(derived, k)
		}
	}
	if len(d.Facts) == 0 && !rd.isDelta() {
		return nil
	}
	return rd.emit(d)
}

// statement returns what a role states: an enrolment, a duty or a membership.
func (rd *reader) statement(m member, g *group, w *who) fact.Fact {
	person, start, end := rd.words.text(m.who), rd.words.text(m.start), rd.words.text(m.end)
	role, doubt := rd.meaning(m, w)
	if g == nil || !isUnit(g.as) {
		if doubt == unknownRole {
			rd.findings.add(reason.RoleUnknown, fact.Warning, fact.Noted, int(m.line), role.InGroup)
		}
		return fact.Member{Group: rd.words.text(m.group), Person: person, Role: role.InGroup, Start: start, End: end}
	}
	if doubt != "" {
		effect, word := fact.Noted, rd.words.text(m.role)
		if role.AtUnit == none {
			effect = fact.Dropped
		}
		if doubt == untoldRole {
			word = untoldRole
		}
		rd.findings.add(reason.RoleUnknown, fact.Warning, effect, int(m.line), word)
	}
	switch role.AtUnit {
	case none:
		return nil
	case enrolment:
		e := fact.Enrolment{Person: person, Unit: g.fact.ID, SchoolType: rd.profile.DefaultSchoolType, Start: start, End: end}
		rd.schoolYear(m.who, &e)
		return e
	default:
		return fact.Duty{Person: person, Unit: g.fact.ID, Role: role.AtUnit, Start: start, End: end}
	}
}

// Why it is not clear what a role means.
const (
	unknownRole = "unknown"
	untoldRole  = "member without institutionrole"
)

// meaning returns what a role of a person means, and why that is in doubt. An unknown role stays as it is written; at
// a unit it is a duty only of who is known as staff: a guess would give someone an account of staff.
func (rd *reader) meaning(m member, w *who) (r Role, doubt string) {
	text := rd.words.text(m.role)
	r, known := rd.profile.Roles[code(text)]
	switch {
	case text == "":
		r = Role{byInstitutionRole, byInstitutionRole}
	case !known && w.staff && !w.pupil:
		return Role{AtUnit: text, InGroup: text}, unknownRole
	case !known:
		return Role{AtUnit: none, InGroup: text}, unknownRole
	}
	pupil, staff := w.pupil && !w.staff, w.staff && !w.pupil
	if r.AtUnit == byInstitutionRole {
		switch {
		case pupil:
			r.AtUnit = enrolment
		case staff:
			r.AtUnit = otherStaff
		default:
			r.AtUnit, doubt = none, untoldRole
		}
	}
	if r.InGroup == byInstitutionRole {
		r.InGroup = string(roster.MemberOther)
		if pupil {
			r.InGroup = string(roster.MemberPupil)
		}
	}
	return r, doubt
}

// schoolYear adds the school year that the person's own element tells for a unit, or for none in particular.
func (rd *reader) schoolYear(person word, e *fact.Enrolment) {
	years := rd.years[person]
	for i := range years {
		y := &years[i]
		if y.unit != "" && y.unit != e.Unit && !rd.hasCode(e.Unit, y.unit) {
			continue
		}
		y.used = true
		if e.SchoolYear = y.year; y.schoolType != "" {
			e.SchoolType = y.schoolType
		}
		return
	}
}

// hasCode tells whether a unit has a skolenhetskod.
func (rd *reader) hasCode(unit, code string) bool {
	g := rd.byID[rd.words.index[unit]]
	return g != nil && slices.Contains(g.unitCodes, code)
}

// unusedYears counts the school years that belong to no enrolment.
func (rd *reader) unusedYears() {
	if rd.isDelta() {
		return
	}
	for _, years := range rd.years {
		for _, y := range years {
			if !y.used {
				rd.findings.add(reason.YearWithoutUnit, fact.Info, fact.Dropped, y.line, "")
			}
		}
	}
}
