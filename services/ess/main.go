// Command ess is all of ESS in one program: the demo, small installations, and tools to look at exports.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/service"
)

func main() {
	service.Frugal()
	ctx, stop := service.Signals(context.Background())
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs the command line and returns the exit status: 0 when all went well, 1 after an error, or what an
// [exitError] says.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd := &cobra.Command{
		Use:           "ess",
		Short:         "Keep what schools use equal to the student register",
		Long:          "ESS reads student registers, publishes what changed to NATS JetStream, and keeps every target equal to the register.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(demoCommand(), runCommand(), initCommand(), statusCommand(), sweepCommand(), previewCommand(), inspectCommand(), generateCommand())
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	status := 1
	if exit, ok := errors.AsType[*exitError](err); ok {
		status, err = exit.status, exit.err
	}
	if err != nil {
		fmt.Fprintln(stderr, "ess:", err)
	}
	return status
}

// newLogger returns a logger for people, of the level that --log-level names.
func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	logger, err := service.NewLogger(w, level, "text")
	if err != nil {
		return nil, fmt.Errorf("--log-level is %q: write debug, info, warn or error", level)
	}
	return logger, nil
}

// require makes flags of a command required. A command that does not have the flag says so instead of running.
func require(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			cmd.RunE = func(*cobra.Command, []string) error { return err }
		}
	}
}

// exitError ends the program with a status of its own.
type exitError struct {
	status int
	err    error // nil when everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}
