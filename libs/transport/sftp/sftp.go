// Package sftp reads a system's export from an SFTP server and delivers files to one: limited, checked, resumable.
//
// A server is known by its pinned host keys or not at all. Every operation opens one connection, ends with it, and
// leaves no goroutine. Each thing that can be wrong has a reason of its own (unreachable, wrong-credentials,
// host-key-unknown, host-key-changed, not-permitted, no-file, stale-file, file-growing, transfer-cut ...), because each
// has another person who can mend it. What is read is kept in files that have no name, so nothing of it stays on disk.
package sftp

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"eventful.se/ess/libs/tenant"
)

// Defaults of [Config].
const (
	DefaultPort           = 22
	DefaultConnectTimeout = 20 * time.Second
	DefaultIdleTimeout    = 60 * time.Second
)

// Config says how to reach an SFTP server. Zero values stand for the defaults.
type Config struct {
	Host          string        `yaml:"host"`
	Port          int           `yaml:"port"`
	User          string        `yaml:"user"`
	Password      tenant.Secret `yaml:"password"`
	Key           tenant.Secret `yaml:"key"` // a private key, PEM
	KeyPassphrase tenant.Secret `yaml:"keyPassphrase"`
	// HostKeys are the keys by which the server is known: SHA256:… fingerprints, or lines as in known_hosts or
	// authorized_keys. Several are accepted, so that an announced change of key needs no outage. With none, every
	// connection is refused and the error says what to pin.
	HostKeys       []string      `yaml:"hostKeys"`
	ConnectTimeout time.Duration `yaml:"connectTimeout"` // to connect and sign in
	IdleTimeout    time.Duration `yaml:"idleTimeout"`    // without one byte from the server
}

// Validate reports everything wrong with the settings, without network and without reading a secret.
func (c Config) Validate(p tenant.Problems) {
	p.At("host").Required(c.Host)
	if strings.ContainsAny(c.Host, "/@ ") {
		p.At("host").Add("is not a host name or address: write it without scheme, user or path")
	}
	if c.Port < 0 || c.Port > 65535 {
		p.At("port").Add("is not a port: write 1 to 65535")
	}
	p.At("user").Required(c.User)
	if c.Password.IsZero() && c.Key.IsZero() {
		p.At("password").Add("is required, or key")
	}
	if c.Key.IsZero() && !c.KeyPassphrase.IsZero() {
		p.At("keyPassphrase").Add("has no key that it belongs to")
	}
	for _, s := range []struct {
		name   string
		secret tenant.Secret
	}{{"password", c.Password}, {"key", c.Key}, {"keyPassphrase", c.KeyPassphrase}} {
		if !s.secret.IsZero() {
			p.At("%s", s.name).Check(s.secret.Validate())
		}
	}
	for i, k := range c.HostKeys {
		_, err := parsePin(k)
		p.At("hostKeys[%d]", i).Check(err)
	}
	checkDuration(p.At("connectTimeout"), c.ConnectTimeout)
	checkDuration(p.At("idleTimeout"), c.IdleTimeout)
}

// checkDuration finds a negative duration, and the number without unit that YAML reads as nanoseconds.
func checkDuration(p tenant.Problems, d time.Duration) {
	if d < 0 || d > 0 && d < time.Millisecond {
		p.Add("is not a usable time: write it with its unit, as in 30s")
	}
}

func (c Config) withDefaults() Config {
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	return c
}

// Options are what code passes to a client.
type Options struct {
	Logger *slog.Logger                               // nil for no log
	Now    func() time.Time                           // needed where a [Selection] has a MaxAge
	Sleep  func(context.Context, time.Duration) error // nil for a real pause, which ends early with ctx's error
}

// Client is an SFTP client. It has no state but its settings, and may be used by many goroutines.
type Client struct {
	cfg   Config
	log   *slog.Logger
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

// New returns a client for valid settings. It uses no network.
func New(cfg Config, o Options) *Client {
	c := &Client{cfg: cfg.withDefaults(), log: o.Logger, now: o.Now, sleep: o.Sleep}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	return c
}

// Address returns host:port.
func (c *Client) Address() string { return net.JoinHostPort(c.cfg.Host, strconv.Itoa(c.cfg.Port)) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
