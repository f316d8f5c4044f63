package roster

import (
	"cmp"
	"slices"
	"strings"
)

// Suggestion says that two keys may be one person's. A human being decides: nothing follows from it by itself.
type Suggestion struct {
	Keys [2]Key // sorted
	Why  Likeness
	Sure Sureness
}

// Likeness says why two keys may be one person's. Birth dates are equal and names alike in every case.
type Likeness string

// The kinds of likeness.
const (
	// NumberFollowed says that one of the two has a number that a later one replaces: a temporary or a samordningsnummer
	// where the other has a personnummer.
	NumberFollowed Likeness = "number-followed"
	// TwoRegisters says that no source states both, and at most one has a number that is the same everywhere.
	TwoRegisters Likeness = "two-registers"
)

// Sureness says how alike two persons are.
type Sureness string

// The degrees.
const (
	Likely   Sureness = "likely"   // given and family name are the same
	Possible Sureness = "possible" // they may be spellings of the same
)

// candidate is a person who may be another too.
type candidate struct {
	key           Key
	sources       []Source
	number        CivicNoKind // UnknownNumber counts as none
	given, family []string    // folded words
}

// Suggestions returns the pairs of keys that may be one person's, in the order of the keys. Nobody is in it who is
// protected, who is joined already, or whose birth date or name is not known; and no two who have a personnummer each,
// for they are two persons.
func (r *Roster) Suggestions() (list []Suggestion) {
	born := map[Date][]candidate{}
	for key, e := range r.entities[KindPerson] {
		if e.merged.State != Standing || e.merged.Protected || r.joins[key] != nil {
			continue
		}
		if day, c, ok := candidateOf(key, e); ok {
			born[day] = append(born[day], c)
		}
	}
	for _, same := range born {
		for i := range same {
			for j := range i {
				if s, ok := suggest(&same[i], &same[j]); ok {
					list = append(list, s)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Suggestion) int {
		return cmp.Or(a.Keys[0].Compare(b.Keys[0]), a.Keys[1].Compare(b.Keys[1]))
	})
	return list
}

// Conflicts returns the persons under whose key records speak of two people, or whom a statement joins to somebody else
// (see [Merged.Conflict]), in the order of the keys. Nobody is in it who is protected.
func (r *Roster) Conflicts() (keys []Key) {
	for key, e := range r.entities[KindPerson] {
		if e.merged.Conflict && !e.merged.Protected {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, Key.Compare)
	return keys
}

func candidateOf(key Key, e *entity) (Date, candidate, bool) {
	p := e.merged.Person
	c := candidate{key: key}
	day := p.CivicNo.Born()
	if day.IsOpen() {
		day, _ = ParseDate(p.BirthDate.Reveal())
	}
	if k := p.CivicNo.Kind(); k != UnknownNumber {
		c.number = k
	}
	for _, rec := range e.records {
		if rec.states() {
			c.sources = append(c.sources, rec.Source)
		}
	}
	c.given, c.family = foldedWords(p.GivenName.Reveal()), foldedWords(p.FamilyName.Reveal())
	if len(c.given)+len(c.family) == 0 {
		all := foldedWords(p.DisplayName.Reveal())
		c.given, c.family = all[:min(1, len(all))], all[min(1, len(all)):]
	}
	return day, c, !day.IsOpen() && len(c.given) > 0 && len(c.family) > 0
}

// suggest compares two who were born on one day.
func suggest(a, b *candidate) (s Suggestion, ok bool) {
	switch {
	case follows(a.number, b.number) || follows(b.number, a.number):
		s.Why = NumberFollowed
	case everywhere(a.number) && everywhere(b.number):
		return s, false
	case slices.ContainsFunc(a.sources, func(x Source) bool { return slices.Contains(b.sources, x) }):
		return s, false // the register tells them apart
	default:
		s.Why = TwoRegisters
	}
	switch {
	case slices.Equal(a.given, b.given) && slices.Equal(a.family, b.family):
		s.Sure = Likely
	case alike(a.given, b.given) && alike(a.family, b.family):
		s.Sure = Possible
	default:
		return s, false
	}
	s.Keys = [2]Key{a.key, b.key}
	slices.SortFunc(s.Keys[:], Key.Compare)
	return s, true
}

// follows tells whether a person who had a number of one kind may have got one of the other since.
func follows(before, now CivicNoKind) bool {
	return before == Temporary && everywhere(now) || before == Samordningsnummer && now == Personnummer
}

// everywhere tells whether a number of the kind is one person's in all sources.
func everywhere(k CivicNoKind) bool { return k == Personnummer || k == Samordningsnummer }

// alike tells whether some word of one name may be a spelling of one of the other's.
func alike(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return resemble(x, y) })
	})
}

// foldedWords returns the words of a name as [nameParts] does.
func foldedWords(name string) []string {
	if strings.TrimSpace(name) == "" {
		return nil
	}
	return nameParts(&Person{GivenName: Personal(name)})
}
