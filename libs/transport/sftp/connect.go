package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// session is one connection, signed in, with SFTP on it.
type session struct {
	*sftp.Client
	ssh    *ssh.Client
	client *Client
	stop   func() bool // no longer closes the connection when the context ends
}

// trace is told of each step of a connection.
type trace func(step, detail string, err error)

// The steps of a connection.
const (
	stepConnect = "connect"
	stepHostKey = "host key"
	stepSignIn  = "sign-in"
)

// connect opens a session, which ends with ctx at the latest.
func (c *Client) connect(ctx context.Context, t trace) (*session, error) {
	if t == nil {
		t = func(string, string, error) {}
	}
	pins := make([]string, len(c.cfg.HostKeys))
	for i, k := range c.cfg.HostKeys {
		var err error
		if pins[i], err = parsePin(k); err != nil {
			return nil, fmt.Errorf("hostKeys[%d] %w", i, err)
		}
	}
	auth, err := c.credentials()
	if err != nil {
		t(stepSignIn, "", err)
		return nil, err
	}
	// A server has several keys and shows one, of a kind that both sides know. The pinned one may be of another kind,
	// so before the key counts as changed the server is asked for the others. No credential is sent until one fits.
	var changed error
	for algorithms := hostKeyAlgorithms(); ; {
		h := handshake{client: c, pins: pins, auth: auth, algorithms: algorithms}
		s, err := h.open(ctx)
		if h.shown != nil && !h.pinned && len(pins) > 0 {
			if changed == nil {
				changed = err
			}
			if algorithms = withoutKey(algorithms, h.shown); len(algorithms) > 0 {
				continue
			}
		}
		if changed != nil && !h.pinned && ctx.Err() == nil {
			err = changed
		}
		h.report(t, err)
		return s, err
	}
}

