package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
)

func (c *control) heldCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "held",
		Short: "Show, approve or reject what the guard of a source or a link holds",
		Long: `Show, approve or reject what the guard of a source or a link holds.

More changes than the limits of a source allow are not published, and more than those of a link are not made at the
target: they wait for a person, and silence changes nothing. What was approved is published by the next read that still
asks for it, or made within a minute, once, within 7 days. What was rejected stays as it is and is not asked about again
for 7 days; mend the register meanwhile.`,
	}
	cmd.AddCommand(c.showCommand(), c.decideCommand(guard.Approved), c.decideCommand(guard.Rejected))
	return cmd
}

// guarded is the source or the link whose guard a command is about.
type guarded struct{ tenant, source, link string }

func (g *guarded) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.tenant, "tenant", "", "the tenant (required)")
	cmd.Flags().StringVar(&g.source, "source", "", "the source, as system/instance; /default may be left out")
	cmd.Flags().StringVar(&g.link, "link", "", "the target of the link, as system/instance; /default may be left out")
	cmd.MarkFlagsOneRequired("source", "link")
	cmd.MarkFlagsMutuallyExclusive("source", "link")
	require(cmd, "tenant")
}

func (g *guarded) ref() (roster.Source, error) {
	return (&scope{g.tenant, g.source + g.link}).ref()
}

// hasGuard refuses a source or a link that the tenant does not have.
func (c *control) hasGuard(ctx context.Context, st *store.Store, of guarded, ref roster.Source) error {
	if of.link != "" {
		return c.hasLink(ctx, st, of.tenant, ref)
	}
	return c.hasSource(ctx, st, of.tenant, ref)
}

// holds returns where its guard keeps what it holds.
func (g *guarded) holds(st *store.Store) *store.Holds {
	if g.link != "" {
		return st.LinkHolds(g.tenant)
	}
	return st.Holds(g.tenant)
}

// printedHold is a frozen set as JSON.
type printedHold struct {
	Digest  string         `json:"digest"` // empty when nothing is held
	Run     string         `json:"run,omitempty"`
	Since   time.Time      `json:"since,omitzero"`
	Seen    time.Time      `json:"seen,omitzero"`
	Expired bool           `json:"expired"`
	Doubt   string         `json:"doubt,omitempty"`
	Groups  []printedGroup `json:"groups"`
}

type printedGroup struct {
	ID        string              `json:"id"`
	Operation guard.Operation     `json:"operation"`
	UnitKey   roster.Key          `json:"unitKey,omitzero"`
	Unit      string              `json:"unit,omitempty"`
	ClassKey  roster.Key          `json:"classKey,omitzero"`
	Class     string              `json:"class,omitempty"`
	Counts    map[roster.Kind]int `json:"counts"`
	Open      int                 `json:"open"`
	Approved  int                 `json:"approved"`
	Rejected  int                 `json:"rejected"`
	Refs      []string            `json:"refs"`
}

func (c *control) showCommand() *cobra.Command {
	var of guarded
	var all bool
	cmd := &cobra.Command{
		Use:   "show --tenant TENANT {--source SOURCE | --link TARGET} [--all]",
		Short: "Show what waits, by unit, class and operation",
		Long: fmt.Sprintf(`Show what waits, by unit, class and operation: first how much there is of each operation, and last how to decide about it.
Of more than %d groups the table shows the first ones; --all shows every one, and so does -o json.`, shownGroups),
		Example: "  essctl held show --tenant lund --source alvis\n  essctl held show --tenant lund --link apple-school-manager",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ref, err := of.ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error { return c.show(cmd.Context(), st, of, ref, all) })
		},
	}
	of.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every group in the table, however many they are")
	return cmd
}

// shownGroups is how many groups the table has without --all.
const shownGroups = 40

