package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/preview"
)

func (c *control) retireCommand() *cobra.Command {
	var r retiring
	var s, l string
	cmd := &cobra.Command{
		Use:   "retire TENANT [--source SOURCE | --link LINK] --why REASON [--approve DIGEST] [--dry-run]",
		Short: "End a source, a link or a tenant that was taken out of its document",
		Long: `End what a document no longer has. To take a source or a link out of the document stops it and removes nothing; this is the
second step, and it is refused while the document in force still has it.

  --source  All that the log holds of the source has left: links take their own stages of leaving, and do not ask again. With
            a manual source what people decided ends too, protection as well: it is printed which kinds of decisions do.
  --link    All that the link holds is let go: the target keeps it, and it is no longer ours. What it made of people, such
            as their addresses, the log says no more, and so it leaves other targets.
  neither   The tenant is taken out. It is refused while anything of a source or a link is left. With --erase its log and its
            ledger are removed for good; its audit, and the versions of its document, stay.

Nothing is done until --approve names the digest that was printed: of exactly that.`,
		Example: `  essctl tenants retire lund --source schoolsoft/vux --why "all of vux is in Alvis now"`,
		Args:    oneArgument,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			r.Tenant = args[0]
			if r.by, err = r.who(); err != nil {
				return err
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				ctx := cmd.Context()
				v, err := newest(ctx, st, r.Tenant)
				if err == nil && v.Number == 0 {
					err = fmt.Errorf("no document of tenant %s was ever applied: apply it first, without what is to be retired", r.Tenant)
				}
				switch {
				case err != nil:
				case s != "":
					err = c.retireSource(ctx, st, &r, v, s)
				case l != "":
					err = c.retireLink(ctx, st, &r, v, l)
				default:
					err = c.retireTenant(ctx, st, &r, v)
				}
				return advised(err)
			})
		},
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&s, "source", "", "the source, as system/instance; /default may be left out")
	f.StringVar(&l, "link", "", "the link: its target as system/instance; /default may be left out")
	f.StringVar(&r.approve, "approve", "", "the digest of what is ended")
	f.BoolVar(&r.erase, "erase", false, "with a tenant: remove its log and its ledger for good")
	cmd.MarkFlagsMutuallyExclusive("source", "link", "erase")
	return cmd
}

// retiring is what is ended, and how.
type retiring struct {
	deed
	approve string
	erase   bool
	printedRetirement
}

type printedRetirement struct {
	Tenant string         `json:"tenant"`
	Source string         `json:"source,omitempty"`
	Link   string         `json:"link,omitempty"`
	Counts map[string]int `json:"counts,omitempty"`
	Ends   []string       `json:"ends,omitempty"` // kinds of decisions that hold no longer
	Digest string         `json:"digest,omitempty"`
	Done   bool           `json:"done"`
}

// ref reads the name of a source or a link that the document in force must not have.
func (r *retiring) ref(what, name string, v store.TenantVersion, has func(*tenant.Document) []roster.Source) (roster.Source, error) {
	ref, err := preview.Link(name)
	if err != nil || !v.InForce() {
		return ref, err
	}
	d, err := tenant.Parse(v.Document)
	if err != nil {
		return ref, fmt.Errorf("the document in force is not readable by this program: %w", err)
	}
	if slices.Contains(has(d), ref) {
		return ref, fmt.Errorf("%s %s is in the document in force: take it out, and apply that", what, ref)
	}
	return ref, nil
}

func sourcesOf(d *tenant.Document) (refs []roster.Source) {
	for _, s := range d.Sources {
		refs = append(refs, s.Ref())
	}
	return refs
}

func linksOf(d *tenant.Document) (refs []roster.Source) {
	for _, l := range d.Links {
		refs = append(refs, l.Ref())
	}
	return refs
}

func (c *control) retireSource(ctx context.Context, st *store.Store, r *retiring, v store.TenantVersion, name string) error {
	ref, err := r.ref("source", name, v, sourcesOf)
	if err != nil {
		return err
	}
	standing, err := service.StandingOf(ctx, st.Log(r.Tenant), ref)
	if err != nil {
		return err
	}
	r.Source, r.Digest, r.Counts = ref.String(), standing.Digest(), map[string]int{}
	for kind, n := range standing.Counts {
		r.Counts[string(kind)] = n
	}
	for _, kind := range standing.Decisions {
		r.Ends = append(r.Ends, string(kind))
	}
	if standing.Empty() {
		return c.printRetirement(r, "nothing of it is left")
	}
	return c.retire(ctx, st, r, "tenants.retire.source", ref.String(), "left", func() error {
		return standing.Retire(ctx, st, r.Tenant, uuid.NewString(), c.now)
	})
}

