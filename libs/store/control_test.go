package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

func ask(p Place, id string, v Verb) Ask {
	return Ask{Place: p, ID: id, Verb: v, Asked: time.Unix(1_800_000_000, 0).UTC(), By: "anna", Why: "a test"}
}

// controlled starts a server and returns a store that takes asks.
func controlled(t *testing.T) (*Store, *Control) {
	t.Helper()
	s := connect(t, Options{Server: start(t, t.TempDir())})
	for range 2 { // to make it twice is to make it once
		if err := s.EnsureControl(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	return s, s.Control()
}

func TestPlacesAreTheirPrograms(t *testing.T) {
	for _, p := range []Place{SourcePlace(demo, alvis), LinkPlace(demo, apple)} {
		want := alvis
		if p.Link() {
			want = apple
		}
		if p.Ref() != want {
			t.Errorf("%+v is of %s, want %s", p, p.Ref(), want)
		}
	}
	if got := LinkPlace(demo, apple).subject("x"); got != "ess-control.target-apple-school-manager.grynkoping.default.x" {
		t.Errorf("its subject is %s", got)
	}
}

func TestAnAskIsKeptAsItWasAskedAndAnswered(t *testing.T) {
	_, c := controlled(t)
	a := ask(LinkPlace(demo, apple), "a1", VerbSync)
	a.Refs = []roster.Ref{{Kind: roster.KindPerson, Key: key(1)}, {Kind: roster.KindGroup, Key: key(2)}}
	a.Since, a.Verify, a.Force = time.Unix(1_700_000_000, 5).UTC(), true, true
	asked, err := c.Ask(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ask(t.Context(), a); !errors.Is(err, ErrAskChanged) {
		t.Errorf("the same id twice: %v", err)
	}
	why := reason.New(reason.Unreachable, "address", "host:22")
	asked.State, asked.Worker, asked.Begun, asked.Ended = AskFailed, "w1", a.Asked.Add(time.Second), a.Asked.Add(2*time.Second)
	asked.Reason, asked.Text, asked.Counts, asked.Detail = &why, "it is so", map[string]int{"created": 3}, []byte(`{"x":1}`)
	want, err := c.Put(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), a.Place, "a1")
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Ask{})); diff != "" || err != nil {
		t.Errorf("an ask changed on its way (-want +got): %v\n%s", err, diff)
	}
	if _, err := c.Put(t.Context(), asked); !errors.Is(err, ErrAskChanged) {
		t.Errorf("an answer over an answer: %v", err)
	}
	if none, err := c.Get(t.Context(), a.Place, "a2"); err != nil || none.State != "" {
		t.Errorf("of an ask that nobody asked: %+v, %v", none, err)
	}
}

func TestAPauseStandsUntilItIsResumed(t *testing.T) {
	_, c := controlled(t)
	p := SourcePlace(demo, alvis)
	for _, verb := range []Verb{VerbPause, VerbPause, VerbResume, VerbPause} {
		if _, err := c.Ask(t.Context(), ask(p, "any", verb)); err != nil {
			t.Fatal(err)
		}
		got, err := c.Paused(t.Context(), p)
		if err != nil || got.Pauses() != (verb == VerbPause) || !got.Standing() || !got.Open() {
			t.Errorf("after %s: %+v, %v", verb, got, err)
		}
	}
	if list, err := c.List(t.Context(), demo); err != nil || len(list) != 1 {
		t.Errorf("%d records, %v; one takes the place of the other", len(list), err)
	}
	if _, err := c.Ask(t.Context(), ask(p, standing, VerbRead)); err == nil {
		t.Error("an ask may have the id of the standing record")
	}
}

