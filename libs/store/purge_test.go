package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

const (
	canary     = "Kanariefågelåsa"
	canaryDoc  = "membership/7b/kanarie-4711"
	canaryFill = "Utfyllnad"
)

func group(n int, members ...roster.Membership) roster.Record {
	return roster.Record{
		Ref: roster.Ref{Kind: roster.KindGroup, Key: key(n)}, Source: alvis,
		Group: &roster.Group{DisplayName: "7B", Type: "Klass", Organisation: key(1 << 20), Members: members},
	}
}

func TestPurgeLeavesNoByteOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	srv := start(t, dir)
	s := connect(t, Options{Server: srv})
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	extens := person(1, canary)
	extens.Source = roster.Source{System: "extens", Instance: "default"}
	class := group(50, roster.Membership{Person: key(1), Role: roster.MemberPupil, Doc: canaryDoc})
	var others []roster.Record
	for i := range 3_000 { // more than one block
		others = append(others, person(100+i, strings.Repeat(canaryFill, 400)))
	}
	publish(t, s, "run-0", others[:1_500]...)
	publish(t, s, "run-1", person(1, canary), extens, class)
	publish(t, s, "run-2", others[1_500:]...)
	if n := onDisk(t, dir, canaryFill); n < 2 {
		t.Fatalf("%d files hold what fills them: the test sees one block", n)
	}
	last := uint64(0)
	for i := range 70 { // a record that changes often
		p := person(1, canary+fmt.Sprint(i))
		if i == 0 {
			publish(t, s, "run-often", p)
		} else if err := s.Log(demo).Publish(t.Context(), alvis, "run-often", []source.Change{change(p, last)}, nil); err != nil {
			t.Fatal(err)
		}
		end, err := s.Log(demo).End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last = end.Seq - 1 // the end of the run stands behind it
	}

	wantCode(t, s.Purge(t.Context(), demo, key(1), nil), reason.PurgeTooEarly, reason.Conflict)
	publish(t, s, "run-3", tombstone(person(1, ""), roster.TombstoneErased), tombstone(extens, roster.TombstoneErased))
	end, err := s.Log(demo).End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	behind := roster.Position{Log: end.Log, Seq: end.Seq - 10}
	wantCode(t, s.Purge(t.Context(), demo, key(1), []roster.Position{end, behind}), reason.PurgeTooEarly, reason.Conflict)
	if onDisk(t, dir, canary) == 0 || onDisk(t, dir, canaryDoc) == 0 {
		t.Fatal("the canary is not on the disk before the purge: the test sees nothing")
	}
	publish(t, s, "run-4", group(50))
	began := time.Now()
	if err := s.Purge(t.Context(), demo, key(1), []roster.Position{end}); err != nil {
		t.Fatal(err)
	}
	t.Logf("purge took %v", time.Since(began))
	for _, text := range []string{canary, canaryDoc} {
		if n := onDisk(t, dir, text); n != 0 {
			t.Errorf("%d files hold the canary after the purge", n)
		}
	}
	got, _ := load(t, s)
	if len(got) != 3_001 {
		t.Errorf("%d records are left, want the 3,000 others and the group", len(got))
	}

	s.Close()
	srv.Shutdown()
	if n := onDisk(t, dir, canary) + onDisk(t, dir, canaryDoc); n != 0 {
		t.Errorf("%d files hold the canary after the server stopped", n)
	}
	s = connect(t, Options{Server: start(t, dir)})
	if got, _ := load(t, s); len(got) != 3_001 {
		t.Errorf("after a restart %d records are left, want 3,001", len(got))
	}
}

func TestPurgeTellsOfGroupsThatStillNameThePerson(t *testing.T) {
	s := open(t)
	publish(t, s, "run-1", person(1, canary), group(50, roster.Membership{Person: key(1), Role: roster.MemberPupil}))
	publish(t, s, "run-2", tombstone(person(1, ""), roster.TombstoneErased))
	wantCode(t, s.Purge(t.Context(), demo, key(1), nil), reason.PurgeStillNamed, reason.Conflict)
	if got, _ := load(t, s); len(got) != 1 {
		t.Errorf("%d records are left, want the group alone", len(got))
	}
}

