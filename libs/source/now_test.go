package source_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/source"
)

func TestNowReturnsWhatARunAfterItCameTo(t *testing.T) {
	clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
		n := 0
		add(t, s, source.Job{Name: "a", Run: func(context.Context) (source.Run, error) {
			n++
			time.Sleep(time.Hour)
			return source.Run{Seen: map[string]int{"n": n}}, nil
		}})
		got := make(chan int, 3)
		ask := func() {
			go func() {
				run, err := s.Now(t.Context(), "a")
				if err != nil {
					t.Error(err)
				}
				got <- run.Seen["n"]
			}()
			synctest.Wait()
		}
		ask() // before the start
		start()
		time.Sleep(time.Minute)
		ask() // two while a run is under way are one more
		ask()
		time.Sleep(5 * time.Hour)
		if all := []int{<-got, <-got, <-got}; !slices.Equal(all, []int{1, 2, 2}) || n != 2 {
			t.Errorf("they came to runs %v of %d, want 1, 2 and 2 of 2", all, n)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if _, err := s.Now(ctx, "a"); err == nil {
			t.Error("who waits no more gets a run")
		}
		if _, err := s.Now(t.Context(), "b"); err == nil {
			t.Error("there is no such job")
		}
	})
}

func TestAJobThatRunsAgainMakesUpForWhatItMissed(t *testing.T) {
	clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
		ran, run := times(source.Unchanged)
		last := time.Now()
		add(t, s, source.Job{Name: "a", Schedule: "0 22 * * *", Run: func(ctx context.Context) (source.Run, error) {
			last = time.Now()
			return run(ctx)
		}, Last: func(context.Context) (time.Time, error) { return last, nil }})
		for _, pause := range []time.Duration{30 * time.Hour, time.Hour, 0} {
			ctx, stop := context.WithTimeout(t.Context(), 23*time.Hour)
			s.RunJob(ctx, "a") // it returns with ctx
			stop()
			time.Sleep(pause)
		}
		// Runs 1 January 01:00 to 2 January 00:00, 3 January 06:00 to 4 January 05:00, 4 January 06:00 to 5 January 05:00.
		if want := []string{"01 22:00", "03 06:00", "03 22:00", "04 22:00"}; !slices.Equal(*ran, want) {
			t.Errorf("ran at %v, want %v", *ran, want)
		}
		start()
	})
}
