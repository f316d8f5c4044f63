// Package ss12000 reads what an API of SS 12000:2020 answers (SIS TK450, version 2.1.0, and the 2.0 that came before it)
// into docs and facts, and writes the standard's objects.
//
// [ReadPage] reads a page of a list, or the bare array that a lookup answers, object by object. It takes what servers of
// the standard really send: words that no list has, a number where a text should be, an id in capitals, keys that are
// misspelt in the standard or put right by the vendor, times without a zone. What is odd is counted, not refused. Refused
// is what could be read in two ways: a key twice in one object, a body that is not UTF-8 or not whole.
//
// A [Mapper] makes docs of the objects, by the [Profile] of the customer: which units, persons and groups count. Filters
// that a server was asked to apply are applied again, for not every server does.
//
// Not read: addresses, phone numbers, photos, responsibles, and every list but those of [Resources].
package ss12000

import (
	"errors"
	"strings"
	"time"
)

// Resource is a list of the standard, by the name that it has in a path.
type Resource string

// The lists that are read.
const (
	Organisations Resource = "organisations"
	Syllabuses    Resource = "syllabuses"
	Programmes    Resource = "programmes"
	Duties        Resource = "duties"
	Placements    Resource = "placements"
	Activities    Resource = "activities"
	Groups        Resource = "groups"
	Persons       Resource = "persons"
)

// Resources lists them in the order in which a [Mapper] takes them.
func Resources() []Resource {
	return []Resource{Organisations, Syllabuses, Programmes, Duties, Placements, Activities, Groups, Persons}
}

// Whole tells whether a read of what changed reads the list whole: the short ones, which the others cannot be
// understood without.
func (r Resource) Whole() bool { return r != Groups && r != Persons }

// EntityType is the word of the standard for one of a resource, as deletedEntities and subscriptions want it.
func (r Resource) EntityType() string {
	return map[Resource]string{
		Organisations: "Organisation", Syllabuses: "Syllabus", Programmes: "Programme", Duties: "Duty",
		Placements: "Placement", Activities: "Activity", Groups: "Group", Persons: "Person",
	}[r]
}

// The causes of an answer that is not read.
var (
	ErrMalformed = errors.New("the answer is not JSON in UTF-8 to its end")
	ErrDuplicate = errors.New("a key stands twice in one object")
	ErrShape     = errors.New("the answer is not a list of SS 12000")
)

// ParseTime reads a time of the standard. One without a zone, which some servers send, is taken for UTC: no zone of a
// Swedish server makes it a later one, and what changed is better seen twice than not at all.
func ParseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// ID returns an id in its one spelling: a UUID in small letters, for some servers write it in capitals in one place and
// not in the other; anything else as it stands.
func ID(s string) string {
	s = strings.TrimSpace(s)
	if len(s) != 36 {
		return s
	}
	upper := false
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return s
			}
		case c >= 'A' && c <= 'F':
			upper = true
		case c < '0' || c > '9' && c < 'a' || c > 'f':
			return s
		}
	}
	if upper {
		return strings.ToLower(s)
	}
	return s
}
