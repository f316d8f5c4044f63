package roster_test

import (
	"testing"

	"eventful.se/ess/libs/roster"
)

func TestAPersonWithoutWhatATargetAdds(t *testing.T) {
	k, other := roster.Key{15: 1}, roster.Key{15: 2}
	register, ad := roster.Source{System: "alvis", Instance: "default"}, roster.Source{System: "ad", Instance: "default"}
	record := func(key roster.Key, of roster.Source, overlay bool, p roster.Persona) roster.Record {
		return roster.Record{
			Ref: roster.Ref{Kind: roster.KindPerson, Key: key}, Source: of, Overlay: overlay,
			Person: &roster.Person{Personas: []roster.Persona{p}},
		}
	}
	of := func(r *roster.Record) bool { return r.Overlay && r.Source == ad }
	stated := record(k, register, false, roster.Persona{Role: roster.RolePupil, Email: "p@skola.example"})
	added := record(k, ad, true, roster.Persona{Role: roster.RolePupil, Email: "q@skola.example", Username: "annand"})
	same := record(other, register, false, roster.Persona{Role: roster.RoleStaff})
	same.SameAs = []roster.Key{k}
	for name, records := range map[string][]roster.Record{"alone": {stated, added}, "joined": {stated, added, same}} {
		t.Run(name, func(t *testing.T) {
			r := roster.NewRoster(nil, 20260901)
			for _, rec := range records {
				r.Apply(rec)
			}
			lead := k
			if r.Person(k) == nil {
				lead = other
			}
			with, without := r.Person(lead), r.PersonWithout(lead, of)
			if with.Personas[0].Username != "annand" || without.Personas[0].Username != "" || without.Personas[0].Email != "p@skola.example" {
				t.Errorf("with it %v, without %v", with.Personas, without.Personas)
			}
			if len(with.Personas) != len(without.Personas) {
				t.Errorf("%d personas are %d without it", len(with.Personas), len(without.Personas))
			}
			if all := r.PersonWithout(lead, func(*roster.Record) bool { return false }); all != with {
				t.Error("without nothing it is another person")
			}
		})
	}
	r := roster.NewRoster(nil, 20260901)
	r.Apply(added)
	if p := r.PersonWithout(k, of); p != nil {
		t.Errorf("who does not stand is %v", p)
	}
}
