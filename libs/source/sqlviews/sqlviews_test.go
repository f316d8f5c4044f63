package sqlviews_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sqltest"
	"eventful.se/ess/libs/source/sqlviews"
)

// town has a pupil and a teacher in a group, and who is protected without a school.
func town() sourcetest.Town {
	return sourcetest.Town{
		Units: []sourcetest.Unit{{ID: "u-1", Name: "Provskolan"}},
		Persons: []sourcetest.Person{
			{ID: "p-1", CivicNo: "189001019802", GivenName: "Testa", FamilyName: "Åkesdotter", Role: roster.RolePupil, Unit: "u-1"},
			{ID: "p-2", CivicNo: "188505059801", GivenName: "Prova", FamilyName: "Örnsson", Role: roster.RoleStaff, Unit: "u-1"},
		},
		Groups: []sourcetest.Group{{ID: "g-1", Name: "7A", Unit: "u-1", Members: []sourcetest.Member{{Person: "p-1", Role: roster.MemberPupil}}}},
	}
}

// rowsOfTown are a unit, two persons with a tie each, a group and who is in it.
const rowsOfTown = 7

type reading struct {
	t    *testing.T
	r    *sqltest.Register
	more string // settings that come after those of the register
	// since is the cursor of an earlier read, and later how long after the first one this is.
	since source.Cursor
	later time.Duration
}

func (x reading) read(ctx context.Context, each func(fact.Doc) error) (source.Result, error) {
	x.t.Helper()
	cfg := sqlviews.Default()
	for _, text := range []string{x.r.Reach(), x.more} {
		if text == "" { // which would be a document without anything, and takes the settings away
			continue
		}
		if err := yaml.Unmarshal([]byte(text), &cfg); err != nil {
			x.t.Fatal(err)
		}
	}
	now := time.Date(2026, 10, 14, 10, 0, 0, 0, time.UTC).Add(x.later)
	return sqlviews.New(cfg, source.Env{Now: func() time.Time { return now }}).Read(ctx, x.since, each)
}

func nothing(fact.Doc) error { return nil }

// killed ends the sessions of the reader, as who runs the database does, and waits until they are gone.
const killed = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'reader'"

// manyUnits has more rows than lie between a server and a reader who takes in the first of them.
const manyUnits = "CREATE OR REPLACE VIEW ess.school_units AS SELECT 'u-' || n AS id, repeat('X', 100) AS name, 1 AS active, now()::timestamp AS modified FROM generate_series(1, 500000) n"

