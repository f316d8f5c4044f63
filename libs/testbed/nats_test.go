package testbed_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/testbed"
)

func TestNATSCluster(t *testing.T) {
	program, err := testbed.BuildNATS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := testbed.NATS(t, testbed.NATSOptions{Program: program, Servers: 3})
	nc, err := nats.Connect(c.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2)) // it may be connected to the one that stands still
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if known := nc.DiscoveredServers(); len(known) > 0 {
		t.Errorf("a client is told of %v: it would go past a proxy", known)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := js.Publish(ctx, "s", nil)
			cancel()
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	publish()
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leader := slices.IndexFunc(c.Servers, func(s *testbed.NATSServer) bool { return s.Name == info.Cluster.Leader })
	c.Servers[leader].Kill()
	if pid := c.Servers[leader].PID(); pid != 0 {
		t.Errorf("the one that was killed is process %d", pid)
	}
	publish()
	c.Start()
	other := c.Servers[(leader+1)%3]
	other.Pause(true)
	publish()
	other.Pause(false)
	c.Await()
	info, err = stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Msgs < 3 || len(info.Cluster.Replicas) != 2 {
		t.Errorf("%d messages, and %d other replicas", info.State.Msgs, len(info.Cluster.Replicas))
	}
}
