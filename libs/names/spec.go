package names

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/rule"
)

// Policy says what becomes of a name when its owner is called something else.
type Policy string

// The policies.
const (
	Keep            Policy = "keep"            // nothing: a name is given once
	Rename          Policy = "rename"          // another one is given; the old one stays the owner's and is used for nothing
	RenameWithAlias Policy = "renameWithAlias" // another one is given, and the old one stays as an alias
)

// Spec is what a tenant says of user names. The zero Spec is the usual.
type Spec struct {
	// Patterns are CEL expressions, the best first, that make a name of a person in a role; see package rule, Text, and the
	// functions fold, slug, letters, first, initials, core, local and words. One that gives nothing is passed over. When the
	// names of all are taken, the first gets a number.
	Patterns []string `yaml:"patterns"`
	// Neutral is the word that gets a number where no pattern gives a name that can be had; default elev for pupils,
	// personal for staff.
	Neutral string `yaml:"neutral"`
	// OnRename says what becomes of a name when its owner is called something else: keep (default), rename or
	// renameWithAlias.
	OnRename Policy `yaml:"onRename"`
	// Digits is how many digits the number behind a name has at least: 2 gives annand02; default 1.
	Digits int `yaml:"digits"`
	// Reserve is for how many years a name is given to nobody else after its last account was deleted; default 3.
	Reserve int `yaml:"reserve"`
	// Block are words that no name may be, beside the built-in ones: word is a whole name, -word- a part of one too, word*
	// the beginning of a part, and *word* stands anywhere in a part.
	Block []string `yaml:"block"`
	// Roles are what holds for pupil or staff in place of the above.
	Roles map[roster.Role]RoleSpec `yaml:"roles"`
}

// RoleSpec is what a tenant says of the user names of a role; what is left out is as for all.
type RoleSpec struct {
	Patterns []string `yaml:"patterns"`
	Neutral  string   `yaml:"neutral"`
	OnRename Policy   `yaml:"onRename"`
}

// DefaultPatterns are those of a tenant that names none: 3+3 letters, 2+4 letters, the whole name, and for whom the
// registers only know the name as it is shown, that.
func DefaultPatterns() []string {
	return []string{
		`first(person.givenName, 3) + first(core(person.familyName), 3)`,
		`first(person.givenName, 2) + first(core(person.familyName), 4)`,
		`slug(person.givenName) + "." + slug(person.familyName)`,
		`first(person.displayName, 6)`,
	}
}

// Until returns the last day on which a name is given to nobody else whose last account was deleted on a day; an open one for
// one that has an account.
func (s Spec) Until(ended roster.Date) roster.Date {
	if ended.IsOpen() {
		return ended
	}
	return ended + roster.Date(cmp.Or(s.Reserve, reserveYears)*year)
}

// The usual.
const (
	reserveYears = 3
	manyYears    = 100
	manyPatterns = 20
	manyDigits   = 3
)

// roles are those whom the names of a tenant are for.
func roles() []roster.Role { return []roster.Role{roster.RolePupil, roster.RoleStaff, roster.RoleNone} }

// of returns what holds for a role, with nothing left out.
func (s Spec) of(role roster.Role) RoleSpec {
	neutral := map[roster.Role]string{roster.RolePupil: "elev", roster.RoleStaff: "personal"}[role]
	r := s.Roles[role]
	if len(r.Patterns) == 0 {
		r.Patterns = s.Patterns
	}
	if len(r.Patterns) == 0 {
		r.Patterns = DefaultPatterns()
	}
	r.Neutral = cmp.Or(r.Neutral, s.Neutral, neutral, "konto")
	r.OnRename = cmp.Or(r.OnRename, s.OnRename, Keep)
	return r
}

// Problem is one thing wrong with a [Spec].
type Problem struct {
	Path string // "patterns[0]"
	Err  error  // what is wrong and what to write instead
}

