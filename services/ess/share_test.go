package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/libs/testbed"
)

// installShared makes an installation on a real server whose readers and writers have replicas.
func installShared(t testing.TB, pupils int) *installation {
	t.Helper()
	i := install(t, pupils)
	i.nats = natsServers(t, testbed.NATSOptions{Servers: 1}).URL()
	initialise(t, i.nats, i.path("tenants"), 1)
	return i
}

// TestF16TwoReadersPublishOnce has two readers of one source, of which the one that reads is killed in the middle of its
// publication: the other finishes it, and nothing is published twice.
func TestF16TwoReadersPublishOnce(t *testing.T) {
	i := installShared(t, 300)
	var mu sync.Mutex
	readers, killed := map[string]*program{}, make(chan string, 2)
	var once sync.Once
	for _, name := range []string{"a", "b"} {
		mu.Lock()
		m := newMeter(t, i.nats, 200_000, func() (goOn bool) { // of the 340 kB that the first load takes
			goOn = true
			once.Do(func() {
				goOn = false
				mu.Lock()
				defer mu.Unlock()
				readers[name].kill()
				killed <- name
			})
			return goOn
		})
		readers[name] = serve(t, "source-alvis", m.url, i.path("tenants"), "ESS_READ_NOW=true", "ESS_INSTANCE="+name)
		i.ran = append(i.ran, readers[name].child)
		mu.Unlock()
	}
	var dead string
	select {
	case dead = <-killed:
	case <-time.After(40 * time.Second):
		t.Fatalf("nobody published:\n%s", i.story())
	}
	other := readers[map[string]string{"a": "b", "b": "a"}[dead]]
	other.await(t, `msg="run ended"`)
	writer := serve(t, "target-apple-school-manager", i.nats, i.path("tenants"))
	i.ran = append(i.ran, writer.child)
	i.awaitDelivery(&writer.log)

	readers[dead] = serve(t, "source-alvis", i.nats, i.path("tenants"), "ESS_INSTANCE="+dead)
	readers[dead].says(t)
	i.change()
	i.readNow(t, "two readers")
	i.awaitDelivery(&writer.log)
	runs := 0
	for _, m := range storetest.Messages(t, i.nats) {
		if strings.HasSuffix(m.Subject, ".run.ended") {
			runs++
		}
	}
	// What the one that was killed had sent may be heard after the other one has ended: then the next read ends that run too.
	if runs != 2 && runs != 3 {
		t.Errorf("%d runs ended, want 2, or 3 with that of who was killed", runs)
	}
	i.checkLog(i.nats)
	drains(t, other, readers[dead], writer)
}

// TestF15ARecoveredTarget empties the inbox of Apple behind our back. One command restores it, although the owner of the link
// is killed in the middle of that, and while the register changes.
func TestF15ARecoveredTarget(t *testing.T) {
	i := installShared(t, 200)
	reader := serve(t, "source-alvis", i.nats, i.path("tenants"), "ESS_READ_NOW=true")
	writers := map[string]*program{}
	for _, name := range []string{"a", "b"} {
		writers[name] = serve(t, "target-apple-school-manager", i.nats, i.path("tenants"), "ESS_INSTANCE="+name)
		i.ran = append(i.ran, writers[name].child)
	}
	i.ran = append(i.ran, reader.child)
	until(t, "first delivery", printer(i.story), func() bool { _, data := i.newest(); return whole(data) })
	until(t, "end of its round", printer(i.story), func() bool {
		return writers["a"].log.has([]string{"msg=delivered"}) || writers["b"].log.has([]string{"msg=delivered"})
	})

	files, err := filepath.Glob(i.path("apple", "dropbox", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("the inbox is empty already", err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	upload, dead := make(chan struct{}), make(chan struct{})
	i.when("inbox", "Put", 1, func() { close(upload); <-dead })
	defer func() {
		select {
		case <-dead:
		default:
			close(dead)
		}
	}()
	command := operator(t, i.nats, "links", "resync", "--verify", "--tenant", tenantName, "--link", "apple-school-manager", "--why", "the inbox was emptied")
	var said transcript
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-upload:
	case <-time.After(40 * time.Second):
		t.Fatalf("nothing is uploaded:\n%s\n%s", said.String(), i.story())
	}
	owner := i.holder(t).Owner
	writers[owner].kill()
	close(dead)
	i.change()
	i.readNow(t, "the register goes on")
	if err := command.Wait(); err != nil {
		t.Errorf("resync --verify: %v\n%s", err, said.String())
	}
	other := writers[map[string]string{"a": "b", "b": "a"}[owner]]
	i.awaitDelivery(&other.log)
	if h := i.holder(t); writers[h.Owner] != other {
		t.Errorf("the link is with %s", h.Owner)
	}
	t.Logf("the operator was told:\n%s", said.String())
	i.checkDeliveries()
	i.checkLog(i.nats)
	drains(t, reader, other)
}

// holder returns who has the link of the installation.
func (i *installation) holder(t testing.TB) store.Holder {
	t.Helper()
	holders, err := connect(t, i.nats).Ledger(tenantName).Holders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return holders[roster.Source{System: "apple-school-manager", Instance: "default"}]
}
