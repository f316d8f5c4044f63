package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/source"
	"eventful.se/ess/services/ess/municipality"
)

// Approving and rejecting stand in the audit: who, what, when and why. What the one let through goes, what the other kept
// stays, and a dry run of either does and records nothing.
func TestSafeDecisionsAreAudited(t *testing.T) {
	w := newWorld(t, setting{now: time.Now().Truncate(time.Second)})
	before := w.begin()
	gone := w.happens(municipality.ManyLeave(60)).Persons
	w.expect(source.Held)
	groups := w.held().Groups(w.time())
	if len(groups) < 2 {
		t.Fatalf("%d groups are held, and the test needs two", len(groups))
	}
	decide := func(verb string, more ...string) {
		t.Helper()
		w.essctl("", append([]string{"held", verb, w.held().Hold.Digest, "--source", "alvis", "--tenant", tenantName}, more...)...)
	}
	decide("approve", "--group", groups[0].ID, "--by", "Skolchefen", "--why", "only looking", "--dry-run")
	w.audited()
	decide("approve", "--group", groups[0].ID, "--by", "Skolchefen", "--why", "called the school")
	decide("reject", "--group", groups[1].ID, "--by", "Driften", "--why", "the register is wrong")
	w.audited(
		"held.approve by Skolchefen on alvis/default because called the school",
		"held.reject by Driften on alvis/default because the register is wrong",
	)
	w.later(0)
	w.read()
	if n := len(before.gone(w.delivered())); n == 0 || n > len(groups[0].Items) || n == len(gone) {
		t.Errorf("%d of %d are gone, and %d were approved", n, len(gone), len(groups[0].Items))
	}
}

// audited checks what stands in the audit, and that it names nobody.
func (w *world) audited(want ...string) {
	w.t.Helper()
	entries, err := w.store.Audit(tenantName).Entries(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s by %s on %s because %s", e.What, e.Who, e.On, e.Why))
		if d := time.Since(e.When); d < 0 || d > 10*time.Minute {
			w.t.Errorf("%s is of %s", e.What, e.When)
		}
		text := fmt.Sprint(e)
		for i := range w.town.Persons {
			if p := &w.town.Persons[i]; strings.Contains(text, p.CivicNo.Reveal()) || p.Email != "" && strings.Contains(text, p.Email.Reveal()) {
				w.t.Errorf("the audit of %s names somebody", e.What)
			}
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("the audit is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// essctl runs an operator's command, with something on standard input, and returns what it prints.
func (w *world) essctl(stdin string, args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "essctl"), append(args, "--nats", w.nats.URL())...)
	var stdout, stderr bytes.Buffer
	cmd.Env = append(os.Environ(), "ESS_NATS_CREDS=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("essctl %s: %v\n%s%s", strings.Join(args[:2], " "), err, &stdout, &stderr)
	}
	return stdout.String()
}
