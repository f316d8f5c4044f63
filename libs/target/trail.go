package target

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"eventful.se/ess/libs/reason"
)

// How much is told of a round, so that a first load makes no more spans than anybody reads.
const (
	toldRuns   = 16 // runs of a round, the newest
	toldWrites = 64 // writes of a call, those that failed before others
)

// trail leads from what a round does at the target back to the runs that made it do so (rule R10), by name and by trace.
// Where nothing is called, there is no span. The span of a round continues the trace of the newest run of its first call,
// and links the others.
type trail struct {
	link  *Link
	begun time.Time
	runs  map[string]uint64 // the newest change of each run that was carried out
	span  trace.Span        // nil before the first call
}

// trace begins the trail of a round.
func (l *Link) trace(begun time.Time) {
	l.trail = trail{link: l, begun: begun, runs: map[string]uint64{}}
}

// end ends the trail, and has s tell of it.
func (t *trail) end(s *Settled, err error) {
	s.Runs = newest(t.runs)
	if t.span == nil {
		return
	}
	if id := t.span.SpanContext().TraceID(); id.IsValid() {
		s.Trace = id.String()
	}
	t.span.SetAttributes(
		attribute.Int("created", s.Created), attribute.Int("updated", s.Updated), attribute.Int("disabled", s.Disabled),
		attribute.Int("deleted", s.Deleted), attribute.Int64("cursor", int64(s.Cursor.Seq)))
	if failed(t.span, err); s.Halted != nil {
		t.span.SetStatus(codes.Error, string(s.Halted.Code))
	}
	t.span.End()
}

// call begins the span of a call of the target that carries out some causes.
func (t *trail) call(ctx context.Context, name string, causes []Cause, of ...attribute.KeyValue) (context.Context, trace.Span) {
	caused := map[string]uint64{}
	for _, c := range causes {
		if c.Run != "" {
			caused[c.Run] = max(caused[c.Run], c.Seq)
		}
	}
	var links []trace.Link
	for _, run := range newest(caused) {
		if _, told := t.runs[run]; told || len(t.runs)+len(links) >= toldRuns {
			continue
		}
		if from := t.link.o.Feed.traceOf(run); from.IsValid() {
			links = append(links, trace.Link{SpanContext: from, Attributes: []attribute.KeyValue{attribute.String("run", run)}})
		}
	}
	for run, seq := range caused {
		t.runs[run] = max(t.runs[run], seq)
	}
	if t.span == nil {
		parent := ctx
		if len(links) > 0 {
			parent = trace.ContextWithRemoteSpanContext(ctx, links[0].SpanContext)
			links = links[1:]
		}
		_, t.span = t.link.o.Tracer.Start(parent, "link.round", //nolint:spancheck // end ends it
			trace.WithTimestamp(t.begun), trace.WithLinks(links...), trace.WithAttributes(
				attribute.String("tenant", t.link.o.Tenant), attribute.String("target", t.link.o.Target.String())))
	} else {
		for _, l := range links {
			t.span.AddLink(l)
		}
	}
	of = append(of, attribute.StringSlice("runs", newest(caused)))
	return t.link.o.Tracer.Start(trace.ContextWithSpan(ctx, t.span), name, //nolint:spancheck // the caller ends it
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(of...))
}

// write tells of one write of a call that began at a time.
func (t *trail) write(ctx context.Context, in intent, err error, begun time.Time) {
	options := []trace.SpanStartOption{trace.WithTimestamp(begun), trace.WithAttributes(
		attribute.String("verb", string(in.verb)), attribute.String("resource", in.resource.ID.String()),
		attribute.String("run", in.cause.Run), attribute.Int64("seq", int64(in.cause.Seq)))}
	if of := t.link.o.Feed.traceOf(in.cause.Run); of.IsValid() && of.TraceID() != trace.SpanContextFromContext(ctx).TraceID() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: of}))
	}
	_, span := t.link.o.Tracer.Start(ctx, "target.write", options...)
	failed(span, err)
	span.End()
}

// failed has a span say why what it tells of failed; nothing where it did not. The text of an error stays out of it.
func failed(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, string(reason.Of(err).Code))
	}
}

// newest returns the runs of the newest changes, the newest first.
func newest(runs map[string]uint64) []string {
	list := slices.SortedFunc(maps.Keys(runs), func(a, b string) int { return cmp.Or(cmp.Compare(runs[b], runs[a]), cmp.Compare(a, b)) })
	return list[:min(len(list), toldRuns)]
}

// tell begins the trail of a batch that is about to be sent, and returns the context to send it with. What is done for a
// contained person leaves none.
func (c *calls) tell(ctx context.Context, f *flight) context.Context {
	var causes []Cause
	for i := range f.batch {
		if !f.batch[i].contain && !c.hidden(&f.batch[i].entry) {
			f.told, causes = append(f.told, i), append(causes, f.batch[i].cause)
		}
	}
	if len(f.told) > 0 {
		ctx, f.span = c.link.trail.call(ctx, "target.apply", causes, attribute.String("kind", f.ops[0].Resource.ID.Kind), attribute.Int("operations", len(f.told)))
	}
	return ctx
}

// toldOf ends the trail of a batch with what became of it.
func (c *calls) toldOf(ctx context.Context, f *flight) {
	if f.span == nil {
		return
	}
	defer f.span.End()
	if !f.span.IsRecording() || len(f.outcomes) != len(f.ops) {
		return
	}
	ctx = trace.ContextWithSpan(ctx, f.span)
	slices.SortStableFunc(f.told, func(a, b int) int { return rank(f.outcomes[a].Err) - rank(f.outcomes[b].Err) })
	for _, i := range f.told[:min(len(f.told), toldWrites)] {
		c.link.trail.write(ctx, f.batch[i], f.outcomes[i].Err, f.begun)
		failed(f.span, f.outcomes[i].Err)
	}
}

// rank has what failed come before what did not.
func rank(err error) int {
	if err != nil {
		return 0
	}
	return 1
}

// bring calls the target with a package, and leaves a trail of it.
func (e *sets) bring(ctx context.Context, p Package, plan setPlan) error {
	ctx, span := e.link.trail.call(ctx, "target.deliver", e.reasons(plan), attribute.String("package", p.Name), attribute.Int("bytes", len(p.Body)))
	defer span.End()
	err := e.link.o.Made.Deliverer.Deliver(ctx, p)
	failed(span, err)
	return err
}

// reasons returns the changes that make a set differ from the last one, those of contained persons left out.
func (e *sets) reasons(plan setPlan) (causes []Cause) {
	for id, en := range plan.entries {
		if old := e.last[id]; en.Held && (old == nil || !old.Held || old.Cause != en.Cause) {
			causes = append(causes, en.Cause)
		}
	}
	for id, old := range e.last {
		if old.Held && !plan.stands(id) && !e.hidden(old) {
			causes = append(causes, plan.causes[old.Entity])
		}
	}
	return causes
}
