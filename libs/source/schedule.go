package source

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"eventful.se/ess/libs/roster"
)

// Job is a reader and when it reads.
type Job struct {
	Name     string // tenant and source; unique in a scheduler
	Schedule string // cron expression of five fields in Europe/Stockholm; empty for on demand only
	Run      func(context.Context) (Run, error)
	// Last tells when the last run began that needs no repetition; zero when there was none. With it and a schedule, a
	// read that was missed while nothing ran, or whose retries were cut off, is made at the start; nil for never.
	Last func(context.Context) (time.Time, error)
}

// lookBack is how long ago a scheduled time may be for its missed read to be made.
const lookBack = 32 * 24 * time.Hour

// What a read that was not believed does after its scheduled time.
const (
	retryAfter = 30 * time.Minute
	retryUntil = "30 5 * * *" // before the school day
)

// Scheduler runs readers at their times and on demand. Each has a goroutine of its own, so that none waits for another
// (rule R7), and runs once at a time.
type Scheduler struct {
	logger *slog.Logger
	now    func() time.Time
	jobs   map[string]*job
}

// job is a Job with its clock.
type job struct {
	Job
	times   cron.Schedule // nil for on demand only
	until   cron.Schedule
	trigger chan struct{}
	mu      sync.Mutex
	waiting []chan<- outcome // who asked for the next run
}

// NewScheduler returns a scheduler without jobs.
func NewScheduler(logger *slog.Logger, now func() time.Time) *Scheduler {
	return &Scheduler{logger, now, map[string]*job{}}
}

// Add adds a job, before Run. It fails on a schedule that is not one, and on a name that is taken.
func (s *Scheduler) Add(j Job) error {
	if s.jobs[j.Name] != nil {
		return fmt.Errorf("schedule %s: there is such a job already", j.Name)
	}
	until, err := parseSchedule(retryUntil)
	if err != nil {
		return err
	}
	added := &job{Job: j, until: until, trigger: make(chan struct{}, 1)}
	if j.Schedule != "" {
		if added.times, err = parseSchedule(j.Schedule); err != nil {
			return fmt.Errorf("schedule %s: %w", j.Name, err)
		}
	}
	s.jobs[j.Name] = added
	return nil
}

// CheckSchedule tells what is wrong with a cron expression.
func CheckSchedule(expression string) error {
	_, err := parseSchedule(expression)
	return err
}

func parseSchedule(expression string) (cron.Schedule, error) {
	at, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("%q is not a cron expression of five fields (minute hour day month weekday): %w", expression, err)
	}
	spec, ok := at.(*cron.SpecSchedule)
	if !ok {
		return at, nil
	}
	const everyHour = 1 << 63 // the star, as package cron has it
	if spec.Hour&everyHour != 0 {
		spec.Location = roster.Stockholm()
		return spec, nil
	}
	spec.Location = time.UTC
	return byTheWall{spec}, nil
}

// byTheWall is a schedule by the clock on a wall in Stockholm: in the night of the year in which an hour is not there its
// times come at the end of the gap, and in that in which an hour comes twice, the first time. Package cron leaves the one
// out and does the other twice. What is due every hour is no such schedule: it goes on through both.
type byTheWall struct{ *cron.SpecSchedule }

// Next returns the first time of the schedule after t; zero for none.
func (s byTheWall) Next(t time.Time) time.Time {
	for wall := s.SpecSchedule.Next(onTheWall(t)); !wall.IsZero(); wall = s.SpecSchedule.Next(wall) {
		if at := fromTheWall(wall); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// onTheWall returns what a clock in Stockholm shows, as if it were UTC.
func onTheWall(t time.Time) time.Time {
	t = t.In(roster.Stockholm())
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// fromTheWall returns the first time at which a clock in Stockholm shows it, or has gone past it.
func fromTheWall(wall time.Time) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, roster.Stockholm())
	begins, ends := t.ZoneBounds()
	switch shown := onTheWall(t); {
	case shown.After(wall):
		return begins
	case shown.Before(wall):
		return ends
	}
	if earlier := t.Add(-time.Hour); onTheWall(earlier).Equal(wall) {
		return earlier
	}
	return t
}

// Trigger asks for a run of a job now, or as soon as its current run has ended; several requests before that are one.
// It returns false when there is no such job.
func (s *Scheduler) Trigger(name string) bool {
	j := s.jobs[name]
	if j == nil {
		return false
	}
	select {
	case j.trigger <- struct{}{}:
	default:
	}
	return true
}

// Run runs the jobs until ctx ends, and returns when the last of them has returned.
func (s *Scheduler) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for name := range s.jobs {
		wg.Go(func() { s.RunJob(ctx, name) })
	}
	wg.Wait()
}

