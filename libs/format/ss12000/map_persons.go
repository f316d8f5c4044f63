package ss12000

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// duty takes a duty.
func (m *Mapper) duty(d *Duty) {
	if d.ID == "" {
		return
	}
	m.duties[d.ID] = d
	m.mark(d.Person)
	if d.Who != nil {
		m.expanded = append(m.expanded, d.Who)
		d.Who = nil
	}
	if _, ok := m.dutyFact(d); ok {
		m.staff[d.Person.ID] = true
	}
}

// dutyFact returns what a duty states, if it counts.
func (m *Mapper) dutyFact(d *Duty) (fact.Duty, bool) {
	unit, in := m.at(d.Unit, "")
	role, known := m.words.duties[m.fold(d.Role)]
	if !known {
		role = d.Role
	}
	ok := in && role != ignore && d.Person.ID != "" && m.Profile.Windows.Staff.lets(d.Start, d.End, m.Today)
	return fact.Duty{Person: d.Person.ID, Unit: unit, Role: role, Start: d.Start, End: d.End}, ok
}

// counts tells whether a person may be spoken of: one who was read and does not count may not.
func (m *Mapper) counted(of Resource, id string) bool {
	in, seen := m.seen[of][id]
	return in || !seen
}

func (m *Mapper) emitDuties() error {
	for _, id := range slices.Sorted(maps.Keys(m.duties)) {
		d := m.duties[id]
		var facts []fact.Fact
		if f, ok := m.dutyFact(d); ok && m.counted(Persons, d.Person.ID) {
			facts = append(facts, f)
			for _, a := range d.Assignments {
				role, known := m.words.assignments[m.fold(a.Role)]
				if !known {
					role = string(roster.MemberOther)
				}
				if role == ignore || a.Group.ID == "" || !m.counted(Groups, a.Group.ID) || !m.Profile.Windows.Members.lets(a.Start, a.End, m.Today) {
					continue
				}
				facts = append(facts, fact.Member{Group: a.Group.ID, Person: d.Person.ID, Role: role, Start: a.Start, End: a.End})
			}
		}
		if err := m.state(Duties, id, facts...); err != nil {
			return err
		}
	}
	return nil
}

// placement takes a placement.
func (m *Mapper) placement(p *Placement) {
	m.placements[p.ID] = p
	m.mark(p.Child)
	if _, ok := m.placementFact(p); ok {
		m.children[p.Child.ID] = true
	}
}

func (m *Mapper) placementFact(p *Placement) (fact.Enrolment, bool) {
	unit, in := m.at(p.Unit, p.SchoolType)
	in = in && p.Child.ID != "" && m.pupil(p.SchoolType, p.Start, p.End)
	return fact.Enrolment{Person: p.Child.ID, Unit: unit, SchoolType: p.SchoolType, Start: p.Start, End: p.End}, in
}

// pupil tells whether an enrolment or a placement counts, by school type and days.
func (m *Mapper) pupil(schoolType, start, end string) bool {
	w := m.Profile.Windows
	return m.Profile.SchoolTypes.lets(schoolType) && w.of(w.Pupils, schoolType).lets(start, end, m.Today)
}

func (m *Mapper) emitPlacements() error {
	for _, id := range slices.Sorted(maps.Keys(m.placements)) {
		p := m.placements[id]
		var facts []fact.Fact
		if f, ok := m.placementFact(p); ok && m.counted(Persons, p.Child.ID) {
			facts = append(facts, f)
			if p.Group.ID != "" && m.counted(Groups, p.Group.ID) {
				facts = append(facts, fact.Member{Group: p.Group.ID, Person: p.Child.ID, Role: string(roster.MemberPupil), Start: p.Start, End: p.End})
			}
		}
		if err := m.state(Placements, id, facts...); err != nil {
			return err
		}
	}
	return nil
}

// person takes a person. Guardians, and whoever else has neither enrolment, placement nor duty that counts, are left out,
// but not who is protected: a register may give her or him out with the mark, and without everything else.
func (m *Mapper) person(p *Person) error {
	if _, again := m.seen[Persons][p.ID]; again {
		return nil
	}
	m.attributes(p)
	for _, d := range p.Duties {
		if m.duties[d.ID] == nil {
			m.duty(d)
		}
	}
	var enrolments []fact.Fact
	for _, e := range p.Enrolments {
		if f, ok := m.enrolment(p.ID, e); ok {
			enrolments = append(enrolments, f)
		}
	}
	pupil, staff := len(enrolments) > 0 || m.children[p.ID], m.staff[p.ID]
	marked := cmp.Or(m.marks[p.ID], p.Marking)
	in := (pupil || staff) && !slices.ContainsFunc(m.Profile.WithoutStatus, func(s string) bool { return p.Status != "" && m.sameWord(s, p.Status) })
	if !in && roster.SecurityMarking(marked).Protects() {
		// Who is protected is heard, whatever else is said (rule R9).
		in, enrolments = true, nil
	}
	m.seen[Persons][p.ID] = in
	if m.Profile.Enriches != "" {
		return m.state(Persons, p.ID, m.enrichment(p, marked, pupil, staff)...)
	}
	if !in {
		return m.leave(Persons, p.ID)
	}
	return m.state(Persons, p.ID, append(m.personas(p, pupil, staff), enrolments...)...)
}

