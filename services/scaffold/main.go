// Command scaffold makes the folder of a new connector, which compiles and passes its suite from the first minute on.
// docs/add-a-connector.md says how it goes on.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/service"
)

func main() {
	ctx, stop := service.Signals(context.Background())
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s Scaffold
	cmd := &cobra.Command{
		Use:   "scaffold {source|target} --name NAME",
		Short: "Make the folder of a new connector",
		Long: `Make the folder of a new connector: a copy of another one, under a name of its own, which compiles and passes its suite at
once. It is added to services/connectors and to the table of README.md. What only its author can say is marked with
"` + Mark + `". Copied is the memory connector, or the one that the new system is like: a register that serves SS 12000 is like
quiculum, one that is read by queries like extens-db. docs/add-a-connector.md says how it goes on.`,
		Example:       "  make new-source NAME=quiculum TITLE=Quiculum\n  make new-source NAME=skolan TITLE=Skolan LIKE=quiculum\n  make new-target NAME=google-workspace TITLE=\"Google Workspace\" PACKAGE=workspace",
		Args:          cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs:     []string{string(Source), string(Target)},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Kind = Kind(args[0])
			made, err := s.Make(ctx)
			for _, path := range made {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "\nIt passes as it is: (cd services && go test ./%s/...)\nWhat is yours to write: grep -rn '%s' README.md services/%[1]s\nHow it goes on: docs/add-a-connector.md\n", s.folder(), Mark)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.Name, "name", "", "the system: lower-case letters, digits and hyphens; a token of every subject, for good")
	flags.StringVar(&s.Title, "title", "", "what people call it (default: the name)")
	flags.StringVar(&s.Package, "package", "", "name of its Go package (default: the name without hyphens)")
	flags.StringVar(&s.Like, "like", Plainest, "the system whose connector is copied")
	flags.StringVar(&s.Root, "root", ".", "folder of the workspace")
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "scaffold:", err)
		return 1
	}
	return 0
}
