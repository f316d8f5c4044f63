package targettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// world is one target with all that keeps it: a peer, the connector, a log and a ledger. Its clock stands still but when
// a case moves it.
type world struct {
	t        *testing.T
	suite    *suite
	peer     Peer
	settings string // which reach the peer
	made     *target.Target
	witness  *witness
	log      *Log
	ledger   *Ledger
	options  target.LinkOptions // what a case has otherwise than by default
	logged   *logged
	budgets  *budget.Set
	dozing   func() // is told that a call has to wait
	single   bool   // every call of Apply is about one operation
	roles    map[roster.Role]target.Handling
	anchors  map[roster.Key]roster.Key // by which keys the target knows persons who have others now

	mu sync.Mutex
	at time.Time
}

// wide lets everything through the guard of a link.
var wide = guard.Limits{{Operation: guard.Delete, Percent: 100, Floor: 1000}, {Operation: guard.Disable, Percent: 100, Floor: 1000}, {Operation: guard.Rename, Percent: 100, Floor: 1000}, {Operation: guard.Address, Percent: 100, Floor: 1000}}

// world makes a target whose roster is empty.
func (s *suite) world(t *testing.T) *world {
	t.Helper()
	return s.worldWith(t, "")
}

// worldWith is world with more settings.
func (s *suite) worldWith(t *testing.T, more string) *world {
	t.Helper()
	w := &world{t: t, suite: s, ledger: NewLedger(), logged: &logged{}, anchors: map[roster.Key]roster.Key{}, at: time.Date(2026, 9, 15, 10, 0, 0, 0, time.UTC)}
	w.log = NewLog(w.now)
	w.options = target.LinkOptions{Holds: &guardtest.Store{}, Limits: wide}
	w.budgets = budget.NewSet(w.now, w.doze)
	peer, settings := s.under.Peer(t)
	w.peer, w.settings = peer, settings+"\n"+more
	w.witness = &witness{}
	w.open()
	return w
}

// open opens the connector as a new process does: what the one before it had in mind is gone.
func (w *world) open() {
	w.t.Helper()
	config, err := w.suite.config(w.settings)
	if err == nil {
		w.made, err = config.Open(w.env())
	}
	switch {
	case err != nil:
		w.t.Fatalf("the settings of the test are refused: %v", err)
	case w.made.Mapping == nil || (w.made.Applier == nil) == (w.made.Deliverer == nil):
		w.t.Fatal("the target must have a mapping, and either an applier or a deliverer")
	}
	w.made.Every = 0 // the suite delivers as often as it looks
	if w.single {
		w.made.Pace = func() float64 { return 0.1 } // so slow that the engine makes its batches as small as they can be
	}
	w.witness.watch(w.made)
}

// env is what the connector is opened with.
func (w *world) env() target.Env {
	logger := slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return target.Env{Tenant: "provkoping", Target: w.suite.link(), Now: w.now, Logger: logger, Budgets: w.budgets, Roles: w.roles}
}

func (s *suite) link() roster.Source {
	return roster.Source{System: s.under.Connector.System, Instance: "default"}
}