// Problems returns everything that is wrong.
func (s Spec) Problems() []Problem {
	p := &problems{}
	p.role("", RoleSpec{s.Patterns, s.Neutral, s.OnRename}, roles()...)
	for _, role := range slices.Sorted(maps.Keys(s.Roles)) {
		path := fmt.Sprintf("roles.%s", role)
		if role != roster.RolePupil && role != roster.RoleStaff {
			p.addf(path, "%q is not a role: write pupil or staff", role)
			continue
		}
		p.role(path+".", s.Roles[role], role)
	}
	if s.Digits < 0 || s.Digits > manyDigits {
		p.addf("digits", "%d is not 1 to %d", s.Digits, manyDigits)
	}
	if s.Reserve < 0 || s.Reserve > manyYears {
		p.addf("reserve", "%d is not 1 to %d years", s.Reserve, manyYears)
	}
	for i, word := range s.Block {
		if err := checkBlocked(word); err != nil {
			p.add(fmt.Sprintf("block[%d]", i), err)
		}
	}
	return p.list
}

type problems struct{ list []Problem }

func (p *problems) add(path string, err error) { p.list = append(p.list, Problem{path, err}) }

func (p *problems) addf(path, format string, args ...any) { p.add(path, fmt.Errorf(format, args...)) }

// role checks what is said of some roles, below a path.
func (p *problems) role(path string, s RoleSpec, of ...roster.Role) {
	if len(s.Patterns) > manyPatterns {
		p.addf(path+"patterns", "are %d: write at most %d", len(s.Patterns), manyPatterns)
		s.Patterns = nil
	}
	if len(s.Patterns) > 0 {
		p.patterns(path+"patterns", s.Patterns, of)
	}
	if s.Neutral != "" && (clean(s.Neutral, "") != s.Neutral || len(s.Neutral) > manyLetters) {
		p.addf(path+"neutral", "%q is no word for a name: write a-z only, at most %d letters, such as elev", s.Neutral, manyLetters)
	}
	if !slices.Contains([]Policy{"", Keep, Rename, RenameWithAlias}, s.OnRename) {
		p.addf(path+"onRename", "%q is not known: write keep, rename or renameWithAlias", s.OnRename)
	}
}

// patterns checks those of some roles: what is no expression, and that they give anybody a name.
func (p *problems) patterns(path string, list []string, of []roster.Role) {
	texts, err := functions()
	if err != nil {
		p.add(path, err)
		return
	}
	good := false
	before := len(p.list)
	for i, pattern := range list {
		text, err := texts.Compile(pattern)
		if err != nil {
			p.add(fmt.Sprintf("%s[%d]", path, i), err)
			continue
		}
		for _, role := range of {
			name, err := text.Of(sample(role))
			good = good || err == nil && clean(name, "") != ""
		}
	}
	if !good && len(p.list) == before {
		p.addf(path, "give nobody a name, not even Anna Andersson: write one such as %s", DefaultPatterns()[0])
	}
}

// manyLetters is how long the word of a neutral name may be: a number has to fit behind it in every target.
const manyLetters = 12

// sample is somebody of whom everything is known.
func sample(role roster.Role) rule.Named {
	return rule.Named{
		Person: &roster.Person{
			GivenName: "Anna", MiddleName: "Maria", FamilyName: "Andersson", DisplayName: "Anna Andersson", BirthDate: "2010-01-02",
			Enrolments: []roster.Enrolment{{SchoolType: roster.SchoolGR, SchoolYear: "9", Programme: "NA"}},
		},
		Persona: roster.Persona{Role: role, Email: "anna@example.org", Username: "annand", EPPN: "annand@example.org"},
		Role:    role,
		Unit:    &roster.Organisation{DisplayName: "Skolan", UnitCodes: []string{"12345678"}, SchoolTypes: []roster.SchoolType{roster.SchoolGR}},
	}
}

// functions returns what compiles patterns.
func functions() (*rule.Texts, error) {
	return rule.NewTexts(rule.Functions{
		Text: map[string]func(string) string{
			"fold": fold, "slug": slug, "letters": letters, "initials": initials, "core": core, "local": local,
		},
		Count: map[string]func(string, int) string{"first": first},
		List:  map[string]func(string) []string{"words": words},
	})
}

// err returns all problems as one error, or nil.
func (s Spec) err() error {
	var all []error
	for _, p := range s.Problems() {
		all = append(all, errors.New(strings.TrimPrefix(p.Path+": "+p.Err.Error(), ": ")))
	}
	return errors.Join(all...)
}
