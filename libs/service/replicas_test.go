package service

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/share"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

var registryLink = roster.Source{System: "registry", Instance: "default"}

// registry is a target that all replicas write to: people with a name, by tenant. It knows who calls it, and finds who
// makes twice what is there, and two who are at work on one tenant at once.
type registry struct {
	mu    sync.Mutex
	held  map[string]map[target.ID]target.Held
	busy  map[string]map[string]int // by tenant and replica: calls under way
	calls map[string]int            // by replica
	wrong []string
	twice bool // what is there may be made again: of a target that cannot be fenced
	// hang has a replica's calls wait until it is closed, whatever becomes of their context.
	hang map[string]chan struct{}
}

func newRegistry() *registry {
	return &registry{
		held: map[string]map[target.ID]target.Held{}, busy: map[string]map[string]int{}, calls: map[string]int{}, hang: map[string]chan struct{}{},
	}
}

// registryClient is the registry as one replica has it for one tenant.
type registryClient struct {
	*registry
	replica, tenant string
}

func (c *registryClient) Kinds() []string { return []string{"user"} }

func (c *registryClient) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	c.mu.Lock()
	if c.busy[c.tenant] == nil {
		c.busy[c.tenant], c.held[c.tenant] = map[string]int{}, map[target.ID]target.Held{}
	}
	for other, n := range c.busy[c.tenant] {
		if other != c.replica && n > 0 && c.hang[other] == nil {
			c.wrong = append(c.wrong, fmt.Sprintf("%s and %s are at work on %s at once", c.replica, other, c.tenant))
		}
	}
	c.busy[c.tenant][c.replica]++
	c.calls[c.replica]++
	hang := c.hang[c.replica]
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.busy[c.tenant][c.replica]--
		c.mu.Unlock()
	}()
	if hang != nil {
		<-hang
	}
	out := make([]target.Outcome, len(ops))
	for i, op := range ops {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			if hang == nil {
				out[i].Err = context.Cause(ctx)
				continue
			}
		}
		c.mu.Lock()
		if _, there := c.held[c.tenant][op.Resource.ID]; there && op.Verb == target.Create && !c.twice {
			c.wrong = append(c.wrong, fmt.Sprintf("%s made %s of %s twice", c.replica, op.Resource.ID, c.tenant))
		}
		if op.Verb == target.Delete {
			c.wrong = append(c.wrong, fmt.Sprintf("%s deleted %s of %s", c.replica, op.Resource.ID, c.tenant))
		}
		c.held[c.tenant][op.Resource.ID] = target.Held{ID: op.Resource.ID, Fields: op.Resource.Fields}
		c.mu.Unlock()
	}
	return out
}

func (c *registryClient) Lookup(_ context.Context, id target.ID, _ string) (target.Held, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.held[c.tenant][id]; ok {
		return h, nil
	}
	return target.Held{}, target.ErrNotFound
}

// registrySettings opens the registry for one replica.
type registrySettings struct {
	registry *registry
	replica  string
}

func (*registrySettings) Validate(tenant.Problems) {}

func (s *registrySettings) Open(e target.Env) (*target.Target, error) {
	return &target.Target{Mapping: byName{}, Applier: &registryClient{s.registry, s.replica, e.Tenant}}, nil
}

// byName maps every person to a user.
type byName struct{}

func (byName) Version() string { return "1" }

func (byName) Map(v target.View, e roster.Ref) []target.Wish {
	p := v.Person(e.Key)
	if e.Kind != roster.KindPerson || p == nil {
		return nil
	}
	return []target.Wish{{Resource: target.Resource{
		ID: target.ID{Kind: "user", Key: e.Key.String()}, Entity: e, Fields: target.Fields{{Name: "name", Value: p.GivenName}},
	}}}
}

// site is a server with tenants that replicas share.
type site struct {
	t        *testing.T
	yard     *yard
	store    *store.Store
	docs     []*tenant.Document
	registry *registry
	names    map[string][]string // by tenant: of its people
	round    int
}

