package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

var shelf = roster.Source{System: "shelf", Instance: "default"}

// shelves is a register of some people in every tenant, and knows who reads it.
type shelves struct {
	mu    sync.Mutex
	reads map[string]int // by replica: begun
	hangs map[string]bool
}

type shelfSettings struct {
	shelves *shelves
	replica string
}

func (*shelfSettings) Validate(tenant.Problems) {}

func (s *shelfSettings) Open(source.Env) (source.Source, error) { return s, nil }

func (s *shelfSettings) Read(ctx context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	s.shelves.mu.Lock()
	s.shelves.reads[s.replica]++
	hangs := s.shelves.hangs[s.replica]
	s.shelves.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return source.Result{}, context.Cause(ctx)
	}
	err := emit(fact.Doc{ID: "unit", Facts: []fact.Fact{fact.Unit{ID: "u", Name: "Testskolan"}}})
	for i := range onShelf {
		id := fmt.Sprint("p", i)
		err = errors.Join(err, emit(fact.Doc{ID: "person/" + id, Facts: []fact.Fact{
			fact.Person{ID: id, GivenName: "Testa", FamilyName: "Åkesdotter", Role: string(roster.RolePupil), Email: id + "@skola.example"},
		}}))
	}
	return source.Result{Complete: true, Origin: "shelf", DataTime: time.Now()}, err
}

const onShelf = 30

