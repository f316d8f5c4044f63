package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/store"
)

// printedMember is a process that runs, as JSON.
type printedMember struct {
	Program  string `json:"program"`
	Instance string `json:"instance"`
	Session  string `json:"session"`
	State    string `json:"state"` // here or leaving
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
membership is left out after some seconds, and the others take over what it had. An all-in-one installation has none.`,
		Example: "  essctl members list --program target-apple-school-manager",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				roll, err := st.Members().Look(cmd.Context(), program)
				if err != nil {
					return advised(err)
				}
				list := []printedMember{}
				for _, m := range roll.Members {
					p := printedMember{m.Program, m.Instance, m.Session, "here"}
					if m.Leaving {
						p.State = "leaving"
					}
					list = append(list, p)
				}
				return c.print(list, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "PROGRAM\tINSTANCE\tSESSION\tSTATE")
					for _, p := range list {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Program, p.Instance, p.Session, p.State)
					}
				})
			})
		},
	}
	list.Flags().StringVar(&program, "program", "", "of this program only")
	cmd.AddCommand(list)
	return cmd
}
