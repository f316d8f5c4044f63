package municipality

import (
	"bufio"
	"io"
	"strings"

	"eventful.se/ess/libs/roster"
)

// sqlRows is how many rows an INSERT has.
const sqlRows = 500

// EncodeSQL writes the municipality as SQL that makes the tables of a register in a schema ess, as the sources that read
// databases want them, with the ids of [Municipality.EncodeIMS] and the content of [Municipality.SS12000]. It is of the
// dialect of PostgreSQL.
//
// Who is protected has a word in persons.protected where the register marks them, and is in no table where it leaves them out.
func (m *Municipality) EncodeSQL(w io.Writer, progress func(done, total int)) error {
	e := m.standard()
	x := sqlWriter{b: bufio.NewWriter(w), progress: progress, total: len(m.Units) + len(m.Persons) + len(m.Groups)}
	x.raw("BEGIN;\nCREATE SCHEMA ess;\n")
	x.begin("school_units", "id text, name text, school_unit_code text, org_id text, school_types text, unit_type text")
	for i := range m.Units {
		o := e.organisation(&m.Units[i])
		x.row(o.ID, o.Name, o.SchoolUnitCode, o.Parent.ID, strings.Join(o.SchoolTypes, ","), o.Type)
		x.step()
	}
	x.begin("enrolments", "person_id text, school_unit_id text, school_type text, school_year text, start_date date, end_date date")
	for i := range m.Persons {
		if e.hidden[m.Persons[i].ID] {
			continue
		}
		for _, own := range e.person(&m.Persons[i]).Enrolments {
			x.row(m.Persons[i].ID, own.Unit.ID, own.SchoolType, own.SchoolYear, own.Start, own.End)
		}
	}
	x.begin("duties", "person_id text, school_unit_id text, duty_role text, start_date date, end_date date")
	for i := range m.Persons {
		if e.hidden[m.Persons[i].ID] {
			continue
		}
		for _, d := range m.Persons[i].Duties {
			x.row(m.Persons[i].ID, d.Unit, string(dutyRole(d.Role)), d.Start.String(), d.End.String())
		}
	}
	x.begin("persons", "id text, civic_no text, given_name text, family_name text, email text, protected text, kind text")
	for i := range m.Persons {
		if p := &m.Persons[i]; !e.hidden[p.ID] {
			x.row(p.ID, p.CivicNo.Reveal(), p.Given.Reveal(), p.Family.Reveal(), p.Email.Reveal(), m.sqlProtected(p), sqlKind(p))
		}
		x.step()
	}
	x.begin("groups", "id text, school_unit_id text, name text, group_type text, school_type text, course_code text, start_date date, end_date date")
	for i := range m.Groups {
		g := &m.Groups[i]
		x.row(g.ID, g.Unit, g.Name, string(groupType(g.Kind)), string(e.units[g.Unit].SchoolType), g.Course, g.Start.String(), g.End.String())
		x.step()
	}
	x.begin("memberships", "group_id text, person_id text, role text, start_date date, end_date date")
	for i := range m.Groups {
		for _, own := range shown(m.Groups[i].Members, e.hidden) {
			x.row(m.Groups[i].ID, own.Person, map[Role]string{Learner: "S", Instructor: "T", Mentor: "M"}[own.Role], own.Start.String(), own.End.String())
		}
	}
	x.end()
	x.raw("COMMIT;\n")
	return x.b.Flush()
}

// sqlProtected returns what stands in persons.protected; a register that tells nothing says no of everyone.
func (m *Municipality) sqlProtected(p *Person) string {
	if m.Protected == ProtectedFlag && p.Marking != "" && p.Marking != roster.MarkingNone {
		return string(p.Marking)
	}
	return "0"
}

// sqlKind returns S of a pupil and E of staff; nothing of who is both.
func sqlKind(p *Person) string {
	switch {
	case len(p.Enrolments) > 0 && len(p.Duties) > 0:
		return ""
	case len(p.Duties) > 0:
		return "E"
	default:
		return "S"
	}
}

// sqlWriter writes tables and their rows. An error of a write shows when it is flushed.
type sqlWriter struct {
	b           *bufio.Writer
	table       string
	n           int // rows of the table
	done, total int
	progress    func(done, total int)
}

func (x *sqlWriter) raw(s string) { _, _ = x.b.WriteString(s) }

// begin makes a table; the rows that follow are its own.
func (x *sqlWriter) begin(table, columns string) {
	x.end()
	x.table, x.n = table, 0
	x.raw("CREATE TABLE ess." + table + " (" + columns + ");\n")
}

func (x *sqlWriter) end() {
	if x.n > 0 {
		x.raw(";\n")
	}
}

// row writes a row; what is empty is NULL.
func (x *sqlWriter) row(values ...string) {
	if x.n%sqlRows == 0 {
		x.end()
		x.raw("INSERT INTO ess." + x.table + " VALUES\n(")
	} else {
		x.raw(",\n(")
	}
	x.n++
	for i, v := range values {
		if i > 0 {
			x.raw(", ")
		}
		if v == "" {
			x.raw("NULL")
			continue
		}
		x.raw("'" + strings.ReplaceAll(v, "'", "''") + "'")
	}
	x.raw(")")
}

func (x *sqlWriter) step() {
	if x.done++; x.progress != nil && (x.done%1000 == 0 || x.done == x.total) {
		x.progress(x.done, x.total)
	}
}
