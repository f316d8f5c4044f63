package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// errands is a tenant on a server of its own, whose status goes to a webhook of the test, beside one whose document
// cannot be used.
type errands struct {
	t     *testing.T
	store *store.Store
	args  []string
	told  []struct {
		Tenant, Verdict string
		Text            map[string]string
	}
}

func newErrands(t *testing.T) *errands {
	srv, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	st, err := store.Connect(t.Context(), store.Options{Server: srv, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	if err := st.EnsureTenant(t.Context(), tenantName, 1); err != nil {
		t.Fatal(err)
	}
	e := &errands{t: t, store: st}
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		e.told = append(e.told, struct {
			Tenant, Verdict string
			Text            map[string]string
		}{})
		if err := json.NewDecoder(r.Body).Decode(&e.told[len(e.told)-1]); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(hook.Close)
	t.Setenv("ESS_TEST_HOOK", hook.URL)
	t.Setenv("ESS_TEST_PEPPER", pepper)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prov.yaml"), fmt.Sprintf(`tenant: %s
pepper: env:ESS_TEST_PEPPER
status: {webhook: env:ESS_TEST_HOOK}
sources: [{system: alvis}]
`, tenantName))
	write(t, filepath.Join(dir, "broken.yaml"), "tennant: broken\n")
	e.args = []string{"--nats", srv.URL(), "--config", dir}
	return e
}

func (e *errands) run(command ...string) (out, errs string, status int) {
	e.t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(e.t.Context(), append(command, e.args...), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), status
}

func TestStatusIsShownAndSent(t *testing.T) {
	e := newErrands(t)
	alvis := roster.Source{System: "alvis", Instance: "default"}
	if err := e.store.Runs(tenantName).Save(t.Context(), source.Run{ID: "run", Source: alvis, State: source.Empty, Started: time.Now(), Ended: time.Now()}); err != nil {
		t.Fatal(err)
	}
	out, errs, status := e.run("status", "--language", "sv")
	if !strings.Contains(out, "Källa, alvis/default: titta på") || !strings.Contains(errs, "broken.yaml") || status != 1 || len(e.told) != 0 {
		t.Errorf("R7: one tenant beside a bad one: status %d\n%s%s%v", status, out, errs, e.told)
	}
	if out, errs, status = e.run("status", "--tenant", tenantName, "--send"); out != "" || status != 1 || !strings.Contains(errs, "verdict=look") {
		t.Errorf("sent: status %d\n%s%s", status, out, errs)
	}
	if len(e.told) != 1 || e.told[0].Tenant != tenantName || e.told[0].Verdict != "look" || !strings.Contains(e.told[0].Text["sv"], "titta på") {
		t.Errorf("the webhook got %+v", e.told)
	}
	if at, err := e.store.StatusSent(t.Context(), tenantName); err != nil || at.IsZero() {
		t.Errorf("it is not known that it was sent: %v, %v", at, err)
	}
	if _, errs, status = e.run("status", "--tenant", "other"); status != 1 || !strings.Contains(errs, `no tenant "other"`) {
		t.Errorf("of nobody: status %d, %s", status, errs)
	}
	if _, errs, status = e.run("status", "--language", "de"); status != 1 || !strings.Contains(errs, "write sv or en") {
		t.Errorf("in German: status %d, %s", status, errs)
	}
}

func TestSweepTakesHistoryOut(t *testing.T) {
	e := newErrands(t)
	alvis := roster.Source{System: "alvis", Instance: "default"}
	key, err := roster.ParseKey("00000000-0000-8000-8000-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	ref := roster.Ref{Kind: roster.KindPerson, Key: key}
	standing := roster.Record{Ref: ref, Source: alvis, Person: &roster.Person{GivenName: "Testa"}}
	gone := roster.Record{Ref: ref, Source: alvis, Tombstone: &roster.Tombstone{Reason: roster.TombstoneLeft}}
	for _, rec := range []roster.Record{standing, gone} {
		scan, err := e.store.Log(tenantName).Scan(t.Context(), alvis)
		if err != nil {
			t.Fatal(err)
		}
		c := source.Change{Record: rec, Hash: "h", Expect: scan.Heads[ref].Seq}
		if err := e.store.Log(tenantName).Publish(t.Context(), alvis, "run", []source.Change{c}, nil); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, status := e.run("sweep")
	if !strings.Contains(out, "prov: 1 messages of history, 0 tombstones") || !strings.Contains(errs, "broken.yaml") || status != 1 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if known, stands, err := e.store.Log(tenantName).Stands(t.Context(), alvis, ref); err != nil || !known || stands {
		t.Errorf("the tombstone is gone, which no link has passed: %t, %t, %v", known, stands, err)
	}
}
