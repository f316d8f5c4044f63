// Package sqltest is the other side of every source that reads a database by views: a real PostgreSQL, over TLS, which the
// suite of [sourcetest] fills and breaks. SQL Server and Oracle run on no machine of a test.
package sqltest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/testbed"
)

// Password is what the account of the connector signs in with.
const Password = "svala-i-farstun"

// Register is a register in a database.
type Register struct {
	Server *testbed.Postgres
	Proxy  *testbed.Proxy
	Secret string // the file of the password

	admin    *pgx.Conn
	locker   *pgx.Conn // holds a lock while the register hangs
	lock     pgx.Tx
	held     int // how often it was filled: so many seconds after eight
	stranger *testbed.CA
	other    net.Listener // who answers in its place
}

// New starts a server and makes the views. It ends with the test.
func New(t testing.TB) *Register {
	t.Helper()
	r := &Register{Server: testbed.StartPostgres(t), Secret: filepath.Join(t.TempDir(), "secret"), stranger: testbed.NewCA(t)}
	r.Proxy = testbed.NewProxy(t, r.Server.Addr)
	if err := os.WriteFile(r.Secret, []byte(Password), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(ctx, r.Server.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(ctx) })
		return conn
	}
	r.admin, r.locker = connect(), connect()
	if err := r.exec("CREATE ROLE reader LOGIN PASSWORD '"+Password+"'", tables, views("", "")); err != nil {
		t.Fatal(err)
	}
	return r
}

// Reach returns the settings by which a connector reaches the register: lines of YAML.
func (r *Register) Reach() string {
	return fmt.Sprintf("driver: postgresql\nhost: 127.0.0.1\nport: %d\ndatabase: postgres\nuser: reader\npassword: 'file:%s'\ncaFile: %s\nschema: ess\n",
		r.Proxy.Port, r.Secret, r.Server.CAFile)
}

// Side returns the register for golden cases, whose files are SQL that makes the views of the contract: it runs in an empty
// schema, which the account may read thereafter.
func (r *Register) Side() sourcetest.Side {
	return sourcetest.Side{
		Values: map[string]string{"port": strconv.Itoa(r.Proxy.Port), "secret": r.Secret, "ca": r.Server.CAFile},
		Hold: func(files string, _ time.Time) error {
			list, err := filepath.Glob(filepath.Join(files, "*.sql"))
			if err != nil || len(list) == 0 {
				return fmt.Errorf("no SQL in %s: %w", files, err)
			}
			if err := r.exec("DROP SCHEMA ess CASCADE; CREATE SCHEMA ess; SET search_path = ess"); err != nil {
				return err
			}
			for _, file := range list {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				if err := r.exec(string(text)); err != nil {
					return err
				}
			}
			return r.exec("RESET search_path; " + Grants)
		},
	}
}

// Beside returns the other side of golden cases of a source that reads a database or something else: a case holds what its
// settings read, and ${sql} stands in them.
func Beside(other sourcetest.Side, r *Register) sourcetest.Side {
	values, own := maps.Clone(other.Values), r.Side()
	values["sql"] = "{" + strings.Join(strings.Split(strings.TrimSpace(r.Reach()), "\n"), ", ") + "}"
	return sourcetest.Side{Values: values, Hold: func(folder string, at time.Time) error {
		err := other.Hold(folder, at)
		if list, _ := filepath.Glob(filepath.Join(folder, "*.sql")); len(list) > 0 {
			err = errors.Join(err, own.Hold(folder, at))
		}
		return err
	}}
}

// Grants let the account read the views.
const Grants = "GRANT USAGE ON SCHEMA ess TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA ess TO reader;"

// Exec runs statements as who may do everything.
func (r *Register) Exec(statements ...string) error { return r.exec(statements...) }

func (r *Register) exec(statements ...string) error {
	for _, text := range statements {
		if _, err := r.admin.PgConn().Exec(context.Background(), text).ReadAll(); err != nil {
			return fmt.Errorf("%.60s: %w", text, err)
		}
	}
	return nil
}

