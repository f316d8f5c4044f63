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

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/reason"
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
	token   string
	n       int // objects
	same    [sha256.Size]byte
	odd     map[string]int
	objects []ss12000.Object
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
		c.token, c.n, c.odd = p.Token, p.Count, p.Odd
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

// result is a page, or why there is none.
type result struct {
	content
	err error
}

// once reads a list once. The next page is fetched while this one is taken in.
func (r *run) once(ctx context.Context, path string, query url.Values, read func([]byte) (content, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan result, 1)
	defer func() {
		cancel()
		for range pages { // until who fetches has ended
		}
	}()
	go r.fetch(ctx, path, query, read, pages)
	for p := range pages {
		if p.err != nil {
			return p.err
		}
		r.mapper.Odd(p.odd)
		for _, o := range p.objects {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := r.mapper.Add(o); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// fetch fetches page after page, and closes pages.
func (r *run) fetch(ctx context.Context, path string, query url.Values, read func([]byte) (content, error), pages chan<- result) {
	defer close(pages)
	send := func(p result) bool {
		select {
		case pages <- p:
			return p.err == nil
		case <-ctx.Done():
			return false
		}
	}
	loop := reason.Errorf(reason.Transient, nil, reason.PageLoop, "address", r.host, "list", path)
	tokens, seen := map[[sha256.Size]byte]bool{}, map[[sha256.Size]byte]bool{}
	ask := url.Values{"limit": {strconv.Itoa(r.cfg.Limit)}}
	maps.Copy(ask, query)
	empty := 0
	for n := range maxPages {
		a, err := r.client.Do(ctx, httpx.Request{URL: r.base + "/" + path, Query: ask})
		if n > 0 && httpx.Status(err) == http.StatusGone {
			err = &forgottenError{err}
		}
		if err != nil {
			send(result{err: err})
			return
		}
		if r.served.IsZero() {
			r.served = a.Date
		}
		c, err := read(a.Body)
		if err != nil {
			send(result{err: r.unreadable(err)})
			return
		}
		token := sha256.Sum256([]byte(c.token))
		if empty++; c.n > 0 {
			empty = 0
		}
		if c.n > 0 && seen[c.same] || c.token != "" && tokens[token] || empty > maxEmpty {
			send(result{err: loop})
			return
		}
		seen[c.same], tokens[token] = true, true
		if !send(result{content: c}) || c.token == "" {
			return
		}
		ask = url.Values{"limit": {strconv.Itoa(r.cfg.Limit)}, "pageToken": {c.token}}
	}
	send(result{err: loop})
}

// unreadable gives an error of the format its reason; any other stays.
func (s *Source) unreadable(err error) error {
	if errors.Is(err, ss12000.ErrMalformed) || errors.Is(err, ss12000.ErrDuplicate) || errors.Is(err, ss12000.ErrShape) {
		return reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", s.host, "what", err)
	}
	return err
}
