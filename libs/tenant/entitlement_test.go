package tenant

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"eventful.se/ess/libs/roster"
)

const everything = `
tenant: lund
service: LEVEL
pepper: env:PEPPER
units: [{source: alvis, id: S1, excluded: true}]
sources: [{system: alvis}, {system: schoolsoft}, {system: manual}]
links: [{target: apple-school-manager, filter: 'pupil'}]
`

const onSite = "tenant: lund\npepper: env:PEPPER\nsources: [{system: extens-db, onSite: true}]\n"

func TestEntitlements(t *testing.T) {
	exceptions := ""
	for _, e := range []string{"sources", "manual", "units", "filter"} {
		exceptions += "- {of: " + e + ", by: anna, reason: pilot, until: 2027-06-30}\n"
	}
	for _, c := range []struct {
		name, document string
		want           []string // paths of the problems
	}{
		{"silver has all", strings.Replace(everything, "LEVEL", "silver", 1), nil},
		{"gold has all", strings.Replace(everything, "LEVEL", "gold", 1), nil},
		{"bronze has none, all said at once", strings.Replace(everything, "LEVEL", "bronze", 1), []string{"links[0].filter", "sources", "sources[2]", "units"}},
		{"silver reads nothing on site", onSite + "service: silver\n", []string{"sources[0].onSite"}},
		{"gold does", onSite + "service: gold\n", nil},
		{"and so does who has the exception", onSite + "exceptions: [{of: onSite, by: a, reason: b, until: 2027-06-30}]\n", nil},
		{"bronze with every exception", strings.Replace(everything, "LEVEL", "bronze", 1) + "exceptions:\n" + exceptions, nil},
		{"a manual source is no second register", "tenant: a\nservice: bronze\npepper: env:P\nsources: [{system: alvis}, {system: manual}]\nexceptions: [{of: manual, by: a, reason: b, until: 2027-06-30}]\n", nil},
		{"an exception without anything", "tenant: a\npepper: env:P\nexceptions: [{}]\n", []string{"exceptions[0].by", "exceptions[0].of", "exceptions[0].reason", "exceptions[0].until"}},
		{"an exception twice", "tenant: a\npepper: env:P\nexceptions: [{of: units, by: a, reason: b, until: 2027-06-30}, {of: units, by: a, reason: b, until: 2027-06-30}]\n", []string{"exceptions[1].of"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(strings.Replace(c.document, "'pupil'", "'true'", 1)))
			var got []string
			if invalid, ok := errors.AsType[*InvalidError](err); ok {
				for _, p := range invalid.Problems {
					got = append(got, p.Path)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
				t.Errorf("(-want +got):\n%s\n%v", diff, err)
			}
			if err != nil && strings.Contains(c.name, "bronze") && !strings.Contains(err.Error(), "bronze has no filters: take it out, raise the service level, or have it granted as an exception {of: filter,") {
				t.Errorf("no advice: %v", err)
			}
		})
	}
}

func TestEndings(t *testing.T) {
	d, err := Parse([]byte(`
tenant: lund
pepper: env:PEPPER
status: {webhook: {ref: env:HOOK, expires: 2027-03-01}}
exceptions: [{of: units, by: anna, reason: pilot, until: 2027-02-28}]
sources:
  - system: alvis
    settings: {sftp: {password: &p {ref: "file:/run/alvis", expires: 2026-12-24}, key: file:/run/key}}
links:
  - target: apple-school-manager
    settings:
      sftp:
        password:
          expires: 2027-01-01
          ref: hunter2
`))
	if err != nil {
		t.Fatal(err)
	}
	if d.Status.Webhook != "env:HOOK" {
		t.Errorf("the webhook is %q", string(d.Status.Webhook))
	}
	want := []Ending{
		{"sources[0].settings.sftp.password", "file:/run/alvis", true, 2026_12_24},
		{"links[0].settings.sftp.password", "***", true, 2027_01_01}, // R8: not a reference, so it may be the secret itself
		{"exceptions[0]", "units", false, 2027_02_28},
		{"status.webhook", "env:HOOK", true, 2027_03_01},
	}
	if diff := cmp.Diff(want, d.Endings()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	secret, exception := want[0], want[2]
	for _, c := range []struct {
		e     Ending
		today roster.Date
		left  int
		over  bool
	}{
		{secret, 2026_11_24, 30, false},
		{secret, 2026_12_23, 1, false},
		{secret, 2026_12_24, 0, true},
		{secret, 2026_12_25, -1, true},
		{secret, 2026_10_24, 61, false}, // over the end of summer time
		{exception, 2027_02_28, 0, false},
		{exception, 2027_03_01, -1, true},
		{exception, 2027_03_29, -29, true},
	} {
		if left, over := c.e.Left(c.today), c.e.Over(c.today); left != c.left || over != c.over {
			t.Errorf("%s on %s: %d days left, over %t; want %d, %t", c.e.Path, c.today, left, over, c.left, c.over)
		}
	}
	p := NewProblems()
	d.CheckEndings(p, 2027_02_28)
	if p.Err() != nil {
		t.Errorf("on its last day: %v", p.Err())
	}
	if d.CheckEndings(p, 2027_03_01); p.Err() == nil || !strings.Contains(p.Err().Error(), "exceptions[0].until: was 2027-02-28: have the exception granted anew") {
		t.Errorf("the day after: %v", p.Err())
	}
}

func TestSecretForms(t *testing.T) {
	type settings struct {
		Password Secret `yaml:"password"`
	}
	for _, c := range []struct{ name, yaml, want, wrong string }{
		{"short", "env:A", "env:A", ""},
		{"long", "{ref: env:A, expires: 2027-03-01}", "env:A", ""},
		{"long without a day", "{ref: env:A}", "env:A", ""},
		{"no day", "{ref: env:A, expires: hunter2}", "", "YYYY-MM-DD"},
		{"unknown key", "{ref: env:A, expire: 2027-03-01}", "", `unknown field "expire"`},
		{"a list", "[hunter2]", "", "line 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Parse([]byte("tenant: a\npepper: env:P\nlinks: [{target: b, settings:\n {password: " + c.yaml + "}}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			var s settings
			err = Decode(d.Links[0].Settings, &s)
			if c.wrong == "" && (err != nil || s.Password != Secret(c.want)) {
				t.Errorf("got %q, %v", string(s.Password), err)
			}
			if c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("got %v, want %s and nothing that stands there", err, c.wrong)
			}
		})
	}
}
