package target

import (
	"context"
	"fmt"
	"maps"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// deliver brings a set to the target. It reports false when the set stays where it is for now.
func (e *sets) deliver(ctx context.Context, plan setPlan, s *Settled) (bool, error) {
	now := e.link.o.Now()
	last := e.link.mark.Set
	if due := last.At.Add(e.link.o.Made.Every); !e.forced && !e.lost && !last.At.IsZero() && due.After(now) {
		s.Deferred = "the last delivery was at " + last.At.UTC().Format(time.RFC3339)
		e.link.mark.WakeAt = due
		return false, e.link.save(ctx, nil)
	}
	p, plan, err := e.prepare(ctx, plan, s)
	if err != nil {
		return false, err
	}
	rendered := e.link.o.Now()
	s.RenderTook = rendered.Sub(now)
	if s.Halted != nil {
		return false, e.halt(ctx, *s.Halted, 0, s)
	}
	if p.Digest != last.Digest || e.lost || e.forced {
		ref := SetRef{Blob: "set-" + p.Digest, Name: p.Name, Digest: p.Digest, At: now}
		if err := e.send(ctx, p, ref, plan, s); err != nil {
			return false, err
		}
		if s.Halted != nil {
			return false, nil
		}
		s.Delivered, e.lost, e.forced = p.Name, false, false
		e.link.retry.reset()
		e.link.mark.Set, e.link.mark.InFlight = ref, SetRef{}
	} else if err := e.remember(ctx, last.Blob, "", plan.entries); err != nil {
		return false, err
	}
	e.last = plan.entries
	for _, en := range e.last {
		if en.Held && en.Entity.Kind == roster.KindPerson {
			e.known[en.Entity] = true
		}
	}
	s.add(plan.differ)
	s.DeliverTook = e.link.o.Now().Sub(rendered)
	return true, nil
}

// prepare renders a set, and has the guard judge what became of it by what the target would refuse.
func (e *sets) prepare(ctx context.Context, plan setPlan, s *Settled) (p Package, _ setPlan, err error) {
	for {
		if p, plan = e.render(plan, s); s.Halted != nil {
			return p, plan, nil
		}
		before := len(plan.frozen)
		if plan, err = e.guard(ctx, plan, s); err != nil || len(plan.frozen) == before {
			return p, plan, err
		}
	}
}

// renders is how often a set is made anew without the resources that the target would refuse.
const renders = 5

// render makes the package. One bad resource delays no other (rule R7): it is parked, and the set made without it. A
// set that is bad as a whole, or stays bad, halts the link.
func (e *sets) render(plan setPlan, s *Settled) (Package, setPlan) {
	parked := map[ID]*reason.Reason{}
	maps.Copy(parked, plan.parked)
	for range renders {
		p, problems := e.link.o.Made.Deliverer.Render(plan.set)
		if len(problems) == 0 {
			return p, plan
		}
		s.Problems = append(s.Problems, problems...)
		for _, problem := range problems {
			if _, again := parked[problem.ID]; again || plan.entries[problem.ID] == nil {
				why := reason.New(reason.PreflightFailed, "count", len(problems), "first", problem.Reason.Text(reason.English))
				s.Halted = &why
				return p, plan
			}
			parked[problem.ID] = &problem.Reason
		}
		plan = plan.again(parked, plan.frozen, plan.deeds)
	}
	why := reason.New(reason.PreflightFailed, "count", len(s.Problems), "first", s.Problems[0].Reason.Text(reason.English))
	s.Halted = &why
	return Package{}, plan
}

// send uploads the package, unless an interrupted round of the same content did so already.
func (e *sets) send(ctx context.Context, p Package, ref SetRef, plan setPlan, s *Settled) error {
	d := e.link.o.Made.Deliverer
	if e.link.mark.InFlight.Digest == p.Digest {
		if there, err := d.Delivered(ctx, p); err == nil && there {
			s.Adopted = true
			return nil
		}
	}
	if err := e.remember(ctx, ref.Blob, e.link.mark.Set.Blob, plan.entries); err != nil {
		return err
	}
	e.withdraw(ctx, p)
	e.link.mark.InFlight = ref
	if err := e.link.save(ctx, nil); err != nil {
		return err
	}
	if err := e.bring(ctx, p, plan); err != nil {
		if stopped := context.Cause(ctx); stopped != nil {
			return stopped // whether it arrived is asked by the next owner
		}
		e.lost = true // it may have arrived all the same
		s.Refused = reason.FaultOf(err) == reason.Misconfigured
		return e.halt(ctx, reason.Of(err), reason.AfterOf(err), s)
	}
	return nil
}

// withdraw takes away what a delivery left of which nobody knows how far it came, when another package is to come: half a
// file under its final name would be read. Where the target does not let us, the new package comes all the same.
func (e *sets) withdraw(ctx context.Context, next Package) {
	left := e.link.mark.InFlight
	w, can := e.link.o.Made.Deliverer.(Withdrawer)
	if !can || left.Name == "" || left.Digest == next.Digest {
		return
	}
	if err := w.Withdraw(ctx, left.Name); err != nil {
		e.link.o.Logger.WarnContext(ctx, "what an interrupted delivery left cannot be taken away", "package", left.Name, "error", err)
	}
}

// halt keeps everything as it is and tries again later.
func (e *sets) halt(ctx context.Context, why reason.Reason, after time.Duration, s *Settled) error {
	s.Halted, e.link.unsettled = &why, true
	e.link.toss()
	e.link.mark.WakeAt = e.link.o.Now().Add(e.link.retry.next(after, firstWait(s.Refused), e.link.spread))
	return e.link.save(ctx, nil)
}

func (e *sets) remember(ctx context.Context, name, keep string, entries map[ID]*Entry) error {
	blob, err := encodeEntries(entries)
	if err == nil {
		err = e.link.book.Put(ctx, name, keep, blob)
	}
	if err != nil {
		return fmt.Errorf("keep the set: %w", err)
	}
	return nil
}
