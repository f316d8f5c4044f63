package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
)

func (c *control) sourcesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "Show a tenant's sources; read one now, pause one",
		Long: `Show a tenant's sources; read one now, pause one.

What is asked of a source is done by the program that owns it, and survives a crash of it. A source that is paused is not
read; when it is resumed it makes up for a scheduled read that it missed.`,
	}
	cmd.AddCommand(c.sourcesListCommand(), c.sourcesShowCommand(),
		c.sourceCommand("read", store.VerbRead, "Read a source now, whatever its schedule says", "the register is corrected"),
		c.sourceCommand("pause", store.VerbPause, "Have a source not be read, over restarts too, until it is resumed", "the register is being moved"),
		c.sourceCommand("resume", store.VerbResume, "Have a paused source be read again", "the register is moved"))
	return cmd
}

// sourceFlag adds the flag that names a source.
func sourceFlag(cmd *cobra.Command, source *string) {
	cmd.Flags().StringVar(source, "source", "", "the source, as system/instance; /default may be left out (required)")
	require(cmd, "source")
}

// sourceCommand asks one thing of one source.
func (c *control) sourceCommand(use string, verb store.Verb, short, why string) *cobra.Command {
	var x asking
	var source string
	cmd := &cobra.Command{
		Use:     use + " --tenant TENANT --source SOURCE --why REASON",
		Short:   short,
		Example: "  essctl sources " + use + ` --tenant lund --source alvis --why "` + why + `"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := x.who()
			if err != nil {
				return err
			}
			ref, err := (&scope{source: source}).ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				if err := c.hasSource(cmd.Context(), st, x.tenant, ref); err != nil {
					return advised(err)
				}
				return c.ask(cmd.Context(), st, x, []store.Ask{{Place: store.SourcePlace(x.tenant, ref), Verb: verb, By: by}})
			})
		},
	}
	x.flags(cmd)
	sourceFlag(cmd, &source)
	return cmd
}

// hasSource refuses a source that the tenant does not have: nobody would ever answer.
func (c *control) hasSource(ctx context.Context, st *store.Store, tenant string, ref roster.Source) error {
	s, err := c.subject(ctx, st, tenant)
	if err == nil && !slices.Contains(s.Sources, ref) {
		err = unknownSource(tenant, ref)
	}
	return err
}

func unknownSource(tenant string, ref roster.Source) error {
	return fmt.Errorf("tenant %s has no source %s: see essctl sources list --tenant %s", tenant, ref, tenant)
}

// shownSource is a source as JSON.
type shownSource struct {
	service.SourceStatus
	Paused *printedPause `json:"paused,omitempty"`
	Asks   []printedAsk  `json:"asks,omitempty"`
}

func (p shownSource) state() string {
	if p.Paused != nil {
		return "paused"
	}
	return cmp.Or(string(p.State), "never read")
}

func (p shownSource) why() string {
	switch {
	case p.Paused != nil:
		return fmt.Sprintf("by %s since %s: %s", p.Paused.By, clock(p.Paused.Since), p.Paused.Why)
	case p.Why != nil:
		return p.Why.What[reason.English]
	default:
		return "-"
	}
}

func (c *control) shownSources(ctx context.Context, st *store.Store, tenant string) ([]shownSource, error) {
	status, pauses, asks, err := c.standing(ctx, st, tenant)
	if err != nil {
		return nil, err
	}
	list := []shownSource{}
	for _, s := range status.Sources {
		p := store.SourcePlace(tenant, s.Source)
		list = append(list, shownSource{s, pauses[p], asks[p]})
	}
	slices.SortFunc(list, func(a, b shownSource) int { return a.Source.Compare(b.Source) })
	return list, nil
}

func (c *control) sourcesListCommand() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:     "list --tenant TENANT",
		Short:   "Show a tenant's sources: what the last read came to, and when one was believed",
		Example: "  essctl sources list --tenant lund",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				list, err := c.shownSources(cmd.Context(), st, tenant)
				if err != nil {
					return advised(err)
				}
				for i := range list {
					list[i].Asks = nil
				}
				return c.print(list, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "SOURCE\tVERDICT\tSTATE\tREAD\tBELIEVED\tHELD\tWHY")
					for _, s := range list {
						held := 0
						if s.Held != nil {
							held = s.Held.Changes
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", s.Name, s.Verdict, s.state(), clock(s.Started), clock(s.Believed), held, s.why())
					}
				})
			})
		},
	}
	tenantFlag(cmd, &tenant)
	return cmd
}

func (c *control) sourcesShowCommand() *cobra.Command {
	var s scope
	cmd := &cobra.Command{
		Use:     "show --tenant TENANT --source SOURCE",
		Short:   "Show one source: how it is, why, what to do, and what was asked of it",
		Example: "  essctl sources show --tenant lund --source alvis",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ref, err := s.ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				list, err := c.shownSources(cmd.Context(), st, s.tenant)
				if err != nil {
					return advised(err)
				}
				i := slices.IndexFunc(list, func(p shownSource) bool { return p.Source == ref })
				if i < 0 {
					return unknownSource(s.tenant, ref)
				}
				p := list[i]
				return c.print(p, func(w *tabwriter.Writer) {
					fmt.Fprintf(w, "source\t%s\nverdict\t%s\nstate\t%s\nwhy\t%s\n", p.Name, p.Verdict, p.state(), p.why())
					if p.Why != nil {
						fmt.Fprintf(w, "next step\t%s\n", p.Why.Next[reason.English])
					}
					fmt.Fprintf(w, "last read\t%s\nlast believed\t%s\n", clock(p.Started), clock(p.Believed))
					if p.Held != nil {
						fmt.Fprintf(w, "held\t%d since %s: essctl held show --tenant %s --source %s\n", p.Held.Changes, clock(p.Held.Since), s.tenant, p.Name)
					}
					for _, f := range p.Findings {
						fmt.Fprintf(w, "findings, %s\t%d new, %d still, %d gone\n", f.Severity, f.New, f.Still, f.Gone)
					}
					printAskLines(w, p.Asks)
				})
			})
		},
	}
	s.flags(cmd)
	return cmd
}
