package sqlx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/integratedauth"
	"github.com/sijms/go-ora/v2/network"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// TestErrors gives the client what the three drivers return; the numbers of SQL Server and Oracle are those of their manuals.
func TestErrors(t *testing.T) {
	const quoted = "Kanarina"
	pg := func(state string) error { return &pgconn.PgError{Code: state, Message: quoted} }
	ms := func(n ...int32) error { return sqlServerError(quoted, n...) }
	or := func(n int) error { return &network.OracleError{ErrCode: n, ErrMsg: quoted} }
	for want, list := range map[reason.Code][]error{
		reason.ViewMissing:      {pg("42P01"), pg("3F000"), ms(208), or(942)},
		reason.ColumnMissing:    {pg("42703"), ms(207), ms(207, 4413), or(904)},
		reason.GrantMissing:     {pg("42501"), ms(229), or(1031), or(41900)},
		reason.RowsLocked:       {pg("55P03"), pg("40P01"), ms(1222), ms(1205), or(54), or(30006), or(4021)},
		reason.StatementTimeout: {pg("57014"), or(1013), or(40), or(2395)},
		reason.SessionEnded:     {pg("57P01"), pg("08006"), ms(596), or(28), or(41), or(2396), or(3113), io.ErrUnexpectedEOF, errors.New("driver: bad connection")},
		reason.SnapshotRefused:  {ms(3952), ms(3956)},
		reason.SnapshotLost:     {pg("40001"), ms(3953), ms(3958), ms(3961), or(1555), or(1466), or(8176)},
		reason.QueryRefused:     {pg("22P02"), ms(245), ms(4413), ms(233), or(1722), or(4063), errors.New(quoted)},
	} {
		for _, err := range list {
			for _, d := range []Driver{PostgreSQL, SQLServer, Oracle} {
				c := New(Config{Driver: d, Host: "db.example", User: "reader"})
				got := c.explain(t.Context(), t.Context(), Query{Name: "persons", Reads: "ess.persons"}, fmt.Errorf("query: %w", err))
				if reason.Of(got).Code != want {
					t.Errorf("%v is %v, want %s", err, got, want)
				}
				if strings.Contains(got.Error(), quoted) {
					t.Errorf("R8: the error quotes what the database said: %v", got)
				}
				if text := reason.Of(got); strings.Contains(text.Text(reason.English)+text.Next(reason.English), "{") {
					t.Errorf("%s lacks an argument: %s %s", want, text.Text(reason.English), text.Next(reason.English))
				}
			}
		}
	}
}

// TestSignInErrors is of a session that does not come about.
func TestSignInErrors(t *testing.T) {
	for want, list := range map[reason.Code][]error{
		reason.WrongCredentials: {&pgconn.PgError{Code: "28P01"}, sqlServerError("", 18456), &network.OracleError{ErrCode: 1017}},
		reason.AccountLocked:    {sqlServerError("", 18486), &network.OracleError{ErrCode: 28000}},
		reason.PasswordExpired:  {sqlServerError("", 18488), &network.OracleError{ErrCode: 28001}},
		reason.DatabaseMissing:  {&pgconn.PgError{Code: "3D000"}, sqlServerError("", 4060, 18456), &network.OracleError{ErrCode: 12514}},
		reason.Unreachable:      {&network.OracleError{ErrCode: 12541}, io.EOF, errors.New("no route")},
		reason.GrantMissing:     {&pgconn.PgError{Code: "42501"}, &network.OracleError{ErrCode: 1045}},
		reason.Throttled: {
			&pgconn.PgError{Code: "53300"}, sqlServerError("", 17142, 18456), sqlServerError("", 921), &network.OracleError{ErrCode: 12516}, &network.OracleError{ErrCode: 2391},
		},
	} {
		for _, err := range list {
			c := New(Config{Driver: Oracle, Host: "db.example", User: "reader", Database: "extens"})
			got := c.explainConnect(t.Context(), context.Background(), err)
			if reason.Of(got).Code != want {
				t.Errorf("%v is %v, want %s", err, got, want)
			}
			if text := reason.Of(got); strings.Contains(text.Text(reason.Swedish), "{") {
				t.Errorf("%s lacks an argument: %s", want, text.Text(reason.Swedish))
			}
		}
	}
}

// sqlServerError is what the driver makes of the errors that a statement ended with: the last one, with all of them.
func sqlServerError(text string, numbers ...int32) error {
	var e mssql.Error
	all := make([]mssql.Error, 0, len(numbers))
	for _, n := range numbers {
		e = mssql.Error{Number: n, Message: text}
		all = append(all, e)
	}
	e.All = all
	return e
}

