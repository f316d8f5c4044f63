package rule

import (
	"errors"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
)

func key(n byte) roster.Key { return roster.Key{15: n} }

const today roster.Date = 20260915

func refOf(kind roster.Kind, n byte) roster.Ref { return roster.Ref{Kind: kind, Key: key(n)} }

// school is a roster of two school units, three pupils, a teacher and two groups.
func school(t testing.TB) *roster.Roster {
	t.Helper()
	r := roster.NewRoster(nil, today)
	source := roster.Source{System: "test", Instance: "default"}
	for n, o := range map[byte]*roster.Organisation{
		1: {DisplayName: "Storskolan", Type: roster.SchoolUnit, UnitCodes: []string{"11111111"}, SchoolTypes: []roster.SchoolType{roster.SchoolGR}},
		2: {DisplayName: "Lilla gymnasiet", Type: roster.SchoolUnit, UnitCodes: []string{"22222222", "33333333"}, Extra: roster.Extra{roster.ExtraController: "Testkommun"}},
	} {
		r.Apply(roster.Record{Ref: refOf(roster.KindOrganisation, n), Source: source, Organisation: o})
	}
	at := func(unit byte, form roster.SchoolType, year string, in roster.Interval) roster.Enrolment {
		return roster.Enrolment{EnroledAt: key(unit), SchoolType: form, SchoolYear: year, Interval: in}
	}
	ended := roster.Interval{Start: 20200801, End: 20260610}
	for n, p := range map[byte]*roster.Person{
		11: {Enrolments: []roster.Enrolment{at(1, roster.SchoolGR, "9", roster.Interval{})}, Personas: []roster.Persona{{Role: roster.RolePupil, Email: "testa@Elev.Skola.example"}}},
		12: {Enrolments: []roster.Enrolment{at(1, roster.SchoolGR, "9", ended), at(2, roster.SchoolGY, "1", roster.Interval{Start: 20260801})}},
		13: {Enrolments: []roster.Enrolment{at(1, roster.SchoolGR, "6", ended)}},
		14: {Duties: []roster.Duty{{DutyAt: key(1)}, {DutyAt: key(2)}}},
		15: {Enrolments: []roster.Enrolment{at(9, roster.SchoolGR, "2", roster.Interval{})}},
	} {
		r.Apply(roster.Record{Ref: refOf(roster.KindPerson, n), Source: source, Person: p})
	}
	r.Apply(roster.Record{Ref: refOf(roster.KindGroup, 21), Source: source, Group: &roster.Group{DisplayName: "9B", Type: roster.Class, Organisation: key(1), SchoolType: roster.SchoolGR, SchoolYear: "9"}})
	r.Apply(roster.Record{Ref: refOf(roster.KindGroup, 22), Source: source, Group: &roster.Group{DisplayName: "Ma2b", Type: roster.TeachingGroup, Organisation: key(2), Subject: "MATMAT02b"}})
	return r
}

func TestMatches(t *testing.T) {
	r := school(t)
	all := map[string]roster.Ref{
		"store": refOf(roster.KindOrganisation, 1), "lilla": refOf(roster.KindOrganisation, 2),
		"nine": refOf(roster.KindPerson, 11), "moved": refOf(roster.KindPerson, 12), "left": refOf(roster.KindPerson, 13), "teacher": refOf(roster.KindPerson, 14),
		"9B": refOf(roster.KindGroup, 21), "Ma2b": refOf(roster.KindGroup, 22),
	}
	for name, c := range map[string]struct {
		rule string
		want string // of all
	}{
		"everything":            {`true`, "store lilla nine moved left teacher 9B Ma2b"},
		"a school":              {`units.exists(u, u.code == "11111111")`, "store nine left teacher 9B"},
		"one of several codes":  {`units.exists(u, "33333333" in u.codes)`, "lilla moved teacher Ma2b"},
		"the school one is at":  {`unit.code in ["22222222"]`, "lilla moved Ma2b"},
		"a school form":         {`kind != "person" || !person.pupil || "GR" in person.schoolForms`, "store lilla nine left teacher 9B Ma2b"},
		"years":                 {`person.years.exists(y, y in ["7", "8", "9"])`, "nine"},
		"staff":                 {`person.staff`, "teacher"},
		"group type":            {`kind != "group" || group.type == "Klass"`, "store lilla nine moved left teacher 9B"},
		"group of a year":       {`group.year == "9" && group.name.startsWith("9") && group.schoolForm == "GR"`, "9B"},
		"group of a subject":    {`group.subject.matches("^MAT")`, "Ma2b"},
		"e-mail domain":         {`"elev.skola.example" in person.emailDomains`, "nine"},
		"controller":            {`unit.controller == "Testkommun"`, "lilla moved Ma2b"},
		"unit by name and form": {`unit.name == "Storskolan" && "GR" in unit.schoolForms && kind == "unit"`, "store"},
	} {
		t.Run(name, func(t *testing.T) {
			rule, err := Compile(c.rule)
			if err != nil {
				t.Fatal(err)
			}
			for who, ref := range all {
				got, err := rule.Matches(r, ref)
				if want := strings.Contains(" "+c.want+" ", " "+who+" "); err != nil || got != want {
					t.Errorf("%s: %t, %v; want %t", who, got, err, want)
				}
			}
		})
	}
}

