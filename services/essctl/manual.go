package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/source-manual/manual"
)

func (c *control) manualCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "manual",
		Short: "Decide about persons past the registers, for a time",
		Long: `Decide about persons past the registers, for a time: state one whom no register has, add a member, keep, exclude or
suspend somebody, correct attributes. Each decision has an owner (--by), a reason (--why) and a last day (--until), acts within
a minute, and ends by itself. A second decision of a kind about the same takes the place of the first.

What says something about the person comes on standard input (--from -): on a command line it would stay in the shell's
history. The tenant's document needs a source "system: manual".`,
	}
	cmd.AddCommand(c.addCommand(), c.keepCommand(), c.overrideCommand(),
		c.simpleCommand("exclude", "Take a person out of every target at once, past the stages of leaving",
			func(d manual.Dated) *manual.Decisions { return &manual.Decisions{Exclude: []manual.Dated{d}} },
			func(o manual.OnDesk) []manual.Dated { return o.Exclude }),
		c.simpleCommand("suspend", "Let a person in nowhere, and delete nothing; it outranks exclude",
			func(d manual.Dated) *manual.Decisions { return &manual.Decisions{Suspend: []manual.Dated{d}} },
			func(o manual.OnDesk) []manual.Dated { return o.Suspend }),
		c.lyingCommand(), c.removeCommand())
	return cmd
}

func untilFlag(cmd *cobra.Command, until *string) {
	cmd.Flags().StringVar(until, "until", "", "the last day on which it holds, YYYY-MM-DD (required)")
	require(cmd, "until")
}

