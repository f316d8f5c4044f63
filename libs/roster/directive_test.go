package roster

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var manual = Source{"manual", "default"}

func until(k DirectiveKind, d Date) Directive {
	return Directive{Kind: k, Until: d, Owner: "skolchef", Reason: "beslut"}
}

// by is what source-manual says of the first person, beside or instead of a person of its own.
func by(p Person, overlay bool, d ...Directive) *Record {
	r := personOf(manual, p)
	r.Overlay, r.Directives = overlay, d
	return r
}

func TestMergeDirectives(t *testing.T) {
	pupil := []Persona{{Role: RolePupil, Email: "fel@skola.example", Username: "elev"}}
	register := func() *Record { return personOf(skola, Person{GivenName: "Testa", Personas: pupil}) }
	right := Person{GivenName: "Tästa", Personas: []Persona{{Role: RolePupil, Email: "rätt@skola.example"}, {Role: RoleStaff, Email: "x@skola.example"}}}
	tests := []struct {
		name    string
		records []*Record
		state   State
		reason  TombstoneReason
		person  *Person
	}{
		{
			"an override wins over the first source, in personas that are there",
			[]*Record{register(), by(right, true, until(Override, day))},
			Standing, "", &Person{GivenName: "Tästa", Personas: []Persona{{Role: RolePupil, Email: "rätt@skola.example", Username: "elev"}}},
		},
		{"an override of yesterday says nothing", []*Record{register(), by(right, true, until(Override, day-1))}, Standing, "", register().Person},
		{"an override makes nobody exist", []*Record{by(right, true, until(Override, day))}, Missing, "", nil},
		{"an override keeps nobody", []*Record{tombstoneOf(skola, TombstoneLeft), by(right, true, until(Override, day))}, Tombstoned, TombstoneLeft, nil},
		{"R6: excluded is gone, because a record says so", []*Record{register(), by(Person{}, true, until(Exclude, day))}, Tombstoned, TombstoneExcluded, nil},
		{"excluded until yesterday", []*Record{register(), by(Person{}, true, until(Exclude, day-1))}, Standing, "", register().Person},
		{"R6: to exclude somebody of whom nothing is known removes nothing", []*Record{by(Person{}, true, until(Exclude, day))}, Missing, "", nil},
		{
			"suspended stands",
			[]*Record{register(), by(Person{}, true, until(Suspend, day))},
			Standing, "", &Person{GivenName: "Testa", Personas: pupil, Suspended: true},
		},
		{"suspended until yesterday", []*Record{register(), by(Person{}, true, until(Suspend, day-1))}, Standing, "", register().Person},
		{
			"suspended outranks excluded",
			[]*Record{register(), by(Person{}, true, until(Exclude, day), until(Suspend, day))},
			Standing, "", &Person{GivenName: "Testa", Personas: pupil, Suspended: true},
		},
		{"R9: protected outranks suspended", []*Record{tombstoneOf(skola, TombstoneProtected), by(Person{}, false, until(Suspend, day))}, Tombstoned, TombstoneProtected, nil},
		{
			"kept although every register lets go",
			[]*Record{tombstoneOf(skola, TombstoneLeft), tombstoneOf(alvis, TombstoneLeft), by(*register().Person, false, until(KeepUntil, day))},
			Standing, "", register().Person,
		},
		{"kept until yesterday", []*Record{tombstoneOf(skola, TombstoneErased), by(*register().Person, false, until(KeepUntil, day-1))}, Tombstoned, TombstoneErased, nil},
		{"by hand alone, until yesterday", []*Record{by(*register().Person, false, until(KeepUntil, day-1))}, Tombstoned, TombstoneLeft, nil},
		{"kept until yesterday and in the register", []*Record{register(), by(right, false, until(KeepUntil, day-1))}, Standing, "", register().Person},
		{
			"R9: no date ends protection",
			[]*Record{register(), by(Person{Marking: MarkingConfidential}, true, until(Override, day-1), until(MarkProtected, day-1))},
			Standing, "", &Person{GivenName: "Testa", Personas: pupil, Marking: MarkingConfidential},
		},
		{
			"R9: nor does the end of what was kept",
			[]*Record{register(), by(Person{Marking: MarkingConfidential}, false, until(KeepUntil, day-1))},
			Standing, "", &Person{GivenName: "Testa", Personas: pupil, Marking: MarkingConfidential},
		},
		{
			"R9: no override takes protection away",
			[]*Record{personOf(skola, Person{Marking: MarkingProtected}), by(Person{Marking: MarkingNone}, true, until(Override, day))},
			Standing, "", &Person{Marking: MarkingProtected},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				got := Merge(Precedence{skola}, day, tt.records)
				if got.State != tt.state || got.Reason != tt.reason {
					t.Errorf("%s because %q, want %s because %q", got.State, got.Reason, tt.state, tt.reason)
				}
				if d := cmp.Diff(tt.person, got.Person); d != "" {
					t.Error(d)
				}
				slices.Reverse(tt.records)
			}
		})
	}
}

