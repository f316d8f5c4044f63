package connectors_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/services/source-manual/manual"
	"eventful.se/ess/services/target-apple-school-manager/asm"
)

const (
	town   = "provkoping"
	number = "18900101-9802"
	tf     = "20150314-TF01"
)

// register is a source that states one school, one pupil with a personnummer and one with a TF number.
type register struct{ given string }

func (r register) Read(_ context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	return source.Result{Complete: true}, emit(fact.Doc{ID: "all", Facts: []fact.Fact{
		fact.Unit{ID: "u", Name: "Åsö skola"},
		fact.Person{ID: "1", CivicNo: number, GivenName: r.given, FamilyName: "Provsson", Email: "testa@elev.example", Username: "tespro"},
		fact.Person{ID: "2", CivicNo: tf, GivenName: "Märta", FamilyName: "Övning", Email: "marta@elev.example", Username: "marovn"},
		fact.Enrolment{Person: "1", Unit: "u", SchoolYear: "7"},
		fact.Enrolment{Person: "2", Unit: "u", SchoolYear: "7"},
	}})
}

// installation is a log with two registers, decisions by hand and the mapping of Apple School Manager.
type installation struct {
	t     *testing.T
	dir   string
	srv   *store.Server
	store *store.Store
	keyer *roster.Keyer
	now   time.Time
	runs  int
}

func install(t *testing.T) *installation {
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{t: t, dir: t.TempDir(), keyer: k, now: time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC)}
	i.start()
	t.Cleanup(i.stop)
	return i
}

func (i *installation) start() {
	i.t.Helper()
	var err error
	if i.srv, err = store.Embedded(store.ServerOptions{Dir: filepath.Join(i.dir, "nats")}); err != nil {
		i.t.Fatal(err)
	}
	if i.store, err = store.Connect(i.t.Context(), store.Options{Server: i.srv, Name: "test"}); err != nil {
		i.t.Fatal(err)
	}
	if err := i.store.EnsureTenant(i.t.Context(), town, 1); err != nil {
		i.t.Fatal(err)
	}
}

func (i *installation) stop() {
	i.store.Close()
	i.srv.Shutdown()
}

// read reads a source once into the log.
func (i *installation) read(name roster.Source, s source.Source, d source.Defaults) {
	i.t.Helper()
	i.runs++
	run, err := source.NewReader(source.Options{
		Tenant: town, Name: name, Source: s, Defaults: d, Keyer: i.keyer, Log: i.store.Log(town), Runs: i.store.Runs(town), Holds: i.store.Holds(town),
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return i.now }, NewID: func() string { return fmt.Sprint("run-", i.runs) },
	}).Run(i.t.Context())
	if err != nil || !run.Believed() {
		i.t.Fatalf("the read of %s is %s: %v (%v)", name, run.State, run.Reason, err)
	}
}

var (
	alvis      = roster.Source{System: "alvis", Instance: "default"}
	schoolsoft = roster.Source{System: "schoolsoft", Instance: "gr"}
	byHand     = roster.Source{System: "manual", Instance: "default"}
)

func (i *installation) registers() {
	i.t.Helper()
	i.read(alvis, register{"Testa"}, source.Defaults{})
	i.read(schoolsoft, register{"Tästa"}, source.Defaults{})
}

// decide writes the file of decisions by hand and has it read.
func (i *installation) decide(text string) {
	i.t.Helper()
	path := filepath.Join(i.dir, "manual.yaml")
	if err := os.WriteFile(path, []byte(text+"\n...\n"), 0o600); err != nil {
		i.t.Fatal(err)
	}
	s, err := (&manual.Config{File: path}).Open(source.Env{Now: func() time.Time { return i.now }})
	if err != nil {
		i.t.Fatal(err)
	}
	i.read(byHand, s, manual.Connector().Defaults)
}

// janitor takes everything out of the log that may go, when every link has read all of it.
func (i *installation) janitor() {
	i.t.Helper()
	end, err := i.store.Log(town).End(i.t.Context())
	if err != nil {
		i.t.Fatal(err)
	}
	_, err = i.store.Janitor(i.t.Context(), town, store.Retention{Now: i.now.AddDate(1, 0, 0), Age: time.Hour, History: 1, Cursors: []roster.Position{end}})
	if err != nil {
		i.t.Fatal(err)
	}
}

