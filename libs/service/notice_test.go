package service

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

const ending = `
tenant: lund
service: bronze
pepper: env:SERVICE_TEST_PEPPER
exceptions: [{of: filter, by: anna, reason: pilot, until: 2027-03-31}]
links: [{target: counted, filter: 'true', settings: {folder: x, password: {ref: "env:SERVICE_TEST_PASSWORD", expires: 2027-03-20}}}]
`

func TestNotices(t *testing.T) {
	d, err := tenant.Parse([]byte(ending))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		today    roster.Date
		unusable bool
		want     string
	}{
		{2027_02_17, false, ""},
		{2027_02_18, false, "look secret-expires"},
		{2027_03_13, false, "act secret-expires, look exception-ends"},
		{2027_03_20, false, "act secret-expired, look exception-ends"},
		{2027_03_31, false, "act secret-expired, look exception-ends"},
		{2027_04_01, true, "act document-unusable, act secret-expired, act exception-ended"},
	} {
		var got []string
		for _, n := range noticesOf(d.Endings(), c.unusable, c.today) {
			got = append(got, string(n.Verdict)+" "+string(n.Code))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %q", c.today, got, c.want)
		}
	}
}

// TestStatusTellsOfWhatEnds asks how a tenant stands whose secret expires in some days, as text, log line and metric.
func TestStatusTellsOfWhatEnds(t *testing.T) {
	d, err := tenant.Parse([]byte(ending))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Connect(t.Context(), store.Options{Server: embedded(t), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.EnsureTenant(t.Context(), "lund", 1); err != nil {
		t.Fatal(err)
	}
	logs := &safeBuffer{}
	now := func() time.Time { return roster.Date(2027_03_14).Start().Add(7 * time.Hour) }
	r := NewReporter(st, d, "", slog.New(slog.NewTextHandler(logs, nil)), now)
	r.unusable = func() bool { return true }
	s, err := r.Send(t.Context())
	if err != nil || s.Verdict != Act {
		t.Fatalf("%s, %v", s.Verdict, err)
	}
	text := s.Text(reason.Swedish) + s.Text(reason.English) + logs.String()
	for _, want := range []string{
		"Hemligheten env:SERVICE_TEST_PASSWORD (links[0].settings.password) går ut 2027-03-20. Skaffa",
		"The exception filter (exceptions[0]) holds until 2027-03-31.",
		`secret-expires="The secret env:SERVICE_TEST_PASSWORD (links[0].settings.password) expires on 2027-03-20."`,
		"document-unusable",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}

	telemetry, err := NewTelemetry(t.Context(), "test", false)
	if err != nil {
		t.Fatal(err)
	}
	docs := []*tenant.Document{d}
	if err := telemetry.watchEndings(func() []*tenant.Document { return docs }); err != nil {
		t.Fatal(err)
	}
	scrape := func() string {
		w := httptest.NewRecorder()
		telemetry.Metrics.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		body, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := scrape(); !strings.Contains(got, `ess_document_end_time_seconds{tenant="lund",what="secret",where="links[0].settings.password"} 1.8054972e+09`) {
		t.Errorf("the metrics are\n%s", got)
	}
	if docs = nil; strings.Contains(scrape(), "lund") {
		t.Error("a metric stays of a document that is gone")
	}
}

func TestCheckAndOpenAskForEntitlements(t *testing.T) {
	t.Setenv("SERVICE_TEST_PEPPER", strings.Repeat("p", roster.MinPepper))
	const text = "tenant: lund\nservice: bronze\npepper: env:SERVICE_TEST_PEPPER\n" +
		"sources: [{system: register, settings: {folder: x}}]\nlinks: [{target: directory, settings: {folder: x}}]\n"
	sources := []source.Connector{{System: "register", OnSite: true, New: func() source.Config { return &sourceSettings{} }}}
	targets := []target.Connector{{System: "directory", OnSite: true, New: func() target.Config { return &targetSettings{} }}}
	h := &Host{Store: new(store.Store), Logger: slog.New(slog.DiscardHandler), Telemetry: &Telemetry{}, Now: func() time.Time { return roster.Date(2027_07_01).Start() }}
	open := func(more string) (open, check error) {
		t.Helper()
		d, err := tenant.Parse([]byte(text + more))
		if err != nil {
			t.Fatal(err)
		}
		_, open = h.Open(d, sources, targets)
		return open, h.Check(d, sources, targets)
	}
	opened, checked := open("")
	for _, err := range []error{opened, checked} {
		for _, want := range []string{"sources[0].system: bronze has nothing read on site", "links[0].target: bronze has no target in the customer's network: take it out"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\ndoes not say %s", err, want)
			}
		}
	}
	opened, checked = open("exceptions: [{of: directory, by: anna, reason: pilot, until: 2027-07-01}]\n")
	for _, err := range []error{opened, checked} { // as of silver, which has directories
		if err == nil || !strings.Contains(err.Error(), "sources[0].system: bronze") || strings.Contains(err.Error(), "links[0]") {
			t.Errorf("with the exception for a directory: %v", err)
		}
	}
	opened, checked = open("exceptions: [{of: onSite, by: anna, reason: pilot, until: 2027-07-01}]\n")
	if opened != nil || checked != nil {
		t.Errorf("on the last day of the exception: %v, %v", opened, checked)
	}
	opened, checked = open("exceptions: [{of: onSite, by: anna, reason: pilot, until: 2027-06-30}]\n")
	if opened != nil || checked == nil || !strings.Contains(checked.Error(), "exceptions[0].until: was 2027-06-30") {
		t.Errorf("after it the document in force goes on (%v), and cannot be applied (%v)", opened, checked)
	}
}

func TestStartWarnsOfWhatEnds(t *testing.T) {
	d, err := tenant.Parse([]byte(ending))
	if err != nil {
		t.Fatal(err)
	}
	logs := &safeBuffer{}
	warnOfEndings(context.Background(), slog.New(slog.NewTextHandler(logs, nil)), d, 2027_03_01)
	if got := logs.String(); strings.Count(got, "level=WARN") != 2 || !strings.Contains(got, "secret-expires") || !strings.Contains(got, "exception-ends") {
		t.Errorf("the log is\n%s", got)
	}
}
