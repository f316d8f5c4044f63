package fact_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

var testSource = roster.Source{System: "test", Instance: "default"}

func options(t testing.TB) fact.Options {
	t.Helper()
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	return fact.Options{Source: testSource, Keyer: k, Today: roster.NewDate(2026, 10, 1)}
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func assemble(t fataler, o fact.Options, docs ...fact.Doc) fact.Result {
	t.Helper()
	return assembler(t, o, docs...).Assemble()
}

func assembler(t fataler, o fact.Options, docs ...fact.Doc) *fact.Assembler {
	t.Helper()
	a := fact.NewAssembler(o)
	for _, d := range docs {
		if err := a.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// pnr returns a valid personnummer of somebody born in the eighteen hundreds.
func pnr(n int) string {
	s := fmt.Sprintf("18%02d%02d%02d%03d", n/300%100, n/28%12+1, n%28+1, 100+n%800)
	sum := 0
	for i, c := range s[2:] {
		d := int(c-'0') * (2 - i%2)
		sum += d/10 + d%10
	}
	return fmt.Sprintf("%s%d", s, (10-sum%10)%10)
}

func doc(id string, facts ...fact.Fact) fact.Doc {
	return fact.Doc{ID: id, Where: "line of " + id, Facts: facts}
}

func persons(r fact.Result) (list []*roster.Person) {
	for _, x := range r.Records {
		if x.Person != nil {
			list = append(list, x.Person)
		}
	}
	return list
}

func only(t *testing.T, r fact.Result, k roster.Kind) roster.Record {
	t.Helper()
	var found []roster.Record
	for _, x := range r.Records {
		if x.Ref.Kind == k {
			found = append(found, x)
		}
	}
	if len(found) != 1 {
		t.Fatalf("got %d records of kind %s, want 1", len(found), k)
	}
	return found[0]
}

func codes(r fact.Result) (list []string) {
	for _, f := range r.Findings {
		list = append(list, string(f.Reason.Code))
		if !reason.Known(f.Reason.Code) {
			list = append(list, "without text")
		}
	}
	return list
}

func TestAssembleJoinsPiecesInAnyOrder(t *testing.T) {
	o := options(t)
	docs := []fact.Doc{
		doc("m/1", fact.Member{Group: "g", Person: "p1", Role: "pupil", Start: "2026-08-17", End: "20261218"}, fact.Member{Group: "g", Person: "p2", Role: "lärare"}),
		doc("e/1", fact.Enrolment{Person: "p1", Unit: "u", SchoolType: "GR", SchoolYear: "F", Start: "2026-08-01T00:00:00"}),
		doc("d/1", fact.Duty{Person: "p2", Unit: "u", Role: "Lärare"}),
		doc("g", fact.Group{ID: " g ", Name: "1a", Type: "Klass", Unit: "u"}),
		doc("p1", fact.Person{ID: "p1", CivicNo: pnr(1), GivenName: "Testa", FamilyName: "Åkesdotter", Email: "testa@example.org"}),
		doc("p2", fact.Person{ID: "p2", GivenName: "Lärar", Role: "staff"}),
		doc("u", fact.Unit{ID: "u", Name: "Skolan", Parent: "a", UnitCodes: []string{"01234567"}}),
		doc("a", fact.Unit{ID: "a", Name: "Staden", Type: "Huvudman"}),
	}
	got := assemble(t, o, docs...)
	if len(got.Findings) > 0 {
		t.Errorf("findings %v, want none", codes(got))
	}
	want := map[string]int{"organisations": 2, "persons": 2, "groups": 1, "enrolments": 1, "duties": 1, "members": 2, "keptBack": 0}
	if d := cmp.Diff(want, got.Counts); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	unit := o.Keyer.Organisation(testSource, "u")
	p1 := o.Keyer.Person(testSource, "p1", roster.ParseCivicNo(pnr(1), o.Today))
	p2 := o.Keyer.Person(testSource, "p2", roster.CivicNo{})
	g := only(t, got, roster.KindGroup)
	members := []roster.Membership{
		{Person: p1, Role: roster.MemberPupil, Interval: roster.Interval{Start: 20260817, End: 20261218}, Doc: "m/1"},
		{Person: p2, Role: roster.MemberTeacher, Doc: "m/1"},
	}
	slices.SortFunc(members, func(a, b roster.Membership) int { return a.Person.Compare(b.Person) })
	if g.Group.Organisation != unit || !slices.Equal(g.Group.Members, members) {
		t.Errorf("group is not what was stated: %v", g)
	}
	for _, r := range got.Records {
		if r.Ref.Key == p1 {
			e := roster.Enrolment{EnroledAt: unit, SchoolType: "FKLASS", SchoolYear: "0", Interval: roster.Interval{Start: 20260801}, Doc: "e/1"}
			if !slices.Equal(r.Person.Enrolments, []roster.Enrolment{e}) {
				t.Errorf("enrolments differ: %v", r)
			}
			if !slices.Equal(r.Person.Personas, []roster.Persona{{Role: roster.RolePupil, Email: "testa@example.org"}}) {
				t.Errorf("personas differ: %v", r)
			}
		}
	}
	if !slices.IsSortedFunc(got.Records, func(a, b roster.Record) int {
		return slices.Index(roster.Kinds(), a.Ref.Kind) - slices.Index(roster.Kinds(), b.Ref.Kind)
	}) {
		t.Error("records are not in the order of their kinds")
	}
}

func TestAssembleFaults(t *testing.T) {
	person := func(id string, change func(*fact.Person)) fact.Doc {
		p := fact.Person{ID: id, GivenName: "Testa " + id, FamilyName: "Åkesdotter"}
		if change != nil {
			change(&p)
		}
		return doc("person/"+id, p)
	}
	cases := []struct {
		name     string
		docs     []fact.Doc
		findings []string
		persons  int
		keptBack int
		check    func(*testing.T, fact.Result)
	}{
		{
			"F34 names are names",
			[]fact.Doc{doc("1", fact.Person{ID: "1", GivenName: "Null", FamilyName: "O'Brien 🎻", DisplayName: "=HYPERLINK()"})},
			nil, 1, 0, func(t *testing.T, r fact.Result) {
				if p := persons(r)[0]; p.GivenName != "Null" || p.FamilyName != "O'Brien 🎻" || p.DisplayName != "=HYPERLINK()" {
					t.Error("a name was changed")
				}
			},
		},
		{
			"F34 NUL, direction marks and bytes that are no text",
			[]fact.Doc{doc("1", fact.Person{ID: "1", GivenName: "Te\x00s\u202Eta", FamilyName: " \xffx\n"})},
			[]string{"control-characters", "control-characters"},
			1, 0, func(t *testing.T, r fact.Result) {
				if p := persons(r)[0]; p.GivenName != "Testa" || p.FamilyName != "\uFFFDx" {
					t.Errorf("got %q, %q", p.GivenName.Reveal(), p.FamilyName.Reveal())
				}
			},
		},
		{
			"F35 NFD is NFC",
			[]fact.Doc{doc("1", fact.Person{ID: "1", GivenName: "A\u030Asa"})},
			nil, 1, 0,
			func(t *testing.T, r fact.Result) {
				if g := persons(r)[0].GivenName; g != "\u00C5sa" {
					t.Errorf("got %q", g.Reveal())
				}
			},
		},
		{
			"F37 one id in two docs, one person",
			[]fact.Doc{person("1", nil), doc("other", fact.Person{ID: "1", Email: "a@example.org"})},
			nil, 1, 0,
			func(t *testing.T, r fact.Result) {
				if o := only(t, r, roster.KindPerson).Origins; len(o) != 2 {
					t.Errorf("origins %v, want both docs", len(o))
				}
			},
		},
		{
			"F37 the same doc twice",
			[]fact.Doc{person("1", nil), person("1", func(p *fact.Person) { p.Email = "new@example.org" })},
			[]string{"duplicate-doc"},
			1, 0, func(t *testing.T, r fact.Result) {
				if e := persons(r)[0].Personas[0].Email; e != "new@example.org" {
					t.Error("the later doc did not count")
				}
			},
		},
		{
			"R9 the same doc twice, and the first protects",
			[]fact.Doc{
				doc("p", fact.Person{ID: "1", Marking: string(roster.MarkingConfidential)}), doc("p", fact.Person{ID: "1", Marking: string(roster.MarkingNone)}),
				doc("q", fact.Person{ID: "2", Marking: string(roster.MarkingNone)}), doc("q", fact.Person{ID: "2"}),
			},
			[]string{"duplicate-doc", "duplicate-doc"},
			2, 0, func(t *testing.T, r fact.Result) {
				for _, p := range r.Records {
					want := map[string]roster.SecurityMarking{"1": roster.MarkingConfidential, "2": ""}[p.Origins[0].ID.Reveal()]
					if p.Person.Marking != want {
						t.Errorf("person %s is marked %q, want %q", p.Origins[0].ID.Reveal(), p.Person.Marking, want)
					}
				}
			},
		},
		{
			"F37 two persons in docs of one id",
			[]fact.Doc{doc("p", fact.Person{ID: "1", GivenName: "Testa"}), doc("p", fact.Person{ID: "1", GivenName: "Olof"})},
			[]string{"duplicate-doc", "identity-conflict"},
			0, 1, nil,
		},
		{"F37 ids differ by case and leading zeros", []fact.Doc{doc("1", fact.Person{ID: "a1"}), doc("2", fact.Person{ID: "A1"}), doc("3", fact.Person{ID: "0a1"})}, nil, 3, 0, nil},
		{
			"F38 two ids with one number are one person",
			[]fact.Doc{person("1", func(p *fact.Person) { p.CivicNo = pnr(5); p.Role = "pupil" }), person("2", func(p *fact.Person) { p.CivicNo = pnr(5); p.GivenName = "Testa 1"; p.Role = "staff" })},
			nil, 1, 0, func(t *testing.T, r fact.Result) {
				if n := len(persons(r)[0].Personas); n != 2 {
					t.Errorf("%d personas, want both roles", n)
				}
			},
		},
		{
			"F38 two persons with one number",
			[]fact.Doc{
				doc("1", fact.Person{ID: "1", CivicNo: pnr(5), GivenName: "Testa", FamilyName: "Åkesdotter"}),
				doc("2", fact.Person{ID: "2", CivicNo: pnr(5), GivenName: "Olof", FamilyName: "Åkesson"}),
				doc("3", fact.Group{ID: "g"}, fact.Member{Group: "g", Person: "1"}),
			},
			[]string{"identity-conflict"},
			0, 1, func(t *testing.T, r fact.Result) {
				if len(r.KeptBackIDs) != 2 {
					t.Errorf("%d ids kept back, want 2", len(r.KeptBackIDs))
				}
				if g := only(t, r, roster.KindGroup).Group; len(g.Members) != 1 || g.Members[0].Person != r.KeptBack[0].Key {
					t.Error("kept back is not absent, but the membership is gone")
				}
			},
		},
		{"F38 two days of birth with one number", []fact.Doc{
			doc("1", fact.Person{ID: "1", CivicNo: pnr(5), GivenName: "Testa", BirthDate: "1890-01-01"}),
			doc("2", fact.Person{ID: "2", CivicNo: pnr(5), GivenName: "Testa", BirthDate: "1891-01-01"}),
		}, []string{"identity-conflict"}, 0, 1, nil},
		{
			"F38 an invalid number is kept",
			[]fact.Doc{person("1", func(p *fact.Person) { p.CivicNo = "18900101-0000" })},
			[]string{"invalid-number"},
			1, 0,
			func(t *testing.T, r fact.Result) {
				if k := persons(r)[0].CivicNo.Kind(); k != roster.UnknownNumber {
					t.Errorf("kind %s", k)
				}
			},
		},
		{
			"F38 an invalid number that two have identifies nobody",
			[]fact.Doc{person("1", func(p *fact.Person) { p.CivicNo = "000000-0000" }), person("2", func(p *fact.Person) { p.CivicNo = "000000-0000" })},
			[]string{"invalid-number", "invalid-number"},
			2, 0, nil,
		},
		{
			"F39 protected wins over a doc that says otherwise",
			[]fact.Doc{doc("1", fact.Person{ID: "1", Marking: "Ingen"}), doc("2", fact.Person{ID: "1", Marking: "Sekretessmarkering"})},
			nil, 1, 0,
			func(t *testing.T, r fact.Result) {
				if m := persons(r)[0].Marking; !m.Protects() {
					t.Errorf("marking %s", m)
				}
			},
		},
		{
			"F40 dates that are none",
			[]fact.Doc{doc("1", fact.Person{ID: "1"}, fact.Unit{ID: "u"}, fact.Enrolment{Person: "1", Unit: "u", Start: "31/Oct/2025", End: "2026-02-31"}, fact.Duty{Person: "1", Unit: "u", Start: "0001-01-01", End: "9999-12-31"})},
			[]string{"invalid-date", "invalid-date"},
			1, 0, func(t *testing.T, r fact.Result) {
				if p := persons(r)[0]; p.Enrolments[0].Interval != (roster.Interval{}) || p.Duties[0].Interval != (roster.Interval{}) {
					t.Error("a date was guessed")
				}
			},
		},
		{"F40 end before start", []fact.Doc{doc("1", fact.Group{ID: "g", Start: "2026-08-01", End: "2026-06-01"})}, []string{"end-before-start"}, 0, 0, nil},
		{
			"F40 a time with a zone is a day in Stockholm",
			[]fact.Doc{doc("1", fact.Group{ID: "g", Start: "2026-06-30T22:30:00Z", End: "2028-02-29 00:00:00"})},
			nil, 0, 0,
			func(t *testing.T, r fact.Result) {
				if i := only(t, r, roster.KindGroup).Group.Interval; i != (roster.Interval{Start: 20260701, End: 20280229}) {
					t.Errorf("got %v to %v", i.Start, i.End)
				}
			},
		},
		{
			"F41 units in a circle",
			[]fact.Doc{doc("1", fact.Unit{ID: "a", Parent: "b"}), doc("2", fact.Unit{ID: "b", Parent: "c"}), doc("3", fact.Unit{ID: "c", Parent: "a"}), doc("4", fact.Unit{ID: "0", Parent: "a"})},
			[]string{"unit-cycle"},
			0, 0, func(t *testing.T, r fact.Result) {
				above := 0
				for _, x := range r.Records {
					if !x.Organisation.Parent.IsZero() {
						above++
					}
				}
				if above != 3 {
					t.Errorf("%d units have one above, want 3 of 4", above)
				}
			},
		},
		{"F41 the top is its own parent", []fact.Doc{doc("1", fact.Unit{ID: "a", Parent: "a"})}, nil, 0, 0, nil},
		{
			"F42 references that lead nowhere",
			[]fact.Doc{
				doc("1", fact.Person{ID: "1"}, fact.Group{ID: "g", Unit: "no"}, fact.Member{Group: "no", Person: "1"}, fact.Member{Group: "g", Person: "no"}, fact.Enrolment{Person: "1", Unit: "no"}, fact.Duty{Person: "no", Unit: "no"}),
			},
			[]string{"unknown-reference", "unknown-reference", "unknown-reference", "unknown-reference", "unknown-reference"},
			1, 0,
			func(t *testing.T, r fact.Result) {
				if p := persons(r)[0].Personas; len(p) != 1 || p[0].Role != roster.RolePupil {
					t.Error("an enrolment at an unknown unit still tells the role")
				}
			},
		},
		{"a deleted doc is gone, and whoever refers to it is no fault", []fact.Doc{
			person("1", nil), doc("g", fact.Group{ID: "g"}, fact.Member{Group: "g", Person: "1"}), {ID: "person/1", Deleted: true},
		}, nil, 0, 0, nil},
		{
			"unknown codes are kept",
			[]fact.Doc{doc("1", fact.Group{ID: "g", Type: "Kör", SchoolType: "Månskola"}, fact.Person{ID: "1"}, fact.Unit{ID: "u", Type: "Filial"}, fact.Duty{Person: "1", Unit: "u", Role: "Trollkarl"})},
			[]string{"unknown-code", "unknown-code", "unknown-code", "unknown-code"},
			1, 0, func(t *testing.T, r fact.Result) {
				if g := only(t, r, roster.KindGroup).Group; g.Type != "Kör" || g.SchoolType != "Månskola" {
					t.Error("a code was lost")
				}
			},
		},
		{"an e-mail address that is none", []fact.Doc{person("1", func(p *fact.Person) { p.Email = "testa at example.org" })}, []string{"invalid-email"}, 1, 0, nil},
		{"a unit code that lost its zero", []fact.Doc{doc("1", fact.Unit{ID: "u", UnitCodes: []string{"1234567", "01234567"}})}, []string{"invalid-unit-code"}, 0, 0, nil},
		{
			"docs that differ on an attribute",
			[]fact.Doc{doc("b", fact.Person{ID: "1", GivenName: "Testa", FamilyName: "Ny"}), doc("a", fact.Person{ID: "1", GivenName: "Testa", FamilyName: "Gammal"})},
			[]string{"conflicting-attribute"},
			1, 0, func(t *testing.T, r fact.Result) {
				if persons(r)[0].FamilyName != "Gammal" {
					t.Error("the doc with the lower id must win")
				}
			},
		},
		{"an entity without id", []fact.Doc{doc("1", fact.Person{ID: " "})}, []string{"missing-id"}, 0, 0, nil},
		{"a former id that is somebody else's", []fact.Doc{doc("1", fact.Person{ID: "1", FormerIDs: []string{"2", "0"}}), doc("2", fact.Person{ID: "2"})}, []string{"former-still-stated"}, 2, 0, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := assemble(t, options(t), c.docs...)
			if d := cmp.Diff(c.findings, codes(r)); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if n := len(persons(r)); n != c.persons || len(r.KeptBack) != c.keptBack {
				t.Fatalf("%d persons and %d kept back, want %d and %d", n, len(r.KeptBack), c.persons, c.keptBack)
			}
			if c.check != nil {
				c.check(t, r)
			}
		})
	}
}

// TestTwoUnderOneNumberAreKeptBack states a shared number in every order, also first by a doc that tells no name.
func TestTwoUnderOneNumberAreKeptBack(t *testing.T) {
	n := pnr(1)
	nobody, anna, bertil := fact.Person{CivicNo: n}, fact.Person{CivicNo: n, GivenName: "Anna"}, fact.Person{CivicNo: n, GivenName: "Bertil"}
	both := fact.Person{CivicNo: n, GivenName: "Anna Bertil"}
	born := func(p fact.Person, day string) fact.Person { p.BirthDate = day; return p }
	cases := []struct {
		name   string
		stated []fact.Person
		one    bool
	}{
		{"two names", []fact.Person{anna, bertil}, false},
		{"two names and none", []fact.Person{nobody, anna, bertil}, false},
		{"two names and one that is like both", []fact.Person{both, anna, bertil}, false},
		{"two days of birth and none", []fact.Person{anna, born(anna, "1890-01-02"), born(anna, "1891-01-02")}, false},
		{"one name and none", []fact.Person{nobody, anna, anna}, true},
		{"one name, and one day of birth", []fact.Person{born(nobody, "1890-01-02"), anna, both}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for first := range c.stated {
				for _, back := range []bool{false, true} {
					list := slices.Concat(c.stated[first:], c.stated[:first])
					if back {
						slices.Reverse(list)
					}
					var docs []fact.Doc
					for i, p := range list {
						p.ID = fmt.Sprint("p", i)
						docs = append(docs, doc(p.ID, p))
					}
					r := assemble(t, options(t), docs...)
					if len(persons(r)) == 1 != c.one || len(r.KeptBack) == 0 != c.one {
						t.Errorf("from %d, back %t: %d persons, %d kept back; want one person %t", first, back, len(persons(r)), len(r.KeptBack), c.one)
					}
				}
			}
		})
	}
}

func TestReusedGroupIDsAreOtherGroupsEachYear(t *testing.T) {
	o := options(t)
	key := func(year string) roster.Key {
		o.SchoolYear = year
		return only(t, assemble(t, o, doc("g", fact.Group{ID: "g"})), roster.KindGroup).Ref.Key
	}
	if key("2025/2026") == key("2026/2027") {
		t.Error("one key in two school years")
	}
}

func TestAddRefusesFaultyFormats(t *testing.T) {
	a := fact.NewAssembler(options(t))
	if err := a.Add(fact.Doc{ID: " ", Where: "line 1"}); err == nil {
		t.Error("a doc without id was taken")
	}
	if err := a.Add(fact.Doc{ID: "1", Facts: []fact.Fact{&fact.Person{ID: "1"}}}); err == nil {
		t.Error("a pointer to a fact was taken")
	}
}

func TestCompare(t *testing.T) {
	person := func(given, family, born string) *roster.Person {
		return &roster.Person{GivenName: roster.Personal(given), FamilyName: roster.Personal(family), BirthDate: roster.Personal(born)}
	}
	cases := []struct {
		name        string
		before, now *roster.Person
		want        fact.Likeness
	}{
		{"nothing but the number changed", person("Testa", "Åkesdotter", "1890-01-01"), person("Testa", "Åkesdotter", "1890-01-01"), fact.Same},
		{"the day of birth was corrected", person("Testa", "Åkesdotter", "1890-01-01"), person("Testa", "Akesdotter", "1890-01-02"), fact.Same},
		{"married", person("Testa Maria", "Åkesdotter", "1890-01-01"), person("Testa", "Berg", "1890-01-01"), fact.Same},
		{"spelled another way", person("Mohammed", "Åkesson", "1890-01-01"), person("Mohamed", "Åkesson", "1890-01-01"), fact.Same},
		{"another child got the id", person("Testa", "Åkesdotter", "1890-01-01"), person("Olof", "Berg", "1891-01-01"), fact.Another},
		{"a sibling got the id", person("Testa", "Berg", "1890-01-01"), person("Olof", "Berg", "1891-01-01"), fact.Another},
		{"a namesake got the id", person("Testa", "Berg", "1890-01-01"), person("Testa", "Dal", "1891-01-01"), fact.Unsure},
		{"a new name and the same birthday", person("Testa", "Berg", "1890-01-01"), person("Olof", "Dal", "1890-01-01"), fact.Unsure},
		{"no names, another birthday", person("", "", "1890-01-01"), person("", "", "1890-02-01"), fact.Unsure},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := fact.Compare(c.before, c.now); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
