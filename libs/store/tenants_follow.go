package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TenantNews is the newest version of a tenant, or what is wrong with how it is kept.
type TenantNews struct {
	TenantVersion
	Err error
}

// News returns the newest version of every tenant by name, those that were retired too.
func (t *Tenants) News(ctx context.Context) ([]TenantNews, error) {
	newest := map[string]TenantNews{}
	r := reading{stream: tenantsStream, filter: tenantSubjects + ">", deliver: jetstream.DeliverLastPerSubjectPolicy}
	_, err := t.s.readAll(ctx, r, func(d delivery) error {
		v, err := tenantVersion(d.Subject(), d.Headers(), d.Data(), d.time, d.seq)
		newest[v.Tenant] = TenantNews{v, err}
		return nil
	})
	return byTenant(newest), err
}

func byTenant(newest map[string]TenantNews) []TenantNews {
	names := slices.Sorted(maps.Keys(newest))
	list := make([]TenantNews, len(names))
	for i, name := range names {
		list[i] = newest[name]
	}
	return list
}

// Follow hands over the newest version of a tenant, or with none named of every tenant by name, those that were retired too, at once and whenever one
// changes, until ctx ends. After a lost connection all are read anew. An error in place of a list says why it cannot be told
// now; it is tried again.
func (t *Tenants) Follow(ctx context.Context, tenant string, each func([]TenantNews, error)) {
	retry := newRetry()
	for ctx.Err() == nil {
		f := tenantsFollower{s: t.s, tenant: tenant, each: each, newest: map[string]TenantNews{}}
		err := f.read(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.told {
			retry.Reset()
		} else {
			each(nil, err)
		}
		t.s.count.restarts.Add(1)
		t.s.log.DebugContext(ctx, "the documents of the tenants are read anew", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(retry.NextBackOff()):
		}
	}
}

// tenantsFollower is one consumer of Follow.
type tenantsFollower struct {
	s      *Store
	tenant string // empty for every one
	each   func([]TenantNews, error)
	newest map[string]TenantNews
	told   bool
	at     atomic.Uint64 // the last message that came
}

// read reads the newest of each, and on from there, until something ends it.
func (f *tenantsFollower) read(ctx context.Context) error {
	ctx, stop := f.s.bad.watch(ctx, func(x refusal) bool { return concernsReading(x, tenantsStream) })
	defer stop()
	before, err := f.s.end(ctx, tenantsStream)
	if err != nil {
		return err
	}
	c, err := f.s.newConsumer(ctx, reading{stream: tenantsStream, filter: tenantSubjects + cmp.Or(f.tenant, ">"), deliver: jetstream.DeliverLastPerSubjectPolicy})
	if err != nil {
		return err
	}
	defer c.remove(ctx)
	if c.pending == 0 {
		f.tell()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watchdog sync.WaitGroup
	watchdog.Go(func() { f.back(ctx, cancel) })
	watchdog.Go(func() { f.watch(ctx, before.Log, cancel) })
	defer watchdog.Wait()
	defer cancel(nil)
	err = c.each(ctx, func(d delivery) error {
		v, err := tenantVersion(d.Subject(), d.Headers(), d.Data(), d.time, d.seq)
		f.newest[v.Tenant] = TenantNews{v, err}
		f.at.Store(d.seq)
		if d.pending == 0 {
			f.tell()
		}
		return nil
	})
	return endOf(ctx, err, "follow "+tenantsStream, tenantsStream)
}

func (f *tenantsFollower) tell() {
	f.told = true
	f.each(byTenant(f.newest), nil)
}

// back ends a reader whose connection was lost and is back: its consumer may be gone.
func (f *tenantsFollower) back(ctx context.Context, giveUp context.CancelCauseFunc) {
	back := f.s.nc.StatusChanged(nats.CONNECTED)
	defer f.s.nc.RemoveStatusListener(back)
	select {
	case <-ctx.Done():
	case <-back:
		giveUp(errors.New("the connection was lost, and is back"))
	}
}

// watch ends a reader that is behind for a whole round, and one whose stream is another now or shorter. Nobody deletes a
// message of this stream, so that a reader which has all of it stands at its end; where one of a single tenant should stand it
// cannot tell.
func (f *tenantsFollower) watch(ctx context.Context, made time.Time, giveUp context.CancelCauseFunc) {
	tick := time.NewTicker(f.s.watch)
	defer tick.Stop()
	var behind uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		end, err := f.s.end(ctx, tenantsStream)
		at := f.at.Load()
		switch {
		case err != nil:
			continue
		case !end.Log.Equal(made) || end.Seq < at:
			giveUp(errors.New("the stream of the documents is another one, or shorter"))
			return
		case f.tenant == "" && behind > 0 && at < behind:
			f.s.count.stalls.Add(1)
			giveUp(errStall)
			return
		}
		if behind = 0; at < end.Seq {
			behind = end.Seq
		}
	}
}
