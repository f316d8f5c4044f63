package httpx

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
)

const password = "hush-by-the-sea"

// vendor is an API with a token endpoint at /token.
type vendor struct {
	*httptest.Server
	ca *testbed.CA

	mu     sync.Mutex
	calls  []string // method, path, and how the call was signed
	tokens int      // sign-ins
	life   string   // of a token: expires_in as it stands in JSON, or nothing
	serve  http.HandlerFunc
	token  http.HandlerFunc // in place of the token endpoint
}

func newVendor(t *testing.T, serve http.HandlerFunc, change ...func(*tls.Config)) *vendor {
	t.Helper()
	v := &vendor{ca: testbed.NewCA(t), serve: serve, life: "3600"}
	v.Server = httptest.NewUnstartedServer(v)
	v.Config.ErrorLog = log.New(io.Discard, "", 0)
	v.TLS = v.ca.TLS(testbed.Cert{Names: []string{"127.0.0.1"}})
	for _, do := range change {
		do(v.TLS)
	}
	v.StartTLS()
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.calls = append(v.calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+r.Header.Get("X-Key"))
	token := v.token
	v.mu.Unlock()
	if r.URL.Path != "/token" {
		v.serve(w, r)
		return
	}
	if token != nil {
		token(w, r)
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	w.Header().Set("Content-Type", "application/json")
	if id != "kommun" || secret != password || r.PostFormValue("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"`+secret+` is wrong"}`)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens++
	life := ""
	if v.life != "" {
		life = `,"expires_in":` + v.life
	}
	_, _ = io.WriteString(w, `{"access_token":"token-`+string(rune('0'+v.tokens))+`","token_type":"Bearer"`+life+`}`)
}

func (v *vendor) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.calls)
}

// clock is a time that moves when somebody sleeps.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 10, 14, 10, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return context.Cause(ctx)
}

func file(t *testing.T, text string) tenant.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return tenant.Secret("file:" + path)
}

// settings are those by which a vendor is called.
func (v *vendor) settings(t *testing.T) Config {
	t.Helper()
	return Config{
		Auth:             Auth{Kind: ClientCredentials, TokenURL: v.URL + "/token", ClientID: "kommun", ClientSecret: file(t, password+"\n")},
		CAFile:           v.ca.File,
		PrivateAddresses: true,
	}
}

// client returns a client of a vendor whose clock is not the real one.
func (v *vendor) client(t *testing.T, change ...func(*Config)) (*Client, *clock) {
	t.Helper()
	cfg, at := v.settings(t), newClock()
	for _, do := range change {
		do(&cfg)
	}
	p := tenant.NewProblems()
	if cfg.Validate(p); p.Err() != nil {
		t.Fatal(p.Err())
	}
	c := New(cfg, Options{Now: at.Now, Sleep: at.Sleep})
	t.Cleanup(c.Close)
	return c, at
}

// answer returns a handler that says always the same.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
