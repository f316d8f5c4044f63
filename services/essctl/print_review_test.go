package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

// What an operator decides about stays on the screen, however much is held.
func TestALongTableOfWhatIsHeld(t *testing.T) {
	h := printedHold{Digest: "4f1c2a9be077"}
	for i := range 798 {
		g := printedGroup{ID: fmt.Sprintf("g%03d", i), Operation: "delete", Counts: map[roster.Kind]int{roster.KindPerson: 2}, Open: 1, Approved: 1}
		if i%2 == 1 {
			g.Operation, g.Counts = "unit", map[roster.Kind]int{roster.KindGroup: 1}
		}
		h.Groups = append(h.Groups, g)
	}
	few, old := h, h
	few.Groups, old.Expired = h.Groups[:shownGroups], true
	for name, c := range map[string]struct {
		held *printedHold
		of   guarded
		all  bool
		rows int
		more string
		last string
	}{
		"the first":      {&h, guarded{tenant: "lund", source: "alvis"}, false, 40, "and 758 more: --all", "essctl held reject  4f1c2a9be077 --tenant lund --source alvis --why REASON"},
		"--all":          {&h, guarded{tenant: "lund", link: "google"}, true, 798, "", "essctl held reject  4f1c2a9be077 --tenant lund --link google --why REASON"},
		"no more":        {&few, guarded{tenant: "lund", source: "alvis"}, false, 40, "", "essctl held reject  4f1c2a9be077 --tenant lund --source alvis --why REASON"},
		"it has expired": {&old, guarded{tenant: "lund", source: "alvis"}, false, 40, "and 758 more: --all", "It is too old to be decided about: nothing has looked at it for 7 days."},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			c.held.table(&b, c.of, alvis, c.all)
			text := strings.TrimSpace(b.String())
			if n := strings.Count(text, "\ng"); n != c.rows {
				t.Errorf("%d rows, want %d", n, c.rows)
			}
			if strings.Contains(text, "--all") != (c.more != "") || !strings.Contains(text, c.more) {
				t.Errorf("it does not say %q:\n%s", c.more, text)
			}
			if !strings.HasSuffix(text, c.last) {
				t.Errorf("the last line is not %q:\n%s", c.last, text)
			}
		})
	}
	want := []heldSum{
		{operation: guard.Operation("delete"), counts: map[roster.Kind]int{roster.KindPerson: 798}, groups: 399, open: 399, approved: 399},
		{operation: guard.Operation("unit"), counts: map[roster.Kind]int{roster.KindGroup: 399}, groups: 399, open: 399, approved: 399},
	}
	if diff := cmp.Diff(want, h.summary(), cmp.AllowUnexported(heldSum{})); diff != "" {
		t.Errorf("the summary (-want +got):\n%s", diff)
	}
}

// One that died is a member until the TTL: how long ago it was heard tells it from one that lives.
func TestMembersTellWhenTheyWereHeard(t *testing.T) {
	w := newTown(t)
	if err := w.store.EnsureMembers(t.Context(), 1, time.Minute); err != nil {
		t.Fatal(err)
	}
	renew := func(instance string, leaving bool) {
		t.Helper()
		who := store.Member{Program: "target-google", Instance: instance, Session: "s-" + instance, Leaving: leaving}
		if err := w.store.Members().Renew(t.Context(), who); err != nil {
			t.Fatal(err)
		}
	}
	renew("dead", false)
	renew("gone", false)
	time.Sleep(2100 * time.Millisecond) // by the clock of NATS
	renew("gone", true)
	renew("lives", false)
	out, _ := w.essctl(0, "members", "list", "-o", "json")
	var list []printedMember
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 3 {
		t.Fatalf("%v\n%s", err, out)
	}
	if list[0].Instance != "dead" || list[0].State != "here" || list[0].Ago < 2 || time.Since(list[0].Heard) < 2*time.Second {
		t.Errorf("the dead one: %+v", list[0])
	}
	if list[1].State != "leaving" || list[1].Ago >= list[0].Ago || list[2].Ago >= list[0].Ago || !list[2].Heard.After(list[0].Heard) {
		t.Errorf("those that live: %+v", list[1:])
	}
	out, _ = w.essctl(0, "members", "list")
	contains(t, out, "LAST HEARD", " s ago")
}

func TestADocumentIsPrintedInTheFormatAskedFor(t *testing.T) {
	w := newTown(t)
	if err := w.store.EnsureTenants(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	const document = "# Lund, as agreed\ntenant: lund\ntitle: \"Lunds kommun: skolor\"\npepper: env:NONE\n" +
		"sources: [{system: alvis, schedule: \"0 4 * * *\", settings: {settle: 10ms, port: 22}}]\nlinks: [{target: apple-school-manager, mode: active}]\n"
	if _, err := w.store.Tenants().Put(t.Context(), store.TenantVersion{Tenant: "lund"}, []byte(document), "anna"); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "yaml"} {
		if out, _ := w.essctl(0, "tenants", "get", "lund", "-o", format); out != document {
			t.Errorf("%s is not as it was applied:\n%s", format, out)
		}
	}
	out, _ := w.essctl(0, "tenants", "get", "lund", "-o", "json")
	var got struct {
		Tenant, Title string
		Sources       []struct {
			Schedule string
			Settings struct {
				Settle string
				Port   int
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Tenant != "lund" || got.Title != "Lunds kommun: skolor" || len(got.Sources) != 1 ||
		got.Sources[0].Schedule != "0 4 * * *" || got.Sources[0].Settings.Settle != "10ms" || got.Sources[0].Settings.Port != 22 {
		t.Errorf("as JSON: %v\n%s", err, out)
	}
	if _, err := tenant.Parse([]byte(out)); err != nil {
		t.Errorf("the JSON is no document: %v", err)
	}
}
