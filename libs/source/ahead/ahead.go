// Package ahead lets a source read on while what it has read is taken in.
package ahead

import (
	"context"
	"iter"
)

// Of returns what do sends, which runs in a goroutine of its own and is one value ahead of who takes them; the last error, if
// any, is its own, or why ctx ended. Send tells whether anybody wants more. Who leaves the loop has do's context end, and waits
// until do has.
func Of[T any](ctx context.Context, do func(ctx context.Context, send func(T) bool) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		inner, cancel := context.WithCancel(ctx)
		values := make(chan T, 1)
		var failed error
		go func() {
			defer close(values)
			failed = do(inner, func(v T) bool {
				select {
				case values <- v:
					return true
				case <-inner.Done():
					return false
				}
			})
		}()
		defer func() {
			cancel()
			for range values { // until do has ended
			}
		}()
		for v := range values {
			if !yield(v, nil) {
				return
			}
		}
		if failed == nil {
			failed = context.Cause(ctx)
		}
		if failed != nil {
			var none T
			yield(none, failed)
		}
	}
}
