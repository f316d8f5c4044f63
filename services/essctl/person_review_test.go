package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// A person whom the log does not know: a number can be protected ahead, and is said to be unknown, for it may be
// mistyped; what cannot be found is not found in words that tell what to do.
func TestAPersonWhomTheLogDoesNotKnow(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{"", ""}, source.Defaults{})
	w.byCommand()
	const nobody = "no source states a person with this number"
	contains(t, w.do(1, herNumber+"\n", "person", "unprotect", "--number", "-"), nobody, "typed right", "Whom a register marks")
	contains(t, w.do(0, herNumber+"\n", "person", "protect", "--number", "-"), "warning: "+nobody, "from the first day")
	contains(t, w.do(1, herTF+"\n", "person", "unprotect", "--number", "-", "--source", "alvis"), nobody)
	if out := w.do(0, herNumber+"\n", "person", "unprotect", "--number", "-"); strings.Contains(out, nobody) {
		t.Errorf("a decision about the number stands, and it says\n%s", out)
	}
	for _, verb := range []string{"protect", "unprotect"} {
		contains(t, w.do(1, "", "person", verb, "--source", "alvis", "--id", "p-99"), "no person of alvis/default has the id: look at the id", "--number -")
		contains(t, w.do(1, "", "person", verb, "--source", "extens", "--id", "p-1"), "of extens/default has the id")
		contains(t, w.do(1, "", "person", verb, "--key", w.key(herNumber)), "--key: no source has a person with this key")
		contains(t, w.do(1, "1890-01-01\n", "person", verb, "--number", "-"), "no identity number", "check digit")
	}
}

// Many commands at once on one desk: each is decided whole and stands in the audit, or nothing of it is and its operator
// is told to do it again.
func TestCommandsAtOnceOnOneDesk(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
	w.byCommand()
	commands := [][]string{
		{"person", "protect", "--source", "alvis", "--id", "p-1"},
		{"person", "protect", "--source", "alvis", "--id", "p-2"},
		{"manual", "exclude", "--source", "alvis", "--id", "p-1", "--until", "2026-12-18"},
		{"manual", "suspend", "--source", "alvis", "--id", "p-2", "--until", "2026-12-18"},
	}
	status, out := make([]int, len(commands)), make([]bytes.Buffer, len(commands))
	at := func(i int) {
		n := 0
		c := &control{
			getenv: func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }, now: w.clock,
			in: strings.NewReader(""), out: &out[i], errs: &out[i], newID: func() string { n++; return fmt.Sprintf("c%d-%d", i, n) },
		}
		status[i] = c.run(t.Context(), append(commands[i], "--tenant", "lund", "--by", "Skolchefen", "--why", "anmält"))
	}
	var all sync.WaitGroup
	for i := range commands {
		all.Go(func() { at(i) })
	}
	all.Wait()
	done := 0
	for i := range commands {
		if status[i] == 0 {
			done++
			continue
		}
		contains(t, out[i].String(), "nothing was decided; do it again")
		out[i].Reset()
	}
	if done == 0 {
		t.Error("of many at once none was decided")
	}
	stands := func() int {
		t.Helper()
		list, err := w.store.Desk("lund").Decisions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if n := stands(); n != done {
		t.Errorf("%d commands say that they decided, and %d decisions stand", done, n)
	}
	for i := range commands { // as they were told
		if status[i] != 0 {
			if at(i); status[i] != 0 {
				t.Errorf("alone it fails too: %s", &out[i])
			}
		}
	}
	if n := stands(); n != len(commands) {
		t.Errorf("%d decisions stand of %d", n, len(commands))
	}
	entries, err := w.store.Audit("lund").Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, e := range entries {
		if strings.HasSuffix(e.What, ".failed") {
			failed++
		}
	}
	if failed != len(commands)-done || len(entries) != len(commands)+2*failed {
		t.Errorf("the audit has %d entries, %d of them failures; %d of %d failed", len(entries), failed, len(commands)-done, len(commands))
	}
	w.byCommand()
}

// The manual source ends, and what people decided with it: the dry run tells which kinds of decisions, and counts nobody
// who is protected; the digest is of those kinds too. Afterwards nothing reads the desk, and a command says so.
func TestRetiringTheManualSourceTellsWhichDecisionsEnd(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
	w.byCommand()
	before := w.apple()
	if err := w.store.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Tenants().Put(t.Context(), store.TenantVersion{Tenant: "lund"}, []byte("tenant: lund\ntitle: Lund\npepper: env:PEPPER\n"), "test"); err != nil {
		t.Fatal(err)
	}
	retire := func(want int, more ...string) string {
		t.Helper()
		out, errs := w.essctl(want, append([]string{"tenants", "retire", "lund", "--source", "manual", "--by", "Driften", "--why", "slut"}, more...)...)
		return out + errs
	}
	w.do(0, "", "person", "protect", "--source", "alvis", "--id", "p-1", "--alias", "google/default")
	w.byCommand()
	only := retire(0, "--dry-run")
	contains(t, only, "decisions of these kinds end with it: alias, protect", "whom only it protects is in every target again")
	if strings.Contains(only, "1 person") {
		t.Errorf("it counts who is protected:\n%s", only)
	}
	w.do(0, "", "manual", "exclude", "--source", "alvis", "--id", "p-2", "--until", "2026-12-18")
	w.byCommand()
	contains(t, retire(1, "--approve", digestIn(t, only)), "nothing was done", "alias, exclude, protect", "1 person")
	contains(t, retire(0, "--dry-run", "-o", "json"), `"ends"`, `"exclude"`, `"protect"`)
	if after := w.apple(); len(after) >= len(before) {
		t.Fatal("a dry run ended what protects")
	}
	retire(0, "--approve", digestIn(t, retire(0, "--dry-run")))
	if after := w.apple(); len(after) != len(before) {
		t.Errorf("%d resources stand, and %d did", len(after), len(before))
	}
	entries, err := w.store.Audit("lund").Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := entries[len(entries)-1]
	if last.What != "tenants.retire.source" || last.Details["ends"] != "alias exclude protect" || last.Details["person"] != "1" {
		t.Errorf("the audit says %+v", last)
	}
	w.now = w.now.Add(time.Minute)
	contains(t, w.do(0, "", "person", "protect", "--source", "alvis", "--id", "p-1", "--dry-run"), "nothing reads what is decided")
}
