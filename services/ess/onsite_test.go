package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventful.se/ess/libs/source/sourcetest/sqltest"
	"eventful.se/ess/libs/testbed"
)

// onSite is an installation whose register a program at the customer's reads, over a line to the central NATS. That has users as
// deploy/on-site has them, and nothing but the line goes through the proxies, of which each server has one.
type onSite struct {
	*installation

	system  string
	line    []string // the environment of what runs on site
	central *testbed.Cluster
	proxies []*testbed.Proxy
}

// installOnSite takes the system of the register, and its settings where it is not the Alvis of the installation.
func installOnSite(t testing.TB, servers int, system, settings string) *onSite {
	t.Helper()
	i := &onSite{installation: install(t, 200), system: system}
	document := i.path("tenants", "prov.yaml")
	text := strings.NewReplacer("sources:\n", "service: gold\nsources:\n", "  - system: alvis\n    schedule: \"0 0 1 1 *\"\n", "  - system: "+system+"\n    onSite: true\n    schedule: \"* * * * *\"\n").Replace(read(t, document))
	if settings != "" {
		text = regexp.MustCompile(`settings: .* settle: 10ms}`).ReplaceAllLiteralString(text, "settings: "+settings)
	}
	write(t, document, text)
	ca := testbed.NewCA(t)
	cert, key := ca.Issue(testbed.Cert{Names: []string{"127.0.0.1"}})
	write(t, i.path("cert.pem"), string(cert))
	write(t, i.path("key.pem"), string(key))
	var listens, urls []string
	for range servers {
		address := testbed.FreeAddr(t)
		listens = append(listens, fmt.Sprintf("leafnodes { listen: %q, tls { cert_file: %q, key_file: %q } }", address, i.path("cert.pem"), i.path("key.pem")))
		p := testbed.NewProxy(t, address)
		i.proxies = append(i.proxies, p)
		urls = append(urls, fmt.Sprintf("tls://%s-%s:x@%s", tenantName, system, net.JoinHostPort(p.Host, fmt.Sprint(p.Port))))
	}
	// The whole of ess on site instead of one reader has its own inbox, and hears what is asked of any.
	_, accounts, _ := strings.Cut(read(t, "../../deploy/on-site/central-nats.conf"), "\naccounts {")
	accounts = strings.NewReplacer(
		`"_INBOX_source-extens-db-lund.>"`, fmt.Sprintf(`"_INBOX_source-%s-%s.>", "_INBOX_ess-%[2]s.>"`, system, tenantName),
		`*.ess-control.source-extens-db.lund.>"`, `*.ess-control.*.`+tenantName+`.>"`, "extens-db", system, "lund", tenantName, "$ESS_PASSWORD", "x", "$LUND_EXTENS_DB_PASSWORD", "x").Replace(accounts)
	i.central = natsServers(t, testbed.NATSOptions{Servers: servers, Domain: "ess", Each: listens, Config: []string{"no_auth_user: ess", "accounts {" + accounts}})
	i.nats = i.central.URL()
	initialise(t, i.nats, i.path("tenants"), servers)
	i.line = []string{"ESS_NATS_URL=", "ESS_TENANT=" + tenantName, "ESS_LINE_CA=" + ca.File, "ESS_LINE_URL=" + strings.Join(urls, ",")}
	return i
}

// site starts a reader at the customer's.
func (i *onSite) site(t testing.TB) *program {
	t.Helper()
	p := serve(t, "source-"+i.system, "", i.path("tenants"), i.line...)
	i.ran = append(i.ran, p.child)
	return p
}

// wholeSite starts ess run at the customer's.
func (i *onSite) wholeSite(t testing.TB) *program {
	t.Helper()
	address := testbed.FreeAddr(t)
	return &program{name: "ess", http: address, child: i.start(i.line, "ess", "run", "--config", i.path("tenants"), "--http", address)}
}

