package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/services/source-manual/manual"
	"eventful.se/ess/services/target-apple-school-manager/asm"
)

const (
	herNumber = "18900101-9802"
	herTF     = "18900101-TF01"
)

// school is a register that states her by a number, and a pupil with a TF number of whom another register has the
// personnummer.
type school struct{ number, given string }

func (g school) Read(_ context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	facts := []fact.Fact{fact.Unit{ID: "u", Name: "Testskolan"}, fact.Group{ID: "c", Name: "9B", Type: "Klass", Unit: "u", SchoolType: "GR"}}
	if g.number != "" {
		facts = append(facts, fact.Person{ID: "p-1", CivicNo: g.number, GivenName: g.given, FamilyName: "Provsson", Email: "testa@elev.example", Username: "tespro"},
			fact.Enrolment{Person: "p-1", Unit: "u", SchoolType: "GR", SchoolYear: "9"}, fact.Member{Group: "c", Person: "p-1", Role: "pupil"})
	}
	facts = append(facts, fact.Person{ID: "p-2", GivenName: "Björn", FamilyName: "Annan", Email: "b@elev.example"}, fact.Enrolment{Person: "p-2", Unit: "u"})
	return source.Result{Complete: true}, emit(fact.Doc{ID: "all", Facts: facts})
}

// minute reads a source as its schedule does.
func (w *town) minute(name roster.Source, s source.Source, d source.Defaults) {
	w.t.Helper()
	keyer, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		w.t.Fatal(err)
	}
	run, err := source.NewReader(source.Options{
		Tenant: "lund", Name: name, Source: s, Defaults: d, Keyer: keyer, Log: w.store.Log("lund"), Runs: w.store.Runs("lund"),
		Holds: w.store.Holds("lund"), Logger: slog.New(slog.DiscardHandler), Now: w.clock,
		NewID: func() string { w.runs++; return fmt.Sprint("run", w.runs) },
	}).Run(w.t.Context())
	if err != nil || !run.Believed() {
		w.t.Fatalf("the run of %s is %s with %v because of %v (%v)", name, run.State, run.Counts, run.Reason, err)
	}
}

// byCommand has the desk read.
func (w *town) byCommand() {
	w.t.Helper()
	c := manual.Connector()
	s, err := c.New().Open(source.Env{Tenant: "lund", Source: byHand(), Now: w.clock, Desk: w.store.Desk("lund")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.minute(byHand(), s, c.Defaults)
}

// do runs a command with a standard input.
func (w *town) do(want int, in string, args ...string) string {
	w.t.Helper()
	var out bytes.Buffer
	c := &control{
		getenv: func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }, now: w.clock,
		in: strings.NewReader(in), out: &out, errs: &out, newID: func() string { w.ids++; return fmt.Sprint("d", w.ids) },
	}
	args = append(args, "--tenant", "lund")
	if args[1] != "list" && args[1] != "suggestions" {
		args = append(args, "--by", "Skolchefen", "--why", "anmält")
	}
	if got := c.run(w.t.Context(), args); got != want {
		w.t.Fatalf("essctl %s: status %d, want %d\n%s", strings.Join(args, " "), got, want, &out)
	}
	for _, secret := range []string{"01019802", "-9802", "18900101", "TF01", "Testa", "Provsson"} {
		if strings.Contains(out.String(), secret) {
			w.t.Errorf("R8: essctl %s prints %q:\n%s", strings.Join(args, " "), secret, &out)
		}
	}
	return out.String()
}

func (w *town) roster() *roster.Roster {
	w.t.Helper()
	r, err := (&control{now: w.clock}).whole(w.t.Context(), w.store, "lund")
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// apple returns every resource that Apple School Manager should hold, by its id.
func (w *town) apple() map[string]string {
	w.t.Helper()
	made, err := asm.Connector().New().Open(target.Env{})
	if err != nil {
		w.t.Fatal(err)
	}
	r, out := w.roster(), map[string]string{}
	for ref := range r.Each() {
		for _, wish := range made.Mapping.Map(r, ref) {
			if wish.Withheld == nil {
				out[wish.Resource.ID.String()] = fmt.Sprint(wish.Resource)
			}
		}
	}
	return out
}

func (w *town) key(number string) string {
	keyer, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		w.t.Fatal(err)
	}
	return keyer.Person(alvis, "", roster.ParseCivicNo(number, roster.Today(w.clock()))).String()
}

// Protected by command she is gone from Apple with the next minute's read; taken back, all of it is there again, with
// the same ids. Her number and name stand in no subject, no header and no audit.
func TestR9PersonProtectActsWithinAMinuteAndIsUndone(t *testing.T) {
	for name, who := range map[string]struct {
		args []string
		in   string
	}{
		"by key":    {[]string{"--key", "KEY"}, ""},
		"by id":     {[]string{"--source", "alvis", "--id", "p-1"}, ""},
		"by number": {[]string{"--number", "-"}, herNumber + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			w.minute(alvis, school{herNumber, "Testa"}, source.Defaults{})
			before := w.apple()
			for i := range who.args {
				who.args[i] = strings.ReplaceAll(who.args[i], "KEY", w.key(herNumber))
			}
			protect := append([]string{"person", "protect"}, who.args...)
			if out := w.do(0, who.in, append(protect, "--dry-run")...); !strings.Contains(out, "would be done") || !strings.Contains(out, "system: manual") {
				t.Errorf("a dry run, where nothing reads the desk, says\n%s", out)
			}
			w.byCommand()
			if after := w.apple(); len(after) != len(before) {
				t.Fatal("a dry run did something")
			}
			out := w.do(0, who.in, append(protect, "--alias", "google/default")...)
			if strings.Contains(out, "warning") || !strings.Contains(out, w.key(herNumber)) {
				t.Errorf("it says\n%s", out)
			}
			w.byCommand()
			her := roster.Ref{Kind: roster.KindPerson}
			if err := her.Key.UnmarshalText([]byte(w.key(herNumber))); err != nil {
				t.Fatal(err)
			}
			if after := w.apple(); len(after) >= len(before) {
				t.Errorf("she is still there: %v", after)
			}
			if m := w.roster().State(her); !m.Protected || !m.Alias("google/default") || m.Alias("google/other") {
				t.Errorf("the roster says %v", m)
			}
			if out := w.do(0, who.in, append(protect, "--marking", string(roster.MarkingProtected))...); !strings.Contains(out, "decision d2\n") {
				t.Errorf("a second protection is one more decision:\n%s", out)
			}
			w.byCommand()
			w.do(0, who.in, append([]string{"person", "unprotect"}, who.args...)...)
			w.byCommand()
			after := w.apple()
			for id, want := range before {
				if after[id] != want {
					t.Errorf("%s was %s and is %s", id, want, after[id])
				}
			}
			if out := w.do(1, who.in, append([]string{"person", "unprotect"}, who.args...)...); !strings.Contains(out, "nobody protected") {
				t.Errorf("undone twice: %s", out)
			}
			entries, err := w.store.Audit("lund").Entries(t.Context())
			if err != nil || len(entries) != 3 || entries[0].What != "person.protect" || entries[2].What != "person.unprotect" || entries[0].Who != "Skolchefen" || entries[0].Why != "anmält" {
				t.Errorf("the audit says %+v, %v", entries, err)
			}
			w.searchStreams("18900101", "01019802", "-9802", "Testa")
		})
	}
}

