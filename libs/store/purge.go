package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

// Purge takes everything that the log holds of a person out, in every source, with the bytes on the disk, and the older
// messages of groups that name the person; of the person's user names it leaves that they are taken. It is refused, with [reason.PurgeTooEarly], unless a tombstone stands in
// every source that had a record and every cursor has passed it: a purge tells nobody. When a group still names the
// person, the rest is purged and the error has the reason [reason.PurgeStillNamed].
func (s *Store) Purge(ctx context.Context, tenant string, person roster.Key, cursors []roster.Position) error {
	if err := validToken("tenant", tenant); err != nil {
		return err
	}
	ref := roster.Ref{Kind: roster.KindPerson, Key: person}
	entities, _, end, err := s.inventory(ctx, tenant)
	if err != nil {
		return err
	}
	for _, e := range entities[ref] {
		last := roster.Position{Log: end.Log, Seq: e.seqs[len(e.seqs)-1]}
		if e.stone == "" {
			return reason.Errorf(reason.Conflict, nil, reason.PurgeTooEarly, "ref", ref, "what", e.source.String()+" still has a record")
		}
		if len(cursors) > 0 && !passed(cursors, last) {
			return reason.Errorf(reason.Conflict, nil, reason.PurgeTooEarly, "ref", ref, "what", "a link has not passed the tombstone")
		}
	}
	history, standing, err := s.naming(ctx, tenant, map[roster.Key]bool{person: true})
	if err != nil {
		return err
	}
	for _, seq := range history {
		if err := s.erase(ctx, tenant, seq, true); err != nil {
			return err
		}
	}
	for _, e := range entities[ref] { // the tombstone last: an interrupted purge can be done again
		for _, seq := range e.seqs {
			if err := s.erase(ctx, tenant, seq, true); err != nil {
				return err
			}
		}
	}
	if err := s.Names(tenant).forget(ctx, person); err != nil {
		return err
	}
	if err := s.Letters(tenant).forget(ctx, map[roster.Key]bool{person: true}); err != nil {
		return err
	}
	if standing > 0 {
		return reason.Errorf(reason.Conflict, nil, reason.PurgeStillNamed, "ref", ref, "groups", standing)
	}
	return nil
}

// naming returns the messages of groups that name one of the persons and that a later one has replaced, and how many
// groups do so in their last message. A membership holds the source's id of its doc, which may be made of an identity
// number.
func (s *Store) naming(ctx context.Context, tenant string, persons map[roster.Key]bool) (history []uint64, standing int, err error) {
	named := make(map[string]uint64) // subject → last message, if it names one of them
	r := reading{stream: logStream(tenant), filter: logSubjects + tenant + ".>", deliver: jetstream.DeliverAllPolicy}
	_, err = s.readAll(ctx, r, func(d delivery) error {
		p, err := parseSubject(d.Subject())
		if err != nil {
			return unreadable(d, err)
		}
		if p.ref.Kind != roster.KindGroup {
			return nil
		}
		if seq, ok := named[d.Subject()]; ok {
			history = append(history, seq)
			delete(named, d.Subject())
		}
		for key := range persons {
			if bytes.Contains(d.Data(), key[:]) {
				named[d.Subject()] = d.seq
				break
			}
		}
		return nil
	})
	return history, len(named), err
}

// contained returns the protected persons whom every link has taken away.
func contained(entities map[roster.Ref][]*entity, end roster.Position, cursors []roster.Position) map[roster.Key]bool {
	keys := map[roster.Key]bool{}
	for ref, sources := range entities {
		heard := func(e *entity) bool {
			return !e.protects || passed(cursors, roster.Position{Log: end.Log, Seq: e.seqs[len(e.seqs)-1]})
		}
		protects := func(e *entity) bool { return e.protects }
		if ref.Kind == roster.KindPerson && slices.ContainsFunc(sources, protects) && !slices.ContainsFunc(sources, func(e *entity) bool { return !heard(e) }) {
			keys[ref.Key] = true
		}
	}
	return keys
}

// forget takes out what is kept of protected persons beside what stands: the history of their keys in every source and
// that of groups that name them, both with the bytes on the disk; what runs found of them; what guards hold or people
// decided about them; and passwords that wait to be handed out. It returns how many messages it took out of the log.
//
// What stays is the last message of each source: the tombstone, and a record of a source that does not know of the
// protection, which would say it again.
func (s *Store) forget(ctx context.Context, tenant string, entities map[roster.Ref][]*entity, keys map[roster.Key]bool) (n int, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	history, _, err := s.naming(ctx, tenant, keys)
	if err != nil {
		return 0, err
	}
	sources := map[roster.Source]bool{}
	for ref, list := range entities {
		for _, e := range list {
			sources[e.source] = true
			if ref.Kind == roster.KindPerson && keys[ref.Key] {
				history = append(history, e.seqs[:len(e.seqs)-1]...)
			}
		}
	}
	for _, seq := range history {
		if err := s.erase(ctx, tenant, seq, true); err != nil {
			return n, err
		}
		n++
	}
	for of := range sources {
		if err := errors.Join(s.Runs(tenant).forget(ctx, of, keys), s.Holds(tenant).forget(ctx, of, keys)); err != nil {
			return n, err
		}
	}
	links, err := s.Ledger(tenant).Marks(ctx)
	for link := range links {
		err = errors.Join(err, s.LinkHolds(tenant).forget(ctx, link, keys))
	}
	return n, errors.Join(err, s.Letters(tenant).forget(ctx, keys))
}

// forget leaves of a person's user names only that they are somebody's: given to somebody else they would bring her or his
// mail to that one.
func (n *Names) forget(ctx context.Context, person roster.Key) error {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		list, version, err := n.Load(ctx)
		if err != nil {
			return err
		}
		var freed []names.Claim
		for _, c := range list {
			if c.Owner.Person == person {
				freed = append(freed, names.Claim{Name: c.Name, Since: c.Since, Ended: c.Ended, Former: c.Former})
			}
		}
		if _, err = n.Save(ctx, freed, version); !errors.Is(err, target.ErrNamesChanged) || attempt == attempts {
			return err
		}
	}
}

// forget takes out of what the kept runs of a source found what is about some persons.
func (r *Runs) forget(ctx context.Context, of roster.Source, keys map[roster.Key]bool) error {
	for slot := range runHistory {
		data, seq, err := r.s.getParts(ctx, r.stream, r.foundIn(of, slot))
		if err == nil && seq == 0 {
			continue
		}
		var found *source.Found
		if err == nil {
			found, err = decodeFound(data)
		}
		if err != nil {
			return fmt.Errorf("what runs of %s found: %w", of, err)
		}
		all := len(found.Issues)
		found.Issues = slices.DeleteFunc(found.Issues, func(i source.Issue) bool { return keys[i.Ref.Key] })
		if len(found.Issues) == all {
			continue
		}
		if data, err = encodeFound(found); err == nil {
			err = r.s.putParts(ctx, r.stream, r.foundIn(of, slot), data, seq)
		}
		if err != nil && !refusedExpectation(err) { // refused: the slot is another run's now
			return fmt.Errorf("what runs of %s found: %w", of, err)
		}
	}
	return nil
}

// forget takes out of what is held, and of the decisions about that, what is about some persons.
func (h *Holds) forget(ctx context.Context, of roster.Source, keys map[roster.Key]bool) error {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		kept, err := h.Kept(ctx, of)
		if err != nil || !kept.Forget(keys) {
			return err
		}
		if err := h.Keep(ctx, of, kept); !errors.Is(err, guard.ErrConflict) || attempt == attempts {
			return err
		}
	}
}
