package sqlx

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

// Snapshot is a session that sees the database as it was at one instant. One goroutine uses it.
type Snapshot struct {
	c    *Client
	db   *sql.DB
	conn *sql.Conn
	tx   *sql.Tx
}

// errTimeout ends a query that takes too long.
var errTimeout = errors.New("the query took too long")

// Begin connects, signs in and begins a snapshot, which the caller closes.
func (c *Client) Begin(ctx context.Context) (*Snapshot, error) {
	connector, err := c.connector()
	if err != nil {
		return nil, err
	}
	s := &Snapshot{c: c, db: sql.OpenDB(connector)}
	limited, cancel := context.WithTimeoutCause(ctx, c.cfg.ConnectTimeout, errTimeout)
	defer cancel()
	if s.conn, err = s.db.Conn(limited); err == nil {
		err = s.begin(ctx)
	} else {
		err = c.explainConnect(ctx, limited, err)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Snapshot) begin(ctx context.Context) (err error) {
	begin := Query{Name: "begin"}
	opts, statements := s.c.begun()
	limited, cancel := context.WithTimeoutCause(ctx, s.c.cfg.ConnectTimeout, errTimeout)
	defer cancel()
	if s.tx, err = s.conn.BeginTx(ctx, opts); err != nil {
		return s.c.explain(ctx, limited, begin, err)
	}
	for _, text := range statements {
		if _, err := s.tx.ExecContext(limited, text); err != nil {
			return s.c.explain(ctx, limited, begin, err)
		}
	}
	return nil
}

// Close ends the session. Nothing was changed, so what it answers does not matter.
func (s *Snapshot) Close() {
	if s.tx != nil {
		_ = s.tx.Rollback()
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	_ = s.db.Close()
}

// Column is a column of a query.
type Column struct {
	Name string // in lower case
	Type string // the database's word: VARCHAR, NUMBER …
	Kind Kind
}

// Kind is what the values of a column are.
type Kind string

// The kinds.
const (
	Text   Kind = "text"
	Number Kind = "a number"
	Date   Kind = "a date"
	Bool   Kind = "yes or no"
	ID     Kind = "a unique identifier"
	Other  Kind = "something else"
)

// Value is what stands in a column of a row, as text: a date as 2026-10-14, yes and no as 1 and 0, without the blanks that
// fill a column of a fixed width.
type Value struct {
	Text string
	Null bool
}

// Query is what is asked.
type Query struct {
	Name  string // what errors call it
	Text  string // a SELECT that can stand in the FROM of another: without ORDER BY, and nothing after it
	Reads string // the view that it reads, for the GRANT to ask for
}

// Columns returns the columns of a query, and reads no row.
func (s *Snapshot) Columns(ctx context.Context, q Query) (columns []Column, err error) {
	q.Text = columnsOf(q.Text)
	err = s.Each(ctx, q, func(c []Column) error { columns = c; return nil }, nil)
	return columns, err
}

func columnsOf(query string) string { return "SELECT * FROM (" + query + ") q WHERE 1 = 0" }

// Mark returns how many rows a query has, and the newest time in a column that says when a row was last changed: one of both
// is another when a row came, was changed or went since. It returns no time where a row has none.
func (s *Snapshot) Mark(ctx context.Context, q Query, column string) (rows int64, newest time.Time, err error) {
	limited, cancel := context.WithTimeoutCause(ctx, s.c.cfg.Timeout, errTimeout)
	defer cancel()
	var dated int64
	var last sql.NullTime
	if err := s.tx.QueryRowContext(limited, markOf(q.Text, column)).Scan(&rows, &dated, &last); err != nil {
		return 0, newest, s.c.explain(ctx, limited, q, err)
	}
	if dated < rows {
		return rows, newest, nil
	}
	return rows, last.Time, nil
}

func markOf(query, column string) string {
	return "SELECT COUNT(*), COUNT(q." + column + "), MAX(q." + column + ") FROM (" + query + ") q"
}

// Each calls columns once, and row for every row of a query as it comes; a row is valid until row returns. An error from
// one of them ends the query and is returned.
func (s *Snapshot) Each(ctx context.Context, q Query, columns func([]Column) error, row func([]Value) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, s.c.cfg.Timeout, errTimeout)
	defer cancel()
	rows, err := s.tx.QueryContext(limited, q.Text)
	if err != nil {
		return s.c.explain(ctx, limited, q, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return s.c.explain(ctx, limited, q, err)
	}
	list := make([]Column, len(types))
	for i, t := range types {
		list[i] = Column{Name: strings.ToLower(t.Name()), Type: t.DatabaseTypeName(), Kind: kindOf(t.DatabaseTypeName())}
	}
	if err := columns(list); err != nil {
		return err
	}
	cells, into, values := make([]cell, len(list)), make([]any, len(list)), make([]Value, len(list))
	for i := range cells {
		cells[i].of, into[i] = list[i].Kind, &cells[i].raw
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return s.c.explain(ctx, limited, q, err)
		}
		for i := range cells {
			values[i] = cells[i].value()
		}
		if row != nil {
			if err := row(values); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return s.c.explain(ctx, limited, q, err)
	}
	return nil
}

// kindOf returns what values of a type are, by the names that the three drivers give types.
func kindOf(name string) Kind {
	name = strings.ToUpper(name)
	switch name {
	case "UUID", "UNIQUEIDENTIFIER":
		return ID
	case "BOOL", "BIT":
		return Bool
	case "DATE", "DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET":
		return Date
	case "NUMBER", "NUMERIC", "DECIMAL", "INT", "INT2", "INT4", "INT8", "BIGINT", "SMALLINT", "TINYINT":
		return Number
	case "TEXT", "BPCHAR", "VARCHAR", "CHAR", "NAME", "NVARCHAR", "NCHAR", "NTEXT", "VARCHAR2", "NVARCHAR2", "LONGVARCHAR", "CITEXT", "UNKNOWN":
		return Text
	}
	if strings.HasPrefix(name, "TIMESTAMP") {
		return Date
	}
	return Other
}

// guidSize is how long a unique identifier of SQL Server is.
const guidSize = 16

// cell is what stands in a column of the row that is read.
type cell struct {
	of  Kind
	raw any
	// The last date of the column, and how it is written: many rows have the same first and last days.
	at   time.Time
	date string
}

func (c *cell) value() Value {
	switch v := c.raw.(type) {
	case nil:
		return Value{Null: true}
	case string:
		return Value{Text: strings.TrimRight(v, " ")}
	case []byte:
		if c.of == ID && len(v) == guidSize {
			var id mssql.UniqueIdentifier
			if err := id.Scan(v); err == nil {
				return Value{Text: id.String()}
			}
		}
		if c.of == Other {
			return Value{Text: hex.EncodeToString(v)}
		}
		return Value{Text: strings.TrimRight(string(v), " ")}
	case bool:
		if v {
			return Value{Text: "1"}
		}
		return Value{Text: "0"}
	case int64:
		return Value{Text: strconv.FormatInt(v, 10)}
	case float64:
		return Value{Text: strconv.FormatFloat(v, 'f', -1, 64)}
	case time.Time:
		if c.date == "" || c.at != v { // and not Equal: what is written is the day there
			c.at, c.date = v, v.Format(time.DateOnly)
		}
		return Value{Text: c.date}
	default:
		return Value{Text: fmt.Sprint(v)}
	}
}

// Grant returns the statements by which the account may read a view; may come in, where no view is named.
func (c *Client) Grant(view string) string {
	switch c.cfg.Driver {
	case PostgreSQL:
		user := quoted(c.cfg.User)
		schema, _, in := strings.Cut(view, ".")
		switch {
		case view == "":
			return "GRANT CONNECT ON DATABASE " + quoted(c.cfg.Database) + " TO " + user + ";"
		case in:
			return "GRANT USAGE ON SCHEMA " + schema + " TO " + user + "; GRANT SELECT ON " + view + " TO " + user + ";"
		}
		return "GRANT SELECT ON " + view + " TO " + user + ";"
	case SQLServer:
		user := "[" + strings.ReplaceAll(c.cfg.User, "]", "]]") + "]"
		if view == "" {
			return "CREATE USER " + user + " FOR LOGIN " + user + ";"
		}
		return "GRANT SELECT ON " + view + " TO " + user + ";"
	default: // whose names are in upper case where they are not quoted, as that of an account is
		if view == "" {
			return "GRANT CREATE SESSION TO " + c.cfg.User + ";"
		}
		return "GRANT SELECT ON " + view + " TO " + c.cfg.User + ";"
	}
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
