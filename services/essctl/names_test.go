package main

import (
	"encoding/json"
	"strings"
	"testing"

	usernames "eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

func TestNamesTellWhoHasWhichAndForHowLong(t *testing.T) {
	w := newTown(t)
	if err := w.store.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Tenants().Put(t.Context(), store.TenantVersion{Tenant: "lund"}, []byte("tenant: lund\ntitle: Lund\npepper: env:PEPPER\nnames: {reserve: 2}\n"), "test"); err != nil {
		t.Fatal(err)
	}
	w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
	her, err := roster.ParseKey(w.key(herNumber))
	if err != nil {
		t.Fatal(err)
	}
	owner := usernames.Owner{Person: her, Role: roster.RolePupil}
	left := usernames.Owner{Person: roster.Key{15: 9}, Role: roster.RoleStaff}
	if _, err := w.store.Names("lund").Save(t.Context(), []usernames.Claim{
		{Name: "tespro", Owner: owner, Since: 20260820},
		{Name: "tesgam", Owner: owner, Since: 20250820, Former: true},
		{Name: "boek", Owner: left, Since: 20200101, Ended: 20260901},
		{Name: "admin"},
		{Name: "ciaek", Owner: left, Since: 20200101, Ended: 20230901, Former: true},
	}, 0); err != nil {
		t.Fatal(err)
	}
	list := func(args ...string) (got []printedName) {
		t.Helper()
		if err := json.Unmarshal([]byte(w.do(0, "", append([]string{"names", "list", "-o", "json"}, args...)...)), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	var states []string
	for _, p := range list() {
		states = append(states, p.Name+" "+p.State+" "+p.Until)
	}
	if got, want := strings.Join(states, ", "), "admin foreign , boek reserved 2028-09-01, ciaek free 2025-09-01, tesgam former , tespro current "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := list("--state", "reserved"); len(got) != 1 || got[0].Name != "boek" {
		t.Errorf("reserved are %v", got)
	}
	w.do(1, "", "names", "list", "--state", "mine")
	show := func(want int, what string) string {
		t.Helper()
		out := &strings.Builder{}
		c := &control{getenv: func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }, now: w.clock, in: strings.NewReader(""), out: out, errs: out}
		if got := c.run(t.Context(), []string{"names", "show", what, "--tenant", "lund"}); got != want {
			t.Fatalf("status %d: %s", got, out)
		}
		return out.String()
	}
	if out := show(0, "TESPRO"); !strings.Contains(out, her.String()) || strings.Contains(out, "tesgam") {
		t.Error(out)
	}
	if out := show(0, "person/"+her.String()); !strings.Contains(out, "tesgam") || !strings.Contains(out, "tespro") {
		t.Error(out)
	}
	show(1, "nobody")

	w.do(0, "", "person", "protect", "--key", her.String())
	w.byCommand()
	if out := show(1, "tespro"); strings.Contains(out, her.String()) {
		t.Errorf("R9: %s", out)
	}
	if got := list(); len(got) != 3 {
		t.Errorf("R9: of who is protected is told: %v", got)
	}
}
