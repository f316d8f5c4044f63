// Package httpx calls a vendor's HTTP API: limited, checked, signed in.
//
// Every call has a deadline and ends with its context. An answer is read whole, within limits as it was sent and as it
// unpacks, before anybody sees it: one that was cut off never looks like a short one, and is asked for again. Calls that
// change nothing are tried again after a pause, within a budget of retries that keeps a register that is down from being
// called ten times as often as one that is well. A refused sign-in is not tried again, for attempts lock accounts; a
// token that is refused in the middle is fetched anew once.
//
// What is said to a server is said to that server: a redirect is followed on its own host only, and nothing is sent to an
// address inside our own network, whatever a name resolves to, unless the settings allow it. There is no proxy.
//
// No error, log line or span has a query, a header, a token or a word of an answer's body: a body may name people, and
// some servers send the token back in it. Errors have the host, the path and the status.
package httpx

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/tenant"
)

// Defaults of [Config].
const (
	DefaultConnectTimeout = 20 * time.Second
	DefaultTimeout        = 2 * time.Minute
	DefaultMaxBytes       = 64 << 20
	DefaultMaxUnpacked    = 256 << 20
	DefaultKeyHeader      = "X-API-Key"
	DefaultTries          = 4
	DefaultPause          = time.Second
	MaxTries              = 10
)

// Config says how to call an API. Zero values stand for the defaults.
type Config struct {
	Auth Auth `yaml:"auth"`
	// ClientCertificate is shown to servers that ask for one: certificate and chain, PEM; ClientKey is its private key.
	ClientCertificate tenant.Secret `yaml:"clientCertificate"`
	ClientKey         tenant.Secret `yaml:"clientKey"`
	CAFile            string        `yaml:"caFile"`         // who signs the server's certificate, PEM; empty for those that this machine trusts
	ConnectTimeout    time.Duration `yaml:"connectTimeout"` // to resolve, connect and encrypt
	Timeout           time.Duration `yaml:"timeout"`        // for one call, with its whole answer
	Limits            Limits        `yaml:"limits"`         //
	Rate              float64       `yaml:"rate"`           // calls a second; 0 for no limit but what the server says
	Retry             Retry         `yaml:"retry"`
	// PrivateAddresses allows addresses of private networks and of this machine, and http:// to them.
	PrivateAddresses bool `yaml:"privateAddresses"`
}

// Retry says how a call that failed is tried again, where that may help.
type Retry struct {
	Tries int           `yaml:"tries"` // at most so many in all
	Pause time.Duration `yaml:"pause"` // before the second; twice as long before each that follows
}

// Limits bound one answer, in bytes.
type Limits struct {
	MaxBytes    int64 `yaml:"maxBytes"`    // as it is sent
	MaxUnpacked int64 `yaml:"maxUnpacked"` // unpacked
}

// Auth says how to sign in.
type Auth struct {
	Kind         Kind          `yaml:"kind"`
	TokenURL     string        `yaml:"tokenURL"`     // of clientCredentials
	ClientID     string        `yaml:"clientId"`     //
	ClientSecret tenant.Secret `yaml:"clientSecret"` //
	Scope        string        `yaml:"scope"`        // words with spaces between; empty for what the server gives
	Style        Style         `yaml:"style"`        // where clientId and clientSecret go
	Token        tenant.Secret `yaml:"token"`        // of bearer and apiKey
	Header       string        `yaml:"header"`       // of apiKey
}

// Kind is a way to sign in.
type Kind string

// The kinds.
const (
	ClientCredentials Kind = "clientCredentials" // OAuth 2: a token for an id and a secret
	Bearer            Kind = "bearer"            // a token that never changes
	APIKey            Kind = "apiKey"            // a header of its own
	NoAuth            Kind = "none"              // a client certificate, or nothing
)

// Style is where a token endpoint wants the client's id and secret.
type Style string

// The styles.
const (
	Form  Style = "form"
	Basic Style = "basic"
)

// Validate reports everything wrong with the settings, without network and without reading a secret or a file.
func (c Config) Validate(p tenant.Problems) {
	c.Auth.validate(p.At("auth"), c.PrivateAddresses)
	if c.ClientCertificate.IsZero() != c.ClientKey.IsZero() {
		p.At("clientCertificate").Add("needs clientKey, and clientKey needs it")
	}
	checkSecret(p.At("clientCertificate"), c.ClientCertificate)
	checkSecret(p.At("clientKey"), c.ClientKey)
	checkDuration(p.At("connectTimeout"), c.ConnectTimeout)
	checkDuration(p.At("timeout"), c.Timeout)
	if c.Limits.MaxBytes < 0 {
		p.At("limits.maxBytes").Add("has to be above 0")
	}
	if c.Limits.MaxUnpacked < 0 {
		p.At("limits.maxUnpacked").Add("has to be above 0")
	}
	if c.Retry.Tries < 0 || c.Retry.Tries > MaxTries {
		p.At("retry.tries").Add("is not 1 to %d", MaxTries)
	}
	checkDuration(p.At("retry.pause"), c.Retry.Pause)
	if c.Rate < 0 {
		p.At("rate").Add("must not be negative")
	}
}

