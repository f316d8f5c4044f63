package service

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/goccy/go-yaml/ast"
	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// Host runs readers and links of tenants on one log.
type Host struct {
	Store     *store.Store
	Owner     string // names this process in ledgers
	Logger    *slog.Logger
	Telemetry *Telemetry
	Now       func() time.Time
	NewID     func() string
	Budgets   *budget.Set // what links draw from before they call; nil is without limit
	CatchUp   bool        // a read that was missed while nothing ran is made at the start, and so is a source's first
	Observe   Observer
	Members   *Members    // with whom the work is shared; nil where there is nobody
	Controls  *Controls   // what operators ask; nil where nobody can
	Hooks     *Hooks      // where registers tell of changes; nil where they cannot
	Line      *store.Line // of a program at a customer's: nothing is read while it is cut
	OnSite    bool        // this program is at a customer's: it reads the sources that are onSite, and keeps no link
	// Complete says that every connector there is, is given to Open: then a system that none of them serves is a problem.
	// Off, it is another program's.
	Complete bool

	// Random is what initial passwords are made of; nil is that of the system.
	Random io.Reader

	// Pace has links and reads begin a few at a time; nil has all of them begin at once.
	Pace *Pace

	purpose purpose
}

// purpose is what a tenant is opened for. Secrets are left alone but to run it.
type purpose int

const (
	toRun     purpose = iota
	toPreview         // nothing is read or delivered by what is opened
	toCheck           // it is not even run
)

// Observer is told what happens. Its functions may be nil.
type Observer struct {
	Run     func(tenant string, r source.Run)
	Settled func(tenant string, link roster.Source, s target.Settled)
}

// Tenant is one customer's readers and links in this process.
type Tenant struct {
	Name      string
	Readers   map[roster.Source]*source.Reader
	Links     map[roster.Source]*target.Link
	Scheduler *source.Scheduler // its jobs are named by their source
	feed      *target.Feed
	members   *Members
	ledger    *store.Ledger
	owner     target.Owner
	controls  *Controls
	line      *store.Line
	hooks     *Hooks
	places    *places
	pace      *Pace
	now       func() time.Time
	logger    *slog.Logger
}

// Open makes the readers and links that a document asks for and that the connectors given can serve. It uses no
// network. Everything wrong with the settings is in the error.
func (h *Host) Open(d *tenant.Document, sources []source.Connector, targets []target.Connector) (*Tenant, error) {
	logger := h.Logger.With("tenant", d.Tenant)
	log := h.Store.Log(d.Tenant)
	t := &Tenant{
		Name:      d.Tenant,
		Readers:   map[roster.Source]*source.Reader{},
		Links:     map[roster.Source]*target.Link{},
		Scheduler: source.NewScheduler(logger, h.Now),
		feed:      target.NewFeed(log, d.Precedence(), logger, h.Now),
		controls:  h.Controls,
		line:      h.Line,
		hooks:     h.Hooks,
		pace:      h.Pace,
		places:    h.Telemetry.places,
		now:       h.Now,
		members:   h.Members,
		ledger:    h.Store.Ledger(d.Tenant),
		owner:     h.Members.owner(h.Owner),
		logger:    logger,
	}
	problems := tenant.NewProblems()
	var keyer *roster.Keyer
	if h.purpose == toRun && len(sources) > 0 || h.purpose != toCheck && len(d.Units) > 0 { // what readers make, and what units are named by
		var err error
		keyer, err = keyerOf(d)
		problems.At("pepper").Check(err)
		if err == nil {
			t.feed.WithUnits(d.UnitRules(keyer))
		}
	}
	for i, s := range d.Sources {
		c, ok := find(sources, func(c source.Connector) bool { return c.System == s.System })
		at := problems.At("sources[%d]", i)
		if !ok {
			h.elsewhere(logger, s.System, at.At("system"))
			continue
		}
		if c.OnSite && !s.OnSite {
			d.Unentitled(at.At("system"), tenant.OnSite, "has nothing read on site")
		}
		if h.purpose == toRun && s.OnSite != h.OnSite {
			logger.Debug("left to who reads the source: it is onSite, or this program is", "source", s.Ref().String())
			continue
		}
		r := h.reader(d, s, c, keyer, at)
		if r == nil {
			continue
		}
		t.Readers[s.Ref()] = r
		job := source.Job{Name: s.Ref().String(), Schedule: orElse(s.Schedule, c.Defaults.Schedule), Run: h.overLine(s.Ref().String(), logger, h.paced(SourceItem(d.Tenant, s.Ref()), r.Run))}
		if h.CatchUp {
			job.Last = h.lastRead(d.Tenant, s.Ref())
		}
		at.At("schedule").Check(t.Scheduler.Add(job))
	}
	silent := Silent(d, sources)
	for i, l := range d.Links {
		if h.OnSite {
			break
		}
		c, ok := find(targets, func(c target.Connector) bool { return c.System == l.Target })
		if !ok {
			h.elsewhere(logger, l.Target, problems.At("links[%d].target", i))
			continue
		}
		if c.OnSite {
			d.Unentitled(problems.At("links[%d].target", i), tenant.Directory, "has no target in the customer's network")
		}
		l = sheltered(logger, l, silent)
		if link := h.link(d, l, c, t.feed, problems.At("links[%d]", i)); link != nil {
			t.Links[l.Ref()] = link
		}
	}
	if err := problems.Err(); err != nil {
		return nil, fmt.Errorf("tenant %s: %w", d.Tenant, err)
	}
	return t, nil
}