// roster loads the log on a day.
func (i *installation) roster() *roster.Roster {
	i.t.Helper()
	r := roster.NewRoster(roster.Precedence{alvis, schoolsoft, byHand}, roster.Today(i.now))
	_, err := i.store.Log(town).Load(i.t.Context(), func(e roster.Event) error {
		if e.Record != nil {
			r.Apply(*e.Record)
		}
		return e.Unreadable
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return r
}

// pupil returns what Apple should hold of a person: a name, the reason why not, or nothing.
func (i *installation) pupil(k roster.Key) string {
	i.t.Helper()
	made, err := asm.Connector().New().Open(target.Env{})
	if err != nil {
		i.t.Fatal(err)
	}
	wishes := made.Mapping.Map(i.roster(), roster.Ref{Kind: roster.KindPerson, Key: k})
	if len(wishes) != 1 {
		return fmt.Sprint(len(wishes), " wishes")
	}
	if why := wishes[0].Withheld; why != nil {
		return string(why.Code)
	}
	at := slices.IndexFunc(wishes[0].Resource.Fields, func(f target.Field) bool { return f.Name == "first_name" })
	return wishes[0].Resource.Fields[at].Value.Reveal()
}

func (i *installation) want(when string, k roster.Key, want string) {
	i.t.Helper()
	if got := i.pupil(k); got != want {
		i.t.Errorf("%s: Apple has %q, want %q", when, got, want)
	}
}

func (i *installation) key(s roster.Source, n string) roster.Key {
	return i.keyer.Person(s, "", roster.ParseCivicNo(n, roster.Today(i.now)))
}

const decided = ", owner: Skolchefen, reason: anmält}"

// Two sources list one person and she is protected by hand: gone everywhere, also after the janitor ran and after a
// restart; back when that is taken back, although then the file says nothing at all.
func TestR9TwoSourcesListOnePersonAndOneProtectsHer(t *testing.T) {
	i := install(t)
	i.registers()
	her := i.key(alvis, number)
	i.want("in both registers", her, "Testa")
	i.decide("protect:\n  - {person: {number: " + number + "}" + decided)
	i.want("protected", her, string(reason.NotFound))
	i.janitor()
	i.want("after the janitor", her, string(reason.NotFound))
	i.stop()
	i.start()
	i.want("after a restart", her, string(reason.NotFound))
	i.registers()
	i.want("after the registers said it again", her, string(reason.NotFound))
	i.decide("protect: []")
	i.want("taken back", her, "Testa")
	i.janitor()
	i.want("taken back, after the janitor", her, "Testa")
}

// A register that takes a protected person out with a tombstone wins over the other that lists her, and the janitor
// lets the tombstone be.
func TestR9AProtectedTombstoneOutlastsTheJanitor(t *testing.T) {
	i := install(t)
	i.registers()
	her := roster.Ref{Kind: roster.KindPerson, Key: i.key(alvis, number)}
	scan, err := i.store.Log(town).Scan(t.Context(), schoolsoft)
	if err != nil {
		t.Fatal(err)
	}
	stone := roster.Record{Ref: her, Source: schoolsoft, Tombstone: &roster.Tombstone{Reason: roster.TombstoneProtected}}
	change := source.Change{Record: stone, Hash: i.keyer.Hash(&stone), Expect: scan.Heads[her].Seq}
	if err := i.store.Log(town).Publish(t.Context(), schoolsoft, "protects", []source.Change{change}, nil); err != nil {
		t.Fatal(err)
	}
	i.want("protected", her.Key, "0 wishes")
	i.janitor()
	if m := i.roster().State(her); m.State != roster.Tombstoned || !m.Protected {
		t.Errorf("after the janitor: %v", m)
	}
}

func TestWhatIsDecidedActsAndEndsByItsDay(t *testing.T) {
	i := install(t)
	i.registers()
	today, her := i.now, i.key(alvis, number)
	for name, c := range map[string]struct{ decision, want, then string }{
		"exclude":  {"exclude:\n  - {until: 2026-09-20, person: {number: " + number + "}" + decided, "0 wishes", "Testa"},
		"suspend":  {"suspend:\n  - {until: 2026-09-20, person: {number: " + number + "}" + decided, string(reason.NotFound), "Testa"},
		"override": {"overrides:\n  - {until: 2026-09-20, givenName: Rätta, person: {number: " + number + "}" + decided, "Rätta", "Testa"},
	} {
		i.now = today
		i.decide(c.decision)
		i.want(name, her, c.want)
		if next := i.roster().NextBoundary(); next != 2026_09_21 {
			t.Errorf("%s: the next boundary is %v", name, next)
		}
		i.now = today.AddDate(0, 0, 6)
		i.want(name+", after its day", her, c.then)
	}
}

// The registers let her go, and she stands for as long as somebody keeps her.
func TestWhoIsKeptStands(t *testing.T) {
	i := install(t)
	i.registers()
	her := i.key(alvis, number)
	i.decide("keepUntil:\n  - {until: 2026-09-20, givenName: Testa, familyName: Provsson, person: {number: " + number + "}" +
		", personas: [{role: pupil, email: testa@elev.example, username: tespro}]" +
		", enrolments: [{unit: {source: alvis/default, id: u}, schoolYear: '7'}]" + decided)
	for _, s := range []roster.Source{alvis, schoolsoft} {
		i.read(s, onlyTheOther{}, source.Defaults{})
	}
	i.janitor()
	i.want("kept", her, "Testa")
	i.now = i.now.AddDate(0, 0, 6)
	i.want("after its day", her, "0 wishes")
	if m := i.roster().State(roster.Ref{Kind: roster.KindPerson, Key: her}); m.State != roster.Tombstoned || m.Reason != roster.TombstoneLeft {
		t.Errorf("R6: %v", m)
	}
}

// onlyTheOther is the register when the first pupil has left.
type onlyTheOther struct{}

func (onlyTheOther) Read(_ context.Context, _ source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	return source.Result{Complete: true}, emit(fact.Doc{ID: "all", Facts: []fact.Fact{
		fact.Unit{ID: "u", Name: "Åsö skola"}, fact.Person{ID: "2", CivicNo: tf, GivenName: "Märta", FamilyName: "Övning"},
	}})
}

// The same TF number in two sources is two persons; said to be one they are one, and two again when that is taken back.
func TestSameTFNumberInTwoSourcesIsTwoPersons(t *testing.T) {
	i := install(t)
	i.registers()
	first, second := i.key(alvis, tf), i.key(schoolsoft, tf)
	if first == second {
		t.Fatal("one key")
	}
	i.want("in alvis", first, "Märta")
	i.want("in schoolsoft", second, "Märta")
	i.decide("sameAs:\n  - {person: {source: schoolsoft/gr, number: " + tf + "}, other: {source: alvis/default, number: " + tf + "}" + decided)
	i.want("the lead", second, "Märta")
	i.want("the other", first, "0 wishes")
	if now, ok := i.roster().Became(first); !ok || now != second {
		t.Errorf("the link is not told which key it has now: %v", now)
	}
	i.decide("sameAs: []")
	i.want("undone, in alvis", first, "Märta")
	i.want("undone, in schoolsoft", second, "Märta")
}