// TestOnSite has a register read at the customer's. The line is cut between two reads, and in the middle of one, when the program
// is killed too, and the all-in-one goes on in its place. Every time it says so, goes on by itself, and in the end nothing is lost and nothing is published twice.
func TestOnSite(t *testing.T) {
	t.Parallel()
	i := installOnSite(t, 1, "alvis", "")
	proxy := i.proxies[0]
	writer := serve(t, "target-apple-school-manager", i.nats, i.path("tenants"))
	var touched atomic.Bool
	i.when("register", "List", 1, func() { touched.Store(true) })
	central := serve(t, "source-alvis", i.nats, i.path("tenants"), "ESS_READ_NOW=true")
	i.ran = append(i.ran, writer.child, central.child)
	central.says(t)
	status := ess(t, "status", "--nats", i.nats, "--config", i.path("tenants")).stdout
	if !strings.Contains(status, "the program there was not heard") {
		t.Errorf("before there is a site:\n%s", status)
	}
	time.Sleep(time.Second)
	if touched.Load() {
		t.Error("a program of the centre read what is read on site")
	}

	reader := i.site(t)
	reader.says(t)
	i.awaitDelivery(&writer.log)
	checkListens(t, reader)
	until(t, "the site in the status", printer(func() string { return status }), func() bool {
		status = ess(t, "status", "--nats", i.nats, "--config", i.path("tenants")).stdout
		return strings.Contains(status, "Read on site: the program there was last heard")
	})
	checked := essctl(t, i.nats, "check", "source", "--tenant", tenantName, "--source", "alvis")
	if !regexp.MustCompile(`ok +line +to 127\.0\.0\.1:\d+, there since`).MatchString(checked) {
		t.Errorf("the check does not tell of the line:\n%s", checked)
	}

	// Between two reads: one falls due while the line is cut, and is made when it is back.
	proxy.Away(true)
	i.change()
	reader.says(t, "is cut since")
	if _, metrics := reader.ask("/metrics"); !regexp.MustCompile(`ess_line_cut_seconds [^0]`).MatchString(metrics) || !strings.Contains(metrics, "ess_line_cuts_total 1") {
		t.Errorf("the metrics are\n%s", metrics)
	}
	until(t, "read that waits for the line", &reader.log, func() bool {
		return reader.log.has([]string{"the line is cut: the source is read when it is back"})
	})
	proxy.Away(false)
	i.awaitDelivery(&writer.log)
	reader.says(t)
	i.checkDeliveries()

	// In the middle of a read, and the program is killed before the line is back.
	i.change()
	i.when("register", "Get", 1, func() { proxy.Away(true) })
	asking := operator(t, i.nats, "sources", "read", "--tenant", tenantName, "--source", "alvis", "--why", "a read that is cut", "--timeout", "90s")
	if err := asking.Start(); err != nil {
		t.Fatal(err)
	}
	reader.await(t, "the line was cut while the source was read")
	reader.kill()
	reader = i.wholeSite(t)
	reader.says(t, "is cut since")
	if state := siteOf(t, i.installation); state.Heard.IsZero() {
		t.Error("the centre does not know when the site was heard")
	}
	proxy.Away(false)
	if err := asking.Wait(); err != nil {
		t.Errorf("what was asked before the cut: %v\n%s", err, i.story())
	}
	i.awaitDelivery(&writer.log)
	reader.says(t)
	i.readNow(t, "nothing has changed")
	drains(t, reader, writer, central)
	if i.uploads() != 3 {
		t.Errorf("%d uploads, of a first load and two changes", i.uploads())
	}
	i.checkLog(i.nats)
}

// TestOnSiteOfACluster has the line lead to three central servers, of which one after the other is killed while the register
// changes: the line goes to another one, and nothing is lost.
func TestOnSiteOfACluster(t *testing.T) {
	t.Parallel()
	i := installOnSite(t, 3, "alvis", "")
	reader := i.site(t)
	writer := serve(t, "target-apple-school-manager", i.nats, i.path("tenants"))
	i.ran = append(i.ran, writer.child)
	reader.says(t)
	i.awaitDelivery(&writer.log)
	for _, s := range i.central.Servers {
		s.Kill()
		i.change()
		i.readNow(t, s.Name+" is gone")
		i.awaitDelivery(&writer.log)
		s.Start()
		i.central.Await()
	}
	reader.says(t)
	if _, metrics := reader.ask("/metrics"); !regexp.MustCompile(`ess_line_cuts_total [1-9]`).MatchString(metrics) {
		t.Errorf("no line was cut:\n%s", metrics)
	}
	drains(t, reader, writer)
	if i.uploads() != 1+len(i.central.Servers) {
		t.Errorf("%d uploads, of a first load and a change for each server", i.uploads())
	}
	i.checkLog(i.nats)
}

