package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

func TestFoundIsKeptBesideItsRun(t *testing.T) {
	runs := open(t).Runs(demo)
	if f, err := runs.Found(t.Context(), alvis, ""); f != nil || err != nil {
		t.Fatalf("of no run: %+v, %v", f, err)
	}
	now := time.Unix(1_800_000_000, 0).UTC()
	found := func(n int) *source.Found {
		return &source.Found{Run: fmt.Sprint("run", n), At: now, Issues: []source.Issue{
			{Reason: reason.New(reason.UnknownCode, "field", "type"), Severity: fact.Info, Effect: fact.Noted, Where: "line 7", Count: n + 1, Since: now, State: source.IssueNew},
			{Reason: reason.New(reason.MissingRequired, "field", "email"), Severity: fact.Warning, Effect: fact.KeptBack, Ref: roster.Ref{Kind: roster.KindPerson, Key: key(n)}, Count: 1, Since: now, State: source.IssueGone},
		}}
	}
	save := func(n int, f *source.Found) {
		t.Helper()
		if err := runs.Save(t.Context(), source.Run{ID: fmt.Sprint("run", n), Source: alvis, State: source.Published, Started: now, Found: f}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(run string, f *source.Found) {
		t.Helper()
		got, err := runs.Found(t.Context(), alvis, run)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(f, got); d != "" {
			t.Errorf("run %q (-want +got):\n%s", run, d)
		}
	}
	save(0, found(0))
	save(1, found(1))
	save(2, nil) // broke off
	want("", found(1))
	want("run0", found(0))
	want("run2", nil)
	want("another", nil)
	for n := 3; n < runHistory+2; n++ { // all slots, and around: run 0 and run 1 lose theirs to runs that broke off
		save(n, nil)
	}
	want("run0", nil)
	want("", nil)
	if newest, _, err := runs.Last(t.Context(), alvis); err != nil || newest.Found != nil {
		t.Errorf("a run carries its findings: %v", err)
	}
}