// searchStreams looks for what may stand in bodies of records and decisions only.
func (w *town) searchStreams(secrets ...string) {
	w.t.Helper()
	for _, m := range storetest.Messages(w.t, w.url) {
		text := m.Subject + fmt.Sprint(m.Header)
		if m.Stream == "ESS-AUDIT-lund" {
			text += string(m.Data)
		}
		for _, s := range secrets {
			if strings.Contains(text, s) {
				w.t.Errorf("R8: %s of %s holds %q", m.Subject, m.Stream, s)
			}
		}
	}
}

// Protection does not wait for a register to know the child, and it follows her from a TF number to a personnummer.
func TestR9ProtectionAheadAndThroughANewNumber(t *testing.T) {
	w := newTown(t)
	w.minute(alvis, school{"", ""}, source.Defaults{})
	w.do(0, herTF+"\n", "person", "protect", "--number", "-", "--source", "alvis")
	w.byCommand()
	before := w.apple()
	for _, number := range []string{herTF, herNumber} {
		w.minute(alvis, school{number, "Testa"}, source.Defaults{})
		for id, r := range w.apple() {
			if before[id] == "" && strings.Contains(id, "tudent") {
				t.Errorf("with the number of kind %s: %s", roster.ParseCivicNo(number, roster.Today(w.clock())).Kind(), r)
			}
		}
	}
	w.do(0, herNumber+"\n", "person", "unprotect", "--number", "-")
	w.byCommand()
	if len(w.apple()) <= len(before) {
		t.Error("she is not back")
	}
}

func TestPersonJoinSplitAndSuggestions(t *testing.T) {
	w := newTown(t)
	extens := roster.Source{System: "extens", Instance: "default"}
	w.minute(alvis, school{herTF, "Testa"}, source.Defaults{})
	w.minute(extens, school{herNumber, "Tésta"}, source.Defaults{})
	w.byCommand()
	var list []printedPair
	out := w.do(0, "", "person", "suggestions", "-o", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0].Sure != string(roster.Likely) || len(list[0].Persons) != 2 ||
		strings.Join(list[0].Persons[0].Units, "") != "Testskolan" || strings.Join(list[0].Persons[0].Classes, "") != "9B" {
		t.Fatalf("%v\n%s", err, out)
	}
	two := []string{"--key", w.key(herNumber), "--other-key", w.key(herTF)}
	w.do(0, "", append([]string{"person", "join"}, two...)...)
	w.byCommand()
	if r := w.roster(); len(r.Suggestions()) != 0 {
		t.Error("it is suggested still")
	}
	if out := w.do(0, "", "person", "suggestions", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("of none, as JSON: %s", out)
	}
	if out := w.do(0, "", "person", "suggestions"); !strings.Contains(out, "No two keys") {
		t.Errorf("it says\n%s", out)
	}
	if out := w.do(1, "", append([]string{"person", "join"}, two...)...); !strings.Contains(out, "one key already") {
		t.Errorf("joined twice: %s", out)
	}
	w.do(0, "", "person", "split", "--key", w.key(herTF))
	w.byCommand()
	if r := w.roster(); len(r.Suggestions()) != 1 {
		t.Error("it is not undone")
	}
	if out := w.do(1, "", "person", "join", "--key", w.key(herNumber), "--other-source", "alvis", "--other-id", "p-2"); !strings.Contains(out, "cannot be one person") {
		t.Errorf("two who are not one: %s", out)
	}
	w.do(0, "", "person", "protect", "--key", w.key(herNumber))
	w.byCommand()
	if out := w.do(0, "", "person", "suggestions", "-o", "json"); strings.Contains(out, w.key(herNumber)) {
		t.Errorf("R9: who is protected is named: %s", out)
	}
}
