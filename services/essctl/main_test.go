package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/user"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

var alvis = roster.Source{System: "alvis", Instance: "default"}

// register is a school with a class of pupils from one to another, the first of whom have a bad e-mail address. Others have
// one that begins with mail, if that is anything.
type register struct {
	from, to, bad int
	mail          string
}

func (g *register) Read(_ context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	facts := []fact.Fact{fact.Unit{ID: "u", Name: "Testskolan"}, fact.Group{ID: "c", Name: "9B", Type: "Klass", Unit: "u", SchoolType: "GR"}}
	for i := g.from; i < g.to; i++ {
		id := fmt.Sprint("p", i)
		email := ""
		if i < g.bad {
			email = "no address"
		} else if g.mail != "" {
			email = fmt.Sprintf("%s%d@skola.example", g.mail, i)
		}
		facts = append(facts, fact.Person{ID: id, GivenName: "Testa", FamilyName: "Åkesdotter", Email: email},
			fact.Enrolment{Person: id, Unit: "u", SchoolType: "GR"}, fact.Member{Group: "c", Person: id, Role: "pupil"})
	}
	return source.Result{Complete: true, Origin: "register"}, emit(fact.Doc{ID: "all", Facts: facts})
}

// town is a tenant on a server of its own.
type town struct {
	t     *testing.T
	store *store.Store
	url   string
	now   time.Time
	reg   *register
	runs  int
	ids   int
}

func (w *town) clock() time.Time { return w.now }

