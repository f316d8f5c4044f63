package store

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
)

// many returns changes that make n persons.
func many(n int) []source.Change {
	changes := make([]source.Change, n)
	for i := range changes {
		changes[i] = change(person(i, "Testa"), 0)
	}
	return changes
}

// rest returns the changes that a log does not hold.
func rest(t *testing.T, s *Store, all []source.Change) (left []source.Change, open bool) {
	t.Helper()
	scan, err := s.Log(demo).Scan(t.Context(), alvis)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if _, ok := scan.Heads[c.Record.Ref]; !ok {
			left = append(left, c)
		}
	}
	return left, scan.Open
}

func TestRunKilledBetweenBatchesGoesOn(t *testing.T) {
	for _, restart := range []bool{false, true} {
		name := map[bool]string{false: "F16 F70 reader alone", true: "reader and server"}[restart]
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			srv := start(t, dir)
			s := connect(t, Options{Server: srv})
			if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
				t.Fatal(err)
			}
			changes := many(2500)
			ctx, kill := context.WithCancel(t.Context())
			err := s.Log(demo).Publish(ctx, alvis, "run-1", changes, func(done int) {
				if done == 1996 {
					kill()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v", err)
			}
			if restart {
				s.Close()
				srv.Shutdown()
				s = connect(t, Options{Server: start(t, dir)})
			}
			left, open := rest(t, s, changes)
			if len(left) != 504 || !open {
				t.Fatalf("%d changes are left, open %v; want 504 of an open run", len(left), open)
			}
			if err := s.Log(demo).Publish(t.Context(), alvis, "run-2", left, nil); err != nil {
				t.Fatal(err)
			}
			if left, open := rest(t, s, changes); len(left) != 0 || open {
				t.Errorf("%d changes are left, open %v; want none, and the run ended", len(left), open)
			}
		})
	}
}

// cutter stands between client and server and cuts every connection when it sees a text from the client, before or
// after the server got it.
type cutter struct {
	net.Listener
	server string
	text   atomic.Pointer[string]
	after  bool
	wg     sync.WaitGroup
}

func newCutter(t *testing.T, server string, after bool) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, server: strings.TrimPrefix(server, "nats://"), after: after}
	c.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.wg.Wait()
	})
	return c
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var cut atomic.Bool
	c.wg.Go(func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || cut.Load() {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 64<<10)
	tail := ""
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		tail += string(buf[:n])
		if text := c.text.Load(); text != nil && strings.Contains(tail, *text) {
			cut.Store(true)
			c.text.Store(nil)
			if c.after { // the server gets all of it, and nobody hears its answer
				_, _ = server.Write(buf[:n])
				time.Sleep(500 * time.Millisecond)
			}
			return
		}
		tail = tail[max(0, len(tail)-64):]
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestLostAnswerIsNotTakenForAFailure(t *testing.T) {
	for _, after := range []bool{false, true} {
		name := map[bool]string{false: "F14 cut before the batch is committed", true: "F14 cut before the answer"}[after]
		t.Run(name, func(t *testing.T) {
			srv, err := Embedded(ServerOptions{Dir: t.TempDir(), Listen: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(srv.Shutdown)
			c := newCutter(t, srv.URL(), after)
			s := connect(t, Options{URL: "nats://" + c.Addr().String(), Timeout: 3 * time.Second})
			if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
				t.Fatal(err)
			}
			changes := many(100)
			commit := "Nats-Batch-Commit: 1"
			c.text.Store(&commit)
			err = s.Log(demo).Publish(t.Context(), alvis, "run-1", changes, nil)
			wantCode(t, err, reason.OutcomeUnknown, reason.Transient)
			if errors.Is(err, source.ErrConflict) {
				t.Error("a lost answer is no conflict")
			}
			for deadline := time.Now().Add(time.Minute); s.Healthy(t.Context()) != nil; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the connection does not come back")
				}
			}
			left, _ := rest(t, s, changes)
			if want := map[bool]int{false: 100, true: 0}[after]; len(left) != want {
				t.Fatalf("%d changes are left, want %d", len(left), want)
			}
			// Who sends the same again is refused or stores it once.
			err = s.Log(demo).Publish(t.Context(), alvis, "run-2", changes, nil)
			if after != errors.Is(err, source.ErrConflict) || !after && err != nil {
				t.Errorf("sent again: got error %v", err)
			}
			info, err := s.info(t.Context(), logStream(demo))
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := load(t, s); len(got) != 100 || info.State.Msgs > 100+6 {
				t.Errorf("%d records in %d messages, want each once", len(got), info.State.Msgs)
			}
		})
	}
}
