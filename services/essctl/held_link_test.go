package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
	"eventful.se/ess/services/connectors"
)

// link runs the town's link to an Apple School Manager until ctx ends. What it settles comes on the channel.
func (w *town) link(ctx context.Context) <-chan target.Settled {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, text := range map[string]string{"pepper": strings.Repeat("p", roster.MinPepper), "password": "hush"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "apple", "dropbox"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	inbox, err := sftpserver.Start(w.t.Context(), sftpserver.Options{Dir: filepath.Join(dir, "apple"), User: "ess", Password: "hush"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = inbox.Close() })
	host, port, err := net.SplitHostPort(inbox.Addr())
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := tenant.Parse(fmt.Appendf(nil, `tenant: lund
pepper: "file:%s/pepper"
protectedRoutine: Skolkontoret ringer driften samma dag
sources:
  - system: alvis
links:
  - target: apple-school-manager
    mode: active
    guard: [{operation: address, kind: student, percent: 10, floor: 5}]
    settings:
      every: 0s
      consumes: false
      sftp: {host: %s, port: %s, user: ess, password: "file:%s/password", hostKeys: ["%s"]}
`, dir, host, port, dir, inbox.Fingerprint()))
	if err != nil {
		w.t.Fatal(err)
	}
	telemetry, err := service.NewTelemetry(ctx, "test", false)
	if err != nil {
		w.t.Fatal(err)
	}
	settled := make(chan target.Settled, 1000)
	h := &service.Host{
		Store: w.store, Owner: "test", Logger: slog.New(slog.DiscardHandler), Telemetry: telemetry, Now: time.Now,
		NewID:   func() string { return "none" },
		Observe: service.Observer{Settled: func(_ string, _ roster.Source, s target.Settled) { settled <- s }},
	}
	tn, err := h.Open(d, nil, connectors.Targets())
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = tn.Run(ctx) }()
	w.t.Cleanup(func() { <-done })
	return settled
}

// until waits for a settlement that is as wanted.
func until(t *testing.T, settled <-chan target.Settled, what string, is func(target.Settled) bool) (s target.Settled) {
	t.Helper()
	for {
		select {
		case s = <-settled:
			if is(s) {
				return s
			}
		case <-time.After(90 * time.Second):
			t.Fatalf("%s: it does not come; the last is %+v", what, s)
		}
	}
}

func TestWhatALinkHoldsIsShownApprovedAndAudited(t *testing.T) {
	w := newTown(t)
	w.now = time.Now().AddDate(0, 0, -1) // essctl and the link have one clock
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w.reg.mail = "elev"
	w.read(source.Published)
	settled := w.link(ctx)
	until(t, settled, "the first delivery", func(s target.Settled) bool { return s.Delivered != "" })

	w.reg.mail, w.reg.to = "ny.elev", 63 // the same domain: nothing that a source holds
	w.now = w.now.AddDate(0, 0, -1)
	w.read(source.Published)
	s := until(t, settled, "the hold", func(s target.Settled) bool { return s.Held == 60 })
	if s.Status.Mode != target.ModeHeld || s.Kinds["student"].Created != 3 || s.Kinds["student"].Updated != 0 {
		t.Errorf("settled %+v, want three new students", s)
	}
	marks, err := w.store.Ledger("lund").Marks(t.Context())
	if m := marks[roster.Source{System: "apple-school-manager", Instance: "default"}].Status; err != nil || m.Mode != target.ModeHeld || m.Held != 60 || m.Reason == nil {
		t.Errorf("the mark says %+v, %v", m, err)
	}

	on := []string{"--tenant", "lund", "--link", "apple-school-manager"}
	out, _ := w.essctl(0, append([]string{"held", "show"}, on...)...)
	for _, want := range []string{"Testskolan", "9B", "60 person", "address"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	if strings.Contains(out, "@") {
		t.Errorf("an address is shown:\n%s", out)
	}
	var h printedHold
	out, _ = w.essctl(0, append([]string{"held", "show", "-o", "json"}, on...)...)
	if err := json.Unmarshal([]byte(out), &h); err != nil || len(h.Groups) != 1 || h.Groups[0].Open != 60 {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, _ = w.essctl(0, "held", "show", "--tenant", "lund", "--source", "alvis"); !strings.Contains(out, "Nothing") {
		t.Errorf("the source holds something: %s", out)
	}
	w.essctl(1, "held", "show", "--tenant", "lund")
	w.essctl(1, append([]string{"held", "show", "--source", "alvis"}, on...)...)

	on = append(on, "--why", "the addresses were changed for all", "--by", "anna")
	w.essctl(0, append([]string{"held", "approve", h.Digest, "--dry-run"}, on...)...)
	w.essctl(0, append([]string{"held", "approve", h.Digest}, on...)...)
	s = until(t, settled, "what was approved", func(s target.Settled) bool { return s.Held == 0 && s.Delivered != "" })
	if s.Kinds["student"].Updated != 60 || s.Status.Mode != target.ModeActive {
		t.Errorf("settled %+v, want 60 students with other addresses", s)
	}
	kept, err := w.store.LinkHolds("lund").Kept(t.Context(), roster.Source{System: "apple-school-manager", Instance: "default"})
	if err != nil || kept.Hold != nil || len(kept.Decisions) != 0 {
		t.Errorf("an approval is left: %+v, %v", kept, err)
	}
	entries, err := w.store.Audit("lund").Entries(t.Context())
	if err != nil || len(entries) != 1 || entries[0].What != "held.approve" || entries[0].On != "apple-school-manager/default" ||
		entries[0].Details["guard"] != "link" || entries[0].Who != "anna" {
		t.Errorf("the audit has %+v, %v", entries, err)
	}
}
