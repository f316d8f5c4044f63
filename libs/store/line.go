package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// lineDomain is the JetStream domain of the central servers: a leaf connection lets through nothing of JetStream that does
// not name one.
const lineDomain = "ess"

// lineProbe is a subject that somebody hears as soon as the central JetStream can be asked.
const lineProbe = "$JS." + lineDomain + ".API.STREAM.INFO." + controlStream

// The beat of a line: a server that says nothing for three pings is gone, and one that came is tried once a second.
const (
	lineLook  = 50 * time.Millisecond
	lineRetry = time.Second
	// lineHandshake is how long the other side may take to let us in: a satellite or a mobile network is slow.
	lineHandshake = 10 * time.Second
)

// LineOptions say how a program at a customer's reaches the central NATS.
type LineOptions struct {
	URL         string        // tls://[user:password@]host:7422, several with commas: where the central servers take leaf connections
	CAFile      string        // PEM: who signed their certificates; empty for the authorities of the system
	Credentials tenant.Secret // a credentials file of nsc, read anew at every connect; empty for none
	Name        string        // who we are, of [a-z0-9-]
	Logger      *slog.Logger  // nil for none
	Now         func() time.Time
}

// Line is a leaf connection from a nats-server in this process to the central NATS: outward only, encrypted, as a user of its
// own. That server listens nowhere and keeps nothing; who uses the line is this process. While it is cut nobody is connected to
// NATS, and every call fails at once; it is made again for as long as the process runs. It is safe for concurrent use.
type Line struct {
	ns      *server.Server
	address string // for people, without user and password
	log     *slog.Logger
	now     func() time.Time
	end     chan struct{}
	ended   sync.WaitGroup

	mu      sync.Mutex
	up      bool
	since   time.Time // of up, or of the cut
	cuts    int
	last    Cut
	said    string        // what the server complained of last
	changed chan struct{} // closed when up changes
	users   map[net.Conn]struct{}
}

// Cut is a time in which a line was cut.
type Cut struct{ From, To time.Time }

// LineState says how a line is.
type LineState struct {
	Address string
	Up      bool
	Since   time.Time // since when it is up, or cut; a line that was never there is cut since the start
	Cuts    int       // how often it was cut since the start
	Last    Cut       // the last cut that is over; zero for none
	Why     error     // why it is cut
}

// OpenLine starts to make a line and does not wait for it. The error says what is wrong with the options.
func OpenLine(o LineOptions) (*Line, error) {
	if err := validToken("name", o.Name); err != nil {
		return nil, err
	}
	l := &Line{log: o.Logger, now: o.Now, since: o.Now(), end: make(chan struct{}), changed: make(chan struct{}), users: map[net.Conn]struct{}{}}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	remote, err := l.remote(o)
	if err != nil {
		return nil, err
	}
	opts := &server.Options{
		// Two of one name in an account take each other for the same, and the one would end the other.
		ServerName: o.Name + "-" + strings.ToLower(nuid.Next()),
		DontListen: true, NoSigs: true,
		PingInterval: pingEvery, MaxPingsOut: pingsLost,
		ConnectErrorReports: 1, ReconnectErrorReports: 1, // we say it once, and why it is cut now has to be known
	}
	opts.LeafNode.ReconnectInterval = lineRetry
	opts.LeafNode.Remotes = []*server.RemoteLeafOpts{remote}
	if l.ns, err = server.NewServer(opts); err != nil {
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	l.ns.SetLoggerV2(lineLog{serverLog{l.log}, l}, false, false, false)
	l.ns.Start()
	if !l.ns.ReadyForConnections(30 * time.Second) {
		l.ns.Shutdown()
		return nil, errors.New("the nats-server of the line did not become ready")
	}
	l.ended.Go(l.watch)
	return l, nil
}

// remote returns where the line goes to, and how.
func (l *Line) remote(o LineOptions) (*server.RemoteLeafOpts, error) {
	r := &server.RemoteLeafOpts{
		TLS: true, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSTimeout: lineHandshake.Seconds(),
		DialTimeout: lineHandshake, FirstInfoTimeout: lineHandshake,
		RequestIsolation: true, // what other sites hear is nothing to us
		// The servers tell of their own addresses, which the customer's firewall lets nobody out to.
		IgnoreDiscoveredServers: true,
	}
	var hosts []string
	for part := range strings.SplitSeq(o.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
			return nil, errors.New("the address of the line is no tls://host:7422") // no error of url.Parse: it tells the password
		}
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), fmt.Sprint(server.DEFAULT_LEAFNODE_PORT))
		}
		r.URLs, hosts = append(r.URLs, u), append(hosts, u.Host)
	}
	l.address = strings.Join(hosts, ",")
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the authority of the line: %w", err)
		}
		r.TLSConfig.RootCAs = x509.NewCertPool()
		if !r.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the authority of the line: %s holds no certificate in PEM", o.CAFile)
		}
	}
	if !o.Credentials.IsZero() {
		if err := o.Credentials.Validate(); err != nil {
			return nil, fmt.Errorf("credentials for the line: %w", err)
		}
		r.SignatureCB = func(nonce []byte) (string, []byte, error) { return signWith(o.Credentials, nonce) }
	}
	return r, nil
}

