package roster_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

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

func TestAPersonWithoutIsThePersonThatTheRestMakes(t *testing.T) {
	k := roster.Key{15: 1}
	ad := roster.Source{System: "ad", Instance: "default"}
	rapid.Check(t, func(t *rapid.T) {
		today := roster.Date(20260901)
		with, rest := roster.NewRoster(nil, today), roster.NewRoster(nil, today)
		for _, system := range []string{"alvis", "manual", "ad"} {
			if system != "ad" && rapid.Bool().Draw(t, "silent") {
				continue
			}
			rec := roster.Record{
				Ref: roster.Ref{Kind: roster.KindPerson, Key: k}, Source: roster.Source{System: system, Instance: "default"},
				Overlay: system == "ad" || system == "manual" && rapid.Bool().Draw(t, "overlay"),
			}
			if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
				rec.Tombstone = &roster.Tombstone{Reason: roster.TombstoneLeft}
			} else {
				rec.Person = &roster.Person{Marking: rapid.SampledFrom([]roster.SecurityMarking{"", roster.MarkingConfidential}).Draw(t, "marking")}
				for _, role := range []roster.Role{roster.RoleNone, roster.RolePupil, roster.RoleStaff} {
					if rapid.Bool().Draw(t, "persona") {
						rec.Person.Personas = append(rec.Person.Personas, roster.Persona{Role: role, Username: roster.Personal(system)})
					}
				}
				if system == "manual" {
					kind := rapid.SampledFrom([]roster.DirectiveKind{roster.Suspend, roster.Override, roster.KeepUntil}).Draw(t, "directive")
					rec.Directives = []roster.Directive{{Kind: kind, Until: rapid.SampledFrom([]roster.Date{20260801, 20261001}).Draw(t, "until")}}
				}
			}
			with.Apply(rec)
			if rec.Source != ad {
				rest.Apply(rec)
			}
		}
		if with.Person(k) == nil {
			return // what the target adds makes nobody exist
		}
		got, want := with.PersonWithout(k, func(r *roster.Record) bool { return r.Source == ad }), rest.Person(k)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("it is %+v, and the rest make %+v", got, want)
		}
	})
}
