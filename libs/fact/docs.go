package fact

import (
	"slices"

	"eventful.se/ess/libs/roster"
)

// Docs returns the docs that the records of one source were assembled from, as far as records tell: the inverse of
// [Assembler.Assemble], which makes the same records of them again. [Assembler.AssembleOver] lays a read that saw only
// what changed over them.
//
// A record does not tell everything. What one of several docs of an entity states, all of them state; a role that
// follows from an enrolment or a duty is taken to be stated nowhere else; what a finding dropped is gone; that a record
// may have another source's key shows by its being an overlay or having directives. A complete read puts all of that
// right.
func Docs(records []roster.Record) []Doc {
	d := unassembler{index: map[roster.Personal]int{}, origins: map[roster.Ref][]roster.Origin{}}
	for i := range records {
		d.origins[records[i].Ref] = records[i].Origins
	}
	// What still refers to a key that somebody had before, because a publication broke off, means who has it no more.
	for i := range records {
		for _, k := range records[i].Former {
			ref := roster.Ref{Kind: records[i].Ref.Kind, Key: k}
			if _, stands := d.origins[ref]; !stands {
				d.origins[ref] = records[i].Origins
			}
		}
	}
	for i := range records {
		r := &records[i]
		switch {
		case r.Organisation != nil:
			d.organisation(r)
		case r.Person != nil:
			d.person(r)
		case r.Group != nil:
			d.group(r)
		}
	}
	return d.docs
}

// unassembler makes docs of records.
type unassembler struct {
	docs    []Doc
	index   map[roster.Personal]int
	origins map[roster.Ref][]roster.Origin
}

// state adds facts to a doc.
func (d *unassembler) state(doc roster.Personal, facts ...Fact) {
	i, ok := d.index[doc]
	if !ok {
		i = len(d.docs)
		d.index[doc] = i
		d.docs = append(d.docs, Doc{ID: doc.Reveal()})
	}
	d.docs[i].Facts = append(d.docs[i].Facts, facts...)
}

// id returns the id by which a doc calls an entity: the one that the doc itself states, else the first, else a
// reference by key; nothing for no entity.
func (d *unassembler) id(kind roster.Kind, key roster.Key, doc roster.Personal) string {
	if key.IsZero() {
		return ""
	}
	list := d.origins[roster.Ref{Kind: kind, Key: key}]
	if len(list) == 0 {
		return keyRef(key)
	}
	return list[max(0, slices.IndexFunc(list, func(o roster.Origin) bool { return o.Doc == doc }))].ID.Reveal()
}

func (d *unassembler) organisation(r *roster.Record) {
	o := r.Organisation
	f := Unit{
		Name: o.DisplayName, Type: string(o.Type), UnitCodes: o.UnitCodes,
		Start: o.Interval.Start.String(), End: o.Interval.End.String(), Extra: reveal(o.Extra),
	}
	for _, t := range o.SchoolTypes {
		f.SchoolTypes = append(f.SchoolTypes, string(t))
	}
	for _, from := range r.Origins {
		f.ID, f.Parent = from.ID.Reveal(), d.id(roster.KindOrganisation, o.Parent, from.Doc)
		d.state(from.Doc, f)
	}
}

