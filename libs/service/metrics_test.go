package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

func scrape(t *testing.T, telemetry *Telemetry) string {
	t.Helper()
	answer := httptest.NewRecorder()
	telemetry.Metrics.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Code != 200 {
		t.Fatal(answer.Code, err)
	}
	return string(body)
}

// described is what is said of a metric, on the page or by the endpoint.
type described struct{ Type, Labels string }

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	seriesLine = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)
	labelOf    = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	pageLine   = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\w+) \\| ([a-z_, ]*?) ?\\| ")
)

// metricsOf returns the metrics of an endpoint, and every value of a label.
func metricsOf(text string) (all map[string]described, values map[string]bool) {
	all, values = map[string]described{}, map[string]bool{}
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		all[m[1]] = described{Type: m[2]}
	}
	for _, m := range seriesLine.FindAllStringSubmatch(text, -1) {
		name := m[1]
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, part); ok && all[base].Type == "histogram" {
				name = base
			}
		}
		labels := map[string]bool{}
		for _, l := range labelOf.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" {
				labels[l[1]], values[l[2]] = true, true
			}
		}
		all[name] = described{all[name].Type, strings.Join(slices.Sorted(maps.Keys(labels)), ", ")}
	}
	return all, values
}

// ended is a time that the clock of these tests has gone past.
var ended = time.Date(2026, 9, 14, 18, 31, 0, 0, roster.Stockholm())

