package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// Options say how to reach NATS.
type Options struct {
	URL         string        // nats://host:4222, several with commas; not read when Server or Line is set
	Server      *Server       // a server in this process
	Line        *Line         // the line of a program at a customer's, which signs in for it
	Name        string        // who we are, of [a-z0-9-]: connection name and inbox prefix, so that no other client can read our replies
	Credentials tenant.Secret // a credentials file of nsc, read anew at every connect; empty for none
	User        string        // with Password, where the server has no credentials files
	Password    tenant.Secret
	Logger      *slog.Logger     // nil for none
	Timeout     time.Duration    // how long one request may take; 10 s when zero
	Watch       time.Duration    // how often a follower is looked after; 30 s when zero
	Now         func() time.Time // the clock; the real one when nil
}

// Store is a connection to the roster logs, ledgers and runs of all tenants. It is safe for concurrent use.
type Store struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	timeout time.Duration
	watch   time.Duration
	now     func() time.Time
	address string
	line    *Line // nil for none
	bad     refusals
	count   counters
	closed  chan struct{}
}

// Connect connects. An error is Misconfigured when the server does not accept us, transient when it cannot be reached.
// A connection that is lost later comes back by itself; until then every call fails at once or after its time.
func Connect(ctx context.Context, o Options) (*Store, error) {
	if err := validToken("name", o.Name); err != nil {
		return nil, err
	}
	s := &Store{
		log: o.Logger, timeout: o.Timeout, watch: o.Watch, now: o.Now, address: o.URL, line: o.Line, closed: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.timeout == 0 {
		s.timeout = 10 * time.Second
	}
	if s.watch == 0 {
		s.watch = 30 * time.Second
	}
	if s.now == nil {
		s.now = time.Now //nolint:forbidigo // what an option that is not set means
	}
	opts, err := s.natsOptions(o)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !o.Credentials.IsZero() { // a file that is not there is no server that cannot be reached
		if _, err := o.Credentials.Reveal(); err != nil {
			return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", o.Credentials, "what", err)
		}
	}
	if s.line != nil {
		if why := s.line.State().Why; why != nil {
			return nil, why
		}
	}
	if s.nc, err = nats.Connect(o.URL, opts...); err != nil {
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) {
			return nil, reason.Errorf(reason.Misconfigured, err, reason.NATSCredentials, "address", s.address, "user", o.Name)
		}
		return nil, reason.Errorf(reason.Transient, err, reason.NATSUnreachable, "address", s.address)
	}
	if s.line != nil {
		s.js, err = jetstream.NewWithDomain(s.nc, lineDomain, jetstream.WithDefaultTimeout(s.timeout))
	} else {
		s.js, err = jetstream.New(s.nc, jetstream.WithDefaultTimeout(s.timeout))
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open JetStream at %s: %w", s.address, err)
	}
	return s, nil
}

// natsOptions holds what makes a client safe for a publisher: nothing is buffered while the connection is away, for
// what waits there would be sent long after the caller gave up.
func (s *Store) natsOptions(o Options) ([]nats.Option, error) {
	opts := []nats.Option{
		nats.Name(o.Name),
		nats.CustomInboxPrefix("_INBOX_" + o.Name),
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a rotated credential comes into use without a restart
		nats.CustomReconnectDelay(reconnectDelay()),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(pingsLost),
		nats.Timeout(s.timeout),
		nats.ErrorHandler(s.asyncError),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.count.disconnects.Add(1)
				s.log.Warn("connection to NATS lost", "address", s.address, "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { s.log.Info("connection to NATS is back", "address", s.address) }),
		nats.ClosedHandler(func(*nats.Conn) { close(s.closed) }),
	}
	switch {
	case o.Line != nil:
		s.address = o.Line.address
		opts = append(opts, nats.InProcessServer(o.Line))
	case o.Server != nil:
		s.address = "in process"
		opts = append(opts, nats.InProcessServer(o.Server.ns))
	case o.URL == "":
		return nil, errors.New("no address of NATS: set the URL, nats://host:4222")
	}
	if o.Line == nil && !o.Credentials.IsZero() {
		if err := o.Credentials.Validate(); err != nil {
			return nil, fmt.Errorf("credentials for NATS: %w", err)
		}
		opts = append(opts, nats.UserJWT(
			func() (string, error) {
				b, err := o.Credentials.Reveal()
				if err != nil {
					return "", err
				}
				return nkeys.ParseDecoratedJWT(b)
			},
			func(nonce []byte) ([]byte, error) {
				_, signature, err := signWith(o.Credentials, nonce)
				return signature, err
			}))
	}
	if o.User != "" {
		opts = append(opts, nats.UserInfoHandler(func() (string, string) {
			p, err := o.Password.Reveal()
			if err != nil {
				s.log.Error("password for NATS", "error", err)
			}
			return o.User, string(p)
		}))
	}
	return opts, nil
}

// A server that stands still keeps its connections: only that it answers no ping shows it. It is left for another after three
// pings, the time in which members that renew nothing are missed too.
const (
	pingEvery = 5 * time.Second
	pingsLost = 2
)

// reconnectDelay spreads the clients of a server that comes back.
func reconnectDelay() nats.ReconnectDelayHandler {
	retry := newRetry()
	return func(attempts int) time.Duration {
		if attempts <= 1 {
			retry.Reset()
		}
		return retry.NextBackOff()
	}
}

// newRetry returns the pauses before the next try, from about 0.1 to about 5 seconds.
func newRetry() *backoff.ExponentialBackOff {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 100*time.Millisecond, 5*time.Second
	return retry
}

// Close closes the connection and waits until nothing of it runs.
func (s *Store) Close() {
	s.nc.Close()
	<-s.closed
}

// Healthy tells whether the store can be used now: the server answers, and no permission was found missing within
// the last minute.
func (s *Store) Healthy(ctx context.Context) error {
	if s.line != nil {
		if why := s.line.State().Why; why != nil {
			return why
		}
	}
	if !s.nc.IsConnected() {
		return reason.Errorf(reason.Transient, s.nc.LastError(), reason.NATSUnreachable, "address", s.address)
	}
	if r, ok := s.bad.since(s.now().Add(-time.Minute)); ok {
		return r.err(nil)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.nc.FlushWithContext(ctx); err != nil { // this takes no permission
		return reason.Errorf(reason.Transient, err, reason.NATSUnreachable, "address", s.address)
	}
	return nil
}
