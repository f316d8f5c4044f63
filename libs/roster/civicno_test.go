package roster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseCivicNo(t *testing.T) {
	tests := []struct {
		name, raw string
		kind      CivicNoKind
		want      string
		born      Date
	}{
		{"12 digits", "189001019802", Personnummer, "189001019802", 1890_01_01},
		{"12 digits with hyphen", "18900101-9802", Personnummer, "189001019802", 1890_01_01},
		{"12 digits with plus", "18900101+9802", Personnummer, "189001019802", 1890_01_01},
		{"10 digits with hyphen", "900101-9802", Personnummer, "199001019802", 1990_01_01},
		{"10 digits with plus", "900101+9802", Personnummer, "189001019802", 1890_01_01},
		{"10 digits without separator are as with hyphen", "9001019802", Personnummer, "199001019802", 1990_01_01},
		{"blanks around and inside", " 18900101 - 9802\t\n", Personnummer, "189001019802", 1890_01_01},
		{"no-break and zero-width blanks", "\u00a018900101\u200b9802\ufeff", Personnummer, "189001019802", 1890_01_01},
		{"Excel text", "'189001019802", Personnummer, "189001019802", 1890_01_01},
		{"Excel text with blanks", " ' 900101+9802 ", Personnummer, "189001019802", 1890_01_01},
		{"typographic hyphen", "18900101–9802", Personnummer, "189001019802", 1890_01_01},
		{"born today", "2608150005", Personnummer, "202608150005", 2026_08_15},
		{"born tomorrow is a hundred years older", "2608160004", Personnummer, "192608160004", 1926_08_16},
		{"plus in the year that one turns 100", "261231+0009", Personnummer, "192612310009", 1926_12_31},
		{"29 February of a leap year", "000229-0005", Personnummer, "200002290005", 2000_02_29},
		{"29 February of 1900, which had none", "000229+0005", UnknownNumber, "000229+0005", 0},
		{"29 February of a common year", "190302290002", UnknownNumber, "190302290002", 0},
		{"samordningsnummer", "189001619809", Samordningsnummer, "189001619809", 1890_01_01},
		{"samordningsnummer of 10 digits", "900161+9809", Samordningsnummer, "189001619809", 1890_01_01},
		{"samordningsnummer of 29 February", "200002890002", Samordningsnummer, "200002890002", 2000_02_29},
		{"samordningsnummer: day 92", "900192+9802", UnknownNumber, "900192+9802", 0},
		{"TF number", "20150314-TF01", Temporary, "20150314TF01", 2015_03_14},
		{"TF number in lower case without hyphen", "20150314tf01", Temporary, "20150314TF01", 2015_03_14},
		{"T number", "20150314-T123", Temporary, "20150314T123", 2015_03_14},
		{"T number in lower case", " 20150314-t123", Temporary, "20150314T123", 2015_03_14},
		{"TF number with a short date", "150314-TF01", Temporary, "20150314TF01", 2015_03_14},
		{"TF number of no day", "20150230-TF01", UnknownNumber, "20150230-TF01", 0},
		{"TF number with a bad serial", "20150314-TFA1", UnknownNumber, "20150314-TFA1", 0},
		{"F without T", "20150314-FT01", UnknownNumber, "20150314-FT01", 0},
		{"wrong check digit", "18900101-9803", UnknownNumber, "18900101-9803", 0},
		{"organisationsnummer", "556000-0001", UnknownNumber, "556000-0001", 0},
		{"organisationsnummer with prefix 16", "165560000001", UnknownNumber, "165560000001", 0},
		{"born after today", "20260816-0004", UnknownNumber, "20260816-0004", 0},
		{"before the register", "17900101-9802", UnknownNumber, "17900101-9802", 0},
		{"separator at the wrong place", "1890010-19802", UnknownNumber, "1890010-19802", 0},
		{"two separators", "18900101--9802", UnknownNumber, "18900101--9802", 0},
		{"11 digits", "18900101980", UnknownNumber, "18900101980", 0},
		{"13 digits", "1890010198022", UnknownNumber, "1890010198022", 0},
		{"float from a spreadsheet", "1.89E+11", UnknownNumber, "1.89E+11", 0},
		{"other digits", "١٨٩٠٠١٠١٩٨٠٢", UnknownNumber, "١٨٩٠٠١٠١٩٨٠٢", 0},
		{"text", "  saknas ", UnknownNumber, "saknas", 0},
		{"no UTF-8", "\xff18", UnknownNumber, "\uFFFD18", 0},
		{"nothing", "", "", "", 0},
		{"blanks", " \t' ", "", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ParseCivicNo(tt.raw, day)
			if got.Kind() != tt.kind || got.Reveal() != tt.want || got.Born() != tt.born {
				t.Errorf("got %q %q born %d, want %q %q born %d", got.Kind(), got.Reveal(), got.Born(), tt.kind, tt.want, tt.born)
			}
			if got.IsZero() != (tt.want == "") || got != CivicNoOf(tt.kind, tt.want) {
				t.Errorf("IsZero %v, or not equal to the same number from the wire", got.IsZero())
			}
			if again := ParseCivicNo(got.Reveal(), day); again != got {
				t.Errorf("read again: %q %q", again.Kind(), again.Reveal())
			}
		})
	}
}

