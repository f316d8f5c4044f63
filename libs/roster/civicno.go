package roster

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unique"
)

// CivicNoKind says what sort of identity number a [CivicNo] is.
type CivicNoKind string

// The kinds of identity number.
const (
	Personnummer      CivicNoKind = "personnummer"
	Samordningsnummer CivicNoKind = "samordningsnummer"
	Temporary         CivicNoKind = "temporary" // a TF or T number, unique only where it was made
	UnknownNumber     CivicNoKind = "unknown"   // not a valid number; kept as an opaque id
)

// CivicNo is a person's identity number. Two of them are equal (==) when kind and number are; the zero CivicNo is no
// number. It prints masked with every verb, in JSON and in slog (rule R8), also when it stands in an unexported field,
// where fmt calls no method of ours and would print any text or digits that it finds: all it finds here is the address
// of an interned text. [CivicNo.Reveal] is the one way to the number.
type CivicNo struct {
	interned unique.Handle[string] // kind, NUL, number
}

// CivicNoOf returns a number whose kind is known already, as the wire and the log hold it. It checks nothing.
func CivicNoOf(kind CivicNoKind, value string) CivicNo {
	if value == "" {
		return CivicNo{}
	}
	k, _, _ := strings.Cut(string(kind), "\x00")
	return CivicNo{unique.Make(k + "\x00" + value)}
}

// ParseCivicNo reads an identity number as a register writes it: 10 or 12 digits, with - or + or no separator before
// the last four, with blanks anywhere, after the ' by which Excel marks a text, and T and TF in either case. Ten digits
// get the latest century that does not lie after today; a + says that the person turns at least 100 this year.
//
// It never fails. What is no valid number (no such day, born after today, wrong check digit, an organisationsnummer)
// has the kind [UnknownNumber] and keeps its text without the surrounding blanks; an empty text is the zero CivicNo.
func ParseCivicNo(raw string, today Date) CivicNo {
	raw = strings.TrimLeftFunc(strings.TrimFunc(raw, isBlank), func(r rune) bool { return r == '\'' || isBlank(r) })
	if kind, value := readCivicNo(raw, today); kind != "" {
		return CivicNoOf(kind, value)
	}
	return CivicNoOf(UnknownNumber, strings.ToValidUTF8(raw, "\uFFFD"))
}

// isBlank also takes the zero-width blanks that survive a copy from a web page.
func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' || r == '\u200B' }

// readCivicNo returns the kind of a valid number and its 12 characters, or no kind.
func readCivicNo(raw string, today Date) (CivicNoKind, string) {
	var buf [12]byte
	text, plus := buf[:0], false
	left := 0 // characters after the separator
	for _, r := range raw {
		switch {
		case isBlank(r):
			continue
		case (r == '-' || r == '+' || r == '\u2010' || r == '\u2013' || r == '\u2212') && left == 0 && len(text) >= 6:
			plus, left = r == '+', len(text)+4
			continue
		case r == 't' || r == 'f':
			r -= 'a' - 'A'
		case (r < '0' || r > '9') && r != 'T' && r != 'F':
			return "", ""
		}
		if len(text) == len(buf) {
			return "", ""
		}
		text = append(text, byte(r))
	}
	if len(text) != 10 && len(text) != 12 || left != 0 && left != len(text) {
		return "", ""
	}
	day, serial := text[:len(text)-4], text[len(text)-4:]
	if !isDigits(day) {
		return "", ""
	}
	kind := kindOfSerial(serial)
	if kind == Personnummer {
		if !luhn(text[len(text)-10:]) {
			return "", ""
		}
		if day[len(day)-2] >= '6' {
			kind = Samordningsnummer
		}
	}
	born := number(day)
	if kind == Samordningsnummer {
		born -= 60
	}
	if len(day) == 6 {
		born += century(born, plus, today)
	}
	if kind == "" || born < 1800_00_00 || Date(born) > today || !exists(Date(born)) {
		return "", ""
	}
	full := born
	if kind == Samordningsnummer {
		full += 60
	}
	return kind, strconv.Itoa(full) + string(serial)
}

// century returns what to add to a date YYMMDD. A + stands from the year in which the person turns 100.
func century(yymmdd int, plus bool, today Date) int {
	latest := int(today)
	if plus {
		latest = (int(today)/10000-100)*10000 + 12_31
	}
	c := latest / 100_00_00
	if c*100_00_00+yymmdd > latest {
		c--
	}
	return c * 100_00_00
}

// kindOfSerial tells the kind by the last four characters: NNNN, TFnn or Tnnn.
func kindOfSerial(s []byte) CivicNoKind {
	switch {
	case isDigits(s):
		return Personnummer
	case s[0] == 'T' && (s[1] == 'F' && isDigits(s[2:]) || isDigits(s[1:])):
		return Temporary
	default:
		return ""
	}
}

func isDigits[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

func number(digits []byte) (n int) {
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}

// luhn checks YYMMDDNNNC: the weights are 2, 1, 2, 1 ... and the century never takes part.
func luhn(digits []byte) bool {
	sum := 0
	for i, c := range digits {
		n := int(c - '0')
		if i%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// exists tells whether the calendar has the day.
func exists(d Date) bool {
	y, m, day := d.parts()
	return m >= 1 && m <= 12 && day >= 1 && NewDate(y, m, day) == d
}

func (n CivicNo) text() string {
	if n.IsZero() {
		return ""
	}
	return n.interned.Value()
}

// IsZero tells whether there is no number.
func (n CivicNo) IsZero() bool { return n == CivicNo{} }

// Equal tells whether kind and number are equal, as == does.
func (n CivicNo) Equal(o CivicNo) bool { return n == o }

// Kind returns the kind of number; nothing for the zero CivicNo.
func (n CivicNo) Kind() CivicNoKind {
	kind, _, _ := strings.Cut(n.text(), "\x00")
	return CivicNoKind(kind)
}

// Reveal returns the number: 12 characters without separator for a valid one, else the text that the source had. Call
// it only to make a key, to write a record, or for a target that needs the number.
func (n CivicNo) Reveal() string {
	_, value, _ := strings.Cut(n.text(), "\x00")
	return value
}

// Born returns the day of birth that a valid number tells, or an open date.
func (n CivicNo) Born() Date {
	day, ok := n.day()
	if !ok {
		return 0
	}
	d := Date(number([]byte(day)))
	if n.Kind() == Samordningsnummer {
		d -= 60
	}
	if !exists(d) {
		return 0
	}
	return d
}

// day returns the first eight characters of a valid number.
func (n CivicNo) day() (string, bool) {
	v := n.Reveal()
	switch n.Kind() {
	case Personnummer, Samordningsnummer, Temporary:
		if len(v) == 12 && isDigits(v[:8]) {
			return v[:8], true
		}
	}
	return "", false
}

// String returns YYYYMMDD-**** for a valid number, else the mask, or nothing for no number.
func (n CivicNo) String() string {
	if n.IsZero() {
		return ""
	}
	if day, ok := n.day(); ok {
		return day + "-****"
	}
	return masked
}

// Format prints what String returns for every verb and flag.
func (n CivicNo) Format(f fmt.State, _ rune) { fmt.Fprint(f, n.String()) }

// GoString returns what String returns.
func (n CivicNo) GoString() string { return n.String() }

// MarshalText returns what String returns; JSON takes it too.
func (n CivicNo) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// LogValue returns what String returns.
func (n CivicNo) LogValue() slog.Value { return slog.StringValue(n.String()) }