// paced returns a read that waits until it may begin.
func (h *Host) paced(name string, run func(context.Context) (source.Run, error)) func(context.Context) (source.Run, error) {
	return func(ctx context.Context) (source.Run, error) {
		if err := h.Pace.enter(ctx, name); err != nil {
			return source.Run{}, err
		}
		defer h.Pace.through(name)
		return run(ctx)
	}
}

// lastRead returns what tells when a source was last read so that no repetition is due. A refusal is not repeated: it
// locks accounts (F48). What was read into a log that is another one now, or shorter, is to be read again.
func (h *Host) lastRead(tenant string, s roster.Source) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (last time.Time, err error) {
		newest, believed, err := h.Store.Runs(tenant).Last(ctx, s)
		switch {
		case newest != nil && newest.State == source.Refused:
			last = newest.Started
		case believed != nil && !believed.Regressed:
			last = believed.Started
		}
		return last, err
	}
}

// elsewhere says that no connector here serves a system.
func (h *Host) elsewhere(logger *slog.Logger, system string, p tenant.Problems) {
	if h.Complete {
		p.Add("%q is no system that this program has a connector for", system)
		return
	}
	logger.Debug("left to another program", "system", system)
}

func keyerOf(d *tenant.Document) (*roster.Keyer, error) {
	pepper, err := d.Pepper.Reveal()
	if err != nil {
		return nil, err
	}
	return roster.NewKeyer(pepper)
}

// reveal warns of secrets that cannot be read now. They are read anew whenever they are used, so that they may come later.
func (h *Host) reveal(logger *slog.Logger, config any) {
	if h.purpose != toRun {
		return
	}
	for _, s := range tenant.Secrets(config) {
		if _, err := s.Reveal(); err != nil {
			logger.Warn("a secret cannot be read; it is tried again when it is needed", "secret", s.String(), "error", err)
		}
	}
}

// settings reads a connector's section into its config, which holds the defaults, and checks it. It reports false when
// the section cannot be read at all.
func settings(section ast.Node, config interface{ Validate(tenant.Problems) }, p tenant.Problems) bool {
	p = p.At("settings")
	if err := tenant.Decode(section, config); err != nil {
		p.Check(err)
		return false
	}
	config.Validate(p)
	return true
}

// fingerprint tells settings, and the secrets that they name, from others. It hangs on when the file of a secret was
// written, and not on what stands in it.
func fingerprint(section ast.Node, config any) string {
	sum := fnv.New64a()
	if section != nil {
		_, _ = io.WriteString(sum, section.String())
	}
	for _, s := range tenant.Secrets(config) {
		fmt.Fprint(sum, s, s.Written())
	}
	return strconv.FormatUint(sum.Sum64(), 36)
}

