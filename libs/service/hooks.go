package service

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// How hints are heard.
const (
	maxHint        = 64 << 10         // bytes of one, of which none is looked at
	hintsAMinute   = 60               // of one source, above which nobody listens
	learnEvery     = 10 * time.Minute // a secret may be another one by then
	hintBusy       = 5 * time.Second  // before it is looked again at a read that is under way
	hintLater      = 30 * time.Second // before what could not be asked is asked again
	hintAfterWrong = 30 * time.Minute // the least time after a read that was not believed
)

// Hooks are the addresses at which registers tell that something has changed in them. Every replica has those of all
// sources, for nobody knows which of them a register reaches. It is safe for concurrent use.
type Hooks struct {
	mu   sync.Mutex
	list map[*hook]struct{}
	told func(ctx context.Context, tenant, source, outcome string)
}

// NewHooks returns none. told is told what became of each hint.
func NewHooks(told func(ctx context.Context, tenant, source, outcome string)) *Hooks {
	return &Hooks{list: map[*hook]struct{}{}, told: told}
}

// What becomes of a hint.
const (
	hintHeard   = "heard"
	hintUnknown = "unknown" // nobody has this address
	hintTooMany = "too_many"
	hintTooLong = "too_long"
	hintAsked   = "asked" // a read was asked for: of all hints that were heard before it
)

// ServeHTTP takes a hint: an empty answer of 200, as the standard wants it, whatever stands in it. Who does not know the
// word of an address learns nothing of whether there is one.
func (h *Hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k := h.find(r.PathValue("word"))
	switch {
	case k == nil:
		h.told(r.Context(), "", "", hintUnknown)
		http.NotFound(w, r)
		return
	case !k.admit():
		h.told(r.Context(), k.place.Tenant, k.place.Ref().String(), hintTooMany)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxHint)); err != nil {
		h.told(r.Context(), k.place.Tenant, k.place.Ref().String(), hintTooLong)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	k.ring()
	h.told(r.Context(), k.place.Tenant, k.place.Ref().String(), hintHeard)
	w.WriteHeader(http.StatusOK)
}

// find returns the hook with a word, in a time that tells nothing of words that are nearly right.
func (h *Hooks) find(word string) (found *hook) {
	digest := sha256.Sum256([]byte(word))
	h.mu.Lock()
	defer h.mu.Unlock()
	for k := range h.list {
		if k.knows(digest) {
			found = k
		}
	}
	return found
}

// hook is the address of one source.
type hook struct {
	place    store.Place
	settings source.Hook
	kept     func() (last store.Ask, paused bool) // the last ask for a hint, and whether the source is paused
	keep     func(ctx context.Context, before, a store.Ask) error
	last     func(context.Context) (newest *source.Run, err error)
	told     func(ctx context.Context, tenant, source, outcome string)
	logger   *slog.Logger
	now      func() time.Time
	rung     chan struct{} // holds a token while there is a hint that no read was asked for

	mu     sync.Mutex
	digest [sha256.Size]byte // of the word; zero for none
	window time.Time         // of the hints that are counted
	n      int
}

func (k *hook) knows(digest [sha256.Size]byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.digest != [sha256.Size]byte{} && subtle.ConstantTimeCompare(k.digest[:], digest[:]) == 1
}

// admit counts a hint, and tells whether it is one too many.
func (k *hook) admit() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.window).Abs() >= time.Minute {
		k.window, k.n = now, 0
	}
	k.n++
	return k.n <= hintsAMinute
}

func (k *hook) ring() {
	select {
	case k.rung <- struct{}{}:
	default:
	}
}

// learn makes the word of the secret as it is now.
func (k *hook) learn(ctx context.Context) {
	word, err := k.settings.Word(k.place.Tenant, k.place.Ref())
	if err != nil {
		k.logger.WarnContext(ctx, "the register is not heard: the secret of its webhook cannot be used", "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.digest = [sha256.Size]byte{}; err == nil {
		k.digest = sha256.Sum256([]byte(word))
	}
}

// serve listens for hints until ctx ends.
func (h *Hooks) serve(ctx context.Context, k *hook) {
	h.mu.Lock()
	h.list[k] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.list, k)
	}()
	var learning sync.WaitGroup
	defer learning.Wait()
	learning.Go(func() {
		for ok := true; ok; ok = pause(ctx, learnEvery) {
			k.learn(ctx)
		}
	})
	k.run(ctx)
}

