package target_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// life is what a model knows of one person: what was published when, and what a target has.
type life struct {
	records map[roster.Date]roster.Record // by the day on which they were published, at noon
	as      target.Capacity
	held    bool
	off     bool // once disabled, so until the person is back
}

// known returns what the log says on the afternoon of a day.
func (x *life) known(d roster.Date) (r roster.Record) {
	var told roster.Date
	for day, rec := range x.records {
		if day <= d && day > told {
			r, told = rec, day
		}
	}
	return r
}

type spell struct {
	as       target.Capacity
	from, to roster.Date
}

func spells(r roster.Record) (list []spell) {
	if r.Person == nil {
		return nil
	}
	for _, e := range r.Person.Enrolments {
		list = append(list, spell{target.Capacity{Role: roster.RolePupil, Form: e.SchoolType}, e.Interval.Start, e.Interval.End})
	}
	for _, e := range r.Person.Duties {
		list = append(list, spell{target.Capacity{Role: roster.RoleStaff}, e.Interval.Start, e.Interval.End})
	}
	return list
}

// ruleFor is the naive choice of a rule: exact, komvux, role, the link's own.
func ruleFor(l target.Lifecycle, as target.Capacity) target.Rule {
	forms := []roster.SchoolType{as.Form}
	if strings.HasPrefix(string(as.Form), "VUX") {
		forms = append(forms, roster.SchoolVUX)
	}
	for _, form := range append(forms, "") {
		for _, r := range l.Rules {
			if r.For == (target.Capacity{Role: as.Role, Form: form}) {
				return r
			}
		}
	}
	return target.Rule{Gap: l.Gap, Lead: l.Lead, Linger: l.Linger, Stages: l.Stages}
}

// active tells whether somebody has a role on a day, by what was known on the afternoon of another.
func (x *life) active(l target.Lifecycle, known, d roster.Date) bool {
	r := x.known(known)
	return slices.ContainsFunc(spells(r), func(s spell) bool {
		rule := ruleFor(l, s.as)
		return s.from.AddDays(-rule.Lead) <= d && (s.to.IsOpen() || d <= s.to.AddDays(rule.Linger))
	})
}

// look is what the model's target has of the person on a day on which the link is up, by what was known on the afternoon
// of that day or the one before.
func (x *life) look(l target.Lifecycle, first, known, d roster.Date) string {
	r := x.known(known)
	for _, s := range spells(r) {
		if s.from.AddDays(-ruleFor(l, s.as).Lead) <= d {
			x.as = s.as // all spells of a record are of one capacity
		}
	}
	if x.active(l, known, d) {
		x.held, x.off = true, false
		return "on"
	}
	if !x.held {
		return ""
	}
	left := d
	for before := d.AddDays(-1); left > first && !x.active(l, before, left) && !x.active(l, before, before); before = before.AddDays(-1) {
		left = before
	}
	rule := ruleFor(l, x.as)
	due := func(step target.Step) bool {
		for _, s := range rule.Stages {
			if s.Do != step {
				continue
			}
			day := left.AddDays(rule.Gap + s.After)
			for quiet(l, day) {
				day = day.AddDays(1)
			}
			return day <= d
		}
		return false
	}
	switch {
	case due(target.DeleteStep):
		x.held = false
		return ""
	case x.off || due(target.DisableStep):
		x.off = true
		return "off"
	default:
		return "on"
	}
}

func quiet(l target.Lifecycle, d roster.Date) bool {
	return slices.ContainsFunc(l.Quiet, func(s target.Season) bool {
		day := int(d) % 10000
		return int(s.From.Month)*100+s.From.Day <= day && day <= int(s.To.Month)*100+s.To.Day
	})
}

