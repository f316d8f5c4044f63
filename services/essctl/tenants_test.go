package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/services/ess/municipality"
)

// link is the target of the test's document, from its first line to its last.
const linkStarts = "links:\n"

// withoutLinks returns the edit that takes the links out of the document.
func (w *world) withoutLinks() []string {
	text, err := os.ReadFile(w.document())
	if err != nil {
		w.t.Fatal(err)
	}
	_, links, _ := strings.Cut(string(text), linkStarts)
	return []string{linkStarts + links, ""}
}

// withoutSources returns the edit that takes the sources out of the document.
func (w *world) withoutSources() []string {
	text, err := os.ReadFile(w.document())
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "sources:\n")
	sources, _, _ := strings.Cut(rest, linkStarts)
	return []string{"sources:\n" + sources, ""}
}

// rows counts the rows that the link holds as ours, and those that were released.
func (w *world) rows() (ours, released int) {
	w.t.Helper()
	book, err := w.store.Ledger("prov").Look(w.t.Context(), apple)
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := target.Hold(w.t.Context(), book)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range h.Counts {
		ours += n
	}
	return ours, h.Released
}

func TestApplyShowsWhatChangesAndAsksWhenAnythingIsTakenAway(t *testing.T) {
	w := newWorld(t, 60)
	why := []string{"--why", "a test", "--by", "anna"}
	apply := func(want int, path string, more ...string) string {
		t.Helper()
		return w.essctl(want, append(append([]string{"tenants", "apply", path}, why...), more...)...)
	}
	contains(t, w.essctl(1, "tenants", "get", "prov"), "no document of tenant prov is in force")
	contains(t, apply(0, w.document(), "--dry-run"), "version 1 would be in force", "new, active")
	if _, err := w.store.Log("prov").End(t.Context()); reason.Of(err).Code != reason.LogMissing {
		t.Fatalf("a dry run made streams: %v", err)
	}
	contains(t, apply(0, w.document()), "version 1 is in force")
	first := w.run()
	if first.Delivered == "" || w.uploads != 1 {
		t.Fatalf("nothing was delivered: %+v", first)
	}
	contains(t, apply(0, w.document()), "unchanged")
	before, _ := w.rows()

	t.Run("what is not valid is said at once, with its paths, and nothing is applied", func(t *testing.T) {
		bad := w.document("0 0 1 1 *", "0 0 1", "every: 0s", "evry: 0s", "mode: active", "mode: act")
		contains(t, apply(1, bad), "links[0].mode")
		bad = w.document("0 0 1 1 *", "0 0 1", "every: 0s", "evry: 0s")
		contains(t, apply(1, bad), "sources[0].schedule", "links[0].settings", "evry")
	})

	t.Run("a title changes nothing at a link", func(t *testing.T) {
		contains(t, apply(0, w.document("Provköpings kommun", "Provköping")), "version 2 is in force", "active  -")
	})

	t.Run("to take a link out of the document takes nothing away", func(t *testing.T) {
		contains(t, apply(0, w.document(w.withoutLinks()...)), "stops; what it holds stays")
		w.run()
		if after, released := w.rows(); after != before || released != 0 || w.uploads != 1 {
			t.Errorf("%d rows are left of %d, %d released, after %d uploads", after, before, released, w.uploads)
		}
	})

	t.Run("a link that is retired keeps all it has", func(t *testing.T) {
		apply(0, w.document())
		retire := append([]string{"tenants", "retire", "prov", "--link", "apple-school-manager"}, why...)
		contains(t, w.essctl(1, retire...), "is in the document in force")
		apply(0, w.document(w.withoutLinks()...))
		out := w.essctl(0, append(retire, "--dry-run")...)
		contains(t, out, "would be let go")
		contains(t, w.essctl(1, append(retire, "--approve", "0123456789ab")...), "nothing was done")
		if after, _ := w.rows(); after != before {
			t.Fatalf("%d rows are left of %d", after, before)
		}
		contains(t, w.essctl(0, append(retire, "--approve", digestIn(t, out))...), ": let go")
		if after, released := w.rows(); after != 0 || released != before {
			t.Errorf("%d rows are ours still, and %d of %d released", after, released, before)
		}
		contains(t, w.essctl(0, retire...), "nothing of it is left")
	})

	contains(t, w.essctl(0, "tenants", "list"), "prov", "Provköpings kommun", "in force", "anna")
	contains(t, w.essctl(0, "tenants", "list", "--tenant", "prov"), "replaced")
	contains(t, w.essctl(0, "tenants", "get", "prov", "--version", "2"), "title: Provköping\n")
	contains(t, w.essctl(0, "tenants", "diff", "prov", "--from", "1", "--to", "2"), "- title: Provköpings kommun", "+ title: Provköping", "…")
	contains(t, w.essctl(0, "tenants", "diff", "prov", "--file", w.document()), "+ links:")
	contains(t, w.essctl(0, "tenants", "diff", "prov", "--from", "1", "--to", "2", "-o", "json"), `"from": 1`, `"to": 2`, `"+ title: Provköping"`)
	contains(t, w.essctl(0, "tenants", "diff", "prov", "--from", "2", "--to", "2", "-o", "yaml"), "lines: []")
	if got, want := w.audited(), append(slices.Repeat([]string{"tenants.apply"}, 5), "tenants.retire.link"); !slices.Equal(got, want) {
		t.Errorf("audited %v, want %v", got, want)
	}
}

