package names

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/mozillazg/go-unidecode"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/rule"
)

// Limits are what all targets of a tenant take as a name.
type Limits struct {
	Max    int    // most characters; 0 for 64, which is the most of an e-mail address
	Refuse string // characters that a name must not have
}

// mostCharacters is how long the local part of an e-mail address may be.
const mostCharacters = 64

// And returns the limits of two targets together.
func (l Limits) And(o Limits) Limits {
	if l.Max == 0 || o.Max != 0 && o.Max < l.Max {
		l.Max = o.Max
	}
	for _, r := range o.Refuse {
		if !strings.ContainsRune(l.Refuse, r) {
			l.Refuse += string(r)
		}
	}
	return l
}

// Rules are what a tenant's names are made by. They are safe for concurrent use.
type Rules struct {
	limits  Limits
	digits  int
	reserve int
	blocked *blocked
	roles   map[roster.Role]*roleRules
}

// roleRules are the rules of a role.
type roleRules struct {
	patterns []*rule.Text
	neutral  string
	policy   Policy
	version  string
}

// Compile makes rules of what a tenant says. The error names everything that is wrong.
func Compile(s Spec, l Limits) (*Rules, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	if l.Max == 0 || l.Max > mostCharacters {
		l.Max = mostCharacters
	}
	b, err := newBlocked(s.Block)
	if err != nil {
		return nil, err
	}
	texts, err := functions()
	if err != nil {
		return nil, err
	}
	r := &Rules{l, max(s.Digits, 1), cmp.Or(s.Reserve, reserveYears), b, map[roster.Role]*roleRules{}}
	for _, role := range roles() {
		said := s.of(role)
		of := &roleRules{neutral: said.Neutral, policy: said.OnRename}
		for _, pattern := range said.Patterns {
			text, err := texts.Compile(pattern)
			if err != nil {
				return nil, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			of.patterns = append(of.patterns, text)
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "1 %s %q %d %q", unidecode.Version(), said.Patterns, l.Max, l.Refuse))
		of.version = hex.EncodeToString(sum[:8])
		r.roles[role] = of
	}
	return r, nil
}

// of returns the rules of a role.
func (r *Rules) of(role roster.Role) *roleRules {
	if of := r.roles[role]; of != nil {
		return of
	}
	return r.roles[roster.RoleNone]
}

// Version returns what the patterns and limits of a role are. By another version a person may have another first choice
// and still be called the same.
func (r *Rules) Version(role roster.Role) string { return r.of(role).version }

// Policy returns what becomes of the names of a role when their owners are called something else.
func (r *Rules) Policy(role roster.Role) Policy { return r.of(role).policy }

// Wanted returns the first choice: what the first pattern gives that gives something. It may be taken, or blocked. It is
// empty where no pattern gives anything.
func (r *Rules) Wanted(s Subject) string {
	for stem := range r.stems(s) {
		return stem
	}
	return ""
}

// stems yields what the patterns give, cut to the limits; the same may come twice.
func (r *Rules) stems(s Subject) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range r.of(s.Role).patterns {
			text, err := p.Of(rule.Named(s))
			if err != nil {
				continue // it counts on something that the person does not have
			}
			if stem := r.fit(clean(text, r.limits.Refuse), ""); stem != "" && !yield(stem) {
				return
			}
		}
	}
}

// fit returns a stem with a number, the stem as short as it must be; nothing where nothing would be left of it.
func (r *Rules) fit(stem, number string) string {
	room := r.limits.Max - len(number)
	if room < 1 || strings.ContainsAny(number, r.limits.Refuse) {
		return ""
	}
	if stem = strings.TrimRight(stem[:min(room, len(stem))], separators); stem == "" {
		return ""
	}
	return stem + number
}

// How far numbers go, behind a name and behind the neutral word.
const (
	mostNumber  = 999
	mostNeutral = 99_999
)

// Candidates yields the names that a person may have, the best first: what the patterns give; then that with a number, from
// 2 on, the first pattern's first; then the neutral word with a number. Each is within the limits, of a-z, 0-9, full stop,
// hyphen and underscore, and not blocked; none comes twice in a row. There is an end. Of nobody there is no name.
func (r *Rules) Candidates(s Subject) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range r.candidates(s) {
			if !r.blocked.has(name) && !yield(name) {
				return
			}
		}
	}
}

// candidates yields what [Rules.Candidates] does, and names that are blocked: to see whether a name is free costs less
// than to see whether it is blocked.
func (r *Rules) candidates(s Subject) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s.Person == nil {
			return
		}
		var stems []string
		for stem := range r.stems(s) {
			if slices.Contains(stems, stem) {
				continue
			}
			stems = append(stems, stem)
			if !yield(stem) {
				return
			}
		}
		for _, stem := range stems {
			if !r.numbered(stem, 2, mostNumber, yield) {
				return
			}
		}
		r.numbered(clean(r.of(s.Role).neutral, r.limits.Refuse), 1, mostNeutral, yield)
	}
}

// numbered yields a stem with numbers.
func (r *Rules) numbered(stem string, from, to int, yield func(string) bool) bool {
	if r.blocked.always(stem) {
		return true
	}
	for n := from; n <= to; n++ {
		number := strconv.Itoa(n)
		if len(number) < r.digits {
			number = strings.Repeat("0", r.digits-len(number)) + number
		}
		if name := r.fit(stem, number); name != "" && !yield(name) {
			return false
		}
	}
	return true
}
