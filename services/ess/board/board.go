package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"eventful.se/ess/libs/conformance"
)

// board is what the page shows. Nothing of it depends on when or where the suites ran (R11).
type board struct{ sources, targets []conformance.Report }

// load reads the reports of connectors, named by their folders. Reports of others, such as those that the suites test
// themselves with, are left alone.
func load(dir string, sources, targets []string) (b board, err error) {
	var errs []error
	read := func(names []string) (list []conformance.Report) {
		for _, name := range names {
			of, err := loadAll(dir, name)
			errs = append(errs, err)
			list = append(list, of...)
		}
		return list
	}
	b.sources, b.targets = read(sources), read(targets)
	return b, errors.Join(errs...)
}

// loadAll reads the reports on one connector, of which there is one for each peer that it was tested against.
func loadAll(dir, name string) (list []conformance.Report, err error) {
	files, err := fs.Glob(os.DirFS(dir), name+".*json")
	if len(files) == 0 && err == nil {
		suite, _, _ := strings.Cut(name, "-")
		return nil, fmt.Errorf("%s is built in, and no suite reported on it: one of its tests has to call %stest.Test, and has to run", name, suite)
	}
	for _, file := range files {
		r, oneErr := loadOne(dir, file)
		if oneErr != nil {
			err = errors.Join(err, fmt.Errorf("the report on %s: %w", name, oneErr))
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b conformance.Report) int { return strings.Compare(a.Against, b.Against) })
	return list, err
}

func loadOne(dir, file string) (r conformance.Report, err error) {
	data, err := fs.ReadFile(os.DirFS(dir), file)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return r, err
	}
	for _, c := range r.Cases {
		if c.Guarantee.Promise() == "" {
			return r, fmt.Errorf("%q is none of the guarantees, but of the case %q", c.Guarantee, c.Name)
		}
	}
	return r, nil
}

// failures tells the cases that failed.
func (b board) failures() error {
	var errs []error
	for _, r := range slices.Concat(b.sources, b.targets) {
		for _, c := range r.Cases {
			if c.Outcome == conformance.Failed {
				errs = append(errs, fmt.Errorf("%s failed: %s", r.Connector, c.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// The symbols of the page.
const (
	proved = "●"
	inPart = "◐"
	ruled  = "○"
	failed = "✗"
	nobody = "·"
)

// symbol shows what became of a guarantee.
func symbol(r *conformance.Report, g conformance.Guarantee) string {
	outcome, _, tried := r.Of(g)
	switch {
	case !tried:
		return nobody
	case outcome == conformance.Failed:
		return failed
	case outcome == conformance.DoesNotApply:
		return ruled
	case slices.ContainsFunc(r.Cases, func(c conformance.Case) bool { return c.Guarantee == g && c.Outcome == conformance.DoesNotApply }):
		return inPart
	default:
		return proved
	}
}

func (b board) page() string {
	var w strings.Builder
	fmt.Fprintf(&w, `# Board

What the suites saw of every connector. `+"`make board`"+` writes this page, and CI fails when the suites see something else.

- %s proved
- %s proved, and some of its cases do not apply to this connector
- %s does not apply to this connector
- %s failed
- %s not tried

`, proved, inPart, ruled, failed, nobody)
	section(&w, "Sources", "source", b.sources)
	section(&w, "Targets", "target", b.targets)
	w.WriteString("## The guarantees\n\n")
	rows := [][]string{{"guarantee", "what is promised"}}
	for _, g := range conformance.Guarantees() {
		rows = append(rows, []string{string(g), g.Promise()})
	}
	table(&w, rows)
	w.WriteString("\n## What does not apply, and why\n\nCounted are cases, and parts of cases that hold in their other parts.\n")
	all := slices.Concat(b.sources, b.targets)
	for _, r := range all {
		reasons(&w, &r)
	}
	w.WriteString("\n")
	for i, r := range all {
		if i == 0 || all[i-1].Connector != r.Connector {
			fmt.Fprintf(&w, "[%s]: ../services/%s\n", r.Connector, r.Connector)
		}
	}
	return w.String()
}

// section shows the connectors of one half, by the guarantees that any of them was tried for.
func section(w *strings.Builder, title, one string, reports []conformance.Report) {
	fmt.Fprintf(w, "## %s\n\n", title)
	header := []string{"connector"}
	var columns []conformance.Guarantee
	var untried []string
	for _, g := range conformance.Guarantees() {
		if slices.ContainsFunc(reports, func(r conformance.Report) bool { return symbol(&r, g) != nobody }) {
			columns, header = append(columns, g), append(header, string(g))
		} else {
			untried = append(untried, string(g))
		}
	}
	rows := [][]string{append(header, "cases", "do not apply", "tested against")}
	for _, r := range reports {
		row := []string{"[" + r.Connector + "]"}
		for _, g := range columns {
			row = append(row, symbol(&r, g))
		}
		rows = append(rows, append(row, fmt.Sprint(len(r.Cases)), fmt.Sprint(r.Skips()), r.Against))
	}
	table(w, rows)
	if len(untried) > 0 {
		fmt.Fprintf(w, "\nNo %s is tried for: %s.\n", one, strings.Join(untried, ", "))
	}
	w.WriteString("\n")
}

// reasons lists why cases and parts of cases of a connector do not apply, in the order in which they came.
func reasons(w *strings.Builder, r *conformance.Report) {
	var order []string
	count, of := map[string]int{}, map[string][]string{}
	note := func(why string, g conformance.Guarantee) {
		if count[why]++; count[why] == 1 {
			order = append(order, why)
		}
		if !slices.Contains(of[why], string(g)) {
			of[why] = append(of[why], string(g))
		}
	}
	for _, c := range r.Cases {
		if c.Outcome == conformance.DoesNotApply {
			note(c.Why, c.Guarantee)
		}
		for _, p := range c.Without {
			note(p.Why, c.Guarantee)
		}
	}
	if len(order) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s, against %s: %d\n\n", r.Connector, r.Against, r.Skips())
	rows := [][]string{{"n", "of", "why"}}
	for _, why := range order {
		rows = append(rows, []string{fmt.Sprint(count[why]), strings.Join(of[why], ", "), why})
	}
	table(w, rows)
}

// table writes rows, of which the first is the header, so that they can also be read as they stand. The last column is
// as wide as it comes.
func table(w *strings.Builder, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "|", `\|`)
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	last := len(width) - 1
	for i, row := range rows {
		for j, cell := range row {
			if fmt.Fprintf(w, "| %s ", cell); j < last {
				w.WriteString(strings.Repeat(" ", width[j]-utf8.RuneCountInString(cell)))
			}
		}
		if w.WriteString("|\n"); i > 0 {
			continue
		}
		for j := range row {
			dashes := 3
			if j < last {
				dashes = width[j]
			}
			w.WriteString("|" + strings.Repeat("-", dashes+2))
		}
		w.WriteString("|\n")
	}
}
