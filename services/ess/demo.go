package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/services/ess/demo"
	"eventful.se/ess/services/ess/municipality"
)

func demoCommand() *cobra.Command {
	o := demo.Options{Now: time.Now}
	var level string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything on this machine: register, log, targets",
		Long: `Start a NATS server, an SFTP server with the generated export of an Alvis register, the reader, two writers, an SFTP inbox
in place of Apple School Manager's, and a directory of accounts and groups in a file. Then change the register, and show
what each change comes to in both. Everyone in it is invented, and nothing leaves this machine.

With --source educloud the register is an API of SS 12000 in place of the SFTP server: the first read fetches everything,
and those after it what changed.

With --once it does not wait, prints a summary and ends; the exit status is 0 only if after every step the delivered
files and the directory equalled the register.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Pupils < demo.MinPupils || o.Pupils > municipality.MaxPupils {
				return fmt.Errorf("--pupils is %d: choose %d to %d", o.Pupils, demo.MinPupils, municipality.MaxPupils)
			}
			if !slices.Contains(demo.Sources(), o.Source) {
				return fmt.Errorf("--source is %q: choose %s", o.Source, strings.Join(demo.Sources(), " or "))
			}
			o.Out = cmd.OutOrStdout()
			o.Logger = slog.New(slog.DiscardHandler)
			if level != "" {
				if o.Logger, err = newLogger(cmd.ErrOrStderr(), level); err != nil {
					return err
				}
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Once, "once", false, "do not wait, and end after the last step")
	f.StringVar(&o.Source, "source", demo.Alvis, "the register: "+strings.Join(demo.Sources(), " or "))
	f.IntVar(&o.Pupils, "pupils", 400, "how many pupils")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed is another municipality")
	f.DurationVar(&o.Pause, "pause", 4*time.Second, "how long to wait between two steps")
	f.StringVar(&o.Dir, "dir", "", "keep everything in this directory; default one that is removed at the end")
	f.StringVar(&level, "log-level", "", "also write the log to standard error: debug, info, warn or error")
	return cmd
}
