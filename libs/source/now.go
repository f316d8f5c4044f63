package source

import (
	"context"
	"fmt"
)

// outcome is what a run came to.
type outcome struct {
	run Run
	err error
}

// Now has a job run now, or as soon as its current run has ended, and returns what that came to. It waits for the job to be
// run by Run or RunJob, until ctx ends.
func (s *Scheduler) Now(ctx context.Context, name string) (Run, error) {
	j := s.jobs[name]
	if j == nil {
		return Run{}, fmt.Errorf("run %s: there is no such job", name)
	}
	reply := make(chan outcome, 1)
	j.mu.Lock()
	j.waiting = append(j.waiting, reply)
	s.Trigger(name)
	j.mu.Unlock()
	select {
	case o := <-reply:
		return o.run, o.err
	case <-ctx.Done():
		return Run{}, context.Cause(ctx)
	}
}

// forget returns who asked for the run that begins, and takes their requests as heard.
func (j *job) forget() []chan<- outcome {
	j.mu.Lock()
	defer j.mu.Unlock()
	asked := j.waiting
	j.waiting = nil
	select {
	case <-j.trigger:
	default:
	}
	return asked
}
