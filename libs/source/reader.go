package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Options are what a [Reader] works with.
type Options struct {
	Tenant      string
	Name        roster.Source
	Source      Source
	Defaults    Defaults
	SchoolTypes map[string]string // see [fact.Options]
	// SchoolYear returns the läsår of a day, for a source that reuses its group ids; nil for a change-over on 1 July.
	SchoolYear func(roster.Date) string
	Keyer      *roster.Keyer
	Log        Log
	Runs       Runs
	Holds      guard.Store
	Limits     guard.Limits // the tenant's own; nil for the defaults
	Canaries   Canaries
	Logger     *slog.Logger
	Now        func() time.Time
	NewID      func() string              // makes the ids of runs
	Tracer     trace.Tracer               // nil for none
	Ended      func(context.Context, Run) // told of every run once it is saved; nil for nobody
	Progress   func(done, total int)      // told how many changes of a run are published; nil for nobody
}

// Reader reads one source of one tenant into the roster log. One goroutine at a time may call Run.
type Reader struct {
	Options
	wait time.Duration // before the log is asked again
}

// maxAhead is how far a source's clock may be ahead of ours.
const maxAhead = time.Hour

// attempts is how often a run compares with the log and publishes before it fails.
const attempts = 3

// NewReader returns a reader.
func NewReader(o Options) *Reader {
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Ended == nil {
		o.Ended = func(context.Context, Run) {}
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	if o.SchoolYear == nil {
		o.SchoolYear = func(d roster.Date) string { return roster.SchoolYearOf(d, time.July, 1) }
	}
	o.Logger = o.Logger.With("tenant", o.Tenant, "source", o.Name.String())
	return &Reader{o, 200 * time.Millisecond}
}

// Check tells step by step whether the source could be read. It fails with [errors.ErrUnsupported] where the source
// cannot tell.
func (r *Reader) Check(ctx context.Context, step func(name, detail string, err error)) error {
	c, ok := r.Source.(Checker)
	if !ok {
		return fmt.Errorf("source %s cannot check itself: %w", r.Name, errors.ErrUnsupported)
	}
	return c.Check(ctx, step)
}

// Run reads the source once: read, assemble or lay over, check, compare with the log, publish, and only then save the
// run with its cursor (rule R2). What went wrong is the run's state and reason, and then nothing was changed but what a
// log that broke off has taken already. The error says that there is no such run: ctx ended, or the store of the runs
// failed; nothing is lost, for the next run starts from the last that was saved.
func (r *Reader) Run(ctx context.Context) (Run, error) {
	run := Run{ID: r.NewID(), Source: r.Name, Started: r.Now(), Counts: map[string]int{}}
	logger := r.Logger.With("run", run.ID)
	ctx, span := r.Tracer.Start(ctx, "source.run", trace.WithAttributes(
		attribute.String("tenant", r.Tenant), attribute.String("source", r.Name.String()), attribute.String("run", run.ID)))
	defer span.End()

	newest, believed, err := r.Runs.Last(ctx, r.Name)
	if err != nil {
		return run, fmt.Errorf("run %s of %s: read the last run: %w", run.ID, r.Name, err)
	}
	logger.InfoContext(ctx, "run started")
	secret, err := r.run(ctx, &run, newest, believed)
	if ctx.Err() != nil {
		return run, fmt.Errorf("run %s of %s: %w", run.ID, r.Name, context.Cause(ctx))
	}
	if err != nil {
		why := reason.Of(err)
		run.Reason = &why
	}
	if run.Found != nil {
		before, err := r.Runs.Found(ctx, r.Name, "")
		if err != nil {
			return run, fmt.Errorf("run %s of %s: read what was found before: %w", run.ID, r.Name, err)
		}
		run.Found.compare(before, run.Complete, secret)
	}
	run.Ended = r.Now()
	span.SetAttributes(attribute.String("state", string(run.State)), attribute.Bool("complete", run.Complete))
	if run.Reason != nil {
		span.SetStatus(codes.Error, string(run.Reason.Code))
	}
	if err := r.Runs.Save(ctx, run); err != nil {
		return run, fmt.Errorf("run %s of %s: save the run: %w", run.ID, r.Name, err)
	}
	logger.LogAttrs(ctx, levelOf(run), "run ended", append(attrsOf(run), slog.Any("error", err))...)
	r.Ended(ctx, run)
	return run, nil
}

// levelOf is error where a person must act before a later run can do better.
func levelOf(r Run) slog.Level {
	if r.Reason != nil && (r.Reason.Code == reason.TooManyProtected || r.Reason.Code == reason.TooManyUnprotected) {
		return slog.LevelError
	}
	switch r.State {
	case Published, Unchanged:
		return slog.LevelInfo
	case Refused, Failed:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

func attrsOf(run Run) []slog.Attr {
	return []slog.Attr{
		slog.String("state", string(run.State)), slog.Bool("complete", run.Complete), slog.String("origin", run.Origin),
		slog.Any("seen", run.Seen), slog.Any("counts", run.Counts), slog.Duration("took", run.Ended.Sub(run.Started)),
	}
}

// run does the steps of a run, and settles its state. It tells of whom nothing may be told.
func (r *Reader) run(ctx context.Context, run, newest, believed *Run) (secret func(roster.Ref) bool, err error) {
	run.State = Failed
	since, err := r.since(ctx, believed)
	if err != nil {
		return nil, err
	}
	// Reading and assembling leave a processor free: the log is scanned meanwhile. A change of the log after that is
	// refused by its expectations, and it is scanned again.
	ahead := r.scanAhead(ctx)
	defer ahead.end()
	say, read, err := r.read(ctx, since, run, lastDataTime(newest, believed))
	if err != nil {
		run.State = stateOf(err)
		return nil, err
	}
	run.State, err = r.publish(ctx, run, say, read.DataTime, ahead, newest, believed)
	findings := say.unprotected(append(read.Findings, say.findings...))
	run.Findings = totals(findings)
	if run.State != Failed && run.State != Unreadable && run.State != Refused {
		run.Found = newFound(run.ID, r.Now(), findings)
	}
	for ref := range say.keptBack {
		run.Counts[string(ref.Kind)+".keptBack"]++
	}
	if err != nil {
		return say.secret, err
	}
	// Of who was protected the log knows no membership: the next read sees all of them, and not only what changed.
	if !say.returned || run.Complete {
		run.Cursor = read.Cursor
	}
	return say.secret, nil
}

// lastDataTime returns the time of the newest data that was compared with the log. A read that was held was compared
// too: an older file would take back what it showed.
func lastDataTime(newest, believed *Run) (t time.Time) {
	if believed != nil {
		t = believed.DataTime
	}
	if newest != nil && newest.State == Held && newest.DataTime.After(t) {
		t = newest.DataTime
	}
	return t
}

// since returns the cursor to read from: that of the last believed run, or none to read everything. The first read of
// a day reads everything, so that what only a complete read can tell (who is gone, what was kept back in between) is a
// day old at most; so does a read whose log holds nothing of the source, for there is nothing to lay it over.
func (r *Reader) since(ctx context.Context, believed *Run) (Cursor, error) {
	if believed == nil || len(believed.Cursor) == 0 || roster.Today(believed.Started) != roster.Today(r.Now()) {
		return nil, nil
	}
	scan, err := r.Log.Scan(ctx, r.Name)
	if err != nil || len(scan.Heads) == 0 {
		return nil, wrap("scan the log", err)
	}
	return believed.Cursor, nil
}

// read reads the source and assembles what it says. A read is not believed if it ends with an error, is older than
// what was compared with the log before, or is complete and has no persons, of a source that must have some.
func (r *Reader) read(ctx context.Context, since Cursor, run *Run, newest time.Time) (*statement, Result, error) {
	ctx, span := r.Tracer.Start(ctx, "source.read")
	defer span.End()
	today := roster.Today(r.Now())
	o := fact.Options{Source: r.Name, Keyer: r.Keyer, Today: today, SchoolTypes: r.SchoolTypes}
	if r.Defaults.GroupIDs == GroupIDsReused {
		o.SchoolYear = r.SchoolYear(today)
	}
	say := &statement{reader: r, hidden: map[string]bool{}}
	o.Hidden = func(id string) bool {
		return r.Defaults.Protected == ProtectedOmits || say.hidden[say.digest(roster.KindPerson, roster.Personal(id))]
	}
	asm := fact.NewAssembler(o)
	res, err := r.Source.Read(ctx, since, asm.Add)
	// Every later read would be older than data from the future.
	if now := r.Now(); res.DataTime.Sub(now) > maxAhead {
		why := reason.New(reason.FutureData, "file", res.Origin, "time", res.DataTime.Format(time.RFC3339))
		res.Findings = append(slices.Clip(res.Findings), fact.Finding{Reason: why, Severity: fact.Warning, Effect: fact.Noted})
		res.DataTime = now
	}
	run.Complete, run.Origin, run.DataTime, run.Seen = res.Complete, res.Origin, res.DataTime, res.Seen
	run.Findings = totals(res.Findings)
	if err != nil {
		return nil, res, wrap("read", err)
	}
	if !res.DataTime.IsZero() && res.DataTime.Before(newest) {
		return nil, res, reason.Errorf(reason.Transient, nil, reason.StaleFile, "file", res.Origin, "time", res.DataTime.Format(time.RFC3339))
	}
	say.assembler, say.complete = asm, res.Complete
	if res.Complete {
		say.assembler = nil
		all := asm.Assemble()
		if all.Counts["persons"] == 0 && r.isRegister() {
			return nil, res, reason.Errorf(reason.Transient, nil, reason.EmptyRead)
		}
		if err := r.Canaries.check(all); err != nil {
			return nil, res, err
		}
		if err := say.take(all); err != nil {
			return nil, res, err
		}
	}
	return say, res, nil
}

// publish compares what the source says with the log, and publishes what differs and the guard lets through; the rest is
// frozen, and then the state is Held and the error says why. A refusal is no proof of another writer, and after a time-out
// the batch may stand: it looks again, and fails after the last attempt.
//
// Where nothing differs nothing is published, not even the mark of the end, but after the log became another one or
// shorter: those who follow it wait for each source to say that it is complete again.
func (r *Reader) publish(ctx context.Context, run *Run, say *statement, sourceTime time.Time, ahead *scanAhead, newest, believed *Run) (State, error) {
	ctx, span := r.Tracer.Start(ctx, "source.publish")
	defer span.End()
	state := Unchanged
	confirm := say.complete && (believed == nil || believed.Regressed)
	for attempt := 1; ; attempt++ {
		scan, err := ahead.take(ctx)
		if err != nil {
			return Failed, wrap("scan the log", err)
		}
		if state, err := r.overtaken(ctx, run, newest); err != nil {
			return state, err
		}
		changes, err := say.changes(ctx, scan)
		if err != nil {
			if s := stateOf(err); s == Unreadable {
				return s, err
			}
			return Failed, err
		}
		done := 0
		var guarded guarded
		if guarded, err = r.guard(ctx, run, say, scan, changes, believed == nil); err == nil &&
			(len(guarded.publish) > 0 || scan.Open || confirm && guarded.reason(r.Now()) == nil) {
			changes = guarded.publish
			for i := range changes {
				changes[i].SourceTime = sourceTime
			}
			err = r.Log.Publish(ctx, r.Name, run.ID, changes, func(n int) {
				done = n
				r.Progress(n, len(changes))
			})
			if err == nil {
				done = len(changes)
			}
			for _, c := range changes[:done] {
				if counted(c) {
					run.Counts[operation(c, scan)]++
				}
				say.returned = say.returned || returns(c, scan)
				state = Published
			}
		}
		if err == nil {
			if err := r.settle(ctx, guarded); err != nil {
				return Failed, err
			}
			if why := guarded.reason(r.Now()); why != nil {
				guarded.count(run.Counts)
				return Held, &reason.Error{Fault: reason.Conflict, Reason: *why}
			}
			return state, nil
		}
		if fault := reason.FaultOf(err); ctx.Err() != nil || fault != reason.Transient && fault != reason.Conflict {
			if reason.Of(err).Code == reason.PepperChanged {
				return Refused, err
			}
			return Failed, wrap("publish", err)
		}
		r.Logger.WarnContext(ctx, "the log did not take the changes", "run", run.ID, "attempt", attempt, "done", done, "of", len(changes), "error", err)
		if attempt == attempts {
			return Failed, reason.Errorf(reason.Conflict, err, reason.PublishRefused, "attempts", attempts)
		}
		select {
		case <-time.After(time.Duration(attempt) * r.wait):
		case <-ctx.Done():
			return Failed, ctx.Err()
		}
	}
}

// overtaken fails where another run has compared newer data with the log since this one began: what a reader that slept
// has read must not take that back. Of data without a time every other run's is newer. No clock is asked, for that of
// another machine may be wrong.
func (r *Reader) overtaken(ctx context.Context, run, atStart *Run) (State, error) {
	newest, believed, err := r.Runs.Last(ctx, r.Name)
	if err != nil {
		return Failed, wrap("read the last run", err)
	}
	made, older := run.DataTime, run.DataTime.Before(lastDataTime(newest, believed))
	if made.IsZero() {
		other := newest != nil && (atStart == nil || newest.ID != atStart.ID)
		made, older = run.Started, other && (newest.Believed() || newest.State == Held)
	}
	if !older {
		return Unchanged, nil
	}
	return Stale, reason.Errorf(reason.Transient, nil, reason.StaleFile, "file", run.Origin, "time", made.Format(time.RFC3339))
}

// scanAhead is a scan of the log that began before it was needed.
type scanAhead struct {
	reader *Reader
	cancel context.CancelFunc
	done   chan struct{}
	taken  bool
	scan   Scan
	err    error
}

func (r *Reader) scanAhead(ctx context.Context) *scanAhead {
	ctx, cancel := context.WithCancel(ctx)
	a := &scanAhead{reader: r, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.scan, a.err = r.Log.Scan(ctx, r.Name)
	}()
	return a
}

// take returns what the log holds: at first what was scanned ahead, after that what it holds now.
func (a *scanAhead) take(ctx context.Context) (Scan, error) {
	if a.taken {
		return a.reader.Log.Scan(ctx, a.reader.Name)
	}
	<-a.done
	scan, err := a.scan, a.err
	a.taken, a.scan = true, Scan{}
	return scan, err
}

// end ends a scan that nobody took, and waits until it has ended.
func (a *scanAhead) end() {
	a.cancel()
	<-a.done
}

// totals counts findings by reason.
func totals(findings []fact.Finding) []FindingCount {
	list := fact.Totals(findings)
	out := make([]FindingCount, len(list))
	for i, t := range list {
		out[i] = FindingCount(t)
	}
	return out
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
