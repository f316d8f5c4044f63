package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/services/ess/municipality"
)

// protected are two tenants: of the one some persons are protected, of the other nobody is, and it does not have those.
type protected struct {
	town, without *municipality.Municipality
	keys          []string // of the protected
	mu            sync.Mutex
	posted        map[string]string // bodies that the webhook got, by tenant
}

// protect makes the two registers, and the webhook that both name.
func protect(t *testing.T, i *installation) *protected {
	t.Helper()
	keyer, err := roster.NewKeyer([]byte(pepper))
	if err != nil {
		t.Fatal(err)
	}
	p := &protected{town: municipality.New(municipality.Options{Pupils: 60, Seed: 23, Day: i.day, Protected: municipality.ProtectedFlag}), posted: map[string]string{}}
	p.without = p.town.Clone()
	gone := map[string]bool{}
	for n := range p.town.Persons {
		x := &p.town.Persons[n]
		if len(gone) < 7 && len(x.Cases) == 0 && len(x.Enrolments) == 1 && len(x.Duties) == 0 {
			x.Marking, gone[x.ID] = roster.MarkingConfidential, true
			p.keys = append(p.keys, keyer.Person(alvisDefault, x.ID, roster.ParseCivicNo(x.CivicNo.Reveal(), i.day)).String())
		}
	}
	if len(gone) < 7 {
		t.Fatalf("only %d can be protected", len(gone))
	}
	p.without.Persons = slices.DeleteFunc(p.without.Persons, func(x municipality.Person) bool { return gone[x.ID] })
	for n := range p.without.Groups {
		g := &p.without.Groups[n]
		g.Members = slices.DeleteFunc(g.Members, func(m municipality.Member) bool { return gone[m.Person] })
	}
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.posted[strings.TrimPrefix(regexp.MustCompile(`"tenant":"[a-z]+`).FindString(string(body)), `"tenant":"`)] = string(body)
	}))
	t.Cleanup(hook.Close)
	write(t, i.path("hook"), hook.URL+"\n")
	return p
}

// inspect has the status of both sent, and checks that where a school or an operator could read it the protected have no
// key, and that all of it is as if they did not exist: so nothing counts them.
func (p *protected) inspect(t *testing.T, i *installation, e emitted) {
	t.Helper()
	server, err := store.Embedded(store.ServerOptions{Dir: i.path("data"), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	for _, name := range []string{"marked", "without"} {
		for place, more := range map[string][]string{"webhook": {"--send"}, "status": nil} {
			out := ess(t, append([]string{"status", "--nats", server.URL(), "--config", i.path("tenants"), "--tenant", name}, more...)...)
			if out.status != 0 {
				t.Fatalf("status of %s: exit status %d\n%s", name, out.status, out.stderr)
			}
			if e[place+": "+name] = out.stdout + out.stderr; place == "webhook" {
				p.mu.Lock()
				e[place+": "+name] += p.posted[name]
				p.mu.Unlock()
			}
		}
		var lines []string
		for line := range strings.Lines(e["run: /metrics"]) {
			if strings.Contains(line, `tenant="`+name+`"`) && !strings.Contains(line, "_duration") {
				lines = append(lines, line)
			}
		}
		e["metrics: "+name] = strings.Join(lines, "")
	}
	when := regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?`)
	for _, place := range []string{"webhook", "status", "metrics"} {
		marked := when.ReplaceAllString(strings.ReplaceAll(e[place+": marked"], "marked", "without"), "then")
		without := when.ReplaceAllString(e[place+": without"], "then")
		if len(marked) < 100 || marked != without {
			t.Errorf("R9: the %s tells that some are protected:\n%s\nwithout them\n%s", place, marked, without)
		}
	}
	for place, text := range e {
		if strings.HasSuffix(place, "subjects and headers") {
			continue // a key is the subject of what contains
		}
		if slices.ContainsFunc(p.keys, func(key string) bool { return strings.Contains(text, key) }) {
			t.Errorf("R9: %s shows the key of somebody who is protected", place)
		}
	}
}
