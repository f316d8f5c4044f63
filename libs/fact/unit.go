package fact

import (
	"slices"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// unit is an organisation in the making.
type unit struct {
	id      string
	key     roster.Key
	places  []place
	origins []roster.Origin
	parent  string
	from    string // where the parent was stated
	what    roster.Organisation
}

func (u *unit) ref() roster.Ref { return roster.Ref{Kind: roster.KindOrganisation, Key: u.key} }

func (u *unit) record() roster.Record {
	return roster.Record{Ref: u.ref(), Origins: u.origins, Organisation: &u.what}
}

// joinUnits makes one organisation of what the docs say of each, then settles who is above whom.
func (a *Assembler) joinUnits() {
	for _, u := range a.units {
		a.sortPlaces(u.places)
		u.origins = a.origins(u.id, u.places)
		for _, at := range u.places {
			e := a.docs[at.doc]
			c := cleaner{a, u.ref(), e.Where}
			a.joinUnit(u, e.Facts[at.fact].(Unit), c)
		}
		if u.what.Type == "" {
			u.what.Type = roster.SchoolUnit
		}
	}
	for _, u := range a.units {
		a.settleParent(u)
	}
	a.cutCycles()
}

func (a *Assembler) joinUnit(u *unit, f Unit, c cleaner) {
	w := &u.what
	first(c, "name", &w.DisplayName, c.text("name", f.Name))
	first(c, "type", &w.Type, roster.OrganisationType(c.text("type", f.Type)))
	switch w.Type {
	case "", roster.Authority, roster.School, roster.SchoolUnit:
	default:
		c.find(Warning, Noted, reason.UnknownCode, "field", "type")
	}
	if parent := cleanRef(f.Parent); parent != "" {
		first(c, "parent", &u.parent, parent)
		u.from = c.where
	}
	for _, raw := range f.UnitCodes {
		if code := c.unitCode(raw); code != "" && !slices.Contains(w.UnitCodes, code) {
			w.UnitCodes = append(w.UnitCodes, code)
		}
	}
	for _, raw := range f.SchoolTypes {
		if t := c.schoolType(raw); t != "" && !slices.Contains(w.SchoolTypes, t) {
			w.SchoolTypes = append(w.SchoolTypes, t)
		}
	}
	first(c, "interval", &w.Interval, c.interval(f.Start, f.End))
	w.Extra = c.extra(w.Extra, f.Extra)
}

// settleParent resolves the id of the unit above. A unit above itself is how PIFU-IMS writes the top
// (PIFU-IMS 1.3, relationship of the owner); it is no fault.
func (a *Assembler) settleParent(u *unit) {
	if u.parent == "" || u.parent == u.id {
		u.parent = ""
		return
	}
	c := cleaner{a, u.ref(), u.from}
	w := &u.what
	w.Parent = a.unitKey(c, u.parent)
	if w.Parent == u.key {
		w.Parent = roster.Key{}
	}
}

// cutCycles takes the unit above away from one unit of every circle, the one with the lowest id (F41).
func (a *Assembler) cutCycles() {
	settled := map[string]bool{}
	for _, id := range sortedKeys(a.units) {
		path := map[string]bool{}
		for u := a.units[id]; u != nil && !settled[u.id]; u = a.units[u.parent] {
			if path[u.id] {
				a.cutCycle(u)
				break
			}
			path[u.id] = true
		}
		for p := range path {
			settled[p] = true
		}
	}
}

func (a *Assembler) cutCycle(in *unit) {
	lowest := in
	for u := a.units[in.parent]; u != in; u = a.units[u.parent] {
		if u.id < lowest.id {
			lowest = u
		}
	}
	lowest.parent, lowest.what.Parent = "", roster.Key{}
	cleaner{a, lowest.ref(), lowest.from}.find(Warning, Dropped, reason.UnitCycle)
}
