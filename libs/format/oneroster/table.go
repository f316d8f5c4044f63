package oneroster

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
)

// table is a file that is read.
type table struct {
	name    string   // without its ending, as OneRoster writes it
	columns []string // without which it is not read
	filled  []string // columns in which every row has something, if it is not over
	each    func(row) error
	again   bool // it is read once more, and only then counted
}

// row is a row of a file.
type row struct {
	file    string
	line    int
	columns map[string]int // by the name in lower case
	width   int            // cells of the header
	fields  []string
	delta   bool
}

// get returns a field by the name of its column, without blanks around it; nothing where there is none.
func (x row) get(column string) string {
	if i, ok := x.columns[strings.ToLower(column)]; ok && i < len(x.fields) {
		return strings.Clone(strings.TrimSpace(x.fields[i])) // the fields of a row are one text, with a password in it
	}
	return ""
}

// list returns the values of a field that may have several.
func (x row) list(column string) []string {
	var out []string
	for s := range strings.SplitSeq(x.get(column), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (x row) where() string { return fmt.Sprintf("%s line %d", x.file, x.line) }

// ended tells whether a row says that what it is about is over. A word that OneRoster does not have says nothing.
func (x row) ended() bool {
	status := strings.ToLower(x.get("status"))
	return status == "tobedeleted" || status == "inactive"
}

// fits tells whether a row has the cells of the header, and something in each of these columns.
func (x row) fits(filled []string) bool {
	if len(x.fields) < x.width || slices.ContainsFunc(x.fields[x.width:], func(s string) bool { return strings.TrimSpace(s) != "" }) {
		return false
	}
	return x.ended() || !slices.ContainsFunc(filled, func(column string) bool { return x.get(column) == "" })
}

// table reads a file of the set, if the set has it.
func (r *reader) table(t table) error {
	p, ok := r.parts[strings.ToLower(t.name)]
	if !ok {
		return nil
	}
	f, err := r.set.Open(p.name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := &input{r: bufio.NewReader(f), limit: r.MaxRow}
	c := csv.NewReader(in)
	c.FieldsPerRecord, c.ReuseRecord = -1, true
	x := row{file: t.name + ".csv", delta: p.delta}
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		in.row = 0
		x.fields, err = c.Read()
		if err != nil {
			return r.end(err, x, in)
		}
		x.line, _ = c.FieldPos(0)
		if slices.ContainsFunc(x.fields, func(s string) bool { return !utf8.ValidString(s) }) {
			return r.refuse(reason.Unreadable, ErrMalformed, x.file, x.line, "it is not UTF-8")
		}
		if x.columns == nil {
			err = r.header(t, &x)
		} else {
			err = r.row(t, x)
		}
		if err != nil {
			return err
		}
	}
}

// header learns the columns. A cell without a name has none.
func (r *reader) header(t table, x *row) error {
	x.columns, x.width = map[string]int{}, len(x.fields)
	for i, name := range x.fields {
		name = strings.ToLower(strings.TrimSpace(name))
		if strings.ContainsAny(name, "\r\n") { // lines that end in a carriage return only are all one header
			return r.refuse(reason.Unreadable, ErrMalformed, x.file, x.line, "the name of a column has a line end in it; lines have to end in LF or CRLF")
		}
		if _, twice := x.columns[name]; twice {
			return r.refuse(reason.Unreadable, ErrAmbiguous, x.file, x.line, "two columns have one name")
		}
		if name != "" && name != "password" {
			x.columns[name] = i
		}
	}
	needs := t.columns
	if x.delta {
		needs = append(slices.Clone(needs), "status") // without it who is deleted would stay
	}
	for _, name := range needs {
		if _, ok := x.columns[strings.ToLower(name)]; !ok {
			return r.refuse(reason.Unreadable, ErrMissing, x.file, x.line, fmt.Sprintf("the header has no column %q, with commas between the columns", name))
		}
	}
	return nil
}

// row hands a row on, if it has the cells of the header and an id.
func (r *reader) row(t table, x row) error {
	if t.name == manifest {
		return t.each(x)
	}
	if !t.again {
		r.seen[t.name]++
	}
	switch {
	case x.fits(t.filled) && x.get("sourcedId") != "":
		return t.each(x)
	case t.again:
	case x.get("sourcedId") == "" && x.fits(nil):
		r.unread(x, reason.ElementWithoutID)
	default:
		r.unread(x, reason.RowUnreadable)
	}
	return nil
}

// unread counts a row that was left out. It may be about anybody, so that nobody counts as gone.
func (r *reader) unread(x row, code reason.Code) {
	r.complete = false
	r.find(code, fact.Serious, x)
}

// end says what the end of a file means.
func (r *reader) end(err error, x row, in *input) error {
	line := in.lines + 1
	parse, isCSV := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errRow):
		return r.refuse(reason.Unreadable, ErrRow, x.file, line, fmt.Sprintf("a row is longer than %d bytes, or a quotation mark that it begins with has no end", r.MaxRow))
	case isCSV && errors.Is(parse.Err, csv.ErrQuote) && in.ended:
		return r.refuse(reason.TruncatedFile, ErrTruncated, x.file, line, "a quotation mark has no end")
	case isCSV:
		return r.refuse(reason.Unreadable, ErrMalformed, x.file, parse.Line, "quotation marks do not stand as in CSV")
	case !errors.Is(err, io.EOF):
		return err
	case x.columns == nil:
		return r.refuse(reason.TruncatedFile, ErrTruncated, x.file, line, "it has no header")
	case r.Loose && in.last != '\n':
		return r.refuse(reason.TruncatedFile, ErrTruncated, x.file, line, "its last line has no end")
	}
	return nil
}

var errRow = errors.New("too many bytes for a row")

// input bounds the bytes of a row, so that a quotation mark without an end does not take the memory; and it leaves out
// the byte order mark.
type input struct {
	r     *bufio.Reader
	limit int
	row   int // bytes handed out since a row began
	begun bool
	ended bool
	last  byte
	lines int
}

func (in *input) Read(b []byte) (int, error) {
	if !in.begun {
		in.begun = true
		mark, err := in.r.Peek(3)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err // which is not told again
		}
		if string(mark) == "\ufeff" {
			_, _ = in.r.Discard(3) // it was peeked at
		}
	}
	if in.row > in.limit {
		return 0, errRow
	}
	n, err := in.r.Read(b)
	in.row += n
	in.lines += bytes.Count(b[:n], []byte{'\n'})
	if n > 0 {
		in.last = b[n-1]
	}
	in.ended = in.ended || errors.Is(err, io.EOF)
	return n, err
}
