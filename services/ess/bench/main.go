// Command bench measures what ESS does for one large municipality, each step in processes of its own, beside the
// fastest plain tool for the same step; with ss12000, a read over that API; and with idle or latency, what it does for
// hundreds of tenants. `make bench` builds and runs it; docs/benchmarks.md says what the rows mean.
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

	"eventful.se/ess/libs/service"
)

func main() {
	service.Frugal() // as every program of ESS
	ctx, stop := service.Signals(context.Background())
	defer stop()
	do := bench
	args := os.Args[1:]
	if len(args) > 0 {
		if step, ok := map[string]func(context.Context, []string, io.Writer, io.Writer) error{childWord: child, "idle": idle, "latency": latency, "ss12000": api}[args[0]]; ok {
			do, args = step, args[1:]
		}
	}
	if err := do(ctx, args, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	size    size
	runs    int
	dir     string
	raw     string
	profile string
}

// size is how large the municipality is, by the elements of its export.
type size struct {
	persons, groups, members int
	seed                     uint64
}

func (s *size) flags(f *flag.FlagSet) {
	f.IntVar(&s.persons, "persons", 100_000, "how many persons are in the export")
	f.IntVar(&s.groups, "groups", 10_000, "how many groups, schools among them")
	f.IntVar(&s.members, "memberships", 400_000, "how many memberships")
	f.Uint64Var(&s.seed, "seed", 1, "another seed is another municipality")
}

// args returns the flags that say it.
func (s size) args() []string {
	return []string{
		"-persons", strconv.Itoa(s.persons), "-groups", strconv.Itoa(s.groups), "-memberships", strconv.Itoa(s.members), "-seed", strconv.FormatUint(s.seed, 10),
	}
}

func bench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	o.size.flags(f)
	f.IntVar(&o.runs, "runs", 3, "how often each is run; the median counts")
	f.StringVar(&o.dir, "dir", "", "where to work, for another disk than that of temporary files")
	f.StringVar(&o.raw, "raw", "", "the program rawpublish; without it that row has nothing beside it")
	f.StringVar(&o.profile, "profile", "", "a folder for profiles of our processes, for go tool pprof; they cost some speed")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || o.runs < 1 {
		return errors.New("usage: bench [flags], with at least one run; see -help")
	}
	dir, err := os.MkdirTemp(o.dir, "ess-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o750); err != nil {
			return err
		}
	}
	b, err := prepare(ctx, o, stdout, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	return b.table(ctx)
}
