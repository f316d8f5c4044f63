package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

func (c *control) parkedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "Show what a target does not take or waits for, and try it again",
		Long: `Show what a target does not take or waits for, and try it again.

  parked    the target refuses it as it is: its next change, another version of the mapping, or retry tries it again
  waiting   for something that does not stand yet, or for its next try
  withheld  the mapping says why the target does not get it

It is by key, without names, and tells nothing of protected persons.`,
	}
	retry := c.linkCommand("retry", store.VerbRetry, "Try what is parked or waits now", "the vendor has mended it", nil)
	retry.Example = `  essctl parked retry --tenant lund --link apple-school-manager --why "the vendor has mended it"`
	cmd.AddCommand(c.parkedListCommand(), c.parkedShowCommand(), retry)
	return cmd
}

// printedStuck is a resource that is parked, waits or is withheld, as JSON.
type printedStuck struct {
	Resource string            `json:"resource"`
	Entity   string            `json:"entity"`
	State    target.EntryState `json:"state"`
	Held     bool              `json:"held"` // the target has an older state of it
	Code     reason.Code       `json:"code,omitempty"`
	Why      string            `json:"why,omitempty"`
	Next     string            `json:"next,omitempty"`
	Attempts int               `json:"attempts,omitempty"`
	NextTry  time.Time         `json:"nextTry,omitzero"`
	Near     []printedNear     `json:"near,omitempty"` // what the target has and it may be
	Since    time.Time         `json:"since,omitzero"` // when the log took the change that is not there yet
}

// printedNear is something that the target has and that may be a resource: by its own id, which says nothing of a person.
type printedNear struct {
	Native  string `json:"native"`
	By      string `json:"by,omitempty"` // the key that is equal; none of what is only close
	Refused string `json:"refused,omitempty"`
}

// stuck returns what is stuck of a link.
func (c *control) stuck(ctx context.Context, st *store.Store, tenant string, link roster.Source) ([]printedStuck, error) {
	r, err := c.whole(ctx, st, tenant)
	if err != nil {
		return nil, err
	}
	book, err := st.Ledger(tenant).Look(ctx, link)
	if err != nil {
		return nil, err
	}
	h, err := target.Hold(ctx, book)
	if err != nil {
		return nil, err
	}
	list := []printedStuck{}
	for _, e := range h.Stuck(func(ref roster.Ref) bool { return ref.Kind == roster.KindPerson && r.Contained(ref.Key) }) {
		p := printedStuck{
			Resource: e.ID.String(), Entity: e.Entity.String(), State: e.State, Held: e.Held,
			Attempts: e.Attempts, NextTry: e.NextTry, Since: e.Cause.When,
		}
		if e.Reason != nil {
			p.Code, p.Why, p.Next = e.Reason.Code, e.Reason.Text(reason.English), e.Reason.Next(reason.English)
		}
		for _, n := range e.Near {
			p.Near = append(p.Near, printedNear{n.Native, n.By, n.Refused})
		}
		list = append(list, p)
	}
	return list, nil
}

func (c *control) parkedListCommand() *cobra.Command {
	var tenant, link string
	var states []string
	cmd := &cobra.Command{
		Use:     "list --tenant TENANT --link TARGET [--state STATE ...]",
		Short:   "Show what is parked, waits or is withheld, and why",
		Example: "  essctl parked list --tenant lund --link apple-school-manager\n  essctl parked list --tenant lund --link apple-school-manager --state withheld",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			known := []string{string(target.Parked), string(target.Waiting), string(target.Withheld)}
			for _, s := range states {
				if !slices.Contains(known, s) {
					return fmt.Errorf("--state is %q: write parked, waiting or withheld", s)
				}
			}
			return c.withStuck(cmd.Context(), tenant, link, func(list []printedStuck) error {
				list = slices.DeleteFunc(list, func(p printedStuck) bool { return !slices.Contains(states, string(p.State)) })
				return c.print(list, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "RESOURCE\tENTITY\tSTATE\tWHY\tATTEMPTS\tNEXT TRY")
					for _, p := range list {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", p.Resource, p.Entity, p.State, cmp.Or(p.Why, "-"), p.Attempts, clock(p.NextTry))
					}
				})
			})
		},
	}
	tenantFlag(cmd, &tenant)
	linkFlag(cmd, &link)
	cmd.Flags().StringSliceVar(&states, "state", []string{string(target.Parked), string(target.Waiting)}, "parked, waiting or withheld; may be given several times")
	return cmd
}

func (c *control) parkedShowCommand() *cobra.Command {
	var tenant, link string
	cmd := &cobra.Command{
		Use:     "show RESOURCE --tenant TENANT --link TARGET",
		Short:   "Show one resource: why it is stuck, and what to do",
		Example: "  essctl parked show student/3f0c5b1e-… --tenant lund --link apple-school-manager",
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withStuck(cmd.Context(), tenant, link, func(list []printedStuck) error {
				i := slices.IndexFunc(list, func(p printedStuck) bool { return p.Resource == args[0] || p.Entity == args[0] })
				if i < 0 {
					return fmt.Errorf("nothing of this name is parked, waits or is withheld: see essctl parked list --tenant %s --link %s", tenant, link)
				}
				p := list[i]
				return c.print(p, func(w *tabwriter.Writer) {
					fmt.Fprintf(w, "resource\t%s\nentity\t%s\nstate\t%s\nwhy\t%s\nnext step\t%s\n", p.Resource, p.Entity, p.State, cmp.Or(p.Why, "-"), cmp.Or(p.Next, "-"))
					fmt.Fprintf(w, "the target has it\t%t\nattempts\t%d\nnext try\t%s\nchanged\t%s\n", p.Held, p.Attempts, clock(p.NextTry), clock(p.Since))
					for _, n := range p.Near {
						fmt.Fprintf(w, "may be\t%s\tby %s\t%s\n", n.Native, cmp.Or(n.By, "nothing, only close"), n.Refused)
					}
				})
			})
		},
	}
	tenantFlag(cmd, &tenant)
	linkFlag(cmd, &link)
	return cmd
}

// withStuck hands over what is stuck of a link.
func (c *control) withStuck(ctx context.Context, tenant, link string, do func([]printedStuck) error) error {
	ref, err := (&scope{source: link}).ref()
	if err != nil {
		return err
	}
	return c.with(ctx, func(st *store.Store) error {
		if err := c.hasLink(ctx, st, tenant, ref); err != nil {
			return advised(err)
		}
		list, err := c.stuck(ctx, st, tenant, ref)
		if err != nil {
			return advised(err)
		}
		return do(list)
	})
}
