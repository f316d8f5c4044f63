package httpx

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
)

func TestSettingsAreChecked(t *testing.T) {
	good := func() Config {
		return Config{Auth: Auth{Kind: ClientCredentials, TokenURL: "https://x.example/token", ClientID: "k", ClientSecret: "env:X"}}
	}
	for name, c := range map[string]struct {
		change func(*Config)
		path   string
	}{
		"all is well":            {func(*Config) {}, ""},
		"no way to sign in":      {func(c *Config) { c.Auth = Auth{} }, "auth.kind"},
		"plain token address":    {func(c *Config) { c.Auth.TokenURL = "http://x.example/token" }, "auth.tokenURL"},
		"user in an address":     {func(c *Config) { c.Auth.TokenURL = "https://k:hemligt@x.example/token" }, "auth.tokenURL"},
		"query in an address":    {func(c *Config) { c.Auth.TokenURL = "https://x.example/token?key=hemligt" }, "auth.tokenURL"},
		"no address":             {func(c *Config) { c.Auth.TokenURL = "" }, "auth.tokenURL"},
		"another scheme":         {func(c *Config) { c.Auth.TokenURL = "file:///etc/passwd" }, "auth.tokenURL"},
		"the secret itself":      {func(c *Config) { c.Auth.ClientSecret = "hunter2" }, "auth.clientSecret"},
		"no secret":              {func(c *Config) { c.Auth.ClientSecret = "" }, "auth.clientSecret"},
		"no token":               {func(c *Config) { c.Auth = Auth{Kind: Bearer} }, "auth.token"},
		"token that nobody uses": {func(c *Config) { c.Auth.Token = "env:X" }, "auth.token"},
		"id that nobody uses":    {func(c *Config) { c.Auth = Auth{Kind: NoAuth, ClientID: "k"} }, "auth.kind"},
		"header":                 {func(c *Config) { c.Auth = Auth{Kind: APIKey, Token: "env:X", Header: "X:\r\nY"} }, "auth.header"},
		"style":                  {func(c *Config) { c.Auth.Style = "header" }, "auth.style"},
		"certificate alone":      {func(c *Config) { c.ClientCertificate = "env:X" }, "clientCertificate"},
		"time without unit":      {func(c *Config) { c.Timeout = 30 }, "timeout"},
		"limit":                  {func(c *Config) { c.Limits.MaxBytes = -1 }, "limits.maxBytes"},
		"tries":                  {func(c *Config) { c.Retry.Tries = 100 }, "retry.tries"},
		"rate":                   {func(c *Config) { c.Rate = -1 }, "rate"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			c.change(&cfg)
			p := tenant.NewProblems()
			cfg.Validate(p)
			if c.path == "" {
				if p.Err() != nil {
					t.Fatal(p.Err())
				}
				return
			}
			if !slices.ContainsFunc(p.List(), func(p tenant.Problem) bool { return p.Path == c.path }) {
				t.Errorf("want a problem at %s, got %v", c.path, p.List())
			}
			if text := fmt.Sprint(p.List()); strings.Contains(text, "hemligt") || strings.Contains(text, "hunter2") {
				t.Errorf("R8: the problems show a secret: %s", text)
			}
		})
	}
}

func TestEachWayToSignIn(t *testing.T) {
	for name, c := range map[string]struct {
		auth func(*Auth)
		want string // how a call is signed
	}{
		"form":  {func(a *Auth) { a.Scope = "a b" }, "Bearer token-1"},
		"basic": {func(a *Auth) { a.Style = Basic }, "Bearer token-1"},
		"bearer": {func(a *Auth) {
			*a = Auth{Kind: Bearer, Token: file(t, "fast\n")}
		}, "Bearer fast"},
		"key":  {func(a *Auth) { *a = Auth{Kind: APIKey, Token: file(t, "fast"), Header: "X-Key"} }, "fast"},
		"none": {func(a *Auth) { *a = Auth{Kind: NoAuth} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, answer(200, `{}`))
			client, _ := v.client(t, func(cfg *Config) { c.auth(&cfg.Auth) })
			for range 3 {
				a, err := client.Do(t.Context(), Request{URL: v.URL + "/persons"})
				if err != nil || string(a.Body) != "{}" || a.Date.IsZero() {
					t.Fatalf("got %+v, %v", a, err)
				}
			}
			if got := v.calls[len(v.calls)-1]; got != "GET /persons "+c.want {
				t.Errorf("the call was %q", got)
			}
			if v.tokens > 1 {
				t.Errorf("it signed in %d times for three calls", v.tokens)
			}
		})
	}
}

