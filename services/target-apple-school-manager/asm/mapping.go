package asm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// The kinds of resource: a row of the file of the same name. A course is no resource: it is in courses.csv because a
// class refers to it.
const (
	location = "location"
	student  = "student"
	staff    = "staff"
	class    = "class"
	enrolled = "roster"     // a student in a class
	teaching = "instructor" // only ever withheld: an instructor who stands is a column of the class
)

// instructors is the set of a class that becomes its instructor columns, and mostInstructors how many there are.
const (
	instructors     = "instructors"
	mostInstructors = 15
)

// mapping says which rows Apple should hold.
type mapping struct {
	Config
	version string
}

var _ target.Mapping = (*mapping)(nil)

// revision changes with the code below whenever the same roster would give other rows.
const revision = "1"

func newMapping(c Config) (*mapping, error) {
	c.Delivery = Delivery{} // the way to Apple changes no row
	settings, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	sum := sha256.Sum256(settings)
	return &mapping{c, revision + "-" + hex.EncodeToString(sum[:8])}, nil
}

// Version returns the revision of the code and a digest of the settings.
func (m *mapping) Version() string { return m.version }

// Map returns the rows of a school unit, a person, or a class with its students.
func (m *mapping) Map(v target.View, e roster.Ref) []target.Wish {
	switch e.Kind {
	case roster.KindOrganisation:
		return m.unit(v, e)
	case roster.KindPerson:
		return m.person(v, e)
	case roster.KindGroup:
		return m.group(v, e)
	default:
		return nil
	}
}

// unit maps a school unit to its row in locations.csv. The organisation above it is the customer's account at Apple.
func (m *mapping) unit(v target.View, e roster.Ref) []target.Wish {
	o := v.Organisation(e.Key)
	if o == nil || o.Type != roster.SchoolUnit {
		return nil
	}
	r := newRow(location, e.Key.String(), e)
	if !o.Interval.Contains(v.Today()) {
		r.withhold(reason.NotCurrent)
	}
	r.require("location_name", roster.Personal(o.DisplayName))
	return r.wishes()
}

// person maps a person to one row, in students.csv or staff.csv: Apple has one account a person.
func (m *mapping) person(v target.View, e roster.Ref) []target.Wish {
	p := v.Person(e.Key)
	if p == nil {
		return nil
	}
	role := m.role(p, v.Today())
	r := newRow(kindOf(p, role), target.Anchor(v, e.Key).String(), e)
	switch {
	case p.Marking.Protects() || p.Suspended:
		r.withhold(reason.NotFound)
	case role == roster.RoleNone:
		r.leave(reason.NoActiveRole)
	}
	units, grade := stations(v, p, role)
	if len(units) == 0 {
		r.leave(reason.NoSchoolUnit)
	}

	account := persona(p, role)
	m.account(r, "person_number", m.PersonNumber.of(account))
	r.require("first_name", p.GivenName)
	r.put("middle_name", p.MiddleName)
	r.require("last_name", p.FamilyName)
	if role == roster.RolePupil {
		r.put("grade_level", roster.Personal(grade))
	}
	if m.Email != EmailOmit {
		m.account(r, "email_address", account.Email)
	}
	m.account(r, "sis_username", m.SISUsername.of(account))
	if role == roster.RolePupil {
		r.put("password_policy", roster.Personal(m.PasswordPolicy))
	}
	for _, u := range units {
		r.refer("location_id", target.ID{Kind: location, Key: u.String()})
	}
	return r.wishes()
}

// account puts a column that Apple may make Managed Apple Accounts of, and that is required then.
func (m *mapping) account(r *row, column string, value roster.Personal) {
	if m.AccountName == column || (column == "email_address" && m.Email == EmailFederated) {
		r.require(column, value)
	} else {
		r.put(column, value)
	}
}

