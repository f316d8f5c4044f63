package asm

import (
	"slices"
	"strings"
	"unicode"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
)

// format writes Apple's six files. All six are always there; one with no more than its header is legal.
//
// Names, columns, rules and quoting: Apple, "Template information for importing records" and the pages of the six
// templates, support.apple.com.
type format struct{ tables files.Tables }

var _ files.Format = format{}

// Files writes the set, with the courses that its classes are of.
func (f format) Files(set []target.Resource) ([]files.File, []target.Problem) {
	of := courses(set)
	all := make([]target.Resource, 0, len(of)+len(set))
	for id, class := range of {
		class.ID = target.ID{Kind: course, Key: id}
		all = append(all, class)
	}
	list, problems := f.tables.Files(append(all, set...))
	for i, p := range problems {
		if p.ID.Kind == course { // no resource of its own: the class that it is of is at fault
			problems[i].ID = of[p.ID.Key].ID
		}
	}
	return list, problems
}

// course is the kind of the rows in courses.csv.
const course = "course"

// courses returns the class that describes each course. Classes of one course say the same of it, save perhaps its
// name: then the class with the lowest key has its way.
func courses(set []target.Resource) map[string]target.Resource {
	of := map[string]target.Resource{}
	for _, r := range set {
		if r.ID.Kind != class {
			continue
		}
		id := valueOf(r, "course_id")
		if other, ok := of[id]; !ok || r.ID.Key < other.ID.Key {
			of[id] = r
		}
	}
	return of
}

func valueOf(r target.Resource, column string) string {
	i := slices.IndexFunc(r.Fields, func(f target.Field) bool { return f.Name == column })
	if i < 0 {
		return ""
	}
	return r.Fields[i].Value.Reveal()
}

// tables returns the six files with their columns in the order of Apple's templates.
func tables() []files.Table {
	id := func(name, unique string) files.Column {
		return files.Column{Name: name, Key: true, Required: true, Unique: unique, Allowed: idCharacter}
	}
	refer := func(name, kind string) files.Column {
		return files.Column{Name: name, Refers: kind, Required: true, Allowed: idCharacter}
	}
	text := func(name string) files.Column { return files.Column{Name: name} }
	must := func(name string) files.Column { return files.Column{Name: name, Required: true} }
	at := refer("location_id", location)
	several := at
	several.Most = 999
	teachers := files.Column{Name: "instructor_id", Set: instructors, Refers: staff, Least: 3, Most: mostInstructors, Allowed: idCharacter}

	return []files.Table{
		{File: "students.csv", Kind: student, Columns: []files.Column{
			id("person_id", "person"), text("person_number"), must("first_name"), text("middle_name"), must("last_name"),
			text("grade_level"), text("email_address"), text("sis_username"), text("password_policy"), several,
		}},
		{File: "staff.csv", Kind: staff, Columns: []files.Column{
			id("person_id", "person"), text("person_number"), must("first_name"), text("middle_name"), must("last_name"),
			text("email_address"), text("sis_username"), several,
		}},
		{File: "courses.csv", Kind: course, Columns: []files.Column{
			id("course_id", course), text("course_number"), text("course_name"), at,
		}},
		{File: "classes.csv", Kind: class, Columns: []files.Column{
			id("class_id", class), text("class_number"), refer("course_id", course), teachers, at,
		}},
		{File: "rosters.csv", Kind: enrolled, Columns: []files.Column{
			id("roster_id", "roster"), refer("class_id", class), refer("student_id", student),
		}},
		{File: "locations.csv", Kind: location, Columns: []files.Column{
			id("location_id", "location"), must("location_name"),
		}},
	}
}

// newFormat returns the format for the settings, which are valid.
func newFormat(c Config) format {
	list := tables()
	for i, t := range list {
		for j := range t.Columns {
			col := &t.Columns[j]
			if c.AccountName == col.Name {
				col.Required = true
			}
			if col.Name == "email_address" && c.Email == EmailFederated {
				col.Required, col.Unique, col.Same = true, col.Name, strings.ToLower
			}
		}
		if header := c.Columns[t.File]; len(header) > 0 {
			list[i].Columns = inOrder(t.Columns, header)
		}
	}
	return format{files.Tables{
		Dialect: files.Dialect{Separator: string(c.Separator), LineEnd: "\n", Quote: quote, Allowed: writable},
		Tables:  list,
	}}
}

// inOrder returns the columns as the header of a template has them. The numbered ones after the first say only how many
// there are at least.
func inOrder(columns []files.Column, header []string) []files.Column {
	var out []files.Column
	for _, name := range header {
		for _, col := range columns {
			for n := 1; n <= max(1, col.Most); n++ {
				if name != files.Numbered(col.Name, n) {
					continue
				}
				if n == 1 {
					col.Least = 0
					out = append(out, col)
				} else if i := slices.IndexFunc(out, func(c files.Column) bool { return c.Name == col.Name }); i >= 0 {
					out[i].Least = max(out[i].Least, n)
				}
			}
		}
	}
	return out
}

// quote writes a value in straight quotes when it has a blank or a comma, and as it is otherwise. What Apple would want
// escaped is not in a value: clean takes it out and the pre-flight looks again.
func quote(dst []byte, value, separator string) []byte {
	if !strings.ContainsAny(value, " ,") && !strings.Contains(value, separator) {
		return append(dst, value...)
	}
	dst = append(dst, '"')
	dst = append(dst, value...)
	return append(dst, '"')
}

// idCharacter tells whether a character may stand in an id.
func idCharacter(c rune) bool {
	return c == '-' || (c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)))
}
