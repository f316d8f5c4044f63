package service

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Notice is something about a tenant's document that asks for a person.
type Notice struct {
	Verdict Verdict `json:"verdict"`
	*Told
}

// How many days before its end something of a document is told of.
const (
	lookBefore = 30
	actBefore  = 7 // a secret: without it nothing is read or written
)

// noticeOf says what the end of something asks for; false for nothing yet.
func noticeOf(e tenant.Ending, today roster.Date) (v Verdict, r *reason.Reason, ok bool) {
	left, code := e.Left(today), reason.ExceptionEnds
	if e.Secret {
		code = reason.SecretExpires
	}
	v = Look
	switch {
	case e.Over(today) && e.Secret:
		v, code = Act, reason.SecretExpired
	case e.Over(today):
		v, code = Act, reason.ExceptionEnded
	case left > lookBefore:
		return v, nil, false
	case e.Secret && left <= actBefore:
		v = Act
	}
	why := reason.New(code, "what", e.What, "where", e.Path, "day", e.On)
	return v, &why, true
}

// noticesOf returns what a document asks for, the worst first as far as one is as bad as another the soonest.
func noticesOf(endings []tenant.Ending, unusable bool, today roster.Date) (list []Notice) {
	if unusable {
		why := reason.New(reason.DocumentUnusable)
		list = append(list, Notice{Act, told(&why)})
	}
	for _, worst := range []Verdict{Act, Look} {
		for _, e := range endings {
			if v, r, ok := noticeOf(e, today); ok && v == worst {
				list = append(list, Notice{v, told(r)})
			}
		}
	}
	return list
}

// warnOfEndings logs what of a document has ended or soon does.
func warnOfEndings(ctx context.Context, logger *slog.Logger, d *tenant.Document, today roster.Date) {
	for _, e := range d.Endings() {
		if _, r, ok := noticeOf(e, today); ok {
			logger.WarnContext(ctx, "something of the document ends", "tenant", d.Tenant, "reason", r.String(), "next_step", r.Next(reason.English))
		}
	}
}

// watchEndings has the metrics show when what the documents say ends.
func (t *Telemetry) watchEndings(documents func() []*tenant.Document) error {
	_, err := t.meter.Float64ObservableGauge("ess_document_end_time", metric.WithUnit("s"),
		metric.WithDescription("Day on which a secret or an exception of a tenant's document ends, in seconds since 1970."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			for _, d := range documents() {
				for _, e := range d.Endings() {
					what := "exception"
					if e.Secret {
						what = "secret"
					}
					o.Observe(float64(e.On.Start().Unix()), metric.WithAttributes(
						attribute.String("tenant", d.Tenant), attribute.String("what", what), attribute.String("where", e.Path)))
				}
			}
			return nil
		}))
	return err
}
