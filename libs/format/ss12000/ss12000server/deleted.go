package ss12000server

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"eventful.se/ess/libs/format/ss12000"
)

// serveDeleted answers with what was deleted after a time.
func (s *Server) serveDeleted(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, ok := s.limit(q)
	if !ok {
		refuse(w, "limit is not a number above 0")
		return
	}
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if !s.pause(r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := token{path: "deletedEntities"}
	if q.Has("pageToken") {
		if at, ok = s.tokens[q.Get("pageToken")]; !ok || !at.expires.IsZero() && s.o.Now().After(at.expires) {
			fail(w, http.StatusGone, "the pageToken has expired")
			return
		}
		q = at.query
	}
	at.query = q
	matching, err := s.deletedAfter(q)
	if err != "" {
		refuse(w, err)
		return
	}
	page := matching[min(at.offset, len(matching)):]
	next := ""
	if len(page) > limit {
		page = page[:limit]
		at.offset += limit
		next = s.newToken(at)
	}
	body, bad := json.Marshal(s.tellDeleted(page))
	if bad != nil {
		fail(w, http.StatusInternalServerError, "what was deleted cannot be written")
		return
	}
	answer(w, s.endPage(append([]byte(`{"data":`), body...), next))
}

// deletedAfter returns what was deleted in the time that a query asks for, and why it cannot be understood.
func (s *Server) deletedAfter(q map[string][]string) (matching []tombstone, err string) {
	var after, before time.Time
	for name, values := range q {
		switch name {
		case "after", "before":
			t, ok := ss12000.ParseTime(values[0])
			if !ok {
				return nil, name + " is not a time"
			}
			if name == "after" {
				after = t
			} else {
				before = t
			}
		case "entities", "limit":
		default:
			return nil, unknown(name).Error()
		}
	}
	entities := q["entities"]
	for _, x := range s.deleted {
		switch {
		case !x.at.After(after), !before.IsZero() && x.at.After(before):
		case len(entities) > 0 && !slices.Contains(entities, x.of.EntityType()):
		case s.o.DeletedLife > 0 && s.o.Now().Sub(x.at) > s.o.DeletedLife:
		default:
			matching = append(matching, x)
		}
	}
	return matching, ""
}

// tellDeleted puts what was deleted into the shape of the standard, or of those who have another.
func (s *Server) tellDeleted(page []tombstone) any {
	if s.o.Oddities.FlatDeleted {
		flat := []map[string]string{}
		for _, x := range page {
			flat = append(flat, map[string]string{"entityType": x.of.EntityType(), "id": x.id, "deletedAt": x.at.Format(time.RFC3339)})
		}
		return flat
	}
	lists := map[string][]string{}
	for _, x := range page {
		key := string(x.of)
		if x.of == ss12000.Activities && !s.o.Oddities.RightSpelling {
			key = "activitites"
		}
		lists[key] = append(lists[key], x.id)
	}
	return lists
}
