// Package sqlviews reads a register out of its database by queries with fixed columns: a contract of ours, for no vendor's
// tables are public. A vendor is a [Config] with defaults, and views that whoever runs the database makes.
//
// The queries are the tables of libs/format/table, with its columns. All are read in one snapshot of the database; before
// the first row is read, every query has shown that its columns are there and of a type that can be meant. Any error of any
// query ends the read, and nothing of it is believed. A query without rows ends the read too, for it is more often a fault
// than the truth.
package sqlviews

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/ahead"
	"eventful.se/ess/libs/transport/sqlx"
)

// Source reads one register.
type Source struct {
	cfg    Config
	client *sqlx.Client
	now    func() time.Time
}

var (
	_ source.Source  = (*Source)(nil)
	_ source.Checker = (*Source)(nil)
)

// New returns a source for valid settings. It uses no network.
func New(cfg Config, env source.Env) *Source {
	return &Source{cfg: cfg, client: sqlx.New(cfg.DB), now: env.Now}
}

// Read reads everything, or nothing where the database says that nothing has changed; see [Config].Modified.
func (s *Source) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	res := source.Result{Origin: s.client.Address() + "/" + s.cfg.DB.Database}
	snapshot, err := s.client.Begin(ctx)
	if err != nil {
		return res, err
	}
	defer snapshot.Close()
	asked, err := s.queries()
	if err != nil {
		return res, err
	}
	for _, q := range asked {
		if err := s.columns(ctx, snapshot, q); err != nil {
			return res, err
		}
	}
	r := table.NewReading(s.cfg.Profile, roster.Today(s.now()), emit)
	own, err := s.readEmails(r)
	if err != nil {
		return res, err
	}
	now, why, err := s.stands(ctx, snapshot, asked, own)
	if err != nil {
		return res, err
	}
	if now.since(since) {
		res.Cursor = now.cursor()
		return res, nil
	}
	r.Email = own.of
	for _, q := range asked {
		if err := read(ctx, snapshot, q, r); err != nil {
			return res, err
		}
		if r.Seen[q.Name] == 0 && !slices.Contains(s.cfg.MayBeEmpty, q.Name) {
			return res, reason.Errorf(reason.Transient, nil, reason.QueryWithoutRows, "query", q.Name)
		}
	}
	res.Complete, res.Seen, res.Findings = !r.Odd, r.Seen, r.Findings
	if why != "" {
		res.Findings = append(res.Findings, fact.Finding{Reason: reason.New(reason.DeltaDoubtful, "what", why), Severity: fact.Info, Effect: fact.Noted})
	}
	if res.Complete {
		res.Cursor = now.cursor()
	}
	return res, nil
}

// asking is a query of the contract with what is asked for it.
type asking struct {
	table.Table
	ask sqlx.Query
}

// queries returns what is asked, in order.
func (s *Source) queries() (list []asking, err error) {
	for _, q := range s.cfg.Profile.Tables() {
		if slices.Contains(s.cfg.Without, q.Name) {
			continue
		}
		own := s.cfg.Queries[q.Name]
		view := own.View
		if view == "" {
			view = q.Name
		}
		if s.cfg.Schema != "" {
			view = s.cfg.Schema + "." + view
		}
		a := asking{q, sqlx.Query{Name: q.Name, Text: "SELECT * FROM " + view, Reads: view}}
		if own.File != "" {
			if a.ask.Text, err = readQuery(own.File); err != nil {
				return nil, reason.Errorf(reason.Misconfigured, nil, reason.FileUnusable, "file", own.File, "what", err)
			}
			a.ask.Reads = "what it reads"
		}
		list = append(list, a)
	}
	return list, nil
}

// maxQuery is how long a query in a file may be.
const maxQuery = 1 << 20

func readQuery(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxQuery))
	if err != nil {
		return "", err
	}
	query := strings.TrimRight(strings.TrimSpace(string(text)), "; \r\n")
	if len(query) < len("select") || !strings.EqualFold(query[:len("select")], "select") || strings.Contains(query, ";") {
		return "", errors.New("it is not one SELECT")
	}
	return query, nil
}

func (s *Source) columns(ctx context.Context, snapshot *sqlx.Snapshot, q asking) error {
	columns, err := snapshot.Columns(ctx, q.ask)
	if err != nil {
		return err
	}
	if err := check(q.Table, columns); err != nil || s.cfg.Modified == "" {
		return err
	}
	return checkModified(q.Name, strings.ToLower(s.cfg.Modified), columns)
}

// check tells the first column that is missing, or that cannot be what it should.
func check(t table.Table, columns []sqlx.Column) error {
	for _, want := range t.Columns {
		i := slices.IndexFunc(columns, func(c sqlx.Column) bool { return c.Name == want.Name })
		switch {
		case i < 0 && want.Need == table.Optional:
		case i < 0:
			return reason.Errorf(reason.Misconfigured, nil, reason.ColumnMissing, "query", t.Name, "column", want.Name)
		case !can(want.Kind, columns[i].Kind):
			return unlike(t.Name, columns[i], string(want.Kind))
		}
	}
	return nil
}

