package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Retention says what of a roster log may go. The last message on a subject is the record's state and stays (rule R1).
type Retention struct {
	Now     time.Time
	Age     time.Duration // history that was written longer ago goes
	History int           // and all but so many messages of a record
	// Cursors are those of every link of the tenant. A tombstone goes when all of them have passed it; with none given,
	// it stays.
	Cursors []roster.Position
}

// Swept is what a janitor took out of a log.
type Swept struct {
	History    int // messages that a later one had replaced
	Tombstones int
	Letters    int // passwords that nobody handed out
}

// lettersKept is how long a password waits to be handed out; after that a hand-out is a reset.
const lettersKept = 30 * 24 * time.Hour

// marksKept is how many marks of each sort a source keeps.
const marksKept = 256

// entity is what the log holds on the subject of one record.
type entity struct {
	source roster.Source
	seqs   []uint64 // in order; the last is the record's state
	times  []time.Time
	stone  roster.TombstoneReason // of the last message; empty when it is no tombstone
	became roster.Key             // of a tombstone that says so: the key that the person has instead
	// protects tells whether the last message says that the person is protected: a tombstone, or a record with a mark.
	protects bool
	subject  string
}

// Janitor takes out of a tenant's log what the retention lets go: old history, all history under a tombstone, and
// tombstones that every link has passed. A protected tombstone stays for good: without it, another source that lists
// the person would let her or him stand again (rule R9). One that says what became of a person stays as long as the log
// holds anything under that key: by it a reader knows which keys the person had, and what was decided under those counts
// for her or him. Of protected persons whom every link has taken away it takes
// out what is kept beside what stands; see forget. Passwords that wait to be handed out go after 30 days, or with their
// person. What is taken out of a person or group is overwritten on the disk.
func (s *Store) Janitor(ctx context.Context, tenant string, r Retention) (Swept, error) {
	var done Swept
	if err := validToken("tenant", tenant); err != nil {
		return done, err
	}
	if r.Age <= 0 || r.History < 1 || r.Now.IsZero() {
		return done, errors.New("a janitor needs the time, an age and a number of messages to keep")
	}
	entities, marks, end, err := s.inventory(ctx, tenant)
	if err != nil {
		return done, err
	}
	for ref, sources := range entities {
		for _, e := range sources {
			last, kept := len(e.seqs)-1, []uint64(nil)
			for i, seq := range e.seqs[:last] {
				if e.stone == "" && last+1-i <= r.History && r.Now.Sub(e.times[i]) <= r.Age {
					kept = append(kept, seq)
					continue
				}
				if err := s.erase(ctx, tenant, seq, ref.Kind != roster.KindOrganisation); err != nil {
					return done, err
				}
				done.History++
			}
			e.seqs = append(kept, e.seqs[last])
			last = len(kept)
			leads := !e.became.IsZero() && len(entities[roster.Ref{Kind: ref.Kind, Key: e.became}]) > 0
			if e.stone == "" || e.stone == roster.TombstoneProtected || leads || !passed(r.Cursors, roster.Position{Log: end.Log, Seq: e.seqs[last]}) {
				continue
			}
			if err := s.erase(ctx, tenant, e.seqs[last], false); err != nil {
				return done, err
			}
			done.Tombstones++
		}
	}
	n, err := s.forget(ctx, tenant, entities, contained(entities, end, r.Cursors))
	if done.History += n; err != nil {
		return done, err
	}
	stands := func(person roster.Key) bool {
		return slices.ContainsFunc(entities[roster.Ref{Kind: roster.KindPerson, Key: person}], func(e *entity) bool { return e.stone == "" || !e.became.IsZero() })
	}
	if done.Letters, err = s.Letters(tenant).sweep(ctx, r.Now.Add(-lettersKept), stands); err != nil && reason.Of(err).Code != reason.LogMissing {
		return done, err
	}
	for _, subject := range marks {
		if err := s.purge(ctx, logStream(tenant), jetstream.WithPurgeSubject(subject), jetstream.WithPurgeKeep(marksKept)); err != nil {
			return done, err
		}
	}
	return done, nil
}

// passed tells whether there are cursors, and all of them are at p or behind it in the same log.
func passed(cursors []roster.Position, p roster.Position) bool {
	for _, c := range cursors {
		if !c.Log.Equal(p.Log) || c.Seq < p.Seq {
			return false
		}
	}
	return len(cursors) > 0
}

// inventory reads the headers of a whole log: what it holds of every entity, and the subjects of the marks.
func (s *Store) inventory(ctx context.Context, tenant string) (map[roster.Ref][]*entity, []string, roster.Position, error) {
	entities := make(map[roster.Ref][]*entity)
	bySubject := make(map[string]*entity)
	marks := make(map[string]struct{})
	end, err := s.end(ctx, logStream(tenant))
	if err != nil {
		return nil, nil, end, err
	}
	r := reading{stream: logStream(tenant), filter: logSubjects + tenant + ".>", deliver: jetstream.DeliverAllPolicy, headers: true}
	_, err = s.readAll(ctx, r, func(d delivery) error {
		p, err := parseSubject(d.Subject())
		if err != nil {
			return unreadable(d, err)
		}
		if p.mark != "" {
			marks[d.Subject()] = struct{}{}
			return nil
		}
		e := bySubject[d.Subject()]
		if e == nil {
			e = &entity{source: p.source, subject: d.Subject()}
			bySubject[d.Subject()] = e
			entities[p.ref] = append(entities[p.ref], e)
		}
		e.seqs, e.times = append(e.seqs, d.seq), append(e.times, d.time)
		e.stone = roster.TombstoneReason(d.Headers().Get(headerTombstone))
		if e.became = (roster.Key{}); d.Headers().Get(headerBecame) != "" {
			if e.became, err = roster.ParseKey(d.Headers().Get(headerBecame)); err != nil {
				return unreadable(d, err)
			}
		}
		e.protects = e.stone == roster.TombstoneProtected || d.Headers().Get(headerProtects) != ""
		return nil
	})
	subjects := make([]string, 0, len(marks))
	for m := range marks {
		subjects = append(subjects, m)
	}
	return entities, subjects, end, err
}

// erase takes one message out; securely, its bytes on the disk are overwritten too. One that is gone already is no error.
func (s *Store) erase(ctx context.Context, tenant string, seq uint64, securely bool) error {
	name := logStream(tenant)
	return s.request(ctx, name, "", fmt.Sprintf("take message %d out of %s", seq, name), func(ctx context.Context) error {
		st, err := s.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		if securely {
			err = st.SecureDeleteMsg(ctx, seq)
		} else {
			err = st.DeleteMsg(ctx, seq)
		}
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		return err
	})
}
