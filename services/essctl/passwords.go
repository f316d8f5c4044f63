package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/handout/sheet"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
)

func (c *control) passwordsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passwords",
		Short: "Print initial passwords for a class, reset them, and make a school's key",
		Long: `Print initial passwords for a class, reset them, and make a school's key.

An initial password is kept only where the school, or the tenant, has registered a public key: sealed to it, until it is
handed out or for 30 days. Only the school's private key opens it, and that never leaves the machine on which essctl runs.`,
	}
	keys := &cobra.Command{Use: "keys", Short: "Make a school's key, and show its public half"}
	keys.AddCommand(c.keysNewCommand(), c.keysShowCommand())
	cmd.AddCommand(c.lettersCommand(), c.sheetCommand(), c.resetCommand(), keys)
	return cmd
}

// printedKey is a public key as JSON.
type printedKey struct {
	Recipient string `json:"recipient"`
	File      string `json:"file,omitempty"`
}

func (c *control) printKeys(list []printedKey) error {
	return c.print(list, func(w *tabwriter.Writer) {
		for _, k := range list {
			fmt.Fprintln(w, k.Recipient)
		}
		fmt.Fprintf(w, "\nwrite it in the tenant's document, and apply that:\n  handout:\n    recipients: [%s]\nor for one school:\n  handout:\n    units: [{code: SKOLENHETSKOD, recipients: [%s]}]\n", list[0].Recipient, list[0].Recipient)
	})
}

func (c *control) keysNewCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "new FILE",
		Short:   "Make a key: its private half goes to a new file, its public half is printed",
		Example: "  essctl passwords keys new bjorkskolan.key",
		Args:    oneArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			private, public, err := handout.NewKey()
			if err != nil {
				return err
			}
			text := "# public key: " + public + "\n# Keep this file where only those come who hand out passwords.\n" + private + "\n"
			if err := createFile(args[0], []byte(text)); err != nil {
				return err
			}
			return c.printKeys([]printedKey{{public, args[0]}})
		},
	}
}

func (c *control) keysShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE",
		Short:   "Print the public half of a key; - reads it from standard input",
		Example: "  essctl passwords keys show bjorkskolan.key",
		Args:    oneArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			ids, err := c.identities(args[0])
			if err != nil {
				return err
			}
			var list []printedKey
			for _, public := range ids.Public() {
				list = append(list, printedKey{Recipient: public})
			}
			if len(list) == 0 {
				return errors.New("there is no key of a kind that letters are sealed to: make one with essctl passwords keys new")
			}
			return c.printKeys(list)
		},
	}
}

// createFile writes a file that is not there yet, for nobody but its owner.
func createFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, and is left as it is: name another file", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// identities reads a school's private key.
func (c *control) identities(path string) (handout.Identities, error) {
	if strings.HasPrefix(path, "AGE-SECRET-KEY-") {
		return handout.Identities{}, errors.New("that is the key itself, and stands in the shell's history now: make another, and name its file")
	}
	in := c.in
	if path != "-" {
		text, err := os.ReadFile(path)
		if err != nil {
			return handout.Identities{}, err
		}
		in = bytes.NewReader(text)
	}
	return handout.ReadIdentities(in)
}

// classOrUnit is a class or a school whose persons a command is about.
type classOrUnit struct{ class, unit string }

func (p *classOrUnit) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.class, "class", "", "a class: its key, or its name, with --unit where several are called so")
	cmd.Flags().StringVar(&p.unit, "unit", "", "a school unit: its key or its skolenhetskod")
}

