package asm

import (
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/tenant"
)

const reachable = "transport: {host: upload.example, user: school, password: 'file:/run/secrets/asm'}\n"

func TestValidateReportsEverythingWrong(t *testing.T) {
	for name, c := range map[string]struct {
		settings string
		want     []string // the paths
	}{
		"nothing wrong": {reachable, nil},
		"nothing said":  {"{}", []string{"transport.host", "transport.user", "transport.password"}},
		"words that mean nothing": {
			reachable + "upload: ftp\nevery: 5ns\npersonaWins: both\ngroupTypes: []\ncourses: one\nemail: maybe\n" +
				"personNumber: civicNo\nsisUsername: x\naccountName: x\npasswordPolicy: '5'\nseparator: ' '\ndirectory: ''",
			[]string{"directory", "upload", "every", "personaWins", "groupTypes", "courses", "email", "personNumber", "sisUsername",
				"accountName", "passwordPolicy", "separator"},
		},
		"an account name of a column that is empty": {reachable + "accountName: person_number", []string{"accountName"}},
		"an account name of addresses not sent":     {reachable + "accountName: email_address\nemail: omit", []string{"accountName"}},
		"headers": {
			reachable + "columns:\n  people.csv: [id]\n  locations.csv: [location_id]\n" +
				"  rosters.csv: [roster_id, class_id, class_id, student_id, teacher]\n" +
				"  classes.csv: [class_id, instructor_id, class_number, instructor_id_2, course_id, location_id, instructor_id_16]",
			[]string{"columns[classes.csv][3]", "columns[classes.csv][6]", "columns[locations.csv]", "columns[people.csv]",
				"columns[rosters.csv][2]", "columns[rosters.csv][4]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := tenant.NewProblems()
			decode(t, c.settings).Validate(p)
			var got []string
			for _, problem := range p.List() {
				got = append(got, problem.Path)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%v", diff, p.Err())
			}
		})
	}
}

func TestTheSampleIsValidAndShowsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := tenant.NewProblems()
	if decode(t, string(data)).Validate(p); p.Err() != nil {
		t.Error(p.Err())
	}
	// Every line that is commented out as a setting holds the default.
	var shown strings.Builder
	for line := range strings.Lines(string(data)) {
		if s, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(s, " ") && !strings.HasPrefix(s, "#") {
			shown.WriteString(s)
		}
	}
	if diff := cmp.Diff(defaults(), decode(t, shown.String())); diff != "" {
		t.Errorf("defaults and sample differ:\n%s", diff)
	}
	if all := unknownKeys(t, shown.String()+reachable); len(all) > 0 {
		t.Errorf("the sample lacks %v", all)
	}
}

// unknownKeys returns the settings that a text does not mention.
func unknownKeys(t *testing.T, text string) (missing []string) {
	t.Helper()
	data, err := yaml.Marshal(defaults())
	if err != nil {
		t.Fatal(err)
	}
	var all, said map[string]any
	if err := yaml.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(text), &said); err != nil {
		t.Fatal(err)
	}
	for k := range all {
		if _, ok := said[k]; !ok {
			missing = append(missing, k)
		}
	}
	return missing
}

func TestTheVersionChangesWithWhatChangesRowsOnly(t *testing.T) {
	version := func(settings string) string { return open(t, decode(t, settings)).Mapping.Version() }
	base := version("{}")
	for _, same := range []string{reachable, "directory: in", "upload: rename", "every: 1h", "consumes: false"} {
		if version(same) != base {
			t.Errorf("%s: another version", same)
		}
	}
	for _, other := range []string{"personaWins: pupil", "email: omit", "groupTypes: [Klass]", "separator: ';'", "columns: {locations.csv: [location_name, location_id]}"} {
		if version(other) == base {
			t.Errorf("%s: the same version", other)
		}
	}
}
