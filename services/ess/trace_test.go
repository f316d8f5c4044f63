package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/services/connectors"
)

// tracedWorld is a world with two links, one that delivers complete sets and one that calls, whose spans a test looks at.
type tracedWorld struct {
	*world
	spans *tracetest.InMemoryExporter
}

func newTracedWorld(t *testing.T) *tracedWorld {
	t.Helper()
	w := &tracedWorld{world: newWorld(t, setting{}), spans: tracetest.NewInMemoryExporter()}
	w.stopLink()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	w.host.Telemetry.Tracer = provider.Tracer("ess")
	w.run()
	return w
}

// run runs everything with both links.
func (w *tracedWorld) run() {
	w.t.Helper()
	d, err := tenant.Parse([]byte(w.yaml() + "  - {target: memory, mode: active, settings: {file: " + w.path("memory.json") + "}}\n"))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.tenant, err = w.host.Open(d, connectors.Sources(), connectors.Targets()); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.tenant.Run(ctx) }()
	w.stopLink = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

// read reads the register once.
func (w *tracedWorld) read() source.Run {
	w.t.Helper()
	run, err := w.tenant.Readers[alvisDefault].Run(w.t.Context())
	if err != nil || run.State != source.Published {
		w.t.Fatalf("%s, %v", run.State, err)
	}
	return run
}

// renameGroups has the register call every other group by another name, which both targets show.
func (w *tracedWorld) renameGroups(nth int) {
	w.t.Helper()
	for i := range w.town.Groups {
		if i%2 == nth {
			w.town.Groups[i].Name += " ny"
		}
	}
	w.export()
}

