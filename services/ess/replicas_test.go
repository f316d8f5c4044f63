package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/testbed"
)

// district is tenants with a register and a directory each, whose registers change all the time.
type district struct {
	t      *testing.T
	nats   string
	config string
	st     *store.Store
	towns  []*small
	names  []string

	mu        sync.Mutex
	published []map[int]time.Time // by town: when each version was there to be read
	unserved  time.Duration       // the longest that a version was there, and nothing as new in the directory
	worst     string              // of which town
}

func newDistrict(t *testing.T, tenants, persons int) *district {
	t.Helper()
	d := &district{t: t, config: t.TempDir()}
	d.nats = natsServers(t, testbed.NATSOptions{Servers: 1}).URL()
	secret := write(t, d.config+"/pepper", pepper+"\n")
	for n := range tenants {
		name := fmt.Sprintf("ort%02d", n)
		s := newSmall(t, t.TempDir(), persons)
		s.write(t)
		write(t, d.config+"/"+name+".yaml", s.document(t, name, secret))
		d.towns, d.names = append(d.towns, s), append(d.names, name)
		d.published = append(d.published, map[int]time.Time{1: time.Now()})
	}
	initialise(t, d.nats, d.config, 1)
	d.st = connect(t, d.nats)
	return d
}

// change changes every register again and again, each a moment after its last version arrived, until ctx ends; it notes how
// long that takes.
func (d *district) change(ctx context.Context) {
	for ctx.Err() == nil {
		for n, s := range d.towns {
			d.mu.Lock()
			at := d.published[n][s.version()]
			if waits := time.Since(at); waits > d.unserved {
				d.unserved, d.worst = waits, d.names[n]
			}
			d.mu.Unlock()
			if s.delivered() < s.version() {
				continue
			}
			s.write(d.t)
			a := store.Ask{
				Place: store.SourcePlace(d.names[n], roster.Source{System: "memory", Instance: "default"}), ID: uuid.NewString(), Verb: store.VerbRead, Asked: time.Now(), By: "test", Why: "it changed",
			}
			if _, err := d.st.Control().Ask(context.WithoutCancel(ctx), a); err != nil { // what is written is read, also at the end
				d.t.Errorf("ask for a read: %v", err)
			}
			d.mu.Lock()
			d.published[n][s.version()] = time.Now()
			d.mu.Unlock()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// gap returns the longest that a change has waited since it was asked last.
func (d *district) gap() (gap time.Duration, town string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gap, town = d.unserved, d.worst
	d.unserved, d.worst = 0, ""
	return gap, town
}

// owned returns how many links each owner has.
func (d *district) owned() map[string]int {
	d.t.Helper()
	n := map[string]int{}
	for _, name := range d.names {
		holders, err := d.st.Ledger(name).Holders(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		for _, h := range holders {
			if !h.HandedOver {
				n[h.Owner]++
			}
		}
	}
	return n
}

// shared waits until the links are with these replicas and no other, none of which has more than a quarter above the mean.
func (d *district) shared(replicas ...*program) {
	d.t.Helper()
	var owned map[string]int
	most := int(math.Ceil(1.25*float64(len(d.names))/float64(len(replicas)))) + 1
	until(d.t, fmt.Sprintf("division of %d links among %d", len(d.names), len(replicas)), printer(func() string { return fmt.Sprint(owned) + logs(replicas) }), func() bool {
		owned = d.owned()
		total := 0
		for _, r := range replicas {
			if n := owned[r.instance()]; n <= most {
				total += n
			}
		}
		return total == len(d.names)
	})
	d.t.Logf("%d replicas: %v", len(replicas), owned)
}

func (p *program) instance() string { return "r" + p.http[strings.LastIndexByte(p.http, ':')+1:] }

func logs(list []*program) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "--- %s\n%s", p.instance(), p.log.String())
	}
	return b.String()
}

// writer starts a replica that has NATS at an address.
func (d *district) writer(nats string) *program {
	d.t.Helper()
	http := testbed.FreeAddr(d.t)
	p := &program{name: "target-memory", http: http}
	p.child = start(d.t, []string{
		"ESS_NATS_URL=" + nats, "ESS_CONFIG=" + d.config, "ESS_HTTP=" + http, "ESS_LOG_FORMAT=text", "ESS_INSTANCE=" + p.instance(),
	}, p.name)
	return p
}

// TestF28ReplicasUnderLoad has one replica of a target become four and then two, while every register changes all the time: one
// is killed, one is cut off from NATS and comes back, one is asked to stop. No link is without an owner for long, none writes
// something old over something new, and in the end every directory equals its register.
func TestF28ReplicasUnderLoad(t *testing.T) {
	d := newDistrict(t, 16, 30)
	readers := []*program{serve(t, "source-memory", d.nats, d.config, "ESS_READ_NOW=true"), serve(t, "source-memory", d.nats, d.config)}
	a := d.writer(d.nats)
	for n, s := range d.towns {
		s.await(t, d.names[n], &a.log)
	}
	d.shared(a)
	for n := range d.published {
		d.published[n][1] = time.Now()
	}
	ctx, stop := context.WithCancel(t.Context())
	var changing sync.WaitGroup
	changing.Go(func() { d.change(ctx) })
	defer changing.Wait()
	defer stop()
	// A replica that vanished is missed after the TTL, at most. The rest does not depend on it, and together with a real TTL it
	// is less than 30 s.
	const allowed = shortTTL + 10*time.Second
	after := func(what string, replicas ...*program) {
		t.Helper()
		d.shared(replicas...)
		versions := 0
		for _, s := range d.towns {
			versions += s.delivered()
		}
		until(t, "round after "+what, printer(func() string { return logs(replicas) }), func() bool {
			now := 0
			for _, s := range d.towns {
				now += s.delivered()
			}
			return now >= versions+2*len(d.towns)
		})
		gap, town := d.gap()
		t.Logf("%s: no change waited longer than %s", what, gap.Round(time.Millisecond))
		if gap > allowed {
			t.Errorf("%s: %s was without an owner for %s\n%s", what, town, gap, logs(replicas))
		}
	}
	after("one", a)
	far := testbed.NewProxy(t, strings.TrimPrefix(d.nats, "nats://"))
	from := fmt.Sprintf("nats://%s:%d", far.Host, far.Port)
	b, c, e := d.writer(d.nats), d.writer(from), d.writer(d.nats)
	after("four", a, b, c, e)
	b.kill()
	after("one is killed", a, c, e)
	far.Hang(true)
	c.says(t, "not ready")
	after("one is cut off", a, e)
	far.Hang(false)
	c.says(t)
	after("it is back", a, c, e)
	drains(t, a)
	after("one is asked to stop", c, e)
	stop()
	changing.Wait()
	writes := 0
	for n, s := range d.towns {
		s.await(t, d.names[n], printer(func() string { return logs([]*program{c, e}) + logs(readers) }))
		writes += s.checkJournal(t)
	}
	t.Logf("%d writes", writes)
	drains(t, append(readers, c, e)...)
}
