package tenant

import (
	"strings"
	"testing"
)

func TestScopeOfALink(t *testing.T) {
	const head = "tenant: lund\npepper: file:/pepper\nlinks:\n  - target: a\n    "
	for name, c := range map[string]struct {
		text string
		want []string // parts of the error; none when it is good
	}{
		"nothing said":     {"mode: active", nil},
		"a filter":         {`filter: 'units.exists(u, u.code == "12345678")'`, nil},
		"a typo":           {`filter: unitt.code == "1"`, []string{"links[0].filter: line 1, column 1: undeclared reference to 'unitt'"}},
		"an unknown field": {`filter: unit.kod == "1"`, []string{"links[0].filter: line 1, column 5: undefined field 'kod'"}},
		"no true or false": {`filter: unit.code`, []string{"links[0].filter: gives a value of type string"}},
		"unknown words":    {"onOutOfScope: drop\n    protected: hide", []string{`links[0].onOutOfScope: "drop"`, `links[0].protected: "hide"`}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Parse([]byte(head + c.text + "\n"))
			if len(c.want) == 0 {
				if err != nil || d.Links[0].OnOutOfScope != Release || d.Links[0].Protected != Withhold {
					t.Errorf("%v", err)
				}
				return
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
		})
	}
}