// settled waits until both links have settled all that the log holds, and takes the spans that there are.
func (w *tracedWorld) settled() tracetest.SpanStubs {
	w.t.Helper()
	end, err := w.store.Log(tenantName).End(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for ref, link := range w.tenant.Links {
		until(w.t, "settling of "+ref.String(), &w.log, func() bool {
			s, err := link.Resync(w.t.Context(), false, false)
			if err != nil || s.Halted != nil {
				w.t.Fatal(s.Halted, err)
			}
			return s.Cursor.Seq >= end.Seq && s.Deferred == ""
		})
	}
	spans := w.spans.GetSpans()
	w.spans.Reset()
	return spans
}

func attribute(s tracetest.SpanStub, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func named(spans tracetest.SpanStubs, name string) (list tracetest.SpanStubs) {
	for _, s := range spans {
		if s.Name == name {
			list = append(list, s)
		}
	}
	return list
}

// TestOneTraceFromTheReadToTheTarget follows what a read of a file on a real SFTP server finds, through a real log, to the set
// that is delivered to another and to the calls of a directory.
func TestOneTraceFromTheReadToTheTarget(t *testing.T) {
	w := newTracedWorld(t)
	var all tracetest.SpanStubs
	for _, when := range []string{"first load", "change"} {
		if when == "change" {
			w.renameGroups(0)
		}
		run := w.read()
		spans := w.settled()
		all = append(all, spans...)
		root := named(spans, "source.run")
		if len(root) != 1 || attribute(root[0], "run") != run.ID {
			t.Fatalf("%s: %d spans of a run", when, len(root))
		}
		id := root[0].SpanContext.TraceID()
		for _, s := range spans {
			if s.SpanContext.TraceID() != id {
				t.Errorf("%s: %s is of another trace", when, s.Name)
			}
		}
		for _, name := range []string{"source.read", "source.publish", "log.batch", "link.round", "target.deliver", "target.apply", "target.write"} {
			if len(named(spans, name)) == 0 {
				t.Errorf("%s: the trace has no %s", when, name)
			}
		}
		for _, s := range append(named(spans, "target.deliver"), named(spans, "target.apply")...) {
			if !slices.ContainsFunc(named(spans, "link.round"), func(r tracetest.SpanStub) bool { return r.SpanContext.SpanID() == s.Parent.SpanID() }) {
				t.Errorf("%s: %s is in no round", when, s.Name)
			}
		}
		traces := map[uint64]string{}
		if _, err := w.store.Log(tenantName).Load(t.Context(), func(e roster.Event) error {
			traces[e.Seq] = e.Trace
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, s := range named(spans, "target.write") {
			var seq uint64
			if _, err := fmt.Sscan(attribute(s, "seq"), &seq); err != nil || attribute(s, "run") != run.ID || !strings.Contains(traces[seq], id.String()) {
				t.Errorf("%s: a write for message %d of run %s, which is of trace %q", when, seq, attribute(s, "run"), traces[seq])
			}
		}
		for _, s := range named(spans, "target.apply") {
			writes := 0
			for _, c := range named(spans, "target.write") {
				if c.Parent.SpanID() == s.SpanContext.SpanID() {
					writes++
				}
			}
			if writes == 0 || writes > 64 {
				t.Errorf("%s: %d writes are told of %s", when, writes, attribute(s, "operations"))
			}
		}
	}
	for line := range strings.SplitSeq(w.log.String(), "\n") {
		if strings.Contains(line, "msg=delivered") && !strings.Contains(line, "trace_id=") {
			t.Errorf("a line names no trace: %s", line)
		}
	}
	told, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if found := canariesOf(w.town).in(string(told)); len(found) > 0 {
		t.Errorf("spans tell of persons: %q", found)
	}
}

// TestARoundOfSeveralRunsLinksThem has two runs publish while no link runs.
func TestARoundOfSeveralRunsLinksThem(t *testing.T) {
	w := newTracedWorld(t)
	w.read()
	w.settled()
	w.stopLink()
	w.spans.Reset()
	var runs []string
	for nth := range 2 {
		w.renameGroups(nth)
		runs = append(runs, w.read().ID)
	}
	of := map[string]trace.TraceID{}
	for _, s := range named(w.spans.GetSpans(), "source.run") {
		of[attribute(s, "run")] = s.SpanContext.TraceID()
	}
	w.spans.Reset()
	w.run()
	spans := w.settled()
	if rounds := named(spans, "link.round"); len(rounds) != 2 {
		t.Errorf("%d rounds", len(rounds))
	}
	for _, s := range named(spans, "link.round") {
		if len(s.Links) != 1 || s.SpanContext.TraceID() != of[runs[1]] || s.Links[0].SpanContext.TraceID() != of[runs[0]] {
			t.Errorf("a round of %s is not of the newest run's trace, with a link to the other's: %v", attribute(s, "target"), s.Links)
		}
	}
	for _, s := range named(spans, "target.write") {
		if run := attribute(s, "run"); run == runs[0] && (len(s.Links) != 1 || s.Links[0].SpanContext.TraceID() != of[run]) {
			t.Errorf("a write for the older run has no link to its trace: %v", s.Links)
		}
	}
	if strings.Contains(w.log.String(), "runs=["+strings.Join(runs, " ")) || !strings.Contains(w.log.String(), fmt.Sprintf(`runs="[%s %s]"`, runs[1], runs[0])) {
		t.Errorf("no line names both runs, the newest first:\n%s", w.log.String())
	}
}

// TestReadyTellsOfARefusedTarget has Apple's server refuse the password, until it is the right one again.
func TestReadyTellsOfARefusedTarget(t *testing.T) {
	i := install(t, 60)
	write(t, i.path("wrong"), "not the password\n")
	document := read(t, i.path("tenants", "prov.yaml"))
	at := strings.LastIndex(document, "file:"+i.path("password"))
	write(t, i.path("tenants", "prov.yaml"), document[:at]+"file:"+i.path("wrong")+document[at+len("file:"+i.path("password")):])
	health := testbed.FreeAddr(t)
	c := i.start(nil, "ess", "run", "--config", i.path("tenants"), "--data", i.path("data"), "--http", health, "--read-now")
	ask := func(path string) (int, string) {
		answer, err := http.Get("http://" + health + path)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	c.await(t, `msg="the link is halted"`)
	until(t, "the target to be told of", &c.log, func() bool {
		status, body := ask("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "tenant prov, apple-school-manager/default: wrong-credentials")
	})
	if status, _ := ask("/healthz"); status != http.StatusOK {
		t.Errorf("it is not alive (%d), because a target refuses it", status)
	}
	// Who was refused asks again after a minute, and less often after that; who changes the document is not kept waiting.
	write(t, i.path("tenants", "prov.yaml"), document)
	c.await(t, "msg=delivered")
	until(t, "the program to be ready", &c.log, func() bool { status, _ := ask("/readyz"); return status == http.StatusOK })
	if status, _ := c.terminate(t); status != 0 {
		t.Errorf("exit status %d:\n%s", status, i.story())
	}
}