func TestAMemberAddedByHand(t *testing.T) {
	in := func(s Source, overlay bool, members ...Membership) *Record {
		return &Record{Ref: Ref{KindGroup, key('g', 1)}, Source: s, Overlay: overlay, Group: &Group{Members: members}}
	}
	added := Membership{Person: key('p', 2), Role: MemberTeacher, Interval: Interval{End: day}}
	got := Merge(nil, day, []*Record{in(skola, false, Membership{Person: key('p', 1)}), in(manual, true, added)})
	if want := []Membership{{Person: key('p', 1)}, added}; got.Group == nil || !slices.Equal(got.Group.Members, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Merge(nil, day, []*Record{in(manual, true, added)}); got.State != Missing {
		t.Errorf("a member by hand makes a group: %+v", got)
	}
}

func TestTheDayEndsADirective(t *testing.T) {
	r := NewRoster(nil, day)
	r.Apply(*personOf(skola, Person{GivenName: "Testa"}))
	r.Apply(*by(Person{}, true, until(Exclude, day+1)))
	ref := Ref{KindPerson, key('p', 1)}
	if s := r.State(ref); s.State != Tombstoned || r.NextBoundary() != day+2 {
		t.Errorf("%v, next boundary %v", s, r.NextBoundary())
	}
	r.SetToday(day + 2)
	if s := r.State(ref); s.State != Standing || !r.NextBoundary().IsOpen() {
		t.Errorf("%v, next boundary %v", s, r.NextBoundary())
	}
	r.SetToday(day)
	r.Apply(*tombstoneOf(manual, TombstoneLeft))
	if s := r.State(ref); s.State != Standing {
		t.Errorf("taken back, it is %v", s)
	}
}

func TestSameAs(t *testing.T) {
	ref := func(n int) Ref { return Ref{KindPerson, key('p', n)} }
	person := func(n int, s Source, p Person) Record { return Record{Ref: ref(n), Source: s, Person: &p} }
	says := func(n int, others ...int) Record {
		r := Record{Ref: ref(n), Source: manual, Overlay: true, Person: &Person{}, Directives: []Directive{until(JoinKeys, 0)}}
		for _, o := range others {
			r.SameAs = append(r.SameAs, key('p', o))
		}
		return r
	}
	class := Record{Ref: Ref{KindGroup, key('g', 1)}, Source: skola, Group: &Group{Members: []Membership{{Person: key('p', 1)}, {Person: key('p', 2)}}}}
	first := person(1, skola, Person{GivenName: "Testa", FamilyName: "Åkesdotter", Enrolments: []Enrolment{{EnroledAt: key('o', 1)}}})
	second := person(2, alvis, Person{GivenName: "Testa", MiddleName: "Ö", Enrolments: []Enrolment{{EnroledAt: key('o', 2)}}})
	setup := func(records ...Record) *Roster {
		r := NewRoster(Precedence{skola}, day)
		for _, rec := range records {
			r.Apply(rec)
		}
		return r
	}

	t.Run("joins and is undone", func(t *testing.T) {
		r := setup(class, first, second)
		before := content(r)
		dirty := r.Apply(says(2, 1))
		for _, want := range []Ref{ref(1), ref(2), class.Ref, {KindOrganisation, key('o', 1)}, {KindOrganisation, key('o', 2)}} {
			if !slices.Contains(dirty, want) {
				t.Errorf("%v is not dirty", want)
			}
		}
		lead, other := r.State(ref(2)), r.State(ref(1))
		want := &Person{GivenName: "Testa", MiddleName: "Ö", FamilyName: "Åkesdotter", Enrolments: []Enrolment{{EnroledAt: key('o', 1)}, {EnroledAt: key('o', 2)}}}
		if d := cmp.Diff(want, lead.Person); d != "" || !slices.Equal(lead.Former, []Key{key('p', 1)}) {
			t.Errorf("%v %s", lead, d)
		}
		if d := cmp.Diff(Merged{State: Tombstoned, Reason: TombstoneBecame, Became: key('p', 2)}, other); d != "" {
			t.Error(d)
		}
		if now, ok := r.Became(key('p', 1)); !ok || now != key('p', 2) {
			t.Errorf("became %v", now)
		}
		if m := r.Group(key('g', 1)).Members; len(m) != 1 || m[0].Person != key('p', 2) || len(r.Groups(key('p', 2))) != 1 || len(r.Groups(key('p', 1))) != 0 {
			t.Errorf("the class has %v", m)
		}
		r.Apply(Record{Ref: ref(2), Source: manual, Tombstone: &Tombstone{Reason: TombstoneLeft}})
		after := content(r)
		for _, c := range []map[string]any{before, after} {
			delete(c, ref(2).String()+" records")
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Error("undone, the roster is another:", d)
		}
	})
	t.Run("identity-conflict: two people stay two and keep their state", func(t *testing.T) {
		stranger := person(2, alvis, Person{GivenName: "Quirin", FamilyName: "Uppdiktad"})
		r := setup(first, stranger, class, says(2, 1))
		for n, want := range map[int]Personal{1: "Testa", 2: "Quirin"} {
			if m := r.State(ref(n)); m.State != Standing || !m.Conflict || m.Person.GivenName != want {
				t.Errorf("%d: %v", n, m)
			}
		}
		if m := r.Group(key('g', 1)).Members; len(m) != 2 {
			t.Errorf("the class has %v", m)
		}
		stranger.Person = &Person{GivenName: "Testa", FamilyName: "Uppdiktad"} // the register was wrong
		r.Apply(stranger)
		if m := r.State(ref(1)); m.Became != key('p', 2) {
			t.Errorf("mended: %v", m)
		}
	})
	t.Run("R9: protected under one key is protected under all", func(t *testing.T) {
		r := setup(first, second, says(2, 1), Record{Ref: ref(1), Source: alvis, Tombstone: &Tombstone{Reason: TombstoneProtected}})
		if m := r.State(ref(2)); m.State != Tombstoned || m.Reason != TombstoneProtected || !m.Protected {
			t.Errorf("%v", m)
		}
	})
	t.Run("a chain and a circle end at one key", func(t *testing.T) {
		chain := setup(person(3, ad, Person{GivenName: "Testa"}), first, second, says(3, 1), says(1, 2))
		if k, _ := chain.Became(key('p', 2)); k != key('p', 3) {
			t.Errorf("the chain leads to %v", k)
		}
		circle := setup(first, second, says(2, 1), says(1, 2))
		if k, _ := circle.Became(key('p', 2)); k != key('p', 1) || circle.State(ref(1)).State != Standing {
			t.Errorf("the circle leads to %v", k)
		}
	})
	t.Run("R6: nothing known of any of them, nobody goes", func(t *testing.T) {
		r := setup(says(2, 1))
		if a, b := r.State(ref(1)).State, r.State(ref(2)).State; a != Missing || b != Missing {
			t.Errorf("%s and %s", a, b)
		}
	})
	t.Run("one leaves under one key and stays under the other", func(t *testing.T) {
		r := setup(first, second, says(2, 1), Record{Ref: ref(2), Source: alvis, Tombstone: &Tombstone{TombstoneBecame, key('p', 1)}})
		if m := r.State(ref(2)); m.State != Standing || m.Person.FamilyName != "Åkesdotter" {
			t.Errorf("%v", m)
		}
	})
}

func TestAliasOfAProtectedPersonIsPerLink(t *testing.T) {
	alias := Directive{Kind: AllowAlias, Owner: "skolchef", Reason: "beslut", Link: "google/default"}
	protection := by(Person{Marking: MarkingConfidential}, true, until(MarkProtected, 0), alias)
	gone := *tombstoneOf(skola, TombstoneProtected)
	for name, c := range map[string]struct {
		records []*Record
		want    bool
	}{
		"marked by hand":              {[]*Record{personOf(skola, Person{GivenName: "Testa"}), protection}, true},
		"R9 gone from the register":   {[]*Record{&gone, protection}, true},
		"not protected any more":      {[]*Record{personOf(skola, Person{GivenName: "Testa"}), by(Person{}, true, alias)}, false},
		"protected, with no decision": {[]*Record{&gone}, false},
	} {
		m := Merge(nil, day, c.records)
		if got := m.Alias("google/default"); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if m.Alias("google/other") {
			t.Errorf("%s: another link may have an alias", name)
		}
	}
}
