package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

var apple = roster.Source{System: "apple-school-manager", Instance: "default"}

func own(t testing.TB, s *Store, link roster.Source) target.Book {
	t.Helper()
	b, err := s.Ledger(demo).Own(t.Context(), link, target.Owner{Name: "me"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func entry(n int) target.Entry {
	return target.Entry{
		ID: target.ID{Kind: "user", Key: fmt.Sprint(n)}, Entity: roster.Ref{Kind: roster.KindPerson, Key: key(n)}, Native: "42", Held: true,
		Fields: target.Fields{{Name: "name", Value: "Testa"}}, Sets: []target.Set{{Name: "members", Members: []target.ID{{Kind: "user", Key: "7"}}}},
		State: target.Parked, Reason: &reason.Reason{Code: reason.MissingValue, Args: []reason.Arg{{Name: "field", Value: "email"}}},
		Refused: "f00", Left: 20260620, Buried: true, Approved: true, Begun: true, Needs: []target.ID{{Kind: "unit", Key: "1"}}, As: target.Capacity{Role: roster.RolePupil, Form: roster.SchoolVUX}, Anchor: key(99), Attempts: 3, NextTry: time.Unix(1_900_000_000, 5).UTC(), Cause: target.Cause{Seq: 9, Run: "run", When: time.Unix(1_800_000_000, 0).UTC()},
	}
}

func entries(t testing.TB, b target.Book) (map[target.ID]target.Entry, target.Mark) {
	t.Helper()
	got := make(map[target.ID]target.Entry)
	m, err := b.Load(t.Context(), func(e target.Entry) error {
		got[e.ID] = e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, m
}

func TestLedgerKeepsEntriesAndMark(t *testing.T) {
	s := open(t)
	b := own(t, s, apple)
	if got, m := entries(t, b); len(got) != 0 || m != (target.Mark{}) {
		t.Errorf("a new link has %d entries and mark %+v", len(got), m)
	}
	mark := target.Mark{
		Cursor: roster.Position{Log: time.Unix(1_700_000_000, 123).UTC(), Seq: 77}, WakeAt: time.Unix(1_800_000_000, 0).UTC(), Mapping: "v1",
		Set: target.SetRef{Blob: "b", Name: "set.zip", Digest: "d", At: time.Unix(1_800_000_001, 0).UTC()}, InFlight: target.SetRef{Blob: "c"},
		Status: target.Status{
			Mode: target.ModeHeld, Since: time.Unix(1_800_000_002, 0).UTC(), Waiting: 1, Parked: 2, Withheld: 3, Held: 4, Orphans: 5, Settings: "1x",
			Reason: &reason.Reason{Code: reason.LinkHolds, Args: []reason.Arg{{Name: "count", Value: "4"}}},
		},
		Reconciled: target.Reconciled{At: time.Unix(1_800_000_003, 0).UTC(), Found: 6, Repaired: 4, Reported: 3, Asked: time.Unix(1_800_000_004, 0).UTC(), Since: "mark", Last: &[]target.Drift{{ID: target.ID{Kind: "k", Key: "a"}, What: "name", Repaired: true}, {ID: target.ID{Kind: "k", Key: "b"}}}, Reason: &reason.Reason{Code: reason.ListShort}},
	}
	want := make(map[target.ID]target.Entry)
	var all []target.Entry
	for i := range 2500 {
		e := entry(i)
		all, want[e.ID] = append(all, e), e
	}
	if err := b.Save(t.Context(), all, mark); err != nil {
		t.Fatal(err)
	}
	// Another link of the tenant has a ledger of its own.
	other := own(t, s, roster.Source{System: "apple", Instance: "default"})
	if err := other.Save(t.Context(), []target.Entry{entry(1)}, target.Mark{}); err != nil {
		t.Fatal(err)
	}
	gone := entry(3)
	gone.State, gone.Reason = target.Gone, nil
	kept := entry(4)
	kept.State = target.Gone // with a reason: still of interest
	if err := b.Save(t.Context(), []target.Entry{gone, kept}, mark); err != nil {
		t.Fatal(err)
	}
	delete(want, gone.ID)
	want[kept.ID] = kept
	got, m := entries(t, own(t, s, apple))
	equal(t, "entries", got, want)
	equal(t, "mark", m, mark)
}

func TestOldOwnerCanRecordNothing(t *testing.T) {
	s := open(t)
	old := own(t, s, apple)
	if err := old.Save(t.Context(), []target.Entry{entry(1)}, target.Mark{Mapping: "old"}); err != nil {
		t.Fatal(err)
	}
	now := own(t, s, apple)
	if err := old.Save(t.Context(), []target.Entry{entry(2)}, target.Mark{Mapping: "late"}); !errors.Is(err, target.ErrOwnerLost) {
		t.Errorf("save by the old owner: got %v, want ErrOwnerLost", err)
	}
	if err := old.Put(t.Context(), "set", "", []byte("late")); !errors.Is(err, target.ErrOwnerLost) {
		t.Errorf("put by the old owner: got %v, want ErrOwnerLost", err)
	}
	if got, m := entries(t, now); len(got) != 1 || m.Mapping != "old" {
		t.Errorf("%d entries, mark %+v; want what the old owner saved in time", len(got), m)
	}
	if err := now.Save(t.Context(), nil, target.Mark{Mapping: "new"}); err != nil {
		t.Error(err)
	}
}

func TestBlobs(t *testing.T) {
	s := open(t)
	b := own(t, s, apple)
	data := func(n int) []byte {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(r.Uint32())
		}
		return out
	}
	for _, n := range []int{0, 1, chunk, chunk + 1, 6 << 20} {
		if err := b.Put(t.Context(), "set", "", data(n)); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Blob(t.Context(), "set"); err != nil || !bytes.Equal(got, data(n)) {
			t.Errorf("%d bytes: got %d, error %v", n, len(got), err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := b.Put(t.Context(), name, "b", data(700_000)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"set": false, "a": false, "b": true, "c": true} {
		if _, err := b.Blob(t.Context(), name); (err == nil) != want {
			t.Errorf("blob %s: error %v, want it there %v", name, err, want)
		}
	}
	if _, err := b.Blob(t.Context(), "a"); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("a blob that was removed: got %v", err)
	}
	info, err := s.info(t.Context(), ledgerStream(demo), jetstream.WithSubjectFilter(blobSubjects+">"))
	if err != nil || len(info.State.Subjects) != 6 { // two blobs of two chunks and a head
		t.Errorf("%d subjects of blobs, error %v; want 6", len(info.State.Subjects), err)
	}
}

func TestRuns(t *testing.T) {
	s := open(t)
	runs := s.Runs(demo)
	if newest, believed, err := runs.Last(t.Context(), alvis); newest != nil || believed != nil || err != nil {
		t.Fatalf("before the first: %v, %v, %v", newest, believed, err)
	}
	run := func(n int, state source.State) source.Run {
		return source.Run{
			ID: fmt.Sprint("run-", n), Source: alvis, State: state, Reason: &reason.Reason{Code: reason.StaleFile},
			Started: time.Unix(1_800_000_000, 0).UTC(), Ended: time.Unix(1_800_000_009, 0).UTC(), Cursor: source.Cursor("c"), Complete: true,
			Origin: "alvis.xml", DataTime: time.Unix(1_799_999_999, 0).UTC(), Seen: map[string]int{"persons": 3}, Counts: map[string]int{"person.created": 3},
			Findings: []source.FindingCount{{Reason: reason.New(reason.MissingValue, "field", "email"), Severity: "warning", Effect: "noted", Count: 2, Where: "line 7"}},
		}
	}
	for n, state := range []source.State{source.Published, source.Unchanged, source.Stale} {
		if err := runs.Save(t.Context(), run(n, state)); err != nil {
			t.Fatal(err)
		}
	}
	newest, believed, err := runs.Last(t.Context(), alvis)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "newest", *newest, run(2, source.Stale))
	equal(t, "believed", *believed, run(1, source.Unchanged))

	for n := 3; n < 100; n++ {
		if err := runs.Save(t.Context(), run(n, source.Published)); err != nil {
			t.Fatal(err)
		}
	}
	history, err := runs.History(t.Context(), alvis)
	if err != nil || len(history) != runHistory || history[0].ID != "run-36" || history[len(history)-1].ID != "run-99" {
		t.Errorf("%d runs from %s, error %v; want the newest %d", len(history), history[0].ID, err, runHistory)
	}

	if err := s.js.DeleteStream(t.Context(), logStream(demo)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := runs.Last(t.Context(), alvis); reason.Of(err).Code != reason.LogMissing {
		t.Errorf("without a log: got %v", err)
	}
	if _, err := s.js.CreateStream(t.Context(), streamConfigs(demo, 1)[0]); err != nil { // as a restore would
		t.Fatal(err)
	}
	if _, believed, err = runs.Last(t.Context(), alvis); err != nil || believed == nil || believed.Cursor != nil || !believed.Regressed {
		t.Errorf("with another log: %+v, error %v; want no cursor", believed, err)
	}
}

func TestMarksOfEveryLink(t *testing.T) {
	s := open(t)
	other := roster.Source{System: "memory", Instance: "second"}
	for i, link := range []roster.Source{apple, other} {
		b := own(t, s, link)
		mark := target.Mark{Cursor: roster.Position{Log: time.Unix(1_700_000_000, 0).UTC(), Seq: uint64(i + 1)}}
		if err := b.Save(t.Context(), []target.Entry{entry(1)}, mark); err != nil {
			t.Fatal(err)
		}
	}
	own(t, s, roster.Source{System: "never", Instance: "settled"})
	marks, err := s.Ledger(demo).Marks(t.Context())
	if err != nil || len(marks) != 2 || marks[apple].Cursor.Seq != 1 || marks[other].Cursor.Seq != 2 {
		t.Errorf("marks %+v, error %v; want those of the two links that settled", marks, err)
	}
}