// readersSite is a yard with tenants whose sources are read.
func readersSite(t *testing.T, tenants ...string) (*yard, []*tenant.Document) {
	t.Helper()
	y := newYard(t, 0)
	st := y.connect("setup", y.server.URL())
	pepper := filepath.Join(t.TempDir(), "pepper")
	if err := os.WriteFile(pepper, []byte(strings.Repeat("p", roster.MinPepper)), 0o600); err != nil {
		t.Fatal(err)
	}
	var docs []*tenant.Document
	for _, name := range tenants {
		if err := st.EnsureTenant(t.Context(), name, 1); err != nil {
			t.Fatal(err)
		}
		d, err := tenant.Parse([]byte("tenant: " + name + "\npepper: file:" + pepper + "\nsources: [{system: shelf}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	return y, docs
}

// reader starts a replica that reads every tenant, with members or without.
func (y *yard) reader(name string, docs []*tenant.Document, shelves *shelves, shared bool) *replica {
	y.t.Helper()
	p, address := y.proxy()
	st := y.connect(name, address)
	logger := slog.New(slog.NewTextHandler(&y.log, nil)).With("replica", name)
	telemetry, err := NewTelemetry(y.t.Context(), "test", false)
	if err != nil {
		y.t.Fatal(err)
	}
	r := &replica{y: y, name: name, proxy: p, done: make(chan struct{})}
	if shared {
		r.members = NewMembers(MembersOptions{Store: st, Program: "source-shelf", Instance: name, Session: name, Now: time.Now, Logger: logger})
	}
	h := &Host{Store: st, Members: r.members, Owner: name, Logger: logger, Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString, CatchUp: true}
	ctx, end := context.WithCancel(y.t.Context())
	r.end, r.leave = end, r.members.Join(ctx)
	connector := source.Connector{
		System: "shelf", New: func() source.Config { return &shelfSettings{shelves, name} },
		Defaults: source.Defaults{Schedule: "30 18 * * *", Protected: source.ProtectedNone, GroupIDs: source.GroupIDsStable},
	}
	var wg sync.WaitGroup
	for _, d := range docs {
		t, err := h.Open(d, []source.Connector{connector}, nil)
		if err != nil {
			y.t.Fatal(err)
		}
		if !shared {
			t.ReadNow()
		}
		wg.Go(func() {
			if err := t.Run(ctx); err != nil {
				y.t.Errorf("tenant %s at %s: %v", d.Tenant, name, err)
			}
		})
	}
	go func() {
		defer close(r.done)
		wg.Wait()
	}()
	y.t.Cleanup(r.stop)
	return r
}

// published waits until every tenant has a believed read, and counts the messages about people in each log.
func (y *yard) published(docs []*tenant.Document) (people map[string]int) {
	y.t.Helper()
	st := y.connect("counter", y.server.URL())
	people = map[string]int{}
	for _, d := range docs {
		for deadline := time.Now().Add(15 * quick); ; time.Sleep(10 * time.Millisecond) {
			_, believed, err := st.Runs(d.Tenant).Last(y.t.Context(), shelf)
			if err != nil {
				y.t.Fatal(err)
			}
			if believed != nil {
				break
			}
			if time.Now().After(deadline) {
				y.t.Fatalf("nobody has read %s\n%s", d.Tenant, y.log.String())
			}
		}
		people[d.Tenant] = y.messages(st, d.Tenant)
	}
	return people
}

func (y *yard) messages(st *store.Store, name string) (n int) {
	y.t.Helper()
	end, err := st.Log(name).End(y.t.Context())
	if err != nil {
		y.t.Fatal(err)
	}
	all := errors.New("all is read")
	err = st.Log(name).Follow(y.t.Context(), roster.Position{Log: end.Log}, true, func(e roster.Event) error {
		if e.Mark == "" && e.Ref.Kind == roster.KindPerson {
			n++
		}
		if e.Seq >= end.Seq {
			return all
		}
		return nil
	})
	if !errors.Is(err, all) {
		y.t.Fatal(err)
	}
	return n
}

// TestAReadThatIsCutOffIsMadeByTheNextReplica has one that reads everything and comes to no end, one that joins, and then
// the first one crash: each source is read in the end, and nothing is published twice.
func TestAReadThatIsCutOffIsMadeByTheNextReplica(t *testing.T) {
	t.Parallel()
	y, docs := readersSite(t, "lund", "malmo", "ystad", "ahus", "kivik")
	s := &shelves{reads: map[string]int{}, hangs: map[string]bool{"a": true}}
	a := y.reader("a", docs, s, true)
	reads := func(who string) int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.reads[who]
	}
	for deadline := time.Now().Add(10 * quick); reads("a") < len(docs); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("one replica reads %d of %d sources\n%s", reads("a"), len(docs), y.log.String())
		}
	}
	b := y.reader("b", docs, s, true)
	for deadline := time.Now().Add(10 * quick); reads("b") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("who joins reads nothing\n%s", y.log.String())
		}
	}
	if n := reads("b"); n == len(docs) {
		t.Errorf("who joins reads all %d", n)
	}
	a.proxy.Away(true)
	a.stop()
	for name, n := range y.published(docs) {
		if n != onShelf {
			t.Errorf("%s: %d messages about %d people", name, n, onShelf)
		}
	}
	if n := reads("b"); n != len(docs) {
		t.Errorf("%d reads of %d sources by who is left", n, len(docs))
	}
	_ = y.reader("c", docs, s, true)
	time.Sleep(quick)
	if reads("c") > 0 {
		t.Error("what was read today is read again by who comes after that")
	}
	if err := b.members.Ready(); err != nil {
		t.Error(err)
	}
}

// TestTwoReadersOfOneSourcePublishOnce has two who know nothing of each other read at the same time.
func TestTwoReadersOfOneSourcePublishOnce(t *testing.T) {
	t.Parallel()
	y, docs := readersSite(t, "lund", "malmo", "ystad", "ahus", "kivik")
	s := &shelves{reads: map[string]int{}, hangs: map[string]bool{}}
	for _, name := range []string{"a", "b", "c"} {
		y.reader(name, docs, s, false)
	}
	for deadline := time.Now().Add(10 * quick); ; time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		begun := s.reads["a"] + s.reads["b"] + s.reads["c"]
		s.mu.Unlock()
		if begun >= 3*len(docs) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d reads", begun)
		}
	}
	time.Sleep(quick) // the later ones too
	for name, n := range y.published(docs) {
		if n != onShelf {
			t.Errorf("%s: %d messages about %d people", name, n, onShelf)
		}
	}
}
