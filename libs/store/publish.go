package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Publish opens a run, publishes the changes in their order in atomic batches, and marks the end of the run in the last.
//
// It first publishes the mark of the opened run, whose sequence is the run's epoch: every batch expects it, so that an
// older run of the source can write no more. It ends with source.ErrConflict when an expectation was refused: its batch
// is not stored, the earlier ones are. It ends with [reason.OutcomeUnknown] when NATS did not answer: the batch may
// stand. Both times the run stays open, and the caller scans and diffs again. When ctx ends, a batch on its way is
// finished first.
func (l *Log) Publish(ctx context.Context, s roster.Source, run string, changes []source.Change, progress func(done int)) error {
	if err := validSource(s); err != nil {
		return err
	}
	if err := l.checkChanges(s, changes); err != nil {
		return err
	}
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer("ess")
	of := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, of)
	p := publication{l: l, s: s, run: run, trace: of[headerTrace]}
	opened := p.message(markSubject(l.tenant, s, roster.RunOpened))
	epoch, err := l.s.publish(ctx, l.stream, opened)
	if err != nil {
		return fmt.Errorf("open run %s of %s: %w", run, s, err)
	}
	p.epoch = epoch
	for done, next := 0, p.ahead(changes); ; {
		b := <-next
		if b.err != nil {
			return b.err
		}
		if done += b.n; done < len(changes) {
			next = p.ahead(changes[done:])
		}
		sending, span := tracer.Start(ctx, "log.batch", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attribute.Int("changes", b.n)))
		err := l.s.publishBatch(sending, l.stream, b.msgs)
		if err != nil {
			span.SetStatus(codes.Error, string(reason.Of(err).Code))
		}
		if span.End(); err != nil {
			if done < len(changes) {
				<-next
			}
			if refusedExpectation(err) {
				err = fmt.Errorf("%w: %w", source.ErrConflict, err)
			}
			return fmt.Errorf("run %s of %s, %d of %d changes stand: %w", run, s, done-b.n, len(changes), err)
		}
		if progress != nil {
			progress(done)
		}
		if done == len(changes) {
			return nil
		}
	}
}

// checkChanges refuses what no batch can hold: a record of another source, or two changes of one entity, of which the
// second cannot know what to expect.
func (l *Log) checkChanges(s roster.Source, changes []source.Change) error {
	seen := make(map[roster.Ref]struct{}, len(changes))
	for _, c := range changes {
		if c.Record.Source != s {
			return fmt.Errorf("publish %s of %s: the record is of source %s", c.Record.Ref, s, c.Record.Source)
		}
		if _, twice := seen[c.Record.Ref]; twice {
			return fmt.Errorf("publish %s of %s: it stands twice among the changes of one run", c.Record.Ref, s)
		}
		seen[c.Record.Ref] = struct{}{}
	}
	return nil
}

// publication is one run on its way into the log.
type publication struct {
	l     *Log
	s     roster.Source
	run   string
	epoch uint64
	trace string // a W3C traceparent; empty for none
}

func (p *publication) message(subject string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header[headerRun] = []string{p.run}
	if p.trace != "" {
		m.Header[headerTrace] = []string{p.trace}
	}
	return m
}

// prepared is a batch, ready to be published.
type prepared struct {
	msgs []*nats.Msg
	n    int // changes that it holds
	err  error
}

// ahead makes the next batch while the one before is on its way. It is to be received, for nothing else waits for it.
func (p *publication) ahead(changes []source.Change) <-chan prepared {
	next := make(chan prepared)
	go func() {
		msgs, n, err := p.batch(changes)
		next <- prepared{msgs, n, err}
	}()
	return next
}

// batch returns the messages of the next batch and how many of the changes they hold: the fence, changes (what is
// joined stays together), and the mark of the end after the last of all.
func (p *publication) batch(changes []source.Change) (msgs []*nats.Msg, n int, err error) {
	f := fence(markSubject(p.l.tenant, p.s, roster.RunBatch), markSubject(p.l.tenant, p.s, roster.RunOpened), p.epoch)
	f.Header[headerRun] = []string{p.run}
	msgs = append(make([]*nats.Msg, 0, min(maxBatch, len(changes)+2)), f)
	size := 0
	for n < len(changes) {
		group, bytes, err := p.joined(changes[n:])
		if err != nil {
			return nil, 0, err
		}
		if len(group) > maxBatch-2 {
			return nil, 0, fmt.Errorf("publish %s: %d changes are joined, and a batch holds %d", p.s, len(group), maxBatch-2)
		}
		if len(msgs)+len(group) > maxBatch-1 || n > 0 && size+bytes > maxBatchBytes {
			return msgs, n, nil
		}
		msgs, size, n = append(msgs, group...), size+bytes, n+len(group)
	}
	return append(msgs, p.message(markSubject(p.l.tenant, p.s, roster.RunEnded))), n, nil
}

// joined returns the messages of the first change and of those that must stand with it.
func (p *publication) joined(changes []source.Change) (msgs []*nats.Msg, size int, err error) {
	for i, c := range changes {
		if i > 0 && !c.Joined {
			break
		}
		m, err := p.change(c)
		if err != nil {
			return nil, 0, err
		}
		msgs, size = append(msgs, m), size+m.Size()
	}
	return msgs, size, nil
}

func (p *publication) change(c source.Change) (*nats.Msg, error) {
	body, err := encodeRecord(c.Record)
	if err != nil {
		return nil, reason.Errorf(reason.Invalid, fmt.Errorf("publish %s of %s: %w", c.Record.Ref, p.s, err), reason.Unexpected)
	}
	m := p.message(under(logSubjects, p.l.tenant, p.s) + string(c.Record.Ref.Kind) + "." + c.Record.Ref.Key.String())
	m.Data = body
	m.Header[headerHash] = []string{c.Hash}
	m.Header[headerSourceID] = []string{c.SourceID}
	m.Header[headerSchema] = []string{strconv.Itoa(schemaMajor)}
	if !c.SourceTime.IsZero() {
		m.Header[headerSourceTime] = []string{timeHeader(c.SourceTime)}
	}
	if c.Approved {
		m.Header[headerApproved] = []string{"true"}
	}
	if x := c.Record.Person; x != nil && x.Marking.Protects() {
		m.Header[headerProtects] = []string{"true"}
	}
	if t := c.Record.Tombstone; t != nil {
		m.Header[headerTombstone] = []string{string(t.Reason)}
		if c.Vanished {
			m.Header[headerVanished] = []string{"true"}
		}
		if !t.Became.IsZero() {
			m.Header[headerBecame] = []string{t.Became.String()}
		}
	}
	expectSeq(m, c.Expect)
	return m, p.l.s.checkSize(m, c.Record.Ref)
}
