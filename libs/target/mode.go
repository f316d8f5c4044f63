package target

import (
	"context"
	"errors"
	"maps"
	"slices"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Mode says how much a link does. The zero Mode is ModeActive.
type Mode string

// The modes.
const (
	ModePreview Mode = "preview" // plans, and checks what it would send; writes nothing
	ModeActive  Mode = "active"
	ModePaused  Mode = "paused" // does nothing at all; what changes meanwhile is found when it goes on
)

// What an active link is shown as while it does not do all that the roster asks for.
const (
	ModeHeld   Mode = "held"   // a part of it waits for a person's decision
	ModeHalted Mode = "halted" // it does nothing, and tries again
)

// ErrPaused answers a command to a link that is paused.
var ErrPaused = errors.New("the link is paused: set its mode to active first")

// pause waits until ctx ends, and refuses commands.
func (l *Link) pause(ctx context.Context) error {
	for {
		select {
		case c := <-l.commands:
			l.answer(&c, Settled{}, ErrPaused)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Paused tells whether the document has the link do nothing.
func (l *Link) Paused() bool { return l.o.Mode == ModePaused }

// Row is one resource that a link in preview would create, change or take away, or that it would not send and why.
type Row struct {
	ID     ID
	Entity roster.Ref
	Verb   Verb           // empty for a resource that would not be sent
	Before Fields         // what the target is known to hold
	After  Fields         // what it would hold
	Reason *reason.Reason // why it would not be sent, why it is on its way out, or what the pre-flight says of it
	// FoundBy is the configured key by which the target's own was found, and Native its id there: it would be taken over or,
	// with [Use], used as it is. Enable says that it is disabled there and would not be any more.
	FoundBy, Native string
	Enable          bool
	Near            []Candidate // what it may be, where a person has to say which
}

// rowsOf returns what a set would change, sorted by id.
func rowsOf(last, entries map[ID]*Entry) []Row {
	var rows []Row
	for id, en := range entries {
		old := last[id]
		row := Row{ID: id, Entity: en.Entity, After: en.Fields, Reason: en.Reason}
		if old != nil && old.Held {
			row.Before = old.Fields
		}
		switch {
		case !en.Held && row.Before != nil:
			row.Verb, row.After = Delete, nil
		case !en.Held:
			row.After = nil
		case row.Before == nil:
			row.Verb = Create
		case !same(old, en.Fields, en.Sets):
			row.Verb = Update
		case en.State == Released && old.State != Released:
			row.Verb = LetGo
		case en.Reason == nil:
			continue // as it is, and for good
		}
		rows = append(rows, row)
	}
	for id, old := range last {
		if entries[id] == nil && old.Held {
			rows = append(rows, Row{ID: id, Entity: old.Entity, Verb: Delete, Before: old.Fields})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return a.ID.Compare(b.ID) })
	return rows
}

// count adds up what the rows of a preview would do.
func (s *Settled) count(rows []Row) {
	d := differences{}
	for _, r := range rows {
		d.count(r.ID.Kind, func(n *Delta) {
			switch r.Verb {
			case Create:
				n.Created++
			case Update:
				n.Updated++
			case Disable:
				n.Disabled++
			case Move:
				n.Moved++
			case Delete:
				n.Deleted++
			}
		})
	}
	maps.DeleteFunc(d, func(_ string, n Delta) bool { return n == Delta{} })
	s.add(d)
	s.Rows = rows
}

// preview returns what the intents would come to, with every need and member standing that is wished too.
func (c *calls) preview(intents []intent) []Row {
	rows := make([]Row, 0, len(intents))
	waits := map[ID]ID{}
	for _, in := range intents {
		if in.by != nil && in.verb == "" {
			waits[in.by.ID] = in.resource.ID
		}
	}
	for _, in := range intents {
		known := c.book.entries[in.resource.ID]
		if in.contain {
			continue // nobody is told
		}
		row := Row{ID: in.resource.ID, Entity: in.resource.Entity, Verb: in.verb, After: in.resource.Fields, Reason: in.entry.Reason}
		if known != nil && known.theirs() {
			row.FoundBy, row.Native, row.Enable = known.FoundBy, known.Native, in.verb == Update && known.off()
		}
		if in.match || len(in.entry.Near) > 0 {
			if row.Near, row.After = in.entry.Near, nil; in.entry.State == Matched && in.entry.Held {
				row.Verb, row.After = Use, known.Fields
			}
			if row.Verb != "" || row.Reason != nil {
				rows = append(rows, row)
			}
			continue
		}
		if in.entry.State == Released && in.verb == "" && (known == nil || known.State != Released) {
			row.Verb = LetGo
		}
		if other, taken := waits[in.resource.ID]; taken {
			row.Verb, row.After, row.Reason = "", nil, placeTaken(other)
		}
		if known != nil && known.Held {
			row.Before = known.Fields
			if in.verb == Update && !known.off() && same(known, in.resource.Fields, in.resource.Sets) {
				if !known.Untouched {
					continue
				}
				row.Verb = Adopt
			}
		}
		if in.verb == "" && row.Reason == nil {
			continue
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b Row) int { return a.ID.Compare(b.ID) })
	return rows
}
