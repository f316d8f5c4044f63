package roster

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A pupil who is protected by hand gets another number: the protection is hers, not the number's. Taken back it is gone
// from the new key too, and what was decided about the old key has no effect on somebody else who stands there.
func TestR9WhatWasDecidedFollowsThePersonToANewKey(t *testing.T) {
	before, now := Ref{KindPerson, key('p', 1)}, Ref{KindPerson, key('p', 2)}
	protection := Record{Ref: before, Source: manual, Overlay: true, Person: &Person{Marking: MarkingConfidential}, Directives: []Directive{until(MarkProtected, 0)}}
	exclusion := Record{Ref: before, Source: Source{"manual", "other"}, Overlay: true, Person: &Person{}, Directives: []Directive{until(Exclude, day)}}
	her := func(ref Ref, former ...Key) Record {
		return Record{Ref: ref, Source: skola, Former: former, Person: &Person{GivenName: "Testa"}}
	}
	became := Record{Ref: before, Source: skola, Tombstone: &Tombstone{Reason: TombstoneBecame, Became: now.Key}}
	undone := Record{Ref: before, Source: manual, Tombstone: &Tombstone{Reason: TombstoneLeft}}
	apply := func(records ...Record) Merged {
		r := NewRoster(nil, day)
		for _, rec := range records {
			dirty := r.Apply(rec)
			if m := r.State(now); rec.Ref == before && m.State != Missing && !slices.Contains(dirty, now) {
				t.Error("who inherits is not looked at")
			}
		}
		return r.State(now)
	}
	if m := apply(her(before), protection, became, her(now, before.Key)); !m.Protected || !m.Person.Marking.Protects() {
		t.Errorf("protected before the number changed: %v", m)
	}
	if m := apply(her(before), became, her(now, before.Key), protection); !m.Protected {
		t.Errorf("protected by the old key after it changed: %v", m)
	}
	if m := apply(her(before), became, her(now, before.Key), protection, undone); m.Protected || m.Person.Marking.Protects() {
		t.Errorf("taken back: %v", m)
	}
	if m := apply(her(before), protection, her(now, before.Key)); m.Protected {
		t.Errorf("somebody still stands under the old key: %v", m)
	}
	if m := apply(her(before), exclusion, became, her(now, before.Key)); m.Reason != TombstoneExcluded {
		t.Errorf("excluded before the number changed: %v", m)
	}
}

func TestWhatIsInheritedDoesNotHangOnTheOrder(t *testing.T) {
	keys := []Key{key('p', 1), key('p', 2), key('p', 3)}
	genRecord := rapid.Custom(func(t *rapid.T) Record {
		n := rapid.IntRange(0, 2).Draw(t, "key")
		rec := Record{Ref: Ref{KindPerson, keys[n]}, Source: skola}
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			rec.Tombstone = &Tombstone{Reason: TombstoneBecame, Became: keys[(n+1)%3]}
		case 1:
			rec.Person, rec.Former = &Person{GivenName: "Testa"}, []Key{keys[(n+2)%3]}
		case 2:
			rec.Source, rec.Overlay, rec.Person = manual, true, &Person{Marking: MarkingConfidential}
			rec.Directives = []Directive{until(MarkProtected, 0)}
		case 3:
			rec.Source, rec.Overlay, rec.Person, rec.SameAs = manual, true, &Person{}, []Key{keys[(n+1)%3]}
			rec.Directives = []Directive{until(JoinKeys, 0)}
		default:
			rec.Source, rec.Tombstone = manual, &Tombstone{Reason: TombstoneLeft}
		}
		return rec
	})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(genRecord, 1, 12).Draw(t, "records")
		inOrder := NewRoster(nil, day)
		last := map[Source]map[Key]Record{skola: {}, manual: {}}
		for _, rec := range all {
			inOrder.Apply(rec)
			last[rec.Source][rec.Ref.Key] = rec
		}
		var state []Record
		for _, s := range []Source{manual, skola} {
			for _, k := range keys {
				if rec, ok := last[s][k]; ok {
					state = append(state, rec)
				}
			}
		}
		atOnce := NewRoster(nil, day)
		for _, rec := range rapid.Permutation(state).Draw(t, "order") {
			atOnce.Apply(rec)
		}
		for _, k := range keys {
			ref := Ref{KindPerson, k}
			a, b := inOrder.State(ref), atOnce.State(ref)
			if a.State != b.State || a.Reason != b.Reason || a.Became != b.Became || a.Protected != b.Protected || a.Conflict != b.Conflict {
				t.Fatalf("%s: %v, want %v", ref, a, b)
			}
		}
	})
}
