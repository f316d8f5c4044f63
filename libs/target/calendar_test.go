package target_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// calendar is a mapping that goes by dates: of who has a role today, of what is current today.
type calendar struct{ school }

func (c calendar) Map(v target.View, e roster.Ref) []target.Wish {
	wishes := c.school.Map(v, e)
	if len(wishes) == 0 {
		return nil
	}
	active, fate := true, target.Taken
	switch e.Kind {
	case roster.KindOrganisation:
		active = v.Organisation(e.Key).Interval.Contains(v.Today())
	case roster.KindPerson:
		p := v.Person(e.Key)
		active = slices.ContainsFunc(p.Enrolments, func(r roster.Enrolment) bool { return r.Interval.Contains(v.Today()) }) ||
			slices.ContainsFunc(p.Duties, func(r roster.Duty) bool { return r.Interval.Contains(v.Today()) })
		fate = target.Leaves
	case roster.KindGroup:
		active = v.Group(e.Key).Interval.Contains(v.Today())
	}
	if !active {
		why := reason.New(reason.NoActiveRole)
		wishes[0] = target.Wish{Resource: target.Resource{ID: wishes[0].Resource.ID, Entity: e}, Withheld: &why, Fate: fate}
	}
	return wishes
}

// site is a link of either engine with its target, and what the target shows of a person.
type site struct {
	name string
	setup
	shows func(n int) string // "on", "off" or nothing
	text  func() string
}

// sites returns one of each engine, by dates.
func sites(life target.Lifecycle) []site {
	c, d := callsSetup()
	f, in := setsSetup()
	f.made.Omission = target.DisableStep
	list := []site{{name: "calls", setup: c, text: d.text}, {name: "sets", setup: f, text: in.last}}
	for i := range list {
		s := &list[i]
		s.made.Mapping, s.life, s.idle = calendar{}, life, time.Minute
	}
	list[0].shows = func(n int) string {
		id := target.ID{Kind: "person", Key: key(n).String()}
		switch {
		case !strings.Contains(d.text(), id.String()+" "):
			return ""
		case d.enabled(id):
			return "on"
		default:
			return "off"
		}
	}
	list[1].shows = func(n int) string {
		if strings.Contains(in.last(), target.ID{Kind: "person", Key: key(n).String()}.String()+" ") {
			return "on"
		}
		return ""
	}
	return list
}

// inBoth runs a test against a link of either engine.
func inBoth(t *testing.T, life target.Lifecycle, test func(t *testing.T, s site)) {
	t.Helper()
	for i, s := range sites(life) {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, sites(life)[i]) })
		})
	}
}

// until sleeps to noon of a day in Stockholm.
func until(d roster.Date) {
	time.Sleep(time.Until(d.Start().Add(12 * time.Hour)))
	synctest.Wait()
}

// want checks what the target shows of a person.
func (s site) want(t *testing.T, n int, want string) {
	t.Helper()
	if want == "off" && s.name == "sets" {
		want = "" // a complete set leaves out whom the vendor is to disable
	}
	if got := s.shows(n); got != want {
		t.Errorf("on %s person %d is %q, want %q", roster.Today(time.Now()), n, got, want)
	}
}

func pupil(n int, form roster.SchoolType, from, to roster.Date) roster.Record {
	r := person(n, fmt.Sprint("P", n))
	r.Person.Enrolments = []roster.Enrolment{{EnroledAt: key(1), SchoolType: form, Interval: roster.Interval{Start: from, End: to}}}
	return r
}

func employee(n int, from, to roster.Date) roster.Record {
	r := person(n, fmt.Sprint("P", n))
	r.Person.Duties = []roster.Duty{{DutyAt: key(1), Interval: roster.Interval{Start: from, End: to}}}
	return r
}

// The bubble's clock begins on 1 January 2000.
const newYear roster.Date = 2000_01_01

// stages are short enough to be looked at.
func stages(disable, remove int) []target.Stage {
	return []target.Stage{{After: disable, Do: target.DisableStep}, {After: remove, Do: target.DeleteStep}}
}