// group maps a group to a class and its students.
func (m *mapping) group(v target.View, e roster.Ref) []target.Wish {
	g := v.Group(e.Key)
	if g == nil {
		return nil
	}
	r := newRow(class, e.Key.String(), e)
	switch {
	case !slices.Contains(m.GroupTypes, g.Type):
		r.withhold(reason.GroupTypeLeftOut, "type", g.Type)
	case !g.Interval.Contains(v.Today()):
		r.withhold(reason.NotCurrent)
	case !standing(v, g.Organisation):
		r.withhold(reason.NoSchoolUnit)
	}
	name, subject := roster.Personal(g.DisplayName), roster.Personal(g.Subject)
	r.put("class_number", name)
	if m.Courses == CoursePerSubject && g.Subject != "" {
		r.put("course_id", roster.Personal(derived(g.Organisation, "course:"+g.Subject)))
		r.put("course_name", subject)
	} else {
		r.put("course_id", roster.Personal(e.Key.String()))
		r.put("course_name", name)
	}
	r.put("course_number", subject)
	r.refer("location_id", target.ID{Kind: location, Key: g.Organisation.String()})
	if r.wish.Withheld != nil {
		return r.wishes()
	}

	teachers, rows := m.members(v, e, g)
	if len(teachers) > mostInstructors {
		for _, t := range teachers[mostInstructors:] {
			rows = append(rows, notTeaching(e, t.Key, reason.TooManyInstructors, "limit", mostInstructors))
		}
		teachers = teachers[:mostInstructors]
	}
	if len(teachers) > 0 {
		r.wish.Resource.Sets = []target.Set{{Name: instructors, Members: teachers}}
	}
	return append(r.wishes(), rows...)
}

// members returns the teachers of a class, sorted, and the rows of its students. Someone whom the view does not have is
// still wanted: whether the account stands is for the person's own record to say (rule R3).
func (m *mapping) members(v target.View, e roster.Ref, g *roster.Group) (teachers []target.ID, rows []target.Wish) {
	var last roster.Key // members are sorted, so that one who is there twice stands together
	classKey := e.Key.String()
	for _, member := range g.Members {
		if !member.Interval.Contains(v.Today()) {
			continue
		}
		p, account := v.Person(member.Person), target.Anchor(v, member.Person)
		as := roster.RoleNone
		if p != nil && !p.Marking.Protects() && !p.Suspended {
			as = m.role(p, v.Today())
		}
		switch {
		case slices.Contains(m.Instructors, member.Role):
			switch {
			case p == nil || as == roster.RoleStaff:
				teachers = append(teachers, target.ID{Kind: staff, Key: account.String()})
			case as == roster.RolePupil:
				rows = append(rows, notTeaching(e, account.String(), reason.OtherPersona, "role", as))
			}
		case member.Role == roster.MemberPupil && member.Person != last:
			last = member.Person
			r := newRow(enrolled, derived(e.Key, account.String()), e)
			switch {
			case p == nil || as == roster.RolePupil:
				r.refer("class_id", target.ID{Kind: class, Key: classKey})
				r.refer("student_id", target.ID{Kind: student, Key: account.String()})
			case as == roster.RoleStaff:
				r.withhold(reason.OtherPersona, "role", as)
			default:
				continue // the person's own row says why
			}
			rows = append(rows, r.wish)
		}
	}
	slices.SortFunc(teachers, target.ID.Compare)
	return slices.Compact(teachers), rows
}

// notTeaching tells why a class does not show someone as its instructor.
func notTeaching(e roster.Ref, person string, code reason.Code, args ...any) target.Wish {
	r := newRow(teaching, derived(e.Key, "instructor:"+person), e)
	r.withhold(code, args...)
	return r.wish
}

// role returns the role in which Apple knows the person: the one that is active today or, of two, the one that wins.
func (m *mapping) role(p *roster.Person, today roster.Date) roster.Role {
	pupil := slices.ContainsFunc(p.Enrolments, func(e roster.Enrolment) bool { return e.Interval.Contains(today) })
	works := slices.ContainsFunc(p.Duties, func(d roster.Duty) bool { return d.Interval.Contains(today) })
	switch {
	case pupil && works:
		return m.PersonaWins
	case pupil:
		return roster.RolePupil
	case works:
		return roster.RoleStaff
	default:
		return roster.RoleNone
	}
}

// kindOf returns the file of a person; one without an active role is told about where he or she was last.
func kindOf(p *roster.Person, role roster.Role) string {
	if role == roster.RolePupil || (role == roster.RoleNone && len(p.Enrolments) > 0) {
		return student
	}
	return staff
}

