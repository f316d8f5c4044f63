package service

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

// watchPlaces has the metrics show how the sources and links of this process are.
func (t *Telemetry) watchPlaces() error {
	var errs [8]error
	gauge := func(i int, name, what string) (g metric.Int64ObservableGauge) {
		g, errs[i] = t.meter.Int64ObservableGauge(name, metric.WithDescription(what))
		return g
	}
	sources := gauge(0, "ess_sources_owned", "Sources that this process has.")
	links := gauge(1, "ess_links_owned", "Links that this process has.")
	members := gauge(2, "ess_members", "Replicas that share the work of the program, as this one sees it.")
	resources := gauge(3, "ess_link_resources", "Resources of a link that are not as wanted, by state.")
	modes := gauge(4, "ess_link_mode", "1 for what a link is shown as, 0 for the rest: preview, active, held or halted. A paused link has none.")
	drift := gauge(6, "ess_link_drift", "Resources that the last comparison with the target found to be others, and what became of them: found, repaired, reported.")
	distrusted := gauge(7, "ess_link_list_distrusted", "1 where the last list of what the target holds was not believed, else 0.")
	_, errs[5] = t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		t.places.mu.Lock()
		defer t.places.mu.Unlock()
		o.ObserveInt64(sources, int64(len(t.places.sources)))
		o.ObserveInt64(links, int64(len(t.places.links)))
		o.ObserveInt64(members, int64(t.places.members))
		for at, l := range t.places.links {
			if !l.settled {
				continue
			}
			of := []attribute.KeyValue{attribute.String("tenant", at.tenant), attribute.String("target", at.ref.String())}
			now := l.status // a round that had nothing to do has counted nothing
			for state, n := range map[string]int{
				string(target.Waiting): now.Waiting, string(target.Parked): now.Parked, string(target.Withheld): now.Withheld,
				string(target.OnHold): l.held, "orphan": now.Orphans,
			} {
				o.ObserveInt64(resources, int64(n), metric.WithAttributes(append(of, attribute.String("state", state))...))
			}
			if r := l.drift; !r.At.IsZero() {
				for what, n := range map[string]int{"found": r.Found, "repaired": r.Repaired, "reported": r.Reported} {
					o.ObserveInt64(drift, int64(n), metric.WithAttributes(append(of, attribute.String("what", what))...))
				}
				n := int64(0)
				if r.Reason != nil {
					n = 1
				}
				o.ObserveInt64(distrusted, n, metric.WithAttributes(of...))
			}
			for _, m := range []target.Mode{target.ModePreview, target.ModeActive, target.ModeHeld, target.ModeHalted} {
				n := int64(0)
				if m == now.Mode {
					n = 1
				}
				o.ObserveInt64(modes, n, metric.WithAttributes(append(of, attribute.String("mode", string(m)))...))
			}
		}
		return nil
	}, sources, links, members, resources, modes, drift, distrusted)
	return errors.Join(errs[:]...)
}

// watchBudgets has the metrics show what the calls of targets draw from, and how long they wait for it.
func (t *Telemetry) watchBudgets(budgets *budget.Set) error {
	var errs [5]error
	calls, err := t.meter.Int64ObservableCounter("ess_budget_calls", metric.WithDescription("Calls that were drawn from a budget."))
	errs[0] = err
	waits, err := t.meter.Int64ObservableCounter("ess_budget_waits", metric.WithDescription("Calls that had to wait until the budget allowed them."))
	errs[1] = err
	waited, err := t.meter.Float64ObservableCounter("ess_budget_wait", metric.WithUnit("s"), metric.WithDescription("How long calls have waited until the budget allowed them, all together."))
	errs[2] = err
	refused, err := t.meter.Int64ObservableCounter("ess_budget_refusals", metric.WithDescription("Times that the other side refused calls because there were too many."))
	errs[3] = err
	_, errs[4] = t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, u := range budgets.Used() {
			of := metric.WithAttributes(attribute.String("budget", u.Name))
			o.ObserveInt64(calls, int64(u.Calls), of)
			o.ObserveInt64(waits, int64(u.Waits), of)
			o.ObserveFloat64(waited, u.Waited.Seconds(), of)
			o.ObserveInt64(refused, int64(u.Refused), of)
		}
		return nil
	}, calls, waits, waited, refused)
	return errors.Join(errs[:]...)
}

// watchLog has the metrics show how far links are behind the log and sources behind their schedule, and what went wrong with
// NATS and was mended. The log is asked when somebody asks for the metrics, and not more often than it takes to see a change.
func (t *Telemetry) watchLog(st *store.Store, now func() time.Time) error {
	var errs [5]error
	lag, err := t.meter.Int64ObservableGauge("ess_link_lag", metric.WithDescription("Messages of the log that a link has not settled yet."))
	errs[0] = err
	oldest, err := t.meter.Float64ObservableGauge("ess_link_oldest_change", metric.WithUnit("s"), metric.WithDescription("Age of the oldest message of the log that a link has not settled yet; 0 for none."))
	errs[1] = err
	overdue, err := t.meter.Float64ObservableGauge("ess_read_overdue", metric.WithUnit("s"), metric.WithDescription("How long ago a read of a source was due since the last one that was believed; 0 for none."))
	errs[2] = err
	faults, err := t.meter.Int64ObservableCounter("ess_nats_faults", metric.WithDescription("What went wrong between this process and NATS and was mended, by what it was."))
	errs[3] = err
	g := &glance{store: st, places: t.places, now: now}
	_, errs[4] = t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		links, sources := g.look(ctx)
		for _, l := range links {
			of := metric.WithAttributes(attribute.String("tenant", l.tenant), attribute.String("target", l.ref.String()))
			o.ObserveInt64(lag, int64(l.lag), of)
			o.ObserveFloat64(oldest, l.oldest.Seconds(), of)
		}
		for _, s := range sources {
			o.ObserveFloat64(overdue, s.overdue.Seconds(), metric.WithAttributes(attribute.String("tenant", s.tenant), attribute.String("source", s.ref.String())))
		}
		n := st.Counts()
		for what, n := range map[string]uint64{"disconnect": n.Disconnects, "refusal": n.Refusals, "error": n.AsyncErrors, "restart": n.Restarts, "stall": n.Stalls} {
			o.ObserveInt64(faults, int64(n), metric.WithAttributes(attribute.String("what", what)))
		}
		return nil
	}, lag, oldest, overdue, faults)
	return errors.Join(errs[:]...)
}
