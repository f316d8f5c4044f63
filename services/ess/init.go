package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

func initCommand() *cobra.Command {
	var config, url, credentials string
	var replicas int
	cmd := &cobra.Command{
		Use:   "init --nats URL --config DIR",
		Short: "Make the streams of every tenant on a NATS server",
		Long: `Make the streams of every tenant in a folder of YAML documents that do not exist yet, and bring the settings of the others
up to date. Readers and writers never do, so that they see a log that was lost.`,
		Example: "  ess init --nats nats://nats:4222 --config /etc/ess/tenants --replicas 3",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			docs, err := tenant.LoadDir(config)
			if err != nil {
				return err
			}
			logger, err := service.NewLogger(cmd.ErrOrStderr(), "warn", "text")
			if err != nil {
				return err
			}
			st, err := store.Connect(cmd.Context(), store.Options{
				URL: url, Credentials: tenant.Secret(credentials), Name: "ess-init", Logger: logger,
			})
			if err != nil {
				return err
			}
			defer st.Close()
			if err := st.EnsureControl(cmd.Context(), replicas); err != nil {
				return err
			}
			if err := st.EnsureMembers(cmd.Context(), replicas, 0); err != nil {
				return err
			}
			for _, d := range docs {
				if err := st.EnsureTenant(cmd.Context(), d.Tenant, replicas); err != nil {
					return fmt.Errorf("tenant %s: %w", d.Tenant, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s has its streams\n", d.Tenant)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&config, "config", "", "folder with a YAML document for each tenant")
	f.StringVar(&url, "nats", "", "address of the NATS server")
	f.StringVar(&credentials, "credentials", "", "file:PATH or env:NAME of a credentials file; empty for none")
	f.IntVar(&replicas, "replicas", 1, "how many servers keep each stream: 1, 3 or 5")
	require(cmd, "config", "nats")
	return cmd
}