// Random enrolments, rules and days: a link that was up every day and one that slept through some of them show what a
// naive model says.
func TestPropertyDayByDayIsAfterDowntime(t *testing.T) {
	const days, persons = 30, 3
	first := newYear.AddDays(1)
	test := func(t *rapid.T) (l target.Lifecycle, awake []int, published []map[int]roster.Record) {
		n := func(name string, top int) int { return rapid.IntRange(0, top).Draw(t, name) }
		rule := func() target.Rule {
			disable := n("disable", 6)
			return target.Rule{Gap: n("gap", 5), Lead: n("lead", 4), Linger: n("linger", 4), Stages: stages(disable, disable+n("delete", 6))}
		}
		own := rule()
		l = target.Lifecycle{Gap: own.Gap, Lead: own.Lead, Linger: own.Linger, Stages: own.Stages}
		capacities := []target.Capacity{{Role: roster.RoleStaff}, {Role: roster.RolePupil}, {Role: roster.RolePupil, Form: roster.SchoolVUX}, {Role: roster.RolePupil, Form: roster.SchoolVUXSFI}, {Role: roster.RolePupil, Form: roster.SchoolGR}}
		for _, c := range capacities {
			if rapid.Bool().Draw(t, "rule") {
				r := rule()
				r.For = c
				l.Rules = append(l.Rules, r)
			}
		}
		if from := n("quiet", days); from > 0 {
			a, b := first.AddDays(from), first.AddDays(from+n("weeks", 10))
			if int(a)%10000 < int(b)%10000 {
				at := func(d roster.Date) target.Day {
					return target.Day{Month: time.Month(int(d) / 100 % 100), Day: int(d) % 100}
				}
				l.Quiet = []target.Season{{From: at(a), To: at(b)}}
			}
		}
		// On some days something is published, and then the link that sleeps is awake too.
		awake = rapid.SliceOfN(rapid.IntRange(0, 2), days, days).Draw(t, "awake")
		awake[0] = 1
		record := func(p int) roster.Record {
			if n("gone", 5) == 0 {
				return gone(person(p, ""))
			}
			as := rapid.SampledFrom(append(capacities, target.Capacity{Role: roster.RolePupil, Form: roster.SchoolVUXGR})).Draw(t, "as")
			r := person(p, fmt.Sprint("P", p))
			for range 1 + n("spells", 1) {
				from := first.AddDays(n("from", days) - 3)
				in := roster.Interval{Start: from}
				if n("open", 3) > 0 {
					in.End = from.AddDays(n("length", 12))
				}
				if as.Role == roster.RoleStaff {
					r.Person.Duties = append(r.Person.Duties, roster.Duty{DutyAt: key(1), Interval: in})
				} else {
					r.Person.Enrolments = append(r.Person.Enrolments, roster.Enrolment{EnroledAt: key(1), SchoolType: as.Form, Interval: in})
				}
			}
			return r
		}
		published = make([]map[int]roster.Record, days)
		for d := range days {
			for p := 11; d == 0 && p < 11+persons; p++ {
				if published[d] == nil {
					published[d] = map[int]roster.Record{}
				}
				published[d][p] = record(p)
			}
			if d > 0 && awake[d] == 1 && n("change", 4) == 0 {
				p := 11 + n("who", persons-1)
				published[d] = map[int]roster.Record{p: record(p)}
			}
		}
		return l, awake, published
	}
	rapid.Check(t, func(r *rapid.T) {
		l, awake, published := test(r)
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = live(t, l, first, awake, published) })
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

// live lets links of both engines live through the days, those that are up every day and those that sleep, and compares
// each of them with a model on every day on which it is up; it returns what is wrong. The calendar is shared, so they live side by side.
func live(t *testing.T, l target.Lifecycle, first roster.Date, awake []int, published []map[int]roster.Record) (wrong string) {
	type resident struct {
		site
		sleeps  bool
		process *process
		model   map[int]*life
	}
	var residents []*resident
	for _, sleeps := range []bool{false, true} {
		for _, s := range sites(l) {
			r := &resident{site: s, sleeps: sleeps, model: map[int]*life{}}
			s.log.Publish(unit(1))
			for p := range published[0] {
				r.model[p] = &life{records: map[roster.Date]roster.Record{}}
			}
			residents = append(residents, r)
		}
	}
	stop := func(r *resident) {
		if r.process != nil {
			_ = r.process.stop()
			r.process = nil
		}
	}
	defer func() {
		for _, r := range residents {
			stop(r)
		}
	}()
	for i, todays := range published {
		d := first.AddDays(i)
		time.Sleep(time.Until(d.Start().Add(11 * time.Hour)))
		for _, r := range residents {
			if r.process == nil && (!r.sleeps || awake[i] > 0) {
				r.process = start(t, r.setup)
			}
		}
		until(d)
		for _, r := range residents {
			for _, x := range r.model {
				if r.process != nil {
					x.look(l, first, d.AddDays(-1), d)
				}
			}
			for _, p := range slices.Sorted(maps.Keys(todays)) {
				r.log.Publish(todays[p])
				r.model[p].records[d] = todays[p]
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, r := range residents {
			for _, p := range slices.Sorted(maps.Keys(r.model)) {
				if r.process == nil {
					continue
				}
				want := r.model[p].look(l, first, d, d)
				if want == "off" && r.name == "sets" {
					want = ""
				}
				if got := r.shows(p); got != want {
					return fmt.Sprintf("%s (sleeps %t) on day %d, %s: person %d is %q, want %q\nby %+v\nleft of %+v", r.name, r.sleeps, i, d, p, got, want, l, r.model[p].records)
				}
			}
			if r.sleeps && (i+1 == len(awake) || awake[i+1] == 0) {
				stop(r)
			}
		}
	}
	return ""
}

// A pupil leaves, the link sleeps, and she comes and goes again meanwhile: the stages begin anew.
func TestWhoWasBackWhileTheLinkWasDownLeavesAnew(t *testing.T) {
	inBoth(t, target.Lifecycle{Gap: 2, Stages: stages(4, 9)}, func(t *testing.T, s site) {
		both := pupil(11, roster.SchoolGR, newYear, newYear.AddDays(5))
		again := roster.Interval{Start: newYear.AddDays(15), End: newYear.AddDays(19)}
		both.Person.Enrolments = append(both.Person.Enrolments, roster.Enrolment{EnroledAt: key(1), SchoolType: roster.SchoolGR, Interval: again})
		s.log.Publish(unit(1), both)
		p := start(t, s.setup)
		p.reach(s.log)
		until(newYear.AddDays(8)) // on her way out
		_ = p.stop()
		until(newYear.AddDays(21))
		p = start(t, s.setup)
		p.reach(s.log)
		s.want(t, 11, "on")
		until(newYear.AddDays(26))
		s.want(t, 11, "off")
		_ = p.stop()
	})
}
