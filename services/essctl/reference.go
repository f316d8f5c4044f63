package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// referenceCommand prints the page of every command, which stands in docs/essctl.md.
func (c *control) referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "reference",
		Short:  "Print the page of every command",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return reference(c.out, cmd.Root())
		},
	}
}

// reference writes the page of every command as Markdown.
func reference(w io.Writer, root *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, `# essctl

%s

Every command takes --nats, --credentials and -o (table, json, yaml). Where NATS does not answer, it says so within ten seconds,
and the exit status is 1. `+"`essctl completion bash`"+` (zsh, fish, powershell) prints what has a shell complete commands, tenants, sources and links.

What a program is asked (sources read, links resync, check …) waits for the answer and shows the progress; with --wait=false, or
after --timeout, it stands until the program that owns the source or link has done it: `+"`essctl asks list`"+`.

This page is printed by `+"`essctl reference`"+`.
`, strings.TrimSpace(root.Long))
	for _, group := range root.Commands() {
		if group.Hidden || group.Name() == "help" || group.Name() == "completion" {
			continue
		}
		fmt.Fprintf(&b, "\n## essctl %s\n", group.Name())
		if group.HasSubCommands() {
			text(&b, group)
		}
		for _, cmd := range leaves(group) {
			if cmd != group {
				fmt.Fprintf(&b, "\n### %s\n", cmd.CommandPath())
			}
			path := cmd.CommandPath()
			fmt.Fprintf(&b, "\n```\n%s%s\n```\n", path, strings.TrimPrefix(cmd.Use, cmd.Name()))
			text(&b, cmd)
			flags(&b, cmd.LocalFlags())
			if cmd.Example != "" {
				fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text writes the help of a command: what stands in columns stays as it is.
func text(b *strings.Builder, cmd *cobra.Command) {
	long := cmd.Long
	if !strings.HasPrefix(long, cmd.Short) { // as most do
		long = strings.TrimSpace(cmd.Short + ".\n\n" + long)
	}
	for paragraph := range strings.SplitSeq(long, "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			paragraph = "```\n" + paragraph + "\n```"
		}
		fmt.Fprintf(b, "\n%s\n", paragraph)
	}
}

func flags(b *strings.Builder, set *pflag.FlagSet) {
	lines := 0
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if lines++; lines == 1 {
			b.WriteString("\n| flag | what |\n|---|---|\n")
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "`--" + f.Name + "`"
		if kind != "" {
			name += " " + kind
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" {
			usage += " (default `" + f.DefValue + "`)"
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
	})
}
