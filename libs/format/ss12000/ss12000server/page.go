package ss12000server

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"eventful.se/ess/libs/format/ss12000"
)

// token is a place in a list: what was asked for, and what was answered last.
type token struct {
	path    string
	filter  filter
	query   url.Values // of deletedEntities
	expand  []string
	after   string // the last id of the page before
	offset  int    // how many were answered, of a server that counts
	expires time.Time
}

// serveList answers with a page.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request, of ss12000.Resource) {
	q := r.URL.Query()
	limit, ok := s.limit(q)
	if !ok {
		refuse(w, "limit is not a number above 0")
		return
	}
	if !s.pause(r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, status, why := s.place(of, q)
	if status != 0 {
		fail(w, status, why)
		return
	}
	all := s.inOrder(of)
	from, _ := slices.BinarySearchFunc(all, at.after, func(e *entry, id string) int {
		if e.object.Head().ID <= id {
			return -1
		}
		return 1
	})
	if s.o.Oddities.CountsPages {
		from = 0
	}
	body := []byte(`{"data":[`)
	n, skip, next := 0, 0, ""
	for _, e := range all[from:] {
		if !at.filter.lets(e.object) {
			continue
		}
		if skip++; s.o.Oddities.CountsPages && skip <= at.offset {
			continue
		}
		if n == limit {
			at.offset += n
			next = s.newToken(at)
			break
		}
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, s.body(e, at.expand)...)
		at.after = e.object.Head().ID
		n++
	}
	answer(w, s.endPage(append(body, ']'), next))
}

// endPage writes the token of the next page, and the end.
func (s *Server) endPage(body []byte, next string) []byte {
	body = append(body, `,"pageToken":`...)
	switch {
	case next == "":
		body = append(body, "null"...)
	case s.o.Oddities.NumericToken:
		body = append(body, next...)
	default:
		body = strconv.AppendQuote(body, next)
	}
	return append(body, '}')
}

func (s *Server) limit(q url.Values) (int, bool) {
	if !q.Has("limit") {
		return s.o.Limit, true
	}
	n, err := strconv.Atoi(q.Get("limit"))
	return min(n, s.o.MaxLimit), err == nil && n > 0
}

// place returns where in a list a page begins, or the status of why there is none.
func (s *Server) place(of ss12000.Resource, q url.Values) (at token, status int, why string) {
	if !q.Has("pageToken") {
		f, err := s.newFilter(of, q)
		if err != nil {
			return at, http.StatusBadRequest, err.Error()
		}
		return token{path: string(of), filter: f, expand: q["expand"]}, 0, ""
	}
	for name := range q {
		if name != "pageToken" && name != "limit" {
			return at, http.StatusBadRequest, "pageToken goes with limit only"
		}
	}
	at, ok := s.tokens[q.Get("pageToken")]
	switch {
	case !ok || !at.expires.IsZero() && s.o.Now().After(at.expires):
		return at, http.StatusGone, "the pageToken has expired"
	case at.path != string(of):
		return at, http.StatusBadRequest, "the pageToken is of another list"
	}
	return at, 0, ""
}

// maxTokens is how many places the server remembers.
const maxTokens = 10_000

func (s *Server) newToken(at token) string {
	if s.o.TokenLife > 0 {
		at.expires = s.o.Now().Add(s.o.TokenLife)
	}
	if len(s.tokens) >= maxTokens {
		clear(s.tokens)
	}
	s.issued++
	name := strconv.Itoa(s.issued)
	if !s.o.Oddities.NumericToken {
		name = base64.RawURLEncoding.EncodeToString([]byte("page " + name))
	}
	s.tokens[name] = at
	return name
}

// pause waits before a page; false when the caller has gone.
func (s *Server) pause(r *http.Request) bool {
	if s.o.Delay <= 0 {
		return true
	}
	t := time.NewTimer(s.o.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
