package roster

import (
	"cmp"
	"slices"
)

// Directive is what a human being decided about an entity, past what the registers say, with who answers for it and
// why. The decision itself is the kind, together with what the record around it states.
type Directive struct {
	Kind  DirectiveKind
	Until Date // the last day on which it holds; open where only taking it back ends it
	// Owner and Reason are administrative texts. They print masked all the same: people write free text.
	Owner  Personal
	Reason Personal
	Doc    Personal // where the source states it
	Link   string   // the one link that it is about, as system/instance; empty for all
}

// DirectiveKind says what a directive does.
type DirectiveKind string

// The kinds of directive. Of a kind that this version does not know nothing is made.
const (
	// Exclude takes a person out of every target: the merged person is gone, for the reason [TombstoneExcluded].
	Exclude DirectiveKind = "exclude"
	// KeepUntil says how long the record's person stands: after that day the record counts as a tombstone [TombstoneLeft].
	KeepUntil DirectiveKind = "keepUntil"
	// Suspend leaves the person standing with [Person.Suspended] set. It outranks what excludes.
	Suspend DirectiveKind = "suspend"
	// Override lets the attributes of the record win over every source, whatever the precedence.
	Override DirectiveKind = "override"
	// ListMember tells who put a member into the group. The membership itself has the dates.
	ListMember DirectiveKind = "member"
	// MarkProtected tells who had the person protected. The record's marking is what protects, also when the date of
	// the directive has passed: no date may expose a child.
	MarkProtected DirectiveKind = "protect"
	// AllowAlias lets a link have the person, while protected, under an alias in place of not at all.
	AllowAlias DirectiveKind = "alias"
	// JoinKeys tells who found that the record's keys are one person's; see [Record.SameAs]. It has no date either.
	JoinKeys DirectiveKind = "sameAs"
)

// Holds tells whether the directive has an effect on a day.
func (d Directive) Holds(today Date) bool { return d.Until.IsOpen() || today <= d.Until }

func (d Directive) compare(e Directive) int {
	return cmp.Or(cmp.Compare(d.Kind, e.Kind), cmp.Compare(d.Until, e.Until), cmp.Compare(d.Owner, e.Owner),
		cmp.Compare(d.Reason, e.Reason), cmp.Compare(d.Doc, e.Doc), cmp.Compare(d.Link, e.Link))
}

// Alias tells whether a link, as system/instance, may have the person under an alias while she or he is protected. It says
// so of a person who is gone because of the protection, too.
func (m *Merged) Alias(link string) bool {
	return m.Protected && slices.ContainsFunc(m.Directives, func(d Directive) bool { return d.Kind == AllowAlias && d.Link == link })
}

// directed tells whether a directive of a kind holds for the record on a day.
func (r *Record) directed(k DirectiveKind, today Date) bool {
	return slices.ContainsFunc(r.Directives, func(d Directive) bool { return d.Kind == k && d.Holds(today) })
}

// lapsed tells whether the record has directives of a kind and none of them holds any more.
func (r *Record) lapsed(k DirectiveKind, today Date) bool {
	return !r.directed(k, today) && slices.ContainsFunc(r.Directives, func(d Directive) bool { return d.Kind == k })
}

// override lets what a record states of a person win: of its personas those that are there, and one without role for
// each. Who the person is (the number) and where (enrolments and duties) is not for an override to say.
func (p *Person) override(by *Person) {
	wins(&p.GivenName, by.GivenName)
	wins(&p.MiddleName, by.MiddleName)
	wins(&p.FamilyName, by.FamilyName)
	wins(&p.DisplayName, by.DisplayName)
	wins(&p.BirthDate, by.BirthDate)
	wins(&p.Sex, by.Sex)
	for i := range p.Personas {
		for _, b := range spread(by.Personas) {
			if x := &p.Personas[i]; b.Role == x.Role || b.Role == RoleNone {
				b.Role = x.Role
				b.fill(*x)
				*x = b
			}
		}
	}
	p.Extra = uniteExtra(by.Extra, p.Extra)
}

// wins takes over what the other states.
func wins[T comparable](have *T, other T) { *have = cmp.Or(other, *have) }
