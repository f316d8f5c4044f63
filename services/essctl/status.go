package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

func (c *control) statusCommand() *cobra.Command {
	var name, language string
	cmd := &cobra.Command{
		Use:   "status --tenant TENANT",
		Short: "Show how a tenant stands: its sources, its links, and what asks for somebody",
		Long: `Show how a tenant stands, the worst first: what each source's last read came to and when one was last believed, what is
held, how many findings are new, still there or gone; of each link its mode, how far it is behind the log, what waits, is
parked or not sent, and the last delivery. Each asks for nothing (ok), to be looked at (look), or for somebody to act (act).

It holds counts: no names, no keys of persons, nothing that tells of protected persons. It is what is sent at 06:30 every
morning, but for the units of the document, whose keys take the tenant's pepper. Of a tenant whose document was not applied
to the log's cluster only what has ever run is shown.`,
		Example: "  essctl status --tenant lund --language sv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := reason.Language(language)
			if l != reason.English && l != reason.Swedish {
				return fmt.Errorf("--language is %q: write sv or en", language)
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				subject, err := c.subject(cmd.Context(), st, name)
				if err != nil {
					return advised(err)
				}
				s, err := service.StatusOf(cmd.Context(), st, subject, c.now())
				if err != nil {
					return advised(err)
				}
				if c.format != "table" {
					return c.print(s, nil)
				}
				_, err = io.WriteString(c.out, s.Text(l))
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "tenant", "", "the tenant (required)")
	f.StringVar(&language, "language", "en", "of the text: sv or en")
	require(cmd, "tenant")
	return cmd
}

// subject returns what the status of a tenant is made of: its document where one was applied, else what the log knows.
func (c *control) subject(ctx context.Context, st *store.Store, name string) (service.Subject, error) {
	console := c.getenv("ESS_CONSOLE_URL")
	v, err := st.Tenants().Newest(ctx, name)
	if err != nil && reason.Of(err).Code != reason.LogMissing {
		return service.Subject{}, err
	}
	if err != nil || !v.InForce() {
		return service.SubjectKnown(ctx, st, name, console)
	}
	d, err := tenant.Parse(v.Document)
	if err != nil {
		return service.Subject{}, fmt.Errorf("the document of %s that is in force: %w", name, err)
	}
	return service.SubjectOf(d, nil, console), nil
}
