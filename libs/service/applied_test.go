package service

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
)

// TestServeOfAppliedDocuments runs what was applied to the log's cluster, and leaves out what was retired.
func TestServeOfAppliedDocuments(t *testing.T) {
	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	st, err := store.Connect(t.Context(), store.Options{Server: server, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	t.Setenv("SERVICE_TEST_PEPPER", strings.Repeat("p", roster.MinPepper))
	var logs bytes.Buffer
	p := Process{Name: "test", Server: server, Config: Applied, HTTP: freeAddr(t), KeepLogs: true, Owner: "test", Logger: slog.New(slog.NewTextHandler(&logs, nil))}
	if err := p.Serve(t.Context(), nil, nil); reason.Of(err).Code != reason.LogMissing {
		t.Errorf("of a cluster without documents: %v", err)
	}
	if err := st.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Serve(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "essctl tenants apply") {
		t.Errorf("of no document: %v", err)
	}
	put := func(after store.TenantVersion, text string) store.TenantVersion {
		v, err := st.Tenants().Put(t.Context(), after, []byte(text), "anna")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	put(store.TenantVersion{Tenant: "good"}, "tenant: good\npepper: env:SERVICE_TEST_PEPPER\n")
	put(store.TenantVersion{Tenant: "broken"}, "tennant: broken\n")
	put(store.TenantVersion{Tenant: "swapped"}, "tenant: good\npepper: env:SERVICE_TEST_PEPPER\n")
	put(put(store.TenantVersion{Tenant: "gone"}, "tenant: gone\npepper: env:SERVICE_TEST_PEPPER\n"), "")
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, nil, nil) }()
	for ctx.Err() == nil && !answers(ctx, p.HTTP) {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"version 1 of tenant broken", "version 1 of tenant swapped", "tenants=1"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &logs)
		}
	}
	if _, err := st.Log("gone").End(t.Context()); reason.Of(err).Code != reason.LogMissing {
		t.Errorf("a retired tenant was run: %v", err)
	}
}

// answers tells whether a program serves its health at an address.
func answers(ctx context.Context, addr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	return err == nil && res.Body.Close() == nil
}
