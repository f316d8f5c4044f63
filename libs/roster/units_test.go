package roster

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The units of the tests: the old school counts as the new one, the closed one is nobody's.
var (
	oldUnit, newUnit, closedUnit, otherUnit = key('o', 1), key('o', 2), key('o', 3), key('o', 4)

	table = NewUnits(map[Key]UnitRule{
		oldUnit: {MergedInto: newUnit}, newUnit: {Name: "Storskolan", Code: "12345678", Controller: "Testkommun"}, closedUnit: {Excluded: true},
	})
)

func recordOf(kind Kind, k Key) Record { return Record{Ref: Ref{kind, k}, Source: alvis} }

func unitRecord(k Key, o Organisation) Record {
	r := recordOf(KindOrganisation, k)
	o.Type = SchoolUnit
	r.Organisation = &o
	return r
}

func personAt(k Key, enrolments []Enrolment, duties ...Duty) Record {
	r := recordOf(KindPerson, k)
	r.Person = &Person{GivenName: "Testa", FamilyName: "Åkesdotter", Enrolments: enrolments, Duties: duties}
	return r
}

func groupAt(k, unit Key, members ...Key) Record {
	r := recordOf(KindGroup, k)
	r.Group = &Group{DisplayName: "9B", Type: Class, Organisation: unit}
	for _, m := range members {
		r.Group.Members = append(r.Group.Members, Membership{Person: m, Role: MemberPupil})
	}
	return r
}