func (h *Host) reader(d *tenant.Document, s tenant.Source, c source.Connector, k *roster.Keyer, p tenant.Problems) *source.Reader {
	config := c.New()
	if !settings(s.Settings, config, p) {
		return nil
	}
	var limits guard.Limits
	if err := tenant.Decode(s.Guard, &limits); err != nil {
		p.At("guard").Check(err)
		return nil
	}
	limits.Validate(p.At("guard"))
	logger := h.Logger.With("tenant", d.Tenant, "source", s.Ref().String())
	h.reveal(logger, config)
	opened, err := config.Open(source.Env{Tenant: d.Tenant, Source: s.Ref(), Logger: logger, Now: h.Now, Desk: h.Store.Desk(d.Tenant)})
	if err != nil {
		p.Check(err)
		return nil
	}
	defaults := defaults(s, c)
	if !d.Entitled(tenant.NoEmail) && !slices.Contains(defaults.Require, source.RequireEmail) {
		defaults.Require = append(slices.Clone(defaults.Require), source.RequireEmail)
	}
	return source.NewReader(source.Options{
		Tenant: d.Tenant, Name: s.Ref(), Source: opened, Defaults: defaults, Keyer: k, Log: h.Store.Log(d.Tenant),
		Runs: h.Store.Runs(d.Tenant), SchoolYear: schoolYear(d), Holds: h.Store.Holds(d.Tenant), Limits: limits, Canaries: source.Canaries(s.Canaries), Logger: h.Logger, Now: h.Now, NewID: h.NewID, Tracer: h.Telemetry.Tracer,
		Ended: func(ctx context.Context, r source.Run) {
			h.Telemetry.run(ctx, d.Tenant, r)
			if h.Observe.Run != nil {
				h.Observe.Run(d.Tenant, r)
			}
		},
	})
}

func (h *Host) link(d *tenant.Document, l tenant.Link, c target.Connector, feed *target.Feed, p tenant.Problems) *target.Link {
	config := c.New()
	if !settings(l.Settings, config, p) {
		return nil
	}
	logger := h.Logger.With("tenant", d.Tenant, "target", l.Ref().String())
	h.reveal(logger, config)
	roles := handlings(l, c, p)
	kept := h.passwords(d, l, feed)
	made, err := config.Open(target.Env{Tenant: d.Tenant, Target: l.Ref(), Logger: logger, Now: h.Now, Budgets: h.Budgets, Roles: roles, Passwords: kept})
	if err != nil {
		p.Check(err)
		return nil
	}
	checkAbilities(l, made, roles, p)
	var limits guard.Limits
	if err := tenant.Decode(l.Guard, &limits); err != nil {
		p.At("guard").Check(err)
		return nil
	}
	limits.ValidateLink(p.At("guard"), made.Counted())
	held, deferred := 0, ""
	filter, err := l.Rule()
	if err != nil {
		p.At("filter").Check(err)
		return nil
	}
	rules, err := nameRules(d, made)
	if err != nil {
		p.Check(err)
		return nil
	}
	every, changes, repair := l.Reconciles()
	var compared target.Reconciled
	log := h.Store.Log(d.Tenant)
	return target.NewLink(target.LinkOptions{
		Tenant: d.Tenant, Tracer: h.Telemetry.Tracer, Target: l.Ref(), Made: made, Feed: feed, Log: log, Ledger: h.Store.Ledger(d.Tenant),
		Owner: h.Members.owner(h.Owner), Logger: logger, Now: h.Now, Mode: target.Mode(l.Mode), Settings: func() string { return fingerprint(l.Settings, config) }, Lifecycle: lifecycle(d, l), Roles: roles,
		Filter: filter, Outside: target.Outside(l.OnOutOfScope), Protected: target.Protection(l.Protected),
		Reconcile: target.Reconcile{Every: every, Changes: changes, Repair: repair},
		Holds:     h.Store.LinkHolds(d.Tenant), Limits: limits, Random: chance(l.Ref(), h.Now()),
		Names: h.Store.Names(d.Tenant), NameRules: rules, Overlays: log, Passwords: kept,
		Observer: func(s target.Settled) {
			h.Pace.through(LinkItem(d.Tenant, l.Ref()))
			if s.Held != held && s.Status.Mode == target.ModeHeld {
				logger.Warn("a part of what the link would do is held", "reason", s.Status.Reason.String(), "next_step", s.Status.Reason.Next(reason.English))
			}
			held = s.Held
			if s.Deferred != deferred && s.Deferred != "" { // every round of an open run says so again
				logger.Info("nothing is delivered now", "why", s.Deferred)
			}
			deferred = s.Deferred
			if r := s.Reconciled; r != compared {
				reconciled(logger, compared, r)
				compared = r
			}
			h.settled(logger, d.Tenant, l.Ref(), s)
		},
	})
}

