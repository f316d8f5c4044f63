package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// following collects what a follower sees.
type following struct {
	mu   sync.Mutex
	seqs []uint64
	done chan error
}

func follow(ctx context.Context, s *Store, from roster.Position, headers bool) *following {
	f := &following{done: make(chan error, 1)}
	go func() {
		f.done <- s.Log(demo).Follow(ctx, from, headers, func(e roster.Event) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seqs = append(f.seqs, e.Seq)
			return nil
		})
	}()
	return f
}

// until waits until the follower is at seq, and checks that it saw every message once and in order.
func (f *following) until(t *testing.T, from, seq uint64) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		f.mu.Lock()
		n := uint64(len(f.seqs))
		f.mu.Unlock()
		if n >= seq-from {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the follower saw %d messages, want %d", n, seq-from)
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, got := range f.seqs {
		if got != from+uint64(i)+1 {
			t.Fatalf("message %d has sequence %d, want %d: skipped or twice", i, got, from+uint64(i)+1)
		}
	}
}

func TestFollowAcrossARestartOfTheServer(t *testing.T) {
	dir := t.TempDir()
	srv, err := Embedded(ServerOptions{Dir: dir, Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	port := srv.Port()
	s := connect(t, Options{URL: srv.URL(), Timeout: 5 * time.Second, Watch: 200 * time.Millisecond})
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := follow(ctx, s, roster.Position{}, false)
	for round := range 3 {
		for i := range 20 {
			publish(t, s, fmt.Sprint(round, "-", i), person(round*100+i, "Testa"))
		}
		end, err := s.Log(demo).End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.until(t, 0, end.Seq)
		if round == 2 {
			break
		}
		srv.Shutdown()
		if err := s.Healthy(t.Context()); err == nil {
			t.Error("healthy without a server")
		}
		if srv, err = Embedded(ServerOptions{Dir: dir, Listen: true, Port: port}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(srv.Shutdown)
		for deadline := time.Now().Add(time.Minute); s.Healthy(t.Context()) != nil; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the connection does not come back")
			}
		}
	}
	if s.Counts().Disconnects != 2 {
		t.Errorf("%d disconnects counted, want 2", s.Counts().Disconnects)
	}
	cancel()
	if err := <-f.done; !errors.Is(err, context.Canceled) {
		t.Errorf("the follower ended with %v", err)
	}
}

func TestFollowSurvivesItsConsumer(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir()), Watch: 100 * time.Millisecond})
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := follow(ctx, s, roster.Position{}, true)
	publish(t, s, "run-1", person(1, "Testa"))
	f.until(t, 0, 4)
	st, err := s.js.Stream(t.Context(), logStream(demo))
	if err != nil {
		t.Fatal(err)
	}
	for name := range st.ConsumerNames(t.Context()).Name() {
		if err := st.DeleteConsumer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, s, "run-2", person(2, "Testa"))
	f.until(t, 0, 8)
	if s.Counts().Restarts == 0 {
		t.Error("no restart was counted")
	}
	cancel()
	if err := <-f.done; !errors.Is(err, context.Canceled) {
		t.Errorf("the follower ended with %v, want that its context ended", err)
	}
}

func TestFollowFromAPosition(t *testing.T) {
	s := open(t)
	publish(t, s, "run-1", person(1, "Testa"))
	_, pos := load(t, s)
	publish(t, s, "run-2", person(2, "Testa"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last *roster.Event
	err := s.Log(demo).Follow(ctx, pos, false, func(e roster.Event) error {
		if e.Mark == roster.RunEnded {
			return errStop
		}
		if e.Record != nil {
			last = &e
		}
		return nil
	})
	if !errors.Is(err, errStop) || last == nil || last.Ref != person(2, "").Ref || last.Run != "run-2" || last.Source != alvis || last.Seq != 7 {
		t.Errorf("got error %v and event %+v", err, last)
	}
}

func TestFollowSeesALogThatRegressed(t *testing.T) {
	for _, tc := range []struct {
		name string
		from func(end roster.Position) roster.Position
	}{
		{"the log is shorter", func(end roster.Position) roster.Position { end.Seq++; return end }},
		{"the log is another", func(end roster.Position) roster.Position { end.Log = end.Log.Add(-time.Hour); return end }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			publish(t, s, "run-1", person(1, "Testa"))
			end, err := s.Log(demo).End(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = s.Log(demo).Follow(t.Context(), tc.from(end), true, func(roster.Event) error { return nil })
			wantCode(t, err, reason.LogRegressed, reason.Misconfigured)
		})
	}
	t.Run("the log is made again under a follower", func(t *testing.T) {
		s := connect(t, Options{Server: start(t, t.TempDir()), Watch: 50 * time.Millisecond})
		if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
			t.Fatal(err)
		}
		publish(t, s, "run-1", person(1, "Testa"), person(2, "Testa"))
		f := follow(t.Context(), s, roster.Position{}, true)
		f.until(t, 0, 5)
		for _, stream := range []string{logStream(demo), ledgerStream(demo)} {
			if err := s.js.DeleteStream(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
			t.Fatal(err)
		}
		err := <-f.done
		if c := reason.Of(err).Code; c != reason.LogRegressed && c != reason.LogMissing {
			t.Errorf("the follower ended with %v, want %s", err, reason.LogRegressed)
		}
	})
}

func TestWatchdogTellsOfAFollowerThatNobodyPulls(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir()), Watch: 20 * time.Millisecond})
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	publish(t, s, "run-1", person(1, "Testa"))
	err := s.Log(demo).Follow(t.Context(), roster.Position{}, true, func(roster.Event) error {
		for deadline := time.Now().Add(time.Minute); s.Counts().Stalls == 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("no stall was counted")
				break
			}
		}
		return errStop
	})
	if !errors.Is(err, errStop) {
		t.Errorf("got error %v", err)
	}
}

func TestLoadThenFollowWhileOthersPublish(t *testing.T) {
	s := open(t)
	const n, rounds = 200, 20
	var writers sync.WaitGroup
	writers.Go(func() {
		for round := range rounds {
			var records []roster.Record
			for i := range n {
				records = append(records, person(i, fmt.Sprint("Testa", round)))
			}
			publish(t, s, fmt.Sprint("run-", round), records...)
		}
	})
	got, pos := load(t, s)
	err := s.Log(demo).Follow(t.Context(), pos, false, func(e roster.Event) error {
		if e.Record != nil {
			got["alvis/default "+e.Ref.String()] = *e.Record
		}
		if e.Run == fmt.Sprint("run-", rounds-1) && e.Mark == roster.RunEnded {
			return errStop
		}
		return nil
	})
	if !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	writers.Wait()
	for ref, r := range got {
		if r.Person.GivenName.Reveal() != fmt.Sprint("Testa", rounds-1) {
			t.Fatalf("%s is not the newest", ref)
		}
	}
	if len(got) != n {
		t.Fatalf("%d records, want %d", len(got), n)
	}
}
