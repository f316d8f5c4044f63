package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
)

var extens = roster.Source{System: "extens-db", Instance: "default"}

// centre is a central server, as deploy/on-site sets it up for the reader of extens-db of the tenant lund.
type centre struct {
	t     testing.TB
	opts  *server.Options
	ns    *server.Server
	ca    *testbed.CA
	proxy *testbed.Proxy // between the site and the server
}

// newCentre starts one; edit changes its settings.
func newCentre(t testing.TB, edit func(string) string) *centre {
	t.Helper()
	c := &centre{t: t, ca: testbed.NewCA(t)}
	cert, key := c.ca.Issue(testbed.Cert{Names: []string{"127.0.0.1"}})
	dir := t.TempDir()
	text, err := os.ReadFile("../../deploy/on-site/central-nats.conf")
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600), os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	leafs := freeAddr(t)
	config := strings.NewReplacer(
		"/var/lib/nats", filepath.Join(dir, "data"), "0.0.0.0:7422", leafs, "sync_interval: always", "",
		"/etc/nats/tls/server.pem", filepath.Join(dir, "cert.pem"), "/etc/nats/tls/server.key", filepath.Join(dir, "key.pem"),
		"$ESS_PASSWORD", `"x"`, "$LUND_EXTENS_DB_PASSWORD", `"x"`,
	).Replace(string(text))
	if edit != nil {
		config = edit(config)
	}
	if err := os.WriteFile(filepath.Join(dir, "nats.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c.opts = &server.Options{}
	if err := c.opts.ProcessConfigFile(filepath.Join(dir, "nats.conf")); err != nil {
		t.Fatal(err)
	}
	c.opts.Host, c.opts.Port, c.opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, true
	c.start()
	t.Cleanup(func() { c.stop() })
	c.proxy = testbed.NewProxy(t, leafs)
	return c
}

func (c *centre) start() {
	c.t.Helper()
	var err error
	if c.ns, err = server.NewServer(c.opts); err != nil {
		c.t.Fatal(err)
	}
	c.ns.Start()
	if !c.ns.ReadyForConnections(10 * time.Second) {
		c.t.Fatal("the central server did not become ready")
	}
}

func (c *centre) stop() {
	c.ns.Shutdown()
	c.ns.WaitForShutdown()
}

// admin connects as the programs of the centre, whose streams it makes for some tenants.
func (c *centre) admin(tenants ...string) *Store {
	c.t.Helper()
	password := filepath.Join(c.t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("x"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	s := connect(c.t, Options{URL: c.ns.ClientURL(), User: "ess", Password: tenant.Secret("file:" + password)})
	err := errors.Join(s.EnsureControl(c.t.Context(), 1), s.EnsureTenants(c.t.Context(), 1), s.EnsureMembers(c.t.Context(), 1, 0))
	for _, name := range tenants {
		err = errors.Join(err, s.EnsureTenant(c.t.Context(), name, 1))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// line opens the line of the site.
func (c *centre) line(logger *slog.Logger) *Line {
	c.t.Helper()
	return c.lineAs("lund-extens-db:x@", c.ca.File, logger)
}

func (c *centre) lineAs(user, ca string, logger *slog.Logger) *Line {
	c.t.Helper()
	l, err := OpenLine(LineOptions{
		URL: "tls://" + user + net.JoinHostPort(c.proxy.Host, strconv.Itoa(c.proxy.Port)), CAFile: ca, Name: "source-extens-db-lund", Logger: logger, Now: time.Now,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(l.Shutdown)
	return l
}

// site connects over a line once it is there.
func (c *centre) site(l *Line) *Store {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	if err := l.Await(ctx, 0); err != nil {
		c.t.Fatalf("the line did not come: %v, %v", err, l.State().Why)
	}
	return connect(c.t, Options{Line: l, Name: "source-extens-db-lund", Timeout: 5 * time.Second})
}

func TestLineLetsThroughWhatItsUserMay(t *testing.T) {
	t.Parallel()
	c := newCentre(t, nil)
	admin := c.admin("lund", "malmo")
	malmo := change(ofExtens(9), 0)
	if err := admin.Log("malmo").Publish(t.Context(), extens, "run", []source.Change{malmo}, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lund", "malmo"} {
		if _, err := admin.Tenants().Put(t.Context(), TenantVersion{Tenant: name}, []byte("tenant: "+name+"\n"), "anna"); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Control().Ask(t.Context(), Ask{Place: SourcePlace(name, extens), ID: "a1", Verb: VerbRead, Asked: time.Now(), By: "anna", Why: "a test"}); err != nil {
			t.Fatal(err)
		}
	}
	l := c.line(nil)
	s := c.site(l)
	ctx := t.Context()
	if err := s.Log("lund").Publish(ctx, extens, "run", []source.Change{change(ofExtens(1), 0)}, nil); err != nil {
		t.Fatalf("publish: %v", err)
	}
	if scan, err := s.Log("lund").Scan(ctx, extens); err != nil || len(scan.Heads) != 1 {
		t.Errorf("scan: %v, %d heads", err, len(scan.Heads))
	}
	if err := s.Log("lund").Records(ctx, extens, func(roster.Record) error { return nil }); err != nil {
		t.Errorf("read: %v", err)
	}
	now := time.Now().UTC()
	run := source.Run{ID: "run", Source: extens, State: source.Published, Started: now, Ended: now, Found: &source.Found{Run: "run", At: now}}
	if err := s.Runs("lund").Save(ctx, run); err != nil {
		t.Errorf("save a run: %v", err)
	}
	if _, believed, err := s.Runs("lund").Last(ctx, extens); err != nil || believed == nil {
		t.Errorf("the last run: %v, %v", believed, err)
	}
	if _, err := s.Runs("lund").Found(ctx, extens, ""); err != nil {
		t.Errorf("what runs found: %v", err)
	}
	if _, err := s.Holds("lund").Kept(ctx, extens); err != nil {
		t.Errorf("what is held: %v", err)
	}
	if _, err := s.Control().Put(ctx, Ask{Place: SourcePlace("lund", extens), ID: SiteAsk, Verb: VerbCheck, State: AskDone, Asked: now, Ended: now}); err != nil {
		t.Errorf("say that the site lives: %v", err)
	}
	heard := make(chan string, 10)
	following, stop := context.WithCancel(ctx)
	var followers sync.WaitGroup
	followers.Go(func() {
		_ = s.Control().Follow(following, "source-extens-db", "lund", func(a Ask) { heard <- "ask " + a.Tenant }, func() {})
	})
	followers.Go(func() {
		s.Tenants().Follow(following, "lund", func(list []TenantNews, err error) {
			for _, n := range list {
				heard <- "document " + n.Tenant
			}
			if err != nil {
				t.Errorf("documents: %v", err)
			}
		})
	})
	for range 3 { // two asks and a document
		select {
		case what := <-heard:
			if !strings.HasSuffix(what, " lund") {
				t.Errorf("heard %s", what)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was heard")
		}
	}
	stop()
	followers.Wait()

	// What is somebody else's gets no answer at all, and nothing of it is done.
	for name, do := range map[string]func(*Store) error{
		"publish for another tenant":     func(s *Store) error { return s.Log("malmo").Publish(ctx, extens, "run", nil, nil) },
		"publish for another system":     func(s *Store) error { return s.Log("lund").Publish(ctx, alvis, "run", nil, nil) },
		"read another tenant":            func(s *Store) error { _, err := s.Log("malmo").Scan(ctx, extens); return err },
		"read another system":            func(s *Store) error { _, err := s.Log("lund").Scan(ctx, alvis); return err },
		"see the runs of another tenant": func(s *Store) error { _, _, err := s.Runs("malmo").Last(ctx, extens); return err },
		"see what is asked of another":   func(s *Store) error { _, err := s.Control().List(ctx, "malmo"); return err },
		"see the documents of others":    func(s *Store) error { _, err := s.Tenants().News(ctx); return err },
		"see a record by its place":      func(s *Store) error { _, err := s.lastMsg(ctx, logStream("lund"), "ess.lund.alvis.>"); return err },
		"see an ask by its place":        func(s *Store) error { _, err := s.Control().Get(ctx, SourcePlace("malmo", extens), "a1"); return err },
		"see the document of another":    func(s *Store) error { _, err := s.Tenants().Newest(ctx, "malmo"); return err },
		"ask another tenant's reader": func(s *Store) error {
			_, err := s.Control().Put(ctx, Ask{Place: SourcePlace("malmo", extens), ID: "a2", Verb: VerbRead})
			return err
		},
		"erase":        func(s *Store) error { return s.erase(ctx, "lund", 1, true) },
		"delete a log": func(s *Store) error { return s.EraseTenant(ctx, "lund") },
		"put the members of programs out": func(s *Store) error {
			return s.Members().Leave(ctx, Member{Program: "source-alvis", Instance: "a", Session: "s"})
		},
		"count as a replica of the centre's": func(s *Store) error {
			return s.Members().Renew(ctx, Member{Program: "source-extens-db", Instance: "a", Session: "s"})
		},
	} {
		if err := do(s); reason.Of(err).Code != reason.LineSilent {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nor does it hear what goes to others: their answers, or what they publish.
	for _, subject := range []string{">", "ess.>", "_INBOX_source-extens-db-malmo.>", "_INBOX_test.>"} {
		if _, err := s.nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
	}
	overheard, err := s.nc.SubscribeSync("_INBOX_test.*")
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.nc.SubscribeSync("ess.malmo.>")
	if err = errors.Join(err, s.nc.Flush()); err != nil {
		t.Fatal(err)
	}
	for range 10 { // each with answers
		if _, err := admin.Log("malmo").Scan(ctx, extens); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.Log("malmo").Publish(ctx, extens, "run2", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Log("lund").Publish(ctx, extens, "run2", nil, nil); err != nil { // what was sent before would be here by now
		t.Fatal(err)
	}
	for what, sub := range map[string]interface{ Pending() (int, int, error) }{"answers": overheard, "records": all} {
		if n, _, err := sub.Pending(); err != nil || n > 0 {
			t.Errorf("%d %s of others were heard: %v", n, what, err)
		}
	}
	if end, err := admin.Log("lund").End(ctx); err != nil || end.Seq != 7 { // a run with a record: 4, and one without: 3
		t.Errorf("the log of the tenant ends at %d: %v", end.Seq, err)
	}
}

func TestLineThatIsCut(t *testing.T) {
	t.Parallel()
	c := newCentre(t, nil)
	admin := c.admin("lund")
	var logs lockedBuffer
	l := c.line(slog.New(slog.NewTextHandler(&logs, nil)))
	s := c.site(l)
	if err := s.Healthy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, cut := range map[string]struct{ cut, mend func() }{
		"the network":        {func() { c.proxy.Away(true) }, func() { c.proxy.Away(false) }},
		"a silent network":   {func() { c.proxy.Hang(true) }, func() { c.proxy.Hang(false) }},
		"the central server": {c.stop, c.start},
	} {
		t.Run(name, func(t *testing.T) {
			before := l.State()
			cut.cut()
			await(t, "the cut", 30*time.Second, func() bool { return !l.State().Up })
			began := time.Now()
			err := s.Log("lund").Publish(t.Context(), extens, "run", nil, nil)
			if err == nil || time.Since(began) > 6*time.Second { // what was on its way is waited for
				t.Errorf("publish came to %v after %v", err, time.Since(began))
			}
			await(t, "why", 20*time.Second, func() bool { return strings.Contains(l.State().Why.Error(), "is cut since") })
			wantCode(t, s.Healthy(t.Context()), reason.LineCut, reason.Transient)
			if _, err := Connect(t.Context(), Options{Line: l, Name: "source-extens-db-lund"}); reason.Of(err).Code != reason.LineCut {
				t.Errorf("connect: %v", err)
			}
			cut.mend()
			await(t, "the line", 30*time.Second, func() bool { return l.State().Up })
			await(t, "the connection", 10*time.Second, func() bool { return s.Healthy(t.Context()) == nil })
			if err := s.Log("lund").Publish(t.Context(), extens, "run", nil, nil); err != nil {
				t.Errorf("publish after the cut: %v", err)
			}
			if after := l.State(); after.Cuts <= before.Cuts || !after.Last.To.After(after.Last.From) {
				t.Errorf("the cut is not told: %+v", after)
			}
		})
	}
	if got := logs.String(); !strings.Contains(got, "the line is cut") || !strings.Contains(got, "the line is there") || strings.Contains(got, ":x@") {
		t.Errorf("the log is\n%s", got)
	}
	await(t, "the centre", 10*time.Second, func() bool { return admin.Healthy(t.Context()) == nil })
}

func TestLineThatCannotBeMade(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		user  string
		other bool // signed by another authority
		edit  func(string) string
		code  reason.Code
		fault reason.Fault
	}{
		"a wrong password":     {"lund-extens-db:y@", false, nil, reason.LineRefused, reason.Misconfigured},
		"no user":              {"", false, nil, reason.LineRefused, reason.Misconfigured},
		"another authority":    {"lund-extens-db:x@", true, nil, reason.LineUntrusted, reason.Misconfigured},
		"another domain":       {"lund-extens-db:x@", false, func(s string) string { return strings.Replace(s, "domain: ess", "domain: hub", 1) }, reason.LineWithoutJetStream, reason.Misconfigured},
		"a line without crypt": {"lund-extens-db:x@", false, func(s string) string { return regexp.MustCompile(`(?s)  tls \{.*?\}\n`).ReplaceAllString(s, "") }, reason.LineCut, reason.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, tc.edit)
			ca := c.ca.File
			if tc.other {
				ca = testbed.NewCA(t).File
			}
			l := c.lineAs(tc.user, ca, nil)
			await(t, string(tc.code), 20*time.Second, func() bool { return reason.Of(l.State().Why).Code == tc.code })
			wantCode(t, l.State().Why, tc.code, tc.fault)
			if text := l.State().Why.Error(); strings.Contains(text, ":x@") || strings.Contains(text, ":y@") {
				t.Errorf("it tells the password: %s", text)
			}
		})
	}
}

func TestLineOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		o    LineOptions
		want string
	}{
		"no crypt":           {LineOptions{URL: "nats://u:hunter2@host:7422"}, "no tls://host:7422"},
		"no host":            {LineOptions{URL: "tls://"}, "no tls://host:7422"},
		"one of two":         {LineOptions{URL: "tls://a:7422,b:7422"}, "no tls://host:7422"},
		"no address":         {LineOptions{URL: "tls://u:hunter2@ho st"}, "no tls://host:7422"},
		"no authority":       {LineOptions{URL: "tls://host", CAFile: filepath.Join(t.TempDir(), "none")}, "authority of the line"},
		"no certificate":     {LineOptions{URL: "tls://host", CAFile: "line_test.go"}, "no certificate in PEM"},
		"no such credential": {LineOptions{URL: "tls://host", Credentials: "hunter2"}, "credentials for the line"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Name, tc.o.Now = "site", time.Now
			l, err := OpenLine(tc.o)
			if err == nil {
				l.Shutdown()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// ofExtens is a person of extens-db.
func ofExtens(n int) roster.Record {
	p := person(n, "Testa")
	p.Source = extens
	return p
}

// await waits until something is so.
func await(t testing.TB, what string, most time.Duration, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(most); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", most, what)
		}
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// lockedBuffer is a buffer that several write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
