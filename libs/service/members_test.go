package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/share"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/testbed"
)

// quick is the TTL of members in tests.
const quick = 3 * time.Second

// yard is a server with replicas of one program on it, each behind a proxy of its own.
type yard struct {
	t      *testing.T
	server *store.Server
	items  []string
	log    syncLog

	mu       sync.Mutex
	has      map[string][]string  // by item: who has it now
	free     map[string]time.Time // by item: since when nobody has it
	longest  time.Duration
	overlaps []string
	most     map[string]int // by replica: how many it had at the most while it was asked
}

type syncLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newYard(t *testing.T, items int) *yard {
	t.Helper()
	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	y := &yard{t: t, server: server, has: map[string][]string{}, free: map[string]time.Time{}, most: map[string]int{}}
	for i := range items {
		y.items = append(y.items, fmt.Sprint("item-", i))
		y.free[y.items[i]] = time.Now()
	}
	st := y.connect("setup", server.URL())
	if err := st.EnsureMembers(t.Context(), 1, quick); err != nil {
		t.Fatal(err)
	}
	return y
}

func (y *yard) connect(name, url string) *store.Store {
	y.t.Helper()
	st, err := store.Connect(y.t.Context(), store.Options{URL: url, Name: name, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(st.Close)
	return st
}

// proxy returns a proxy in front of the server, and its address.
func (y *yard) proxy() (*testbed.Proxy, string) {
	y.t.Helper()
	u, err := url.Parse(y.server.URL())
	if err != nil {
		y.t.Fatal(err)
	}
	p := testbed.NewProxy(y.t, u.Host)
	return p, fmt.Sprintf("nats://%s:%d", p.Host, p.Port)
}

// replica is one of the replicas of a yard.
type replica struct {
	y       *yard
	name    string
	proxy   *testbed.Proxy
	members *Members
	end     context.CancelFunc
	done    chan struct{}
	leave   func()
}

// join starts a replica.
func (y *yard) join(name string) *replica {
	y.t.Helper()
	p, address := y.proxy()
	st := y.connect(name, address)
	r := &replica{y: y, name: name, proxy: p, done: make(chan struct{})}
	r.members = NewMembers(MembersOptions{
		Store: st, Program: "target-test", Instance: name, Session: name, Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(&y.log, nil)).With("replica", name),
	})
	ctx, end := context.WithCancel(y.t.Context())
	r.end, r.leave = end, r.members.Join(ctx)
	var wg sync.WaitGroup
	for _, item := range y.items {
		wg.Go(func() {
			_ = r.members.While(ctx, item, func(ctx context.Context) error { return r.have(ctx, item) }, nil)
		})
	}
	go func() {
		defer close(r.done)
		wg.Wait()
	}()
	y.t.Cleanup(r.stop)
	return r
}

// stop is a SIGTERM.
func (r *replica) stop() {
	r.end()
	<-r.done
	r.leave()
}

// have has an item until ctx ends, as a link does that takes some time to stop. Without a ledger there is nothing but
// leases to keep two from having it at once: who takes it over waits for the other's to end, as a ledger has them do.
func (r *replica) have(ctx context.Context, item string) error {
	if !r.y.take(ctx, r, item) {
		return context.Cause(ctx)
	}
	<-ctx.Done()
	time.Sleep(time.Duration(rand.N(20)) * time.Millisecond)
	r.y.drop(r, item)
	return context.Cause(ctx)
}

// take waits until whoever has the item has dropped it, or does not live any more as the members tell.
func (y *yard) take(ctx context.Context, r *replica, item string) bool {
	for ctx.Err() == nil {
		y.mu.Lock()
		others := append([]string(nil), y.has[item]...)
		if len(others) == 0 {
			y.has[item] = []string{r.name}
			if since, free := y.free[item]; free {
				y.longest = max(y.longest, time.Since(since))
				delete(y.free, item)
			}
			y.mu.Unlock()
			return true
		}
		y.mu.Unlock()
		for _, other := range others {
			if lives, err := r.members.lives(ctx, other); err == nil && !lives {
				y.mu.Lock()
				if len(y.has[item]) > 0 && y.has[item][0] == other {
					y.overlaps = append(y.overlaps, fmt.Sprintf("%s took %s from %s, who has it still", r.name, item, other))
				}
				y.mu.Unlock()
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return false
}

func (y *yard) drop(r *replica, item string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.has[item]) == 1 && y.has[item][0] == r.name {
		delete(y.has, item)
		y.free[item] = time.Now()
	}
}

// settled waits until the replicas have all items between them, each its fair part, and returns how long that took.
func (y *yard) settled(what string, replicas ...*replica) time.Duration {
	y.t.Helper()
	begun := time.Now()
	room := share.Room(len(y.items), len(replicas))
	for {
		y.mu.Lock()
		loads := map[string]int{}
		for _, list := range y.has {
			loads[list[0]]++
		}
		total := 0
		fair := true
		for _, r := range replicas {
			total += loads[r.name]
			fair = fair && loads[r.name] <= room
		}
		others := len(y.has) - total
		overlaps := y.overlaps
		y.mu.Unlock()
		if len(overlaps) > 0 {
			y.t.Fatalf("%s: %v", what, overlaps)
		}
		if fair && total == len(y.items) && others == 0 {
			return time.Since(begun)
		}
		if time.Since(begun) > 10*quick {
			y.t.Fatalf("%s: they have %v of %d items, and no more than %d is fair\n%s", what, loads, len(y.items), room, y.log.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestReplicasShareWhatThereIs has replicas join, leave, crash, hang and come back. No item is with two at once, none is
// long with nobody, and nobody has more than a quarter above the mean.
func TestReplicasShareWhatThereIs(t *testing.T) {
	t.Parallel()
	y := newYard(t, 60)
	a := y.join("a")
	t.Logf("one: %s", y.settled("one", a))
	if err := a.members.Ready(); err != nil {
		t.Errorf("who has all is not ready: %v", err)
	}
	b := y.join("b")
	t.Logf("two: %s", y.settled("two", a, b))
	c, d := y.join("c"), y.join("d")
	t.Logf("four: %s", y.settled("four", a, b, c, d))

	b.stop()
	took := y.settled("one left", a, c, d)
	t.Logf("one left: %s", took)
	if took > quick {
		t.Errorf("after one had left it took %s, as if it had crashed", took)
	}

	c.proxy.Hang(true) // nothing comes, and nothing ends
	took = y.settled("one is cut off", a, d)
	t.Logf("one cut off: %s", took)
	if err := c.members.Ready(); err == nil || !errors.Is(err, target.ErrLeaseLost) && reason.Of(err).Code == reason.Unexpected {
		t.Errorf("who is cut off says of itself: %v", err)
	}
	c.proxy.Hang(false)
	t.Logf("back: %s", y.settled("it is back", a, c, d))
	if err := c.members.Ready(); err != nil {
		t.Errorf("who is back is not ready: %v", err)
	}

	d.proxy.Away(true) // with its connection; then it dies
	d.stop()
	t.Logf("one crashed: %s", y.settled("one crashed", a, c))

	y.mu.Lock()
	defer y.mu.Unlock()
	t.Logf("no item was with nobody for longer than %s", y.longest)
	if limit := quick + 2*quick; y.longest > limit {
		t.Errorf("an item was with nobody for %s, want less than %s", y.longest, limit)
	}
}

// TestNobodyIsTakenForDeadOnARollThatMayLackSomebody: until the stream is as old as the TTL, and for as long after it was
// found to be another one or to have lost something, whoever is not on it may live.
func TestNobodyIsTakenForDeadOnARollThatMayLackSomebody(t *testing.T) {
	log := time.Unix(1_800_000_000, 0)
	old := store.Roll{TTL: quick, Age: time.Hour, Log: log, Seq: 100}
	for name, c := range map[string]struct {
		before, now store.Roll
		after       time.Duration
		want        bool
	}{
		"as it should be":          {old, store.Roll{TTL: quick, Age: time.Hour, Log: log, Seq: 101}, 0, false},
		"young":                    {store.Roll{}, store.Roll{TTL: quick, Age: quick - 1, Log: log, Seq: 5}, 0, true},
		"not young any more":       {store.Roll{}, store.Roll{TTL: quick, Age: quick, Log: log, Seq: 5}, 0, false},
		"another":                  {old, store.Roll{TTL: quick, Age: time.Hour, Log: log.Add(1), Seq: 101}, 0, true},
		"shorter":                  {old, store.Roll{TTL: quick, Age: time.Hour, Log: log, Seq: 99}, 0, true},
		"shorter, some time since": {old, store.Roll{TTL: quick, Age: time.Hour, Log: log, Seq: 99}, quick, false},
	} {
		now := time.Unix(1_900_000_000, 0)
		m := &Members{o: MembersOptions{Now: func() time.Time { return now }}, roll: c.before}
		m.weigh(c.now)
		now = now.Add(c.after)
		if got := m.doubtful(c.now); got != c.want {
			t.Errorf("%s: doubtful is %v", name, got)
		}
	}
}

// TestWithoutMembersEverythingIsOurs is a program with the log in itself.
func TestWithoutMembersEverythingIsOurs(t *testing.T) {
	var m *Members
	m.Join(t.Context())()
	ran := errors.New("it ran")
	if err := m.While(t.Context(), "x", func(context.Context) error { return ran }, nil); !errors.Is(err, ran) || m.Ready() != nil || !m.Has("x") {
		t.Errorf("%v, %v, %v", err, m.Ready(), m.Has("x"))
	}
	if by := m.owner("host-1"); by.Name != "host-1" || by.Session != "" || by.Lives != nil {
		t.Errorf("the owner is %+v", by)
	}
}

// TestWithoutAStreamNothingIsDoneUntilThereIsOne has a replica start before ess init.
func TestWithoutAStreamNothingIsDoneUntilThereIsOne(t *testing.T) {
	t.Parallel()
	server, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	y := &yard{t: t, server: server, items: []string{"x"}, has: map[string][]string{}, free: map[string]time.Time{}}
	a := y.join("a")
	for deadline := time.Now().Add(time.Minute); !strings.Contains(y.log.String(), "ess init"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nobody is told what to run:\n%s", y.log.String())
		}
	}
	if err := a.members.Ready(); reason.Of(err).Code != reason.MembersMissing {
		t.Errorf("readiness: %v", err)
	}
	if a.members.Has("x") {
		t.Error("it has something without a membership")
	}
	if err := y.connect("init", server.URL()).EnsureMembers(t.Context(), 1, quick); err != nil {
		t.Fatal(err)
	}
	y.settled("once there is one", a)
	if strings.Count(y.log.String(), "level=ERROR") != 1 {
		t.Errorf("it is not said once:\n%s", y.log.String())
	}
}
