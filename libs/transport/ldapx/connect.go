package ldapx

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
)

// server is where a connection goes.
type server struct {
	name string // host:port as the settings say, for people
	host string
	addr string // host:port to dial; an IP address once the server is pinned
	tls  bool   // encrypted from the first byte; else by StartTLS
	dns  string // the name that the server gives itself, once it is pinned
}

// servers returns those of the settings, in order.
func (c Config) servers() (list []*server, err error) {
	for _, text := range c.URLs {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("urls: %w", err)
		}
		port := u.Port()
		if port == "" {
			port = ldap.DefaultLdapPort
			if u.Scheme == schemeTLS {
				port = ldap.DefaultLdapsPort
			}
		}
		addr := net.JoinHostPort(u.Hostname(), port)
		list = append(list, &server{name: addr, host: u.Hostname(), addr: addr, tls: u.Scheme == schemeTLS})
	}
	return list, nil
}

// refusal is a sign-in that was refused.
type refusal struct {
	password [sha256.Size]byte
	at       time.Time
	err      error
}

// session is a connection that is signed in. It serves one request at a time.
type session struct {
	*ldap.Conn
	raw    net.Conn
	cut    atomic.Bool // the connection was closed under a request, or can no longer be trusted
	used   time.Time   // when its last request ended
	reused bool        // it has served a request before this one
}

// sever ends the connection under a request, whatever it waits for.
func (s *session) sever() {
	s.cut.Store(true)
	s.raw.Close()
}

func (s *session) close() {
	s.sever() // first, so that nothing waits for a network that hangs
	_ = s.Conn.Close()
}

// trace is told of each step of a connection.
type trace func(step, detail string, err error)

// The steps of a connection.
const (
	stepConnect     = "connect"
	stepCertificate = "certificate"
	stepSignIn      = "sign-in"
)

// take returns a connection that is signed in, which its caller gives back.
func (c *Client) take(ctx context.Context) (*session, error) {
	select {
	case c.room <- struct{}{}:
	case <-ctx.Done():
		return nil, ended(ctx, c.Address())
	}
	for {
		s := c.pop()
		if s == nil {
			break
		}
		if s.cut.Load() || s.IsClosing() || c.tooOld(s) && c.probe(ctx, s) != nil {
			s.close()
			continue
		}
		s.reused = true
		return s, nil
	}
	s, err := c.connect(ctx, nil)
	if err != nil {
		<-c.room
		return nil, err
	}
	return s, nil
}

func (c *Client) pop() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 {
		return nil
	}
	s := c.idle[len(c.idle)-1]
	c.idle = c.idle[:len(c.idle)-1]
	return s
}

// tooOld tells whether a server or a firewall may have ended a connection unseen.
func (c *Client) tooOld(s *session) bool { return c.now == nil || c.now().Sub(s.used) > IdleLimit }

func (c *Client) probe(ctx context.Context, s *session) error {
	return c.ask(ctx, s, func() error {
		_, err := s.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, anything, []string{"1.1"}, nil))
		return err
	})
}

// give takes a connection back.
func (c *Client) give(s *session) {
	if c.now != nil {
		s.used = c.now()
	}
	c.mu.Lock()
	keep := !c.closed && !s.cut.Load() && !s.IsClosing()
	if keep {
		c.idle = append(c.idle, s)
	}
	c.mu.Unlock()
	if !keep {
		s.close()
	}
	<-c.room
}

// connect opens a connection and signs in, to the pinned server or else to the first that answers, which is pinned.
func (c *Client) connect(ctx context.Context, t trace) (*session, error) {
	if t == nil {
		t = func(string, string, error) {}
	}
	select {
	case c.dial <- struct{}{}:
		defer func() { <-c.dial }()
	case <-ctx.Done():
		return nil, ended(ctx, c.Address())
	}
	password, err := c.cfg.Password.Reveal()
	if err != nil {
		err = reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", c.cfg.Password, "what", err)
		t(stepSignIn, "", err)
		return nil, err
	}
	if err := c.wasRefused(password); err != nil {
		t(stepSignIn, "", err)
		return nil, err
	}
	roots, err := c.roots()
	if err != nil {
		t(stepCertificate, "", err)
		return nil, err
	}
	servers, err := c.candidates()
	if err != nil {
		return nil, err
	}
	var first error
	for _, srv := range servers {
		a := attempt{client: c, server: srv, roots: roots, trace: t}
		s, err := a.open(ctx, password)
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil || a.signedIn || a.refused { // another controller would refuse the same, and count it
			return nil, err
		}
	}
	return nil, first
}

