package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Holds keeps what the guards of a tenant's sources or links know: frozen sets, decisions, and what was let through. It is
// safe for concurrent use.
type Holds struct {
	s      *Store
	tenant string
	stream string
	family string
}

var _ guard.Store = (*Holds)(nil)

// Holds returns what the guards of a tenant's sources know. A tenant that has none shows at the first call.
func (s *Store) Holds(tenant string) *Holds {
	return &Holds{s, tenant, ledgerStream(tenant), holdSubjects}
}

// LinkHolds returns what the guards of a tenant's links know.
func (s *Store) LinkHolds(tenant string) *Holds {
	return &Holds{s, tenant, ledgerStream(tenant), linkHoldSubjects}
}

// Kept returns what is kept of a source or link. The sequence of its head is the version.
func (h *Holds) Kept(ctx context.Context, s roster.Source) (g guard.Kept, err error) {
	if err := validSource(s); err != nil {
		return g, err
	}
	data, seq, err := h.s.getParts(ctx, h.stream, under(h.family, h.tenant, s))
	if err != nil {
		return g, fmt.Errorf("what is held of %s: %w", s, err)
	}
	if seq > 0 {
		if g, err = decodeGuarded(data); err != nil {
			return guard.Kept{}, fmt.Errorf("what is held of %s: %w", s, err)
		}
	}
	g.Version = seq
	return g, nil
}

// Version returns the sequence of the head of what is kept.
func (h *Holds) Version(ctx context.Context, s roster.Source) (uint64, error) {
	if err := validSource(s); err != nil {
		return 0, err
	}
	head, err := h.s.lastMsg(ctx, h.stream, under(h.family, h.tenant, s)+"head")
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("what is held of %s: %w", s, err)
	default:
		return head.Sequence, nil
	}
}

// Keep keeps it, in one atomic batch. It ends with guard.ErrConflict when the head is another than g.Version.
func (h *Holds) Keep(ctx context.Context, s roster.Source, g guard.Kept) error {
	if err := validSource(s); err != nil {
		return err
	}
	data, err := encodeGuarded(g)
	if err != nil {
		return fmt.Errorf("save what is held of %s: %w", s, err)
	}
	if err := h.s.putParts(ctx, h.stream, under(h.family, h.tenant, s), data, g.Version); err != nil {
		if refusedExpectation(err) {
			err = fmt.Errorf("%w: %w", guard.ErrConflict, err)
		}
		return fmt.Errorf("save what is held of %s: %w", s, err)
	}
	return nil
}

// putParts keeps data of any size below a prefix, in chunks and a head that names their number and digest, all in one
// atomic batch. It is refused when the head's sequence is not expect. Chunks of a larger one before it are emptied.
func (s *Store) putParts(ctx context.Context, stream, prefix string, data []byte, expect uint64) error {
	before := 0
	if expect > 0 {
		head, err := s.lastMsg(ctx, stream, prefix+"head")
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // the batch will be refused
		case err != nil:
			return err
		default:
			if before, err = strconv.Atoi(head.Header.Get(headerChunks)); err != nil {
				before = 0
			}
		}
	}
	sum := sha256.Sum256(data)
	var msgs []*nats.Msg
	n := 0
	for rest := data; len(rest) > 0; n++ {
		size := min(len(rest), chunk)
		m := nats.NewMsg(prefix + "part." + strconv.Itoa(n))
		m.Data, rest = rest[:size], rest[size:]
		msgs = append(msgs, m)
	}
	for i := n; i < before; i++ {
		msgs = append(msgs, nats.NewMsg(prefix+"part."+strconv.Itoa(i)))
	}
	head := nats.NewMsg(prefix + "head")
	head.Header[headerChunks] = []string{strconv.Itoa(n)}
	head.Header[headerDigest] = []string{hex.EncodeToString(sum[:])}
	expectSeq(head, expect)
	if msgs = append(msgs, head); len(msgs) > maxBatch {
		return reason.Errorf(reason.Invalid, nil, reason.RecordTooLarge, "ref", prefix+"head", "bytes", len(data), "limit", (maxBatch-1)*chunk)
	}
	return s.publishBatch(ctx, stream, msgs)
}

// getParts returns what putParts kept, and the sequence of its head; 0 when there is nothing. What is written anew while
// it is read is read again.
func (s *Store) getParts(ctx context.Context, stream, prefix string) (data []byte, seq uint64, err error) {
	const attempts = 5
	for range attempts {
		head, err := s.lastMsg(ctx, stream, prefix+"head")
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, err
		}
		n, err := strconv.Atoi(head.Header.Get(headerChunks))
		if err != nil {
			return nil, 0, fmt.Errorf("%shead is not readable: it does not tell its parts", prefix)
		}
		data = data[:0]
		for i := range n {
			m, err := s.lastMsg(ctx, stream, prefix+"part."+strconv.Itoa(i))
			if err != nil {
				return nil, 0, err
			}
			data = append(data, m.Data...)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) == head.Header.Get(headerDigest) {
			return data, head.Sequence, nil
		}
	}
	return nil, 0, fmt.Errorf("%shead does not fit its parts: they are damaged, or written all the time", prefix)
}
