package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	usernames "eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
)

// printedName is a user name and whose it is, as JSON.
type printedName struct {
	Name   string      `json:"name"`
	Person string      `json:"person,omitempty"` // by key; none of what is somebody's outside of ESS
	Role   roster.Role `json:"role,omitempty"`
	State  string      `json:"state"` // current, former, reserved, free or foreign
	Since  string      `json:"since,omitempty"`
	Ended  string      `json:"ended,omitempty"` // when the last account with it was deleted
	Until  string      `json:"reservedUntil,omitempty"`
}

// The states of a name.
const (
	nameCurrent  = "current"  // its owner is called so
	nameFormer   = "former"   // its owner is called otherwise now
	nameReserved = "reserved" // no account has it, and nobody else gets it yet
	nameFree     = "free"     // the reserve is over: the next whom it fits gets it
	nameForeign  = "foreign"  // something outside of ESS has it
)

func (c *control) namesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "names",
		Short: "Show who has which user name",
		Long: `Show who has which user name, in every target of the tenant.

  current   the person is called so
  former    the person is called otherwise now, and nobody else gets the name
  reserved  the last account was deleted, and nobody else gets the name before reservedUntil has passed
  free      the reserve is over: the next whom the name fits gets it
  foreign   something in a target has it that ESS did not make

Persons are by key, and nothing is told of protected persons.`,
	}
	cmd.AddCommand(c.namesListCommand(), c.namesShowCommand())
	return cmd
}

func (c *control) namesListCommand() *cobra.Command {
	var tenant, state string
	cmd := &cobra.Command{
		Use:     "list --tenant TENANT [--state STATE]",
		Short:   "Show every user name of a tenant",
		Example: "  essctl names list --tenant lund --state reserved",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			states := []string{nameCurrent, nameFormer, nameReserved, nameFree, nameForeign}
			if state != "" && !slices.Contains(states, state) {
				return fmt.Errorf("--state is %q: write %s", state, strings.Join(states, ", "))
			}
			return c.withNames(cmd.Context(), tenant, func(list []printedName) error {
				return c.printNames(slices.DeleteFunc(list, func(p printedName) bool { return state != "" && p.State != state }))
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "the tenant (required)")
	cmd.Flags().StringVar(&state, "state", "", "those in this state only")
	require(cmd, "tenant")
	return cmd
}

func (c *control) namesShowCommand() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:     "show PERSON|NAME --tenant TENANT",
		Short:   "Show what a person is called, or whose a name is",
		Long:    "Show what a person is called, now and before: by key. Or whose a name is.",
		Example: "  essctl names show annand --tenant lund",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withNames(cmd.Context(), tenant, func(list []printedName) error {
				asked := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(args[0], "person/")))
				list = slices.DeleteFunc(list, func(p printedName) bool { return p.Name != asked && p.Person != asked })
				if len(list) == 0 {
					return errors.New("nobody has or had that name, and nobody with that key has one; look at `essctl names list`, and at `essctl parked list` for who waits for one")
				}
				return c.printNames(list)
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "the tenant (required)")
	require(cmd, "tenant")
	return cmd
}

// withNames hands over the names of a tenant, without those of persons whom every target must keep out.
func (c *control) withNames(ctx context.Context, name string, do func([]printedName) error) error {
	return c.with(ctx, func(st *store.Store) error {
		d, err := c.documentToPreview(ctx, st, name, "")
		if err != nil {
			return advised(err)
		}
		r, err := c.whole(ctx, st, name)
		if err != nil {
			return advised(err)
		}
		claims, _, err := st.Names(name).Load(ctx)
		if err != nil {
			return advised(err)
		}
		list, today := []printedName{}, roster.Today(c.now())
		for _, x := range claims {
			key, _ := r.Became(x.Owner.Person)
			if !r.Contained(x.Owner.Person) && !r.Contained(key) {
				list = append(list, nameOf(x, d.Names, today))
			}
		}
		return do(list)
	})
}

func nameOf(x usernames.Claim, s usernames.Spec, today roster.Date) printedName {
	day := func(d roster.Date) string {
		if d.IsOpen() {
			return ""
		}
		return d.String()
	}
	p := printedName{Name: x.Name, Role: x.Owner.Role, State: nameCurrent, Since: day(x.Since), Ended: day(x.Ended), Until: day(s.Until(x.Ended))}
	switch {
	case x.Owner == (usernames.Owner{}):
		p.State, p.Until = nameForeign, ""
		return p
	case !x.Ended.IsOpen() && today > s.Until(x.Ended):
		p.State = nameFree
	case !x.Ended.IsOpen():
		p.State = nameReserved
	case x.Former:
		p.State = nameFormer
	}
	p.Person = x.Owner.Person.String()
	return p
}

func (c *control) printNames(list []printedName) error {
	return c.print(list, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "NAME\tPERSON\tROLE\tSTATE\tSINCE\tENDED\tRESERVED UNTIL")
		dash := func(s string) string {
			if s == "" {
				return "-"
			}
			return s
		}
		for _, p := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, dash(p.Person), dash(string(p.Role)), p.State, dash(p.Since), dash(p.Ended), dash(p.Until))
		}
	})
}
