package memory

import (
	"slices"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// The kinds of resource.
const (
	unit  = "unit"
	user  = "user"
	group = "group"
)

// The fields of a resource, and the sets of a group. The field in is the unit that a user or group is in.
const (
	name       = "name"
	username   = "username"
	givenName  = "givenName"
	familyName = "familyName"
	email      = "email"
	in         = "unit"

	pupils   = "members"
	teachers = "owners"
)

// fields are those of a kind, in the order of the mapping.
func fields(kind string) []string {
	switch kind {
	case unit:
		return []string{name}
	case user:
		return []string{username, givenName, familyName, email, in}
	default:
		return []string{name, in}
	}
}

func sets() []string { return []string{pupils, teachers} }

// mapping says what the directory should hold: every unit that is active today, everybody with a role there, and every
// class and teaching group of one.
type mapping struct {
	handling func(roster.Role) target.Handling
}

var _ target.Mapping = mapping{}

// Version changes with the code below whenever the same roster would give other resources.
func (mapping) Version() string { return "1" }

// Map returns the unit, user or group of an entity.
func (m mapping) Map(v target.View, e roster.Ref) []target.Wish {
	switch e.Kind {
	case roster.KindOrganisation:
		return unitOf(v, e)
	case roster.KindPerson:
		return m.userOf(v, e)
	case roster.KindGroup:
		return groupOf(v, e)
	default:
		return nil
	}
}

func unitOf(v target.View, e roster.Ref) []target.Wish {
	o := v.Organisation(e.Key)
	if o == nil || o.Type != roster.SchoolUnit {
		return nil
	}
	w := wish(unit, e.Key, e)
	if !o.Interval.Contains(v.Today()) {
		return withheld(w, target.Taken, reason.NotCurrent)
	}
	return stands(put(w, name, roster.Personal(o.DisplayName)))
}

func (m mapping) userOf(v target.View, e roster.Ref) []target.Wish {
	p := v.Person(e.Key)
	if p == nil {
		return nil
	}
	w := wish(user, target.Anchor(v, e.Key), e)
	role, at := place(v, p)
	switch {
	case role == roster.RoleNone:
		return withheld(w, target.Leaves, reason.NoActiveRole)
	case at.IsZero():
		return withheld(w, target.Leaves, reason.NoSchoolUnit)
	}
	handling := m.handling(role)
	if handling == target.Ignore {
		return withheld(w, target.Let, reason.RoleLeftOut, "role", role)
	}
	i := slices.IndexFunc(p.Personas, func(a roster.Persona) bool { return a.Role == role || a.Role == roster.RoleNone })
	if i < 0 || p.Personas[i].Username == "" {
		return withheld(w, target.Stays, reason.MissingValue, "column", username) // not known is no reason to take one away (R3)
	}
	w = put(put(put(w, username, p.Personas[i].Username), givenName, p.GivenName), familyName, p.FamilyName)
	w = refer(put(w, email, p.Personas[i].Email), at)
	w.Match = handling == target.Match
	return stands(w)
}

// place returns the role that a person has today, pupil before staff, and the unit that she or he belongs to most of
// those that stand.
func place(v target.View, p *roster.Person) (role roster.Role, at roster.Key) {
	now := roster.Person{
		Enrolments: slices.DeleteFunc(slices.Clone(p.Enrolments), func(e roster.Enrolment) bool { return !e.Interval.Contains(v.Today()) }),
		Duties:     slices.DeleteFunc(slices.Clone(p.Duties), func(d roster.Duty) bool { return !d.Interval.Contains(v.Today()) }),
	}
	switch {
	case len(now.Enrolments) > 0:
		role = roster.RolePupil
		now.Enrolments = slices.DeleteFunc(now.Enrolments, func(e roster.Enrolment) bool { return !standing(v, e.EnroledAt) })
		if e, ok := roster.PrimaryEnrolment(&now, v.Today()); ok {
			at = e.EnroledAt
		}
	case len(now.Duties) > 0:
		role = roster.RoleStaff
		now.Duties = slices.DeleteFunc(now.Duties, func(d roster.Duty) bool { return !standing(v, d.DutyAt) })
		if d, ok := roster.PrimaryDuty(&now, v.Today()); ok {
			at = d.DutyAt
		}
	}
	return role, at
}

func groupOf(v target.View, e roster.Ref) []target.Wish {
	g := v.Group(e.Key)
	if g == nil {
		return nil
	}
	w := wish(group, e.Key, e)
	switch {
	case g.Type != roster.Class && g.Type != roster.TeachingGroup:
		return withheld(w, target.Taken, reason.GroupTypeLeftOut, "type", g.Type)
	case !g.Interval.Contains(v.Today()):
		return withheld(w, target.Taken, reason.NotCurrent)
	case !standing(v, g.Organisation):
		return withheld(w, target.Taken, reason.NoSchoolUnit)
	}
	members := map[string][]target.ID{}
	for _, m := range g.Members {
		set := pupils
		if m.Role != roster.MemberPupil {
			set = teachers
		}
		if m.Interval.Contains(v.Today()) {
			members[set] = append(members[set], target.ID{Kind: user, Key: target.Anchor(v, m.Person).String()})
		}
	}
	w = refer(put(w, name, roster.Personal(g.DisplayName)), g.Organisation)
	for _, set := range sets() {
		slices.SortFunc(members[set], target.ID.Compare)
		w.Resource.Sets = append(w.Resource.Sets, target.Set{Name: set, Members: slices.Compact(members[set])})
	}
	return stands(w)
}

// standing tells whether the directory has a unit.
func standing(v target.View, k roster.Key) bool {
	o := v.Organisation(k)
	return o != nil && o.Type == roster.SchoolUnit && o.Interval.Contains(v.Today())
}

func wish(kind string, k roster.Key, e roster.Ref) target.Wish {
	return target.Wish{Resource: target.Resource{ID: target.ID{Kind: kind, Key: k.String()}, Entity: e}}
}

// put adds a field, unless it is empty.
func put(w target.Wish, field string, value roster.Personal) target.Wish {
	if value != "" {
		w.Resource.Fields = append(w.Resource.Fields, target.Field{Name: field, Value: value})
	}
	return w
}

// refer puts a user or group into a unit, which must stand first.
func refer(w target.Wish, at roster.Key) target.Wish {
	w.Resource.Needs = append(w.Resource.Needs, target.ID{Kind: unit, Key: at.String()})
	return put(w, in, roster.Personal(at.String()))
}

func stands(w target.Wish) []target.Wish { return []target.Wish{w} }

func withheld(w target.Wish, fate target.Fate, code reason.Code, args ...any) []target.Wish {
	why := reason.New(code, args...)
	w.Withheld, w.Fate = &why, fate
	return []target.Wish{w}
}
