package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// Protecting by command contains a person by the next read of what was decided, and stands in the audit; taking it back
// gives her the same account. The number is typed, and stands nowhere.
func TestSafePersonProtectIsAuditedAndUndone(t *testing.T) {
	w := newWorld(t, setting{now: time.Now().Truncate(time.Second), other: true, manual: true})
	before := w.begin()
	her := *w.ordinary(1)[0]
	was := before.row(&her)
	w.essctl(number(her)+"\n", "person", "protect", "--tenant", tenantName, "--number", "-", "--by", "Skolchefen", "--why", "reported")
	w.later(0)
	w.read()
	w.shown(her, false, "protected")
	w.sweep()
	w.restart()
	w.read()
	w.shown(her, false, "protected, after the janitor and a restart")
	w.nobodyGoneBut(before, []municipality.Person{her})
	w.essctl(number(her)+"\n", "person", "unprotect", "--tenant", tenantName, "--number", "-", "--by", "Skolchefen", "--why", "over")
	w.later(0)
	w.read()
	if is := w.delivered().row(&her); is == nil || is["person_id"] != was["person_id"] {
		t.Error("she has no account again, or another one")
	}
	key := w.key(alvisDefault, &her)
	w.audited("person.protect by Skolchefen on person/"+key+" because reported", "person.unprotect by Skolchefen on person/"+key+" because over")
}

// A register that is taken out of the document stops, and removes nobody. Retiring it is a command of its own, which says
// what goes, wants that approved, and stands in the audit.
func TestSafeRetiringIsAudited(t *testing.T) {
	w := newWorld(t, setting{now: time.Now().Truncate(time.Second), other: true})
	before := w.begin()
	w.applied("first")
	w.other = false
	w.applied("vux is in the other register now")
	w.apply()
	w.read()
	w.nothingGone(before)
	retire := []string{"tenants", "retire", tenantName, "--source", "alvis/vux", "--by", "Driften", "--why", "it has moved"}
	digest := regexp.MustCompile(`[0-9a-f]{12}`).FindString(w.essctl("", append(slices.Clone(retire), "--dry-run")...))
	w.read()
	w.nothingGone(before)
	w.essctl("", append(retire, "--approve", digest)...)
	w.settle()
	gone := before.gone(w.delivered())
	if n := len(gone); n == 0 || n > len(w.vux.Persons) {
		t.Errorf("%d are gone, and the register had %d", n, len(w.vux.Persons))
	}
	for i := range w.town.Persons {
		if slices.Contains(gone, w.key(alvisDefault, &w.town.Persons[i])) {
			t.Error("somebody of the other register is gone")
		}
	}
	w.audited(
		"tenants.apply by Driften on "+tenantName+" because first",
		"tenants.apply by Driften on "+tenantName+" because vux is in the other register now",
		"tenants.retire.source by Driften on alvis/vux because it has moved",
	)
}

// applied has an operator apply the document as it is.
func (w *world) applied(why string) {
	w.t.Helper()
	path := write(w.t, w.path("applied.yaml"), w.yaml())
	w.essctl("", "tenants", "apply", path, "--by", "Driften", "--why", why)
}
