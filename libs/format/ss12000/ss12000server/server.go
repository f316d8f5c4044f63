// Package ss12000server is an API of SS 12000 with a register behind it, for tests, for demonstrations, and for whoever
// wants to see what such an API answers.
package ss12000server

import (
	"net/http"
	"time"

	"eventful.se/ess/libs/format/ss12000"
)

// Options are what a server does.
type Options struct {
	Path  string           // before the lists: "/v2.0"
	Now   func() time.Time // the server's clock; time.Now where it is nil
	Delay time.Duration    // before each page
	Limit int              // objects of a page where the caller asks for none; 100 where it is 0
	// Before is asked before a call is answered, and may answer it.
	Before func(http.ResponseWriter, *http.Request) (handled bool)
}

// Server is a register behind the API. It is safe for concurrent use.
type Server struct{ o Options }

// New returns a server without objects.
func New(o Options) *Server { return &Server{o} }

// Put puts objects in, or in the place of those with their ids; meta is the server's to set.
func (s *Server) Put(...ss12000.Object) {}

// Delete takes objects away, and tells of it.
func (s *Server) Delete(of ss12000.Resource, ids ...string) {}

// ServeHTTP answers a call.
func (s *Server) ServeHTTP(http.ResponseWriter, *http.Request) {}
