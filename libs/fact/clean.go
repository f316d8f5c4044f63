package fact

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// cleaner reads the raw texts of one doc about one entity. What it cannot read it leaves out with a finding; it never
// guesses.
type cleaner struct {
	a     *Assembler
	ref   roster.Ref
	where string
}

func (c cleaner) find(s Severity, e Effect, code reason.Code, args ...any) {
	c.a.find(c.ref, c.where, s, e, code, args...)
}

// first keeps the value that was stated first, and tells of another one.
func first[T comparable](c cleaner, field string, have *T, v T) {
	var none T
	switch {
	case v == none || v == *have:
	case *have == none:
		*have = v
	default:
		c.find(Warning, Dropped, reason.ConflictingAttribute, "field", field)
	}
}

// cleanID trims an id and takes out what no id can hold. Case and leading zeros tell ids apart (F37).
func cleanID(s string) string {
	if plain(s) {
		return s
	}
	return strings.TrimSpace(printable(strings.TrimSpace(s)))
}

// cleanRef does the same for an id that refers to an entity, and lets a reference by key be.
func cleanRef(s string) string {
	if strings.HasPrefix(s, "\x00") {
		if _, err := parseKeyRef(s); err == nil {
			return s
		}
	}
	return cleanID(s)
}

// plain tells whether a text needs no cleaning: ASCII, printable, no blank around it.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// printable returns s as UTF-8 without control characters and without marks that turn the direction of what follows;
// a tab or line end becomes a blank. Joiners stay: emoji and several scripts need them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r), r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069', r == '\uFEFF':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// text returns a text in NFC without what cannot be written. Any name is a name (F34).
func (c cleaner) text(field, s string) string {
	if plain(s) {
		return s
	}
	s = strings.TrimSpace(s)
	p := printable(s)
	if p != s {
		c.find(Warning, Noted, reason.ControlCharacters, "field", field)
	}
	return strings.TrimSpace(norm.NFC.String(p))
}

func (c cleaner) personal(field, s string) roster.Personal { return roster.Personal(c.text(field, s)) }

// email returns an address that has the form of one. It is not lower-cased: the register owns it.
func (c cleaner) email(raw string) roster.Personal {
	s := c.text("email", raw)
	local, domain, ok := strings.Cut(s, "@")
	if s == "" || ok && local != "" && domain != "" && !strings.ContainsAny(s, " \"<>,;") && !strings.Contains(domain, "@") {
		return roster.Personal(s)
	}
	c.find(Warning, Dropped, reason.InvalidEmail)
	return ""
}

// date returns a day written as YYYY-MM-DD or YYYYMMDD, alone or with a time. The years 1 and 9999, by which
// registers write "always" and "for ever", are open.
func (c cleaner) date(field, raw string) roster.Date {
	s := cleanID(raw)
	if s == "" {
		return 0
	}
	d, ok := memo(c.a.dates, s, readDate)
	if !ok {
		c.find(Warning, Dropped, reason.InvalidDate, "field", field)
	}
	return d
}

func readDate(s string) (roster.Date, bool) {
	d, err := roster.ParseDate(s)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04"} {
		if err == nil {
			break
		}
		// A time without zone is one in Stockholm; one with a zone may be another day there.
		var t time.Time
		if t, err = time.ParseInLocation(layout, s, roster.Stockholm()); err == nil && t.Year() > 0 {
			d = roster.Today(t)
		}
	}
	if year := d / 10000; year == 1 || year == 9999 {
		d = 0
	}
	return d, err == nil
}

// interval returns a span of days. One that ends before it starts is kept: it holds on no day.
func (c cleaner) interval(start, end string) roster.Interval {
	i := roster.Interval{Start: c.date("start", start), End: c.date("end", end)}
	if !i.End.IsOpen() && i.End < i.Start {
		c.find(Warning, Noted, reason.EndBeforeStart)
	}
	return i
}

// oneOf returns a word of a closed list; any other is kept with a finding.
func (c cleaner) oneOf(field, raw string, words ...string) string {
	s := cleanID(raw)
	if s != "" && !slices.Contains(words, s) {
		c.find(Warning, Noted, reason.UnknownCode, "field", field)
	}
	return s
}

func (c cleaner) unitCode(raw string) string {
	code, ok := roster.ParseUnitCode(cleanID(raw))
	if !ok {
		if code != "" {
			c.find(Warning, Dropped, reason.InvalidUnitCode)
		}
		return ""
	}
	return code
}

func (c cleaner) schoolType(raw string) roster.SchoolType {
	return word(c, "schoolType", raw, c.a.schoolTypes, func(s string) (roster.SchoolType, bool) {
		return roster.ParseSchoolType(s, c.a.opts.SchoolTypes)
	})
}

// schoolYearOf returns school type and årskurs, of which each may tell something of the other.
func (c cleaner) schoolYearOf(t roster.SchoolType, year string) (roster.SchoolType, string) {
	got, ok := memo(c.a.schoolYears, [2]string{string(t), year}, func(in [2]string) ([2]string, bool) {
		t, year, ok := roster.ParseSchoolYear(roster.SchoolType(in[0]), in[1])
		return [2]string{string(t), year}, ok
	})
	if !ok {
		c.find(Info, Noted, reason.UnknownCode, "field", "schoolYear")
	}
	return roster.SchoolType(got[0]), got[1]
}

func (c cleaner) groupType(raw string) roster.GroupType {
	return word(c, "groupType", raw, c.a.groupTypes, roster.ParseGroupType)
}

func (c cleaner) dutyRole(raw string) roster.DutyRole {
	return word(c, "dutyRole", raw, c.a.dutyRoles, roster.ParseDutyRole)
}

func (c cleaner) memberRole(raw string) roster.MemberRole {
	return word(c, "memberRole", raw, c.a.memberRoles, roster.ParseMemberRole)
}

// word reads a word by a table; one that the table does not have is kept with a finding.
func word[T ~string](c cleaner, field, raw string, seen map[string]known[T], parse func(string) (T, bool)) T {
	s := c.text(field, raw)
	if s == "" {
		return ""
	}
	v, ok := memo(seen, s, parse)
	if !ok {
		c.find(Info, Noted, reason.UnknownCode, "field", field)
	}
	return v
}

// known is what a table said of a word.
type known[T any] struct {
	value T
	ok    bool
}

// memo parses each text once: a register writes the same hundred words a million times.
func memo[K comparable, T any](seen map[K]known[T], s K, parse func(K) (T, bool)) (T, bool) {
	k, ok := seen[s]
	if !ok {
		k.value, k.ok = parse(s)
		seen[s] = k
	}
	return k.value, k.ok
}

// extra adds attributes that the roster has no field for.
func (c cleaner) extra(have roster.Extra, add map[string]string) roster.Extra {
	for _, name := range sortedKeys(add) {
		key, v := c.text("extra", name), c.personal("extra", add[name])
		if key == "" || v == "" {
			continue
		}
		if have == nil {
			have = roster.Extra{}
		}
		old := have[key]
		first(c, "extra", &old, v)
		have[key] = old
	}
	return have
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
