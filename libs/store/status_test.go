package store

import (
	"slices"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

func TestWhatAStatusAsks(t *testing.T) {
	s := open(t)
	if at, err := s.StatusSent(t.Context(), demo); err != nil || !at.IsZero() {
		t.Errorf("never sent: %v, %v", at, err)
	}
	first, second := time.Date(2026, 10, 1, 4, 30, 0, 1, time.UTC), time.Date(2026, 10, 2, 4, 30, 0, 0, time.UTC)
	for _, at := range []time.Time{first, second} {
		if err := s.SaveStatusSent(t.Context(), demo, at); err != nil {
			t.Fatal(err)
		}
	}
	if at, err := s.StatusSent(t.Context(), demo); err != nil || !at.Equal(second) {
		t.Errorf("sent at %v, %v", at, err)
	}

	other := roster.Source{System: "extens", Instance: "gy"}
	for _, ref := range []roster.Source{alvis, other, alvis} {
		if err := s.Runs(demo).Save(t.Context(), source.Run{ID: "run", Source: ref, State: source.Unchanged, Started: first, Ended: first}); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := s.Runs(demo).Sources(t.Context())
	slices.SortFunc(sources, roster.Source.Compare)
	if err != nil || !slices.Equal(sources, []roster.Source{alvis, other}) {
		t.Errorf("sources %v, %v", sources, err)
	}

	standing, gone := person(1, "Testa"), person(2, "Prova")
	gone.Person, gone.Tombstone = nil, &roster.Tombstone{Reason: roster.TombstoneLeft}
	if err := s.Log(demo).Publish(t.Context(), alvis, "run", []source.Change{change(standing, 0), change(gone, 0)}, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		source        roster.Source
		ref           roster.Ref
		known, stands bool
	}{
		"standing":    {alvis, standing.Ref, true, true},
		"tombstoned":  {alvis, gone.Ref, true, false},
		"unknown":     {alvis, person(3, "Ingen").Ref, false, false},
		"of no other": {other, standing.Ref, false, false},
	} {
		known, stands, err := s.Log(demo).Stands(t.Context(), c.source, c.ref)
		if err != nil || known != c.known || stands != c.stands {
			t.Errorf("%s: known %t, stands %t, %v", name, known, stands, err)
		}
	}
}
