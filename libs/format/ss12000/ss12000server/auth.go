package ss12000server

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// TokenPath is where a server that wants OAuth 2 gives out access tokens.
const TokenPath = "/connect/token"

// Auth is how callers sign in. Each of what is set is asked for.
type Auth struct {
	ClientID     string        // OAuth 2 client credentials: tokens are to be had at [TokenPath]
	ClientSecret string        //
	Scope        string        // that the client may ask for, where it asks for one
	Life         time.Duration // of an access token; an hour where it is 0
	Token        string        // a bearer token that never changes
	Header       string        // a header, and
	Key          string        // the key that has to stand in it
	Certificate  bool          // a client certificate that the TLS of the server has verified
}

// signIn gives out an access token (RFC 6749, section 4.4); the client may show itself in the form or by Basic.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	id, secret, basic := r.BasicAuth()
	refuse := func(status int, why string) { tell(w, status, map[string]string{"error": why}) }
	switch {
	case r.Method != http.MethodPost || s.o.Auth.ClientID == "":
		w.WriteHeader(http.StatusNotFound)
		return
	case r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials":
		refuse(http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if id != s.o.Auth.ClientID || secret != s.o.Auth.ClientSecret {
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	if scope := r.PostForm.Get("scope"); scope != "" && scope != s.o.Auth.Scope {
		refuse(http.StatusBadRequest, "invalid_scope")
		return
	}
	life := s.o.Auth.Life
	if life <= 0 {
		life = time.Hour
	}
	s.mu.Lock()
	s.issued++
	token := "access-" + strconv.Itoa(s.issued)
	s.access[token] = s.o.Now().Add(life)
	s.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	tell(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(life.Seconds())})
}

// Revoke ends every access token.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// signedIn tells whether a call may be answered, and refuses it if not.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request) bool {
	a := s.o.Auth
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	until, issued := s.access[bearer]
	s.mu.Unlock()
	switch {
	case a.Certificate && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0):
	case a.ClientID != "" && (!issued || s.o.Now().After(until)):
	case a.Token != "" && bearer != a.Token:
	case a.Header != "" && r.Header.Get(a.Header) != a.Key:
	default:
		return true
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	fail(w, http.StatusUnauthorized, "not signed in")
	return false
}

// withinRate tells whether a call may be answered in this minute, and refuses it if not.
func (s *Server) withinRate(w http.ResponseWriter) bool {
	if s.o.Rate <= 0 {
		return true
	}
	s.mu.Lock()
	now := s.o.Now()
	if now.Sub(s.window) >= time.Minute {
		s.window, s.inWindow = now, 0
	}
	s.inWindow++
	over, wait := s.inWindow > s.o.Rate, time.Minute-now.Sub(s.window)
	s.mu.Unlock()
	if over {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		fail(w, http.StatusTooManyRequests, "too many calls")
	}
	return !over
}