func (c *control) show(ctx context.Context, st *store.Store, of guarded, ref roster.Source, all bool) error {
	g, err := of.holds(st).Kept(ctx, ref)
	if err != nil {
		return err
	}
	if g.Hold == nil {
		if err := c.hasGuard(ctx, st, of, ref); err != nil {
			return advised(err)
		}
		return c.print(printedHold{Groups: []printedGroup{}}, func(w *tabwriter.Writer) { fmt.Fprintf(w, "Nothing of %s is held.\n", ref) })
	}
	groups := g.Groups(c.now())
	named, err := names(ctx, st, of, ref, groups)
	if err != nil {
		return err
	}
	h := printedHold{Digest: g.Hold.Digest, Run: g.Hold.Run, Since: g.Hold.Since, Seen: g.Hold.Seen, Expired: g.Hold.Expired(c.now())}
	if g.Hold.Doubt != nil {
		h.Doubt = g.Hold.Doubt.Text(reason.English)
	}
	for _, x := range groups {
		p := printedGroup{
			ID: x.ID, Operation: x.Operation, UnitKey: x.Unit, Unit: named[x.Unit], ClassKey: x.Class, Class: named[x.Class],
			Counts: x.Counts, Open: x.Open(), Approved: x.Verdicts[guard.Approved], Rejected: x.Verdicts[guard.Rejected],
		}
		for _, i := range x.Items {
			p.Refs = append(p.Refs, i.Ref.String())
		}
		h.Groups = append(h.Groups, p)
	}
	return c.print(h, func(w *tabwriter.Writer) { h.table(w, of, ref, all) })
}

// table prints what is held: a summary, the groups, and last how to decide, which is what a long table leaves on the screen.
func (h *printedHold) table(w io.Writer, of guarded, ref roster.Source, all bool) {
	fmt.Fprintf(w, "%s of %s: held since %s, last seen %s\n", h.Digest, ref, clock(h.Since), clock(h.Seen))
	if h.Doubt != "" {
		fmt.Fprintln(w, h.Doubt)
	}
	fmt.Fprintln(w, "\nOPERATION\tGROUPS\tCHANGES\tWAITING\tAPPROVED\tREJECTED")
	for _, s := range h.summary() {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\n", s.operation, s.groups, counts(s.counts), s.open, s.approved, s.rejected)
	}
	shown := h.Groups
	if !all {
		shown = shown[:min(len(shown), shownGroups)]
	}
	fmt.Fprintln(w, "\nGROUP\tUNIT\tCLASS\tOPERATION\tCHANGES\tWAITING\tAPPROVED\tREJECTED")
	for _, g := range shown {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", g.ID, cmp.Or(g.Unit, "-"), cmp.Or(g.Class, "-"), g.Operation,
			counts(g.Counts), g.Open, g.Approved, g.Rejected)
	}
	if more := len(h.Groups) - len(shown); more > 0 {
		fmt.Fprintf(w, "and %d more: --all shows them\n", more)
	}
	if h.Expired {
		fmt.Fprintln(w, "\nIt is too old to be decided about: nothing has looked at it for 7 days.")
		return
	}
	on := "--source " + of.source
	if of.link != "" {
		on = "--link " + of.link
	}
	fmt.Fprintln(w, "\nDecide about all of it, or with --group GROUP about some:")
	for _, verb := range []string{"approve", "reject "} {
		fmt.Fprintf(w, "  essctl held %s %s --tenant %s %s --why REASON\n", verb, h.Digest, of.tenant, on)
	}
}

// heldSum is how much of an operation is held.
type heldSum struct {
	operation                        guard.Operation
	counts                           map[roster.Kind]int
	groups, open, approved, rejected int
}

// summary adds the groups up by operation, in the order in which they come.
func (h *printedHold) summary() (list []heldSum) {
	for _, g := range h.Groups {
		i := slices.IndexFunc(list, func(s heldSum) bool { return s.operation == g.Operation })
		if i < 0 {
			i, list = len(list), append(list, heldSum{operation: g.Operation, counts: map[roster.Kind]int{}})
		}
		s := &list[i]
		s.groups++
		for k, n := range g.Counts {
			s.counts[k] += n
		}
		s.open, s.approved, s.rejected = s.open+g.Open, s.approved+g.Approved, s.rejected+g.Rejected
	}
	return list
}

// names returns what the log calls the units and classes of groups. What is held itself has none of it, for the store of
// what is held has keys only.
func names(ctx context.Context, st *store.Store, of guarded, ref roster.Source, groups []guard.HoldGroup) (map[roster.Key]string, error) {
	named := map[roster.Key]string{}
	for _, g := range groups {
		named[g.Unit], named[g.Class] = "", ""
	}
	delete(named, roster.Key{})
	if len(named) == 0 {
		return named, nil
	}
	note := func(r *roster.Record) {
		switch _, wanted := named[r.Ref.Key]; {
		case !wanted:
		case r.Organisation != nil:
			named[r.Ref.Key] = r.Organisation.DisplayName
		case r.Group != nil:
			named[r.Ref.Key] = r.Group.DisplayName
		}
	}
	var err error
	if of.link == "" {
		err = st.Log(of.tenant).Records(ctx, ref, func(r roster.Record) error {
			note(&r)
			return nil
		})
	} else { // a link reads every source
		_, err = st.Log(of.tenant).Load(ctx, func(e roster.Event) error {
			if e.Record != nil {
				note(e.Record)
			}
			return nil
		})
	}
	for k, name := range named {
		if name == "" {
			named[k] = k.String()
		}
	}
	return named, err
}

