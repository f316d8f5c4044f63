package ss12000api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
)

// page counts the pages of persons that are asked for, from 1, and lets do answer them.
func page(do func(n int, w http.ResponseWriter, r *http.Request) bool) func(*world) func(http.ResponseWriter, *http.Request) bool {
	return func(*world) func(http.ResponseWriter, *http.Request) bool {
		n := 0
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !list(r, ss12000.Persons) {
				return false
			}
			n++
			return do(n, w, r)
		}
	}
}

// on answers the nth page of persons, and every one after it when always.
func on(nth int, always bool, do http.HandlerFunc) func(*world) func(http.ResponseWriter, *http.Request) bool {
	return page(func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n != nth && (!always || n < nth) {
			return false
		}
		do(w, r)
		return true
	})
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func body(text string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, text)
	}
}

// again answers with the page that the server gave for a query before, under a token that is another each time.
func again(w *world) func(http.ResponseWriter, *http.Request) bool {
	n := 0
	return page(func(nth int, rw http.ResponseWriter, r *http.Request) bool {
		if nth < 3 || r.Header.Get("X-Again") != "" {
			return false
		}
		n++
		rec, first := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, r.URL.Path+"?limit=10", nil)
		first.Header = r.Header.Clone()
		first.Header.Set("X-Again", "yes")
		w.server.ServeHTTP(rec, first)
		text, _, _ := strings.Cut(rec.Body.String(), `"pageToken"`)
		body(fmt.Sprintf(`%s"pageToken":"token-%d"}`, text, n))(rw, r)
		return true
	})(w)
}

// rewritten answers with the third page that the server gives, in which a text is another once.
func rewritten(from, to string) func(*world) func(http.ResponseWriter, *http.Request) bool {
	return func(w *world) func(http.ResponseWriter, *http.Request) bool {
		return page(func(n int, rw http.ResponseWriter, r *http.Request) bool {
			if n != 3 {
				return false
			}
			rec := httptest.NewRecorder()
			w.server.ServeHTTP(rec, r)
			body(strings.Replace(rec.Body.String(), from, to, 1))(rw, r)
			return true
		})(w)
	}
}

// empty answers with a list that has nothing on it.
func empty(of ss12000.Resource) func(*world) func(http.ResponseWriter, *http.Request) bool {
	return func(*world) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !list(r, of) {
				return false
			}
			body(`{"data":[],"pageToken":null}`)(w, r)
			return true
		}
	}
}

func without(path string) func(*world) func(http.ResponseWriter, *http.Request) bool {
	return func(*world) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/"+path) {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			return true
		}
	}
}

func bomb() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 8<<20))
	_ = z.Close()
	return b.String()
}