func TestUnitsSayWhatTheRegisterDoesNot(t *testing.T) {
	extra := Extra{"phone": "000"}
	for name, c := range map[string]struct{ rec, want Record }{
		"named": {
			unitRecord(newUnit, Organisation{DisplayName: "Lilla", UnitCodes: []string{"1", "2"}, Parent: otherUnit, Extra: extra}),
			unitRecord(newUnit, Organisation{DisplayName: "Storskolan", UnitCodes: []string{"12345678"}, Parent: otherUnit, Extra: Extra{"phone": "000", ExtraController: "Testkommun"}}),
		},
		"below the merged one": {unitRecord(otherUnit, Organisation{Parent: oldUnit}), unitRecord(otherUnit, Organisation{Parent: newUnit})},
		"above itself": {
			unitRecord(newUnit, Organisation{Parent: oldUnit}),
			unitRecord(newUnit, Organisation{DisplayName: "Storskolan", UnitCodes: []string{"12345678"}, Extra: Extra{ExtraController: "Testkommun"}}),
		},
		"pupil": {
			personAt(key('p', 1), []Enrolment{{EnroledAt: oldUnit, SchoolYear: "8", Interval: Interval{End: 2026_06_30}}, {EnroledAt: newUnit, SchoolYear: "9"}}),
			personAt(key('p', 1), []Enrolment{{EnroledAt: newUnit, SchoolYear: "8", Interval: Interval{End: 2026_06_30}}, {EnroledAt: newUnit, SchoolYear: "9"}}),
		},
		"pupil at both": {
			personAt(key('p', 1), []Enrolment{{EnroledAt: oldUnit, SchoolYear: "9"}, {EnroledAt: newUnit, SchoolYear: "9"}}),
			personAt(key('p', 1), []Enrolment{{EnroledAt: newUnit, SchoolYear: "9"}}),
		},
		"teacher": {
			personAt(key('p', 1), nil, Duty{DutyAt: oldUnit, Role: "Lärare"}, Duty{DutyAt: otherUnit}),
			personAt(key('p', 1), nil, Duty{DutyAt: newUnit, Role: "Lärare"}, Duty{DutyAt: otherUnit}),
		},
		"group":     {groupAt(key('g', 1), oldUnit, key('p', 1)), groupAt(key('g', 1), newUnit, key('p', 1))},
		"elsewhere": {groupAt(key('g', 1), otherUnit), groupAt(key('g', 1), otherUnit)},
		"tombstone": {
			Record{Ref: Ref{KindOrganisation, newUnit}, Source: alvis, Tombstone: &Tombstone{Reason: TombstoneLeft}},
			Record{Ref: Ref{KindOrganisation, newUnit}, Source: alvis, Tombstone: &Tombstone{Reason: TombstoneLeft}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := *c.rec.clone()
			got := table.Apply(c.rec)
			if diff := cmp.Diff(before, c.rec); diff != "" {
				t.Errorf("the record that others share was written: %s", diff)
			}
			c.want.Normalize()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
	if len(extra) != 1 {
		t.Error("the attributes of the record were written")
	}
}

// A pupil of the unit that is merged is a neighbour of the one as which it counts: what changes there is looked at.
func TestAUnitDirtiesThoseWhoCountAsItsOwn(t *testing.T) {
	r := NewRoster(nil, day)
	pupil, group := key('p', 1), key('g', 1)
	for _, rec := range []Record{unitRecord(oldUnit, Organisation{}), unitRecord(newUnit, Organisation{}), personAt(pupil, []Enrolment{{EnroledAt: oldUnit}}), groupAt(group, oldUnit, pupil)} {
		r.Apply(table.Apply(rec))
	}
	dirty := r.Apply(table.Apply(unitRecord(newUnit, Organisation{Interval: Interval{End: 2026_12_31}})))
	for _, want := range []Ref{{KindPerson, pupil}, {KindGroup, group}} {
		if !slices.Contains(dirty, want) {
			t.Errorf("%v is not dirty: %v", want, dirty)
		}
	}
}

func TestWhoIsAtNoOtherUnitIsOutOfScope(t *testing.T) {
	const before, last, later = day - 100, day - 1, day + 100
	at := func(unit Key, from, to Date) Enrolment {
		return Enrolment{EnroledAt: unit, Interval: Interval{from, to}}
	}
	for name, c := range map[string]struct {
		enrolments []Enrolment
		duties     []Duty
		want       bool
	}{
		"at the closed one":                     {[]Enrolment{at(closedUnit, 0, 0)}, nil, true},
		"to its last day":                       {[]Enrolment{at(closedUnit, 0, day)}, nil, true},
		"elsewhere":                             {[]Enrolment{at(otherUnit, 0, 0)}, nil, false},
		"at both":                               {[]Enrolment{at(closedUnit, 0, 0), at(otherUnit, 0, 0)}, nil, false},
		"elsewhere from later on":               {[]Enrolment{at(closedUnit, 0, 0), at(otherUnit, later, 0)}, nil, false},
		"elsewhere long ago":                    {[]Enrolment{at(otherUnit, 0, last), at(closedUnit, day, 0)}, nil, true},
		"there in a never":                      {[]Enrolment{at(closedUnit, later, day), at(otherUnit, 0, last)}, nil, false},
		"works elsewhere":                       {[]Enrolment{at(closedUnit, 0, 0)}, []Duty{{DutyAt: otherUnit}}, false},
		"works there":                           {nil, []Duty{{DutyAt: closedUnit}}, true},
		"left it":                               {[]Enrolment{at(closedUnit, 0, last)}, nil, true},
		"left it after another":                 {[]Enrolment{at(otherUnit, 0, before), at(closedUnit, 0, last)}, nil, true},
		"left another after it":                 {[]Enrolment{at(closedUnit, 0, before), at(otherUnit, 0, last)}, nil, false},
		"left both":                             {[]Enrolment{at(closedUnit, 0, last), at(otherUnit, 0, last)}, nil, false},
		"left another after it, in other order": {[]Enrolment{at(otherUnit, 0, last), at(closedUnit, 0, before)}, nil, false},
		"nowhere":                               {nil, nil, false},
		"at no unit that is known":              {[]Enrolment{{}}, nil, false},
		"at the merged one":                     {[]Enrolment{at(oldUnit, 0, 0)}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRoster(nil, day)
			r.Apply(table.Apply(personAt(key('p', 1), c.enrolments, c.duties...)))
			if got := table.Excluded(r, Ref{KindPerson, key('p', 1)}); got != c.want {
				t.Errorf("out of scope %t, want %t", got, c.want)
			}
		})
	}
	r := NewRoster(nil, day)
	for _, rec := range []Record{groupAt(key('g', 1), closedUnit), groupAt(key('g', 2), oldUnit), unitRecord(closedUnit, Organisation{})} {
		r.Apply(table.Apply(rec))
	}
	for ref, want := range map[Ref]bool{
		{KindGroup, key('g', 1)}: true, {KindGroup, key('g', 2)}: false, {KindGroup, key('g', 3)}: false, {KindPerson, key('p', 3)}: false,
		{KindOrganisation, closedUnit}: true, {KindOrganisation, oldUnit}: true, {KindOrganisation, newUnit}: false, {KindOrganisation, otherUnit}: false,
	} {
		if got := table.Excluded(r, ref); got != want {
			t.Errorf("%v: out of scope %t, want %t", ref, got, want)
		}
	}
}

// For any records: an empty table changes nothing, and one that merges makes the roster of a register that says so itself.
func TestUnitsAreAsIfTheRegisterSaidSo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]Key{oldUnit, newUnit, closedUnit, otherUnit})
		date := rapid.SampledFrom([]Date{0, 2026_06_30, 2026_08_01})
		interval := func(l string) Interval {
			return Interval{date.Draw(t, l+" start"), date.Draw(t, l+" end")}
		}
		var plain, said []Record
		both := func(at func(Key) Record) {
			u := unit.Draw(t, "unit")
			plain = append(plain, at(u))
			if u == oldUnit {
				u = newUnit
			}
			said = append(said, at(u))
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "persons") {
			in := interval("enrolment")
			both(func(u Key) Record { return personAt(key('p', i), []Enrolment{{EnroledAt: u, Interval: in}}) })
			both(func(u Key) Record { return personAt(key('q', i), nil, Duty{DutyAt: u, Interval: in}) })
			both(func(u Key) Record { return groupAt(key('g', i), u, key('p', i), key('q', i)) })
		}
		merging := NewUnits(map[Key]UnitRule{oldUnit: {MergedInto: newUnit}})
		nothing := NewUnits(map[Key]UnitRule{otherUnit: {}})
		if nothing.Digest() != "" || merging.Digest() == "" || merging.Digest() == table.Digest() {
			t.Fatal("digests do not tell tables apart")
		}
		rosters := [4]*Roster{}
		for i := range rosters {
			rosters[i] = NewRoster(nil, day)
		}
		for i := range plain {
			rosters[0].Apply(plain[i])
			rosters[1].Apply(nothing.Apply(plain[i]))
			rosters[2].Apply(said[i])
			rosters[3].Apply(merging.Apply(plain[i]))
		}
		for i := 0; i < 4; i += 2 {
			for ref, want := range rosters[i].Each() {
				if diff := cmp.Diff(want, rosters[i+1].State(ref)); diff != "" {
					t.Fatalf("%v: (-want +got): %s", ref, diff)
				}
				if nothing.Excluded(rosters[0], ref) {
					t.Fatalf("%v is out of scope of nothing", ref)
				}
			}
		}
	})
}