func TestCivicNoOfKeepsAnyKind(t *testing.T) {
	n := CivicNoOf("passport", "18900101980X")
	if n.Kind() != "passport" || n.Reveal() != "18900101980X" || n.String() != masked || !n.Born().IsOpen() {
		t.Errorf("got %q %q prints %s", n.Kind(), n.Reveal(), n)
	}
	if n := CivicNoOf(Personnummer, "short"); n.String() != masked || !n.Born().IsOpen() {
		t.Errorf("a damaged number prints %s", n)
	}
}

// TestNothingPrintsPersonalData is rule R8 at its root.
func TestNothingPrintsPersonalData(t *testing.T) {
	const name, number = "Testa Åkesdotter", "189001019802"
	p, n := Personal(name), CivicNoOf(Personnummer, number)
	person := &Person{CivicNo: n, GivenName: p, Personas: []Persona{{Email: p}}, Enrolments: []Enrolment{{Doc: p}}, Extra: Extra{"x": p}}
	type hidden struct {
		n    CivicNo
		p    *Personal
		list []CivicNo
		m    map[CivicNo]CivicNo
		any  any
	}
	values := map[string]any{
		"Personal":            p,
		"pointer to Personal": &p,
		"CivicNo":             n,
		"pointer to CivicNo":  &n,
		"unknown number":      CivicNoOf(UnknownNumber, number),
		"exported fields": struct {
			P Personal
			N CivicNo
		}{p, n},
		"CivicNo in unexported": hidden{n, &p, []CivicNo{n}, map[CivicNo]CivicNo{n: n}, n},
		"embedded":              struct{ CivicNo }{n},
		"list":                  []any{p, n},
		"pointers in exported": struct {
			P *Person
			R *Record
			G *Group
			O *Organisation
		}{person, &Record{Person: person, Origins: []Origin{{ID: p}}}, &Group{Extra: person.Extra}, &Organisation{Extra: person.Extra}},
		"event":                Event{Record: &Record{Person: person, Origins: []Origin{{ID: p}}}},
		"map":                  map[CivicNo]Personal{n: p},
		"Record":               Record{Origins: []Origin{{ID: Personal(number), Doc: p}}, Person: &Person{CivicNo: n, GivenName: p, Extra: Extra{"x": p}}},
		"Person":               Person{CivicNo: n, GivenName: p, Personas: []Persona{{Email: p}}, Extra: Extra{"x": p}},
		"Record in unexported": struct{ r *Record }{&Record{Person: &Person{CivicNo: n, GivenName: p}}},
		"Keyer":                testKeyer(t),
	}
	for what, v := range values {
		out := map[string]string{}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%20s"} {
			out[verb] = fmt.Sprintf(verb, v)
		}
		out["error"] = fmt.Errorf("person %v: %w", v, errors.New("x")).Error()
		var text, js bytes.Buffer
		untimed := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // its digits may be anything
			}
			return a
		}}
		slog.New(slog.NewTextHandler(&text, untimed)).Info("m", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&js, untimed)).Info("m", "v", v, slog.Group("g", "v", v))
		out["slog text"], out["slog json"] = text.String(), js.String()
		if b, err := json.Marshal(v); err == nil {
			out["json"] = string(b)
		}
		for how, s := range out {
			for _, secret := range []string{name, "Testa", fmt.Sprintf("%x", name), fmt.Sprintf("%X", name), number, "9802", fmt.Sprintf("%x", number), fmt.Sprintf("%x", number[8:]), "pepper"} {
				if strings.Contains(s, secret) {
					t.Errorf("%s with %s prints %q: %s", what, how, secret, s)
				}
			}
		}
	}
	if got := fmt.Sprintf("%v %+d %q", n, n, p); got != "18900101-**** 18900101-**** ***" {
		t.Errorf("masks are %s", got)
	}
}

func FuzzParseCivicNo(f *testing.F) {
	for _, s := range []string{"189001019802", "900101+9802", "'20150314-tf01", "20150314T123", " ", "\xff", "18900101-980\x00"} {
		f.Add(s, int32(day))
	}
	f.Fuzz(func(t *testing.T, raw string, today int32) {
		n := ParseCivicNo(raw, Date(today))
		if again := ParseCivicNo(n.Reveal(), Date(today)); again != n {
			t.Fatalf("%q: %q %q, read again %q %q", raw, n.Kind(), n.Reveal(), again.Kind(), again.Reveal())
		}
		if n.Kind() != UnknownNumber && !n.IsZero() && (len(n.Reveal()) != 12 || n.Born().IsOpen() || n.Born() > Date(today)) {
			t.Fatalf("%q: %q %q born %v", raw, n.Kind(), n.Reveal(), n.Born())
		}
		if !utf8.ValidString(n.Reveal()) {
			t.Fatalf("%q is no UTF-8", n.Reveal())
		}
		if s := n.String(); len(n.Reveal()) > 3 && strings.Contains(s, n.Reveal()) {
			t.Fatalf("prints %q", s)
		}
	})
}

func BenchmarkParseCivicNo(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		ParseCivicNo(civicTexts[i%len(civicTexts)], day)
	}
}

var civicTexts = []string{"189001019802", "900101-9802", "20150314-TF01", "18900161-9809"}
