// Package csvset reads a set of CSV files, whose names and columns the settings tell, as the tables of
// [eventful.se/ess/libs/format/table]: what registers write of which no format is publicly known.
//
// A set is whole, so absence means gone, but for what is in doubt (rule R3): a row that does not have the columns of its
// file's first row, that has no key, or whose number a spreadsheet made another, and a file without rows. Rows that
// say the same are one, as where a wide file says a school in the row of each of its pupils.
package csvset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/csvfile"
	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Set is the files of an export.
type Set interface {
	Names() []string
	// Open opens a file by its name, as often as it is asked to.
	Open(name string) (io.ReadCloser, error)
}

// Options are what a read needs beside the files.
type Options struct {
	Profile Profile // valid, with tables
	Name    string  // what messages call the set
	Today   roster.Date
	Loose   bool // nothing but its text tells whether a file is whole
}

// Summary is what was in a set.
type Summary struct {
	Seen     map[string]int // rows by table
	Complete bool
	Findings []fact.Finding
}

// ErrMissing is the cause of a set that is not read, beside those of [csvfile]. Each comes wrapped in a [reason.Error] that
// names the file, and the line.
var ErrMissing = errors.New("a file or column is missing")

// Read reads a set, and emits its docs from the calling goroutine. The id of a doc is the name of its file, and that of
// its row.
//
// An error from emit, from the set or of ctx ends the read and is returned. Any other error is a [reason.Error].
func Read(ctx context.Context, set Set, o Options, emit func(fact.Doc) error) (Summary, error) {
	r := &reader{Options: o, ctx: ctx, set: set, said: map[[sha256.Size]byte]struct{}{}, rows: map[string]int{}}
	r.reading = table.NewReading(o.Profile.Rows, o.Today, func(d fact.Doc) error {
		d.ID = r.file + "/" + d.ID
		return emit(d)
	})
	for _, t := range o.Profile.Rows.Tables() {
		for _, m := range o.Profile.Tables {
			if m.Table != t.Name {
				continue
			}
			if err := r.read(t, m); err != nil {
				return Summary{}, err
			}
		}
	}
	r.hollow()
	return Summary{Seen: r.reading.Seen, Complete: !r.reading.Odd, Findings: r.reading.Findings}, nil
}

// reader reads one set.
type reader struct {
	Options
	ctx     context.Context
	set     Set
	reading *table.Reading
	file    string // that is read, in lower case
	said    map[[sha256.Size]byte]struct{}
	rows    map[string]int // by file, in lower case
}

// name returns the name that a file has in the set.
func (r *reader) name(file string) (string, error) {
	var names []string
	for _, name := range r.set.Names() {
		if strings.EqualFold(path.Base(name), file) {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return "", r.refuse(reason.Unreadable, ErrMissing, file, 0, "the file is not there")
	case 1:
		return names[0], nil
	default:
		return "", r.refuse(reason.Unreadable, csvfile.ErrAmbiguous, file, 0, "another file has the same name but for its case or folder")
	}
}

// read reads a file as a table.
func (r *reader) read(t table.Table, m Mapping) error {
	r.file = strings.ToLower(m.File)
	name, err := r.name(m.File)
	if err != nil {
		return err
	}
	how, err := r.look(name)
	if err != nil {
		return err
	}
	f, err := r.set.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := csvfile.New(how.decode(f), csvfile.Options{Comma: how.comma, Loose: r.Loose})
	x := &mapped{reader: r, table: t, mapping: m}
	if header := r.header(m.File); header != nil {
		if err := x.learn(header, 1); err != nil {
			return r.explain(err, m.File)
		}
	}
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		fields, line, err := in.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
		case x.columns == nil:
			err = x.learn(fields, line)
		default:
			err = x.row(fields, line)
		}
		if err != nil {
			return r.explain(err, m.File)
		}
	}
}

func (r *reader) header(file string) []string {
	for name, header := range r.Profile.Headers {
		if strings.EqualFold(name, file) {
			return header
		}
	}
	return nil
}

