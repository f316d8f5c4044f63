package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/services/ess/municipality"
)

// hooked is an EduCloud on a loopback address, and ess run that reads it into a directory: on its schedule at New Year only.
type hooked struct {
	t      *testing.T
	server *ss12000server.Server
	http   *httptest.Server
	dir    string
	health string
	ess    *child
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	h := &hooked{t: t, server: ss12000server.New(ss12000server.Options{Path: "/v2.0", Now: time.Now}), dir: t.TempDir(), health: testbed.FreeAddr(t)}
	h.http = httptest.NewServer(h.server)
	t.Cleanup(h.http.Close)
	m := municipality.New(municipality.Options{Seed: 7, Pupils: 60, Day: roster.Today(time.Now())})
	h.server.Put(m.SS12000()...)
	h.document(true)
	return h
}

// document writes the tenant's document.
func (h *hooked) document(webhook bool) {
	hook := ""
	if webhook {
		hook = fmt.Sprintf("\n      webhook: {url: 'http://%s', secret: 'file:%s', quiet: 1s, every: 1s}", h.health, write(h.t, h.path("word"), strings.Repeat("hemligt", 4)+"\n"))
	}
	write(h.t, h.path("config", "prov.yaml"), fmt.Sprintf(`tenant: prov
title: Prov
service: gold
pepper: file:%s
protectedRoutine: Skolkontoret ringer driften samma dag
sources:
  - system: educloud
    schedule: "0 0 1 1 *"
    settings:
      baseURL: %s/v2.0
      auth: {kind: none, tokenURL: ''}
      customerId: SE00100
      privateAddresses: true
      delta: {on: true, overlap: 1s}%s
links: [{target: memory, mode: active, settings: {file: %s}}]
`, write(h.t, h.path("pepper"), pepper+"\n"), h.http.URL, hook, h.path("directory.json")))
}

func (h *hooked) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// run starts everything.
func (h *hooked) run() {
	h.t.Helper()
	h.ess = start(h.t, nil, "ess", "run", "--config", h.path("config"), "--data", h.path("data"), "--http", h.health)
}

// subscriptions are the targets that the register tells.
func (h *hooked) subscriptions() (targets []string) {
	h.t.Helper()
	var list struct{ Data []struct{ Target string } }
	_, body := h.call(http.MethodGet, h.http.URL+"/v2.0/subscriptions", nil)
	if err := json.Unmarshal(body, &list); err != nil {
		h.t.Fatal(err)
	}
	for _, s := range list.Data {
		targets = append(targets, s.Target)
	}
	return targets
}

func (h *hooked) call(method, url string, body []byte) (status int, answer []byte) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil // who listens may have hung up in the middle of too long a hint
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, answer
}

// reads is how often the register was asked for its persons.
func (h *hooked) reads() int { return h.server.Calls()["GET /persons"] }

// holds waits until the directory has a text.
func (h *hooked) holds(text string) {
	h.t.Helper()
	until(h.t, text+" in the directory", &h.ess.log, func() bool {
		data, err := os.ReadFile(h.path("directory.json"))
		return err == nil && strings.Contains(string(data), text)
	})
}

// rename gives a group that is in the directory, where there is one, another name in the register.
func (h *hooked) rename(name string) {
	h.t.Helper()
	held, err := os.ReadFile(h.path("directory.json"))
	for _, id := range h.server.IDs(ss12000.Groups) {
		g := *h.server.Get(ss12000.Groups, id).(*ss12000.Group) //nolint:forcetypeassert // that list has no other
		if err != nil || strings.Contains(string(held), `"`+g.Name+`"`) {
			g.Name = name
			h.server.Put(&g)
			return
		}
	}
	h.t.Fatal("there is no group")
}

// notify has the register tell its subscribers what changed.
func (h *hooked) notify() {
	h.t.Helper()
	ctx, stop := context.WithTimeout(h.t.Context(), time.Minute)
	defer stop()
	if err := h.server.Notify(ctx); err != nil {
		h.t.Fatal(err)
	}
}