// RunJob runs one job until ctx ends. It may be run again after that, and makes up for what was missed in between; not
// twice at a time.
func (s *Scheduler) RunJob(ctx context.Context, name string) {
	if j := s.jobs[name]; j != nil {
		s.loop(ctx, j)
	}
}

// loop runs one job.
func (s *Scheduler) loop(ctx context.Context, j *job) {
	next, retry, until := j.next(s.now()), time.Time{}, time.Time{}
	if since, ok := s.missed(ctx, j); ok {
		retry, until = s.now(), j.until.Next(since)
	}
	for {
		due := next
		if !retry.IsZero() && (due.IsZero() || retry.Before(due)) {
			due = retry
		}
		scheduled, ok := s.await(ctx, j, due)
		if !ok {
			return
		}
		if now := s.now(); scheduled && !next.IsZero() && !now.Before(next) {
			next, until = j.next(now), j.until.Next(now)
		}
		asked := j.forget() // this run is what was asked for before it
		run, err := j.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		for _, reply := range asked {
			reply <- outcome{run, err}
		}
		if err != nil {
			s.logger.ErrorContext(ctx, "run not recorded", "job", j.Name, "error", err)
		}
		// A refusal is not repeated: it locks accounts, and only a person can change it (F48).
		retry = s.now().Add(retryAfter)
		if err == nil && (run.Believed() || run.State == Refused) || !retry.Before(until) {
			retry = time.Time{}
		}
	}
}

// missed tells whether a job is to run at the start, and since when: its last scheduled time, or now for one that never
// ran or whose runs cannot be read.
func (s *Scheduler) missed(ctx context.Context, j *job) (since time.Time, ok bool) {
	if j.times == nil || j.Last == nil {
		return since, false
	}
	now := s.now()
	last, err := j.Last(ctx)
	if err != nil {
		s.logger.WarnContext(ctx, "not known when the job ran last", "job", j.Name, "error", err)
	}
	if err != nil || last.IsZero() {
		return now, true
	}
	for t := j.times.Next(now.Add(-lookBack)); !t.IsZero() && !t.After(now); t = j.times.Next(t) {
		since = t
	}
	return since, last.Before(since)
}

// Overdue returns how long ago the first read of a job was due after a time; zero when none was, or it has no schedule.
func (s *Scheduler) Overdue(name string, since time.Time) time.Duration {
	j := s.jobs[name]
	if j == nil {
		return 0
	}
	due := j.next(since)
	if due.IsZero() {
		return 0
	}
	return max(0, s.now().Sub(due))
}

// next returns when the job is due after t; zero for never.
func (j *job) next(t time.Time) time.Time {
	if j.times == nil {
		return time.Time{}
	}
	return j.times.Next(t)
}

// await waits for the time or a trigger, whichever comes first. It looks at the clock once a minute, for a clock may
// be set and a machine may sleep. It returns false when ctx ended.
func (s *Scheduler) await(ctx context.Context, j *job, due time.Time) (scheduled, ok bool) {
	for ctx.Err() == nil {
		wait := time.Minute
		if !due.IsZero() {
			if wait = min(wait, due.Sub(s.now())); wait <= 0 {
				return true, true
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-j.trigger:
			timer.Stop()
			return false, true
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return false, false
}
