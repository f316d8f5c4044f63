package demo

import (
	"archive/zip"
	"bytes"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/ess/municipality"
)

// delivery is a delivered zip that equals its register, and a directory that does.
type delivery struct {
	town      *municipality.Municipality
	day       roster.Date
	files     map[string]string
	directory []byte
}

// deliver has the demo deliver, and returns its last delivery and the directory with the register that they are of.
func deliver(t *testing.T) delivery {
	t.Helper()
	now := time.Now()
	day := roster.Today(now)
	dir := t.TempDir()
	var said strings.Builder
	o := Options{
		Source: Alvis, Pupils: MinPupils, Seed: 3, Dir: dir, Once: true, Out: &said, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return now.Add(time.Since(now)) },
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	d := delivery{
		town: municipality.New(municipality.Options{Pupils: o.Pupils, Seed: o.Seed, Day: day, Protected: municipality.ProtectedFlag}),
		day:  day, files: map[string]string{},
	}
	for _, s := range scenes(o.Pupils) {
		if s.change != nil {
			if _, err := s.change(d.town); err != nil {
				t.Fatal(err)
			}
		}
	}
	path, err := newest(dir + "/apple/dropbox")
	if err == nil {
		d.directory, err = os.ReadFile(dir + "/directory.json")
	}
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		d.files[f.Name] = string(text)
	}
	return d
}

