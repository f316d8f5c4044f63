package service

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

var sent = Status{
	Tenant: "lund", At: morning, Verdict: Look,
	Sources: []SourceStatus{{Source: roster.Source{System: "alvis", Instance: "default"}, Name: "alvis/default", Verdict: Look, State: source.Unreachable, Started: morning}},
	Links:   []LinkStatus{},
}

func TestWebhook(t *testing.T) {
	const path = "/hooks/hemligt-123"
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for name, c := range map[string]struct {
		answers []func(w http.ResponseWriter, r *http.Request) // in turn; the last one for good
		calls   int
		want    string // part of the error; empty when it arrives
	}{
		"taken":         {[]func(http.ResponseWriter, *http.Request){status(204)}, 1, ""},
		"busy at first": {[]func(http.ResponseWriter, *http.Request){status(503), status(429), status(200)}, 3, ""},
		"down":          {[]func(http.ResponseWriter, *http.Request){status(500)}, webhookTries, "it answers 500"},
		"revoked":       {[]func(http.ResponseWriter, *http.Request){status(404)}, 1, "it answers 404"},
		"moved away":    {[]func(http.ResponseWriter, *http.Request){redirect(other.URL, 307)}, 1, "sends us elsewhere"},
		"turned to GET": {[]func(http.ResponseWriter, *http.Request){redirect(path, 302)}, 1, "sends us elsewhere"},
		"moved here":    {[]func(http.ResponseWriter, *http.Request){redirect(path+"/2", 308), status(200)}, 2, ""},
		"in a circle":   {[]func(http.ResponseWriter, *http.Request){redirect(path, 307)}, 4, "sends us elsewhere"},
		"broken off": {[]func(http.ResponseWriter, *http.Request){func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}}, webhookTries, "it cannot be reached, or breaks off"},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			calls := 0
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				answer := c.answers[min(calls, len(c.answers)-1)]
				calls++
				if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s with %v", r.Method, r.Header)
				}
				body, _ = io.ReadAll(r.Body)
				answer(w, r)
			}))
			defer server.Close()
			t.Setenv("SERVICE_TEST_HOOK", server.URL+path)
			var logs bytes.Buffer
			n := NewWebhook("env:SERVICE_TEST_HOOK", slog.New(slog.NewTextHandler(&logs, nil)))
			n.Wait = backoff.NewConstantBackOff(time.Millisecond)
			err := n.Notify(t.Context(), sent)
			mu.Lock()
			defer mu.Unlock()
			if calls != c.calls || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d calls, %v; want %d, %q", calls, err, c.calls, c.want)
			}
			if all := logs.String() + errorText(err); strings.Contains(all, "hemligt") || strings.Contains(all, "127.0.0.1") || err != nil && !strings.Contains(all, "env:SERVICE_TEST_HOOK") {
				t.Errorf("R8: the address is shown, or not named: %s", all)
			}
			var got struct {
				Tenant  string
				Verdict Verdict
				Sources []struct{ Source, State string }
				Text    map[string]string
			}
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if got.Tenant != "lund" || got.Verdict != Look || got.Sources[0].Source != "alvis/default" ||
				got.Text["sv"] != sent.Text(reason.Swedish) || got.Text["en"] != sent.Text(reason.English) {
				t.Errorf("sent %s", body)
			}
		})
	}
	if elsewhere > 0 {
		t.Error("the status went to another host")
	}
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(to string, code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, code) }
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestWebhookAddresses(t *testing.T) {
	tls := httptest.NewTLSServer(http.HandlerFunc(status(200)))
	defer tls.Close()
	gone := httptest.NewServer(http.HandlerFunc(status(200)))
	gone.Close()
	for name, c := range map[string]struct{ address, want string }{
		"not https":         {"http://hooks.hemligt.example/x", "is not https"},
		"no address":        {"hemligt", "is no address"},
		"another scheme":    {"ftp://127.0.0.1/hemligt", "is not https"},
		"empty":             {"", "is empty"},
		"not trusted":       {tls.URL + "/hemligt", "certificate is not one that we trust"},
		"not there":         {gone.URL + "/hemligt", "it cannot be reached: connection refused"},
		"no such name":      {"https://hemligt.invalid/", "cannot be"},
		"control character": {"https://hemligt.example/\x00", "is no address"},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/hook"
			if err := os.WriteFile(path, []byte(c.address), 0o600); err != nil {
				t.Fatal(err)
			}
			n := NewWebhook(tenant.Secret("file:"+path), slog.New(slog.DiscardHandler))
			n.Wait = &backoff.StopBackOff{}
			err := n.Notify(t.Context(), sent)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hemligt") {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestLogNotifierSaysWhatAsksForSomething(t *testing.T) {
	var logs bytes.Buffer
	n := LogNotifier{slog.New(slog.NewTextHandler(&logs, nil))}
	s := sent
	s.Links = []LinkStatus{{Name: "apple/default", Verdict: OK}}
	s.UnknownUnits, s.Console = []string{"alvis/default S9"}, "https://console.example/tenants/lund"
	if err := n.Notify(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=WARN", "verdict=look", "alvis/default.state=unreachable", "S9", "console.example"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("%s does not say %s", logs.String(), want)
		}
	}
	if strings.Contains(logs.String(), "apple") {
		t.Errorf("what is in order takes a place: %s", logs.String())
	}
}
