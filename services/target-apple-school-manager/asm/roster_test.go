package asm

import (
	"os"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// view is a merged roster in memory.
type view struct {
	today         roster.Date
	organisations map[roster.Key]*roster.Organisation
	persons       map[roster.Key]*roster.Person
	groups        map[roster.Key]*roster.Group
}

var _ target.View = view{}

func newView(today roster.Date) view {
	return view{today, map[roster.Key]*roster.Organisation{}, map[roster.Key]*roster.Person{}, map[roster.Key]*roster.Group{}}
}

func (v view) Today() roster.Date                             { return v.today }
func (v view) Organisation(k roster.Key) *roster.Organisation { return v.organisations[k] }
func (v view) Person(k roster.Key) *roster.Person             { return v.persons[k] }
func (v view) Group(k roster.Key) *roster.Group               { return v.groups[k] }
func (v view) Groups(person roster.Key) (keys []roster.Key) {
	for k, g := range v.groups {
		if slices.ContainsFunc(g.Members, func(m roster.Membership) bool { return m.Person == person }) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, roster.Key.Compare)
	return keys
}

// refs returns every entity of the view, sorted.
func (v view) refs() (list []roster.Ref) {
	for k := range v.organisations {
		list = append(list, roster.Ref{Kind: roster.KindOrganisation, Key: k})
	}
	for k := range v.persons {
		list = append(list, roster.Ref{Kind: roster.KindPerson, Key: k})
	}
	for k := range v.groups {
		list = append(list, roster.Ref{Kind: roster.KindGroup, Key: k})
	}
	slices.SortFunc(list, roster.Ref.Compare)
	return list
}

// settle returns what the engine hands to the sink: the rows whose needs stand; and every wish.
func settle(m target.Mapping, v view) (set []target.Resource, wishes []target.Wish) {
	stands := map[target.ID]bool{}
	for _, ref := range v.refs() {
		for _, w := range m.Map(v, ref) {
			wishes = append(wishes, w)
			if w.Withheld == nil {
				set = append(set, w.Resource)
				stands[w.Resource.ID] = true
			}
		}
	}
	for n := -1; n != len(set); {
		n = len(set)
		set = slices.DeleteFunc(set, func(r target.Resource) bool {
			unmet := slices.ContainsFunc(r.Needs, func(id target.ID) bool { return !stands[id] })
			if unmet {
				delete(stands, r.ID)
			}
			return unmet
		})
	}
	return set, wishes
}

// key makes the key of something that a test calls by a name.
func key(kind roster.Kind, name string) roster.Key {
	return roster.Key(uuid.NewSHA1(uuid.Nil, []byte(string(kind)+"/"+name)))
}

// Span is the days of a role, both open when nothing is said.
type Span struct {
	From roster.Date `yaml:"from"`
	To   roster.Date `yaml:"to"`
}

func (s Span) interval() roster.Interval { return roster.Interval{Start: s.From, End: s.To} }

// document is a roster as a case writes it, with names for keys.
type document struct {
	Today roster.Date `yaml:"today"`
	Units []struct {
		Span `yaml:",inline"`
		ID   string                  `yaml:"id"`
		Name string                  `yaml:"name"`
		Type roster.OrganisationType `yaml:"type"`
	} `yaml:"units"`
	Persons []struct {
		ID         string                 `yaml:"id"`
		Given      string                 `yaml:"given"`
		Middle     string                 `yaml:"middle"`
		Family     string                 `yaml:"family"`
		Marking    roster.SecurityMarking `yaml:"marking"`
		Accounts   []account              `yaml:"accounts"`
		Enrolments []struct {
			Span `yaml:",inline"`
			At   string `yaml:"at"`
			Year string `yaml:"year"`
		} `yaml:"enrolments"`
		Duties []struct {
			Span `yaml:",inline"`
			At   string `yaml:"at"`
		} `yaml:"duties"`
	} `yaml:"persons"`
	Groups []struct {
		Span    `yaml:",inline"`
		ID      string           `yaml:"id"`
		Name    string           `yaml:"name"`
		Type    roster.GroupType `yaml:"type"`
		Unit    string           `yaml:"unit"`
		Subject string           `yaml:"subject"`
		Members []struct {
			Span   `yaml:",inline"`
			Person string            `yaml:"person"`
			Role   roster.MemberRole `yaml:"role"`
		} `yaml:"members"`
	} `yaml:"groups"`
}

type account struct {
	Role     roster.Role `yaml:"role"`
	Email    string      `yaml:"email"`
	Username string      `yaml:"username"`
	EPPN     string      `yaml:"eppn"`
}

func readView(t *testing.T, name string) view {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	v := newView(d.Today)
	for _, u := range d.Units {
		if u.Type == "" {
			u.Type = roster.SchoolUnit
		}
		v.organisations[key(roster.KindOrganisation, u.ID)] = &roster.Organisation{DisplayName: u.Name, Type: u.Type, Interval: u.interval()}
	}
	for _, p := range d.Persons {
		person := &roster.Person{
			GivenName: roster.Personal(p.Given), MiddleName: roster.Personal(p.Middle), FamilyName: roster.Personal(p.Family), Marking: p.Marking,
		}
		for _, a := range p.Accounts {
			person.Personas = append(person.Personas, roster.Persona{
				Role: a.Role, Email: roster.Personal(a.Email), Username: roster.Personal(a.Username), EPPN: roster.Personal(a.EPPN),
			})
		}
		for _, e := range p.Enrolments {
			person.Enrolments = append(person.Enrolments, roster.Enrolment{
				EnroledAt: key(roster.KindOrganisation, e.At), SchoolYear: e.Year, Interval: e.interval(),
			})
		}
		for _, d := range p.Duties {
			person.Duties = append(person.Duties, roster.Duty{DutyAt: key(roster.KindOrganisation, d.At), Interval: d.interval()})
		}
		v.persons[key(roster.KindPerson, p.ID)] = person
	}
	for _, g := range d.Groups {
		group := &roster.Group{
			DisplayName: g.Name, Type: g.Type, Organisation: key(roster.KindOrganisation, g.Unit), Subject: g.Subject, Interval: g.interval(),
		}
		for _, m := range g.Members {
			group.Members = append(group.Members, roster.Membership{Person: key(roster.KindPerson, m.Person), Role: m.Role, Interval: m.interval()})
		}
		slices.SortFunc(group.Members, func(a, b roster.Membership) int { return a.Person.Compare(b.Person) })
		v.groups[key(roster.KindGroup, g.ID)] = group
	}
	return v
}
