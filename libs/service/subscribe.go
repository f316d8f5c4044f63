package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// How a register is kept telling of changes.
const (
	renewAtLeast   = 12 * time.Hour // so often a subscription is renewed that lasts longer, or that does not say how long
	renewAtMost    = time.Minute
	subscribeLook  = time.Second // before it is looked again whether the source was read
	subscribeAgain = time.Minute // after a failure, and then twice as long each time
	subscribeRare  = 6 * time.Hour
)

// subscriber keeps the register of a source telling of changes, on the replica that has the source.
type subscriber struct {
	place  store.Place
	hinter source.Hinter
	kept   func() store.Ask // what was kept last
	keep   func(ctx context.Context, before, a store.Ask) error
	last   func(context.Context) (newest *source.Run, err error)
	logger *slog.Logger
	now    func() time.Time
}

// kept is the detail of a subscription ask: the subscription, and a mark of the target that it has.
type keptSubscription struct {
	ID     string `json:"id"`
	Target string `json:"target"`
}

// run subscribes and renews until ctx ends. Where the settings no longer want a subscription, it ends the one that there is.
// Nobody is called before the source has been read: a sign-in that is refused is refused to the reader, and not to both (F48).
func (s *subscriber) run(ctx context.Context) {
	hook, last := s.hinter.Hook(), s.known()
	if !hook.On() && last.ID == "" {
		return
	}
	failures := 0
	for look := subscribeLook; ; {
		newest, err := s.last(ctx)
		if err != nil || newest == nil || !letIn(newest.State) {
			if !pause(ctx, look) {
				return
			}
			look = min(2*look, time.Minute)
			continue
		}
		look = subscribeLook
		var wait time.Duration
		if hook.On() {
			wait, err = s.subscribe(ctx, hook)
		} else if err = s.end(ctx, s.known().ID); err == nil {
			err = s.note(ctx, keptSubscription{}, "the register tells of no changes any more")
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			why := reason.Of(err)
			if wait = min(subscribeAgain<<min(failures, 10), subscribeRare); reason.FaultOf(err) != reason.Transient {
				wait = subscribeRare
			}
			failures++
			s.logger.WarnContext(ctx, "the register may not tell of changes: it is read on its schedule", "error", err, "next_step", why.Next(reason.English), "next_try", s.now().Add(wait))
		case !hook.On():
			s.logger.InfoContext(ctx, "the register tells of no changes any more")
			return
		default:
			failures = 0
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// letIn tells whether a register answered and let its reader in, whatever became of what was read: another replica may have
// published the same first.
func letIn(s source.State) bool {
	return s != source.Unreachable && s != source.Refused && s != source.Failed
}

// subscribe makes or renews the subscription, and returns when to do so again.
func (s *subscriber) subscribe(ctx context.Context, hook source.Hook) (again time.Duration, err error) {
	target, err := hookTarget(hook, s.place)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte(target))
	is, was := keptSubscription{Target: hex.EncodeToString(sum[:8])}, s.known()
	if was.Target == is.Target {
		is.ID = was.ID
	}
	got, err := s.hinter.Subscribe(ctx, target, is.ID)
	if err != nil {
		return 0, err
	}
	now, until := s.now(), "it is told otherwise"
	again = renewAtLeast
	if !got.Expires.IsZero() {
		again, until = max(renewAtMost, min(got.Expires.Sub(now)/2, renewAtLeast)), got.Expires.UTC().Format(time.RFC3339)
	}
	if was.ID != "" && was.Target != is.Target && was.ID != got.ID {
		if err := s.end(ctx, was.ID); err != nil {
			s.logger.WarnContext(ctx, "an earlier subscription is left to its end", "subscription", was.ID, "error", err)
		}
	}
	if is.ID != got.ID {
		s.logger.InfoContext(ctx, "the register tells of changes", "subscription", got.ID, "until", until)
	}
	is.ID = got.ID
	return again, s.note(ctx, is, "the register tells of changes, until "+until)
}

// end ends a subscription.
func (s *subscriber) end(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	return s.hinter.Unsubscribe(ctx, id)
}

// known returns the subscription that was kept last.
func (s *subscriber) known() (kept keptSubscription) {
	if a := s.kept(); len(a.Detail) > 0 {
		_ = json.Unmarshal(a.Detail, &kept) // one that cannot be read is none
	}
	return kept
}

// note keeps what the register has promised, for the next process and for operators.
func (s *subscriber) note(ctx context.Context, kept keptSubscription, text string) error {
	now := s.now()
	return s.keep(ctx, s.kept(), store.Ask{
		Place: s.place, ID: store.SubscriptionAsk, Verb: store.VerbRead, Asked: now, By: "the webhook", Why: "the settings of the source",
		State: store.AskDone, Begun: now, Ended: now, Text: text, Detail: detail(kept),
	})
}

// hookTarget is where a register tells of changes in a source.
func hookTarget(h source.Hook, place store.Place) (string, error) {
	word, err := h.Word(place.Tenant, place.Ref())
	return strings.TrimRight(h.URL, "/") + source.HookPath + word, err
}

// subscribes keeps the register of a source telling of changes until ctx ends, where it can and the settings want it.
func (t *Tenant) subscribes(ctx context.Context, reader *source.Reader) {
	hinter, ok := reader.Source.(source.Hinter)
	if !ok || t.controls == nil {
		return
	}
	place := store.SourcePlace(t.Name, reader.Name)
	s := &subscriber{
		place: place, hinter: hinter, keep: t.controls.keep, last: newestRun(reader),
		kept:   func() store.Ask { a, _ := t.controls.own(place, store.SubscriptionAsk); return a },
		logger: t.logger.With("source", reader.Name.String()), now: t.now,
	}
	s.run(ctx)
}

// newestRun returns what tells the newest run of a reader, believed or not; nil for none.
func newestRun(reader *source.Reader) func(context.Context) (*source.Run, error) {
	return func(ctx context.Context) (*source.Run, error) {
		newest, _, err := reader.Runs.Last(ctx, reader.Name)
		return newest, err
	}
}