// candidates returns the pinned server alone, or all.
func (c *Client) candidates() ([]*server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pinned != nil {
		return []*server{c.pinned}, nil
	}
	return c.cfg.servers()
}

// wasRefused returns why this password was refused a short while ago.
func (c *Client) wasRefused(password []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil || c.refused.password != sha256.Sum256(password) || c.now != nil && c.now().Sub(c.refused.at) >= RefusalPause {
		return nil
	}
	return c.refused.err
}

func (c *Client) refuse(password []byte, err error) {
	r := &refusal{password: sha256.Sum256(password), err: err}
	if c.now != nil {
		r.at = c.now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = r
}

// roots returns who may sign a server's certificate; nil for those that this machine trusts.
func (c *Client) roots() (*x509.CertPool, error) {
	if c.cfg.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.cfg.CAFile)
	if err != nil {
		return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", "caFile", "what", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", "caFile", "what", "no certificate in PEM form")
	}
	return pool, nil
}

// attempt is one try to connect to a server and to sign in.
type attempt struct {
	client   *Client
	server   *server
	roots    *x509.CertPool
	trace    trace
	refused  bool // the server answered, and refused the sign-in for good
	signedIn bool
}

func (a *attempt) open(ctx context.Context, password []byte) (*session, error) {
	c := a.client
	limit, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(limit, "tcp", a.server.addr)
	if err != nil {
		err = c.explainDial(ctx, limit, a.server, err)
		a.trace(stepConnect, "", err)
		return nil, err
	}
	a.trace(stepConnect, fmt.Sprintf("from %s to %s", raw.LocalAddr(), raw.RemoteAddr()), nil)
	stop := context.AfterFunc(limit, func() { raw.Close() })
	defer stop()
	s, err := a.encrypt(limit, raw)
	if err != nil {
		raw.Close()
		err = c.explainDial(ctx, limit, a.server, err)
		a.trace(stepCertificate, "", err)
		return nil, err
	}
	if state, ok := s.TLSConnectionState(); ok && len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		a.trace(stepCertificate, fmt.Sprintf("for %s, until %s", strings.Join(leaf.DNSNames, ", "), leaf.NotAfter.UTC().Format(time.DateOnly)), nil)
	}
	if err := a.signIn(ctx, limit, s, password); err != nil {
		s.close()
		a.trace(stepSignIn, "", err)
		return nil, err
	}
	if err := a.pin(ctx, s); err != nil {
		s.close()
		a.trace(stepSignIn, "", err)
		return nil, err
	}
	a.trace(stepSignIn, "as "+c.cfg.User, nil)
	if !stop() {
		s.close()
		return nil, c.explainDial(ctx, limit, a.server, context.DeadlineExceeded)
	}
	return s, nil
}

func (a *attempt) encrypt(limit context.Context, raw net.Conn) (*session, error) {
	cfg := &tls.Config{RootCAs: a.roots, ServerName: a.client.cfg.ServerName, MinVersion: tls.VersionTLS12, Time: a.client.now}
	if cfg.ServerName == "" {
		cfg.ServerName = a.server.host
	}
	if a.server.tls {
		secure := tls.Client(raw, cfg)
		if err := secure.HandshakeContext(limit); err != nil {
			return nil, err
		}
		s := &session{Conn: ldap.NewConn(secure, true), raw: raw}
		s.Start()
		return s, nil
	}
	// The library prints the error of a failed handshake into a text, so it is kept here.
	var verify error
	cfg.InsecureSkipVerify = true // #nosec G402 -- VerifyConnection does the same, and keeps what was wrong
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		verify = verifyChain(state, cfg)
		return verify
	}
	s := &session{Conn: ldap.NewConn(raw, false), raw: raw}
	s.Start()
	if err := s.StartTLS(cfg); err != nil {
		s.close()
		return nil, errors.Join(verify, err)
	}
	return s, nil
}