// TestRegister reads a real database whose views, rows and sessions go wrong in each way that has a name. The next read after
// each is whole.
func TestRegister(t *testing.T) {
	r := sqltest.New(t)
	for _, c := range []struct {
		name, broken, more string
		want               reason.Code
		says               string // in the text or the next step
		during             string // runs when the first row was read
	}{
		{"a view that vanished", "DROP VIEW ess.duties", "", reason.ViewMissing, `GRANT SELECT ON ess.duties TO "reader";`, ""},
		{"a right that was taken", "REVOKE SELECT ON ess.groups FROM reader", "", reason.GrantMissing, "GRANT SELECT ON ess.groups", ""},
		{"a column renamed", "ALTER VIEW ess.persons RENAME COLUMN protected TO skyddad", "", reason.ColumnMissing, "protected", ""},
		{"a column that was optional and named by nobody", "ALTER VIEW ess.persons RENAME COLUMN email TO epost", "", "", "", ""},
		{"a type changed", "DROP VIEW ess.memberships; CREATE VIEW ess.memberships AS SELECT convert_to(group_id, 'UTF8') AS group_id, person_id, role FROM data.memberships; GRANT SELECT ON ess.memberships TO reader", "", reason.ColumnUnlike, "bytea", ""},
		{"a view without rows", "DELETE FROM data.memberships", "", reason.QueryWithoutRows, "memberships", ""},
		{"a view that may be without rows", "DELETE FROM data.memberships", "mayBeEmpty: [memberships]\n", "", "", ""},
		{"a database that is not there", "", "database: other\n", reason.DatabaseMissing, "other", ""},
		{"a certificate for another name", "", "serverName: db.example\n", reason.CertificateName, "db.example", ""},
		{"somebody locks what is read", "LOCK", "lockTimeout: 50ms\n", reason.RowsLocked, "school_units", ""},
		{"a view that takes too long", "CREATE OR REPLACE VIEW ess.school_units AS SELECT id, name, 1 AS active, now()::timestamp AS modified FROM data.school_units WHERE pg_sleep(30) IS NOT NULL", "timeout: 300ms\n", reason.StatementTimeout, "school_units", ""},
		{"a session that is ended between two queries", "", "", reason.SessionEnded, "", killed},
		{"a session that is ended in the middle of a query", manyUnits, "", reason.SessionEnded, "", killed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := r.Hold(town()); err != nil {
				t.Fatal(err)
			}
			broken := func() error { return r.Exec(c.broken) }
			if c.broken == "LOCK" {
				broken = func() error { _, err := r.Break(sourcetest.Hang); return err }
			}
			if err := broken(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.Mend(); err != nil {
					t.Fatal(err)
				}
			}()
			n := 0
			res, err := reading{t: t, r: r, more: c.more}.read(t.Context(), func(fact.Doc) error {
				if n++; n > 1 || c.during == "" {
					return nil
				}
				return r.Exec(c.during)
			})
			if c.want == "" {
				if err != nil || !res.Complete {
					t.Fatalf("the read is complete: %t (%v)", res.Complete, err)
				}
				whole(t, r)
				return
			}
			why := reason.Of(err)
			if why.Code != c.want || res.Complete || !strings.Contains(why.Text(reason.English)+why.Next(reason.English), c.says) {
				t.Errorf("got %v (complete: %t), want %s with %q", err, res.Complete, c.want, c.says)
			}
			whole(t, r)
		})
	}
	t.Run("a row without a key, and blanks that fill a column", func(t *testing.T) { keyless(t, r) })
	t.Run("a row that changes while it is read", func(t *testing.T) { changed(t, r) })
	t.Run("a query in a file", func(t *testing.T) { inFile(t, r) })
	t.Run("addresses in a file", func(t *testing.T) { addresses(t, r) })
	t.Run("a session cannot write", func(t *testing.T) { writes(t, r) })
}

// whole mends the register, and holds that a read of it has everything.
func whole(t *testing.T, r *sqltest.Register) {
	t.Helper()
	if err := errors.Join(r.Mend(), r.Hold(town())); err != nil {
		t.Fatal(err)
	}
	n := 0
	res, err := reading{t: t, r: r}.read(t.Context(), func(fact.Doc) error { n++; return nil })
	if err != nil || !res.Complete || n != rowsOfTown {
		t.Errorf("the next read has %d docs, complete: %t (%v), want %d and all", n, res.Complete, err, rowsOfTown)
	}
}

func keyless(t *testing.T, r *sqltest.Register) {
	if err := r.Hold(town()); err != nil {
		t.Fatal(err)
	}
	if err := r.Exec("UPDATE data.memberships SET person_id = ' '", "INSERT INTO data.enrolments VALUES (9, NULL, 'u-1', NULL), (10, NULL, 'u-1', NULL)"); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	res, err := reading{t: t, r: r}.read(t.Context(), func(d fact.Doc) error { ids[d.ID] = true; return nil })
	if err != nil || res.Complete || len(res.Findings) != 2 {
		t.Fatalf("complete: %t, findings %v (%v), want an incomplete read with two findings", res.Complete, res.Findings, err)
	}
	for i, want := range []struct {
		where string
		count int
	}{{"enrolments, row 2", 2}, {"memberships, row 1", 1}} {
		if f := res.Findings[i]; f.Reason.Code != reason.RowWithoutKey || f.Where != want.where || f.Count != want.count {
			t.Errorf("finding %d is %+v, want %+v", i, f, want)
		}
	}
	if !ids["person/p-1"] { // the column is char(20)
		t.Errorf("docs %v, want person/p-1 without blanks", ids)
	}
}