func (d *unassembler) person(r *roster.Record) {
	p := r.Person
	f := Person{
		About: r.Overlay, FormerKeys: r.Former, CivicNo: p.CivicNo.Reveal(), GivenName: p.GivenName.Reveal(), MiddleName: p.MiddleName.Reveal(),
		FamilyName: p.FamilyName.Reveal(), DisplayName: p.DisplayName.Reveal(), BirthDate: p.BirthDate.Reveal(),
		Sex: string(p.Sex), Marking: string(p.Marking), Extra: reveal(p.Extra),
	}
	for _, from := range r.Origins {
		f.ID = from.ID.Reveal()
		d.foreign(r, from)
		for _, persona := range statedPersonas(p) {
			f.Role, f.Email, f.Username, f.EPPN = string(persona.Role), persona.Email.Reveal(), persona.Username.Reveal(), persona.EPPN.Reveal()
			d.state(from.Doc, f)
		}
	}
	d.directives(r)
	for _, k := range r.SameAs {
		d.state(r.Origins[0].Doc, SameAs{Person: r.Origins[0].ID.Reveal(), Other: keyRef(k)})
	}
	for _, e := range p.Enrolments {
		d.state(e.Doc, Enrolment{
			Person: d.id(roster.KindPerson, r.Ref.Key, e.Doc), Unit: d.id(roster.KindOrganisation, e.EnroledAt, e.Doc),
			SchoolType: string(e.SchoolType), SchoolYear: e.SchoolYear, Programme: e.Programme,
			Start: e.Interval.Start.String(), End: e.Interval.End.String(),
		})
	}
	for _, u := range p.Duties {
		d.state(u.Doc, Duty{
			Person: d.id(roster.KindPerson, r.Ref.Key, u.Doc), Unit: d.id(roster.KindOrganisation, u.DutyAt, u.Doc),
			Role: string(u.Role), Start: u.Interval.Start.String(), End: u.Interval.End.String(),
		})
	}
}

// statedPersonas returns what must be stated for the personas to come out again: one without role where all of them
// say the same and follow from enrolments and duties, else each that does not follow.
func statedPersonas(p *roster.Person) []roster.Persona {
	implied := impliedRoles(len(p.Enrolments) > 0, len(p.Duties) > 0)
	var list []roster.Persona
	none := true
	for _, x := range p.Personas {
		follows := slices.Contains(implied, x.Role)
		y := p.Personas[0]
		y.Role = x.Role
		none = none && follows && x == y
		if !follows || x != (roster.Persona{Role: x.Role}) {
			list = append(list, x)
		}
	}
	if none && len(p.Personas) > 0 {
		x := p.Personas[0]
		x.Role = roster.RoleNone
		return []roster.Persona{x}
	}
	if len(list) == 0 {
		return []roster.Persona{{}}
	}
	return list
}

func (d *unassembler) group(r *roster.Record) {
	g := r.Group
	d.directives(r)
	for _, from := range r.Origins {
		d.foreign(r, from)
		d.state(from.Doc, Group{
			ID: from.ID.Reveal(), About: r.Overlay, Name: g.DisplayName, Type: string(g.Type), Unit: d.id(roster.KindOrganisation, g.Organisation, from.Doc),
			SchoolType: string(g.SchoolType), Subject: g.Subject, SchoolYear: g.SchoolYear,
			Start: g.Interval.Start.String(), End: g.Interval.End.String(), Extra: reveal(g.Extra),
		})
	}
	for _, m := range g.Members {
		d.state(m.Doc, Member{
			Group: d.id(roster.KindGroup, r.Ref.Key, m.Doc), Person: d.id(roster.KindPerson, m.Person, m.Doc), Role: string(m.Role),
			Start: m.Interval.Start.String(), End: m.Interval.End.String(),
		})
	}
}

// foreign states the key of a record that may be another source's: of an overlay, and of one with directives. What a
// register states of its own has a key that follows from its facts.
func (d *unassembler) foreign(r *roster.Record, from roster.Origin) {
	if r.Overlay || len(r.Directives)+len(r.SameAs) > 0 {
		d.state(from.Doc, Foreign{Kind: r.Ref.Kind, ID: from.ID.Reveal(), Key: r.Ref.Key})
	}
}

func (d *unassembler) directives(r *roster.Record) {
	for _, x := range r.Directives {
		d.state(x.Doc, Directive{
			Kind: string(x.Kind), Of: r.Ref.Kind, ID: d.id(r.Ref.Kind, r.Ref.Key, x.Doc), Until: x.Until.String(),
			Owner: x.Owner.Reveal(), Why: x.Reason.Reveal(), Link: x.Link,
		})
	}
}

func reveal(x roster.Extra) map[string]string {
	if len(x) == 0 {
		return nil
	}
	out := make(map[string]string, len(x))
	for k, v := range x {
		out[k] = v.Reveal()
	}
	return out
}
