// Package ss12000server is an API of SS 12000 with a register behind it, for tests, for demonstrations, and for whoever
// wants to see what such an API answers.
//
// It keeps meta.created and meta.modified by its own clock, remembers what was deleted, pages by opaque tokens that
// expire, filters, expands, and tells subscribers of changes. By [Options] it is like the servers of the vendors, with what
// they do in their own way.
//
// Of the standard it lacks: sorting and expandReferenceNames, which are taken and do nothing, the lists that package
// ss12000 does not read, log and statistics.
package ss12000server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"eventful.se/ess/libs/format/ss12000"
)

// Options are what a server does. With nothing but a clock it is a server of the standard without sign-in.
type Options struct {
	Path     string           // before the lists: "/v2.0"
	Now      func() time.Time // the server's clock
	Delay    time.Duration    // before each page
	Limit    int              // objects of a page where the caller asks for none; 100 where it is 0
	MaxLimit int              // objects of a page at most; 10 000 where it is 0
	// TokenLife is how long a pageToken can be used; for ever where it is 0. After that the answer is 410.
	TokenLife time.Duration
	// DeletedLife is how long the server remembers what was deleted; for ever where it is 0.
	DeletedLife time.Duration
	Auth        Auth
	Rate        int      // calls a minute, over which the answer is 429; no limit where it is 0
	Without     []string // first words of paths that the server does not have: "placements", "deletedEntities"
	Oddities    Oddities
	// Before is asked before a call is answered, and may answer it.
	Before func(http.ResponseWriter, *http.Request) (handled bool)
	// Client calls subscribers; http.DefaultClient where it is nil.
	Client *http.Client
}

// Server is a register behind the API. It is safe for concurrent use.
type Server struct {
	o Options

	mu            sync.Mutex
	lists         map[ss12000.Resource]*list
	deleted       []tombstone
	tokens        map[string]token
	issued        int // page tokens and access tokens
	access        map[string]time.Time
	subscriptions map[string]*subscription
	touched       map[ss12000.Resource]bool // since subscribers were told
	removed       bool                      // since subscribers were told
	window        time.Time                 // of the rate
	inWindow      int
	calls         map[string]int
}

// list is the objects of a resource.
type list struct {
	byID   map[string]*entry
	sorted []*entry // by id; nil when it is to be made anew
}

// entry is an object, and how it is written without anything expanded.
type entry struct {
	object ss12000.Object
	body   []byte
}

type tombstone struct {
	of ss12000.Resource
	id string
	at time.Time
}

// New returns a server without objects.
func New(o Options) *Server {
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	o.Limit, o.MaxLimit = cmp.Or(o.Limit, 100), cmp.Or(o.MaxLimit, 10_000)
	s := &Server{
		o: o, lists: map[ss12000.Resource]*list{}, tokens: map[string]token{}, access: map[string]time.Time{},
		subscriptions: map[string]*subscription{}, touched: map[ss12000.Resource]bool{}, calls: map[string]int{},
	}
	for _, r := range ss12000.Resources() {
		s.lists[r] = &list{byID: map[string]*entry{}}
	}
	return s
}

// Put puts objects in, or in the place of those with their ids. Meta is the server's to set: an object that says what
// the server says already stays as it is, and so does meta.modified.
func (s *Server) Put(objects ...ss12000.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		s.put(o)
	}
}

func (s *Server) put(o ss12000.Object) {
	l, head, now := s.lists[o.Resource()], o.Head(), s.o.Now().UTC()
	old := l.byID[head.ID]
	head.Created, head.Modified = now, now
	if old != nil {
		head.Created, head.Modified = old.object.Head().Created, old.object.Head().Modified
		if bytes.Equal(ss12000.Append(nil, o), ss12000.Append(nil, old.object)) {
			return
		}
		head.Modified = now
	} else {
		l.sorted = nil
	}
	e := &entry{object: o, body: s.write(o)}
	if old != nil {
		*old = *e
	} else {
		l.byID[head.ID] = e
	}
	s.touched[o.Resource()] = true
}

// Delete takes objects away, and tells of it.
func (s *Server) Delete(of ss12000.Resource, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if l := s.lists[of]; l.byID[id] != nil {
			delete(l.byID, id)
			l.sorted = nil
			s.deleted = append(s.deleted, tombstone{of, id, s.o.Now().UTC()})
			s.removed = true
		}
	}
}

// Replace makes objects all that the server has: what differs is modified, and what is not among them deleted.
func (s *Server) Replace(objects []ss12000.Object) {
	keep := map[ss12000.Resource]map[string]bool{}
	for _, o := range objects {
		if keep[o.Resource()] == nil {
			keep[o.Resource()] = map[string]bool{}
		}
		keep[o.Resource()][o.Head().ID] = true
	}
	s.Put(objects...)
	for _, r := range ss12000.Resources() {
		s.Delete(r, slices.DeleteFunc(s.IDs(r), func(id string) bool { return keep[r][id] })...)
	}
}

