package store

import (
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// TestR9TheSweepForgetsProtectedPersons contains two persons, one by a register's tombstone and one by another source's
// mark, and looks at every byte that the server keeps of the log, and at what is kept of findings and frozen sets.
func TestR9TheSweepForgetsProtectedPersons(t *testing.T) {
	dir := t.TempDir()
	srv := start(t, dir)
	s := connect(t, Options{Server: srv})
	ctx := t.Context()
	if err := s.EnsureTenant(ctx, demo, 1); err != nil {
		t.Fatal(err)
	}
	const left = "Återståendeson" // of the other source, which does not know of the protection
	extens, manual := roster.Source{System: "extens", Instance: "default"}, roster.Source{System: "manual", Instance: "default"}
	ofExtens := func(n int, name string) roster.Record { r := person(n, name); r.Source = extens; return r }
	mark := roster.Record{
		Ref: person(2, "").Ref, Source: manual, Overlay: true, Origins: person(2, "").Origins,
		Person: &roster.Person{Marking: roster.MarkingProtected},
	}
	publish(t, s, "run-1", person(1, canary), person(2, canary), person(3, canaryFill),
		group(50, roster.Membership{Person: key(1), Role: roster.MemberPupil, Doc: canaryDoc}, roster.Membership{Person: key(3), Role: roster.MemberPupil}))
	publish(t, s, "run-2", ofExtens(1, canary))
	publish(t, s, "run-3", ofExtens(1, left), group(50, roster.Membership{Person: key(3), Role: roster.MemberPupil}))
	publish(t, s, "run-4", person(2, "Kvarvarande"))

	names := func(n int) fact.Finding {
		return fact.Finding{Reason: reason.New(reason.InvalidEmail), Ref: person(n, "").Ref}
	}
	found := &source.Found{Run: "run-1", At: time.Now()}
	for _, n := range []int{1, 2, 3} {
		found.Issues = append(found.Issues, source.Issue{Reason: names(n).Reason, Ref: names(n).Ref, Count: 1})
	}
	save := func(of roster.Source) {
		run := source.Run{ID: "run-1", Source: of, State: source.Published, Found: found}
		if err := s.Runs(demo).Save(ctx, run); err != nil {
			t.Fatal(err)
		}
	}
	save(alvis)
	save(extens)
	items := []guard.HeldItem{}
	kept := guard.Kept{}
	for _, n := range []int{1, 3} {
		i := guard.Item{Ref: person(n, "").Ref, Expect: 1, Operation: guard.Delete, Hash: "h"}
		items = append(items, guard.HeldItem{Item: i})
		kept.Decisions = append(kept.Decisions, guard.Decision{Item: i, Verdict: guard.Rejected, At: time.Now(), By: "anna"})
	}
	kept.Hold = guard.NewHold(items, nil, "run-1", time.Now(), nil)
	if err := s.Holds(demo).Keep(ctx, extens, kept); err != nil {
		t.Fatal(err)
	}

	before, err := s.Log(demo).End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, s, "run-5", tombstone(person(1, ""), roster.TombstoneProtected))
	publish(t, s, "run-6", mark)
	end, err := s.Log(demo).End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if onDisk(t, dir, canary) == 0 || onDisk(t, dir, canaryDoc) == 0 || onDisk(t, dir, left) == 0 {
		t.Fatal("the canaries are not on the disk before the sweep: the test sees nothing")
	}
	sweep := func(cursor roster.Position) {
		t.Helper()
		if _, err := s.Janitor(ctx, demo, Retention{Now: time.Now(), Age: time.Hour, History: 9, Cursors: []roster.Position{cursor}}); err != nil {
			t.Fatal(err)
		}
	}
	sweep(before)
	if onDisk(t, dir, canaryDoc) == 0 {
		t.Error("the history went before every link had heard of the protection")
	}
	sweep(end)
	sweep(end) // and again, with nothing left to do
	for _, text := range []string{canary, canaryDoc} {
		if n := onDisk(t, dir, text); n != 0 {
			t.Errorf("%d files hold the canary after the sweep", n)
		}
	}
	if onDisk(t, dir, left) == 0 || onDisk(t, dir, "Kvarvarande") == 0 {
		t.Error("the last message of a source that still has a record is gone")
	}
	got, _ := load(t, s)
	stones := 0
	for _, r := range got {
		if r.Tombstone != nil && r.Tombstone.Reason == roster.TombstoneProtected {
			stones++
		}
	}
	if len(got) != 6 || stones != 1 {
		t.Errorf("%d records with %d tombstones, want the three persons of alvis, one of extens, the mark and the group", len(got), stones)
	}
	for _, of := range []roster.Source{alvis, extens} {
		f, err := s.Runs(demo).Found(ctx, of, "")
		if err != nil || len(f.Issues) != 1 || f.Issues[0].Ref != person(3, "").Ref {
			t.Errorf("of %s is kept: %+v, %v", of, f, err)
		}
	}
	now, err := s.Holds(demo).Kept(ctx, extens)
	if err != nil || len(now.Decisions) != 1 || now.Hold == nil || len(now.Hold.Items) != 1 || now.Hold.Items[0].Ref != person(3, "").Ref {
		t.Errorf("kept: %+v, %v", now, err)
	}
	if now.Hold.Digest == kept.Hold.Digest || !now.Hold.Since.Equal(kept.Hold.Since) {
		t.Error("a smaller frozen set has the digest of the larger one, or another age")
	}
}