func TestATokenEnds(t *testing.T) {
	v := newVendor(t, answer(200, `{}`))
	client, at := v.client(t)
	call := func() {
		t.Helper()
		if _, err := client.Do(t.Context(), Request{URL: v.URL}); err != nil {
			t.Fatal(err)
		}
	}
	call()
	at.now = at.now.Add(59 * time.Minute)
	call()
	if v.tokens != 1 {
		t.Errorf("a token of an hour was fetched %d times in 59 minutes", v.tokens)
	}
	at.now = at.now.Add(time.Minute - tokenMargin)
	call()
	if v.tokens != 2 {
		t.Error("a token is used to its last second: it ends on its way")
	}
	v.life = ""
	at.now = at.now.Add(time.Hour)
	call()
	at.now = at.now.Add(1000 * time.Hour)
	call()
	if v.tokens != 3 {
		t.Errorf("a token without an end was fetched again: %d", v.tokens)
	}
}

func TestARefusedToken(t *testing.T) {
	refuse := 1
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request) {
		if refuse > 0 {
			refuse--
			answer(401, `{"token":"`+r.Header.Get("Authorization")+`"}`)(w, r)
			return
		}
		answer(200, `{}`)(w, r)
	})
	client, at := v.client(t)
	if _, err := client.Do(t.Context(), Request{URL: v.URL}); err != nil || v.tokens != 2 {
		t.Errorf("401 in the middle: %v after %d sign-ins", err, v.tokens)
	}
	refuse = 99
	_, err := client.Do(t.Context(), Request{URL: v.URL + "/persons"})
	if reason.Of(err).Code != reason.WrongCredentials || reason.FaultOf(err) != reason.Misconfigured || Status(err) != 401 {
		t.Errorf("refused again and again: %v", err)
	}
	if refuse != 97 || v.tokens != 3 || len(at.slept) > 0 {
		t.Errorf("F48: it was asked %d times, with %d sign-ins and %d pauses", 99-refuse, v.tokens, len(at.slept))
	}
	if strings.Contains(err.Error(), "token-") {
		t.Errorf("F56: the error has the token: %v", err)
	}
}

func TestASignInThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		token http.HandlerFunc
		want  reason.Code
		calls int
	}{
		"wrong secret":       {answer(400, `{"error":"invalid_client","error_description":"hush-by-the-sea is wrong"}`), reason.WrongCredentials, 1},
		"401":                {answer(401, "<html>hush-by-the-sea</html>"), reason.WrongCredentials, 1},
		"scope":              {answer(400, `{"error":"invalid_scope"}`), reason.ScopeRefused, 1},
		"moved":              {answer(302, "", "Location", "https://evil.example/"), reason.RedirectRefused, 1},
		"not there":          {answer(404, ""), reason.RequestRefused, 1},
		"down":               {answer(503, "hush-by-the-sea"), reason.ServerRefused, DefaultTries},
		"too many":           {answer(429, "", "Retry-After", "5"), reason.Throttled, DefaultTries},
		"a page for people":  {answer(200, "<html>hush-by-the-sea</html>", "Content-Type", "text/html"), reason.AnswerUnreadable, DefaultTries},
		"no token in it":     {answer(200, `{"access_token":""}`), reason.AnswerUnreadable, DefaultTries},
		"another kind":       {answer(200, `{"access_token":"x","token_type":"mac"}`), reason.AnswerUnreadable, DefaultTries},
		"a header in it":     {answer(200, `{"access_token":"x\r\nHost: evil"}`), reason.AnswerUnreadable, DefaultTries},
		"larger than memory": {func(w http.ResponseWriter, _ *http.Request) { flood(w) }, reason.FileTooLarge, 1},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, answer(200, `{}`))
			v.token = c.token
			client, _ := v.client(t, func(cfg *Config) { cfg.Limits.MaxBytes = 1 << 16 })
			_, err := client.Do(t.Context(), Request{URL: v.URL + "/persons"})
			if reason.Of(err).Code != c.want || Status(err) != 0 {
				t.Errorf("got %v (%d), want %s", err, Status(err), c.want)
			}
			if n := v.count(); n != c.calls {
				t.Errorf("it asked %d times, want %d", n, c.calls)
			}
			if strings.Contains(fmt.Sprint(err), password) {
				t.Errorf("R8: the error has the secret: %v", err)
			}
		})
	}
}

