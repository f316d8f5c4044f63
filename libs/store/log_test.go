package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	// The types print masked, so a difference is shown by its place alone.
	if !cmp.Equal(got, want, cmp.Comparer(func(a, b roster.CivicNo) bool { return a == b })) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestPublishedRecordsAreLoadedAndScanned(t *testing.T) {
	s := open(t)
	log := s.Log(demo)
	records := []roster.Record{person(1, "Testa"), person(2, "Testan")}
	publish(t, s, "run-1", records...)

	got, pos := load(t, s)
	equal(t, "loaded", got, map[string]roster.Record{
		"alvis/default " + records[0].Ref.String(): records[0],
		"alvis/default " + records[1].Ref.String(): records[1],
	})
	end, err := log.End(t.Context())
	if err != nil || pos != end || pos.Seq != 5 { // opened, fence, two changes, ended
		t.Errorf("position %v, end %v, error %v; want both at 5", pos, end, err)
	}
	scan, err := log.Scan(t.Context(), alvis)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "scan", scan, source.Scan{Heads: map[roster.Ref]source.Head{
		records[0].Ref: {Seq: 3, Hash: "hash", SourceID: "source-id"},
		records[1].Ref: {Seq: 4, Hash: "hash", SourceID: "source-id"},
	}})

	publish(t, s, "run-2", tombstone(records[0], roster.TombstoneLeft))
	if scan, err = log.Scan(t.Context(), alvis); err != nil || !scan.Heads[records[0].Ref].Tombstone || scan.Open {
		t.Errorf("after a tombstone: %+v, error %v; want a tombstone and no open run", scan, err)
	}
	moved := tombstone(records[1], roster.TombstoneBecame)
	moved.Tombstone.Became = key(3)
	publish(t, s, "run-3", moved)
	if scan, err = log.Scan(t.Context(), alvis); err != nil || !scan.Heads[moved.Ref].Tombstone || scan.Heads[moved.Ref].Became != key(3) {
		t.Errorf("after a key became another: %+v, error %v; want to be told which", scan.Heads[moved.Ref], err)
	}
	for _, vanished := range []bool{true, false} {
		contained := change(tombstone(records[0], roster.TombstoneProtected), scan.Heads[records[0].Ref].Seq)
		contained.Vanished = vanished
		if err := log.Publish(t.Context(), alvis, fmt.Sprint("run-3-", vanished), []source.Change{contained}, nil); err != nil {
			t.Fatal(err)
		}
		scan, err = log.Scan(t.Context(), alvis)
		if head := scan.Heads[records[0].Ref]; err != nil || !head.Protected || head.Vanished != vanished {
			t.Errorf("contained, vanished %t: %+v, error %v", vanished, head, err)
		}
	}
	publish(t, s, "run-4", records[1])
	if scan, err = log.Scan(t.Context(), alvis); err != nil || !scan.Heads[moved.Ref].Became.IsZero() {
		t.Errorf("after the key came back: %+v, error %v", scan.Heads[moved.Ref], err)
	}
	var left []roster.Ref
	err = log.Records(t.Context(), alvis, func(r roster.Record) error {
		left = append(left, r.Ref)
		return nil
	})
	if err != nil || !cmp.Equal(left, []roster.Ref{records[1].Ref}) {
		t.Errorf("records %v, error %v; want %v", left, err, records[1].Ref)
	}
}