// hollow finds files without a row, of which everybody would lose what stands there. A set without persons is for the
// caller to refuse.
func (r *reader) hollow() {
	if r.reading.Seen[table.Persons] == 0 && r.Profile.Rows.Enriches == (roster.Source{}) {
		return
	}
	for _, m := range r.Profile.Tables {
		file := strings.ToLower(m.File)
		may := slices.ContainsFunc(r.Profile.MayBeEmpty, func(s string) bool { return strings.EqualFold(s, file) })
		if _, told := r.rows[file]; told || may {
			continue
		}
		r.rows[file] = 0
		r.reading.Odd = true
		r.reading.Find(table.Row{Of: m.File}, reason.FileWithoutRows, "what", m.File)
	}
}

// explain gives what is wrong with a file its reason.
func (r *reader) explain(err error, file string) error {
	wrong, ok := errors.AsType[*csvfile.Error](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, csvfile.ErrTruncated):
		return r.refuse(reason.TruncatedFile, wrong.Cause, file, wrong.Line, wrong.What)
	default:
		return r.refuse(reason.Unreadable, wrong.Cause, file, wrong.Line, wrong.What)
	}
}

// refuse says why the set is not read. The text never quotes what stands there (rule R8).
func (r *reader) refuse(code reason.Code, cause error, file string, line int, what string) error {
	args := []any{"file", r.Name + ": " + file}
	switch {
	case code == reason.TruncatedFile:
		args = append(args, "line", line)
	case line > 0:
		what = fmt.Sprintf("line %d: %s", line, what)
	}
	return reason.Errorf(reason.Invalid, cause, code, append(args, "what", what)...)
}

// manner is how a file is written.
type manner struct {
	comma  rune
	cp1252 bool
}

func (m manner) decode(r io.Reader) io.Reader {
	if m.cp1252 {
		return charmap.Windows1252.NewDecoder().Reader(r)
	}
	return r
}

// maxFirst is how much of a file is looked at for what stands between its columns.
const maxFirst = 64 << 10

// look finds out how a file is written, where the settings do not say.
func (r *reader) look(name string) (how manner, err error) {
	how = manner{comma: commas()[r.Profile.Delimiter], cp1252: r.Profile.Encoding == cp1252}
	if how.comma != 0 && r.Profile.Encoding != "" {
		return how, nil
	}
	f, err := r.set.Open(name)
	if err != nil {
		return how, err
	}
	defer f.Close()
	first := &head{}
	_, err = io.Copy(io.Discard, transform.NewReader(io.TeeReader(f, first), encoding.UTF8Validator))
	switch {
	case errors.Is(err, encoding.ErrInvalidUTF8):
		how.cp1252 = how.cp1252 || r.Profile.Encoding == ""
	case err != nil:
		return how, err
	}
	if how.comma == 0 {
		how.comma = first.comma()
	}
	return how, nil
}

// head keeps the beginning of what is written to it.
type head struct{ text []byte }

func (h *head) Write(b []byte) (int, error) {
	if left := maxFirst - len(h.text); left > 0 {
		h.text = append(h.text, b[:min(left, len(b))]...)
	}
	return len(b), nil
}

