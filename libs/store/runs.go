package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Runs keeps what every run of a tenant's sources came to. It is safe for concurrent use.
type Runs struct {
	s      *Store
	tenant string
	stream string
}

var _ source.Runs = (*Runs)(nil)

// Runs returns the runs of a tenant. A tenant that has none shows at the first call.
func (s *Store) Runs(tenant string) *Runs { return &Runs{s, tenant, ledgerStream(tenant)} }

// runHistory is how many runs of a source are kept. Run n stands in slot n modulo runHistory, so that keeping them
// bounded takes no right to delete.
const runHistory = 64

// The headers of a run.
const (
	headerSlot   = "Ess-Slot"
	headerLog    = "Ess-Log"     // the log that the run's cursor goes with
	headerLogSeq = "Ess-Log-Seq" // and where it ended
)

// Save keeps a run as the newest, and as the newest that was believed when it was.
func (r *Runs) Save(ctx context.Context, run source.Run) error {
	if err := validSource(run.Source); err != nil {
		return err
	}
	prefix := under(runSubjects, r.tenant, run.Source)
	body, err := encodeRun(run)
	if err != nil {
		return fmt.Errorf("save run %s of %s: %w", run.ID, run.Source, err)
	}
	slot := 0
	newest, err := r.s.lastMsg(ctx, r.stream, prefix+"newest")
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
	case err != nil:
		return fmt.Errorf("save run %s of %s: %w", run.ID, run.Source, err)
	default:
		if n, err := strconv.Atoi(newest.Header.Get(headerSlot)); err == nil {
			slot = (n + 1) % runHistory
		}
	}
	if run.Found != nil {
		if err := r.saveFound(ctx, run, slot); err != nil {
			return fmt.Errorf("save what run %s of %s found: %w", run.ID, run.Source, err)
		}
	}
	end, err := r.s.end(ctx, logStream(r.tenant))
	if err != nil {
		return fmt.Errorf("save run %s of %s: %w", run.ID, run.Source, err)
	}
	subjects := []string{prefix + "history." + strconv.Itoa(slot), prefix + "newest"}
	if run.Believed() {
		subjects = append(subjects, prefix+"believed")
	}
	msgs := make([]*nats.Msg, len(subjects))
	for i, subject := range subjects {
		msgs[i] = nats.NewMsg(subject)
		msgs[i].Data = body
		msgs[i].Header[headerSlot] = []string{strconv.Itoa(slot)}
		msgs[i].Header[headerLog] = []string{timeHeader(end.Log)}
		msgs[i].Header[headerLogSeq] = []string{strconv.FormatUint(end.Seq, 10)}
	}
	return r.s.publishBatch(ctx, r.stream, msgs)
}

// Last returns the newest run, and the newest one that was believed; nil where there is none. When the log is another
// one than that run's, or shorter, the believed run is regressed and has no cursor: the source reads everything again.
func (r *Runs) Last(ctx context.Context, s roster.Source) (newest, believed *source.Run, err error) {
	if err := validSource(s); err != nil {
		return nil, nil, err
	}
	if newest, _, err = r.last(ctx, s, "newest"); err != nil {
		return nil, nil, err
	}
	believed, at, err := r.last(ctx, s, "believed")
	if err != nil || believed == nil {
		return newest, nil, err
	}
	end, err := r.s.end(ctx, logStream(r.tenant))
	if err != nil {
		return nil, nil, err
	}
	if at.Regressed(end) {
		believed.Cursor, believed.Regressed = nil, true
	}
	return newest, believed, nil
}

func (r *Runs) last(ctx context.Context, s roster.Source, which string) (*source.Run, roster.Position, error) {
	var at roster.Position
	m, err := r.s.lastMsg(ctx, r.stream, under(runSubjects, r.tenant, s)+which)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, at, nil
	}
	if err != nil {
		return nil, at, fmt.Errorf("%s run of %s: %w", which, s, err)
	}
	run, err := decodeRun(m.Data)
	if err != nil {
		return nil, at, fmt.Errorf("%s run of %s: %w", which, s, err)
	}
	if at.Log, err = time.Parse(time.RFC3339Nano, m.Header.Get(headerLog)); err != nil {
		return nil, at, fmt.Errorf("%s run of %s: it does not tell its log", which, s)
	}
	if at.Seq, err = strconv.ParseUint(m.Header.Get(headerLogSeq), 10, 64); err != nil {
		return nil, at, fmt.Errorf("%s run of %s: it does not tell its place in the log", which, s)
	}
	return run, at, nil
}

// foundIn returns where what the run in a slot found is kept.
func (r *Runs) foundIn(s roster.Source, slot int) string {
	return under(runSubjects, r.tenant, s) + "found." + strconv.Itoa(slot) + "."
}

// saveFound keeps what a run found in the run's slot.
func (r *Runs) saveFound(ctx context.Context, run source.Run, slot int) error {
	body, err := encodeFound(run.Found)
	if err != nil {
		return err
	}
	prefix := r.foundIn(run.Source, slot)
	older, err := r.s.lastSeq(ctx, r.stream, prefix+"head")
	if err != nil {
		return err
	}
	return r.s.putParts(ctx, r.stream, prefix, body, older)
}

// Found returns what a run found, or, when no run is named, the newest that came to findings; nil where there is none.
func (r *Runs) Found(ctx context.Context, s roster.Source, run string) (*source.Found, error) {
	if err := validSource(s); err != nil {
		return nil, err
	}
	newest, err := r.s.lastMsg(ctx, r.stream, under(runSubjects, r.tenant, s)+"newest")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what runs of %s found: %w", s, err)
	}
	last, err := strconv.Atoi(newest.Header.Get(headerSlot))
	if err != nil {
		return nil, fmt.Errorf("what runs of %s found: the newest run does not tell its slot", s)
	}
	for i := range runHistory {
		slot := (last - i + runHistory) % runHistory
		m, err := r.s.lastMsg(ctx, r.stream, under(runSubjects, r.tenant, s)+"history."+strconv.Itoa(slot))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("what runs of %s found: %w", s, err)
		}
		kept, err := decodeRun(m.Data)
		if err != nil {
			return nil, fmt.Errorf("what runs of %s found: %w", s, err)
		}
		if run != "" && kept.ID != run {
			continue
		}
		data, seq, err := r.s.getParts(ctx, r.stream, r.foundIn(s, slot))
		if err != nil {
			return nil, fmt.Errorf("what run %s of %s found: %w", kept.ID, s, err)
		}
		if seq > 0 {
			found, err := decodeFound(data)
			if err != nil {
				return nil, fmt.Errorf("what run %s of %s found: %w", kept.ID, s, err)
			}
			if found.Run == kept.ID { // else it is of the run that had the slot before
				return found, nil
			}
		}
		if run != "" {
			break
		}
	}
	return nil, nil
}

// History returns the runs of a source that are kept, the oldest first.
func (r *Runs) History(ctx context.Context, s roster.Source) ([]source.Run, error) {
	if err := validSource(s); err != nil {
		return nil, err
	}
	var runs []source.Run
	rd := reading{stream: r.stream, filter: under(runSubjects, r.tenant, s) + "history.>", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err := r.s.readAll(ctx, rd, func(d delivery) error {
		run, err := decodeRun(d.Data())
		if err != nil {
			return unreadable(d, err)
		}
		runs = append(runs, *run)
		return nil
	})
	return runs, err
}
