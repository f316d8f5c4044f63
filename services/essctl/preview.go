package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/preview"
)

func (c *control) previewCommand() *cobra.Command {
	var o preview.Options
	var name, link, file string
	cmd := &cobra.Command{
		Use:   "preview --tenant TENANT --link SYSTEM[/INSTANCE] [--file DOC.yaml]",
		Short: "Show what a link would do, and write nothing",
		Long:  preview.Long + "\n\nThe document is the one in force, or with --file one that is not applied yet.",
		Example: `  essctl preview --tenant lund --link apple-school-manager --rows
  essctl preview --tenant lund --link apple-school-manager -o lund.xlsx --file lund.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			ref, err := preview.Link(link)
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				ctx := cmd.Context()
				d, err := c.documentToPreview(ctx, st, name, file)
				if err != nil {
					return advised(err)
				}
				h, err := preview.Host(ctx, st, slog.New(slog.DiscardHandler), c.now)
				if err != nil {
					return err
				}
				return advised(o.Show(ctx, h, d, ref, connectors.Targets(), c.out))
			})
		},
	}
	o.Flags(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "tenant", "", "the tenant (required)")
	f.StringVar(&link, "link", "", "the link: its target's system, and /instance if it has one (required)")
	f.StringVar(&file, "file", "", "a document in place of the one in force")
	require(cmd, "tenant", "link")
	return cmd
}

// documentToPreview returns the document in a file, or the one in force.
func (c *control) documentToPreview(ctx context.Context, st *store.Store, name, file string) (*tenant.Document, error) {
	if file == "" {
		v, err := documentOf(ctx, st, name, 0)
		if err != nil {
			return nil, err
		}
		return tenant.Parse(v.Document)
	}
	_, d, err := c.readDocument(file)
	if err != nil {
		return nil, err
	}
	if d.Tenant != name {
		return nil, fmt.Errorf("%s is about tenant %s, and not about %s", file, d.Tenant, name)
	}
	return d, nil
}
