package table

import (
	"slices"
	"strconv"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Reading makes facts of the rows of one read. The tables come in the order of [Contract].
type Reading struct {
	Profile Profile
	Today   roster.Date
	Emit    func(fact.Doc) error
	// Email returns the address that goes before that of the row; nil, or nothing, for none.
	Email func(fact.Person) string

	Seen     map[string]int // rows by table
	Odd      bool           // rows were left out that may be anybody's, so that the read is not complete
	Findings []fact.Finding

	ties  map[string]struct{} // ids of who has something to belong to
	found map[found]int       // place in Findings

	dates        map[string]roster.Date // as they were read; there are few
	openEnds     []roster.Date
	since, until roster.Date // whose last day is before the one, or first day after the other, does not count
}

// NewReading returns the reading of nothing as yet.
func NewReading(p Profile, today roster.Date, emit func(fact.Doc) error) *Reading {
	r := &Reading{
		Profile: p, Today: today, Emit: emit, Seen: map[string]int{}, ties: map[string]struct{}{}, found: map[found]int{},
		dates: map[string]roster.Date{}, since: today.AddDays(-p.After), until: today.AddDays(p.Before),
	}
	for _, day := range p.OpenEnds {
		r.openEnds = append(r.openEnds, r.date(day))
	}
	return r
}

// found is what findings are counted by.
type found struct {
	code       reason.Code
	of, column string
}

// Row is a row of a table. Its values are read while [Reading.Add] goes on, and not after it.
type Row struct {
	Of      string   // what findings call the table
	N       int      // which row of it; 0 for the table itself
	Columns []string // their names, in the order of their places: few, so that looking through them is the fastest
	Value   func(place int) string
}

// get returns what stands in a column; nothing of one that is not there.
func (x Row) get(column string) string {
	if i := slices.Index(x.Columns, column); i >= 0 {
		return strings.TrimSpace(x.Value(i))
	}
	return ""
}

func (x Row) where() string {
	if x.N == 0 {
		return x.Of
	}
	return string(strconv.AppendInt(append([]byte(x.Of), ", row "...), int64(x.N), 10))
}

// Add takes a row in. An error is one of Emit.
func (r *Reading) Add(t Table, x Row) error {
	r.Seen[t.Name]++
	for _, c := range t.Columns {
		if c.Need == Filled && x.get(c.Name) == "" {
			r.Odd = true // R3: it may be anybody's
			r.Find(x, reason.RowWithoutKey, "query", x.Of, "column", c.Name)
			return nil
		}
	}
	return t.each(r, x)
}

// Find counts a finding.
func (r *Reading) Find(x Row, code reason.Code, args ...any) {
	why := reason.New(code, args...)
	key := found{code, x.Of, why.Arg("column")}
	if i, ok := r.found[key]; ok {
		r.Findings[i].Count++
		return
	}
	r.found[key] = len(r.Findings)
	r.Findings = append(r.Findings, fact.Finding{Reason: why, Severity: fact.Warning, Effect: fact.Noted, Where: x.where(), Count: 1})
}

func (r *Reading) state(x Row, id string, facts ...fact.Fact) error {
	return r.Emit(fact.Doc{ID: id, Where: x.where(), Facts: facts})
}

// tieID returns the id of the doc of a row, which its parts are where it has none of its own.
func tieID(kind string, x Row, parts ...string) string {
	if id := x.get("id"); id != "" {
		return kind + "/" + id
	}
	return kind + "/" + strings.Join(parts, "/")
}

// days returns the first and the last day of a row, and whether it counts today. A day that cannot be read goes on as it
// stands, and is told by the assembler.
func (r *Reading) days(x Row) (start, end string, counts bool) {
	start, end = x.get("start_date"), x.get("end_date")
	first, last := r.date(start), r.date(end)
	if !last.IsOpen() && slices.Contains(r.openEnds, last) {
		end, last = "", 0
	}
	counts = (first.IsOpen() || first <= r.until) && (last.IsOpen() || last >= r.since)
	return start, end, counts
}

// maxDates is how many dates are remembered: those of a school are some hundreds.
const maxDates = 10_000

// date reads a date; none of what is none.
func (r *Reading) date(s string) roster.Date {
	d, known := r.dates[s]
	if known {
		return d
	}
	if len(r.dates) >= maxDates {
		clear(r.dates)
	}
	d, _ = roster.ParseDate(s)
	r.dates[s] = d
	return d
}

// yes reads a yes or no; not ok of what is neither.
func yes(word string) (is, ok bool) {
	switch fold(word) {
	case "1", "j", "ja", "y", "yes", "true", "t", "s":
		return true, true
	case "0", "n", "nej", "no", "false", "f":
		return false, true
	default:
		return false, false
	}
}

// word translates a word of the register; not ok of one that is to be left out.
func word(table map[string]string, s string) (string, bool) {
	if to, known := table[fold(s)]; known {
		return to, to != ignore
	}
	return s, true
}

func (r *Reading) unit(x Row) error {
	start, end, counts := r.days(x)
	if active, ok := yes(x.get("active")); ok && !active || !counts {
		return nil
	}
	u := fact.Unit{ID: x.get("id"), Name: x.get("name"), Type: x.get("unit_type"), Parent: x.get("org_id"), Start: start, End: end}
	if code := x.get("school_unit_code"); code != "" {
		u.UnitCodes = []string{code}
	}
	u.SchoolTypes = strings.FieldsFunc(x.get("school_types"), func(c rune) bool { return c == ',' || c == ';' || c == ' ' })
	return r.state(x, "unit/"+u.ID, u)
}

func (r *Reading) enrolment(x Row) error {
	start, end, counts := r.days(x)
	if !counts {
		return nil
	}
	e := fact.Enrolment{
		Person: x.get("person_id"), Unit: x.get("school_unit_id"), SchoolType: x.get("school_type"), SchoolYear: x.get("school_year"),
		Programme: x.get("programme_code"), Start: start, End: end,
	}
	r.ties[e.Person] = struct{}{}
	return r.state(x, tieID("enrolment", x, e.Person, e.Unit, e.SchoolType, start), e)
}

func (r *Reading) duty(x Row) error {
	start, end, counts := r.days(x)
	role, wanted := word(r.Profile.DutyRoles, x.get("duty_role"))
	if !counts || !wanted {
		return nil
	}
	d := fact.Duty{Person: x.get("person_id"), Unit: x.get("school_unit_id"), Role: role, Start: start, End: end}
	r.ties[d.Person] = struct{}{}
	return r.state(x, tieID("duty", x, d.Person, d.Unit, x.get("duty_role"), start), d)
}

// unreadable is no word of SS 12000, and protects.
const unreadable = "unreadable"

// marking reads the column protected: yes, no, or which marking it is.
func marking(x Row) string {
	said := x.get("protected")
	if known := roster.SecurityMarking(said); said != "" && known.Known() {
		return said
	}
	switch is, ok := yes(said); {
	case !ok:
		return unreadable
	case is:
		return string(roster.MarkingConfidential)
	default:
		return string(roster.MarkingNone)
	}
}

func (r *Reading) person(x Row) error {
	p := fact.Person{
		ID: x.get("id"), CivicNo: x.get("civic_no"), GivenName: x.get("given_name"), FamilyName: x.get("family_name"), Email: x.get("email"),
		Username: x.get("username"), EPPN: x.get("eppn"), Role: role(x),
	}
	p.Marking = marking(x)
	if r.Email != nil {
		if own := r.Email(p); own != "" {
			p.Email = own
		}
	}
	if _, tied := r.ties[p.ID]; !tied && p.Marking == string(roster.MarkingNone) {
		return nil
	}
	return r.state(x, "person/"+p.ID, p)
}

// role reads the column kind; empty where it does not tell.
func role(x Row) string {
	switch fold(x.get("kind")) {
	case "s":
		return string(roster.RolePupil)
	case "e":
		return string(roster.RoleStaff)
	default:
		return ""
	}
}

// addition states what the accounts of a person are called whom another source states, and of who is protected nothing else.
func (r *Reading) addition(x Row) error {
	p := fact.Person{ID: x.get("id"), About: true, Role: role(x), Email: x.get("email"), Username: x.get("username"), EPPN: x.get("eppn")}
	who := fact.Foreign{Kind: roster.KindPerson, ID: p.ID, Source: r.Profile.Enriches, OtherID: p.ID, CivicNo: x.get("civic_no")}
	if slices.Contains(x.Columns, "protected") {
		if mark := marking(x); mark != string(roster.MarkingNone) {
			p = fact.Person{ID: p.ID, About: true, Marking: mark}
		}
	}
	if p.Marking == "" && p.Email == "" && p.Username == "" && p.EPPN == "" {
		return nil
	}
	return r.state(x, "person/"+p.ID+"/"+p.Role, p, who)
}

func (r *Reading) group(x Row) error {
	start, end, counts := r.days(x)
	kind, wanted := word(r.Profile.GroupTypes, x.get("group_type"))
	if !counts || !wanted {
		return nil
	}
	subject := x.get("course_code")
	if subject == "" {
		subject = x.get("subject_code")
	}
	g := fact.Group{
		ID: x.get("id"), Name: x.get("name"), Type: kind, Unit: x.get("school_unit_id"), SchoolType: x.get("school_type"),
		Subject: subject, Start: start, End: end,
	}
	return r.state(x, "group/"+g.ID, g)
}

func (r *Reading) membership(x Row) error {
	start, end, counts := r.days(x)
	role, wanted := word(r.Profile.MemberRoles, x.get("role"))
	if !counts || !wanted {
		return nil
	}
	m := fact.Member{Group: x.get("group_id"), Person: x.get("person_id"), Role: role, Start: start, End: end}
	return r.state(x, tieID("membership", x, m.Group, m.Person, x.get("role")), m)
}