func (a Auth) validate(p tenant.Problems, private bool) {
	needsToken := a.Kind == Bearer || a.Kind == APIKey
	switch a.Kind {
	case ClientCredentials:
		CheckURL(p.At("tokenURL"), a.TokenURL, private)
		p.At("clientId").Required(a.ClientID)
		p.At("clientSecret").Required(string(a.ClientSecret))
	case Bearer, APIKey:
		p.At("token").Required(string(a.Token))
	case NoAuth:
	default:
		p.At("kind").Add("is not %s, %s, %s or %s", ClientCredentials, Bearer, APIKey, NoAuth)
	}
	if a.Kind != ClientCredentials && (a.TokenURL != "" || a.ClientID != "" || !a.ClientSecret.IsZero() || a.Scope != "") {
		p.At("kind").Add("has no use for tokenURL, clientId, clientSecret and scope: write %s, or take them out", ClientCredentials)
	}
	if !needsToken && !a.Token.IsZero() {
		p.At("token").Add("is for %s and %s", Bearer, APIKey)
	}
	if a.Style != "" && a.Style != Form && a.Style != Basic {
		p.At("style").Add("is not %s or %s", Form, Basic)
	}
	if strings.Trim(a.Header, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		p.At("header").Add("is not the name of a header")
	}
	checkSecret(p.At("clientSecret"), a.ClientSecret)
	checkSecret(p.At("token"), a.Token)
}

func checkSecret(p tenant.Problems, s tenant.Secret) {
	if !s.IsZero() {
		p.Check(s.Validate())
	}
}

// CheckURL reports what is wrong with the address of an API. Secrets have no place in it, for addresses are shown.
func CheckURL(p tenant.Problems, text string, private bool) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		p.Add("is required")
	case err != nil || u.Hostname() == "":
		p.Add("is not an address: write https://HOST/PATH")
	case u.User != nil:
		p.Add("has a user in it: write that under auth")
	case u.RawQuery != "" || u.Fragment != "":
		p.Add("has a query or a fragment: write the address without")
	case u.Scheme == "http" && !private:
		p.Add("would send everything for all to read: write https://")
	case u.Scheme != "https" && u.Scheme != "http":
		p.Add("has a scheme other than https")
	}
}

// checkDuration finds a negative duration, and the number without unit that YAML reads as nanoseconds.
func checkDuration(p tenant.Problems, d time.Duration) {
	if d < 0 || d > 0 && d < time.Millisecond {
		p.Add("is not a usable time: write it with its unit, as in 30s")
	}
}

func (c Config) withDefaults() Config {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Limits.MaxBytes == 0 {
		c.Limits.MaxBytes = DefaultMaxBytes
	}
	if c.Limits.MaxUnpacked == 0 {
		c.Limits.MaxUnpacked = DefaultMaxUnpacked
	}
	if c.Retry.Tries == 0 {
		c.Retry.Tries = DefaultTries
	}
	if c.Retry.Pause == 0 {
		c.Retry.Pause = DefaultPause
	}
	if c.Auth.Header == "" {
		c.Auth.Header = DefaultKeyHeader
	}
	return c
}

// Options are what code passes to a client.
type Options struct {
	Logger *slog.Logger                               // nil for no log
	Now    func() time.Time                           //
	Sleep  func(context.Context, time.Duration) error // nil for a real pause, which ends early with the context's cause
	Budget *budget.Budget                             // nil for one of this client, with Config.Rate
}

// Client calls one API. It may be used by many goroutines, and keeps connections and a token between calls.
type Client struct {
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	budget *budget.Budget

	mu        sync.Mutex
	transport *http.Transport // made with the first call, for it needs files
	retries   int             // that are left, in parts of one: see repays

	signing chan struct{} // holds one token while somebody signs in
	token   token
}

// New returns a client for valid settings. It uses no network and reads no file.
func New(cfg Config, o Options) *Client {
	c := &Client{
		cfg: cfg.withDefaults(), log: o.Logger, now: o.Now, sleep: o.Sleep, budget: o.Budget,
		retries: maxRetries * repays, signing: make(chan struct{}, 1),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.sleep == nil {
		c.sleep = budget.Sleep
	}
	if c.budget == nil && cfg.Rate > 0 {
		c.budget = budget.NewSet(c.now, c.sleep).Of(budget.Spec{Name: "rate", Rate: cfg.Rate})
	}
	return c
}

// Close ends the connections that are not in use. The client may be used again, and then reads its certificates anew.
func (c *Client) Close() {
	c.mu.Lock()
	t := c.transport
	c.transport = nil
	c.mu.Unlock()
	if t != nil {
		t.CloseIdleConnections()
	}
}