// busy is a telemetry to which everything has happened that there are metrics for. Its source and its link, which has not
// settled the last of what the log holds, are of the tenant lund.
func busy(t *testing.T, now func() time.Time) (*Telemetry, *store.Store) {
	t.Helper()
	ctx := t.Context()
	telemetry, err := NewTelemetry(ctx, "test", false)
	if err != nil {
		t.Fatal(err)
	}
	st := cluster(t, "lund")
	if err := st.Log("lund").Publish(ctx, alvis, "run-1", nil, nil); err != nil {
		t.Fatal(err)
	}
	doc, err := tenant.Parse([]byte("tenant: lund\npepper: env:SERVICE_TEST_PEPPER\nexceptions: [{of: units, by: anna, reason: pilot, until: 2027-06-30}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(telemetry.watchEndings(func() []*tenant.Document { return []*tenant.Document{doc} }), telemetry.watchLog(st, now), telemetry.watchLine(cutLine(t), now), telemetry.watchBudgets(drawn(t))); err != nil {
		t.Fatal(err)
	}
	end, err := st.Log("lund").End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	end.Seq--
	telemetry.places.hasSource(place{"lund", alvis}, now(), func(since time.Time) time.Duration { return now().Sub(since) })
	telemetry.places.runsSource(place{"lund", alvis})
	telemetry.run(ctx, "lund", source.Run{Source: alvis, State: source.Published, Started: ended.Add(-time.Minute), Ended: ended, Counts: map[string]int{"person.created": 7}})
	telemetry.places.hasLink(place{"lund", apple})
	telemetry.places.runsLink(place{"lund", apple})
	telemetry.hinted(ctx, "lund", "alvis/default", hintHeard)
	telemetry.settled(ctx, "lund", apple, target.Settled{Created: 5, Cursor: end, Status: target.Status{Mode: target.ModeActive, Parked: 2}, Reconciled: target.Reconciled{At: ended, Found: 1, Repaired: 1}})
	return telemetry, st
}

// drawn are budgets of one name and two scopes, from which calls were drawn, one after a wait of a second, and refused.
func drawn(t *testing.T) *budget.Set {
	t.Helper()
	at := ended
	set := budget.NewSet(func() time.Time { return at }, func(_ context.Context, d time.Duration) error {
		at = at.Add(d)
		return nil
	})
	b := set.Of(budget.Spec{Name: "directory:636", Scope: "a", Rate: 1})
	for range 2 {
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	other := set.Of(budget.Spec{Name: "directory:636", Scope: "b"})
	if !other.Allow() {
		t.Fatal("a call is refused that nothing limits")
	}
	other.Throttled(0)
	return set
}

func TestTheMetricsTellOfWaitsForABudget(t *testing.T) {
	telemetry, err := NewTelemetry(t.Context(), "test", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := telemetry.watchBudgets(drawn(t)); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, telemetry)
	for name, n := range map[string]int{"calls": 3, "waits": 1, "wait_seconds": 1, "refusals": 1} {
		if want := fmt.Sprintf("ess_budget_%s_total{budget=\"directory:636\"} %d\n", name, n); !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestTheMetricsAreThoseOfThePage compares docs/metrics.md with what a program really tells.
func TestTheMetricsAreThoseOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]described{}
	for _, m := range pageLine.FindAllStringSubmatch(string(page), -1) {
		labels := strings.Split(m[3], ", ")
		slices.Sort(labels)
		want[m[1]] = described{m[2], strings.Join(labels, ", ")}
	}
	telemetry, _ := busy(t, time.Now)
	text := scrape(t, telemetry)
	got, values := metricsOf(text)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the page (-) and the endpoint (+) differ:\n%s\n%s", diff, text)
	}
	word := regexp.MustCompile(`^[a-zA-Z0-9/.:_\[\]-]*$`)
	for v := range values {
		if !word.MatchString(v) {
			t.Errorf("a label holds %q, which is no word of a document", v)
		}
	}
}

// TestMetricsOfWhatAProcessHas lets a process lose what it has: what it told of that is not said any more.
func TestMetricsOfWhatAProcessHas(t *testing.T) {
	telemetry, err := NewTelemetry(t.Context(), "test", false)
	if err != nil {
		t.Fatal(err)
	}
	at := place{"lund", apple}
	left := telemetry.places.hasLink(at)
	stopped := telemetry.places.runsLink(at)
	telemetry.settled(t.Context(), "lund", apple, target.Settled{Status: target.Status{Mode: target.ModeActive, Parked: 2}})
	const parked = `ess_link_resources{state="parked",target="apple-school-manager/default",tenant="lund"} 2`
	says := func(when string, want bool, lines ...string) {
		t.Helper()
		text := scrape(t, telemetry)
		for _, line := range lines {
			if strings.Contains(text, line) != want {
				t.Errorf("%s: %q is said %v, want %v:\n%s", when, line, !want, want, text)
			}
		}
	}
	says("while it has the link", true, parked, "ess_links_owned 1")
	stopped(context.Canceled)
	says("when the link is paused", true, "ess_links_owned 1")
	says("when the link is paused", false, parked)
	again := telemetry.places.hasLink(at) // the tenant was opened anew before the old one had ended
	left()
	says("when another has come in its place", true, "ess_links_owned 1")
	again()
	says("when another replica has the link", true, "ess_links_owned 0")
	says("when another replica has the link", false, "ess_link_resources{", "ess_link_mode{")
	telemetry.places.share(3)
	says("when others have come", true, "ess_members 3")
}

// TestLagAndOverdueReads looks with a clock that goes on, and at a NATS that goes away.
func TestLagAndOverdueReads(t *testing.T) {
	var ahead time.Duration
	telemetry, st := busy(t, func() time.Time { return time.Now().Add(ahead) })
	value := func(name string) (n float64, ok bool) {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + name + `\{[^}]*tenant="lund"[^}]*\} (\S+)$`).FindStringSubmatch(scrape(t, telemetry))
		if m == nil {
			return 0, false
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return n, true
	}
	if n, ok := value("ess_link_lag"); !ok || n != 1 {
		t.Errorf("one message is not settled, and the lag is %v, %v", n, ok)
	}
	ahead = time.Hour
	if n, ok := value("ess_link_oldest_change_seconds"); !ok || n < 3600 || n > 3700 {
		t.Errorf("the message is an hour old, and it says %v, %v", n, ok)
	}
	if n, ok := value("ess_read_overdue_seconds"); !ok || n < 3600 {
		t.Errorf("the last read is long ago, and it says %v, %v", n, ok)
	}
	end, err := st.Log("lund").End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	settled := func(at roster.Position, mode target.Mode) {
		ahead += asksEvery
		telemetry.settled(t.Context(), "lund", apple, target.Settled{Cursor: at, Status: target.Status{Mode: mode}})
	}
	settled(end, target.ModeActive)
	for _, name := range []string{"ess_link_lag", "ess_link_oldest_change_seconds"} {
		if n, ok := value(name); !ok || n != 0 {
			t.Errorf("all is settled, and %s is %v, %v", name, n, ok)
		}
	}
	for name, s := range map[string]func(){
		"a preview":               func() { settled(roster.Position{}, target.ModePreview) },
		"a log that became short": func() { settled(roster.Position{Log: end.Log, Seq: end.Seq + 1}, target.ModeHalted) },
		"another log":             func() { settled(roster.Position{Log: end.Log.Add(time.Second), Seq: 1}, target.ModeHalted) },
	} {
		s()
		if n, ok := value("ess_link_lag"); ok {
			t.Errorf("%s has a lag of %v", name, n)
		}
	}
	settled(end, target.ModeActive)
	st.Close()
	began := time.Now()
	if n, ok := value("ess_link_lag"); ok || time.Since(began) > asksFor+time.Second {
		t.Errorf("NATS is away: a lag of %v after %s", n, time.Since(began))
	}
}

// TestManyTenantsAreWithinTheLimit has as many series as three hundred customers make.
func TestManyTenantsAreWithinTheLimit(t *testing.T) {
	telemetry, err := NewTelemetry(t.Context(), "test", false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		for _, system := range []string{"one", "two", "three"} {
			telemetry.settled(t.Context(), fmt.Sprint("tenant-", i), roster.Source{System: system, Instance: "default"}, target.Settled{Created: 1})
		}
	}
	if text := scrape(t, telemetry); strings.Contains(text, "overflow") || strings.Count(text, "ess_link_operations_total{") != 300*3*5 {
		t.Errorf("%d series of operations, overflow: %v", strings.Count(text, "ess_link_operations_total{"), strings.Contains(text, "overflow"))
	}
}

func TestReadyByItsLinks(t *testing.T) {
	halted := reason.New(reason.WrongCredentials, "address", "upload.example", "user", "lund")
	round := func(s target.Settled) func(*places, place) {
		return func(p *places, at place) { p.runsLink(at); p.settled(at, s) }
	}
	well := round(target.Settled{Status: target.Status{Mode: target.ModeActive}})
	refused := round(target.Settled{Refused: true, Halted: &halted, Status: target.Status{Mode: target.ModeHalted}})
	silent := round(target.Settled{Halted: &halted, Status: target.Status{Mode: target.ModeHalted}})
	preview := round(target.Settled{Status: target.Status{Mode: target.ModePreview}})
	starting := func(p *places, at place) { p.runsLink(at) }
	paused := func(p *places, at place) { refused(p, at); p.runsLink(at)(context.Canceled) }
	lost := func(p *places, at place) {
		p.runsLink(at)(reason.Errorf(reason.Misconfigured, nil, reason.LogMissing, "stream", "ESS-LEDGER-lund"))
	}
	cases := []struct {
		name  string
		links []func(*places, place)
		want  []string // what is said; nothing when it is ready
	}{
		{name: "no links"},
		{name: "one that is well", links: []func(*places, place){well}},
		{name: "F71 one that is refused", links: []func(*places, place){refused}, want: []string{"wrong-credentials", "tenant t0"}},
		{name: "F71 all are refused, or have no ledger", links: []func(*places, place){refused, lost}, want: []string{"wrong-credentials", "log-missing", "tenant t1"}},
		{name: "one of two is refused", links: []func(*places, place){refused, well}},
		{name: "one of two has not settled yet", links: []func(*places, place){refused, starting}},
		{name: "the target of one does not answer", links: []func(*places, place){refused, silent}},
		{name: "a preview and a paused one count for nothing", links: []func(*places, place){refused, preview, paused}, want: []string{"tenant t0"}},
		{name: "only previews and paused ones", links: []func(*places, place){preview, paused}},
		{name: "many", links: slices.Repeat([]func(*places, place){refused}, 13), want: []string{"and 3 more"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := newPlaces()
			for i, link := range c.links {
				at := place{fmt.Sprint("t", i), apple}
				p.hasLink(at)
				link(p, at)
			}
			err := p.ready()
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestLogsNameTheirTrace(t *testing.T) {
	var out strings.Builder
	logger, err := NewLogger(&out, "", "text")
	if err != nil {
		t.Fatal(err)
	}
	of := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	logger.With("run", "r1").InfoContext(trace.ContextWithSpanContext(t.Context(), of), "within")
	logger.InfoContext(t.Context(), "without")
	within, without, _ := strings.Cut(out.String(), "\n")
	if !strings.Contains(within, "run=r1 trace_id=01000000000000000000000000000000") || strings.Contains(without, "trace_id") {
		t.Errorf("the lines are\n%s", out.String())
	}
}