// changed moves a pupil, and ends her group, after the first row was read: the read sees neither.
func changed(t *testing.T, r *sqltest.Register) {
	if err := r.Hold(town()); err != nil {
		t.Fatal(err)
	}
	groups, first := 0, true
	_, err := reading{t: t, r: r}.read(t.Context(), func(d fact.Doc) error {
		if strings.HasPrefix(d.ID, "group/") {
			groups++
		}
		if !first {
			return nil
		}
		first = false
		return r.Exec("DELETE FROM data.memberships; DELETE FROM data.groups; DELETE FROM data.persons")
	})
	if err != nil || groups != 1 {
		t.Errorf("%d groups (%v), want that of the snapshot", groups, err)
	}
}

func inFile(t *testing.T, r *sqltest.Register) {
	if err := r.Hold(town()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "units.sql")
	for text, want := range map[string]bool{
		"SELECT id, upper(name) AS name FROM data.school_units;\n": true, "DELETE FROM data.school_units": false, "SELECT 1; SELECT 2": false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.Exec("GRANT SELECT ON data.school_units TO reader"); err != nil {
			t.Fatal(err)
		}
		var name string
		_, err := reading{t: t, r: r, more: "queries: {school_units: {file: " + file + "}}\n"}.read(t.Context(), func(d fact.Doc) error {
			if u, ok := d.Facts[0].(fact.Unit); ok {
				name = u.Name
			}
			return nil
		})
		if (err == nil) != want || want && name != "PROVSKOLAN" {
			t.Errorf("%q: %v, the unit is %q", text, err, name)
		}
	}
}

// addresses of a file go before those of the view, and a file that is not there or says nothing takes none away.
func addresses(t *testing.T, r *sqltest.Register) {
	if err := r.Hold(town()); err != nil {
		t.Fatal(err)
	}
	if err := r.Exec("UPDATE data.persons SET email = 'view@prov.example'"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "emails.csv")
	for _, c := range []struct {
		name, text string
		want       reason.Code
		findings   int
	}{
		{name: "not there", want: reason.FileUnusable},
		{name: "another table", text: "namn;adress\n", want: reason.FileUnusable},
		{name: "empty", text: "id;email\n", want: reason.QueryWithoutRows},
		{name: "one of two persons, twice", text: "civic_no;email\n189001019802;a@prov.example\n18900101-9802;file@prov.example\n", findings: 1},
	} {
		if c.text != "" {
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]string{}
		res, err := reading{t: t, r: r, more: "emails: " + file + "\n"}.read(t.Context(), func(d fact.Doc) error {
			if p, ok := d.Facts[0].(fact.Person); ok {
				got[p.ID] = p.Email
			}
			return nil
		})
		if c.want != "" {
			if reason.Of(err).Code != c.want || len(got) > 0 {
				t.Errorf("%s: %v after %d persons, want %s", c.name, err, len(got), c.want)
			}
			continue
		}
		if err != nil || got["p-1"] != "file@prov.example" || got["p-2"] != "view@prov.example" || len(res.Findings) != c.findings {
			t.Errorf("%s: %v, findings %+v (%v)", c.name, got, res.Findings, err)
		}
	}
}

// writes: a SELECT whose function writes is refused by the session itself, whatever the account may do.
func writes(t *testing.T, r *sqltest.Register) {
	if err := r.Hold(town()); err != nil {
		t.Fatal(err)
	}
	if err := r.Exec(`CREATE FUNCTION data.writes() RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER AS 'DELETE FROM data.persons RETURNING id'`,
		`CREATE OR REPLACE VIEW ess.school_units AS SELECT id, data.writes() AS name, 1 AS active, now()::timestamp AS modified FROM data.school_units`); err != nil {
		t.Fatal(err)
	}
	if _, err := (reading{t: t, r: r}).read(t.Context(), nothing); reason.Of(err).Code != reason.QueryRefused {
		t.Errorf("a query that writes came to %v, want %s", err, reason.QueryRefused)
	}
}