// TestARegisterTellsOfAChange follows a change from the register, whose call is heard, to the directory, months before it would be
// read on its schedule. Who does not know the address changes nothing by calling, whatever it sends, and a restart subscribes to nothing twice.
func TestARegisterTellsOfAChange(t *testing.T) {
	h := newHooked(t)
	h.run()
	h.holds(`"group"`)
	until(t, "subscription", &h.ess.log, func() bool { return len(h.subscriptions()) == 1 })
	target := h.subscriptions()[0]
	address, _, _ := strings.Cut(target, source.HookPath)
	if address != "http://"+h.health || strings.Contains(h.ess.log.String(), target[len(address):]) {
		t.Fatalf("the target is %s; its word may be in the log:\n%s", target, h.ess.log.String())
	}
	h.notify() // of all that was there
	h.ess.await(t, "run ended", "state=unchanged")

	before := h.server.Calls()["GET /deletedEntities"]
	h.rename("Hörd")
	h.notify()
	h.holds("Hörd")
	if h.server.Calls()["GET /deletedEntities"] == before {
		t.Error("it was not what changed that was read")
	}

	// Forged and oversized hints: none is heard, and nobody reads.
	h.rename("Ohörd")
	n := h.reads()
	for range 50 {
		if status, _ := h.call(http.MethodPost, address+source.HookPath+strings.Repeat("0", 64), []byte(`{"modifiedEntites":["Person"]}`)); status != http.StatusNotFound {
			t.Fatalf("a forged hint is answered %d", status)
		}
	}
	if status, _ := h.call(http.MethodPost, target, bytes.Repeat([]byte{'x'}, 1<<20)); status == http.StatusOK {
		t.Error("a hint of 1 MiB is taken")
	}
	if status, _ := h.call(http.MethodGet, target, nil); status != http.StatusMethodNotAllowed {
		t.Errorf("a GET is answered %d", status)
	}
	time.Sleep(3 * time.Second) // three times quiet and every
	if got := h.reads(); got != n {
		t.Errorf("it was read %d times for nothing", got-n)
	}

	// A flood is a few reads, and of an end.
	begun := time.Now()
	for range 500 {
		h.call(http.MethodPost, target, []byte("{"))
	}
	h.holds("Ohörd")
	time.Sleep(3 * time.Second)
	if got, most := h.reads()-n, int(time.Since(begun)/time.Second)+2; got < 1 || got > most {
		t.Errorf("500 hints came to %d calls for persons, and %d at the most were due", got, most)
	}

	if status, _ := h.ess.terminate(t); status != 0 {
		t.Errorf("it ends with status %d", status)
	}
	h.run()
	until(t, "renewal", &h.ess.log, func() bool {
		return len(h.renewals()) > 0
	})
	if again := h.subscriptions(); len(again) != 1 || again[0] != target {
		t.Errorf("after a restart it tells %v, and told %s before", again, target)
	}
	h.document(false)
	until(t, "end of the subscription", &h.ess.log, func() bool { return len(h.subscriptions()) == 0 })
}

// renewals are the calls by which a subscription was renewed.
func (h *hooked) renewals() (paths []string) {
	for call := range h.server.Calls() {
		if strings.HasPrefix(call, "PATCH /subscriptions/") {
			paths = append(paths, call)
		}
	}
	return paths
}

// TestAHintThatAnotherReplicaHears: nobody knows which replica a register reaches. Each hears it, and it is read by the one that
// has the source, also when that is killed and the other one has it then.
func TestAHintThatAnotherReplicaHears(t *testing.T) {
	h := newHooked(t)
	nats := natsServers(t, testbed.NATSOptions{Servers: 1}).URL()
	initialise(t, nats, h.path("config"), 1)
	replicas := []*program{serve(t, "source-educloud", nats, h.path("config"), "ESS_READ_NOW=true"), serve(t, "source-educloud", nats, h.path("config"), "ESS_READ_NOW=true")}
	both := printer(func() string { return replicas[0].log.String() + "--- the other\n" + replicas[1].log.String() })
	until(t, "subscription", both, func() bool { return len(h.subscriptions()) == 1 })
	_, word, _ := strings.Cut(h.subscriptions()[0], source.HookPath)
	until(t, "replicas that know of each other", both, func() bool {
		return !slices.ContainsFunc(replicas, func(p *program) bool { return !strings.Contains(p.log.String(), "replicas=2") })
	})
	hint := func(to *program) {
		t.Helper()
		n := h.reads()
		h.rename(fmt.Sprint("Hörd ", n))
		until(t, "answer of 200", both, func() bool {
			status, _ := h.call(http.MethodPost, "http://"+to.http+source.HookPath+word, []byte(`{"modifiedEntites":["Group"]}`))
			return status == http.StatusOK
		})
		until(t, "read for a hint", both, func() bool { return h.reads() > n })
	}
	answered := func(p *program) int { return strings.Count(p.log.String(), "what an operator asked is answered") }
	owner := -1
	hint(replicas[0])
	until(t, "end of the read for a hint", both, func() bool {
		owner = slices.IndexFunc(replicas, func(p *program) bool { return answered(p) == 1 })
		return owner >= 0
	})
	has, other := replicas[owner], replicas[1-owner]

	hint(other)
	until(t, "end of that read", both, func() bool { return answered(has) == 2 })
	if answered(other) > 0 || !strings.Contains(other.log.String(), "the register says that something changed") {
		t.Errorf("who heard it read it, or said nothing:\n%s", both)
	}
	has.kill()
	hint(other)
	until(t, "read by who is left", both, func() bool { return answered(other) > 0 })
	if targets := h.subscriptions(); len(targets) != 1 {
		t.Errorf("the register tells %v", targets)
	}
	drains(t, other)
}
