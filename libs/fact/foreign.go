package fact

import (
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// foreignID is by what a source calls an entity of another.
type foreignID struct {
	kind roster.Kind
	id   string
}

// foreignKey is the key of what another source states.
type foreignKey struct {
	roster.Key
	conflict bool // docs mean two entities by the id
}

// collectForeign finds the key of what another source states. Where docs mean two entities by one id, the lower key
// counts, so that the order of the docs does not matter.
func (a *Assembler) collectForeign(e *entry, f Foreign) {
	id, key := foreignID{f.Kind, cleanID(f.ID)}, a.foreignKey(f)
	have, known := a.foreign[id]
	switch {
	case id.id == "":
		a.find(roster.Ref{}, e.Where, Serious, Dropped, reason.MissingID, "kind", string(f.Kind))
	case key.IsZero():
		a.find(roster.Ref{}, e.Where, Serious, Dropped, reason.UnknownReference, "field", string(f.Kind))
	case !known:
		a.foreign[id] = foreignKey{Key: key}
	case have.Key != key:
		if !have.conflict {
			a.find(roster.Ref{}, e.Where, Warning, Dropped, reason.ConflictingAttribute, "field", "id")
		}
		if have.Compare(key) < 0 {
			key = have.Key
		}
		a.foreign[id] = foreignKey{key, true}
	}
}

// foreignKey returns the key that the other source's own reader makes, or none when too little is said.
func (a *Assembler) foreignKey(f Foreign) roster.Key {
	other, k := cleanID(f.OtherID), a.opts.Keyer
	switch {
	case !f.Key.IsZero():
		return f.Key
	case f.Kind == roster.KindPerson:
		n := a.civicNo(f.CivicNo)
		if n.Kind() == roster.UnknownNumber {
			n = roster.CivicNo{}
		}
		everywhere := n.Kind() == roster.Personnummer || n.Kind() == roster.Samordningsnummer
		if !everywhere && (f.Source == roster.Source{} || n.IsZero() && other == "") {
			return roster.Key{}
		}
		return k.Person(f.Source, other, n)
	case f.Source == roster.Source{} || other == "":
		return roster.Key{}
	case f.Kind == roster.KindGroup:
		return k.Group(f.Source, other, f.SchoolYear)
	case f.Kind == roster.KindOrganisation:
		return k.Organisation(f.Source, other)
	}
	return roster.Key{}
}

// direct adds a directive to the person or group that it is about. One whose day cannot be read is left out: it would
// hold for ever.
func (a *Assembler) direct(e *entry, f Directive) {
	c := cleaner{a, roster.Ref{}, e.Where}
	var list *[]roster.Directive
	if f.Of == roster.KindGroup {
		id := cleanRef(f.ID)
		g := a.groups[id]
		if g == nil {
			a.dangling(c, "group", roster.KindGroup, id)
			return
		}
		c.ref, list = g.ref(), &g.directives
	} else {
		h, of := a.humanOf(e, f.ID)
		if h == nil {
			return
		}
		c, list = of, &h.directives
	}
	until, day := c.date("until", f.Until), cleanID(f.Until)
	if _, readable := readDate(day); !readable && day != "" {
		return
	}
	*list = append(*list, roster.Directive{
		Kind: roster.DirectiveKind(cleanID(f.Kind)), Until: until, Owner: c.personal("owner", f.Owner), Reason: c.personal("reason", f.Why),
		Doc: roster.Personal(e.ID), Link: cleanID(f.Link),
	})
}
