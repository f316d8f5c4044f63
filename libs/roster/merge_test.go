package roster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func personOf(s Source, p Person) *Record {
	return &Record{Ref: Ref{KindPerson, key('p', 1)}, Source: s, Person: &p}
}

func overlayOf(p Person) *Record {
	r := personOf(ad, p)
	r.Overlay = true
	return r
}

func tombstoneOf(s Source, reason TombstoneReason) *Record {
	return &Record{Ref: Ref{KindPerson, key('p', 1)}, Source: s, Tombstone: &Tombstone{Reason: reason}}
}

func TestMerge(t *testing.T) {
	overlayTombstone := tombstoneOf(ad, TombstoneLeft)
	overlayTombstone.Overlay = true
	pupil := Persona{Role: RolePupil, Email: "elev@skola.example"}
	here := Enrolment{EnroledAt: key('o', 1), Doc: "a"}
	tests := []struct {
		name    string
		records []*Record
		want    Merged
	}{
		{"nothing", nil, Merged{State: Missing}},
		{
			"attribute by attribute, the first in precedence before the first by name",
			[]*Record{
				personOf(alvis, Person{GivenName: "Testa", MiddleName: "A", Sex: Woman, Extra: Extra{"x": "alvis", "y": "alvis"}}),
				personOf(skola, Person{GivenName: "Tests", FamilyName: "Åkesdotter", Sex: Unknown, Extra: Extra{"x": "skola"}}),
			},
			Merged{State: Standing, Person: &Person{GivenName: "Tests", MiddleName: "A", FamilyName: "Åkesdotter", Sex: Woman, Extra: Extra{"x": "skola", "y": "alvis"}}},
		},
		{
			"enrolments and duties are united, what both state is one",
			[]*Record{
				personOf(alvis, Person{Enrolments: []Enrolment{{EnroledAt: key('o', 1), Doc: "b"}, {EnroledAt: key('o', 2)}}, Duties: []Duty{{DutyAt: key('o', 3)}}}),
				personOf(skola, Person{Enrolments: []Enrolment{here}}),
			},
			Merged{State: Standing, Person: &Person{Enrolments: []Enrolment{here, {EnroledAt: key('o', 2)}}, Duties: []Duty{{DutyAt: key('o', 3)}}}},
		},
		{
			"personas are merged role by role and never across",
			[]*Record{
				personOf(skola, Person{Personas: []Persona{pupil}}),
				personOf(alvis, Person{Personas: []Persona{{Role: RolePupil, Email: "other@skola.example", Username: "elev"}, {Role: RoleStaff, Username: "staff"}}}),
			},
			Merged{State: Standing, Person: &Person{Personas: []Persona{{Role: RolePupil, Email: "elev@skola.example", Username: "elev"}, {Role: RoleStaff, Username: "staff"}}}},
		},
		{
			"no role holds for the same source's personas only",
			[]*Record{
				personOf(skola, Person{Personas: []Persona{{Role: RoleNone, EPPN: "none@skola.example"}}}),
				personOf(alvis, Person{Personas: []Persona{{Role: RoleNone, Username: "none", Email: "none@alvis.example"}, pupil, {Role: RoleStaff}}}),
			},
			Merged{State: Standing, Person: &Person{Personas: []Persona{
				{Role: RoleNone, EPPN: "none@skola.example"},
				{Role: RolePupil, Email: "elev@skola.example", Username: "none"},
				{Role: RoleStaff, Email: "none@alvis.example", Username: "none"},
			}}},
		},
		{
			"an overlay fills and never overrides, first in precedence or not",
			[]*Record{
				overlayOf(Person{GivenName: "Ingen", Personas: []Persona{{Role: RolePupil, Email: "ad@skola.example", Username: "adelev"}}}),
				personOf(alvis, Person{GivenName: "Testa", Personas: []Persona{pupil}}),
			},
			Merged{State: Standing, Person: &Person{GivenName: "Testa", Personas: []Persona{{Role: RolePupil, Email: "elev@skola.example", Username: "adelev"}}}},
		},
		{
			"an overlay's persona needs one that is there",
			[]*Record{
				overlayOf(Person{Personas: []Persona{{Role: RolePupil, Username: "adelev"}, {Role: RoleStaff, Username: "adstaff"}}}),
				personOf(alvis, Person{Enrolments: []Enrolment{here}}),
			},
			Merged{State: Standing, Person: &Person{Enrolments: []Enrolment{here}, Personas: []Persona{{Role: RolePupil, Username: "adelev"}}}},
		},
		{"an overlay makes nobody exist", []*Record{overlayOf(Person{GivenName: "Testa"})}, Merged{State: Missing}},
		{"an overlay's tombstone takes nobody away", []*Record{overlayTombstone}, Merged{State: Missing}},
		{
			"an overlay keeps nobody",
			[]*Record{overlayOf(Person{GivenName: "Testa"}), tombstoneOf(alvis, TombstoneLeft)},
			Merged{State: Tombstoned, Reason: TombstoneLeft},
		},
		{
			"one source's tombstone is not the other's",
			[]*Record{personOf(skola, Person{GivenName: "Testa"}), tombstoneOf(alvis, TombstoneLeft)},
			Merged{State: Standing, Person: &Person{GivenName: "Testa"}},
		},
		{
			"only tombstones, the graver reason",
			[]*Record{tombstoneOf(skola, TombstoneLeft), tombstoneOf(alvis, TombstoneErased)},
			Merged{State: Tombstoned, Reason: TombstoneErased},
		},
		{
			"R9: a protected tombstone takes the person away",
			[]*Record{personOf(skola, Person{GivenName: "Testa", Marking: MarkingNone}), tombstoneOf(alvis, TombstoneProtected)},
			Merged{State: Tombstoned, Reason: TombstoneProtected, Protected: true},
		},
		{
			"R9: a marking wins, whatever the first source says",
			[]*Record{personOf(skola, Person{Marking: MarkingNone}), personOf(alvis, Person{Marking: MarkingConfidential})},
			Merged{State: Standing, Protected: true, Person: &Person{Marking: MarkingConfidential}},
		},
		{
			"R9: an overlay's marking wins",
			[]*Record{personOf(skola, Person{}), overlayOf(Person{Marking: "något nytt"})},
			Merged{State: Standing, Protected: true, Person: &Person{Marking: "något nytt"}},
		},
		{
			"R9: a marking wins although the sources speak of two people",
			[]*Record{personOf(skola, Person{GivenName: "Testa"}), personOf(alvis, Person{GivenName: "Quirin", Marking: MarkingProtected})},
			Merged{State: Standing, Protected: true, Conflict: true, Person: &Person{GivenName: "Testa", Marking: MarkingProtected}},
		},
		{
			"two birth dates are two people; who agrees with the first joins",
			[]*Record{
				personOf(skola, Person{BirthDate: "1890-01-01"}),
				personOf(alvis, Person{BirthDate: "1890-01-02", MiddleName: "X"}),
				personOf(Source{"zeta", "default"}, Person{MiddleName: "Z"}),
			},
			Merged{State: Standing, Conflict: true, Person: &Person{BirthDate: "1890-01-01", MiddleName: "Z"}},
		},
		{
			"two sources of an organisation",
			[]*Record{
				{Source: skola, Organisation: &Organisation{DisplayName: "A", UnitCodes: []string{"2"}}},
				{Source: alvis, Organisation: &Organisation{DisplayName: "B", Type: School, UnitCodes: []string{"1", "2"}}},
			},
			Merged{State: Standing, Organisation: &Organisation{DisplayName: "A", Type: School, UnitCodes: []string{"1", "2"}}},
		},
		{
			"two sources of a group",
			[]*Record{
				{Source: skola, Group: &Group{DisplayName: "A", Members: []Membership{{Person: key('p', 2), Doc: "x"}}}, Former: []Key{key('g', 2)}},
				{Source: alvis, Group: &Group{Type: Class, Members: []Membership{{Person: key('p', 1)}, {Person: key('p', 2)}}}, Former: []Key{key('g', 1), key('g', 2)}},
			},
			Merged{
				State: Standing, Former: []Key{key('g', 1), key('g', 2)},
				Group: &Group{DisplayName: "A", Type: Class, Members: []Membership{{Person: key('p', 1)}, {Person: key('p', 2), Doc: "x"}}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				if d := cmp.Diff(tt.want, Merge(Precedence{skola}, day, tt.records)); d != "" {
					t.Errorf("%s", d)
				}
				slices.Reverse(tt.records)
			}
		})
	}
}