// comma returns the delimiter that the first line has most of, outside quotation marks.
func (h *head) comma() rune {
	line, _, _ := strings.Cut(string(h.text), "\n")
	counts, quoted := map[rune]int{}, false
	for _, c := range line {
		if c == '"' {
			quoted = !quoted
		}
		if !quoted {
			counts[c]++
		}
	}
	best := ';'
	for _, c := range []rune{',', '\t'} {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return best
}

// mapped is a file that is read as a table.
type mapped struct {
	*reader
	table   table.Table
	mapping Mapping
	columns map[string]int // of the file
	width   int            // fields of its first row
	texts   []text         // of the columns that the table has
	out     table.Row
	fields  []string
	values  []string // of the texts
}

// learn knows the columns of the file.
func (x *mapped) learn(header []string, line int) (err error) {
	columns, err := csvfile.Columns(header, line)
	if err != nil {
		return err
	}
	lacks := func(column string) error {
		return &csvfile.Error{Cause: ErrMissing, Line: line, What: fmt.Sprintf("there is no column %q; the settings say which columns are read, and what stands between them", column)}
	}
	for column := range x.mapping.Where {
		if _, ok := columns[strings.ToLower(column)]; !ok {
			return lacks(column)
		}
	}
	if _, ok := columns[strings.ToLower(x.mapping.Split)]; !ok && x.mapping.Split != "" {
		return lacks(x.mapping.Split)
	}
	var names []string
	for _, c := range x.table.Columns {
		says, ok := x.mapping.Columns[c.Name]
		if !ok {
			continue
		}
		made, err := parse(says)
		if err != nil {
			return &csvfile.Error{Cause: ErrMissing, Line: line, What: "columns." + c.Name + ": " + err.Error()}
		}
		if name, missing := made.missing(columns); missing {
			if c.Need == table.Optional {
				continue
			}
			return lacks(name)
		}
		names, x.texts = append(names, c.Name), append(x.texts, made)
	}
	x.columns, x.width, x.values = columns, len(header), make([]string, len(x.texts))
	x.out = table.Row{Of: x.mapping.File, Columns: names, Value: func(place int) string { return x.values[place] }}
	return nil
}

// get returns a field by the name of its column in lower case, without blanks around it.
func (x *mapped) get(column string) string {
	if i, ok := x.columns[column]; ok && i < len(x.fields) {
		return strings.TrimSpace(x.fields[i])
	}
	return ""
}

// row takes a row of the file in, or several rows of the table.
func (x *mapped) row(fields []string, line int) error {
	x.rows[x.file]++
	x.fields, x.out.N = fields, line
	if len(fields) < x.width || slices.ContainsFunc(fields[x.width:], func(s string) bool { return strings.TrimSpace(s) != "" }) {
		x.doubt(reason.RowUnreadable, "what", x.mapping.File)
		return nil
	}
	for column, words := range x.mapping.Where {
		is := x.get(strings.ToLower(column))
		if is == "" || len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, is) }) {
			return nil
		}
	}
	if x.mapping.Split == "" {
		return x.add()
	}
	place := x.columns[strings.ToLower(x.mapping.Split)]
	for one := range strings.SplitSeq(fields[place], ",") {
		if fields[place] = strings.TrimSpace(one); fields[place] == "" {
			continue
		}
		if err := x.add(); err != nil {
			return err
		}
	}
	return nil
}

// doubt leaves a row out that may be about anybody, so that nobody counts as gone.
func (x *mapped) doubt(code reason.Code, args ...any) {
	x.reading.Odd = true
	x.reading.Find(x.out, code, args...)
}

// mangled is what a spreadsheet makes of a long number: 2,00701E+11. Of two persons it makes the same.
var mangled = regexp.MustCompile(`^[0-9][.,][0-9]+[eE]\+[0-9]+$`)

// add takes a row of the table in, once.
func (x *mapped) add() error {
	says := sha256.New()
	_, _ = fmt.Fprintf(says, "%q %q", x.table.Name, x.file) // which never fails
	for i, t := range x.texts {
		x.values[i] = t.of(x.get)
		_, _ = fmt.Fprintf(says, " %q", x.values[i])
	}
	var sum [sha256.Size]byte
	says.Sum(sum[:0])
	if _, again := x.said[sum]; again {
		return nil
	}
	x.said[sum] = struct{}{}
	for _, c := range x.table.Columns {
		place := slices.Index(x.out.Columns, c.Name)
		if place >= 0 && (c.Kind == table.ID || c.Name == "civic_no") && mangled.MatchString(x.values[place]) {
			x.doubt(reason.NumberMangled, "what", x.mapping.File, "column", c.Name)
			return nil
		}
	}
	return x.reading.Add(x.table, x.out)
}
