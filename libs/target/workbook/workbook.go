// Package workbook writes what a link in preview would do as an Excel workbook that a school can read and sign.
//
// It holds names, for the school has to recognise its pupils. Whoever writes it to a file decides who may read it.
package workbook

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

// Preview is what a workbook tells.
type Preview struct {
	Tenant string
	Link   string
	When   string
	Rows   []target.Row
	Names  map[string]target.Name // by key, what the rows speak of
	Faults []target.Problem       // what the pre-flight refuses
}

// words are the texts of a workbook in one language.
type words struct {
	summary, tenant, link, when, kind                           string
	create, update, disable, move, remove, stays                string
	what, reason, next, before, faults, signature, none, total  string
	who, unit                                                   string
	linking, linked, left, ambiguous, attribute, after, key, id string
	enabled, candidates                                         string
}

func wordsIn(l reason.Language) words {
	if l == reason.Swedish {
		return words{
			summary: "Sammanfattning", tenant: "Kund", link: "Mål", when: "Tid", kind: "Slag",
			create: "skapas", update: "ändras", disable: "inaktiveras", move: "flyttas undan", remove: "tas bort", stays: "skickas inte eller ligger kvar",
			what: "Vad händer", reason: "Varför", next: "Gör så här", before: "före", faults: "Förhandskontrollens fel",
			signature: "Godkänd av, datum:", none: "Inget ändras.", total: "Summa",
			who: "Vem eller vad", unit: "Skola",
			linking: "Koppling", linked: "tas över", left: "lämnas orört", ambiguous: "måste avgöras", attribute: "Uppgift", after: "efter", key: "Nyckel", id: "Målets id",
			enabled: "aktiveras", candidates: "Kan vara",
		}
	}
	return words{
		summary: "Summary", tenant: "Customer", link: "Target", when: "Time", kind: "Kind",
		create: "created", update: "changed", disable: "disabled", move: "moved away", remove: "removed", stays: "not sent, or stays",
		what: "What happens", reason: "Why", next: "What to do", before: "before", faults: "Problems of the pre-flight",
		signature: "Approved by, date:", none: "Nothing changes.", total: "Total",
		who: "Who or what", unit: "School",
		linking: "Linking", linked: "taken over", left: "left alone", ambiguous: "to be decided", attribute: "Attribute", after: "after", key: "Key", id: "Id there",
		enabled: "enabled", candidates: "May be",
	}
}

func (w words) verb(v target.Verb) string {
	switch v {
	case target.Create:
		return w.create
	case target.Update:
		return w.update
	case target.Disable:
		return w.disable
	case target.Adopt:
		return w.linked
	case target.Use:
		return w.left
	case target.Move:
		return w.move
	case target.Delete:
		return w.remove
	default:
		return w.stays
	}
}

// verbs are in the order of the summary's columns.
func verbs() []target.Verb {
	return []target.Verb{target.Create, target.Update, target.Adopt, target.Disable, target.Move, target.Delete, target.Use, ""}
}

// Write writes the workbook: a summary with a line to sign, and a sheet for each kind of resource. Every cell is a text,
// never a formula.
func Write(out io.Writer, p Preview, l reason.Language) error {
	w := wordsIn(l)
	f := excelize.NewFile()
	defer f.Close()
	if err := f.SetSheetName("Sheet1", w.summary); err != nil {
		return err
	}
	if err := linking(f, p, w, l); err != nil {
		return fmt.Errorf("write the sheet of what is taken over: %w", err)
	}
	kinds := map[string][]target.Row{}
	for _, r := range p.Rows {
		kinds[r.ID.Kind] = append(kinds[r.ID.Kind], r)
	}
	if err := summary(f, p, kinds, w, l); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if err := sheet(f, kind, p.sorted(kinds[kind]), p.Names, w, l); err != nil {
			return fmt.Errorf("write the sheet of %s: %w", kind, err)
		}
	}
	_, err := f.WriteTo(out)
	return err
}

func summary(f *excelize.File, p Preview, kinds map[string][]target.Row, w words, l reason.Language) error {
	t, err := newTable(f, w.summary)
	if err != nil {
		return err
	}
	t.row(w.tenant, p.Tenant)
	t.row(w.link, p.Link)
	t.row(w.when, p.When)
	t.row()
	t.heading(append([]string{w.kind}, apply(verbs(), w.verb)...)...)
	sum := map[target.Verb]int{}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		n := map[target.Verb]int{}
		for _, r := range kinds[kind] {
			n[r.Verb]++
			sum[r.Verb]++
		}
		t.row(append([]string{kind}, apply(verbs(), func(v target.Verb) string { return fmt.Sprint(n[v]) })...)...)
	}
	t.row(append([]string{w.total}, apply(verbs(), func(v target.Verb) string { return fmt.Sprint(sum[v]) })...)...)
	if len(p.Rows) == 0 {
		t.row(w.none)
	}
	t.row()
	if len(p.Faults) > 0 {
		t.heading(w.faults)
		for _, fault := range p.Faults {
			name := p.nameOf(fault.ID)
			t.row(cmp.Or(name.Label.Reveal(), fault.ID.String()), name.Unit, fault.Reason.Text(l), fault.Reason.Next(l))
		}
		t.row()
	}
	t.row(w.signature)
	return t.flush()
}

