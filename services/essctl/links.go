package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

func (c *control) linksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "links",
		Short: "Show a tenant's links; pause, replay and recover them",
		Long: `Show a tenant's links; pause, replay and recover them.

What is asked of a link is done by the program that owns it, beside the live feed, and survives a crash of it: the next owner
does what was not done. To recover a target that lost data, resync with --verify.`,
	}
	cmd.AddCommand(c.linksListCommand(), c.linksShowCommand(),
		c.linkCommand("pause", store.VerbPause, "Have a link do nothing, over restarts too, until it is resumed", "service window at the target", nil),
		c.linkCommand("resume", store.VerbResume, "Have a paused link go on; it finds what changed meanwhile", "the window is over", nil),
		c.replayCommand(), c.resyncCommand(), c.syncCommand())
	return cmd
}

// linkFlag adds the flag that names a link.
func linkFlag(cmd *cobra.Command, link *string) {
	cmd.Flags().StringVar(link, "link", "", "the target of the link, as system/instance; /default may be left out (required)")
	require(cmd, "link")
}

// linkCommand asks one thing of one link; more fills in what else is asked, and may be nil.
func (c *control) linkCommand(use string, verb store.Verb, short, why string, more func(*cobra.Command, *store.Ask) func() error) *cobra.Command {
	var x asking
	var link string
	var a store.Ask
	var check func() error
	cmd := &cobra.Command{
		Use:     use + " --tenant TENANT --link TARGET --why REASON",
		Short:   short,
		Example: "  essctl links " + use + ` --tenant lund --link apple-school-manager --why "` + why + `"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check != nil {
				if err := check(); err != nil {
					return err
				}
			}
			by, err := x.who()
			if err != nil {
				return err
			}
			ref, err := (&scope{source: link}).ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				if err := c.hasLink(cmd.Context(), st, x.tenant, ref); err != nil {
					return advised(err)
				}
				a.Place, a.Verb, a.By = store.LinkPlace(x.tenant, ref), verb, by
				if err := c.ask(cmd.Context(), st, x, []store.Ask{a}); err != nil || verb != store.VerbResume {
					return err
				}
				if s, err := c.subject(cmd.Context(), st, x.tenant); err == nil && s.Links[ref] == target.ModePaused {
					return fmt.Errorf("%s is paused by its document too: apply one with mode: active", ref)
				}
				return nil
			})
		},
	}
	x.flags(cmd)
	linkFlag(cmd, &link)
	if more != nil {
		check = more(cmd, &a)
	}
	return cmd
}

func (c *control) replayCommand() *cobra.Command {
	var since string
	return c.linkCommand("replay", store.VerbReplay, "Plan what the log took since a time; nothing is written where nothing differs", "restored from Monday's backup",
		func(cmd *cobra.Command, a *store.Ask) func() error {
			cmd.Use = "replay --tenant TENANT --link TARGET --since WHEN --why REASON"
			cmd.Example = `  essctl links replay --tenant lund --link apple-school-manager --since 48h --why "restored from Monday's backup"
  essctl links replay --tenant lund --link apple-school-manager --since 2026-10-01T18:00 --why "restored from the backup of that evening"`
			cmd.Flags().StringVar(&since, "since", "", "a time (2026-10-01, 2026-10-01T18:00; Stockholm), or how long ago (48h) (required)")
			require(cmd, "since")
			return func() (err error) {
				a.Since, err = c.moment(since)
				return err
			}
		})
}

// moment reads a time, or how long ago it is.
func (c *control) moment(text string) (t time.Time, err error) {
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return c.now().Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err = time.ParseInLocation(layout, text, roster.Stockholm()); err == nil {
			if t.After(c.now()) {
				return t, fmt.Errorf("--since %s is yet to come", text)
			}
			return t, nil
		}
	}
	return t, fmt.Errorf("--since is %q: write 2026-10-01, 2026-10-01T18:00 or how long ago, such as 48h", text)
}

func (c *control) resyncCommand() *cobra.Command {
	return c.linkCommand("resync", store.VerbResync, "Plan everything; with --verify this recovers a target", "the inbox was emptied",
		func(cmd *cobra.Command, a *store.Ask) func() error {
			cmd.Use = "resync --tenant TENANT --link TARGET [--verify] [--force] --why REASON"
			cmd.Long = `Plan all that the target should hold against what the ledger says that it holds, and write what differs.

  --verify  First read the target back and mend the ledger: for a target that lost data, was restored, or was changed behind
            our back. This is the one command that recovers a target.
  --force   Write also what does not differ: for a target that cannot be read back.

What the guard of the link counts is counted here too: see essctl held. What it would do shows essctl preview.`
			cmd.Example = `  essctl links resync --tenant lund --link apple-school-manager --verify --why "the inbox was emptied"`
			cmd.Flags().BoolVar(&a.Verify, "verify", false, "read the target back first, and mend the ledger")
			cmd.Flags().BoolVar(&a.Force, "force", false, "write also where nothing differs")
			return nil
		})
}

func (c *control) syncCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Bring one person, group or school to the targets now",
		Long: `Bring one person, group or school to the targets now: to every link of the tenant, or with --link to some. What is parked of
it, or waits for another try, is tried.`,
	}
	cmd.AddCommand(c.syncPersonCommand(), c.syncOneCommand("group", "KEY", "a group, by its key", "81d5a0c3-…", groupRefs),
		c.syncOneCommand("school", "KEY|CODE", "a school unit with its persons and groups, by its key or its skolenhetskod", "12345678", schoolRefs))
	return cmd
}

// syncing is what the commands of sync share.
type syncing struct {
	asking
	links []string
}

func (x *syncing) flags(cmd *cobra.Command) {
	x.asking.flags(cmd)
	cmd.Flags().StringSliceVar(&x.links, "link", nil, "the target of a link; may be given several times (default all of the tenant)")
}

// run asks the links to look at what find finds.
func (x *syncing) run(ctx context.Context, c *control, find func(*desk) ([]roster.Ref, error)) error {
	by, err := x.who()
	if err != nil {
		return err
	}
	return c.with(ctx, func(st *store.Store) error {
		d := &desk{st: st, tenant: x.tenant}
		if d.roster, err = c.whole(ctx, st, x.tenant); err != nil {
			return advised(err)
		}
		refs, err := find(d)
		if err != nil {
			return err
		}
		links, err := c.linksOf(ctx, st, x.tenant)
		if err != nil {
			return advised(err)
		}
		if len(x.links) > 0 {
			if links, err = named(x.links, links, x.tenant); err != nil {
				return err
			}
		}
		if len(links) == 0 {
			return fmt.Errorf("tenant %s has no links", x.tenant)
		}
		var asks []store.Ask
		for _, l := range links {
			asks = append(asks, store.Ask{Place: store.LinkPlace(x.tenant, l), Verb: store.VerbSync, By: by, Refs: refs})
		}
		return c.ask(ctx, st, x.asking, asks)
	})
}

func named(names []string, links []roster.Source, tenant string) (list []roster.Source, err error) {
	for _, name := range names {
		ref, err := (&scope{source: name}).ref()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(links, ref) {
			return nil, unknownLink(tenant, ref)
		}
		list = append(list, ref)
	}
	return list, nil
}

func (c *control) syncPersonCommand() *cobra.Command {
	var x syncing
	var who naming
	cmd := &cobra.Command{
		Use:   "person [KEY | --source SOURCE --id ID | --number -] --tenant TENANT [--link TARGET ...] --why REASON",
		Short: "Bring one person to the targets now",
		Example: `  essctl links sync person 3f0c5b1e-… --tenant lund --why "starts today"
  essctl links sync person --source alvis --id p-4711 --tenant lund --link apple-school-manager --why "starts today"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if who.key != "" {
					return errors.New("the key is given twice")
				}
				who.key = args[0]
			}
			return x.run(cmd.Context(), c, func(d *desk) ([]roster.Ref, error) {
				s, err := c.find(cmd.Context(), d, who)
				if err != nil {
					return nil, err
				}
				if s.key.IsZero() {
					return nil, errors.New("no source states this person, so that no target should have her or him")
				}
				return []roster.Ref{{Kind: roster.KindPerson, Key: s.key}}, nil
			})
		},
	}
	x.flags(cmd)
	who.flags(cmd, "the person")
	return cmd
}