// refs returns the class, or the units.
func (p *classOrUnit) refs(d *desk) ([]roster.Ref, error) {
	var units []roster.Ref
	var err error
	if p.unit != "" {
		if units, err = schoolRefs(d, p.unit); err != nil || p.class == "" {
			return units, err
		}
	}
	if p.class == "" {
		return nil, errors.New("name a class or a school: --class or --unit")
	}
	if _, err := roster.ParseKey(p.class); err == nil {
		return groupRefs(d, p.class)
	}
	var found []roster.Ref
	for _, ref := range d.roster.Refs(roster.KindGroup) {
		g := d.roster.Group(ref.Key)
		at := g != nil && slices.ContainsFunc(units, func(u roster.Ref) bool { return u.Key == g.Organisation })
		if g != nil && g.Type == roster.Class && !g.Interval.Ended(d.roster.Today()) && strings.EqualFold(g.DisplayName, p.class) && (p.unit == "" || at) {
			found = append(found, ref)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("--class: %d classes are called so: name one by its key, or its school by --unit", len(found))
	}
	return found, nil
}

// has tells whether an account's holder belongs to one of the places.
func has(r *roster.Roster, refs []roster.Ref, person roster.Key, role roster.Role) bool {
	p := r.Person(person)
	return p != nil && slices.ContainsFunc(refs, func(ref roster.Ref) bool {
		if g := r.Group(ref.Key); ref.Kind == roster.KindGroup && g != nil {
			return role == roster.RolePupil && slices.ContainsFunc(g.Members, func(m roster.Membership) bool {
				return m.Person == person && m.Role == roster.MemberPupil && m.Interval.Contains(r.Today())
			})
		}
		e, pupil := roster.PrimaryEnrolment(p, r.Today())
		d, staff := roster.PrimaryDuty(p, r.Today())
		if role == roster.RoleStaff {
			return staff && d.DutyAt == ref.Key
		}
		return pupil && e.EnroledAt == ref.Key
	})
}

// waiting returns the letters that wait for persons who may be handed theirs, each with the person's key of now.
func waiting(ctx context.Context, st *store.Store, tenant string, r *roster.Roster) ([]store.Letter, map[int]roster.Key, error) {
	list, err := st.Letters(tenant).List(ctx)
	keys := map[int]roster.Key{}
	kept := list[:0]
	for _, x := range list {
		key := x.Person
		if now, moved := r.Became(key); moved {
			key = now
		}
		if r.Person(key) != nil && !r.Contained(key) {
			keys[len(kept)] = key
			kept = append(kept, x)
		}
	}
	return kept, keys, err
}

// printedWaiting is how many letters wait for a class or for the staff of a school.
type printedWaiting struct {
	Unit    string    `json:"unit"`
	Code    string    `json:"code,omitempty"`
	Class   string    `json:"class,omitempty"`
	Letters int       `json:"letters"`
	Since   time.Time `json:"since"` // of the oldest
}

func (c *control) lettersCommand() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:     "letters --tenant TENANT",
		Short:   "Show how many passwords wait to be handed out, by school and class, and since when",
		Example: "  essctl passwords letters --tenant lund",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(st *store.Store) error {
				r, err := c.whole(cmd.Context(), st, tenant)
				if err != nil {
					return advised(err)
				}
				letters, keys, err := waiting(cmd.Context(), st, tenant, r)
				if err != nil {
					return advised(err)
				}
				return c.print(countWaiting(r, letters, keys), func(w *tabwriter.Writer) {
					fmt.Fprintln(w, "SCHOOL\tCODE\tCLASS\tLETTERS\tSINCE")
					for _, x := range countWaiting(r, letters, keys) {
						fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", x.Unit, orDash(x.Code), orDash(x.Class), x.Letters, clock(x.Since))
					}
				})
			})
		},
	}
	tenantFlag(cmd, &tenant)
	return cmd
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func countWaiting(r *roster.Roster, letters []store.Letter, keys map[int]roster.Key) []printedWaiting {
	list := []printedWaiting{}
	for i, x := range letters {
		p, at := r.Person(keys[i]), printedWaiting{Letters: 1, Since: x.At}
		unit := roster.Key{}
		if e, ok := roster.PrimaryEnrolment(p, r.Today()); ok && x.Role != roster.RoleStaff {
			unit = e.EnroledAt
		} else if d, ok := roster.PrimaryDuty(p, r.Today()); ok {
			unit = d.DutyAt
		}
		if o := r.Organisation(unit); o != nil {
			at.Unit, at.Code = o.DisplayName, strings.Join(o.UnitCodes, " ")
		}
		if k, ok := roster.PrimaryGroup(r, keys[i], roster.Class, roster.MemberPupil); ok && x.Role == roster.RolePupil {
			at.Class = r.Group(k).DisplayName
		}
		n := slices.IndexFunc(list, func(o printedWaiting) bool { return o.Unit == at.Unit && o.Code == at.Code && o.Class == at.Class })
		if n < 0 {
			list = append(list, at)
			continue
		}
		list[n].Letters++
		if x.At.Before(list[n].Since) {
			list[n].Since = x.At
		}
	}
	slices.SortFunc(list, func(a, b printedWaiting) int {
		return strings.Compare(a.Unit+"\x00"+a.Code+"\x00"+a.Class, b.Unit+"\x00"+b.Code+"\x00"+b.Class)
	})
	return list
}

// printedSheet says what became of a class sheet.
type printedSheet struct {
	File     string `json:"file,omitempty"`
	Slips    int    `json:"slips"`
	OtherKey int    `json:"otherKey"` // letters that are sealed to another key
	Kept     int    `json:"kept"`     // letters that wait on
	DryRun   bool   `json:"dryRun,omitempty"`
}

