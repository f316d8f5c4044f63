package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// ErrDeskChanged says that somebody else decided something since the desk was read.
var ErrDeskChanged = errors.New("somebody else decided something meanwhile")

// Desk keeps what people decided by command about a tenant's persons: each decision on a subject of its own, whose last
// message is the decision, or empty once it is taken back. A head beside them, rewritten in the same batch, tells how
// many stand, so that a desk with a decision missing is not read as one that says less. Bodies are personal; subjects
// and headers never are. It is safe for concurrent use.
type Desk struct {
	s      *Store
	tenant string
	stream string
}

var _ source.Desk = (*Desk)(nil)

// Desk returns the desk of a tenant. A tenant that has none shows at the first call.
func (s *Store) Desk(tenant string) *Desk { return &Desk{s, tenant, ledgerStream(tenant)} }

const headerStanding = "Ess-Standing" // on the head: how many decisions stand

func (d *Desk) head() string { return deskSubjects + d.tenant + ".head" }

func (d *Desk) entry(id string) string { return deskSubjects + d.tenant + ".entry." + id }

// Decisions returns the decisions that stand, in the order of their ids.
func (d *Desk) Decisions(ctx context.Context) ([]source.Decision, error) {
	list, _, err := d.Read(ctx)
	return list, err
}

// Read returns the decisions that stand, and the version that [Desk.Decide] expects. What is decided while it reads
// makes it read again.
func (d *Desk) Read(ctx context.Context) (list []source.Decision, version uint64, err error) {
	const attempts = 5
	for range attempts {
		var standing int
		if list, version, standing, err = d.read(ctx); err != nil {
			return nil, 0, fmt.Errorf("read what was decided by command: %w", err)
		}
		if standing == len(list) {
			return list, version, nil
		}
	}
	return nil, 0, reason.Errorf(reason.Transient, nil, reason.DeskIncomplete, "found", len(list))
}

func (d *Desk) read(ctx context.Context) (list []source.Decision, version uint64, standing int, err error) {
	found := map[string]source.Decision{}
	r := reading{stream: d.stream, filter: deskSubjects + d.tenant + ".>", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err = d.s.readAll(ctx, r, func(m delivery) error {
		id, isEntry := strings.CutPrefix(m.Subject(), d.entry(""))
		switch {
		case !isEntry:
			version = m.seq
			if standing, err = strconv.Atoi(m.Headers().Get(headerStanding)); err != nil {
				return unreadable(m, errors.New("it does not tell how many decisions stand"))
			}
		case len(m.Data()) == 0:
			delete(found, id) // a subject that changes meanwhile comes twice
		default:
			found[id] = source.Decision{ID: id, At: m.time, Body: roster.Personal(m.Data())}
		}
		return nil
	})
	for _, id := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[id])
	}
	return list, version, standing, err
}

// Decide puts decisions on the desk, by their ids, and takes back those whose body is empty, all in one atomic batch. It
// ends with [ErrDeskChanged], and nothing is decided, when the desk has another version than it was read with.
func (d *Desk) Decide(ctx context.Context, decisions map[string]roster.Personal, version uint64) error {
	list, now, err := d.Read(ctx)
	switch {
	case err != nil:
		return err
	case now != version:
		return ErrDeskChanged
	case len(decisions) > maxBatch-1:
		return fmt.Errorf("decide: %d decisions at once, %d is the most", len(decisions), maxBatch-1)
	}
	standing := map[string]bool{}
	for _, x := range list {
		standing[x.ID] = true
	}
	var msgs []*nats.Msg
	for _, id := range slices.Sorted(maps.Keys(decisions)) {
		if err := validToken("the id of a decision", id); err != nil {
			return err
		}
		m := nats.NewMsg(d.entry(id))
		m.Data = []byte(decisions[id].Reveal())
		if err := d.s.checkSize(m, roster.Source{System: "desk", Instance: id}); err != nil {
			return err
		}
		if delete(standing, id); len(m.Data) > 0 {
			standing[id] = true
		}
		msgs = append(msgs, m)
	}
	head := nats.NewMsg(d.head())
	head.Header[headerStanding] = []string{strconv.Itoa(len(standing))}
	expectSeq(head, version)
	err = d.s.publishBatch(ctx, d.stream, append(msgs, head))
	if refusedExpectation(err) {
		return ErrDeskChanged
	}
	if err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	return nil
}
