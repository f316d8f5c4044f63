package ahead_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/source/ahead"
)

var errProvoked = errors.New("provoked")

// numbers sends 1, 2, 3 … n, each after a second, and then fails with err.
func numbers(n int, err error, ended *bool) func(context.Context, func(int) bool) error {
	return func(ctx context.Context, send func(int) bool) error {
		defer func() { *ended = true }()
		for i := range n {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !send(i + 1) {
				return nil
			}
		}
		return err
	}
}

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		fails   error
		leave   int           // after how many values the loop is left; 0 for never
		cancel  time.Duration // after which the context ends; 0 for never
		sum     int
		want    error
		seconds int // what it takes: each value is taken in for a second too, while the next one is made
	}{
		"to the end":       {sum: 15, seconds: 6},
		"a failure at end": {fails: errProvoked, sum: 15, want: errProvoked, seconds: 6},
		"the loop is left": {leave: 2, sum: 3, seconds: 3},
		"the context ends": {cancel: 2500 * time.Millisecond, sum: 3, want: context.Canceled, seconds: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.cancel > 0 {
					time.AfterFunc(c.cancel, cancel)
				}
				begun, sum, ended := time.Now(), 0, false
				var got error
				for v, err := range ahead.Of(ctx, numbers(5, c.fails, &ended)) {
					if got = err; err != nil {
						continue
					}
					time.Sleep(time.Second)
					if sum += v; v == c.leave {
						break
					}
				}
				if sum != c.sum || !errors.Is(got, c.want) || !ended {
					t.Errorf("sum %d, error %v, ended %t; want %d, %v", sum, got, ended, c.sum, c.want)
				}
				if took := time.Since(begun); took != time.Duration(c.seconds)*time.Second {
					t.Errorf("it took %v, want %d s", took, c.seconds)
				}
			})
		})
	}
}
