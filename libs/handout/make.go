package handout

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
)

// The characters of Random: none that looks like another in some typeface, and of signs those that stand where keyboards
// print them.
const (
	upper  = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	lower  = "abcdefghijkmnpqrstuvwxyz"
	digits = "23456789"
	signs  = "!#%+.="
	all    = upper + lower + digits + signs
)

// Whose is what a password must not have in it.
type Whose struct {
	Username roster.Personal
	Names    []roster.Personal // given name, family name, the name that is shown
}

// Maker makes passwords of random bytes.
type Maker struct{ Random io.Reader }

// errExhausted says that nearly every password of a shape is refused, which no name does.
var errExhausted = errors.New("no password of the rule is good enough: lengthen it, or give it more words")

// Make returns a password of a shape. It has at least three of the four classes of characters, nothing of the user name
// or of the person's names, and nothing that the block list of names has: one that does is drawn again, so that all
// others stay equally likely.
func (m Maker) Make(s Shape, of Whose) (roster.Personal, error) {
	avoid := of.parts()
	for range tries {
		text, err := m.draw(s)
		if err != nil {
			return "", fmt.Errorf("make a password: %w", err)
		}
		if good(s, text, avoid) {
			return roster.Personal(text), nil
		}
	}
	return "", errExhausted
}

func (m Maker) draw(s Shape) (string, error) {
	if s.Form == Random {
		text := make([]byte, s.Length)
		for i := range text {
			n, err := m.below(len(all))
			if err != nil {
				return "", err
			}
			text[i] = all[n]
		}
		return string(text), nil
	}
	var text strings.Builder
	list := wordlist()
	for i := range s.Words {
		n, err := m.below(len(list))
		if err != nil {
			return "", err
		}
		word := list[n]
		if i == 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		} else {
			text.WriteByte('.') // it stands in one place on every keyboard, and keeps two pairs from being one text
		}
		text.WriteString(word)
	}
	for range s.Digits {
		n, err := m.below(len(digits))
		if err != nil {
			return "", err
		}
		text.WriteByte(digits[n])
	}
	return text.String(), nil
}

// below returns a number from 0 to n-1, all equally likely: what is over a power of two is drawn again.
func (m Maker) below(n int) (int, error) {
	mask := 1<<bits.Len(uint(n-1)) - 1
	var b [2]byte
	for {
		if _, err := io.ReadFull(m.Random, b[:]); err != nil {
			return 0, err
		}
		if got := (int(b[0])<<8 | int(b[1])) & mask; got < n {
			return got, nil
		}
	}
}

// good tells whether a password may be given.
func good(s Shape, text string, avoid []string) bool {
	if len(text) < s.Length || len(text) > MaxLength || classes(text) < 3 || blocked()(text) {
		return false
	}
	plain := strings.ToLower(text)
	if s.Form == Words {
		words := strings.Split(strings.TrimRight(plain, digits), ".")
		slices.Sort(words)
		if len(slices.Compact(words)) < s.Words || blocked()(strings.ReplaceAll(plain, ".", "")) {
			return false
		}
	}
	return !slices.ContainsFunc(avoid, func(part string) bool { return strings.Contains(plain, part) })
}

// classes counts the classes of characters: upper case, lower case, digits, signs.
func classes(text string) (n int) {
	for _, class := range []func(rune) bool{unicode.IsUpper, unicode.IsLower, unicode.IsDigit, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}} {
		if strings.ContainsFunc(text, class) {
			n++
		}
	}
	return n
}

// parts returns what stands in no password, in lower case: the user name, and the parts of all names, as they are and
// without the marks on letters. Active Directory refuses more than the letter of a name by the same rule.
func (w Whose) parts() (list []string) {
	add := func(text string) {
		if utf8.RuneCountInString(text) >= tokenChars {
			list = append(list, text)
		}
	}
	for _, name := range append([]roster.Personal{w.Username}, w.Names...) {
		for _, text := range []string{name.Reveal(), unmarked(name.Reveal())} {
			text = strings.ToLower(text)
			add(text)
			for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",.-_#@'’", r) }) {
				add(part)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// unmarked returns a text without the marks on its letters: åsa is asa.
func unmarked(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(text))
}

// Entropy returns how many bits whoever knows the rule has to guess, before what is refused for a person's name.
func Entropy(s Shape) float64 {
	if s.Form == Random {
		return float64(s.Length) * math.Log2(float64(len(all)))
	}
	return float64(s.Words)*math.Log2(float64(len(wordlist()))) + float64(s.Digits)*math.Log2(float64(len(digits)))
}
