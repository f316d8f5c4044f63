package sourcetest_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/conformance/golden"
	"eventful.se/ess/libs/source/sourcetest"
)

// planted is the environment variable that says what is broken about the source of the cases below.
const planted = "CASES_PLANTED"

// TestClayCases runs golden cases in a folder that TestACaseCanFail has planted.
func TestClayCases(t *testing.T) {
	flaw, ok := os.LookupEnv(planted)
	if !ok {
		t.Skip("does not apply: it runs on the cases that TestACaseCanFail plants")
	}
	c := newClay(flaw)
	sourcetest.Cases(t, c.under().Connector, func(*testing.T) sourcetest.Side {
		return sourcetest.Side{Values: map[string]string{"name": "clay"}, Hold: func(files string, at time.Time) error {
			data, err := os.ReadFile(filepath.Join(files, "town.yaml"))
			town := sourcetest.Town{}
			err = errors.Join(err, yaml.Unmarshal(data, &town))
			town.At = at
			return errors.Join(err, c.Hold(town))
		}}
	})
}

func TestACaseCanFail(t *testing.T) {
	const before = `units: [{id: u-1, name: Provskolan}]
persons:
  - {id: p-1, civicno: "189001019802", givenname: Testa, familyname: Åkesdotter, email: testa@elev.example, role: pupil, unit: u-1}
  - {id: p-2, civicno: "188001019812", givenname: Prova, familyname: Provsson, email: prova@elev.example, role: pupil, unit: u-1}
`
	renamed, _, _ := strings.Cut(strings.Replace(before, "Testa", "Testina", 1), "  - {id: p-2")
	input := renamed + "groups: [{id: g-1, name: 7A, unit: u-1, members: [{person: p-1, role: pupil}]}]\n"
	dir := filepath.Join(t.TempDir(), "testdata", "cases", "renamed")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(flaw string, args ...string) (bool, string) {
		t.Helper()
		t.Setenv(planted, flaw)
		return golden.RunPlanted(t, "TestClayCases", filepath.Join(dir, "../../.."), args...)
	}
	write("settings.yaml", "name: ${name}\n")
	write("before/town.yaml", before)
	write("input/town.yaml", input)
	if passed, printed := run("", "-update"); !passed {
		t.Fatal(printed)
	}
	data, err := os.ReadFile(filepath.Join(dir, golden.Expected))
	if err != nil {
		t.Fatal(err)
	}
	if passed, printed := run(""); !passed {
		t.Errorf("what was written with -update is not what comes out: %s", printed)
	}
	for _, line := range []string{
		"state: published", "group.created: 1", "person: p-1", "key: a8856fbb-5119-8d08-92d5-6896ded92649", "givenName: Testina",
		`civicNo: "189001019802"`, "enroledAt: u-1", "role: pupil",
	} {
		t.Run(line, func(t *testing.T) {
			if !strings.Contains(string(data), line) {
				t.Fatalf("nothing expects %q:\n%s", line, data)
			}
			write(golden.Expected, strings.Replace(string(data), line, "planted", 1))
			if passed, printed := run(""); passed || !strings.Contains(printed, "planted") || !strings.Contains(printed, line) {
				t.Errorf("a wrong expectation passed or was not shown:\n%s", printed)
			}
		})
	}
	write(golden.Expected, string(data))
	for flaw, shows := range map[string]string{
		"forgets who left":        "reason: left",
		"names people in a place": "", // which no expectation shows: where something stands is left out
	} {
		if passed, printed := run(flaw); passed != (shows == "") || !strings.Contains(printed, shows) {
			t.Errorf("a source that %s: passed is %v, want it to show %q; it printed\n%s", flaw, passed, shows, printed)
		}
	}
}
