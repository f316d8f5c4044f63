package store

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

func held(n int) guard.HeldItem {
	return guard.HeldItem{
		Item: guard.Item{Ref: roster.Ref{Kind: roster.KindPerson, Key: key(n)}, Expect: uint64(n), Operation: guard.Delete, Hash: strings.Repeat("ab", 16)},
		Unit: key(1 << 20), Class: key(1<<20 + 1), Doubted: n%2 == 0,
	}
}

func TestGuardedIsKeptAsItWas(t *testing.T) {
	holds := open(t).Holds(demo)
	now := time.Unix(1_800_000_000, 0).UTC()
	if got, err := holds.Kept(t.Context(), alvis); err != nil || !cmp.Equal(got, guard.Kept{}) {
		t.Fatalf("of nothing: %+v, %v", got, err)
	}
	why := reason.New(reason.TooManyNew, "count", 300)
	want := guard.Kept{
		Hold:      &guard.Hold{Digest: "d", Run: "r", Since: now, Seen: now.Add(time.Hour), Doubt: &why, Items: []guard.HeldItem{held(1), held(2)}},
		Decisions: []guard.Decision{{Item: held(1).Item, Verdict: guard.Approved, At: now, By: "somebody"}},
		Passed:    []guard.Passed{{At: now, Bucket: guard.Bucket{Kind: roster.KindPerson, Form: "GR", Operation: guard.Units}, Marks: []uint64{1, 1 << 63}}},
	}
	if err := holds.Keep(t.Context(), alvis, want); err != nil {
		t.Fatal(err)
	}
	got, err := holds.Kept(t.Context(), alvis)
	if err != nil || got.Version == 0 {
		t.Fatalf("version %d, %v", got.Version, err)
	}
	if v, err := holds.Version(t.Context(), alvis); err != nil || v != got.Version {
		t.Errorf("to see for little it is version %d, %v; want %d", v, err, got.Version)
	}
	if v, err := open(t).LinkHolds(demo).Version(t.Context(), alvis); err != nil || v != 0 {
		t.Errorf("of nothing it is version %d, %v", v, err)
	}
	want.Version = got.Version
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if other, err := holds.Kept(t.Context(), roster.Source{System: "alvis", Instance: "vux"}); err != nil || other.Hold != nil {
		t.Errorf("another instance sees it: %+v, %v", other, err)
	}
}

func TestGuardedIsSavedByOneAtATime(t *testing.T) {
	holds := open(t).Holds(demo)
	if err := holds.Keep(t.Context(), alvis, guard.Kept{}); err != nil {
		t.Fatal(err)
	}
	mine, err := holds.Kept(t.Context(), alvis)
	if err != nil {
		t.Fatal(err)
	}
	theirs := mine
	theirs.Hold = &guard.Hold{Digest: "theirs"}
	if err := holds.Keep(t.Context(), alvis, theirs); err != nil {
		t.Fatal(err)
	}
	if err := holds.Keep(t.Context(), alvis, mine); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	if err := holds.Keep(t.Context(), alvis, guard.Kept{}); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("one that has read nothing: %v, want a conflict", err)
	}
	if got, err := holds.Kept(t.Context(), alvis); err != nil || got.Hold == nil || got.Hold.Digest != "theirs" {
		t.Errorf("what stands is %+v, %v", got, err)
	}
}

// TestGuardedOfAWholeRegister holds a read of many persons, and then only a few: nothing of the larger set stays.
func TestGuardedOfAWholeRegister(t *testing.T) {
	s := open(t)
	holds := s.Holds(demo)
	big := guard.Kept{Hold: &guard.Hold{Digest: "big"}}
	for n := range 20_000 {
		big.Hold.Items = append(big.Hold.Items, held(n))
	}
	if err := holds.Keep(t.Context(), alvis, big); err != nil {
		t.Fatal(err)
	}
	got, err := holds.Kept(t.Context(), alvis)
	if err != nil || !reflect.DeepEqual(got.Hold, big.Hold) {
		t.Fatalf("%d items, %v", len(got.Hold.Items), err)
	}
	small := guard.Kept{Version: got.Version, Hold: &guard.Hold{Digest: "small", Items: []guard.HeldItem{held(7)}}}
	if err := holds.Keep(t.Context(), alvis, small); err != nil {
		t.Fatal(err)
	}
	if got, err = holds.Kept(t.Context(), alvis); err != nil || !cmp.Equal(got.Hold, small.Hold) {
		t.Fatalf("%+v, %v", got.Hold, err)
	}
	for n := 1; ; n++ {
		m, err := s.lastMsg(t.Context(), ledgerStream(demo), under(holdSubjects, demo, alvis)+"part."+fmt.Sprint(n))
		if errors.Is(err, jetstream.ErrMsgNotFound) && n > 1 {
			break
		}
		if err != nil || len(m.Data) > 0 {
			t.Fatalf("part %d of the larger set still stands: %v", n, err)
		}
	}
}

func TestAuditOnlyGrows(t *testing.T) {
	s := open(t)
	audit := s.Audit(demo)
	now := time.Unix(1_800_000_000, 0).UTC()
	want := []AuditEntry{
		{When: now, Who: "anna", What: "held.approve", On: "alvis/default", Why: "the leavers of June", Details: map[string]string{"digest": "d"}},
		{When: now.Add(time.Second), Who: "anna", What: "held.approve", On: "alvis/default", Why: "once more"},
	}
	for _, e := range want {
		if err := audit.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := audit.Entries(t.Context())
	if err != nil || !cmp.Equal(want, got) {
		t.Fatalf("%v, %s", err, cmp.Diff(want, got))
	}
	if err := s.purge(t.Context(), auditStream(demo)); err == nil {
		t.Error("the audit could be purged")
	}
	for name, e := range map[string]AuditEntry{
		"who":  {When: now, What: "held.approve", Why: "x"},
		"why":  {When: now, What: "held.approve", Who: "x"},
		"when": {What: "held.approve", Who: "x", Why: "x"},
		"what": {When: now, What: "held.>", Who: "x", Why: "x"},
	} {
		if err := audit.Record(t.Context(), e); err == nil {
			t.Errorf("an entry without %s was taken", name)
		}
	}
	if got, err := audit.Entries(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

// TestHoldsOfLinksAndSourcesAreApart gives a source and a link one name.
func TestHoldsOfLinksAndSourcesAreApart(t *testing.T) {
	s := open(t)
	if err := s.Holds(demo).Keep(t.Context(), alvis, guard.Kept{Hold: &guard.Hold{Digest: "a"}}); err != nil {
		t.Fatal(err)
	}
	if k, err := s.LinkHolds(demo).Kept(t.Context(), alvis); err != nil || k.Hold != nil {
		t.Errorf("the link holds %+v, %v", k, err)
	}
}
