package ss12000api

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

const hookTarget = "https://ess.prov.example/hooks/word"

// subscribedTo returns the targets that the server tells, sorted.
func (w *world) subscribedTo() (targets []string) {
	w.t.Helper()
	list, err := w.source().subscribed(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range list {
		targets = append(targets, s.Target)
	}
	slices.Sort(targets)
	return targets
}

func (w *world) subscribe(target, last string) source.Subscription {
	w.t.Helper()
	got, err := w.source().Subscribe(w.t.Context(), target, last)
	if err != nil || got.ID == "" {
		w.t.Fatalf("subscribe: %+v, %v", got, err)
	}
	return got
}

func TestASubscriptionIsMadeOnceAndRenewed(t *testing.T) {
	w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
	other := w.subscribe(hookTarget+"-of-another", "")
	first := w.subscribe(hookTarget, "")
	if left := first.Expires.Sub(w.now()); left != day {
		t.Errorf("it lasts %v", left)
	}
	w.pass(time.Hour)
	for _, last := range []string{first.ID, "", "00000000-0000-4000-8000-000000000099"} { // as after a crash, or with another's notes
		if again := w.subscribe(hookTarget, last); again.ID != first.ID || again.Expires.Sub(w.now()) != day {
			t.Errorf("with %q known it is %+v at %s, first %+v", last, again, w.now(), first)
		}
	}
	// Two processes made one at once.
	if _, err := w.source().subscribe(t.Context(), hookTarget); err != nil {
		t.Fatal(err)
	}
	w.subscribe(hookTarget, first.ID)
	if got, want := w.subscribedTo(), []string{hookTarget, hookTarget + "-of-another"}; !slices.Equal(got, want) {
		t.Errorf("it tells %v, want %v", got, want)
	}
	for range 2 { // what is gone is no error
		if err := w.source().Unsubscribe(t.Context(), first.ID); err != nil {
			t.Error(err)
		}
	}
	if got := w.subscribedTo(); !slices.Equal(got, []string{hookTarget + "-of-another"}) {
		t.Errorf("it tells %v, and %s is another's", got, other.ID)
	}
}

// TestServersThatSubscribeOtherwise has what the standard does not say, or says otherwise.
func TestServersThatSubscribeOtherwise(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(http.ResponseWriter, *http.Request) bool
		last   bool // the subscription is known
		want   reason.Code
	}{
		{name: "it does not list them", last: true, before: func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				rw.WriteHeader(http.StatusForbidden)
			}
			return r.Method == http.MethodGet
		}},
		{name: "it wants words", before: func(rw http.ResponseWriter, r *http.Request) bool {
			var body struct{ ResourceTypes []json.RawMessage }
			if r.Method != http.MethodPost {
				return false
			}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !strings.HasPrefix(string(body.ResourceTypes[0]), `"`) {
				rw.WriteHeader(http.StatusBadRequest)
				return true
			}
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusCreated)
			_, _ = rw.Write([]byte(`{"id": "x", "expires": "soon"}`))
			return true
		}},
		{name: "it renews without a word", last: true, before: func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch {
				rw.WriteHeader(http.StatusNoContent)
			}
			return r.Method == http.MethodPatch
		}},
		{name: "it has none", want: reason.EndpointMissing, before: func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.WriteHeader(http.StatusNotFound)
			return true
		}},
		{name: "it refuses", want: reason.NotPermitted, before: func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.WriteHeader(http.StatusForbidden)
			return true
		}},
		{name: "it talks nonsense", want: reason.AnswerUnreadable, before: func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write([]byte(`{"data": {"target": "` + hookTarget + `"}}`))
			return true
		}},
		{name: "its list never ends", want: reason.PageLoop, before: func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write([]byte(`{"data": [], "pageToken": "again"}`))
			return true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
			last := ""
			if c.last {
				last = w.subscribe(hookTarget, "").ID
			}
			w.breaks(func(rw http.ResponseWriter, r *http.Request) bool {
				return strings.Contains(r.URL.Path, subscriptions) && c.before(rw, r)
			})
			got, err := w.source().Subscribe(t.Context(), hookTarget, last)
			if code := reason.Of(err).Code; c.want != "" && code != c.want || c.want == "" && err != nil {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if c.want == "" && (got.ID == "" || c.last && got.ID != last) {
				t.Errorf("it is %+v, and was %s", got, last)
			}
			if err != nil && strings.Contains(err.Error(), hookTarget) {
				t.Errorf("the error says the target: %v", err)
			}
		})
	}
}

