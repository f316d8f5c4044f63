package service

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceHasAFewBeginAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace()
		var begun atomic.Int32
		for n := range 3 * beginnings {
			go func() {
				if err := p.enter(t.Context(), fmt.Sprint(n)); err == nil {
					begun.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := begun.Load(); n != beginnings {
			t.Fatalf("%d began at once, want %d", n, beginnings)
		}
		time.Sleep(beginning) // R7: all of them are slow
		synctest.Wait()
		if n := begun.Load(); n != 2*beginnings {
			t.Fatalf("%d began when the first took long, want %d", n, 2*beginnings)
		}
		for n := range 3 * beginnings {
			p.through(fmt.Sprint(n))
			p.through(fmt.Sprint(n))
		}
		synctest.Wait()
		if n := begun.Load(); n != 3*beginnings {
			t.Fatalf("%d began in the end, want %d", n, 3*beginnings)
		}
		time.Sleep(beginning)
		for n := range beginnings {
			if err := p.enter(t.Context(), "x"+fmt.Sprint(n)); err != nil {
				t.Fatal(err)
			}
		}
		ended, end := context.WithCancelCause(t.Context())
		why := errors.New("it is over")
		end(why)
		if err := p.enter(ended, "late"); !errors.Is(err, why) {
			t.Errorf("who waits in vain gets %v", err)
		}
		if err := p.enter(t.Context(), "x0"); err != nil { // who begins anew has ended what was before
			t.Error(err)
		}
		time.Sleep(2 * beginning)
	})
}
