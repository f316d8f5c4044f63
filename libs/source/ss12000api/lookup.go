package ss12000api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/transport/httpx"
)

// How objects are looked up.
const (
	lookupAtOnce = 200  // ids in a call
	lookupAlone  = 1000 // objects that are looked up one by one before everything is read in place of what changed
)

// missing looks up what the objects that were read name, and were not among them.
func (r *run) missing(ctx context.Context) error {
	wanted := r.mapper.Missing()
	for _, of := range ss12000.Resources() {
		for ids := range slices.Chunk(wanted[of], lookupAtOnce) {
			if err := r.lookup(ctx, of, ids); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookup looks objects up by their ids. Those that the server does not know are none.
func (r *run) lookup(ctx context.Context, of ss12000.Resource, ids []string) error {
	if !r.cfg.reads(of) {
		return nil
	}
	if r.alone[of] {
		return r.eachAlone(ctx, of, ids)
	}
	body, err := json.Marshal(map[string][]string{"ids": ids})
	if err != nil {
		return err
	}
	a, err := r.client.Do(ctx, httpx.Request{
		Method: http.MethodPost, URL: r.base + "/" + string(of) + "/lookup", Body: body, Repeatable: true,
	})
	switch {
	case isMissing(err):
		r.alone[of] = true
		return r.eachAlone(ctx, of, ids)
	case httpx.Status(err) == http.StatusServiceUnavailable && len(ids) > 1: // the standard's word for an answer that is too large
		half := len(ids) / 2
		if err := r.lookup(ctx, of, ids[:half]); err != nil {
			return err
		}
		return r.lookup(ctx, of, ids[half:])
	case err != nil:
		return err
	}
	return r.take(of, a.Body)
}

// eachAlone asks for objects one by one, of a server that cannot look up.
func (r *run) eachAlone(ctx context.Context, of ss12000.Resource, ids []string) error {
	if r.since != nil && len(ids) > lookupAlone {
		return &doubtError{"too much would have to be looked up"}
	}
	for _, id := range ids {
		a, err := r.client.Do(ctx, httpx.Request{
			URL: r.base + "/" + string(of) + "/" + url.PathEscape(id), Route: "/" + string(of) + "/{id}",
		})
		if isMissing(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.take(of, slices.Concat([]byte("["), a.Body, []byte("]"))); err != nil {
			return err
		}
	}
	return nil
}

// take takes in what a lookup answered.
func (r *run) take(of ss12000.Resource, body []byte) error {
	p, err := ss12000.ReadPage(of, bytes.NewReader(body), r.mapper.Add)
	r.mapper.Odd(p.Odd)
	r.withoutID(string(of), p.WithoutID)
	return r.unreadable(err)
}
