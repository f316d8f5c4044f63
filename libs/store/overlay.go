package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

var _ target.Overlays = (*Log)(nil)

// PublishOverlays publishes what a target knows, in atomic batches, without opening a run: it is nobody's picture of
// anything, and no reader waits for its end. Of a batch that is refused, because the log holds something else of one of the
// persons, the rest is published one by one. What NATS did not answer (reason OutcomeUnknown) may stand; to publish it
// again is right.
func (l *Log) PublishOverlays(ctx context.Context, of roster.Source, list []target.Overlay) (refused []roster.Ref, err error) {
	if err := validSource(of); err != nil {
		return nil, err
	}
	for batch := range slices.Chunk(list, maxBatch) {
		msgs := make([]*nats.Msg, len(batch))
		for i, o := range batch {
			if msgs[i], err = l.overlay(of, o); err != nil {
				return refused, err
			}
		}
		err := l.s.publishBatch(ctx, l.stream, msgs)
		if refusedExpectation(err) {
			var not []roster.Ref
			not, err = l.overlayEach(ctx, of, batch)
			refused = append(refused, not...)
		}
		if err != nil {
			return refused, fmt.Errorf("publish overlays of %s: %w", of, err)
		}
	}
	return refused, nil
}

// overlayEach publishes overlays one by one, in messages of their own: those that were sent say that they are of a batch.
func (l *Log) overlayEach(ctx context.Context, of roster.Source, list []target.Overlay) (refused []roster.Ref, err error) {
	for _, o := range list {
		m, err := l.overlay(of, o)
		if err == nil {
			_, err = l.s.publish(ctx, l.stream, m)
		}
		switch {
		case refusedExpectation(err):
			refused = append(refused, o.Record.Ref)
		case err != nil:
			return refused, err
		}
	}
	return refused, nil
}

func (l *Log) overlay(of roster.Source, o target.Overlay) (*nats.Msg, error) {
	if o.Record.Source != of || !o.Record.Overlay {
		return nil, fmt.Errorf("publish overlays of %s: what is said of %s is no overlay of it", of, o.Record.Ref)
	}
	body, err := encodeRecord(o.Record)
	if err != nil {
		return nil, reason.Errorf(reason.Invalid, fmt.Errorf("publish %s of %s: %w", o.Record.Ref, of, err), reason.Unexpected)
	}
	m := nats.NewMsg(under(logSubjects, l.tenant, of) + string(o.Record.Ref.Kind) + "." + o.Record.Ref.Key.String())
	m.Data = body
	m.Header[headerSchema] = []string{strconv.Itoa(schemaMajor)}
	if o.Run != "" {
		m.Header[headerRun] = []string{o.Run}
	}
	if t := o.Record.Tombstone; t != nil {
		m.Header[headerTombstone] = []string{string(t.Reason)}
	}
	expectSeq(m, o.Expect)
	return m, l.s.checkSize(m, o.Record.Ref)
}
