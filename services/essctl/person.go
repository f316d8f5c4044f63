package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/source-manual/manual"
)

func (c *control) personCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "person",
		Short: "Protect a person, say that two keys are one person, and undo both",
		Long: `Protect a person, say that two keys are one person, and undo both.

A person is named by --key, by --source and --id, or by --number -: the number is then read from standard input, for on a
command line it would stay in the shell's history. It is never printed.

What is decided acts within a minute, in every target. The tenant's document needs a source "system: manual".`,
	}
	cmd.AddCommand(c.protectCommand(), c.unprotectCommand(), c.joinCommand(), c.splitCommand(), c.suggestionsCommand())
	return cmd
}

func (c *control) protectCommand() *cobra.Command {
	var x deciding
	var p manual.Protect
	cmd := &cobra.Command{
		Use:   "protect --tenant TENANT (--key KEY | --source SOURCE --id ID | --number -) --why REASON",
		Short: "Take a protected person out of every target at once",
		Long: `Take a protected person out of every target at once, whatever the registers say.

Rows and documents go; an account is disabled and left, and is the same again after essctl person unprotect. With --alias a
link keeps the account in use under an alias. Nobody has to be known yet: a number can be protected before a register states
it.`,
		Example: `  essctl person protect --tenant lund --source alvis --id p-4711 --why "anmält till skolchefen"
  essctl person protect --tenant lund --number - --why "anmält till skolchefen" --alias google/default`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				deed.What = "person.protect"
				if s.key.IsZero() {
					deed.Warnings = append(deed.Warnings, "no source states a person with this number: whoever comes with it is protected from the first day; look that it is typed right")
				}
				p.Decision, p.Person = x.decision(deed), s.ref
				return c.put(cmd.Context(), d, deed, x.why, &manual.Decisions{Protect: []manual.Protect{p}}, func(o manual.OnDesk) bool {
					return len(o.Protect) > 0 && s.about(d.roster, o.Protect[0].Person, o.ID)
				})
			})
		},
	}
	x.flags(cmd, "the person")
	cmd.Flags().StringVar(&p.Marking, "marking", "", fmt.Sprintf("%q or %q (default the first)", roster.MarkingConfidential, roster.MarkingProtected))
	cmd.Flags().StringSliceVar(&p.Alias, "alias", nil, "a link, as system/instance, that keeps the account in use under an alias; may be given several times")
	return cmd
}

