package municipality

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/roster"
)

func digest(t *testing.T, m *Municipality) string {
	t.Helper()
	h := sha256.New()
	if err := m.WriteIMS(h); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The digests stand here so that a change of what a seed means is a decision, never an accident. (R11)
func TestSameOptionsSameBytes_R11(t *testing.T) {
	tests := []struct {
		name string
		give Options
		want string
	}{
		{"adult", Options{Pupils: 300, Seed: 1}, "366e0adb987e0f5c916d89cb095795235dce60f95ea693af1984c3e4061bf888"},
		{"another seed", Options{Pupils: 300, Seed: 2}, "632d77e896cd1b0cceddaeb28713d52327b8a3f379b18da4ef7f4a9e9bcd0d96"},
		{"another day", Options{Pupils: 300, Seed: 1, Day: 20270301}, "50a8287378bc6da73885836c4fb684ef75c5ff2f4c3737a4f81a4c5d1be49ad7"},
		{"schools", Options{Pupils: 300, Seed: 1, Shape: ShapeSchools}, "51d9c07e27fd51b751a346ba360bb98a2b34df4cf0fef106467dc5b840601e98"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := digest(t, New(tt.give))
			if got != tt.want {
				t.Errorf("sha256 = %s, want %s", got, tt.want)
			}
			if again := digest(t, New(tt.give)); again != got {
				t.Errorf("the second is %s, the first %s", again, got)
			}
		})
	}
}

func TestPupilsAreBroughtIntoTheLimits(t *testing.T) {
	for give, want := range map[int]int{-1: MinPupils, 0: MinPupils, 19: MinPupils, 20: 20, 21: 21, 777: 777} {
		if got := New(Options{Pupils: give, Seed: 5}).Size().Pupils; got != want {
			t.Errorf("New with %d pupils has %d, want %d", give, got, want)
		}
	}
}

// draw returns any municipality, after any mutations.
func draw(t *rapid.T) *Municipality {
	m := New(Options{
		Pupils: rapid.IntRange(MinPupils, 120).Draw(t, "pupils"),
		Seed:   rapid.Uint64().Draw(t, "seed"),
		Day:    DefaultDay.AddDays(rapid.IntRange(-400, 400).Draw(t, "days")),
		Shape:  rapid.SampledFrom([]Shape{"", ShapeAdult, ShapeSchools}).Draw(t, "shape"),
	})
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(Mutations())-1), 0, 8).Draw(t, "mutations") {
		if _, err := Mutations()[i](m); err != nil && !errors.Is(err, ErrNobody) {
			t.Fatal(err)
		}
	}
	return m
}

func TestEveryMunicipalityIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := draw(t)
		for _, problem := range unsound(m) {
			t.Error(problem)
		}
	})
}

