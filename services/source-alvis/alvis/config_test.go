package alvis

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

const reachable = "sftp: {host: sftp.example, user: kommun, password: 'file:/run/secrets/alvis'}\n"

// decode reads settings as an operator's document is read.
func decode(t *testing.T, settings string) *Config {
	t.Helper()
	c, ok := Connector().New().(*Config)
	if !ok {
		t.Fatal("the settings are not of this connector")
	}
	if err := yaml.UnmarshalWithOptions([]byte(settings), c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestValidateReportsEverythingWrong(t *testing.T) {
	for name, c := range map[string]struct {
		settings string
		want     []string // the paths
	}{
		"nothing wrong": {reachable, nil},
		"nothing said":  {"{}", []string{"sftp.host", "sftp.user", "sftp.password"}},
		"a secret itself": {
			"sftp: {host: sftp.example, user: kommun, password: hunter2}", []string{"sftp.password"},
		},
		"a host that is an address of the web": {
			"sftp: {host: 'sftp://sftp.example/x', port: 70000, user: u, password: 'env:P', hostKeys: [nonsense]}",
			[]string{"sftp.host", "sftp.port", "sftp.hostKeys[0]"},
		},
		"a selection of nothing": {
			reachable + "directory: ''\nfiles: []\nmaxAge: -1h\nsettle: 10ns", []string{"directory", "files", "maxAge", "settle"},
		},
		"limits of nothing":         {reachable + "limits: {maxBytes: 0, maxUnpacked: -1}", []string{"limits.maxBytes", "limits.maxUnpacked"}},
		"patterns that fit no name": {reachable + "files: ['exports/*.xml', '[']", []string{"files[0]", "files[1]"}},
		"a profile that means nothing": {
			reachable + "profile: {delta: sometimes, dates: few, encodingOverride: ebcdic, groupTypes: [{as: Klass}]}",
			[]string{"profile.delta", "profile.dates", "profile.encodingOverride", "profile.groupTypes[0]"},
		},
		"a profile that would read passwords": {
			reachable + "profile: {usernameFrom: ['userid@password']}", []string{"profile.usernameFrom[0]"},
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
			if p.Err() != nil && strings.Contains(p.Err().Error(), "hunter2") {
				t.Errorf("R8: the error shows the secret: %v", p.Err())
			}
		})
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	for _, settings := range []string{"pattern: '*.xml'", "sftp: {hostKey: x}", "profile: {roless: {}}", "files: '*.xml'", "settle: soon"} {
		c := defaults()
		if err := yaml.UnmarshalWithOptions([]byte(settings), c, yaml.Strict()); err == nil {
			t.Errorf("%s is taken", settings)
		}
	}
}

// What the customer's profile says is laid over that of Alvis.
func TestAProfileIsLaidOverAlviss(t *testing.T) {
	got := decode(t, reachable+"profile: {groupTypes: [{text: Kurstillfälle, as: Undervisning}]}").Profile
	if got.DefaultSchoolType != "VUX" || got.Name != "alvis" || got.GroupTypes[0].Text != "Kurstillfälle" || len(got.GroupTypes) < 2 {
		t.Errorf("got school type %q, profile %q and %d group types", got.DefaultSchoolType, got.Name, len(got.GroupTypes))
	}
}

func TestTheSampleIsValidAndShowsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sample := func(text string) *Config {
		t.Helper()
		d, err := tenant.Parse([]byte("tenant: sample\npepper: file:/run/secrets/pepper\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		c := defaults()
		if err := tenant.Decode(d.Sources[0].Settings, c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	p := tenant.NewProblems()
	if sample(string(data)).Validate(p); p.Err() != nil {
		t.Error(p.Err())
	}
	// A line with a setting right behind its # holds the default.
	shown := regexp.MustCompile(`(?m)^( *)#(\w)`).ReplaceAllString(string(data), "$1$2")
	got, want := sample(shown), defaults()
	want.SFTP = got.SFTP
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the sample shows other defaults (-want +got):\n%s", diff)
	}
	// And every setting stands in it.
	for _, key := range []string{
		"directory", "files", "maxAge", "settle", "profile", "host", "port", "user", "password", "key",
		"keyPassphrase", "hostKeys", "connectTimeout", "idleTimeout", "schedule", "instance",
	} {
		if !regexp.MustCompile(`(?m)^[ #-]*` + key + `:`).Match(data) {
			t.Errorf("the sample does not show %s", key)
		}
	}
	if schedule := Connector().Defaults.Schedule; !strings.Contains(string(data), `# schedule: "`+schedule+`"`) || source.CheckSchedule(schedule) != nil {
		t.Errorf("the sample does not show the schedule %q, or it is none", schedule)
	}
}

func TestDefaults(t *testing.T) {
	c := Connector()
	if c.System != "alvis" || c.Defaults.Protected != source.ProtectedNone || c.Defaults.GroupIDs != source.GroupIDsStable {
		t.Errorf("got %+v", c.Defaults)
	}
	if diff := cmp.Diff([]source.Requirement{source.RequireCivicNo}, c.Defaults.Require); diff != "" {
		t.Errorf("an identity number is required and nothing else (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ims.Alvis(), defaults().Profile); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
