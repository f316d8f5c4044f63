package httpx

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
)

// Check goes through what a call needs and tells each step: connect (with the address that we come from), certificate,
// and sign-in. It asks the API itself nothing, so a token that never changes is not tried. The error is that of the step
// that failed, and names it.
func (c *Client) Check(ctx context.Context, address string, step func(name, detail string, err error)) error {
	failed := ""
	tell := func(name, detail string, err error) {
		if err != nil {
			failed = name
		}
		step(name, detail, err)
	}
	to, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if err := c.check(ctx, to, tell); err != nil {
		return fmt.Errorf("check of %s, step %s: %w", to.Host, failed, err)
	}
	return nil
}

// The steps of a check.
const (
	stepConnect     = "connect"
	stepCertificate = "certificate"
	stepSignIn      = "sign-in"
)

func (c *Client) check(ctx context.Context, to *url.URL, step func(name, detail string, err error)) error {
	limit, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	e := exchange{client: c, parent: ctx, limit: limit, to: to, route: to.Path}
	config, err := c.tlsConfig()
	if err != nil {
		step(stepCertificate, "", err)
		return err
	}
	port := to.Port()
	if port == "" {
		port = to.Scheme // a name of a service is a port
	}
	conn, err := c.dialer().DialContext(limit, "tcp", net.JoinHostPort(to.Hostname(), port))
	if err != nil {
		err = e.failed(err)
		step(stepConnect, "", err)
		return err
	}
	defer conn.Close()
	step(stepConnect, fmt.Sprintf("from %s to %s", conn.LocalAddr(), conn.RemoteAddr()), nil)
	if to.Scheme == "https" {
		config.ServerName = to.Hostname()
		encrypted := tls.Client(conn, config)
		if err := encrypted.HandshakeContext(limit); err != nil {
			err = e.failed(err)
			step(stepCertificate, "", err)
			return err
		}
		s := encrypted.ConnectionState()
		step(stepCertificate, fmt.Sprintf("%s until %s", tls.VersionName(s.Version), s.PeerCertificates[0].NotAfter.UTC().Format("2006-01-02")), nil)
	}
	if _, err := c.authorization(ctx); err != nil {
		step(stepSignIn, "", err)
		return err
	}
	step(stepSignIn, c.user(), nil)
	return nil
}