// signWith returns the user of a credentials file, and a nonce signed by it.
func signWith(credentials tenant.Secret, nonce []byte) (user string, signature []byte, err error) {
	b, err := credentials.Reveal()
	if err != nil {
		return "", nil, err
	}
	if user, err = nkeys.ParseDecoratedJWT(b); err != nil {
		return "", nil, err
	}
	key, err := nkeys.ParseDecoratedNKey(b)
	if err != nil {
		return "", nil, err
	}
	defer key.Wipe()
	signature, err = key.Sign(nonce)
	return user, signature, err
}

// watch looks whether the line is there until Shutdown.
func (l *Line) watch() {
	tick := time.NewTicker(lineLook)
	defer tick.Stop()
	for {
		l.look()
		select {
		case <-l.end:
			return
		case <-tick.C:
		}
	}
}

// look notes whether the line is there now.
func (l *Line) look() {
	up := l.ns.NumLeafNodes() > 0 && l.ns.GlobalAccount().SubscriptionInterest(lineProbe)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(up)
}

// note notes whether the line is there, and puts out who uses one that was cut: a connection that is gone is what a store
// knows to deal with, and an answer that cannot come is not waited for. mu is held.
func (l *Line) note(up bool) {
	if up == l.up {
		return
	}
	now := l.now()
	close(l.changed)
	l.up, l.changed = up, make(chan struct{})
	if up {
		l.last = Cut{l.since, now}
		l.log.Info("the line is there", "address", l.address, "after", now.Sub(l.since))
		l.since, l.said = now, ""
		return
	}
	l.since = now
	l.cuts++
	for c := range l.users {
		c.Close()
	}
	clear(l.users)
	l.log.Warn("the line is cut; it is made again as soon as it can be", "address", l.address)
}

// State returns how the line is.
func (l *Line) State() LineState {
	l.look()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := LineState{Address: l.address, Up: l.up, Since: l.since, Cuts: l.cuts, Last: l.last}
	if !l.up {
		s.Why = l.why()
	}
	return s
}

// why says why the line is cut; mu is held.
func (l *Line) why() error {
	since := l.since.UTC().Format(time.RFC3339)
	switch said := l.said; {
	case strings.Contains(said, "Authorization Violation"), strings.Contains(said, "Authentication"), strings.Contains(said, "signing the nonce"):
		return reason.Errorf(reason.Misconfigured, nil, reason.LineRefused, "address", l.address, "since", since, "why", said)
	case strings.Contains(said, "x509:"), strings.Contains(said, "tls:"):
		return reason.Errorf(reason.Misconfigured, nil, reason.LineUntrusted, "address", l.address, "since", since, "why", said)
	case said == "" && l.ns.NumLeafNodes() > 0:
		return reason.Errorf(reason.Misconfigured, nil, reason.LineWithoutJetStream, "address", l.address, "since", since, "domain", lineDomain)
	case said == "":
		said = "no answer"
		fallthrough
	default:
		return reason.Errorf(reason.Transient, nil, reason.LineCut, "address", l.address, "since", since, "why", said)
	}
}

// Await returns once the line has been there for a time without a cut, or ctx ends.
func (l *Line) Await(ctx context.Context, settled time.Duration) error {
	for {
		l.mu.Lock()
		changed, left := l.changed, settled-l.now().Sub(l.since)
		if !l.up {
			left = time.Hour
		}
		l.mu.Unlock()
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// InProcessConn connects to the server of the line, for nats.go; while the line is cut it fails.
func (l *Line) InProcessConn() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up {
		return nil, l.why()
	}
	c, err := l.ns.InProcessConn()
	if err == nil {
		l.users[c] = struct{}{}
	}
	return c, err
}

// Shutdown ends the line.
func (l *Line) Shutdown() {
	close(l.end)
	l.ended.Wait()
	l.ns.Shutdown()
	l.ns.WaitForShutdown()
}

// silent gives a request that nobody took its reason: the line is cut, or nobody at its end may or can take it. A server that
// refuses a leaf connection a permission does not tell; it takes nothing.
func (l *Line) silent(what string, err error) error {
	l.look()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up {
		return l.why()
	}
	return reason.Errorf(reason.Transient, err, reason.LineSilent, "address", l.address, "what", what)
}

// lineLog keeps what the server of a line complained of last: it is all that tells why a line cannot be made.
type lineLog struct {
	serverLog
	l *Line
}

// Warnf and Errorf implement the logger of nats-server.
func (l lineLog) Warnf(f string, a ...any)  { l.complain(text(f, a)) }
func (l lineLog) Errorf(f string, a ...any) { l.complain(text(f, a)) }

// attempt is how a server counts its tries in what it says.
var attempt = regexp.MustCompile(` \(attempt \d+\)`)

func (l lineLog) complain(text string) {
	text = attempt.ReplaceAllString(text, "")
	l.l.mu.Lock()
	defer l.l.mu.Unlock()
	if l.l.up || text == l.l.said {
		return
	}
	l.l.said = text
	l.log.Warn(said, "text", text)
}
