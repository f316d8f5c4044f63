package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

func (c *control) tenantsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tenants",
		Short: "Apply, show and retire the tenants' documents",
		Long: `Apply, show and retire the tenants' documents, which are kept in the log's cluster with every version that was applied.

What is left out of a document stops, and nothing is removed for it; retire is what ends a source, a link or a tenant.`,
	}
	cmd.AddCommand(c.applyCommand(), c.listCommand(), c.getCommand(), c.diffCommand(), c.retireCommand(), c.schemaCommand())
	return cmd
}

// printedVersion is a version of a document as JSON.
type printedVersion struct {
	Tenant  string    `json:"tenant"`
	Title   string    `json:"title,omitempty"`
	Version int       `json:"version"`
	Digest  string    `json:"digest"`
	Applied time.Time `json:"applied"`
	By      string    `json:"by"`
	Retired bool      `json:"retired"`
}

func printedOf(v store.TenantVersion) printedVersion {
	p := printedVersion{Tenant: v.Tenant, Version: v.Number, Digest: v.Digest, Applied: v.At, By: v.Who, Retired: v.Retired()}
	if d, err := tenant.Parse(v.Document); err == nil {
		p.Title = d.Title
	}
	return p
}

func (c *control) listCommand() *cobra.Command {
	var one string
	cmd := &cobra.Command{
		Use:     "list [--tenant TENANT]",
		Short:   "Show which document of each tenant is in force, or every version of one",
		Example: "  essctl tenants list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				read := st.Tenants().List
				if one != "" {
					read = func(ctx context.Context) ([]store.TenantVersion, error) { return st.Tenants().History(ctx, one) }
				}
				list, err := read(cmd.Context())
				if reason.Of(err).Code == reason.LogMissing {
					return errors.New("no document was ever applied here: essctl tenants apply does; who runs from a folder needs none")
				}
				if err != nil {
					return advised(err)
				}
				if one != "" && len(list) == 0 {
					return fmt.Errorf("no document of tenant %s was ever applied here: essctl tenants list shows whose were", one)
				}
				slices.SortFunc(list, func(a, b store.TenantVersion) int {
					return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(b.Number, a.Number))
				})
				out := make([]printedVersion, len(list))
				for i, v := range list {
					out[i] = printedOf(v)
				}
				return c.print(out, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "TENANT\tTITLE\tVERSION\tDIGEST\tAPPLIED\tBY\tSTATE")
					for _, p := range out {
						state := "in force"
						if p.Retired {
							state = "retired"
						} else if one != "" && p.Version != out[0].Version {
							state = "replaced"
						}
						fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", p.Tenant, cmp.Or(p.Title, "-"), p.Version, p.Digest, clock(p.Applied), p.By, state)
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&one, "tenant", "", "every version of this tenant")
	return cmd
}

func (c *control) getCommand() *cobra.Command {
	var number int
	cmd := &cobra.Command{
		Use:     "get TENANT [--version N]",
		Short:   "Print a tenant's document as it was applied",
		Long:    "Print a tenant's document as it was applied, with its comments; with -o json what it says, as JSON.",
		Example: "  essctl tenants get lund > lund.yaml",
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				v, err := documentOf(cmd.Context(), st, args[0], number)
				if err != nil {
					return advised(err)
				}
				if c.format == "json" {
					text, err := yaml.YAMLToJSON(v.Document)
					if err != nil {
						return fmt.Errorf("version %d of tenant %s is no YAML: %w", v.Number, v.Tenant, err)
					}
					return c.print(json.RawMessage(text), nil)
				}
				_, err = c.out.Write(v.Document)
				return err
			})
		},
	}
	cmd.Flags().IntVar(&number, "version", 0, "of which version; 0 for the one in force")
	return cmd
}

