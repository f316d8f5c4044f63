package rule

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"eventful.se/ess/libs/roster"
)

// subject is an entity as a rule sees it, and the variables of one evaluation.
type subject struct {
	view   View
	entity roster.Ref
	person *roster.Person
	group  *roster.Group
	// Of a person, those that hold or will, or held last.
	enrolments []roster.Enrolment
	duties     []roster.Duty
}

// unit is a school unit that the roster has, or not.
type unit struct {
	key roster.Key
	of  *roster.Organisation
}

func newSubject(v View, e roster.Ref) *subject {
	s := &subject{view: v, entity: e, group: &roster.Group{}}
	switch e.Kind {
	case roster.KindPerson:
		if s.person = v.Person(e.Key); s.person != nil {
			s.enrolments, s.duties = counting(s.person, v.Today())
		}
	case roster.KindGroup:
		if g := v.Group(e.Key); g != nil {
			s.group = g
		}
	}
	return s
}

// counting returns the enrolments and duties of a person that have not ended, or those that ended last.
func counting(p *roster.Person, today roster.Date) (enrolments []roster.Enrolment, duties []roster.Duty) {
	var last roster.Date
	ended := false
	for _, e := range p.Enrolments {
		last, ended = latest(last, ended, e.Interval, today)
	}
	for _, d := range p.Duties {
		last, ended = latest(last, ended, d.Interval, today)
	}
	counts := func(i roster.Interval) bool { return !i.Ended(today) || ended && i.End == last }
	if !slices.ContainsFunc(p.Enrolments, func(e roster.Enrolment) bool { return !counts(e.Interval) }) &&
		!slices.ContainsFunc(p.Duties, func(d roster.Duty) bool { return !counts(d.Interval) }) {
		return p.Enrolments, p.Duties // nearly always
	}
	for _, e := range p.Enrolments {
		if counts(e.Interval) {
			enrolments = append(enrolments, e)
		}
	}
	for _, d := range p.Duties {
		if counts(d.Interval) {
			duties = append(duties, d)
		}
	}
	return enrolments, duties
}

// latest notes when the last of what has ended did. It is no more so as soon as anything has not.
func latest(last roster.Date, ended bool, i roster.Interval, today roster.Date) (roster.Date, bool) {
	switch {
	case last == open || !i.Ended(today):
		return open, false
	case i.End > last:
		return i.End, true
	default:
		return last, ended
	}
}

// open is later than every day.
const open roster.Date = 99999999

// ResolveName returns a variable.
func (s *subject) ResolveName(name string) (any, bool) {
	switch name {
	case "kind":
		if s.entity.Kind == roster.KindOrganisation {
			return types.String("unit"), true
		}
		return types.String(s.entity.Kind), true
	case "person":
		return object{personType, s}, true
	case "group":
		return object{groupType, s}, true
	case "unit":
		return object{unitType, s.unit()}, true
	case "units":
		return s.units(), true
	default:
		return nil, false
	}
}

// Parent returns nothing: there are no other variables.
func (s *subject) Parent() cel.Activation { return nil }

// look returns a unit; one that nothing names is empty.
func (s *subject) look(k roster.Key) *unit {
	if k.IsZero() {
		return &unit{of: &roster.Organisation{}}
	}
	return &unit{k, s.view.Organisation(k)}
}

// unit returns the unit where the entity belongs.
func (s *subject) unit() *unit {
	switch {
	case s.entity.Kind == roster.KindOrganisation:
		return s.look(s.entity.Key)
	case s.entity.Kind == roster.KindGroup:
		return s.look(s.group.Organisation)
	case s.person == nil:
		return s.look(roster.Key{})
	}
	today := s.view.Today()
	if e, ok := roster.PrimaryEnrolment(s.person, today); ok {
		return s.look(e.EnroledAt)
	}
	if d, ok := roster.PrimaryDuty(s.person, today); ok {
		return s.look(d.DutyAt)
	}
	if keys := s.keys(); len(keys) > 0 {
		return s.look(keys[0])
	}
	return s.look(roster.Key{})
}

// keys returns the units of a person, sorted.
func (s *subject) keys() []roster.Key {
	keys := make([]roster.Key, 0, len(s.enrolments)+len(s.duties))
	for _, e := range s.enrolments {
		keys = append(keys, e.EnroledAt)
	}
	for _, d := range s.duties {
		keys = append(keys, d.DutyAt)
	}
	keys = slices.DeleteFunc(keys, roster.Key.IsZero)
	slices.SortFunc(keys, roster.Key.Compare)
	return slices.Compact(keys)
}

// units returns all units of the entity.
func (s *subject) units() ref.Val {
	var keys []roster.Key
	switch s.entity.Kind {
	case roster.KindOrganisation:
		keys = []roster.Key{s.entity.Key}
	case roster.KindGroup:
		if !s.group.Organisation.IsZero() {
			keys = []roster.Key{s.group.Organisation}
		}
	default:
		keys = s.keys()
	}
	all := make([]ref.Val, len(keys))
	for i, k := range keys {
		all[i] = object{unitType, s.look(k)}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, all)
}
