package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/services/source-manual/manual"
)

// byHand is the source that reads what is decided by command.
func byHand() roster.Source { return roster.Source{System: "manual", Instance: manual.Instance} }

// naming is how a command line names a person: by key, by a source and its id, or by a number from standard input.
type naming struct {
	prefix                  string // of the flags
	key, source, id, number string
}

func (n *naming) flags(cmd *cobra.Command, whom string) {
	f := cmd.Flags()
	f.StringVar(&n.key, n.prefix+"key", "", "the key of "+whom)
	f.StringVar(&n.source, n.prefix+"source", "", "with --"+n.prefix+"id, or with a number that only one source knows: the source, as system/instance")
	f.StringVar(&n.id, n.prefix+"id", "", "the id of "+whom+" in that source")
	f.StringVar(&n.number, n.prefix+"number", "", "-: the identity number of "+whom+" is read from standard input, a line each")
}

// someone is a person whom a command is about.
type someone struct {
	ref    manual.Ref   // how a decision names her or him
	key    roster.Key   // zero for somebody whom the log does not know
	keys   []roster.Key // those that she or he has and had
	number roster.CivicNo
	state  roster.Merged
}

// on names the person in print and in the audit: never by number.
func (s *someone) on() string {
	if s.key.IsZero() {
		return "person by number"
	}
	return roster.Ref{Kind: roster.KindPerson, Key: s.key}.String()
}

// known refuses a person whom the log does not know.
func (s *someone) known() error {
	if s.key.IsZero() || s.state.State == roster.Missing {
		return errors.New("no source has the person, and this cannot be decided ahead: wait until a register states her or him")
	}
	return nil
}

// whole reads the log of a tenant into a roster.
func (c *control) whole(ctx context.Context, st *store.Store, tenant string) (*roster.Roster, error) {
	r := roster.NewRoster(nil, roster.Today(c.now()))
	_, err := st.Log(tenant).Load(ctx, func(e roster.Event) error {
		if e.Record != nil {
			r.Apply(*e.Record)
		}
		return e.Unreadable
	})
	return r, err
}

