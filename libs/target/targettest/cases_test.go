package targettest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance/golden"
	"eventful.se/ess/libs/target/targettest"
)

// plantedCases is the environment variable that says what is broken about the target of the cases below.
const plantedCases = "CASES_PLANTED"

// TestFakeCases runs golden cases in a folder that TestACaseCanFail has planted.
func TestFakeCases(t *testing.T) {
	flaw, ok := os.LookupEnv(plantedCases)
	if !ok {
		t.Skip("does not apply: it runs on the cases that TestACaseCanFail plants")
	}
	u := (&fake{broken: flaw, deadline: time.Second}).under()
	targettest.Cases(t, u.Connector, func(t *testing.T) (targettest.Peer, map[string]string) {
		p, settings := u.Peer(t)
		return p, map[string]string{"peer": strings.TrimPrefix(settings, "peer: ")}
	})
}

func TestACaseCanFail(t *testing.T) {
	const school = `organisations: [{id: north, displayName: Norra}]
persons:
  - {id: anna, givenName: Anna, familyName: Provsson, personas: [{role: pupil, username: annpro}], enrolments: [{enroledAt: north}]}
  - {id: bo, givenName: Bo, familyName: Provsson, personas: [{role: pupil, username: bopro}], enrolments: [{enroledAt: north}]}
  - {id: cia, givenName: Cia, familyName: Provsson, personas: [{role: pupil, username: ciapro}], securityMarking: Ingen, enrolments: [{enroledAt: north}]}
groups: [{id: 7a, displayName: 7A, groupType: Klass, organisation: north, groupMemberships: [{person: anna, role: pupil}, {person: bo, role: pupil}]}]
`
	dir := filepath.Join(t.TempDir(), "testdata", "cases", "october")
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
		t.Setenv(plantedCases, flaw)
		return golden.RunPlanted(t, "TestFakeCases", filepath.Join(dir, "../../.."), args...)
	}
	write("settings.yaml", "peer: ${peer}\n")
	write("before.yaml", "today: 2026-10-01\n"+school)
	anna, rest, _ := strings.Cut(school, "  - {id: bo,")
	_, cia, _ := strings.Cut(rest, "\n")
	write("roster.yaml", "today: 2026-10-14\n"+strings.NewReplacer("Anna,", "Annika,", "Ingen", "Sekretessmarkering").Replace(anna+cia))
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
	for _, line := range []string{"resource: user/anna", "Annika", "members", "- user/anna", "state: applied", "code: leaving", `since: "2026-10-14"`} {
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
		"says that it did and did not": "Annika",
		"shows who is protected":       "ciapro",
		"lists one page":               "", // which no case asks for
	} {
		if passed, printed := run(flaw); passed != (shows == "") || !strings.Contains(printed, shows) {
			t.Errorf("a target that %s: passed is %v, want it to show %q; it printed\n%s", flaw, passed, shows, printed)
		}
	}
	write("roster.yaml", "organisations: [{id: north, nmae: Norra}]\n")
	if passed, printed := run(""); passed || !strings.Contains(printed, "nmae") {
		t.Errorf("a key that nobody knows passed: %s", printed)
	}
	write("roster.yaml", school)
	if passed, printed := run(""); passed || !strings.Contains(printed, "write today") {
		t.Errorf("a roster of no day passed: %s", printed)
	}
	write("roster.yaml", "today: 2026-10-14\norganisations: [{id: north}, {id: north}]\n")
	if passed, printed := run(""); passed || !strings.Contains(printed, "twice") {
		t.Errorf("an id that stands twice passed: %s", printed)
	}
}
