package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"eventful.se/ess/libs/reason"
)

// What one atomic batch may hold: nats-server refuses more than 1,000 messages, and stages a batch before it stores it.
const (
	maxBatch      = 1000
	maxBatchBytes = 4 << 20
)

// fence is the message that heads every batch: it is stored only if what it expects is still the last on a subject
// that nobody else may have written meanwhile. (A message carries one expectation, so this takes a message of its own.)
func fence(subject, expects string, seq uint64) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header[jetstream.ExpectedLastSubjSeqSubjHeader] = []string{expects}
	expectSeq(m, seq)
	return m
}

func expectSeq(m *nats.Msg, seq uint64) {
	m.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(seq, 10)}
}

// checkSize refuses a message that the server would, before anything of its batch is sent.
func (s *Store) checkSize(m *nats.Msg, what fmt.Stringer) error {
	if n, limit := int64(m.Size()), s.nc.MaxPayload(); n > limit {
		return reason.Errorf(reason.Invalid, nil, reason.RecordTooLarge, "ref", what, "bytes", n, "limit", limit)
	}
	return nil
}

// publishBatch stores all of the messages or none. A batch that is on its way when ctx ends is finished.
func (s *Store) publishBatch(ctx context.Context, stream string, msgs []*nats.Msg) error {
	_, err := s.storeBatch(ctx, stream, msgs)
	return err
}

// storeBatch is publishBatch, and returns the sequence of the last message.
func (s *Store) storeBatch(ctx context.Context, stream string, msgs []*nats.Msg) (last uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	err = s.request(ctx, stream, msgs[len(msgs)-1].Subject, fmt.Sprintf("a batch of %d messages for %s", len(msgs), stream), func(ctx context.Context) error {
		ack, err := jetstreamext.PublishMsgBatch(ctx, s.js, msgs, jetstreamext.BatchFlowControl{AckFirst: true, AckTimeout: s.timeout})
		if err == nil {
			last = ack.Sequence
		}
		return err
	})
	return last, s.orMissing(ctx, stream, err)
}

// orMissing returns, in place of the error of a message that no stream took, that the stream is gone, when it is.
func (s *Store) orMissing(ctx context.Context, stream string, err error) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) {
		if _, missing := s.end(ctx, stream); missing != nil {
			return missing
		}
	}
	return err
}

// publish stores one message and returns its sequence.
func (s *Store) publish(ctx context.Context, stream string, m *nats.Msg) (seq uint64, err error) {
	err = s.request(ctx, stream, m.Subject, "a message for "+stream, func(ctx context.Context) error {
		ack, err := s.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
		if err == nil {
			seq = ack.Sequence
		}
		return err
	})
	return seq, s.orMissing(ctx, stream, err)
}

func timeHeader(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
