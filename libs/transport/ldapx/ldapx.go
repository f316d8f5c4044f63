// Package ldapx reads and writes a directory over LDAP, with what Active Directory needs of a client: limited, checked.
//
// A server is known by its certificate, whose names and time always count, and no password travels unencrypted. A
// [Client] stays with the one domain controller that it reached first, for the next may not know yet what this one was
// told. Every request has a deadline, and ends with its context: its connection is closed under it, so a write that got
// no answer is [Unsure] and is read back by whoever made it. A sign-in that was refused is not tried again for a while,
// for attempts lock accounts. Searches are paged and values that come in ranges are put together; what a server cut off
// is an error, never a short answer. The text of a server's answer may hold names of people and is dropped: errors keep
// the number of the result and the hexadecimal code, which say the same. It draws no budget: its caller does.
package ldapx

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"eventful.se/ess/libs/tenant"
)

// Defaults of [Config], and the pauses of a [Client].
const (
	DefaultConnectTimeout = 20 * time.Second
	DefaultTimeout        = 60 * time.Second
	DefaultConnections    = 2
	DefaultPageSize       = 500
	MaxPageSize           = 1000             // of Active Directory
	IdleLimit             = 30 * time.Second // a connection that was idle for longer is tried before it is used
	RefusalPause          = 10 * time.Minute // how long a refused sign-in is not repeated with the same password
)

// Config says how to reach a directory. Zero values stand for the defaults.
type Config struct {
	// URLs are domain controllers of one domain, tried in order until one answers: ldaps://HOST[:PORT], or ldap://… with
	// startTLS.
	URLs           []string      `yaml:"urls"`
	StartTLS       bool          `yaml:"startTLS"`       // with ldap://: encrypt before anything is said
	User           string        `yaml:"user"`           // a user principal name or a distinguished name
	Password       tenant.Secret `yaml:"password"`       //
	CAFile         string        `yaml:"caFile"`         // who signs the servers' certificates, PEM; empty for those that this machine trusts
	ServerName     string        `yaml:"serverName"`     // the name in the certificate, where it is not that of the URL
	ConnectTimeout time.Duration `yaml:"connectTimeout"` // to connect and sign in
	Timeout        time.Duration `yaml:"timeout"`        // for one request, or one page of a search
	Connections    int           `yaml:"connections"`    // at most so many at once
	PageSize       int           `yaml:"pageSize"`       // entries a page of a search
}

// Validate reports everything wrong with the settings, without network and without reading a secret or a file.
func (c Config) Validate(p tenant.Problems) {
	if len(c.URLs) == 0 {
		p.At("urls").Add("is required")
	}
	for i, u := range c.URLs {
		c.checkURL(p.At("urls[%d]", i), u)
	}
	p.At("user").Required(c.User)
	if c.User != "" && !strings.ContainsAny(c.User, `@=\`) {
		p.At("user").Add(`is neither name@domain nor a distinguished name (CN=…,DC=…)`)
	}
	p.At("password").Required(string(c.Password))
	if !c.Password.IsZero() {
		p.At("password").Check(c.Password.Validate())
	}
	if strings.ContainsAny(c.ServerName, "/:@ ") {
		p.At("serverName").Add("is not a name: write it as the certificate does, without scheme or port")
	}
	checkDuration(p.At("connectTimeout"), c.ConnectTimeout)
	checkDuration(p.At("timeout"), c.Timeout)
	if c.Connections < 0 || c.Connections > 16 {
		p.At("connections").Add("is not 1 to 16")
	}
	if c.PageSize < 0 || c.PageSize > MaxPageSize {
		p.At("pageSize").Add("is not 1 to %d", MaxPageSize)
	}
}

func (c Config) checkURL(p tenant.Problems, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		p.Add("is not an address: write ldaps://HOST")
	case u.User != nil:
		p.Add("has a user in it: write it as user and password")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		p.Add("has more than a host and a port: write ldaps://HOST")
	case u.Scheme == schemePlain && !c.StartTLS:
		p.Add("would send the password for all to read: write ldaps://, or set startTLS")
	case u.Scheme != schemePlain && u.Scheme != schemeTLS:
		p.Add("has a scheme other than ldaps and ldap")
	}
}

const (
	schemePlain = "ldap"
	schemeTLS   = "ldaps"
)

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
	if c.Connections == 0 {
		c.Connections = DefaultConnections
	}
	if c.PageSize == 0 {
		c.PageSize = DefaultPageSize
	}
	return c
}

// Options are what code passes to a client.
type Options struct {
	Logger *slog.Logger // nil for no log
	Now    func() time.Time
}

// Client is a client of one directory. It may be used by many goroutines; each request has a connection to itself.
type Client struct {
	cfg  Config
	log  *slog.Logger
	now  func() time.Time
	room chan struct{} // holds one token a connection that is in use
	dial chan struct{} // holds one token while somebody connects: one refused password must not be sent by all

	mu      sync.Mutex
	idle    []*session
	pinned  *server  // the domain controller of this client, once one was reached
	refused *refusal // the last sign-in that was refused
	closed  bool
}

// New returns a client for valid settings. It uses no network: the first request connects.
func New(cfg Config, o Options) *Client {
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, log: o.Logger, now: o.Now, room: make(chan struct{}, cfg.Connections), dial: make(chan struct{}, 1)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Address returns where the client is, or will be, connected: the pinned server's host:port, else the first one's.
func (c *Client) Address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pinned != nil {
		return c.pinned.name
	}
	servers, err := c.cfg.servers()
	if err != nil || len(servers) == 0 {
		return ""
	}
	return servers[0].name
}

// Close ends the connections. One in use ends when its request does.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, s := range idle {
		s.close()
	}
}

// Rest ends the connections that are not in use. The next request connects again, to the same domain controller.
func (c *Client) Rest() {
	c.mu.Lock()
	idle := c.idle
	c.idle = nil
	c.mu.Unlock()
	for _, s := range idle {
		s.close()
	}
}

// ended is the error of a request whose context ended.
func ended(ctx context.Context, address string) error {
	return fmt.Errorf("ldap %s: %w", address, context.Cause(ctx))
}
