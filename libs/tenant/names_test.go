package tenant

import (
	"strings"
	"testing"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
)

func TestNamesOfATenant(t *testing.T) {
	const head = "tenant: lund\npepper: file:/pepper\nnames:\n  "
	for name, c := range map[string]struct {
		text string
		want []string // parts of the error; none when it is good
	}{
		"the usual": {"{}", nil},
		"all that can be said": {`patterns: ['persona.username', 'first(person.givenName, 3) + first(core(person.familyName), 3)']
  neutral: elev
  onRename: renameWithAlias
  digits: 2
  reserve: 5
  block: [bankomat, -kassa-, bank*, '*kassor*']
  roles:
    staff: {patterns: ['slug(person.givenName) + "." + slug(person.familyName)'], onRename: keep, neutral: anstalld}`, nil},
		"a typo":                        {"patterns: ['frist(person.givenName, 3)']", []string{"names.patterns[0]: line 1, column 6: undeclared reference to 'frist'"}},
		"an unknown field":              {"roles: {staff: {patterns: ['fold(person.civicNo)']}}", []string{"names.roles.staff.patterns[0]: line 1, column 12: undefined field 'civicNo'"}},
		"no text":                       {"patterns: ['person.givenName == \"\"']", []string{"names.patterns[0]: gives a value of type bool: write an expression that is a text"}},
		"no name":                       {"patterns: ['\"\"', '\"- -\"']", []string{"names.patterns: give nobody a name, not even Anna Andersson"}},
		"an identity number is no part": {"patterns: ['person.pnr']", []string{"undefined field 'pnr'"}},
		"much": {"onRename: often\n  digits: 9\n  reserve: -1\n  neutral: 'e lev'\n  block: ['*a*', 'två ord']\n  roles: {guardian: {}}", []string{
			`names.onRename: "often" is not known: write keep, rename or renameWithAlias`, "names.digits: 9", "names.reserve: -1",
			`names.neutral: "e lev"`, `names.block[0]: "*a*" is too short`, `names.block[1]: "två ord" is no word`, `names.roles.guardian: "guardian" is not a role`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Parse([]byte(head + c.text + "\n"))
			if len(c.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := names.Compile(d.Names, names.Limits{}); err != nil {
					t.Errorf("what is good cannot be compiled: %v", err)
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
	d, err := Parse([]byte(head + "onRename: rename\n  roles: {staff: {onRename: keep}}\n"))
	if err != nil || d.Names.OnRename != names.Rename || d.Names.Roles[roster.RoleStaff].OnRename != names.Keep {
		t.Errorf("read %+v, %v", d.Names, err)
	}
}
