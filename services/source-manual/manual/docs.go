package manual

import (
	"cmp"
	"fmt"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// factID returns the id by which the facts call what a reference names. It is made of what the reference says, so that
// a decision about somebody else is never taken for a change of number.
func (r Ref) factID() string {
	switch {
	case r.Key != "":
		return "key/" + r.Key
	case r.Number != "" && r.Source != "" && !everywhere(r.Number.Reveal()):
		return r.Source + "/number/" + number(r.Number.Reveal())
	case r.Number != "":
		return "number/" + number(r.Number.Reveal())
	case r.Source == "":
		return "id/" + r.ID.Reveal()
	default:
		return r.Source + "/id/" + r.ID.Reveal() + suffix(r.SchoolYear)
	}
}

func suffix(schoolYear string) string {
	if schoolYear == "" {
		return ""
	}
	return "/" + schoolYear
}

// number returns a number in its canonical form. A number has its century, so that no day decides what it is.
func number(raw string) string { return civicNo(raw).Reveal() }

func everywhere(raw string) bool {
	k := civicNo(raw).Kind()
	return k == roster.Personnummer || k == roster.Samordningsnummer
}

func civicNo(raw string) roster.CivicNo {
	return roster.ParseCivicNo(raw, roster.NewDate(9999, 12, 31))
}

// foreign says whose the entity is, unless it is of these decisions.
func (r Ref) foreign(kind roster.Kind) []fact.Fact {
	if r.Key != "" {
		k, _ := roster.ParseKey(r.Key) // the form is checked
		return []fact.Fact{fact.Foreign{Kind: kind, ID: r.factID(), Key: k}}
	}
	if r.Source == "" && r.Number == "" {
		return nil
	}
	s, _ := roster.ParseSource(r.Source) // none with a number alone; the form is checked
	return []fact.Fact{fact.Foreign{Kind: kind, ID: r.factID(), Source: s, OtherID: r.ID.Reveal(), CivicNo: r.Number.Reveal(), SchoolYear: r.SchoolYear}}
}

// docs returns a doc a decision, in their order, and counts them.
func (f *Decisions) docs(seen map[string]int) (docs []fact.Doc) {
	add := func(list string, i int, subject string, facts ...[]fact.Fact) {
		seen[list]++
		d := fact.Doc{ID: list + "/" + subject, Where: fmt.Sprintf("line %d", f.lines.line(fmt.Sprintf("%s[%d]", list, i)))}
		for _, more := range facts {
			d.Facts = append(d.Facts, more...)
		}
		docs = append(docs, d)
	}
	for i, x := range f.Persons {
		add("persons", i, x.Person.factID(), x.facts())
	}
	for i, x := range f.KeepUntil {
		add("keepUntil", i, x.Person.factID(), x.facts())
	}
	for i, x := range f.Memberships {
		add("memberships", i, x.Group.factID()+"/"+x.Role+"/"+x.Person.factID(), x.facts())
	}
	for i, x := range f.Overrides {
		add("overrides", i, x.Person.factID(), x.Person.foreign(roster.KindPerson), x.Attributes.facts(x.Person, true),
			x.directive(roster.Override))
	}
	for i, x := range f.Exclude {
		add("exclude", i, x.Person.factID(), x.Person.about(), x.directive(roster.Exclude))
	}
	for i, x := range f.Suspend {
		add("suspend", i, x.Person.factID(), x.Person.about(), x.directive(roster.Suspend))
	}
	for i, x := range f.Protect {
		p := fact.Person{ID: x.Person.factID(), About: true, Marking: cmp.Or(x.Marking, string(roster.MarkingConfidential))}
		add("protect", i, p.ID, x.Person.foreign(roster.KindPerson), []fact.Fact{p},
			x.directive(roster.MarkProtected, roster.KindPerson, p.ID, ""), x.aliases())
	}
	for i, x := range f.SameAs {
		id := x.Person.factID()
		add("sameAs", i, id+"/"+x.Other.factID(), x.Person.about(), x.Other.foreign(roster.KindPerson),
			[]fact.Fact{fact.SameAs{Person: id, Other: x.Other.factID()}}, x.directive(roster.JoinKeys, roster.KindPerson, id, ""))
	}
	return docs
}

// about speaks of a person of whom the decision says nothing else.
func (r Ref) about() []fact.Fact {
	return append(r.foreign(roster.KindPerson), fact.Person{ID: r.factID(), About: true})
}

func (d Decision) directive(k roster.DirectiveKind, of roster.Kind, id, until string) []fact.Fact {
	return []fact.Fact{fact.Directive{Kind: string(k), Of: of, ID: id, Until: until, Owner: d.Owner.Reveal(), Why: d.Reason.Reveal()}}
}

// aliases tells which links may have the person under an alias.
func (x Protect) aliases() (facts []fact.Fact) {
	for _, link := range x.Alias {
		facts = append(facts, fact.Directive{
			Kind: string(roster.AllowAlias), Of: roster.KindPerson, ID: x.Person.factID(), Owner: x.Owner.Reveal(), Why: x.Reason.Reveal(), Link: link,
		})
	}
	return facts
}

func reveal(extra map[string]roster.Personal) map[string]string {
	if len(extra) == 0 {
		return nil
	}
	out := make(map[string]string, len(extra))
	for k, v := range extra {
		out[k] = v.Reveal()
	}
	return out
}

func (d Dated) directive(k roster.DirectiveKind) []fact.Fact {
	return d.Decision.directive(k, roster.KindPerson, d.Person.factID(), d.Until)
}

// facts returns a fact a role, or one without role.
func (a Attributes) facts(who Ref, about bool) []fact.Fact {
	p := fact.Person{
		ID: who.factID(), About: about, GivenName: a.GivenName.Reveal(), MiddleName: a.MiddleName.Reveal(),
		FamilyName: a.FamilyName.Reveal(), DisplayName: a.DisplayName.Reveal(), BirthDate: a.BirthDate.Reveal(), Sex: a.Sex,
		Extra: reveal(a.Extra),
	}
	if !about {
		p.CivicNo = who.Number.Reveal()
	}
	if len(a.Personas) == 0 {
		return []fact.Fact{p}
	}
	var facts []fact.Fact
	for _, x := range a.Personas {
		p.Role, p.Email, p.Username, p.EPPN = x.Role, x.Email.Reveal(), x.Username.Reveal(), x.EPPN.Reveal()
		facts = append(facts, p)
	}
	return facts
}

func (x Person) facts() []fact.Fact {
	id := x.Person.factID()
	facts := append(x.Person.foreign(roster.KindPerson), x.Attributes.facts(x.Person, false)...)
	for _, e := range x.Enrolments {
		facts = append(append(facts, e.Unit.foreign(roster.KindOrganisation)...), fact.Enrolment{
			Person: id, Unit: e.Unit.factID(), SchoolType: e.SchoolType, SchoolYear: e.SchoolYear, Programme: e.Programme, Start: e.Start, End: e.End,
		})
	}
	for _, d := range x.Duties {
		facts = append(append(facts, d.Unit.foreign(roster.KindOrganisation)...), fact.Duty{
			Person: id, Unit: d.Unit.factID(), Role: d.Role, Start: d.Start, End: d.End,
		})
	}
	return append(facts, x.directive(roster.KeepUntil)...)
}

func (x Membership) facts() []fact.Fact {
	group := x.Group.factID()
	facts := append(x.Group.foreign(roster.KindGroup), x.Person.foreign(roster.KindPerson)...)
	return append(append(facts, fact.Group{ID: group, About: true}, fact.Member{
		Group: group, Person: x.Person.factID(), Role: x.Role, Start: x.Start, End: x.Until,
	}), x.Decision.directive(roster.ListMember, roster.KindGroup, group, x.Until)...)
}
