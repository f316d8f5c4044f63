package targettest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// Log is a roster log in memory, as [target.Log] describes it.
type Log struct {
	// Created is when the log was made: one of another time is another log. It is changed before anybody reads.
	Created time.Time

	now    func() time.Time
	mu     sync.Mutex
	events []roster.Event
	more   chan struct{} // closed when there are more
}

var (
	_ target.Log      = (*Log)(nil)
	_ target.Overlays = (*Log)(nil)
)

// NewLog returns an empty log that takes messages by a clock.
func NewLog(now func() time.Time) *Log {
	return &Log{Created: time.Unix(1, 0), now: now, more: make(chan struct{})}
}

// Publish adds records, each as the last word of its source on its entity.
func (l *Log) Publish(records ...roster.Record) {
	var events []roster.Event
	for _, r := range records {
		events = append(events, roster.Event{Record: &r, Ref: r.Ref, Source: r.Source, Run: "run"})
	}
	l.Add(events...)
}

// PublishOverlays adds what a target knows of those of whom the log holds what is expected.
func (l *Log) PublishOverlays(_ context.Context, of roster.Source, list []target.Overlay) (refused []roster.Ref, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := map[roster.Ref]uint64{}
	for _, e := range l.events {
		if e.Source == of && e.Mark == "" {
			last[e.Ref] = e.Seq
		}
	}
	var events []roster.Event
	for _, o := range list {
		if last[o.Record.Ref] != o.Expect {
			refused = append(refused, o.Record.Ref)
			continue
		}
		events = append(events, roster.Event{Record: &o.Record, Ref: o.Record.Ref, Source: of, Run: o.Run})
	}
	l.add(events...)
	return refused, nil
}

// Mark adds the mark of a run.
func (l *Log) Mark(s roster.Source, m roster.Mark) { l.Add(roster.Event{Mark: m, Source: s}) }

// Add adds messages as they are, but for their sequences and times. Readers see them one by one, or all of them.
func (l *Log) Add(events ...roster.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(events...)
}

// add is Add for who holds mu.
func (l *Log) add(events ...roster.Event) {
	for _, e := range events {
		e.Seq, e.Time = uint64(len(l.events)+1), l.now()
		l.events = append(l.events, e)
	}
	close(l.more)
	l.more = make(chan struct{})
}

// Forget takes all that the log says of an entity out of it, as a janitor does with a tombstone that all have passed.
func (l *Log) Forget(ref roster.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.events {
		if e.Ref == ref {
			l.events[i] = roster.Event{Seq: e.Seq, Time: e.Time}
		}
	}
}

// forgotten tells whether an event was taken out of the log.
func forgotten(e roster.Event) bool { return e.Source == roster.Source{} }

// position is the end of the log. The caller holds mu.
func (l *Log) position() roster.Position {
	return roster.Position{Log: l.Created, Seq: uint64(len(l.events))}
}

// End returns the end of the log.
func (l *Log) End(context.Context) (roster.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position(), nil
}

// Load reads the last message on every subject.
func (l *Log) Load(_ context.Context, each func(roster.Event) error) (roster.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	type subject struct {
		source roster.Source
		mark   roster.Mark
		ref    roster.Ref
	}
	last := map[subject]uint64{}
	for _, e := range l.events {
		last[subject{e.Source, e.Mark, e.Ref}] = e.Seq
	}
	for _, e := range l.events {
		if !forgotten(e) && last[subject{e.Source, e.Mark, e.Ref}] == e.Seq {
			if err := each(e); err != nil {
				return roster.Position{}, err
			}
		}
	}
	return l.position(), nil
}

