package imsfiles

import (
	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// around lets through what counts today. Groups come before who is in them, so that with a group go its members.
func (w Windows) around(today roster.Date, emit func(fact.Doc) error) func(fact.Doc) error {
	over := map[string]bool{} // groups that do not count
	return func(d fact.Doc) error {
		facts := make([]fact.Fact, 0, len(d.Facts))
		for _, f := range d.Facts {
			counts := true
			switch f := f.(type) {
			case fact.Enrolment:
				counts = w.Pupils.lets(f.Start, f.End, today)
			case fact.Duty:
				counts = w.Staff.lets(f.Start, f.End, today)
			case fact.Group:
				counts = w.Groups.lets(f.Start, f.End, today)
				over[f.ID] = over[f.ID] || !counts
			case fact.Member:
				counts = !over[f.Group] && w.Groups.lets(f.Start, f.End, today)
			}
			if counts {
				facts = append(facts, f)
			}
		}
		if len(facts) == 0 && !d.Deleted {
			return nil
		}
		d.Facts = facts
		return emit(d)
	}
}

// lets tells whether something counts. A day that cannot be read bounds nothing: the assembler tells of it.
func (w Window) lets(start, end string, today roster.Date) bool {
	first, _ := roster.ParseDate(start)
	last, _ := roster.ParseDate(end)
	return (first.IsOpen() || first <= today.AddDays(w.Before)) && (last.IsOpen() || last >= today.AddDays(-w.After))
}
