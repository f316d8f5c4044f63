package target

import (
	"context"
	"errors"
	"time"

	"eventful.se/ess/libs/reason"
)

// silentAfter is how many calls in a row have to stay unanswered before the target itself is asked whether it is there.
const silentAfter = 3

// health is what a link knows of how its target answers, for as long as the process lives.
type health struct {
	proven  bool           // the target did something of what it was asked last
	sizes   map[string]int // of batches by kind, as far as the time that they take says something
	matches map[string]int // as sizes, of questions for what the target holds of its own
	// silent are calls in a row of which nothing came, and unheard what they were about.
	silent  int
	unheard map[ID]struct{}
	// refused are the batches of this settlement to which we were not let in: several were under way.
	refused int
	// doubt says that the target is to answer one question before anything else is asked of it.
	doubt bool
	// after is how long the target asked to wait when it was found not to answer.
	after time.Duration
	// paused is until when it asked not to be called, and why it did.
	paused    time.Time
	pausedFor *reason.Reason
	throttled backOff
}

func newHealth() *health {
	return &health{sizes: map[string]int{}, matches: map[string]int{}, unheard: map[ID]struct{}{}}
}

// answered says that the target is there.
func (h *health) answered() {
	h.silent = 0
	clear(h.unheard)
}

// answers tells whether an error is what the target said of an item, rather than that it is not there.
func answers(err error) bool {
	fault := reason.FaultOf(err)
	return err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnsupported) || fault != reason.Transient && fault != reason.Misconfigured
}

// heard learns from what became of a batch. A target of which several calls came to nothing is probed: one that does not
// answer halts the link, and one that does has a fault with some items, which wait by themselves (rule R7).
func (c *calls) heard(ctx context.Context, f *flight, s *Settled) {
	h := c.health
	var silence, throttle, refusal error
	done := false
	for _, out := range f.outcomes {
		switch {
		case answers(out.Err):
			done = true
		case reason.Of(out.Err).Code == reason.Throttled:
			throttle = longer(throttle, out.Err)
		case reason.FaultOf(out.Err) == reason.Misconfigured:
			refusal = out.Err
		default:
			silence = out.Err
		}
	}
	if refusal != nil {
		h.refused++
	}
	switch {
	case throttle != nil:
		c.pause(throttle)
	case done:
		h.throttled.reset()
	}
	switch kind := f.ops[0].Resource.ID.Kind; {
	case done:
		h.answered()
		h.proven = true
		n := len(f.ops)
		if size := c.size(kind); f.took > batchFor {
			h.sizes[kind] = max(1, int(int64(n)*int64(batchFor)/int64(f.took)))
		} else if n >= size {
			h.sizes[kind] = min(batchSize, 2*size)
		}
	case refusal == nil && silence != nil:
		h.proven = false
		for _, op := range f.ops {
			h.unheard[op.Resource.ID] = struct{}{}
		}
		c.unheard(ctx, s)
	}
}

// matchSize returns for how many resources of a kind the target is asked at once what it holds of its own.
func (h *health) matchSize(kind string) int {
	switch known := h.matches[kind]; {
	case h.silent > 0:
		return 1
	case known > 0:
		return known
	default:
		return batchSize
	}
}

// heardMatch learns from what became of a question for the target's own, as from that of a batch.
func (c *calls) heardMatch(ctx context.Context, asked []intent, took time.Duration, err error, s *Settled) {
	h := c.health
	switch {
	case answers(err):
		h.answered()
		kind, n := asked[0].resource.ID.Kind, len(asked)
		if size := h.matchSize(kind); took > batchFor {
			h.matches[kind] = max(1, int(int64(n)*int64(batchFor)/int64(took)))
		} else if n >= size {
			h.matches[kind] = min(batchSize, 2*size)
		}
	case reason.Of(err).Code == reason.Throttled:
		c.pause(err)
	case reason.FaultOf(err) == reason.Misconfigured: // it halts the link
	default:
		for _, in := range asked {
			h.unheard[in.resource.ID] = struct{}{}
		}
		c.unheard(ctx, s)
	}
}

// nameSize returns about how many user names the target is asked at once.
func (h *health) nameSize() int {
	if h.silent > 0 {
		return 1
	}
	return batchSize
}

// heardNames learns from what became of a question for user names that these intents use.
func (c *calls) heardNames(ctx context.Context, intents []intent, err error, s *Settled) {
	switch {
	case answers(err):
		c.health.answered()
	case reason.Of(err).Code == reason.Throttled:
		c.pause(err)
	case reason.FaultOf(err) == reason.Misconfigured:
		c.trip(err, s)
	default:
		for _, in := range intents {
			if len(c.link.naming.askers[in.resource.Entity]) > 0 {
				c.health.unheard[in.resource.ID] = struct{}{}
			}
		}
		c.unheard(ctx, s)
	}
}

func longer(a, b error) error {
	if a != nil && reason.AfterOf(a) >= reason.AfterOf(b) {
		return a
	}
	return b
}