// documentOf returns a version of a tenant that holds a document, or the one in force.
func documentOf(ctx context.Context, st *store.Store, name string, number int) (v store.TenantVersion, err error) {
	if number == 0 {
		if v, err = newest(ctx, st, name); err != nil {
			return v, err
		}
		if !v.InForce() {
			return v, fmt.Errorf("no document of tenant %s is in force: apply one, preview one with --file, or name a --version that essctl tenants list --tenant %s shows", name, name)
		}
		return v, nil
	}
	history, err := st.Tenants().History(ctx, name)
	if err != nil {
		return v, err
	}
	i := slices.IndexFunc(history, func(v store.TenantVersion) bool { return v.Number == number && v.InForce() })
	if i < 0 {
		return v, fmt.Errorf("tenant %s has no document of version %d: look at essctl tenants list --tenant %s", name, number, name)
	}
	return history[i], nil
}

// printedDiff is what differs between two versions, or a version and a file, as JSON.
type printedDiff struct {
	Tenant string   `json:"tenant"`
	From   int      `json:"from"`
	To     int      `json:"to,omitempty"`
	File   string   `json:"file,omitempty"` // in place of a newer version
	Lines  []string `json:"lines"`          // as the table has them, with "-", "+" or a blank first
}

func (c *control) diffCommand() *cobra.Command {
	var from, to int
	var file string
	cmd := &cobra.Command{
		Use:   "diff TENANT [--from N] [--to N | --file DOC.yaml]",
		Short: "Show what differs between two versions of a tenant's document",
		Long: `Show what differs between two versions of a tenant's document: by default the one in force and the one before it; with --file
the one in force and a file that is not applied yet. Lines that go begin with "-", lines that come with "+".`,
		Example: "  essctl tenants diff lund --file lund.yaml",
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				ctx := cmd.Context()
				var after []byte
				newest, err := documentOf(ctx, st, args[0], to)
				if err != nil {
					return advised(err)
				}
				before := newest
				switch {
				case file != "":
					if after, _, err = c.readDocument(file); err != nil {
						return err
					}
				case from == 0:
					if from = newest.Number - 1; from == 0 {
						return fmt.Errorf("tenant %s has one version only: name a --file", args[0])
					}
				}
				if from != 0 {
					if before, err = documentOf(ctx, st, args[0], from); err != nil {
						return advised(err)
					}
				}
				if after == nil {
					after = newest.Document
				}
				d := printedDiff{Tenant: args[0], From: before.Number, To: newest.Number, File: file, Lines: lineDiff(string(before.Document), string(after))}
				if file != "" {
					d.To = 0
				}
				return c.print(d, func(w *tabwriter.Writer) {
					for _, line := range d.Lines {
						fmt.Fprintln(w, line)
					}
				})
			})
		},
	}
	f := cmd.Flags()
	f.IntVar(&from, "from", 0, "the older version; 0 for the one before --to, or with --file the one in force")
	f.IntVar(&to, "to", 0, "the newer version; 0 for the one in force")
	f.StringVar(&file, "file", "", "a file in place of the newer version")
	cmd.MarkFlagsMutuallyExclusive("to", "file")
	return cmd
}

// newest returns the newest version of a tenant, where the cluster has no documents yet too.
func newest(ctx context.Context, st *store.Store, name string) (store.TenantVersion, error) {
	v, err := st.Tenants().Newest(ctx, name)
	if reason.Of(err).Code == reason.LogMissing {
		return store.TenantVersion{Tenant: name}, nil
	}
	return v, err
}

// audited records a deed in the tenant's audit, does it, and records it when that failed.
func audited(ctx context.Context, audit *store.Audit, e store.AuditEntry, do func() error) error {
	if err := audit.Record(ctx, e); err != nil {
		return err
	}
	err := do()
	if err == nil {
		return nil
	}
	failed := e
	failed.What += ".failed"
	failed.Details = map[string]string{"code": string(reason.Of(err).Code)}
	return errors.Join(err, audit.Record(context.WithoutCancel(ctx), failed))
}
