package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

// post is a place on a server of its own, with somebody who attends to it.
type post struct {
	t     *testing.T
	store *store.Store
	place store.Place
	ids   int
}

func newPost(t *testing.T, asked bool) *post {
	t.Helper()
	srv, err := store.Embedded(store.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	st, err := store.Connect(t.Context(), store.Options{Server: srv, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	if asked {
		if err := st.EnsureControl(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	return &post{t: t, store: st, place: store.LinkPlace("lund", roster.Source{System: "memory", Instance: "default"})}
}

// attend has somebody attend to the place until stop, which returns why that ended.
func (p *post) attend(worker string, run func(context.Context) error, do doer) (stop func() error) {
	ctx, cancel := context.WithCancel(p.t.Context())
	c := NewControls(p.store, worker, slog.New(slog.DiscardHandler), time.Now)
	ended := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx, "", "", false) })
	wg.Go(func() { ended <- c.attend(ctx, p.place, run, do) })
	return func() error {
		cancel()
		wg.Wait()
		return <-ended
	}
}

func forever(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }

func (p *post) ask(v store.Verb) store.Ask {
	p.t.Helper()
	p.ids++
	a, err := p.store.Control().Ask(p.t.Context(), store.Ask{Place: p.place, ID: string(rune('a' + p.ids)), Verb: v, Asked: time.Unix(int64(p.ids), 0), By: "anna", Why: "a test"})
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

func (p *post) answer(a store.Ask) store.Ask {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer stop()
	got, err := p.store.Control().Wait(ctx, a, nil)
	if err != nil {
		p.t.Fatalf("no answer to %s: %v", a.ID, err)
	}
	return got
}

func TestWhatIsAskedIsDoneInItsOrderUntilItIsDone(t *testing.T) {
	p := newPost(t, true)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	asks := []store.Ask{p.ask(store.VerbResync), p.ask(store.VerbReplay), p.ask(store.VerbRetry)}
	var did []string
	tries := 0
	stop := p.attend("w1", forever, func(_ context.Context, a store.Ask, _ bool) answer {
		did = append(did, a.ID)
		switch a.Verb {
		case store.VerbResync:
			if tries++; tries < 3 {
				return answer{again: true, text: "not yet: a run is under way", err: reason.Errorf(reason.Transient, nil, reason.Unreachable, "address", "x")}
			}
			return answer{text: "done", counts: map[string]int{"created": 2}, detail: RunDetail{Run: "r"}}
		case store.VerbReplay:
			return answer{err: reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials, "address", "x", "user", "y")}
		default:
			return answer{err: errUnknownVerb}
		}
	})
	first, second, third := p.answer(asks[0]), p.answer(asks[1]), p.answer(asks[2])
	_ = stop()
	if first.State != store.AskDone || first.Worker != "w1" || first.Counts["created"] != 2 || first.Reason != nil || string(first.Detail) != `{"run":"r","state":""}` {
		t.Errorf("the first is %+v", first)
	}
	if second.State != store.AskFailed || codeOf(second.Reason) != reason.WrongCredentials {
		t.Errorf("the second is %+v", second)
	}
	if third.State != store.AskFailed || !strings.Contains(third.Text, "older than who asks") {
		t.Errorf("the third is %+v", third)
	}
	if want := []string{"b", "b", "b", "c", "d"}; !slices.Equal(did, want) {
		t.Errorf("done were %v, want %v", did, want)
	}
}

func TestWhatItsOwnerLeftTheNextOwnerDoes(t *testing.T) {
	p := newPost(t, true)
	a := p.ask(store.VerbResync)
	begun := make(chan struct{})
	stop := p.attend("w1", forever, func(ctx context.Context, _ store.Ask, _ bool) answer {
		close(begun)
		<-ctx.Done()
		return answer{err: context.Cause(ctx)}
	})
	<-begun
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	left, err := p.store.Control().Get(t.Context(), p.place, a.ID)
	if err != nil || left.State != store.AskWorking || left.Worker != "w1" {
		t.Errorf("left is %+v, %v", left, err)
	}
	stop = p.attend("w2", forever, func(context.Context, store.Ask, bool) answer { return answer{text: "done"} })
	if got := p.answer(a); got.State != store.AskDone || got.Worker != "w2" {
		t.Errorf("the next owner left it %+v", got)
	}
	_ = stop()
}

func TestWhatIsCalledOffIsNotBegunAgain(t *testing.T) {
	p := newPost(t, true)
	a := p.ask(store.VerbResync)
	tries := make(chan struct{}, 100)
	stop := p.attend("w1", forever, func(_ context.Context, a store.Ask, _ bool) answer {
		if a.Verb == store.VerbCheck {
			return answer{text: "well"}
		}
		tries <- struct{}{}
		return answer{again: true, text: "not yet"}
	})
	<-tries
	<-tries // the first is told by now
	a, err := p.store.Control().Get(t.Context(), p.place, a.ID)
	if err != nil || a.Text != "not yet" {
		t.Fatalf("while it is tried it says %+v, %v", a, err)
	}
	a.State = store.AskFailed
	if a, err = p.store.Control().Put(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	p.answer(p.ask(store.VerbCheck)) // which comes after it
	_ = stop()
	if got, err := p.store.Control().Get(t.Context(), p.place, a.ID); err != nil || got.State != store.AskFailed {
		t.Errorf("called off it is %+v, %v", got, err)
	}
}

func TestAPauseEndsTheWorkAndAResumeBeginsItAnew(t *testing.T) {
	p := newPost(t, true)
	runs, ends := make(chan struct{}, 8), make(chan error, 8)
	under := make(chan struct{}, 8)
	stop := p.attend("w1", func(ctx context.Context) error {
		runs <- struct{}{}
		<-ctx.Done()
		ends <- context.Cause(ctx)
		return context.Cause(ctx)
	}, func(ctx context.Context, a store.Ask, paused bool) answer {
		switch {
		case a.Verb == store.VerbCheck:
			return answer{text: "well"}
		case paused:
			return answer{err: errPausedNow}
		}
		under <- struct{}{}
		<-ctx.Done()
		return answer{err: context.Cause(ctx)}
	})
	<-runs
	long := p.ask(store.VerbResync)
	<-under
	if got := p.answer(p.ask(store.VerbPause)); got.State != store.AskDone || got.Worker != "w1" {
		t.Errorf("the pause is %+v", got)
	}
	select {
	case cause := <-ends:
		if !errors.Is(cause, errTurned) {
			t.Errorf("the work ended because of %v", cause)
		}
	default:
		t.Error("the pause was confirmed while the work went on")
	}
	if got := p.answer(long); got.State != store.AskFailed || !strings.Contains(got.Text, "paused") {
		t.Errorf("what was under way is %+v", got)
	}
	if got := p.answer(p.ask(store.VerbCheck)); got.State != store.AskDone {
		t.Errorf("a check of what is paused is %+v", got)
	}
	if got := p.answer(p.ask(store.VerbResume)); got.State != store.AskDone {
		t.Errorf("the resumption is %+v", got)
	}
	<-runs
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestWithoutTheStreamTheWorkIsDone(t *testing.T) {
	p := newPost(t, false)
	failed := errors.New("the work failed")
	stop := p.attend("w1", func(context.Context) error { return failed }, nil)
	time.Sleep(200 * time.Millisecond)
	if err := stop(); !errors.Is(err, failed) {
		t.Errorf("it ended with %v, want the error of the work", err)
	}
}

func TestTheAnswerOfALinkSaysWhetherItIsDone(t *testing.T) {
	halted := func(c reason.Code) *reason.Reason { r := reason.New(c); return &r }
	for name, c := range map[string]struct {
		settled target.Settled
		err     error
		again   bool
		code    reason.Code
		text    string
	}{
		"nothing to do":                 {target.Settled{}, nil, false, "", "as the roster says"},
		"delivered":                     {target.Settled{Delivered: "p.zip"}, nil, false, "", "p.zip"},
		"put off":                       {target.Settled{Deferred: "a run is open"}, nil, true, "", "not yet: a run is open"},
		"in preview":                    {target.Settled{Status: target.Status{Mode: target.ModePreview}}, nil, false, "", "nothing was written"},
		"a part is held":                {target.Settled{Held: 2}, nil, false, "", "held show"},
		"the document pauses it":        {target.Settled{}, target.ErrPaused, false, reason.Unexpected, ""},
		"broken off":                    {target.Settled{}, errors.New("the line broke"), true, reason.Unexpected, "the line broke"},
		"the target cannot be reached":  {target.Settled{Halted: halted(reason.Unreachable)}, nil, true, reason.Unreachable, "halted"},
		"F48: the target refuses us":    {target.Settled{Halted: halted(reason.WrongCredentials)}, nil, false, reason.WrongCredentials, "halted"},
		"wrong credentials in a verify": {target.Settled{}, reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials), false, reason.WrongCredentials, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := toldSettled(c.settled, c.err)
			if got.again != c.again || !strings.Contains(got.text, c.text) || c.code == "" && got.err != nil || c.code != "" && reason.Of(got.err).Code != c.code {
				t.Errorf("it is %+v", got)
			}
		})
	}
}

func TestTheAnswerOfAReadSaysWhetherItWasBelieved(t *testing.T) {
	why := reason.New(reason.Unreachable, "address", "x")
	for state, failed := range map[source.State]bool{source.Published: false, source.Unchanged: false, source.Held: false, source.Unreachable: true} {
		got := toldRun(source.Run{ID: "r", State: state, Reason: &why}, nil)
		if (got.err != nil) != failed || got.again {
			t.Errorf("%s: %+v", state, got)
		}
	}
	if got := toldRun(source.Run{}, errors.New("the store is away")); !got.again {
		t.Errorf("a read that is not recorded: %+v", got)
	}
}