// checkModified tells that a query lacks the column that says when a row was last changed.
func checkModified(query, column string, columns []sqlx.Column) error {
	i := slices.IndexFunc(columns, func(c sqlx.Column) bool { return c.Name == column })
	switch {
	case i < 0:
		return reason.Errorf(reason.Misconfigured, nil, reason.ColumnMissing, "query", query, "column", column)
	case columns[i].Kind != sqlx.Date:
		return unlike(query, columns[i], "a date with its time")
	}
	return nil
}

func unlike(query string, c sqlx.Column, want string) error {
	return reason.Errorf(reason.Misconfigured, nil, reason.ColumnUnlike, "query", query, "column", c.Name, "type", strings.ToLower(c.Type), "want", want)
}

// can tells whether a column of the contract can be what a database has.
func can(k table.Kind, of sqlx.Kind) bool {
	switch k {
	case table.ID:
		return of == sqlx.Text || of == sqlx.Number || of == sqlx.ID
	case table.Text:
		return of == sqlx.Text || of == sqlx.Number
	case table.Date:
		return of == sqlx.Date || of == sqlx.Text
	default:
		return of == sqlx.Bool || of == sqlx.Number || of == sqlx.Text
	}
}

// rowsAtOnce is how many rows are handed over together.
const rowsAtOnce = 500

// rows are some rows of a query.
type rows struct {
	columns []string
	values  []sqlx.Value // of all rows, one after the other
}

// read reads the rows of a query. Some are taken in while the next ones come.
func read(ctx context.Context, snapshot *sqlx.Snapshot, q asking, r *table.Reading) error {
	fetched := func(ctx context.Context, send func(rows) bool) error { return fetch(ctx, snapshot, q, send) }
	var values []sqlx.Value
	x := table.Row{Of: q.Name, Value: func(place int) string { return values[place].Text }}
	for some, err := range ahead.Of(ctx, fetched) {
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		x.Columns = some.columns
		for values = range slices.Chunk(some.values, len(some.columns)) {
			x.N++
			if err := r.Add(q.Table, x); err != nil {
				return err
			}
		}
	}
	return nil
}

func fetch(ctx context.Context, snapshot *sqlx.Snapshot, q asking, send func(rows) bool) error {
	var some rows
	columns := func(list []sqlx.Column) error {
		for _, c := range list {
			some.columns = append(some.columns, c.Name)
		}
		return check(q.Table, list)
	}
	each := func(row []sqlx.Value) error {
		if some.values = append(some.values, row...); len(some.values) < rowsAtOnce*len(row) {
			return nil
		}
		if !send(some) {
			return context.Cause(ctx)
		}
		some.values = make([]sqlx.Value, 0, rowsAtOnce*len(row))
		return nil
	}
	if err := snapshot.Each(ctx, q.ask, columns, each); err != nil {
		return err
	}
	if len(some.values) > 0 {
		send(some)
	}
	return nil
}

// The steps of Check before those of the queries.
const (
	stepConnect     = "connect"
	stepCertificate = "certificate"
	stepSignIn      = "sign-in"
	stepSnapshot    = "snapshot"
)

// Check goes through what a read needs and tells each step: connect, certificate, sign-in, snapshot, and one step for each
// query, with the GRANT that it needs. It reads no row.
func (s *Source) Check(ctx context.Context, step func(name, detail string, err error)) error {
	failed := func(name string, err error) error {
		step(name, "", err)
		return fmt.Errorf("check of %s, step %s: %w", s.client.Address(), name, err)
	}
	snapshot, err := s.client.Begin(ctx)
	broken := ""
	if err != nil {
		broken = stepOf(err)
	} else {
		defer snapshot.Close()
	}
	for _, name := range []string{stepConnect, stepCertificate, stepSignIn, stepSnapshot} {
		if name == broken {
			return failed(name, err)
		}
		step(name, "", nil)
	}
	asked, err := s.queries()
	if err != nil {
		return failed("queries", err)
	}
	if s.cfg.Emails != "" {
		if _, err := s.readEmails(table.NewReading(s.cfg.Profile, roster.Today(s.now()), nil)); err != nil {
			return failed("emails", err)
		}
		step("emails", s.cfg.Emails, nil)
	}
	for _, q := range asked {
		if err := s.columns(ctx, snapshot, q); err != nil {
			return failed(q.Name, err)
		}
		step(q.Name, s.client.Grant(q.ask.Reads), nil)
	}
	return nil
}

// stepOf returns the step at which a session did not come about.
func stepOf(err error) string {
	switch reason.Of(err).Code {
	case reason.CertificateUnknown, reason.CertificateName, reason.CertificateExpired, reason.EncryptionFailed:
		return stepCertificate
	case reason.WrongCredentials, reason.AccountLocked, reason.PasswordExpired, reason.DatabaseMissing, reason.GrantMissing:
		return stepSignIn
	case reason.SnapshotRefused, reason.QueryRefused:
		return stepSnapshot
	default:
		return stepConnect
	}
}
