package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// The aims of a fleet in which nothing happens.
const (
	aimIdleBytes = 1 << 30
	aimIdleCPU   = 0.2 // of a core
)

// idle shows what a fleet costs in which nothing happens.
func idle(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o fleetOptions
	var span time.Duration
	flags := flag.NewFlagSet("bench idle", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.flags(flags)
	flags.DurationVar(&span, "for", time.Minute, "how long to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := launch(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer f.close()
	select { // what the first load left behind is given back
	case <-time.After(30 * time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	before, err := f.uses()
	if err != nil {
		return err
	}
	select {
	case <-time.After(span):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	after, err := f.uses()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d tenants with 3 links, idle\tresident\tof a core\n", f.tenants)
	var bytes int64
	var core float64
	for n := range after {
		share := (after[n].cpu - before[n].cpu).Seconds() / span.Seconds()
		bytes, core = bytes+after[n].resident, core+share
		fmt.Fprintf(w, "%s\t%d MiB\t%.1f %%\n", filepath.Base(f.all[n].Path), after[n].resident>>20, 100*share)
	}
	fmt.Fprintf(w, "all\t%d MiB\t%.1f %%\taim: at most %d MiB and %.0f %%: %s\n", bytes>>20, 100*core, aimIdleBytes>>20, 100*aimIdleCPU,
		met(bytes <= aimIdleBytes && core <= aimIdleCPU))
	return w.Flush()
}

func met(is bool) string {
	if is {
		return "met"
	}
	return "missed"
}

// use is what a process has, and has used.
type use struct {
	resident int64
	cpu      time.Duration
}

// tick is the unit in which Linux tells of times: USER_HZ is 100 on every machine that Go runs on.
const tick = 10 * time.Millisecond

// uses returns what each process of the fleet uses, as Linux tells.
func (f *fleet) uses() (list []use, err error) {
	for _, c := range f.all {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
		if err != nil {
			return nil, fmt.Errorf("%s runs no more, or this is no Linux: %w", filepath.Base(c.Path), err)
		}
		_, rest, _ := strings.Cut(string(data), ") ") // the name before may have blanks
		fields := strings.Fields(rest)
		if len(fields) < 22 {
			return nil, fmt.Errorf("what Linux tells of %s has %d fields", filepath.Base(c.Path), len(fields))
		}
		// proc(5): utime, stime and rss are the fields 14, 15 and 24; these begin with the third.
		user, err1 := strconv.ParseInt(fields[11], 10, 64)
		system, err2 := strconv.ParseInt(fields[12], 10, 64)
		pages, err3 := strconv.ParseInt(fields[21], 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		list = append(list, use{pages * int64(os.Getpagesize()), time.Duration(user+system) * tick})
	}
	return list, nil
}
