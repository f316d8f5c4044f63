package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// Source is the main function of a reader: it reads one system for every tenant that has it, until it is told to stop.
func Source(c source.Connector) {
	os.Exit(serve("source-"+c.System, "reads "+c.Title, []source.Connector{c}, nil))
}

// Target is the main function of a writer: it keeps one system right for every tenant that has it.
func Target(c target.Connector) {
	os.Exit(serve("target-"+c.System, "keeps "+c.Title+" right", nil, []target.Connector{c}))
}

func serve(name, does string, sources []source.Connector, targets []target.Connector) int {
	if status, answered := help(name, does, os.Args[1:], os.Stdout, os.Stderr); answered {
		return status
	}
	Frugal()
	ctx, stop := Signals(context.Background())
	defer stop()
	p, err := Environment(name, os.Getenv, os.Stderr)
	if err == nil {
		err = p.Serve(ctx, sources, targets)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// Serve runs every tenant of the configuration, as its documents are at any time, until ctx ends. A tenant that cannot be run
// is logged and named by readiness, and the others go on (rule R7). While NATS cannot be reached, or there is no tenant, it
// waits and says so; it ends with an error only where nobody but whoever started it can help.
func (p Process) Serve(ctx context.Context, sources []source.Connector, targets []target.Connector) (err error) {
	if p.Config != Applied {
		if _, err := tenant.NewFolder(p.Config).Read(); err != nil {
			return err
		}
	}
	telemetry, err := NewTelemetry(ctx, p.Name, os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "")
	if err != nil {
		return err
	}
	defer func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		err = errors.Join(err, telemetry.Shutdown(grace))
	}()
	ctx, stop := context.WithCancel(ctx)
	var ready readiness
	ready.say(errors.New("not connected to NATS yet"))
	hooks := NewHooks(telemetry.hinted)
	stopped, err := serveHTTP(ctx, p.HTTP, ready.check, telemetry.Metrics, hooks, p.Logger)
	if err != nil {
		stop()
		return err
	}
	defer stopped()
	defer stop()
	p.Logger.InfoContext(ctx, "started", "program", p.Name, "health", p.HTTP)
	line, err := p.line()
	if err != nil {
		return err
	}
	if line != nil {
		defer line.Shutdown()
	}
	if err := telemetry.watchLine(line, time.Now); err != nil {
		return err
	}
	st, err := p.connect(ctx, line, &ready)
	if err != nil || st == nil {
		return err
	}
	defer st.Close()
	controls := NewControls(st, p.Owner, p.Logger, time.Now)
	var hearing sync.WaitGroup
	defer hearing.Wait()
	defer stop()
	hearing.Go(func() { controls.Run(ctx, program(sources, targets), p.Tenant, p.KeepLogs) })
	budgets := budget.NewSet(time.Now, budget.Sleep)
	members := p.members(st, func(replicas int) {
		telemetry.places.share(replicas)
		budgets.SetShare(replicas)
	})
	defer members.Join(ctx)() // the replicas that remain know at once when all that it had has ended
	f := p.fleet(st, line, members, budgets, telemetry, controls, hooks, sources, targets)
	if err := errors.Join(telemetry.watchEndings(f.documents), telemetry.watchLog(st, time.Now), telemetry.watchBudgets(budgets)); err != nil {
		return err
	}
	ready.from(func(ctx context.Context) error {
		if err := st.Healthy(ctx); err != nil {
			return err
		}
		return errors.Join(members.Ready(), f.ready(), telemetry.places.ready())
	})
	p.follow(ctx, st, func(list []wanted, err error) { f.set(ctx, list, err) })
	f.wait()
	p.Logger.InfoContext(context.WithoutCancel(ctx), "stopped", "program", p.Name)
	return nil
}

// connect connects to NATS, however long it takes until it lets us in; it returns nothing when ctx ended before.
func (p Process) connect(ctx context.Context, line *store.Line, ready *readiness) (st *store.Store, err error) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 5 * time.Second
	if line != nil { // one that comes at once is not told of as cut
		first, end := context.WithTimeout(ctx, wait.MaxInterval)
		_ = line.Await(first, 0)
		end()
	}
	st, err = backoff.Retry(ctx, func() (*store.Store, error) {
		st, err := store.Connect(ctx, store.Options{URL: p.NATS, Server: p.Server, Line: line, Credentials: p.credentials(), Name: p.user(), Logger: p.Logger})
		if err != nil && !retried(err) {
			err = backoff.Permanent(err)
		}
		return st, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		p.Logger.WarnContext(ctx, "NATS cannot be used yet; it is tried until it can", "error", err, "in", next)
		ready.say(err)
	}))
	if ctx.Err() != nil {
		err = nil // to be asked to stop is no error
	}
	return st, err
}