// config decodes settings as an operator's document is, and checks them.
func (s *suite) config(settings string) (target.Config, error) {
	c := s.under.Connector.New()
	if err := yaml.UnmarshalWithOptions([]byte(settings), c, yaml.Strict()); err != nil {
		return nil, tenant.Unreadable(err)
	}
	p := tenant.NewProblems()
	c.Validate(p)
	return c, p.Err()
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// pass moves the clock.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// patience is how long a link may take for what it is asked, far beyond what any takes.
const patience = 2 * time.Minute

// run starts the link as a new process would, lets it settle, has do use it, and stops it. It returns the sum of what it
// did first, and the error with which it ended before it had settled.
func (w *world) run(do func(context.Context, *target.Link) error) (sum target.Settled, err error) {
	return w.runIn(w.t.Context(), do)
}

// runIn is run in a process that is told to stop when ctx ends.
func (w *world) runIn(ctx context.Context, do func(context.Context, *target.Link) error) (sum target.Settled, err error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w.open()
	logger := slog.New(slog.DiscardHandler)
	feed := target.NewFeed(w.log, nil, logger, w.now)
	settled := make(chan target.Settled, 1000)
	o := w.options
	o.Target, o.Made, o.Feed, o.Log, o.Ledger, o.Owner, o.Logger, o.Now = w.suite.link(), w.made, feed, w.log, w.ledger, target.Owner{Name: "suite"}, logger, w.now
	o.Roles = w.roles
	o.Observer, o.Idle = func(s target.Settled) { settled <- s }, time.Hour
	link := target.NewLink(o)

	var group sync.WaitGroup
	ended := make(chan error, 1)
	group.Go(func() { _ = feed.Run(ctx) })
	group.Go(func() { ended <- link.Run(ctx) })
	defer group.Wait()
	defer cancel()

	end, _ := w.log.End(ctx)
	for {
		select {
		case s := <-settled:
			s.Created, s.Updated, s.Disabled, s.Deleted = s.Created+sum.Created, s.Updated+sum.Updated, s.Disabled+sum.Disabled, s.Deleted+sum.Deleted
			if sum = s; s.Halted == nil && s.Cursor.Seq < end.Seq && o.Mode != target.ModePreview {
				continue
			}
			if do == nil {
				return sum, nil
			}
			return sum, do(ctx, link)
		case err := <-ended:
			return sum, err
		}
	}
}

// settle has a new process make the target equal to the roster, as far as the target lets it.
func (w *world) settle() target.Settled {
	w.t.Helper()
	s, err := w.run(nil)
	if err != nil {
		w.t.Fatalf("the link ended before it had settled: %v", err)
	}
	return s
}

// put publishes records and settles.
func (w *world) put(records ...roster.Record) target.Settled {
	w.t.Helper()
	w.log.Publish(records...)
	return w.settle()
}

// begin settles the school, and holds the target to it.
func (w *world) begin() *world {
	w.t.Helper()
	w.put(school()...)
	w.equal("after the first time")
	return w
}

// held returns what the peer holds of ours.
func (w *world) held() map[target.ID]target.Held {
	w.t.Helper()
	list, err := w.peer.Holds()
	if err != nil {
		w.t.Fatalf("the peer of the test cannot tell what it holds: %v", err)
	}
	all := map[target.ID]target.Held{}
	for _, h := range list {
		if _, twice := all[h.ID]; twice {
			w.t.Errorf("the target holds %s twice: what is made again must be found by its anchor, never made once more (R5)", h.ID)
		}
		all[h.ID] = h
	}
	return all
}

// equal holds the target to what the mapping wishes of the roster as it is now.
func (w *world) equal(when string) {
	w.t.Helper()
	for _, problem := range compare(w.wished(), w.held()) {
		w.t.Errorf("%s %s: the target must be what the roster says (R4)", when, problem)
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// eye returns the roster as the mapping sees it now.
func (w *world) eye() *eye {
	r := roster.NewRoster(nil, roster.Today(w.now()))
	_, _ = w.log.Load(w.t.Context(), func(e roster.Event) error {
		r.Apply(*e.Record)
		return nil
	})
	return &eye{Roster: r, anchors: w.anchors}
}

// wishes returns what the mapping says of every entity of the roster.
func (w *world) wishes() map[roster.Ref][]target.Wish {
	v, all := w.eye(), map[roster.Ref][]target.Wish{}
	for ref := range v.Each() {
		if !v.Contained(ref.Key) {
			all[ref] = w.made.Mapping.Map(v, ref)
		}
	}
	return all
}

// wished returns the resources whose needs stand, with the members that do.
func (w *world) wished() map[target.ID]target.Resource { return w.wishedBut(target.ID{}) }

// wishedBut is the same where one of them cannot be.
func (w *world) wishedBut(bad target.ID) map[target.ID]target.Resource {
	all := map[target.ID]target.Resource{}
	for _, wishes := range w.wishes() {
		for _, wish := range wishes {
			if wish.Withheld == nil {
				all[wish.Resource.ID] = wish.Resource
			}
		}
	}
	delete(all, bad)
	missing := func(id target.ID) bool { _, ok := all[id]; return !ok }
	for again := true; again; {
		again = false
		for id, r := range all {
			if slices.ContainsFunc(r.Needs, missing) {
				delete(all, id)
				again = true
			}
		}
	}
	for id, r := range all {
		r.Sets = slices.Clone(r.Sets)
		for i, s := range r.Sets {
			r.Sets[i].Members = slices.DeleteFunc(slices.Clone(s.Members), missing)
		}
		all[id] = r
	}
	return all
}

// compare says in words what differs, without the values: they are personal.
func compare(want map[target.ID]target.Resource, got map[target.ID]target.Held) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for id, r := range want {
		h, ok := got[id]
		switch {
		case !ok:
			add("the target lacks %s", id)
			continue
		case h.Disabled:
			add("nobody can use %s", id)
		}
		if name, differs := differ(lines(r.Fields), lines(h.Fields)); differs {
			add("%s of %s is another", name, id)
		}
		if name, differs := differ(members(r.Sets), members(h.Sets)); differs {
			add("the set %s of %s has other members", name, id)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			add("the target holds %s, which nobody wishes,", id)
		}
	}
	slices.Sort(problems)
	return problems
}

// lines are fields as pairs of name and value, sorted; an empty value is none.
func lines(f target.Fields) (out [][2]string) {
	for _, x := range f {
		if x.Value != "" {
			out = append(out, [2]string{x.Name, x.Value.Reveal()})
		}
	}
	return sorted(out)
}

func members(sets []target.Set) (out [][2]string) {
	for _, s := range sets {
		for _, m := range s.Members {
			out = append(out, [2]string{s.Name, m.String()})
		}
	}
	return sorted(out)
}

func sorted(pairs [][2]string) [][2]string {
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return pairs
}

// differ returns the name of the first pair that only one side has.
func differ(a, b [][2]string) (string, bool) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return b[i][0], true
		case i >= len(b) || a[i] != b[i]:
			return a[i][0], true
		}
	}
	return "", false
}

