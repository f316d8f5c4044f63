package ss12000api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/httpx"
)

var _ source.Hinter = (*Source)(nil)

// subscriptions is the path of them; maxSubscriptionPages is how many pages of them are looked through.
const (
	subscriptions        = "subscriptions"
	maxSubscriptionPages = 100
)

// subscription is one as the server has it.
type subscription struct {
	ID      string `json:"id"`
	Target  string `json:"target"`
	Expires string `json:"expires"`
}

// Hook returns where the server may tell of changes.
func (s *Source) Hook() source.Hook { return s.cfg.Webhook }

// Subscribe finds the subscription of the target and renews it, or makes one. Of several, which two processes made at once,
// one is kept. A server that does not list them is asked to renew the last one.
func (s *Source) Subscribe(ctx context.Context, target, last string) (source.Subscription, error) {
	list, err := s.subscribed(ctx)
	switch status := httpx.Status(err); {
	case err == nil:
		last = ""
	case !isMissing(err) && status != http.StatusForbidden && status != http.StatusBadRequest:
		return source.Subscription{}, err
	}
	var more []string
	for _, sub := range list {
		switch {
		case sub.Target != target:
		case last == "":
			last = sub.ID
		default:
			more = append(more, sub.ID)
		}
	}
	got, err := s.renewed(ctx, last)
	if err == nil && got.ID == "" {
		got, err = s.subscribe(ctx, target)
	}
	if err != nil {
		return got, err
	}
	for _, id := range more {
		if err := s.Unsubscribe(ctx, id); err != nil {
			s.log.WarnContext(ctx, "the register tells of a change twice: a subscription cannot be ended", "subscription", id, "error", err)
		}
	}
	return got, nil
}

// Unsubscribe ends a subscription.
func (s *Source) Unsubscribe(ctx context.Context, id string) error {
	_, err := s.client.Do(ctx, httpx.Request{
		Method: http.MethodDelete, URL: s.base + "/" + subscriptions + "/" + url.PathEscape(id), Route: "/subscriptions/{id}", Repeatable: true,
	})
	if isMissing(err) || httpx.Status(err) == http.StatusGone {
		return nil
	}
	return err
}

// subscribed returns the subscriptions that the server lists for us.
func (s *Source) subscribed(ctx context.Context) (list []subscription, err error) {
	ask := url.Values{}
	for range maxSubscriptionPages {
		a, err := s.client.Do(ctx, httpx.Request{URL: s.base + "/" + subscriptions, Query: ask})
		if err != nil {
			return nil, err
		}
		var page struct {
			Data  []subscription `json:"data"`
			Token string         `json:"pageToken"`
		}
		if err := json.Unmarshal(a.Body, &page); err != nil {
			return nil, s.oddSubscription()
		}
		if list = append(list, page.Data...); page.Token == "" {
			return list, nil
		}
		ask = url.Values{"pageToken": {page.Token}}
	}
	return nil, reason.Errorf(reason.Transient, nil, reason.PageLoop, "address", s.host, "list", subscriptions)
}

// renewed has a subscription last longer; it returns none where there is none.
func (s *Source) renewed(ctx context.Context, id string) (source.Subscription, error) {
	if id == "" {
		return source.Subscription{}, nil
	}
	a, err := s.client.Do(ctx, httpx.Request{
		Method: http.MethodPatch, URL: s.base + "/" + subscriptions + "/" + url.PathEscape(id), Route: "/subscriptions/{id}", Repeatable: true,
	})
	switch {
	case isMissing(err) || httpx.Status(err) == http.StatusGone:
		return source.Subscription{}, nil
	case err != nil:
		return source.Subscription{}, err
	}
	got, err := s.promised(a.Body)
	if err != nil { // it was renewed, whatever the server says of it
		got = source.Subscription{ID: id}
	}
	return got, nil
}

// subscribe makes a subscription to the lists that are read. Some servers want the words of them without objects around.
func (s *Source) subscribe(ctx context.Context, target string) (source.Subscription, error) {
	type resource struct {
		Resource string `json:"resource"`
	}
	objects, words := []resource{}, []string{}
	for _, of := range ss12000.Resources() {
		if s.cfg.reads(of) {
			objects, words = append(objects, resource{of.EntityType()}), append(words, of.EntityType())
		}
	}
	var err error
	for _, types := range []any{objects, words} {
		var body []byte
		if body, err = json.Marshal(map[string]any{"name": "Eventful School Sync", "target": target, "resourceTypes": types}); err != nil {
			return source.Subscription{}, err
		}
		var a *httpx.Answer
		a, err = s.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: s.base + "/" + subscriptions, Body: body})
		if err == nil {
			return s.promised(a.Body)
		}
		if httpx.Status(err) != http.StatusBadRequest {
			break
		}
	}
	return source.Subscription{}, err
}

// promised reads what the server says of a subscription.
func (s *Source) promised(body []byte) (source.Subscription, error) {
	var sub subscription
	if err := json.Unmarshal(body, &sub); err != nil || sub.ID == "" {
		return source.Subscription{}, s.oddSubscription()
	}
	expires, err := time.Parse(time.RFC3339, sub.Expires)
	if err != nil {
		expires = time.Time{} // as one that does not say
	}
	return source.Subscription{ID: sub.ID, Expires: expires}, nil
}

// oddSubscription says nothing of the body, in which our secret address stands.
func (s *Source) oddSubscription() error {
	return reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", s.host, "what", "what it says of subscriptions is not as the standard has it")
}