func (c *control) syncOneCommand(noun, arg, what, example string, find func(*desk, string) ([]roster.Ref, error)) *cobra.Command {
	var x syncing
	cmd := &cobra.Command{
		Use:     noun + " " + arg + " --tenant TENANT [--link TARGET ...] --why REASON",
		Short:   "Bring " + what + ", to the targets now",
		Example: "  essctl links sync " + noun + " " + example + ` --tenant lund --why "called by the school"`,
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.run(cmd.Context(), c, func(d *desk) ([]roster.Ref, error) { return find(d, args[0]) })
		},
	}
	x.flags(cmd)
	return cmd
}

func groupRefs(d *desk, text string) ([]roster.Ref, error) {
	key, err := roster.ParseKey(text)
	if err != nil {
		return nil, err
	}
	ref := roster.Ref{Kind: roster.KindGroup, Key: key}
	if d.roster.State(ref).State == roster.Missing {
		return nil, errors.New("no source has a group with this key")
	}
	return []roster.Ref{ref}, nil
}

// schoolRefs returns the units with a key or a code.
func schoolRefs(d *desk, text string) (refs []roster.Ref, err error) {
	key, err := roster.ParseKey(text)
	for _, ref := range d.roster.Refs(roster.KindOrganisation) {
		o := d.roster.Organisation(ref.Key)
		if err == nil && ref.Key == key || o != nil && slices.Contains(o.UnitCodes, text) {
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return nil, errors.New("no source has a school unit with this key or skolenhetskod")
	}
	return refs, nil
}

// linksOf returns the links of a tenant, sorted: those of its document where one was applied, else those that ever ran.
func (c *control) linksOf(ctx context.Context, st *store.Store, tenant string) ([]roster.Source, error) {
	s, err := c.subject(ctx, st, tenant)
	return slices.SortedFunc(maps.Keys(s.Links), roster.Source.Compare), err
}

// hasLink refuses a link that the tenant does not have: nobody would ever answer.
func (c *control) hasLink(ctx context.Context, st *store.Store, tenant string, link roster.Source) error {
	links, err := c.linksOf(ctx, st, tenant)
	if err == nil && !slices.Contains(links, link) {
		err = unknownLink(tenant, link)
	}
	return err
}

func unknownLink(tenant string, link roster.Source) error {
	return fmt.Errorf("tenant %s has no link %s: see essctl links list --tenant %s", tenant, link, tenant)
}

// shownLink is a link as JSON.
type shownLink struct {
	service.LinkStatus
	Paused *printedPause `json:"paused,omitempty"`
	Owner  *printedOwner `json:"owner,omitempty"` // of one link that is shown by itself
	Asks   []printedAsk  `json:"asks,omitempty"`
}

// printedOwner is the process that has a link, or had it last.
type printedOwner struct {
	Name       string    `json:"name"`
	Session    string    `json:"session,omitempty"` // as essctl members list shows it; none where one process at a time has all
	Since      time.Time `json:"since"`
	HandedOver bool      `json:"handedOver"` // it has let go of the link
}

func (o *printedOwner) String() string {
	switch {
	case o == nil:
		return "nobody yet"
	case o.HandedOver:
		return fmt.Sprintf("nobody since %s, last %s", clock(o.Since), o.Name)
	default:
		return fmt.Sprintf("%s since %s", o.Name, clock(o.Since))
	}
}

// ownerOf returns who has a link or had it last, nil when nobody ever did.
func ownerOf(ctx context.Context, st *store.Store, tenant string, link roster.Source) (*printedOwner, error) {
	holders, err := st.Ledger(tenant).Holders(ctx)
	h, ok := holders[link]
	if err != nil || !ok {
		return nil, err
	}
	return &printedOwner{h.Owner, h.Session, h.Since, h.HandedOver}, nil
}

// printedPause says who paused a place.
type printedPause struct {
	By    string    `json:"by"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
	Acts  bool      `json:"acts"` // who owns the place has confirmed it
}

// controls returns what was asked of a tenant's places, the pauses apart. A cluster in which nobody can ask has none.
func (c *control) controls(ctx context.Context, st *store.Store, tenant string) (pauses map[store.Place]*printedPause, asks map[store.Place][]printedAsk, err error) {
	pauses, asks = map[store.Place]*printedPause{}, map[store.Place][]printedAsk{}
	list, err := st.Control().List(ctx, tenant)
	if reason.Of(err).Code == reason.LogMissing {
		return pauses, asks, nil
	}
	for _, a := range list {
		switch {
		case a.Pauses():
			pauses[a.Place] = &printedPause{By: a.By, Why: a.Why, Since: a.Asked, Acts: !a.Open()}
		case !a.Standing():
			asks[a.Place] = append(asks[a.Place], printedAskOf(a))
		}
	}
	return pauses, asks, err
}

// standing returns how a tenant stands, with what was asked of its places.
func (c *control) standing(ctx context.Context, st *store.Store, tenant string) (s service.Status, pauses map[store.Place]*printedPause, asks map[store.Place][]printedAsk, err error) {
	subject, err := c.subject(ctx, st, tenant)
	if err != nil {
		return s, nil, nil, err
	}
	if s, err = service.StatusOf(ctx, st, subject, c.now()); err != nil {
		return s, nil, nil, err
	}
	pauses, asks, err = c.controls(ctx, st, tenant)
	return s, pauses, asks, err
}

func (c *control) shownLinks(ctx context.Context, st *store.Store, tenant string) ([]shownLink, error) {
	status, pauses, asks, err := c.standing(ctx, st, tenant)
	if err != nil {
		return nil, err
	}
	list := []shownLink{}
	for _, l := range status.Links {
		p := store.LinkPlace(tenant, l.Link)
		list = append(list, shownLink{LinkStatus: l, Paused: pauses[p], Asks: asks[p]})
	}
	slices.SortFunc(list, func(a, b shownLink) int { return a.Link.Compare(b.Link) })
	return list, nil
}

func (p shownLink) mode() string {
	if p.Paused != nil {
		return "paused"
	}
	return cmp.Or(string(p.Mode), "-")
}

func (c *control) linksListCommand() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:     "list --tenant TENANT",
		Short:   "Show a tenant's links: mode, lag, and what waits or is parked",
		Example: "  essctl links list --tenant lund",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				list, err := c.shownLinks(cmd.Context(), st, tenant)
				if err != nil {
					return advised(err)
				}
				for i := range list {
					list[i].Asks = nil
				}
				return c.print(list, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "LINK\tVERDICT\tMODE\tLAG\tWAITING\tPARKED\tWITHHELD\tDELIVERED\tWHY")
					for _, l := range list {
						fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", l.Name, l.Verdict, l.mode(), l.Lag, l.Waiting, l.Parked, l.Withheld, clock(l.Delivered), l.why())
					}
				})
			})
		},
	}
	tenantFlag(cmd, &tenant)
	return cmd
}

func (p shownLink) why() string {
	switch {
	case p.Paused != nil:
		return fmt.Sprintf("by %s since %s: %s", p.Paused.By, clock(p.Paused.Since), p.Paused.Why)
	case p.Why != nil:
		return p.Why.What[reason.English]
	case p.Mode == target.ModePaused:
		return "by its document (mode: paused)"
	case !p.Settled && p.Mode == target.ModeActive:
		return "has never come to an end"
	default:
		return "-"
	}
}

func (c *control) linksShowCommand() *cobra.Command {
	var tenant, link string
	cmd := &cobra.Command{
		Use:     "show --tenant TENANT --link TARGET",
		Short:   "Show one link: how it is, why, what to do, which process has it, and what was asked of it",
		Example: "  essctl links show --tenant lund --link apple-school-manager",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ref, err := (&scope{source: link}).ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				list, err := c.shownLinks(cmd.Context(), st, tenant)
				if err != nil {
					return advised(err)
				}
				i := slices.IndexFunc(list, func(l shownLink) bool { return l.Link == ref })
				if i < 0 {
					return unknownLink(tenant, ref)
				}
				l := list[i]
				if l.Owner, err = ownerOf(cmd.Context(), st, tenant, ref); err != nil {
					return advised(err)
				}
				return c.print(l, func(w *tabwriter.Writer) {
					fmt.Fprintf(w, "link\t%s\nverdict\t%s\nmode\t%s\nwhy\t%s\n", l.Name, l.Verdict, l.mode(), l.why())
					if l.Why != nil {
						fmt.Fprintf(w, "next step\t%s\n", l.Why.Next[reason.English])
					}
					fmt.Fprintf(w, "behind the log\t%d\nwaiting\t%d\nparked\t%d\nwithheld\t%d\n", l.Lag, l.Waiting, l.Parked, l.Withheld)
					if l.Held != nil {
						fmt.Fprintf(w, "held\t%d since %s: essctl held show --tenant %s --link %s\n", l.Held.Changes, clock(l.Held.Since), tenant, l.Name)
					}
					fmt.Fprintf(w, "delivered\t%s\nowner\t%s\n", clock(l.Delivered), l.Owner)
					printCompared(w, l.Compared)
					printAskLines(w, l.Asks)
				})
			})
		},
	}
	tenantFlag(cmd, &tenant)
	linkFlag(cmd, &link)
	return cmd
}

// printCompared prints what the last comparison with the target came to, if there was one.
func printCompared(w *tabwriter.Writer, r *service.Compared) {
	switch {
	case r == nil:
	case r.Why != nil:
		fmt.Fprintf(w, "compared\t%s: not believed: %s\n\t%s\n", clock(r.At), r.Why.What[reason.English], r.Why.Next[reason.English])
	default:
		until := ""
		if !r.Asked.IsZero() {
			until = ", and since then what has changed until " + clock(r.Asked)
		}
		fmt.Fprintf(w, "compared\t%s%s: %d differed, %d repaired, %d left as they are\n", clock(r.At), until, r.Found, r.Repaired, r.Reported)
		for _, d := range r.Last {
			done := "left as it is"
			if d.Repaired {
				done = "repaired"
			}
			fmt.Fprintf(w, "\t%s: %s: %s\n", d.Resource, d.What, done)
		}
	}
}

// printAskLines prints what was asked of one place, the newest last.
func printAskLines(w *tabwriter.Writer, asks []printedAsk) {
	for _, a := range asks {
		fmt.Fprintf(w, "%s\t%s by %s: %s\n", clock(a.Asked), a.Verb, a.By, strings.TrimSpace(string(a.State)+" "+cmp.Or(a.Reason, a.Text)))
	}
}

// tenantFlag adds the flag that names a tenant.
func tenantFlag(cmd *cobra.Command, tenant *string) {
	cmd.Flags().StringVar(tenant, "tenant", "", "the tenant (required)")
	require(cmd, "tenant")
}