// simpleCommand decides about a person and says nothing else of her or him.
func (c *control) simpleCommand(verb, short string, decision func(manual.Dated) *manual.Decisions, of func(manual.OnDesk) []manual.Dated) *cobra.Command {
	var x deciding
	var until string
	cmd := &cobra.Command{
		Use:     verb + " --tenant TENANT (--key KEY | --source SOURCE --id ID | --number -) --until DAY --why REASON",
		Short:   short,
		Example: "  essctl manual " + verb + ` --tenant lund --source alvis --id p-4711 --until 2026-12-18 --why "utredning pågår"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				deed.What, deed.Until = "manual."+verb, until
				dated := manual.Dated{Decision: x.decision(deed), Person: s.ref, Until: until}
				return c.put(cmd.Context(), d, deed, x.why, decision(dated), func(o manual.OnDesk) bool {
					return len(of(o)) > 0 && s.about(d.roster, of(o)[0].Person, o.ID)
				})
			})
		},
	}
	x.flags(cmd, "the person")
	untilFlag(cmd, &until)
	return cmd
}

// fromInput reads YAML from standard input.
func (c *control) fromInput(from string, into any) error {
	if from != "-" {
		return errors.New("--from takes - only: what is said of a person comes on standard input")
	}
	text, err := io.ReadAll(io.LimitReader(c.in, 1<<20))
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	if err := manual.Parse("standard input", text, into, func(tenant.Problems) {}); err != nil {
		return asked(err)
	}
	return nil
}

func (c *control) addCommand() *cobra.Command {
	var x deciding
	var until, from, group, role, start string
	cmd := &cobra.Command{
		Use:   "add --tenant TENANT (--from - | --member-of GROUP --role ROLE (--key KEY | …)) --until DAY --why REASON",
		Short: "State a person whom no register has, or add a member to a group",
		Long: `State a person whom no register has, or add a member to a group.

With --from - the person is read from standard input, in the words of an entry of persons in the file of the manual source:
person (an id of your own, or a number), names, personas, enrolments, duties. With --member-of the person is named as
elsewhere, and the group by its key, or by a source and that source's id: alvis/default/g-1.`,
		Example: `  essctl manual add --tenant lund --from - --until 2026-12-18 --why "vikarie" < vikarie.yaml
  essctl manual add --tenant lund --member-of alvis/default/g-1 --role teacher --key 3f0c… --until 2026-12-18 --why "vikarie"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (from == "") == (group == "") {
				return errors.New("give --from - to state a person, or --member-of to add one to a group")
			}
			if from != "" {
				return x.onDesk(cmd.Context(), c, func(d *desk, deed printedDeed) error {
					return c.addPerson(cmd.Context(), d, &x, deed, from, until)
				})
			}
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				in, err := groupOf(d.roster, group)
				if err != nil {
					return err
				}
				deed.What, deed.Until = "manual.add", until
				m := manual.Membership{Dated: manual.Dated{Decision: x.decision(deed), Person: s.ref, Until: until}, Group: in, Role: role, Start: start}
				return c.put(cmd.Context(), d, deed, x.why, &manual.Decisions{Memberships: []manual.Membership{m}}, func(o manual.OnDesk) bool {
					return len(o.Memberships) > 0 && o.Memberships[0].Group == in && o.Memberships[0].Role == role &&
						s.about(d.roster, o.Memberships[0].Person, o.ID)
				})
			})
		},
	}
	x.flags(cmd, "the member")
	untilFlag(cmd, &until)
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "-: the person is read from standard input")
	f.StringVar(&group, "member-of", "", "the key of a group, or SYSTEM/INSTANCE/ID")
	f.StringVar(&role, "role", string(roster.MemberPupil), "of a member: pupil, teacher, mentor or other")
	f.StringVar(&start, "start", "", "of a member: the first day, YYYY-MM-DD")
	return cmd
}

func (c *control) addPerson(ctx context.Context, d *desk, x *deciding, deed printedDeed, from, until string) error {
	var p manual.Person
	if err := c.fromInput(from, &p); err != nil {
		return err
	}
	p.Decision, p.Until = x.decision(deed), until
	deed.What, deed.On, deed.Until = "manual.add", "a new person", until
	return c.put(ctx, d, deed, x.why, &manual.Decisions{Persons: []manual.Person{p}}, func(o manual.OnDesk) bool {
		return len(o.Persons) > 0 && o.Persons[0].Person == p.Person
	})
}

// groupOf returns the reference to a group that stands.
func groupOf(r *roster.Roster, text string) (manual.Ref, error) {
	for _, ref := range r.Refs(roster.KindGroup) {
		if r.Group(ref.Key) == nil {
			continue
		}
		if ref.Key.String() == text {
			return manual.Ref{Key: text}, nil
		}
		for _, rec := range r.Records(ref) {
			for _, o := range rec.Origins {
				if !rec.Overlay && rec.Source.String()+"/"+o.ID.Reveal() == text {
					return manual.Ref{Key: ref.Key.String()}, nil
				}
			}
		}
	}
	return manual.Ref{}, errors.New("--member-of: no group stands under this key or id")
}

func (c *control) overrideCommand() *cobra.Command {
	var x deciding
	var until, from string
	cmd := &cobra.Command{
		Use:   "override --tenant TENANT (--key KEY | --source SOURCE --id ID) --from - --until DAY --why REASON",
		Short: "Let attributes of a person win over every register's",
		Long: `Let attributes of a person win over every register's. They are read from standard input, in the words of an entry
of overrides in the file of the manual source: givenName, familyName, displayName, birthDate, sex, personas.`,
		Example: `  echo 'personas: [{role: pupil, email: ny@elev.example}]' |
    essctl manual override --tenant lund --source alvis --id p-4711 --from - --until 2026-12-18 --why "fel i registret"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				if x.who.number != "" {
					return errors.New("standard input has the attributes here: name the person by --key, or by --source and --id")
				}
				o := manual.Override{}
				if err := c.fromInput(from, &o.Attributes); err != nil {
					return err
				}
				deed.What, deed.Until = "manual.override", until
				o.Dated = manual.Dated{Decision: x.decision(deed), Person: s.ref, Until: until}
				return c.put(cmd.Context(), d, deed, x.why, &manual.Decisions{Overrides: []manual.Override{o}}, func(l manual.OnDesk) bool {
					return len(l.Overrides) > 0 && s.about(d.roster, l.Overrides[0].Person, l.ID)
				})
			})
		},
	}
	x.flags(cmd, "the person")
	untilFlag(cmd, &until)
	cmd.Flags().StringVar(&from, "from", "", "-: the attributes are read from standard input (required)")
	require(cmd, "from")
	return cmd
}