func flood(w http.ResponseWriter) {
	block := bytes.Repeat([]byte(" "), 1<<14)
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func TestWhatStatusesMean(t *testing.T) {
	for status, c := range map[int]struct {
		fault reason.Fault
		code  reason.Code
		calls int
	}{
		400: {reason.Misconfigured, reason.RequestRefused, 1},
		403: {reason.Misconfigured, reason.NotPermitted, 1},
		404: {reason.Unsupported, reason.EndpointMissing, 1},
		405: {reason.Unsupported, reason.EndpointMissing, 1},
		408: {reason.Transient, reason.ServerRefused, DefaultTries},
		409: {reason.Conflict, reason.ItemChanged, 1},
		410: {reason.Conflict, reason.AnswerGone, 1},
		412: {reason.Conflict, reason.ItemChanged, 1},
		422: {reason.Misconfigured, reason.RequestRefused, 1},
		423: {reason.Transient, reason.ServerRefused, DefaultTries},
		429: {reason.Transient, reason.Throttled, DefaultTries},
		500: {reason.Transient, reason.ServerRefused, DefaultTries},
		501: {reason.Unsupported, reason.EndpointMissing, 1},
		502: {reason.Transient, reason.ServerRefused, DefaultTries},
		503: {reason.Transient, reason.ServerRefused, DefaultTries},
		304: {reason.Misconfigured, reason.RequestRefused, 1},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			v := newVendor(t, answer(status, ""))
			client, _ := v.client(t, func(c *Config) { c.Auth = Auth{Kind: NoAuth} })
			_, err := client.Do(t.Context(), Request{URL: v.URL + "/persons/4711", Route: "/persons/{id}"})
			if why := reason.Of(err); why.Code != c.code || reason.FaultOf(err) != c.fault || Status(err) != status {
				t.Errorf("got %v: %s, %d", err, reason.FaultOf(err), Status(err))
			} else if text := why.Text(reason.Swedish) + why.Next(reason.English); strings.Contains(text, "{address}") || strings.Contains(text, "{path}") || strings.Contains(text, "4711") {
				t.Errorf("the reason says %q", text)
			}
			if n := v.count(); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
		})
	}
}

func TestAServerThatAsksToWait(t *testing.T) {
	served := time.Date(2026, 10, 14, 13, 0, 0, 0, time.UTC) // three hours from our clock
	for name, c := range map[string]struct {
		header string
		date   bool
		wait   time.Duration // the least that is waited before the second call
		after  time.Duration // what the error says of one that is not waited for
	}{
		"seconds":               {"7", false, 7 * time.Second, 0},
		"a date":                {"Wed, 14 Oct 2026 10:00:09 GMT", false, 9 * time.Second, 0},
		"a date by their clock": {"Wed, 14 Oct 2026 13:00:09 GMT", true, 9 * time.Second, 0},
		"nothing":               {"", false, DefaultPause / 2, 0},
		"what has passed":       {"Wed, 14 Oct 2020 10:00:00 GMT", false, DefaultPause / 2, 0},
		"less than nothing":     {"-5", false, DefaultPause / 2, 0},
		"words":                 {"soon", false, DefaultPause / 2, 0},
		"an hour":               {"3600", false, 0, time.Hour},
		"a century":             {"3153600000", false, 0, maxAfter},
		"more than there is":    {"99999999999999999999", false, DefaultPause / 2, 0},
		"the year 9999":         {"Fri, 31 Dec 9999 23:59:59 GMT", false, 0, maxAfter},
	} {
		t.Run(name, func(t *testing.T) {
			first := true
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Date"] = nil
				if c.date {
					w.Header().Set("Date", served.Format(http.TimeFormat))
				}
				if first {
					first = false
					answer(429, "", "Retry-After", c.header)(w, r)
					return
				}
				answer(200, `{}`)(w, r)
			})
			client, at := v.client(t, func(c *Config) { c.Auth = Auth{Kind: NoAuth}; c.Rate = 1000 })
			_, err := client.Do(t.Context(), Request{URL: v.URL, Method: http.MethodPost})
			if c.after > 0 {
				if reason.AfterOf(err) != c.after || reason.Of(err).Code != reason.Throttled || len(at.slept) > 0 {
					t.Errorf("got %v after %s, and slept %v", err, reason.AfterOf(err), at.slept)
				}
				return
			}
			if err != nil || len(at.slept) == 0 || at.slept[0] < c.wait || at.slept[0] > c.wait+2*DefaultPause {
				t.Errorf("got %v, and waited %v, want %s", err, at.slept, c.wait)
			}
		})
	}
}

