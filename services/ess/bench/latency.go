package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// aimLatency is how soon a change is in the target, from when its register is asked for.
const aimLatency = 2 * time.Second

// latency shows how soon a change in one tenant of a fleet is in its target, and how much another tenant's trouble adds.
func latency(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o fleetOptions
	var changes, large int
	flags := flag.NewFlagSet("bench latency", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.flags(flags)
	flags.IntVar(&changes, "changes", 100, "how many changes are measured of each kind")
	flags.IntVar(&large, "large", 100_000, "how many persons are in the register that is loaded meanwhile")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.tenants < 3 {
		return fmt.Errorf("-tenants is %d: two of them have trouble, so that 3 are the least", o.tenants)
	}
	f, err := launch(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer f.close()
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d tenants with 3 links, a change is in the target\tp50\tp99\tlargest\n", f.tenants)
	version := 1
	for _, row := range []struct {
		what    string
		trouble func(context.Context, *fleet) error // until its context ends; nil for none
	}{
		{"nothing else happens", nil},
		{"another's register cannot be read", brokenSource},
		{"another's directory does not answer", brokenTarget},
		{fmt.Sprintf("another's %d persons are loaded", large), func(ctx context.Context, f *fleet) error { return load(ctx, f, large) }},
	} {
		fmt.Fprintln(stderr, "bench:", row.what)
		took, err := f.measure(ctx, &version, changes, row.trouble)
		if err != nil {
			return fmt.Errorf("%s: %w", row.what, err)
		}
		slices.Sort(took)
		p50, p99, most := took[len(took)/2], took[(len(took)*99-1)/100], took[len(took)-1]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\taim: at most %s: %s\n", row.what, round(p50), round(p99), round(most), aimLatency, met(p99 <= aimLatency))
	}
	return w.Flush()
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// measure makes changes in one tenant after the other while there is trouble, and returns how long each took.
func (f *fleet) measure(ctx context.Context, version *int, changes int, trouble func(context.Context, *fleet) error) (took []time.Duration, err error) {
	troubled, stop := context.WithCancel(ctx)
	var group errgroup.Group
	if trouble != nil {
		group.Go(func() error { return trouble(troubled, f) })
		select { // for it to be in full swing
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	for n := range changes {
		if n%(f.tenants-2) == 0 {
			*version++
		}
		name := f.name(2 + n%(f.tenants-2))
		begun := time.Now()
		if err = f.register(name, f.persons, *version); err == nil {
			err = f.read(ctx, name)
		}
		if err == nil {
			err = f.await(ctx, name, *version)
		}
		if err != nil {
			break
		}
		took = append(took, time.Since(begun))
	}
	stop()
	if failed := group.Wait(); err == nil {
		err = failed
	}
	return took, err
}

// brokenSource has the first tenant's register be no register, and asks for it ten times a second.
func brokenSource(ctx context.Context, f *fleet) error {
	if err := os.WriteFile(f.path("of", f.name(0), "register.json"), []byte("<html/>"), 0o600); err != nil {
		return err
	}
	for {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
		if err := f.read(ctx, f.name(0)); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// brokenTarget has the second tenant's directory not answer, with something to be written to it.
func brokenTarget(ctx context.Context, f *fleet) error {
	name := f.name(1)
	if err := os.WriteFile(f.path("of", name, "trouble.yaml"), []byte("hang: true\n"), 0o600); err != nil {
		return err
	}
	if err := f.register(name, f.persons, 1_000); err != nil {
		return err
	}
	if err := f.read(ctx, name); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return os.Remove(f.path("of", name, "trouble.yaml"))
}

// load loads a large tenant, to Apple, and says when that is done, if ctx has not ended before.
func load(ctx context.Context, f *fleet, persons int) error {
	const name = "storstad"
	begun := time.Now()
	err := f.add(ctx, name, persons, appleLink)
	if err == nil {
		err = until(ctx, name, func() (bool, error) {
			files, err := os.ReadDir(f.path("drop", name))
			return len(files) > 0, err
		})
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(f.stderr, "bench: the changes were done before the load was")
	case err != nil:
		return err
	default:
		fmt.Fprintf(f.stderr, "bench: %d persons are with Apple after %s\n", persons, round(time.Since(begun)))
	}
	return nil
}
