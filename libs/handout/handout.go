// Package handout makes initial passwords, and seals them to a school's key so that nobody but the school can read them.
package handout

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
)

// Form is how a password looks.
type Form string

// The forms.
const (
	Words  Form = "words"  // Katt.sol42: words, points and a number
	Random Form = "random" // characters without look-alikes
)

// Rule says what the initial passwords of some accounts are.
type Rule struct {
	Role  roster.Role       // empty for every role
	Form  roster.SchoolType // school form; empty for every one, VUX for every one of komvux
	Years *Years            // school years; nil for every one, and for no year at all

	Password Shape
}

// Years are school years, both ends included; förskoleklass is 0.
type Years struct{ From, To int }

// Shape is how the passwords of a rule are made.
type Shape struct {
	Form   Form
	Words  int  // of Words: how many
	Digits int  // of Words: of how many digits the number is
	Length int  // the fewest characters; of Random how many
	Change bool // it must be changed at the first logon
}

// The bounds of a [Shape].
const (
	MinLength  = 8  // what directories ask for as they come
	MinRandom  = 14 // of Random
	MaxLength  = 32
	MaxWords   = 4
	MinWords   = 2
	MaxDigits  = 2
	tries      = 10_000 // a draw that is refused is drawn again; see [Maker.Make]
	tokenChars = 3      // a part of a name counts from so many characters on, as Active Directory has it
)

// Defaults are the rules that hold where a tenant has none of its own: for the youngest two words and a number, which they
// keep; for other pupils three and a number until the first logon; for all others characters until the first logon.
func Defaults() []Rule {
	kept := Shape{Form: Words, Words: 2, Digits: 2, Length: MinLength}
	first := &Years{0, 3}
	return []Rule{
		{Role: roster.RolePupil, Form: roster.SchoolFKLASS, Password: kept},
		{Role: roster.RolePupil, Form: roster.SchoolGR, Years: first, Password: kept},
		{Role: roster.RolePupil, Form: roster.SchoolSAM, Years: first, Password: kept},
		{Role: roster.RolePupil, Form: roster.SchoolSP, Years: first, Password: kept},
		{Role: roster.RolePupil, Form: roster.SchoolGRS, Password: kept},
		{Role: roster.RolePupil, Form: roster.SchoolTR, Password: kept},
		{Role: roster.RolePupil, Password: Shape{Form: Words, Words: 3, Digits: 2, Length: 12, Change: true}},
		{Password: Shape{Form: Random, Length: 16, Change: true}},
	}
}

// Find returns the shape that the first rule gives that fits; behind the rules stand the [Defaults]. Year is the school
// year as the roster has it: digits, or whatever the register wrote.
func Find(rules []Rule, role roster.Role, form roster.SchoolType, year string) Shape {
	for _, list := range [][]Rule{rules, Defaults()} {
		for _, r := range list {
			if r.fits(role, form, year) {
				return r.Password
			}
		}
	}
	return Shape{Form: Random, Length: 16, Change: true}
}

func (r Rule) fits(role roster.Role, form roster.SchoolType, year string) bool {
	switch {
	case r.Role != roster.RoleNone && r.Role != role:
		return false
	case r.Form == roster.SchoolVUX && !form.Komvux(), r.Form != "" && r.Form != roster.SchoolVUX && r.Form != form:
		return false
	}
	return r.Years == nil || r.Years.has(year)
}

func (y Years) has(year string) bool {
	for n := y.From; n <= y.To; n++ {
		if fmt.Sprint(n) == year {
			return true
		}
	}
	return false
}

// Covers tells whether no account fits the other rule that does not fit this one, so that the other behind it is idle.
func (r Rule) Covers(o Rule) bool {
	return (r.Role == roster.RoleNone || r.Role == o.Role) &&
		(r.Form == "" || r.Form == o.Form || r.Form == roster.SchoolVUX && o.Form.Komvux()) &&
		(r.Years == nil || o.Years != nil && r.Years.From <= o.Years.From && r.Years.To >= o.Years.To)
}

//go:embed words.txt
var wordList string

// Wordlist returns the words that passwords are made of, sorted.
var wordlist = sync.OnceValue(func() (list []string) {
	for line := range strings.Lines(wordList) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
})

// blocked tells whether a text has in it what no user name may have either.
var blocked = sync.OnceValue(names.Blocklist)