func TestRunWithoutChangesEndsTheOpenOne(t *testing.T) {
	s := open(t)
	if _, err := s.publish(t.Context(), logStream(demo), nats.NewMsg(markSubject(demo, alvis, roster.RunOpened))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		scan, err := s.Log(demo).Scan(t.Context(), alvis)
		if err != nil || scan.Open != want {
			t.Fatalf("open %v, error %v; want open %v", scan.Open, err, want)
		}
		if err := s.Log(demo).Publish(t.Context(), alvis, "run", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPublishInBatches(t *testing.T) {
	for _, tc := range []struct {
		name   string
		n      int
		joined func(i int) bool
		want   []int // done after each batch
	}{
		{"998 fill one batch with fence and end", 998, nil, []int{998}},
		{"999 take two", 999, nil, []int{998, 999}},
		{"2,500 take three", 2500, nil, []int{998, 1996, 2500}},
		{"what is joined is not split", 1000, func(i int) bool { return i == 997 || i == 998 }, []int{996, 1000}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			var changes []source.Change
			for i := range tc.n {
				c := change(person(i, "Testa"), 0)
				c.Joined = tc.joined != nil && tc.joined(i)
				changes = append(changes, c)
			}
			var done []int
			if err := s.Log(demo).Publish(t.Context(), alvis, "run", changes, func(n int) { done = append(done, n) }); err != nil {
				t.Fatal(err)
			}
			equal(t, "done", done, tc.want)
			if got, _ := load(t, s); len(got) != tc.n {
				t.Errorf("%d records, want %d", len(got), tc.n)
			}
		})
	}
}

func TestBatchIsBoundByBytes(t *testing.T) {
	s := open(t)
	var changes []source.Change
	for i := range 12 {
		r := person(i, "Testa")
		r.Person.Extra = roster.Extra{"large": roster.Personal(strings.Repeat("x", 900_000))}
		changes = append(changes, change(r, 0))
	}
	var done []int
	if err := s.Log(demo).Publish(t.Context(), alvis, "run", changes, func(n int) { done = append(done, n) }); err != nil {
		t.Fatal(err)
	}
	equal(t, "done", done, []int{4, 8, 12})
}

func TestPublishRefuses(t *testing.T) {
	big := person(1, "Testa")
	big.Person.Extra = roster.Extra{"large": roster.Personal(strings.Repeat("x", 1<<20))}
	joined := make([]source.Change, maxBatch)
	for i := range joined {
		joined[i] = change(person(i, "Testa"), 0)
		joined[i].Joined = i > 0
	}
	for _, tc := range []struct {
		name    string
		changes []source.Change
		want    string
	}{
		{"F7 a record larger than max_payload", []source.Change{change(big, 0)}, "record-too-large"},
		{"two changes of one entity", []source.Change{change(person(1, "Testa"), 0), change(person(1, "Testa"), 3)}, "stands twice"},
		{"a record of another source", []source.Change{{Record: roster.Record{Ref: person(1, "").Ref, Source: roster.Source{System: "extens", Instance: "default"}, Tombstone: &roster.Tombstone{}}}}, "of source extens/default"},
		{"more joined changes than a batch holds", joined, "joined"},
		{"a kind that no subject has", []source.Change{{Record: roster.Record{Ref: roster.Ref{Kind: "run", Key: key(1)}, Source: alvis, Tombstone: &roster.Tombstone{}}}}, "no entity"},
		{"a person that states a group", []source.Change{{Record: roster.Record{Ref: person(1, "").Ref, Source: alvis, Group: &roster.Group{}}}}, "states a group"},
		{"invalid UTF-8", []source.Change{change(person(1, "\xff"), 0)}, "not valid UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			err := s.Log(demo).Publish(t.Context(), alvis, "run", tc.changes, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got error %v, want one about %q", err, tc.want)
			}
			if got, _ := load(t, s); len(got) != 0 {
				t.Errorf("%d records were stored, want none", len(got))
			}
		})
	}
}

func TestOlderRunCanWriteNoMore(t *testing.T) {
	s := open(t)
	log := s.Log(demo)
	var changes []source.Change
	for i := range 2500 {
		changes = append(changes, change(person(i, "Testa"), 0))
	}
	// A second reader opens its run while the first is between two batches.
	err := log.Publish(t.Context(), alvis, "old", changes, func(done int) {
		if done == 998 {
			if err := log.Publish(t.Context(), alvis, "new", nil, nil); err != nil {
				t.Error(err)
			}
		}
	})
	if !errors.Is(err, source.ErrConflict) {
		t.Fatalf("got error %v, want a conflict", err)
	}
	if got, _ := load(t, s); len(got) != 998 {
		t.Errorf("%d records, want the 998 of the first batch", len(got))
	}
	if scan, err := log.Scan(t.Context(), alvis); err != nil || scan.Open {
		t.Errorf("open %v, error %v; the newer run has ended", scan.Open, err)
	}
}

func TestStaleExpectationStoresNothingOfItsBatch(t *testing.T) {
	s := open(t)
	publish(t, s, "run-1", person(1, "Testa"))
	err := s.Log(demo).Publish(t.Context(), alvis, "run-2", []source.Change{change(person(2, "Testa"), 0), change(person(1, "Testan"), 0)}, nil)
	if !errors.Is(err, source.ErrConflict) {
		t.Fatalf("got error %v, want a conflict", err)
	}
	got, _ := load(t, s)
	if len(got) != 1 || got["alvis/default "+person(1, "").Ref.String()].Person.GivenName.Reveal() != "Testa" {
		t.Errorf("got %d records, want the one of run-1 as it was", len(got))
	}
	if scan, err := s.Log(demo).Scan(t.Context(), alvis); err != nil || !scan.Open {
		t.Errorf("open %v, error %v; want run-2 open", scan.Open, err)
	}
}