// credentials reads the secrets anew, so that a rotated one needs no restart.
func (c *Client) credentials() ([]ssh.AuthMethod, error) {
	var methods []ssh.AuthMethod
	if !c.cfg.Key.IsZero() {
		signer, secret, err := c.signer()
		if err != nil {
			return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", secret, "what", err)
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if !c.cfg.Password.IsZero() {
		password, err := c.cfg.Password.Reveal()
		if err != nil {
			return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", c.cfg.Password, "what", err)
		}
		methods = append(methods, passwordMethods(string(password))...)
	}
	return methods, nil
}

func (c *Client) signer() (ssh.Signer, tenant.Secret, error) {
	pem, err := c.cfg.Key.Reveal()
	if err != nil {
		return nil, c.cfg.Key, err
	}
	if !c.cfg.KeyPassphrase.IsZero() {
		passphrase, err := c.cfg.KeyPassphrase.Reveal()
		if err != nil {
			return nil, c.cfg.KeyPassphrase, err
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(pem, passphrase)
		if err != nil {
			return nil, c.cfg.Key, errors.New("not a private key that keyPassphrase opens")
		}
		return signer, "", nil
	}
	signer, err := ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, c.cfg.Key, errors.New("the key has a passphrase: set keyPassphrase")
	case err != nil:
		return nil, c.cfg.Key, errors.New("not a private key in PEM form")
	}
	return signer, "", nil
}

// passwordMethods offers the password as such, or as the answer to the one hidden question of a server that asks
// interactively. It is sent once a connection: a second wrong try may lock the account.
func passwordMethods(password string) []ssh.AuthMethod {
	sent := false
	once := func() (string, error) {
		if sent {
			return "", errors.New("the password was sent already")
		}
		sent = true
		return password, nil
	}
	answer := func(_, _ string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range questions {
			if echos[i] {
				return nil, errors.New("the server asks for more than the password")
			}
			var err error
			if answers[i], err = once(); err != nil {
				return nil, err
			}
		}
		return answers, nil
	}
	return []ssh.AuthMethod{ssh.PasswordCallback(once), ssh.KeyboardInteractive(answer)}
}

// keepAlive is a request that every server answers, be it with a refusal (OpenSSH's ssh sends it for ServerAliveInterval).
const keepAlive = "keepalive@openssh.com"

// handshake is one attempt to connect and sign in, and what came of it.
type handshake struct {
	client     *Client
	pins       []string
	auth       []ssh.AuthMethod
	algorithms []string

	route  string        // from our address to theirs, once connected
	shown  ssh.PublicKey // the key that the server showed
	pinned bool          // and that it was pinned
}

func (h *handshake) open(ctx context.Context) (*session, error) {
	c := h.client
	limit, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(limit, "tcp", c.Address())
	if err != nil {
		return nil, h.classify(ctx, limit, err)
	}
	h.route = fmt.Sprintf("from %s to %s", conn.LocalAddr(), conn.RemoteAddr())
	stopLimit := context.AfterFunc(limit, func() { conn.Close() })
	defer stopLimit()
	sc, channels, requests, err := ssh.NewClientConn(&idleConn{conn, c.cfg.IdleTimeout}, c.Address(), &ssh.ClientConfig{
		User:              c.cfg.User,
		Auth:              h.auth,
		HostKeyCallback:   h.checkHostKey,
		HostKeyAlgorithms: h.algorithms,
	})
	if err != nil {
		conn.Close()
		return nil, h.classify(ctx, limit, err)
	}
	s := &session{ssh: ssh.NewClient(sc, channels, requests), client: c, stop: func() bool { return true }}
	if s.Client, err = sftp.NewClient(s.ssh, sftp.UseConcurrentWrites(true)); err != nil {
		_, _, lost := s.ssh.SendRequest(keepAlive, true, nil)
		s.close()
		if lost != nil {
			return nil, h.classify(ctx, limit, err)
		}
		return nil, reason.Errorf(reason.Misconfigured, err, reason.NotPermitted, "address", c.Address(), "path", "the sftp subsystem")
	}
	s.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return s, nil
}

func (h *handshake) checkHostKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	h.shown = key
	fingerprint := ssh.FingerprintSHA256(key)
	h.pinned = slices.Contains(h.pins, fingerprint)
	switch {
	case h.pinned:
		return nil
	case len(h.pins) == 0:
		return reason.Errorf(reason.Misconfigured, nil, reason.HostKeyUnknown, "address", h.client.Address(), "fingerprint", fingerprint)
	default:
		return reason.Errorf(reason.Misconfigured, nil, reason.HostKeyChanged, "address", h.client.Address(), "fingerprint", fingerprint)
	}
}

// classify says what a failed handshake means. A server that ends the connection without a word, before or after its
// banner, is one that does not let our address in.
func (h *handshake) classify(ctx, limit context.Context, err error) error {
	c := h.client
	if limit.Err() != nil {
		err = fmt.Errorf("not signed in within %s", c.cfg.ConnectTimeout)
	}
	var why *reason.Error
	var algorithms *ssh.AlgorithmNegotiationError
	switch {
	case ctx.Err() != nil:
		return ended(ctx, c.Address())
	case errors.As(err, &why):
		return why
	case errors.As(err, &algorithms):
		return reason.Errorf(reason.Misconfigured, err, reason.NoCommonAlgorithm, "address", c.Address())
	case h.pinned && refusesSignIn(err):
		return reason.Errorf(reason.Misconfigured, err, reason.WrongCredentials, "address", c.Address(), "user", c.cfg.User)
	default:
		return reason.Errorf(reason.Transient, err, reason.Unreachable, "address", c.Address())
	}
}

// refusesSignIn tells a refused sign-in from a broken connection. The library has no type for either of its two
// refusals, nor for a server's parting word (RFC 4253, section 11.1), of which 2 and 14 are about the sign-in.
func refusesSignIn(err error) bool {
	text := err.Error()
	for _, part := range []string{
		"unable to authenticate", "too many authentication attempts", "the password was sent already",
		"the server asks for more", "disconnect, reason 2:", "disconnect, reason 14:",
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// report tells the steps that were reached.
func (h *handshake) report(t trace, err error) {
	code := reason.Of(err).Code
	switch {
	case h.pinned:
		t(stepConnect, h.route, nil)
		t(stepHostKey, ssh.FingerprintSHA256(h.shown), nil)
		t(stepSignIn, "as "+h.client.cfg.User, err)
	case code == reason.HostKeyUnknown || code == reason.HostKeyChanged:
		t(stepConnect, h.route, nil)
		t(stepHostKey, "", err)
	default:
		t(stepConnect, h.route, err)
	}
}

// close ends the session and returns when its goroutines have. What was done is acknowledged by then, so nothing is
// lost by ending the connection under it.
func (s *session) close() {
	s.stop()
	_ = s.ssh.Close()
	if s.Client != nil {
		_ = s.Client.Close()
	}
	_ = s.ssh.Wait()
}

// wait sleeps, and keeps the connection alive meanwhile. Only then: during work a server that answers keep-alives while
// its file system hangs must run into the idle timeout.
func (s *session) wait(ctx context.Context, d time.Duration) error {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(s.client.cfg.IdleTimeout / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if _, _, err := s.ssh.SendRequest(keepAlive, true, nil); err != nil {
					return
				}
			}
		}
	}()
	err := s.client.sleep(ctx, d)
	close(done)
	<-ended
	return err
}

// idleConn ends a connection on which the other side is silent.
type idleConn struct {
	net.Conn
	idle time.Duration
}

func (c *idleConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *idleConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
