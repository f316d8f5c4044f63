// Command board writes docs/board.md: what the suites of sources and of targets saw of every connector that is built in.
// `make board` runs the suites and this, and `make race` has it compare the page with what the suites saw there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/services/connectors"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "board:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("board", flag.ContinueOnError)
	f.SetOutput(stderr)
	dir := f.String("reports", os.Getenv(conformance.BoardDir), "the folder in which the suites left their reports")
	file := f.String("file", "docs/board.md", "the page")
	check := f.Bool("check", false, "compare the page with the reports, and write nothing")
	if err := f.Parse(args); err != nil {
		return err
	}
	sources, targets := builtIn()
	b, err := load(*dir, sources, targets)
	if err != nil {
		return err
	}
	page := b.page()
	if *check {
		return errors.Join(b.failures(), compare(*file, page))
	}
	if err := os.WriteFile(*file, []byte(page), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "board: %s shows %d connectors\n", *file, len(sources)+len(targets))
	return b.failures()
}

// builtIn returns the folders of the connectors that are built in.
func builtIn() (sources, targets []string) {
	for _, c := range connectors.Sources() {
		sources = append(sources, "source-"+c.System)
	}
	for _, c := range connectors.Targets() {
		targets = append(targets, "target-"+c.System)
	}
	slices.Sort(sources)
	slices.Sort(targets)
	return sources, targets
}

// compare finds the first line at which the page in a file is another one.
func compare(file, page string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	old, now := strings.Split(string(data), "\n"), strings.Split(page, "\n")
	for i := range max(len(old), len(now)) {
		if a, b := line(old, i), line(now, i); a != b {
			return fmt.Errorf("%s is not what the suites see: run make board, and look at what it changes\n  line %d is  %s\n  and should be %s", file, i+1, a, b)
		}
	}
	return nil
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}
