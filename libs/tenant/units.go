package tenant

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"eventful.se/ess/libs/roster"
)

// Verbatim is a text as it is written, also where YAML takes it for a number: 0007 is not 7 (F37).
type Verbatim string

// UnmarshalYAML reads a scalar.
func (v *Verbatim) UnmarshalYAML(n ast.Node) error {
	if _, ok := n.(ast.ScalarNode); !ok {
		return errors.New("a list or a mapping stands where a text is wanted")
	}
	*v = Verbatim(strings.TrimSpace(n.GetToken().Value))
	return nil
}

// UnitID names a unit of a register.
type UnitID struct {
	Source string   `yaml:"source"` // system/instance; /default may be left out
	ID     Verbatim `yaml:"id"`     // the source's own
}

// Unit is what a customer says of one of its units, for its links; what is left out is as the register says. The log is
// as the register says in any case.
type Unit struct {
	UnitID     `yaml:",inline"`
	Code       Verbatim `yaml:"code"`       // skolenhetskod, in place of the register's
	Name       string   `yaml:"name"`       // in place of the register's
	Controller string   `yaml:"controller"` // huvudman
	MergedInto *UnitID  `yaml:"mergedInto"` // the unit as which it counts
	Excluded   bool     `yaml:"excluded"`   // it, and who is at no other unit, is out of every link's scope
}

// Ref returns the source of the unit.
func (u UnitID) Ref() (roster.Source, error) {
	if strings.Contains(u.Source, "/") {
		return roster.ParseSource(u.Source)
	}
	return roster.ParseSource(u.Source + "/default")
}

// name returns system/instance and the id, the same for every way to write them.
func (u UnitID) name() string {
	ref, err := u.Ref()
	if err != nil {
		return u.Source + " " + string(u.ID)
	}
	return ref.String() + " " + string(u.ID)
}

// key returns the key of the unit; the document is valid.
func (u UnitID) key(k *roster.Keyer) roster.Key {
	ref, err := u.Ref()
	if err != nil {
		return roster.Key{}
	}
	return k.Organisation(ref, string(u.ID))
}

// NamedUnit is a unit that the document names.
type NamedUnit struct {
	UnitID
	Source roster.Source
	Key    roster.Key
	Must   bool // it must stand, for others count as it
}

// NamedUnits returns every unit that the document names, those too into which others are merged.
func (d *Document) NamedUnits(k *roster.Keyer) (list []NamedUnit) {
	add := func(u UnitID, must bool) {
		if ref, err := u.Ref(); err == nil {
			list = append(list, NamedUnit{u, ref, u.key(k), must})
		}
	}
	for _, u := range d.Units {
		add(u.UnitID, false)
		if u.MergedInto != nil {
			add(*u.MergedInto, true)
		}
	}
	return list
}

// UnitRules returns what the document says of units, in the words of the roster.
func (d *Document) UnitRules(k *roster.Keyer) roster.Units { return d.UnitRulesBy(k.Organisation) }

// UnitRulesBy is UnitRules for who has no secret and knows the keys of units: key returns that of a source's id, or zero for
// a unit that is not known, of which nothing is said.
func (d *Document) UnitRulesBy(key func(roster.Source, string) roster.Key) roster.Units {
	rules := map[roster.Key]roster.UnitRule{}
	of := func(u UnitID) roster.Key {
		ref, err := u.Ref()
		if err != nil {
			return roster.Key{}
		}
		return key(ref, string(u.ID))
	}
	for _, u := range d.Units {
		rule := roster.UnitRule{Name: u.Name, Controller: u.Controller, Excluded: u.Excluded}
		if code, ok := roster.ParseUnitCode(string(u.Code)); ok {
			rule.Code = code
		}
		if u.MergedInto != nil {
			rule.MergedInto = of(*u.MergedInto)
		}
		rules[of(u.UnitID)] = rule
	}
	delete(rules, roster.Key{})
	return roster.NewUnits(rules)
}

// validateUnits checks the table of units.
func (d *Document) validateUnits(p Problems) {
	into, first := map[string]string{}, map[string]int{}
	for i, u := range d.Units {
		at := p.At("units[%d]", i)
		d.checkUnit(at, u.UnitID)
		if n, twice := first[u.name()]; twice {
			at.Add("is the unit of units[%d] again: write what is said of it in one place", n)
		} else {
			first[u.name()] = i
		}
		if _, ok := roster.ParseUnitCode(string(u.Code)); u.Code != "" && !ok {
			at.At("code").Add("%q is not a skolenhetskod: write its eight digits", u.Code)
		}
		says := u.Name != "" || u.Code != "" || u.Controller != ""
		switch {
		case u.MergedInto == nil && !says && !u.Excluded:
			at.Add("says nothing of the unit: write a name, code, controller, mergedInto or excluded, or take it out")
		case u.MergedInto == nil:
		case says || u.Excluded:
			at.Add("says more of a unit that is merged into another: only that one's name, code, controller and excluded count")
			fallthrough
		default:
			d.checkUnit(at.At("mergedInto"), *u.MergedInto)
			into[u.name()] = u.MergedInto.name()
		}
	}
	for i, u := range d.Units {
		if u.MergedInto == nil {
			continue
		}
		at := p.At("units[%d].mergedInto", i)
		next, merged := into[u.MergedInto.name()]
		switch {
		case u.MergedInto.name() == u.name():
			at.Add("is the unit itself: name the one as which it counts")
		case merged && circle(into, u.name()):
			at.Add("goes in a circle: one of its units must be merged into none")
		case merged:
			at.Add("is merged itself, into %s: name that one", next)
		}
	}
}

// circle tells whether merging goes from a unit back to it.
func circle(into map[string]string, from string) bool {
	at := into[from]
	for range into {
		if at == from {
			return true
		}
		at = into[at]
	}
	return false
}

// checkUnit checks that a unit is one of a source of the tenant.
func (d *Document) checkUnit(p Problems, u UnitID) {
	p.At("id").Required(string(u.ID))
	if u.Source == "" {
		p.At("source").Required(u.Source)
		return
	}
	ref, err := u.Ref()
	if err != nil {
		p.At("source").Check(err)
		return
	}
	for _, s := range d.Sources {
		if s.Ref() == ref {
			return
		}
	}
	p.At("source").Add("%s is none of the tenant's sources", ref)
}