func rules() target.Lifecycle {
	return target.Lifecycle{
		Gap: 1, Stages: stages(4, 9),
		Rules: []target.Rule{
			{For: target.Capacity{Role: roster.RolePupil}, Gap: 2, Stages: stages(4, 9)},
			{For: target.Capacity{Role: roster.RolePupil, Form: roster.SchoolVUX}, Gap: 60, Stages: stages(4, 9)},
			{For: target.Capacity{Role: roster.RolePupil, Form: roster.SchoolVUXSFI}, Gap: 20, Stages: stages(4, 9)},
			{For: target.Capacity{Role: roster.RoleStaff}, Gap: 0, Stages: stages(30, 35)},
		},
	}
}

type leaver struct {
	n      int
	record func(from, to roster.Date) roster.Record
	off    int
}

// everyRole are a person of each capacity, and how many days after the last one each is disabled.
var everyRole = []leaver{
	{31, func(a, b roster.Date) roster.Record { return pupil(31, roster.SchoolGR, a, b) }, 2 + 4},
	{32, func(a, b roster.Date) roster.Record { return pupil(32, roster.SchoolVUXGY, a, b) }, 60 + 4},
	{33, func(a, b roster.Date) roster.Record { return pupil(33, roster.SchoolVUXSFI, a, b) }, 20 + 4},
	{34, func(a, b roster.Date) roster.Record { return pupil(34, roster.SchoolSFI, a, b) }, 60 + 4},
	{35, func(a, b roster.Date) roster.Record { return employee(35, a, b) }, 30},
}

func TestEveryRoleAndSchoolFormHasItsLifecycle(t *testing.T) {
	for _, how := range []string{"an end date", "a tombstone", "a tombstone that was swept"} {
		t.Run(how, func(t *testing.T) {
			inBoth(t, rules(), func(t *testing.T, s site) {
				last := newYear.AddDays(9)
				s.log.Publish(unit(1))
				for _, l := range everyRole {
					s.log.Publish(l.record(newYear, 0))
				}
				p := start(t, s.setup)
				p.reach(s.log)
				until(last.AddDays(1))
				for _, l := range everyRole {
					if how == "an end date" {
						s.log.Publish(l.record(newYear, last))
					} else {
						s.log.Publish(gone(l.record(newYear, 0)))
					}
				}
				p.reach(s.log)
				_ = p.stop() // only the ledger remembers what they were
				if how == "a tombstone that was swept" {
					for _, l := range everyRole {
						s.log.Forget(l.record(newYear, 0).Ref)
					}
				}
				p = start(t, s.setup)
				for d := last.AddDays(2); d <= last.AddDays(66); d = d.AddDays(1) {
					until(d)
					for _, l := range everyRole {
						switch {
						case d < last.AddDays(l.off+1):
							s.want(t, l.n, "on")
						case d < last.AddDays(l.off+6):
							s.want(t, l.n, "off")
						default:
							s.want(t, l.n, "")
						}
					}
				}
				_ = p.stop()
			})
		})
	}
}

func TestR6WhoIsMissingWithoutATombstoneGoesOnBeingHeld(t *testing.T) {
	inBoth(t, target.Lifecycle{Stages: stages(4, 9)}, func(t *testing.T, s site) {
		s.log.Publish(unit(1), pupil(11, roster.SchoolGR, newYear, newYear.AddDays(2)))
		p := start(t, s.setup)
		p.reach(s.log)
		until(newYear.AddDays(4)) // she has left, by a date
		_ = p.stop()
		s.log.Forget(pupil(11, roster.SchoolGR, 0, 0).Ref)
		p = start(t, s.setup)
		until(newYear.AddDays(40))
		s.want(t, 11, "on")
		_ = p.stop()
	})
}

