package target

import (
	"context"
	"errors"
	"math/bits"

	"eventful.se/ess/libs/reason"
)

// WholeBatch says in the outcomes of operations that a sink sent together that none of them was done, and that the target
// did not tell which of them is at fault. One value stands for all that were sent together. The engine asks again with
// halves of them, until what is at fault is alone; an error that is about no item (transient, misconfigured) it takes as
// that of each. The error that it wraps, or nil for nil, says what the fault is.
func WholeBatch(err error) error {
	if err == nil {
		return nil
	}
	return &wholeError{err}
}

type wholeError struct{ err error }

func (w *wholeError) Error() string { return w.err.Error() }
func (w *wholeError) Unwrap() error { return w.err }

// ask calls the sink with a batch, and with halves of what it refused as a whole. How often is bounded: by the number of
// halvings that find a few items. What is not found by then is asked again later, in a batch that is smaller by all others.
func (c *calls) ask(ctx context.Context, ops []Operation) []Outcome {
	out := c.link.o.Made.Applier.Apply(ctx, ops)
	if len(out) == len(ops) {
		left := 6 * bits.Len(uint(len(ops)))
		c.halve(ctx, ops, out, &left)
	}
	return out
}

// halve puts in the place of each refusal of a whole what becomes of its halves. It tells whether the target goes on
// answering; what was not asked has an error that has it tried again.
func (c *calls) halve(ctx context.Context, ops []Operation, out []Outcome, left *int) (goesOn bool) {
	var order []*wholeError
	together := map[*wholeError][]int{}
	for i := range out {
		if w, ok := errors.AsType[*wholeError](out[i].Err); ok {
			if together[w] == nil {
				order = append(order, w)
			}
			together[w] = append(together[w], i)
		}
	}
	goesOn = true
	for _, w := range order {
		list := together[w]
		fault := reason.FaultOf(w.err)
		for _, i := range list {
			out[i].Err = w.err
		}
		switch {
		case fault == reason.Transient || fault == reason.Misconfigured:
			goesOn = false
			continue
		case len(list) == 1:
			continue
		}
		for _, half := range [][]int{list[:len(list)/2], list[len(list)/2:]} {
			if !goesOn || *left == 0 || ctx.Err() != nil {
				for _, i := range half {
					out[i].Err = &reason.Error{Fault: reason.Transient, Reason: reason.Of(w.err), Err: w.err}
				}
				continue
			}
			*left--
			goesOn = c.askHalf(ctx, half, ops, out, left)
		}
	}
	return goesOn
}

// askHalf calls the sink with some of the operations.
func (c *calls) askHalf(ctx context.Context, half []int, ops []Operation, out []Outcome, left *int) (goesOn bool) {
	part := make([]Operation, len(half))
	for j, i := range half {
		part[j] = ops[i]
	}
	got := c.link.o.Made.Applier.Apply(ctx, part)
	if len(got) != len(part) {
		got = make([]Outcome, len(part))
		for j := range got {
			got[j].Err = errUncounted
		}
	}
	goesOn = c.halve(ctx, part, got, left)
	for j, i := range half {
		out[i] = got[j]
	}
	return goesOn
}

var errUncounted = errors.New("the sink did not return one outcome for each operation")
