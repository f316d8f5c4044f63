package target

import (
	"slices"

	"eventful.se/ess/libs/roster"
)

// Protection says what a link has of a protected person.
type Protection string

// The protections. The zero Protection is Withhold.
const (
	Withhold Protection = "withhold" // nothing
	ByAlias  Protection = "alias"    // the account that there is, under an alias
)

// aliased tells whether a contained person goes on using an account, by an alias. Who is excluded or suspended does not.
func (l *Link) aliased(m roster.Merged, today roster.Date) bool {
	out := slices.ContainsFunc(m.Directives, func(d roster.Directive) bool {
		return (d.Kind == roster.Exclude || d.Kind == roster.Suspend) && d.Holds(today)
	})
	return m.Protected && !out && (l.o.Protected == ByAlias || m.Alias(l.o.Target.String()))
}

// planContained takes everything that the target holds for a contained person out of everybody's sight: accounts are
// contained, all else is deleted, and what was only ever known of the person is forgotten.
func planContained(ref roster.Ref, l look, b *book, t terms) (intents []intent) {
	state := Contained
	if l.alias {
		state = Aliased
	}
	for _, id := range b.byEntity[ref] {
		e := b.entries[id]
		if e.theirs() {
			in := planForgotten(e, nil, t)
			in.contain = true
			intents = append(intents, in)
			continue
		}
		in := planRemoval(e, nil)
		if e.Held && slices.Contains(t.accounts, id.Kind) {
			if e.State == state && !e.Begun {
				continue
			}
			in.verb, in.alias = Contain, l.alias
			in.entry.Held, in.entry.State = true, state
		}
		in.contain = true
		intents = append(intents, in)
	}
	return intents
}

// planHidden takes away what joins a contained person to others: out of a group that is another entity's.
func planHidden(e *Entry) intent {
	in := planRemoval(e, nil)
	in.contain = true
	return in
}

// hidden tells whether an entry is about a contained person: hers or his, or of a kind that only joins the person to
// others. Nobody is told of it, and nothing keeps it. A class that cannot be without its teacher is more than that.
func (l *Link) hidden(e *Entry, entries map[ID]*Entry, contained map[roster.Ref]struct{}) bool {
	if len(contained) == 0 {
		return false
	}
	if _, own := contained[e.Entity]; own {
		return true
	}
	return !l.guards(e.ID.Kind) && slices.ContainsFunc(e.Needs, func(need ID) bool {
		n := entries[need]
		if n == nil {
			return false
		}
		_, joins := contained[n.Entity]
		return joins
	})
}

// Person returns a person whom the target may know of, without what the link itself has published of her or him: its own
// echo makes no difference to it, and neither do targets that take over what it publishes.
func (v view) Person(k roster.Key) *roster.Person {
	switch {
	case v.Contained(k):
		return nil
	case v.own == nil:
		return v.Roster.Person(k)
	default:
		return v.PersonWithout(k, v.own)
	}
}

// Group returns a group with the members whom the target may know of.
func (v view) Group(k roster.Key) *roster.Group {
	g := v.Roster.Group(k)
	contained := func(m roster.Membership) bool { return v.Contained(m.Person) }
	if g == nil || !v.AnyContained() || !slices.ContainsFunc(g.Members, contained) {
		return g
	}
	c := *g
	c.Members = slices.DeleteFunc(slices.Clone(g.Members), contained)
	return &c
}
