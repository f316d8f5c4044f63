package sourcetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Log is a roster log of one source in memory, as [source.Log] describes it: what is published stands whole, and only
// over what it expects.
type Log struct {
	mu       sync.Mutex
	seq      uint64
	open     bool
	heads    map[roster.Ref]source.Head
	records  map[roster.Ref]roster.Record
	messages int
	refuse   error // what Publish fails with
}

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

// Publish takes changes, all of them or none.
func (l *Log) Publish(ctx context.Context, _ roster.Source, _ string, changes []source.Change, progress func(int)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.refuse != nil {
		return l.refuse
	}
	l.open = true
	for _, c := range changes {
		if h := l.heads[c.Record.Ref]; h.Seq != c.Expect {
			return fmt.Errorf("%s is at %d: %w", c.Record.Ref, h.Seq, source.ErrConflict)
		}
	}
	for _, c := range changes {
		l.seq++
		h := source.Head{Seq: l.seq, Hash: c.Hash, SourceID: c.SourceID}
		if t := c.Record.Tombstone; t != nil {
			h.Tombstone, h.Became, h.Protected = true, t.Became, t.Reason == roster.TombstoneProtected
		}
		l.heads[c.Record.Ref], l.records[c.Record.Ref] = h, c.Record
		l.messages++
	}
	l.open = false
	progress(len(changes))
	return nil
}

// Standing returns the records that are no tombstones, in the order of their keys.
func (l *Log) Standing() (list []roster.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.Tombstone == nil {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(x, y roster.Record) int { return x.Ref.Compare(y.Ref) })
	return list
}

// Tombstone returns the tombstone of an entity, or nil.
func (l *Log) Tombstone(ref roster.Ref) *roster.Tombstone {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[ref].Tombstone
}

// Messages counts what was ever published.
func (l *Log) Messages() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.messages
}

// Runs keeps runs in memory.
type Runs struct {
	runs []source.Run
	fail error // what Save fails with
}

// Last returns the newest run, and the newest that was believed.
func (m *Runs) Last(context.Context, roster.Source) (newest, believed *source.Run, err error) {
	for i := range m.runs {
		newest = &m.runs[i]
		if newest.Believed() {
			believed = newest
		}
	}
	return newest, believed, nil
}

// Save keeps a run.
func (m *Runs) Save(_ context.Context, r source.Run) error {
	if m.fail != nil {
		return m.fail
	}
	m.runs = append(m.runs, r)
	return nil
}

// Found returns what a run found.
func (m *Runs) Found(_ context.Context, _ roster.Source, run string) (*source.Found, error) {
	for _, r := range slices.Backward(m.runs) {
		if r.Found != nil && (run == "" || run == r.ID) {
			return r.Found, nil
		}
	}
	return nil, nil
}

// Holds keeps what a guard knows in memory.
type Holds struct{ kept guard.Kept }

// Kept returns what is kept.
func (m *Holds) Kept(context.Context, roster.Source) (guard.Kept, error) {
	k := m.kept
	k.Decisions, k.Passed = slices.Clone(k.Decisions), slices.Clone(k.Passed)
	return k, nil
}

// Version returns the version of what is kept.
func (m *Holds) Version(context.Context, roster.Source) (uint64, error) { return m.kept.Version, nil }

// Keep keeps it.
func (m *Holds) Keep(_ context.Context, _ roster.Source, k guard.Kept) error {
	if k.Version != m.kept.Version {
		return guard.ErrConflict
	}
	k.Version++
	m.kept = k
	return nil
}
