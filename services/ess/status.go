package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

// errand is something that is done once for every tenant of a configuration, as a CronJob does it.
type errand struct {
	config, url, credentials string
	only                     string // a tenant; empty for all
}

func (e *errand) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.config, "config", "", "folder with a YAML document for each tenant, or nats: for those that were applied")
	f.StringVar(&e.url, "nats", "", "address of the NATS server")
	f.StringVar(&e.credentials, "credentials", "", "file:PATH or env:NAME of a credentials file; empty for none")
	f.StringVar(&e.only, "tenant", "", "only this tenant")
	require(cmd, "config", "nats")
}

// run does something for every tenant. One that fails stops no other (rule R7).
func (e *errand) run(ctx context.Context, name, level string, logs io.Writer, do func(*store.Store, *tenant.Document, *slog.Logger) error) error {
	logger, err := service.NewLogger(logs, level, "text")
	if err != nil {
		return err
	}
	st, err := store.Connect(ctx, store.Options{URL: e.url, Credentials: tenant.Secret(e.credentials), Name: name, Logger: logger})
	if err != nil {
		return err
	}
	defer st.Close()
	var docs []*tenant.Document
	if e.config == service.Applied {
		docs, err = service.AppliedDocuments(ctx, st)
	} else {
		docs, err = tenant.LoadDir(e.config)
	}
	errs := []error{err}
	found := false
	for _, d := range docs {
		if e.only != "" && d.Tenant != e.only {
			continue
		}
		found = true
		if err := do(st, d, logger); err != nil {
			errs = append(errs, fmt.Errorf("tenant %s: %w", d.Tenant, err))
		}
	}
	if !found && e.only != "" {
		errs = append(errs, fmt.Errorf("%s has no tenant %q that can be used", e.config, e.only))
	}
	return errors.Join(errs...)
}

func statusCommand() *cobra.Command {
	var e errand
	var language string
	var send bool
	cmd := &cobra.Command{
		Use:   "status --nats URL --config DIR",
		Short: "Show how tenants stand, or send it",
		Long: `Show how every tenant of a configuration stands: its sources, its links, and what asks for somebody. It holds counts: no
names, no keys of persons, nothing that tells of protected persons.

ess run sends it at 06:30 every morning. Where readers and writers run as processes of their own, a CronJob does with
--send: then it goes to the log and to whom the document names (status: {webhook: …}), and nothing is printed.
ESS_CONSOLE_URL is the address of the console that it points at.`,
		Example: "  ess status --nats nats://nats:4222 --config /etc/ess/tenants --send",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := reason.Language(language)
			if l != reason.English && l != reason.Swedish {
				return fmt.Errorf("--language is %q: write sv or en", language)
			}
			level := "warn"
			if send {
				level = "info" // the status is a line of the log
			}
			return e.run(cmd.Context(), "ess-status", level, cmd.ErrOrStderr(), func(st *store.Store, d *tenant.Document, logger *slog.Logger) error {
				r := service.NewReporter(st, d, os.Getenv("ESS_CONSOLE_URL"), logger, time.Now)
				if send {
					_, err := r.Send(cmd.Context())
					return err
				}
				s, err := r.Status(cmd.Context())
				if err == nil {
					_, err = io.WriteString(cmd.OutOrStdout(), s.Text(l)+"\n")
				}
				return err
			})
		},
	}
	e.flags(cmd)
	cmd.Flags().StringVar(&language, "language", "en", "of the text: sv or en")
	cmd.Flags().BoolVar(&send, "send", false, "send it, in place of printing it")
	return cmd
}

func sweepCommand() *cobra.Command {
	var e errand
	cmd := &cobra.Command{
		Use:   "sweep --nats URL --config DIR",
		Short: "Take out of the tenants' logs what is no longer needed",
		Long: `Take out of every tenant's log what is no longer needed: history older than 30 days or beyond 64 messages of a record, all
history under a tombstone, and tombstones that every link has passed. What is taken out of a person or group is overwritten.

ess run does it every night. Where readers and writers run as processes of their own, have a CronJob do it once a night, as
a client with the rights of the janitor.`,
		Example: "  ess sweep --nats nats://nats:4222 --config /etc/ess/tenants",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.run(cmd.Context(), "ess-sweep", "warn", cmd.ErrOrStderr(), func(st *store.Store, d *tenant.Document, logger *slog.Logger) error {
				swept, err := service.Sweep(cmd.Context(), st, d, logger, time.Now)
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d messages of history, %d tombstones\n", d.Tenant, swept.History, swept.Tombstones)
				}
				return err
			})
		},
	}
	e.flags(cmd)
	return cmd
}
