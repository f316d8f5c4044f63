package roster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// ExtraController is the attribute of an organisation that names its controller (huvudman).
const ExtraController = "controller"

// Units is what a customer says of the units of its registers: what they are called at the targets, which of them count
// as others, and which no target gets. It is applied to records on their way from the log into a [Roster], never to the
// log. The zero Units say nothing and cost nothing.
type Units struct {
	rules  map[Key]UnitRule
	digest string
}

// UnitRule is what is said of one unit. What is empty is as the register says.
type UnitRule struct {
	Name       string // in place of the register's
	Code       string // skolenhetskod, in place of all of the register's
	Controller string // huvudman, as [ExtraController]
	// MergedInto is the unit as which this one counts: its enrolments, duties and groups and the units below it are that
	// one's. It has no rule that merges it further.
	MergedInto Key
	Excluded   bool // the unit, and who is at no other one, is out of scope
}

// NewUnits returns the units of rules by key. A rule that says nothing is none.
func NewUnits(rules map[Key]UnitRule) Units {
	u := Units{rules: maps.Clone(rules)}
	maps.DeleteFunc(u.rules, func(_ Key, r UnitRule) bool { return r == UnitRule{} })
	if len(u.rules) == 0 {
		return Units{}
	}
	sum := sha256.New()
	for _, k := range slices.SortedFunc(maps.Keys(u.rules), Key.Compare) {
		r := u.rules[k]
		fmt.Fprintf(sum, "%s %q %q %q %s %t\n", k, r.Name, r.Code, r.Controller, r.MergedInto, r.Excluded)
	}
	u.digest = hex.EncodeToString(sum.Sum(nil)[:8])
	return u
}

// Digest changes whenever the same log would make another roster; it is empty when nothing is said.
func (u Units) Digest() string { return u.digest }

// Apply returns the record with what is said of its units. It shares with rec what does not change, and writes nothing of
// it.
func (u Units) Apply(rec Record) Record {
	if len(u.rules) == 0 {
		return rec
	}
	switch {
	case rec.Organisation != nil:
		rec.Organisation = u.organisation(rec.Ref.Key, rec.Organisation)
	case rec.Person != nil:
		rec.Person = u.person(rec.Person)
	case rec.Group != nil:
		if to := u.of(rec.Group.Organisation); to != rec.Group.Organisation {
			g := *rec.Group
			g.Organisation, rec.Group = to, &g
		}
	}
	return rec
}

func (u Units) organisation(k Key, o *Organisation) *Organisation {
	rule, parent := u.rules[k], u.of(o.Parent)
	if parent == k {
		parent = Key{} // the unit above is merged into the one below
	}
	if rule == (UnitRule{}) && parent == o.Parent {
		return o
	}
	said := *o
	said.Parent, said.DisplayName = parent, cmp.Or(rule.Name, o.DisplayName)
	if rule.Code != "" {
		said.UnitCodes = []string{rule.Code}
	}
	if rule.Controller != "" {
		said.Extra = maps.Clone(o.Extra)
		if said.Extra == nil {
			said.Extra = Extra{}
		}
		said.Extra[ExtraController] = Personal(rule.Controller)
	}
	return &said
}

func (u Units) person(p *Person) *Person {
	moves := slices.ContainsFunc(p.Enrolments, func(e Enrolment) bool { return u.of(e.EnroledAt) != e.EnroledAt }) ||
		slices.ContainsFunc(p.Duties, func(d Duty) bool { return u.of(d.DutyAt) != d.DutyAt })
	if !moves {
		return p
	}
	said := *p
	said.Enrolments, said.Duties = slices.Clone(p.Enrolments), slices.Clone(p.Duties)
	for i := range said.Enrolments {
		said.Enrolments[i].EnroledAt = u.of(said.Enrolments[i].EnroledAt)
	}
	for i := range said.Duties {
		said.Duties[i].DutyAt = u.of(said.Duties[i].DutyAt)
	}
	said.Enrolments, said.Duties = order(said.Enrolments, Enrolment.compare), order(said.Duties, Duty.compare)
	return &said
}

// of returns the unit as which one counts.
func (u Units) of(unit Key) Key {
	if to := u.rules[unit].MergedInto; !to.IsZero() {
		return to
	}
	return unit
}

// Picture is what [Units.Excluded] looks at; a [Roster] that the records came into through [Units.Apply] is one.
type Picture interface {
	Today() Date
	Person(Key) *Person
	Group(Key) *Group
}

// Excluded tells whether an entity is out of scope by what is said of its units: a unit that is excluded or counts as
// another one; a group of a unit that is; a person who is at such units only. Where she is or will be decides, and when
// she has left all of them, the ones that she left last. Who is at no unit is not excluded. Out of scope is not gone:
// nothing may be deleted for it (rule R6).
func (u Units) Excluded(v Picture, ref Ref) bool {
	if len(u.rules) == 0 {
		return false
	}
	switch ref.Kind {
	case KindOrganisation:
		return u.out(ref.Key)
	case KindGroup:
		g := v.Group(ref.Key)
		return g != nil && u.out(g.Organisation)
	case KindPerson:
		p := v.Person(ref.Key)
		return p != nil && u.nowhereElse(p, v.Today())
	default:
		return false
	}
}

func (u Units) out(unit Key) bool {
	rule := u.rules[unit]
	return rule.Excluded || !rule.MergedInto.IsZero()
}

// nowhereElse tells whether all units that count for a person are out.
func (u Units) nowhereElse(p *Person, today Date) bool {
	var last Date // the latest day of a role that has ended
	current, inside, outside := false, false, false
	look := func(unit Key, i Interval) {
		switch ended := !i.End.IsOpen() && i.End < today; {
		case unit.IsZero(), i.isEmpty(), ended && (current || i.End < last):
			return
		case !ended && !current:
			current, inside, outside = true, false, false
		case ended && i.End > last:
			last, inside, outside = i.End, false, false
		}
		if u.out(unit) {
			outside = true
		} else {
			inside = true
		}
	}
	for i := range p.Enrolments {
		look(p.Enrolments[i].EnroledAt, p.Enrolments[i].Interval)
	}
	for i := range p.Duties {
		look(p.Duties[i].DutyAt, p.Duties[i].Interval)
	}
	return outside && !inside
}