// TestFaults: whatever goes wrong has a named state, nobody is gone for it, and the next read is whole.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(*world) func(http.ResponseWriter, *http.Request) bool
		state  source.State // empty where all is well in spite of it
		code   reason.Code  // of the reason; of a finding, where the read is believed
		partly bool         // believed, and takes nobody away
	}{
		"F53 401 in the middle": {func(w *world) func(http.ResponseWriter, *http.Request) bool {
			return page(func(n int, _ http.ResponseWriter, _ *http.Request) bool {
				if n == 3 {
					w.server.Revoke()
				}
				return false
			})(w)
		}, "", "", false},
		"F53 401 from then on":                {on(3, true, status(401)), source.Refused, reason.WrongCredentials, false},
		"F53 403":                             {on(1, true, status(403)), source.Refused, reason.NotPermitted, false},
		"F55 410 once":                        {on(3, false, status(410)), "", "", false},
		"F55 410 from then on":                {on(3, true, status(410)), source.Incomplete, reason.AnswerGone, false},
		"F53 429 with seconds":                {on(3, false, status(429, "Retry-After", "3")), "", "", false},
		"F53 429 with a date":                 {on(3, false, status(429, "Retry-After", "Wed, 14 Oct 2026 10:03:00 GMT")), "", "", false},
		"F53 429 alone":                       {on(3, false, status(429)), "", "", false},
		"F53 429 for a century":               {on(3, false, status(429, "Retry-After", "3153600000")), source.Unreachable, reason.Throttled, false},
		"F53 429 from then on":                {on(3, true, status(429, "Retry-After", "1")), source.Unreachable, reason.Throttled, false},
		"F53 500 on page 7 once":              {on(7, false, status(500)), "", "", false},
		"F53 500 on page 7":                   {on(7, true, status(500)), source.Unreachable, reason.ServerRefused, false},
		"F53 502 with a page for people":      {on(2, true, body("<html>Kanarina</html>", "Content-Type", "text/html")), source.Unreadable, reason.AnswerUnreadable, false},
		"F53 200 with an error in it":         {on(2, true, body(`{"code":"ERR","message":"Kanarina"}`)), source.Unreadable, reason.AnswerUnreadable, false},
		"F55 a page that repeats":             {again, source.Incomplete, reason.PageLoop, false},
		"F55 a token that repeats":            {on(3, true, body(`{"data":[],"pageToken":"same"}`)), source.Incomplete, reason.PageLoop, false},
		"F55 tokens that never end":           {page(endless), source.Incomplete, reason.PageLoop, false},
		"F55 a token that is an object":       {rewritten(`"pageToken":`, `"pageToken":{},"next":`), source.Unreadable, reason.AnswerUnreadable, false},
		"F55 an empty page in the middle":     {emptyPage, "", "", false},
		"F53 a body cut once":                 {on(3, false, body(`{"data":[{"id":"p-001"`, "Content-Length", "900")), "", "", false},
		"F53 a body cut":                      {on(3, true, body(`{"data":[{"id":"p-001"`, "Content-Length", "900")), source.Incomplete, reason.TransferCut, false},
		"F31 half a page that says it is one": {on(3, true, body(`{"data":[{"id":"p-001"`)), source.Unreadable, reason.AnswerUnreadable, false},
		"F44 a key twice":                     {on(3, true, body(`{"data":[{"id":"p-001","id":"p-002"}]}`)), source.Unreadable, reason.AnswerUnreadable, false},
		"F37 somebody without an id":          {rewritten(`"id":"p-`, `"id":null,"no":"p-`), "", reason.ElementWithoutID, true},
		"F44 depth":                           {on(3, true, body(strings.Repeat("[", 100000))), source.Unreadable, reason.AnswerUnreadable, false},
		"F33 not UTF-8":                       {on(3, true, body("{\"data\":[{\"id\":\"p-001\",\"givenName\":\"K\xe5re\"}]}")), source.Unreadable, reason.AnswerUnreadable, false},
		"F53 a gzip bomb":                     {on(3, true, body(bomb(), "Content-Encoding", "gzip")), source.Unreadable, reason.FileTooLarge, false},
		"F53 a redirect to another host":      {on(3, true, status(302, "Location", "http://169.254.169.254/latest")), source.Refused, reason.RedirectRefused, false},
		"F29 nobody":                          {on(1, true, body(`{"data":[],"pageToken":null}`)), source.Empty, reason.EmptyRead, false},
		"a list that is gone":                 {without("placements"), "", reason.ListMissing, true},
		"duties are gone":                     {without("duties"), "", reason.ListMissing, true},
		"activities are gone":                 {without("activities"), "", reason.ListMissing, true},
		"persons are gone":                    {without("persons"), source.Failed, reason.EndpointMissing, false},
		"no deletedEntities":                  {without("deletedEntities"), "", "", false},
		"groups are empty":                    {empty(ss12000.Groups), "", reason.ListEmpty, true},
		"organisations are empty":             {empty(ss12000.Organisations), "", reason.ListEmpty, true},
		"deletedEntities are not for us":      {func(*world) func(http.ResponseWriter, *http.Request) bool { return answers("deletedEntities", 403) }, "", "", false},
		"F55 somebody joins on a page before": {joins, "", "", false},
		"F55 somebody leaves a page before":   {leaves, "", reason.MovedWhileRead, true},
		"F27 a clock three hours ahead":       {skewed(3 * time.Hour), "", reason.ClockDiffers, false},
		"F27 a clock three hours behind":      {skewed(-3 * time.Hour), "", reason.ClockDiffers, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ss12000server.Options{
				Path: "/v2.0", Auth: ss12000server.Auth{ClientID: "kommun", ClientSecret: "hemligt"}, Oddities: ss12000server.Oddities{CountsPages: true},
			})
			w.read()
			before, people, standing := w.log.Messages(), w.persons(), len(w.log.Standing())
			w.pass(day)
			broken := c.breaks(w)
			w.change(func(t *sourcetest.Town) { t.Drop(pupil(5)) })
			w.breaks(broken)
			run := w.run()
			w.breaks(nil)
			w.skews(0)
			switch {
			case c.state != "":
				if run.State != c.state || run.Reason == nil || run.Reason.Code != c.code {
					t.Errorf("the read is %s: %v; want %s, %s", run.State, run.Reason, c.state, c.code)
				}
				if run.Reason != nil && (strings.Contains(run.Reason.Text(reason.Swedish), "{") || strings.Contains(run.Reason.String(), "Kanarina")) {
					t.Errorf("the reason is %q", run.Reason)
				}
				if n := w.log.Messages() - before; n > 0 {
					t.Errorf("R3: %d changes are published", n)
				}
			case !run.Believed():
				t.Errorf("the read is %s: %v", run.State, run.Reason)
			default:
				if c.code != "" && !slices.ContainsFunc(run.Findings, func(f source.FindingCount) bool { return f.Reason.Code == c.code }) {
					t.Errorf("%s is not found: %v", c.code, run.Findings)
				}
				if run.Complete == c.partly {
					t.Errorf("the read is complete: %t", run.Complete)
				}
				if n := w.persons(); c.partly && n < people {
					t.Errorf("R3: %d people are gone", people-n)
				}
				if n := len(w.log.Standing()); c.partly && n < standing {
					t.Errorf("R3: %d of the log are gone", standing-n)
				}
			}
			w.pass(day)
			w.read()
			w.agrees("a read that was whole again")
		})
	}
}

