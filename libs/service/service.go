package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/budget"
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

// Serve connects to the log, opens every tenant of the configuration and runs them until ctx ends. A tenant that cannot
// be run is logged and named by readiness, and the others go on (rule R7); only when none can, Serve fails.
func (p Process) Serve(ctx context.Context, sources []source.Connector, targets []target.Connector) (err error) {
	var docs []*tenant.Document
	var bad error
	if p.Config != Applied {
		if docs, bad = tenant.LoadDir(p.Config); len(docs) == 0 {
			return bad
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
	st, err := store.Connect(ctx, store.Options{URL: p.NATS, Server: p.Server, Credentials: tenant.Secret(p.Creds), Name: p.Name, Logger: p.Logger})
	if err != nil {
		return err
	}
	defer st.Close()
	if p.Config == Applied {
		if docs, bad = AppliedDocuments(ctx, st); len(docs) == 0 {
			return bad
		}
	}
	host := &Host{Store: st, Owner: p.Owner, Logger: p.Logger, Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString, Budgets: budget.NewSet(time.Now, budget.Sleep), CatchUp: true, Complete: p.Complete}
	asked := ctx
	group, ctx := errgroup.WithContext(ctx)
	var skipped []string
	if bad != nil {
		p.Logger.ErrorContext(ctx, "documents that cannot be used are left out", "error", bad)
		skipped = append(skipped, "a document in "+p.Config)
	}
	running := 0
	for _, d := range docs {
		t, err := p.open(ctx, host, d, sources, targets)
		if err != nil {
			p.Logger.ErrorContext(ctx, "a tenant that cannot be run is left out", "tenant", d.Tenant, "error", err)
			bad, skipped = errors.Join(bad, err), append(skipped, "tenant "+d.Tenant)
			continue
		}
		running++
		if p.ReadNow {
			t.ReadNow()
		}
		group.Go(func() error { return t.Run(ctx) })
		if p.KeepLogs {
			j := janitor{store: st, tenant: d, logger: p.Logger.With("tenant", d.Tenant), now: time.Now}
			group.Go(func() error { return j.run(ctx) })
			r := NewReporter(st, d, p.Console, p.Logger, time.Now)
			group.Go(func() error { return r.run(ctx) })
		}
	}
	if running == 0 {
		return bad
	}
	ready := func(ctx context.Context) error {
		if len(skipped) > 0 {
			return fmt.Errorf("left out, for the reason in the log: %s", strings.Join(skipped, ", "))
		}
		return st.Healthy(ctx)
	}
	stopped, err := serveHTTP(ctx, p.HTTP, ready, telemetry.Metrics, p.Logger)
	if err != nil {
		return err
	}
	p.Logger.InfoContext(ctx, "started", "program", p.Name, "tenants", running, "left_out", len(skipped), "health", p.HTTP)
	if err = group.Wait(); asked.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // to be asked to stop is no error
	}
	stopped()
	p.Logger.InfoContext(context.WithoutCancel(ctx), "stopped", "program", p.Name)
	return err
}

// open makes a tenant ready to run.
func (p Process) open(ctx context.Context, h *Host, d *tenant.Document, sources []source.Connector, targets []target.Connector) (*Tenant, error) {
	t, err := h.Open(d, sources, targets)
	if err == nil && p.KeepLogs {
		err = h.Store.EnsureTenant(ctx, d.Tenant, 1)
	}
	return t, err
}