// follow hands over the documents of the tenants, as they are at any time, until ctx ends. SIGHUP has a folder read at once.
func (p Process) follow(ctx context.Context, st *store.Store, set func([]wanted, error)) {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	if p.Config == Applied {
		followApplied(ctx, st, p.Tenant, set)
		return
	}
	followFolder(ctx, p.Config, reload, p.only(set))
}

// only has documents of other tenants be wrong where the program is one tenant's.
func (p Process) only(set func([]wanted, error)) func([]wanted, error) {
	if p.Tenant == "" {
		return set
	}
	return func(list []wanted, err error) {
		for i, w := range list {
			if w.err == nil && w.tenant != p.Tenant {
				list[i].err = fmt.Errorf("it is about tenant %s, and this is a site of %s: take it out, or set ESS_TENANT", w.tenant, p.Tenant)
			}
		}
		set(list, err)
	}
}

// fleet returns the fleet of this program.
func (p Process) fleet(st *store.Store, line *store.Line, members *Members, budgets *budget.Set, telemetry *Telemetry, controls *Controls, hooks *Hooks, sources []source.Connector, targets []target.Connector) *fleet {
	host := &Host{Store: st, Members: members, Owner: p.Owner, Logger: p.Logger, Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString, Budgets: budgets, Pace: NewPace(), CatchUp: true, Complete: p.Complete, Controls: controls, Hooks: hooks, OnSite: p.onSite(), Line: line}
	f := newFleet(p.Logger, "put its document into "+p.Config)
	if p.Config == Applied {
		f.advice = "apply its document with essctl tenants apply"
	}
	f.open = func(ctx context.Context, next, now *wanted) (*Tenant, error) {
		if now != nil {
			if was, is, renamed := now.doc.Renamed(next.doc); renamed {
				return nil, fmt.Errorf("source %s is called %s now, and nothing of it would follow to another name: keep the name; take another register's out first, and let that act", was, is)
			}
		}
		t, err := host.Open(next.doc, sources, targets)
		if err == nil && now == nil && p.KeepLogs {
			err = st.EnsureTenant(ctx, next.tenant, 0)
		}
		if err != nil {
			return nil, err
		}
		if now == nil && p.ReadNow {
			t.ReadNow()
		}
		warnOfEndings(ctx, p.Logger, next.doc, roster.Today(host.Now()))
		return t, nil
	}
	f.run = func(ctx context.Context, t *Tenant, w *wanted) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { <-ctx.Done(); return context.Cause(ctx) }) // a tenant may have nothing for this program to do
		group.Go(func() error { return t.Run(ctx) })
		if p.KeepLogs {
			j := janitor{store: st, tenant: w.doc, logger: p.Logger.With("tenant", w.tenant), now: time.Now}
			group.Go(func() error { return members.While(ctx, "sweep "+w.tenant, j.run, nil) })
			r := NewReporter(st, w.doc, p.Console, p.Logger, time.Now)
			r.unusable = func() bool { return f.trouble(w.tenant) != "" }
			group.Go(func() error { return members.While(ctx, "status "+w.tenant, r.run, nil) })
		}
		return group.Wait()
	}
	return f
}
