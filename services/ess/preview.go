package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/workbook"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
)

type previewing struct {
	config, dir, url, credentials string
	tenant, link, file, language  string
}

func previewCommand() *cobra.Command {
	var p previewing
	cmd := &cobra.Command{
		Use:   "preview --config DIR --tenant NAME --link SYSTEM[/INSTANCE]",
		Short: "Show what a link would do, and write nothing",
		Long: `Show what a link of a tenant would create, change and take away now, and what it would not send and why, with the verdict of
the pre-flight. Nothing is written, to the target or the ledger, and whoever runs the link goes on.

Standard output gets the counts. With -o the whole is written as an Excel workbook, with names, for the school to read and
sign; keep it as you would keep the register.`,
		Example: "  ess preview --config /etc/ess/tenants --nats nats://nats:4222 --tenant lund --link apple-school-manager -o lund.xlsx",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.config, "config", "", "folder with a YAML document for each tenant")
	f.StringVar(&p.dir, "data", "", "folder of the log of an ess run that is not running now")
	f.StringVar(&p.url, "nats", "", "address of the NATS server, in place of --data")
	f.StringVar(&p.credentials, "credentials", "", "file:PATH or env:NAME of a credentials file; empty for none")
	f.StringVar(&p.tenant, "tenant", "", "the tenant")
	f.StringVar(&p.link, "link", "", "the link: its target's system, and /instance if it has one")
	f.StringVarP(&p.file, "output", "o", "", "write an Excel workbook to this file")
	f.StringVar(&p.language, "language", string(reason.Swedish), "of the workbook: sv or en")
	cmd.MarkFlagsOneRequired("data", "nats")
	cmd.MarkFlagsMutuallyExclusive("data", "nats")
	require(cmd, "config", "tenant", "link")
	return cmd
}

func (p previewing) run(ctx context.Context, stdout, stderr io.Writer) error {
	if p.language != string(reason.Swedish) && p.language != string(reason.English) {
		return fmt.Errorf("--language is %q: write sv or en", p.language)
	}
	docs, err := tenant.LoadDir(p.config)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(docs, func(d *tenant.Document) bool { return d.Tenant == p.tenant })
	if i < 0 {
		return fmt.Errorf("%s has no tenant %q", p.config, p.tenant)
	}
	system, instance, _ := strings.Cut(p.link, "/")
	link := roster.Source{System: system, Instance: instance}
	if instance == "" {
		link.Instance = "default"
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
	telemetry, err := service.NewTelemetry(ctx, "ess-preview", false)
	if err != nil {
		return err
	}
	host := &service.Host{Store: st, Owner: "preview", Logger: logger, Telemetry: telemetry, Now: time.Now, NewID: uuid.NewString}
	s, err := host.Preview(ctx, docs[i], link, connectors.Targets())
	switch {
	case err != nil:
		return err
	case s.Halted != nil && len(s.Problems) == 0:
		return fmt.Errorf("%s %s", s.Halted, s.Halted.Next(reason.English))
	case s.Deferred != "":
		return fmt.Errorf("there is nothing to preview now: %s", s.Deferred)
	}
	printPreview(stdout, s)
	if p.file == "" {
		return nil
	}
	return p.write(workbook.Preview{
		Tenant: docs[i].Title, Link: link.String(), When: time.Now().In(roster.Stockholm()).Format("2006-01-02 15:04"),
		Rows: s.Rows, Faults: s.Problems,
	})
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

func (p previewing) write(v workbook.Preview) (err error) {
	f, err := os.OpenFile(p.file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return workbook.Write(f, v, reason.Language(p.language))
}

func printPreview(out io.Writer, s target.Settled) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kind\tcreate\tchange\tdisable\tremove\tnot sent\t")
	waiting := map[string]int{}
	for _, r := range s.Rows {
		if r.Verb == "" {
			waiting[r.ID.Kind]++
		} else {
			waiting[r.ID.Kind] += 0
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(waiting)) {
		d := s.Kinds[kind]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", kind, d.Created, d.Updated, d.Disabled, d.Deleted, waiting[kind])
	}
	_ = w.Flush()
	if len(s.Rows) == 0 {
		fmt.Fprintln(out, "nothing would change")
	}
	for _, p := range s.Problems {
		fmt.Fprintf(out, "pre-flight: %s: %s %s\n", p.ID, p.Reason.Text(reason.English), p.Reason.Next(reason.English))
	}
}
