package target

import (
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Lifecycle says what becomes of what a target holds for a person who leaves. The zero Lifecycle takes it away at once.
//
// Who leaves is a person whom the register says nothing of any more, or one without a role in any school today. A
// protected or excluded person does not leave: what is held of them goes at once (rule R9).
type Lifecycle struct {
	// Lead is how many days before it begins something counts as begun: an enrolment, a duty, a membership, a group, a
	// unit. Linger is how many days after its end it still counts.
	Lead, Linger int
	// Gap is how long a person may be between two schools without being a leaver: the stages count from its end.
	Gap int
	// Stages are what is done, by the days since the person left. Who returns gets everything back as it was.
	Stages []Stage
	// Quiet are the weeks of the year in which absence ends nothing, because registers empty their classes then. A stage
	// that falls in one waits for its end.
	Quiet []Season
	// Rules stand in the place of all above but Quiet for the persons of a capacity; the most exact one wins.
	Rules []Rule
}

// Rule is the lifecycle of the persons of a capacity. A group falls under the rule of the pupils of its school form, a
// unit under the widest Lead and Linger that there are.
type Rule struct {
	For               Capacity // with a role; an empty form is all of them
	Gap, Lead, Linger int
	Stages            []Stage
}

// Capacity is what a person is in the schools: staff, or a pupil of a school form.
type Capacity struct {
	Role roster.Role
	Form roster.SchoolType
}

// Stage is one step of leaving.
type Stage struct {
	After int // days
	Do    Step
}

// Step is what is done to the resources of a leaver.
type Step string

// The steps, from the mildest. The memberships of a leaver end by themselves, with what the register says of the groups.
const (
	LeaveGroups Step = "leaveGroups"
	DisableStep Step = "disable"
	MoveStep    Step = "move" // to where the target keeps accounts of those who have left; disabled too
	DeleteStep  Step = "delete"
)

// Season is a span of days of every year, both ends included. It may span the turn of the year.
type Season struct{ From, To Day }

// Day is a day of every year.
type Day struct {
	Month time.Month
	Day   int
}

// DefaultStages are those of a link that names none.
func DefaultStages() []Stage {
	return []Stage{{0, LeaveGroups}, {30, DisableStep}, {180, DeleteStep}}
}

// end returns the last day of the season that d lies in, if it lies in it.
func (s Season) end(d roster.Date) (roster.Date, bool) {
	year := int(d) / 10000
	for _, y := range []int{year - 1, year} {
		from := roster.NewDate(y, s.From.Month, s.From.Day)
		to := roster.NewDate(y, s.To.Month, s.To.Day)
		if to < from {
			to = roster.NewDate(y+1, s.To.Month, s.To.Day)
		}
		if from <= d && d <= to {
			return to, true
		}
	}
	return 0, false
}

// due returns the day on which a step is due for who left on a day, or an open date when no stage has it. A milder step
// is never due after a harsher one.
func (l Lifecycle) due(left roster.Date, step Step) roster.Date {
	stages := l.Stages
	if len(stages) == 0 {
		stages = []Stage{{0, DeleteStep}}
	}
	for _, s := range stages {
		if s.Do != step {
			continue
		}
		day := left.AddDays(l.Gap + s.After)
		for moved := true; moved; {
			moved = false
			for _, q := range l.Quiet {
				if end, in := q.end(day); in {
					day, moved = end.AddDays(1), true
				}
			}
		}
		return day
	}
	return 0
}

// reached tells whether a step is due on a day.
func (l Lifecycle) reached(left, today roster.Date, step Step) bool {
	day := l.due(left, step)
	return !day.IsOpen() && day <= today
}

// next returns the first instant after today at which a stage of a leaver is due, or nothing.
func (l Lifecycle) next(left, today roster.Date, steps ...Step) (at time.Time) {
	for _, step := range steps {
		if day := l.due(left, step); day > today {
			at = earlier(at, day.Start())
		}
	}
	return at
}

// leaving says why something of a leaver is still there: until the first of the steps, or for good when none is due.
func (l Lifecycle) leaving(left roster.Date, steps ...Step) *reason.Reason {
	until := "–"
	for _, step := range steps {
		if day := l.due(left, step).String(); day != "" && (until == "–" || day < until) {
			until = day
		}
	}
	why := reason.New(reason.Leaving, "since", left, "until", until)
	return &why
}

// of returns the lifecycle that holds for a capacity.
func (l Lifecycle) of(c Capacity) Lifecycle {
	if r := l.rule(c); r != nil {
		l.Gap, l.Lead, l.Linger, l.Stages = r.Gap, r.Lead, r.Linger, r.Stages
	}
	return l
}

// rule returns the most exact rule that fits a capacity, or nil where the link's own lifecycle holds.
func (l Lifecycle) rule(c Capacity) (best *Rule) {
	exact := 0
	for i := range l.Rules {
		if n := l.Rules[i].For.covers(c); n > exact {
			best, exact = &l.Rules[i], n
		}
	}
	return best
}

// covers tells how exactly a rule's capacity fits that of a person; 0 is not at all. VUX covers the forms of komvux.
func (c Capacity) covers(of Capacity) int {
	switch {
	case c.Role != of.Role:
		return 0
	case c.Form == of.Form:
		return 3
	case c.Form == roster.SchoolVUX && of.Form.Komvux():
		return 2
	case c.Form == "":
		return 1
	default:
		return 0
	}
}

// role is one enrolment or duty.
type role struct {
	as Capacity
	in roster.Interval
}

// roles returns the enrolments and duties of a person that have begun, as the lifecycle counts.
func (l Lifecycle) roles(p *roster.Person, today roster.Date) (list []role) {
	add := func(as Capacity, in roster.Interval) {
		life := l.of(as)
		if in = (roster.Interval{Start: in.Start.AddDays(-life.Lead), End: in.End.AddDays(life.Linger)}); in.Start <= today {
			list = append(list, role{as, in})
		}
	}
	for _, e := range p.Enrolments {
		if !never(e.Interval) {
			add(Capacity{roster.RolePupil, e.SchoolType}, e.Interval)
		}
	}
	for _, d := range p.Duties {
		if !never(d.Interval) {
			add(Capacity{Role: roster.RoleStaff}, d.Interval)
		}
	}
	return list
}

// here tells whether a person has a role on a day, as the lifecycle counts.
func (l Lifecycle) here(p *roster.Person, today roster.Date) bool {
	return slices.ContainsFunc(l.roles(p, today), func(r role) bool { return !r.in.Ended(today) })
}

// never tells whether an interval ends before it begins: it holds no day, and no lead or linger gives it one.
func never(i roster.Interval) bool { return !i.End.IsOpen() && i.End < i.Start }

// last returns what a person is on a day or was last, and the first day on which she or he is that no more; today while
// that is so still. It is not known of a person without a role that has begun. Who is a pupil and staff is a pupil.
func (l Lifecycle) last(p *roster.Person, today roster.Date) (as Capacity, gone roster.Date, known bool) {
	if e, ok := roster.PrimaryEnrolment(p, today); ok && e.Interval.Contains(today) {
		return Capacity{roster.RolePupil, e.SchoolType}, today, true
	}
	for _, r := range l.roles(p, today) {
		until := today
		if r.in.Ended(today) {
			until = r.in.End.AddDays(1)
		}
		if until > gone {
			as, gone = r.as, until
		}
	}
	return as, gone, !gone.IsOpen()
}

// departure is what a link knows of a person who has left, or may.
type departure struct {
	life   Lifecycle
	as     Capacity    // what the person is or was last
	known  bool        // the register says as; else only the ledger remembers
	since  roster.Date // from when the person is gone, if she or he is
	back   roster.Date // the same of who was here and went after the log was told; open of anybody else
	buried bool        // a tombstone says that the person has left
	swept  bool        // the log knows nothing of the person any more
	today  roster.Date
}

// departure looks a person up. The day from which somebody is gone is the one after the last role ended or, where the
// log was told later, the day on which it was: a link that was down comes to the same day as one that was not, and a
// date that is put back in the register takes away nobody's time to come back. The caller is inside read.
func (l *Link) departure(f *Feed, ref roster.Ref) departure {
	d := departure{life: l.o.Lifecycle, today: f.roster.Today(), since: f.roster.Today()}
	if ref.Kind != roster.KindPerson || !f.known(ref) {
		return d
	}
	m := f.roster.State(ref)
	d.swept = m.State == roster.Missing
	d.buried = m.State == roster.Tombstoned && m.Reason == roster.TombstoneLeft
	told := f.causes[ref].When
	for _, k := range m.Former {
		if c, ok := f.causes[roster.Ref{Kind: ref.Kind, Key: k}]; ok && c.When.After(told) {
			told = c.When
		}
	}
	if !told.IsZero() {
		d.since = roster.Today(told)
	}
	if m.Person != nil {
		var gone roster.Date
		d.as, gone, d.known = d.life.last(m.Person, d.today)
		if gone > d.since && !d.life.here(m.Person, d.today) {
			d.back = gone
		}
		d.since = max(d.since, gone)
	}
	d.since = min(d.since, d.today)
	return d
}

// left returns since when the person of an entry is gone. Who was back while the link was down has left anew.
func (d departure) left(e *Entry) roster.Date {
	if e.Left.IsOpen() {
		return d.since
	}
	return max(e.Left, d.back)
}

// capacity returns what an entry of the ledger is to remember of the person: nothing where the link's own lifecycle holds.
func (d departure) capacity(remembered Capacity) Capacity {
	switch {
	case !d.known:
		return remembered
	case d.life.rule(d.as) == nil:
		return Capacity{}
	default:
		return d.as
	}
}