func TestWhatMayHaveBeenDoneIsNotRepeated(t *testing.T) {
	v := newVendor(t, answer(500, ""))
	client, _ := v.client(t, func(c *Config) { c.Auth = Auth{Kind: NoAuth} })
	_, err := client.Do(t.Context(), Request{URL: v.URL, Method: http.MethodPost, Body: []byte("{}")})
	if v.count() != 1 || err == nil {
		t.Errorf("a POST was sent %d times: %v", v.count(), err)
	}
	_, err = client.Do(t.Context(), Request{URL: v.URL, Method: http.MethodPost, Repeatable: true})
	if v.count() != 1+DefaultTries || err == nil {
		t.Errorf("one that may be repeated was not: %v", err)
	}
}

func TestRetriesRunOut(t *testing.T) {
	v := newVendor(t, answer(500, ""))
	client, _ := v.client(t, func(c *Config) { c.Auth = Auth{Kind: NoAuth} })
	for range 20 {
		if _, err := client.Do(t.Context(), Request{URL: v.URL}); err == nil {
			t.Fatal("it went well")
		}
	}
	if n := v.count(); n != 20+maxRetries {
		t.Errorf("a server that is down was called %d times for 20 calls, want %d", n, 20+maxRetries)
	}
	v.serve = answer(200, `{}`)
	for range 10 {
		if _, err := client.Do(t.Context(), Request{URL: v.URL}); err != nil {
			t.Fatal(err)
		}
	}
	v.serve = answer(500, "")
	before := v.count()
	_, _ = client.Do(t.Context(), Request{URL: v.URL})
	if n := v.count() - before; n != 2 {
		t.Errorf("after ten calls that went well there were %d tries, want 2", n)
	}
}

func packed(text []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text)
	_ = z.Close()
	return b.Bytes()
}