// TestMergeIsPure: any order gives the same, and the records stay as they were.
func TestMergeIsPure(t *testing.T) {
	keyer := testKeyer(t)
	rapid.Check(t, func(t *rapid.T) {
		var records []*Record
		for _, s := range []Source{alvis, skola, ad, {"zeta", "default"}} {
			r := genRecord(KindPerson).Draw(t, "record")
			r.Source, r.Overlay = s, s == ad
			r.Normalize()
			records = append(records, r)
		}
		k := keyer
		before := []string{}
		for _, r := range records {
			before = append(before, k.Hash(r))
		}
		want := Merge(Precedence{skola}, day, records)
		got := Merge(Precedence{skola}, day, rapid.Permutation(records).Draw(t, "order"))
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		for i, r := range records {
			if k.Hash(r) != before[i] {
				t.Fatal("merging changed a record")
			}
		}
		for _, r := range records {
			if r.protects() && (!want.Protected || want.Person != nil && !want.Person.Marking.Protects()) {
				t.Fatal("a protected person is not (R9)")
			}
		}
		if p := want.Person; p != nil {
			if !slices.IsSortedFunc(p.Personas, func(a, b Persona) int { return strings.Compare(string(a.Role), string(b.Role)) }) {
				t.Fatal("personas are not in order")
			}
			c := (&Record{Person: p}).isNormal()
			if !c {
				t.Fatal("the merged person is not normal")
			}
		}
	})
}

