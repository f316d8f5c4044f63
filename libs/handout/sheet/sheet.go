// Package sheet prints initial passwords for a class: slips to cut apart, one a person.
package sheet

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"github.com/mozillazg/go-unidecode"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/handout"
)

// The page in millimetres: A4 with two columns of slips.
const (
	pageWidth, pageHeight = 210.0, 297.0
	margin                = 10.0
	columns, rows         = 2, 5
	slipWidth             = (pageWidth - 2*margin) / columns
	slipHeight            = (pageHeight - 2*margin) / rows
	inset                 = 5.0
	textWidth             = slipWidth - 2*inset
)

// The families of letters. That of user names and passwords tells 0 from O, and 1 from l and I.
const (
	plain = "go"
	mono  = "gomono"
)

// Slips returns a PDF with a slip for each letter, sorted by class and name. The same letters give the same bytes; printed
// is the day that stands on it.
func Slips(letters []handout.Letter, printed time.Time) ([]byte, error) {
	p := &page{Fpdf: fpdf.New("P", "mm", "A4", "")}
	p.SetCreationDate(printed)
	p.SetModificationDate(printed)
	p.SetCatalogSort(true)
	p.SetProducer("Eventful School Sync", true)
	p.SetTitle("Inloggningsuppgifter / Sign-in details", true)
	p.SetAutoPageBreak(false, 0)
	p.SetMargins(0, 0, 0)
	p.SetCellMargin(0)
	// fpdf writes into the bytes of a typeface: with those of the package the next sheet would be another one.
	p.AddUTF8FontFromBytes(plain, "", bytes.Clone(goregular.TTF))
	p.AddUTF8FontFromBytes(plain, "B", bytes.Clone(gobold.TTF))
	p.AddUTF8FontFromBytes(mono, "B", bytes.Clone(gomonobold.TTF))
	var err error
	if p.face, err = sfnt.Parse(gobold.TTF); err != nil {
		return nil, fmt.Errorf("print slips: %w", err)
	}
	letters = slices.Clone(letters)
	order := collate.New(language.Swedish)
	slices.SortStableFunc(letters, func(a, b handout.Letter) int {
		return cmp.Or(order.CompareString(a.Class, b.Class), order.CompareString(a.Name.Reveal(), b.Name.Reveal()), cmp.Compare(a.Username.Reveal(), b.Username.Reveal()))
	})
	for i, l := range letters {
		at := i % (columns * rows)
		if at == 0 {
			p.AddPage()
			p.cuts()
		}
		p.slip(margin+float64(at%columns)*slipWidth, margin+float64(at/columns)*slipHeight, l)
	}
	if len(letters) == 0 {
		p.AddPage()
	}
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("print slips: %w", err)
	}
	return out.Bytes(), nil
}

// page is what slips are printed on.
type page struct {
	*fpdf.Fpdf
	face *sfnt.Font
	buf  sfnt.Buffer
}

// cuts draws where to cut.
func (p *page) cuts() {
	p.SetDrawColor(150, 150, 150)
	p.SetLineWidth(0.2)
	p.SetDashPattern([]float64{2, 2}, 0)
	for c := range columns + 1 {
		x := margin + float64(c)*slipWidth
		p.Line(x, margin, x, pageHeight-margin)
	}
	for r := range rows + 1 {
		y := margin + float64(r)*slipHeight
		p.Line(margin, y, pageWidth-margin, y)
	}
	p.SetDashPattern(nil, 0)
}

func (p *page) slip(x, y float64, l handout.Letter) {
	x, y = x+inset, y+inset
	p.SetTextColor(90, 90, 90)
	where := strings.Join(slices.DeleteFunc([]string{l.Unit, l.Class, l.Made.Format(time.DateOnly)}, func(s string) bool { return s == "" }), " · ")
	p.line(x, y, plain, "", 8, 6, p.covered(where))
	p.SetTextColor(0, 0, 0)
	p.line(x, y+6, plain, "B", 14, 8, p.shown(l))
	p.label(x, y+15, "Användarnamn / User name")
	p.line(x, y+18.5, mono, "B", 13, 5, p.covered(l.Username.Reveal()))
	p.label(x, y+26, "Lösenord / Password")
	p.line(x, y+29.5, mono, "B", 16, 5, l.Password.Reveal())
	advice := [2]string{"Visa inte lösenordet för någon annan.", "Do not show the password to anyone else."}
	if l.Change {
		advice = [2]string{"Du väljer ett eget lösenord när du loggar in första gången.", "You choose a password of your own when you first sign in."}
	}
	p.SetTextColor(90, 90, 90)
	p.line(x, y+38.5, plain, "", 7.5, 5, advice[0])
	p.line(x, y+42, plain, "", 7.5, 5, advice[1])
}

func (p *page) label(x, y float64, text string) {
	p.SetTextColor(90, 90, 90)
	p.line(x, y, plain, "", 7.5, 5, text)
	p.SetTextColor(0, 0, 0)
}

// line writes a text on a line: at a size, or as much smaller as it takes; what is too long at the smallest one ends in …,
// but no user name and no password ever does.
func (p *page) line(x, y float64, family, style string, size, smallest float64, text string) {
	p.SetFont(family, style, size)
	for w := p.GetStringWidth(text); w > textWidth && size > smallest; w = p.GetStringWidth(text) {
		size = max(smallest, size-0.5)
		p.SetFontSize(size)
	}
	if family == mono {
		for p.GetStringWidth(text) > textWidth {
			size *= 0.95
			p.SetFontSize(size)
		}
	} else if runes := []rune(text); p.GetStringWidth(text) > textWidth {
		for len(runes) > 0 && p.GetStringWidth(string(runes)+"…") > textWidth {
			runes = runes[:len(runes)-1]
		}
		text = strings.TrimSpace(string(runes)) + "…"
	}
	p.Text(x, y+p.PointConvert(size)*0.8, text)
}

// shown returns whose slip it is. A name in an alphabet that the typeface does not have is written in Latin letters; one of
// which nothing is left is the user name.
func (p *page) shown(l handout.Letter) string {
	if name := p.covered(l.Name.Reveal()); name != "" {
		return name
	}
	return p.covered(l.Username.Reveal())
}

// covered returns a text in characters that the typeface has: composed, without what nobody sees, and word by word in Latin
// letters where one has others.
func (p *page) covered(text string) string {
	words := strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, norm.NFC.String(text)))
	kept := words[:0]
	for _, w := range words {
		if strings.ContainsFunc(w, p.lacks) {
			w = strings.TrimSpace(strings.Map(func(r rune) rune {
				if p.lacks(r) {
					return -1
				}
				return r
			}, unidecode.Unidecode(w)))
		}
		if w != "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

// lacks tells whether the typeface does not have a character.
func (p *page) lacks(r rune) bool {
	i, err := p.face.GlyphIndex(&p.buf, r)
	return err != nil || i == 0
}
