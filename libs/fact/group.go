package fact

import (
	"eventful.se/ess/libs/roster"
)

// group is a group in the making.
type group struct {
	id      string
	key     roster.Key
	places  []place
	origins []roster.Origin
	what    roster.Group
}

func (g *group) ref() roster.Ref { return roster.Ref{Kind: roster.KindGroup, Key: g.key} }

func (g *group) record() roster.Record {
	return roster.Record{Ref: g.ref(), Origins: g.origins, Group: &g.what}
}

// joinGroups makes one group of what the docs say of each; the members follow with relate.
func (a *Assembler) joinGroups() {
	for _, g := range a.groups {
		a.sortPlaces(g.places)
		g.origins = a.origins(g.id, g.places)
		for _, at := range g.places {
			e := &a.docs[at.doc]
			a.joinGroup(&g.what, e.Facts[at.fact].(Group), cleaner{a, g.ref(), e.Where})
		}
	}
}

func (a *Assembler) joinGroup(w *roster.Group, f Group, c cleaner) {
	first(c, "name", &w.DisplayName, c.text("name", f.Name))
	first(c, "type", &w.Type, c.groupType(f.Type))
	if unit := cleanRef(f.Unit); unit != "" {
		first(c, "unit", &w.Organisation, a.unitKey(c, unit))
	}
	t, year := c.schoolYearOf(f.SchoolType, f.SchoolYear)
	first(c, "schoolType", &w.SchoolType, t)
	first(c, "subject", &w.Subject, c.text("subject", f.Subject))
	first(c, "schoolYear", &w.SchoolYear, year)
	first(c, "interval", &w.Interval, c.interval(f.Start, f.End))
	w.Extra = c.extra(w.Extra, f.Extra)
}