func (c *control) sheetCommand() *cobra.Command {
	var d deed
	var tenant, identity, file string
	var keep bool
	var at classOrUnit
	cmd := &cobra.Command{
		Use:   "sheet --tenant TENANT (--class CLASS | --unit UNIT) --identity FILE --file SHEET.pdf [--keep] --why REASON",
		Short: "Print the passwords that wait for a class or a school, one slip a person, and drop them",
		Long: `Print the passwords that wait for a class or a school as a PDF, one slip a person.

The letters are opened here, with the school's private key, from a file or with - from standard input. What is on the sheet
has been handed out then, and is dropped; with --keep it waits on. What comes after that is a reset.`,
		Example: `  essctl passwords sheet --tenant lund --unit 12345678 --class 1A --identity bjorkskolan.key --file 1a.pdf --why "skolstart"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := d.who()
			if err != nil {
				return err
			}
			ids, err := c.identities(identity)
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				ctx := cmd.Context()
				r, err := c.whole(ctx, st, tenant)
				if err != nil {
					return advised(err)
				}
				refs, err := at.refs(&desk{st: st, tenant: tenant, roster: r})
				if err != nil {
					return err
				}
				list, keys, err := waiting(ctx, st, tenant, r)
				if err != nil {
					return advised(err)
				}
				out := printedSheet{File: file, DryRun: d.dryRun}
				var slips []handout.Letter
				var opened []store.Letter
				for i, x := range list {
					if !has(r, refs, keys[i], x.Role) {
						continue
					}
					slip, err := ids.Open(x.Body)
					if errors.Is(err, handout.ErrOtherKey) {
						out.OtherKey++
						continue
					}
					if err != nil {
						return fmt.Errorf("the letter of person/%s: %w", x.Person, err)
					}
					slips, opened = append(slips, slip), append(opened, x)
				}
				if out.Slips = len(slips); out.Slips == 0 {
					return fmt.Errorf("no password waits there that this key opens (%d are sealed to another key): look at essctl passwords letters --tenant %s, or reset: essctl passwords reset", out.OtherKey, tenant)
				}
				if keep || d.dryRun {
					out.Kept = out.Slips
				}
				if !d.dryRun {
					pdf, err := sheet.Slips(slips, c.now().In(roster.Stockholm()))
					if err != nil {
						return err
					}
					e := store.AuditEntry{When: c.now(), Who: by, What: "passwords.sheet", On: refs[0].String(), Why: strings.TrimSpace(d.why), Details: map[string]string{"slips": fmt.Sprint(out.Slips), "keep": fmt.Sprint(keep)}}
					err = audited(ctx, st.Audit(tenant), e, func() error {
						if err := createFile(file, pdf); err != nil || keep {
							return err
						}
						n, err := st.Letters(tenant).HandOut(ctx, opened)
						out.Kept = out.Slips - n
						return err
					})
					if err != nil {
						return advised(err)
					}
				}
				return c.print(out, func(w *tabwriter.Writer) {
					if d.dryRun {
						fmt.Fprintf(w, "%d slips would be printed\n", out.Slips)
						return
					}
					fmt.Fprintf(w, "%d slips in %s; %d of their passwords wait on\n", out.Slips, out.File, out.Kept)
					if out.OtherKey > 0 {
						fmt.Fprintf(w, "%d more are sealed to another key\n", out.OtherKey)
					}
				})
			})
		},
	}
	d.flags(cmd)
	tenantFlag(cmd, &tenant)
	at.flags(cmd)
	cmd.Flags().StringVar(&identity, "identity", "", "the file with the school's private key, or - for standard input (required)")
	cmd.Flags().StringVar(&file, "file", "", "where the PDF goes; a file that is there is left alone (required)")
	cmd.Flags().BoolVar(&keep, "keep", false, "the passwords wait on, to be printed again")
	require(cmd, "identity", "file")
	return cmd
}

func (c *control) resetCommand() *cobra.Command {
	var x asking
	var who naming
	var at classOrUnit
	var link string
	cmd := &cobra.Command{
		Use:   "reset --tenant TENANT --link TARGET (--key KEY | --source SOURCE --id ID | --class CLASS | --unit UNIT) --why REASON",
		Short: "Give accounts of ours other passwords, which wait to be handed out",
		Long: `Give accounts of ours other passwords, which wait to be handed out: of a person every account, of a class or a school those
of its pupils. Accounts that are the customer's own, disabled or contained are left alone. Without a key of the school nothing
is changed: nobody could read the new ones.`,
		Example: `  essctl passwords reset --tenant lund --link active-directory --unit 12345678 --class 1A --why "lapparna kom bort"
  essctl passwords reset --tenant lund --link active-directory --key 3f0c5b1e-… --why "glömt lösenord"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := x.who()
			if err != nil {
				return err
			}
			ref, err := (&scope{source: link}).ref()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				ctx := cmd.Context()
				if err := c.hasLink(ctx, st, x.tenant, ref); err != nil {
					return advised(err)
				}
				d := &desk{st: st, tenant: x.tenant}
				if d.roster, err = c.whole(ctx, st, x.tenant); err != nil {
					return advised(err)
				}
				named := who != naming{}
				if named == (at != classOrUnit{}) {
					return errors.New("name a person, or a class or a school: --key, --source and --id, --number -, --class or --unit")
				}
				var refs []roster.Ref
				if named {
					s, err := c.find(ctx, d, who)
					if err == nil {
						err = s.known()
					}
					if err != nil {
						return err
					}
					refs = []roster.Ref{{Kind: roster.KindPerson, Key: s.key}}
				} else if refs, err = at.refs(d); err != nil {
					return err
				}
				return c.ask(ctx, st, x, []store.Ask{{Place: store.LinkPlace(x.tenant, ref), Verb: store.VerbPasswords, By: by, Refs: refs}})
			})
		},
	}
	x.flags(cmd)
	linkFlag(cmd, &link)
	who.flags(cmd, "the person")
	at.flags(cmd)
	return cmd
}
