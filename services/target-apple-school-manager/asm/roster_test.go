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

// register is the one source of every test.
var register = roster.Source{System: "test", Instance: "default"}

func newRoster(today roster.Date) *roster.Roster {
	return roster.NewRoster(roster.Precedence{register}, today)
}

func addUnit(r *roster.Roster, name string, o roster.Organisation) {
	r.Apply(roster.Record{Ref: roster.Ref{Kind: roster.KindOrganisation, Key: key(roster.KindOrganisation, name)}, Source: register, Organisation: &o})
}

func addPerson(r *roster.Roster, name string, p roster.Person) {
	r.Apply(roster.Record{Ref: roster.Ref{Kind: roster.KindPerson, Key: key(roster.KindPerson, name)}, Source: register, Person: &p})
}

func addGroup(r *roster.Roster, name string, g roster.Group) {
	slices.SortFunc(g.Members, func(a, b roster.Membership) int { return a.Person.Compare(b.Person) })
	r.Apply(roster.Record{Ref: roster.Ref{Kind: roster.KindGroup, Key: key(roster.KindGroup, name)}, Source: register, Group: &g})
}

// settle returns what the engine hands to the sink: the rows whose needs stand; and every wish.
func settle(m target.Mapping, r *roster.Roster) (set []target.Resource, wishes []target.Wish) {
	stands := map[target.ID]bool{}
	for ref := range r.Each() {
		for _, w := range m.Map(r, ref) {
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
		Suspended  bool                   `yaml:"suspended"`
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

func readRoster(t *testing.T, name string) *roster.Roster {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	r := newRoster(d.Today)
	for _, u := range d.Units {
		if u.Type == "" {
			u.Type = roster.SchoolUnit
		}
		addUnit(r, u.ID, roster.Organisation{DisplayName: u.Name, Type: u.Type, Interval: u.interval()})
	}
	for _, p := range d.Persons {
		person := roster.Person{
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
		person.Suspended = p.Suspended
		addPerson(r, p.ID, person)
	}
	for _, g := range d.Groups {
		group := roster.Group{
			DisplayName: g.Name, Type: g.Type, Organisation: key(roster.KindOrganisation, g.Unit), Subject: g.Subject, Interval: g.interval(),
		}
		for _, m := range g.Members {
			group.Members = append(group.Members, roster.Membership{Person: key(roster.KindPerson, m.Person), Role: m.Role, Interval: m.interval()})
		}
		addGroup(r, g.ID, group)
	}
	return r
}
