package names

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/roster"
)

func owner(n byte) Owner { return Owner{roster.Key{15: n}, roster.RolePupil} }

// ask returns what an owner is called, and its former names.
func ask(t testing.TB, b *Book, r *Rules, o Owner, s Subject, day roster.Date) string {
	t.Helper()
	n, ok := b.Name(o, r, s, day)
	if !ok {
		return "none"
	}
	return fmt.Sprint(n.Current, n.Former)
}

func TestRenamePolicies(t *testing.T) {
	for policy, want := range map[Policy][3]string{
		Keep:            {"annek[]", "annek[]", "annek[]"},
		Rename:          {"annek[]", "annlin[]", "annek[]"},
		RenameWithAlias: {"annek[]", "annlin[annek]", "annek[annlin]"},
	} {
		r, b := someRules(t, Spec{OnRename: policy}, Limits{}), NewBook(nil)
		got := [3]string{
			ask(t, b, r, owner(1), pupil("Anna", "Ek"), 20260101),
			ask(t, b, r, owner(1), pupil("Anna", "Lind"), 20270101),
			ask(t, b, r, owner(1), pupil("Anna", "Ek"), 20280101), // married, and divorced
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", policy, got, want)
		}
		if got := ask(t, b, r, owner(2), pupil("Anna", "Ek"), 20400101); got != "anek[]" {
			t.Errorf("%s: a former name or an alias is given to another: %s", policy, got)
		}
	}
}

func TestANumberedNameStaysWhenTheFirstChoiceGetsFree(t *testing.T) {
	r, b := someRules(t, Spec{OnRename: Rename}, Limits{}), NewBook([]Claim{{Name: "annek"}, {Name: "anek"}, {Name: "anna.ek", Owner: owner(9), Ended: 20200101}})
	if got := ask(t, b, r, owner(1), pupil("Anna", "Ek"), 20210101); got != "annek2[]" {
		t.Fatal(got)
	}
	if got := ask(t, b, r, owner(1), pupil("Anna", "Ek"), 20260101); got != "annek2[]" {
		t.Errorf("renamed to %s, though called the same", got)
	}
}

