package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/metric"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// How a program at a customer's lives with its line.
const (
	lineHolds  = 2 * time.Second // the line has to have been there for so long before a read begins
	reportsIn  = time.Minute     // how often it says that it is there
	silentLook = 15 * time.Minute
	silentAct  = 24 * time.Hour
)

// onSite tells whether the program is at a customer's.
func (p Process) onSite() bool { return p.LineURL != "" }

// user names the program to NATS. Of a program at a customer's the tenant is a part of it: no other site hears its answers.
func (p Process) user() string {
	if p.onSite() {
		return p.Name + "-" + p.Tenant
	}
	return p.Name
}

// line starts to make the line of a program at a customer's; nil for any other.
func (p Process) line() (*store.Line, error) {
	if !p.onSite() {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	l, err := store.OpenLine(store.LineOptions{URL: p.LineURL, CAFile: p.LineCA, Credentials: p.credentials(), Name: p.user(), Logger: p.Logger, Now: time.Now})
	if err != nil {
		return nil, fmt.Errorf("ESS_LINE_URL, ESS_LINE_CA or ESS_NATS_CREDS: %w", err)
	}
	return l, nil
}

// overLine returns a read that begins when the line is there, and is made again at once where it could not be kept because the
// line was cut. While it is cut nothing is read: what was read then would be older than what is read when the line is back.
func (h *Host) overLine(name string, logger *slog.Logger, run func(context.Context) (source.Run, error)) func(context.Context) (source.Run, error) {
	if h.Line == nil {
		return run
	}
	return func(ctx context.Context) (source.Run, error) {
		again := backoff.NewExponentialBackOff()
		again.InitialInterval, again.MaxInterval = lineHolds, 10*time.Minute
		for {
			if s := h.Line.State(); !s.Up {
				logger.WarnContext(ctx, "the line is cut: the source is read when it is back", "source", name, "since", s.Since, "error", s.Why)
			}
			if err := h.Line.Await(ctx, lineHolds); err != nil {
				return source.Run{}, err
			}
			before := h.Line.State().Cuts
			r, err := run(ctx)
			lost := err != nil && reason.FaultOf(err) == reason.Transient || // silence is noted as a cut late
				err == nil && r.State == source.Failed && h.Line.State().Cuts != before
			if ctx.Err() != nil || !lost {
				return r, err
			}
			logger.WarnContext(ctx, "the line was cut while the source was read: it is read again", "source", name, "error", err)
			if !pause(ctx, again.NextBackOff()) {
				return r, context.Cause(ctx)
			}
		}
	}
}

// SiteDetail is what a program at a customer's says of its line.
type SiteDetail struct {
	LineSince time.Time `json:"lineSince"`
	Cuts      int       `json:"cuts"` // since the program started
	CutFrom   time.Time `json:"cutFrom,omitzero"`
	CutTo     time.Time `json:"cutTo,omitzero"`
}

// reports says again and again that the program at the customer's lives, and how its line was, until ctx ends. What is said last
// stays, so that who is at the centre sees since when nothing was heard.
func (t *Tenant) reports(ctx context.Context, ref roster.Source) {
	if t.line == nil || t.controls == nil {
		return
	}
	select {
	case <-t.controls.known:
	case <-ctx.Done():
		return
	}
	place := store.SourcePlace(t.Name, ref)
	for {
		s, now := t.line.State(), t.now()
		text := fmt.Sprintf("on site; the line is there since %s", s.Since.UTC().Format(time.RFC3339))
		if s.Cuts > 0 {
			text += fmt.Sprintf(", was cut %d times, the last from %s to %s", s.Cuts, s.Last.From.UTC().Format(time.RFC3339), s.Last.To.UTC().Format(time.RFC3339))
		}
		d := SiteDetail{LineSince: s.Since.UTC(), Cuts: s.Cuts}
		if s.Cuts > 0 {
			d.CutFrom, d.CutTo = s.Last.From.UTC(), s.Last.To.UTC()
		}
		wait := reportsIn
		if s.Up {
			before, _ := t.controls.own(place, store.SiteAsk)
			err := t.controls.keep(ctx, before, store.Ask{
				Place: place, ID: store.SiteAsk, Verb: store.VerbCheck, Asked: now, By: "the site", Why: "it lives", Worker: t.controls.worker,
				State: store.AskDone, Begun: now, Ended: now, Text: text, Detail: detail(d),
			})
			if err != nil {
				t.logger.DebugContext(ctx, "the centre was not told that this program lives", "source", ref.String(), "error", err)
				wait = lineHolds
			}
		} else if err := t.line.Await(ctx, 0); err == nil {
			continue // a cut that is over is told of at once
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// checksLine puts the line before the steps of a check.
func (t *Tenant) checksLine(check func(context.Context, func(name, detail string, err error)) error) func(context.Context, func(name, detail string, err error)) error {
	if t.line == nil {
		return check
	}
	return func(ctx context.Context, step func(name, detail string, err error)) error {
		s := t.line.State()
		step("line", fmt.Sprintf("to %s, there since %s, cut %d times since the program started", s.Address, s.Since.UTC().Format(time.RFC3339), s.Cuts), s.Why)
		return check(ctx, step)
	}
}

// watchLine has the metrics tell how the line is.
func (t *Telemetry) watchLine(line *store.Line, now func() time.Time) error {
	if line == nil {
		return nil
	}
	var errs [3]error
	cut, err := t.meter.Float64ObservableGauge("ess_line_cut", metric.WithUnit("s"), metric.WithDescription("How long the line of a program on site to the central NATS has been cut; 0 while it is there."))
	errs[0] = err
	cuts, err := t.meter.Int64ObservableCounter("ess_line_cuts", metric.WithDescription("How often the line was cut."))
	errs[1] = err
	_, errs[2] = t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s, since := line.State(), 0.0
		if !s.Up {
			since = now().Sub(s.Since).Seconds()
		}
		o.ObserveFloat64(cut, since)
		o.ObserveInt64(cuts, int64(s.Cuts))
		return nil
	}, cut, cuts)
	return errors.Join(errs[:]...)
}

// SiteStatus says how the program at the customer's is that reads a source.
type SiteStatus struct {
	Heard time.Time `json:"heard,omitzero"` // when it said last that it lives; zero for never
	SiteDetail
}

// siteStatus returns how the program at a customer's is, by what it said last; nil for a source that is not read on site.
func siteStatus(asks []store.Ask, place store.Place, onSite bool) *SiteStatus {
	for _, a := range asks {
		if a.Place == place && a.ID == store.SiteAsk {
			s := &SiteStatus{Heard: a.Ended}
			_ = json.Unmarshal(a.Detail, &s.SiteDetail) // of a newer version: then only when it was heard is told
			return s
		}
	}
	if onSite {
		return &SiteStatus{}
	}
	return nil
}

// judge says what a site asks of a person. One that was cut off for a short while comes back by itself.
func (s *SiteStatus) judge(now time.Time) Verdict {
	switch silent := now.Sub(s.Heard); {
	case silent > silentAct:
		return Act
	case silent > silentLook:
		return Look
	default:
		return OK
	}
}

// retried are the reasons for which a program waits until NATS lets it in.
func retried(err error) bool {
	switch reason.Of(err).Code {
	case reason.NATSUnreachable, reason.NATSCredentials, reason.SecretUnusable,
		reason.LineCut, reason.LineRefused, reason.LineUntrusted, reason.LineWithoutJetStream:
		return true
	default:
		return false
	}
}
