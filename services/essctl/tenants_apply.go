package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/preview"
)

func (c *control) applyCommand() *cobra.Command {
	var a applying
	cmd := &cobra.Command{
		Use:   "apply FILE|DIR --why REASON [--dry-run] [--approve DIGEST ...]",
		Short: "Check documents, show what they change, and put them in force",
		Long: `Check the document in a file, or those in a folder (*.yaml); show per link what each would create, change and take away that
the one in force does not; and put them in force. Everything that is wrong is said at once, and then nothing is applied.

A document that takes anything away is refused until --approve names the digest that was printed: of exactly that. A tenant
that is new gets its streams. Programs that read their documents from the cluster act on it within two seconds.`,
		Example: `  essctl tenants apply lund.yaml --why "the new school is added" --dry-run`,
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			docs, err := c.readDocuments(args[0])
			if err != nil {
				return err
			}
			if a.by, err = a.who(); err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error { return c.apply(cmd.Context(), st, docs, a) })
		},
	}
	a.flags(cmd)
	cmd.Flags().StringSliceVar(&a.approve, "approve", nil, "the digest of what is taken away or over; may be given several times")
	cmd.Flags().IntVar(&a.replicas, "replicas", 1, "how many servers keep the streams of a new tenant: 1, 3 or 5")
	return cmd
}

// applying is how documents are applied.
type applying struct {
	deed
	approve  []string
	replicas int
}

// document is a file that is to be applied.
type document struct {
	path string
	text []byte
	doc  *tenant.Document
}

// readDocuments reads a file, or every *.yaml in a folder. The error names everything that is wrong with any of them.
func (c *control) readDocuments(path string) (docs []document, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	paths := []string{path}
	if info.IsDir() {
		if paths, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("%s holds no tenant: no file named *.yaml", path)
		}
	}
	var errs []error
	seen := map[string]string{}
	for _, p := range paths {
		text, d, err := c.readDocument(p)
		if err == nil && seen[d.Tenant] != "" {
			err = fmt.Errorf("%s: tenant %s is already in %s", p, d.Tenant, seen[d.Tenant])
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seen[d.Tenant] = p
		docs = append(docs, document{p, text, d})
	}
	return docs, errors.Join(errs...)
}

