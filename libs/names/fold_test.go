package names

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
)

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"Åsa Öberg":               "asa oberg",
		"ÉMILE Müller":            "emile muller",
		"Strauß STRAẞE":           "strauss strasse",
		"Æsa Øst":                 "aesa ost",
		"Đorđe Łukasz":            "dorde lukasz",
		"Þóra Guðrún Œuvre":       "thora gudrun oeuvre",
		"Nguyễn Thị Ánh":          "nguyen thi anh",
		"Şükrü Çağla İnci ışık":   "sukru cagla inci isik",
		"Żaneta Šárka Őz":         "zaneta sarka oz",
		"Əliyev Әсел":             "eliyev asel",
		"Щукин Юлия Игорь":        "shchukin iuliia igor",
		"Γιώργος Παπαδόπουλος":    "giorgos papadopoulos",
		"محمد علي":                "mhmd ly",
		"חיים":                    "hyym",
		"王小明":                     "wangxiaoming",
		"O'Brien D’Arc L´Or ʻOki": "obrien darc lor oki",
		"Anna-Lena Anna–Lena":     "anna lena anna lena",
		"Anna\u00adLena A\u200bB": "annalena ab",
		"\u202eabc\u202c a\x00b":  "abc ab",
		"１２ ﬁn ²":                 "12 fin 2",
		"Anna (Nina), *Bo*":       "anna nina bo",
		"\t Anna\nMaria\u00a0Eva": "anna maria eva",
		"🙂 … ـ":                   "",
		"":                        "",
		"\xff\xfeAnna":            "anna",
	} {
		for _, form := range []string{text, norm.NFC.String(text), norm.NFD.String(text)} {
			if got := strings.Join(words(form), " "); got != want {
				t.Errorf("%+q: got %q, want %q", form, got, want)
			}
		}
	}
}

func TestFunctions(t *testing.T) {
	for got, want := range map[string]string{
		slug("Anna-Lena Ek"): "anna-lena-ek", first("Bo Ek", 3): "boe", first("Åsa", 9): "asa", first("Åsa", 0): "", initials("Anna-Lena Ek"): "ale",
		core("von der Heide"): "heide", core("De la Gardie"): "gardie", core("af Klint-Ek"): "klint ek", core("Le"): "le", core("El-Sayed"): "sayed",
		letters("4nna 2"): "nna", local("anna.ek@skola.example"): "anna.ek", local("annek"): "annek",
		clean(" .Anna..-Ek_", ""): "anna.ek", clean("anna.ek", "."): "annaek", clean("...", ""): "", clean("Åsa Öberg", ""): "asaoberg", clean("annek", "n"): "aek",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Åsa", "Öb\u0308", "Strauß", "محمد", "王", "a\x00b", "\u202e", "von der Heide", "½", "\xff", "ẞ", "ǆ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := fold(s)
		if strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Fatalf("%+q folds to %q", s, got)
		}
		if again := fold(got); again != got {
			t.Errorf("%q folds again to %q", got, again)
		}
		if utf8.ValidString(s) && fold(norm.NFD.String(s)) != fold(norm.NFC.String(s)) {
			t.Errorf("%+q: NFD folds to %q, NFC to %q", s, fold(norm.NFD.String(s)), fold(norm.NFC.String(s)))
		}
		if slug(slug(s)) != slug(s) || strings.ReplaceAll(slug(s), "-", "") != got {
			t.Errorf("%+q: slug %q, fold %q", s, slug(s), got)
		}
		if c := clean(s, ""); clean(c, "") != c {
			t.Errorf("%q is cleaned again to %q", c, clean(c, ""))
		}
	})
}

func FuzzCandidates(f *testing.F) {
	f.Add("Åsa", "Öberg", "asa@example.org", "", 20, byte(0))
	f.Add("Anna-Lena", "von der Heide", "", ".", 5, byte(1))
	f.Add("\x00", "\u202e", "", "elv", 3, byte(2))
	f.Add("Kuk", "Fitta", "admin", "-_.0", 64, byte(3))
	specs := []Spec{
		{},
		{Patterns: []string{`local(persona.email)`, `slug(person.givenName + " " + person.familyName)`}, Digits: 3},
		{Patterns: []string{`person.givenName + "_" + person.familyName`}, Neutral: "konto", Block: []string{"asa*"}},
		{Patterns: []string{`words(person.familyName)[0] + "." + initials(person.givenName) + person.birthYear.substring(2)`}},
	}
	f.Fuzz(func(t *testing.T, given, family, email, refuse string, longest int, spec byte) {
		limits := Limits{max(longest%70, 0), refuse}
		r := someRules(t, specs[int(spec)%len(specs)], limits)
		s := pupil(given, family)
		s.Persona = roster.Persona{Role: roster.RolePupil, Email: roster.Personal(email)}
		got := firstOf(r, s, 40)
		if again := firstOf(r, s, 40); !slices.Equal(got, again) {
			t.Fatalf("%q, and then %q", got, again)
		}
		if limits.Max == 0 {
			limits.Max = mostCharacters
		}
		for i, name := range append(got, r.Wanted(s)) {
			wanted := i == len(got) // it may be blocked, and there may be none
			switch {
			case name == "" && !wanted, len(name) > limits.Max, strings.ContainsAny(name, refuse):
				t.Errorf("%q breaks the limits %+v", name, limits)
			case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "", strings.Trim(name, separators) != name:
				t.Errorf("%q is no name", name)
			case !wanted && r.blocked.has(name):
				t.Errorf("%q is blocked", name)
			}
		}
	})
}
