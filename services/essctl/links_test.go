package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
)

// runner runs the tenant of a world, and does what is asked of it.
type runner struct {
	w       *world
	ctx     context.Context
	stop    func()
	reads   chan source.Run
	settles chan target.Settled
}

// start runs the tenant as the document in force says, until stop.
func (w *world) start() *runner {
	w.t.Helper()
	v, err := w.store.Tenants().Newest(w.t.Context(), "prov")
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := tenant.Parse(v.Document)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	telemetry, err := service.NewTelemetry(ctx, "test", false)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &runner{w: w, ctx: ctx, reads: make(chan source.Run, 64), settles: make(chan target.Settled, 1024)}
	logger := slog.New(slog.DiscardHandler)
	controls := service.NewControls(w.store, "w1", logger, time.Now)
	h := &service.Host{
		Store: w.store, Owner: "test", Logger: logger, Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString, Controls: controls,
		Observe: service.Observer{
			Run:     func(_ string, run source.Run) { r.reads <- run },
			Settled: func(_ string, _ roster.Source, s target.Settled) { r.settles <- s },
		},
	}
	tn, err := h.Open(d, connectors.Sources(), connectors.Targets())
	if err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { controls.Run(ctx, "", "", true); ended <- nil }()
	go func() { ended <- tn.Run(ctx) }()
	r.stop = func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				w.t.Error(err)
			}
		}
	}
	return r
}

// asks runs a command and returns the answers that it prints.
func (w *world) asks(want int, args ...string) (list []printedAsk, stderr string) {
	w.t.Helper()
	var out, errs bytes.Buffer
	getenv := func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }
	if status := run(w.t.Context(), append(args, "-o", "json"), &out, &errs, getenv, time.Now); status != want {
		w.t.Fatalf("essctl %s: status %d, want %d\n%s%s", strings.Join(args, " "), status, want, &out, &errs)
	}
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		w.t.Fatalf("%v\n%s", err, &out)
	}
	return list, errs.String()
}

// inboxed returns the files in the inbox of the target.
func (w *world) inboxed() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "apple", "dropbox", "*.zip"))
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}

func (w *world) emptyInbox() {
	w.t.Helper()
	for _, path := range w.inboxed() {
		if err := os.Remove(path); err != nil {
			w.t.Fatal(err)
		}
	}
}

// controlledWorld is a world whose document is in force, with streams for all that is asked.
func controlledWorld(t *testing.T) *world {
	w := newWorld(t, 60)
	w.essctl(0, "tenants", "apply", w.document(), "--why", "a test")
	return w
}

var (
	ofLink   = []string{"--tenant", "prov", "--link", "apple-school-manager"}
	ofSource = []string{"--tenant", "prov", "--source", "alvis"}
	because  = []string{"--why", "a test"}
)

func args(parts ...[]string) []string { return slices.Concat(parts...) }

