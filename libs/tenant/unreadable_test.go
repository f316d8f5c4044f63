package tenant

import (
	"strings"
	"testing"
	"time"
)

// TestR8ErrorsShowNoValue misspells and misplaces a secret in every way that YAML finds.
func TestR8ErrorsShowNoValue(t *testing.T) {
	const secret = "Hemligt123"
	type config struct {
		Text   string         `yaml:"text"`
		Number int            `yaml:"number"`
		Small  int8           `yaml:"small"`
		Wait   time.Duration  `yaml:"wait"`
		List   []string       `yaml:"list"`
		Map    map[string]int `yaml:"map"`
		Ref    Secret         `yaml:"ref"`
	}
	for name, c := range map[string]struct{ settings, want string }{
		"unknown key":       {"{text: a, pasword: Hemligt123}", `unknown field "pasword"`},
		"beside an unknown": {"{pasword: x, text: Hemligt123}", `unknown field "pasword"`},
		"number":            {"{number: Hemligt123}", "line 7, column"},
		"overflow":          {"{small: 99999123}", "too large"},
		"duration":          {"{wait: Hemligt123}", "invalid duration …"},
		"list":              {"{list: Hemligt123}", "string was used where sequence"},
		"map":               {"{map: {a: Hemligt123}}", "line 7, column"},
		"in place of text":  {"{ref: {a: Hemligt123}}", "line 7, column"},
		"a scalar":          {"Hemligt123", "string was used where mapping"},
		"alias":             {"{text: *Hemligt123}", "could not find alias …"},
		"twice":             {"{text: a, text: Hemligt123}", "already defined"},
		"quote not closed":  {"{text: \"Hemligt123}", "double-quoted"},
		"list not closed":   {"{list: [Hemligt123}", "line 7"},
		"reserved":          {"{text: @Hemligt123}", "reserved"},
		"two on a line":     {"text: Hemligt123: x", "not allowed"},
		"block":             {"|Hemligt123", "invalid header option"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Parse([]byte("\ntenant: lund\npepper: env:PEPPER\nsources:\n  - system: alvis\n    guard: {}\n    settings: " + c.settings + "\n"))
			if err == nil {
				err = Decode(d.Sources[0].Settings, new(config))
			}
			switch {
			case err == nil:
				t.Fatal("taken")
			case strings.Contains(err.Error(), secret[:7]) || strings.Contains(err.Error(), "99999"):
				t.Errorf("the error shows the value: %v", err)
			case !strings.Contains(err.Error(), c.want):
				t.Errorf("%q does not say %q", err, c.want)
			}
		})
	}
	for line, want := range map[string]string{
		"gap: 14":                         "line 11, column 10: … is not a number of days",
		"leave: [{after: 3, do: delete}]": "line 11, column 21: … is not a number of days",
	} {
		if _, err := Parse([]byte(good + "    " + line + "\n")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", line, err, want)
		}
	}
	for _, line := range []string{"gap: Hemligt123", "lnik: Hemligt123", "leave: Hemligt123", "leave: [{after: Hemligt123}]"} {
		_, err := Parse([]byte(good + "    " + line + "\n"))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
