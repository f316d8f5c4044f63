package sourcetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Log is a roster log of one source in memory, as [source.Log] describes it: batches stand whole or not at all, and only
// over what they expect.
type Log struct {
	// Batch is how many changes a batch holds, more where they are joined; all of them when it is 0.
	Batch int
	// Fault sees every batch, by its number in the publication, before and after it stands: its error is the answer that
	// the writer gets. It may be nil, and is changed only while nobody publishes.
	Fault func(batch int, stands bool) error

	mu           sync.Mutex
	open         bool
	heads        map[roster.Ref]source.Head
	records      map[roster.Ref]roster.Record
	changes      []source.Change // all that was ever published; one's index and 1 is its sequence
	publications int
}

var _ source.Log = (*Log)(nil)

// NewLog returns an empty log.
func NewLog() *Log {
	return &Log{heads: map[roster.Ref]source.Head{}, records: map[roster.Ref]roster.Record{}}
}

// Scan returns the heads.
func (l *Log) Scan(context.Context, roster.Source) (source.Scan, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return source.Scan{Heads: maps.Clone(l.heads), Open: l.open}, nil
}

// Records yields the records that stand.
func (l *Log) Records(_ context.Context, _ roster.Source, each func(roster.Record) error) error {
	for _, r := range l.Standing() {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// Publish takes changes batch by batch.
func (l *Log) Publish(ctx context.Context, _ roster.Source, _ string, changes []source.Change, progress func(int)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.publications++
	l.open = true
	for done, n := 0, 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(done+cmp.Or(l.Batch, len(changes)), len(changes))
		for end < len(changes) && changes[end].Joined {
			end++
		}
		if err := l.fault(n, false); err != nil {
			return err
		}
		if err := l.take(changes[done:end]); err != nil {
			return err
		}
		l.open = end < len(changes)
		if err := l.fault(n, true); err != nil {
			return err
		}
		if progress(end); !l.open {
			return nil
		}
		done = end
	}
}

func (l *Log) fault(batch int, stands bool) error {
	if l.Fault == nil {
		return nil
	}
	return l.Fault(batch, stands)
}

// take takes a batch, all of it or nothing. The caller holds mu.
func (l *Log) take(batch []source.Change) error {
	for _, c := range batch {
		if h := l.heads[c.Record.Ref]; h.Seq != c.Expect {
			return fmt.Errorf("%s is at %d: %w", c.Record.Ref, h.Seq, source.ErrConflict)
		}
	}
	for _, c := range batch {
		l.changes = append(l.changes, c)
		h := source.Head{Seq: uint64(len(l.changes)), Hash: c.Hash, SourceID: c.SourceID}
		if t := c.Record.Tombstone; t != nil {
			h.Tombstone, h.Became, h.Protected, h.Vanished = true, t.Became, t.Reason == roster.TombstoneProtected, c.Vanished
		}
		l.heads[c.Record.Ref], l.records[c.Record.Ref] = h, c.Record
	}
	return nil
}

// Standing returns the records that are no tombstones, in the order of their keys.
func (l *Log) Standing() []roster.Record {
	return slices.DeleteFunc(l.Last(), func(r roster.Record) bool { return r.Tombstone != nil })
}

// Last returns the last record of every entity, tombstones too, in the order of their keys.
func (l *Log) Last() []roster.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.records), func(x, y roster.Record) int { return x.Ref.Compare(y.Ref) })
}

// Record returns the last record of an entity, and whether there is one.
func (l *Log) Record(ref roster.Ref) (roster.Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.records[ref]
	return r, ok
}

// Tombstone returns the tombstone of an entity, or nil.
func (l *Log) Tombstone(ref roster.Ref) *roster.Tombstone {
	r, _ := l.Record(ref)
	return r.Tombstone
}

// Changes returns all that was ever published, in its order.
func (l *Log) Changes() []source.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.changes)
}

// Messages counts what was ever published.
func (l *Log) Messages() int { return len(l.Changes()) }

// Publications counts the runs that published, or tried to.
func (l *Log) Publications() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.publications
}

// Open tells whether a run was opened and never ended.
func (l *Log) Open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Runs keeps runs in memory.
type Runs struct {
	List []source.Run // all that were saved, the newest last
	Fail error        // what Save fails with; nil for nothing
	// Regressed says that the log is another one than that of the runs so far, until one is believed.
	Regressed bool
}

var _ source.Runs = (*Runs)(nil)

// Last returns the newest run, and the newest that was believed.
func (m *Runs) Last(context.Context, roster.Source) (newest, believed *source.Run, err error) {
	for i := range m.List {
		newest = &m.List[i]
		if newest.Believed() {
			believed = newest
		}
	}
	if believed != nil && m.Regressed {
		was := *believed
		was.Cursor, was.Regressed = nil, true
		believed = &was
	}
	return newest, believed, nil
}

// Save keeps a run.
func (m *Runs) Save(_ context.Context, r source.Run) error {
	if m.Fail != nil {
		return m.Fail
	}
	m.List = append(m.List, r)
	m.Regressed = m.Regressed && !r.Believed()
	return nil
}

// Found returns what a run found.
func (m *Runs) Found(_ context.Context, _ roster.Source, run string) (*source.Found, error) {
	for _, r := range slices.Backward(m.List) {
		if r.Found != nil && (run == "" || run == r.ID) {
			return r.Found, nil
		}
	}
	return nil, nil
}
