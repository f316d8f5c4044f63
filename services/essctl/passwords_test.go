package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
)

func TestAClassGetsItsPasswordsAndTheyAreGone(t *testing.T) {
	w := newWorld(t, 60)
	w.essctl(0, "tenants", "apply", w.document(), "--why", "a test")
	w.run()
	key := filepath.Join(w.dir, "school.key")
	out := w.essctl(0, "passwords", "keys", "new", key)
	public := strings.Fields(out)[0]
	if again := w.essctl(0, "passwords", "keys", "show", key); again != out || handout.CheckRecipient(public) != nil {
		t.Errorf("shown is\n%s\nafter\n%s", again, out)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	w.essctl(1, "passwords", "keys", "new", key)

	c := &control{now: time.Now}
	r, err := c.whole(t.Context(), w.store, "prov")
	if err != nil {
		t.Fatal(err)
	}
	class, pupils := classOf(r)
	if len(pupils) < 2 {
		t.Fatalf("a class of %d", len(pupils))
	}
	_, foreign, err := handout.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	put := func(n int, to string) {
		body, err := handout.Seal(handout.Letter{Made: c.now(), Name: "Kanaria Test", Username: "kantes", Password: "Katt.sol42", Class: "x"}, []string{to})
		if err == nil {
			err = w.store.Letters("prov").Put(t.Context(), store.Letter{Link: apple, Person: pupils[n], Role: roster.RolePupil, Body: body})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(0, public)
	put(1, foreign)
	var list []printedWaiting
	text := w.essctl(0, "passwords", "letters", "--tenant", "prov", "-o", "json")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 || len(list) > 2 || list[0].Unit == "" || strings.Contains(text, "Kanaria") {
		t.Errorf("there wait %+v, %v", list, err)
	}
	args := []string{"passwords", "sheet", "--tenant", "prov", "--class", class.String(), "--identity", key, "--why", "skolstart", "-o", "json", "--file"}
	sheet := func(want int, name string, more ...string) (got printedSheet) {
		t.Helper()
		out := w.essctl(want, append(append(slices.Clip(args), filepath.Join(w.dir, name)), more...)...)
		if want == 0 {
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
	waits := func(want int) {
		t.Helper()
		if list, err := w.store.Letters("prov").List(t.Context()); err != nil || len(list) != want {
			t.Errorf("%d letters wait, want %d: %v", len(list), want, err)
		}
	}
	if got := sheet(0, "dry.pdf", "--dry-run"); got.Slips != 1 || got.OtherKey != 1 {
		t.Errorf("a dry run: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "dry.pdf")); err == nil {
		t.Error("a dry run writes a file")
	}
	if got := sheet(0, "kept.pdf", "--keep"); got.Slips != 1 || got.Kept != 1 {
		t.Errorf("kept: %+v", got)
	}
	waits(2)
	sheet(1, "kept.pdf") // what is there is left alone
	waits(2)
	if got := sheet(0, "out.pdf"); got.Slips != 1 || got.Kept != 0 {
		t.Errorf("handed out: %+v", got)
	}
	waits(1)
	pdf, err := os.ReadFile(filepath.Join(w.dir, "out.pdf"))
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		t.Errorf("the sheet: %v", err)
	}
	sheet(1, "none.pdf")
	entries, err := w.store.Audit("prov").Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	printed := 0
	for _, e := range entries {
		if e.What == "passwords.sheet" {
			printed++
		}
		if all := fmt.Sprintf("%+v", e); strings.Contains(all, "Kanaria") || strings.Contains(all, "kantes") {
			t.Errorf("the audit has a name: %s", all)
		}
	}
	if printed != 3 { // one of them failed, for its file was there
		t.Errorf("%d sheets stand in the audit", printed)
	}
	if out := w.essctl(0, "passwords", "reset", "--tenant", "prov", "--link", "apple-school-manager", "--class", class.String(), "--why", "lapparna kom bort", "--dry-run"); !strings.Contains(out, "would be asked") {
		t.Errorf("a reset that is only looked at: %s", out)
	}
	w.essctl(1, "passwords", "reset", "--tenant", "prov", "--link", "apple-school-manager", "--why", "x")
}

// classOf returns a group with its pupils.
func classOf(r *roster.Roster) (roster.Key, []roster.Key) {
	for _, ref := range r.Refs(roster.KindGroup) {
		var pupils []roster.Key
		g := r.Group(ref.Key)
		if g == nil {
			continue
		}
		for _, m := range g.Members {
			if r.Person(m.Person) != nil && m.Role == roster.MemberPupil && m.Interval.Contains(r.Today()) {
				pupils = append(pupils, m.Person)
			}
		}
		if len(pupils) > 1 {
			return ref.Key, pupils
		}
	}
	return roster.Key{}, nil
}