func TestTombstoneHoldsNothingPersonal(t *testing.T) {
	s := open(t)
	r := tombstone(person(1, ""), roster.TombstoneLeft)
	r.Origins = person(1, "").Origins
	publish(t, s, "run-1", r)
	got, _ := load(t, s)
	for _, r := range got {
		if r.Tombstone == nil || r.Origins != nil {
			t.Errorf("got %+v, want a tombstone without origins", r)
		}
	}
}

func TestJanitor(t *testing.T) {
	extens := roster.Source{System: "extens", Instance: "default"}
	became := func(n, next int) roster.Record {
		r := tombstone(person(n, ""), roster.TombstoneBecame)
		r.Tombstone.Became = key(next)
		return r
	}
	twin := func(r roster.Record) roster.Record { r.Source = extens; return r }
	for _, tc := range []struct {
		name    string
		records []roster.Record // each a run of its own
		passed  bool            // the only cursor is at the end; otherwise before it
		later   time.Duration
		want    Swept
		left    int // records
	}{
		{"history that is young stays", []roster.Record{person(1, "A"), person(1, "B")}, true, 0, Swept{}, 1},
		{"history that is old goes, the last never", []roster.Record{person(1, "A"), person(1, "B"), person(2, "C")}, true, 48 * time.Hour, Swept{History: 1}, 2},
		{"more history than is kept goes", []roster.Record{person(1, "A"), person(1, "B"), person(1, "C"), person(1, "D")}, true, 0, Swept{History: 1}, 1},
		{"a tombstone that a link has not passed stays, its history goes", []roster.Record{person(1, "A"), tombstone(person(1, ""), roster.TombstoneLeft)}, false, 0, Swept{History: 1}, 1},
		{"a tombstone that all have passed goes", []roster.Record{person(1, "A"), tombstone(person(1, ""), roster.TombstoneLeft)}, true, 0, Swept{History: 1, Tombstones: 1}, 0},
		{"R9 a protected tombstone stays beside another record", []roster.Record{twin(person(1, "A")), tombstone(person(1, ""), roster.TombstoneProtected)}, true, 0, Swept{}, 2},
		{"a left tombstone goes beside another record", []roster.Record{twin(person(1, "A")), tombstone(person(1, ""), roster.TombstoneLeft)}, true, 0, Swept{Tombstones: 1}, 1},
		{"a protected tombstone stays when the other's goes", []roster.Record{twin(tombstone(person(1, ""), roster.TombstoneLeft)), tombstone(person(1, ""), roster.TombstoneProtected)}, true, 0, Swept{Tombstones: 1}, 1},
		{"R9 what leads to a key stays while that is there", []roster.Record{became(1, 2), person(2, "A")}, true, 0, Swept{}, 2},
		{"what leads to a key that is gone goes", []roster.Record{became(1, 2)}, true, 0, Swept{Tombstones: 1}, 0},
		{"R9 another source's history of a protected person goes", []roster.Record{twin(person(1, "A")), twin(person(1, "B")), tombstone(person(1, ""), roster.TombstoneProtected)}, true, 0, Swept{History: 1}, 2},
		{"R9 and stays until every link has heard of it", []roster.Record{twin(person(1, "A")), twin(person(1, "B")), tombstone(person(1, ""), roster.TombstoneProtected)}, false, 0, Swept{}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			for i, r := range tc.records {
				publish(t, s, fmt.Sprint("run-", i), r)
			}
			cursor, err := s.Log(demo).End(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !tc.passed {
				cursor.Seq = 1
			}
			got, err := s.Janitor(t.Context(), demo, Retention{
				Now: time.Now().Add(tc.later), Age: 24 * time.Hour, History: 3, Cursors: []roster.Position{cursor},
			})
			if err != nil || got != tc.want {
				t.Errorf("swept %+v, error %v; want %+v", got, err, tc.want)
			}
			if left, _ := load(t, s); len(left) != tc.left {
				t.Errorf("%d records are left, want %d", len(left), tc.left)
			}
		})
	}
	t.Run("without cursors no tombstone goes", func(t *testing.T) {
		s := open(t)
		publish(t, s, "run", tombstone(person(1, ""), roster.TombstoneLeft))
		got, err := s.Janitor(t.Context(), demo, Retention{Now: time.Now(), Age: time.Hour, History: 1})
		if err != nil || got != (Swept{}) {
			t.Errorf("swept %+v, error %v; want nothing", got, err)
		}
	})
}
