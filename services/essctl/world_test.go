package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/ess/municipality"
)

var apple = roster.Source{System: "apple-school-manager", Instance: "default"}

// world is a customer with an Alvis and an Apple School Manager on SFTP servers of the test's own, and NATS.
type world struct {
	t        testing.TB
	dir      string
	town     *municipality.Municipality
	store    *store.Store
	url      string
	register string // the settings of a login
	inbox    string
	mu       sync.Mutex
	uploads  int
}

func newWorld(t testing.TB, pupils int) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), town: municipality.New(municipality.Options{Pupils: pupils, Seed: 11, Day: roster.Today(time.Now())})}
	for _, d := range []string{"register", "apple/dropbox"} {
		if err := os.MkdirAll(filepath.Join(w.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write("pepper", "a pepper of a test, which is no secret at all, 0123456789\n")
	w.write("password", "hush\n")
	w.register, w.inbox = w.serve("register"), w.serve("apple")
	w.export()
	srv, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	if w.store, err = store.Connect(t.Context(), store.Options{Server: srv, Name: "test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.store.Close)
	w.url = srv.URL()
	return w
}

func (w *world) serve(name string) string {
	s, err := sftpserver.Start(w.t.Context(), sftpserver.Options{
		Dir: filepath.Join(w.dir, name), User: "ess", Password: "hush",
		Before: func(method, _ string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if name == "apple" && method == "Put" {
				w.uploads++
			}
			return nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf(`{host: %s, port: %s, user: ess, password: "file:%s", hostKeys: ["%s"]}`, host, port, filepath.Join(w.dir, "password"), s.Fingerprint())
}

func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// export has the register write its export.
func (w *world) export() {
	w.t.Helper()
	if _, err := w.town.WriteDir(filepath.Join(w.dir, "register"), municipality.FormatAlvis, nil); err != nil {
		w.t.Fatal(err)
	}
}

// document writes the customer's document with each old text replaced by the new one that follows it, and returns its path.
func (w *world) document(oldnew ...string) string {
	w.t.Helper()
	text := fmt.Sprintf(`tenant: prov
title: Provköpings kommun
pepper: "file:%s"
protectedRoutine: Skolkontoret ringer driften samma dag
sources:
  - system: alvis
    schedule: "0 0 1 1 *"
    settings: {sftp: %s, settle: 10ms}
links:
  - target: apple-school-manager
    mode: active
    leave: [{after: 0d, do: delete}]
    lifecycles: [{role: pupil, gap: 0d}]
    settings: {sftp: %s, every: 0s, instructors: [teacher]}
`, filepath.Join(w.dir, "pepper"), w.register, w.inbox)
	for i := 0; i+1 < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			w.t.Fatalf("the document has no %q", oldnew[i])
		}
		text = strings.Replace(text, oldnew[i], oldnew[i+1], 1)
	}
	return w.write("prov.yaml", text)
}

// run runs the tenant as the document in force says until its link has settled what its sources say, and stops it.
func (w *world) run() (last target.Settled) {
	w.t.Helper()
	v, err := w.store.Tenants().Newest(w.t.Context(), "prov")
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := tenant.Parse(v.Document)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer stop()
	telemetry, err := service.NewTelemetry(ctx, "test", false)
	if err != nil {
		w.t.Fatal(err)
	}
	reads, settles := make(chan source.Run, 64), make(chan target.Settled, 256)
	h := &service.Host{
		Store: w.store, Owner: "test", Logger: slog.New(slog.DiscardHandler), Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString,
		Observe: service.Observer{
			Run:     func(_ string, r source.Run) { reads <- r },
			Settled: func(_ string, _ roster.Source, s target.Settled) { settles <- s },
		},
	}
	tn, err := h.Open(d, connectors.Sources(), connectors.Targets())
	if err != nil {
		w.t.Fatal(err)
	}
	tn.ReadNow()
	ended := make(chan error, 1)
	go func() { ended <- tn.Run(ctx) }()
	for range d.Sources {
		select {
		case r := <-reads:
			if !r.Believed() {
				w.t.Errorf("the read is %s: %v", r.State, r.Reason)
			}
		case <-ctx.Done():
			w.t.Fatal("no read ended")
		}
	}
	end, err := w.store.Log("prov").End(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for len(d.Links) > 0 && d.Links[0].Mode == tenant.Active && (last.Cursor.Seq < end.Seq || last.Deferred != "") {
		select {
		case last = <-settles:
		case <-ctx.Done():
			w.t.Fatalf("the link did not settle: %+v", last)
		}
	}
	stop()
	if err := <-ended; err != nil {
		w.t.Error(err)
	}
	return last
}

// essctl runs a command line and checks its status.
func (w *world) essctl(want int, args ...string) string {
	w.t.Helper()
	var out, errs bytes.Buffer
	getenv := func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }
	if status := run(w.t.Context(), args, &out, &errs, getenv, time.Now); status != want {
		w.t.Fatalf("essctl %s: status %d, want %d\n%s%s", strings.Join(args, " "), status, want, &out, &errs)
	}
	return out.String() + errs.String()
}

// digest returns the digest that was printed.
func digestIn(t *testing.T, text string) string {
	t.Helper()
	for _, before := range []string{"taken away or over: ", "digest: "} {
		if _, after, ok := strings.Cut(text, before); ok {
			return strings.Fields(after)[0]
		}
	}
	t.Fatalf("no digest is printed:\n%s", text)
	return ""
}

func (w *world) audited() (what []string) {
	w.t.Helper()
	entries, err := w.store.Audit("prov").Entries(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Who == "" || e.Why != "a test" {
			w.t.Errorf("audit entry %+v", e)
		}
		what = append(what, e.What)
	}
	return what
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
