package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/store"
)

// asking is what the commands that ask something of a program share.
type asking struct {
	deed
	tenant  string
	wait    bool
	timeout time.Duration
}

// reach is how long an answer may take before it is said that nobody has taken the ask.
const reach = 5 * time.Second

func (x *asking) flags(cmd *cobra.Command) {
	x.deed.flags(cmd)
	x.waitFlags(cmd)
}

func (x *asking) waitFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&x.tenant, "tenant", "", "the tenant (required)")
	f.BoolVar(&x.wait, "wait", true, "wait for the answer; without it see essctl asks list")
	f.DurationVar(&x.timeout, "timeout", 5*time.Minute, "how long to wait; what was asked stands after that")
	require(cmd, "tenant")
}

// printedAsk is an ask with its answer, as JSON.
type printedAsk struct {
	ID     string          `json:"id,omitempty"`
	Tenant string          `json:"tenant"`
	Of     string          `json:"of"` // source or link
	Name   string          `json:"name"`
	Verb   store.Verb      `json:"verb"`
	State  store.AskState  `json:"state,omitempty"`
	By     string          `json:"by"`
	Why    string          `json:"why,omitempty"`
	Asked  time.Time       `json:"asked,omitzero"`
	Worker string          `json:"worker,omitempty"`
	Begun  time.Time       `json:"begun,omitzero"`
	Ended  time.Time       `json:"ended,omitzero"`
	Text   string          `json:"text,omitempty"`
	Code   reason.Code     `json:"code,omitempty"`
	Reason string          `json:"reason,omitempty"`
	Next   string          `json:"next,omitempty"`
	Counts map[string]int  `json:"counts,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
	DryRun bool            `json:"dryRun,omitempty"`
}

func printedAskOf(a store.Ask) printedAsk {
	p := printedAsk{
		ID: a.ID, Tenant: a.Tenant, Of: "source", Name: a.Ref().String(), Verb: a.Verb, State: a.State, By: a.By, Why: a.Why,
		Asked: a.Asked, Worker: a.Worker, Begun: a.Begun, Ended: a.Ended, Text: a.Text, Counts: a.Counts, Detail: a.Detail,
	}
	if a.Link() {
		p.Of = "link"
	}
	if a.Reason != nil {
		p.Code, p.Reason, p.Next = a.Reason.Code, a.Reason.Text(reason.English), a.Reason.Next(reason.English)
	}
	return p
}

// ask asks each of them, the audit first, waits for the answers and prints them. It fails when an answer says that it failed,
// or did not come.
func (c *control) ask(ctx context.Context, st *store.Store, x asking, asks []store.Ask) error {
	now := c.now()
	for i := range asks {
		asks[i].ID, asks[i].Asked, asks[i].Why = c.newID(), now, strings.TrimSpace(x.why)
	}
	if x.dryRun {
		return c.printAsks(asks, true)
	}
	for i, a := range asks {
		e := store.AuditEntry{When: now, Who: a.By, What: what(a), On: a.Ref().String(), Why: a.Why, Details: details(a)}
		err := audited(ctx, st.Audit(a.Tenant), e, func() (err error) {
			asks[i], err = st.Control().Ask(ctx, a)
			return err
		})
		if err != nil {
			return advised(err)
		}
	}
	if !x.wait {
		return c.printAsks(asks, false)
	}
	wait, stop := context.WithTimeout(ctx, x.timeout)
	defer stop()
	var failed []error
	for i, a := range asks {
		var err error
		if asks[i], err = c.await(wait, st, a); err != nil {
			failed = append(failed, fmt.Errorf("%s of %s: %w", a.Verb, a.Ref(), err))
		}
	}
	return errors.Join(append([]error{c.printAsks(asks, false)}, failed...)...)
}

// what names an ask in the audit.
func what(a store.Ask) string {
	if a.Link() {
		return "links." + string(a.Verb)
	}
	return "sources." + string(a.Verb)
}

func details(a store.Ask) map[string]string {
	d := map[string]string{"ask": a.ID}
	if !a.Since.IsZero() {
		d["since"] = a.Since.Format(time.RFC3339)
	}
	if a.Verify {
		d["verify"] = "true"
	}
	if a.Force {
		d["force"] = "true"
	}
	for i, ref := range a.Refs {
		if i > 0 {
			d["refs"] += " "
		}
		d["refs"] += ref.String()
	}
	return d
}

// await waits for an answer and tells of each step. It gives up when ctx ends, or NATS does not answer any more.
func (c *control) await(ctx context.Context, st *store.Store, a store.Ask) (store.Ask, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	taken := make(chan struct{})
	take := sync.OnceFunc(func() { close(taken) })
	watched := make(chan struct{})
	var telling sync.Mutex
	tell := func(line string) {
		telling.Lock()
		defer telling.Unlock()
		fmt.Fprintln(c.errs, line)
	}
	go func() {
		defer close(watched)
		watch(ctx, st, a, taken, tell, stop)
	}()
	last := ""
	got, err := st.Control().Wait(ctx, a, func(a store.Ask) {
		if a.State != store.AskNew {
			take()
		}
		if line := progress(a); line != last && a.Open() && a.State != store.AskNew {
			last = line
			tell(line)
		}
	})
	gone := context.Cause(ctx)
	stop(nil)
	<-watched
	switch {
	case err == nil && got.State == store.AskFailed && got.Reason != nil:
		return got, advised(&reason.Error{Reason: *got.Reason})
	case err == nil && got.State == store.AskFailed:
		return got, errors.New(got.Text)
	case err == nil && got.Open():
		return got, fmt.Errorf("it is not answered; it stands: look with essctl asks list --tenant %s", a.Tenant)
	case errors.Is(gone, context.DeadlineExceeded) && got.State == store.AskNew:
		return got, fmt.Errorf("nobody has taken it in time, and it stands until %s does: look whether that runs, and has the tenant; essctl asks cancel %s takes it back", a.Program, a.ID)
	case errors.Is(gone, context.DeadlineExceeded):
		return got, fmt.Errorf("it is not done in time, and goes on: look with essctl asks list --tenant %s", a.Tenant)
	case gone != nil && err != nil:
		return got, gone
	}
	return got, err
}

// watch says once that nobody has taken an ask, and gives up waiting when NATS does not answer any more.
func watch(ctx context.Context, st *store.Store, a store.Ask, taken <-chan struct{}, tell func(string), giveUp context.CancelCauseFunc) {
	late := time.After(reach)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-taken:
			taken, late = nil, nil
		case <-late:
			tell(fmt.Sprintf("%s of %s: nobody has taken it yet; it waits for %s", a.Verb, a.Ref(), a.Program))
			late = nil
		case <-tick.C:
			if err := st.Healthy(ctx); err != nil && ctx.Err() == nil {
				giveUp(advised(fmt.Errorf("what was asked stands, and nobody can say what becomes of it: %w", err)))
				return
			}
		}
	}
}

// progress says how far an ask is.
func progress(a store.Ask) string {
	line := fmt.Sprintf("%s of %s: %s by %s", a.Verb, a.Ref(), a.State, cmp.Or(a.Worker, "nobody"))
	if a.Text != "" {
		line += ", " + a.Text
	}
	if a.Reason != nil {
		line += ": " + a.Reason.String()
	}
	return line
}

// printAsks prints what was asked, and the answers.
func (c *control) printAsks(asks []store.Ask, dryRun bool) error {
	list := make([]printedAsk, len(asks))
	for i, a := range asks {
		list[i] = printedAskOf(a)
		if dryRun {
			list[i].ID, list[i].Asked, list[i].DryRun = "", time.Time{}, true
		}
	}
	return c.print(list, func(w *tabwriter.Writer) {
		for _, p := range list {
			printSteps(w, p.Detail)
		}
		fmt.Fprintln(w, "NAME\tVERB\tSTATE\tWHAT\tCOUNTS\tASK")
		for _, p := range list {
			text := cmp.Or(p.Text, "-")
			if p.Reason != "" {
				text = p.Reason
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.Verb, stateOf(p), text, counts(p.Counts), cmp.Or(p.ID, "-"))
		}
	})
}

func stateOf(p printedAsk) string {
	if p.DryRun {
		return "would be asked"
	}
	return cmp.Or(string(p.State), "-")
}

func (c *control) asksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "asks",
		Short: "Show what was asked of readers and links, and take it back",
		Long: `Show what was asked of readers and links, and what became of it. An answer is kept for 30 days. What nobody has done yet
stands, over restarts too: the next who owns the reader or the link does it.`,
	}
	cmd.AddCommand(c.asksListCommand(), c.asksCancelCommand())
	return cmd
}

func (c *control) asksListCommand() *cobra.Command {
	var tenant string
	var open bool
	cmd := &cobra.Command{
		Use:     "list [--tenant TENANT] [--open]",
		Short:   "Show what was asked, the newest last",
		Example: "  essctl asks list --tenant lund\n  essctl asks list --open",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				all, err := st.Control().List(cmd.Context(), tenant)
				if err != nil {
					return advised(err)
				}
				list := []printedAsk{}
				for _, a := range all {
					if !open || a.Open() {
						list = append(list, printedAskOf(a))
					}
				}
				return c.print(list, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "ASKED\tTENANT\tOF\tNAME\tVERB\tBY\tSTATE\tWORKER\tWHAT\tASK")
					for _, p := range list {
						text := cmp.Or(p.Text, "-")
						if p.Reason != "" {
							text = p.Reason
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", clock(p.Asked), p.Tenant, p.Of, p.Name, p.Verb, p.By,
							p.State, cmp.Or(p.Worker, "-"), text, p.ID)
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "of this tenant only")
	cmd.Flags().BoolVar(&open, "open", false, "only what is not done yet")
	return cmd
}

func (c *control) asksCancelCommand() *cobra.Command {
	var d deed
	var tenant string
	cmd := &cobra.Command{
		Use:     "cancel ASK --tenant TENANT --why REASON",
		Short:   "Take back what nobody has done yet; what is under way is not begun again",
		Example: `  essctl asks cancel 5b1f09c2 --tenant lund --why "asked the wrong link"`,
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			by, err := d.who()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				ctx := cmd.Context()
				all, err := st.Control().List(ctx, tenant)
				if err != nil {
					return advised(err)
				}
				for _, a := range all {
					if a.ID != args[0] || a.Standing() {
						continue
					}
					if !a.Open() {
						return fmt.Errorf("ask %s is answered already: it is %s", a.ID, a.State)
					}
					if !d.dryRun {
						e := store.AuditEntry{When: c.now(), Who: by, What: "asks.cancel", On: a.Ref().String(), Why: d.why, Details: map[string]string{"ask": a.ID}}
						err = audited(ctx, st.Audit(tenant), e, func() (err error) {
							a.State, a.Ended, a.Reason, a.Text = store.AskFailed, c.now(), nil, "taken back by "+by
							a, err = st.Control().Put(ctx, a)
							return err
						})
						if err != nil {
							return advised(err)
						}
					}
					return c.print(printedAskOf(a), func(w *tabwriter.Writer) {
						if d.dryRun {
							fmt.Fprintf(w, "would be taken back: %s of %s\n", a.Verb, a.Ref())
							return
						}
						fmt.Fprintf(w, "taken back: %s of %s\n", a.Verb, a.Ref())
					})
				}
				return fmt.Errorf("tenant %s has no ask %s: see essctl asks list --tenant %s", tenant, args[0], tenant)
			})
		},
	}
	d.flags(cmd)
	cmd.Flags().StringVar(&tenant, "tenant", "", "the tenant (required)")
	require(cmd, "tenant")
	return cmd
}
