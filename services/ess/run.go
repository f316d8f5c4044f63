package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/services/connectors"
)

func runCommand() *cobra.Command {
	var config, dir, url, health, level string
	var readNow bool
	var port int
	cmd := &cobra.Command{
		Use:   "run --config DIR",
		Short: "Run every reader and writer of a small installation, with NATS inside",
		Long: `Run the readers and writers of every tenant in a folder of YAML documents, on a NATS server inside the program or, with
--nats, on another one. A document that changes acts without a restart. The server inside takes no connections, unless --listen gives it a port of the loopback interface for
essctl and ess preview: then whoever can log in to this machine can read the log. A folder for the log is made when
it is not there; a log that is gone while its ledger stands is an error, never an empty log.

At a customer's, with ESS_LINE_URL and ESS_TENANT in the environment, it reads the sources of that tenant that are onSite, over a
line to the central NATS, and keeps no links.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			logger, err := newLogger(cmd.ErrOrStderr(), level)
			if err != nil {
				return err
			}
			onSite := os.Getenv("ESS_LINE_URL") != ""
			var server *store.Server
			if url == "" && !onSite {
				if dir == "" {
					return errors.New("--data is required: the folder in which NATS keeps the log (or --nats for a server elsewhere)")
				}
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return err
				}
				if server, err = store.Embedded(store.ServerOptions{Dir: dir, Listen: port > 0, Port: port, Logger: logger}); err != nil {
					return err
				}
				defer server.Shutdown()
				url = "inside"
			}
			environment := map[string]string{"ESS_NATS_URL": url, "ESS_CONFIG": config, "ESS_HTTP": health, "ESS_LOG_LEVEL": level, "ESS_LOG_FORMAT": "text"}
			p, err := service.Environment("ess", func(key string) string {
				if v, ok := environment[key]; ok {
					return v
				}
				return os.Getenv(key)
			}, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			p.Server, p.KeepLogs, p.Complete, p.ReadNow = server, !onSite, true, p.ReadNow || readNow
			return p.Serve(cmd.Context(), connectors.Sources(), connectors.Targets())
		},
	}
	f := cmd.Flags()
	f.StringVar(&config, "config", "", "folder with a YAML document for each tenant, or nats: for those that essctl tenants apply has applied")
	f.StringVar(&dir, "data", "", "folder in which NATS keeps the log")
	f.StringVar(&url, "nats", "", "address of a NATS server, in place of the one inside")
	f.IntVar(&port, "listen", 0, "port of the loopback interface for essctl; 0 for none")
	f.BoolVar(&readNow, "read-now", false, "read every source once at the start, and not only on its schedule")
	f.StringVar(&health, "http", "127.0.0.1:8080", "address of health, readiness and metrics")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	require(cmd, "config")
	return cmd
}
