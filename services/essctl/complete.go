package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/store"
)

// completeWithin is how long a shell may wait for what it completes. Then it gets nothing, and no error.
const completeWithin = 1500 * time.Millisecond

// completing has the shell complete tenants, sources and links from NATS, in every command that names one.
func (c *control) completing(root *cobra.Command) {
	for _, cmd := range leaves(root) {
		for name, list := range map[string]func(context.Context, *store.Store, string) ([]string, error){
			"tenant": c.tenantNames, "source": c.sourceNames, "link": c.linkNames,
		} {
			if cmd.Flags().Lookup(name) != nil {
				_ = cmd.RegisterFlagCompletionFunc(name, c.completion(list)) // it fails for a flag that is not there, or has one
			}
		}
		if strings.HasPrefix(cmd.Use, cmd.Name()+" TENANT") {
			cmd.ValidArgsFunction = c.completion(c.tenantNames)
		}
		_ = cmd.RegisterFlagCompletionFunc("language", cobra.FixedCompletions([]string{"sv", "en"}, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// leaves returns the commands that do something.
func leaves(cmd *cobra.Command) (list []*cobra.Command) {
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	for _, sub := range cmd.Commands() {
		list = append(list, leaves(sub)...)
	}
	return list
}

// completion returns what completes by a list. It asks in the background, so that a NATS that says nothing delays no shell.
func (c *control) completion(list func(context.Context, *store.Store, string) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		ctx, stop := context.WithTimeout(cmd.Context(), completeWithin)
		defer stop()
		tenant := ""
		if f := cmd.Flags().Lookup("tenant"); f != nil {
			tenant = f.Value.String()
		}
		found := make(chan []string, 1)
		go func() {
			var names []string
			err := c.within(ctx, completeWithin, func(st *store.Store) (err error) {
				names, err = list(ctx, st, tenant)
				return err
			})
			if err != nil {
				names = nil
			}
			found <- names
		}()
		select {
		case names := <-found:
			names = slices.DeleteFunc(names, func(s string) bool { return !strings.HasPrefix(s, prefix) })
			return names, cobra.ShellCompDirectiveNoFileComp
		case <-ctx.Done():
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

func (c *control) tenantNames(ctx context.Context, st *store.Store, _ string) (names []string, err error) {
	list, err := st.Tenants().List(ctx)
	for _, v := range list {
		if v.InForce() {
			names = append(names, v.Tenant)
		}
	}
	slices.Sort(names)
	return names, err
}

func (c *control) sourceNames(ctx context.Context, st *store.Store, tenant string) (names []string, err error) {
	s, err := c.subject(ctx, st, tenant)
	for _, ref := range s.Sources {
		names = append(names, fmt.Sprint(ref))
	}
	return names, err
}

func (c *control) linkNames(ctx context.Context, st *store.Store, tenant string) (names []string, err error) {
	links, err := c.linksOf(ctx, st, tenant)
	for _, ref := range links {
		names = append(names, fmt.Sprint(ref))
	}
	return names, err
}