func (c *control) unprotectCommand() *cobra.Command {
	var x deciding
	cmd := &cobra.Command{
		Use:     "unprotect --tenant TENANT (--key KEY | --source SOURCE --id ID | --number -) --why REASON",
		Short:   "Take protection by command back: the person is in every target again, with the same accounts",
		Example: `  essctl person unprotect --tenant lund --source alvis --id p-4711 --why "skyddet upphört, beslut hos skolchefen"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				gone := map[string]roster.Personal{}
				for _, o := range d.lies {
					if len(o.Protect) > 0 && s.about(d.roster, o.Protect[0].Person, o.ID) {
						gone[o.ID] = ""
					}
				}
				others := protectors(d, s)
				if len(gone) == 0 && s.key.IsZero() {
					return errors.New("no source states a person with this number, and nobody protected it by command: look that it is typed right. Whom a register marks is not found here, and is changed only there")
				}
				if len(gone) == 0 {
					return errors.Join(append(others, errors.New("nobody protected the person by command"))...)
				}
				for _, err := range others {
					deed.Warnings = append(deed.Warnings, err.Error())
				}
				deed.What = "person.unprotect"
				return c.act(cmd.Context(), d, deed, x.why, gone)
			})
		},
	}
	x.flags(cmd, "the person")
	return cmd
}

// protectors tells who else protects a person than a decision by command.
func protectors(d *desk, s *someone) (list []error) {
	for _, key := range s.keys {
		for _, rec := range d.roster.Records(roster.Ref{Kind: roster.KindPerson, Key: key}) {
			marked := rec.Person != nil && rec.Person.Marking.Protects()
			tombstone := rec.Tombstone != nil && rec.Tombstone.Reason == roster.TombstoneProtected
			if marked && rec.Source == byHand() {
				for _, dir := range rec.Directives {
					if dir.Kind == roster.MarkProtected && !strings.HasPrefix(dir.Doc.Reveal(), "desk/") {
						list = append(list, fmt.Errorf("the file of %s protects the person: take the entry out", rec.Source))
					}
				}
			} else if marked || tombstone {
				list = append(list, fmt.Errorf("%s marks the person as protected: only there it can be undone", rec.Source))
			}
		}
	}
	return list
}

func (c *control) joinCommand() *cobra.Command {
	var x deciding
	other := naming{prefix: "other-"}
	cmd := &cobra.Command{
		Use:   "join --tenant TENANT --key KEY --other-key KEY --why REASON",
		Short: "Say that two keys are one person, who then stands under the first",
		Long: `Say that two keys are one person, who then stands under the first. Accounts of the second become those of the first;
nothing is deleted and made anew. Taken back by essctl person split. Two who cannot be one, by birth date or name, are not
joined. With --number - and --other-number - the numbers are read from standard input in that order.`,
		Example: `  essctl person suggestions --tenant lund
  essctl person join --tenant lund --key 3f0c… --other-key 91b2… --why "fått personnummer, jämfört mot handling"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				o, err := c.find(cmd.Context(), d, other)
				if err = errors.Join(err, s.known()); err == nil {
					err = o.known()
				}
				if err != nil {
					return err
				}
				if s.key == o.key {
					return errors.New("the two stand under one key already")
				}
				// What would come of it shows in the roster.
				d.roster.Apply(roster.Record{
					Ref: roster.Ref{Kind: roster.KindPerson, Key: s.key}, Source: roster.Source{System: "essctl", Instance: "join"}, Overlay: true,
					SameAs: []roster.Key{o.key}, Person: &roster.Person{},
				})
				if d.roster.State(roster.Ref{Kind: roster.KindPerson, Key: s.key}).Conflict {
					return errors.New("the two cannot be one person: their birth dates differ, or their names have nothing in common")
				}
				deed.What, deed.On = "person.join", s.on()+" "+o.on()
				decision := &manual.Decisions{SameAs: []manual.SameAs{{Decision: x.decision(deed), Person: s.ref, Other: o.ref}}}
				return c.put(cmd.Context(), d, deed, x.why, decision, func(l manual.OnDesk) bool { return joins(d, l, s, o) })
			})
		},
	}
	x.flags(cmd, "the person")
	other.flags(cmd, "the same person in another place")
	return cmd
}

// joins tells whether a decision joins the two, or, when only one is named, that one to somebody.
func joins(d *desk, l manual.OnDesk, s, o *someone) bool {
	if len(l.SameAs) == 0 {
		return false
	}
	is := func(x *someone, ref manual.Ref) bool { return ref.Key != "" && x.about(d.roster, ref, l.ID) }
	a, b := l.SameAs[0].Person, l.SameAs[0].Other
	if o == nil {
		return is(s, a) || is(s, b)
	}
	return is(s, a) && is(o, b) || is(o, a) && is(s, b)
}

func (c *control) splitCommand() *cobra.Command {
	var x deciding
	cmd := &cobra.Command{
		Use:     "split --tenant TENANT (--key KEY | --source SOURCE --id ID | --number -) --why REASON",
		Short:   "Take back what joined a person: each key has its own person again",
		Example: `  essctl person split --tenant lund --key 3f0c… --why "var syskon"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				gone := map[string]roster.Personal{}
				for _, l := range d.lies {
					if joins(d, l, s, nil) {
						gone[l.ID] = ""
					}
				}
				if len(gone) == 0 {
					return errors.New("nobody joined the person by command; a join in the file of the manual source is taken out there")
				}
				deed.What = "person.split"
				return c.act(cmd.Context(), d, deed, x.why, gone)
			})
		},
	}
	x.flags(cmd, "the person")
	return cmd
}