// TestADatabaseOnSite has a real database read inside a customer's network. The line is cut while a read of it waits for a lock, and is back
// when the register has been read.
func TestADatabaseOnSite(t *testing.T) {
	t.Parallel()
	db := sqltest.New(t)
	i := installOnSite(t, 1, "extens-db", "{"+strings.Join(strings.Split(strings.TrimSpace(db.Reach()), "\n"), ", ")+"}")
	do := func(statements ...string) {
		t.Helper()
		if err := db.Exec(statements...); err != nil {
			t.Fatal(err)
		}
	}
	fill := func() {
		t.Helper()
		var text strings.Builder
		if err := i.town.EncodeSQL(&text, nil); err != nil {
			t.Fatal(err)
		}
		do("DROP SCHEMA ess CASCADE", text.String(), sqltest.Grants)
	}
	fill()
	writer := serve(t, "target-apple-school-manager", i.nats, i.path("tenants"))
	i.ran = append(i.ran, writer.child)
	reader := i.wholeSite(t)
	reader.says(t)
	i.awaitDelivery(&writer.log)

	i.change()
	fill()
	do("BEGIN", "LOCK TABLE ess.memberships IN ACCESS EXCLUSIVE MODE")
	asking := operator(t, i.nats, "sources", "read", "--tenant", tenantName, "--source", i.system, "--why", "a read that waits", "--timeout", "90s")
	if err := asking.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "read that waits for the lock", &reader.log, func() bool {
		do("SAVEPOINT look")
		if db.Exec(`DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) THEN RAISE 'nobody waits'; END IF; END $$`) == nil {
			return true
		}
		do("ROLLBACK TO look")
		return false
	})
	i.proxies[0].Away(true)
	reader.says(t, "is cut since")
	do("ROLLBACK")
	reader.await(t, "the line was cut while the source was read")
	i.proxies[0].Away(false)
	if err := asking.Wait(); err != nil {
		t.Errorf("what was asked before the cut: %v\n%s", err, i.story())
	}
	i.awaitDelivery(&writer.log)
	reader.says(t)
	i.checkDeliveries()
	drains(t, reader, writer)
	if i.uploads() != 2 {
		t.Errorf("%d uploads, of a first load and a change", i.uploads())
	}
}

// siteOf returns what the centre knows of the site.
func siteOf(t testing.TB, i *installation) (state struct{ Heard time.Time }) {
	t.Helper()
	var list []struct {
		Site *struct{ Heard time.Time } `json:"site"`
	}
	out := essctl(t, i.nats, "sources", "list", "--tenant", tenantName, "--output", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, s := range list {
		if s.Site != nil {
			state.Heard = s.Site.Heard
		}
	}
	return state
}

// checkListens checks that a program hears nothing but its own health on the loopback interface.
func checkListens(t testing.TB, p *program) {
	t.Helper()
	sockets := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("the sockets of the program cannot be seen: %v", err)
	}
	for _, fd := range fds {
		if name, err := os.Readlink(fd); err == nil {
			sockets[name] = true
		}
	}
	heard := 0
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for row := range strings.Lines(read(t, table)) {
			f := strings.Fields(row)
			const listens = "0A"
			if len(f) < 10 || f[3] != listens || !sockets["socket:["+f[9]+"]"] {
				continue
			}
			if heard++; !strings.HasPrefix(f[1], "0100007F:") {
				t.Errorf("the program listens at %s", f[1])
			}
		}
	}
	if heard != 1 {
		t.Errorf("the program listens at %d addresses", heard)
	}
}