// TestASourceLeavesOnlyWhenItIsRetired takes a source out of the document, and then retires it.
func TestASourceLeavesOnlyWhenItIsRetired(t *testing.T) {
	w := newWorld(t, 60)
	why := []string{"--why", "a test"}
	apply := func(path string) { w.essctl(0, append([]string{"tenants", "apply", path}, why...)...) }
	apply(w.document("delete}]", "leaveGroups}, {after: 30d, do: delete}]"))
	w.run()
	before, _ := w.rows()
	if before == 0 {
		t.Fatal("nothing was delivered")
	}
	gone := append(w.withoutSources(), "delete}]", "leaveGroups}, {after: 30d, do: delete}]")
	contains(t, w.essctl(1, append([]string{"tenants", "retire", "prov", "--source", "alvis"}, why...)...), "is in the document in force")
	apply(w.document(gone...))
	w.run()
	if after, _ := w.rows(); after != before {
		t.Fatalf("a source that is taken out of the document took %d rows with it", before-after)
	}
	contains(t, w.essctl(1, append([]string{"tenants", "retire", "prov"}, why...)...), "--link apple-school-manager/default, --source alvis/default")

	retire := append([]string{"tenants", "retire", "prov", "--source", "alvis"}, why...)
	out := w.essctl(0, append(retire, "--dry-run")...)
	contains(t, out, "person", "would be left")
	contains(t, w.essctl(0, append(retire, "--approve", digestIn(t, out))...), ": left")
	contains(t, w.essctl(0, "runs", "--tenant", "prov", "--source", "alvis"), "published", "person.deleted")
	contains(t, w.essctl(0, retire...), "nothing of it is left")
	s := w.run()
	if s.Halted != nil {
		t.Fatalf("the link is halted: %v", s.Halted)
	}
	if n := people(t, w.store); n == 0 {
		t.Error("a retired source's people went at once: the leave stages do not hold")
	}
	held, err := w.store.LinkHolds("prov").Kept(t.Context(), apple)
	if err != nil || held.Hold != nil && held.Hold.Items != nil && personsIn(held.Hold.Items[0].Ref) {
		t.Errorf("the link asks again about what was approved: %+v, %v", held.Hold, err)
	}
}

// TestWhatIsTakenAwayIsAskedFor pauses a link while pupils leave: to let it go on takes their rows away.
func TestWhatIsTakenAwayIsAskedFor(t *testing.T) {
	w := newWorld(t, 60)
	apply := func(want int, path string, more ...string) string {
		t.Helper()
		return w.essctl(want, append([]string{"tenants", "apply", path, "--why", "a test"}, more...)...)
	}
	apply(0, w.document())
	w.run()
	before, _ := w.rows()
	apply(0, w.document("mode: active", "mode: paused"))
	if _, err := municipality.ManyLeave(5)(w.town); err != nil {
		t.Fatal(err)
	}
	w.export()
	w.run()
	out := apply(1, w.document())
	contains(t, out, "paused → active", "delete", "student/", "nothing was applied")
	digest := digestIn(t, out)
	if v, err := w.store.Tenants().Newest(t.Context(), "prov"); err != nil || v.Number != 2 {
		t.Fatalf("version %d is in force, %v", v.Number, err)
	}
	contains(t, apply(1, w.document(), "--approve", "0123456789ab"), "nothing was applied")
	contains(t, apply(0, w.document(), "--approve", digest, "--dry-run"), "would be in force", digest+", approved")
	contains(t, apply(0, w.document(), "--approve", digest), "version 3 is in force")
	w.run()
	if after, _ := w.rows(); after >= before {
		t.Errorf("%d rows are left of %d: what was approved was not taken away", after, before)
	}
	entries, err := w.store.Audit("prov").Entries(t.Context())
	if err != nil || entries[len(entries)-1].Details["approved"] != digest {
		t.Errorf("the approval is not in the audit: %+v, %v", entries, err)
	}
}

// TestAFilterTakesNothingAwayByItself applies a filter that nobody fits.
func TestAFilterTakesNothingAwayByItself(t *testing.T) {
	w := newWorld(t, 60)
	apply := func(path string, more ...string) string {
		t.Helper()
		return w.essctl(0, append([]string{"tenants", "apply", path, "--why", "a test"}, more...)...)
	}
	apply(w.document())
	w.run()
	before, _ := w.rows()
	nobody := "mode: active\n    filter: \"false\""
	contains(t, apply(w.document("mode: active", nobody+"\n    onOutOfScope: delete"), "--dry-run"), "wait for an approval at the link")
	contains(t, apply(w.document("mode: active", nobody)), "release", "version 2 is in force")
	w.run()
	if ours, released := w.rows(); ours+released != before {
		t.Errorf("%d rows are ours and %d released, of %d", ours, released, before)
	}
}

