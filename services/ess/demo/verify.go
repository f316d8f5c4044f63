package demo

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/ess/municipality"
)

// Content counts what a delivery shows.
type Content struct{ Students, Staff, Classes, Enrolled, Locations int }

// Verify compares a delivered zip with the register, and says what differs without naming anyone. It knows the
// register from the municipality and the delivery from the bytes, and shares no code with what made the one of the
// other.
//
// Apple takes no person without a first and a last name, and one account a person, of which staff wins.
func Verify(delivered []byte, m *municipality.Municipality, day roster.Date) (Content, error) {
	tables, err := readZip(delivered)
	if err != nil {
		return Content{}, err
	}
	want, got := fromRegister(m, day), fromFiles(tables)
	var errs []error
	for _, kind := range []string{"students", "staff", "classes", "locations"} {
		errs = append(errs, differ(kind, want[kind], got[kind]))
	}
	errs = append(errs, resolve(tables))
	return Content{
		Students: len(tables["students.csv"]), Staff: len(tables["staff.csv"]), Classes: len(tables["classes.csv"]),
		Enrolled: len(tables["rosters.csv"]), Locations: len(tables["locations.csv"]),
	}, errors.Join(errs...)
}

// resolve finds rows that stand for nothing: they refer to a row that is not there, or no row refers to them.
func resolve(t map[string][]row) error {
	ids := func(file, column string) map[string]int {
		out := map[string]int{}
		for _, r := range t[file] {
			out[r[column]]++
		}
		return out
	}
	students, classes, courses := ids("students.csv", "person_id"), ids("classes.csv", "class_id"), ids("courses.csv", "course_id")
	taught, lost := ids("classes.csv", "course_id"), 0
	for _, r := range t["rosters.csv"] {
		if students[r["student_id"]] != 1 || classes[r["class_id"]] != 1 {
			lost++
		}
	}
	for id := range courses {
		if taught[id] == 0 {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d places are of nobody or in no class, or courses are of no class", lost)
	}
	return nil
}

// bag counts rows by what they say.
type bag map[string]int

func differ(kind string, want, got bag) error {
	missing, surplus := 0, 0
	for k, n := range want {
		missing += max(0, n-got[k])
	}
	for k, n := range got {
		surplus += max(0, n-want[k])
	}
	if missing+surplus == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d of the register are missing or different in the files, and %d are in the files that should not be", kind, missing, surplus)
}

// unquoted is what Apple's format makes of a text: it has no way to write a quotation mark that every reader takes.
func unquoted(s string) string { return strings.ReplaceAll(s, `"`, "") }

// who tells a person from every other one.
func who(given, family, email string) string {
	return strings.Join([]string{given, family, email}, "|")
}

func fromRegister(m *municipality.Municipality, day roster.Date) map[string]bag {
	a := m.Active(day)
	out := map[string]bag{"students": {}, "staff": {}, "classes": {}, "locations": {}}
	students, staff := map[string]string{}, map[string]string{}
	name := func(p municipality.ActivePerson) string {
		return who(p.Given.Reveal(), p.Family.Reveal(), p.Email.Reveal())
	}
	for _, p := range a.Staff {
		if p.Family != "" {
			staff[p.ID] = name(p)
			out["staff"][name(p)+" at "+strings.Join(p.Units, "+")]++
		}
	}
	for _, p := range a.Pupils {
		if _, works := staff[p.ID]; !works && p.Family != "" {
			students[p.ID] = name(p)
			out["students"][name(p)+" at "+strings.Join(p.Units, "+")]++
		}
	}
	for _, u := range m.Units {
		if u.Parent != "" {
			out["locations"][unquoted(u.Name)]++
		}
	}
	pick := func(ids []string, of map[string]string) (names []string) {
		for _, id := range ids {
			if n, ok := of[id]; ok {
				names = append(names, n)
			}
		}
		return names
	}
	for _, g := range a.Groups {
		if g.Kind != municipality.Mentors {
			out["classes"][classText(unquoted(g.Name), g.Unit, pick(g.Pupils, students), pick(g.Teachers, staff))]++
		}
	}
	return out
}

func classText(name, unit string, students, instructors []string) string {
	slices.Sort(students)
	slices.Sort(instructors)
	return fmt.Sprintf("%s at %s: %s; by %s", name, unit, strings.Join(students, ","), strings.Join(instructors, ","))
}

func fromFiles(t map[string][]row) map[string]bag {
	out := map[string]bag{"students": {}, "staff": {}, "classes": {}, "locations": {}}
	units, persons, courses := map[string]string{}, map[string]string{}, map[string]string{}
	for _, r := range t["locations.csv"] {
		units[r["location_id"]] = r["location_name"]
		out["locations"][r["location_name"]]++
	}
	for kind, file := range map[string]string{"students": "students.csv", "staff": "staff.csv"} {
		for _, r := range t[file] {
			name := who(r["first_name"], r["last_name"], r["email_address"])
			persons[r["person_id"]] = name
			var at []string
			for i := 1; ; i++ {
				id, ok := r[numbered("location_id", i)]
				if !ok {
					break
				}
				if id != "" {
					at = append(at, units[id])
				}
			}
			slices.Sort(at)
			out[kind][name+" at "+strings.Join(at, "+")]++
		}
	}
	for _, r := range t["courses.csv"] {
		courses[r["course_id"]] = r["course_name"]
	}
	members := map[string][]string{}
	for _, r := range t["rosters.csv"] {
		members[r["class_id"]] = append(members[r["class_id"]], persons[r["student_id"]])
	}
	for _, r := range t["classes.csv"] {
		var by []string
		for i := 1; i <= 15; i++ {
			if id := r[numbered("instructor_id", i)]; id != "" {
				by = append(by, persons[id])
			}
		}
		out["classes"][classText(courses[r["course_id"]], units[r["location_id"]], members[r["class_id"]], by)]++
	}
	return out
}

func numbered(column string, i int) string {
	if i == 1 {
		return column
	}
	return column + "_" + strconv.Itoa(i)
}

// row is a line of a file, by column.
type row map[string]string

func readZip(data []byte) (map[string][]row, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	out := map[string][]row{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(r, 1<<30))
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if out[f.Name], err = readTable(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	files := []string{"classes.csv", "courses.csv", "locations.csv", "rosters.csv", "staff.csv", "students.csv"}
	if names := slices.Sorted(maps.Keys(out)); !slices.Equal(names, files) {
		return nil, fmt.Errorf("the zip holds %v, want %v", names, files)
	}
	return out, nil
}

func readTable(text string) ([]row, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	header := splitLine(lines[0])
	rows := make([]row, 0, len(lines)-1)
	for i, line := range lines[1:] {
		values := splitLine(line)
		if len(values) != len(header) {
			return nil, fmt.Errorf("line %d has %d values for %d columns", i+2, len(values), len(header))
		}
		r := row{}
		for j, column := range header {
			r[column] = values[j]
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// splitLine splits at commas outside straight quotes. Inside a value a backslash takes the next character as it is.
func splitLine(line string) (values []string) {
	var value strings.Builder
	quoted, escaped := false, false
	for _, c := range line {
		switch {
		case escaped:
			value.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			values = append(values, value.String())
			value.Reset()
		default:
			value.WriteRune(c)
		}
	}
	return append(values, value.String())
}
