package store

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// The runtime cleans up interned texts in a goroutine of its own.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.runCleanups"))
}

const demo = "grynkoping"

var alvis = roster.Source{System: "alvis", Instance: "default"}

// start starts a server.
func start(t testing.TB, dir string) *Server {
	t.Helper()
	srv, err := Embedded(ServerOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	return srv
}

func connect(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Name == "" {
		o.Name = "test"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	s, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// open starts a server and returns a store with a tenant.
func open(t testing.TB) *Store {
	t.Helper()
	s := connect(t, Options{Server: start(t, t.TempDir())})
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	return s
}

func key(n int) (k roster.Key) {
	binary.BigEndian.PutUint32(k[:], uint32(n)+1)
	k[6], k[8] = 0x80, 0x80
	return k
}

func person(n int, name string) roster.Record {
	return roster.Record{
		Ref: roster.Ref{Kind: roster.KindPerson, Key: key(n)}, Source: alvis,
		Origins: []roster.Origin{{ID: roster.Personal(fmt.Sprintf("p-%d", n)), Doc: roster.Personal(fmt.Sprintf("person/p-%d", n))}},
		Person: &roster.Person{
			CivicNo:   roster.CivicNoOf(roster.Personnummer, fmt.Sprintf("18%010d", n)),
			GivenName: roster.Personal(name), FamilyName: "Åkesdotter",
			Personas:   []roster.Persona{{Role: roster.RolePupil, Email: roster.Personal(fmt.Sprintf("p%d@skola.example", n))}},
			Enrolments: []roster.Enrolment{{EnroledAt: key(1 << 20), SchoolType: "GR", SchoolYear: "7", Interval: roster.Interval{Start: 20250818}}},
		},
	}
}

func tombstone(r roster.Record, why roster.TombstoneReason) roster.Record {
	return roster.Record{Ref: r.Ref, Source: r.Source, Tombstone: &roster.Tombstone{Reason: why}}
}

func change(r roster.Record, expect uint64) source.Change {
	return source.Change{Record: r, Hash: "hash", SourceID: "source-id", Expect: expect, SourceTime: time.Unix(1_800_000_000, 0)}
}

// publish publishes records with what the log holds as the expectation.
func publish(t testing.TB, s *Store, run string, records ...roster.Record) {
	t.Helper()
	byKey := make(map[roster.Source][]roster.Record)
	for _, r := range records {
		byKey[r.Source] = append(byKey[r.Source], r)
	}
	for src, records := range byKey {
		scan, err := s.Log(demo).Scan(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		var changes []source.Change
		for _, r := range records {
			changes = append(changes, change(r, scan.Heads[r.Ref].Seq))
		}
		if err := s.Log(demo).Publish(t.Context(), src, run, changes, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// load returns the last state of every entity, by source and reference.
func load(t testing.TB, s *Store) (map[string]roster.Record, roster.Position) {
	t.Helper()
	got := make(map[string]roster.Record)
	pos, err := s.Log(demo).Load(t.Context(), func(e roster.Event) error {
		if e.Mark == "" {
			got[e.Source.String()+" "+e.Ref.String()] = *e.Record
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, pos
}

func wantCode(t testing.TB, err error, code reason.Code, fault reason.Fault) {
	t.Helper()
	if reason.Of(err).Code != code || reason.FaultOf(err) != fault {
		t.Fatalf("got error %v (%s, %s), want %s, %s", err, reason.Of(err).Code, reason.FaultOf(err), code, fault)
	}
}

// onDisk counts the files below dir that hold text.
func onDisk(t testing.TB, dir, text string) (files int) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return nil //nolint:nilerr // the server may remove a file meanwhile
		}
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), text) {
			files++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