// unsound returns what is wrong with a municipality. It prints ids, never names.
func unsound(m *Municipality) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	ids, numbers, addresses, triples := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[[3]string]bool{}
	unique := func(set map[string]bool, what, s string) {
		if s == "" || set[s] {
			bad("%s is empty or there twice", what)
		}
		set[s] = true
	}
	units, codes, names := map[string]Unit{}, map[string]bool{}, map[string]bool{}
	for i, u := range m.Units {
		unique(ids, "id of unit "+u.ID, u.ID)
		unique(names, "name of unit "+u.ID, u.Name)
		if i == 0 != (u.Parent == "") || i > 0 && u.Parent != m.Units[0].ID {
			bad("unit %s has the parent %q", u.ID, u.Parent)
		}
		if i > 0 {
			unique(codes, "code of unit "+u.ID, u.Code)
			if len(u.Code) != 8 || strings.Trim(u.Code, "0123456789") != "" {
				bad("unit %s has the code %q", u.ID, u.Code)
			}
			units[u.ID] = u
		}
	}
	persons := map[string]*Person{}
	for i := range m.Persons {
		p := &m.Persons[i]
		persons[p.ID] = p
		unique(ids, "id of "+p.ID, p.ID)
		unique(numbers, "number of "+p.ID, p.CivicNo.Reveal())
		triple := [3]string{p.Given.Reveal(), p.Family.Reveal(), p.Email.Reveal()}
		if p.Given == "" || triples[triple] {
			bad("%s has no given name or cannot be told from another by name and e-mail", p.ID)
		}
		triples[triple] = true
		if p.Email == "" != p.Is(CaseNoEmail) {
			bad("%s has an e-mail address or none", p.ID)
		}
		if p.Email != "" {
			unique(addresses, "e-mail address of "+p.ID, p.Email.Reveal())
			if e := p.Email.Reveal(); !strings.HasSuffix(e, ".example") || strings.Trim(e, "abcdefghijklmnopqrstuvwxyz0123456789.@") != "" {
				bad("%s has an e-mail address that might be a real one or is not plain", p.ID)
			}
		}
		if !utf8.ValidString(triple[0]+triple[1]) || strings.TrimSpace(triple[0]) != triple[0] || strings.TrimSpace(triple[1]) != triple[1] {
			bad("%s has a name with blanks around or bytes that are no text", p.ID)
		}
		if len(p.Enrolments)+len(p.Duties) == 0 {
			bad("%s belongs to no unit", p.ID)
		}
		seen := map[string]bool{}
		for _, e := range p.Enrolments {
			unique(seen, p.ID+" enrolled at "+e.Unit, e.Unit)
			if _, ok := units[e.Unit]; !ok || e.Start == 0 || e.End != 0 && e.End < e.Start {
				bad("%s has a bad enrolment", p.ID)
			}
		}
		for _, d := range p.Duties {
			if _, ok := units[d.Unit]; !ok || d.Start == 0 {
				bad("%s has a bad duty", p.ID)
			}
		}
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		unique(ids, "id of "+g.ID, g.ID)
		if _, ok := units[g.Unit]; !ok || g.Name == "" || g.Start == 0 || g.End < g.Start {
			bad("%s has no unit or name, or bad dates", g.ID)
		}
		in := map[string]bool{}
		for _, x := range g.Members {
			unique(in, x.Person+" in "+g.ID, x.Person)
			p := persons[x.Person]
			if p == nil {
				bad("%s of %s is nobody", x.Person, g.ID)
				continue
			}
			if x.Start < g.Start || x.End > g.End || x.End < x.Start {
				bad("%s is in %s at other times than it is", x.Person, g.ID)
			}
			if x.Role == Learner {
				if !slices.ContainsFunc(p.Enrolments, func(e Enrolment) bool {
					return e.Unit == g.Unit && e.Start <= x.Start && (e.End == 0 || x.End <= e.End)
				}) {
					bad("%s is in %s and not enrolled at its unit then", x.Person, g.ID)
				}
			} else if !slices.ContainsFunc(p.Duties, func(d Duty) bool { return d.Unit == g.Unit && d.Start <= x.Start }) {
				bad("%s leads %s and has no duty at its unit", x.Person, g.ID)
			}
		}
	}
	return problems
}

func TestEveryMunicipalityHoldsEveryCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := draw(t)
		for _, c := range Cases() {
			if !slices.ContainsFunc(m.Persons, func(p Person) bool { return p.Is(c) && len(p.Enrolments) > 0 }) {
				t.Errorf("no pupil is an example of %s", c)
			}
		}
		for _, c := range GroupCases() {
			if !slices.ContainsFunc(m.Groups, func(g Group) bool { return g.Is(c) }) {
				t.Errorf("no group is an example of %s", c)
			}
		}
	})
}

