package target

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// The size of a batch: so many operations at most, and fewer where they take longer than batchFor, so that what comes first
// does not wait for long behind one.
const (
	batchSize = 500
	batchFor  = 2 * time.Second
)

// flight is one call of a sink.
type flight struct {
	batch    []intent
	ops      []Operation
	outcomes []Outcome
	begun    time.Time
	took     time.Duration
	told     []int // of the batch, what may be told of
	span     trace.Span
}

// stage carries out what is to be done to the resources of one kind, in batches, and waits for all of them. As many are under
// way at once as the target takes, each with resources of its own. What comes of them is noted here, one after the other.
// It ends early when the link is halted, and when somebody is to be contained: c.cut says so, and the round is made anew.
func (c *calls) stage(ctx context.Context, list []intent, adopts, force bool, s *Settled, next *work) error {
	if len(list) == 0 {
		return nil
	}
	ctx, callOff := context.WithCancelCause(ctx)
	defer callOff(nil)
	landed := make(chan *flight, max(1, c.link.o.Made.Parallel))
	flying := map[ID]struct{}{}
	under := 0
	var failed error
	land := func() {
		f := <-landed
		under--
		for _, in := range f.batch {
			delete(flying, in.resource.ID)
		}
		if err := c.land(ctx, f, s, next); err != nil && failed == nil {
			failed = err
			callOff(err)
		}
	}
	launch := func() error {
		n := min(len(list), c.size(list[0].resource.ID.Kind))
		batch := list[:n]
		for under > 0 && overlap(batch, flying) {
			land()
		}
		if failed != nil || s.Halted != nil {
			return failed
		}
		list = list[n:]
		if adopts {
			if err := c.adopt(ctx, batch, s, next); err != nil || s.Halted != nil {
				return err
			}
		}
		f, err := c.mark(ctx, c.ready(batch, force))
		if err != nil || f == nil {
			return err
		}
		for _, in := range f.batch {
			flying[in.resource.ID] = struct{}{}
		}
		under++
		go func(ctx context.Context) {
			f.begun = c.link.o.Now()
			f.outcomes = c.ask(ctx, f.ops)
			f.took = c.link.o.Now().Sub(f.begun)
			landed <- f
		}(c.tell(ctx, f))
		return nil
	}
	for c.short = nil; len(list) > 0 && failed == nil && s.Halted == nil; {
		if under >= c.room() {
			land()
			continue
		}
		if c.cut = c.cut || !list[0].contain && c.urgent(); c.cut {
			break
		}
		if err := launch(); err != nil && failed == nil {
			failed = err
			callOff(err)
		}
		for len(list) == 0 && under > 0 {
			land()
		}
		if len(list) == 0 {
			list = c.inTime()
		}
	}
	for under > 0 {
		land()
	}
	return failed
}

// inTime returns what needed something that stands now: an OU in another. It goes with the stage, so that what comes after it is
// made whole and not again.
func (c *calls) inTime() (list []intent) {
	for _, in := range c.short {
		if _, unmet := c.unmet(in.resource); !unmet {
			list = append(list, in)
		}
	}
	c.short = nil
	return list
}

func overlap(batch []intent, flying map[ID]struct{}) bool {
	for i := range batch {
		if _, ok := flying[batch[i].resource.ID]; ok {
			return true
		}
	}
	return false
}

// urgent tells whether somebody is to be contained since the round was planned.
func (c *calls) urgent() (yes bool) {
	c.link.o.Feed.read(func(f *Feed) {
		for ref := range c.link.sub.dirty {
			if _, known := c.contained[ref]; !known && f.contained(ref) {
				yes = true
				return
			}
		}
	})
	return yes
}

// mark has the ledger say what is about to be done (rule R2), with what became of the batches before. It returns nil when
// there is nothing to do.
func (c *calls) mark(ctx context.Context, batch []intent) (*flight, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	f := &flight{batch: batch, ops: make([]Operation, len(batch))}
	for i, in := range batch {
		f.ops[i] = c.operation(in)
		flying := in.entry
		if known := c.book.entries[in.resource.ID]; in.verb != Create && known != nil {
			flying, batch[i].begun = *known, known.Begun
			flying.Begun = true
		} else {
			flying.Held, flying.State, flying.Fields, flying.Sets = false, InFlight, nil, nil
		}
		c.put(flying)
	}
	return f, c.save(ctx)
}

// land notes what became of each operation of a batch. That is saved with the marks of the next batch, or at the end of
// the round: whoever dies before that is asked for by the marks of this one.
func (c *calls) land(ctx context.Context, f *flight, s *Settled, next *work) error {
	c.toldOf(ctx, f)
	if len(f.outcomes) != len(f.ops) {
		return fmt.Errorf("the sink returned %d outcomes for %d operations", len(f.outcomes), len(f.ops))
	}
	stopped := context.Cause(ctx)
	if stopped == nil {
		c.heard(ctx, f, s)
	}
	noting, cancel := finish(ctx)
	defer cancel()
	for i, out := range f.outcomes {
		if stopped != nil && out.Err != nil {
			continue // not a fault of the target: what was in flight is read back by the next owner
		}
		if c.written != nil {
			c.written[f.ops[i].Resource.ID] = struct{}{}
		}
		if err := c.record(noting, f.batch[i], out, s, next); err != nil {
			return err
		}
	}
	return stopped
}

// size returns how many operations on a kind go to the sink at once.
func (c *calls) size(kind string) int {
	h := c.health
	if h.silent > 0 {
		return 1 // nobody knows whether there is an answer
	}
	n := batchSize
	if known := h.sizes[kind]; known > 0 {
		n = known
	}
	if pace := c.link.o.Made.Pace; pace != nil {
		if rate := pace(); rate > 0 {
			n = min(n, int(rate*batchFor.Seconds())/max(1, c.link.o.Made.Parallel))
		}
	}
	return max(1, n)
}

// room returns how many batches may be under way: one, until it is known that the target does what it is asked. A wrong
// password is tried once and not by each.
func (c *calls) room() int {
	if !c.health.proven {
		return 1
	}
	return max(1, c.link.o.Made.Parallel)
}
