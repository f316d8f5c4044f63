package ad

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// text is a compiled text with placeholders.
type text []part

// part is a literal, or the name of a placeholder.
type part struct {
	literal string
	word    string
}

func compile(s string) (t text) {
	last := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(s, -1) {
		if m[0] > last {
			t = append(t, part{literal: s[last:m[0]]})
		}
		t = append(t, part{word: s[m[2]:m[3]]})
		last = m[1]
	}
	if last < len(s) {
		t = append(t, part{literal: s[last:]})
	}
	return t
}

// fill returns the text with every placeholder filled in. One with placeholders none of which has a value is empty: what
// is left of it would say nothing.
func (t text) fill(value func(word string) string) string {
	if len(t) == 1 && t[0].word != "" {
		return value(t[0].word)
	}
	var out strings.Builder
	words, values := 0, 0
	for _, p := range t {
		if p.word == "" {
			out.WriteString(p.literal)
			continue
		}
		words++
		v := value(p.word)
		if v != "" {
			values++
		}
		out.WriteString(v)
	}
	if words > 0 && values == 0 {
		return ""
	}
	return out.String()
}

// clean makes a text fit for the directory: NFC, nothing that cannot be seen (NUL and other controls, marks of direction,
// zero-width characters, byte order marks), a single blank for any run of white space, none at the ends, and no more than so
// many characters as the directory counts them. Nothing is cut in two, and none of what is cut off leaves a blank behind.
func clean(s string, most int) string {
	if !plain(s) {
		s = norm.NFC.String(strings.Map(func(r rune) rune {
			switch {
			case unicode.IsSpace(r):
				return ' '
			case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), unicode.Is(unicode.Noncharacter_Code_Point, r):
				return -1
			default:
				return r
			}
		}, strings.ToValidUTF8(s, "")))
		s = strings.Join(strings.Fields(s), " ")
	}
	return cut(s, most)
}

// plain tells, without work, of most texts that they are clean.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			return false
		}
	}
	return true
}

// cut leaves the first characters of a text, of which one beyond the basic plane counts twice, as it does in the directory.
// A letter keeps its marks or goes with them.
func cut(s string, most int) string {
	if len(s) <= most || most == math.MaxInt {
		return s
	}
	units, end := 0, 0
	for i := 0; i < len(s); {
		n := norm.NFC.NextBoundaryInString(s[i:], true)
		if n <= 0 {
			n = utf8.UTFMax
		}
		for _, r := range s[i : i+n] {
			units += utf16.RuneLen(r)
		}
		if units > most {
			break
		}
		i += n
		end = i
	}
	return strings.TrimRight(s[:end], " ")
}

// length counts the characters of a text as the directory does.
func length(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// refused are the characters that sAMAccountName may not have.
const refused = `"/\[]:;|=,+*?<>@`

// groupName is what a group is called: in the directory, and as its sAMAccountName. The token of its id tells it from every
// other one, however many are called the same.
func groupName(name, id string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(refused, r) {
			return ' '
		}
		return r
	}, name)
	token := tokenOf(id)
	name = strings.TrimRight(clean(name, mostCN-len(token)-1), ". ")
	if name == "" {
		return token
	}
	return name + " " + token
}

// called is what an account is called in its OU. Where that is too long, what it is told from others by stays whole.
func (m *mapping) called(is func(word string) string) string {
	name := clean(m.cn.fill(is), 1<<16)
	over := length(name) - mostCN
	if over <= 0 {
		return name
	}
	return m.cn.fill(func(word string) string {
		value := is(word)
		if word == "username" || word == "id" {
			return value
		}
		value = clean(value, 1<<16)
		less := cut(value, max(0, length(value)-over))
		over -= length(value) - length(less)
		return less
	})
}

// schoolOU is what the OU of a school is called. Of several whose names the directory takes for one, the school that began first
// has it as it is, and the others with their skolenhetskod: whichever of them comes first, or is read first.
func (m *mapping) schoolOU(v target.View, unit roster.Key) string {
	plain := func(k roster.Key) (string, *roster.Organisation) {
		o := v.Organisation(k)
		if o == nil || o.Type != roster.SchoolUnit {
			return "", nil
		}
		return clean(m.school.fill(wordsOf(o, k)), mostCN), o
	}
	name, own := plain(unit)
	if name == "" {
		return ""
	}
	with := func(tag string) string { return clean(name, mostCN-length(tag)-1) + " " + tag }
	tag := clean(wordsOf(own, unit)("code"), mostCN/2)
	first, folded := true, ldapx.Fold(name)
	for _, k := range target.Units(v) {
		other, o := plain(k)
		if k == unit || other == "" {
			continue
		}
		alike := ldapx.Fold(other)
		if alike == folded {
			first = first && cmp.Or(cmp.Compare(own.Interval.Start, o.Interval.Start), unit.Compare(k)) < 0
		}
		if code := wordsOf(o, k)("code"); tag != "" && (code == tag && alike == folded || alike == ldapx.Fold(with(tag))) {
			tag = "" // it tells nobody apart
		}
	}
	switch {
	case first:
		return name
	case tag == "":
		return with(tokenOf(unit.String()))
	default:
		return with(tag)
	}
}

// tokenOf is a short text that an id is known by.
func tokenOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:4])
}

// rdn is the first part of a DN: an attribute and its value, which may have any characters.
func rdn(attribute, value string) string { return attribute + "=" + escape(value) }

// escape writes a value as it stands in a DN (RFC 4514). What could be taken for anything else is written in hex.
func escape(value string) string {
	var out strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c == ' ' && (i == 0 || i == len(value)-1), c == '#' && i == 0, strings.IndexByte(`,+"\<>;=`, c) >= 0:
			out.WriteByte('\\')
			out.WriteByte(c)
		case c < ' ' || c == 0x7f:
			out.WriteByte('\\')
			out.WriteString(hex.EncodeToString([]byte{c}))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