func TestUnlikeNames(t *testing.T) {
	tests := []struct {
		a, b   Person
		unlike bool
	}{
		{Person{GivenName: "Testa", FamilyName: "Åkesdotter"}, Person{GivenName: "TESTA", FamilyName: "Provdotter"}, false},
		{Person{FamilyName: "Åkesdotter"}, Person{FamilyName: "Akesdotter"}, false},
		{Person{GivenName: "Mohammed"}, Person{GivenName: "Muhammad"}, false},
		{Person{GivenName: "Elisabeth"}, Person{DisplayName: "Elisa Påhitt"}, false},
		{Person{GivenName: "Anna-Testa", FamilyName: "Påhitt"}, Person{GivenName: "Testa", FamilyName: "Uppdiktad"}, false},
		{Person{GivenName: "Testa", FamilyName: "Åkesdotter"}, Person{GivenName: "Quirin", FamilyName: "Uppdiktad"}, true},
		{Person{GivenName: "Bo"}, Person{GivenName: "Li"}, true},
		{Person{GivenName: "Testa"}, Person{}, false},
		{Person{}, Person{}, false},
		{Person{GivenName: Personal(strings.Repeat("å", 500))}, Person{GivenName: Personal(strings.Repeat("ö", 500))}, true},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if got, back := unlike(&tt.a, &tt.b), unlike(&tt.b, &tt.a); got != tt.unlike || back != tt.unlike {
				t.Errorf("got %v and %v, want %v", got, back, tt.unlike)
			}
		})
	}
}

