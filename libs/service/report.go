package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

// statusAt is when people are told how their tenants stand: after the last retry of an evening's read.
const statusAt = "CRON_TZ=Europe/Stockholm 30 6 * * *"

// Reporter tells how a tenant stands.
type Reporter struct {
	store   *store.Store
	tenant  *tenant.Document
	console string // ESS_CONSOLE_URL
	to      []Notifier
	logger  *slog.Logger
	now     func() time.Time
	// unusable tells whether there is a newer document, which cannot be used; nil where nobody knows.
	unusable func() bool
}

// NewReporter returns a reporter to the log and to whom the document names. It points at the console when it has an address.
func NewReporter(st *store.Store, d *tenant.Document, console string, logger *slog.Logger, now func() time.Time) Reporter {
	logger = logger.With("tenant", d.Tenant)
	r := Reporter{store: st, tenant: d, console: console, to: []Notifier{LogNotifier{logger}}, logger: logger, now: now}
	if !d.Status.Webhook.IsZero() {
		r.to = append(r.to, NewWebhook(d.Status.Webhook, logger))
	}
	return r
}

// run reports every morning until ctx ends, and at the start what was missed.
func (r Reporter) run(ctx context.Context) error {
	at, err := cron.ParseStandard(statusAt)
	if err != nil {
		return err
	}
	if missed, err := r.missed(ctx, at); err != nil {
		r.logger.WarnContext(ctx, "not known whether today's status was sent", "error", err)
	} else if missed {
		r.report(ctx)
	}
	return daily(ctx, at, r.now, r.report)
}

// missed tells whether today's status is due and was not sent. A tenant that has never had one gets its first tomorrow.
func (r Reporter) missed(ctx context.Context, at cron.Schedule) (bool, error) {
	now := r.now()
	sent, err := r.store.StatusSent(ctx, r.tenant.Tenant)
	switch {
	case err != nil:
		return false, err
	case sent.IsZero():
		return false, r.store.SaveStatusSent(ctx, r.tenant.Tenant, now)
	}
	due := at.Next(roster.Today(now).Start().Add(-time.Second))
	return !now.Before(due) && sent.Before(due), nil
}

// report sends the status, and records that it was sent when it arrived everywhere.
func (r Reporter) report(ctx context.Context) {
	if _, err := r.Send(ctx); err != nil {
		r.logger.ErrorContext(ctx, "the status was not sent; the next start tries again, or tomorrow", "error", err)
	}
}

// Send asks how the tenant stands and tells everybody. It fails when it did not arrive everywhere.
func (r Reporter) Send(ctx context.Context) (Status, error) {
	s, err := r.Status(ctx)
	if err != nil {
		return s, err
	}
	var errs []error
	for _, n := range r.to {
		errs = append(errs, n.Notify(ctx, s))
	}
	if err := errors.Join(errs...); err != nil {
		return s, err
	}
	return s, r.store.SaveStatusSent(ctx, r.tenant.Tenant, s.At)
}

// Status asks how the tenant stands. A pepper that cannot be read leaves the units out; what needs it says so itself.
func (r Reporter) Status(ctx context.Context) (Status, error) {
	var k *roster.Keyer
	if len(r.tenant.Units) > 0 {
		pepper, err := r.tenant.Pepper.Reveal()
		if err == nil {
			k, err = roster.NewKeyer(pepper)
		}
		if err != nil {
			r.logger.WarnContext(ctx, "the status says nothing of units", "error", err)
		}
	}
	of := SubjectOf(r.tenant, k, r.console)
	of.Unusable = r.unusable != nil && r.unusable()
	return StatusOf(ctx, r.store, of, r.now())
}

// daily calls do at each time of a schedule until ctx ends. It looks at the clock once a minute, for a clock may be set and
// a machine may sleep.
func daily(ctx context.Context, at cron.Schedule, now func() time.Time, do func(context.Context)) error {
	for next := at.Next(now()); ; {
		timer := time.NewTimer(min(time.Minute, max(0, next.Sub(now()))))
		select {
		case <-timer.C:
			if !now().Before(next) {
				do(ctx)
				next = at.Next(now())
			}
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
