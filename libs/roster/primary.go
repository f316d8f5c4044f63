package roster

import (
	"cmp"
	"slices"
)

// PrimaryEnrolment returns the enrolment that says where a pupil belongs on a day: one that has started before one
// that has not; then by school form (grundskola before fritidshem: the order of the school form table, unknown ones
// last); then the latest start; then the lowest key of the unit. What has ended does not count; false when nothing is
// left.
func PrimaryEnrolment(p *Person, today Date) (Enrolment, bool) {
	return primary(p.Enrolments, today, func(e Enrolment) Interval { return e.Interval }, func(a, b Enrolment) int {
		return cmp.Compare(rank(a.SchoolType), rank(b.SchoolType))
	}, Enrolment.compare)
}

// PrimaryDuty returns the duty that says where a member of staff belongs on a day: one that has started before one
// that has not, then the latest start, then the lowest key of the unit. What has ended does not count; false when
// nothing is left.
func PrimaryDuty(p *Person, today Date) (Duty, bool) {
	return primary(p.Duties, today, func(d Duty) Interval { return d.Interval }, func(Duty, Duty) int { return 0 }, Duty.compare)
}

// PrimaryGroup returns the group of a type, usually [Class], to which a person belongs most on a day, in a role; an
// empty role is any. Both the group and the membership must not have ended. One that has started goes before one that
// has not; then by the group's school form, the latest start, and the lowest key. False when nothing is left. The view
// is a target.View, or a [Roster].
func PrimaryGroup(v interface {
	Today() Date
	Group(Key) *Group
	Groups(person Key) []Key
}, person Key, t GroupType, role MemberRole,
) (Key, bool) {
	type membership struct {
		key Key
		in  Interval
		of  SchoolType
	}
	var all []membership
	for _, k := range v.Groups(person) {
		g := v.Group(k)
		if g == nil || g.Type != t || g.Interval.Ended(v.Today()) {
			continue
		}
		i, _ := slices.BinarySearchFunc(g.Members, person, func(m Membership, p Key) int { return m.Person.Compare(p) })
		for ; i < len(g.Members) && g.Members[i].Person == person; i++ {
			if m := g.Members[i]; role == "" || m.Role == role {
				all = append(all, membership{k, m.Interval.within(g.Interval), g.SchoolType})
			}
		}
	}
	best, ok := primary(all, v.Today(), func(m membership) Interval { return m.in }, func(a, b membership) int {
		return cmp.Compare(rank(a.of), rank(b.of))
	}, func(a, b membership) int { return a.key.Compare(b.key) })
	return best.key, ok
}

// within returns the days that lie in both intervals.
func (i Interval) within(o Interval) Interval {
	i.Start = max(i.Start, o.Start)
	if i.End.IsOpen() || !o.End.IsOpen() && o.End < i.End {
		i.End = o.End
	}
	return i
}

// primary returns the first of a list that has not ended, by: has started, form, latest start, tie.
func primary[T any](list []T, today Date, interval func(T) Interval, form, tie func(a, b T) int) (best T, found bool) {
	for _, v := range list {
		in := interval(v)
		if in.Ended(today) || in.isEmpty() {
			continue
		}
		if !found || cmp.Or(
			later(in.Start, today)-later(interval(best).Start, today),
			form(v, best),
			cmp.Compare(interval(best).Start, in.Start),
			tie(v, best),
		) < 0 {
			best, found = v, true
		}
	}
	return best, found
}

func later(d, today Date) int {
	if d > today {
		return 1
	}
	return 0
}
