// Package municipality makes a whole synthetic municipality: its schools, classes, teaching groups, mentor groups,
// pupils and staff. It stands behind `ess generate` and `ess demo`, and behind tests and benchmarks.
//
// The same options make the same municipality and the same bytes on every machine. Each one holds, by construction,
// what registers really hold and what breaks software: see [Case] and [GroupCase]. Days pass in it ([Municipality.After]),
// and what happens once can be had one by one ([Mutation]).
//
// Nobody in it can be taken for a living person. Names are invented and look it. Identity numbers are well formed, with
// a right check digit, and of the birth years 1880 to 1899: the youngest person with such a number would be over 125
// years old, which is also why the ages of the pupils make no sense. Addresses end in .example, which no one can
// register (RFC 2606, section 2).
package municipality

import (
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
)

// Municipality is a synthetic municipality. Its units, persons and groups may be read freely; change them by a
// [Mutation]. It is not safe for concurrent use while it changes.
type Municipality struct {
	Name  string
	Day   roster.Date // the day on which the register looks as it does
	Time  time.Time   // when the register says that an export of it was made; every mutation moves it on
	Units []Unit      // the authority first
	// Persons are the staff, then the pupils, then who joined later.
	Persons []Person
	Groups  []Group
	// Protected is how the exports tell of protected persons.
	Protected Protected

	seed     uint64
	shape    Shape
	groupIDs GroupIDs
	pupils   int          // how many there were at first, which later days come back to
	passed   int          // how many days have passed
	edits    uint64       // how many mutations there were, the seed of the next
	made     int          // how many persons there ever were, the source of ids
	groups   int          // how many groups there ever were, the source of ids
	numbers  numberSeries // the source of identity numbers
}

// Protected is how a register tells of protected persons, in the words of a source's settings.
type Protected string

// The ways to tell. The zero way is to tell nothing, as Alvis does.
const (
	ProtectedNone  Protected = "none"
	ProtectedFlag  Protected = "flag"  // a mark on everyone, see [Municipality.EncodeIMS]
	ProtectedOmits Protected = "omits" // who is protected is left out, with every membership
)

// Unit is the authority, or a school unit below it.
type Unit struct {
	ID         string
	Name       string // unique
	Parent     string // id of the authority; empty for the authority itself
	Code       string // skolenhetskod, 8 digits; empty for the authority
	SchoolType roster.SchoolType

	kind unitKind
}

// Person is a pupil, a member of staff, or both.
type Person struct {
	ID         string
	CivicNo    roster.Personal // 12 characters without separator
	Given      roster.Personal
	Family     roster.Personal        // empty for who has a single name
	Email      roster.Personal        // empty for who has none, else unique
	Enrolments []Enrolment            // as a pupil
	Duties     []Duty                 // as staff
	Marking    roster.SecurityMarking // empty for who is not protected
	Cases      []Case                 // what is unusual about the person
}

// Is tells whether the person is an example of the case.
func (p *Person) Is(c Case) bool { return slices.Contains(p.Cases, c) }

// Enrolment is a pupil at a unit. Both ends are inclusive, an open one has no limit.
type Enrolment struct {
	Unit       string
	Start, End roster.Date
}

// Duty is a member of staff at a unit.
type Duty struct {
	Unit       string
	Role       Role
	Start, End roster.Date
}

// Group is a class, a teaching group or a mentor group of one unit.
type Group struct {
	ID         string
	Name       string
	Kind       GroupKind
	Unit       string
	Course     string // course code of a teaching group
	Grade      int    // school year of a class and its mentor groups; 0 for adults
	Start, End roster.Date
	Members    []Member // each person once
	Cases      []GroupCase

	away []Member // the learners whom the register has taken out for the summer
	past bool     // a class or mentor group of an earlier läsår
}

// Is tells whether the group is an example of the case.
func (g *Group) Is(c GroupCase) bool { return slices.Contains(g.Cases, c) }

// Member is a person in a group: as a [Learner], or as an [Instructor] or [Mentor].
type Member struct {
	Person     string
	Role       Role
	Start, End roster.Date
}

// GroupKind is the sort of a group.
type GroupKind string

// The kinds of group.
const (
	Class    GroupKind = "class"
	Teaching GroupKind = "teaching"
	Mentors  GroupKind = "mentor"
)

// Role is what a person does in a unit or a group.
type Role string

