package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/ess/municipality"
)

// maxDays is how many days a municipality is let through: ten years.
const maxDays = 3650

// mixed says that each school has its own way with the ids of classes.
const mixed = "mixed"

func generateCommand() *cobra.Command {
	var (
		o      municipality.Options
		format string
		out    string
		date   string
		days   int
		shape  string

		protected, groupIDs string
	)
	cmd := &cobra.Command{
		Use:   "generate -o DIR",
		Short: "Write the export of a synthetic municipality",
		Long: `Write the export of a whole synthetic municipality: schools, classes, teaching groups, pupils and staff, with everything
that registers really hold: TF numbers, people at two schools, long and foreign names, missing addresses. Nobody in it
exists. The same options give the same bytes on every machine.

--day N writes the same municipality N days later: pupils and staff have joined, left and moved, some have other names or numbers,
two were protected, courses ended and began, and in time a school is merged, July empties the classes and August turns the
läsår. What happened on the last of these days is told on standard error, in numbers. Whom the register protects is in the
export as --protected says: not at all (none, as Alvis), as a mark (flag, at extension/securitymarking of an Alvis export, securityMarking
of SS 12000, protected of the table persons), or left out (omits).

--format ss12000 writes what the lists of an API of SS 12000 answer, a file for each; --format sql the tables of a register, for
PostgreSQL, as the sources that read databases want them (psql -f register.sql).`,
		Example: "  ess generate --pupils 1000 --seed 7 -o /tmp/monday\n" +
			"  ess generate --pupils 1000 --seed 7 --day 1 -o /tmp/tuesday\n" +
			"  ess generate --pupils 1000 --seed 7 --shape schools --protected flag --day 335 -o /tmp/august",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Pupils < municipality.MinPupils || o.Pupils > municipality.MaxPupils {
				return fmt.Errorf("--pupils is %d: choose %d to %d", o.Pupils, municipality.MinPupils, municipality.MaxPupils)
			}
			if o.Day, err = roster.ParseDate(date); err != nil {
				return fmt.Errorf("--date is %q: %w", date, err)
			}
			if days < 0 || days > maxDays {
				return fmt.Errorf("--day is %d: choose 0 to %d", days, maxDays)
			}
			for _, choice := range []struct {
				flag, value string
				of          []string
			}{
				{"shape", shape, []string{string(municipality.ShapeAdult), string(municipality.ShapeSchools)}},
				{"protected", protected, []string{string(municipality.ProtectedNone), string(municipality.ProtectedFlag), string(municipality.ProtectedOmits)}},
				{"group-ids", groupIDs, []string{mixed, string(municipality.GroupIDsStable), string(municipality.GroupIDsYearly), string(municipality.GroupIDsReused)}},
			} {
				if !slices.Contains(choice.of, choice.value) {
					return fmt.Errorf("--%s is %q: choose %s", choice.flag, choice.value, strings.Join(choice.of, ", "))
				}
			}
			o.Shape, o.Protected = municipality.Shape(shape), municipality.Protected(protected)
			if groupIDs != mixed {
				o.GroupIDs = municipality.GroupIDs(groupIDs)
			}
			begun, told := time.Now(), false
			m := municipality.New(o)
			var changes []municipality.Change
			for range days {
				changes = m.NextDay()
			}
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
			if days > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", m.Day, happened(changes))
			}
			for _, path := range paths {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Pupils, "pupils", 1000, "how many pupils")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed is another municipality")
	f.StringVar(&format, "format", municipality.FormatAlvis, "format of the export: "+strings.Join(municipality.Formats(), ", "))
	f.StringVar(&date, "date", municipality.DefaultDay.String(), "the day on which the municipality begins, YYYY-MM-DD")
	f.IntVar(&days, "day", 0, "how many days later it is")
	f.StringVar(&shape, "shape", string(municipality.ShapeAdult), "which schools there are: adult or schools")
	f.StringVar(&protected, "protected", string(municipality.ProtectedNone), "how the export tells of protected persons: none, flag or omits")
	f.StringVar(&groupIDs, "group-ids", mixed, "the ids of classes in August: mixed, stable, yearly or reused")
	f.StringVarP(&out, "output", "o", "", "directory to write to; made when missing")
	require(cmd, "output")
	return cmd
}

// happened counts changes by kind.
func happened(changes []municipality.Change) string {
	n := map[municipality.ChangeKind]int{}
	for _, c := range changes {
		n[c.Kind]++
	}
	if len(n) == 0 {
		return "nothing happened"
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%d %s", n[kind], kind))
	}
	return strings.Join(parts, ", ")
}
