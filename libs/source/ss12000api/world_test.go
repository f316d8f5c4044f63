package ss12000api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/httpx"
)

// world is a register behind an API, and a log that it is read into by the runtime.
type world struct {
	t      testing.TB
	server *ss12000server.Server
	http   *httptest.Server
	cfg    Config
	log    *sourcetest.Log
	runs   *sourcetest.Runs
	keyer  *roster.Keyer
	town   sourcetest.Town
	n      int
	tells  source.Protected // how the register tells who is protected
	slept  []time.Duration

	mu     sync.Mutex
	at     time.Time     // the clock of both sides
	skew   time.Duration // by which the server's is ahead
	before func(http.ResponseWriter, *http.Request) bool
}

const day = 24 * time.Hour

func newWorld(t testing.TB, o ss12000server.Options) *world {
	t.Helper()
	k, err := roster.NewKeyer([]byte(strings.Repeat("p", roster.MinPepper)))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: sourcetest.NewLog(), runs: &sourcetest.Runs{}, keyer: k, tells: source.ProtectedOmits, at: time.Date(2026, 10, 14, 10, 0, 0, 0, time.UTC)}
	o.Now = w.serversNow
	o.Before = func(rw http.ResponseWriter, r *http.Request) bool {
		rw.Header().Set("Date", o.Now().Format(http.TimeFormat))
		w.mu.Lock()
		before := w.before
		w.mu.Unlock()
		return before != nil && before(rw, r)
	}
	w.server = ss12000server.New(o)
	w.http = httptest.NewServer(w.server)
	t.Cleanup(w.http.Close)
	w.cfg = Default()
	w.cfg.BaseURL, w.cfg.Limit, w.cfg.Delta.On = w.http.URL+o.Path, 10, true
	w.cfg.HTTP = httpx.Config{Auth: httpx.Auth{Kind: httpx.NoAuth}, PrivateAddresses: true, Limits: httpx.Limits{MaxUnpacked: 1 << 20}}
	if o.Auth.ClientID != "" {
		t.Setenv("SECRET_OF_THE_TEST", o.Auth.ClientSecret)
		w.cfg.HTTP.Auth = httpx.Auth{
			Kind: httpx.ClientCredentials, TokenURL: w.http.URL + ss12000server.TokenPath, ClientID: o.Auth.ClientID, ClientSecret: "env:SECRET_OF_THE_TEST",
		}
	}
	p := tenant.NewProblems()
	if w.cfg.Validate(p); p.Err() != nil {
		t.Fatal(p.Err())
	}
	w.hold(town(60))
	w.pass(time.Hour) // the overlap is over
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) serversNow() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at.Add(w.skew)
}

// skews has the server's clock be ahead of ours.
func (w *world) skews(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skew = by
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// breaks lets the server answer otherwise; nil to mend it.
func (w *world) breaks(before func(http.ResponseWriter, *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = before
}

func (w *world) hold(t sourcetest.Town) {
	w.pass(time.Minute)
	w.town = t
	w.server.Replace(ss12000test.Objects(t))
}

// change changes the register from what it holds.
func (w *world) change(do func(*sourcetest.Town)) {
	t := w.town.Clone()
	do(&t)
	w.hold(t)
}

// town invents a town of pupils in classes of ten, and a teacher for each.
func town(pupils int) sourcetest.Town {
	t := sourcetest.Town{Units: []sourcetest.Unit{{ID: "u-1", Name: "Provskolan"}, {ID: "u-2", Name: "Andra skolan"}}}
	for i := range pupils {
		t.Persons = append(t.Persons, person(i, roster.RolePupil))
		if i%10 == 0 {
			teacher := person(pupils+i, roster.RoleStaff)
			t.Persons = append(t.Persons, teacher)
			t.Groups = append(t.Groups, sourcetest.Group{
				ID: fmt.Sprintf("g-%03d", i), Name: fmt.Sprint("Grupp ", i), Unit: "u-1", Members: []sourcetest.Member{{Person: teacher.ID, Role: roster.MemberTeacher}},
			})
		}
		g := &t.Groups[len(t.Groups)-1]
		g.Members = append(g.Members, sourcetest.Member{Person: pupil(i), Role: roster.MemberPupil})
	}
	return t
}

func pupil(i int) string { return fmt.Sprintf("p-%03d", i) }

func person(i int, role roster.Role) sourcetest.Person {
	digits := fmt.Sprintf("%04d%02d%02d%03d", 1860+i%40, i%12+1, i%28+1, 100+i%800)
	sum := 0
	for n, c := range digits[2:] {
		d := int(c-'0') * (2 - n%2)
		sum += d/10 + d%10
	}
	return sourcetest.Person{
		ID: pupil(i), CivicNo: fmt.Sprint(digits, (10-sum%10)%10), GivenName: "Kanarina", FamilyName: fmt.Sprintf("Nr%c%c", 'a'+i/26%26, 'a'+i%26),
		Email: pupil(i) + "@prov.example", Role: role, Unit: "u-1",
	}
}

// source opens the source, whose client does not really wait.
func (w *world) source() *Source {
	logger := slog.New(slog.DiscardHandler)
	return open(w.cfg, source.Env{Logger: logger, Now: w.now}, httpx.Options{Logger: logger, Now: w.now, Sleep: func(ctx context.Context, d time.Duration) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.slept = append(w.slept, d)
		w.at = w.at.Add(d)
		return context.Cause(ctx)
	}})
}

// run reads once by the runtime.
func (w *world) run() source.Run {
	w.t.Helper()
	w.pass(time.Minute)
	r := source.NewReader(source.Options{
		Tenant: "town", Name: roster.Source{System: "ss12000", Instance: "default"}, Source: w.source(), Defaults: source.Defaults{Protected: w.tells},
		Keyer: w.keyer, Log: w.log, Runs: w.runs, Holds: &guardtest.Store{}, Logger: slog.New(slog.DiscardHandler), Now: w.now,
		NewID: func() string { w.n++; return fmt.Sprint("run", w.n) },
	})
	run, err := r.Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// read reads once, and wants to be believed.
func (w *world) read() source.Run {
	w.t.Helper()
	run := w.run()
	if !run.Believed() {
		w.t.Fatalf("the read is %s: %v", run.State, run.Reason)
	}
	return run
}

// agrees compares the log with that of a first read of the same register.
func (w *world) agrees(after string) {
	w.t.Helper()
	fresh := &world{t: w.t, server: w.server, http: w.http, cfg: w.cfg, log: sourcetest.NewLog(), runs: &sourcetest.Runs{}, keyer: w.keyer, tells: w.tells, at: w.now()}
	fresh.read()
	if got, want := lines(w.log), lines(fresh.log); got != want {
		w.t.Errorf("after %s the log is not that of the register:\ngot\n%s\nwant\n%s", after, got, want)
	}
}

// lines says what a log holds.
func lines(l *sourcetest.Log) string {
	var b strings.Builder
	for _, r := range l.Standing() {
		b.Write(roster.AppendJSON(nil, &r, true))
		b.WriteByte('\n')
	}
	return b.String()
}

// persons counts the people in the log.
func (w *world) persons() (n int) {
	for _, r := range w.log.Standing() {
		if r.Person != nil {
			n++
		}
	}
	return n
}

// gone tells why people are gone.
func (w *world) gone() (why []roster.TombstoneReason) {
	for _, r := range w.log.Last() {
		if r.Ref.Kind == roster.KindPerson && r.Tombstone != nil {
			why = append(why, r.Tombstone.Reason)
		}
	}
	return why
}

// list is the path of a list.
func list(r *http.Request, of ss12000.Resource) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/"+string(of))
}
