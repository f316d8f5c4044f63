package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/store"
)

// printedMember is a process that runs, as JSON.
type printedMember struct {
	Program  string `json:"program"`
	Instance string `json:"instance"`
	Session  string `json:"session"`
	State    string `json:"state"` // here or leaving
	// Heard is when it last said that it lives, and Ago how many seconds that was before the look, both by the clock of NATS.
	Heard time.Time `json:"lastHeard"`
	Ago   int       `json:"secondsAgo"`
}

func (c *control) membersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "Show which processes run, of those that share their work",
	}
	var program string
	list := &cobra.Command{
		Use:   "list [--program PROGRAM]",
		Short: "Show which processes run",
		Long: `Show which processes run: the replicas of each program, which share its sources or links. One that does not renew its
membership is left out after some seconds, and the others take over what it had. Until then one that died is shown too: one that
lives was heard within the last few seconds. An all-in-one installation has none.`,
		Example: "  essctl members list --program target-apple-school-manager",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				members := st.Members()
				roll, err := members.Look(cmd.Context(), program)
				if err != nil {
					return advised(err)
				}
				list := []printedMember{}
				for _, m := range roll.Members {
					heard, err := members.Renewed(cmd.Context(), m)
					if err != nil {
						return advised(err)
					}
					if heard.IsZero() { // it went meanwhile
						continue
					}
					ago := max(0, int(roll.Now.Sub(heard).Seconds())) // it may have renewed since the look
					p := printedMember{m.Program, m.Instance, m.Session, "here", heard, ago}
					if m.Leaving {
						p.State = "leaving"
					}
					list = append(list, p)
				}
				return c.print(list, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "PROGRAM\tINSTANCE\tSESSION\tSTATE\tLAST HEARD")
					for _, p := range list {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d s ago\n", p.Program, p.Instance, p.Session, p.State, p.Ago)
					}
				})
			})
		},
	}
	list.Flags().StringVar(&program, "program", "", "of this program only")
	cmd.AddCommand(list)
	return cmd
}