// The roles.
const (
	Learner       Role = "learner"
	Instructor    Role = "instructor"
	Mentor        Role = "mentor"
	Manager       Role = "manager"
	Administrator Role = "administrator"
	Assistant     Role = "assistant"
)

// Case is something unusual about a person.
type Case string

// The cases. Every municipality has at least one pupil of each on its first day.
const (
	CaseTF            Case = "tf-number"
	CaseT             Case = "t-number"
	CaseCoordination  Case = "samordningsnummer"
	CaseTwoUnits      Case = "two-units"
	CaseBothRoles     Case = "pupil-and-staff"
	CaseNFD           Case = "nfd-name"
	CaseLongName      Case = "long-name" // 60 characters or more
	CaseForeignName   Case = "foreign-name"
	CaseApostrophe    Case = "apostrophe"
	CaseHyphen        Case = "hyphen"
	CaseDoubleSurname Case = "double-surname"
	CaseNull          Case = "null-name"
	CaseSingleName    Case = "single-name"
	CaseAccent        Case = "accent" // é or ü; å, ä and ö are everywhere
	CaseMarkup        Case = "markup" // & < > in the name
	CaseNoEmail       Case = "no-email"
	CaseStartsToday   Case = "starts-today"
	CaseStartsLater   Case = "starts-tomorrow"
	CaseEndsToday     Case = "ends-today"
	CaseEnded         Case = "ended-yesterday"
)

// Cases lists every case of a person.
func Cases() []Case {
	return []Case{
		CaseTF, CaseT, CaseCoordination, CaseTwoUnits, CaseBothRoles, CaseNFD, CaseLongName, CaseForeignName,
		CaseApostrophe, CaseHyphen, CaseDoubleSurname, CaseNull, CaseSingleName, CaseAccent, CaseMarkup, CaseNoEmail,
		CaseStartsToday, CaseStartsLater, CaseEndsToday, CaseEnded,
	}
}

// GroupCase is something unusual about a group.
type GroupCase string

// The cases. Every municipality has at least one teaching group of each on its first day, and two with the same name.
const (
	GroupEmpty       GroupCase = "no-members"
	GroupSameName    GroupCase = "same-name"
	GroupMarkup      GroupCase = "markup"
	GroupStartsLater GroupCase = "starts-tomorrow"
	GroupEnded       GroupCase = "ended-yesterday"
)

// GroupCases lists every case of a group.
func GroupCases() []GroupCase {
	return []GroupCase{GroupEmpty, GroupSameName, GroupMarkup, GroupStartsLater, GroupEnded}
}

// Size counts what a municipality holds.
type Size struct {
	Units   int // the authority too
	Persons int
	Pupils  int // who have an enrolment
	Staff   int // who have a duty; who has both counts in both
	Groups  int // without the units
	Members int // persons in units and in groups; who is both pupil and staff of a unit counts once
}

// Size counts what the municipality holds, whether it is valid on the day or not.
func (m *Municipality) Size() Size {
	s := Size{Units: len(m.Units), Persons: len(m.Persons), Groups: len(m.Groups)}
	for i := range m.Persons {
		p := &m.Persons[i]
		if len(p.Enrolments) > 0 {
			s.Pupils++
		}
		if len(p.Duties) > 0 {
			s.Staff++
		}
		s.Members += len(p.units())
	}
	for i := range m.Groups {
		s.Members += len(m.Groups[i].Members)
	}
	return s
}

// units returns the ids of the units that the person belongs to, each once.
func (p *Person) units() []string {
	var ids []string
	for _, e := range p.Enrolments {
		if !slices.Contains(ids, e.Unit) {
			ids = append(ids, e.Unit)
		}
	}
	for _, d := range p.Duties {
		if !slices.Contains(ids, d.Unit) {
			ids = append(ids, d.Unit)
		}
	}
	return ids
}

// Clone returns a copy that shares nothing with m. The same mutations of both have the same effect.
func (m *Municipality) Clone() *Municipality {
	c := *m
	c.Units = slices.Clone(m.Units)
	c.Persons = slices.Clone(m.Persons)
	for i := range c.Persons {
		p := &c.Persons[i]
		p.Enrolments, p.Duties, p.Cases = slices.Clone(p.Enrolments), slices.Clone(p.Duties), slices.Clone(p.Cases)
	}
	c.Groups = slices.Clone(m.Groups)
	for i := range c.Groups {
		g := &c.Groups[i]
		g.Members, g.Cases, g.away = slices.Clone(g.Members), slices.Clone(g.Cases), slices.Clone(g.away)
	}
	return &c
}