func TestAnswersThatAreNotWhole(t *testing.T) {
	bomb := packed(make([]byte, 8<<20))
	send := func(body []byte, header ...string) http.HandlerFunc {
		return answer(200, string(body), header...)
	}
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  reason.Code // nothing when all is well
		calls int
	}{
		"packed":           {send(packed([]byte(`{"a":1}`)), "Content-Encoding", "gzip"), "", 1},
		"packed, not said": {send([]byte(`{"a":1}`), "Content-Encoding", "identity"), "", 1},
		"problem+json":     {send([]byte(`{"a":1}`), "Content-Type", "application/hal+json; charset=utf-8"), "", 1},
		"F53 a bomb":       {send(bomb, "Content-Encoding", "gzip"), reason.FileTooLarge, 1},
		"too large":        {send(make([]byte, 1<<17)), reason.FileTooLarge, 1},
		"never ends":       {func(w http.ResponseWriter, _ *http.Request) { flood(w) }, reason.FileTooLarge, 1},
		"F53 HTML":         {send([]byte("<html>Kanarina</html>"), "Content-Type", "text/html; charset=utf-8"), reason.AnswerUnreadable, DefaultTries},
		"another packing":  {send([]byte("x"), "Content-Encoding", "br"), reason.AnswerUnreadable, DefaultTries},
		"packed, cut off":  {send(packed([]byte(`{"a":1}`))[:15], "Content-Encoding", "gzip"), reason.TransferCut, DefaultTries},
		"packed, not gzip": {send([]byte(`{"a":1, "b":2}`), "Content-Encoding", "gzip"), reason.TransferCut, DefaultTries},
		"F53 cut off":      {send([]byte(`{"a":1`), "Content-Length", "100"), reason.TransferCut, DefaultTries},
		"reset at once":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, reason.Unreachable, DefaultTries},
		"F53 chunked, hung": {func(w http.ResponseWriter, r *http.Request) {
			answer(200, "{")(w, r)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, reason.NoAnswer, DefaultTries},
		"hung": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, reason.NoAnswer, DefaultTries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, c.serve)
			client, _ := v.client(t, func(cfg *Config) {
				cfg.Auth = Auth{Kind: NoAuth}
				cfg.Limits = Limits{MaxBytes: 1 << 16, MaxUnpacked: 1 << 20}
				cfg.Timeout = 5 * time.Second
				if c.want == reason.NoAnswer {
					cfg.Timeout = 50 * time.Millisecond
				}
			})
			a, err := client.Do(t.Context(), Request{URL: v.URL + "/persons", Query: url.Values{"civicNo": {"189001019802"}}})
			if c.want == "" {
				if err != nil || string(a.Body) != `{"a":1}` {
					t.Errorf("got %+v, %v", a, err)
				}
				return
			}
			if reason.Of(err).Code != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			// Of a call that has no time the server need not hear.
			if n := v.count(); n > c.calls || n < c.calls && c.want != reason.NoAnswer {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "Kanarina") || strings.Contains(text, "9802") {
				t.Errorf("R8: the error shows somebody: %s", text)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	var other atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/here": "/v2/persons?page=2", "/loop": "/loop", "/there": elsewhere.URL, "/metadata": "http://169.254.169.254/latest", "/nowhere": "",
			"/user": "https://kommun:x@" + r.Host + "/v2/persons", "/plain": "http://" + r.Host + "/v2/persons", "/file": "file:///etc/passwd",
		}
		where, ok := to[r.URL.Path]
		if !ok {
			answer(200, `{}`)(w, r)
			return
		}
		answer(307, "", "Location", where)(w, r)
	})
	client, _ := v.client(t)
	if _, err := client.Do(t.Context(), Request{URL: v.URL + "/here"}); err != nil || !strings.HasSuffix(v.calls[len(v.calls)-1], "/v2/persons Bearer token-1") {
		t.Errorf("a redirect on the same host: %v, %v", err, v.calls)
	}
	for _, path := range []string{"/there", "/metadata", "/loop", "/user", "/plain", "/file"} {
		if _, err := client.Do(t.Context(), Request{URL: v.URL + path}); reason.Of(err).Code != reason.RedirectRefused {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := client.Do(t.Context(), Request{URL: v.URL + "/nowhere"}); reason.Of(err).Code != reason.AnswerUnreadable {
		t.Errorf("/nowhere: %v", err)
	}
	if _, err := client.Do(t.Context(), Request{URL: v.URL + "/here", Method: http.MethodPost}); reason.Of(err).Code != reason.RedirectRefused {
		t.Errorf("a POST that is redirected: %v", err)
	}
	if other.Load() > 0 {
		t.Error("another host was called")
	}
}

func TestAddressesThatAreNotCalled(t *testing.T) {
	for ip, c := range map[string]struct{ open, private bool }{
		"8.8.8.8":                {true, true},
		"2001:4860:4860::8888":   {true, true},
		"10.1.2.3":               {false, true},
		"172.16.0.1":             {false, true},
		"192.168.1.1":            {false, true},
		"100.64.0.1":             {false, true},
		"127.0.0.1":              {false, true},
		"::1":                    {false, true},
		"fc00::1":                {false, true},
		"::ffff:127.0.0.1":       {false, true},
		"64:ff9b::a00:1":         {false, true},
		"2002:a00:1::1":          {false, true},
		"0.0.0.0":                {false, false},
		"::":                     {false, false},
		"169.254.169.254":        {false, false},
		"::ffff:169.254.169.254": {false, false},
		"fe80::1":                {false, false},
		"fd00:ec2::254":          {false, false},
		"224.0.0.1":              {false, false},
		"ff02::1":                {false, false},
		"255.255.255.255":        {false, true},
	} {
		at := netip.MustParseAddr(ip)
		if allowed(at, false) != c.open || allowed(at, true) != c.private {
			t.Errorf("%s: got %t, with private ones %t", ip, allowed(at, false), allowed(at, true))
		}
	}
	v := newVendor(t, answer(200, `{}`))
	client, _ := v.client(t, func(c *Config) { c.PrivateAddresses = false; c.Auth = Auth{Kind: NoAuth} })
	for _, host := range []string{"127.0.0.1", "localhost"} {
		_, port, _ := net.SplitHostPort(v.Listener.Addr().String())
		_, err := client.Do(t.Context(), Request{URL: "https://" + net.JoinHostPort(host, port)})
		if reason.Of(err).Code != reason.AddressRefused || reason.FaultOf(err) != reason.Misconfigured {
			t.Errorf("F53: %s was called: %v", host, err)
		}
	}
	client, _ = v.client(t, func(c *Config) { c.PrivateAddresses = false })
	if _, err := client.Do(t.Context(), Request{URL: "https://192.0.2.1/persons"}); reason.Of(err).Code != reason.AddressRefused {
		t.Errorf("F53: a token was asked for at a private address: %v", err)
	}
	if v.count() > 0 {
		t.Errorf("somebody was called: %v", v.calls)
	}
}

func TestCertificates(t *testing.T) {
	stranger := testbed.NewCA(t)
	for name, c := range map[string]struct {
		server func(*testbed.CA, *tls.Config)
		client func(*testing.T, *vendor, *Config)
		want   reason.Code
	}{
		"F54 of another issuer": {func(_ *testbed.CA, s *tls.Config) {
			s.Certificates = stranger.TLS(testbed.Cert{Names: []string{"127.0.0.1"}}).Certificates
		}, nil, reason.CertificateUnknown},
		"F54 for another host": {func(a *testbed.CA, s *tls.Config) {
			s.Certificates = a.TLS(testbed.Cert{Names: []string{"other.example"}}).Certificates
		}, nil, reason.CertificateName},
		"F54 expired": {func(a *testbed.CA, s *tls.Config) {
			s.Certificates = a.TLS(testbed.Cert{Names: []string{"127.0.0.1"}, Expired: true}).Certificates
		}, nil, reason.CertificateExpired},
		"F54 TLS 1.1": {func(_ *testbed.CA, s *tls.Config) {
			s.MinVersion, s.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}, nil, reason.EncryptionFailed},
		"a client certificate that is not there": {func(_ *testbed.CA, s *tls.Config) { s.ClientAuth = tls.RequireAnyClientCert }, nil, reason.EncryptionFailed},
		"a client certificate": {func(_ *testbed.CA, s *tls.Config) { s.ClientAuth = tls.RequireAnyClientCert }, func(t *testing.T, v *vendor, c *Config) {
			cert, key := v.ca.Issue(testbed.Cert{})
			c.ClientCertificate, c.ClientKey = file(t, string(cert)), file(t, string(key))
		}, ""},
		"F54 a client certificate that ended": {nil, func(t *testing.T, v *vendor, c *Config) {
			cert, key := v.ca.Issue(testbed.Cert{Expired: true})
			c.ClientCertificate, c.ClientKey = file(t, string(cert)), file(t, string(key))
		}, reason.SecretUnusable},
		"a key of another certificate": {nil, func(t *testing.T, v *vendor, c *Config) {
			cert, _ := v.ca.Issue(testbed.Cert{})
			_, key := v.ca.Issue(testbed.Cert{})
			c.ClientCertificate, c.ClientKey = file(t, string(cert)), file(t, string(key))
		}, reason.SecretUnusable},
		"no roots": {nil, func(_ *testing.T, _ *vendor, c *Config) { c.CAFile = "/nowhere" }, reason.SecretUnusable},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, answer(200, `{}`))
			if c.server != nil {
				c.server(v.ca, v.TLS)
			}
			client, at := v.client(t, func(cfg *Config) {
				cfg.Auth = Auth{Kind: NoAuth}
				if c.client != nil {
					c.client(t, v, cfg)
				}
			})
			at.now = time.Now() // by which certificates end
			_, err := client.Do(t.Context(), Request{URL: v.URL})
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if why := reason.Of(err); why.Code != c.want || strings.Contains(why.Text(reason.English), "{") {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if v.count() > 0 {
				t.Error("something was said all the same")
			}
		})
	}
	plain := httptest.NewServer(answer(200, `{}`))
	defer plain.Close()
	client := New(Config{Auth: Auth{Kind: NoAuth}, PrivateAddresses: true}, Options{Now: time.Now})
	defer client.Close()
	if _, err := client.Do(t.Context(), Request{URL: strings.Replace(plain.URL, "http", "https", 1)}); reason.Of(err).Code != reason.EncryptionFailed {
		t.Errorf("a server without TLS: %v", err)
	}
}

