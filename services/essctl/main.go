// Command essctl is how operators look at what ESS did and decide what it asks about. It talks to NATS only.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/source-manual/manual"
)

func main() {
	ctx, stop := service.Signals(context.Background())
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv, time.Now))
}

// run runs the command line and returns the exit status: 0 when all went well, 1 after an error.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string, now func() time.Time) int {
	c := &control{getenv: getenv, now: now, in: os.Stdin, out: stdout, errs: stderr, newID: func() string { return uuid.NewString()[:8] }}
	return c.run(ctx, args)
}

// root returns the command tree.
func (c *control) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "essctl",
		Short: "Look at what ESS did, and decide what it asks about",
		Long: `Look at what ESS did for a tenant, and decide what it asks about. It talks to NATS only.

What changes anything takes --dry-run, and stands in the tenant's audit: who, what, when and why.

Exit status: 0 when all went well, 1 after an error.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if f := cmd.Flags().Lookup("tenant"); f != nil {
				c.about = f.Value.String()
			}
			if !slices.Contains([]string{"table", "json", "yaml"}, c.format) {
				return fmt.Errorf("-o is %q: write table, json or yaml", c.format)
			}
			return nil
		},
	}
	f := cmd.PersistentFlags()
	f.StringVar(&c.nats, "nats", "", "address of NATS, such as nats://nats:4222 (default $ESS_NATS_URL)")
	f.StringVar(&c.credentials, "credentials", "", "file:PATH or env:NAME of a credentials file (default $ESS_NATS_CREDS)")
	f.StringVarP(&c.format, "output", "o", "table", "how to print: table, json or yaml")
	cmd.AddCommand(c.tenantsCommand(), c.statusCommand(), c.sourcesCommand(), c.linksCommand(), c.parkedCommand(), c.checkCommand(), c.asksCommand(), c.membersCommand(), c.previewCommand(),
		c.runsCommand(), c.findingsCommand(), c.heldCommand(), c.personCommand(), c.manualCommand(), c.namesCommand(), c.whyCommand(), c.passwordsCommand(), c.referenceCommand())
	c.completing(cmd)
	return cmd
}

func (c *control) run(ctx context.Context, args []string) int {
	cmd := c.root()
	cmd.SetArgs(args)
	cmd.SetOut(c.out)
	cmd.SetErr(c.errs)
	err := known(cmd, args)
	if err == nil {
		err = cmd.ExecuteContext(ctx)
	}
	if err != nil {
		if !strings.Contains(err.Error(), "\n") { // it does not say yet what to do
			err = advised(err)
		}
		fmt.Fprintln(c.errs, "essctl:", err)
		return 1
	}
	return 0
}

// known refuses a word that is no command where one is due; cobra would show the help as if all were well.
func known(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err == nil && cmd != root && cmd.HasSubCommands() {
		if i := slices.IndexFunc(rest, func(a string) bool { return !strings.HasPrefix(a, "-") }); i >= 0 {
			return fmt.Errorf("unknown command %q for %q: see %s --help", rest[i], cmd.CommandPath(), cmd.CommandPath())
		}
	}
	return nil // what else is wrong is said when it runs
}

// control is what the commands share.
type control struct {
	nats        string
	credentials string
	format      string
	about       string // the tenant that the command names; empty for none
	getenv      func(string) string
	now         func() time.Time
	in          io.Reader
	lines       *bufio.Reader // of in, once a line was asked for
	out, errs   io.Writer
	newID       func() string // makes the ids of decisions
}

// A command says within ten seconds that NATS cannot be used: where it does not answer at all, one question after the other.
const (
	patience = 9 * time.Second // until every server of an address was tried
	oneWait  = 4 * time.Second // for an answer
	promptly = 2 * time.Second // to a question that takes a server no time
)

// with runs do on a connection.
func (c *control) with(ctx context.Context, do func(*store.Store) error) error {
	return c.within(ctx, oneWait, do)
}

// within runs do on a connection on which no answer may take longer than a time.
func (c *control) within(ctx context.Context, wait time.Duration, do func(*store.Store) error) error {
	url, creds := c.nats, c.credentials
	if url == "" {
		url = c.getenv("ESS_NATS_URL")
	}
	if creds == "" {
		creds = c.getenv("ESS_NATS_CREDS")
	}
	if url == "" {
		return errors.New("no address of NATS: give --nats, or set ESS_NATS_URL")
	}
	wait = min(wait, patience/time.Duration(1+strings.Count(url, ",")))
	st, err := store.Connect(ctx, store.Options{URL: url, Credentials: tenant.Secret(creds), Name: "essctl", Timeout: wait, Now: c.now})
	if err != nil {
		return err
	}
	defer st.Close()
	prompt, stop := context.WithTimeout(ctx, promptly)
	defer stop()
	if err := st.Healthy(prompt); err != nil {
		return err
	}
	return c.unknownTenant(ctx, st, do(st))
}

// unknownTenant says of a tenant that has no log that there is none, unless a document of it is in force: then its log is lost.
func (c *control) unknownTenant(ctx context.Context, st *store.Store, err error) error {
	if c.about == "" || reason.Of(err).Code != reason.LogMissing || !strings.Contains(err.Error(), "-"+c.about+" ") {
		return err
	}
	if v, asked := newest(ctx, st, c.about); asked != nil || v.InForce() {
		return err
	}
	return fmt.Errorf("there is no tenant %s here: look at the name, and at --nats; essctl tenants list shows those that were applied. If it is right, its log is lost: %w", c.about, err)
}

// scope is the source that a command is about.
type scope struct{ tenant, source string }

func (s *scope) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.tenant, "tenant", "", "the tenant (required)")
	cmd.Flags().StringVar(&s.source, "source", "", "the source, as system/instance; /default may be left out (required)")
	require(cmd, "tenant", "source")
}

func (s *scope) ref() (roster.Source, error) {
	if ref, err := roster.ParseSource(s.source); err == nil {
		return ref, nil
	}
	return roster.ParseSource(s.source + "/default")
}

// deed is how a command that changes something is done: who does it, why, and whether at all.
type deed struct {
	by, why string
	dryRun  bool
}

func (d *deed) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.by, "by", "", "who does it (default: the user of this machine)")
	cmd.Flags().StringVar(&d.why, "why", "", "the reason, for the audit; no names and no numbers of persons (required)")
	cmd.Flags().BoolVar(&d.dryRun, "dry-run", false, "say what would be done, and do nothing")
	require(cmd, "why")
}

// who returns who does it, and refuses what must not stand in the audit.
func (d *deed) who() (string, error) {
	if strings.TrimSpace(d.why) == "" {
		return "", errors.New("--why is empty: tell the reason, for the audit")
	}
	by := d.by
	if by == "" {
		u, err := user.Current()
		if err != nil || u.Username == "" {
			return "", errors.New("it is not known who you are: give --by")
		}
		by = u.Username
	}
	if wrong := manual.Wording(d.why); wrong != "" {
		return "", fmt.Errorf("--why %s", wrong)
	}
	if wrong := manual.Wording(by); wrong != "" {
		return "", fmt.Errorf("--by %s", wrong)
	}
	return by, nil
}

// require makes flags of a command required. A command that does not have the flag says so instead of running.
func require(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			cmd.RunE = func(*cobra.Command, []string) error { return err }
		}
	}
}

// oneArgument refuses anything but one argument, and says what it would be.
func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return fmt.Errorf("%d arguments are given where one is wanted: %s", len(args), strings.TrimSuffix(cmd.UseLine(), " [flags]"))
}
