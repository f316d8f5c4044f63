package sqlviews

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// emails are the addresses of persons by what the file calls them: their id, or their number.
type emails struct {
	print string // of the file
	by    string // id or civic_no
	today roster.Date
	list  map[string]string
}

// of returns the address of a person; nothing of who has none in the file.
func (e emails) of(p fact.Person) string {
	who := p.ID
	if e.by == civicNo {
		who = p.CivicNo
	}
	if len(e.list) == 0 || who == "" {
		return ""
	}
	return e.list[e.key(who)]
}

// key spells a number in one way, whichever it is written in.
func (e emails) key(who string) string {
	if e.by == civicNo {
		return roster.ParseCivicNo(who, e.today).Reveal()
	}
	return who
}

const (
	ofEmails = "emails" // what errors call the file
	civicNo  = "civic_no"
	maxFile  = 256 << 20
)

// readEmails reads the file of the settings. One without an address ends the read: it would take everybody's away.
func (s *Source) readEmails(r *table.Reading) (emails, error) {
	if s.cfg.Emails == "" {
		return emails{}, nil
	}
	refuse := func(err error) (emails, error) {
		return emails{}, reason.Errorf(reason.Misconfigured, nil, reason.FileUnusable, "file", s.cfg.Emails, "what", err)
	}
	file, err := os.Open(s.cfg.Emails)
	if err != nil {
		return refuse(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return refuse(err)
	}
	sum := sha256.Sum256(text)
	e, twice, err := parseEmails(text, roster.Today(s.now()))
	if err != nil {
		return refuse(err)
	}
	e.print = hex.EncodeToString(sum[:])
	if len(e.list) == 0 {
		return e, reason.Errorf(reason.Transient, nil, reason.QueryWithoutRows, "query", ofEmails)
	}
	for _, row := range twice {
		r.Find(table.Row{Of: ofEmails, N: row.row}, reason.RowDuplicate, "file", s.cfg.Emails, "row", strconv.Itoa(row.row), "column", e.by, "other", strconv.Itoa(row.other))
	}
	return e, nil
}

// repeated is a row that says again what another one said.
type repeated struct{ row, other int }

var errColumns = errors.New("its first row does not name the columns email, and id or civic_no")

// parseEmails reads a CSV text, separated by commas or semicolons, of which the last row about a person counts. A row
// without who or without an address says nothing.
func parseEmails(text []byte, today roster.Date) (e emails, twice []repeated, err error) {
	e = emails{today: today, list: map[string]string{}}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	first, _, _ := bytes.Cut(text, []byte("\n"))
	table := csv.NewReader(bytes.NewReader(text))
	table.FieldsPerRecord, table.LazyQuotes, table.ReuseRecord = -1, true, true
	if bytes.ContainsRune(first, ';') {
		table.Comma = ';'
	}
	header, err := table.Read()
	if err != nil {
		return e, nil, errColumns
	}
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.ToLower(strings.TrimSpace(name))
	}
	who, address := slices.Index(names, "id"), slices.Index(names, "email")
	if e.by = "id"; who < 0 {
		e.by, who = civicNo, slices.Index(names, civicNo)
	}
	if who < 0 || address < 0 {
		return e, nil, errColumns
	}
	rows := map[string]int{}
	for n := 2; ; n++ {
		fields, err := table.Read()
		switch {
		case errors.Is(err, io.EOF):
			return e, twice, nil
		case err != nil:
			return e, nil, errors.New("row " + strconv.Itoa(n) + " is not CSV")
		case max(who, address) >= len(fields):
			continue
		}
		key, email := strings.TrimSpace(fields[who]), strings.TrimSpace(fields[address])
		if key == "" || email == "" {
			continue
		}
		key = e.key(key)
		if other, again := rows[key]; again {
			twice = append(twice, repeated{n, other})
		}
		rows[key], e.list[key] = n, email
	}
}