// of returns the ids of what the ledger says is held for an entity.
func (w *world) of(ref roster.Ref) (ids []target.ID) {
	for _, wish := range w.wishes()[ref] {
		if wish.Withheld == nil {
			ids = append(ids, wish.Resource.ID)
		}
	}
	return ids
}

// shows tells whether what the target holds has a text in it anywhere.
func (w *world) shows(text string) (target.ID, bool) {
	for id, h := range w.held() {
		for _, f := range h.Fields {
			if strings.Contains(strings.ToLower(f.Value.Reveal()), strings.ToLower(text)) {
				return id, true
			}
		}
	}
	return target.ID{}, false
}

// logged is what the connector logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// witness stands between the engine and the sink, and remembers what the sink answered.
type witness struct {
	mu      sync.Mutex
	answers []answer
	names   []string // of packages
	crowd   *crowd   // of calls of Apply; nil where they need not wait for each other
}

// answer is what one call came to.
type answer struct {
	call string
	op   target.Operation // of an apply
	err  error
	took time.Duration
}

// watch puts the witness in front of a sink.
func (w *witness) watch(made *target.Target) {
	lister, lists := made.Applier.(target.Lister)
	matcher, finds := made.Applier.(target.Matcher)
	switch {
	case lists && finds:
		made.Applier = struct {
			listing
			finding
		}{listing{applying{made.Applier, w}, lister, w}, finding{matcher, w}}
	case lists:
		made.Applier = listing{applying{made.Applier, w}, lister, w}
	case finds:
		made.Applier = struct {
			applying
			finding
		}{applying{made.Applier, w}, finding{matcher, w}}
	case made.Applier != nil:
		made.Applier = applying{made.Applier, w}
	default:
		made.Deliverer = delivering{made.Deliverer, w}
	}
}

func (w *witness) note(call string, begun time.Time, op target.Operation, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, answer{call, op, err, time.Since(begun)})
}

// errors returns the answers that were errors, and forgets all answers.
func (w *witness) errors() (bad []answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.answers {
		if a.err != nil && !errors.Is(a.err, target.ErrNotFound) && !errors.Is(a.err, target.ErrUnsupported) {
			bad = append(bad, a)
		}
	}
	w.answers = nil
	return bad
}

type applying struct {
	target.Applier
	w *witness
}

func (a applying) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	a.w.crowd.enter(ctx)
	defer a.w.crowd.leave()
	begun := time.Now()
	out := a.Applier.Apply(ctx, ops)
	for i := range min(len(ops), len(out)) {
		a.w.note("apply", begun, ops[i], out[i].Err)
		for _, err := range out[i].Refused {
			a.w.note("apply", begun, ops[i], err)
		}
	}
	return out
}

func (a applying) Lookup(ctx context.Context, id target.ID, native string) (target.Held, error) {
	begun := time.Now()
	h, err := a.Applier.Lookup(ctx, id, native)
	a.w.note("lookup", begun, target.Operation{}, err)
	return h, err
}

type listing struct {
	applying
	lister target.Lister
	w      *witness
}

func (l listing) List(ctx context.Context, found func(target.Held) error) error {
	begun := time.Now()
	err := l.lister.List(ctx, found)
	l.w.note("list", begun, target.Operation{}, err)
	return err
}

type finding struct {
	matcher target.Matcher
	watched *witness
}

func (f finding) Match(ctx context.Context, wanted []target.Resource) ([][]target.Found, error) {
	begun := time.Now()
	out, err := f.matcher.Match(ctx, wanted)
	f.watched.note("match", begun, target.Operation{}, err)
	return out, err
}

type delivering struct {
	target.Deliverer
	w *witness
}

func (d delivering) Deliver(ctx context.Context, p target.Package) error {
	begun := time.Now()
	err := d.Deliverer.Deliver(ctx, p)
	d.w.note("deliver", begun, target.Operation{}, err)
	d.w.mu.Lock()
	d.w.names = append(d.w.names, p.Name)
	d.w.mu.Unlock()
	return err
}

func (d delivering) Delivered(ctx context.Context, p target.Package) (bool, error) {
	begun := time.Now()
	there, err := d.Deliverer.Delivered(ctx, p)
	d.w.note("delivered", begun, target.Operation{}, err)
	return there, err
}
