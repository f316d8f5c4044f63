package ss12000

import (
	"maps"
	"slices"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// organisation takes an organisation.
func (m *Mapper) organisation(o *Organisation) {
	as, known := m.words.organisations[m.fold(o.Type)]
	if !known {
		as = ignore
	}
	u := &unit{Organisation: o, as: as, in: as != ignore}
	if as == string(roster.SchoolUnit) {
		u.in = m.Profile.Units.lets(o.SchoolUnitCode, o.ID) && m.Profile.Windows.Units.lets(o.Start, o.End, m.Today)
	}
	m.units[o.ID] = u
}

// maxAbove ends a walk up the organisations that goes in a circle.
const maxAbove = 32

// above returns the nearest organisation above one that is not ignored.
func (m *Mapper) above(u *unit) string {
	for range maxAbove {
		if u.Parent.ID == "" || u.Parent.ID == u.ID {
			return ""
		}
		parent := m.units[u.Parent.ID]
		if parent == nil || parent.as != ignore {
			return u.Parent.ID
		}
		u = parent
	}
	return ""
}

// at returns the unit that a reference means, and whether what is there counts. Some registers point at a school, or at
// an area, in place of a school unit: that means the unit, where it has only one, or only one of the school type.
func (m *Mapper) at(to Ref, schoolType string) (id string, in bool) {
	all := len(m.Profile.Units.Only) == 0
	u := m.units[to.ID]
	switch {
	case u == nil: // which the assembler tells of
		return to.ID, all
	case u.as == string(roster.SchoolUnit):
		return u.ID, u.in
	case u.as == string(roster.Authority):
		return u.ID, all
	}
	m.descend()
	units := u.below
	if of := slices.DeleteFunc(slices.Clone(units), func(id string) bool { return !slices.Contains(m.units[id].SchoolTypes, schoolType) }); len(of) == 1 {
		units = of
	}
	if len(units) == 1 {
		return units[0], m.units[units[0]].in
	}
	in = all || slices.ContainsFunc(units, func(id string) bool { return m.units[id].in })
	if u.as == ignore {
		return m.above(u), in
	}
	return u.ID, in
}

// descend finds the school units right below each organisation, once.
func (m *Mapper) descend() {
	if m.descended {
		return
	}
	m.descended = true
	for _, id := range slices.Sorted(maps.Keys(m.units)) {
		if u := m.units[id]; u.as == string(roster.SchoolUnit) {
			if parent := m.units[u.Parent.ID]; parent != nil && parent != u {
				parent.below = append(parent.below, id)
			}
		}
	}
}

func (m *Mapper) emitUnits() error {
	if m.Delta {
		return nil // in the same frame they are what they were
	}
	for _, id := range slices.Sorted(maps.Keys(m.units)) {
		u := m.units[id]
		if !u.in {
			if err := m.leave(Organisations, id); err != nil {
				return err
			}
			continue
		}
		f := fact.Unit{ID: id, Name: u.Name, Type: u.as, Parent: m.above(u), Start: u.Start, End: u.End}
		if u.as == string(roster.SchoolUnit) {
			f.Type = "" // as all formats have it
			f.SchoolTypes = u.SchoolTypes
			if u.SchoolUnitCode != "" {
				f.UnitCodes = []string{u.SchoolUnitCode}
			}
		}
		if err := m.state(Organisations, id, f); err != nil {
			return err
		}
	}
	return nil
}
