package ss12000server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/roster"
)

// clock is a clock that moves when it is told to.
type clock struct{ t time.Time }

func (c *clock) now() time.Time       { return c.t }
func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }
func newClock() *clock                { return &clock{time.Date(2026, 9, 1, 6, 0, 0, 0, time.UTC)} }

func person(n int) *ss12000.Person { return &ss12000.Person{Meta: meta("p", n), GivenName: "Prov"} }

func meta(kind string, n int) ss12000.Meta { return ss12000.Meta{ID: fmt.Sprintf("%s-%03d", kind, n)} }

func persons(n int) (all []ss12000.Object) {
	for i := range n {
		all = append(all, person(i))
	}
	return all
}

// call asks the server and returns status and body.
func call(t *testing.T, s http.Handler, method, target, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(answer)
}

// ids reads a list to its end.
func ids(t *testing.T, s http.Handler, of ss12000.Resource, query string) (all []string) {
	t.Helper()
	for range 1000 {
		status, body := call(t, s, http.MethodGet, "/"+string(of)+"?"+query, "")
		if status != http.StatusOK {
			t.Fatalf("GET %s?%s: %d %s", of, query, status, body)
		}
		page, err := ss12000.ReadPage(of, strings.NewReader(body), func(o ss12000.Object) error {
			all = append(all, o.Head().ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if page.Token == "" {
			return all
		}
		query = "limit=7&pageToken=" + url.QueryEscape(page.Token)
	}
	t.Fatal("the list has no end")
	return nil
}

func TestPagesHoldEverythingOnce(t *testing.T) {
	for _, odd := range []ss12000server.Oddities{{}, {NumericToken: true}, {CountsPages: true}} {
		for _, n := range []int{0, 1, 6, 7, 8, 14, 50} {
			s := ss12000server.New(ss12000server.Options{Now: newClock().now, Oddities: odd})
			s.Put(persons(n)...)
			if got := ids(t, s, ss12000.Persons, "limit=7"); len(got) != n || !slices.IsSorted(got) || len(slices.Compact(got)) != n {
				t.Errorf("%+v: of %d persons the pages hold %v", odd, n, got)
			}
		}
	}
}

func TestPagesGoOnWhereTheyWereWhileTheListChanges(t *testing.T) {
	s := ss12000server.New(ss12000server.Options{Now: newClock().now})
	s.Put(persons(20)...)
	_, body := call(t, s, http.MethodGet, "/persons?limit=10", "")
	s.Delete(ss12000.Persons, "p-003")
	s.Put(&ss12000.Person{Meta: ss12000.Meta{ID: "p-000a"}})
	var page struct{ PageToken string }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s, ss12000.Persons, "pageToken="+url.QueryEscape(page.PageToken)); len(got) != 10 || got[0] != "p-010" {
		t.Errorf("after a page of ten the list goes on with %v", got)
	}
}

func TestTokens(t *testing.T) {
	c := newClock()
	s := ss12000server.New(ss12000server.Options{Now: c.now, TokenLife: time.Minute})
	s.Put(persons(20)...)
	s.Put(&ss12000.Group{Meta: meta("g", 1)})
	_, body := call(t, s, http.MethodGet, "/persons?limit=10", "")
	var page struct{ PageToken string }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	token := "pageToken=" + url.QueryEscape(page.PageToken)
	for _, x := range []struct {
		name, target string
		after        time.Duration
		want         int
	}{
		{"with a filter", "/persons?civicNo=1&" + token, 0, http.StatusBadRequest},
		{"of another list", "/groups?" + token, 0, http.StatusBadRequest},
		{"twice", "/persons?" + token, 0, http.StatusOK},
		{"too late", "/persons?" + token, 2 * time.Minute, http.StatusGone},
		{"invented", "/persons?pageToken=x", 0, http.StatusGone},
		{"a limit that is none", "/persons?limit=0", 0, http.StatusBadRequest},
		{"a filter that is none", "/persons?colour=red", 0, http.StatusBadRequest},
		{"a list that is none", "/chairs", 0, http.StatusNotFound},
	} {
		c.pass(x.after)
		if got, _ := call(t, s, http.MethodGet, x.target, ""); got != x.want {
			t.Errorf("%s: status %d, want %d", x.name, got, x.want)
		}
	}
}

func TestWhatChangedIsTold(t *testing.T) {
	c := newClock()
	s := ss12000server.New(ss12000server.Options{Now: c.now})
	s.Put(persons(5)...)
	s.Put(&ss12000.Activity{Meta: meta("a", 1)})
	c.pass(time.Hour)
	before := c.t.Format(time.RFC3339)
	c.pass(time.Hour)
	s.Put(persons(5)...) // says nothing new
	s.Put(&ss12000.Person{Meta: meta("p", 2), GivenName: "Annat"})
	s.Delete(ss12000.Persons, "p-004")
	s.Delete(ss12000.Activities, "a-001")
	if got := ids(t, s, ss12000.Persons, "meta.modified.after="+url.QueryEscape(before)); !slices.Equal(got, []string{"p-002"}) {
		t.Errorf("modified are %v", got)
	}
	for query, want := range map[string]string{
		"after=" + before:                   `{"data":{"activitites":["a-001"],"persons":["p-004"]},"pageToken":null}`,
		"entities=Person&after=" + before:   `{"data":{"persons":["p-004"]},"pageToken":null}`,
		"after=" + c.t.Format(time.RFC3339): `{"data":{},"pageToken":null}`,
	} {
		if _, got := call(t, s, http.MethodGet, "/deletedEntities?"+query, ""); got != want {
			t.Errorf("deletedEntities?%s: %s, want %s", query, got, want)
		}
	}
}

func TestFilters(t *testing.T) {
	s := ss12000server.New(ss12000server.Options{Now: newClock().now})
	s.Put(
		&ss12000.Organisation{Meta: meta("o", 1), Type: "Huvudman"},
		&ss12000.Organisation{Meta: meta("o", 2), Type: "Skolenhet", Parent: ss12000.Ref{ID: "o-001"}, SchoolUnitCode: "12345678"},
		&ss12000.Person{Meta: meta("p", 1), GivenName: "Berit", Enrolments: []ss12000.Enrolment{{Unit: ss12000.Ref{ID: "o-002"}, Start: "2026-08-15", End: "2027-06-15"}}},
		&ss12000.Person{Meta: meta("p", 2), GivenName: "Bertil", CivicNo: roster.Personal("x1")},
		&ss12000.Person{Meta: meta("p", 3), GivenName: "Cecilia"},
		&ss12000.Duty{Meta: meta("d", 1), Person: ss12000.Ref{ID: "p-002"}, Unit: ss12000.Ref{ID: "o-002"}, Role: "Rektor", Start: "2020-01-01"},
		&ss12000.Group{Meta: meta("g", 1), Type: "Klass", Unit: ss12000.Ref{ID: "o-002"}, Start: "2026-08-15", End: "2027-06-15", Memberships: []ss12000.Membership{{Person: ss12000.Ref{ID: "p-001"}}}},
		&ss12000.Group{Meta: meta("g", 2), Type: "Undervisning", Start: "2025-08-15", End: "2026-06-15"},
		&ss12000.Activity{Meta: meta("a", 1), Groups: []ss12000.Ref{{ID: "g-001"}}, Teachers: []ss12000.Teacher{{Duty: ss12000.Ref{ID: "d-001"}}}},
		&ss12000.Placement{Meta: meta("l", 1), Child: ss12000.Ref{ID: "p-003"}, Unit: ss12000.Ref{ID: "o-002"}},
	)
	for _, x := range []struct {
		of    ss12000.Resource
		query string
		want  string
	}{
		{ss12000.Organisations, "type=Skolenhet", "o-002"},
		{ss12000.Organisations, "parent=o-001&schoolUnitCode=12345678", "o-002"},
		{ss12000.Persons, "nameContains=ber", "p-001 p-002"},
		{ss12000.Persons, "civicNo=x1", "p-002"},
		{ss12000.Persons, "relationship.entity.type=enrolment", "p-001"},
		{ss12000.Persons, "relationship.entity.type=enrolment&relationship.entity.type=duty&relationship.organisation=o-002", "p-001 p-002"},
		{ss12000.Persons, "relationship.entity.type=placement.child", "p-003"},
		{ss12000.Persons, "relationship.entity.type=enrolment&relationship.endDate.onOrAfter=2027-07-01", ""},
		{ss12000.Persons, "relationship.entity.type=enrolment&relationship.startDate.onOrBefore=2026-09-01&relationship.endDate.onOrAfter=2026-09-01", "p-001"},
		{ss12000.Groups, "groupType=Klass&groupType=Mentor", "g-001"},
		{ss12000.Groups, "endDate.onOrAfter=2026-09-01", "g-001"},
		{ss12000.Duties, "dutyRole=Rektor&person=p-002", "d-001"},
		{ss12000.Activities, "group=g-001", "a-001"},
		{ss12000.Activities, "teacher=d-001", "a-001"},
		{ss12000.Activities, "member=p-002", ""},
		{ss12000.Activities, "member=p-001", "a-001"},
	} {
		if got := strings.Join(ids(t, s, x.of, x.query), " "); got != x.want {
			t.Errorf("%s?%s: %q, want %q", x.of, x.query, got, x.want)
		}
	}
}

func TestLookupAnswersWithABareArray(t *testing.T) {
	s := ss12000server.New(ss12000server.Options{Now: newClock().now, Path: "/v2.0"})
	s.Put(persons(5)...)
	status, body := call(t, s, http.MethodPost, "/v2.0/persons/lookup", `{"ids":["p-001","p-003","p-009"]}`)
	var got []string
	_, err := ss12000.ReadPage(ss12000.Persons, strings.NewReader(body), func(o ss12000.Object) error {
		got = append(got, o.Head().ID)
		return nil
	})
	if status != http.StatusOK || err != nil || !slices.Equal(got, []string{"p-001", "p-003"}) || body[0] != '[' {
		t.Errorf("status %d, %v, %s", status, err, body)
	}
}

func TestExpand(t *testing.T) {
	s := ss12000server.New(ss12000server.Options{Now: newClock().now})
	s.Put(person(1), person(2), &ss12000.Duty{Meta: meta("d", 1), Person: ss12000.Ref{ID: "p-001"}},
		&ss12000.Activity{Meta: meta("a", 1), Teachers: []ss12000.Teacher{{Duty: ss12000.Ref{ID: "d-001"}}}})
	read := func(of ss12000.Resource, expand string) (all []ss12000.Object) {
		_, body := call(t, s, http.MethodGet, "/"+string(of)+"?expand="+expand, "")
		if _, err := ss12000.ReadPage(of, strings.NewReader(body), func(o ss12000.Object) error {
			all = append(all, o)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	var got []string
	for _, o := range read(ss12000.Persons, "duties") {
		for _, d := range o.(*ss12000.Person).Duties {
			got = append(got, o.Head().ID+" has "+d.ID)
		}
	}
	for _, o := range read(ss12000.Duties, "person") {
		got = append(got, o.Head().ID+" is of "+o.(*ss12000.Duty).Who.ID)
	}
	for _, o := range read(ss12000.Activities, "teachers") {
		got = append(got, o.Head().ID+" is taught by "+o.(*ss12000.Activity).Duties[0].Person.ID)
	}
	if diff := cmp.Diff([]string{"p-001 has d-001", "d-001 is of p-001", "a-001 is taught by p-001"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSignIn(t *testing.T) {
	c := newClock()
	s := ss12000server.New(ss12000server.Options{Now: c.now, Auth: ss12000server.Auth{ClientID: "a", ClientSecret: "b", Life: time.Hour}})
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	if status, _ := call(t, s, http.MethodPost, ss12000server.TokenPath, "grant_type=client_credentials&client_id=a&client_secret=c", form...); status != http.StatusUnauthorized {
		t.Errorf("with a wrong secret the status is %d", status)
	}
	_, body := call(t, s, http.MethodPost, ss12000server.TokenPath, "grant_type=client_credentials&client_id=a&client_secret=b", form...)
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(body), &token); err != nil || token.ExpiresIn != 3600 {
		t.Fatalf("%v, %s", err, body)
	}
	ask := func() int {
		status, _ := call(t, s, http.MethodGet, "/persons", "", "Authorization", "Bearer "+token.AccessToken)
		return status
	}
	if got := ask(); got != http.StatusOK {
		t.Errorf("with a token the status is %d", got)
	}
	c.pass(2 * time.Hour)
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("with a token of yesterday the status is %d", got)
	}
}

func TestRate(t *testing.T) {
	c := newClock()
	s := ss12000server.New(ss12000server.Options{Now: c.now, Rate: 2})
	var got []int
	for range 3 {
		status, _ := call(t, s, http.MethodGet, "/persons", "")
		got = append(got, status)
	}
	c.pass(time.Minute)
	status, _ := call(t, s, http.MethodGet, "/persons", "")
	if got = append(got, status); !slices.Equal(got, []int{200, 200, 429, 200}) {
		t.Errorf("statuses %v", got)
	}
}

func TestSubscribersAreTold(t *testing.T) {
	var told []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		told = append(told, b.String())
	}))
	defer hook.Close()
	c := newClock()
	s := ss12000server.New(ss12000server.Options{Now: c.now, Client: hook.Client()})
	status, body := call(t, s, http.MethodPost, "/subscriptions", `{"name":"ess","target":"`+hook.URL+`","resourceTypes":[{"resource":"Person"}]}`)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	notify := func() {
		if err := s.Notify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	notify() // nothing happened
	s.Put(person(1), &ss12000.Group{Meta: meta("g", 1)})
	notify()
	s.Delete(ss12000.Groups, "g-001")
	notify()
	c.pass(48 * time.Hour)
	s.Put(person(2))
	notify() // the subscription has ended
	if diff := cmp.Diff([]string{`{"deletedEntities":false,"modifiedEntites":["Person"]}`, `{"deletedEntities":true,"modifiedEntites":[]}`}, told); diff != "" {
		t.Error(diff)
	}
}
