package source_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// clock runs a scheduler in a bubble of its own time, which begins at midnight UTC on 1 January 2000.
func clock(t *testing.T, test func(t *testing.T, s *source.Scheduler, start func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s := source.NewScheduler(slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now)
		done := make(chan struct{})
		test(t, s, func() { go func() { s.Run(ctx); close(done) }() })
		stop()
		<-done // Run waits for its jobs
	})
}

// times returns a job's Run that notes when it ran, and answers with the states in turn, the last for good.
func times(states ...source.State) (*[]string, func(context.Context) (source.Run, error)) {
	var ran []string
	return &ran, func(context.Context) (source.Run, error) {
		ran = append(ran, time.Now().In(roster.Stockholm()).Format("02 15:04"))
		s := states[min(len(ran), len(states))-1]
		return source.Run{State: s}, nil
	}
}

func add(t *testing.T, s *source.Scheduler, j source.Job) {
	t.Helper()
	if err := s.Add(j); err != nil {
		t.Fatal(err)
	}
}

func TestScheduleIsInStockholm(t *testing.T) {
	clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
		ran, run := times(source.Unchanged)
		add(t, s, source.Job{Name: "a", Schedule: "30 18 * * *", Run: run})
		start()
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		if want := []string{"01 18:30", "02 18:30", "03 18:30"}; !slices.Equal(*ran, want) {
			t.Errorf("ran at %v, want %v", *ran, want)
		}
	})
}

func TestUnbelievedReadIsTriedUntilMorning(t *testing.T) {
	cases := []struct {
		name   string
		states []source.State
		runs   int
		last   string
	}{
		{"until it works", []source.State{source.Unreachable, source.Stale, source.Published}, 3, "01 23:00"},
		{"until half past five", []source.State{source.Incomplete}, 15, "02 05:00"},
		{"held, until it is approved", []source.State{source.Held, source.Held, source.Published}, 3, "01 23:00"},
		{"held, until half past five", []source.State{source.Held}, 15, "02 05:00"},
		{"empty, unreadable and failed", []source.State{source.Empty, source.Unreadable, source.Failed, source.Unchanged}, 4, "01 23:30"},
		{"F48 a refusal is not repeated", []source.State{source.Refused}, 1, "01 22:00"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
				ran, run := times(c.states...)
				add(t, s, source.Job{Name: "a", Schedule: "0 22 1 * *", Run: run})
				start()
				time.Sleep(48 * time.Hour)
				synctest.Wait()
				if n := len(*ran); n != c.runs || (*ran)[n-1] != c.last {
					t.Errorf("ran at %v, want %d times until %s", *ran, c.runs, c.last)
				}
			})
		})
	}
}

func TestMissedReadIsMadeAtTheStart(t *testing.T) {
	at := func(day, hour, minute int) time.Time {
		return time.Date(2000, 1, day, hour, minute, 0, 0, roster.Stockholm())
	}
	cases := []struct {
		name   string
		last   time.Time
		err    error
		start  time.Time
		states []source.State
		want   []string // until the end of 5 January
	}{
		{"it never ran", time.Time{}, nil, at(4, 12, 0), []source.State{source.Published}, []string{"04 12:00", "04 22:00", "05 22:00"}},
		{"nobody knows", time.Time{}, errCut, at(4, 12, 0), []source.State{source.Published}, []string{"04 12:00", "04 22:00", "05 22:00"}},
		{"it ran at its time", at(3, 22, 0), nil, at(4, 12, 0), []source.State{source.Published}, []string{"04 22:00", "05 22:00"}},
		{"nothing ran at its time", at(3, 21, 59), nil, at(4, 12, 0), []source.State{source.Published}, []string{"04 12:00", "04 22:00", "05 22:00"}},
		{"it was not believed, and the morning came", at(2, 22, 0), nil, at(4, 12, 0), []source.State{source.Stale, source.Published}, []string{"04 12:00", "04 22:00", "05 22:00"}},
		{"it was not believed, and is tried on until half past five", at(2, 22, 0), nil, at(4, 4, 15), []source.State{source.Stale}, []string{"04 04:15", "04 04:45", "04 05:15"}},
		{"it was not believed, and is tried on until it works", at(2, 22, 0), nil, at(4, 4, 15), []source.State{source.Stale, source.Published}, []string{"04 04:15", "04 04:45", "04 22:00", "05 22:00"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
				ran, run := times(c.states...)
				last := func(context.Context) (time.Time, error) { return c.last, c.err }
				add(t, s, source.Job{Name: "a", Schedule: "0 22 * * *", Run: run, Last: last})
				add(t, s, source.Job{Name: "on demand", Run: run, Last: last})
				if c.want[0] != "04 22:00" {
					s.Trigger("a") // and the run at the start are one
				}
				time.Sleep(time.Until(c.start))
				start()
				time.Sleep(time.Until(at(6, 0, 0)))
				synctest.Wait()
				if c.states[len(c.states)-1] == source.Stale && len(*ran) > 4 && (*ran)[3] == "04 22:00" {
					*ran = (*ran)[:3] // the next evening is another matter
				}
				if !slices.Equal(*ran, c.want) {
					t.Errorf("ran at %v, want %v", *ran, c.want)
				}
			})
		})
	}
}

