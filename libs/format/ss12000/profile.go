package ss12000

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Profile is which of a register counts, and what its words mean. In its tables of words neither case, blanks nor marks
// on letters matter, and a word that no table has stays as it is.
type Profile struct {
	// Enriches is the source, as system/instance, whose persons this register only adds user names and addresses to; empty
	// for a register of its own. Persons are the same by their identity number, or by its id where they have none.
	Enriches string `yaml:"enriches"`
	// Units are the school units that count, by skolenhetskod or id. What belongs to another is left out.
	Units Choice `yaml:"units"`
	// Organisations say what a type of organisation is: "Huvudman", "Skola", "Skolenhet", or "ignore", as all other types
	// are. What is ignored is passed over where it stands between two that are not.
	Organisations map[string]string `yaml:"organisations"`
	// SchoolTypes are the school types that count, of enrolments, placements and groups.
	SchoolTypes Choice `yaml:"schoolTypes"`
	// GroupTypes say what a type of group is, in the words of SS 12000, or "ignore".
	GroupTypes map[string]string `yaml:"groupTypes"`
	// OnlyTaught leaves out groups that no activity names: of an export that has only the activities that the school chose.
	OnlyTaught bool `yaml:"onlyTaught"`
	// DutyRoles say what a role of a duty is, in the words of SS 12000, or "ignore".
	DutyRoles map[string]string `yaml:"dutyRoles"`
	// AssignmentRoles say what a duty does for a group: "mentor", "teacher", "other", or "ignore".
	AssignmentRoles map[string]string `yaml:"assignmentRoles"`
	// WithoutStatus lists the values of personStatus of those who are left out.
	WithoutStatus []string `yaml:"withoutStatus"`
	Windows       Windows  `yaml:"windows"`
	Emails        Emails   `yaml:"emails"`
	// UsernameFrom is the context of the external identifier that is the user name; empty where none is.
	UsernameFrom string `yaml:"usernameFrom"`
	// Keep are external identifiers that are kept as extra attributes: the attribute's name, by context.
	Keep map[string]string `yaml:"keep"`
}

// Choice is what counts: Only, or everything where that is empty, and of that nothing of Except.
type Choice struct {
	Only   []string `yaml:"only"`
	Except []string `yaml:"except"`
}

// Window is from how many days before its first until how many days after its last something counts; nil is without
// limit. The days themselves go on with it, and whoever reads the roster has windows of its own.
type Window struct {
	Before *int `yaml:"before"`
	After  *int `yaml:"after"`
}

// Windows are when things count.
type Windows struct {
	Units   Window `yaml:"units"`
	Pupils  Window `yaml:"pupils"` // enrolments and placements
	Staff   Window `yaml:"staff"`  // duties
	Groups  Window `yaml:"groups"` // also activities
	Members Window `yaml:"members"`
	// SchoolTypes are windows of pupils and groups of a school type; what one leaves open is as above.
	SchoolTypes map[string]Window `yaml:"schoolTypes"`
}

// Emails say which of a person's addresses is the pupil's and which the employee's: types in the order of preference, "" for
// an address without a type, "*" for a type that the standard does not have, and "eduPersonPrincipalName" for that.
type Emails struct {
	Pupil []string `yaml:"pupil"`
	Staff []string `yaml:"staff"`
}

const (
	ignore   = "ignore"
	anyType  = "*"
	fromEPPN = "eduPersonPrincipalName"
)

// The types of e-mail addresses that the standard has.
const (
	emailPrivate = "Privat"
	emailPupil   = "Skola elev"
	emailStaff   = "Skola personal"
	emailWork    = "Arbete övrigt"
)

// memory is for how many days what has ended counts, so that its end is seen.
const memory = 30

// Default is the profile of a register of which nothing else is known: everything counts that has not ended long ago, but
// the dead.
func Default() Profile {
	ended := Window{After: new(memory)}
	return Profile{
		Organisations: map[string]string{
			"Huvudman": string(roster.Authority), "Skola": string(roster.School), "Skolenhet": string(roster.SchoolUnit),
		},
		AssignmentRoles: map[string]string{
			"Mentor": string(roster.MemberMentor), "Lärare": string(roster.MemberTeacher),
		},
		WithoutStatus: []string{"Avliden"},
		Windows:       Windows{Units: ended, Pupils: ended, Staff: ended, Groups: ended, Members: ended},
		Emails: Emails{
			Pupil: []string{emailPupil, "", anyType},
			Staff: []string{emailStaff, emailWork, "", anyType},
		},
	}
}

