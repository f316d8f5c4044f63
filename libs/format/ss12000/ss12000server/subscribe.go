package ss12000server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"eventful.se/ess/libs/format/ss12000"
)

// subscriptionLife is how long a subscription lasts unless it is renewed.
const subscriptionLife = 24 * time.Hour

// subscription is who wants to be told of changes.
type subscription struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Target        string         `json:"target"`
	ResourceTypes []resourceType `json:"resourceTypes"`
	Expires       time.Time      `json:"expires"`
}

type resourceType struct {
	Resource string `json:"resource"`
}

func (s *Server) serveSubscriptions(w http.ResponseWriter, r *http.Request, rest []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(rest) == 0 {
		switch r.Method {
		case http.MethodGet:
			list := []*subscription{}
			for _, id := range slices.Sorted(maps.Keys(s.subscriptions)) {
				list = append(list, s.subscriptions[id])
			}
			tell(w, http.StatusOK, map[string]any{"data": list, "pageToken": nil})
		case http.MethodPost:
			s.subscribe(w, r)
		default:
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return
	}
	sub := s.subscriptions[rest[0]]
	if sub == nil || len(rest) > 1 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet:
		tell(w, http.StatusOK, sub)
	case http.MethodPatch:
		sub.Expires = s.o.Now().UTC().Add(subscriptionLife)
		tell(w, http.StatusOK, sub)
	case http.MethodDelete:
		delete(s.subscriptions, sub.ID)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	sub := &subscription{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(sub); err != nil || sub.Target == "" || sub.Name == "" {
		refuse(w, "name, target and resourceTypes are required")
		return
	}
	s.issued++
	sub.ID = "00000000-0000-4000-8000-" + fmt.Sprintf("%012d", s.issued)
	sub.Expires = s.o.Now().UTC().Add(subscriptionLife)
	s.subscriptions[sub.ID] = sub
	tell(w, http.StatusCreated, sub)
}

// Notify tells subscribers of what changed since it was called last, and returns what went wrong.
func (s *Server) Notify(ctx context.Context) error {
	s.mu.Lock()
	touched, removed, now := s.touched, s.removed, s.o.Now()
	s.touched, s.removed = map[ss12000.Resource]bool{}, false
	type call struct {
		target string
		body   []byte
	}
	var calls []call
	for _, id := range slices.Sorted(maps.Keys(s.subscriptions)) {
		sub := s.subscriptions[id]
		modified := []string{}
		for _, t := range sub.ResourceTypes {
			for r := range touched {
				if r.EntityType() == t.Resource {
					modified = append(modified, t.Resource)
				}
			}
		}
		if now.After(sub.Expires) || len(modified) == 0 && !removed {
			continue
		}
		body, err := json.Marshal(map[string]any{"modifiedEntites": modified, "deletedEntities": removed}) // the standard's spelling
		if err == nil {
			calls = append(calls, call{sub.Target, body})
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, c := range calls {
		errs = append(errs, s.tellSubscriber(ctx, c.target, c.body))
	}
	return errors.Join(errs...)
}

func (s *Server) tellSubscriber(ctx context.Context, target string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("tell a subscriber: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.o.Client.Do(req)
	if err != nil {
		return fmt.Errorf("tell a subscriber: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("a subscriber answers %s", strconv.Itoa(resp.StatusCode))
	}
	return nil
}