// What a case says of a person or group is so (F34, F35, F38, F41).
func TestExamplesAreWhatTheyAreExamplesOf(t *testing.T) {
	m := New(Options{Pupils: 3000, Seed: 3})
	name := func(p *Person) string { return p.Given.Reveal() + " " + p.Family.Reveal() }
	kind := func(p *Person) roster.CivicNoKind { return roster.ParseCivicNo(p.CivicNo.Reveal(), m.Day).Kind() }
	tests := map[Case]func(*Person) bool{
		CaseTF:            func(p *Person) bool { return p.CivicNo.Reveal()[8:10] == "TF" && kind(p) == roster.Temporary },
		CaseT:             func(p *Person) bool { return p.CivicNo.Reveal()[8] == 'T' && kind(p) == roster.Temporary },
		CaseCoordination:  func(p *Person) bool { return kind(p) == roster.Samordningsnummer },
		CaseTwoUnits:      func(p *Person) bool { return len(p.units()) == 2 },
		CaseBothRoles:     func(p *Person) bool { return len(p.Enrolments) > 0 && len(p.Duties) > 0 },
		CaseNFD:           func(p *Person) bool { return !norm.NFC.IsNormalString(name(p)) },
		CaseLongName:      func(p *Person) bool { return utf8.RuneCountInString(name(p)) >= 60 },
		CaseForeignName:   func(p *Person) bool { return name(p) != "" },
		CaseApostrophe:    func(p *Person) bool { return strings.Contains(name(p), "'") },
		CaseHyphen:        func(p *Person) bool { return strings.Contains(p.Given.Reveal(), "-") },
		CaseDoubleSurname: func(p *Person) bool { return strings.Contains(p.Family.Reveal(), " ") },
		CaseNull:          func(p *Person) bool { return p.Family == "Null" },
		CaseSingleName:    func(p *Person) bool { return p.Family == "" },
		CaseAccent:        func(p *Person) bool { return strings.ContainsAny(name(p), "éü") },
		CaseMarkup: func(p *Person) bool {
			return strings.Contains(name(p), "&") && strings.Contains(name(p), "<") && strings.Contains(name(p), ">")
		},
		CaseNoEmail:     func(p *Person) bool { return p.Email == "" },
		CaseStartsToday: func(p *Person) bool { return p.Enrolments[0].Start == m.Day },
		CaseStartsLater: func(p *Person) bool { return p.Enrolments[0].Start == m.Day.AddDays(1) },
		CaseEndsToday:   func(p *Person) bool { return p.Enrolments[0].End == m.Day },
		CaseEnded:       func(p *Person) bool { return p.Enrolments[0].End == m.Day.AddDays(-1) },
	}
	for _, c := range Cases() {
		is, ok := tests[c]
		if !ok {
			t.Errorf("case %s is not looked at", c)
			continue
		}
		for i := range m.Persons {
			if p := &m.Persons[i]; p.Is(c) && !is(p) {
				t.Errorf("%s is no example of %s", p.ID, c)
			}
		}
	}
	same := map[string]int{}
	for i := range m.Groups {
		switch g := &m.Groups[i]; {
		case g.Is(GroupEmpty) && len(g.Members) > 0,
			g.Is(GroupStartsLater) && g.Start != m.Day.AddDays(1),
			g.Is(GroupEnded) && g.End != m.Day.AddDays(-1),
			g.Is(GroupMarkup) && !(strings.Contains(g.Name, "&") && strings.Contains(g.Name, "<")):
			t.Errorf("%s is no example of %s", g.ID, g.Cases)
		case g.Is(GroupSameName):
			same[g.Unit+g.Name]++
		}
	}
	for _, n := range same {
		if n != 2 {
			t.Errorf("%d groups of a unit have the same name, want 2", n)
		}
	}
}

// No number can be a living person's: the birth years are 1880 to 1899. The numbers are valid all the same (F38). The
// check digit is computed here by the textbook, apart from the code that made it.
func TestNumbersAreValidAndNobodys(t *testing.T) {
	m := New(Options{Pupils: 20_000, Seed: 9})
	for i := range m.Persons {
		p := &m.Persons[i]
		n := p.CivicNo.Reveal()
		if len(n) != 12 || n < "1880" || n >= "1900" {
			t.Fatalf("%s has a number of a wrong length or year", p.ID)
		}
		want := roster.Personnummer
		switch {
		case p.Is(CaseTF), p.Is(CaseT):
			want = roster.Temporary
		case p.Is(CaseCoordination):
			want = roster.Samordningsnummer
		}
		if got := roster.ParseCivicNo(n, m.Day).Kind(); got != want {
			t.Errorf("%s has a number of the kind %s, want %s", p.ID, got, want)
		}
		if want == roster.Temporary {
			continue
		}
		sum := 0
		for k, weight := range []int{2, 1, 2, 1, 2, 1, 2, 1, 2, 1} {
			for product := int(n[2+k]-'0') * weight; product > 0; product /= 10 {
				sum += product % 10
			}
		}
		if sum%10 != 0 {
			t.Errorf("%s has a number with a wrong check digit", p.ID)
		}
	}
}

