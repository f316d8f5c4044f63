package ss12000api

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"strconv"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/transport/httpx"
)

// Check goes through what a read needs: connect, certificate, sign-in, and one step for each list, of which a page of one
// object is asked for. A list that the server does not have, and that a read can do without, is told and no failure. Where it
// is to tell of changes, it is asked who is told of them.
func (s *Source) Check(ctx context.Context, step func(name, detail string, err error)) error {
	defer s.client.Close()
	if err := s.client.Check(ctx, s.base, step); err != nil {
		return err
	}
	for _, of := range ss12000.Resources() {
		if !s.cfg.reads(of) {
			continue
		}
		detail, err := s.try(ctx, of)
		if isMissing(err) && !required(of) {
			detail, err = "the server does not have it: until it stands in without, no read takes anybody away", nil
		}
		step(string(of), detail, err)
		if err != nil {
			return fmt.Errorf("check of %s, step %s: %w", s.host, of, err)
		}
	}
	if s.cfg.Webhook.On() {
		list, err := s.subscribed(ctx)
		step(subscriptions, strconv.Itoa(len(list))+" there", err)
		if err != nil {
			return fmt.Errorf("check of %s, step %s: %w", s.host, subscriptions, err)
		}
	}
	return nil
}

// try asks for one object of a list.
func (s *Source) try(ctx context.Context, of ss12000.Resource) (string, error) {
	query := url.Values{"limit": {"1"}}
	maps.Copy(query, s.cfg.Query[of])
	a, err := s.client.Do(ctx, httpx.Request{URL: s.base + "/" + string(of), Query: query})
	if err != nil {
		return "", err
	}
	p, err := ss12000.ReadPage(of, bytes.NewReader(a.Body), func(ss12000.Object) error { return nil })
	if err != nil {
		return "", s.unreadable(err)
	}
	if p.Count == 0 {
		return "nothing there", nil
	}
	return "can be read", nil
}