func TestAResyncRecoversATargetAndSurvivesWhoWasAtIt(t *testing.T) {
	w := controlledWorld(t)
	r := w.start()
	list, _ := w.asks(0, args([]string{"sources", "read"}, ofSource, because)...)
	if list[0].State != store.AskDone || list[0].Counts["person.created"] == 0 || list[0].Worker != "w1" {
		t.Fatalf("the read is %+v", list[0])
	}
	w.asks(0, args([]string{"links", "resync"}, ofLink, because)...)
	if len(w.inboxed()) != 1 {
		t.Fatalf("the inbox holds %v", w.inboxed())
	}
	w.emptyInbox()
	w.asks(0, args([]string{"links", "resync"}, ofLink, because)...)
	if len(w.inboxed()) != 0 {
		t.Error("R5 a resync without --verify wrote what the ledger says that the target holds")
	}
	w.asks(0, args([]string{"links", "resync", "--verify"}, ofLink, because)...)
	if len(w.inboxed()) != 1 {
		t.Error("the target is not recovered")
	}
	r.stop()

	w.emptyInbox()
	list, _ = w.asks(0, args([]string{"links", "resync", "--verify", "--wait=false"}, ofLink, because)...)
	taken, err := w.store.Control().Get(t.Context(), store.LinkPlace("prov", apple), list[0].ID)
	if err != nil || taken.State != store.AskNew {
		t.Fatalf("what was asked is %+v, %v", taken, err)
	}
	taken.State, taken.Worker = store.AskWorking, "killed" // who was at it is gone
	if taken, err = w.store.Control().Put(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	r = w.start()
	defer r.stop()
	done, err := w.store.Control().Wait(t.Context(), taken, nil)
	if err != nil || done.State != store.AskDone || done.Worker != "w1" || len(w.inboxed()) != 1 {
		t.Errorf("the next owner left it %+v with %v in the inbox, %v", done, w.inboxed(), err)
	}
}

func TestAPauseHoldsOverARestart(t *testing.T) {
	w := controlledWorld(t)
	r := w.start()
	list, _ := w.asks(0, args([]string{"links", "pause"}, ofLink, because)...)
	if list[0].State != store.AskDone || !strings.Contains(list[0].Text, "resumed") {
		t.Fatalf("the pause is %+v", list[0])
	}
	w.asks(0, args([]string{"sources", "read"}, ofSource, because)...)
	list, stderr := w.asks(1, args([]string{"links", "resync"}, ofLink, because)...)
	if list[0].State != store.AskFailed || !strings.Contains(stderr, "it is paused") {
		t.Errorf("a resync of what is paused is %+v\n%s", list[0], stderr)
	}
	contains(t, w.essctl(0, args([]string{"check", "link"}, ofLink)...), "connect", "127.0.0.1", "sign-in", "dropbox", "not tried") // while it is paused
	contains(t, w.essctl(0, args([]string{"links", "list"}, ofLink[:2])...), "paused", "a test")
	contains(t, w.essctl(0, args([]string{"status"}, ofLink[:2])...), "Paused")
	contains(t, w.essctl(0, args([]string{"links", "show"}, ofLink)...), "test since ")
	r.stop()
	if err := w.store.Ledger("prov").HandOver(t.Context(), apple, target.Owner{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	contains(t, w.essctl(0, args([]string{"links", "show"}, ofLink)...), "nobody since ", "last test")
	contains(t, w.essctl(0, args([]string{"links", "show", "-o", "yaml"}, ofLink)...), "handedOver: true")
	w.asks(0, args([]string{"sources", "pause", "--wait=false"}, ofSource, because)...) // while nobody runs
	r = w.start()
	defer r.stop()
	if _, stderr := w.asks(1, args([]string{"sources", "read"}, ofSource, because)...); !strings.Contains(stderr, "it is paused") {
		t.Errorf("a paused source was read: %s", stderr)
	}
	contains(t, w.essctl(0, args([]string{"sources", "show"}, ofSource)...), "paused", "a test")
	w.write("password", "wrong\n")
	contains(t, w.essctl(1, args([]string{"check", "source"}, ofSource)...), "FAILED", "sign-in", "wrong-credentials")
	w.write("password", "hush\n")
	contains(t, w.essctl(0, args([]string{"check", "source"}, ofSource)...), "newest")
	if len(w.inboxed()) != 0 {
		t.Fatal("a paused link wrote to its target")
	}
	w.asks(0, args([]string{"links", "resume"}, ofLink, because)...)
	w.asks(0, args([]string{"links", "resync"}, ofLink, because)...)
	if len(w.inboxed()) != 1 {
		t.Error("a link that was resumed does not go on")
	}

	w.essctl(0, args([]string{"tenants", "apply", w.document("mode: active", "mode: paused")}, because)...)
	contains(t, w.essctl(0, args([]string{"links", "list"}, ofLink[:2])...), "by its document")
	if _, stderr := w.asks(1, args([]string{"links", "resume"}, ofLink, because)...); !strings.Contains(stderr, "paused by its document too") {
		t.Errorf("what its document pauses was resumed: %s", stderr)
	}
}

func TestWhatIsAskedStandsInTheAuditAndADryRunNowhere(t *testing.T) {
	w := controlledWorld(t)
	r := w.start()
	w.asks(0, args([]string{"sources", "read"}, ofSource, because)...)
	r.stop()
	everybody := roster.NewRoster(nil, roster.Today(time.Now()))
	if _, err := w.store.Log("prov").Load(t.Context(), func(e roster.Event) error {
		if e.Record != nil {
			everybody.Apply(*e.Record)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, ref := range everybody.Refs(roster.KindOrganisation) {
		if o := everybody.Organisation(ref.Key); len(o.UnitCodes) > 0 {
			code = o.UnitCodes[0]
		}
	}
	person := everybody.Refs(roster.KindPerson)[0]
	commands := [][]string{
		args([]string{"links", "sync", "school", code}, ofLink[:2]),
		args([]string{"links", "sync", "group", everybody.Refs(roster.KindGroup)[0].Key.String()}, ofLink),
		args([]string{"links", "sync", "person", person.Key.String()}, ofLink),
		args([]string{"links", "sync", "person", "--key", person.Key.String()}, ofLink[:2]),
		args([]string{"links", "replay", "--since", "1h"}, ofLink),
		args([]string{"links", "resync", "--force"}, ofLink),
		args([]string{"links", "pause"}, ofLink),
		args([]string{"sources", "pause"}, ofSource),
	}
	before := len(w.audited())
	for _, command := range commands {
		if list, _ := w.asks(0, args(command, because, []string{"--dry-run"})...); len(list) != 1 || !list[0].DryRun || list[0].ID != "" {
			t.Errorf("%v: a dry run prints %+v", command, list)
		}
	}
	all, err := w.store.Control().List(t.Context(), "prov")
	if err != nil || len(all) != 1 || len(w.audited()) != before {
		t.Fatalf("dry runs left %d asks and %v in the audit, %v", len(all), w.audited(), err)
	}
	for _, command := range commands {
		w.asks(0, args(command, because, []string{"--wait=false"})...)
	}
	want := []string{"links.sync", "links.sync", "links.sync", "links.sync", "links.replay", "links.resync", "links.pause", "sources.pause"}
	if got := w.audited()[before:]; !slices.Equal(got, want) {
		t.Errorf("the audit has %v, want %v", got, want)
	}
	var open []printedAsk
	if err := json.Unmarshal([]byte(w.essctl(0, "asks", "list", "--open", "--tenant", "prov", "-o", "json")), &open); err != nil || len(open) != len(want) {
		t.Fatalf("%d are open, %v", len(open), err)
	}
	w.essctl(0, args([]string{"asks", "cancel", open[0].ID, "--tenant", "prov"}, because)...)
	contains(t, w.essctl(1, args([]string{"asks", "cancel", open[0].ID, "--tenant", "prov"}, because)...), "answered already")
	contains(t, w.essctl(0, "asks", "list", "--tenant", "prov", "-o", "yaml"), "taken back by", "verb: resync")
	r = w.start() // what was asked of a paused place is refused, in the order in which it was asked
	defer r.stop()
	for _, p := range open[1:] {
		place := store.LinkPlace("prov", apple)
		if p.Of == "source" {
			place = store.SourcePlace("prov", roster.Source{System: "alvis", Instance: "default"})
		}
		a, err := w.store.Control().Get(t.Context(), place, p.ID)
		if err == nil {
			a, err = w.store.Control().Wait(t.Context(), a, nil)
		}
		if err != nil || a.Open() || a.State == store.AskDone != a.Standing() {
			t.Errorf("%s of %s is %s: %s, %v", a.Verb, a.Ref(), a.State, a.Text, err)
		}
	}
}

func TestWhatCannotBeAsked(t *testing.T) {
	w := controlledWorld(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such link":     {args([]string{"links", "pause", "--tenant", "prov", "--link", "google"}, because), "has no link google/default"},
		"no such source":   {args([]string{"sources", "read", "--tenant", "prov", "--source", "extens"}, because), "has no source extens/default"},
		"no reason":        {args([]string{"links", "resync"}, ofLink), "why"},
		"a future":         {args([]string{"links", "replay", "--since", "2999-01-01"}, ofLink, because), "yet to come"},
		"no time":          {args([]string{"links", "replay", "--since", "yesterday"}, ofLink, because), "--since is"},
		"nobody answers":   {args([]string{"links", "resync", "--timeout", "200ms"}, ofLink, because), "nobody has taken it in time"},
		"no such person":   {args([]string{"links", "sync", "person", uuid.NewString(), "--tenant", "prov"}, because), "no source has a person"},
		"no such group":    {args([]string{"links", "sync", "group", uuid.NewString(), "--tenant", "prov"}, because), "no source has a group"},
		"no such school":   {args([]string{"links", "sync", "school", "12345678", "--tenant", "prov"}, because), "no source has a school unit"},
		"no such ask":      {args([]string{"asks", "cancel", "x", "--tenant", "prov"}, because), "has no ask x"},
		"no verb of links": {[]string{"links", "stop"}, `unknown command "stop" for "essctl links"`},
	} {
		t.Run(name, func(t *testing.T) {
			contains(t, w.essctl(1, c.args...), c.want)
		})
	}
}
