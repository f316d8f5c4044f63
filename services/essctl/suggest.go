package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
)

// printedPair is two keys that may be one person's, as JSON; or one that may be two people's.
type printedPair struct {
	Why     string         `json:"why"`
	Sure    string         `json:"sure,omitempty"`
	Persons []printedPlace `json:"persons"`
}

// printedPlace is where a person is found, without name and number.
type printedPlace struct {
	Key     roster.Key `json:"key"`
	Sources []string   `json:"sources"`
	Units   []string   `json:"units"`
	Classes []string   `json:"classes"`
}

func (c *control) suggestionsCommand() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "suggestions --tenant TENANT",
		Short: "Show keys that may be one person, and keys under which sources speak of two",
		Long: `Show keys that may be one person, and keys under which sources speak of two, with the schools and classes where
to ask. No names, no numbers, and nobody who is protected. Nothing follows by itself: join what is one person with essctl
person join, and mend the register where it speaks of two.`,
		Example: "  essctl person suggestions --tenant lund",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				r, err := c.whole(cmd.Context(), st, tenant)
				if err != nil {
					return err
				}
				return c.printPairs(pairs(r))
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "the tenant (required)")
	require(cmd, "tenant")
	return cmd
}

func pairs(r *roster.Roster) []printedPair {
	list := []printedPair{}
	for _, s := range r.Suggestions() {
		list = append(list, printedPair{string(s.Why), string(s.Sure), []printedPlace{place(r, s.Keys[0]), place(r, s.Keys[1])}})
	}
	slices.SortStableFunc(list, func(a, b printedPair) int { return cmp.Compare(a.Sure, b.Sure) })
	for _, key := range r.Conflicts() {
		list = append(list, printedPair{"identity-conflict", "", []printedPlace{place(r, key)}})
	}
	return list
}

// place tells where a person is found.
func place(r *roster.Roster, key roster.Key) printedPlace {
	p := printedPlace{Key: key, Sources: []string{}, Units: []string{}, Classes: []string{}}
	add := func(list *[]string, text string) {
		if text != "" && !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	for _, rec := range r.Records(roster.Ref{Kind: roster.KindPerson, Key: key}) {
		if rec.Tombstone == nil && !rec.Overlay {
			add(&p.Sources, rec.Source.String())
		}
	}
	unit := func(k roster.Key) {
		if o := r.Organisation(k); o != nil {
			add(&p.Units, o.DisplayName)
		}
	}
	if who := r.Person(key); who != nil {
		for _, e := range who.Enrolments {
			unit(e.EnroledAt)
		}
		for _, d := range who.Duties {
			unit(d.DutyAt)
		}
	}
	for _, k := range r.Groups(key) {
		if g := r.Group(k); g != nil && g.Type == roster.Class {
			add(&p.Classes, g.DisplayName)
		}
	}
	return p
}

func (c *control) printPairs(list []printedPair) error {
	return c.print(list, func(w *tabwriter.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No two keys look like one person, and no key is two people's.")
			return
		}
		fmt.Fprintln(w, "WHY\tSURE\tKEY\tSOURCES\tSCHOOLS\tCLASSES")
		for _, pair := range list {
			for i, p := range pair.Persons {
				why, sure := pair.Why, cmp.Or(pair.Sure, "-")
				if i > 0 {
					why, sure = "", ""
				}
				text := func(list []string) string { return cmp.Or(strings.Join(list, ", "), "-") }
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", why, sure, p.Key, text(p.Sources), text(p.Units), text(p.Classes))
			}
		}
	})
}