// line reads the next line of standard input.
func (c *control) line(prompt string) (string, error) {
	if c.lines == nil {
		c.lines = bufio.NewReader(c.in)
	}
	fmt.Fprint(c.errs, prompt)
	text, err := c.lines.ReadString('\n')
	if text = strings.TrimSpace(text); text == "" {
		return "", fmt.Errorf("nothing stands on standard input: %w", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return text, nil
}

// find finds the person whom the command line names.
func (c *control) find(ctx context.Context, d *desk, n naming) (*someone, error) {
	var src roster.Source
	if n.source != "" {
		var err error
		if src, err = (&scope{source: n.source}).ref(); err != nil {
			return nil, err
		}
	}
	flag := func(name string) string { return "--" + n.prefix + name }
	switch {
	case n.key != "" && n.source+n.id+n.number == "":
		key, err := roster.ParseKey(n.key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag("key"), err)
		}
		if d.roster.State(roster.Ref{Kind: roster.KindPerson, Key: key}).State == roster.Missing {
			return nil, fmt.Errorf("%s: no source has a person with this key", flag("key"))
		}
		return atKey(d.roster, key), nil
	case n.id != "" && n.source != "" && n.key+n.number == "":
		s, err := d.only(ctx, fmt.Sprintf("of %s has the id", src), func(rec *roster.Record) bool {
			return rec.Source == src && slices.ContainsFunc(rec.Origins, func(o roster.Origin) bool { return o.ID.Reveal() == n.id })
		})
		if errors.Is(err, errNobody) {
			err = fmt.Errorf("%w: look at the id, and at %s; or name the person by %s -", err, flag("source"), flag("number"))
		}
		return s, err
	case n.number == "-" && n.key+n.id == "":
		return c.findByNumber(ctx, d, src)
	case n.number != "" && n.number != "-":
		return nil, fmt.Errorf("%s takes - only, and the number comes on standard input: on a command line it would stay in the shell's history", flag("number"))
	default:
		return nil, fmt.Errorf("name the person: %s, or %s and %s, or %s -", flag("key"), flag("source"), flag("id"), flag("number"))
	}
}

func (c *control) findByNumber(ctx context.Context, d *desk, src roster.Source) (*someone, error) {
	text, err := c.line("identity number: ")
	if err != nil {
		return nil, err
	}
	number := roster.ParseCivicNo(text, d.roster.Today())
	everywhere := false
	switch number.Kind() {
	case roster.Personnummer, roster.Samordningsnummer:
		everywhere = true
	case roster.Temporary:
		if src == (roster.Source{}) {
			return nil, errors.New("that number is one source's only: give --source too")
		}
	default:
		return nil, errors.New("that is no identity number: look at its check digit, and write the century")
	}
	s, err := d.only(ctx, "has the number", func(rec *roster.Record) bool {
		return rec.Person != nil && rec.Person.CivicNo == number && (everywhere || rec.Source == src)
	})
	if err == nil {
		s.number = number
		return s, nil
	}
	if !errors.Is(err, errNobody) {
		return nil, err
	}
	s = &someone{ref: manual.Ref{Number: roster.Personal(number.Reveal())}, number: number}
	if !everywhere {
		s.ref.Source = src.String()
	}
	return s, nil
}

// errNobody says that the log knows nobody whom the command line names.
var errNobody = errors.New("no person")

// only finds the one person of whom some record is, or, when nobody stands, some record was.
func (d *desk) only(ctx context.Context, what string, is func(*roster.Record) bool) (*someone, error) {
	r, found := d.roster, map[roster.Key]bool{}
	add := func(rec *roster.Record) {
		if is(rec) {
			now, _ := r.Became(rec.Ref.Key)
			found[now] = true
		}
	}
	for _, ref := range r.Refs(roster.KindPerson) {
		for _, rec := range r.Records(ref) {
			add(rec)
		}
	}
	if len(found) == 0 {
		err := d.st.Log(d.tenant).History(ctx, roster.Ref{Kind: roster.KindPerson}, func(rec roster.Record) { add(&rec) })
		if err != nil {
			return nil, err
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w %s", errNobody, what)
	case 1:
		for key := range found {
			return atKey(r, key), nil
		}
	}
	return nil, fmt.Errorf("%d persons, not one, %s: name the person by --key", len(found), what)
}

func atKey(r *roster.Roster, key roster.Key) *someone {
	s := &someone{keys: []roster.Key{key}}
	if now, ok := r.Became(key); ok {
		key = now
		s.keys = append(s.keys, now)
	}
	s.key, s.ref = key, manual.Ref{Key: key.String()}
	s.state = r.State(roster.Ref{Kind: roster.KindPerson, Key: key})
	s.keys = append(s.keys, s.state.Former...)
	if s.state.Person != nil {
		s.number = s.state.Person.CivicNo
	}
	return s
}

// about tells whether a decision's reference names the person. What it means by an id of its own shows in the log, once
// the decision was read.
func (s *someone) about(r *roster.Roster, ref manual.Ref, decision string) bool {
	switch {
	case ref.Key != "":
		key, err := roster.ParseKey(ref.Key)
		return err == nil && slices.Contains(s.keys, key)
	case ref == s.ref:
		return true
	case ref.Number != "" && s.number.Kind() != roster.Temporary && roster.ParseCivicNo(ref.Number.Reveal(), r.Today()) == s.number:
		return true
	}
	for _, key := range s.keys {
		for _, rec := range r.Records(roster.Ref{Kind: roster.KindPerson, Key: key}) {
			if rec.Source == byHand() && slices.ContainsFunc(rec.Origins, func(o roster.Origin) bool { return o.Doc.Reveal() == "desk/"+decision }) {
				return true
			}
		}
	}
	return false
}