func TestTriggersAreOneRunAtATime(t *testing.T) {
	clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
		running, most, total := 0, 0, 0
		add(t, s, source.Job{Name: "a", Run: func(ctx context.Context) (source.Run, error) {
			running++
			total++
			most = max(most, running)
			time.Sleep(time.Hour)
			running--
			return source.Run{State: source.Failed}, nil
		}})
		start()
		for range 5 {
			if !s.Trigger("a") {
				t.Fatal("there is such a job")
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if most != 1 || total != 2 {
			t.Errorf("%d runs, at most %d at once; want 2, one at a time: several requests during a run are one", total, most)
		}
		if s.Trigger("b") {
			t.Error("a job that does not exist was triggered")
		}
	})
}

func TestOneJobDoesNotDelayAnother(t *testing.T) {
	clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
		ran, run := times(source.Published)
		add(t, s, source.Job{Name: "stuck", Schedule: "0 3 * * *", Run: func(ctx context.Context) (source.Run, error) {
			<-ctx.Done()
			return source.Run{}, ctx.Err()
		}})
		add(t, s, source.Job{Name: "broken", Schedule: "0 3 * * *", Run: func(context.Context) (source.Run, error) {
			return source.Run{}, errors.New("the store of the runs does not answer")
		}})
		add(t, s, source.Job{Name: "well", Schedule: "0 3 * * *", Run: run})
		start()
		time.Sleep(50 * time.Hour)
		synctest.Wait()
		if want := []string{"01 03:00", "02 03:00", "03 03:00"}; !slices.Equal(*ran, want) {
			t.Errorf("ran at %v, want %v", *ran, want)
		}
	})
}

func TestSchedulesThatAreNone(t *testing.T) {
	s := source.NewScheduler(slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now)
	for _, expression := range []string{"18:30", "* * * * * *", "@hourly", "99 1 * * *"} {
		if s.Add(source.Job{Name: expression, Schedule: expression}) == nil || source.CheckSchedule(expression) == nil {
			t.Errorf("%q was taken", expression)
		}
	}
	add(t, s, source.Job{Name: "a", Schedule: "30 18 * * 1-5"})
	if s.Add(source.Job{Name: "a"}) == nil {
		t.Error("one name was taken twice")
	}
}

// The nights on which the clock is changed, of 2000: each scheduled time comes once, at the local time that it names;
// where there is no such time, at the end of the gap. What is due every hour goes on through both.
func TestScheduleOnTheNightsOfTheClock(t *testing.T) {
	for _, c := range []struct {
		name, schedule string
		month          time.Month
		day            int // the Saturday before
		want           []string
	}{
		{"spring, in the hour that is not there", "30 2 * * *", 3, 25, []string{"25 02:30", "26 03:00", "27 02:30"}},
		{"spring, in the evening", "30 18 * * *", 3, 25, []string{"25 18:30", "26 18:30", "27 18:30"}},
		{"spring, in the morning", "30 6 * * *", 3, 25, []string{"25 06:30", "26 06:30", "27 06:30"}},
		{"spring, at midnight", "0 0 * * *", 3, 25, []string{"26 00:00", "27 00:00"}},
		{"autumn, in the hour that comes twice", "30 2 * * *", 10, 28, []string{"28 02:30", "29 02:30", "30 02:30"}},
		{"autumn, in the evening", "30 18 * * *", 10, 28, []string{"28 18:30", "29 18:30", "30 18:30"}},
		{"autumn, in the morning", "30 6 * * *", 10, 28, []string{"28 06:30", "29 06:30", "30 06:30"}},
		{"autumn, twice an hour for some hours", "*/30 1-3 29 10 *", 10, 28, []string{"29 01:00", "29 01:30", "29 02:00", "29 02:30", "29 03:00", "29 03:30"}},
		{"autumn, every hour of the night", "0 0-4 29 10 *", 10, 28, []string{"29 00:00", "29 01:00", "29 02:00", "29 03:00", "29 04:00"}},
		{"spring, every hour of the night", "0 0-4 26 3 *", 3, 25, []string{"26 00:00", "26 01:00", "26 03:00", "26 04:00"}},
		{"autumn, at midnight", "0 0 * * *", 10, 28, []string{"29 00:00", "30 00:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
				ran, run := times(source.Unchanged)
				add(t, s, source.Job{Name: "a", Schedule: c.schedule, Run: run})
				time.Sleep(time.Until(time.Date(2000, c.month, c.day, 0, 0, 1, 0, roster.Stockholm())))
				start()
				time.Sleep(time.Until(time.Date(2000, c.month, c.day+2, 23, 0, 0, 0, roster.Stockholm())))
				synctest.Wait()
				if !slices.Equal(*ran, c.want) {
					t.Errorf("ran at %v, want %v", *ran, c.want)
				}
			})
		})
	}
}

// A decision by command acts within a minute in the hour that comes twice, too.
func TestEveryMinuteOnTheNightsOfTheClock(t *testing.T) {
	for _, night := range []time.Time{time.Date(2000, 3, 26, 0, 0, 0, 0, roster.Stockholm()), time.Date(2000, 10, 29, 0, 0, 0, 0, roster.Stockholm())} {
		clock(t, func(t *testing.T, s *source.Scheduler, start func()) {
			ran, run := times(source.Unchanged)
			add(t, s, source.Job{Name: "a", Schedule: "* * * * *", Run: run})
			time.Sleep(time.Until(night) + time.Second)
			start()
			time.Sleep(6 * time.Hour)
			synctest.Wait()
			if len(*ran) != 6*60 {
				t.Errorf("in six hours of %s it ran %d times", night.Format(time.DateOnly), len(*ran))
			}
		})
	}
}
