// Package ss12000api reads a register over an API of SS 12000: the one client of all vendors that serve the standard. A
// vendor is a [Config] with defaults.
//
// A read is believed only when every list was read to its last page. What a server does wrong on the way has a name: a
// page that comes again or a token that never ends (page-loop), a list that it does not have (list-missing: the read then
// takes nobody away, until the settings say that it is left out), one that is empty although others refer to it (list-empty:
// so too) or has what has no id (element-without-id: so too), a token of a page that it forgot (the list is begun
// anew, three times at most).
//
// What changed is read by meta.modified and deletedEntities, from a time before the last read began, by the server's own
// clock. Whatever is in doubt about it, everything is read: settings that changed, many reads of changes in a row, a server
// that does not know deletedEntities, or does not show them to us, or says that it has forgotten, clocks that differ or were set back.
package ss12000api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/httpx"
)

// Source reads one register.
type Source struct {
	cfg    Config
	base   string // without a slash at its end
	host   string
	client *httpx.Client
	log    *slog.Logger
	now    func() time.Time
}

var (
	_ source.Source  = (*Source)(nil)
	_ source.Checker = (*Source)(nil)
)

// New returns a source for valid settings. It uses no network.
func New(cfg Config, env source.Env) *Source {
	return open(cfg, env, httpx.Options{Logger: env.Logger, Now: env.Now})
}

func open(cfg Config, env source.Env, o httpx.Options) *Source {
	s := &Source{cfg: cfg, base: strings.TrimRight(cfg.BaseURL, "/"), client: httpx.New(cfg.HTTP, o), log: env.Logger, now: env.Now}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if u, err := url.Parse(cfg.BaseURL); err == nil {
		s.host = u.Host
	}
	return s
}

// run is one read.
type run struct {
	*Source
	since    *cursor // nil to read everything
	mapper   *ss12000.Mapper
	began    time.Time // by our clock
	served   time.Time // by the server's clock, when it first answered; zero where it does not tell
	complete bool
	noDelta  bool // the server does not tell what was deleted
	findings []fact.Finding
	alone    map[ss12000.Resource]bool // lists whose objects are looked up one by one
}

// doubtError says why what changed cannot be laid over what is known.
type doubtError struct{ why string }

// Error returns why.
func (e *doubtError) Error() string { return e.why }

// Read reads everything, or what changed since a cursor. Docs of what changed are held back until nothing of it is in
// doubt, for in doubt everything is read.
func (s *Source) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	defer s.client.Close()
	from, why := s.resume(since)
	noDelta := false
	if why == "" && !from.Since.IsZero() {
		var held []fact.Doc
		r := s.begin(&from, func(d fact.Doc) error { held = append(held, d); return nil })
		res, err := r.all(ctx)
		doubt, ok := errors.AsType[*doubtError](err)
		if !ok {
			for i := 0; i < len(held) && err == nil; i++ {
				if err = context.Cause(ctx); err == nil {
					err = emit(held[i])
				}
			}
			return res, err
		}
		why, noDelta = doubt.why, r.noDelta
	}
	r := s.begin(nil, emit)
	r.noDelta = noDelta
	if why != "" {
		r.find(fact.Info, reason.New(reason.DeltaDoubtful, "what", why), "")
	}
	return r.all(ctx)
}

func (s *Source) begin(since *cursor, emit func(fact.Doc) error) *run {
	r := &run{Source: s, since: since, began: s.now(), complete: true, alone: map[ss12000.Resource]bool{}}
	reading := ss12000.Reading{Profile: s.cfg.Profile, Today: roster.Today(r.began)}
	if since != nil {
		reading.Delta, reading.Since, reading.Frame = true, since.Since, since.Frame
	}
	r.mapper = ss12000.NewMapper(reading, emit)
	return r
}

// all reads all lists. The result of a read of what changed is never complete.
func (r *run) all(ctx context.Context) (res source.Result, err error) {
	_, res.Origin, _ = strings.Cut(r.base, "://")
	if r.since != nil {
		if err := r.deleted(ctx); err != nil {
			return res, err
		}
	}
	lists := ss12000.Resources()
	split := slices.Index(lists, ss12000.Groups)
	for _, part := range [][]ss12000.Resource{lists[:split], lists[split:]} {
		for _, of := range part {
			if err := r.list(ctx, of); err != nil {
				return res, err
			}
		}
		if err := r.missing(ctx); err != nil {
			return res, err
		}
		if why := r.mapper.Doubt(); why != "" && r.since != nil {
			return res, &doubtError{why}
		}
	}
	if r.since == nil {
		r.unlisted()
		if err := r.moved(ctx); err != nil {
			return res, err
		}
	}
	sum, err := r.mapper.Finish()
	res.Seen, res.Findings = sum.Seen, slices.Concat(r.findings, sum.Findings)
	if err != nil {
		return res, err
	}
	if r.skewed() {
		apart := int(math.Round(r.served.Sub(r.began).Abs().Minutes()))
		res.Findings = append(res.Findings, fact.Finding{
			Reason: reason.New(reason.ClockDiffers, "address", r.host, "minutes", apart), Severity: fact.Warning, Effect: fact.Noted,
		})
	}
	res.Cursor, res.Complete = r.next(), r.complete && r.since == nil
	return res, nil
}