// tables are what is behind the views; n is the place of a row, modified when it was written.
const tables = `CREATE SCHEMA data;
CREATE TABLE data.school_units (n int, modified timestamp, id text, name text);
CREATE TABLE data.persons (n int, modified timestamp, id char(20), civic_no text, given_name text, family_name text, email text, protected bool, kind text);
CREATE TABLE data.enrolments (n int, modified timestamp, person_id text, school_unit_id text, end_date text);
CREATE TABLE data.duties (n int, modified timestamp, person_id text, school_unit_id text, end_date text);
CREATE TABLE data.groups (n int, modified timestamp, id text, school_unit_id text, name text);
CREATE TABLE data.memberships (n int, modified timestamp, group_id text, person_id text, role text);
CREATE FUNCTION data.dies() RETURNS bool LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS
  $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(0.01); RETURN true; END $$;
CREATE FUNCTION data.sleeps() RETURNS bool LANGUAGE plpgsql VOLATILE AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN true; END $$;
GRANT USAGE ON SCHEMA data TO reader;`

// views makes the views anew: all rows for which where holds, and persons those for which last holds too.
func views(where, last string) string {
	if where == "" {
		where = "true"
	}
	if last == "" {
		last = "true"
	}
	return `DROP SCHEMA IF EXISTS ess CASCADE; DROP SCHEMA IF EXISTS away CASCADE; CREATE SCHEMA ess;
CREATE VIEW ess.school_units AS SELECT id, name, 1 AS active, modified FROM data.school_units WHERE ` + where + `;
CREATE VIEW ess.persons AS SELECT id, civic_no, given_name, family_name, email, protected, kind, modified FROM data.persons WHERE ` + where + ` AND ` + last + `;
CREATE VIEW ess.enrolments AS SELECT person_id, school_unit_id, 'GR' AS school_type, '7' AS school_year, DATE '2026-08-17' AS start_date, end_date, modified FROM data.enrolments WHERE ` + where + `;
CREATE VIEW ess.duties AS SELECT person_id, school_unit_id, 'Lärare'::text AS duty_role, DATE '2026-08-17' AS start_date, end_date, modified FROM data.duties WHERE ` + where + `;
CREATE VIEW ess.groups AS SELECT id, school_unit_id, name, 'Undervisning'::text AS group_type, 'GR'::text AS school_type, modified FROM data.groups WHERE ` + where + `;
CREATE VIEW ess.memberships AS SELECT group_id, person_id, role, modified FROM data.memberships WHERE ` + where + `;
` + Grants
}

