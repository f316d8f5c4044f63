package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// ear is a hook, and a reader that does what is asked as the runtime would.
type ear struct {
	t    *testing.T
	hook *hook
	all  *Hooks
	http http.Handler

	mu     sync.Mutex
	last   store.Ask
	paused bool
	newest *source.Run
	fails  error // of keep
	asked  []time.Duration
	told   map[string]int
	began  time.Time
}

// listen runs a hook that is rung by the test, within a bubble of synctest.
func listen(t *testing.T, test func(*ear)) {
	synctest.Test(t, func(t *testing.T) {
		e := &ear{t: t, told: map[string]int{}, began: time.Now()}
		told := func(_ context.Context, _, _, outcome string) { e.mu.Lock(); e.told[outcome]++; e.mu.Unlock() }
		e.all = NewHooks(told)
		t.Setenv("SECRET_OF_THE_HOOK", strings.Repeat("s", 16))
		e.hook = &hook{
			place:    store.SourcePlace("lund", roster.Source{System: "educloud", Instance: "default"}),
			settings: source.Hook{URL: "https://ess.prov.example", Secret: "env:SECRET_OF_THE_HOOK", Quiet: 30 * time.Second, Every: 5 * time.Minute},
			kept:     func() (store.Ask, bool) { e.mu.Lock(); defer e.mu.Unlock(); return e.last, e.paused },
			keep: func(_ context.Context, _, a store.Ask) error {
				e.mu.Lock()
				defer e.mu.Unlock()
				if e.fails != nil {
					return e.fails
				}
				e.asked, e.last = append(e.asked, time.Since(e.began)), a
				return nil
			},
			last:   func(context.Context) (*source.Run, error) { e.mu.Lock(); defer e.mu.Unlock(); return e.newest, nil },
			told:   told,
			logger: slog.New(slog.DiscardHandler), now: time.Now, rung: make(chan struct{}, 1),
		}
		mux := http.NewServeMux()
		mux.Handle("POST "+source.HookPath+"{word}", e.all)
		e.http = mux
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { e.all.serve(ctx, e.hook) })
		synctest.Wait()
		test(e)
		stop()
		wg.Wait()
		if e.post(e.word(), "{}") != http.StatusNotFound {
			t.Error("it is heard after its end")
		}
	})
}

func (e *ear) word() string {
	word, err := e.hook.settings.Word(e.hook.place.Tenant, e.hook.place.Ref())
	if err != nil {
		e.t.Fatal(err)
	}
	return word
}

// post calls the address of a word.
func (e *ear) post(word, body string) int {
	w := httptest.NewRecorder()
	e.http.ServeHTTP(w, httptest.NewRequest(http.MethodPost, source.HookPath+word, strings.NewReader(body)))
	return w.Code
}

// hint calls the address as the register does.
func (e *ear) hint() {
	e.t.Helper()
	if code := e.post(e.word(), `{"modifiedEntites":["Person"],"deletedEntities":false}`); code != http.StatusOK {
		e.t.Fatalf("a hint is answered %d", code)
	}
}

// wants waits, and compares when it was asked for reads since the beginning.
func (e *ear) wants(after time.Duration, want ...time.Duration) {
	e.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if fmt.Sprint(e.asked) != fmt.Sprint(want) {
		e.t.Errorf("at %v it was asked at %v, want %v", time.Since(e.began), e.asked, want)
	}
}

// ran lets the read that was asked for have begun at a time and come to something.
func (e *ear) ran(state source.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.newest, e.last.State = &source.Run{Started: time.Now(), State: state}, store.AskDone
}

// be has the source paused, and keeping an ask fail.
func (e *ear) be(paused bool, fails error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paused, e.fails = paused, fails
}

// passes only waits.
func (e *ear) passes(after time.Duration) {
	time.Sleep(after)
	synctest.Wait()
}

func TestHintsComeToOneReadWhenTheRegisterIsQuiet(t *testing.T) {
	listen(t, func(e *ear) {
		e.wants(time.Hour)
		e.began = time.Now()
		for range 4 { // every 20 s
			e.hint()
			e.wants(20 * time.Second)
		}
		e.wants(10*time.Second, 90*time.Second)
		e.hint() // the read is still to come
		e.wants(time.Minute, 90*time.Second)
		e.ran(source.Published) // at 150 s
		e.hint()
		e.wants(299*time.Second, 90*time.Second)
		e.wants(time.Second, 90*time.Second, 450*time.Second)
		e.ran(source.Unchanged)
		e.wants(24*time.Hour, 90*time.Second, 450*time.Second)
	})
}

