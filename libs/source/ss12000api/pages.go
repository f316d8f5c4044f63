package ss12000api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source/ahead"
	"eventful.se/ess/libs/transport/httpx"
)

// How far a server is followed.
const (
	maxRestarts = 3      // of a list whose token was forgotten
	maxEmpty    = 100    // pages in a row with nothing on them
	maxPages    = 100000 // of a list
)

// content is what stood on a page.
type content struct {
	n         int // objects
	same      [sha256.Size]byte
	odd       map[string]int
	objects   []ss12000.Object
	withoutID int // objects that are not among them
}

// objects returns what reads a page of a list.
func (r *run) objects(of ss12000.Resource) func([]byte) (content, error) {
	return func(body []byte) (c content, err error) {
		ids := sha256.New()
		p, err := ss12000.ReadPage(of, bytes.NewReader(body), func(o ss12000.Object) error {
			c.objects = append(c.objects, o)
			fmt.Fprintf(ids, "%q", o.Head().ID)
			return nil
		})
		ids.Sum(c.same[:0])
		c.n, c.odd, c.withoutID = p.Count, p.Odd, p.WithoutID
		return c, err
	}
}

// pages reads a list from its first page to its last, from the beginning again when the server forgot how far it was
// read. What was seen before counts once.
func (r *run) pages(ctx context.Context, path string, query url.Values, read func([]byte) (content, error)) error {
	for again := 0; ; again++ {
		err := r.once(ctx, path, query, read)
		gone, ok := errors.AsType[*forgottenError](err)
		if !ok {
			return err
		}
		if again == maxRestarts {
			return gone.err
		}
		r.log.InfoContext(ctx, "list begun anew: the server forgot its token", "host", r.host, "list", path)
	}
}

// forgottenError says that a server knows a page's token no more.
type forgottenError struct{ err error }

// Error returns what the server said.
func (e *forgottenError) Error() string { return e.err.Error() }

// once reads a list once. While a page is taken in, the next one is read and the one after that is fetched.
func (r *run) once(ctx context.Context, path string, query url.Values, read func([]byte) (content, error)) error {
	pages := func(ctx context.Context, send func(content) bool) error {
		return r.read(ctx, path, query, read, send)
	}
	for page, err := range ahead.Of(ctx, pages) {
		if err != nil {
			return err
		}
		r.mapper.Odd(page.odd)
		r.withoutID(path, page.withoutID)
		for _, o := range page.objects {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := r.mapper.Add(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutID notes objects of a list that have no id: each may be anybody, so nobody is gone (R3).
func (r *run) withoutID(list string, n int) {
	if n > 0 {
		r.complete = false
		r.findings = append(r.findings, fact.Finding{
			Reason: reason.New(reason.ElementWithoutID, "what", list), Severity: fact.Serious, Effect: fact.KeptBack, Where: list, Count: n,
		})
	}
}

// fetch fetches page after page.
func (r *run) fetch(ctx context.Context, path string, query url.Values, send func([]byte) bool) error {
	tokens := map[[sha256.Size]byte]bool{}
	ask := url.Values{"limit": {strconv.Itoa(r.cfg.Limit)}}
	maps.Copy(ask, query)
	for n := range maxPages {
		a, err := r.client.Do(ctx, httpx.Request{URL: r.base + "/" + path, Query: ask})
		if n > 0 && httpx.Status(err) == http.StatusGone {
			err = &forgottenError{err}
		}
		if err != nil {
			return err
		}
		if r.served.IsZero() {
			r.served = a.Date
		}
		token := ss12000.NextToken(a.Body)
		if !send(a.Body) || token == "" {
			return nil
		}
		known := sha256.Sum256([]byte(token))
		if tokens[known] {
			return r.loop(path)
		}
		tokens[known] = true
		ask = url.Values{"limit": {strconv.Itoa(r.cfg.Limit)}, "pageToken": {token}}
	}
	return r.loop(path)
}

// read reads page after page, while the next one is fetched.
func (r *run) read(ctx context.Context, path string, query url.Values, read func([]byte) (content, error), send func(content) bool) error {
	seen := map[[sha256.Size]byte]bool{}
	empty := 0
	fetched := func(ctx context.Context, send func([]byte) bool) error { return r.fetch(ctx, path, query, send) }
	for body, err := range ahead.Of(ctx, fetched) {
		if err != nil {
			return err
		}
		c, err := read(body)
		if err != nil {
			return r.unreadable(err)
		}
		if empty++; c.n > 0 {
			empty = 0
		}
		if c.n > 0 && seen[c.same] || empty > maxEmpty {
			return r.loop(path)
		}
		seen[c.same] = true
		if !send(c) {
			return nil
		}
	}
	return nil
}

// loop says that the pages of a list have no end.
func (r *run) loop(path string) error {
	return reason.Errorf(reason.Transient, nil, reason.PageLoop, "address", r.host, "list", path)
}

// unreadable gives an error of the format its reason; any other stays.
func (s *Source) unreadable(err error) error {
	if errors.Is(err, ss12000.ErrMalformed) || errors.Is(err, ss12000.ErrDuplicate) || errors.Is(err, ss12000.ErrShape) {
		return reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", s.host, "what", err)
	}
	return err
}