// reconciled says what a comparison with the target came to, where somebody may want to know, and names what is new of it.
func reconciled(logger *slog.Logger, was, is target.Reconciled) {
	if !is.At.Equal(was.At) {
		was = target.Reconciled{}
	}
	switch found := is.Found - was.Found; {
	case is.Reason != nil:
		logger.Warn("what the target says that it holds is not believed", "reason", is.Reason.String(), "next_step", is.Reason.Next(reason.English))
	case found > 0:
		logger.Info("others changed what the target holds", "found", found, "repaired", is.Repaired-was.Repaired, "reported", is.Reported-was.Reported)
		for _, d := range (*is.Last)[max(0, len(*is.Last)-found):] {
			logger.Info("others changed it", "resource", d.ID.String(), "what", d.What, "repaired", d.Repaired)
		}
	}
}

// chance is what a link spreads its waits by: another for every link and every start.
func chance(link roster.Source, now time.Time) *rand.Rand {
	name := fnv.New64a()
	_, _ = name.Write([]byte(link.String()))
	return rand.New(rand.NewPCG(name.Sum64(), uint64(now.UnixNano()))) //nolint:gosec // it spreads waits, and guards nothing
}

// schoolYear returns what tells the läsår of a day.
func schoolYear(d *tenant.Document) func(roster.Date) string {
	return func(day roster.Date) string { return roster.SchoolYearOf(day, d.SchoolYear.Month, d.SchoolYear.Day) }
}

// lifecycle returns what the document says about coming and leaving, in the words of the engine.
func lifecycle(d *tenant.Document, l tenant.Link) target.Lifecycle {
	stages := func(list []tenant.Stage) (out []target.Stage) {
		for _, s := range list {
			out = append(out, target.Stage{After: int(s.After), Do: target.Step(s.Do)})
		}
		return out
	}
	out := target.Lifecycle{Gap: int(l.Gap), Lead: int(l.Lead), Linger: int(l.Linger), Stages: stages(l.Leave)}
	for _, c := range l.Complete() {
		out.Rules = append(out.Rules, target.Rule{
			For: target.Capacity{Role: c.Role, Form: c.SchoolForm},
			Gap: int(*c.Gap), Lead: int(*c.Lead), Linger: int(*c.Linger), Stages: stages(c.Leave),
		})
	}
	for _, q := range d.Quiet {
		out.Quiet = append(out.Quiet, target.Season{From: target.Day(q.From), To: target.Day(q.To)})
	}
	return out
}

func (h *Host) settled(logger *slog.Logger, name string, link roster.Source, s target.Settled) {
	ctx := context.Background()
	h.Telemetry.settled(ctx, name, link, s)
	attrs := []any{
		"created", s.Created, "updated", s.Updated, "disabled", s.Disabled, "moved", s.Moved, "deleted", s.Deleted, "waiting", s.Status.Waiting,
		"parked", s.Status.Parked, "withheld", s.Status.Withheld, "held", s.Held, "mode", s.Status.Mode, "orphans", s.Status.Orphans, "cursor", s.Cursor.Seq, "took", s.Took,
	}
	if len(s.Runs) > 0 {
		attrs = append(attrs, "runs", s.Runs)
	}
	if s.Trace != "" {
		attrs = append(attrs, traceID, s.Trace)
	}
	switch {
	case s.Halted != nil:
		logger.ErrorContext(ctx, "the link is halted", append(attrs, "reason", s.Halted.String(), "next_step", s.Halted.Next(reason.English), "next_try", s.WakeAt)...)
	case len(s.Rows) > 0:
		logger.InfoContext(ctx, "in preview: this would be done", attrs...)
	case s.Delivered != "":
		logger.InfoContext(ctx, "delivered", append(attrs, "package", s.Delivered, "adopted", s.Adopted)...)
	case s.Deferred != "":
		logger.DebugContext(ctx, "nothing is delivered now", "why", s.Deferred)
	case s.Operations() > 0:
		logger.InfoContext(ctx, "settled", attrs...)
	default:
		logger.DebugContext(ctx, "nothing to do", attrs...)
	}
	for _, p := range s.Problems {
		logger.WarnContext(ctx, "the pre-flight refuses a resource", "resource", p.ID.String(), "reason", p.Reason.String())
	}
	if h.Observe.Settled != nil {
		h.Observe.Settled(name, link, s)
	}
}