// TestStatements is the SQL by which each database gives one snapshot and its columns, and the rights to ask for.
func TestStatements(t *testing.T) {
	for d, want := range map[Driver][]string{
		PostgreSQL: {
			"Repeatable Read true []", `GRANT USAGE ON SCHEMA ess TO "rea""der"; GRANT SELECT ON ess.persons TO "rea""der";`,
			`GRANT SELECT ON persons TO "rea""der";`, `GRANT CONNECT ON DATABASE "Extens" TO "rea""der";`,
		},
		SQLServer: {
			"Snapshot false [SET LOCK_TIMEOUT 60000]", `GRANT SELECT ON ess.persons TO [rea"der];`, `GRANT SELECT ON persons TO [rea"der];`,
			`CREATE USER [rea"der] FOR LOGIN [rea"der];`,
		},
		Oracle: {
			"Default false [SET TRANSACTION READ ONLY]", `GRANT SELECT ON ess.persons TO rea"der;`, `GRANT SELECT ON persons TO rea"der;`,
			`GRANT CREATE SESSION TO rea"der;`,
		},
	} {
		c := New(Config{Driver: d, User: `rea"der`, Database: "Extens"})
		opts, statements := c.begun()
		got := []string{strings.TrimSpace(fmt.Sprintln(opts.Isolation, opts.ReadOnly, statements)), c.Grant("ess.persons"), c.Grant("persons"), c.Grant("")}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
	if got, want := columnsOf("SELECT * FROM ess.persons"), "SELECT * FROM (SELECT * FROM ess.persons) q WHERE 1 = 0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := markOf("SELECT * FROM ess.persons", "changed"), "SELECT COUNT(*), COUNT(q.changed), MAX(q.changed) FROM (SELECT * FROM ess.persons) q"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTypes is what the drivers call the types of columns, by their source, and what comes of values.
func TestTypes(t *testing.T) {
	day := time.Date(2026, 10, 14, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		kind Kind
		v    any
		want string
	}{
		{"NVARCHAR", Text, "Provskolan  ", "Provskolan"},
		{"CHAR", Text, []byte("p-1   "), "p-1"},
		{"UNIQUEIDENTIFIER", ID, []byte{4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16}, "01020304-0506-0708-090A-0B0C0D0E0F10"},
		{"BIT", Bool, true, "1"},
		{"INT", Number, int64(7), "7"},
		{"DECIMAL", Number, []byte("7"), "7"},
		{"DATETIME2", Date, day, "2026-10-14"},
		{"NCHAR", Text, "VARCHAR2 of Oracle's driver ", "VARCHAR2 of Oracle's driver"},
		{"NUMBER", Number, "12", "12"},
		{"DATE", Date, day, "2026-10-14"},
		{"TimeStampDTY", Date, day, "2026-10-14"},
		{"RAW", Other, []byte{0xab, 1}, "ab01"},
		{"OCIClobLocator", Other, nil, ""},
		{"BPCHAR", Text, "p-1 ", "p-1"},
		{"TIMESTAMPTZ", Date, day, "2026-10-14"},
		{"DATE", Date, time.Date(812, 1, 2, 0, 0, 0, 0, time.UTC), "0812-01-02"},
		{"DATE", Date, time.Date(12026, 1, 2, 0, 0, 0, 0, time.UTC), "12026-01-02"},
	} {
		kind := kindOf(c.name)
		v := (&cell{of: kind, raw: c.v}).value()
		if kind != c.kind || v.Text != c.want || v.Null != (c.v == nil) {
			t.Errorf("%s is %s %+v, want %s %q", c.name, kind, v, c.kind, c.want)
		}
	}
}

// An account of a domain signs in by its keys: the driver takes what it is told, and a file that is not there is named.
func TestKerberos(t *testing.T) {
	dir := t.TempDir()
	conf, keytab := filepath.Join(dir, "krb5.conf"), filepath.Join(dir, "reader.keytab")
	for file, text := range map[string]string{conf: "[libdefaults]\n default_realm = PROV.EXAMPLE\n", keytab: "\x05\x02"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := New(Config{Driver: SQLServer, Host: "db.prov.example", Database: "register", User: "reader", Kerberos: Kerberos{"PROV.EXAMPLE", keytab, conf}})
	password, err := c.password()
	if err != nil || password != "" {
		t.Fatal(err)
	}
	cfg, err := c.sqlServerConfig(password, nil)
	if err != nil || cfg.ServerSPN != "MSSQLSvc/db.prov.example:1433" || cfg.User != "reader" || cfg.Password != "" {
		t.Fatalf("the driver is told %q, %q (%v)", cfg.ServerSPN, cfg.User, err)
	}
	if by, err := integratedauth.GetIntegratedAuthenticator(cfg); err != nil || by == nil {
		t.Errorf("the driver does not take it: %v", err)
	}
	if err := os.Remove(keytab); err != nil {
		t.Fatal(err)
	}
	if _, err := c.connector(); reason.Of(err).Code != reason.SecretUnusable || !strings.Contains(err.Error(), "kerberos.keytab") {
		t.Errorf("without its keys: %v", err)
	}
	for want, bad := range map[string]Config{
		"kerberos":        {Driver: PostgreSQL, Kerberos: Kerberos{"R", "k", ""}},
		"kerberos.keytab": {Driver: SQLServer, Kerberos: Kerberos{Realm: "R"}},
		"password":        {Driver: SQLServer, Kerberos: Kerberos{"R", "k", ""}, Password: "env:P"},
	} {
		bad.Host, bad.Database, bad.User = "h", "d", "u"
		p := tenant.NewProblems()
		bad.Validate(p)
		if list := p.List(); len(list) != 1 || list[0].Path != want {
			t.Errorf("%v, want one problem at %s", list, want)
		}
	}
}