func TestLeadAndLinger(t *testing.T) {
	life := target.Lifecycle{
		Lead: 10, Linger: 7,
		Rules: []target.Rule{
			{For: target.Capacity{Role: roster.RolePupil, Form: roster.SchoolVUX}, Lead: 1},
			{For: target.Capacity{Role: roster.RoleStaff}, Lead: 20, Linger: 7},
		},
	}
	from, to := newYear.AddDays(40), newYear.AddDays(60)
	window := []struct {
		what        string
		n           int
		first, last roster.Date // on which it counts
	}{
		{"a pupil", 11, from.AddDays(-10), to.AddDays(7)},
		{"a pupil of komvux", 12, from.AddDays(-1), to},
		{"staff", 13, from.AddDays(-20), to.AddDays(7)},
	}
	for _, downtime := range []bool{false, true} {
		t.Run(map[bool]string{false: "the link wakes by itself", true: "the link was down over the day"}[downtime], func(t *testing.T) {
			inBoth(t, life, func(t *testing.T, s site) {
				u := unit(1)
				u.Organisation.Interval = roster.Interval{Start: from, End: to}
				g := group(21, 1, 11)
				g.Group.Interval = roster.Interval{Start: from, End: to}
				g.Group.Members[0].Interval = roster.Interval{Start: from.AddDays(5), End: to}
				s.log.Publish(u, pupil(11, roster.SchoolGR, from, to), pupil(12, roster.SchoolVUXGY, from, to), employee(13, from, to), g)
				p := start(t, s.setup)
				p.reach(s.log)
				look := func(d roster.Date) {
					t.Helper()
					if downtime {
						_ = p.stop()
						until(d)
						p = start(t, s.setup)
						p.reach(s.log)
					}
					until(d)
					for _, w := range window {
						want := ""
						if w.first <= d && d <= w.last {
							want = "on"
						}
						s.want(t, w.n, want)
					}
					for what, sees := range map[string]bool{
						"organisation/":                       from.AddDays(-20) <= d && d <= to.AddDays(7),
						"group/":                              from.AddDays(-10) <= d && d <= to.AddDays(7),
						"members=[person/" + key(11).String(): from.AddDays(-5) <= d && d <= to.AddDays(7),
					} {
						if got := strings.Contains(s.text(), what); got != sees {
							t.Errorf("on %s %s is there: %t, want %t", d, what, got, sees)
						}
					}
				}
				for _, d := range []int{-21, -20, -11, -10, -6, -5, -2, -1, 0, 5} {
					look(from.AddDays(d))
				}
				for _, d := range []int{0, 1, 6, 7, 8} {
					look(to.AddDays(d))
				}
				_ = p.stop()
			})
		})
	}
}

func TestAMappingSeesTrueDatesOnEveryOtherDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.made.Mapping, s.life, s.idle = dates{}, target.Lifecycle{Lead: 10, Linger: 7, Stages: stages(0, 0)}, time.Minute
		from, to := newYear.AddDays(40), newYear.AddDays(60)
		s.log.Publish(pupil(11, roster.SchoolGR, from, to))
		p := start(t, s)
		p.reach(s.log)
		for _, day := range []struct {
			on       roster.Date
			from, to roster.Date
		}{{newYear, from, to}, {from.AddDays(-1), from.AddDays(-10), to.AddDays(7)}, {from, from, to}, {to, from, to}, {to.AddDays(8), from, to}} {
			until(day.on)
			if want := fmt.Sprintf("from=%s to=%s", day.from, day.to); !strings.Contains(d.text(), want) {
				t.Errorf("on %s, want %s:\n%s", day.on, want, d.text())
			}
		}
		_ = p.stop()
	})
}

// dates is a mapping that writes the dates that it sees.
type dates struct{ school }

func (dates) Map(v target.View, e roster.Ref) []target.Wish {
	p := v.Person(e.Key)
	if p == nil {
		return nil
	}
	i := p.Enrolments[0].Interval
	return []target.Wish{{Resource: target.Resource{ID: target.ID{Kind: "person", Key: e.Key.String()}, Entity: e, Fields: target.Fields{
		{Name: "from", Value: roster.Personal(i.Start.String())}, {Name: "to", Value: roster.Personal(i.End.String())},
	}}}}
}