func TestPrimaryEnrolment(t *testing.T) {
	at := func(n int, form SchoolType, start, end Date) Enrolment {
		return Enrolment{EnroledAt: key('o', n), SchoolType: form, Interval: Interval{start, end}}
	}
	tests := []struct {
		name string
		list []Enrolment
		want int // unit; 0 for none
	}{
		{"none", nil, 0},
		{"ended yesterday", []Enrolment{at(1, SchoolGR, 0, day-1)}, 0},
		{"ends before it starts", []Enrolment{at(1, SchoolGR, day+5, day+2)}, 0},
		{"started before not started, although of a later form", []Enrolment{at(1, SchoolGR, day+1, 0), at(2, SchoolFTH, day, 0)}, 2},
		{"form before start", []Enrolment{at(1, SchoolFTH, day, 0), at(2, SchoolGR, day-9, day)}, 2},
		{"unknown form last", []Enrolment{at(1, "ny form", day, 0), at(2, SchoolKU, 0, 0)}, 2},
		{"latest start", []Enrolment{at(1, SchoolGY, day-9, 0), at(2, SchoolGY, day-1, 0)}, 2},
		{"lowest key", []Enrolment{at(2, SchoolGY, day-9, 0), at(1, SchoolGY, day-9, 0)}, 1},
		{"only not started", []Enrolment{at(1, SchoolGY, day+9, 0)}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				got, ok := PrimaryEnrolment(&Person{Enrolments: tt.list}, day)
				if ok != (tt.want > 0) || ok && got.EnroledAt != key('o', tt.want) {
					t.Errorf("got %v %v, want unit %d", got.EnroledAt, ok, tt.want)
				}
				slices.Reverse(tt.list)
			}
		})
	}
	d, ok := PrimaryDuty(&Person{Duties: []Duty{{DutyAt: key('o', 1)}, {DutyAt: key('o', 2), Interval: Interval{Start: day}}, {DutyAt: key('o', 3), Interval: Interval{Start: day + 1}}}}, day)
	if !ok || d.DutyAt != key('o', 2) {
		t.Errorf("primary duty is at %v", d.DutyAt)
	}
}

func TestPrimaryGroup(t *testing.T) {
	r := NewRoster(nil, day)
	who := key('p', 1)
	group := func(n int, typ GroupType, in Interval, members ...Membership) {
		for i := range members {
			members[i].Person = who
		}
		r.Apply(Record{Ref: Ref{KindGroup, key('g', n)}, Source: alvis, Group: &Group{Type: typ, Interval: in, Members: append(members, Membership{Person: key('p', 2)})}})
	}
	pupil := func(in Interval) Membership { return Membership{Role: MemberPupil, Interval: in} }
	group(1, Class, Interval{End: day - 1}, pupil(Interval{}))
	group(2, Class, Interval{}, pupil(Interval{End: day - 1}))
	group(3, TeachingGroup, Interval{}, pupil(Interval{}))
	group(4, Class, Interval{}, Membership{Role: MemberTeacher})
	if k, ok := PrimaryGroup(r, who, Class, MemberPupil); ok {
		t.Errorf("got %v, want none", k)
	}
	group(5, Class, Interval{Start: day + 2}, pupil(Interval{}))
	group(6, Class, Interval{Start: day - 300}, pupil(Interval{}), pupil(Interval{End: 2020_01_01}))
	group(7, Class, Interval{Start: day - 300}, pupil(Interval{}))
	if k, ok := PrimaryGroup(r, who, Class, MemberPupil); !ok || k != key('g', 6) {
		t.Errorf("got %v, want the sixth", k)
	}
	if k, ok := PrimaryGroup(r, who, Class, ""); !ok || k != key('g', 6) {
		t.Errorf("in any role: got %v, want the sixth", k)
	}
	group(7, Class, Interval{Start: day - 300}, pupil(Interval{Start: day - 1}))
	if k, _ := PrimaryGroup(r, who, Class, MemberPupil); k != key('g', 7) {
		t.Errorf("got %v, want the seventh, which started last", k)
	}
}
