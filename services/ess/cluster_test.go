package main

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/libs/testbed"
)

// TestF21F26ThreeServers has the whole flow on a cluster of three: it is not there at the start, one server after the other is
// killed or stands still while something is read, and all are away for longer than anybody waits. Nobody is restarted, and
// the delivery equals the register every time.
func TestF21F26ThreeServers(t *testing.T) {
	i := install(t, 200)
	c := natsServers(t, testbed.NATSOptions{Servers: 3, Later: true})
	i.nats = c.URL()
	reader := serve(t, "source-alvis", i.nats, i.path("tenants"), "ESS_READ_NOW=true")
	writer := serve(t, "target-apple-school-manager", i.nats, i.path("tenants"))
	i.ran = append(i.ran, reader.child, writer.child)
	for _, p := range []*program{reader, writer} {
		p.says(t, "not ready", c.Servers[0].Addr)
	}
	c.Start()
	initialise(t, i.nats, i.path("tenants"), 3)
	for _, s := range storetest.Streams(t, i.nats) {
		if s.Replicas != 3 {
			t.Errorf("stream %s has %d replicas", s.Name, s.Replicas)
		}
	}
	i.awaitDelivery(&writer.log)

	// readWhile changes the register, asks for it to be read as an operator does, and has something done meanwhile.
	readWhile := func(what string, do func()) {
		t.Helper()
		begun := time.Now()
		defer func() {
			if took := time.Since(begun); took > 30*time.Second {
				t.Errorf("%s: delivered after %s\n%s", what, took, i.story())
			}
		}()
		i.change()
		do()
		i.readNow(t, what)
		i.awaitDelivery(&writer.log)
		t.Logf("%s: delivered after %s", what, time.Since(begun).Round(time.Millisecond))
	}
	for _, stream := range []string{"ESS-" + tenantName, "ESS-MEMBERS"} {
		leader := leaderOf(t, c, stream)
		readWhile("the leader of "+stream+" is killed", leader.Kill)
		c.Start()
	}
	leader := leaderOf(t, c, "ESS-LEDGER-"+tenantName)
	readWhile("the leader of the ledger stands still", func() { leader.Pause(true) })
	leader.Pause(false)
	c.Await()

	c.Kill()
	for _, p := range []*program{reader, writer} {
		p.says(t, "not ready")
	}
	time.Sleep(3 * shortTTL) // what ten minutes are to the TTL of a real one is no other: no wait in either is longer than it
	c.Start()
	readWhile("all were away", func() {})
	for _, p := range []*program{reader, writer} {
		p.says(t)
	}
	uploads := i.uploads()
	i.readNow(t, "nothing has changed")
	drains(t, reader, writer)
	if i.uploads() != uploads {
		t.Errorf("%d uploads for nothing", i.uploads()-uploads)
	}
	for _, p := range []*program{reader, writer} {
		if !p.log.has([]string{"connection to NATS lost"}) || !p.log.has([]string{"connection to NATS is back"}) {
			t.Errorf("%s does not say that NATS was away", p.name)
		}
	}
	i.checkLog(i.nats)
}

// TestReadsOfACluster: a consumer stands on any of the servers, and the one that a reader is connected to may hear of it a moment after
// the reader does. No read is lost on the way.
func TestReadsOfACluster(t *testing.T) {
	t.Parallel()
	st := connect(t, natsServers(t, testbed.NATSOptions{Servers: 3}).URL())
	ensured(t, func() error { return st.EnsureTenant(t.Context(), tenantName, 3) })
	key, err := roster.ParseKey("00000000-0000-8000-8000-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	of, log := roster.Source{System: "alvis", Instance: "default"}, st.Log(tenantName)
	unit := roster.Record{Ref: roster.Ref{Kind: roster.KindOrganisation, Key: key}, Source: of, Organisation: &roster.Organisation{DisplayName: "Provskolan"}}
	if err := log.Publish(t.Context(), of, "run", []source.Change{{Record: unit, Hash: "h"}}, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		scan, err := log.Scan(t.Context(), of)
		if err != nil || len(scan.Heads) != 1 {
			t.Fatalf("read %d: %d records, %v", n, len(scan.Heads), err)
		}
	}
}

// readNow has the register read as an operator does, who asks again when NATS is away.
func (i *installation) readNow(t testing.TB, why string) {
	t.Helper()
	var out []byte
	until(t, "read that was asked for", printer(func() string { return string(out) + i.story() }), func() (ok bool) {
		var err error
		out, err = operator(t, i.nats, "sources", "read", "--tenant", tenantName, "--source", "alvis", "--why", why, "--timeout", "30s").CombinedOutput()
		return err == nil
	})
}

// leaderOf returns the server that leads a stream.
func leaderOf(t testing.TB, c *testbed.Cluster, stream string) *testbed.NATSServer {
	t.Helper()
	nc, err := nats.Connect(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var found *testbed.NATSServer
	until(t, "leader of "+stream, printer(c.Servers[0].Log), func() bool {
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			return false
		}
		n := slices.IndexFunc(c.Servers, func(n *testbed.NATSServer) bool { return n.Name == s.CachedInfo().Cluster.Leader })
		if n >= 0 {
			found = c.Servers[n]
		}
		return n >= 0
	})
	return found
}
