package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

// The janitor's round: each night before the registers' last retry is over nobody waits for the log.
const (
	sweepAt      = "CRON_TZ=Europe/Stockholm 10 3 * * *"
	sweepAge     = 30 * 24 * time.Hour
	sweepHistory = 64
)

// janitor sweeps a tenant's log every night until ctx ends: it is the only one that takes anything out.
type janitor struct {
	store  *store.Store
	tenant *tenant.Document
	logger *slog.Logger
	now    func() time.Time
}

func (j janitor) run(ctx context.Context) error {
	schedule, err := cron.ParseStandard(sweepAt)
	if err != nil {
		return err
	}
	return daily(ctx, schedule, j.now, func(ctx context.Context) {
		if _, err := j.sweep(ctx); err != nil {
			j.logger.WarnContext(ctx, "the log was not swept, or in part; the rest is tried tomorrow", "error", err)
		}
	})
}

// sweep takes out of the log what is no longer needed.
func (j janitor) sweep(ctx context.Context) (swept store.Swept, err error) {
	cursors, err := j.cursors(ctx)
	if err != nil {
		return swept, err
	}
	swept, err = j.store.Janitor(ctx, j.tenant.Tenant, store.Retention{Now: j.now(), Age: sweepAge, History: sweepHistory, Cursors: cursors})
	if err != nil {
		return swept, err
	}
	answers, err := j.store.Control().Sweep(ctx, j.tenant.Tenant, j.now().Add(-sweepAge))
	if reason.Of(err).Code == reason.LogMissing {
		err = nil // nobody ever asked
	}
	if err == nil {
		j.logger.InfoContext(ctx, "the log was swept", "history", swept.History, "tombstones", swept.Tombstones, "passwords", swept.Letters, "answers", answers)
	}
	return swept, err
}

// Sweep takes out of a tenant's log what is no longer needed, as the janitor does every night where one runs.
func Sweep(ctx context.Context, st *store.Store, d *tenant.Document, logger *slog.Logger, now func() time.Time) (store.Swept, error) {
	return janitor{store: st, tenant: d, logger: logger.With("tenant", d.Tenant), now: now}.sweep(ctx)
}

// cursors returns those of every link, or none when one of the document's links has never settled: then every tombstone
// stays, for that link has to hear of it.
func (j janitor) cursors(ctx context.Context) ([]roster.Position, error) {
	marks, err := j.store.Ledger(j.tenant.Tenant).Marks(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range j.tenant.Links {
		if _, ok := marks[l.Ref()]; !ok {
			return nil, nil
		}
	}
	cursors := make([]roster.Position, 0, len(marks))
	for _, m := range marks {
		cursors = append(cursors, m.Cursor)
	}
	return cursors, nil
}
