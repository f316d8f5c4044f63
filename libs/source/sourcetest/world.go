package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml/parser"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// tb is a test, or a step of a property.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// heard keeps what a connector says where others read it: log lines, errors, what a run says about itself.
type heard struct {
	mu   sync.Mutex
	said map[string]bool
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said[fmt.Sprintf(format, args...)] = true
}

// Write takes a line of the log.
func (h *heard) Write(line []byte) (int, error) {
	h.add("the log says: %s", line)
	return len(line), nil
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.said))
}

// world is the register of the suite with a log that it is read into.
type world struct {
	*suite
	t     tb
	ctx   context.Context
	keyer *roster.Keyer
	name  roster.Source
	log   *Log
	runs  *Runs
	holds *guardtest.Store
	// limits are those of the guard; nil for its own.
	limits guard.Limits
	now    time.Time
	town   Town
	n      int
	last   *watched // the last read
	// tamper changes how the next read goes on.
	tamper func(*watched)
}

func (s *suite) world(t tb, ctx context.Context) *world { //nolint:revive // the test comes first, as everywhere in a suite
	t.Helper()
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &world{
		suite: s, t: t, ctx: ctx, keyer: k, name: roster.Source{System: s.Connector.System, Instance: "default"},
		log: NewLog(), runs: &Runs{}, holds: &guardtest.Store{}, limits: unlimited(), now: noon,
	}
}

// again returns a world with an empty log beside the same register at the same time.
func (w *world) again() *world {
	other := w.world(w.t, w.ctx)
	other.now, other.town = w.now, w.town
	return other
}

// hold changes the register.
func (w *world) hold(t Town) {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	w.town = t.Clone()
	w.town.At = w.now
	for _, p := range w.town.Persons {
		w.numbers[p.CivicNo[2:]] = true
	}
	if err := w.Register.Hold(w.town); err != nil {
		w.t.Fatalf("the register does not take a town: %v", err)
	}
}

// change changes the register from what it holds.
func (w *world) change(do func(*Town)) {
	w.t.Helper()
	t := w.town.Clone()
	do(&t)
	w.hold(t)
}

// decode reads settings as a tenant's document is read.
func (s *suite) decode(settings string) (source.Config, error) {
	tree, err := parser.ParseBytes([]byte(settings), 0)
	if err != nil {
		return nil, err
	}
	c := s.Connector.New()
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			if err := tenant.Decode(doc.Body, c); err != nil {
				return nil, err
			}
		}
	}
	p := tenant.NewProblems()
	c.Validate(p)
	return c, p.Err()
}

