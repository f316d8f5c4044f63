package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

// The headers of a message on the log. None holds anything about a person (rule R8).
const (
	headerHash       = "Ess-Hash"        // keyed hash of the record
	headerSourceID   = "Ess-Source-Id"   // keyed hash of the source's id
	headerRun        = "Ess-Run"         // id of the run
	headerSourceTime = "Ess-Source-Time" // when the source made the data
	headerSchema     = "Ess-Schema"      // major version of the schema
	headerTombstone  = "Ess-Tombstone"   // the reason, on a tombstone
	headerApproved   = "Ess-Approved"    // on a change that a person approved
	headerProtects   = "Ess-Protects"    // on a record that marks its person as protected
	headerVanished   = "Ess-Vanished"    // on a tombstone of a person whom the register left out, and did not mark
	headerBecame     = "Ess-Became"      // the key that a person has instead, on a tombstone that says so
	headerTrace      = "traceparent"     // the W3C trace context of the run
)

// Log is the roster log of one tenant: every record that every source states, each on its own subject, whose last
// message is the record's whole state (rule R1). It is safe for concurrent use.
type Log struct {
	s      *Store
	tenant string
	stream string
}

var (
	_ source.Log = (*Log)(nil)
	_ target.Log = (*Log)(nil)
)

// Log returns the roster log of a tenant. A tenant that has none shows at the first call.
func (s *Store) Log(tenant string) *Log { return &Log{s, tenant, logStream(tenant)} }

func (l *Log) all() string { return logSubjects + l.tenant + ".>" }

// End returns the position of the end of the log.
func (l *Log) End(ctx context.Context) (roster.Position, error) { return l.s.end(ctx, l.stream) }

// TakenAfter returns when the log took the first message after a sequence that it still has; a zero time for none.
func (l *Log) TakenAfter(ctx context.Context, seq uint64) (at time.Time, err error) {
	err = l.s.request(ctx, l.stream, "", "read "+l.stream, func(ctx context.Context) error {
		st, err := l.s.js.Stream(ctx, l.stream)
		if err != nil {
			return err
		}
		m, err := st.GetMsg(ctx, seq+1, jetstream.WithGetMsgSubject(l.all()))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			return err
		}
		at = m.Time
		return nil
	})
	return at, err
}

// Scan reads the headers of the last message on each subject of the source.
func (l *Log) Scan(ctx context.Context, s roster.Source) (source.Scan, error) {
	scan := source.Scan{Heads: make(map[roster.Ref]source.Head)}
	if err := validSource(s); err != nil {
		return scan, err
	}
	var opened, ended uint64
	r := reading{stream: l.stream, filter: under(logSubjects, l.tenant, s) + ">", deliver: jetstream.DeliverLastPerSubjectPolicy, headers: true}
	_, err := l.s.readAll(ctx, r, func(d delivery) error {
		p, err := parseSubject(d.Subject())
		if err != nil {
			return unreadable(d, err)
		}
		switch h := d.Headers(); p.mark {
		case roster.RunOpened:
			opened = d.seq
		case roster.RunEnded:
			ended = d.seq
		case "":
			head := source.Head{
				Seq: d.seq, Hash: h.Get(headerHash), SourceID: h.Get(headerSourceID), Tombstone: h.Get(headerTombstone) != "",
			}
			head.Protected, head.Vanished = h.Get(headerTombstone) == string(roster.TombstoneProtected), h.Get(headerVanished) != ""
			if became := h.Get(headerBecame); became != "" {
				if head.Became, err = roster.ParseKey(became); err != nil {
					return unreadable(d, err)
				}
			}
			scan.Heads[p.ref] = head
		}
		return nil
	})
	scan.Open = opened > ended
	return scan, err
}

// Records reads the last record of each subject of the source, tombstones left out.
func (l *Log) Records(ctx context.Context, s roster.Source, each func(roster.Record) error) error {
	if err := validSource(s); err != nil {
		return err
	}
	// In a last-per-subject reading a subject that changes meanwhile comes again; the later one replaces the earlier.
	r := reading{stream: l.stream, filter: under(logSubjects, l.tenant, s) + ">", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err := l.s.readAll(ctx, r, func(d delivery) error {
		switch e := event(d, false); {
		case e.Unreadable != nil:
			return e.Unreadable // what is not known cannot be laid over
		case e.Mark != "" || e.Record.Tombstone != nil:
			return nil
		default:
			return each(*e.Record)
		}
	})
	return err
}

// Load reads the last message on every subject, marks and tombstones included, and returns the position that what it
// read is equal to. A subject that changes meanwhile comes twice, the later state last.
func (l *Log) Load(ctx context.Context, each func(roster.Event) error) (roster.Position, error) {
	end, err := l.End(ctx)
	if err != nil {
		return end, err
	}
	// What waits when the reading begins is the last of each subject up to end, or what has replaced it since: so
	// when nothing waits any more, all up to end was read or replaced, and all that was read beyond it is whole too.
	last, err := l.s.readAll(ctx, reading{stream: l.stream, filter: l.all(), deliver: jetstream.DeliverLastPerSubjectPolicy}, func(d delivery) error {
		return each(event(d, false))
	})
	end.Seq = max(end.Seq, last)
	return end, err
}

// Since returns the position before the first message that the log took at or after t.
func (l *Log) Since(ctx context.Context, t time.Time) (roster.Position, error) {
	p, err := l.End(ctx)
	if err != nil {
		return p, err
	}
	r := reading{stream: l.stream, filter: l.all(), deliver: jetstream.DeliverByStartTimePolicy, since: t, headers: true}
	_, err = l.s.readAll(ctx, r, func(d delivery) error {
		p.Seq = d.seq - 1
		return errStop
	})
	return p, err
}

// event reads a message of a roster log.
func event(d delivery, headersOnly bool) roster.Event {
	p, err := parseSubject(d.Subject())
	if err != nil {
		return roster.Event{Seq: d.seq, Time: d.time, Unreadable: unreadable(d, err)}
	}
	e := roster.Event{
		Seq: d.seq, Time: d.time, Run: d.Headers().Get(headerRun), Source: p.source, Ref: p.ref, Mark: p.mark,
		Approved: d.Headers().Get(headerApproved) != "", Trace: d.Headers().Get(headerTrace),
	}
	if p.mark == "" && !headersOnly {
		e.Record, e.Unreadable = record(d, p)
	}
	return e
}

// record reads the record in a message.
func record(d delivery, p place) (*roster.Record, error) {
	rec, err := decodeRecord(d.Data())
	var newer *schemaNewerError
	switch {
	case errors.As(err, &newer):
		return nil, reason.Errorf(reason.Misconfigured, nil, reason.SchemaNewer, "subject", d.Subject(), "schema", newer.schema, "known", schemaMajor)
	case err != nil:
		return nil, unreadable(d, err)
	case rec.Ref != p.ref || rec.Source != p.source:
		return nil, unreadable(d, errors.New("it is about another entity or source than its subject"))
	}
	return &rec, nil
}

func unreadable(d delivery, err error) error {
	return reason.Errorf(reason.Misconfigured, nil, reason.MessageUnreadable, "seq", d.seq, "subject", d.Subject(), "what", strings.TrimPrefix(err.Error(), "proto: "))
}
