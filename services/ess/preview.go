package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/preview"
)

type previewing struct {
	preview.Options
	config, dir, url, credentials string
	tenant, link                  string
}

func previewCommand() *cobra.Command {
	var p previewing
	cmd := &cobra.Command{
		Use:     "preview --config DIR --tenant NAME --link SYSTEM[/INSTANCE]",
		Short:   "Show what a link would do, and write nothing",
		Long:    preview.Long,
		Example: "  ess preview --config /etc/ess/tenants --nats nats://nats:4222 --tenant lund --link apple-school-manager -o lund.xlsx",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	p.Flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.config, "config", "", "folder with a YAML document for each tenant")
	f.StringVar(&p.dir, "data", "", "folder of the log of an ess run that is not running now")
	f.StringVar(&p.url, "nats", "", "address of the NATS server, in place of --data")
	f.StringVar(&p.credentials, "credentials", "", "file:PATH or env:NAME of a credentials file; empty for none")
	f.StringVar(&p.tenant, "tenant", "", "the tenant")
	f.StringVar(&p.link, "link", "", "the link: its target's system, and /instance if it has one")
	cmd.MarkFlagsOneRequired("data", "nats")
	cmd.MarkFlagsMutuallyExclusive("data", "nats")
	require(cmd, "config", "tenant", "link")
	return cmd
}

func (p previewing) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	docs, err := tenant.LoadDir(p.config)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(docs, func(d *tenant.Document) bool { return d.Tenant == p.tenant })
	if i < 0 {
		return fmt.Errorf("%s has no tenant %q", p.config, p.tenant)
	}
	link, err := preview.Link(p.link)
	if err != nil {
		return err
	}
	logger, err := service.NewLogger(stderr, "warn", "text")
	if err != nil {
		return err
	}
	st, closeStore, err := p.connect(ctx, logger)
	if err != nil {
		return err
	}
	defer closeStore()
	host, err := preview.Host(ctx, st, logger, time.Now)
	if err != nil {
		return err
	}
	return p.Show(ctx, host, docs[i], link, connectors.Targets(), stdout)
}

// connect reaches NATS, or starts it on the log of an installation that is not running.
func (p previewing) connect(ctx context.Context, logger *slog.Logger) (*store.Store, func(), error) {
	o := store.Options{URL: p.url, Credentials: tenant.Secret(p.credentials), Name: "ess-preview", Logger: logger}
	stop := func() {}
	if p.dir != "" {
		if _, err := os.Stat(p.dir); err != nil {
			return nil, nil, err
		}
		server, err := store.Embedded(store.ServerOptions{Dir: p.dir, Logger: logger})
		if err != nil {
			return nil, nil, err
		}
		o.Server, stop = server, server.Shutdown
	}
	st, err := store.Connect(ctx, o)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return st, func() { st.Close(); stop() }, nil
}