func TestDatesAreEventsAlsoAfterDowntime(t *testing.T) {
	summer := []target.Season{{From: target.Day{Month: time.January, Day: 20}, To: target.Day{Month: time.February, Day: 20}}}
	ended := newYear.AddDays(4) // the last day of the pupil
	for _, c := range []struct {
		name string
		life target.Lifecycle
		down [2]roster.Date
		want string
	}{
		{"over the end: the days count from it", target.Lifecycle{Stages: stages(4, 9)}, [2]roster.Date{newYear.AddDays(1), ended.AddDays(5)}, "off"},
		{"over the end: not a day early", target.Lifecycle{Stages: stages(4, 9)}, [2]roster.Date{newYear.AddDays(1), ended.AddDays(4)}, "on"},
		{"over the day of a stage", target.Lifecycle{Stages: stages(4, 9)}, [2]roster.Date{ended.AddDays(3), ended.AddDays(7)}, "off"},
		{"over both stages", target.Lifecycle{Stages: stages(4, 9)}, [2]roster.Date{ended.AddDays(3), ended.AddDays(30)}, ""},
		{"over the end of a gap", target.Lifecycle{Gap: 10, Stages: stages(0, 5)}, [2]roster.Date{ended.AddDays(3), ended.AddDays(11)}, "off"},
		{"within a gap", target.Lifecycle{Gap: 10, Stages: stages(0, 5)}, [2]roster.Date{ended.AddDays(3), ended.AddDays(10)}, "on"},
		{"over a stage that falls in quiet", target.Lifecycle{Stages: stages(20, 25), Quiet: summer}, [2]roster.Date{ended.AddDays(3), 2000_02_20}, "on"},
		{"over the end of quiet", target.Lifecycle{Stages: stages(20, 25), Quiet: summer}, [2]roster.Date{ended.AddDays(3), 2000_02_21}, ""},
		{"gap and quiet together", target.Lifecycle{Gap: 15, Stages: stages(1, 60), Quiet: summer}, [2]roster.Date{ended.AddDays(3), 2000_02_21}, "off"},
		{"gap and quiet together, not yet", target.Lifecycle{Gap: 15, Stages: stages(1, 60), Quiet: summer}, [2]roster.Date{ended.AddDays(3), 2000_02_20}, "on"},
		{"over the end of a linger", target.Lifecycle{Linger: 5, Stages: stages(1, 60)}, [2]roster.Date{newYear.AddDays(1), ended.AddDays(7)}, "off"},
		{"within a linger", target.Lifecycle{Linger: 5, Stages: stages(1, 60)}, [2]roster.Date{newYear.AddDays(1), ended.AddDays(6)}, "on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBoth(t, c.life, func(t *testing.T, s site) {
				s.log.Publish(unit(1), pupil(11, roster.SchoolGR, newYear, ended))
				p := start(t, s.setup)
				p.reach(s.log)
				until(c.down[0])
				s.want(t, 11, "on")
				_ = p.stop()
				until(c.down[1])
				p = start(t, s.setup)
				p.reach(s.log)
				s.want(t, 11, c.want)
				_ = p.stop()
				p = start(t, s.setup) // twice is once
				if got := p.reach(s.log); got.Operations() != 0 || got.Delivered != "" {
					t.Errorf("a second start does %+v", got)
				}
				s.want(t, 11, c.want)
				_ = p.stop()
			})
		})
	}
}

func TestADateThatIsPutBackTakesNobodysTimeToComeBack(t *testing.T) {
	inBoth(t, target.Lifecycle{Stages: stages(4, 9)}, func(t *testing.T, s site) {
		s.log.Publish(unit(1), pupil(11, roster.SchoolGR, 1999_08_20, 0))
		p := start(t, s.setup)
		p.reach(s.log)
		until(newYear.AddDays(10))
		s.log.Publish(pupil(11, roster.SchoolGR, 1999_08_20, 1999_12_10)) // so says the register today
		p.reach(s.log)
		s.want(t, 11, "on")
		until(newYear.AddDays(13))
		s.want(t, 11, "on")
		until(newYear.AddDays(14))
		s.want(t, 11, "off")
		_ = p.stop()
	})
}

