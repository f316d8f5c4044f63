package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// sample is what one process came to.
type sample struct {
	wall   time.Duration // from its start to its end
	busy   time.Duration // of processors, which other work on the machine makes little difference to
	peak   int64         // bytes of resident memory
	report report
}

// report is what a process of ours says itself, as JSON on its standard output.
type report struct {
	Count   int     `json:"count"`   // how much the row is about
	Seconds float64 `json:"seconds"` // of the step that the row is about, where that is not the whole process
}

// rate is things a second.
func (r report) rate() float64 { return float64(r.Count) / r.Seconds }

// run runs a program to its end.
//
// The kernel counts a process as at least as large as the one that started it, so this one generates nothing and
// stays small.
func run(ctx context.Context, program string, args ...string) (s sample, err error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begun := time.Now()
	err = cmd.Run()
	s.wall = time.Since(begun)
	if err != nil {
		return s, fmt.Errorf("%s %q: %w\n%s", filepath.Base(program), args, err, stderr.Bytes())
	}
	s.busy = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = usage.Maxrss
		if runtime.GOOS != "darwin" {
			s.peak <<= 10 // kibibytes elsewhere
		}
	}
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &s.report); err != nil {
			return s, fmt.Errorf("%s %q printed no report: %w", filepath.Base(program), args, err)
		}
	}
	return s, nil
}

// median returns the middle one of what was measured, or the lower of two.
func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

func wall(s sample) time.Duration { return s.wall }
func busy(s sample) time.Duration { return s.busy }
func peak(s sample) int64         { return s.peak }
func step(s sample) float64       { return s.report.Seconds }
func rate(s sample) float64       { return s.report.rate() }

// self is this program, to run as a child.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program, to start it anew: %w", err)
	}
	return path, nil
}