// run has the source read for hints until ctx ends: when the register has been quiet for a while, or does not become so.
func (k *hook) run(ctx context.Context) {
	for {
		select {
		case <-k.rung:
		case <-ctx.Done():
			return
		}
		k.settle(ctx)
		for wait := time.Duration(-1); wait != 0; {
			select {
			case <-k.rung: // the read that is asked for is later than this one, too
			default:
			}
			if wait = k.ask(ctx); !pause(ctx, wait) {
				return
			}
		}
	}
}

// settle waits until the register is quiet.
func (k *hook) settle(ctx context.Context) {
	enough := time.NewTimer(k.settings.Every)
	defer enough.Stop()
	for {
		quiet := time.NewTimer(k.settings.Quiet)
		select {
		case <-k.rung:
			quiet.Stop()
			continue
		case <-quiet.C:
		case <-enough.C:
		case <-ctx.Done():
		}
		quiet.Stop()
		return
	}
}

// ask asks whoever has the source to read it, as an operator does, and returns 0; or how long to wait before it may be asked.
// A source that is paused, or that refused us, is left to people and to the schedule: attempts lock accounts (F48).
func (k *hook) ask(ctx context.Context) (wait time.Duration) {
	before, paused := k.kept()
	newest, err := k.last(ctx)
	switch {
	case err != nil:
		k.logger.WarnContext(ctx, "a hint of the register waits: its last read is not known", "error", err)
		return hintLater
	case before.State == store.AskNew:
		return 0 // that read is still to come
	case paused || newest != nil && newest.State == source.Refused:
		k.logger.InfoContext(ctx, "a hint of the register is left alone: the source is paused, or refused us")
		return 0
	case before.State == store.AskWorking:
		return hintBusy
	}
	if newest != nil {
		every := k.settings.Every
		if !newest.Believed() && newest.State != source.Held && newest.State != source.Stale { // which another replica's overtook
			every = max(every, hintAfterWrong)
		}
		if wait = min(every, newest.Started.Add(every).Sub(k.now())); wait > 0 {
			return wait
		}
	}
	now := k.now()
	err = k.keep(ctx, before, store.Ask{
		Place: k.place, ID: store.HintAsk, Verb: store.VerbRead, Asked: now, By: "the register", Why: "it says that something changed", State: store.AskNew,
	})
	switch {
	case reason.Of(err).Code == reason.LogMissing:
		k.logger.WarnContext(ctx, "a hint of the register is left alone: nothing can be asked here", "error", err)
		return 0
	case errors.Is(err, store.ErrAskChanged): // by another replica, which heard a hint too
		return hintBusy
	case err != nil:
		k.logger.WarnContext(ctx, "a hint of the register waits: it cannot be asked for a read", "error", err)
		return hintLater
	}
	k.told(ctx, k.place.Tenant, k.place.Ref().String(), hintAsked)
	k.logger.InfoContext(ctx, "the register says that something changed, and is read")
	return 0
}

// pause waits; it returns false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hears listens for hints of a register until ctx ends, on every replica, where the settings want it.
func (t *Tenant) hears(ctx context.Context, reader *source.Reader) {
	hinter, ok := reader.Source.(source.Hinter)
	if !ok || !hinter.Hook().On() || t.hooks == nil || t.controls == nil {
		return
	}
	place := store.SourcePlace(t.Name, reader.Name)
	t.hooks.serve(ctx, &hook{
		place: place, settings: hinter.Hook(), keep: t.controls.keep, last: newestRun(reader), told: t.hooks.told,
		kept:   func() (store.Ask, bool) { return t.controls.own(place, store.HintAsk) },
		logger: t.logger.With("source", reader.Name.String()), now: t.now, rung: make(chan struct{}, 1),
	})
}
