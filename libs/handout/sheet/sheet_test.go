package sheet

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/sfnt"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/roster"
)

var day = time.Date(2026, 8, 17, 7, 0, 0, 0, time.UTC)

func class() (list []handout.Letter) {
	for i, name := range []string{
		"Östen Åkerblom", "Åsa Öberg", "Adam Bo", "Αλέξανδρος Παπαδόπουλος", "Юлия Щербакова", "محمد الأحمد", "王 小明", "Zoë \u200bNguyễn",
		strings.Repeat("Maximiliana-Evangelina ", 5) + "von Lillje-Hammarskjöldsson", "Ek", "Tolv Nästa Sida", "\u200b",
	} {
		list = append(list, handout.Letter{
			Made: day, Name: roster.Personal(name), Username: roster.Personal(fmt.Sprintf("user%02d", i)), Password: roster.Personal(fmt.Sprintf("Katt.sol%02d", i+20)),
			Unit: "Björkskolan", Class: "1A", Change: i == 1,
		})
	}
	list[4].Unit = strings.Repeat("Lång Skolas Namn ", 10)
	list[9].Password, list[9].Username = "Kastrull.mandolin.jordgubb.pyramid42", "maximiliana.evangelina.von.lilljehammarskjoldsson@elev.provkoping.example"
	list[2].Password = "Zz0O1lI!#%+.=aB8"
	return list
}

// text returns what stands on a PDF, by poppler, which is no part of the project.
func text(t *testing.T, pdf []byte, options ...string) string {
	t.Helper()
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("does not apply: pdftotext (poppler-utils) is not installed")
	}
	path := filepath.Join(t.TempDir(), "sheet.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, append(options, path, "-")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func slips(t *testing.T, letters []handout.Letter) []byte {
	t.Helper()
	pdf, err := Slips(letters, day)
	if err != nil {
		t.Fatal(err)
	}
	return pdf
}

func TestASlipAPupil(t *testing.T) {
	pdf := slips(t, class())
	if path := os.Getenv("ESS_TEST_SHEET"); path != "" { // to look at
		if err := os.WriteFile(path, pdf, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := text(t, pdf)
	for _, l := range class() {
		for _, want := range []string{l.Username.Reveal(), l.Password.Reveal()} {
			if strings.Count(got, want) < 1 {
				t.Errorf("%q is not there", want)
			}
		}
	}
	for _, want := range []string{
		"Åsa Öberg", "Αλέξανδρος Παπαδόπουλος", "Юлия Щербакова", "Björkskolan · 1A · 2026-08-17", "Användarnamn / User name", "Lösenord / Password",
		"Visa inte lösenordet för någon annan.", "Du väljer ett eget lösenord när du loggar in första gången.", "You choose a password of your own when you first sign in.",
		"Wang Xiao Ming", "…", "Zoë Nguyen",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not there", want)
		}
	}
	if got := strings.Count(got, "Lösenord / Password"); got != len(class()) {
		t.Errorf("%d slips for %d letters", got, len(class()))
	}
	if before, after, _ := strings.Cut(got, "Åsa Öberg"); strings.Contains(after, "Adam Bo") || strings.Contains(before, "Östen") {
		t.Error("the slips are not sorted as Swedish sorts")
	}
}

// box is a word with where it stands, in points.
var box = regexp.MustCompile(`<word xMin="([0-9.]+)" yMin="([0-9.]+)" xMax="([0-9.]+)" yMax="([0-9.]+)">`)

func TestNothingStandsOutsideOfItsSlip(t *testing.T) {
	words := box.FindAllStringSubmatch(text(t, slips(t, class()), "-bbox"), -1)
	if len(words) < 100 {
		t.Fatalf("%d words", len(words))
	}
	const mm = 72 / 25.4
	column := func(x float64) int { return int((x/mm - margin) / slipWidth) }
	row := func(y float64) int { return int((y/mm - margin) / slipHeight) }
	for _, w := range words {
		var x0, y0, x1, y1 float64
		if _, err := fmt.Sscan(w[1]+" "+w[2]+" "+w[3]+" "+w[4], &x0, &y0, &x1, &y1); err != nil {
			t.Fatal(err)
		}
		if column(x0) != column(x1) || row(y0) != row(y1) || x0 < margin*mm || x1 > (pageWidth-margin)*mm || y1 > (pageHeight-margin)*mm {
			t.Errorf("a word stands at %v", w[1:])
		}
	}
}

func TestTheSameLettersGiveTheSameBytes(t *testing.T) {
	first := slips(t, class())
	for range 5 {
		if again := slips(t, class()); !bytes.Equal(first, again) {
			t.Fatal("the bytes differ")
		}
	}
	if len(first) > 2<<20 {
		t.Errorf("a sheet has %d bytes", len(first))
	}
	if empty := slips(t, nil); !bytes.HasPrefix(empty, []byte("%PDF-")) {
		t.Error("an empty sheet is no PDF")
	}
}

func TestThePasswordsTypefaceTellsLettersApart(t *testing.T) {
	f, err := sfnt.Parse(gomonobold.TTF)
	if err != nil {
		t.Fatal(err)
	}
	var buf sfnt.Buffer
	outline := func(r rune) string {
		i, err := f.GlyphIndex(&buf, r)
		if err != nil || i == 0 {
			t.Fatalf("there is no %q: %v", r, err)
		}
		s, err := f.LoadGlyph(&buf, i, 1000<<6, nil)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(len(s), s)
	}
	for _, pair := range []string{"0O", "1l", "lI", "1I", "5S", "8B"} {
		if r := []rune(pair); outline(r[0]) == outline(r[1]) {
			t.Errorf("%s look alike", pair)
		}
	}
}
