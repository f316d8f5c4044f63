package sourcetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Town is what a register holds: every word of it is invented. Ids are unique within their list.
type Town struct {
	// At is when the register was last changed. A register whose data has a time gives it this one.
	At      time.Time
	Units   []Unit
	Persons []Person
	Groups  []Group
}

// Unit is a school unit.
type Unit struct{ ID, Name string }

// Person is a pupil or a member of staff of one unit.
type Person struct {
	ID         string
	CivicNo    string // a valid personnummer of somebody born in the eighteen hundreds
	GivenName  string
	FamilyName string
	Email      string
	Role       roster.Role // pupil or staff
	Unit       string      // id
	End        string      // the last day, YYYY-MM-DD; empty for none
	Protected  bool
}

// Group is a class or teaching group.
type Group struct {
	ID, Name, Unit string
	Members        []Member
}

// Member is a person in a group.
type Member struct {
	Person string // id
	Role   roster.MemberRole
}

// Clone returns a copy that shares nothing with the town.
func (t Town) Clone() Town {
	t.Units, t.Persons, t.Groups = slices.Clone(t.Units), slices.Clone(t.Persons), slices.Clone(t.Groups)
	for i := range t.Groups {
		t.Groups[i].Members = slices.Clone(t.Groups[i].Members)
	}
	return t
}

// Person returns a person by id, or nil.
func (t *Town) Person(id string) *Person {
	if i := slices.IndexFunc(t.Persons, func(p Person) bool { return p.ID == id }); i >= 0 {
		return &t.Persons[i]
	}
	return nil
}

// Group returns a group by id, or nil.
func (t *Town) Group(id string) *Group {
	if i := slices.IndexFunc(t.Groups, func(g Group) bool { return g.ID == id }); i >= 0 {
		return &t.Groups[i]
	}
	return nil
}

// peopled tells whether there are pupils, staff, and somebody in a group.
func (t *Town) peopled() bool {
	has := func(role roster.Role) bool {
		return slices.ContainsFunc(t.Persons, func(p Person) bool { return p.Role == role })
	}
	return has(roster.RolePupil) && has(roster.RoleStaff) && slices.ContainsFunc(t.Groups, func(g Group) bool { return len(g.Members) > 0 })
}

// Drop takes a person out, of the groups too.
func (t *Town) Drop(id string) {
	t.Persons = slices.DeleteFunc(t.Persons, func(p Person) bool { return p.ID == id })
	for i := range t.Groups {
		t.Groups[i].Members = slices.DeleteFunc(t.Groups[i].Members, func(m Member) bool { return m.Person == id })
	}
}

// invent returns a town of so many pupils, with a teacher for every four of them. Groups have four pupils, so that no
// change of one is large enough for a guard to doubt the read.
func invent(pupils int) Town {
	t := Town{At: noon, Units: []Unit{{"u-1", "Provskolan Ett"}, {"u-2", "Provskolan Två"}}}
	for i := range pupils {
		unit := t.Units[i%2].ID
		t.Persons = append(t.Persons, newPerson(i, roster.RolePupil, unit))
		if i%8 > 1 { // two of eight are in no group
			continue
		}
		g := Group{ID: fmt.Sprint("g-", i), Name: fmt.Sprint("Grupp ", i), Unit: unit}
		for n := i; n < min(i+8, pupils); n += 2 {
			g.Members = append(g.Members, Member{fmt.Sprint("p-", n), roster.MemberPupil})
		}
		teacher := newPerson(pupils+i, roster.RoleStaff, unit)
		t.Persons = append(t.Persons, teacher)
		g.Members = append(g.Members, Member{teacher.ID, roster.MemberTeacher})
		t.Groups = append(t.Groups, g)
	}
	return t
}

// newPerson invents a person. Nobody else has the number.
func newPerson(n int, role roster.Role, unit string) Person {
	id := fmt.Sprint("p-", n)
	return Person{
		ID: id, CivicNo: civicNo(n), GivenName: givenCanary + letters(n), FamilyName: familyCanary + letters(n),
		Email: mailCanary + id + "@prov.example", Role: role, Unit: unit,
	}
}

// The parts of every name and address of a town, by which they are known wherever they turn up.
const (
	givenCanary  = "Kanarina"
	familyCanary = "Voljärsdotter"
	mailCanary   = "kvitter."
)

// letters tells names apart without digits, which some registers do not take.
func letters(n int) string {
	var b strings.Builder
	for ; n > 0; n /= 20 {
		b.WriteByte("abcdefghijklmnopqrst"[n%20])
	}
	return b.String()
}

// civicNo returns the n-th of 13,440 times 800 valid personnummer of persons born from 1860 to 1899.
func civicNo(n int) string {
	day, serial := n%13440, 100+n/13440%800
	s := fmt.Sprintf("%d%02d%02d%03d", 1860+day/336, day/28%12+1, day%28+1, serial)
	sum := 0
	for i, c := range s[2:] {
		d := int(c-'0') * (2 - i%2)
		sum += d/10 + d%10
	}
	return fmt.Sprint(s, (10-sum%10)%10)
}

// picture says in lines what a log has to hold when the register holds a town.
func (s *suite) picture(t Town) string {
	var lines []string
	units, persons := map[string]string{}, map[string]string{}
	for _, u := range t.Units {
		units[u.ID] = u.Name
		if s.Claims.NoUnits == "" {
			lines = append(lines, "unit "+u.Name)
		}
	}
	for _, p := range t.Persons {
		if p.Protected && s.hides() {
			continue
		}
		persons[p.ID] = p.CivicNo
		end := p.End
		if s.Claims.NoEnds != "" {
			end = ""
		}
		lines = append(lines, personLine(p.CivicNo, p.GivenName, p.FamilyName, p.Email, []string{at(string(p.Role), units[p.Unit], end)}))
	}
	for _, g := range t.Groups {
		var members []string
		for _, m := range g.Members {
			if no := persons[m.Person]; no != "" {
				members = append(members, no+" as "+string(m.Role))
			}
		}
		if s.Claims.NoGroups == "" || len(members) > 0 {
			lines = append(lines, s.groupLine(g.Name, units[g.Unit], members))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func personLine(number, given, family, email string, where []string) string {
	slices.Sort(where)
	return fmt.Sprintf("person %s %s %s %s, %s", number, given, family, email, strings.Join(where, ", "))
}

func at(role, unit, end string) string {
	if end != "" {
		end = " until " + end
	}
	return role + " at " + unit + end
}

func (s *suite) groupLine(name, unit string, members []string) string {
	if s.Claims.NoGroups != "" {
		unit = "another's" // only who is in the group is stated
	}
	slices.Sort(members)
	return fmt.Sprintf("group %s at %s: %s", name, unit, strings.Join(members, ", "))
}

// hides tells whether who is protected is in no record of the log: a register that tells of protection contains.
func (s *suite) hides() bool {
	d := s.Connector.Defaults
	return !d.MayBeEmpty && (d.Protected == source.ProtectedFlag || d.Protected == source.ProtectedOmits)
}
