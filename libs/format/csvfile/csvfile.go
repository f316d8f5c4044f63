// Package csvfile reads the rows of a CSV file that nobody vouches for: its rows are bounded, a byte order mark is passed
// over, and an end that is none is told from one.
package csvfile

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
)

// Options are what a read needs beside the file.
type Options struct {
	Comma  rune // between the fields; a comma when it is 0
	MaxRow int  // bytes of a row; 1 MiB when it is 0
	// Loose says that nothing but its text tells whether the file is whole: one whose last line has no end is then cut off.
	Loose bool
}

// The causes of a file that is not read.
var (
	ErrMalformed = errors.New("the file is not CSV in UTF-8")
	ErrTruncated = errors.New("the file ends too early")
	ErrRow       = errors.New("a row is longer than the limit")
	ErrAmbiguous = errors.New("two files or columns have one name")
)

// Error says what is wrong with a file, and where. It quotes nothing that stands there (rule R8).
type Error struct {
	Cause error // one of the causes above
	Line  int
	What  string
}

// Error returns the line and what is wrong with it.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.What) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Reader reads a file row by row.
type Reader struct {
	o    Options
	in   *input
	csv  *csv.Reader
	line int
	any  bool
}

// New returns what reads a file.
func New(r io.Reader, o Options) *Reader {
	if o.MaxRow <= 0 {
		o.MaxRow = 1 << 20
	}
	in := &input{r: bufio.NewReader(r), limit: o.MaxRow}
	c := csv.NewReader(in)
	c.FieldsPerRecord, c.ReuseRecord = -1, true
	if o.Comma != 0 {
		c.Comma = o.Comma
	}
	return &Reader{o: o, in: in, csv: c}
}

// Read returns the fields of the next row, which are another row's after the next call, and the line on which it begins. At
// the end of a whole file that is io.EOF; any other error is an [Error], or that of the file.
func (r *Reader) Read() (fields []string, line int, err error) {
	r.in.row = 0
	fields, err = r.csv.Read()
	if err != nil {
		return nil, 0, r.end(err)
	}
	r.any = true
	r.line, _ = r.csv.FieldPos(0)
	if slices.ContainsFunc(fields, func(s string) bool { return !utf8.ValidString(s) }) {
		return nil, 0, r.wrong(ErrMalformed, r.line, "it is not UTF-8")
	}
	return fields, r.line, nil
}

// Columns returns the places of the columns that a first row names, by the name in lower case. A cell without a name has none.
func Columns(header []string, line int) (map[string]int, error) {
	columns := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if strings.ContainsAny(name, "\r\n") { // lines that end in a carriage return only are all one header
			return nil, &Error{ErrMalformed, line, "the name of a column has a line end in it; lines have to end in LF or CRLF"}
		}
		if _, twice := columns[name]; twice && name != "" {
			return nil, &Error{ErrAmbiguous, line, "two columns have one name"}
		}
		if name != "" {
			columns[name] = i
		}
	}
	return columns, nil
}

func (r *Reader) wrong(cause error, line int, what string) error { return &Error{cause, line, what} }

// end says what the end of a file means.
func (r *Reader) end(err error) error {
	line := r.in.lines + 1
	parse, isCSV := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errRow):
		return r.wrong(ErrRow, line, fmt.Sprintf("a row is longer than %d bytes, or a quotation mark that it begins with has no end", r.o.MaxRow))
	case isCSV && errors.Is(parse.Err, csv.ErrQuote) && r.in.ended:
		return r.wrong(ErrTruncated, line, "a quotation mark has no end")
	case isCSV:
		return r.wrong(ErrMalformed, parse.Line, "quotation marks do not stand as in CSV")
	case !errors.Is(err, io.EOF):
		return err
	case !r.any:
		return r.wrong(ErrTruncated, line, "it has no header")
	case r.o.Loose && r.in.last != '\n':
		return r.wrong(ErrTruncated, line, "its last line has no end")
	}
	return io.EOF
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