func TestReturnWithinTheGapKeepsEverything(t *testing.T) {
	summer := []target.Season{{From: target.Day{Month: time.January, Day: 20}, To: target.Day{Month: time.February, Day: 20}}}
	for name, c := range map[string]struct {
		life    target.Lifecycle
		end, to roster.Date // last day at one school, first at the other
	}{
		"over a weekend": {target.Lifecycle{Gap: 3, Stages: stages(0, 0)}, newYear.AddDays(6), newYear.AddDays(9)},
		"over a summer":  {target.Lifecycle{Gap: 3, Quiet: summer}, 2000_01_18, 2000_02_20},
		"by a lead":      {target.Lifecycle{Lead: 10}, newYear.AddDays(6), newYear.AddDays(17)},
		"by a linger":    {target.Lifecycle{Linger: 10}, newYear.AddDays(6), newYear.AddDays(17)},
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, c.life, func(t *testing.T, s site) {
				both := pupil(11, roster.SchoolGR, newYear, c.end)
				both.Person.Enrolments = append(both.Person.Enrolments, roster.Enrolment{EnroledAt: key(2), SchoolType: roster.SchoolGR, Interval: roster.Interval{Start: c.to}})
				s.log.Publish(unit(1), unit(2), both)
				p := start(t, s.setup)
				p.reach(s.log)
				before := s.text()
				for d := newYear.AddDays(1); d <= c.to.AddDays(2); d = d.AddDays(1) {
					until(d)
					if got := s.text(); got != before {
						t.Fatalf("on %s, between two schools:\n%s\nwant\n%s", d, got, before)
					}
				}
				_ = p.stop()
			})
		})
	}
}

// The nights on which the clock is changed: a stage is due at midnight in Stockholm, on days of 23 and 25 hours too, and
// so is the end of quiet, which both stages waited for.
func TestStagesOnTheNightsOfTheClock(t *testing.T) {
	quiet := func(month time.Month, day int) []target.Season {
		return []target.Season{{From: target.Day{Month: month, Day: day - 6}, To: target.Day{Month: month, Day: day}}}
	}
	for _, c := range []struct {
		name           string
		quiet          []target.Season
		last, off, out roster.Date
	}{
		{"spring, on the day of 23 hours", nil, 2000_03_24, 2000_03_26, 2000_03_27},
		{"spring, on the day after", nil, 2000_03_25, 2000_03_27, 2000_03_28},
		{"spring, quiet until the night", quiet(time.March, 25), 2000_03_21, 2000_03_26, 2000_03_26},
		{"spring, quiet until the day after", quiet(time.March, 26), 2000_03_21, 2000_03_27, 2000_03_27},
		{"autumn, on the day of 25 hours", nil, 2000_10_27, 2000_10_29, 2000_10_30},
		{"autumn, on the day after", nil, 2000_10_28, 2000_10_30, 2000_10_31},
		{"autumn, quiet until the day after", quiet(time.October, 29), 2000_10_24, 2000_10_30, 2000_10_30},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBoth(t, target.Lifecycle{Stages: stages(1, 2), Quiet: c.quiet}, func(t *testing.T, s site) {
				time.Sleep(time.Until(c.last.Start()))
				s.log.Publish(unit(1), pupil(31, roster.SchoolGR, newYear, c.last))
				p := start(t, s.setup)
				p.reach(s.log)
				at := func(when time.Time, want string) {
					t.Helper()
					time.Sleep(time.Until(when))
					synctest.Wait()
					s.want(t, 31, want)
				}
				at(c.off.Start().Add(-5*time.Minute), "on")
				if c.off < c.out {
					at(c.off.Start().Add(5*time.Minute), "off")
					at(c.out.Start().Add(-5*time.Minute), "off")
				}
				at(c.out.Start().Add(5*time.Minute), "")
				_ = p.stop()
			})
		})
	}
}