// readDocument reads a file, and checks all of it.
func (c *control) readDocument(path string) ([]byte, *tenant.Document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	d, err := tenant.Parse(text)
	if err == nil {
		h := &service.Host{Logger: slog.New(slog.DiscardHandler), Now: c.now, Complete: true}
		err = h.Check(d, connectors.Sources(), connectors.Targets())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, d, nil
}

// printedEffect is what a document would do as JSON.
type printedEffect struct {
	Tenant    string              `json:"tenant"`
	Version   int                 `json:"version"`
	Unchanged bool                `json:"unchanged"`
	Links     []printedLink       `json:"links"`
	Digest    string              `json:"digest,omitempty"` // of what is taken away
	Applied   bool                `json:"applied"`
	effects   []service.Effect    // what Links prints
	after     store.TenantVersion // the version in force
	document  document            // what is applied
}

type printedLink struct {
	Link    string              `json:"link"`
	Before  tenant.Mode         `json:"before,omitempty"`
	After   tenant.Mode         `json:"after,omitempty"`
	Counts  map[target.Verb]int `json:"counts"`
	Held    int                 `json:"held,omitempty"` // waits at the link for an approval of its own
	Unknown string              `json:"unknown,omitempty"`
	Taken   []string            `json:"taken,omitempty"`
	Linked  []printedLinked     `json:"linked,omitempty"` // what the target has of its own and would be taken over
}

// printedLinked is something of the customer that would be taken over.
type printedLinked struct {
	Resource string `json:"resource"`
	Native   string `json:"native"` // the target's own id
	By       string `json:"by"`     // the key that is equal
}

// apply shows what the documents would do, and puts them in force unless something that they take away was not approved:
// then none is.
func (c *control) apply(ctx context.Context, st *store.Store, docs []document, a applying) error {
	host, err := preview.Host(ctx, st, slog.New(slog.DiscardHandler), c.now)
	if err != nil {
		return err
	}
	var list []*printedEffect
	var asked []string
	for _, d := range docs {
		p, err := c.effect(ctx, st, host, d)
		if err != nil {
			return fmt.Errorf("tenant %s: %w", d.doc.Tenant, advised(err))
		}
		list = append(list, p)
		if p.Digest != "" && !slices.Contains(a.approve, p.Digest) {
			asked = append(asked, p.Digest)
		}
	}
	if len(asked) == 0 && !a.dryRun {
		for _, p := range list {
			if err := c.putInForce(ctx, st, p, a); err != nil {
				return fmt.Errorf("tenant %s: %w", p.Tenant, advised(err))
			}
		}
	}
	if err := c.printEffects(list, a); err != nil {
		return err
	}
	if len(asked) > 0 && !a.dryRun {
		return fmt.Errorf("nothing was applied, for something is taken away or over; when that is meant, apply again with --approve %s", strings.Join(asked, ","))
	}
	return nil
}

func (c *control) effect(ctx context.Context, st *store.Store, host *service.Host, d document) (*printedEffect, error) {
	v, err := newest(ctx, st, d.doc.Tenant)
	if err != nil {
		return nil, err
	}
	p := &printedEffect{Tenant: d.doc.Tenant, Version: v.Number, after: v, document: d}
	if p.Unchanged = string(v.Document) == string(d.text); p.Unchanged {
		return p, nil
	}
	var before *tenant.Document
	if v.InForce() {
		if before, err = tenant.Parse(v.Document); err != nil {
			return nil, fmt.Errorf("the document in force is not readable by this program: %w", err)
		}
	}
	if before != nil {
		if was, is, renamed := before.Renamed(d.doc); renamed {
			return nil, fmt.Errorf("source %s is called %s now: nothing of it follows to another name, neither who has no personnummer nor what was decided about them. Keep the name. When it is another register, take the old one out first, apply that, then add the new one", was, is)
		}
	}
	if p.effects, err = host.Effects(ctx, before, d.doc, connectors.Targets()); err != nil {
		return nil, err
	}
	for _, e := range p.effects {
		l := printedLink{Link: e.Link.String(), Before: e.Before, After: e.After, Counts: e.Counts, Held: waits(e), Unknown: e.Unknown}
		for _, row := range e.Taken {
			l.Taken = append(l.Taken, row.ID.String())
		}
		for _, row := range e.Linked {
			l.Linked = append(l.Linked, printedLinked{row.ID.String(), row.Native, row.FoundBy})
		}
		p.Links = append(p.Links, l)
	}
	p.Digest = service.EffectDigest(p.Tenant, p.effects)
	return p, nil
}

// putInForce makes the streams that are missing, and keeps the document as the newest version.
func (c *control) putInForce(ctx context.Context, st *store.Store, p *printedEffect, a applying) error {
	if err := st.EnsureTenants(ctx, a.replicas); err != nil {
		return err
	}
	if err := st.EnsureControl(ctx, a.replicas); err != nil {
		return err
	}
	if err := st.EnsureMembers(ctx, a.replicas, 0); err != nil {
		return err
	}
	if _, err := st.Log(p.Tenant).End(ctx); reason.Of(err).Code == reason.LogMissing {
		if err := st.EnsureTenant(ctx, p.Tenant, a.replicas); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if p.Unchanged {
		return nil
	}
	entry := store.AuditEntry{When: c.now(), Who: a.by, What: "tenants.apply", On: p.Tenant, Why: a.why, Details: map[string]string{
		"version": strconv.Itoa(p.Version + 1), "document": store.DocumentDigest(p.document.text),
	}}
	if p.Digest != "" {
		entry.Details["approved"] = p.Digest
	}
	return audited(ctx, st.Audit(p.Tenant), entry, func() error {
		v, err := st.Tenants().Put(ctx, p.after, p.document.text, a.by)
		if err == nil {
			p.Version, p.Applied = v.Number, true
		}
		return err
	})
}

func (c *control) printEffects(list []*printedEffect, a applying) error {
	return c.print(list, func(w *tabwriter.Writer) {
		for _, p := range list {
			switch {
			case p.Unchanged:
				fmt.Fprintf(w, "%s: version %d is in force already, unchanged\n", p.Tenant, p.Version)
				continue
			case p.Applied:
				fmt.Fprintf(w, "%s: version %d is in force\n", p.Tenant, p.Version)
			default:
				fmt.Fprintf(w, "%s: version %d would be in force\n", p.Tenant, p.Version+1)
			}
			for _, l := range p.Links {
				fmt.Fprintf(w, "  %s\t%s\t%s\n", l.Link, modes(l), cmp.Or(l.Unknown, counts(l.Counts)))
			}
			for _, l := range p.Links {
				if l.Held > 0 {
					fmt.Fprintf(w, "  %d resources would wait for an approval at the link before anything of them is taken away: essctl held show --tenant %s --link %s\n", l.Held, p.Tenant, l.Link)
				}
			}
			for _, e := range p.effects {
				for _, row := range e.Taken {
					fmt.Fprintf(w, "    %s\t%s\t%s\n", row.Verb, row.ID, why(row))
				}
				for _, row := range e.Linked {
					fmt.Fprintf(w, "    take over\t%s\tis %s there, by %s\n", row.ID, row.Native, row.FoundBy)
				}
			}
			if p.Digest != "" {
				approved := ""
				if slices.Contains(a.approve, p.Digest) {
					approved = ", approved"
				}
				fmt.Fprintf(w, "  digest of what is taken away or over: %s%s\n", p.Digest, approved)
			}
		}
	})
}

// waits returns how many resources the link would ask about.
func waits(e service.Effect) int {
	if e.Asks {
		return e.Held + e.Counts[target.LetGo]
	}
	return e.Held
}

func why(row target.Row) string {
	if row.Reason == nil {
		return "-"
	}
	return row.Reason.Text(reason.English)
}

func modes(l printedLink) string {
	switch {
	case l.After == "":
		return "stops; what it holds stays"
	case l.Before == "":
		return "new, " + string(l.After)
	case l.Before != l.After:
		return string(l.Before) + " → " + string(l.After)
	}
	return string(l.After)
}