func newTown(t *testing.T) *town {
	srv, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	st, err := store.Connect(t.Context(), store.Options{Server: srv, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	if err := st.EnsureTenant(t.Context(), "lund", 1); err != nil {
		t.Fatal(err)
	}
	return &town{t: t, store: st, url: srv.URL(), now: time.Date(2026, 10, 1, 18, 30, 0, 0, time.UTC), reg: &register{to: 60}}
}

// read reads the register, a day after the last read.
func (w *town) read(want source.State) source.Run {
	w.t.Helper()
	keyer, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.now = w.now.AddDate(0, 0, 1)
	run, err := source.NewReader(source.Options{
		Tenant: "lund", Name: alvis, Source: w.reg, Keyer: keyer, Log: w.store.Log("lund"), Runs: w.store.Runs("lund"),
		Holds: w.store.Holds("lund"), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
		NewID: func() string { w.runs++; return fmt.Sprint("run", w.runs) },
	}).Run(w.t.Context())
	if err != nil || run.State != want {
		w.t.Fatalf("run is %s with %v because of %v, want %s; %v", run.State, run.Counts, run.Reason, want, err)
	}
	return run
}

// essctl runs a command line and checks its status.
func (w *town) essctl(want int, args ...string) (stdout, stderr string) {
	w.t.Helper()
	var out, errs bytes.Buffer
	getenv := func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }
	if status := run(w.t.Context(), args, &out, &errs, getenv, func() time.Time { return w.now }); status != want {
		w.t.Fatalf("essctl %s: status %d, want %d\n%s%s", strings.Join(args, " "), status, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func (w *town) held() (h printedHold) {
	w.t.Helper()
	out, _ := w.essctl(0, "held", "show", "--tenant", "lund", "--source", "alvis", "-o", "json")
	if err := json.Unmarshal([]byte(out), &h); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	return h
}

func TestHeldIsShownApprovedAndAudited(t *testing.T) {
	w := newTown(t)
	w.read(source.Published)
	if out, _ := w.essctl(0, "held", "show", "--tenant", "lund", "--source", "alvis"); !strings.Contains(out, "Nothing") {
		t.Errorf("of nothing: %s", out)
	}
	if h := w.held(); h.Groups == nil || len(h.Groups) != 0 || h.Digest != "" {
		t.Errorf("of nothing, as JSON: %+v, want groups: []", h)
	}
	w.reg.from = 28
	w.read(source.Held)
	out, _ := w.essctl(0, "held", "show", "--tenant", "lund", "--source", "alvis")
	h := w.held()
	for _, want := range []string{h.Digest, "Testskolan", "9B", "28 person", "delete", "essctl held approve " + h.Digest + " --tenant lund --source alvis --why"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	if len(h.Groups) != 1 || h.Groups[0].Open != 28 || len(h.Groups[0].Refs) != 28 {
		t.Fatalf("held %+v", h)
	}

	on := []string{"--tenant", "lund", "--source", "alvis/default", "--why", "called the school"}
	out, _ = w.essctl(0, append([]string{"held", "approve", h.Digest, "--dry-run"}, on...)...)
	if entries, err := w.store.Audit("lund").Entries(t.Context()); err != nil || len(entries) != 0 || !strings.Contains(out, "would be") || w.held().Groups[0].Open != 28 {
		t.Errorf("a dry run did something: %v, %v, %s", entries, err, out)
	}
	w.essctl(0, append([]string{"held", "reject", h.Digest, "--group", h.Groups[0].ID, "--by", "anna"}, on...)...)
	if g := w.held().Groups[0]; g.Rejected != 28 || g.Open != 0 {
		t.Errorf("after a rejection: %+v", g)
	}
	w.read(source.Held)
	w.essctl(0, append([]string{"held", "approve", h.Digest}, on...)...)
	if run := w.read(source.Published); run.Counts["person.deleted"] != 28 {
		t.Errorf("published %v", run.Counts)
	}

	entries, err := w.store.Audit("lund").Entries(t.Context())
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d audit entries, %v", len(entries), err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ what, who string }{{"held.reject", "anna"}, {"held.approve", me.Username}} {
		e := entries[i]
		if e.What != want.what || e.Who != want.who || e.Why != "called the school" || e.On != "alvis/default" || e.When.IsZero() ||
			e.Details["digest"] != h.Digest || e.Details["items"] != "28" {
			t.Errorf("audit entry %d is %+v, want %+v", i, e, want)
		}
	}
	_, stderr := w.essctl(1, append([]string{"held", "approve", h.Digest}, on...)...)
	if !strings.Contains(stderr, "hold-gone") || !strings.Contains(stderr, "essctl held show") {
		t.Errorf("a second approval: %s", stderr)
	}
}

func TestRuns(t *testing.T) {
	w := newTown(t)
	w.read(source.Published)
	w.reg.from = 28
	w.read(source.Held)
	out, _ := w.essctl(0, "runs", "--tenant", "lund", "--source", "alvis")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "held") || !strings.Contains(lines[1], "28 person.held") || !strings.Contains(lines[2], "60 person.created") {
		t.Errorf("runs:\n%s", out)
	}
	out, _ = w.essctl(0, "runs", "--tenant", "lund", "--source", "alvis", "--limit", "1", "-o", "json")
	var list []printedRun
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0].State != source.Held || list[0].Code != "changes-held" || list[0].Next == "" {
		t.Errorf("runs as JSON: %v, %+v", err, list)
	}
}

func TestFindings(t *testing.T) {
	w := newTown(t)
	_, stderr := w.essctl(1, "findings", "--tenant", "lund", "--source", "alvis")
	if !strings.Contains(stderr, "has no source") { // no document names it, and it never ran
		t.Errorf("of no run: %s", stderr)
	}
	w.reg.bad = 2
	w.read(source.Published)
	w.reg.bad = 1
	w.read(source.Unchanged)
	args := []string{"findings", "--tenant", "lund", "--source", "alvis"}
	out, _ := w.essctl(0, append(args, "--language", "sv")...)
	for _, want := range []string{"still", "gone", "school", "2026-10-02", "E-postadressen", "Rätta"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	out, _ = w.essctl(0, append(args, "--each", "-o", "json")...)
	var f printedFindings
	if err := json.Unmarshal([]byte(out), &f); err != nil || f.Run != "run2" || len(f.Findings) != 2 || f.Findings[0].State != source.IssueStill ||
		f.Findings[1].State != source.IssueGone || f.Findings[0].Ref == f.Findings[1].Ref || f.Findings[0].Ref == "" {
		t.Errorf("findings as JSON: %v, %+v", err, f)
	}
	out, _ = w.essctl(0, append(args, "--run", "run1", "-o", "json")...)
	f = printedFindings{}
	if err := json.Unmarshal([]byte(out), &f); err != nil || len(f.Findings) != 1 || f.Findings[0].Count != 2 || f.Findings[0].State != source.IssueNew {
		t.Errorf("findings of the first run: %v, %+v", err, f)
	}
	w.essctl(1, append(args, "--run", "none")...)
}

func TestWhatCannotBeDone(t *testing.T) {
	w := newTown(t)
	w.read(source.Published)
	w.reg.from = 28
	w.read(source.Held)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no reason":                {[]string{"held", "approve", "d", "--tenant", "lund", "--source", "alvis"}, "why"},
		"an empty reason":          {[]string{"held", "approve", "d", "--tenant", "lund", "--source", "alvis", "--why", " "}, "--why is empty"},
		"R8: a number in a reason": {[]string{"held", "approve", w.held().Digest, "--tenant", "lund", "--source", "alvis", "--why", "18900101-9802 moved"}, "--why looks as if it had an identity number"},
		"R8: a number in a name":   {[]string{"held", "approve", w.held().Digest, "--tenant", "lund", "--source", "alvis", "--why", "x", "--by", "189001019802"}, "--by looks as if"},
		"not a command":            {[]string{"held", "aprove", "d"}, `unknown command "aprove" for "essctl held"`},
		"not a workbook":           {[]string{"preview", "--tenant", "lund", "--link", "apple-school-manager", "-o", "json"}, ".xlsx"},
		"another set":              {[]string{"held", "approve", "d", "--tenant", "lund", "--source", "alvis", "--why", "x"}, "hold-changed"},
		"no group":                 {[]string{"held", "reject", w.held().Digest, "--group", "x", "--tenant", "lund", "--source", "alvis", "--why", "x"}, "hold-group-unknown"},
		"no tenant":                {[]string{"runs", "--source", "alvis"}, "tenant"},
		"no digest":                {[]string{"held", "approve", "--tenant", "lund", "--source", "alvis", "--why", "x"}, "essctl held approve DIGEST"},
		"unknown tenant":           {[]string{"runs", "--tenant", "malmo", "--source", "alvis"}, "there is no tenant malmo here"},
		"runs of no source":        {[]string{"runs", "--tenant", "lund", "--source", "alvs"}, "tenant lund has no source alvs/default"},
		"findings of no source":    {[]string{"findings", "--tenant", "lund", "--source", "alvs"}, "tenant lund has no source alvs/default"},
		"held of no source":        {[]string{"held", "show", "--tenant", "lund", "--source", "alvs"}, "tenant lund has no source alvs/default"},
		"held of no link":          {[]string{"held", "show", "--tenant", "lund", "--link", "appel"}, "tenant lund has no link appel/default"},
		"versions of no tenant":    {[]string{"tenants", "list", "--tenant", "malmo"}, "ever applied here"},
		"not a source":             {[]string{"runs", "--tenant", "lund", "--source", "/"}, "system/instance"},
		"not a format":             {[]string{"runs", "--tenant", "lund", "--source", "alvis", "-o", "xml"}, "table, json or yaml"},
		"nobody listening":         {[]string{"runs", "--tenant", "lund", "--source", "alvis", "--nats", "nats://127.0.0.1:1"}, "nats-unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, stderr := w.essctl(1, c.args...); !strings.HasPrefix(stderr, "essctl: ") || !strings.Contains(stderr, c.want) {
				t.Errorf("%q does not say %q", stderr, c.want)
			}
		})
	}
	if entries, err := w.store.Audit("lund").Entries(t.Context()); err != nil || len(entries) != 0 {
		t.Errorf("what was not done stands in the audit: %v, %v", entries, err)
	}
}
