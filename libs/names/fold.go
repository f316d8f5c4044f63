package names

import (
	"strings"
	"unicode"

	"github.com/mozillazg/go-unidecode"
	"golang.org/x/text/unicode/norm"
)

// words returns the words of a text in a-z and 0-9: "Anna-Lena O’Brien" is anna, lena, obrien. What is not of the Latin
// alphabet is written in it letter by letter. A word of which nothing is left is none.
func words(text string) (list []string) {
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			list = append(list, word.String())
			word.Reset()
		}
	}
	for _, r := range norm.NFKC.String(joined.Replace(text)) {
		switch {
		case unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r):
			latin(&word, r)
		case unicode.IsSpace(r) || !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r):
			end()
		default: // seen by nobody: NUL, zero-width, the marks of right-to-left
		}
	}
	end()
	return list
}

// joined takes out what stands inside of a word. An acute that stands by itself would become a blank and an accent.
var joined = strings.NewReplacer("'", "", "’", "", "‘", "", "ʼ", "", "ʻ", "", "ʹ", "", "`", "", "´", "", "′", "", "＇", "", "·", "")

// latin writes a character in a-z and 0-9.
func latin(to *strings.Builder, r rune) {
	switch r { // what the table of the library has a sign for, or nothing
	case 'ə', 'Ə', 'ǝ', 'Ǝ':
		r = 'e'
	case 'ә', 'Ә', 'ӛ', 'Ӛ':
		r = 'a'
	}
	ascii := string(r)
	if r >= unicode.MaxASCII {
		ascii = unidecode.Unidecode(ascii)
	}
	for i := range len(ascii) {
		switch c := ascii[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			to.WriteByte(c)
		case 'A' <= c && c <= 'Z':
			to.WriteByte(c + 'a' - 'A')
		}
	}
}

// fold returns a text in a-z and 0-9, as one word: "Anna-Lena" is annalena.
func fold(text string) string { return strings.Join(words(text), "") }

// slug returns the words of a text with hyphens in between: "Anna-Lena" is anna-lena.
func slug(text string) string { return strings.Join(words(text), "-") }

// letters returns what [fold] returns, without digits.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, fold(text))
}

// first returns the first n characters of what [fold] returns.
func first(text string, n int) string {
	s := fold(text)
	return s[:min(n, len(s))]
}

// initials returns the first letter of each word: "Anna-Lena" is al.
func initials(text string) string {
	var s strings.Builder
	for _, w := range words(text) {
		s.WriteByte(w[0])
	}
	return s.String()
}

// core returns a family name without the particles that it begins with: "von der Heide" is heide.
func core(text string) string {
	list := words(text)
	for len(list) > 1 && particles[list[0]] {
		list = list[1:]
	}
	return strings.Join(list, " ")
}

var particles = map[string]bool{
	"af": true, "al": true, "av": true, "bin": true, "d": true, "da": true, "das": true, "de": true, "del": true, "della": true,
	"den": true, "der": true, "di": true, "do": true, "dos": true, "du": true, "el": true, "ibn": true, "la": true, "le": true,
	"ten": true, "ter": true, "van": true, "von": true, "zu": true, "zum": true, "zur": true,
}

// local returns what stands before the @ of an address.
func local(text string) string {
	before, _, _ := strings.Cut(text, "@")
	return before
}

// separators are what a name may have between its parts.
const separators = ".-_"

// clean makes a name of what a pattern gave: in a-z and 0-9, with single separators between, and without what is refused.
func clean(text, refused string) string {
	var s strings.Builder
	between := byte(0)
	for text != "" {
		i := strings.IndexAny(text, separators)
		part := text
		if i >= 0 {
			part = text[:i]
		}
		part = fold(part)
		if refused != "" {
			part = strings.Map(func(r rune) rune {
				if strings.ContainsRune(refused, r) {
					return -1
				}
				return r
			}, part)
		}
		if part != "" {
			if between != 0 && s.Len() > 0 && strings.IndexByte(refused, between) < 0 {
				s.WriteByte(between)
			}
			between = 0
			s.WriteString(part)
		}
		if i < 0 {
			break
		}
		if between == 0 {
			between = text[i]
		}
		text = text[i+1:]
	}
	return s.String()
}