func personsIn(ref roster.Ref) bool { return ref.Kind == roster.KindPerson }

// people counts the persons of whom the link holds something.
func people(t *testing.T, st *store.Store) int {
	t.Helper()
	book, err := st.Ledger("prov").Look(t.Context(), apple)
	if err != nil {
		t.Fatal(err)
	}
	h, err := target.Hold(t.Context(), book)
	if err != nil {
		t.Fatal(err)
	}
	return h.Counts["student"]
}

func TestATenantIsRetiredLast(t *testing.T) {
	w := newWorld(t, 20)
	why := []string{"--why", "a test"}
	w.essctl(0, append([]string{"tenants", "apply", w.document()}, why...)...)
	w.run()
	bare := w.document(append(w.withoutSources(), w.withoutLinks()...)...)
	w.essctl(0, append([]string{"tenants", "apply", bare}, why...)...)
	for _, part := range [][]string{{"--source", "alvis"}, {"--link", "apple-school-manager"}, {}} {
		retire := append(append([]string{"tenants", "retire", "prov"}, part...), why...)
		out := w.essctl(1, retire...)
		w.essctl(0, append(retire, "--approve", digestIn(t, out))...)
	}
	contains(t, w.essctl(0, "tenants", "list"), "retired")
	contains(t, w.essctl(1, "tenants", "get", "prov"), "no document")
	if _, err := w.store.Log("prov").End(t.Context()); err != nil {
		t.Fatalf("the log went without --erase: %v", err)
	}
	erase := append([]string{"tenants", "retire", "prov", "--erase"}, why...)
	out := w.essctl(1, erase...)
	w.essctl(0, append(erase, "--approve", digestIn(t, out))...)
	if _, err := w.store.Log("prov").End(t.Context()); reason.Of(err).Code != reason.LogMissing {
		t.Errorf("the log is there still: %v", err)
	}
	if what := w.audited(); what[len(what)-1] != "tenants.erase" {
		t.Errorf("audited %v", what)
	}
}

func TestPreviewNeedsNoSecret(t *testing.T) {
	w := newWorld(t, 60)
	w.essctl(0, "tenants", "apply", w.document(), "--why", "a test")
	w.run()
	for _, secret := range []string{"pepper", "password"} {
		if err := os.Remove(filepath.Join(w.dir, secret)); err != nil {
			t.Fatal(err)
		}
	}
	link := []string{"preview", "--tenant", "prov", "--link", "apple-school-manager"}
	contains(t, w.essctl(0, link...), "create")
	file := filepath.Join(w.dir, "preview.xlsx")
	out := w.essctl(0, append(link, "--rows", "-o", file, "--file", w.document("instructors: [teacher]", "groupTypes: [Klass]"))...)
	contains(t, out, "RESOURCE", "class/")
	if info, err := os.Stat(file); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the workbook: %v, %v", info, err)
	}
	for _, p := range w.town.Active(roster.Today(time.Now())).Pupils {
		if p.Email != "" && strings.Contains(out, p.Email.Reveal()) || strings.Contains(out, p.CivicNo.Reveal()) {
			t.Fatalf("R8: the preview in the terminal shows what is personal:\n%s", out)
		}
	}
	if w.uploads != 1 {
		t.Errorf("%d uploads", w.uploads)
	}
	contains(t, w.essctl(1, append(link, "--file", w.document("tenant: prov", "tenant: lund"))...), "about tenant lund")
}

func TestTwoWhoApply(t *testing.T) {
	w := newWorld(t, 5)
	w.essctl(0, "tenants", "apply", w.document(), "--why", "a test")
	v, err := w.store.Tenants().Newest(t.Context(), "prov")
	if err != nil {
		t.Fatal(err)
	}
	p := &printedEffect{Tenant: "prov", Version: 0, after: store.TenantVersion{Tenant: "prov"}, document: document{text: []byte("x")}}
	c := &control{now: time.Now}
	if err := c.putInForce(context.WithoutCancel(t.Context()), w.store, p, applying{deed: deed{by: "anna", why: "a test"}, replicas: 1}); err == nil {
		t.Error("the second is in force too")
	}
	if again, err := w.store.Tenants().Newest(t.Context(), "prov"); err != nil || again.Number != v.Number {
		t.Errorf("version %d, %v", again.Number, err)
	}
	if got, want := w.audited(), append(slices.Repeat([]string{"tenants.apply"}, 2), "tenants.apply.failed"); !slices.Equal(got, want) {
		t.Errorf("audited %v, want %v", got, want)
	}
}

func TestWhereNoDocumentWasEverApplied(t *testing.T) {
	w := newTown(t)
	for name, args := range map[string][]string{
		"list":    {"tenants", "list"},
		"get":     {"tenants", "get", "lund"},
		"preview": {"preview", "--tenant", "lund", "--link", "apple-school-manager"},
	} {
		if _, stderr := w.essctl(1, args...); !strings.Contains(stderr, "apply") || strings.Contains(stderr, "backup") {
			t.Errorf("%s: %q does not say that nothing was applied", name, stderr)
		}
	}
}