// ReadNow has every source read as soon as the tenant runs, whatever the schedules say.
func (t *Tenant) ReadNow() {
	for ref := range t.Readers {
		t.Scheduler.Trigger(ref.String())
	}
}

// Run reads on schedule and keeps the links until ctx ends, those that this process has. A link that fails is started again:
// one bad link never delays another (rule R7).
func (t *Tenant) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for ref, reader := range t.Readers {
		group.Go(func() error { t.hears(ctx, reader); return nil })
		group.Go(func() error { t.reports(ctx, ref); return nil })
		group.Go(func() error {
			return t.members.While(ctx, SourceItem(t.Name, ref), func(ctx context.Context) error { return t.read(ctx, ref, reader) }, nil)
		})
	}
	if len(t.Links) > 0 {
		group.Go(func() error { return t.feed.Run(ctx) })
	}
	for ref, link := range t.Links {
		group.Go(func() error {
			return t.members.While(ctx, LinkItem(t.Name, ref),
				func(ctx context.Context) error { return t.keep(ctx, ref, link) },
				func(ctx context.Context) error { return t.ledger.HandOver(ctx, ref, t.owner) })
		})
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// read reads a source on schedule until ctx ends, while nobody has paused it.
func (t *Tenant) read(ctx context.Context, ref roster.Source, reader *source.Reader) error {
	at := place{t.Name, ref}
	defer t.places.hasSource(at, t.now(), func(since time.Time) time.Duration { return t.Scheduler.Overdue(ref.String(), since) })()
	return t.controls.attend(ctx, store.SourcePlace(t.Name, ref), func(ctx context.Context) error {
		defer t.places.runsSource(at)()
		var subscribing sync.WaitGroup
		subscribing.Go(func() { t.subscribes(ctx, reader) })
		t.Scheduler.RunJob(ctx, ref.String())
		subscribing.Wait()
		return context.Cause(ctx)
	}, t.doSource(reader))
}

func (t *Tenant) keep(ctx context.Context, ref roster.Source, link *target.Link) error {
	at := place{t.Name, ref}
	defer t.places.hasLink(at)()
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = time.Minute
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, t.controls.attend(ctx, store.LinkPlace(t.Name, ref), func(ctx context.Context) (err error) {
			if !link.Paused() {
				stopped := t.places.runsLink(at)
				defer func() { stopped(err) }()
			}
			return t.claim(ctx, ref, link)
		}, t.doLink(link))
	},
		backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			t.logger.WarnContext(ctx, "the link stopped and is started again", "target", ref.String(), "error", err, "in", next)
		}))
	return err
}

// claim runs a link once no other replica has it.
func (t *Tenant) claim(ctx context.Context, ref roster.Source, link *target.Link) error {
	name := LinkItem(t.Name, ref)
	for waits := false; ; waits = true {
		if err := t.pace.enter(ctx, name); err != nil {
			return err
		}
		err := link.Run(ctx)
		t.pace.through(name)
		if !errors.Is(err, target.ErrOwned) {
			return err
		}
		if !waits {
			t.logger.InfoContext(ctx, "the link waits for its last owner to end", "target", ref.String(), "why", err)
		}
		select {
		case <-time.After(t.members.poll()):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func find[T any](list []T, is func(T) bool) (found T, ok bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	return found, false
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
