package oneroster

import (
	"maps"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Profile is what one exporter means, where OneRoster leaves it open.
type Profile struct {
	// CivicNoFrom lists where the identity number stands, best first: "identifier", or "userIds:" and a type of id.
	CivicNoFrom []string `yaml:"civicNoFrom"`
	// Roles say what a role of a user is: "pupil", "ignore", or a word of SS 12000 for a duty. "" is who has none.
	Roles map[string]string `yaml:"roles"`
	// Orgs say what a type of org is: "Huvudman", "Skola", "Skolenhet", or "ignore".
	Orgs map[string]string `yaml:"orgs"`
	// Classes say what a type of class is, in the words of SS 12000.
	Classes map[string]string `yaml:"classes"`
	// Grades say what årskurs a grade is; a grade that is not here is read as it stands.
	Grades map[string]string `yaml:"grades"`
	// MayBeEmpty lists the files that a whole set may have without a row: "classes" and "enrollments" of an exporter who has
	// no groups. Of all others that takes nobody away.
	MayBeEmpty []string `yaml:"mayBeEmpty"`
	// Marking is the mark of protected persons, for which OneRoster has no column.
	Marking Marking `yaml:"marking"`
}

// Marking is where an exporter marks protected persons.
type Marking struct {
	Column string            `yaml:"column"` // of users.csv; empty where there is none
	Words  map[string]string `yaml:"words"`  // what stands there, as a word of SS 12000
}

const (
	ignore    = "ignore"
	pupil     = "pupil"
	userIDs   = "userIds:"
	ownNumber = "identifier"
)

// Default is the profile of an exporter of whom nothing else is known.
func Default() Profile {
	return Profile{
		CivicNoFrom: []string{userIDs + "civicNo", ownNumber},
		Roles: map[string]string{
			"student": pupil, "guardian": ignore, "parent": ignore, "relative": ignore,
			"teacher": string(roster.Teacher), "principal": string(roster.Principal),
			"administrator": string(roster.SchoolAdministrator), "siteadministrator": string(roster.SchoolAdministrator),
			"aide": string(roster.OtherStaff), "counselor": string(roster.OtherStaff), "proctor": string(roster.OtherStaff),
			"districtadministrator": string(roster.OtherStaff), "systemadministrator": string(roster.OtherStaff),
		},
		Orgs: map[string]string{
			"district": string(roster.Authority), "local": string(roster.Authority), "school": string(roster.SchoolUnit),
			"department": ignore, "state": ignore, "national": ignore,
		},
		Classes: map[string]string{"homeroom": string(roster.Class), "scheduled": string(roster.TeachingGroup)},
		Grades: map[string]string{
			"pk": "", "kg": "0", "01": "1", "02": "2", "03": "3", "04": "4", "05": "5", "06": "6", "07": "7", "08": "8", "09": "9",
		},
	}
}

// Validate reports everything wrong with the profile.
func (p Profile) Validate(problems tenant.Problems) {
	for i, from := range p.CivicNoFrom {
		if kind, ok := strings.CutPrefix(from, userIDs); from != ownNumber && (!ok || kind == "") {
			problems.At("civicNoFrom[%d]", i).Add("write identifier, or userIds: and a type of id")
		}
	}
	check := func(name string, words map[string]string, what string, ok func(string) bool) {
		for _, from := range slices.Sorted(maps.Keys(words)) {
			switch {
			case from != strings.ToLower(from):
				problems.At("%s.%s", name, from).Add("write the word of the export in lower case")
			case !ok(words[from]):
				problems.At("%s.%s", name, from).Add("write %s", what)
			}
		}
	}
	check("roles", p.Roles, "pupil, ignore, or a duty in the words of SS 12000", func(s string) bool {
		_, ok := roster.ParseDutyRole(s)
		return ok || s == pupil || s == ignore
	})
	check("orgs", p.Orgs, "Huvudman, Skola, Skolenhet or ignore", func(s string) bool {
		return slices.Contains([]string{ignore, string(roster.Authority), string(roster.School), string(roster.SchoolUnit)}, s)
	})
	check("classes", p.Classes, "a type of group in the words of SS 12000", func(s string) bool {
		_, ok := roster.ParseGroupType(s)
		return ok
	})
	check("grades", p.Grades, "an årskurs", func(s string) bool {
		_, _, ok := roster.ParseSchoolYear("", s)
		return ok
	})
	for i, name := range p.MayBeEmpty {
		if name != "classes" && name != "enrollments" {
			problems.At("mayBeEmpty[%d]", i).Add("write classes or enrollments")
		}
	}
	check("marking.words", p.Marking.Words, "a mark in the words of SS 12000", func(s string) bool {
		return roster.SecurityMarking(s).Known()
	})
	if (p.Marking.Column == "") != (len(p.Marking.Words) == 0) {
		problems.At("marking").Add("column and words go together")
	}
}