func TestOtherPatternsRenameNobody(t *testing.T) {
	b := NewBook(nil)
	before := someRules(t, Spec{OnRename: Rename}, Limits{})
	after := someRules(t, Spec{OnRename: Rename, Patterns: []string{`slug(person.givenName) + "." + slug(person.familyName)`}}, Limits{})
	for _, x := range []struct {
		r      *Rules
		family string
		want   string
	}{{before, "Ek", "annek[]"}, {after, "Ek", "annek[]"}, {after, "Lind", "anna.lind[]"}} {
		if got := ask(t, b, x.r, owner(1), pupil("Anna", x.family), 20260101); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
}

func TestWhoIsNotKnownKeepsTheNameAndGetsNoNewOne(t *testing.T) {
	r, b := someRules(t, Spec{OnRename: Rename}, Limits{}), NewBook(nil)
	if got := ask(t, b, r, owner(1), Subject{Role: roster.RolePupil}, 20260101); got != "none" || len(b.Claims()) > 0 {
		t.Error(got, b.Claims())
	}
	ask(t, b, r, owner(1), pupil("Anna", "Ek"), 20260101)
	if got := ask(t, b, r, owner(1), Subject{Role: roster.RolePupil}, 20260101); got != "annek[]" {
		t.Error(got)
	}
}

func TestTwoRolesAreTwoNames(t *testing.T) {
	r, b := someRules(t, Spec{}, Limits{}), NewBook(nil)
	as := func(role roster.Role) string {
		s := pupil("Anna", "Ek")
		s.Role = role
		return ask(t, b, r, Owner{roster.Key{1}, role}, s, 20260101)
	}
	if p, s := as(roster.RolePupil), as(roster.RoleStaff); p != "annek[]" || s != "anek[]" {
		t.Error(p, s)
	}
}

func TestAdopt(t *testing.T) {
	r := someRules(t, Spec{}, Limits{})
	b := NewBook([]Claim{{Name: "annand01"}, {Name: "annek", Owner: owner(2), Since: 20200101}, {Name: "old", Owner: owner(3), Since: 20100101, Ended: 20110101}})
	ask(t, b, r, owner(1), pupil("Anna", "Ek"), 20260101) // before the account was found
	for name, want := range map[string]bool{"annek": false, "": false, "ANNAND01": true, "old": true} {
		if got := b.Adopt(owner(1), name, r, pupil("Anna", "Ek"), 20260101); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
	if !b.Adopt(owner(1), "annand01", r, pupil("Anna", "Ek"), 20260102) {
		t.Error("what is the owner's is refused")
	}
	if got := ask(t, b, r, owner(1), pupil("Anna", "Ek"), 20260103); got != "annand01[anek old]" {
		t.Error(got)
	}
}

func TestMove(t *testing.T) {
	r := someRules(t, Spec{OnRename: RenameWithAlias}, Limits{})
	for name, c := range map[string]struct {
		ended [2]roster.Date // of the key before, of the key now
		want  string
	}{
		"both have an account":             {[2]roster.Date{}, "anek[annek]"},
		"the account is of the key before": {[2]roster.Date{0, 20260601}, "annek[anek]"},
		"the account is of the key now":    {[2]roster.Date{20260601, 0}, "anek[annek]"},
		"neither has one":                  {[2]roster.Date{20260601, 20260601}, "anek[annek]"},
	} {
		b := NewBook([]Claim{
			{Name: "annek", Owner: owner(1), Since: 20260101, Ended: c.ended[0], Wanted: "annek", Rules: r.Version(roster.RolePupil)},
			{Name: "anek", Owner: owner(2), Since: 20260101, Ended: c.ended[1], Wanted: "annek", Rules: r.Version(roster.RolePupil)},
		})
		b.Move(owner(1).Person, owner(2).Person)
		b.Move(owner(1).Person, owner(2).Person)
		if got := ask(t, b, r, owner(2), pupil("Anna", "Ek"), 20260701); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		alive := c.ended[0].IsOpen() || c.ended[1].IsOpen()
		for _, claim := range b.Claims() {
			if claim.Owner != owner(2) || alive && !claim.Ended.IsOpen() {
				t.Errorf("%s: %+v", name, claim)
			}
		}
		if len(b.Pending()) == 0 || len(b.Of(owner(1))) != 0 || len(b.Of(owner(2))) != 2 {
			t.Errorf("%s: %+v, %+v", name, b.Pending(), b.Claims())
		}
	}
	b := NewBook([]Claim{{Name: "annek", Owner: owner(1), Since: 20260101}})
	b.Move(owner(1).Person, owner(3).Person)
	if o, ok := b.Owner("AnnEk"); !ok || o != owner(3) {
		t.Error("a person with another number is called something else")
	}
}

// model is a book as one would write it on paper: everything that ever happened, in order, looked through from the start.
type model struct {
	lines []line
	years int
}

type line struct {
	name          string
	owner         Owner
	foreign, gone bool // gone: another one has it now
	former        bool
	wanted        string
	ended         roster.Date
}

// standing returns the line of a name that counts.
func (m *model) standing(name string) *line {
	for i := range m.lines {
		if l := &m.lines[i]; l.name == name && !l.gone {
			return l
		}
	}
	return nil
}

func (m *model) current(o Owner) *line {
	for i := range m.lines {
		if l := &m.lines[i]; l.owner == o && !l.gone && !l.former && !l.foreign {
			return l
		}
	}
	return nil
}

func (m *model) free(name string, o Owner, today roster.Date) bool {
	l := m.standing(name)
	return l == nil || !l.foreign && (l.owner == o || l.ended != 0 && today > l.ended+roster.Date(m.years*10000))
}

func (m *model) name(o Owner, r *Rules, s Subject, today roster.Date) string {
	l := m.current(o)
	if l != nil && (r.Policy(s.Role) == Keep || l.wanted == r.Wanted(s)) {
		if l.ended != 0 && today > l.ended+roster.Date(m.years*10000) {
			l.ended = 0
		}
		return l.name
	}
	for name := range r.Candidates(s) {
		if !m.free(name, o, today) {
			continue
		}
		if l != nil {
			l.former = true
		}
		if old := m.standing(name); old != nil {
			old.gone = true
		}
		m.lines = append(m.lines, line{name: name, owner: o, wanted: r.Wanted(s)})
		return name
	}
	return ""
}

func TestBookIsAsThePaperSays(t *testing.T) {
	names := []Subject{pupil("Anna", "Ek"), pupil("Anna", "Ekman"), pupil("Annika", "Ek"), pupil("Åsa", "Öst"), pupil("", "")}
	rules := map[Policy]*Rules{}
	for _, p := range []Policy{Keep, Rename, RenameWithAlias} {
		rules[p] = someRules(t, Spec{OnRename: p, Reserve: 2}, Limits{Max: 6})
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rules[rapid.SampledFrom([]Policy{Keep, Rename, RenameWithAlias}).Draw(t, "policy")]
		m, b, today := &model{years: 2}, NewBook(nil), roster.Date(20260101)
		var saved []Claim
		called := map[Owner]Subject{}
		t.Repeat(map[string]func(*rapid.T){
			"name": func(t *rapid.T) {
				o := owner(rapid.ByteRange(1, 6).Draw(t, "owner"))
				s, known := called[o]
				if !known || rapid.IntRange(0, 3).Draw(t, "renamed") == 0 {
					s = rapid.SampledFrom(names).Draw(t, "subject")
				}
				called[o] = s
				want := m.name(o, r, s, today)
				got, _ := b.Name(o, r, s, today)
				if got.Current != want {
					t.Fatalf("%s: got %q, want %q", today, got.Current, want)
				}
				if again, _ := b.Name(o, r, s, today); again.Current != want {
					t.Fatalf("asked again, %q is %q", want, again.Current)
				}
				if o2, ok := b.Owner(want); !ok || o2 != o {
					t.Fatalf("%q is %v's", want, o2)
				}
			},
			"end": func(t *rapid.T) {
				o := owner(rapid.ByteRange(1, 6).Draw(t, "owner"))
				b.End(o, today)
				for i := range m.lines {
					if l := &m.lines[i]; l.owner == o && !l.gone && !l.foreign && l.ended == 0 {
						l.ended = today
					}
				}
			},
			"back": func(t *rapid.T) {
				o := owner(rapid.ByteRange(1, 6).Draw(t, "owner"))
				b.Back(o)
				for i := range m.lines {
					if l := &m.lines[i]; l.owner == o && !l.gone && !l.foreign {
						l.ended = 0
					}
				}
			},
			"foreign": func(t *rapid.T) {
				name := rapid.SampledFrom([]string{"annek", "anekma", "asaost", "annek2", "elev1"}).Draw(t, "name")
				b.Foreign(name)
				if l := m.standing(name); l != nil {
					l.gone = true
				}
				m.lines = append(m.lines, line{name: name, foreign: true})
			},
			"days": func(t *rapid.T) { today = today.AddDays(rapid.IntRange(1, 500).Draw(t, "days")) },
			"save": func(*rapid.T) {
				saved = apply(saved, b.Pending())
				b.Saved()
				if len(b.Pending()) > 0 || len(b.Changed()) > 0 {
					t.Fatalf("after saving there is still %v of %v", b.Pending(), b.Changed())
				}
			},
			"restart": func(*rapid.T) {
				saved = apply(saved, b.Pending())
				before := b.Claims()
				b = NewBook(saved)
				if !slices.Equal(b.Claims(), before) {
					t.Fatalf("saved %+v, loaded %+v", before, b.Claims())
				}
			},
			"": func(t *rapid.T) {
				current := map[Owner]int{}
				for _, c := range b.Claims() {
					if l := m.standing(c.Name); l == nil || l.foreign != (c.Owner == Owner{}) || !l.foreign && (l.owner != c.Owner || l.ended != c.Ended || l.former != c.Former) {
						t.Fatalf("the book says %+v, the paper %+v", c, l)
					}
					if c.Owner != (Owner{}) && !c.Former {
						current[c.Owner]++
					}
				}
				for o, n := range current {
					if n > 1 {
						t.Fatalf("%v has %d names", o, n)
					}
				}
			},
		})
	})
}

// apply puts claims in the place of those of the same names, as the store does.
func apply(saved, pending []Claim) []Claim {
	for _, c := range pending {
		saved = append(slices.DeleteFunc(saved, func(s Claim) bool { return s.Name == c.Name }), c)
	}
	return saved
}

// Whatever the order in which claims are loaded, the answers are the same (R11).
func TestReplayGivesTheSameNames(t *testing.T) {
	r := someRules(t, Spec{}, Limits{Max: 20})
	give := func(b *Book) (list []string) {
		for n := range byte(200) {
			list = append(list, ask(t, b, r, owner(n+1), pupil([]string{"Anna", "Åsa", "Ali"}[n%3], "Ek"), 20260101))
		}
		return list
	}
	first := NewBook(nil)
	want := give(first)
	if !slices.Equal(give(NewBook(nil)), want) {
		t.Error("given anew, names are others")
	}
	claims := first.Claims()
	slices.Reverse(claims)
	again := NewBook(claims)
	if !slices.Equal(give(again), want) || len(again.Pending()) > 0 || len(first.Pending()) != 200 {
		t.Errorf("a replay changes names: %v", again.Pending())
	}
}

func namesakes(n int) []Subject {
	given := []string{"Anna", "Åsa", "Mohamed", "Ali", "Elsa", "Noah", "Fatima", "Bo"}
	family := []string{"Andersson", "Ek", "Ali", "Öberg", "von Essen"}
	list := make([]Subject, n)
	for i := range list {
		list[i] = pupil(given[i%len(given)], family[i/len(given)%len(family)])
	}
	return list
}

func BenchmarkName(b *testing.B) {
	r, all := someRules(b, Spec{OnRename: RenameWithAlias}, Limits{Max: 20}), namesakes(10_000)
	keys := make([]Owner, len(all))
	for i := range keys {
		keys[i] = Owner{roster.Key{byte(i >> 8), byte(i)}, roster.RolePupil}
	}
	give := func(book *Book) {
		for i, s := range all {
			if _, ok := book.Name(keys[i], r, s, 20260101); !ok {
				b.Fatal("no name")
			}
		}
	}
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			give(NewBook(nil))
		}
		b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "names/s")
	})
	b.Run("held", func(b *testing.B) {
		book := NewBook(nil)
		give(book)
		for b.Loop() {
			give(book)
		}
		b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "names/s")
	})
}