func (w *world) open() source.Source {
	w.t.Helper()
	c, err := w.decode(w.Settings)
	if err != nil {
		w.t.Fatalf("the settings that should work are refused: %v", err)
	}
	s, err := c.Open(source.Env{Tenant: "town", Source: w.name, Logger: w.logger(), Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatalf("the source does not open: %v", err)
	}
	return s
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.heard, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// run reads once by the runtime, with the source opened anew as after a restart.
func (w *world) run() (source.Run, error) {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	w.last = w.watch(w.open())
	if w.tamper != nil {
		w.tamper(w.last)
		w.tamper = nil
	}
	d := w.Connector.Defaults
	ctx, cancel := context.WithTimeout(w.ctx, deadline)
	defer cancel()
	reader := source.NewReader(source.Options{
		Tenant: "town", Name: w.name, Source: w.last, Defaults: d, Keyer: w.keyer, Log: w.log, Runs: w.runs, Holds: w.holds,
		Limits: w.limits, Logger: w.logger(), Now: func() time.Time { return w.now },
		NewID: func() string { w.n++; return fmt.Sprint("run", w.n) },
	})
	var run source.Run
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run, err = reader.Run(ctx)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		select {
		case <-ended:
		case <-time.After(patience):
			w.t.Fatalf("the read was called off, and has not ended %s later: every wait ends with its context", patience)
		}
	}
	w.last.end()
	if errors.Is(err, context.DeadlineExceeded) {
		w.t.Fatalf("a read of a small register did not end within %s", deadline)
	}
	w.heard.add("the run says: %+v", run)
	if run.Reason != nil {
		w.heard.add("the run says why: %s", run.Reason)
	}
	return run, err
}

// read reads once and wants to be believed.
func (w *world) read() source.Run {
	w.t.Helper()
	run, err := w.run()
	if err != nil {
		w.t.Fatalf("the read failed: %v", err)
	}
	if !run.Believed() {
		w.t.Fatalf("nothing was wrong with the register, and yet the read is %s: %s", run.State, why(run))
	}
	return run
}

// readAll reads everything, by moving to the next day, when the runtime forgets cursors.
func (w *world) readAll() source.Run {
	w.t.Helper()
	w.now = w.now.AddDate(0, 0, 1)
	return w.read()
}

// agrees compares the log with the register.
func (w *world) agrees(after string) {
	w.t.Helper()
	want, got := w.picture(w.town), w.seen()
	if want != got {
		w.t.Errorf("after %s the log does not hold what the register holds: %s", after, lineDiff(want, got))
	}
}

// why tells why a run is not believed.
func why(run source.Run) string {
	if run.Reason == nil {
		return "it says no reason"
	}
	return run.Reason.String()
}

// unlimited lets every change pass the guard: what it holds back is the runtime's affair and not the connector's.
func unlimited() (l guard.Limits) {
	for _, o := range append(guard.Dangerous(), guard.Create, guard.KeptBack, guard.Protect, guard.Unprotect) {
		l = append(l, guard.Limit{Operation: o, Percent: 100, Floor: 1 << 30})
	}
	return l
}

// lineDiff says which lines are missing and which are too many.
func lineDiff(want, got string) string {
	lines := func(text string) map[string]int {
		m := map[string]int{}
		for l := range strings.SplitSeq(text, "\n") {
			m[l]++
		}
		return m
	}
	var b strings.Builder
	have := lines(got)
	for l := range strings.SplitSeq(want, "\n") {
		if have[l]--; have[l] < 0 {
			fmt.Fprintf(&b, "\n\tmissing:  %s", l)
		}
	}
	need := lines(want)
	for l := range strings.SplitSeq(got, "\n") {
		if need[l]--; need[l] < 0 {
			fmt.Fprintf(&b, "\n\ttoo much: %s", l)
		}
	}
	return b.String()
}

// seen says in lines what the log holds; see [suite.picture].
func (w *world) seen() string {
	units, groups, persons := map[roster.Key]string{}, map[roster.Key]string{}, map[roster.Key]string{}
	for _, u := range w.town.Units {
		units[w.keyer.Organisation(w.Claims.Foreign, u.ID)] = u.Name
	}
	for _, g := range w.town.Groups {
		groups[w.keyer.Group(w.Claims.Foreign, g.ID, "")] = g.Name
	}
	var lines []string
	records := w.log.Standing()
	for _, r := range records {
		switch {
		case r.Organisation != nil:
			units[r.Ref.Key] = r.Organisation.DisplayName
			lines = append(lines, "unit "+r.Organisation.DisplayName)
		case r.Person != nil && !r.Overlay:
			persons[r.Ref.Key] = r.Person.CivicNo.Reveal()
		case r.Group != nil && r.Group.DisplayName != "":
			groups[r.Ref.Key] = r.Group.DisplayName
		}
	}
	for _, r := range records {
		switch {
		case r.Person != nil && !r.Overlay:
			p := r.Person
			var where, mails []string
			for _, e := range p.Enrolments {
				where = append(where, at(string(roster.RolePupil), units[e.EnroledAt], e.Interval.End.String()))
			}
			for _, d := range p.Duties {
				where = append(where, at(string(roster.RoleStaff), units[d.DutyAt], d.Interval.End.String()))
			}
			for _, x := range p.Personas {
				mails = append(mails, x.Email.Reveal())
			}
			lines = append(lines, personLine(p.CivicNo.Reveal(), p.GivenName.Reveal(), p.FamilyName.Reveal(), strings.Join(mails, "+"), where))
		case r.Group != nil:
			var members []string
			for _, m := range r.Group.Members {
				members = append(members, persons[m.Person]+" as "+string(m.Role))
			}
			lines = append(lines, w.groupLine(groups[r.Ref.Key], units[r.Group.Organisation], members))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// watched is a source whose reads are watched.
type watched struct {
	source.Source
	w        *world
	since    source.Cursor
	docs     []fact.Doc
	result   source.Result
	err      error
	emitting atomic.Int32
	returned atomic.Bool
	failed   atomic.Bool
	late     atomic.Int32 // emits after the read had returned, or after emit had failed
	together atomic.Int32 // emits beside each other
	// at is asked at every doc, counted from 0; its error is that of emit.
	at func(n int) error
}

func (w *world) watch(s source.Source) *watched { return &watched{Source: s, w: w} }

// Read reads, and notes what happens.
func (x *watched) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	x.since = since
	n := 0
	x.result, x.err = x.Source.Read(ctx, since, func(d fact.Doc) error {
		if x.emitting.Add(1) > 1 {
			x.together.Add(1)
		}
		defer x.emitting.Add(-1)
		if x.returned.Load() || x.failed.Load() {
			x.late.Add(1)
			return errLate
		}
		x.w.heard.add("a doc is at: %s", d.Where)
		if x.at != nil {
			if err := x.at(n); err != nil {
				x.failed.Store(true)
				return err
			}
		}
		n++
		x.docs = append(x.docs, d)
		return emit(d)
	})
	x.returned.Store(true)
	if x.err != nil {
		x.w.heard.add("the read failed with: %v", x.err)
		x.w.heard.add("the read failed with: %s", reason.Of(x.err))
	}
	x.w.heard.add("the read says: %q %v %v", x.result.Origin, x.result.Seen, x.result.Findings)
	return x.result, x.err
}

var errLate = errors.New("the read has ended already")

// end tells what was wrong with how the read emitted.
func (x *watched) end() {
	x.w.t.Helper()
	if x.together.Load() > 0 {
		x.w.t.Errorf("it emitted two docs at once: a read emits from one goroutine")
	}
	if x.late.Load() > 0 {
		x.w.t.Errorf("it emitted on after emit had failed or the read had returned: an error from emit ends the read")
	}
}

// testing's T is a tb.
var _ tb = (*testing.T)(nil)
