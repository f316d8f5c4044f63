package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
)

var name = roster.Source{System: "test", Instance: "default"}

// newLog returns a log that takes few changes in a batch, so that there are several to die between.
func newLog() *sourcetest.Log {
	l := sourcetest.NewLog()
	l.Batch = 3
	return l
}

// state is what a log says: every live record, and why the others are gone.
func state(l *sourcetest.Log) map[string]string {
	out := map[string]string{}
	for _, r := range l.Last() {
		if r.Tombstone != nil {
			out[r.Ref.String()] = string(r.Tombstone.Reason)
		} else {
			out[r.Ref.String()] = string(roster.AppendJSON(nil, &r, true))
		}
	}
	return out
}

// live returns the records of a kind that stand.
func live(l *sourcetest.Log, k roster.Kind) []roster.Record {
	return slices.DeleteFunc(l.Standing(), func(r roster.Record) bool { return r.Ref.Kind != k })
}

// register is a source: what it has, and how a read of it goes. A read with a cursor sees only changed.
type register struct {
	docs    map[string]fact.Doc
	changed []fact.Doc
	time    time.Time
	err     error
	since   []source.Cursor // of every read
}

func (g *register) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	g.since = append(g.since, since)
	r := source.Result{Cursor: source.Cursor(fmt.Sprint("after read ", len(g.since))), Complete: since == nil, Origin: "register", DataTime: g.time}
	list := g.changed
	if since == nil {
		list = nil
		for _, id := range sorted(g.docs) {
			list = append(list, g.docs[id])
		}
	}
	for _, d := range list {
		if err := emit(d); err != nil {
			return r, err
		}
	}
	return r, g.err
}

func sorted(m map[string]fact.Doc) (ids []string) {
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (g *register) set(id string, facts ...fact.Fact) {
	d := fact.Doc{ID: id, Facts: facts}
	g.docs[id] = d
	g.changed = append(g.changed, d)
}

func (g *register) drop(id string) {
	delete(g.docs, id)
	g.changed = append(g.changed, fact.Doc{ID: id, Deleted: true})
}

// world is a register, a log and what reads the one into the other.
type world struct {
	t    *testing.T
	reg  *register
	log  *sourcetest.Log
	runs *sourcetest.Runs
	hold *guardtest.Store
	now  time.Time
	opts source.Options
	n    int
}

func newWorld(t *testing.T) *world {
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, reg: &register{docs: map[string]fact.Doc{}}, log: newLog(), runs: &sourcetest.Runs{}, hold: &guardtest.Store{}, now: time.Date(2026, 10, 1, 18, 30, 0, 0, time.UTC)}
	w.opts = source.Options{
		Tenant: "town", Name: name, Source: w.reg, Keyer: k, Log: w.log, Runs: w.runs, Holds: w.hold, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now: func() time.Time { return w.now }, NewID: func() string { w.n++; return fmt.Sprint("run", w.n) },
	}
	w.reg.set("unit", fact.Unit{ID: "u", Name: "Skolan"})
	for i := range 5 {
		w.person(i, nil)
	}
	w.reg.set("group", fact.Group{ID: "g", Name: "7a", Type: "Klass", Unit: "u"}, fact.Member{Group: "g", Person: "p0", Role: "pupil"}, fact.Member{Group: "g", Person: "p1", Role: "pupil"})
	return w
}

// person puts a person into the register.
func (w *world) person(i int, change func(*fact.Person)) {
	id := fmt.Sprint("p", i)
	p := fact.Person{ID: id, CivicNo: pnr(i), GivenName: "Testa", FamilyName: fmt.Sprint("Åkesdotter", i), Email: id + "@example.org"}
	if change != nil {
		change(&p)
	}
	w.reg.set("person/"+id, p, fact.Enrolment{Person: id, Unit: "u", SchoolType: "GR", SchoolYear: "7"})
}

// read runs a new reader once, as after a restart.
func (w *world) read() source.Run {
	w.t.Helper()
	run, err := source.NewReader(w.opts).Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.reg.changed = nil
	return run
}

// want reads and checks state and counts of the run.
func (w *world) want(s source.State, counts string) source.Run {
	w.t.Helper()
	run := w.read()
	if got := fmt.Sprint(run.Counts); run.State != s || got != "map["+counts+"]" {
		why := ""
		if run.Reason != nil {
			why = run.Reason.String()
		}
		w.t.Fatalf("run is %s with %s, want %s with map[%s]; %s", run.State, got, s, counts, why)
	}
	return run
}

func (w *world) nextDay() { w.now = w.now.AddDate(0, 0, 1) }

// pnr returns a valid personnummer of somebody born in the eighteen hundreds.
func pnr(n int) string {
	s := fmt.Sprintf("1890%02d%02d%03d", n/28%12+1, n%28+1, 100+n%800)
	sum := 0
	for i, c := range s[2:] {
		d := int(c-'0') * (2 - i%2)
		sum += d/10 + d%10
	}
	return fmt.Sprintf("%s%d", s, (10-sum%10)%10)
}

var errCut = errors.New("the line was cut")
