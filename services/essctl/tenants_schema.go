package main

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"
)

// tenantSchema is the JSON Schema of a tenant's document, as make generate makes it.
//
//go:embed tenant.schema.json
var tenantSchema string

func (c *control) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a tenant's document, for editors",
		Long: `Print the JSON Schema of a tenant's document, with the settings of every connector that this program knows. An editor with a
YAML language server completes and checks by it when the first line of the document names the file:

  # yaml-language-server: $schema=tenant.schema.json

It knows the shape of a document; essctl tenants apply --dry-run checks all of it.`,
		Example: "  essctl tenants schema > tenant.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(c.out, tenantSchema)
			return err
		},
	}
}
