package names

import (
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
)

func pupil(given, family string) Subject {
	return Subject{Person: &roster.Person{GivenName: roster.Personal(given), FamilyName: roster.Personal(family)}, Role: roster.RolePupil}
}

func someRules(t testing.TB, s Spec, l Limits) *Rules {
	t.Helper()
	r, err := Compile(s, l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func firstOf(r *Rules, s Subject, n int) (list []string) {
	for name := range r.Candidates(s) {
		if list = append(list, name); len(list) == n {
			break
		}
	}
	return list
}

func TestCandidates(t *testing.T) {
	for name, c := range map[string]struct {
		given, family string
		spec          Spec
		limits        Limits
		want          []string
	}{
		"the usual":            {"Åsa", "Öberg", Spec{}, Limits{}, []string{"asaobe", "asober", "asa.oberg", "asaobe2", "asaobe3"}},
		"decomposed":           {"A\u030asa", "O\u0308berg", Spec{}, Limits{}, []string{"asaobe", "asober", "asa.oberg"}},
		"particles":            {"Anna-Lena", "von der Heide", Spec{}, Limits{}, []string{"annhei", "anheid", "anna-lena.von-der-heide"}},
		"one name":             {"Madonna", "", Spec{}, Limits{}, []string{"mad", "ma", "madonna", "mad2"}},
		"no name":              {"", "", Spec{}, Limits{}, []string{"elev1", "elev2"}},
		"nothing left":         {"\u200b\u202e", "\x00", Spec{}, Limits{}, []string{"elev1"}},
		"short":                {"Anna-Lena", "von der Heide", Spec{}, Limits{Max: 5}, []string{"annhe", "anhei", "anna", "annh2"}},
		"cut at the hyphen":    {"Anna", "Ek", Spec{Patterns: []string{`slug(person.givenName) + "-" + fold(person.familyName)`}}, Limits{Max: 5}, []string{"anna", "anna2"}},
		"refused":              {"Anna", "Ek", Spec{}, Limits{Refuse: "."}, []string{"annek", "anek", "annaek", "annek2"}},
		"blocked":              {"Kukka", "Ranta", Spec{}, Limits{}, []string{"kurant", "kurant2"}},
		"digits":               {"Bo", "Ek", Spec{Digits: 2}, Limits{}, []string{"boek", "bo.ek", "boek02"}},
		"blocked by a pattern": {"Fitim", "Taheri", Spec{}, Limits{}, []string{"fitahe", "fitim.taheri", "fitahe2"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := firstOf(someRules(t, c.spec, c.limits), pupil(c.given, c.family), len(c.want))
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheSamePersonKeepsTheNameAndNobodyElseGetsIt(t *testing.T) {
	r, b := someRules(t, Spec{}, Limits{}), NewBook(nil)
	anna, other := Owner{roster.Key{1}, roster.RolePupil}, Owner{roster.Key{2}, roster.RolePupil}
	ask := func(o Owner, day roster.Date) string {
		n, _ := b.Name(o, r, pupil("Anna", "Ek"), day)
		return n.Current
	}
	if got := ask(anna, 20260101); got != "annek" {
		t.Fatal(got)
	}
	if got := ask(other, 20260101); got != "anek" {
		t.Fatal(got)
	}
	b.End(anna, 20260601)
	third := Owner{roster.Key{3}, roster.RolePupil}
	if got := ask(third, 20290601); got != "anna.ek" {
		t.Errorf("within the reserve: %s", got)
	}
	if got := ask(anna, 20290601); got != "annek" {
		t.Errorf("back: %s", got)
	}
	if got := ask(Owner{roster.Key{4}, roster.RolePupil}, 20290602); got != "annek" {
		t.Errorf("after the reserve: %s", got)
	}
	if got := ask(anna, 20290602); got != "annek2" {
		t.Errorf("back too late: %s", got)
	}
	b.Foreign("ANEK")
	if got := ask(other, 20290602); got != "annek3" {
		t.Errorf("taken by another: %s", got)
	}
}

func TestLimitsOfTwoTargets(t *testing.T) {
	for _, c := range []struct{ a, b, want Limits }{
		{Limits{}, Limits{}, Limits{}},
		{Limits{}, Limits{20, "."}, Limits{20, "."}},
		{Limits{64, "._"}, Limits{20, "_-"}, Limits{20, "._-"}},
		{Limits{20, ""}, Limits{64, ""}, Limits{20, ""}},
	} {
		if got := c.a.And(c.b); got != c.want {
			t.Errorf("%+v and %+v: got %+v", c.a, c.b, got)
		}
	}
}

// However narrow, a name is within the limits, and there is an end.
func TestNarrowLimits(t *testing.T) {
	for _, c := range []struct {
		limits   Limits
		names    int
		have, no string
	}{
		{Limits{Max: 1}, 1, "a", "a2"},
		{Limits{Max: 2}, 10, "a9", "a10"},
		{Limits{Max: 20, Refuse: "0123456789"}, 3, "anna.ek", "annek2"},
		{Limits{Max: 20, Refuse: "abcdefghijklmnopqrstuvwxyz"}, 0, "", "2"},
	} {
		r := someRules(t, Spec{}, c.limits)
		all := slices.Collect(r.Candidates(pupil("Anna", "Ek")))
		if len(all) < c.names || c.names == 0 && len(all) > 0 || c.have != "" && !slices.Contains(all, c.have) || slices.Contains(all, c.no) {
			t.Errorf("%+v: %d names, %.60q", c.limits, len(all), all)
		}
		if _, ok := NewBook(nil).Name(owner(1), r, pupil("Anna", "Ek"), 20260101); ok != (c.names > 0) {
			t.Errorf("%+v: a name is given: %t", c.limits, ok)
		}
	}
}

func TestCompileSaysEverythingThatIsWrong(t *testing.T) {
	_, err := Compile(Spec{Patterns: []string{"person.givenname", `"a"`}, Digits: 7, Block: []string{"x"}, Roles: map[roster.Role]RoleSpec{"": {}}}, Limits{})
	for _, want := range []string{"patterns[0]: line 1, column 7: undefined field", "digits: 7", `block[0]: "x" is too short`, "roles"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// What holds for a role is not what holds for the other.
func TestRolesHaveRulesOfTheirOwn(t *testing.T) {
	spec := Spec{Neutral: "konto", Roles: map[roster.Role]RoleSpec{roster.RoleStaff: {Patterns: []string{"local(persona.email)"}, OnRename: Rename}}}
	r := someRules(t, spec, Limits{})
	s := pupil("Anna", "Ek")
	s.Persona.Email = "anna.e@skola.example"
	for role, want := range map[roster.Role]string{roster.RolePupil: "annek keep", roster.RoleStaff: "anna.e rename", roster.RoleNone: "annek keep", "guardian": "annek keep"} {
		s.Role = role
		if got := r.Wanted(s) + " " + string(r.Policy(role)); got != want {
			t.Errorf("%s: got %s, want %s", role, got, want)
		}
	}
	if r.Version(roster.RolePupil) == r.Version(roster.RoleStaff) {
		t.Error("other patterns are the same version")
	}
	s.Role = roster.RoleStaff
	s.Persona.Email = ""
	if got := firstOf(r, s, 2); !slices.Equal(got, []string{"konto1", "konto2"}) {
		t.Error(got)
	}
}
