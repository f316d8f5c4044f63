package table

import (
	"maps"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Profile is what the register means.
type Profile struct {
	// GroupTypes, DutyRoles and MemberRoles say what the register's words are, in those of SS 12000; ignore leaves the row out.
	GroupTypes  map[string]string `yaml:"groupTypes"`
	DutyRoles   map[string]string `yaml:"dutyRoles"`
	MemberRoles map[string]string `yaml:"memberRoles"`
	// OpenEnds are last days that stand for none.
	OpenEnds []string `yaml:"openEnds"`
	// Before and After are from how many days before its first day until how many after its last something counts.
	Before int `yaml:"before"`
	After  int `yaml:"after"`
	// Enriches is the source whose persons are only added to; zero for a register.
	Enriches roster.Source `yaml:"-"`
}

const ignore = "ignore"

// memory and lead are for how many days what has ended counts, so that its end is seen, and what has not begun.
const (
	memory = 30
	lead   = 60
)

// Default returns the settings of a register that is as the contract has it.
func Default() Profile {
	return Profile{
		GroupTypes: map[string]string{
			"klass": string(roster.Class), "undervisning": string(roster.TeachingGroup), "mentor": string(roster.MentorGroup),
		},
		MemberRoles: map[string]string{
			"s": string(roster.MemberPupil), "t": string(roster.MemberTeacher), "m": string(roster.MemberMentor),
		},
		OpenEnds: []string{"9999-12-31", "2099-12-31"},
		Before:   lead, After: memory,
	}
}

// Validate reports everything wrong with the settings.
func (f Profile) Validate(p tenant.Problems) {
	words := func(name string, table map[string]string, what string, ok func(string) bool) {
		for _, from := range slices.Sorted(maps.Keys(table)) {
			switch to := table[from]; {
			case from != fold(from):
				p.At("%s.%s", name, from).Add("write the word of the register in lower case")
			case to != ignore && !ok(to):
				p.At("%s.%s", name, from).Add("write %s", what)
			}
		}
	}
	words("groupTypes", f.GroupTypes, "a type of group in the words of SS 12000, or ignore", func(s string) bool {
		_, ok := roster.ParseGroupType(s)
		return ok
	})
	words("dutyRoles", f.DutyRoles, "a duty in the words of SS 12000, or ignore", func(s string) bool {
		_, ok := roster.ParseDutyRole(s)
		return ok
	})
	words("memberRoles", f.MemberRoles, "pupil, teacher, mentor, other or ignore", func(s string) bool {
		return slices.Contains([]string{string(roster.MemberPupil), string(roster.MemberTeacher), string(roster.MemberMentor), string(roster.MemberOther)}, s)
	})
	for i, day := range f.OpenEnds {
		_, err := roster.ParseDate(day)
		p.At("openEnds[%d]", i).Check(err)
	}
	for name, days := range map[string]int{"before": f.Before, "after": f.After} {
		if days < 0 {
			p.At("%s", name).Add("has to be 0 or more days")
		}
	}
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
