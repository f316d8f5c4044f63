package asm

import (
	"slices"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
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
func key(kind roster.Kind, name string) roster.Key { return targettest.Key(kind, name) }

// readRoster returns the roster of a file.
func readRoster(t *testing.T, name string) *roster.Roster {
	t.Helper()
	w, err := targettest.ReadRoster(name)
	if err != nil {
		t.Fatal(err)
	}
	r := newRoster(w.Today)
	for _, rec := range w.Records {
		rec.Source = register
		r.Apply(rec)
	}
	return r
}
