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
	states  bool // a fact states the group, and not only something about one that others state

	directives []roster.Directive
}

func (g *group) ref() roster.Ref { return roster.Ref{Kind: roster.KindGroup, Key: g.key} }

func (g *group) record() roster.Record {
	return roster.Record{Ref: g.ref(), Origins: g.origins, Overlay: !g.states, Directives: g.directives, Group: &g.what}
}

// joinGroups makes one group of what the docs say of each; the members follow with relate.
func (a *Assembler) joinGroups() {
	for _, g := range a.groups {
		if key, ok := a.foreign[foreignID{roster.KindGroup, g.id}]; ok {
			g.key = key.Key
		}
		a.sortPlaces(g.places)
		g.origins = a.origins(g.id, g.places)
		var c cleaner
		for _, at := range g.places {
			e := a.docs[at.doc]
			c = cleaner{a, g.ref(), e.Where}
			f := e.Facts[at.fact].(Group)
			g.states = g.states || !f.About
			a.joinGroup(&g.what, f, c)
		}
		g.what.SchoolType, g.what.SchoolYear = c.schoolYearOf(g.what.SchoolType, g.what.SchoolYear)
	}
}

func (a *Assembler) joinGroup(w *roster.Group, f Group, c cleaner) {
	first(c, "name", &w.DisplayName, c.text("name", f.Name))
	first(c, "type", &w.Type, c.groupType(f.Type))
	if unit := cleanRef(f.Unit); unit != "" {
		first(c, "unit", &w.Organisation, a.unitKey(c, unit))
	}
	first(c, "schoolType", &w.SchoolType, c.schoolType(f.SchoolType))
	first(c, "subject", &w.Subject, c.text("subject", f.Subject))
	first(c, "schoolYear", &w.SchoolYear, c.text("schoolYear", f.SchoolYear))
	first(c, "interval", &w.Interval, c.interval(f.Start, f.End))
	w.Extra = c.extra(w.Extra, f.Extra)
}
