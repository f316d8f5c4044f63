package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/tenant"
)

// harbour is a fleet whose tenants only say what becomes of them.
type harbour struct {
	*fleet
	mu    sync.Mutex
	said  []string
	stop  context.CancelFunc
	hangs map[string]bool          // tenants that take a minute to stop
	fails map[string]error         // documents that cannot be opened, by digest
	ends  map[string]chan struct{} // tenants that end by themselves
}

func newHarbour(t *testing.T) (*harbour, func(...wanted)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	h := &harbour{fleet: newFleet(slog.New(slog.DiscardHandler), "make one"), stop: stop, hangs: map[string]bool{}, fails: map[string]error{}, ends: map[string]chan struct{}{}}
	h.open = func(_ context.Context, next, _ *wanted) (*Tenant, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return &Tenant{Name: next.tenant}, h.fails[next.digest]
	}
	h.run = func(ctx context.Context, t *Tenant, w *wanted) error {
		h.says("start " + t.Name + " " + w.digest)
		select {
		case <-ctx.Done():
		case <-h.ends[t.Name]:
			return errors.New("the log is gone")
		}
		if h.hangs[t.Name] {
			time.Sleep(time.Minute)
		}
		h.says("stop " + t.Name + " " + w.digest)
		return ctx.Err()
	}
	return h, func(list ...wanted) {
		h.set(ctx, list, nil)
		synctest.Wait()
	}
}

func (h *harbour) says(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, what)
}

// hear returns what was said since it was asked last, sorted.
func (h *harbour) hear() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	said := h.said
	h.said = nil
	slices.Sort(said)
	return strings.Join(said, ", ")
}

func (h *harbour) fail(digest string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fails[digest] = err
}

func (h *harbour) end() {
	h.stop()
	h.wait()
}

func doc(name, digest string) wanted {
	return wanted{tenant: name, digest: digest, doc: &tenant.Document{Tenant: name}}
}

func broken(name string) wanted {
	return wanted{tenant: name, err: fmt.Errorf("the document of %s is broken", name)}
}

func want(t *testing.T, h *harbour, said, ready string) {
	t.Helper()
	if got := h.hear(); got != said {
		t.Errorf("it did %q, want %q", got, said)
	}
	got := "ok"
	if err := h.ready(); err != nil {
		got = err.Error()
	}
	if got != ready {
		t.Errorf("readiness says %q, want %q", got, ready)
	}
}

func TestFleetFollowsTheDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, set := newHarbour(t)
		want(t, h, "", "the documents of the tenants are not read yet")
		set()
		want(t, h, "", "there is no tenant to run: make one")
		set(doc("lund", "1"), doc("vara", "1"))
		want(t, h, "start lund 1, start vara 1", "ok")
		set(doc("lund", "1"), doc("vara", "1"))
		want(t, h, "", "ok")
		set(doc("lund", "2"), doc("vara", "1"))
		want(t, h, "start lund 2, stop lund 1", "ok")
		set(broken("lund"), doc("vara", "1"), broken("eda"), broken(""))
		want(t, h, "", "left out, for the reason in the log: tenant eda, 1 documents of which no tenant can be told\n"+
			"not run as the newest document says, for the reason in the log: tenant lund")
		if !strings.Contains(h.trouble("lund"), "broken") || h.trouble("vara") != "" {
			t.Errorf("in the way: %q and %q", h.trouble("lund"), h.trouble("vara"))
		}
		h.set(t.Context(), nil, errors.New("the folder is away"))
		synctest.Wait()
		want(t, h, "", "the documents of the tenants cannot be read now: the folder is away")
		set(doc("lund", "2"), doc("vara", "1"))
		want(t, h, "", "ok")
		set(doc("vara", "1"))
		want(t, h, "stop lund 2", "ok")
		if docs := h.documents(); len(docs) != 1 || docs[0].Tenant != "vara" {
			t.Errorf("there run %d", len(docs))
		}
		set(doc("lund", "2"), doc("vara", "1"))
		want(t, h, "start lund 2", "ok")
		h.end()
		if got := h.hear(); got != "stop lund 2, stop vara 1" {
			t.Errorf("at the end it did %q", got)
		}
	})
}

func TestR7FleetTenantThatCannotStopDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, set := newHarbour(t)
		h.hangs["lund"] = true
		set(doc("lund", "1"), doc("vara", "1"))
		h.hear()
		set(doc("lund", "2"), doc("vara", "2"))
		want(t, h, "start vara 2, stop vara 1", "ok")
		set(doc("vara", "2"))
		set(doc("lund", "3"), doc("vara", "3")) // gone and back while it stops
		want(t, h, "start vara 3, stop vara 2", "ok")
		time.Sleep(3 * time.Minute)
		want(t, h, "start lund 2, start lund 3, stop lund 1, stop lund 2", "ok")
		set(doc("vara", "3"))
		set(doc("lund", "3"), doc("vara", "3"))
		time.Sleep(3 * time.Minute)
		want(t, h, "start lund 3, stop lund 3", "ok")
		h.end()
	})
}

func TestFleetTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, set := newHarbour(t)
		h.ends["vara"] = make(chan struct{})
		h.fail("2", errors.New("its pepper cannot be read"))
		set(doc("lund", "2"), doc("vara", "1"))
		want(t, h, "start vara 1", "left out, for the reason in the log: tenant lund")
		h.fail("2", nil)
		time.Sleep(time.Minute)
		want(t, h, "start lund 2", "ok")

		h.fail("3", errors.New("its pepper cannot be read"))
		set(doc("lund", "3"), doc("vara", "1"))
		time.Sleep(time.Minute)
		want(t, h, "", "not run as the newest document says, for the reason in the log: tenant lund")
		h.fail("3", nil)
		time.Sleep(time.Minute)
		want(t, h, "start lund 3, stop lund 2", "ok")

		h.ends["vara"] <- struct{}{}
		synctest.Wait()
		want(t, h, "", "left out, for the reason in the log: tenant vara")
		time.Sleep(time.Minute)
		want(t, h, "start vara 1", "ok")
		h.end()
	})
}