func (m *Mapper) enrolment(person string, e Enrolment) (fact.Enrolment, bool) {
	unit, in := m.at(e.Unit, e.SchoolType)
	in = in && !e.Cancelled && m.pupil(e.SchoolType, e.Start, e.End)
	programme := cmp.Or(m.programmes[e.Programme.ID], e.EducationCode, e.Programme.Name)
	return fact.Enrolment{
		Person: person, Unit: unit, SchoolType: e.SchoolType, SchoolYear: e.SchoolYear, Programme: programme, Start: e.Start, End: e.End,
	}, in
}

// personas states a person: once, or once for each of two roles that have an address of their own.
func (m *Mapper) personas(p *Person, pupil, staff bool) []fact.Fact {
	f := fact.Person{
		ID: p.ID, CivicNo: p.CivicNo.Reveal(), GivenName: p.GivenName.Reveal(), MiddleName: p.MiddleName.Reveal(), FamilyName: p.FamilyName.Reveal(),
		BirthDate: p.BirthDate.Reveal(), Sex: p.Sex, Marking: p.Marking, Extra: m.extra(p),
	}
	for _, i := range p.Identifiers {
		if m.Profile.UsernameFrom != "" && i.Context == m.Profile.UsernameFrom {
			f.Username = cmp.Or(f.Username, i.Value.Reveal())
		}
	}
	with := func(role roster.Role, types []string) fact.Person {
		f := f
		f.Role = string(role)
		f.Email = m.address(p, types)
		f.EPPN = principal(p, f.Email, pupil && staff)
		return f
	}
	asPupil, asStaff := with(roster.RolePupil, m.Profile.Emails.Pupil), with(roster.RoleStaff, m.Profile.Emails.Staff)
	switch {
	case pupil && staff && asPupil.Email == asStaff.Email && asPupil.EPPN == asStaff.EPPN:
		asPupil.Role = string(roster.RoleNone)
		return []fact.Fact{asPupil}
	case pupil && staff:
		return []fact.Fact{asPupil, asStaff}
	case staff:
		return []fact.Fact{asStaff}
	default:
		return []fact.Fact{asPupil}
	}
}

// enrichment states what a person's accounts are called, about one whom another source states; nothing where nothing is
// known, and of who is protected nothing else. It says who that is, and no more: whether there is such a person the other source knows.
func (m *Mapper) enrichment(p *Person, marked string, pupil, staff bool) (facts []fact.Fact) {
	who := fact.Foreign{Kind: roster.KindPerson, ID: p.ID, Source: m.of, OtherID: p.ID, CivicNo: p.CivicNo.Reveal()}
	if roster.SecurityMarking(marked).Protects() {
		return []fact.Fact{fact.Person{ID: p.ID, About: true, Marking: marked}, who}
	}
	for _, f := range m.personas(p, pupil, staff) {
		all, ok := f.(fact.Person)
		if !ok || all.Email == "" && all.EPPN == "" && all.Username == "" && len(all.Extra) == 0 {
			continue
		}
		if !pupil && !staff {
			all.Role = string(roster.RoleNone)
		}
		facts = append(facts, fact.Person{ID: p.ID, About: true, Role: all.Role, Email: all.Email, EPPN: all.EPPN, Username: all.Username, Extra: all.Extra})
	}
	if len(facts) == 0 {
		return nil
	}
	return append(facts, who)
}

// address returns the e-mail address of the first of the types that a person has. Of several of one type it is the lowest,
// for a server may give them in any order.
func (m *Mapper) address(p *Person, types []string) string {
	own := []string{emailPrivate, emailPupil, emailStaff, emailWork}
	for _, kind := range types {
		var found []string
		for _, e := range p.Emails {
			isKind := func(k string) bool { return m.sameWord(e.Type, k) }
			if kind == anyType && m.fold(e.Type) != "" && !slices.ContainsFunc(own, isKind) || kind != anyType && isKind(kind) {
				found = append(found, e.Value.Reveal())
			}
		}
		if kind == fromEPPN {
			for _, n := range p.EPPNs {
				found = append(found, n.Reveal())
			}
		}
		if len(found) > 0 {
			return slices.Min(found)
		}
	}
	return ""
}

// principal returns the eduPersonPrincipalName that goes with an address: the same, or the only one, or of several the
// lowest. Of who has two roles nothing tells which of several is whose, but the address.
func principal(p *Person, email string, both bool) string {
	var names []string
	for _, n := range p.EPPNs {
		if email != "" && strings.EqualFold(n.Reveal(), email) {
			return n.Reveal()
		}
		names = append(names, n.Reveal())
	}
	if len(names) == 0 || both && len(names) > 1 {
		return ""
	}
	return slices.Min(names)
}

// extra returns the external identifiers that the profile keeps.
func (m *Mapper) extra(p *Person) (extra map[string]string) {
	for _, i := range p.Identifiers {
		name, ok := m.Profile.Keep[i.Context]
		if !ok || i.Value == "" {
			continue
		}
		if extra == nil {
			extra = map[string]string{}
		}
		if old, twice := extra[name]; !twice || i.Value.Reveal() < old {
			extra[name] = i.Value.Reveal()
		}
	}
	return extra
}

// attributes counts what a person has, so that it is seen when nobody has it any more.
func (m *Mapper) attributes(p *Person) {
	for name, there := range map[string]bool{
		"givenName": p.GivenName != "", "familyName": p.FamilyName != "", "civicNo": p.CivicNo != "", "birthDate": p.BirthDate != "", "sex": p.Sex != "",
		"securityMarking": p.Marking != "", "emails": len(p.Emails) > 0, "eduPersonPrincipalNames": len(p.EPPNs) > 0,
		"externalIdentifiers": len(p.Identifiers) > 0, "enrolments": len(p.Enrolments) > 0,
	} {
		if there {
			m.counts["persons."+name]++
		}
	}
}
