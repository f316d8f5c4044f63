package fact

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
)

// Likeness says whether two statements that share an id or a number can be about one person.
type Likeness int

// The degrees.
const (
	Same    Likeness = iota // nothing speaks against it
	Unsure                  // a human being must look
	Another                 // clearly two persons
)

// Compare compares what was known of a person with what the same id of the source says now, under another identity
// number. A name may change and a day of birth may be corrected, but not both at once.
func Compare(before, now *roster.Person) Likeness {
	b, n := identityIn(before), identityIn(now)
	sameBirth := b.born == n.born || b.born.IsOpen() || n.born.IsOpen()
	if len(b.given) == 0 || len(n.given) == 0 {
		if sameBirth {
			return Same
		}
		return Unsure
	}
	given, family := shareWord(b.given, n.given), shareWord(b.family, n.family)
	switch {
	case given && (sameBirth || family):
		return Same
	case !given && b.born != n.born:
		return Another
	default:
		return Unsure
	}
}

// identity is what tells persons apart when numbers and ids cannot.
type identity struct {
	given, family []string
	born          roster.Date
}

func identityIn(p *roster.Person) identity {
	i := identity{given: words(p.GivenName.Reveal()), family: words(p.FamilyName.Reveal()), born: p.CivicNo.Born()}
	if len(i.given) == 0 {
		i.given = words(p.DisplayName.Reveal())
	}
	if i.born.IsOpen() {
		i.born, _ = roster.ParseDate(p.BirthDate.Reveal())
	}
	return i
}

// identityOf returns the identity that a fact states; the number is no part of it, for it is what is in doubt.
func identityOf(f Person) identity {
	i := identity{given: words(f.GivenName), family: words(f.FamilyName)}
	if len(i.given) == 0 {
		i.given = words(f.DisplayName)
	}
	i.born, _ = readDate(cleanID(f.BirthDate))
	return i
}

// contradict tells whether two statements under one key are clearly about two persons: two days of birth, or given
// names of which not one is alike. A family name decides nothing: siblings share it, a marriage changes it.
func contradict(x, y identity) bool {
	if !x.born.IsOpen() && !y.born.IsOpen() && x.born != y.born {
		return true
	}
	return len(x.given) > 0 && len(y.given) > 0 && !shareWord(x.given, y.given)
}

// shareWord tells whether a name stands in both lists, or one that differs as spellings of a name do.
func shareWord(x, y []string) bool {
	for _, v := range x {
		for _, w := range y {
			if v == w || spelledAlike(v, w) {
				return true
			}
		}
	}
	return false
}

// spelledAlike tells whether two longer words differ in one letter, or one is the beginning of the other.
func spelledAlike(v, w string) bool {
	if len(v) > len(w) {
		v, w = w, v
	}
	if len(v) < 4 || len(w) > len(v)+1 {
		return len(v) >= 3 && strings.HasPrefix(w, v)
	}
	i := 0
	for i < len(v) && v[i] == w[i] {
		i++
	}
	if len(v) == len(w) {
		return i == len(v) || v[i+1:] == w[i+1:]
	}
	return v[i:] == w[i+1:]
}

// words splits a name into its words, in lower case and without marks on letters.
func words(name string) []string {
	folded := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(strings.ToValidUTF8(name, "")))
	return strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) })
}
