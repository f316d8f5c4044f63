package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

func TestManualDecisionsActAndEnd(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
	her := roster.Ref{Kind: roster.KindPerson}
	if err := her.Key.UnmarshalText([]byte(w.key(herNumber))); err != nil {
		t.Fatal(err)
	}
	who := []string{"--key", her.Key.String(), "--until", "2026-10-20"}
	do := func(in string, args ...string) {
		t.Helper()
		w.do(0, in, append(args, who...)...)
		w.byCommand()
	}
	do("", "manual", "exclude")
	if m := w.roster().State(her); m.Reason != roster.TombstoneExcluded {
		t.Errorf("excluded: %v", m)
	}
	do("", "manual", "suspend")
	if m := w.roster().State(her); m.Person == nil || !m.Person.Suspended {
		t.Errorf("suspended: %v", m)
	}
	var list []printedDecision
	if err := json.Unmarshal([]byte(w.do(0, "", "manual", "list", "-o", "json")), &list); err != nil || len(list) != 2 ||
		list[0].Kind != "exclude" || list[1].On != her.Key.String() || list[1].Until != "2026-10-20" || list[1].Owner != "Skolchefen" {
		t.Fatalf("%v: %+v", err, list)
	}
	for _, d := range list {
		w.do(0, "", "manual", "remove", d.ID)
	}
	do("givenName: Märta\n", "manual", "override", "--from", "-")
	if m := w.roster().State(her); m.Person == nil || m.Person.GivenName != "Märta" || m.Person.Suspended {
		t.Errorf("overridden, and what was removed is gone: %v", m)
	}
	w.now = w.now.AddDate(0, 0, 20)
	if m := w.roster().State(her); m.Person.GivenName != "Testa" {
		t.Errorf("it does not end: %v", m)
	}
	if out := w.do(0, "", "manual", "list"); !strings.Contains(out, "(ended)") {
		t.Errorf("the list says\n%s", out)
	}
}

// Who left is kept whole, as the log last had her: her number, her account and her school.
func TestManualKeepTakesWhoLeftFromTheLog(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
	before := w.apple()
	w.minute(alvis, school{}, source.Defaults{})
	gone := w.apple()
	if len(gone) >= len(before) {
		t.Fatal("she has not left")
	}
	w.do(0, herNumber+"\n", "manual", "keep", "--number", "-", "--until", "2026-11-30")
	w.byCommand()
	after := w.apple()
	for id, want := range before {
		if strings.Contains(id, "student/") && after[id] != want {
			t.Errorf("%s was %s and is %s", id, want, after[id])
		}
	}
	if len(after) <= len(gone) {
		t.Error("she is not kept")
	}
	w.now = w.now.AddDate(0, 3, 0)
	if len(w.apple()) != len(gone) {
		t.Error("it does not end")
	}
}

func TestManualAdd(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{}, source.Defaults{})
	person := "person: {id: vikarie-1}\ngivenName: Börje\nfamilyName: Påhittsson\nduties: [{unit: {source: alvis/default, id: u}, role: Lärare}]\n"
	w.do(0, person, "manual", "add", "--from", "-", "--until", "2026-12-18")
	w.byCommand()
	w.do(0, "", "manual", "add", "--member-of", "alvis/default/c", "--role", "teacher", "--source", "manual", "--id", "id/vikarie-1", "--until", "2026-12-18")
	w.byCommand()
	r := w.roster()
	members := 0
	for _, ref := range r.Refs(roster.KindGroup) {
		if g := r.Group(ref.Key); g != nil {
			for _, m := range g.Members {
				if p := r.Person(m.Person); p != nil && p.GivenName == "Börje" && m.Role == roster.MemberTeacher {
					members++
				}
			}
		}
	}
	if members != 1 {
		t.Errorf("%d memberships", members)
	}
}

func TestWhatCannotBeDecided(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
	for name, c := range map[string]struct {
		in   string
		args []string
		want string
	}{
		"a number in the command line": {"", []string{"person", "protect", "--number", "x"}, "shell's history"},
		"nobody":                       {"", []string{"person", "protect"}, "name the person"},
		"a key of nobody":              {"", []string{"person", "protect", "--key", "0b0e7f2a-5c1d-8d2e-9f3a-4b5c6d7e8f90"}, "no source has"},
		"an id of nobody":              {"", []string{"person", "protect", "--source", "alvis", "--id", "p-9"}, "no person"},
		"no number":                    {"hej\n", []string{"person", "protect", "--number", "-"}, "no identity number"},
		"a TF number of any source":    {herTF + "\n", []string{"person", "protect", "--number", "-"}, "--source"},
		"nothing on standard input":    {"", []string{"person", "protect", "--number", "-"}, "standard input"},
		"no link":                      {"", []string{"person", "protect", "--key", w.key(herNumber), "--alias", "google"}, "system/instance"},
		"no marking":                   {"", []string{"person", "protect", "--key", w.key(herNumber), "--marking", "Ingen"}, "is none of"},
		"no day":                       {"", []string{"manual", "suspend", "--key", w.key(herNumber), "--until", "soon"}, "YYYY-MM-DD"},
		"a day that has passed":        {"", []string{"manual", "suspend", "--key", w.key(herNumber), "--until", "2020-01-01"}, "--until has passed"},
		"to keep whom nobody knows":    {"18910202-9809\n", []string{"manual", "keep", "--number", "-", "--until", "2026-12-31"}, "no source has the person"},
		"to override nothing":          {"", []string{"manual", "override", "--key", w.key(herNumber), "--from", "-", "--until", "2026-12-31"}, "overrides nothing"},
		"an unknown key":               {"civicNo: x\n", []string{"manual", "override", "--key", w.key(herNumber), "--from", "-", "--until", "2026-12-31"}, "not known"},
		"an unknown decision":          {"", []string{"manual", "remove", "x"}, "no decision"},
		"no group":                     {"", []string{"manual", "add", "--member-of", "x", "--key", w.key(herNumber), "--until", "2026-12-31"}, "no group"},
		"a split of nothing":           {"", []string{"person", "split", "--key", w.key(herNumber)}, "nobody joined"},
	} {
		t.Run(name, func(t *testing.T) {
			out := w.do(1, c.in, c.args...)
			if !strings.Contains(out, c.want) {
				t.Errorf("%q does not say %q", out, c.want)
			}
			if strings.Contains(out, "vendor") {
				t.Errorf("%q sends to a vendor whoever wrote the command", out)
			}
		})
	}
	if entries, err := w.store.Audit("lund").Entries(t.Context()); err != nil || len(entries) != 0 {
		t.Errorf("what was not done stands in the audit: %v, %v", entries, err)
	}
}

// A class whose accounts were stolen is suspended within the minute: no guard asks whether so many are meant.
func TestManualSuspendActsOnManyAtOnce(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
	w.do(0, "", "manual", "exclude", "--key", w.key(herNumber), "--until", "2026-12-31")
	w.byCommand()
	_, version, err := w.store.Desk("lund").Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	decisions := map[string]roster.Personal{}
	for i := range 90 {
		key := roster.Key{0: 1, 6: 0x80, 8: 0x80, 15: byte(i)}
		decisions[fmt.Sprint("s", i)] = roster.Personal(`{"suspend": [{"person": {"key": "` + key.String() + `"}, "until": "2026-12-31", "owner": "O", "reason": "R"}]}`)
	}
	if err := w.store.Desk("lund").Decide(t.Context(), decisions, version); err != nil {
		t.Fatal(err)
	}
	w.byCommand() // it fails where the read is held
}
