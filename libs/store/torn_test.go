package store

import (
	"os"
	"path/filepath"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// A server that is killed while it makes a stream leaves half of one. What is published to the stream that takes its
// place must be there after the next start too.
func TestStreamMadeAfterATornOneLasts(t *testing.T) {
	for name, tear := range map[string]func(sum string) error{
		"no checksum":       os.Remove,
		"an empty checksum": func(sum string) error { return os.Truncate(sum, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			run := func(do func(s *Store)) {
				t.Helper()
				server, err := Embedded(ServerOptions{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				defer server.Shutdown()
				s, err := Connect(t.Context(), Options{Server: server, Name: "test"})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				do(s)
			}
			ensure := func(s *Store) {
				t.Helper()
				if err := s.EnsureTenant(t.Context(), "torn", 1); err != nil {
					t.Fatal(err)
				}
			}
			run(ensure)
			sums, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "meta.sum"))
			if err != nil || len(sums) == 0 {
				t.Fatalf("no checksums (%v): the server keeps its streams elsewhere", err)
			}
			for _, sum := range sums {
				if err := tear(sum); err != nil {
					t.Fatal(err)
				}
			}
			origin := roster.Source{System: "test", Instance: "default"}
			var end roster.Position
			run(func(s *Store) {
				ensure(s)
				if err := s.Log("torn").Publish(t.Context(), origin, "run", []source.Change{}, func(int) {}); err != nil {
					t.Fatal(err)
				}
				if end, err = s.Log("torn").End(t.Context()); err != nil || end.Seq == 0 {
					t.Fatalf("the log ends at %d (%v)", end.Seq, err)
				}
			})
			run(func(s *Store) {
				if got, err := s.Log("torn").End(t.Context()); err != nil || got != end {
					t.Errorf("after the next start the log ends at %v (%v), want %v", got, err, end)
				}
			})
		})
	}
}
