package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

func TestEnvironment(t *testing.T) {
	env := map[string]string{"ESS_NATS_URL": "nats://n:4222", "ESS_CONFIG": "/etc/ess"}
	p, err := Environment("ess", func(k string) string { return env[k] }, io.Discard)
	if err != nil || p.HTTP != ":8080" || p.Owner == "" || p.Logger == nil {
		t.Errorf("%+v, %v", p, err)
	}
	bad := map[string]string{"ESS_LOG_LEVEL": "loud", "ESS_LOG_FORMAT": "xml"}
	_, err = Environment("ess", func(k string) string { return bad[k] }, io.Discard)
	for _, want := range []string{"ESS_NATS_URL", "ESS_CONFIG", "ESS_LOG_LEVEL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestEnvironmentOnSite(t *testing.T) {
	site := map[string]string{"ESS_LINE_URL": "tls://u:hunter2@centre:7422", "ESS_TENANT": "lund", "ESS_CONFIG": "nats:"}
	p, err := Environment("source-extens-db", func(k string) string { return site[k] }, io.Discard)
	if err != nil || p.HTTP != "127.0.0.1:8080" || !p.onSite() || p.user() != "source-extens-db-lund" {
		t.Errorf("%+v, %v", p, err)
	}
	for want, bad := range map[string]map[string]string{
		"ESS_TENANT is not set":                        {"ESS_LINE_URL": "tls://centre", "ESS_CONFIG": "nats:"},
		"ESS_NATS_URL and ESS_LINE_URL are both set":   {"ESS_LINE_URL": "tls://centre", "ESS_TENANT": "lund", "ESS_CONFIG": "nats:", "ESS_NATS_URL": "nats://n"},
		"ESS_TENANT and ESS_LINE_CA are of a program ": {"ESS_NATS_URL": "nats://n", "ESS_TENANT": "lund", "ESS_CONFIG": "nats:"},
	} {
		if _, err := Environment("ess", func(k string) string { return bad[k] }, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	p.LineURL = "nats://u:hunter2@centre"
	if _, err := p.line(); err == nil || !strings.Contains(err.Error(), "ESS_LINE_URL") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a line without encryption: %v", err)
	}
}

func TestHealthReadinessAndMetrics(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	telemetry, err := NewTelemetry(ctx, "test", false)
	if err != nil {
		t.Fatal(err)
	}
	telemetry.run(ctx, "lund", source.Run{
		Source: roster.Source{System: "alvis", Instance: "default"}, State: source.Published,
		Started: time.Unix(0, 0), Ended: time.Unix(3, 0), Counts: map[string]int{"person.created": 7},
	})
	telemetry.places.hasLink(place{"lund", roster.Source{System: "memory", Instance: "default"}})
	telemetry.settled(ctx, "lund", roster.Source{System: "memory", Instance: "default"}, target.Settled{Created: 5, Parked: 2, Status: target.Status{Parked: 2}, Took: time.Second})
	telemetry.settled(ctx, "lund", roster.Source{System: "memory", Instance: "default"}, target.Settled{Status: target.Status{Parked: 2}}) // a round with nothing to do
	ready := errors.New("the log does not let us in")
	addr := freeAddr(t)
	wait, err := serveHTTP(ctx, addr, func(context.Context) error { return ready }, telemetry.Metrics, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if code, _ := get("/healthz"); code != http.StatusOK {
		t.Errorf("alive: %d", code)
	}
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "let us in") {
		t.Errorf("F71 ready: %d %s", code, body)
	}
	hung := freeAddr(t)
	waitHung, err := serveHTTP(ctx, hung, func(ctx context.Context) error {
		<-ctx.Done() // as NATS that stands still
		return ready
	}, telemetry.Metrics, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	served := addr
	addr = hung
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "let us in") {
		t.Errorf("ready, with a log that says nothing: %d %s", code, body)
	}
	addr = served
	_, metrics := get("/metrics")
	for _, want := range []string{
		`ess_runs_total{source="alvis/default",state="published",tenant="lund"} 1`,
		`ess_changes_total{source="alvis/default",tenant="lund",what="person.created"} 7`,
		`ess_run_duration_seconds_count{source="alvis/default",tenant="lund"} 1`,
		`ess_link_operations_total{target="memory/default",tenant="lund",verb="create"} 5`,
		`ess_link_resources{state="parked",target="memory/default",tenant="lund"} 2`,
		`ess_link_settle_duration_seconds_count{target="memory/default",tenant="lund"} 2`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %s:\n%s", want, metrics)
		}
	}
	stop()
	wait()
	waitHung()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Folder is what the systems in this test are set up with.
type Folder struct {
	Folder string `yaml:"folder"`
}

func (s *Folder) Validate(p tenant.Problems) { p.At("folder").Required(s.Folder) }

type sourceSettings struct {
	Folder   `yaml:",inline"`
	Password tenant.Secret `yaml:"password"`
}

func (*sourceSettings) Open(source.Env) (source.Source, error) { return nil, nil }

type targetSettings struct {
	Folder `yaml:",inline"`
}

func (*targetSettings) Open(target.Env) (*target.Target, error) { return &target.Target{}, nil }

func TestOpenNamesEveryProblem(t *testing.T) {
	t.Setenv("SERVICE_TEST_PEPPER", "")
	d, err := tenant.Parse([]byte(`
tenant: lund
pepper: env:SERVICE_TEST_PEPPER
sources:
  - {system: one, schedule: "every day"}
  - {system: two, settings: {map: x}}
  - {system: elsewhere}
links:
  - {target: three}
  - {target: nowhere, settings: {folder: x}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	h := &Host{Store: new(store.Store), Logger: slog.New(slog.NewTextHandler(&logs, nil)), Now: time.Now, Telemetry: &Telemetry{}}
	sources := []source.Connector{
		{System: "one", New: func() source.Config { return &sourceSettings{} }},
		{System: "two", New: func() source.Config { return &sourceSettings{} }},
	}
	targets := []target.Connector{{System: "three", New: func() target.Config { return &targetSettings{} }}}
	_, err = h.Open(d, sources, targets)
	if strings.Contains(err.Error(), "elsewhere") || strings.Contains(err.Error(), "nowhere") {
		t.Errorf("another program's system is a problem: %v", err)
	}
	h.Complete = true
	_, err = h.Open(d, sources, targets)
	for _, want := range []string{
		"pepper: secret env:SERVICE_TEST_PEPPER is empty", `sources[2].system: "elsewhere"`, `links[1].target: "nowhere"`,
		"sources[0].settings.folder: is required", "sources[0].schedule", `sources[1].settings: `, "links[0].settings.folder: is required",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
}

func TestOpenWarnsOfASecretThatCannotBeRead(t *testing.T) {
	t.Setenv("SERVICE_TEST_PEPPER", strings.Repeat("p", roster.MinPepper))
	t.Setenv("SERVICE_TEST_PASSWORD", "")
	d, err := tenant.Parse([]byte(`
tenant: lund
pepper: env:SERVICE_TEST_PEPPER
sources:
  - {system: one, schedule: "30 18 * * *", settings: {folder: x, password: "env:SERVICE_TEST_PASSWORD"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	h := &Host{Store: new(store.Store), Logger: slog.New(slog.NewTextHandler(&logs, nil)), Now: time.Now, Telemetry: &Telemetry{}}
	sources := []source.Connector{{System: "one", New: func() source.Config { return &sourceSettings{} }}}
	if _, err := h.Open(d, sources, nil); err != nil {
		t.Fatalf("a secret that may come later stops the tenant: %v", err)
	}
	if !strings.Contains(logs.String(), "level=WARN") || !strings.Contains(logs.String(), "secret=env:SERVICE_TEST_PASSWORD") {
		t.Errorf("no warning names the secret:\n%s", logs.String())
	}
}

// TestR7OneBadTenantStopsNoOther runs a good tenant beside one that cannot be opened and a document that cannot be read.
func TestR7OneBadTenantStopsNoOther(t *testing.T) {
	t.Setenv("SERVICE_TEST_PEPPER", strings.Repeat("p", roster.MinPepper))
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bad.yaml", "tenant: bad\npepper: env:SERVICE_TEST_PEPPER\nsources: [{system: nowhere}]\n")
	write("broken.yaml", "tennant: broken\n")
	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	var logs bytes.Buffer
	p := Process{Name: "test", Server: server, Config: dir, HTTP: freeAddr(t), KeepLogs: true, Complete: true, Owner: "test", Logger: slog.New(slog.NewTextHandler(&logs, nil))}
	write("good.yaml", "tenant: good\npepper: env:SERVICE_TEST_PEPPER\n")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, nil, nil) }()
	body := eventually(t, p.HTTP, func(_ int, body string) bool {
		return strings.Contains(body, "tenant bad") && !strings.Contains(body, "starting")
	})
	if strings.Contains(body, "good") || !strings.Contains(body, "1 documents") {
		t.Errorf("readiness says %q, want what is left out", body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("a good tenant beside bad ones: %v", err)
	}
	for _, want := range []string{"tenant=bad", "nowhere", "broken.yaml", "msg=\"the tenant runs\" tenant=good"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("the log does not have %s:\n%s", want, logs.String())
		}
	}
}

// eventually asks a program whether it is ready until the answer is as it should be, and returns what it said.
func eventually(t *testing.T, addr string, is func(code int, body string) bool) string {
	t.Helper()
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if last = string(body); is(res.StatusCode, last) {
			return last
		}
	}
	t.Fatalf("readiness still says %q", last)
	return ""
}
