package asm

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/conformance/golden"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
)

// through returns the roster of the records of another, with what is said of units.
func through(u roster.Units, r *roster.Roster) *roster.Roster {
	out := newRoster(r.Today())
	for ref := range r.Each() {
		for _, rec := range r.Records(ref) {
			out.Apply(u.Apply(*rec))
		}
	}
	return out
}

// filesOf returns the files of a roster without what is out of scope, and what is withheld and why.
func filesOf(t *testing.T, u roster.Units, r *roster.Roster) map[string]string {
	t.Helper()
	made := open(t, defaults())
	set, wishes := settle(within{made.Mapping, u, r}, r)
	pack, problems := made.Deliverer.Render(set)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	list, err := files.Unpack(pack.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if text := withheld(wishes); text != "" {
		got["withheld.txt"] = text
	}
	for _, f := range list {
		got[f.Name] = string(f.Data)
	}
	return got
}

// within is a mapping of what is in scope.
type within struct {
	target.Mapping
	units roster.Units
	of    *roster.Roster
}

func (w within) Map(v target.View, e roster.Ref) []target.Wish {
	if w.units.Excluded(w.of, e) {
		return nil
	}
	return w.Mapping.Map(v, e)
}

// TestASchoolMergedOverTheSummerKeepsItsPupilsAccounts compares the files before and after with testdata/units, and the
// accounts with each other.
func TestASchoolMergedOverTheSummerKeepsItsPupilsAccounts(t *testing.T) {
	const dir = "testdata/units"
	unit := func(name string) roster.Key { return key(roster.KindOrganisation, name) }
	said := roster.NewUnits(map[roster.Key]roster.UnitRule{
		unit("little"): {MergedInto: unit("big")}, unit("big"): {Name: "Nya Storskolan", Code: "12345678"}, unit("private"): {Excluded: true},
	})
	r := readRoster(t, filepath.Join(dir, "roster.yaml"))
	none := roster.NewUnits(nil)
	before, after := filesOf(t, none, through(none, r)), filesOf(t, said, through(said, r))
	if diff := cmp.Diff(filesOf(t, none, r), before); diff != "" {
		t.Errorf("an empty table changes something: %s", diff)
	}
	for name, got := range map[string]map[string]string{"before": before, "after": after} {
		if golden.Update() {
			write(t, filepath.Join(dir, name), got)
		}
		if diff := cmp.Diff(read(t, filepath.Join(dir, name)), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, file := range []string{"students.csv", "staff.csv"} {
		was, is := accounts(t, before[file]), accounts(t, after[file])
		was = slices.DeleteFunc(was, func(row string) bool { return strings.Contains(row, "Friska") })
		if diff := cmp.Diff(was, is); diff != "" || len(is) == 0 {
			t.Errorf("%s has other accounts: %s", file, diff)
		}
	}
	if strings.Contains(after["students.csv"]+after["classes.csv"], unit("little").String()) {
		t.Error("somebody is still at the school that is merged")
	}
}

// accounts returns the rows of a file without the columns of the schools.
func accounts(t *testing.T, file string) (rows []string) {
	t.Helper()
	list, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range list {
		var rest []string
		for i, value := range row {
			if !strings.HasPrefix(list[0][i], "location_id") {
				rest = append(rest, value)
			}
		}
		rows = append(rows, strings.Join(rest, "|"))
	}
	return rows
}

func withheld(wishes []target.Wish) string {
	var out strings.Builder
	for _, w := range wishes {
		if w.Withheld != nil {
			fmt.Fprintf(&out, "%s: %s\n", w.Resource.ID, w.Withheld)
		}
	}
	return out.String()
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		content[e.Name()] = string(data)
	}
	return content
}

func write(t *testing.T, dir string, content map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