// Hold makes the register hold a town.
func (r *Register) Hold(t sourcetest.Town) error {
	rows := map[string][]map[string]any{}
	r.held++
	modified := time.Date(2026, 10, 1, 8, 0, r.held, 0, time.UTC).Format("2006-01-02 15:04:05")
	add := func(table string, row map[string]any) {
		row["n"], row["modified"] = len(rows[table]), modified
		rows[table] = append(rows[table], row)
	}
	for _, u := range t.Units {
		add("school_units", map[string]any{"id": u.ID, "name": u.Name})
	}
	for _, p := range t.Persons {
		tie, kind := "enrolments", "S"
		if p.Role == roster.RoleStaff {
			tie, kind = "duties", "E"
		}
		end := p.End
		if end == "" {
			end = "9999-12-31"
		}
		add(tie, map[string]any{"person_id": p.ID, "school_unit_id": p.Unit, "end_date": end})
		add("persons", map[string]any{
			"id": p.ID, "civic_no": p.CivicNo, "given_name": p.GivenName, "family_name": p.FamilyName, "email": p.Email, "protected": p.Protected, "kind": kind,
		})
	}
	for _, g := range t.Groups {
		add("groups", map[string]any{"id": g.ID, "school_unit_id": g.Unit, "name": g.Name})
		for _, m := range g.Members {
			role := map[roster.MemberRole]string{roster.MemberPupil: "S", roster.MemberTeacher: "T", roster.MemberMentor: "M"}[m.Role]
			add("memberships", map[string]any{"group_id": g.ID, "person_id": m.Person, "role": role})
		}
	}
	ctx := context.Background()
	return pgx.BeginFunc(ctx, r.admin, func(tx pgx.Tx) error {
		for _, table := range []string{"school_units", "persons", "enrolments", "duties", "groups", "memberships"} {
			if _, err := tx.Exec(ctx, "DELETE FROM data."+table); err != nil {
				return err
			}
			list, err := json.Marshal(rows[table])
			if err != nil {
				return err
			}
			if rows[table] == nil {
				continue
			}
			if _, err := tx.Exec(ctx, "INSERT INTO data."+table+" SELECT * FROM json_populate_recordset(null::data."+table+", $1::json)", string(list)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Break breaks the register.
func (r *Register) Break(f sourcetest.Fault) (string, error) {
	switch f {
	case sourcetest.Unreachable:
		r.Proxy.Away(true)
		return "", nil
	case sourcetest.OtherPeer:
		return "", r.impersonate()
	case sourcetest.SignIn:
		return "", r.exec("ALTER ROLE reader PASSWORD 'another'")
	case sourcetest.Rights:
		return "", r.exec("REVOKE SELECT ON ALL TABLES IN SCHEMA ess FROM reader")
	case sourcetest.Nothing:
		return "", r.exec("ALTER SCHEMA ess RENAME TO away")
	case sourcetest.Empty:
		return "", r.exec(views("false", ""))
	case sourcetest.Cut:
		return "", r.exec(views("", "(n < 3 OR data.dies())"))
	case sourcetest.Garbage:
		return "", r.exec("ALTER VIEW ess.school_units RENAME COLUMN name TO benamning")
	case sourcetest.GarbageLate:
		return "", r.exec(views("", "(n < (SELECT max(n) FROM data.persons) OR given_name::int > 0)"))
	case sourcetest.Hang:
		return "", r.hang()
	case sourcetest.Slow:
		return "", r.exec(views("", "data.sleeps()"))
	}
	return "a database does not fail so", nil
}

// hang locks what is read, as a batch job of the register does.
func (r *Register) hang() (err error) {
	ctx := context.Background()
	if r.lock, err = r.locker.Begin(ctx); err != nil {
		return err
	}
	_, err = r.lock.Exec(ctx, "LOCK TABLE data.school_units IN ACCESS EXCLUSIVE MODE")
	return err
}

// Mend undoes what Break did.
func (r *Register) Mend() error {
	r.Proxy.Away(false)
	var err error
	if r.lock != nil {
		err = r.lock.Rollback(context.Background())
		r.lock = nil
	}
	if r.other != nil {
		r.Proxy.Target(r.Server.Addr)
		err = errors.Join(err, r.other.Close())
		r.other = nil
	}
	return errors.Join(err, r.exec("ALTER ROLE reader PASSWORD '"+Password+"'", views("", "")))
}

// impersonate lets somebody answer who encrypts as PostgreSQL does, with a certificate of nobody's.
func (r *Register) impersonate() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.other = l
	settings := r.stranger.TLS(testbed.Cert{Names: []string{"127.0.0.1"}})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				request := make([]byte, 8)
				if _, err := io.ReadFull(conn, request); err != nil {
					return
				}
				if _, err := io.Copy(conn, strings.NewReader("S")); err != nil {
					return
				}
				_ = tls.Server(conn, settings).Handshake() // the client goes
			}()
		}
	}()
	r.Proxy.Target(l.Addr().String())
	return nil
}

// Steps returns the step of a check that fails by each fault.
func Steps() map[sourcetest.Fault]string {
	const first = "school_units"
	return map[sourcetest.Fault]string{
		sourcetest.Unreachable: "connect", sourcetest.OtherPeer: "certificate", sourcetest.SignIn: "sign-in",
		sourcetest.Rights: first, sourcetest.Nothing: first, sourcetest.Garbage: first,
	}
}
