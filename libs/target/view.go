package target

import (
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
)

// stretched is the roster as the mapping of a link sees it that has a lead or a linger: what begins soon enough counts
// as begun, and what ended a short while ago as not ended. Only an interval that this brings into the day is another one
// than the register's, so that a mapping that writes dates writes true ones on every other day.
type stretched struct {
	view
	life            Lifecycle
	lead, linger    int         // the widest there are
	first, furthest roster.Date // what ended before first or begins after furthest counts for nobody
}

// view returns the roster as the link's mapping sees it. The caller is inside read.
func (l *Link) view(f *Feed, a anchors) View {
	v, life := l.eyes(f, a), l.o.Lifecycle
	lead, linger := life.widest()
	if lead == 0 && linger == 0 {
		return v
	}
	return stretched{v, life, lead, linger, v.Today().AddDays(-linger), v.Today().AddDays(lead)}
}

// eyes returns the roster as it is on the day, as the link sees it. The caller is inside read.
func (l *Link) eyes(f *Feed, a anchors) view {
	return view{Roster: f.roster, anchors: a, names: l.naming, own: l.own, made: f.made}
}

// widest returns the longest lead and linger of all rules.
func (l Lifecycle) widest() (lead, linger int) {
	lead, linger = l.Lead, l.Linger
	for _, r := range l.Rules {
		lead, linger = max(lead, r.Lead), max(linger, r.Linger)
	}
	return lead, linger
}

// boundary returns when the next date of the roster comes, those of every lead and linger too, or nothing.
func (l Lifecycle) boundary(r *roster.Roster) (at time.Time) {
	lead, linger := l.widest()
	leads, lingers := []int{0, l.Lead, lead}, []int{0, l.Linger, linger} // pairs
	for _, rule := range l.Rules {
		leads, lingers = append(leads, rule.Lead), append(lingers, rule.Linger)
	}
	for i := range leads {
		if d := r.NextStretched(leads[i], lingers[i]); !d.IsOpen() {
			at = earlier(at, d.Start())
		}
	}
	return at
}

// Organisation returns a unit, which counts as long as anybody in it may.
func (s stretched) Organisation(k roster.Key) *roster.Organisation {
	o := s.view.Organisation(k)
	if o == nil {
		return nil
	}
	i, counts := s.stretch(o.Interval, s.lead, s.linger)
	if !counts {
		return o
	}
	c := *o
	c.Interval = i
	return &c
}

// Person returns a person with the enrolments and duties as they count today.
func (s stretched) Person(k roster.Key) *roster.Person {
	p := s.view.Person(k)
	if p == nil {
		return nil
	}
	enrolments, a := adjust(s, p.Enrolments, func(e *roster.Enrolment) (*roster.Interval, Capacity) {
		return &e.Interval, Capacity{roster.RolePupil, e.SchoolType}
	})
	duties, b := adjust(s, p.Duties, func(d *roster.Duty) (*roster.Interval, Capacity) {
		return &d.Interval, Capacity{Role: roster.RoleStaff}
	})
	if !a && !b {
		return p
	}
	c := *p
	c.Enrolments, c.Duties = enrolments, duties
	return &c
}

// Group returns a group with the members as they count today.
func (s stretched) Group(k roster.Key) *roster.Group {
	g := s.view.Group(k)
	if g == nil {
		return nil
	}
	pupils := Capacity{roster.RolePupil, g.SchoolType}
	members, changed := adjust(s, g.Members, func(m *roster.Membership) (*roster.Interval, Capacity) {
		if m.Role == roster.MemberPupil {
			return &m.Interval, pupils
		}
		return &m.Interval, Capacity{Role: roster.RoleStaff}
	})
	life := s.life.of(pupils)
	i, counts := s.stretch(g.Interval, life.Lead, life.Linger)
	if !changed && !counts {
		return g
	}
	c := *g
	c.Interval, c.Members = i, members
	return &c
}

// adjust returns a list with the intervals as they count today, and whether that is another one.
func adjust[T any](s stretched, list []T, at func(*T) (*roster.Interval, Capacity)) (out []T, changed bool) {
	out = list
	for n := range list {
		i, as := at(&list[n])
		if !s.near(*i) { // nearly all of them
			continue
		}
		life := s.life.of(as)
		longer, counts := s.stretch(*i, life.Lead, life.Linger)
		if !counts {
			continue
		}
		if !changed {
			out, changed = slices.Clone(list), true
		}
		mine, _ := at(&out[n])
		*mine = longer
	}
	return out, changed
}

// near tells whether an interval does not hold today and might by a lead or a linger.
func (s stretched) near(i roster.Interval) bool {
	today := s.Today()
	return !never(i) && (i.Start > today && i.Start <= s.furthest || i.Ended(today) && i.End >= s.first)
}

// stretch returns an interval with its lead and linger, and whether it holds today by them; else as it is.
func (s stretched) stretch(i roster.Interval, lead, linger int) (roster.Interval, bool) {
	if s.near(i) {
		if longer := (roster.Interval{Start: i.Start.AddDays(-lead), End: i.End.AddDays(linger)}); longer.Contains(s.Today()) {
			return longer, true
		}
	}
	return i, false
}