// decided is the outcome of a decision as JSON.
type decided struct {
	Digest  string              `json:"digest"`
	Verdict guard.Verdict       `json:"verdict"`
	Items   int                 `json:"items"`
	Groups  []string            `json:"groups"`
	Counts  map[roster.Kind]int `json:"counts"`
	By      string              `json:"by"`
	DryRun  bool                `json:"dryRun"`
}

func (c *control) decideCommand(v guard.Verdict) *cobra.Command {
	var of guarded
	var d deed
	var groups []string
	verb, short := "approve", "Let what is held be published by the next read that still asks for it, or made at the target"
	if v == guard.Rejected {
		verb, short = "reject", "Leave what is held as it is, and do not ask about it again for 7 days"
	}
	cmd := &cobra.Command{
		Use:   verb + " DIGEST --tenant TENANT {--source SOURCE | --link TARGET} --why REASON [--group GROUP ...]",
		Short: short,
		Long: short + `.

DIGEST is what essctl held show printed: when a read came between, it is another one, and nothing is decided. Without
--group the decision is on all of it.`,
		Example: "  essctl held " + verb + ` 4f1c2a9be077 --tenant lund --source alvis --group 81d5a0c3 --why "class 9B, called the school"`,
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := of.ref()
			if err != nil {
				return err
			}
			by, err := d.who()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				out, err := c.decide(cmd.Context(), st, of, ref, decided{Digest: args[0], Verdict: v, Groups: groups, By: by, DryRun: d.dryRun}, "held."+verb, d.why)
				if err != nil {
					return err
				}
				return c.print(out, func(w *tabwriter.Writer) {
					would := ""
					if out.DryRun {
						would = "would be "
					}
					fmt.Fprintf(w, "%s of %s: %s%s\n", counts(out.Counts), ref, would, v)
				})
			})
		},
	}
	of.flags(cmd)
	d.flags(cmd)
	cmd.Flags().StringSliceVar(&groups, "group", nil, "a group of what is held; may be given several times")
	return cmd
}

// decide records the verdict. The audit is written first: nothing is decided that does not stand there, and what then
// failed stands there too.
func (c *control) decide(ctx context.Context, st *store.Store, of guarded, ref roster.Source, d decided, what, why string) (decided, error) {
	holds := of.holds(st)
	g, err := holds.Kept(ctx, ref)
	if err != nil {
		return d, err
	}
	now := c.now()
	before := g.Groups(now)
	if d.Items, err = g.Decide(d.Digest, d.Groups, d.Verdict, d.By, now); err != nil {
		return d, advised(err)
	}
	d.Counts = map[roster.Kind]int{}
	all := len(d.Groups) == 0
	for _, x := range before {
		if !all && !slices.Contains(d.Groups, x.ID) {
			continue
		}
		if all {
			d.Groups = append(d.Groups, x.ID)
		}
		for k, n := range x.Counts {
			d.Counts[k] += n
		}
	}
	if d.DryRun {
		return d, nil
	}
	entry := store.AuditEntry{
		When: now, Who: d.By, What: what, On: ref.String(), Why: why,
		Details: map[string]string{"digest": d.Digest, "groups": strings.Join(d.Groups, " "), "items": fmt.Sprint(d.Items)},
	}
	if of.link != "" {
		entry.Details["guard"] = "link" // a source may have the same name
	}
	audit := st.Audit(of.tenant)
	if err := audit.Record(ctx, entry); err != nil {
		return d, err
	}
	if err := holds.Keep(ctx, ref, g); err != nil {
		entry.What, entry.Details = what+".failed", maps.Clone(entry.Details)
		entry.Details["code"] = string(reason.Of(err).Code)
		err = errors.Join(err, audit.Record(context.WithoutCancel(ctx), entry))
		if errors.Is(err, guard.ErrConflict) {
			return d, fmt.Errorf("nothing was decided: a read or somebody else came between; look again with essctl held show: %w", err)
		}
		return d, fmt.Errorf("it is not known whether it was decided; look again with essctl held show: %w", err)
	}
	return d, nil
}

// advised adds the next step to an error that has one.
func advised(err error) error {
	if next := reason.Of(err).Next(reason.English); reason.Of(err).Code != reason.Unexpected {
		return fmt.Errorf("%w\n  %s", err, next)
	}
	return err
}