// Follow reads every message after a position.
func (l *Log) Follow(ctx context.Context, from roster.Position, headersOnly bool, each func(roster.Event) error) error {
	for next := from.Seq; ; next++ {
		e, err := l.at(ctx, next)
		switch {
		case err != nil:
			return err
		case forgotten(e):
			continue
		case headersOnly:
			e.Record = nil
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// at returns the event with an index, and waits until there is one.
func (l *Log) at(ctx context.Context, i uint64) (roster.Event, error) {
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

// Since returns the position before what the log took at or after a time.
func (l *Log) Since(_ context.Context, t time.Time) (roster.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.events, func(e roster.Event) bool { return !e.Time.Before(t) })
	if i < 0 {
		i = len(l.events)
	}
	return roster.Position{Log: l.Created, Seq: uint64(i)}, nil
}

// Ledger is the ledger of one link in memory, as [target.Ledger] describes it. What it holds is read and changed past the
// link only while none uses it.
type Ledger struct {
	Entries map[target.ID]target.Entry
	Mark    target.Mark
	Blobs   map[string][]byte
	Saves   int // how often it was written
	// Hook sees every step at which a process could die, before and after each write; its error is what the link gets.
	// It may be nil.
	Hook func(step string) error

	mu    sync.Mutex
	epoch int
}

var _ target.Ledger = (*Ledger)(nil)

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{Entries: map[target.ID]target.Entry{}, Blobs: map[string][]byte{}}
}

func (l *Ledger) step(name string) error {
	if l.Hook == nil {
		return nil
	}
	return l.Hook(name)
}

// Entry returns what it knows of a resource, also while a link uses it.
func (l *Ledger) Entry(id target.ID) (target.Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.Entries[id]
	return e, ok
}

// Status returns how the link was after its last round, also while it is used.
func (l *Ledger) Status() target.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Mark.Status
}

// Own returns the book of a new owner.
func (l *Ledger) Own(context.Context, roster.Source, target.Owner) (target.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	return &book{l, l.epoch}, nil
}

// Look returns a book that nobody can write.
func (l *Ledger) Look(context.Context, roster.Source) (target.Book, error) {
	return &book{l, readOnly}, nil
}

// readOnly is the epoch of a book that was taken to look at only.
const readOnly = -1

type book struct {
	ledger *Ledger
	mine   int
}

func (b *book) Load(_ context.Context, each func(target.Entry) error) (target.Mark, error) {
	b.ledger.mu.Lock()
	defer b.ledger.mu.Unlock()
	for _, id := range slices.SortedFunc(maps.Keys(b.ledger.Entries), target.ID.Compare) {
		if err := each(b.ledger.Entries[id]); err != nil {
			return target.Mark{}, err
		}
	}
	return b.ledger.Mark, nil
}

func (b *book) Save(_ context.Context, entries []target.Entry, m target.Mark) error {
	return b.write("save", func(l *Ledger) {
		for _, e := range entries {
			if e.State == target.Gone && e.Reason == nil {
				delete(l.Entries, e.ID)
			} else {
				l.Entries[e.ID] = e
			}
		}
		l.Mark = m
		l.Saves++
	})
}

func (b *book) Put(_ context.Context, name, keep string, data []byte) error {
	return b.write("put", func(l *Ledger) {
		maps.DeleteFunc(l.Blobs, func(n string, _ []byte) bool { return n != name && n != keep })
		l.Blobs[name] = slices.Clone(data)
	})
}

// write does something that leaves a trace, unless who asks only looks or is no longer the owner.
func (b *book) write(what string, do func(*Ledger)) error {
	if b.mine == readOnly {
		return target.ErrReadOnly
	}
	if err := b.ledger.step("before " + what); err != nil {
		return err
	}
	b.ledger.mu.Lock()
	lost := b.mine != b.ledger.epoch
	if !lost {
		do(b.ledger)
	}
	b.ledger.mu.Unlock()
	if lost {
		return target.ErrOwnerLost
	}
	return b.ledger.step("after " + what)
}

func (b *book) Blob(_ context.Context, name string) ([]byte, error) {
	b.ledger.mu.Lock()
	defer b.ledger.mu.Unlock()
	data, ok := b.ledger.Blobs[name]
	if !ok {
		return nil, fmt.Errorf("no blob %s", name)
	}
	return data, nil
}
