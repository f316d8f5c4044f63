package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// A server on which "reader" may do what a reader of alvis needs, and "mute" may hear no answer.
const permissions = `
authorization {
  users = [
    { user: admin, password: "x" }
    { user: reader, password: "x", permissions: {
      publish: [ "ess-member.source-alvis.>", "$JS.API.STREAM.PURGE.ESS-MEMBERS", "ess.*.alvis.>", "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.CREATE.*.*.ess.*.alvis.>", "$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.API.CONSUMER.DELETE.*.*" ]
      subscribe: [ "_INBOX_reader.>" ] } }
    { user: mute, password: "x", permissions: { publish: ">", subscribe: [ "nothing" ] } }
  ]
}`

func TestMissingPermissionIsNamed(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(conf, []byte(permissions), 0o600); err != nil {
		t.Fatal(err)
	}
	srv, err := Embedded(ServerOptions{Dir: t.TempDir(), ConfigFile: conf, Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	t.Setenv("ESS_TEST_PASSWORD", "x")
	var later atomic.Int64 // how far the clock is ahead
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	as := func(user string) *Store {
		return connect(t, Options{
			Server: srv, Name: user, User: user, Password: tenant.Secret("env:ESS_TEST_PASSWORD"), Timeout: 20 * time.Second, Now: now,
		})
	}
	if err := as("admin").EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	reader := as("reader")
	if err := reader.Log(demo).Publish(t.Context(), alvis, "run", []source.Change{change(person(1, "Testa"), 0)}, nil); err != nil {
		t.Fatalf("what a reader may do: %v", err)
	}
	if scan, err := reader.Log(demo).Scan(t.Context(), alvis); err != nil || len(scan.Heads) != 1 {
		t.Fatalf("what a reader may do: %v, %d heads", err, len(scan.Heads))
	}
	if err := reader.Healthy(t.Context()); err != nil {
		t.Errorf("not healthy: %v", err)
	}

	if err := errors.Join(as("admin").EnsureMembers(t.Context(), 1, 0), as("admin").EnsureControl(t.Context(), 1)); err != nil {
		t.Fatal(err)
	}
	replica := Member{Program: "source-alvis", Instance: "pod", Session: "s"}
	for name, do := range map[string]func() error{
		"renew": func() error { return reader.Members().Renew(t.Context(), replica) },
		"look":  func() error { _, err := reader.Members().Look(t.Context(), replica.Program); return err },
		"lives": func() error { _, err := reader.Members().Lives(t.Context(), "s"); return err },
		"leave": func() error { return reader.Members().Leave(t.Context(), replica) },
		"hear":  func() error { return reader.Control().Reach(t.Context()) },
	} {
		if err := do(); err != nil {
			t.Errorf("what a replica may do: %s: %v", name, err)
		}
	}

	extens := roster.Source{System: "extens", Instance: "default"}
	for _, tc := range []struct {
		name string
		user string
		do   func(*Store) error
		want string
	}{
		{"F24 to publish as another system", "reader", func(s *Store) error {
			return s.Log(demo).Publish(t.Context(), extens, "run", nil, nil)
		}, "publish on ess.grynkoping.extens.default.run.current"},
		{"F66 to read another system", "reader", func(s *Store) error {
			_, err := s.Log(demo).Scan(t.Context(), extens)
			return err
		}, "publish on $JS.API.CONSUMER.CREATE.ESS-grynkoping."},
		{"to live as another program", "reader", func(s *Store) error {
			return s.Members().Renew(t.Context(), Member{Program: "source-extens", Instance: "pod", Session: "s"})
		}, "publish on ess-member.source-extens.pod.s.here"},
		{"to take a message out", "reader", func(s *Store) error {
			return s.erase(t.Context(), demo, 1, true)
		}, "publish on $JS.API.STREAM.MSG.DELETE.ESS-grynkoping"},
		{"to hear an answer", "mute", func(s *Store) error {
			_, err := s.Log(demo).End(t.Context())
			return err
		}, "subscription on _INBOX_mute."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := as(tc.user)
			began := time.Now()
			err := tc.do(s)
			wantCode(t, err, reason.LogRefused, reason.Misconfigured)
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q does not say %q", err, tc.want)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %v, as long as a time-out", took)
			}
			if s.Counts().Refusals == 0 {
				t.Error("the refusal was not counted")
			}
			wantCode(t, s.Healthy(t.Context()), reason.LogRefused, reason.Misconfigured)
			later.Add(int64(2 * time.Minute))
			if err := s.Healthy(t.Context()); err != nil {
				t.Errorf("not healthy two minutes later: %v", err)
			}
		})
	}
	t.Run("F23 wrong credentials", func(t *testing.T) {
		t.Setenv("ESS_TEST_WRONG", "y")
		_, err := Connect(t.Context(), Options{URL: srv.URL(), Name: "reader", User: "reader", Password: "env:ESS_TEST_WRONG"})
		wantCode(t, err, reason.NATSCredentials, reason.Misconfigured)
	})
	t.Run("F68 credentials that cannot be read", func(t *testing.T) {
		_, err := Connect(t.Context(), Options{URL: srv.URL(), Name: "reader", Credentials: tenant.Secret("file:" + filepath.Join(t.TempDir(), "none"))})
		wantCode(t, err, reason.SecretUnusable, reason.Misconfigured)
	})
	t.Run("F21 no server", func(t *testing.T) {
		_, err := Connect(t.Context(), Options{URL: "nats://127.0.0.1:1", Name: "reader"})
		wantCode(t, err, reason.NATSUnreachable, reason.Transient)
	})
}
