package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// printedFinding is a finding as JSON: one about one entity, or with the entities counted those of a rule.
type printedFinding struct {
	State    source.IssueState `json:"state"`
	Severity fact.Severity     `json:"severity"`
	Effect   fact.Effect       `json:"effect"`
	Owner    reason.Owner      `json:"owner"`
	Code     reason.Code       `json:"code"`
	What     string            `json:"what"`
	Next     string            `json:"next"`
	Count    int               `json:"count"`
	Since    time.Time         `json:"since,omitzero"`
	Where    string            `json:"where,omitempty"`
	Ref      string            `json:"ref,omitempty"`
}

type printedFindings struct {
	Run      string           `json:"run"`
	At       time.Time        `json:"at"`
	Findings []printedFinding `json:"findings"`
}

func (c *control) findingsCommand() *cobra.Command {
	var s scope
	var runID, language string
	var each bool
	cmd := &cobra.Command{
		Use:   "findings --tenant TENANT --source SOURCE",
		Short: "Show what a read found wrong: since when, whose it is, and what to change",
		Long: `Show what a read found wrong in the register, beside the read before: new, still or gone; how much it matters, who can mend
it, since when it is so, and what to change. Persons are keys; nothing is told of protected persons.

Beside them stands how many of its persons another register speaks of as somebody else, now; see essctl person suggestions.

The newest read that came to findings is shown; a read that broke off found nothing, and mends nothing either.`,
		Example: "  essctl findings --tenant lund --source alvis --language sv\n  essctl findings --tenant lund --source alvis --each -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ref, err := s.ref()
			if err != nil {
				return err
			}
			l := reason.Language(language)
			if l != reason.English && l != reason.Swedish {
				return fmt.Errorf("--language is %q: write sv or en", language)
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				return c.findings(cmd.Context(), st, s.tenant, ref, runID, l, each)
			})
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&runID, "run", "", "the id of a run; the newest when none is given")
	f.StringVar(&language, "language", "en", "of the texts: sv or en")
	f.BoolVar(&each, "each", false, "one line a finding, with its key, in place of one a rule")
	return cmd
}

func (c *control) findings(ctx context.Context, st *store.Store, tenant string, ref roster.Source, run string, l reason.Language, each bool) error {
	found, err := st.Runs(tenant).Found(ctx, ref, run)
	if err != nil {
		return err
	}
	if found == nil {
		if err := c.hasSource(ctx, st, tenant, ref); err != nil {
			return advised(err)
		}
		return fmt.Errorf("no findings of %s are kept: there is no such run, or it broke off before; see essctl runs", ref)
	}
	across, err := service.AcrossSources(ctx, st, tenant, c.now())
	if err != nil {
		return err
	}
	found = across.Told(found)
	out := printedFindings{Run: found.Run, At: found.At, Findings: []printedFinding{}}
	type rule struct {
		state source.IssueState
		what  string
	}
	index := map[rule]int{}
	for _, i := range found.Issues {
		p := printedFinding{
			State: i.State, Severity: i.Severity, Effect: i.Effect, Owner: i.Reason.Code.Owner(), Code: i.Reason.Code,
			What: i.Reason.Text(l), Next: i.Reason.Next(l), Count: i.Count, Since: i.Since, Where: i.Where,
		}
		if each {
			if !i.Ref.Key.IsZero() {
				p.Ref = i.Ref.String()
			}
			out.Findings = append(out.Findings, p)
			continue
		}
		k := rule{i.State, string(i.Effect) + " " + p.What}
		n, ok := index[k]
		if !ok {
			index[k] = len(out.Findings)
			out.Findings = append(out.Findings, p)
			continue
		}
		f := &out.Findings[n]
		f.Count += i.Count
		if i.Since.Before(f.Since) {
			f.Since = i.Since
		}
	}
	if n := across.Of(ref); n > 0 && run == "" { // of now, and of no run: nobody compared it with the day before
		why := reason.New(reason.RegistersDisagree)
		out.Findings = append(out.Findings, printedFinding{
			State: source.IssueStill, Severity: fact.Serious, Effect: fact.Noted, Owner: why.Code.Owner(), Code: why.Code,
			What: why.Text(l), Next: why.Next(l), Count: n,
		})
	}
	order := []source.IssueState{source.IssueNew, source.IssueStill, source.IssueGone}
	weight := []fact.Severity{fact.Serious, fact.Warning, fact.Info}
	slices.SortStableFunc(out.Findings, func(x, y printedFinding) int {
		return cmp.Or(slices.Index(order, x.State)-slices.Index(order, y.State), slices.Index(weight, x.Severity)-slices.Index(weight, y.Severity))
	})
	return c.print(out, func(w *tabwriter.Writer) {
		if len(out.Findings) == 0 {
			fmt.Fprintf(w, "Run %s of %s found nothing wrong.\n", out.Run, clock(out.At))
			return
		}
		fmt.Fprintf(w, "Run %s of %s\n\nSTATE\tSEVERITY\tCOUNT\tOWNER\tSINCE\tWHAT", out.Run, clock(out.At))
		if each {
			fmt.Fprint(w, "\tWHERE\tKEY")
		}
		fmt.Fprintln(w)
		for _, f := range out.Findings {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s %s", f.State, f.Severity, f.Count, f.Owner, clock(f.Since), f.What, f.Next)
			if each {
				fmt.Fprintf(w, "\t%s\t%s", cmp.Or(f.Where, "-"), cmp.Or(f.Ref, "-"))
			}
			fmt.Fprintln(w)
		}
	})
}
