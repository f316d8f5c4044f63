package rule

import (
	"errors"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
)

func someTexts(t testing.TB) *Texts {
	t.Helper()
	texts, err := NewTexts(Functions{
		Text:  map[string]func(string) string{"upper": strings.ToUpper},
		Count: map[string]func(string, int) string{"first": func(s string, n int) string { return s[:min(n, len(s))] }},
		List:  map[string]func(string) []string{"words": strings.Fields},
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestTextOf(t *testing.T) {
	n := Named{
		Person: &roster.Person{
			GivenName: "Anna Maria", MiddleName: "Lind", FamilyName: "Ek", DisplayName: "Anna Ek", BirthDate: "2010-01-02",
			Enrolments: []roster.Enrolment{{SchoolType: roster.SchoolGR, SchoolYear: "9", Programme: "X"}, {SchoolType: roster.SchoolGR}},
		},
		Persona: roster.Persona{Email: "anna@skola.example", Username: "annek", EPPN: "annek@skola.example"},
		Role:    roster.RolePupil, Unit: &roster.Organisation{DisplayName: "Storskolan", UnitCodes: []string{"11111111"}},
	}
	for expression, want := range map[string]string{
		`person.givenName + "|" + person.middleName + "|" + person.familyName + "|" + person.displayName`: "Anna Maria|Lind|Ek|Anna Ek",
		`persona.username + "|" + persona.email + "|" + persona.eppn + "|" + role`:                        "annek|anna@skola.example|annek@skola.example|pupil",
		`unit.name + unit.code + person.birthYear.substring(2)`:                                           "Storskolan1111111110",
		`upper(first(person.familyName, 9)) + words(person.givenName)[1]`:                                 "EKMaria",
		`first(person.givenName, -3)`:                                                                     "",
		`"GR" in person.schoolForms && "9" in person.years && "X" in person.programmes ? "a" : "b"`:       "a",
		`person.givenName.lowerAscii().replace(" ", ".")`:                                                 "anna.maria",
	} {
		text, err := someTexts(t).Compile(" " + expression + "\n")
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got, err := text.Of(n); err != nil || got != want || text.String() != expression {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestTextHasNoAnswer(t *testing.T) {
	long := roster.Personal(strings.Repeat("å", longestName))
	for expression, n := range map[string]Named{
		`words(person.familyName)[0]`: {Person: &roster.Person{}},
		`person.familyName`:           {},
		`["", "", "", "", "", "", "", "", "", ""].map(a, words("` + strings.Repeat("a ", 500) + `").map(b, words("` + strings.Repeat("a ", 500) + `").size())).size() > 1 ? "a" : "b"`: {Person: &roster.Person{}},
	} {
		text, err := someTexts(t).Compile(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got, err := text.Of(n); !errors.Is(err, ErrUnanswered) {
			t.Errorf("%.60s: %q, %v", expression, got, err)
		}
	}
	text, err := someTexts(t).Compile(`person.familyName + unit.name + person.birthYear`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := text.Of(Named{Person: &roster.Person{FamilyName: "x" + long}}); err != nil || len(got) > longestName || strings.Trim(got, "xå") != "" {
		t.Errorf("of a very long name: %q, %v", got, err)
	}
}

func TestTextIsChecked(t *testing.T) {
	for expression, want := range map[string]string{
		`person.givenname`: "line 1, column 7: undefined field 'givenname'", `person.civicNo`: "undefined field 'civicNo'", `unit.id`: "undefined field 'id'",
		`frist("a", 3)`: "undeclared reference to 'frist'", `first("a")`: "no matching overload", `role == "pupil"`: "gives a value of type bool",
		`units[0].name`: "undeclared reference to 'units'", strings.Repeat("a", longest+1): "write at most",
	} {
		if _, err := someTexts(t).Compile(expression); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v does not say %q", expression, err, want)
		}
	}
	if _, err := Compile(`person.givenName == "Anna"`); err == nil {
		t.Error("a filter sees what a person is called")
	}
}
