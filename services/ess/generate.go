package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/ess/municipality"
)

func generateCommand() *cobra.Command {
	var (
		o      municipality.Options
		format string
		out    string
		day    string
	)
	cmd := &cobra.Command{
		Use:   "generate -o DIR",
		Short: "Write the export of a synthetic municipality",
		Long: `Write the export of a whole synthetic municipality: schools, classes, teaching groups, pupils and staff, with everything
that registers really hold: TF numbers, people at two schools, long and foreign names, missing addresses. Nobody in it
exists. The same options give the same bytes on every machine.`,
		Example: "  ess generate --pupils 1000 --seed 7 --format alvis -o /tmp/export",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Pupils < municipality.MinPupils || o.Pupils > municipality.MaxPupils {
				return fmt.Errorf("--pupils is %d: choose %d to %d", o.Pupils, municipality.MinPupils, municipality.MaxPupils)
			}
			if o.Day, err = roster.ParseDate(day); err != nil {
				return fmt.Errorf("--day is %q: %w", day, err)
			}
			begun, told := time.Now(), false
			m := municipality.New(o)
			paths, err := m.WriteDir(out, format, func(done, total int) {
				told = true
				fmt.Fprintf(cmd.ErrOrStderr(), "\rwriting %3d %%", 100*done/max(total, 1))
			})
			if told {
				fmt.Fprint(cmd.ErrOrStderr(), "\r             \r")
			}
			if err != nil {
				return err
			}
			s := m.Size()
			fmt.Fprintf(cmd.ErrOrStderr(), "%d units, %d pupils, %d staff (%d persons), %d groups, %d members in %s\n",
				s.Units, s.Pupils, s.Staff, s.Persons, s.Groups, s.Members, time.Since(begun).Round(time.Millisecond))
			for _, path := range paths {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Pupils, "pupils", 1000, "how many pupils")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed is another municipality")
	f.StringVar(&format, "format", municipality.FormatAlvis, "format of the export: alvis")
	f.StringVar(&day, "day", municipality.DefaultDay.String(), "the day on which the register looks like this")
	f.StringVarP(&out, "output", "o", "", "directory to write to; made when missing")
	require(cmd, "output")
	return cmd
}
