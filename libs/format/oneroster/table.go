package oneroster

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/csvfile"
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
	in := csvfile.New(f, csvfile.Options{MaxRow: r.MaxRow, Loose: r.Loose})
	x := row{file: t.name + ".csv", delta: p.delta}
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		x.fields, x.line, err = in.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
		case x.columns == nil:
			err = r.header(t, &x)
		default:
			err = r.row(t, x)
		}
		if err != nil {
			return r.said(err, x.file)
		}
	}
}

// said gives what is wrong with a file its reason.
func (r *reader) said(err error, file string) error {
	wrong, ok := errors.AsType[*csvfile.Error](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, ErrTruncated):
		return r.refuse(reason.TruncatedFile, wrong.Cause, file, wrong.Line, wrong.What)
	default:
		return r.refuse(reason.Unreadable, wrong.Cause, file, wrong.Line, wrong.What)
	}
}

// header learns the columns.
func (r *reader) header(t table, x *row) (err error) {
	if x.columns, err = csvfile.Columns(x.fields, x.line); err != nil {
		return err
	}
	x.width = len(x.fields)
	delete(x.columns, "password")
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