func TestLogIsNeverMadeAgainInSilence(t *testing.T) {
	s := open(t)
	if err := s.js.DeleteStream(t.Context(), logStream(demo)); err != nil {
		t.Fatal(err)
	}
	t.Run("F21 EnsureTenant sees the ledger that is left", func(t *testing.T) {
		wantCode(t, s.EnsureTenant(t.Context(), demo, 1), reason.LogMissing, reason.Misconfigured)
	})
	t.Run("F21 a publication", func(t *testing.T) {
		err := s.Log(demo).Publish(t.Context(), alvis, "run", []source.Change{change(person(1, "Testa"), 0)}, nil)
		wantCode(t, err, reason.LogMissing, reason.Misconfigured)
	})
	t.Run("F21 a scan", func(t *testing.T) {
		_, err := s.Log(demo).Scan(t.Context(), alvis)
		wantCode(t, err, reason.LogMissing, reason.Misconfigured)
	})
	t.Run("F21 a follower", func(t *testing.T) {
		wantCode(t, s.Log(demo).Follow(t.Context(), roster.Position{}, true, func(roster.Event) error { return nil }), reason.LogMissing, reason.Misconfigured)
	})
}

func TestStreamsHaveNoTTLAndNoRollup(t *testing.T) {
	s := open(t)
	if _, err := s.Ledger(demo).Own(t.Context(), alvis, target.Owner{Name: "me"}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for info := range s.js.ListStreams(t.Context()).Info() {
		n++
		c := info.Config
		if c.MaxAge != 0 || c.AllowMsgTTL || c.SubjectDeleteMarkerTTL != 0 || c.AllowRollup || c.Discard != jetstream.DiscardNew || c.Storage != jetstream.FileStorage {
			t.Errorf("stream %s: age %v, TTL %v, marker %v, rollup %v, discard %v, storage %v", c.Name, c.MaxAge, c.AllowMsgTTL, c.SubjectDeleteMarkerTTL, c.AllowRollup, c.Discard, c.Storage)
		}
	}
	if n != 3 {
		t.Errorf("a tenant has %d streams, want 3", n)
	}
}

func TestUnreadableMessages(t *testing.T) {
	subject := under(logSubjects, demo, alvis) + "person." + key(1).String()
	newer, err := marshal(recordTo(person(1, "Testa")))
	if err != nil {
		t.Fatal(err)
	}
	newer[1] = 2 // the schema is the first field
	cut, err := encodeRecord(person(1, "Testa"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := encodeRecord(person(2, "Testa"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		body []byte
		code reason.Code
	}{
		{"F1 empty", nil, reason.MessageUnreadable},
		{"F2 random bytes", []byte("\x8f\x01\xff\xfe not a record"), reason.MessageUnreadable},
		{"F3 cut off", cut[:len(cut)-3], reason.MessageUnreadable},
		{"F4 newer schema", newer, reason.SchemaNewer},
		{"another entity than the subject", other, reason.MessageUnreadable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			m := nats.NewMsg(subject)
			m.Data = tc.body
			if _, err := s.publish(t.Context(), logStream(demo), m); err != nil {
				t.Fatal(err)
			}
			publish(t, s, "run-1", person(2, "Testa"))
			var events []roster.Event
			if _, err := s.Log(demo).Load(t.Context(), func(e roster.Event) error {
				if e.Mark == "" {
					events = append(events, e)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if len(events) != 2 || events[0].Record != nil || events[0].Ref.Key != key(1) || events[1].Record == nil {
				t.Fatalf("R7: read %v, want the bad message by its entity and the good one whole", events)
			}
			err := events[0].Unreadable
			wantCode(t, err, tc.code, reason.Misconfigured)
			wantCode(t, s.Log(demo).Records(t.Context(), alvis, func(roster.Record) error { return nil }), tc.code, reason.Misconfigured)
			if strings.Contains(err.Error(), "Testa") {
				t.Errorf("error %q holds a name", err)
			}
		})
	}
}

func TestSince(t *testing.T) {
	s := open(t)
	publish(t, s, "run-1", person(1, "Testa"))
	between := time.Now()
	time.Sleep(10 * time.Millisecond)
	publish(t, s, "run-2", person(2, "Testa"))
	for _, tc := range []struct {
		name string
		at   time.Time
		want uint64
	}{
		{"before the first", between.Add(-time.Hour), 0},
		{"between two runs", between, 4},
		{"after the last", between.Add(time.Hour), 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := s.Log(demo).Since(t.Context(), tc.at)
			if err != nil || p.Seq != tc.want {
				t.Errorf("position %d, error %v; want %d", p.Seq, err, tc.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	s := open(t)
	for _, name := range []string{"", "a.b", "*", ">", "A", "å", "a b", strings.Repeat("a", 65)} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			if err := s.EnsureTenant(t.Context(), name, 1); err == nil {
				t.Error("EnsureTenant took it")
			}
			if _, err := s.Log(demo).Scan(t.Context(), roster.Source{System: name, Instance: "default"}); err == nil {
				t.Error("Scan took it as a system")
			}
			if _, err := Connect(t.Context(), Options{Name: name, URL: "nats://127.0.0.1:1"}); err == nil {
				t.Error("Connect took it")
			}
		})
	}
}
