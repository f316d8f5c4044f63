package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// keepIdle is how long a connection that is not in use is kept: less than servers and firewalls do.
const keepIdle = 30 * time.Second

// roundTripper returns the transport, which is made once its files are there.
func (c *Client) roundTripper() (*http.Transport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport != nil {
		return c.transport, nil
	}
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	c.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            c.dialer().DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    c.cfg.ConnectTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        keepIdle,
		MaxResponseHeaderBytes: 1 << 20,
	}
	return c.transport, nil
}

// dialer returns what opens connections. It looks at each address after a name was resolved, so that no name, redirect
// or token address leads where nothing is to be sent.
func (c *Client) dialer() *net.Dialer {
	return &net.Dialer{
		Timeout: c.cfg.ConnectTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return &privateError{address}
			}
			if ip := at.Addr().WithZone(""); !allowed(ip, c.cfg.PrivateAddresses) {
				return &privateError{ip.String()}
			}
			return nil
		},
	}
}

// privateError refuses an address.
type privateError struct{ ip string }

// Error says which.
func (e *privateError) Error() string { return e.ip + " is an address that is not called" }

// inner are networks that are not part of the internet although net/netip does not say so, and those in which an IPv4
// address is written as an IPv6 one.
var inner = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("fec0::/10"),
}

// allowed tells whether an address may be called. Those that reach the machine's own metadata service, or several
// machines at once, never are.
func allowed(ip netip.Addr, private bool) bool {
	ip = ip.Unmap()
	metadata := netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2, 14: 0x02, 15: 0x54}) // fd00:ec2::254
	switch {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip == metadata:
		return false
	case private:
		return true
	}
	return !ip.IsLoopback() && !ip.IsPrivate() && !slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// tlsConfig reads the certificates anew, so that renewed ones need no restart.
func (c *Client) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.cfg.CAFile != "" {
		pem, err := os.ReadFile(c.cfg.CAFile)
		if err != nil {
			return nil, unusable("caFile", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, unusable("caFile", "no certificate in PEM form")
		}
	}
	if c.cfg.ClientCertificate.IsZero() {
		return config, nil
	}
	certificate, err := reveal(c.cfg.ClientCertificate)
	if err != nil {
		return nil, err
	}
	key, err := reveal(c.cfg.ClientKey)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, unusable("clientCertificate", "not a certificate in PEM form with its private key")
	}
	if until := pair.Leaf.NotAfter; c.now().After(until) {
		return nil, unusable("clientCertificate", fmt.Sprintf("it ended on %s", until.UTC().Format(time.DateOnly)))
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// reveal reads a secret.
func reveal(s tenant.Secret) ([]byte, error) {
	value, err := s.Reveal()
	if err != nil {
		return nil, unusable(string(s), err)
	}
	return value, nil
}

func unusable(secret string, what any) error {
	return reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", secret, "what", what)
}