func TestACallThatIsCalledOff(t *testing.T) {
	hang := make(chan struct{})
	v := newVendor(t, func(http.ResponseWriter, *http.Request) { <-hang })
	defer close(hang)
	client, _ := v.client(t)
	off := errors.New("called off")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(off) })
	begun := time.Now()
	if _, err := client.Do(ctx, Request{URL: v.URL}); !errors.Is(err, off) || time.Since(begun) > time.Second {
		t.Errorf("got %v after %s", err, time.Since(begun))
	}
}

func TestNothingShowsWhatIsSecret(t *testing.T) {
	var heard bytes.Buffer
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	v := newVendor(t, answer(500, `{"message":"Kanarina 189001019802"}`, "X-Echo", "Kanarina"))
	at := newClock()
	client := New(v.settings(t), Options{Now: at.Now, Sleep: at.Sleep, Logger: slog.New(slog.NewTextHandler(&heard, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	defer client.Close()
	ctx, span := tracer.Start(t.Context(), "read")
	_, err := client.Do(ctx, Request{URL: v.URL + "/persons/4711", Route: "/persons/{id}", Query: url.Values{"civicNo": {"189001019802"}}})
	span.End()
	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Parent().SpanID() != span.SpanContext().SpanID() {
		t.Fatalf("%d spans, want one for the call in that of the read", len(ended))
	}
	said := heard.String() + err.Error() + ended[0].Name() + fmt.Sprint(ended[0].Attributes(), ended[0].Status())
	for _, secret := range []string{"189001019802", "Kanarina", "token-", password, "4711", "civicNo"} {
		if strings.Contains(said, secret) {
			t.Errorf("R8: %q stands in %s", secret, said)
		}
	}
	for _, want := range []string{"GET /persons/{id}", "server-refused", "attempt=1", "resend_count"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said: %s", want, said)
		}
	}
}

func TestCheckNamesTheStep(t *testing.T) {
	v := newVendor(t, answer(200, `{}`))
	gone, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, c := range map[string]struct {
		address string
		change  func(*Config)
		failed  string
		code    reason.Code
	}{
		"all is well":  {v.URL, func(*Config) {}, "", ""},
		"nobody there": {"https://" + gone.Addr().String(), func(*Config) {}, "connect", reason.Unreachable},
		"not ours":     {v.URL, func(c *Config) { c.PrivateAddresses = false; c.Auth = Auth{Kind: NoAuth} }, "connect", reason.AddressRefused},
		"certificate":  {v.URL, func(c *Config) { c.CAFile = "" }, "certificate", reason.CertificateUnknown},
		"sign-in":      {v.URL, func(c *Config) { c.Auth.ClientID = "other" }, "sign-in", reason.WrongCredentials},
		"no secret":    {v.URL, func(c *Config) { c.Auth.ClientSecret = "env:NOBODY_SETS_THIS" }, "sign-in", reason.SecretUnusable},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := v.client(t, c.change)
			var steps []string
			failed := ""
			err := client.Check(t.Context(), c.address, func(name, _ string, err error) {
				steps = append(steps, name)
				if err != nil {
					failed = name
				}
			})
			if failed != c.failed || (err != nil) != (c.failed != "") || err != nil && reason.Of(err).Code != c.code {
				t.Errorf("failed at %q with %v", failed, err)
			}
			if c.failed == "" && !slices.Equal(steps, []string{"connect", "certificate", "sign-in"}) {
				t.Errorf("steps %v", steps)
			}
		})
	}
}
