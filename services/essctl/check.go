package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
)

func (c *control) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Go through what a source or a target needs, step by step",
		Long: `Go through what a source or a target needs, step by step: reach, with the address that we come from, sign-in, rights, and
what would be read or written. Nothing is changed. The program that reads the source or keeps the link does it, for it is that
which has to get through, and it does it while it is paused too. Every check signs in once: a wrong password counts at the
other side.`,
	}
	cmd.AddCommand(
		c.checkOneCommand(checking{"source", "alvis", sourceFlag, store.SourcePlace, c.hasSource}),
		c.checkOneCommand(checking{"link", "apple-school-manager", linkFlag, store.LinkPlace, c.hasLink}))
	return cmd
}

// checking says what is checked.
type checking struct {
	noun, example string
	flag          func(*cobra.Command, *string)
	place         func(tenant string, ref roster.Source) store.Place
	has           func(context.Context, *store.Store, string, roster.Source) error
}

func (c *control) checkOneCommand(k checking) *cobra.Command {
	x := asking{deed: deed{why: "a check"}}
	var name string
	cmd := &cobra.Command{
		Use:     k.noun + " --tenant TENANT --" + k.noun + " NAME",
		Short:   "Go through what a " + k.noun + " needs, step by step; nothing is changed",
		Example: "  essctl check " + k.noun + " --tenant lund --" + k.noun + " " + k.example,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := x.who()
			if err != nil {
				return err
			}
			ref, err := (&scope{source: name}).ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				if err := k.has(cmd.Context(), st, x.tenant, ref); err != nil {
					return advised(err)
				}
				return c.ask(cmd.Context(), st, x, []store.Ask{{Place: k.place(x.tenant, ref), Verb: store.VerbCheck, By: by}})
			})
		},
	}
	x.waitFlags(cmd)
	cmd.Flags().StringVar(&x.by, "by", "", "who does it (default: the user of this machine)")
	k.flag(cmd, &name)
	return cmd
}

// printSteps prints the steps of a check, if the detail of an answer holds them.
func printSteps(w *tabwriter.Writer, detail json.RawMessage) {
	var d service.CheckDetail
	if len(detail) == 0 || json.Unmarshal(detail, &d) != nil {
		return
	}
	for _, s := range d.Steps {
		switch {
		case s.OK:
			fmt.Fprintf(w, "ok\t%s\t%s\n", s.Step, s.Detail)
		case s.Why != nil:
			fmt.Fprintf(w, "FAILED\t%s\t%s\n\t\t%s\n", s.Step, s.Why.What[reason.English], s.Why.Next[reason.English])
		default:
			fmt.Fprintf(w, "FAILED\t%s\t%s\n", s.Step, s.Detail)
		}
	}
}