// stations returns the school units of a person in a role today, the primary one first and the others by key, and the
// pupil's year at the primary one.
func stations(v target.View, p *roster.Person, role roster.Role) (units []roster.Key, year string) {
	here := func(unit roster.Key, i roster.Interval) bool { return i.Contains(v.Today()) && standing(v, unit) }
	var now roster.Person
	if role == roster.RolePupil {
		for _, e := range p.Enrolments {
			if here(e.EnroledAt, e.Interval) {
				now.Enrolments = append(now.Enrolments, e)
				units = append(units, e.EnroledAt)
			}
		}
	} else {
		for _, d := range p.Duties {
			if here(d.DutyAt, d.Interval) {
				now.Duties = append(now.Duties, d)
				units = append(units, d.DutyAt)
			}
		}
	}
	var primary roster.Key
	if e, ok := roster.PrimaryEnrolment(&now, v.Today()); ok {
		primary, year = e.EnroledAt, e.SchoolYear
	}
	if d, ok := roster.PrimaryDuty(&now, v.Today()); ok {
		primary = d.DutyAt
	}
	slices.SortFunc(units, roster.Key.Compare)
	units = slices.Compact(units)
	if i := slices.Index(units, primary); i > 0 {
		copy(units[1:i+1], units[:i])
		units[0] = primary
	}
	return units, year
}

// standing tells whether a school unit is in locations.csv.
func standing(v target.View, unit roster.Key) bool {
	o := v.Organisation(unit)
	return o != nil && o.Type == roster.SchoolUnit && o.Interval.Contains(v.Today())
}

// persona returns what the person's account in a role is made of, or what a source said without telling the role.
func persona(p *roster.Person, role roster.Role) (found roster.Persona) {
	for _, a := range p.Personas {
		if a.Role == role || (a.Role == roster.RoleNone && found.Role == "") {
			found = a
		}
	}
	return found
}

// derived returns the id of something that has none in the roster: a UUID of version 5 in the name space of a key.
func derived(space roster.Key, name string) string {
	return uuid.NewSHA1(uuid.UUID(space), []byte(name)).String()
}

// row is a wish in the making. The first thing that keeps it from Apple is the one that is told.
type row struct{ wish target.Wish }

func newRow(kind, key string, e roster.Ref) *row {
	return &row{target.Wish{Resource: target.Resource{ID: target.ID{Kind: kind, Key: key}, Entity: e}}}
}

// withhold keeps the row from Apple, and takes back what it says already.
func (r *row) withhold(code reason.Code, args ...any) {
	if r.wish.Withheld == nil {
		why := reason.New(code, args...)
		r.wish = target.Wish{Resource: target.Resource{ID: r.wish.Resource.ID, Entity: r.wish.Resource.Entity}, Withheld: &why}
	}
}

// leave withholds the row of a person who has left.
func (r *row) leave(code reason.Code) {
	r.withhold(code)
	if r.wish.Withheld.Code == code {
		r.wish.Fate = target.Leaves
	}
}

// doubt withholds a row that cannot be made of what is known. One that Apple has stays as it is (rule R3).
func (r *row) doubt(code reason.Code, column string) {
	r.withhold(code, "column", column)
	if r.wish.Withheld.Code == code {
		r.wish.Fate = target.Stays
	}
}

// put sets a column that may be empty.
func (r *row) put(column string, value roster.Personal) {
	text := clean(value.Reveal())
	switch {
	case text == "" || r.wish.Withheld != nil:
	case strings.ContainsRune("=+-@", rune(text[0])):
		r.doubt(reason.FormulaLike, column)
	default:
		r.wish.Resource.Fields = append(r.wish.Resource.Fields, target.Field{Name: column, Value: roster.Personal(text)})
	}
}

// require sets a column that may not be empty.
func (r *row) require(column string, value roster.Personal) {
	if clean(value.Reveal()) == "" {
		r.doubt(reason.MissingValue, column)
	}
	r.put(column, value)
}

// refer sets a column to another row, which must stand.
func (r *row) refer(column string, to target.ID) {
	if r.wish.Withheld == nil {
		res := &r.wish.Resource
		res.Fields = append(res.Fields, target.Field{Name: column, Value: roster.Personal(to.Key)})
		res.Needs = append(res.Needs, to)
	}
}

func (r *row) wishes() []target.Wish { return []target.Wish{r.wish} }

// clean makes a text fit for Apple's files: NFC, no quote, no backslash (Apple escapes with it), no control character,
// a single blank for any run of white space, none at the ends.
func clean(s string) string {
	if plain(s) {
		return s
	}
	s = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !writable(c):
			return -1
		default:
			return c
		}
	}, norm.NFC.String(strings.ToValidUTF8(s, "")))
	return strings.Join(strings.Fields(s), " ")
}

// plain tells, without work, of most texts that they are clean.
func plain(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// writable tells whether a character may stand in a value.
func writable(c rune) bool { return c != '"' && c != '\\' && c != '\uFEFF' && !unicode.IsControl(c) }
