package tenant

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/roster"
)

// PasswordRule says what the initial passwords of some accounts are. Of several the first that fits counts, and behind
// them stand the defaults; see docs/passwords.md.
type PasswordRule struct {
	Role       roster.Role       `yaml:"role"`       // pupil or staff; pupil where a school form or years are named, else both
	SchoolForm roster.SchoolType `yaml:"schoolForm"` // by its code; VUX covers every form of komvux
	Years      Years             `yaml:"years"`      // school years, such as 1-3 or 4; förskoleklass is 0
	Form       handout.Form      `yaml:"form"`       // words (Katt.sol42) or random
	Words      int               `yaml:"words"`      // of form words: how many, 2 to 4; default 2
	Digits     *int              `yaml:"digits"`     // of form words: of how many digits the number is, 0 to 2; default 2
	Length     int               `yaml:"length"`     // the fewest characters, 8 to 32; of form random how many, from 14 on; default 8 and 16
	Change     *bool             `yaml:"change"`     // whether it must be changed at the first logon; default true
}

// Years are school years, both ends included, written 1-3 or 4. Zero for every one.
type Years struct {
	From, To int
	Set      bool
}

// UnmarshalText reads 1-3 or 4.
func (y *Years) UnmarshalText(text []byte) error {
	from, to, span := strings.Cut(string(text), "-")
	if !span {
		to = from
	}
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	if errA != nil || errB != nil || a < 0 || b > 10 || a > b {
		return fmt.Errorf("%q are no school years: write for example 1-3 or 4; förskoleklass is 0", text)
	}
	*y = Years{a, b, true}
	return nil
}

// UnmarshalYAML reads 1-3 or 4, and says where what is none stands.
func (y *Years) UnmarshalYAML(n ast.Node) error { return scalar(n, y) }

// MarshalText writes 1-3.
func (y Years) MarshalText() ([]byte, error) {
	if !y.Set {
		return nil, nil
	}
	return fmt.Appendf(nil, "%d-%d", y.From, y.To), nil
}

// Handout says to whom initial passwords are sealed that wait to be handed out. Without a key no password is kept.
type Handout struct {
	Recipients []string      `yaml:"recipients"` // public keys that open every letter of a unit without keys of its own
	Units      []UnitHandout `yaml:"units"`      // units with keys of their own
}

// UnitHandout are the keys of a unit.
type UnitHandout struct {
	Code       Verbatim `yaml:"code"`       // skolenhetskod
	Recipients []string `yaml:"recipients"` // public keys, each of which opens the unit's letters
}

// PasswordRules returns the rules as package handout has them.
func (d *Document) PasswordRules() (rules []handout.Rule) {
	for _, r := range d.Passwords {
		rules = append(rules, r.rule())
	}
	return rules
}

func (r PasswordRule) rule() handout.Rule {
	out := handout.Rule{Role: r.Role, Form: r.SchoolForm, Password: handout.Shape{
		Form: r.Form, Words: r.Words, Length: r.Length, Change: r.Change == nil || *r.Change,
	}}
	if out.Role == roster.RoleNone && (r.SchoolForm != "" || r.Years.Set) {
		out.Role = roster.RolePupil
	}
	if r.Years.Set {
		out.Years = &handout.Years{From: r.Years.From, To: r.Years.To}
	}
	s := &out.Password
	switch {
	case s.Form == handout.Random && s.Length == 0:
		s.Length = 16
	case s.Length == 0:
		s.Length = handout.MinLength
	}
	if s.Form == handout.Words {
		if s.Digits = handout.MaxDigits; r.Digits != nil {
			s.Digits = *r.Digits
		}
		if s.Words == 0 {
			s.Words = handout.MinWords
		}
	}
	return out
}

// HandoutTo returns the public keys that open the letters of a unit with some codes: those of the unit, else those of the
// tenant. None means that no letter is kept.
func (d *Document) HandoutTo(codes []string) []string {
	for _, u := range d.Handout.Units {
		if slices.Contains(codes, string(u.Code)) {
			return u.Recipients
		}
	}
	return d.Handout.Recipients
}

func (d *Document) validatePasswords(p Problems) {
	var before []handout.Rule
	for i, r := range d.Passwords {
		at := p.At("passwords[%d]", i)
		r.validate(at)
		rule := r.rule()
		for n, b := range before {
			if b.Covers(rule) {
				at.Add("never counts: passwords[%d] stands before it and fits everybody whom this one fits", n)
				break
			}
		}
		before = append(before, rule)
	}
	checkKeys(p.At("handout.recipients"), d.Handout.Recipients)
	seen := map[Verbatim]bool{}
	for i, u := range d.Handout.Units {
		at := p.At("handout.units[%d]", i)
		if _, ok := roster.ParseUnitCode(string(u.Code)); !ok {
			at.At("code").Add("%q is no skolenhetskod: write its eight digits", u.Code)
		}
		if seen[u.Code] {
			at.Add("is there twice: write all keys of the unit in one place")
		}
		seen[u.Code] = true
		if len(u.Recipients) == 0 {
			at.At("recipients").Add("is empty: write a public key, or leave the unit out")
		}
		checkKeys(at.At("recipients"), u.Recipients)
	}
}

// checkKeys reports what is no public key, never what stands there: it may be a private one.
func checkKeys(p Problems, keys []string) {
	for i, key := range keys {
		p.At("[%d]", i).Check(handout.CheckRecipient(key))
	}
}

func (r PasswordRule) validate(p Problems) {
	known, ok := roster.ParseSchoolType(string(r.SchoolForm), nil)
	switch {
	case r.Role != roster.RoleNone && r.Role != roster.RolePupil && r.Role != roster.RoleStaff:
		p.At("role").Add("%q is not a role: write pupil or staff", r.Role)
	case r.Role == roster.RoleStaff && (r.SchoolForm != "" || r.Years.Set):
		p.Add("staff have neither school form nor school year: leave them out")
	case r.SchoolForm != "" && (!ok || known != r.SchoolForm):
		p.At("schoolForm").Add("%q is not the code of a school form: write for example FKLASS, GR or VUX", r.SchoolForm)
	}
	between := func(key string, n, low, high int) {
		if n < low || n > high {
			p.At("%s", key).Add("is %d: write %d to %d", n, low, high)
		}
	}
	s := r.rule().Password
	switch r.Form {
	case handout.Words:
		between("words", s.Words, handout.MinWords, handout.MaxWords)
		between("digits", s.Digits, 0, handout.MaxDigits)
		between("length", s.Length, handout.MinLength, 6*s.Words) // nearly every draw has so many
	case handout.Random:
		between("length", s.Length, handout.MinRandom, handout.MaxLength)
		if r.Words != 0 || r.Digits != nil {
			p.Add("form random has neither words nor digits: leave them out")
		}
	default:
		p.At("form").Add("%q is not a form: write words or random", r.Form)
	}
}