func TestARegisterThatIsNeverQuietIsReadAtLast(t *testing.T) {
	listen(t, func(e *ear) {
		for range 31 {
			e.hint()
			e.passes(10 * time.Second)
		}
		e.wants(0, 5*time.Minute)
	})
}

func TestAHintDuringAReadComesToAnother(t *testing.T) {
	listen(t, func(e *ear) {
		e.last.State = store.AskWorking
		e.hint()
		e.wants(time.Hour)
		e.ran(source.Published)
		e.wants(5*time.Minute+hintBusy, time.Hour+5*time.Minute)
	})
}

func TestHintsThatAreLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		state  source.State
		paused bool
		err    error
		after  time.Duration // when the read is asked for; 0 for never
	}{
		"paused":                  {state: source.Published, paused: true},
		"F48 refused":             {state: source.Refused},
		"nobody can be asked":     {state: source.Published, err: &reason.Error{Reason: reason.New(reason.LogMissing)}},
		"the last read went well": {state: source.Published, after: 5 * time.Minute},
		"the last read is held":   {state: source.Held, after: 5 * time.Minute},
		"overtaken by another's":  {state: source.Stale, after: 5 * time.Minute},
		"unreachable":             {state: source.Unreachable, after: 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			listen(t, func(e *ear) {
				e.ran(c.state)
				e.be(c.paused, c.err)
				e.hint()
				if c.after > 0 {
					e.wants(24*time.Hour, c.after)
					return
				}
				e.wants(24 * time.Hour)
				e.be(false, nil)
				e.ran(source.Published)
				e.wants(24 * time.Hour) // it is forgotten
			})
		})
	}
}

func TestAHintOutlastsANATSThatIsAway(t *testing.T) {
	listen(t, func(e *ear) {
		e.be(false, errors.New("no answer"))
		e.hint()
		e.wants(time.Hour - time.Second)
		e.be(false, nil)
		e.wants(time.Minute, time.Hour)
	})
}

func TestForgedOversizedAndTooManyHints(t *testing.T) {
	listen(t, func(e *ear) {
		for _, word := range []string{"x", strings.Repeat("0", sha256.Size*2), strings.ToUpper(e.word()), e.word() + "0", e.word()[1:]} {
			if code := e.post(word, "{}"); code != http.StatusNotFound {
				t.Errorf("%q is answered %d", word, code)
			}
		}
		if code := e.post(e.word(), strings.Repeat("x", maxHint+1)); code != http.StatusRequestEntityTooLarge {
			t.Errorf("too long a hint is answered %d", code)
		}
		e.wants(time.Hour)
		counts := map[int]int{}
		for range 1000 {
			counts[e.post(e.word(), "no JSON, and nobody looks")]++
		}
		if counts[http.StatusOK] != hintsAMinute || counts[http.StatusTooManyRequests] != 1000-hintsAMinute {
			t.Errorf("a flood is answered %v", counts)
		}
		e.wants(30*time.Second, time.Hour+30*time.Second)
		if want := "map[asked:1 heard:60 too_long:1 too_many:940 unknown:5]"; fmt.Sprint(e.told) != want {
			t.Errorf("it is told %v, want %s", e.told, want)
		}
		e.passes(time.Minute)
		e.hint()
	})
}

func TestTheWordFollowsTheSecret(t *testing.T) {
	listen(t, func(e *ear) {
		before := e.word()
		for name, secret := range map[string]string{"another": strings.Repeat("t", 16), "too short": "short", "none": ""} {
			t.Setenv("SECRET_OF_THE_HOOK", secret)
			e.passes(learnEvery)
			if code := e.post(before, "{}"); code != http.StatusNotFound {
				t.Errorf("with %s, who knows the word before is answered %d", name, code)
			}
		}
		t.Setenv("SECRET_OF_THE_HOOK", strings.Repeat("s", 16))
		e.passes(learnEvery)
		e.hint()
		other := e.hook.settings
		for _, of := range []struct{ tenant, system string }{{"malmo", "educloud"}, {"lund", "skolplatsen"}} {
			if word, err := other.Word(of.tenant, roster.Source{System: of.system, Instance: "default"}); err != nil || word == before {
				t.Errorf("%v has the same word: %v", of, err)
			}
		}
	})
}
