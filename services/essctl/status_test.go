package main

import (
	"encoding/json"
	"strings"
	"testing"

	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

func TestStatusOfATenant(t *testing.T) {
	w := newTown(t)
	w.read(source.Published)
	w.reg.from = 28
	w.read(source.Held)
	out, _ := w.essctl(0, "status", "--tenant", "lund", "--language", "sv")
	for _, want := range []string{"lund: åtgärda", "Källa, alvis/default: åtgärda", "28 ändringar väntar på beslut"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	if strings.Contains(out, "Testa") || strings.Contains(out, "9B") {
		t.Errorf("R8: it tells a name:\n%s", out)
	}

	// With a document, what never ran is shown too.
	if err := w.store.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	document := "tenant: lund\ntitle: Lunds kommun\npepper: env:NONE\nsources: [{system: alvis}, {system: extens}]\nlinks: [{target: apple-school-manager}]\n"
	if _, err := w.store.Tenants().Put(t.Context(), store.TenantVersion{Tenant: "lund"}, []byte(document), "anna"); err != nil {
		t.Fatal(err)
	}
	out, _ = w.essctl(0, "status", "--tenant", "lund", "-o", "json")
	var s service.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if s.Title != "Lunds kommun" || s.Verdict != service.Act || len(s.Sources) != 2 || s.Sources[1].State != "" || len(s.Links) != 1 || s.Links[0].Mode != "preview" {
		t.Errorf("shown %s", out)
	}
	if _, errs := w.essctl(1, "status", "--tenant", "lund", "--language", "de"); !strings.Contains(errs, "write sv or en") {
		t.Errorf("in German: %s", errs)
	}
	if _, errs := w.essctl(1, "status", "--tenant", "nowhere"); !strings.Contains(errs, "log-missing") {
		t.Errorf("of nobody: %s", errs)
	}
}
