package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

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
	for {
		timer := time.NewTimer(schedule.Next(j.now()).Sub(j.now()))
		select {
		case <-timer.C:
			j.sweep(ctx)
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

func (j janitor) sweep(ctx context.Context) {
	cursors, err := j.cursors(ctx)
	if err != nil {
		j.logger.WarnContext(ctx, "the log was not swept; the next try is tomorrow", "error", err)
		return
	}
	swept, err := j.store.Janitor(ctx, j.tenant.Tenant, store.Retention{
		Now: j.now(), Age: sweepAge, History: sweepHistory, Cursors: cursors,
	})
	if err != nil {
		j.logger.WarnContext(ctx, "the log was swept in part; the rest is tried tomorrow", "error", err)
		return
	}
	j.logger.InfoContext(ctx, "the log was swept", "history", swept.History, "tombstones", swept.Tombstones)
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
