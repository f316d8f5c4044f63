package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/services/source-manual/manual"
)

// desk is the desk of a tenant as a command finds it, with the roster to find persons in.
type desk struct {
	st      *store.Store
	tenant  string
	lies    []manual.OnDesk
	version uint64
	roster  *roster.Roster
}

func (c *control) open(ctx context.Context, st *store.Store, tenant string) (*desk, error) {
	list, version, err := st.Desk(tenant).Read(ctx)
	if err != nil {
		return nil, err
	}
	d := &desk{st: st, tenant: tenant, version: version}
	if d.lies, err = manual.ReadDesk(list, roster.Today(c.now())); err != nil {
		return nil, advised(err)
	}
	d.roster, err = c.whole(ctx, st, tenant)
	return d, err
}

// printedDeed is what a command did to a desk, as JSON.
type printedDeed struct {
	What      string   `json:"what"`
	On        string   `json:"on"`
	Decisions []string `json:"decisions"`
	Replaces  bool     `json:"replaces"`
	Until     string   `json:"until,omitempty"`
	By        string   `json:"by"`
	DryRun    bool     `json:"dryRun"`
	Warnings  []string `json:"warnings,omitempty"`
}

// act puts decisions on the desk, and takes those back whose body is empty. The audit is written first, and what then
// failed stands there too.
func (c *control) act(ctx context.Context, d *desk, p printedDeed, why string, decisions map[string]roster.Personal) error {
	p.Decisions = slices.Sorted(maps.Keys(decisions))
	newest, _, err := d.st.Runs(d.tenant).Last(ctx, byHand())
	if err != nil {
		return err
	}
	if newest == nil || newest.Origin == service.OriginRetired {
		p.Warnings = append(p.Warnings, "nothing reads what is decided: the tenant's document needs a source \"system: manual\", and its reader must run")
	}
	if !p.DryRun {
		entry := store.AuditEntry{
			When: c.now(), Who: p.By, What: p.What, On: p.On, Why: why,
			Details: map[string]string{"decisions": strings.Join(p.Decisions, " "), "until": p.Until, "replaces": fmt.Sprint(p.Replaces)},
		}
		audit := d.st.Audit(d.tenant)
		if err := audit.Record(ctx, entry); err != nil {
			return err
		}
		if err := d.st.Desk(d.tenant).Decide(ctx, decisions, d.version); err != nil {
			entry.What, entry.Details = p.What+".failed", maps.Clone(entry.Details)
			entry.Details["code"] = string(reason.Of(err).Code)
			err = errors.Join(err, audit.Record(context.WithoutCancel(ctx), entry))
			if errors.Is(err, store.ErrDeskChanged) {
				return fmt.Errorf("nothing was decided; do it again: %w", err)
			}
			return fmt.Errorf("it is not known whether it was decided; look with essctl manual list: %w", err)
		}
	}
	return c.print(p, func(w *tabwriter.Writer) {
		would, acts := "", " It acts within a minute."
		if p.DryRun {
			would, acts = "would be done: ", ""
		}
		until := ""
		if p.Until != "" {
			until = " until " + p.Until
		}
		fmt.Fprintf(w, "%s%s of %s%s.%s\n", would, p.What, p.On, until, acts)
		for _, id := range p.Decisions {
			fmt.Fprintf(w, "decision %s\n", id)
		}
		for _, text := range p.Warnings {
			fmt.Fprintf(w, "warning: %s\n", text)
		}
	})
}

// put checks a decision, lets it take the place of one of its kind about the same, and acts.
func (c *control) put(ctx context.Context, d *desk, p printedDeed, why string, decision *manual.Decisions, same func(manual.OnDesk) bool) error {
	if err := decision.Valid(d.roster.Today(), d.lies); err != nil {
		return asked(err)
	}
	if last, err := roster.ParseDate(p.Until); err == nil && p.Until != "" && last < d.roster.Today() {
		return errors.New("--until has passed, so that it would decide nothing: essctl manual remove takes a decision back")
	}
	body, err := decision.Body()
	if err != nil {
		return err
	}
	id := c.newID()
	if i := slices.IndexFunc(d.lies, same); i >= 0 {
		id, p.Replaces = d.lies[i].ID, true
	}
	return c.act(ctx, d, p, why, map[string]roster.Personal{id: body})
}

// asked says what is wrong with what somebody wrote. There is no vendor to ask for it anew.
func asked(err error) error {
	if why := reason.Of(err); why.Code == reason.Unreadable {
		return errors.New(why.Text(reason.English))
	}
	return advised(err)
}

// deciding is what the commands that decide about a person share.
type deciding struct {
	tenant string
	who    naming
	deed
}

func (x *deciding) flags(cmd *cobra.Command, whom string) {
	cmd.Flags().StringVar(&x.tenant, "tenant", "", "the tenant (required)")
	require(cmd, "tenant")
	if whom != "" {
		x.who.flags(cmd, whom)
	}
	x.deed.flags(cmd)
}

// run finds the person and decides.
func (x *deciding) run(ctx context.Context, c *control, decide func(*desk, *someone, printedDeed) error) error {
	return x.onDesk(ctx, c, func(d *desk, p printedDeed) error {
		s, err := c.find(ctx, d, x.who)
		if err != nil {
			return err
		}
		p.On = s.on()
		return decide(d, s, p)
	})
}

// onDesk opens the desk for somebody who tells who does it, and why.
func (x *deciding) onDesk(ctx context.Context, c *control, decide func(*desk, printedDeed) error) error {
	by, err := x.deed.who()
	if err != nil {
		return err
	}
	return c.with(ctx, func(st *store.Store) error {
		d, err := c.open(ctx, st, x.tenant)
		if err != nil {
			return err
		}
		return decide(d, printedDeed{By: by, DryRun: x.dryRun})
	})
}

// decision returns who decides, and why.
func (x *deciding) decision(p printedDeed) manual.Decision {
	return manual.Decision{Owner: roster.Personal(p.By), Reason: roster.Personal(strings.TrimSpace(x.why))}
}