func newSite(t *testing.T, people int, tenants ...string) *site {
	t.Helper()
	s := &site{t: t, yard: newYard(t, 0), registry: newRegistry(), names: map[string][]string{}}
	s.store = s.yard.connect("setup", s.yard.server.URL())
	pepper := filepath.Join(t.TempDir(), "pepper")
	if err := os.WriteFile(pepper, []byte(strings.Repeat("p", roster.MinPepper)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range tenants {
		if err := s.store.EnsureTenant(t.Context(), name, 1); err != nil {
			t.Fatal(err)
		}
		d, err := tenant.Parse([]byte("tenant: " + name + "\npepper: file:" + pepper + "\nlinks: [{target: registry, mode: active}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		s.docs, s.names[name] = append(s.docs, d), make([]string, people)
	}
	return s
}

// rename gives everybody of a tenant another name, in one run of a source.
func (s *site) rename(name string) {
	s.t.Helper()
	s.round++
	scan, err := s.store.Log(name).Scan(s.t.Context(), alvis)
	if err != nil {
		s.t.Fatal(err)
	}
	var changes []source.Change
	for i := range s.names[name] {
		s.names[name][i] = fmt.Sprintf("Testa%d-%d", i, s.round)
		r := roster.Record{Ref: roster.Ref{Kind: roster.KindPerson, Key: personKey(i)}, Source: alvis, Person: &roster.Person{
			GivenName: roster.Personal(s.names[name][i]), FamilyName: "Åkesdotter",
			Enrolments: []roster.Enrolment{{EnroledAt: personKey(1 << 20), SchoolType: "GR", Interval: roster.Interval{Start: 20250818}}},
		}}
		changes = append(changes, source.Change{Record: r, Hash: fmt.Sprint(s.round), SourceID: fmt.Sprint(i), Expect: scan.Heads[r.Ref].Seq, SourceTime: time.Now()})
	}
	if err := s.store.Log(name).Publish(s.t.Context(), alvis, uuid.NewString(), changes, nil); err != nil {
		s.t.Fatal(err)
	}
}

func personKey(n int) (k roster.Key) {
	binary.BigEndian.PutUint32(k[:], uint32(n)+1)
	k[6], k[8] = 0x80, 0x80
	return k
}

// host starts a replica that runs every tenant.
func (s *site) host(name string) *replica {
	s.t.Helper()
	p, address := s.yard.proxy()
	st := s.yard.connect(name, address)
	logger := slog.New(slog.NewTextHandler(&s.yard.log, nil)).With("replica", name)
	telemetry, err := NewTelemetry(s.t.Context(), "test", false)
	if err != nil {
		s.t.Fatal(err)
	}
	r := &replica{y: s.yard, name: name, proxy: p, done: make(chan struct{})}
	r.members = NewMembers(MembersOptions{Store: st, Program: "target-registry", Instance: name, Session: name, Now: time.Now, Logger: logger})
	h := &Host{Store: st, Members: r.members, Owner: name, Logger: logger, Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString}
	ctx, end := context.WithCancel(s.t.Context())
	r.end, r.leave = end, r.members.Join(ctx)
	var wg sync.WaitGroup
	for _, d := range s.docs {
		t, err := h.Open(d, nil, []target.Connector{{System: "registry", New: func() target.Config { return &registrySettings{s.registry, name} }}})
		if err != nil {
			s.t.Fatal(err)
		}
		wg.Go(func() {
			if err := t.Run(ctx); err != nil {
				s.t.Errorf("tenant %s at %s: %v", d.Tenant, name, err)
			}
		})
	}
	go func() {
		defer close(r.done)
		wg.Wait()
	}()
	s.t.Cleanup(r.stop)
	return r
}

// equal waits until the registry holds what the register of every tenant says.
func (s *site) equal(what string) time.Duration {
	s.t.Helper()
	begun := time.Now()
	for {
		differs := s.differs()
		s.registry.mu.Lock()
		wrong := s.registry.wrong
		s.registry.mu.Unlock()
		if len(wrong) > 0 {
			s.t.Fatalf("%s: %v\n%s", what, wrong, s.yard.log.String())
		}
		if differs == "" {
			return time.Since(begun)
		}
		if time.Since(begun) > 15*quick {
			s.t.Fatalf("%s: %s\n%s", what, differs, s.yard.log.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *site) differs() string {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for name, people := range s.names {
		if got := len(s.registry.held[name]); got != len(people) {
			return fmt.Sprintf("%s has %d of %d", name, got, len(people))
		}
		for i, want := range people {
			id := target.ID{Kind: "user", Key: personKey(i).String()}
			if got := s.registry.held[name][id].Fields[0].Value.Reveal(); got != want {
				return fmt.Sprintf("%s: number %d is called %s, want %s", name, i, got, want)
			}
		}
	}
	return ""
}

// called tells whether a replica has made a call.
func (s *site) called(r *replica) bool {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	return s.registry.calls[r.name] > 0
}

func (s *site) renameAll() {
	for _, d := range s.docs {
		s.rename(d.Tenant)
	}
}

// TestF28ReplicasKeepTargetsRight changes everything while replicas join, leave, crash, are cut off and come back. The target
// comes out equal to the register, nothing is made twice, and no two are at work on one tenant at once.
func TestF28ReplicasKeepTargetsRight(t *testing.T) {
	t.Parallel()
	s := newSite(t, 150, "lund", "malmo", "ystad", "ahus", "kivik", "simris")
	s.renameAll()
	a := s.host("a")
	t.Logf("one loads everything: %s", s.equal("one loads everything"))
	s.renameAll()
	b, c := s.host("b"), s.host("c")
	t.Logf("two join: %s", s.equal("two join"))
	for begun := time.Now(); (!s.called(b) || !s.called(c)) && time.Since(begun) < 15*quick; {
		s.renameAll()
		s.equal("two have joined")
	}
	s.renameAll()
	b.stop()
	t.Logf("one leaves: %s", s.equal("one leaves"))
	if holders, err := s.store.Ledger("lund").Holders(t.Context()); err != nil || len(holders) != 1 {
		t.Errorf("holders %+v, %v", holders, err)
	}
	s.renameAll()
	c.proxy.Hang(true)
	s.renameAll()
	took := s.equal("one is cut off")
	t.Logf("one is cut off: %s", took)
	if took < quick/2 {
		t.Errorf("it took %s: had the one that was cut off anything?", took)
	}
	c.proxy.Hang(false)
	s.renameAll()
	t.Logf("it is back: %s", s.equal("it is back"))
	a.proxy.Away(true)
	s.renameAll()
	d := s.host("d")
	a.stop()
	t.Logf("one crashes, and one joins: %s", s.equal("one crashes, and one joins"))
	d.stop()
	s.renameAll()
	t.Logf("one is left: %s", s.equal("one is left"))
	for _, r := range []*replica{a, b, c, d} {
		if !s.called(r) {
			t.Errorf("replica %s never did anything", r.name)
		}
	}
}

// TestF28WhoLostALinkIsRefusedAndStops cuts a replica off in the middle of a call that does not heed its context. When it is
// back the link is another's: the ledger refuses what it did, and it makes no call more.
func TestF28WhoLostALinkIsRefusedAndStops(t *testing.T) {
	t.Parallel()
	name := ""
	for i := range 100 {
		name = fmt.Sprint("ort", i)
		if ownerOf(name, "a", "b") == "b" {
			break
		}
	}
	s := newSite(t, 1200, name) // more than two batches
	hang := make(chan struct{})
	s.registry.hang["a"], s.registry.twice = hang, true
	s.rename(name)
	a := s.host("a")
	await := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(15 * quick); !is(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not come\n%s", what, s.yard.log.String())
			}
		}
	}
	calls := func(who string) int {
		s.registry.mu.Lock()
		defer s.registry.mu.Unlock()
		return s.registry.calls[who]
	}
	await("the call", func() bool { return calls("a") == 1 })
	a.proxy.Hang(true)
	b := s.host("b")
	await("the next owner", func() bool { return calls("b") > 0 })
	holders, err := s.store.Ledger(name).Holders(t.Context())
	if h := holders[registryLink]; err != nil || h.Session != "b" || h.HandedOver {
		t.Errorf("the holder is %+v, %v", h, err)
	}
	a.proxy.Hang(false)
	await("the return", func() bool { return a.members.Ready() == nil })
	close(hang) // 500 people are made by who has them no more
	await("the end of the late call", func() bool {
		s.registry.mu.Lock()
		defer s.registry.mu.Unlock()
		return s.registry.busy[name]["a"] == 0
	})
	time.Sleep(quick / 2)
	if n := calls("a"); n != 1 {
		t.Errorf("it made %d calls after it had lost the link", n-1)
	}
	t.Logf("equal: %s", s.equal("in the end"))
	if got := b.members.Ready(); got != nil {
		t.Error(got)
	}
}

// shared tells whether each link is with one of two replicas, and each of them has some.
func (s *site) shared(a, b *replica) bool {
	n := map[*replica]int{}
	for _, d := range s.docs {
		for _, r := range []*replica{a, b} {
			if r.members.Has(LinkItem(d.Tenant, registryLink)) {
				n[r]++
			}
		}
	}
	return n[a] > 0 && n[b] > 0 && n[a]+n[b] == len(s.docs)
}

// ownerOf returns which of two replicas a tenant's link is dealt to.
func ownerOf(tenant string, replicas ...string) string {
	item := LinkItem(tenant, registryLink)
	return share.Assign(replicas, []string{item})[item]
}

// TestF70AStopHandsOverAtOnce: what a replica has that is asked to stop is another's before anything could time out.
func TestF70AStopHandsOverAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, 20, "lund", "malmo", "ystad", "ahus")
	s.renameAll()
	a, b := s.host("a"), s.host("b")
	s.equal("both")
	for deadline := time.Now().Add(10 * quick); !s.shared(a, b); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the links are not shared\n%s", s.yard.log.String())
		}
	}
	begun := time.Now()
	a.stop()
	stopped := time.Since(begun)
	s.renameAll()
	s.equal("the other has all")
	t.Logf("stopped in %s, all is with the other after %s", stopped, time.Since(begun))
	if took := time.Since(begun); took > quick {
		t.Errorf("it took %s", took)
	}
	for _, d := range s.docs {
		holders, err := s.store.Ledger(d.Tenant).Holders(t.Context())
		if h := holders[d.Links[0].Ref()]; err != nil || h.Session != "b" || h.HandedOver {
			t.Errorf("tenant %s: the holder is %+v, %v", d.Tenant, h, err)
		}
	}
	b.stop()
	for _, d := range s.docs {
		holders, err := s.store.Ledger(d.Tenant).Holders(t.Context())
		if h := holders[d.Links[0].Ref()]; err != nil || !h.HandedOver {
			t.Errorf("tenant %s after the last: the holder is %+v, %v", d.Tenant, h, err)
		}
	}
	if roll, err := s.store.Members().Look(t.Context(), ""); err != nil || len(roll.Members) != 0 {
		t.Errorf("who is left: %+v, %v", roll.Members, err)
	}
}