func (c *control) retireLink(ctx context.Context, st *store.Store, r *retiring, v store.TenantVersion, name string) error {
	ref, err := r.ref("link", name, v, linksOf)
	if err != nil {
		return err
	}
	ledger := st.Ledger(r.Tenant)
	looked, err := ledger.Look(ctx, ref)
	if err != nil {
		return err
	}
	holding, err := target.Hold(ctx, looked)
	if err != nil {
		return err
	}
	made, err := service.Overlaid(ctx, st.Log(r.Tenant), ref)
	if err != nil {
		return err
	}
	r.Link, r.Digest, r.Counts = ref.String(), holding.Digest(), holding.Counts
	if holding.Empty() && len(made) == 0 {
		return c.printRetirement(r, "nothing of it is left")
	}
	return c.retire(ctx, st, r, "tenants.retire.link", ref.String(), "let go", func() error {
		owned, err := ledger.Own(ctx, ref, target.Owner{Name: "essctl"})
		if err != nil {
			return err
		}
		if holding, err = target.Hold(ctx, owned); err != nil {
			return err
		}
		if holding.Digest() != r.Digest {
			return errors.New("the link still runs, and holds something else now: stop it, and look again with --dry-run")
		}
		refused, err := st.Log(r.Tenant).PublishOverlays(ctx, ref, made)
		if err == nil && len(refused) > 0 {
			err = fmt.Errorf("of %d persons the log holds something else of the link by now: do it again", len(refused))
		}
		if err != nil {
			return err
		}
		return holding.LetGo(ctx)
	})
}

func (c *control) retireTenant(ctx context.Context, st *store.Store, r *retiring, v store.TenantVersion) error {
	left, err := c.left(ctx, st, r.Tenant)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("there is something left of tenant %s: retire each of it first: %s", r.Tenant, strings.Join(left, ", "))
	}
	if !v.InForce() && !r.erase {
		return c.printRetirement(r, "it is retired already")
	}
	r.Digest = v.Digest
	what, done := "tenants.retire.tenant", "retired"
	if r.erase {
		what, done = "tenants.erase", "retired, and its log and ledger removed"
	}
	return c.retire(ctx, st, r, what, r.Tenant, done, func() error {
		if v.InForce() {
			if _, err := st.Tenants().Put(ctx, v, nil, r.by); err != nil {
				return err
			}
		}
		if r.erase {
			return st.EraseTenant(ctx, r.Tenant)
		}
		return nil
	})
}

// left names the sources of which the log holds anything, and the links that hold anything, whatever the document says.
func (c *control) left(ctx context.Context, st *store.Store, name string) (left []string, err error) {
	sources, err := st.Log(name).Sources(ctx)
	if reason.Of(err).Code == reason.LogMissing {
		return nil, nil // erased already
	}
	if err != nil {
		return nil, err
	}
	links, err := st.Ledger(name).Marks(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		standing, err := service.StandingOf(ctx, st.Log(name), s)
		if err != nil {
			return nil, err
		}
		if _, link := links[s]; !standing.Empty() && !link {
			left = append(left, "--source "+s.String())
		} else if !standing.Empty() {
			left = append(left, "--link "+s.String())
		}
	}
	for l := range links {
		book, err := st.Ledger(name).Look(ctx, l)
		if err != nil {
			return nil, err
		}
		holding, err := target.Hold(ctx, book)
		if err != nil {
			return nil, err
		}
		if !holding.Empty() {
			left = append(left, "--link "+l.String())
		}
	}
	slices.Sort(left)
	return slices.Compact(left), nil
}

// retire does it when its digest was approved, and writes it down before.
func (c *control) retire(ctx context.Context, st *store.Store, r *retiring, what, on, done string, do func() error) error {
	if r.dryRun || r.approve != r.Digest {
		if err := c.printRetirement(r, "would be "+done); err != nil || r.dryRun {
			return err
		}
		return fmt.Errorf("nothing was done; when that is meant, do it again with --approve %s", r.Digest)
	}
	entry := store.AuditEntry{When: c.now(), Who: r.by, What: what, On: on, Why: r.why, Details: map[string]string{"approved": r.Digest}}
	for kind, n := range r.Counts {
		entry.Details[kind] = strconv.Itoa(n)
	}
	if len(r.Ends) > 0 {
		entry.Details["ends"] = strings.Join(r.Ends, " ")
	}
	if err := audited(ctx, st.Audit(r.Tenant), entry, do); err != nil {
		return err
	}
	r.Done = true
	return c.printRetirement(r, done)
}

func (c *control) printRetirement(r *retiring, what string) error {
	return c.print(r.printedRetirement, func(w *tabwriter.Writer) {
		on := "tenant " + r.Tenant
		if r.Source != "" {
			on = "source " + r.Source
		} else if r.Link != "" {
			on = "link " + r.Link
		}
		fmt.Fprintf(w, "%s: %s: %s\n", on, counts(r.Counts), what)
		if len(r.Ends) > 0 {
			fmt.Fprintf(w, "decisions of these kinds end with it: %s\n", strings.Join(r.Ends, ", "))
		}
		if slices.Contains(r.Ends, string(roster.MarkProtected)) {
			fmt.Fprintln(w, "whom only it protects is in every target again")
		}
		if r.Digest != "" && !r.Done {
			fmt.Fprintf(w, "digest: %s\n", r.Digest)
		}
	})
}