// packed is the delivery's zip.
func (d delivery) packed(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(d.files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// edit changes the lines of a file; the first is the header.
func (d delivery) edit(file string, change func(lines []string) []string) {
	lines := strings.Split(strings.TrimSuffix(d.files[file], "\n"), "\n")
	d.files[file] = strings.Join(change(lines), "\n") + "\n"
}

// set changes a column of a row; row 1 is the first after the header.
func (d delivery) set(file string, row int, column string, to func(string) string) {
	d.edit(file, func(lines []string) []string {
		i := slices.Index(splitLine(lines[0]), column)
		values := splitLine(lines[row])
		values[i] = to(values[i])
		for j, v := range values {
			values[j] = `"` + v + `"`
		}
		lines[row] = strings.Join(values, ",")
		return lines
	})
}

// value returns a column of a row.
func (d delivery) value(file string, row int, column string) string {
	lines := strings.Split(d.files[file], "\n")
	return splitLine(lines[row])[slices.Index(splitLine(lines[0]), column)]
}

// rowOf returns the first row whose column has a value that fits.
func (d delivery) rowOf(t *testing.T, file, column string, fits func(string) bool) int {
	t.Helper()
	for row := 1; row < strings.Count(d.files[file], "\n"); row++ {
		if fits(d.value(file, row, column)) {
			return row
		}
	}
	t.Fatalf("%s has no row with such a %s", file, column)
	return 0
}

func to(value string) func(string) string { return func(string) string { return value } }

func drop(row int) func([]string) []string {
	return func(lines []string) []string { return slices.Delete(lines, row, row+1) }
}

func repeat(row int) func([]string) []string {
	return func(lines []string) []string { return append(lines, lines[row]) }
}

func TestVerify(t *testing.T) {
	whole := deliver(t)
	t.Run("directory", whole.verifyDirectory)
	content, err := Verify(whole.packed(t), whole.town, whole.day)
	if err != nil {
		t.Fatalf("what the demo delivered: %v", err)
	}
	if content.Students == 0 || content.Staff == 0 || content.Classes == 0 || content.Enrolled == 0 || content.Locations == 0 {
		t.Fatalf("the delivery shows %+v, want some of everything", content)
	}
	other := func(now string) func(string) bool { return func(s string) bool { return s != now } }

	for name, spoil := range map[string]func(t *testing.T, d delivery){
		"a pupil is missing": func(_ *testing.T, d delivery) {
			id := d.value("students.csv", 1, "person_id")
			d.edit("students.csv", drop(1))
			d.edit("rosters.csv", func(lines []string) []string {
				return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, id) })
			})
		},
		"a pupil is missing, and still in classes": func(_ *testing.T, d delivery) { d.edit("students.csv", drop(1)) },
		"a member of staff is missing":             func(_ *testing.T, d delivery) { d.edit("staff.csv", drop(1)) },
		"a pupil stands twice":                     func(_ *testing.T, d delivery) { d.edit("students.csv", repeat(1)) },
		"a pupil too many": func(_ *testing.T, d delivery) {
			d.edit("students.csv", repeat(1))
			last := strings.Count(d.files["students.csv"], "\n") - 1
			d.set("students.csv", last, "person_id", to("surplus"))
			d.set("students.csv", last, "last_name", to("Övertalig"))
		},
		"another first name": func(_ *testing.T, d delivery) { d.set("students.csv", 1, "first_name", to("Annan")) },
		"another surname":    func(_ *testing.T, d delivery) { d.set("students.csv", 1, "last_name", to("Annan")) },
		"another address":    func(_ *testing.T, d delivery) { d.set("staff.csv", 1, "email_address", to("x@y.example")) },
		"a letter less": func(_ *testing.T, d delivery) {
			d.set("staff.csv", 1, "last_name", func(s string) string { return s[:len(s)-1] })
		},
		"another school": func(t *testing.T, d delivery) {
			now := d.value("students.csv", 1, "location_id")
			row := d.rowOf(t, "locations.csv", "location_id", other(now))
			d.set("students.csv", 1, "location_id", to(d.value("locations.csv", row, "location_id")))
		},
		"another class": func(t *testing.T, d delivery) {
			now := d.value("rosters.csv", 1, "class_id")
			row := d.rowOf(t, "classes.csv", "class_id", other(now))
			d.set("rosters.csv", 1, "class_id", to(d.value("classes.csv", row, "class_id")))
		},
		"a place is missing":   func(_ *testing.T, d delivery) { d.edit("rosters.csv", drop(1)) },
		"a place stands twice": func(_ *testing.T, d delivery) { d.edit("rosters.csv", repeat(1)) },
		"a place in no class": func(_ *testing.T, d delivery) {
			d.edit("rosters.csv", repeat(1))
			d.set("rosters.csv", strings.Count(d.files["rosters.csv"], "\n")-1, "class_id", to("nowhere"))
		},
		"a place of nobody": func(_ *testing.T, d delivery) {
			d.edit("rosters.csv", repeat(1))
			d.set("rosters.csv", strings.Count(d.files["rosters.csv"], "\n")-1, "student_id", to("nobody"))
		},
		"a class is missing":   func(_ *testing.T, d delivery) { d.edit("classes.csv", drop(1)) },
		"a class stands twice": func(_ *testing.T, d delivery) { d.edit("classes.csv", repeat(1)) },
		"a class of another school": func(t *testing.T, d delivery) {
			now := d.value("classes.csv", 1, "location_id")
			row := d.rowOf(t, "locations.csv", "location_id", other(now))
			d.set("classes.csv", 1, "location_id", to(d.value("locations.csv", row, "location_id")))
		},
		"a class has another name":   func(_ *testing.T, d delivery) { d.set("courses.csv", 1, "course_name", to("Annat")) },
		"a class without its course": func(_ *testing.T, d delivery) { d.edit("courses.csv", drop(1)) },
		"a course of no class": func(_ *testing.T, d delivery) {
			d.edit("courses.csv", repeat(1))
			d.set("courses.csv", strings.Count(d.files["courses.csv"], "\n")-1, "course_id", to("surplus"))
		},
		"another instructor": func(t *testing.T, d delivery) {
			row := d.rowOf(t, "classes.csv", "instructor_id", func(s string) bool { return s != "" })
			now := d.value("classes.csv", row, "instructor_id")
			d.set("classes.csv", row, "instructor_id", to(d.value("staff.csv", d.rowOf(t, "staff.csv", "person_id", other(now)), "person_id")))
		},
		"an instructor is missing": func(t *testing.T, d delivery) {
			d.set("classes.csv", d.rowOf(t, "classes.csv", "instructor_id", func(s string) bool { return s != "" }), "instructor_id", to(""))
		},
		"a school is missing":       func(_ *testing.T, d delivery) { d.edit("locations.csv", drop(1)) },
		"a school has another name": func(_ *testing.T, d delivery) { d.set("locations.csv", 1, "location_name", to("Annan skola")) },
		"a school too many": func(_ *testing.T, d delivery) {
			d.edit("locations.csv", repeat(1))
			d.set("locations.csv", strings.Count(d.files["locations.csv"], "\n")-1, "location_id", to("surplus"))
		},
		"a file is missing":           func(_ *testing.T, d delivery) { delete(d.files, "staff.csv") },
		"a file too many":             func(_ *testing.T, d delivery) { d.files["more.csv"] = "a\n" },
		"a file is empty":             func(_ *testing.T, d delivery) { d.files["students.csv"] = "" },
		"a file with its header only": func(_ *testing.T, d delivery) { d.edit("students.csv", func(l []string) []string { return l[:1] }) },
		"a column has another name": func(_ *testing.T, d delivery) {
			d.files["students.csv"] = strings.Replace(d.files["students.csv"], "last_name", "surname", 1)
		},
		"a line lacks a value": func(_ *testing.T, d delivery) {
			d.edit("students.csv", func(l []string) []string { l[1] = l[1][:strings.LastIndex(l[1], ",")]; return l })
		},
		"the register of another day": func(_ *testing.T, d delivery) {
			if _, err := d.town.Leave(); err != nil {
				panic(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := delivery{town: whole.town.Clone(), day: whole.day, files: maps.Clone(whole.files)}
			spoil(t, d)
			_, err := Verify(d.packed(t), d.town, d.day)
			if err == nil {
				t.Fatal("it is taken for equal")
			}
			for i := range d.town.Persons { // R8
				if p := &d.town.Persons[i]; p.Email != "" && strings.Contains(err.Error(), p.Email.Reveal()) {
					t.Errorf("the error names a person: %v", err)
				}
			}
		})
	}
	for name, body := range map[string][]byte{"nothing": nil, "no zip": []byte("not a zip"), "half a zip": whole.packed(t)[:300]} {
		if _, err := Verify(body, whole.town, whole.day); err == nil {
			t.Errorf("%s is taken for equal", name)
		}
	}
}

func TestNewestOfNothing(t *testing.T) {
	if _, err := newest(t.TempDir()); err == nil || !strings.Contains(err.Error(), "nothing was delivered") {
		t.Errorf("got %v", err)
	}
	if _, err := newest(t.TempDir() + "/missing"); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}
