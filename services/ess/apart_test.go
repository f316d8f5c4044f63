package main

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
)

// shortTTL is how long a process counts as one that lives in these tests: a third of what it is else.
const shortTTL = 5 * time.Second

// program is a service in a process of its own, as Kubernetes runs it: it gets its environment and files, and is asked over
// HTTP how it is.
type program struct {
	*child
	name, http string
}

// serve starts a service against NATS. More of the environment comes last, and so wins.
func serve(t testing.TB, name, nats, config string, more ...string) *program {
	t.Helper()
	http := testbed.FreeAddr(t)
	return &program{name: name, http: http, child: start(t, append([]string{
		"ESS_NATS_URL=" + nats, "ESS_CONFIG=" + config, "ESS_HTTP=" + http, "ESS_LOG_FORMAT=text",
	}, more...), name)}
}

// ask returns what the program answers; 0 when it does not.
func (p *program) ask(path string) (status int, body string) {
	client := http.Client{Timeout: 15 * time.Second}
	resp, err := client.Get("http://" + p.http + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(data)
}

// says waits until the program is ready, or with words, until it is not and says them. It is well all the time.
func (p *program) says(t testing.TB, words ...string) {
	t.Helper()
	var body string
	until(t, fmt.Sprintf("readiness of %s with %q", p.name, words), printer(func() string { return body + p.log.String() }), func() bool {
		if status, body := p.ask("/healthz"); status != http.StatusOK && status != 0 {
			t.Fatalf("%s is not well: %d %s", p.name, status, body)
		}
		var status int
		status, body = p.ask("/readyz")
		if len(words) == 0 {
			return status == http.StatusOK
		}
		for _, w := range words {
			if !strings.Contains(body, w) {
				return false
			}
		}
		return status == http.StatusServiceUnavailable
	})
}

type printer func() string

func (p printer) String() string { return p() }

// drains asks programs to stop, all at once: they do soon, and say that all is well.
func drains(t testing.TB, list ...*program) {
	t.Helper()
	for _, p := range list {
		status, took := p.terminate(t)
		if status != 0 || took > 10*time.Second {
			t.Errorf("%s: exit status %d after %s\n%s", p.name, status, took, p.log.String())
		}
	}
}

// connect connects to NATS as the test.
func connect(t testing.TB, url string) *store.Store {
	t.Helper()
	st, err := store.Connect(t.Context(), store.Options{URL: url, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st
}

// essctl runs an operator's command, which is to go well.
func essctl(t testing.TB, nats string, args ...string) string {
	t.Helper()
	out, err := operator(t, nats, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("essctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func operator(t testing.TB, nats string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), filepath.Join(programs, "essctl"), append(args, "--nats", nats)...)
}

// natsServers starts real servers, and nothing on them yet.
func natsServers(t testing.TB, o testbed.NATSOptions) *testbed.Cluster {
	t.Helper()
	o.Program = filepath.Join(programs, "nats-server")
	return testbed.NATS(t, o)
}

// ensured makes a stream. A cluster that has just begun may not answer at all.
func ensured(t testing.TB, ensure func() error) {
	t.Helper()
	var last error
	until(t, "stream", printer(func() string { return fmt.Sprint(last) }), func() bool {
		last = ensure()
		if last != nil && reason.Of(last).Code != reason.OutcomeUnknown {
			t.Fatal(last)
		}
		return last == nil
	})
}

// initialise makes the streams as an operator does, but with a short TTL. That of the members comes last, so that nothing is
// done before all are there: a read at the start that finds no log is not made again.
func initialise(t testing.TB, nats, config string, replicas int) {
	t.Helper()
	docs, err := tenant.LoadDir(config)
	if err != nil {
		t.Fatal(err)
	}
	st := connect(t, nats)
	for _, d := range docs {
		ensured(t, func() error { return st.EnsureTenant(t.Context(), d.Tenant, replicas) })
	}
	ensured(t, func() error { return st.EnsureMembers(t.Context(), replicas, shortTTL) })
	if o := ess(t, "init", "--nats", nats, "--config", config, "--replicas", fmt.Sprint(replicas)); o.status != 0 {
		t.Fatalf("ess init: %s", o.stderr)
	}
}

// TestEveryServiceRunsByItself runs each service as a process of its own against a real server: two tenants, of which each
// program has what is its own. They wait for NATS and for the streams, say so, and end soon when they are asked to.
func TestEveryServiceRunsByItself(t *testing.T) {
	i := install(t, 60)
	small := newSmall(t, i.path("small"), 20)
	small.write(t)
	write(t, i.path("tenants", "liten.yaml"), small.document(t, "liten", i.path("pepper")))
	c := natsServers(t, testbed.NATSOptions{Servers: 1, Later: true, Config: []string{`authorization { users: [
  {user: ess, password: x}, {user: poor, password: x, permissions: {publish: {deny: "ess.>"}}}
] }`}})
	as := func(user string) string { return "nats://" + user + ":x@" + c.Servers[0].Addr }
	i.nats = as("ess")

	var all []*program
	for _, name := range []string{"source-alvis", "source-manual", "source-memory", "target-apple-school-manager", "target-memory"} {
		all = append(all, serve(t, name, i.nats, i.path("tenants"), "ESS_READ_NOW=true"))
	}
	alvis, apple, directory := all[0], all[3], all[4]
	for _, p := range all {
		p.says(t, "not ready", c.Servers[0].Addr)
	}
	c.Start()
	for _, p := range all {
		p.says(t, "ESS-MEMBERS")
	}
	initialise(t, i.nats, i.path("tenants"), 1)
	for _, p := range all {
		p.says(t)
	}
	i.ran = append(i.ran, alvis.child, apple.child)
	i.awaitDelivery(&apple.log)
	small.await(t, "the directory", &directory.log)

	// What is decided by command goes through source-manual to target-memory, at its next read.
	essctl(t, i.nats, "person", "protect", "--tenant", "liten", "--source", "memory", "--id", "p-3", "--why", "anmält")
	essctl(t, i.nats, "sources", "read", "--tenant", "liten", "--source", "manual", "--why", "the protection")
	until(t, "protection of p-3 in the directory", printer(func() string { return all[1].log.String() + directory.log.String() }), func() bool {
		objects, _ := small.directory()
		for _, o := range objects {
			if o.Attributes["username"] == "p-3" {
				return false
			}
		}
		return len(objects) > 0
	})

	c.Kill()
	for _, p := range all {
		p.says(t, "not ready")
	}
	c.Start()
	for _, p := range all {
		p.says(t)
	}

	// A second reader whom NATS lets write nothing into the log is not ready once it tried.
	drains(t, alvis)
	i.change()
	poor := serve(t, "source-alvis", as("poor"), i.path("tenants"), "ESS_READ_NOW=true")
	poor.says(t, "ess.prov.alvis.default.run.current")
	drains(t, poor)

	drains(t, all[1:]...)
	st := connect(t, i.nats)
	if roll, err := st.Members().Look(t.Context(), ""); err != nil || len(roll.Members) > 0 {
		t.Errorf("after all have ended there are %v (%v)", roll.Members, err)
	}
	holders, err := st.Ledger(tenantName).Holders(t.Context())
	if err != nil || len(holders) == 0 {
		t.Error(err)
	}
	for link, h := range holders {
		if !h.HandedOver {
			t.Errorf("%s was not handed over", link)
		}
	}
}
