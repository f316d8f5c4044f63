package service

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

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
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, nil, nil) }()
	eventually(t, p.HTTP, func(code int, body string) bool {
		return code == http.StatusServiceUnavailable && strings.Contains(body, "ESS-TENANTS")
	})
	if err := st.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	eventually(t, p.HTTP, func(code int, body string) bool {
		return code == http.StatusServiceUnavailable && strings.Contains(body, "essctl tenants apply")
	})
	put := func(after store.TenantVersion, text string) store.TenantVersion {
		v, err := st.Tenants().Put(t.Context(), after, []byte(text), "anna")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	put(store.TenantVersion{Tenant: "good"}, "tenant: good\npepper: env:SERVICE_TEST_PEPPER\n")
	broken := put(store.TenantVersion{Tenant: "broken"}, "tennant: broken\n")
	swapped := put(store.TenantVersion{Tenant: "swapped"}, "tenant: good\npepper: env:SERVICE_TEST_PEPPER\n")
	put(put(store.TenantVersion{Tenant: "gone"}, "tenant: gone\npepper: env:SERVICE_TEST_PEPPER\n"), "")
	eventually(t, p.HTTP, func(code int, body string) bool {
		return code == http.StatusServiceUnavailable && body == "not ready: left out, for the reason in the log: tenant broken, tenant swapped\n"
	})
	put(broken, "tenant: broken\npepper: env:SERVICE_TEST_PEPPER\n")
	put(swapped, "")
	eventually(t, p.HTTP, func(code int, _ string) bool { return code == http.StatusOK })
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"version 1 of tenant broken", "version 1 of tenant swapped", "msg=\"the tenant runs\" tenant=good", "msg=\"the tenant runs\" tenant=broken"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &logs)
		}
	}
	if _, err := st.Log("gone").End(t.Context()); reason.Of(err).Code != reason.LogMissing {
		t.Errorf("a retired tenant was run: %v", err)
	}
}