func (r *run) find(severity fact.Severity, why reason.Reason, where string) {
	r.findings = append(r.findings, fact.Finding{Reason: why, Severity: severity, Effect: fact.Noted, Where: where})
}

// list reads a list, whole or what changed in it. One that the server does not have is named.
func (r *run) list(ctx context.Context, of ss12000.Resource) error {
	if !r.cfg.reads(of) {
		return nil
	}
	query := url.Values{}
	maps.Copy(query, r.cfg.Query[of])
	if r.since != nil && !of.Whole() {
		query.Set("meta.modified.after", r.since.Since.Format(time.RFC3339))
	}
	err := r.pages(ctx, string(of), query, r.objects(of))
	if err == nil || !isMissing(err) || required(of) {
		return err
	}
	if r.since != nil {
		return &doubtError{"a list is missing: " + string(of)}
	}
	r.complete = false // R3: what it had is not gone
	r.find(fact.Warning, reason.New(reason.ListMissing, "address", r.host, "list", string(of)), string(of))
	return nil
}

// unlisted notes lists that are empty and should not be: as one that is missing, such a list takes nothing away (R3).
func (r *run) unlisted() {
	for _, of := range r.mapper.Unlisted() {
		if r.cfg.reads(of) {
			r.complete = false
			r.find(fact.Serious, reason.New(reason.ListEmpty, "address", r.host, "list", string(of)), string(of))
		}
	}
}

// isMissing tells whether a server has no such path.
func isMissing(err error) bool { return reason.Of(err).Code == reason.EndpointMissing }

// deleted reads what was deleted, first of all: without it what changed means nothing.
func (r *run) deleted(ctx context.Context) error {
	gone, _, err := r.deletedSince(ctx, r.since.Since)
	switch status := httpx.Status(err); {
	case isMissing(err) || status == http.StatusForbidden:
		r.noDelta = true
		return &doubtError{"the server does not tell what was deleted"}
	case status == http.StatusGone || status == http.StatusBadRequest:
		return &doubtError{"the server no longer knows what was deleted"}
	case err != nil:
		return err
	}
	if r.setBack() {
		return &doubtError{"the server's clock went back"}
	}
	if len(gone[ss12000.Persons]) > 0 {
		// Who is gone may have left, or be protected from now on: only of a read of everything is it told (R9).
		return &doubtError{"people were deleted"}
	}
	return r.mapper.Deleted(gone)
}

// moved asks, at the end of a read of everything, what was deleted meanwhile. Of a server that counts its pages, everybody
// after who was deleted moved one place forward, and the first of the next page was on none: such a read takes nobody away
// (R3). A server that cannot tell is believed.
func (r *run) moved(ctx context.Context) error {
	from := r.began
	if !r.served.IsZero() {
		from = r.served
	}
	_, n, err := r.deletedSince(ctx, from)
	switch status := httpx.Status(err); {
	case isMissing(err) || status == http.StatusForbidden || status == http.StatusGone || status == http.StatusBadRequest:
		r.noDelta = true
	case err != nil:
		return err
	case n > 0:
		r.complete = false
		r.find(fact.Info, reason.New(reason.MovedWhileRead, "address", r.host), "deletedEntities")
	}
	return nil
}

// deletedSince returns what was deleted after a time, and how many objects that were.
func (r *run) deletedSince(ctx context.Context, after time.Time) (gone ss12000.Deleted, n int, err error) {
	query := url.Values{"after": {after.UTC().Format(time.RFC3339)}}
	for _, of := range ss12000.Resources() {
		query.Add("entities", of.EntityType())
	}
	gone = ss12000.Deleted{}
	err = r.pages(ctx, "deletedEntities", query, func(body []byte) (content, error) {
		p, err := ss12000.ReadDeleted(bytes.NewReader(body), gone)
		n += p.Count
		return content{n: p.Count, same: sha256.Sum256(body), odd: p.Odd}, err
	})
	return gone, n, err
}