// nameOf returns what people call a resource that a row is about.
func (p Preview) nameOf(id target.ID) target.Name {
	i := slices.IndexFunc(p.Rows, func(r target.Row) bool { return r.ID == id })
	if i < 0 {
		return target.Name{}
	}
	return p.Names[p.Rows[i].Entity.Key.String()]
}

// sorted returns rows as a school looks through them: what is taken away first, then school by school, by name.
func (p Preview) sorted(rows []target.Row) []target.Row {
	order := []target.Verb{target.Delete, target.Move, target.Disable, target.Update, target.Adopt, target.Create}
	weight := func(v target.Verb) int {
		if i := slices.Index(order, v); i >= 0 {
			return i
		}
		return len(order)
	}
	by := collate.New(language.Swedish)
	return slices.SortedStableFunc(slices.Values(rows), func(a, b target.Row) int {
		x, y := p.Names[a.Entity.Key.String()], p.Names[b.Entity.Key.String()]
		return cmp.Or(weight(a.Verb)-weight(b.Verb), by.CompareString(x.Unit, y.Unit), by.CompareString(x.Label.Reveal(), y.Label.Reveal()))
	})
}

// sheet writes the rows of one kind: what happens, to whom, the values that the target would hold, and beside each that
// changes the value that it holds now. In place of the key of something that has a name stands the name.
func sheet(f *excelize.File, kind string, rows []target.Row, names map[string]target.Name, w words, l reason.Language) error {
	show := func(fields target.Fields, column string) string { return values(fields, column, names) }
	if _, err := f.NewSheet(kind); err != nil {
		return err
	}
	t, err := newTable(f, kind)
	if err != nil {
		return err
	}
	named := columns(rows)
	head := append([]string{w.what, w.who, w.unit}, named...)
	for _, c := range named {
		head = append(head, c+" ("+w.before+")")
	}
	t.heading(append(head, w.reason, w.next)...)
	for _, r := range rows {
		name := names[r.Entity.Key.String()]
		line := []string{w.verb(r.Verb), name.Label.Reveal(), name.Unit}
		for _, c := range named {
			shown := r.After
			if len(shown) == 0 { // who it is that goes
				shown = r.Before
			}
			line = append(line, show(shown, c))
		}
		for _, c := range named {
			was := show(r.Before, c)
			if r.Verb != target.Update || was == show(r.After, c) {
				was = ""
			}
			line = append(line, was)
		}
		if r.Reason != nil {
			line = append(line, r.Reason.Text(l), r.Reason.Next(l))
		}
		t.row(line...)
	}
	return t.flush()
}

// columns are the names of the fields of rows.
func columns(rows []target.Row) (names []string) {
	for _, r := range rows {
		for _, field := range append(slices.Clone(r.After), r.Before...) {
			if !slices.Contains(names, field.Name) {
				names = append(names, field.Name)
			}
		}
	}
	return names
}

func values(fields target.Fields, column string, names map[string]target.Name) string {
	var list []string
	for _, f := range fields {
		if f.Name == column {
			list = append(list, cmp.Or(names[f.Value.Reveal()].Label, f.Value).Reveal())
		}
	}
	return strings.Join(list, ", ")
}

func apply[T any](list []T, to func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = to(v)
	}
	return out
}

// table writes a sheet from the top. The first error is kept.
type table struct {
	w    *excelize.StreamWriter
	bold int
	n    int
	err  error
}

func newTable(f *excelize.File, name string) (*table, error) {
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return nil, err
	}
	w, err := f.NewStreamWriter(name)
	if err != nil {
		return nil, err
	}
	const columns, width = 26, 22
	return &table{w: w, bold: bold, err: w.SetColWidth(1, columns, width)}, nil
}

func (t *table) row(cells ...string)     { t.write(0, cells) }
func (t *table) heading(cells ...string) { t.write(t.bold, cells) }

func (t *table) write(style int, cells []string) {
	t.n++
	list := make([]any, len(cells))
	for i, c := range cells {
		list[i] = excelize.Cell{StyleID: style, Value: c}
	}
	if t.err == nil && len(list) > 0 {
		t.err = t.w.SetRow(fmt.Sprintf("A%d", t.n), list)
	}
}

func (t *table) flush() error {
	if t.err != nil {
		return t.err
	}
	return t.w.Flush()
}
