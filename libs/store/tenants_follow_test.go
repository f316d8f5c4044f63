package store

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"eventful.se/ess/libs/reason"
)

// followed is what a follower of the documents was told.
type followed struct {
	mu   sync.Mutex
	list []TenantNews
	err  error
	ring chan struct{}
}

func followTenants(t *testing.T, s *Store) *followed {
	t.Helper()
	f := &followed{ring: make(chan struct{}, 1)}
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		s.Tenants().Follow(t.Context(), "", func(list []TenantNews, err error) {
			f.mu.Lock()
			f.list, f.err = list, err
			f.mu.Unlock()
			select {
			case f.ring <- struct{}{}:
			default:
			}
		})
	}()
	return f
}

// until waits until the follower was told what is wanted, by tenant: the version, or -1 for one that is damaged.
func (f *followed) until(t *testing.T, want map[string]int) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		f.mu.Lock()
		got := map[string]int{}
		for _, n := range f.list {
			if got[n.Tenant] = n.Number; n.Err != nil {
				got[n.Tenant] = -1
			}
		}
		err := f.err
		f.mu.Unlock()
		same := err == nil && len(got) == len(want)
		for name, version := range want {
			same = same && got[name] == version
		}
		if same {
			return
		}
		select {
		case <-f.ring:
		case <-deadline:
			t.Fatalf("told of %v, %v, want %v", got, err, want)
		}
	}
}

func (f *followed) untilLost(t *testing.T) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		f.mu.Lock()
		err := f.err
		f.mu.Unlock()
		if reason.Of(err).Code == reason.LogMissing {
			return
		}
		select {
		case <-f.ring:
		case <-deadline:
			t.Fatalf("told of %v, want that the stream is missing", err)
		}
	}
}

func TestFollowTenants(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir()), Watch: 50 * time.Millisecond})
	f := followTenants(t, s)
	f.untilLost(t)
	if err := s.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	f.until(t, map[string]int{})
	put := func(after TenantVersion, text string) TenantVersion {
		t.Helper()
		v, err := s.Tenants().Put(t.Context(), after, []byte(text), "anna")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	lund := put(TenantVersion{Tenant: "lund"}, "one")
	f.until(t, map[string]int{"lund": 1})
	put(lund, "two")
	put(TenantVersion{Tenant: "vara"}, "one")
	f.until(t, map[string]int{"lund": 2, "vara": 1})

	t.Run("R7 a damaged version hides no other", func(t *testing.T) {
		m := nats.NewMsg(tenantSubjects + "bad")
		m.Data = []byte("text of another digest")
		m.Header = nats.Header{headerVersion: {"1"}, headerDocumentDigest: {"0"}, headerWho: {strconv.Quote("anna")}}
		if _, err := s.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		f.until(t, map[string]int{"lund": 2, "vara": 1, "bad": -1})
		if news, err := s.Tenants().News(t.Context()); err != nil || len(news) != 3 || news[0].Err == nil || news[1].Err != nil {
			t.Errorf("listed %+v, %v", news, err)
		}
	})
	t.Run("another stream in its place is read anew", func(t *testing.T) {
		if err := s.js.DeleteStream(t.Context(), tenantsStream); err != nil {
			t.Fatal(err)
		}
		f.untilLost(t)
		if err := s.EnsureTenants(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		put(TenantVersion{Tenant: "lund"}, "three")
		f.until(t, map[string]int{"lund": 1})
	})
}

// TestFollowTenantsOverALostServer applies while the follower's server was away.
func TestFollowTenantsOverALostServer(t *testing.T) {
	dir := t.TempDir()
	server, err := Embedded(ServerOptions{Dir: dir, Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	port := server.Port()
	s := connect(t, Options{URL: server.URL(), Watch: 50 * time.Millisecond})
	if err := s.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	lund, err := s.Tenants().Put(t.Context(), TenantVersion{Tenant: "lund"}, []byte("one"), "anna")
	if err != nil {
		t.Fatal(err)
	}
	f := followTenants(t, s)
	f.until(t, map[string]int{"lund": 1})
	server.Shutdown()
	if server, err = Embedded(ServerOptions{Dir: dir, Listen: true, Port: port}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	other := connect(t, Options{URL: server.URL(), Name: "other"})
	if _, err := other.Tenants().Put(t.Context(), lund, []byte("two"), "berit"); err != nil {
		t.Fatal(err)
	}
	f.until(t, map[string]int{"lund": 2})
}

func TestEnsureTenantLeavesReplicasAlone(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir())})
	for range 2 {
		if err := s.EnsureTenant(t.Context(), demo, 0); err != nil {
			t.Fatal(err)
		}
	}
	info, err := s.info(t.Context(), logStream(demo))
	if err != nil || info.Config.Replicas != 1 {
		t.Errorf("%+v, %v, want one replica", info, err)
	}
	if err := s.EnsureTenant(t.Context(), demo, 2); err == nil {
		t.Error("two replicas are taken")
	}
}
