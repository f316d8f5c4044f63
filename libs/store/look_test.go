package store

import (
	"errors"
	"testing"

	"eventful.se/ess/libs/target"
)

func TestLookingTakesNothingOver(t *testing.T) {
	s := open(t)
	owner := own(t, s, apple)
	if err := owner.Save(t.Context(), []target.Entry{entry(1)}, target.Mark{Mapping: "v1"}); err != nil {
		t.Fatal(err)
	}
	look, err := s.Ledger(demo).Look(t.Context(), apple)
	if err != nil {
		t.Fatal(err)
	}
	if got, m := entries(t, look); len(got) != 1 || m.Mapping != "v1" {
		t.Errorf("looked at %d entries and mark %+v", len(got), m)
	}
	for name, write := range map[string]error{
		"Save": look.Save(t.Context(), nil, target.Mark{}), "Put": look.Put(t.Context(), "set", "", []byte("x")),
	} {
		if !errors.Is(write, target.ErrReadOnly) {
			t.Errorf("%s: %v, want it refused", name, write)
		}
	}
	if err := owner.Save(t.Context(), []target.Entry{entry(2)}, target.Mark{Mapping: "v2"}); err != nil {
		t.Errorf("the owner is not the owner any more: %v", err)
	}
}