func TestProportions(t *testing.T) {
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		t.Run(string(shape), func(t *testing.T) {
			m := New(Options{Pupils: 5000, Seed: 4, Shape: shape})
			s := m.Size()
			within(t, "pupils a member of staff", s.Pupils, s.Staff, 11, 13)
			within(t, "pupils a unit", s.Pupils, s.Units-1, 300, 450)
			in, pupils, taught := map[string]int{}, map[GroupKind]int{}, 0
			groups := map[GroupKind]int{}
			for i := range m.Groups {
				g := &m.Groups[i]
				groups[g.Kind]++
				led := false
				for _, x := range g.Members {
					if x.Role == Learner {
						in[x.Person]++
						pupils[g.Kind]++
					} else {
						led = true
					}
				}
				if led {
					taught++
				}
			}
			sum := 0
			for _, n := range in {
				sum += n
			}
			within(t, "groups a pupil", sum, s.Pupils, 4, 6)
			within(t, "pupils a class", pupils[Class], groups[Class], 20, 27)
			within(t, "pupils a mentor group", pupils[Mentors], groups[Mentors], 10, 14)
			within(t, "pupils a teaching group", pupils[Teaching], groups[Teaching], 10, 26)
			within(t, "% of groups with a teacher", 100*taught, s.Groups, 95, 100)
			if shape == ShapeAdult {
				within(t, "% of pupils in a class", 100*pupils[Class], s.Pupils, 5, 30)
			} else {
				within(t, "% of pupils in a class", 100*pupils[Class], s.Pupils, 99, 110)
			}
		})
	}
}

func within(t *testing.T, what string, a, b, low, high int) {
	t.Helper()
	if b == 0 || a < low*b || a > high*b {
		t.Errorf("%s: %d/%d, want %d to %d", what, a, b, low, high)
	}
}

func TestSizedIsExact(t *testing.T) {
	for _, want := range [][3]int{{1000, 150, 5000}, {1000, 150, 2500}, {5000, 500, 20_000}} {
		m, err := Sized(want[0], want[1], want[2], 1)
		if err != nil {
			t.Fatal(err)
		}
		s := m.Size()
		if got := [3]int{s.Persons, s.Units + s.Groups, s.Members}; got != want {
			t.Errorf("Sized has %d, want %d", got, want)
		}
		if problems := unsound(m); len(problems) > 0 {
			t.Error(problems)
		}
	}
	for name, give := range map[string][3]int{
		"too few persons": {5, 100, 1000}, "too few groups": {1000, 5, 5000},
		"too few members": {1000, 150, 1000}, "too many members": {1000, 70, 1_000_000},
	} {
		if _, err := Sized(give[0], give[1], give[2], 1); err == nil || !strings.Contains(err.Error(), strings.Join(strings.Fields(name)[:2], " ")) {
			t.Errorf("Sized with %s: error %v", name, err)
		}
	}
}

// A municipality that is printed by mistake tells no name, number or address. (R8)
func TestPersonsPrintMasked_R8(t *testing.T) {
	m := New(Options{Pupils: 50, Seed: 1})
	text := fmt.Sprintf("%v %+v %#v", m.Persons, m.Active(m.Day), m.Persons)
	for i := range m.Persons {
		p := &m.Persons[i]
		for _, v := range []roster.Personal{p.CivicNo, p.Email, p.Given} {
			if v != "" && strings.Contains(text, v.Reveal()) {
				t.Errorf("%s is printed", p.ID)
			}
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	m := New(Options{Pupils: 60, Seed: 1})
	before := digest(t, m)
	c := m.Clone()
	for range 3 {
		for _, mutate := range Mutations() {
			if _, err := mutate(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range c.Persons {
		p := &c.Persons[i]
		for k := range p.Enrolments {
			p.Enrolments[k].Unit = "x"
		}
		for k := range p.Duties {
			p.Duties[k].Unit = "x"
		}
	}
	for i := range c.Groups {
		for k := range c.Groups[i].Members {
			c.Groups[i].Members[k].Person = "x"
		}
	}
	if after := digest(t, m); after != before {
		t.Error("a mutation of the clone shows in the original")
	}
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		if _, err := Sized(100_000, 10_000, 400_000, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteIMS(b *testing.B) {
	m, err := Sized(100_000, 10_000, 400_000, 1)
	if err != nil {
		b.Fatal(err)
	}
	var w bytes.Buffer
	for b.Loop() {
		w.Reset()
		if err := m.WriteIMS(&w); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(w.Len()))
	}
}
