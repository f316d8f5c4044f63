package main

import (
	"cmp"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// printedRun is a run as JSON.
type printedRun struct {
	ID       string         `json:"id"`
	State    source.State   `json:"state"`
	Code     reason.Code    `json:"code,omitempty"`
	Why      string         `json:"why,omitempty"`
	Next     string         `json:"next,omitempty"`
	Started  time.Time      `json:"started"`
	Ended    time.Time      `json:"ended"`
	Complete bool           `json:"complete"`
	Origin   string         `json:"origin,omitempty"`
	DataTime time.Time      `json:"dataTime,omitzero"`
	Seen     map[string]int `json:"seen,omitempty"`
	Counts   map[string]int `json:"counts,omitempty"`
}

func (c *control) runsCommand() *cobra.Command {
	var s scope
	var limit int
	cmd := &cobra.Command{
		Use:     "runs --tenant TENANT --source SOURCE",
		Short:   "Show what the reads of a source came to, the newest first",
		Example: "  essctl runs --tenant lund --source alvis --limit 5",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ref, err := s.ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				history, err := st.Runs(s.tenant).History(cmd.Context(), ref)
				if err != nil {
					return err
				}
				if len(history) == 0 { // is there such a source at all?
					if err := c.hasSource(cmd.Context(), st, s.tenant, ref); err != nil {
						return advised(err)
					}
				}
				slices.SortFunc(history, func(x, y source.Run) int { return cmp.Or(y.Started.Compare(x.Started), cmp.Compare(x.ID, y.ID)) })
				if limit > 0 && len(history) > limit {
					history = history[:limit]
				}
				return c.printRuns(ref, history)
			})
		},
	}
	s.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 0, "how many to show; 0 for all that are kept")
	return cmd
}

func (c *control) printRuns(ref roster.Source, runs []source.Run) error {
	list := make([]printedRun, len(runs))
	for i, r := range runs {
		list[i] = printedRun{
			ID: r.ID, State: r.State, Started: r.Started, Ended: r.Ended, Complete: r.Complete, Origin: r.Origin,
			DataTime: r.DataTime, Seen: r.Seen, Counts: r.Counts,
		}
		if r.Reason != nil {
			list[i].Code, list[i].Why, list[i].Next = r.Reason.Code, r.Reason.Text(reason.English), r.Reason.Next(reason.English)
		}
	}
	return c.print(list, func(w *tabwriter.Writer) {
		if len(list) == 0 {
			fmt.Fprintf(w, "%s has never read anything for this tenant.\n", ref)
			return
		}
		fmt.Fprintln(w, "STARTED\tSTATE\tTOOK\tCOUNTS\tWHY\tRUN")
		for _, r := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", clock(r.Started), r.State, r.Ended.Sub(r.Started).Round(time.Millisecond),
				counts(r.Counts), cmp.Or(r.Why, "-"), r.ID)
		}
	})
}
