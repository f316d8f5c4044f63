package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

// Telemetry is a program's metrics and traces. No label ever holds anything about a person (rule R8). docs/metrics.md tells of
// every metric.
type Telemetry struct {
	Metrics http.Handler // the Prometheus endpoint
	Tracer  trace.Tracer

	meter      metric.Meter
	runs       metric.Int64Counter
	published  metric.Int64Counter
	readTime   metric.Float64Histogram
	operations metric.Int64Counter
	settleTime metric.Float64Histogram
	hints      metric.Int64Counter
	places     *places
	stop       []func(context.Context) error
}

// seconds are the bounds of every histogram of durations.
var seconds = []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 1800}

// seriesLimit is how many series a metric may have. What is above it is counted in one that says otel_metric_overflow.
const seriesLimit = 20_000

// NewTelemetry starts metrics, and traces where an OTLP endpoint is given (OTEL_EXPORTER_OTLP_ENDPOINT).
func NewTelemetry(ctx context.Context, name string, otlp bool) (*Telemetry, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("start metrics: %w", err)
	}
	res := resource.NewSchemaless(attribute.String("service.name", name))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(res), sdkmetric.WithCardinalityLimit(seriesLimit))
	t := &Telemetry{
		Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Tracer:  noop.NewTracerProvider().Tracer("ess"),
		places:  newPlaces(),
		stop:    []func(context.Context) error{meters.Shutdown},
	}
	if otlp {
		traces, err := otlptracegrpc.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("start traces: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(traces), sdktrace.WithResource(res))
		t.Tracer, t.stop = provider.Tracer("ess"), append(t.stop, provider.Shutdown)
	}
	t.meter = meters.Meter("ess")
	return t, errors.Join(t.instruments(t.meter), t.watchPlaces())
}

func (t *Telemetry) instruments(m metric.Meter) error {
	var errs [6]error
	t.runs, errs[0] = m.Int64Counter("ess_runs", metric.WithDescription("Reads of a source, by what they came to."))
	t.published, errs[1] = m.Int64Counter("ess_changes", metric.WithDescription("Records of a source, by what became of them in a run."))
	t.readTime, errs[2] = m.Float64Histogram("ess_run_duration", metric.WithUnit("s"), metric.WithDescription("Time of a read, from its start to its saved run."), metric.WithExplicitBucketBoundaries(seconds...))
	t.operations, errs[3] = m.Int64Counter("ess_link_operations", metric.WithDescription("Writes to a target that it confirmed; for a complete set, the resources that changed."))
	t.settleTime, errs[4] = m.Float64Histogram("ess_link_settle_duration", metric.WithUnit("s"), metric.WithDescription("Time of a round of a link."), metric.WithExplicitBucketBoundaries(seconds...))
	t.hints, errs[5] = m.Int64Counter("ess_hints", metric.WithDescription("What registers told of changes, by what became of it."))
	return errors.Join(errs[:]...)
}

// Shutdown sends what is still held back.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, stop := range t.stop {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}

func (t *Telemetry) run(ctx context.Context, tenantName string, r source.Run) {
	t.places.read(tenantName, r)
	of := []attribute.KeyValue{attribute.String("tenant", tenantName), attribute.String("source", r.Source.String())}
	t.runs.Add(ctx, 1, metric.WithAttributes(append(of, attribute.String("state", string(r.State)))...))
	t.readTime.Record(ctx, r.Ended.Sub(r.Started).Seconds(), metric.WithAttributes(of...))
	for what, n := range r.Counts {
		t.published.Add(ctx, int64(n), metric.WithAttributes(append(of, attribute.String("what", what))...))
	}
}

func (t *Telemetry) settled(ctx context.Context, tenantName string, link roster.Source, s target.Settled) {
	t.places.settled(place{tenantName, link}, s)
	of := []attribute.KeyValue{attribute.String("tenant", tenantName), attribute.String("target", link.String())}
	for verb, n := range map[target.Verb]int{target.Create: s.Created, target.Update: s.Updated, target.Disable: s.Disabled, target.Move: s.Moved, target.Delete: s.Deleted} {
		t.operations.Add(ctx, int64(n), metric.WithAttributes(append(of, attribute.String("verb", string(verb)))...))
	}
	t.settleTime.Record(ctx, s.Took.Seconds(), metric.WithAttributes(of...))
}

func (t *Telemetry) hinted(ctx context.Context, tenantName, from, outcome string) {
	t.hints.Add(ctx, 1, metric.WithAttributes(attribute.String("tenant", tenantName), attribute.String("source", from), attribute.String("outcome", outcome)))
}

// traced has every line of the log that is written within a span name its trace.
type traced struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if of := trace.SpanContextFromContext(ctx); of.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String(traceID, of.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

// WithGroup implements [slog.Handler].
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }

// traceID is how the log calls a trace.
const traceID = "trace_id"
