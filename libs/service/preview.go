package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// Check says everything that is wrong with a document that is to be applied, the settings of its connectors and exceptions
// that are over too. It uses no network, no secret and no log: a Host without Store and Telemetry will do.
func (h *Host) Check(d *tenant.Document, sources []source.Connector, targets []target.Connector) error {
	only := *h
	only.purpose, only.Store, only.Telemetry = toCheck, &store.Store{}, &Telemetry{}
	_, err := only.Open(d, sources, targets)
	p := tenant.NewProblems()
	d.CheckEndings(p, roster.Today(h.Now()))
	return errors.Join(err, p.Err())
}

// Preview says what a link of a tenant would do now, whatever its mode, and writes nothing. It needs none of the tenant's
// secrets. Settled.Deferred says why there is nothing to say.
func (h *Host) Preview(ctx context.Context, d *tenant.Document, link roster.Source, targets []target.Connector) (target.Settled, error) {
	all, err := h.previews(ctx, d, targets, func(l tenant.Link) bool { return l.Ref() == link })
	if err != nil {
		return target.Settled{}, err
	}
	s, ok := all[link]
	if !ok {
		return s, fmt.Errorf("tenant %s has no link %s", d.Tenant, link)
	}
	return s, nil
}

// previews says what the links that are wanted would do now.
func (h *Host) previews(ctx context.Context, d *tenant.Document, targets []target.Connector, wanted func(tenant.Link) bool) (map[roster.Source]target.Settled, error) {
	some := *d
	some.Links = slices.DeleteFunc(slices.Clone(d.Links), func(l tenant.Link) bool { return !wanted(l) })
	got := map[roster.Source]target.Settled{}
	if len(some.Links) == 0 {
		return got, nil
	}
	if _, err := h.Store.Log(d.Tenant).End(ctx); err != nil { // a link would wait for the log to come
		return nil, fmt.Errorf("tenant %s: %w", d.Tenant, err)
	}
	for i := range some.Links {
		some.Links[i].Mode = tenant.Preview
	}
	type answer struct {
		link    roster.Source
		settled target.Settled
	}
	done := errors.New("the preview is done")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answers := make(chan answer)
	quiet := *h
	quiet.purpose, quiet.Complete = toPreview, false
	quiet.Observe = Observer{Settled: func(_ string, link roster.Source, s target.Settled) {
		select {
		case answers <- answer{link, s}:
		case <-ctx.Done():
		}
	}}
	t, err := quiet.Open(&some, nil, targets)
	if err != nil {
		return nil, err
	}
	for _, l := range some.Links {
		if t.Links[l.Ref()] == nil {
			return nil, fmt.Errorf("this program has no connector for %s", l.Target)
		}
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return t.feed.Run(running) })
	for _, l := range slices.Collect(maps.Values(t.Links)) {
		group.Go(func() error { return l.Run(running) })
	}
	group.Go(func() error {
		for len(got) < len(t.Links) {
			select {
			case a := <-answers:
				if _, again := got[a.link]; !again {
					got[a.link] = a.settled
				}
			case <-running.Done():
				return context.Cause(running)
			}
		}
		cancel(done)
		return nil
	})
	if err := group.Wait(); !errors.Is(context.Cause(ctx), done) {
		return nil, err
	}
	return got, nil
}