// verifyChain judges a certificate as crypto/tls does by itself.
func verifyChain(state tls.ConnectionState, cfg *tls.Config) error {
	o := x509.VerifyOptions{Roots: cfg.RootCAs, DNSName: cfg.ServerName, Intermediates: x509.NewCertPool()}
	if cfg.Time != nil {
		o.CurrentTime = cfg.Time()
	}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(o)
	return err
}

// signIn sends the password, once.
func (a *attempt) signIn(ctx, limit context.Context, s *session, password []byte) error {
	c := a.client
	err := s.Bind(c.cfg.User, string(password))
	if err == nil {
		a.signedIn = true
		return nil
	}
	if result, ok := errors.AsType[*ldap.Error](err); !ok || result.ResultCode >= ldap.ErrorNetwork {
		return c.explainDial(ctx, limit, a.server, err)
	}
	err = c.explain(a.server.name, request{op: opBind}, err)
	if reason.FaultOf(err) == reason.Misconfigured {
		a.refused = true
		c.refuse(password, err)
		c.log.WarnContext(ctx, "sign-in refused", "address", a.server.name, "reason", reason.Of(err).Code)
	}
	return err
}

// pin makes this server the client's own, or refuses a connection that a name or a load balancer led elsewhere: what one
// domain controller was told, another does not know yet.
func (a *attempt) pin(ctx context.Context, s *session) error {
	c := a.client
	root, err := c.rootDSE(ctx, s)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.pinned == nil:
		srv := *a.server
		srv.addr, srv.dns = s.raw.RemoteAddr().String(), root.ServerName
		c.pinned = &srv
		c.log.InfoContext(ctx, "directory connected", "address", srv.addr, "server", srv.dns)
		return nil
	case c.pinned.dns != root.ServerName:
		return reason.Errorf(reason.Transient, nil, reason.OtherController, "address", a.server.name, "now", root.ServerName, "before", c.pinned.dns)
	default:
		return nil
	}
}

// ask makes one request that changes nothing.
func (c *Client) ask(ctx context.Context, s *session, f func() error) error {
	return c.request(ctx, s, request{op: opSearch}, f)
}

// request makes one request on a connection, within the timeout and the context.
func (c *Client) request(ctx context.Context, s *session, r request, f func() error) error {
	if ctx.Err() != nil {
		return ended(ctx, c.Address())
	}
	limit, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	stop := context.AfterFunc(limit, s.sever)
	err := f()
	if !stop() {
		s.sever() // it ran, or runs now: the connection is of no more use
	}
	if err == nil {
		return nil
	}
	result, ok := errors.AsType[*ldap.Error](err)
	answered := ok && result.ResultCode < ldap.ErrorNetwork
	if !answered || result.ResultCode == ldap.LDAPResultOperationsError || result.ResultCode == ldap.LDAPResultUnavailable {
		s.sever()
	}
	switch {
	case answered:
		return c.explain(c.Address(), r, err)
	case ctx.Err() != nil:
		return fmt.Errorf("ldap %s: %w", c.Address(), &Error{Op: r.op, Code: ldap.ErrorNetwork, Unsure: r.write, Err: context.Cause(ctx)})
	case limit.Err() != nil:
		return reason.Errorf(reason.Transient, &Error{Op: r.op, Code: ldap.ErrorNetwork, Unsure: r.write}, reason.NoAnswer, "address", c.Address(), "time", c.cfg.Timeout)
	default:
		return c.explain(c.Address(), r, err)
	}
}

// do makes a request on a connection of its own. A read whose kept connection turns out to be gone is made once more.
func (c *Client) do(ctx context.Context, f func(*session) error) error {
	for {
		s, err := c.take(ctx)
		if err != nil {
			return err
		}
		again := s.reused
		err = f(s)
		c.give(s)
		if again && ctx.Err() == nil && reason.Of(err).Code == reason.Unreachable && !Unsure(err) {
			continue // ends: every round takes one kept connection, and a new one is not reused
		}
		return err
	}
}
