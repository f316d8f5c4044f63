package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
	"eventful.se/ess/services/preview"
)

func (c *control) whyCommand() *cobra.Command {
	var n naming
	var name, link, language string
	var personal bool
	cmd := &cobra.Command{
		Use:   "why --tenant TENANT (--key KEY | --source SOURCE --id ID | --number -) [--link TARGET]",
		Short: "Show why a person is in a target, or is not, or looks so",
		Long: `Show why a person is in a target, or is not, or looks so: what each source says and what its last read found, what waits for
a decision, which source's word holds, and what every link makes of it, with the reason and the next step.

A person is named by --key, by --source and --id, or by --number -: the number is then read from standard input, for on a
command line it would stay in the shell's history. It is never printed. The key is the quickest. Somebody who was never
published, such as one whom a read keeps back, has no id and no number in the log: those are found where the tenant's
pepper can be read here, else by the key that essctl findings --each shows.

Values are masked; --show-personal shows those of this person, but for the identity number. Of a protected person the
answer is that nobody is found.`,
		Example: `  essctl why --tenant lund --source alvis --id p-4711
  essctl why --tenant lund --key 3f0c… --link apple-school-manager --language sv
  essctl why --tenant lund --number - -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := reason.Language(language)
			if l != reason.English && l != reason.Swedish {
				return fmt.Errorf("--language is %q: write sv or en", language)
			}
			q := service.Question{Personal: personal}
			if link != "" {
				ref, err := (&scope{source: link}).ref()
				if err != nil {
					return fmt.Errorf("--link: %w", err)
				}
				q.Links = []roster.Source{ref}
			}
			return c.with(cmd.Context(), func(st *store.Store) error {
				w, err := c.why(cmd.Context(), st, name, n, q)
				if err != nil {
					return advised(err)
				}
				return c.print(w, func(t *tabwriter.Writer) { told{w, l}.show(t) })
			})
		},
	}
	n.flags(cmd, "the person")
	f := cmd.Flags()
	f.StringVar(&name, "tenant", "", "the tenant (required)")
	f.StringVar(&link, "link", "", "only this link, as system/instance; /default may be left out")
	f.StringVar(&language, "language", "en", "of the texts: sv or en")
	f.BoolVar(&personal, "show-personal", false, "show the person's names, addresses and user names, which the log holds; keep them as you would keep the register")
	require(cmd, "tenant")
	return cmd
}

// why asks about the person whom the command line names.
func (c *control) why(ctx context.Context, st *store.Store, name string, n naming, q service.Question) (*service.Why, error) {
	d, err := c.documentToPreview(ctx, st, name, "")
	if err != nil {
		return nil, err
	}
	for _, ref := range q.Links {
		if !slices.ContainsFunc(d.Links, func(l tenant.Link) bool { return l.Ref() == ref }) {
			return nil, unknownLink(name, ref)
		}
	}
	h, err := preview.Host(ctx, st, slog.New(slog.DiscardHandler), c.now)
	if err != nil {
		return nil, err
	}
	keys, nobody, err := c.keysOf(ctx, st, d, n)
	if err != nil {
		return nil, err
	}
	var w *service.Why
	for _, key := range keys {
		if w != nil && slices.Contains(w.Keys, key.String()) {
			continue
		}
		q.Key = key
		switch found, err := h.Explain(ctx, d, q, connectors.Sources(), connectors.Targets()); {
		case errors.Is(err, service.ErrNobody):
		case err != nil:
			return nil, err
		case w != nil:
			return nil, errors.New("several persons, not one, are named so: name the person by --key")
		default:
			w = found
		}
	}
	if w == nil {
		return nil, nobody
	}
	return w, nil
}

// keysOf returns the keys that the command line may mean, and what is to be said when nobody whom it names may be told of:
// the same of who is protected as of who does not exist.
func (c *control) keysOf(ctx context.Context, st *store.Store, d *tenant.Document, n naming) (keys []roster.Key, nobody, err error) {
	switch {
	case n.key != "" && n.source+n.id+n.number == "":
		key, err := roster.ParseKey(n.key)
		if err != nil {
			return nil, nil, fmt.Errorf("--key: %w", err)
		}
		return []roster.Key{key}, errors.New("--key: no source has a person with this key"), nil
	case n.number != "" && n.number != "-":
		return nil, nil, errors.New("--number takes - only, and the number comes on standard input: on a command line it would stay in the shell's history")
	case n.number == "" && (n.id == "" || n.source == "") || n.number != "" && n.key+n.id != "" || n.key != "":
		return nil, nil, errors.New("name the person: --key, or --source and --id, or --number -")
	}
	var src roster.Source
	if n.source != "" {
		if src, err = (&scope{source: n.source}).ref(); err != nil {
			return nil, nil, err
		}
	}
	var number roster.CivicNo
	if n.number == "-" {
		if number, err = c.civicNo(src); err != nil {
			return nil, nil, err
		}
	}
	nobody = fmt.Errorf("no person of %s has the id: look at the id, and at --source; or name the person by --key, or --number -", src)
	word, is := n.id, func(r *roster.Record) bool {
		return slices.ContainsFunc(r.Origins, func(o roster.Origin) bool { return o.ID.Reveal() == n.id })
	}
	if n.number != "" {
		nobody = errors.New("no person has the number: look that it is typed right; or name the person by --key, or --source and --id")
		word, is = number.Reveal(), func(r *roster.Record) bool { return r.Person != nil && r.Person.CivicNo == number }
	}
	if _, err := d.Pepper.Reveal(); err != nil {
		nobody = fmt.Errorf("%w. Who was never published is found by key only where the tenant's pepper cannot be read", nobody)
	}
	found := map[roster.Key]bool{}
	note := func(e roster.Event) {
		if e.Record != nil && is(e.Record) {
			found[e.Ref.Key] = true
		}
	}
	log, words := st.Log(d.Tenant), [][]byte{[]byte(word)}
	pepper, sealed := d.Pepper.Reveal()
	if everywhere := n.number != "" && number.Kind() != roster.Temporary; !everywhere || sealed != nil {
		if err := log.Naming(ctx, roster.KindPerson, src, words, note); err != nil || len(found) > 0 {
			return slices.Collect(maps.Keys(found)), nobody, err
		}
	}
	if sealed != nil { // who has left is told of by older messages only
		err := log.NamingEver(ctx, roster.KindPerson, src, words, note)
		return slices.Collect(maps.Keys(found)), nobody, err
	}
	// With the pepper a number is a key, whoever has it; so is the id of who has no number.
	k, err := roster.NewKeyer(pepper)
	if err != nil {
		return nil, nil, fmt.Errorf("pepper: %w", err)
	}
	return []roster.Key{k.Person(src, n.id, number)}, nobody, nil
}

// civicNo reads an identity number from standard input.
func (c *control) civicNo(src roster.Source) (n roster.CivicNo, err error) {
	text, err := c.line("identity number: ")
	if err != nil {
		return n, err
	}
	switch n = roster.ParseCivicNo(text, roster.Today(c.now())); n.Kind() {
	case roster.Personnummer, roster.Samordningsnummer:
		return n, nil
	case roster.Temporary:
		if src == (roster.Source{}) {
			return n, errors.New("that number is one source's only: give --source too")
		}
		return n, nil
	default:
		return n, errors.New("that is no identity number: look at its check digit, and write the century")
	}
}

// told prints a why for people, from the register to the targets.
type told struct {
	*service.Why
	l reason.Language
}

func (w told) show(t *tabwriter.Writer) {
	fmt.Fprintf(t, "%s, %s\n", w.Person, clock(w.At))
	for _, s := range w.Short {
		w.say(t, "  ", s)
	}
	fmt.Fprintf(t, "\n%s\n", w.word("SOURCES", "KÄLLOR"))
	for _, s := range w.Sources {
		w.source(t, s)
	}
	fmt.Fprintf(t, "\n%s\n", w.word("TOGETHER", "TILLSAMMANS"))
	w.merged(t)
	fmt.Fprintf(t, "\n%s\n", w.word("LINKS", "LÄNKAR"))
	for _, l := range w.Links {
		w.link(t, l)
	}
}

func (w told) word(en, sv string) string {
	if w.l == reason.Swedish {
		return sv
	}
	return en
}

// say prints a reason with its next step.
func (w told) say(t *tabwriter.Writer, indent string, r service.Told) {
	fmt.Fprintf(t, "%s! %s\n%s  → %s\n", indent, r.What[w.l], indent, r.Next[w.l])
}

func (w told) source(t *tabwriter.Writer, s service.WhySource) {
	line := []string{s.Source}
	if s.State == "" {
		line = append(line, w.word("never read", "aldrig läst"))
	} else {
		line = append(line, fmt.Sprintf("%s %s", s.State, clock(s.Read)))
		if !s.Believed.Equal(s.Read) {
			line = append(line, fmt.Sprintf("%s %s", w.word("last believed", "senast trodd"), clock(s.Believed)))
		}
	}
	if s.Paused {
		line = append(line, w.word("paused", "pausad"))
	}
	fmt.Fprintf(t, "  %s\n", strings.Join(line, ", "))
	if s.Trouble != nil {
		w.say(t, "    ", *s.Trouble)
	}
	for _, r := range s.Records {
		what := w.word("states the person", "har personen")
		switch {
		case r.Unread != "":
			what = r.Unread
		case r.Tombstone != "":
			what = w.word("took the person away: ", "tog bort personen: ") + string(r.Tombstone)
		case r.Overlay:
			what = w.word("adds to the person", "lägger till om personen")
		}
		fmt.Fprintf(t, "    %s (%s %d, %s, %s %s)\n", what, w.word("change", "ändring"), r.Seq, clock(r.At), w.word("run", "läsning"), cmp.Or(r.Run, "-"))
	}
	if len(s.Records) == 0 {
		fmt.Fprintf(t, "    %s\n", w.word("says nothing of the person", "säger inget om personen"))
	}
	for _, f := range s.Findings {
		fmt.Fprintf(t, "    %s, %s, %s %s%s\n", f.Severity, f.Effect, w.word("since", "sedan"), clock(f.Since), where(f.Where))
		w.say(t, "    ", f.Told)
	}
	w.held(t, "--source "+s.Source, s.Held)
}

func where(s string) string {
	if s == "" {
		return ""
	}
	return ", " + s
}

func (w told) held(t *tabwriter.Writer, of string, list []service.WhyHeld) {
	for _, h := range list {
		fmt.Fprintf(t, "    %s: %s, %s %s %s: essctl held show --tenant %s %s\n", w.word("waits for a decision", "väntar på ett beslut"), h.Operation,
			h.Digest, w.word("since", "sedan"), clock(h.Since), w.Tenant, of)
	}
}

func (w told) merged(t *tabwriter.Writer) {
	m := w.Merged
	state := string(m.State)
	if m.Reason != "" {
		state += ": " + string(m.Reason)
	}
	fmt.Fprintf(t, "  %s\n", state)
	for _, d := range m.Directives {
		fmt.Fprintf(t, "    %s\t%s %s\t%s\n", w.word("by hand", "för hand"), d.Kind, days("", d.Until), d.Source)
	}
	for _, a := range m.Attributes {
		others := ""
		if len(a.Others) > 0 {
			others = fmt.Sprintf("(%s %s)", w.word("otherwise:", "annorlunda:"), strings.Join(a.Others, ", "))
		}
		fmt.Fprintf(t, "    %s\t%s\t%s\n", a.Name, cmp.Or(a.Value, "-"), strings.TrimSpace(a.Source+" "+others))
	}
	for _, list := range [][]service.WhyPlace{m.Places, m.Groups} {
		for _, p := range list {
			now := ""
			if !p.Now {
				now = w.word("not now", "inte nu")
			}
			fmt.Fprintf(t, "    %s\t%s\t%s\n", p.As, cmp.Or(p.Name, p.Key), strings.TrimSpace(days(p.From, p.Until)+" "+now))
		}
	}
}

// days prints from when until when; nothing where neither is told.
func days(from, until string) string {
	if from+until == "" {
		return ""
	}
	return from + "–" + until
}

func (w told) link(t *tabwriter.Writer, l service.WhyLink) {
	fmt.Fprintf(t, "  %s: %s (%s)\n", l.Link, w.presence(l.Stands), l.Mode)
	for _, s := range l.Short {
		w.say(t, "    ", s)
	}
	if l.Filter != "" {
		fmt.Fprintf(t, "    %s %s\n", w.word("for:", "för:"), l.Filter)
	}
	w.held(t, "--link "+l.Link, l.Held)
	for _, r := range l.Resources {
		w.resource(t, r)
	}
}

func (w told) presence(p service.Presence) string {
	return map[service.Presence]string{
		service.There: w.word("there, as the registers have it", "finns, som i registren"), service.Older: w.word("there, with older data", "finns, med äldre uppgifter"),
		service.Partly: w.word("there, in part", "finns, delvis"), service.Closing: w.word("on the way out, or off", "på väg ut, eller avstängd"),
		service.Absent: w.word("not there", "finns inte"),
	}[p]
}

func (w told) resource(t *tabwriter.Writer, r service.WhyResource) {
	var notes []string
	if r.Name != "" {
		notes = append(notes, r.Name)
	}
	for _, s := range r.Why {
		notes = append(notes, s.What[w.l])
	}
	if len(r.WaitsFor) > 0 {
		notes = append(notes, w.word("waits for ", "väntar på ")+strings.Join(r.WaitsFor, ", "))
	}
	for _, s := range r.Sets {
		notes = append(notes, s.Set+": "+w.member(s))
	}
	if len(r.Differs) > 0 {
		notes = append(notes, w.word("older: ", "äldre: ")+strings.Join(r.Differs, ", "))
	}
	if !r.NextTry.IsZero() {
		notes = append(notes, fmt.Sprintf("%s %s (%d)", w.word("next try", "nästa försök"), clock(r.NextTry), r.Attempts))
	}
	if r.Cause != nil {
		notes = append(notes, fmt.Sprintf("%s %d, %s, %s %s", w.word("change", "ändring"), r.Cause.Seq, clock(r.Cause.At), w.word("run", "läsning"), cmp.Or(r.Cause.Run, "-")))
	}
	fmt.Fprintf(t, "    %s\t%s\t%s\n", r.Resource, r.State, strings.Join(notes, "; "))
	for _, f := range r.Fields {
		fmt.Fprintf(t, "      %s\t%s\t%s\n", f.Name, cmp.Or(f.Has, "-"), cmp.Or(f.Want, "-"))
	}
}

func (w told) member(s service.WhySet) string {
	switch {
	case s.Wished && s.Held:
		return w.word("in", "med")
	case s.Wished:
		return w.word("not in yet", "inte med än")
	default:
		return w.word("still in", "med ännu")
	}
}