// printedDecision is a decision by command as JSON.
type printedDecision struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	On     string    `json:"on"`
	Until  string    `json:"until,omitempty"`
	Ended  bool      `json:"ended,omitempty"`
	Since  time.Time `json:"since"`
	Owner  string    `json:"owner"`
	Reason string    `json:"reason"`
}

func (c *control) lyingCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "list --tenant TENANT",
		Short:   "Show what was decided by command and stands: by key, without names and numbers",
		Example: "  essctl manual list --tenant lund",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				d, err := c.open(cmd.Context(), st, name)
				if err != nil {
					return err
				}
				list := make([]printedDecision, len(d.lies))
				for i, o := range d.lies {
					list[i] = printedDecisionOf(d, o)
				}
				return c.print(list, func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "ID\tKIND\tON\tUNTIL\tSINCE\tOWNER\tREASON")
					for _, p := range list {
						until := cmp.Or(p.Until, "-")
						if p.Ended {
							until += " (ended)"
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.Kind, p.On, until, clock(p.Since), p.Owner, p.Reason)
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&name, "tenant", "", "the tenant (required)")
	require(cmd, "tenant")
	return cmd
}

func printedDecisionOf(d *desk, o manual.OnDesk) printedDecision {
	kind, dated, others := o.What()
	p := printedDecision{ID: o.ID, Kind: kind, Until: dated.Until, Since: o.At, Owner: dated.Owner.Reveal(), Reason: dated.Reason.Reveal()}
	if until, err := roster.ParseDate(dated.Until); err == nil && dated.Until != "" {
		p.Ended = until < d.roster.Today()
	}
	p.On = d.printed(dated.Person, o.ID)
	for _, other := range others {
		p.On += " " + d.printed(other, o.ID)
	}
	return p
}

// printed names what a decision refers to by its key, where that is known, and never by number.
func (d *desk) printed(ref manual.Ref, decision string) string {
	switch {
	case ref.Key != "":
		return ref.Key
	case ref.Number == "" && ref.Source != "":
		return "an id of " + ref.Source
	}
	for _, k := range d.roster.Refs(roster.KindPerson) {
		for _, rec := range d.roster.Records(k) {
			if rec.Source == byHand() && slices.ContainsFunc(rec.Origins, func(o roster.Origin) bool { return o.Doc.Reveal() == "desk/"+decision }) {
				return k.Key.String()
			}
		}
	}
	return "not read yet"
}

func (c *control) removeCommand() *cobra.Command {
	var x deciding
	cmd := &cobra.Command{
		Use:     "remove ID --tenant TENANT --why REASON",
		Short:   "Take a decision back",
		Example: `  essctl manual remove 5b1f09c2 --tenant lund --why "utredningen avslutad"`,
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.onDesk(cmd.Context(), c, func(d *desk, deed printedDeed) error {
				i := slices.IndexFunc(d.lies, func(o manual.OnDesk) bool { return o.ID == args[0] })
				if i < 0 {
					return errors.New("no decision by command has this id: see essctl manual list")
				}
				deed.What, deed.On = "manual.remove", printedDecisionOf(d, d.lies[i]).On
				return c.act(cmd.Context(), d, deed, x.why, map[string]roster.Personal{args[0]: ""})
			})
		},
	}
	x.flags(cmd, "")
	return cmd
}