// TestAMarkThatNobodyCanRead: a mark that is no text is not none, also where protected persons are left out (R9).
func TestAMarkThatNobodyCanRead(t *testing.T) {
	for n, want := range map[int]source.State{1: source.Published, 10: source.Unreadable} {
		w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
		for i := range n {
			w.server.Put(&ss12000.Person{
				Meta: ss12000.Meta{ID: pupil(300 + i)}, GivenName: "Kanarina", Marking: "Ingen", Enrolments: []ss12000.Enrolment{{Unit: ss12000.Ref{ID: "u-1"}}},
			})
		}
		w.cfg.Limit = 1000
		w.breaks(func(rw http.ResponseWriter, r *http.Request) bool {
			if !list(r, ss12000.Persons) || r.Header.Get("X-Again") != "" {
				return false
			}
			rec := httptest.NewRecorder()
			r.Header.Set("X-Again", "yes")
			w.server.ServeHTTP(rec, r)
			at := strings.Index(rec.Body.String(), `"id":"p-300"`)
			body(rec.Body.String()[:at]+strings.ReplaceAll(rec.Body.String()[at:], `"securityMarking":"Ingen"`, `"securityMarking":{"value":"Sekretessmarkering"}`))(rw, r)
			return true
		})
		if run := w.run(); run.State != want || want == source.Published && w.persons() != 66 {
			t.Errorf("%d marks that nobody can read: the read is %s, with %d people: %v", n, run.State, w.persons(), run.Reason)
		}
	}
}

// TestNobodyTeaches: a list of who teaches what that is empty, as for who lacks the scope, takes no group its teachers unasked.
func TestNobodyTeaches(t *testing.T) {
	w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
	w.hold(town(200))
	w.read()
	before := lines(w.log)
	w.pass(day)
	w.breaks(empty(ss12000.Activities)(w))
	if run := w.run(); run.State != source.Held || lines(w.log) != before {
		t.Errorf("the read is %s: %v", run.State, run.Counts)
	}
}

func endless(n int, w http.ResponseWriter, r *http.Request) bool {
	if n < 3 {
		return false
	}
	body(fmt.Sprintf(`{"data":[],"pageToken":"token-%d"}`, n))(w, r)
	return true
}

// emptyPage gives an empty page before the third, whose token it passes on.
func emptyPage(*world) func(http.ResponseWriter, *http.Request) bool {
	token := ""
	return page(func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 3:
			token = r.URL.Query().Get("pageToken")
			body(`{"data":[],"pageToken":"hollow"}`)(w, r)
			return true
		case 4:
			q := r.URL.Query()
			q.Set("pageToken", token)
			r.URL.RawQuery = q.Encode()
		}
		return false
	})(nil)
}

// joins lets somebody join the first page while the third is read: who was last on the second comes again.
func joins(w *world) func(http.ResponseWriter, *http.Request) bool {
	return page(func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 3 {
			w.server.Put(&ss12000.Person{Meta: ss12000.Meta{ID: "a-000"}, GivenName: "Ny"})
		}
		return false
	})(w)
}

// leaves lets somebody leave the first page while the third is read: who would be first on it is on none.
func leaves(w *world) func(http.ResponseWriter, *http.Request) bool {
	return page(func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 3 {
			w.pass(time.Minute)
			w.server.Delete(ss12000.Persons, pupil(1))
		}
		return false
	})(w)
}

func skewed(by time.Duration) func(*world) func(http.ResponseWriter, *http.Request) bool {
	return func(w *world) func(http.ResponseWriter, *http.Request) bool {
		w.skews(by)
		return nil
	}
}