func TestWebhookSettings(t *testing.T) {
	on := source.Hook{URL: "https://ess.prov.example", Secret: "env:SECRET_OF_THE_HOOK", Quiet: time.Second, Every: time.Minute}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"off":                         {func(c *Config) { c.Webhook = Default().Webhook }, ""},
		"on":                          {func(*Config) {}, ""},
		"no secret":                   {func(c *Config) { c.Webhook.Secret = "" }, "webhook.secret"},
		"the secret itself":           {func(c *Config) { c.Webhook.Secret = "hemligt" }, "webhook.secret"},
		"a secret alone":              {func(c *Config) { c.Webhook.URL = "" }, "webhook.url"},
		"no address":                  {func(c *Config) { c.Webhook.URL = "ess.prov.example" }, "webhook.url"},
		"for all to read":             {func(c *Config) { c.Webhook.URL, c.HTTP.PrivateAddresses = "http://ess.prov.example", false }, "webhook.url"},
		"no quiet":                    {func(c *Config) { c.Webhook.Quiet = 30 }, "webhook.quiet"},
		"more often than quiet":       {func(c *Config) { c.Webhook.Every = time.Millisecond }, "webhook.every"},
		"everything, without a word":  {func(c *Config) { c.Delta.On = false }, "webhook.complete"},
		"everything, as it is wanted": {func(c *Config) { c.Delta.On, c.Webhook.Complete = false, true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
			cfg := w.cfg
			cfg.Webhook = on
			c.change(&cfg)
			p := tenant.NewProblems()
			cfg.Validate(p)
			paths := map[string]bool{}
			for _, problem := range p.List() {
				paths[problem.Path] = true
			}
			if c.want != "" && !paths[c.want] || c.want == "" && len(paths) > 0 {
				t.Errorf("problems at %v, want %q", slices.Sorted(maps.Keys(paths)), c.want)
			}
		})
	}
}

// TestTheServerTellsASubscriber has the server of the tests call what subscribed, with a body as the standard has it.
func TestTheServerTellsASubscriber(t *testing.T) {
	heard := make(chan string, 9)
	us := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ ModifiedEntites []string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		slices.Sort(body.ModifiedEntites)
		heard <- r.URL.Path + " " + strings.Join(body.ModifiedEntites, ",")
	}))
	defer us.Close()
	w := newWorld(t, ss12000server.Options{Path: "/v2.0"})
	if err := w.server.Notify(t.Context()); err != nil { // of what was there before
		t.Fatal(err)
	}
	w.subscribe(us.URL+source.HookPath+"word", "")
	w.hold(w.town)
	if err := w.server.Notify(t.Context()); err != nil || len(heard) > 0 {
		t.Fatalf("nothing changed, and %d were told: %v", len(heard), err)
	}
	town := w.town.Clone()
	town.Persons[0].GivenName = "Annat"
	w.hold(town)
	if err := w.server.Notify(t.Context()); err != nil || len(heard) != 1 {
		t.Fatalf("somebody changed, and %d were told: %v", len(heard), err)
	}
	if got := <-heard; got != source.HookPath+"word Person" {
		t.Errorf("it was told %q", got)
	}
	w.pass(2 * day)
	town.Persons[1].GivenName = "Annat"
	w.hold(town)
	if err := w.server.Notify(t.Context()); err != nil || len(heard) > 0 {
		t.Errorf("the subscription has ended, and %d were told: %v", len(heard), err)
	}
}
