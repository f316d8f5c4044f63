package target

import (
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Lifecycle says what becomes of what a target holds for a person who leaves. The zero Lifecycle takes it away at once.
//
// Who leaves is a person whom the register says nothing of any more, or one without a role in any school today. A
// protected or excluded person does not leave: what is held of them goes at once (rule R9).
type Lifecycle struct {
	// Gap is how long a person may be between two schools without being a leaver: the stages count from its end.
	Gap int
	// Stages are what is done, by the days since the person left. Who returns gets everything back as it was.
	Stages []Stage
	// Quiet are the weeks of the year in which absence ends nothing, because registers empty their classes then. A stage
	// that falls in one waits for its end.
	Quiet []Season
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
	if len(l.Stages) == 0 {
		if step == DeleteStep {
			return left
		}
		return 0
	}
	for _, s := range l.Stages {
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

// leaving says why something of a leaver is still there.
func (l Lifecycle) leaving(left roster.Date, step Step) *reason.Reason {
	until := l.due(left, step).String()
	if until == "" {
		until = "–"
	}
	why := reason.New(reason.Leaving, "since", left, "until", until)
	return &why
}
