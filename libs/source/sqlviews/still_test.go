package sqlviews_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest/sqltest"
)

// byModified names the column in which the views say when a row was last changed.
const byModified = "modified: MODIFIED\n"

// TestWhatStandsStillIsNotRead: a database that says the same for the third time is not read, and is read whole, twice, after
// whatever makes a difference.
func TestWhatStandsStillIsNotRead(t *testing.T) {
	r := sqltest.New(t)
	emails := filepath.Join(t.TempDir(), "emails.csv")
	exec := func(statements ...string) func() error { return func() error { return r.Exec(statements...) } }
	for name, c := range map[string]struct {
		change func() error
		more   string // settings from then on
		later  time.Duration
	}{
		"a row was changed":       {change: exec("UPDATE data.persons SET family_name = 'Annan', modified = '2026-10-13 23:00:00.000001' WHERE id = 'p-2'")},
		"a row went":              {change: exec("DELETE FROM data.duties")},
		"a row of before is back": {change: exec("INSERT INTO data.memberships SELECT 9, '2026-01-01 12:00', 'g-1', 'p-2', 'T'")},
		"an old row, for a new":   {change: exec("DELETE FROM data.groups", "INSERT INTO data.groups SELECT 0, '2026-10-13 12:00', 'g-2', 'u-1', '8B'")},
		"the next day":            {later: 14 * time.Hour},
		"other settings":          {more: "profile: {after: 5}\n"},
		"another query":           {more: "queries: {school_units: {view: enheter}}\n", change: exec("CREATE VIEW ess.enheter AS SELECT * FROM ess.school_units", sqltest.Grants)},
		"other addresses":         {change: func() error { return os.WriteFile(emails, []byte("id,email\np-1,testa.b@skola.example\n"), 0o600) }},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(emails, []byte("id,email\np-1,testa.a@skola.example\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.Hold(town()); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.Mend(); err != nil {
					t.Fatal(err)
				}
			}()
			x := reading{t: t, r: r, more: byModified + "without: [duties]\nemails: " + emails + "\n"}
			if name == "a row went" {
				x.more = byModified + "mayBeEmpty: [duties]\n"
			}
			whole := func() bool {
				t.Helper()
				docs := 0
				res, err := x.read(t.Context(), func(fact.Doc) error { docs++; return nil })
				if err != nil || len(res.Findings) > 0 || res.Complete != (docs > 0) || len(res.Cursor) == 0 {
					t.Fatalf("%d docs, %+v, %v", docs, res, err)
				}
				x.since = res.Cursor
				return res.Complete
			}
			again := []bool{whole(), whole(), whole(), whole()}
			if c.change != nil {
				if err := c.change(); err != nil {
					t.Fatal(err)
				}
			}
			x.more, x.later = x.more+c.more, c.later
			if again = append(again, whole(), whole(), whole()); !slices.Equal(again, []bool{true, true, false, false, true, true, false}) {
				t.Errorf("it was read %v", again)
			}
		})
	}
}

// TestAChangeThatBecomesValidLate was made before the newest that a read saw, and is seen by the next read: nobody knows how
// long somebody's transaction takes.
func TestAChangeThatBecomesValidLate(t *testing.T) {
	r := sqltest.New(t)
	if err := r.Hold(town()); err != nil {
		t.Fatal(err)
	}
	x := reading{t: t, r: r, more: byModified}
	if err := r.Exec("UPDATE data.persons SET modified = '2026-10-13 12:00' WHERE id = 'p-1'"); err != nil {
		t.Fatal(err)
	}
	res, err := x.read(t.Context(), nothing)
	if err != nil {
		t.Fatal(err)
	}
	x.since = res.Cursor
	if err := r.Exec("UPDATE data.persons SET family_name = 'Annan', modified = '2026-10-13 11:59' WHERE id = 'p-2'"); err != nil {
		t.Fatal(err)
	}
	seen := false
	if _, err := x.read(t.Context(), func(d fact.Doc) error {
		for _, f := range d.Facts {
			p, ok := f.(fact.Person)
			seen = seen || ok && p.FamilyName == "Annan"
		}
		return nil
	}); err != nil || !seen {
		t.Errorf("the change is not seen: %v", err)
	}
}

// TestTimesThatTellNothing: what cannot tell that a row was changed again has everything read every time, and is told.
func TestTimesThatTellNothing(t *testing.T) {
	r := sqltest.New(t)
	for name, broken := range map[string]string{
		"none in a row": "UPDATE data.persons SET modified = NULL WHERE id = 'p-1'",
		"days":          "UPDATE data.groups SET modified = '2026-10-13'",
		"the future":    "UPDATE data.enrolments SET modified = '9999-12-31 12:00'",
	} {
		t.Run(name, func(t *testing.T) {
			if err := r.Hold(town()); err != nil {
				t.Fatal(err)
			}
			if err := r.Exec(broken); err != nil {
				t.Fatal(err)
			}
			x := reading{t: t, r: r, more: byModified}
			for range 3 {
				res, err := x.read(t.Context(), nothing)
				if err != nil || !res.Complete || len(res.Findings) != 1 || res.Findings[0].Reason.Code != reason.DeltaDoubtful {
					t.Fatalf("%+v, %v", res, err)
				}
				x.since = res.Cursor
			}
		})
	}
	for column, want := range map[string]reason.Code{"finns_inte": reason.ColumnMissing, "name": reason.ColumnUnlike} {
		x := reading{t: t, r: r, more: fmt.Sprintf("modified: %s\n", column), since: source.Cursor("{}")}
		if _, err := x.read(t.Context(), nothing); reason.Of(err).Code != want {
			t.Errorf("%s: %v, want %s", column, err, want)
		}
	}
}
