package asm

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/tenant"
)

const reachable = "sftp: {host: upload.example, user: school, password: 'file:/run/secrets/asm'}\n"

func TestValidateReportsEverythingWrong(t *testing.T) {
	for name, c := range map[string]struct {
		settings string
		want     []string // the paths
	}{
		"nothing wrong": {reachable, nil},
		"nothing said":  {"{}", []string{"sftp.host", "sftp.user", "sftp.password"}},
		"words that mean nothing": {
			reachable + "upload: ftp\nevery: 5ns\npersonaWins: both\ngroupTypes: []\ncourses: one\nemail: maybe\n" +
				"personNumber: civicNo\nsisUsername: x\naccountName: x\npasswordPolicy: '5'\nseparator: ' '\ndirectory: ''",
			[]string{
				"directory", "upload", "every", "personaWins", "groupTypes", "courses", "email", "personNumber", "sisUsername",
				"accountName", "passwordPolicy", "separator",
			},
		},
		"an account name of a column that is empty": {reachable + "accountName: person_number", []string{"accountName"}},
		"an account name of addresses not sent":     {reachable + "accountName: email_address\nemail: omit", []string{"accountName"}},
		"headers": {
			reachable + "columns:\n  people.csv: [id]\n  locations.csv: [location_id]\n" +
				"  rosters.csv: [roster_id, class_id, student_id, class_id, teacher]\n" +
				"  classes.csv: [class_id, instructor_id, class_number, instructor_id_2, course_id, location_id, instructor_id_16]",
			[]string{
				"columns[classes.csv][3]", "columns[classes.csv][6]", "columns[locations.csv]", "columns[people.csv]",
				"columns[rosters.csv][3]", "columns[rosters.csv][4]",
			},
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
	if decodeLink(t, string(data)).Validate(p); p.Err() != nil {
		t.Error(p.Err())
	}
	// A line with a setting right behind its # holds the default.
	shown := regexp.MustCompile(`(?m)^( *)#(\w)`).ReplaceAllString(string(data), "$1$2")
	got, want := decodeLink(t, shown), defaults()
	want.SFTP = got.SFTP
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the sample shows other defaults (-want +got):\n%s", diff)
	}
	all, err := yaml.Marshal(defaults())
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(all)) {
		name, _, _ = strings.Cut(name, ":")
		if !strings.HasPrefix(name, " ") && !strings.HasPrefix(name, "-") && !strings.Contains(shown, "\n      "+name+":") {
			t.Errorf("the sample lacks %s", name)
		}
	}
}

// decodeLink returns the settings of the first link in a part of a tenant's document.
func decodeLink(t *testing.T, text string) *Config {
	t.Helper()
	var d struct {
		Links []tenant.Link `yaml:"links"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(text), &d, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if d.Links[0].Target != Connector().System {
		t.Fatalf("the first link is %s", d.Links[0].Target)
	}
	c := Connector().New().(*Config)
	if err := tenant.Decode(d.Links[0].Settings, c); err != nil {
		t.Fatal(err)
	}
	return c
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
