package target_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

func TestAUnitGoesAfterTheLastWhoStandsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newPlaces(t, "calls")
		k.made.Guarded = nil
		k.life = target.Lifecycle{Stages: inAWeek()}
		k.run(t, 0, unit(1), unit(2), at(11, 1, "Ek"), at(12, 2, "Al"), group(21, 1, 11))
		id := target.ID{Kind: "organisation", Key: key(1).String()}
		has := func() bool { return strings.Contains(k.text(), id.String()) }

		look := k
		look.mode = target.ModePreview
		together(k.log, gone(unit(1)), gone(person(11, "")), gone(group(21, 1)))
		p := start(t, look.setup)
		seen := <-p.settled
		_ = p.stop()
		for _, row := range seen.Rows {
			if row.ID == id && (row.Verb != "" || row.Reason.Code != reason.StillNeeded) {
				t.Errorf("the preview shows %+v", row)
			}
		}

		did := k.run(t, 3)
		e := k.ledger.Entries[id]
		if !has() || e.State != target.Waiting || e.Reason.Code != reason.StillNeeded || did.Waiting != 1 {
			t.Fatalf("want it to wait while the leaver's account stands there, got %+v, %+v:\n%s", e, did, k.text())
		}
		if n := counted(k.holds.Now()); n != 3 {
			t.Errorf("the guard counted %d, want the group and the account and its member", n)
		}
		k.run(t, 3) // another process sees the day of the delete
		if has() || k.place(11) != "" || k.place(12) != "student" {
			t.Errorf("want both gone:\n%s", k.text())
		}
		if e, ok := k.ledger.Entries[id]; ok {
			t.Errorf("the ledger goes on about it: %+v", e)
		}
	})
}

func TestAUnitGoesWithThoseWhoMoveOrGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newPlaces(t, "calls")
		k.run(t, 0, unit(1), unit(2), at(11, 1, "Ek"), at(12, 1, "Al"))
		did := k.run(t, 0, gone(unit(1)), at(11, 2, "Ek"), gone(person(12, "")))
		if strings.Contains(k.text(), "organisation/"+key(1).String()) || k.place(11) != "student" || did.Waiting != 0 {
			t.Errorf("want it gone in the same round, got %+v:\n%s", did, k.text())
		}
	})
}

func TestAUnitStaysWhenWhoStandsThereCannotGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(unit(1), group(21, 1))
		k := kit{s, d.text}
		k.run(t, 0)
		d.set(func(op target.Operation) error {
			if op.Verb == target.Delete && op.Resource.ID.Kind == "group" {
				return reason.Errorf(reason.Transient, errors.New("the line broke"), reason.Unreachable)
			}
			return nil
		})
		k.run(t, 0, gone(unit(1)), gone(group(21, 1)))
		if !strings.Contains(k.text(), "organisation/") {
			t.Fatalf("the unit went before its group:\n%s", k.text())
		}
		d.set(nil)
		k.run(t, 1)
		if k.text() != "" {
			t.Errorf("want nothing left:\n%s", k.text())
		}
	})
}

// What joins a contained person to a group goes with her, from groups that are out of scope too, and nobody is told.
func TestR9WhatJoinsAContainedPersonGoesUnseen(t *testing.T) {
	for name, change := range map[string]func(k *kit){
		"of a group in scope":           func(*kit) {},
		"of a group out of scope":       func(k *kit) { k.with = filtered(t, onlyUnit1, target.Release) },
		"of a group that the log lacks": func(k *kit) { k.log.Forget(group(23, 2).Ref) },
	} {
		t.Run(name, func(t *testing.T) {
			placed(t, append(town(), group(23, 2, 11, 12)), func(t *testing.T, k kit) {
				change(&k)
				k.run(t, 0)
				if k.member(11, 23) == "" {
					t.Fatalf("want her in the group:\n%s", k.text())
				}
				together(k.log, protected(11))
				look := k
				look.mode = target.ModePreview
				p := start(t, look.setup)
				seen := <-p.settled
				_ = p.stop()
				for _, row := range seen.Rows {
					if strings.Contains(row.ID.Key, key(11).String()) {
						t.Errorf("the preview shows %+v", row)
					}
				}
				did := k.run(t, 0)
				if strings.Contains(k.text(), key(11).String()) || k.member(12, 23) == "" {
					t.Errorf("want her gone, and the others there:\n%s", k.text())
				}
				if did.Kinds["member"].Deleted+did.Kinds["student"].Deleted+did.Waiting+did.Withheld != 0 || counted(k.holds.Now()) != 0 {
					t.Errorf("it is counted: %+v, %d", did, counted(k.holds.Now()))
				}
			})
		})
	}
}

// led is a mapping of classes that cannot be without their teacher.
type led struct{ places }

func (m led) Map(v target.View, e roster.Ref) []target.Wish {
	wishes := m.places.Map(v, e)
	if e.Kind != roster.KindGroup || len(wishes) < 2 {
		return wishes
	}
	wishes[0].Resource.Needs = append(wishes[0].Resource.Needs, wishes[1].Resource.Needs[1])
	return wishes[:1]
}

func TestAClassOfAContainedTeacherIsMoreThanHers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newPlaces(t, "calls")
		k.made.Mapping, k.made.Guarded = led{}, nil
		k.run(t, 0, append(town(), group(23, 2, 11))...)
		k.with = filtered(t, onlyUnit1, target.Release)
		k.run(t, 0)
		k.run(t, 0, protected(11))
		if !strings.Contains(k.text(), "group/"+key(23).String()) || k.place(11) != "" {
			t.Errorf("want the class that is out of scope let alone, and her gone:\n%s", k.text())
		}
	})
}
