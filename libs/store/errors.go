package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
)

// wrapped gives an error of NATS its reason.
func wrapped(err error, stream, what string) error {
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return reason.Errorf(reason.Misconfigured, nil, reason.LogMissing, "stream", stream)
	case noAnswer(err):
		return reason.Errorf(reason.Transient, err, reason.OutcomeUnknown, "what", what)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// noAnswer tells whether what was asked may have been done although no answer came.
func noAnswer(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrConnectionClosed) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting) ||
		errors.Is(err, nats.ErrReconnectBufExceeded)
}

// refusedExpectation tells whether the stream holds something newer than a message expected: by its own words (10071),
// or because something else on the subject is under way (10164).
func refusedExpectation(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
