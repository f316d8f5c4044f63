package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// Preview says what a link of a tenant would do now, whatever its mode, and writes nothing. Settled.Deferred says why
// there is nothing to say.
func (h *Host) Preview(ctx context.Context, d *tenant.Document, link roster.Source, targets []target.Connector) (s target.Settled, err error) {
	one := *d
	one.Links = slices.DeleteFunc(slices.Clone(d.Links), func(l tenant.Link) bool { return l.Ref() != link })
	if len(one.Links) == 0 {
		return s, fmt.Errorf("tenant %s has no link %s", d.Tenant, link)
	}
	if _, err := h.Store.Log(d.Tenant).End(ctx); err != nil { // a link would wait for the log to come
		return s, fmt.Errorf("tenant %s: %w", d.Tenant, err)
	}
	one.Links[0].Mode = tenant.Preview
	done := errors.New("the preview is done")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := *h
	quiet.Complete = false
	quiet.Observe = Observer{Settled: func(_ string, _ roster.Source, got target.Settled) {
		if ctx.Err() == nil {
			s = got
			cancel(done)
		}
	}}
	t, err := quiet.Open(&one, nil, targets)
	if err != nil {
		return s, err
	}
	if len(t.Links) == 0 {
		return s, fmt.Errorf("this program has no connector for %s", link.System)
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return t.feed.Run(running) })
	for _, l := range slices.Collect(maps.Values(t.Links)) {
		group.Go(func() error { return l.Run(running) })
	}
	if err := group.Wait(); !errors.Is(context.Cause(ctx), done) {
		return s, err
	}
	return s, nil
}
