package targettest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// errKilled is what a process sees of its own death: nothing that it does after that has any effect.
var errKilled = errors.New("killed")

// memoryLog is a roster log in memory.
type memoryLog struct {
	now    func() time.Time
	mu     sync.Mutex
	events []roster.Event
	more   chan struct{}
}

func newLog(now func() time.Time) *memoryLog { return &memoryLog{now: now, more: make(chan struct{})} }

func (l *memoryLog) publish(records ...roster.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		l.events = append(l.events, roster.Event{
			Record: &r, Ref: r.Ref, Source: r.Source, Seq: uint64(len(l.events) + 1), Time: l.now(), Run: "run",
		})
	}
	close(l.more)
	l.more = make(chan struct{})
}

// position is the end of the log. The caller holds mu.
func (l *memoryLog) position() roster.Position {
	return roster.Position{Log: time.Unix(1, 0), Seq: uint64(len(l.events))}
}

func (l *memoryLog) End(context.Context) (roster.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position(), nil
}

func (l *memoryLog) Load(_ context.Context, each func(roster.Event) error) (roster.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	subject := func(e roster.Event) string { return e.Source.String() + " " + e.Ref.String() }
	last := map[string]uint64{}
	for _, e := range l.events {
		last[subject(e)] = e.Seq
	}
	for _, e := range l.events {
		if last[subject(e)] == e.Seq {
			if err := each(e); err != nil {
				return roster.Position{}, err
			}
		}
	}
	return l.position(), nil
}

func (l *memoryLog) Follow(ctx context.Context, from roster.Position, headersOnly bool, each func(roster.Event) error) error {
	for next := from.Seq; ; next++ {
		e, err := l.at(ctx, next)
		if err != nil {
			return err
		}
		if headersOnly {
			e.Record = nil
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// at returns the event with an index, and waits until there is one.
func (l *memoryLog) at(ctx context.Context, i uint64) (roster.Event, error) {
	for {
		l.mu.Lock()
		if i < uint64(len(l.events)) {
			defer l.mu.Unlock()
			return l.events[i], nil
		}
		more := l.more
		l.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return roster.Event{}, context.Cause(ctx)
		}
	}
}

func (l *memoryLog) Since(_ context.Context, t time.Time) (roster.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.events, func(e roster.Event) bool { return !e.Time.Before(t) })
	if i < 0 {
		i = len(l.events)
	}
	return roster.Position{Log: time.Unix(1, 0), Seq: uint64(i)}, nil
}

// memoryLedger is the ledger of one link in memory. Its hook sees every step at which a process could die.
type memoryLedger struct {
	mu      sync.Mutex
	epoch   int
	entries map[target.ID]target.Entry
	mark    target.Mark
	blobs   map[string][]byte
	hook    func(step string) error // nil for none
}

func newLedger() *memoryLedger {
	return &memoryLedger{entries: map[target.ID]target.Entry{}, blobs: map[string][]byte{}}
}

func (l *memoryLedger) step(name string) error {
	if l.hook == nil {
		return nil
	}
	return l.hook(name)
}

func (l *memoryLedger) Own(context.Context, roster.Source, target.Owner) (target.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	return &memoryBook{l, l.epoch}, nil
}

func (l *memoryLedger) Look(context.Context, roster.Source) (target.Book, error) {
	return &memoryBook{l, readOnly}, nil
}

// readOnly is the epoch of a book that was taken to look at only.
const readOnly = -1

type memoryBook struct {
	*memoryLedger
	mine int
}

func (b *memoryBook) Load(_ context.Context, each func(target.Entry) error) (target.Mark, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.SortedFunc(maps.Keys(b.entries), target.ID.Compare) {
		if err := each(b.entries[id]); err != nil {
			return target.Mark{}, err
		}
	}
	return b.mark, nil
}

func (b *memoryBook) Save(_ context.Context, entries []target.Entry, m target.Mark) error {
	if err := b.step("before the ledger is saved"); err != nil {
		return err
	}
	if err := b.save(entries, m); err != nil {
		return err
	}
	return b.step("after the ledger was saved")
}

func (b *memoryBook) save(entries []target.Entry, m target.Mark) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.mayWrite(); err != nil {
		return err
	}
	for _, e := range entries {
		if e.State == target.Gone && e.Reason == nil {
			delete(b.entries, e.ID)
		} else {
			b.entries[e.ID] = e
		}
	}
	b.mark = m
	return nil
}

// mayWrite refuses who only looks, and who is no longer the owner. The caller holds mu.
func (b *memoryBook) mayWrite() error {
	switch b.mine {
	case readOnly:
		return target.ErrReadOnly
	case b.epoch:
		return nil
	default:
		return target.ErrOwnerLost
	}
}

func (b *memoryBook) Put(_ context.Context, name, keep string, data []byte) error {
	if err := b.step("before the set is kept"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.mayWrite(); err != nil {
		return err
	}
	maps.DeleteFunc(b.blobs, func(n string, _ []byte) bool { return n != name && n != keep })
	b.blobs[name] = slices.Clone(data)
	return nil
}

func (b *memoryBook) Blob(_ context.Context, name string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.blobs[name]
	if !ok {
		return nil, fmt.Errorf("no blob %s", name)
	}
	return data, nil
}

// memoryHolds keeps what the guard of one link knows.
type memoryHolds struct {
	mu   sync.Mutex
	kept guard.Kept
}

func (m *memoryHolds) Kept(context.Context, roster.Source) (guard.Kept, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kept
	k.Decisions, k.Passed = slices.Clone(k.Decisions), slices.Clone(k.Passed)
	return k, nil
}

func (m *memoryHolds) Version(context.Context, roster.Source) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept.Version, nil
}

func (m *memoryHolds) Keep(_ context.Context, _ roster.Source, k guard.Kept) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k.Version != m.kept.Version {
		return guard.ErrConflict
	}
	k.Version++
	m.kept = k
	return nil
}