// IDs returns the ids of a list, sorted.
func (s *Server) IDs(of ss12000.Resource) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.lists[of].byID))
}

// Get returns an object, which is not to be changed; nil where there is none.
func (s *Server) Get(of ss12000.Resource, id string) ss12000.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.lists[of].byID[id]; e != nil {
		return e.object
	}
	return nil
}

// Calls returns how often the server was called, by method and path without [Options.Path]: "GET /persons".
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// ServeHTTP answers a call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, s.o.Path)
	s.mu.Lock()
	s.calls[r.Method+" "+path]++
	s.mu.Unlock()
	if s.o.Before != nil && s.o.Before(w, r) {
		return
	}
	if r.URL.Path == TokenPath {
		s.signIn(w, r)
		return
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case !ok || slices.Contains(s.o.Without, parts[0]):
		w.WriteHeader(http.StatusNotFound)
	case !s.signedIn(w, r) || !s.withinRate(w):
	case parts[0] == "subscriptions":
		s.serveSubscriptions(w, r, parts[1:])
	case parts[0] == "deletedEntities" && len(parts) == 1:
		s.serveDeleted(w, r)
	case s.lists[ss12000.Resource(parts[0])] != nil && len(parts) <= 2:
		s.serveResource(w, r, ss12000.Resource(parts[0]), parts[1:])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Server) serveResource(w http.ResponseWriter, r *http.Request, of ss12000.Resource, rest []string) {
	switch {
	case len(rest) == 0 && r.Method == http.MethodGet:
		s.serveList(w, r, of)
	case len(rest) == 1 && rest[0] == "lookup" && r.Method == http.MethodPost:
		s.serveLookup(w, r, of)
	case len(rest) == 1 && rest[0] != "lookup" && r.Method == http.MethodGet:
		s.serveOne(w, r, of, rest[0])
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// serveOne answers with one object.
func (s *Server) serveOne(w http.ResponseWriter, r *http.Request, of ss12000.Resource, id string) {
	s.mu.Lock()
	e := s.lists[of].byID[ss12000.ID(id)]
	var body []byte
	if e != nil {
		body = s.body(e, r.URL.Query()["expand"])
	}
	s.mu.Unlock()
	if e == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, body)
}

// lookup is what a lookup asks for.
type lookup struct {
	IDs              []string `json:"ids"`
	CivicNos         []string `json:"civicNos"`
	SchoolUnitCodes  []string `json:"schoolUnitCodes"`
	OrganisationCode []string `json:"organisationCodes"`
	Teachers         []string `json:"teachers"`
	Members          []string `json:"members"`
	PersonIDs        []string `json:"personIds"`
}

// serveLookup answers with the objects that are asked for, in a bare array.
func (s *Server) serveLookup(w http.ResponseWriter, r *http.Request, of ss12000.Resource) {
	var ask lookup
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&ask); err != nil {
		refuse(w, "the body is no JSON object")
		return
	}
	for i, id := range ask.IDs {
		ask.IDs[i] = ss12000.ID(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	body := []byte{'['}
	for _, e := range s.inOrder(of) {
		if !s.asked(e.object, ask) {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(body, s.body(e, r.URL.Query()["expand"])...)
	}
	answer(w, append(body, ']'))
}

func (s *Server) asked(o ss12000.Object, ask lookup) bool {
	if slices.Contains(ask.IDs, o.Head().ID) {
		return true
	}
	switch o := o.(type) {
	case *ss12000.Organisation:
		return has(ask.SchoolUnitCodes, o.SchoolUnitCode) || has(ask.OrganisationCode, o.Code)
	case *ss12000.Person:
		return has(ask.CivicNos, o.CivicNo.Reveal())
	case *ss12000.Placement:
		return has(ask.PersonIDs, o.Child.ID)
	case *ss12000.Activity:
		return slices.ContainsFunc(o.Teachers, func(t ss12000.Teacher) bool { return has(ask.Teachers, t.Duty.ID) }) ||
			len(ask.Members) > 0 && s.hasMember(o, ask.Members)
	default:
		return false
	}
}

func has(list []string, s string) bool { return s != "" && slices.Contains(list, s) }

// inOrder returns the entries of a list by id.
func (s *Server) inOrder(of ss12000.Resource) []*entry {
	l := s.lists[of]
	if l.sorted == nil {
		l.sorted = make([]*entry, 0, len(l.byID))
		for _, id := range slices.Sorted(maps.Keys(l.byID)) {
			l.sorted = append(l.sorted, l.byID[id])
		}
	}
	return l.sorted
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(body) // whoever asked may be gone
}

// refuse answers as the standard does to a request that cannot be understood.
func refuse(w http.ResponseWriter, message string) { fail(w, http.StatusBadRequest, message) }

func fail(w http.ResponseWriter, status int, message string) {
	tell(w, status, map[string]string{"code": http.StatusText(status), "message": message})
}

// tell answers with what can always be written as JSON.
func tell(w http.ResponseWriter, status int, what any) {
	body, err := json.Marshal(what)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever asked may be gone
}
