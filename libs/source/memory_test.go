package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

var name = roster.Source{System: "test", Instance: "default"}

// memoryLog is a log as the contract describes it: epochs, batches that stand whole or not at all, expectations.
type memoryLog struct {
	mu       sync.Mutex
	batch    int // changes in a batch, more when they are joined
	seq      uint64
	run      string // whose right it is to write
	open     bool
	heads    map[roster.Ref]source.Head
	records  map[roster.Ref]roster.Record
	messages []source.Change
	calls    int
	// fault is asked before and after every batch; what it returns is the answer that the writer gets.
	fault func(batch int, stands bool) error
}

func newLog() *memoryLog {
	return &memoryLog{batch: 3, heads: map[roster.Ref]source.Head{}, records: map[roster.Ref]roster.Record{}, fault: func(int, bool) error { return nil }}
}

func (l *memoryLog) Scan(_ context.Context, s roster.Source) (source.Scan, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return source.Scan{Heads: maps.Clone(l.heads), Open: l.open}, nil
}

func (l *memoryLog) Records(_ context.Context, s roster.Source, each func(roster.Record) error) error {
	l.mu.Lock()
	var list []roster.Record
	for _, r := range l.records {
		if r.Tombstone == nil {
			list = append(list, r)
		}
	}
	l.mu.Unlock()
	for _, r := range list {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

func (l *memoryLog) Publish(ctx context.Context, s roster.Source, run string, changes []source.Change, progress func(int)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	l.run, l.open = run, true
	for done, n := 0, 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(done+l.batch, len(changes))
		for end < len(changes) && changes[end].Joined {
			end++
		}
		if err := l.fault(n, false); err != nil {
			return err
		}
		for _, c := range changes[done:end] {
			if h := l.heads[c.Record.Ref]; h.Seq != c.Expect {
				return fmt.Errorf("%s is at %d: %w", c.Record.Ref, h.Seq, source.ErrConflict)
			}
		}
		for _, c := range changes[done:end] {
			l.seq++
			h := source.Head{Seq: l.seq, Hash: c.Hash, SourceID: c.SourceID}
			if t := c.Record.Tombstone; t != nil {
				h.Tombstone, h.Became, h.Protected = true, t.Became, t.Reason == roster.TombstoneProtected
			}
			l.heads[c.Record.Ref] = h
			l.records[c.Record.Ref] = c.Record
			l.messages = append(l.messages, c)
		}
		last := end == len(changes)
		if last {
			l.open = false
		}
		if err := l.fault(n, true); err != nil {
			return err
		}
		done = end
		progress(done)
		if last {
			return nil
		}
	}
}

// state returns what the log says: the hash of every live record, and the tombstones.
func (l *memoryLog) state() map[string]string {
	out := map[string]string{}
	for ref, r := range l.records {
		if r.Tombstone != nil {
			out[ref.String()] = string(r.Tombstone.Reason)
		} else {
			out[ref.String()] = string(roster.AppendJSON(nil, &r, true))
		}
	}
	return out
}

func (l *memoryLog) live(k roster.Kind) (list []roster.Record) {
	for ref, r := range l.records {
		if ref.Kind == k && r.Tombstone == nil {
			list = append(list, r)
		}
	}
	return list
}

// memoryRuns keeps runs.
type memoryRuns struct {
	runs      []source.Run
	err       error
	regressed bool // the log is not the one of the runs so far
}

func (m *memoryRuns) Last(context.Context, roster.Source) (newest, believed *source.Run, err error) {
	for i := range m.runs {
		newest = &m.runs[i]
		if newest.Believed() {
			believed = newest
		}
	}
	if believed != nil && m.regressed {
		was := *believed
		was.Cursor, was.Regressed = nil, true
		believed = &was
	}
	return newest, believed, nil
}

func (m *memoryRuns) Save(_ context.Context, r source.Run) error {
	if m.err != nil {
		return m.err
	}
	m.runs = append(m.runs, r)
	m.regressed = m.regressed && !r.Believed()
	return nil
}

func (m *memoryRuns) Found(_ context.Context, _ roster.Source, run string) (*source.Found, error) {
	for _, r := range slices.Backward(m.runs) {
		if r.Found != nil && (run == "" || run == r.ID) {
			return r.Found, nil
		}
	}
	return nil, nil
}

// memoryHolds keeps what guards know.
type memoryHolds struct{ kept guard.Kept }

func (m *memoryHolds) Kept(context.Context, roster.Source) (guard.Kept, error) {
	g := m.kept
	g.Decisions, g.Passed = slices.Clone(g.Decisions), slices.Clone(g.Passed)
	return g, nil
}

func (m *memoryHolds) Version(context.Context, roster.Source) (uint64, error) {
	return m.kept.Version, nil
}

func (m *memoryHolds) Keep(_ context.Context, _ roster.Source, g guard.Kept) error {
	if g.Version != m.kept.Version {
		return guard.ErrConflict
	}
	g.Version++
	m.kept = g
	return nil
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
	log  *memoryLog
	runs *memoryRuns
	hold *memoryHolds
	now  time.Time
	opts source.Options
	n    int
}

func newWorld(t *testing.T) *world {
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, reg: &register{docs: map[string]fact.Doc{}}, log: newLog(), runs: &memoryRuns{}, hold: &memoryHolds{}, now: time.Date(2026, 10, 1, 18, 30, 0, 0, time.UTC)}
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