// Validate reports everything wrong with the profile.
func (p Profile) Validate(problems tenant.Problems) {
	if p.Enriches != "" {
		_, err := roster.ParseSource(p.Enriches)
		problems.At("enriches").Check(err)
	}
	words := func(name string, table map[string]string, what string, ok func(string) bool) {
		seen := map[string]bool{}
		for _, from := range slices.Sorted(maps.Keys(table)) {
			if to := table[from]; to != ignore && !ok(to) {
				problems.At("%s.%s", name, from).Add("write %s", what)
			}
			if seen[fold(from)] {
				problems.At("%s.%s", name, from).Add("stands twice, in two spellings")
			}
			seen[fold(from)] = true
		}
	}
	words("organisations", p.Organisations, "Huvudman, Skola, Skolenhet or ignore", func(s string) bool {
		return slices.Contains([]string{string(roster.Authority), string(roster.School), string(roster.SchoolUnit)}, s)
	})
	words("groupTypes", p.GroupTypes, "a type of group in the words of SS 12000, or ignore", func(s string) bool {
		_, ok := roster.ParseGroupType(s)
		return ok && s != ""
	})
	words("dutyRoles", p.DutyRoles, "a duty in the words of SS 12000, or ignore", func(s string) bool {
		_, ok := roster.ParseDutyRole(s)
		return ok && s != ""
	})
	words("assignmentRoles", p.AssignmentRoles, "mentor, teacher, other or ignore", func(s string) bool {
		return slices.Contains([]string{string(roster.MemberMentor), string(roster.MemberTeacher), string(roster.MemberOther)}, s)
	})
	p.Units.validate(problems.At("units"))
	p.SchoolTypes.validate(problems.At("schoolTypes"))
	p.Windows.validate(problems.At("windows"))
	for name, list := range map[string][]string{"pupil": p.Emails.Pupil, "staff": p.Emails.Staff} {
		for i, kind := range list {
			if slices.Contains(list[:i], kind) {
				problems.At("emails.%s[%d]", name, i).Add("stands twice")
			}
		}
	}
	for _, context := range slices.Sorted(maps.Keys(p.Keep)) {
		if p.Keep[context] == "" {
			problems.At("keep.%s", context).Add("write the name of the attribute")
		}
	}
}

func (c Choice) validate(problems tenant.Problems) {
	for i, s := range c.Except {
		if slices.Contains(c.Only, s) {
			problems.At("except[%d]", i).Add("stands under only too")
		}
	}
}

func (w Windows) validate(problems tenant.Problems) {
	check := func(at tenant.Problems, w Window) {
		if w.Before != nil && *w.Before < 0 {
			at.At("before").Add("has to be 0 or more days")
		}
		if w.After != nil && *w.After < 0 {
			at.At("after").Add("has to be 0 or more days")
		}
	}
	check(problems.At("units"), w.Units)
	check(problems.At("pupils"), w.Pupils)
	check(problems.At("staff"), w.Staff)
	check(problems.At("groups"), w.Groups)
	check(problems.At("members"), w.Members)
	for _, t := range slices.Sorted(maps.Keys(w.SchoolTypes)) {
		check(problems.At("schoolTypes.%s", t), w.SchoolTypes[t])
	}
}

// lets tells whether something counts that has any of the names.
func (c Choice) lets(names ...string) bool {
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return n != "" && strings.EqualFold(s, n) })
		})
	}
	return (len(c.Only) == 0 || in(c.Only)) && !in(c.Except)
}

// lets tells whether a span of days counts on a day. A date that cannot be read is no limit.
func (w Window) lets(start, end string, today roster.Date) bool {
	if from := date(start); w.Before != nil && !from.IsOpen() && from > today.AddDays(*w.Before) {
		return false
	}
	to := date(end)
	return w.After == nil || to.IsOpen() || to >= today.AddDays(-*w.After)
}

// of returns the window of a school type.
func (w Windows) of(general Window, schoolType string) Window {
	own, ok := w.SchoolTypes[schoolType]
	if !ok {
		return general
	}
	if own.Before != nil {
		general.Before = own.Before
	}
	if own.After != nil {
		general.After = own.After
	}
	return general
}

// date reads a date, or the date of a time; open where there is none.
func date(s string) roster.Date {
	d, err := roster.ParseDate(s)
	if err != nil && len(s) > len("2006-01-02") {
		d, err = roster.ParseDate(s[:len("2006-01-02")])
	}
	if year := d / 10000; err != nil || year == 1 || year == 9999 {
		return 0
	}
	return d
}

// table is a table of words, by the folded word.
type table map[string]string

func newTable(words map[string]string) table {
	t := table{}
	for from, to := range words {
		t[fold(from)] = to
	}
	return t
}

// fold reduces a word to what tells it from others.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFD.String(s))
}

// maxFolds is how many words are remembered: a server that sends more of them sends no words.
const maxFolds = 1000

func (m *Mapper) fold(s string) string {
	folded, known := m.folds[s]
	if !known {
		if folded = fold(s); len(m.folds) < maxFolds {
			m.folds[s] = folded
		}
	}
	return folded
}

// sameWord tells whether two words are folded to the same; those that are written alike need no folding.
func (m *Mapper) sameWord(a, b string) bool { return a == b || m.fold(a) == m.fold(b) }