func TestFollowHearsWhatStandsAndWhatComesOverALostConnection(t *testing.T) {
	srv := start(t, t.TempDir())
	s, other := connect(t, Options{Server: srv}), connect(t, Options{Server: srv})
	var mu sync.Mutex
	var heard []string
	caughtUp := make(chan int, 64)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // the stream is not there yet, and is waited for
		ended <- s.Control().Follow(ctx, "source-alvis", "", func(a Ask) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, a.ID+" "+string(a.State))
		}, func() {
			mu.Lock()
			defer mu.Unlock()
			caughtUp <- len(heard)
		})
	}()
	if err := other.EnsureControl(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	<-caughtUp
	first, err := other.Control().Ask(t.Context(), ask(SourcePlace(demo, alvis), "a1", VerbRead))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Control().Ask(t.Context(), ask(LinkPlace(demo, apple), "b1", VerbResync)); err != nil {
		t.Fatal(err) // it is another program's
	}
	hears := func(want ...string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			got := slices.Clone(heard)
			mu.Unlock()
			if slices.Equal(got, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("heard %q, want %q", got, want)
			}
		}
	}
	hears("a1 asked")
	if err := s.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	first.State = AskDone
	if _, err := other.Control().Put(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	hears("a1 asked", "a1 done")
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestWaitTellsEachStepAndEndsWithTheAnswer(t *testing.T) {
	_, c := controlled(t)
	a, err := c.Ask(t.Context(), ask(SourcePlace(demo, alvis), "a1", VerbRead))
	if err != nil {
		t.Fatal(err)
	}
	var steps []AskState
	told := make(chan AskState, 8)
	go func() {
		<-told
		for _, state := range []AskState{AskWorking, AskDone} {
			a.State = state
			var err error
			if a, err = c.Put(t.Context(), a); err != nil {
				t.Error(err)
			}
			<-told
		}
	}()
	got, err := c.Wait(t.Context(), a, func(a Ask) {
		steps = append(steps, a.State)
		told <- a.State
	})
	if err != nil || got.State != AskDone || !slices.Equal(steps, []AskState{AskNew, AskWorking, AskDone}) {
		t.Errorf("it ended as %s after %v: %v", got.State, steps, err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	open, err := c.Ask(t.Context(), ask(SourcePlace(demo, alvis), "a2", VerbRead))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Wait(ctx, open, nil); !errors.Is(err, context.DeadlineExceeded) || got.State != AskNew {
		t.Errorf("of what nobody does: %+v, %v", got, err)
	}
}

func TestTheSweepTakesOldAnswersOnly(t *testing.T) {
	_, c := controlled(t)
	p := SourcePlace(demo, alvis)
	now := time.Unix(1_800_000_000, 0)
	put := func(id string, v Verb, state AskState, ended time.Time) {
		t.Helper()
		a, err := c.Ask(t.Context(), ask(p, id, v))
		if err != nil {
			t.Fatal(err)
		}
		a.State, a.Ended = state, ended
		if _, err := c.Put(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	put("old", VerbRead, AskDone, now.Add(-time.Hour))
	put("failed", VerbRead, AskFailed, now.Add(-time.Hour))
	put("new", VerbRead, AskDone, now)
	put("open", VerbRead, AskWorking, time.Time{})
	put("", VerbPause, AskDone, now.Add(-time.Hour))
	if n, err := c.Sweep(t.Context(), "lund", now.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("of another tenant %d were swept, %v", n, err)
	}
	n, err := c.Sweep(t.Context(), demo, now)
	if n != 2 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
	list, err := c.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, a := range list {
		left = append(left, a.ID)
	}
	slices.Sort(left)
	if !slices.Equal(left, []string{"new", "open", standing}) {
		t.Errorf("left are %q", left)
	}
}

func TestWithoutTheStreamItIsSaid(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir())})
	_, err := s.Control().Ask(t.Context(), ask(SourcePlace(demo, alvis), "a1", VerbRead))
	wantCode(t, err, reason.LogMissing, reason.Misconfigured)
	_, err = s.Control().Paused(t.Context(), SourcePlace(demo, alvis))
	wantCode(t, err, reason.LogMissing, reason.Misconfigured)
}
