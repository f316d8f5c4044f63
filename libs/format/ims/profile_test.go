package ims

import (
	"errors"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/tenant"
)

func TestProfilesAreValid(t *testing.T) {
	for _, p := range []Profile{Base(), Alvis()} {
		problems := tenant.NewProblems()
		if p.Validate(problems); problems.Err() != nil {
			t.Errorf("%s: %v", p.Name, problems.Err())
		}
		// What a profile says can be written down and read again.
		b, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again := Profile{}
		if err := again.UnmarshalYAML(b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Errorf("%s: -want +got:\n%s", p.Name, diff)
		}
	}
}

func TestParseProfile(t *testing.T) {
	p, err := ParseProfile([]byte("extends: alvis\nname: kund\ngroupTypes:\n- {text: studio, as: Klass}\nroles:\n  '02': {atUnit: Rektor, inGroup: teacher}\ncivicNoFrom: [userid@sisID]\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Alvis()
	want.Name, want.Extends, want.CivicNoFrom = "kund", "alvis", []string{"userid@sisID"}
	want.GroupTypes = append([]GroupType{{Text: "studio", As: "Klass"}}, want.GroupTypes...)
	want.Roles["2"] = Role{"Rektor", "teacher"}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Laying over changes nothing of the profile below.
	if Alvis().Roles["2"].AtUnit != "Lärare" {
		t.Error("the profile below was changed")
	}
}

// A connector's settings hold a profile with its defaults in place; the tenant's YAML lays over it.
func TestProfileWithinSettings(t *testing.T) {
	settings := struct {
		Profile Profile `yaml:"profile"`
	}{Alvis()}
	if err := yaml.UnmarshalWithOptions([]byte("profile:\n  dates: restricted\n  roles:\n    coach: {atUnit: none, inGroup: mentor}\n"), &settings, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := Alvis()
	want.Dates, want.Roles["coach"] = "restricted", Role{"none", "mentor"}
	if diff := cmp.Diff(want, settings.Profile); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProfileProblems(t *testing.T) {
	_, err := ParseProfile([]byte(`
encoding: ebcdic
allowDoctype: any
delta: maybe
dates: some
ids: x
fn: cut
civicNoFrom: [userid@password]
keep: ["extension//x", "extension/password"]
securityMarking: a//b
groupTypes: [{as: Klass}, {text: x}]
roles: {x: {atUnit: Rektor}}
institutionRoles: {x: boss}
name: ""
`))
	var invalid *tenant.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	var paths []string
	for _, p := range invalid.Problems {
		paths = append(paths, p.Path)
	}
	want := strings.Fields(`name allowDoctype delta ids dates fn encoding civicNoFrom[0] keep[0] keep[1] securityMarking
		groupTypes[0] groupTypes[1].as roles.x.inGroup institutionRoles.x`)
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, y := range []string{"nosuchkey: 1", "extends: nobody", "name: a\nname: b", ":::"} {
		if _, err := ParseProfile([]byte(y)); err == nil {
			t.Errorf("%q was taken", y)
		}
	}
}

func TestR8ProfileErrorsShowNoValue(t *testing.T) {
	for _, text := range []string{"hej: Hemligt123", "roles: Hemligt123", "name: \"Hemligt123", "extends: [Hemligt123]"} {
		if _, err := ParseProfile([]byte(text)); err == nil || strings.Contains(err.Error(), "Hemligt123") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