func TestUnanswered(t *testing.T) {
	r := school(t)
	for name, c := range map[string]struct {
		rule string
		of   roster.Ref
	}{
		"the first of nothing":                 {`person.years[0] == "9"`, refOf(roster.KindPerson, 14)},
		"a unit that the roster does not have": {`units.exists(u, u.code == "11111111")`, refOf(roster.KindPerson, 15)},
		"a number of what is none":             {`int(group.year) > 6`, refOf(roster.KindGroup, 22)},
	} {
		t.Run(name, func(t *testing.T) {
			rule, err := Compile(c.rule)
			if err != nil {
				t.Fatal(err)
			}
			if yes, err := rule.Matches(r, c.of); yes || !errors.Is(err, ErrUnanswered) {
				t.Errorf("%t, %v", yes, err)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct{ rule, want string }{
		"no CEL":                  {`unit.code ==`, "line 1, column"},
		"unknown variable":        {`uni.code == "1"`, "uni"},
		"unknown field":           {"true &&\n unit.kod == \"1\"", "line 2, column 6: undefined field 'kod'"},
		"identity numbers":        {`person.civicNo != ""`, "undefined field 'civicNo'"},
		"names of persons":        {`person.familyName == "Test"`, "undefined field 'familyName'"},
		"not true or false":       {`unit.code`, "of type string"},
		"a text is no number":     {`group.year > 6`, "no matching overload"},
		"not known until it runs": {`dyn(unit.code)`, "of type dyn"},
		"a pattern that is none":  {`group.name.matches("(")`, "invalid matches argument"},
		"an object":               {`ess.Unit{code: "1"} == unit`, ""},
		"too long":                {strings.Repeat("true && ", 4000) + "true", "at most"},
		"nothing":                 {"", "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			rule, err := Compile(c.rule)
			if err == nil {
				if _, err = rule.Matches(school(t), refOf(roster.KindOrganisation, 1)); err == nil {
					t.Fatal("taken")
				}
				return
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q does not say %q", err, c.want)
			}
		})
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`units.exists(u, u.code == "11111111")`)
	f.Add(`kind != "group" || group.type == "Klass"`)
	f.Add(`person == person && unit in units && type(unit) == type(units)`)
	f.Add(`dyn(person).years`)
	r := school(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			return
		}
		rule, err := Compile(text)
		if err != nil {
			return
		}
		for ref := range r.Each() {
			if yes, err := rule.Matches(r, ref); yes && err != nil {
				t.Errorf("%q of %s: both an answer and %v", text, ref, err)
			}
		}
	})
}

// BenchmarkMatches measures what a link pays for each entity when it looks at everything.
func BenchmarkMatches(b *testing.B) {
	r := school(b)
	for name, text := range map[string]string{
		"school":  `units.exists(u, u.code == "22222222")`,
		"primary": `unit.code in ["11111111", "22222222"]`,
		"years":   `kind != "person" || person.staff || person.years.exists(y, y in ["7", "8", "9"])`,
	} {
		rule, err := Compile(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rule.Matches(r, refOf(roster.KindPerson, 12)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rules/s")
		})
	}
}
