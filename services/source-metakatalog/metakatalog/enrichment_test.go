package metakatalog_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/parser"

	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/source-metakatalog/metakatalog"
)

// side is a source with its register and its log.
type side struct {
	register *ss12000test.Register
	reader   *source.Reader
	log      *sourcetest.Log
}

func open(t *testing.T, instance, more string, now func() time.Time) side {
	t.Helper()
	s := side{register: ss12000test.New(t, options()), log: sourcetest.NewLog()}
	tree, err := parser.ParseBytes([]byte(settings(s.register)+more), 0)
	if err != nil {
		t.Fatal(err)
	}
	cfg, p := metakatalog.Connector().New(), tenant.NewProblems()
	if err := tenant.Decode(tree.Docs[0].Body, cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Validate(p); p.Err() != nil {
		t.Fatal(p.Err())
	}
	name, logger := roster.Source{System: "metakatalog", Instance: instance}, slog.New(slog.DiscardHandler)
	from, err := cfg.Open(source.Env{Tenant: "town", Source: name, Logger: logger, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	keyer, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	s.reader = source.NewReader(source.Options{
		Tenant: "town", Name: name, Source: from, Defaults: source.Defaults{Protected: source.ProtectedFlag}, Keyer: keyer, Log: s.log,
		Runs: &sourcetest.Runs{}, Holds: &guardtest.Store{}, Logger: logger, Now: now, NewID: func() string { n++; return fmt.Sprint(instance, n) },
	})
	return s
}

func (s side) read(t *testing.T) source.Run {
	t.Helper()
	run, err := s.reader.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// people returns how many persons two logs come to, and how many of them have an address.
func people(now time.Time, sides ...side) (all, reached int) {
	r := roster.NewRoster(nil, roster.Today(now))
	for _, s := range sides {
		for _, rec := range s.log.Last() {
			r.Apply(rec)
		}
	}
	for ref, m := range r.Each() {
		if ref.Kind == roster.KindPerson && m.Person != nil {
			all++
			if len(m.Person.Personas) > 0 && m.Person.Personas[0].Email != "" {
				reached++
			}
		}
	}
	return all, reached
}

// TestAnEnrichmentDeletesNobody: a hub that adds to a register's persons makes nobody exist, and whatever becomes of it
// everybody of the register stays.
func TestAnEnrichmentDeletesNobody(t *testing.T) {
	const pupils = 40
	town := sourcetest.Town{Units: []sourcetest.Unit{{ID: "u-1", Name: "Provskolan"}}}
	for i := range pupils {
		town.Persons = append(town.Persons, sourcetest.Person{
			ID: fmt.Sprintf("p-%02d", i), GivenName: "Kanarina", FamilyName: fmt.Sprintf("Prov%c", 'a'+i%26), Role: roster.RolePupil, Unit: "u-1",
		})
	}
	hubs := town.Clone() // everybody with an address, and one whom the register does not have
	hubs.Persons = append(hubs.Persons, hubs.Persons[0])
	hubs.Persons[pupils].ID = "stranger"
	for i := range hubs.Persons {
		hubs.Persons[i].Email = hubs.Persons[i].ID + "@prov.example"
	}
	for name, spoil := range map[string]func(*testing.T, *ss12000test.Register, sourcetest.Town) error{
		"its lists are empty": func(_ *testing.T, r *ss12000test.Register, at sourcetest.Town) error {
			return r.Hold(sourcetest.Town{At: at.At})
		},
		"everybody in it is another": func(_ *testing.T, r *ss12000test.Register, at sourcetest.Town) error {
			for i := range at.Persons {
				at.Persons[i].ID = "x-" + at.Persons[i].ID
			}
			return r.Hold(at)
		},
		"it has no addresses": func(_ *testing.T, r *ss12000test.Register, at sourcetest.Town) error {
			for i := range at.Persons {
				at.Persons[i].Email = ""
			}
			return r.Hold(at)
		},
		"its answers are cut": func(_ *testing.T, r *ss12000test.Register, _ sourcetest.Town) error {
			_, err := r.Break(sourcetest.Cut)
			return err
		},
		"its answers are none": func(_ *testing.T, r *ss12000test.Register, _ sourcetest.Town) error {
			_, err := r.Break(sourcetest.GarbageLate)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Date(2026, 10, 14, 10, 0, 0, 0, time.UTC)
			now := func() time.Time { return at }
			register := open(t, "default", "", now)
			hub := open(t, "hub", "mode: enrichment\nof: metakatalog/default\n", now)
			town, hubs := town.Clone(), hubs.Clone()
			town.At, hubs.At = at, at
			if err := register.register.Hold(town); err != nil {
				t.Fatal(err)
			}
			if err := hub.register.Hold(hubs); err != nil {
				t.Fatal(err)
			}
			for _, s := range []side{register, hub} {
				if run := s.read(t); run.State != source.Published {
					t.Fatalf("the first read is %s: %v", run.State, run.Reason)
				}
			}
			if all, _ := people(at, hub); all != 0 {
				t.Errorf("the hub alone makes %d persons exist", all)
			}
			if all, reached := people(at, register, hub); all != pupils || reached != pupils {
				t.Fatalf("%d persons, %d with an address, want %d", all, reached, pupils)
			}
			at = at.Add(time.Hour)
			hubs.At = at
			if err := spoil(t, hub.register, hubs); err != nil {
				t.Fatal(err)
			}
			run := hub.read(t)
			if run.State == source.Published {
				t.Errorf("it is believed: %v", run.Counts)
			}
			if all, reached := people(at, register, hub); all != pupils || reached != pupils {
				t.Errorf("after a read that is %s: %d persons, %d with an address, want %d", run.State, all, reached, pupils)
			}
		})
	}
}