// pause has nothing called for as long as the target asked for; where it did not say, for longer each time.
func (c *calls) pause(err error) {
	h := c.health
	until := c.link.o.Now().Add(h.throttled.next(reason.AfterOf(err), firstRetry, c.link.spread))
	if until.After(h.paused) {
		why := reason.Of(err)
		h.paused, h.pausedFor = until, &why
	}
}

// resting returns why the target is not to be called yet, or nil when it may be.
func (c *calls) resting() error {
	left := c.health.paused.Sub(c.link.o.Now())
	if left <= 0 {
		return nil
	}
	return &reason.Error{Fault: reason.Transient, Reason: *c.health.pausedFor, After: left}
}

// postponed returns the entry of what waits until the target may be called again, or nil when it may.
func (c *calls) postponed(in intent, known *Entry) *Entry {
	h := c.health
	if !h.paused.After(c.link.o.Now()) {
		return nil
	}
	e := Entry{ID: in.resource.ID, Entity: in.resource.Entity, Anchor: in.entry.Anchor}
	if known != nil {
		e = *known
	}
	e.State, e.Reason, e.NextTry = stuck(&e, Waiting), h.pausedFor, h.paused
	return &e
}

// unheard counts a call of which nothing came.
func (c *calls) unheard(ctx context.Context, s *Settled) {
	h := c.health
	if h.silent++; h.silent < silentAfter || len(h.unheard) < silentAfter {
		return
	}
	if err := c.probe(ctx); err != nil && ctx.Err() == nil {
		c.trip(err, s)
		return
	}
	h.answered()
}

// trip halts the link until the target answers a probe.
func (c *calls) trip(err error, s *Settled) {
	why := reason.Of(err)
	s.Halted, s.Refused = &why, reason.FaultOf(err) == reason.Misconfigured
	c.health.doubt, c.health.proven, c.health.after = true, false, reason.AfterOf(err)
}

// lookup asks the target for one resource, and learns from whether it answers.
func (c *calls) lookup(ctx context.Context, id ID, native string, s *Settled) (Held, error) {
	held, err := c.link.o.Made.Applier.Lookup(ctx, id, native)
	switch {
	case ctx.Err() != nil:
	case answers(err):
		c.health.answered()
	case reason.FaultOf(err) == reason.Misconfigured:
		c.trip(err, s)
	default:
		c.health.unheard[id] = struct{}{}
		c.unheard(ctx, s)
	}
	return held, err
}

// greet asks a target that did not answer, or did not let us in, one question before all else. Where it still does not, the
// link stays halted.
func (c *calls) greet(ctx context.Context, s *Settled) error {
	if !c.health.doubt || c.link.o.Mode == ModePreview {
		return nil
	}
	err := c.probe(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		c.trip(err, s)
	default:
		c.health.answered()
		c.health.doubt, c.health.silent = false, 1 // the first batch is small
	}
	return nil
}

// probe asks for one thing that the target holds, or has it check itself where it cannot be asked, and returns why it does
// not answer. A target that can do neither is taken to be there.
func (c *calls) probe(ctx context.Context) error {
	if e := c.sample(); e != nil {
		if _, err := c.link.o.Made.Applier.Lookup(ctx, e.ID, e.Native); !errors.Is(err, ErrUnsupported) {
			if answers(err) {
				return nil
			}
			return err
		}
	}
	checker, ok := c.link.o.Made.Applier.(Checker)
	if !ok {
		return nil
	}
	var first error
	err := checker.Check(ctx, func(_, _ string, err error) {
		if first == nil && !answers(err) {
			first = err
		}
	})
	if first == nil && !answers(err) {
		first = err
	}
	return first
}

// sample returns what to ask the target about: something that it holds and that it was not asked about in vain, always the
// same one.
func (c *calls) sample() (best *Entry) {
	var rank int
	for id, e := range c.book.entries {
		r := 1
		if _, vain := c.health.unheard[id]; e.Held && !vain {
			r = 2
		}
		if best == nil || r > rank || r == rank && id.Compare(best.ID) < 0 {
			best, rank = e, r
		}
	}
	return best
}

// unread notes that nobody knows what became of a create that was under way. It is asked for before it is made again.
func (c *calls) unread(e Entry, err error) {
	e.State, e.Begun, e.Held = Waiting, true, false
	if err != nil {
		why := reason.Of(err)
		e.Reason = &why
		e.Attempts++
		e.NextTry = c.link.o.Now().Add(c.link.wait(e.Attempts, reason.AfterOf(err)))
	}
	c.put(e)
}

// readInFlight asks for what was under way when the last process ended. Where the target does not answer, the link begins
// all the same, and probes it.
func (c *calls) readInFlight(ctx context.Context, list []Entry) error {
	heard := len(list) == 0
	var s Settled
	for _, e := range list {
		if c.health.doubt {
			c.unread(e, nil)
			continue
		}
		held, err := c.lookup(ctx, e.ID, e.Native, &s)
		heard = heard || answers(err)
		switch {
		case errors.Is(err, ErrNotFound):
			c.put(Entry{ID: e.ID, Entity: e.Entity, State: Gone})
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			c.unread(e, err)
		default:
			c.put(c.asHeld(e, held))
		}
	}
	if !heard {
		c.health.doubt = true
	}
	return nil
}
