package source

import (
	"slices"
	"strings"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
)

// differences returns the dangerous operations by which a record became another of the same entity.
func differences(old, now *roster.Record, today roster.Date) (ops []guard.Operation) {
	if lost(old, now) {
		ops = append(ops, guard.Lost)
	}
	if slices.ContainsFunc(now.Former, func(k roster.Key) bool { return !slices.Contains(old.Former, k) }) {
		ops = append(ops, guard.Identity)
	}
	switch {
	case old.Person != nil && now.Person != nil:
		ops = append(ops, personDifferences(old.Person, now.Person, today)...)
	case old.Group != nil && now.Group != nil:
		if !old.Group.Organisation.IsZero() && old.Group.Organisation != now.Group.Organisation {
			ops = append(ops, guard.Units)
		}
	case old.Organisation != nil && now.Organisation != nil:
		if !old.Organisation.Parent.IsZero() && old.Organisation.Parent != now.Organisation.Parent {
			ops = append(ops, guard.Units)
		}
	}
	return ops
}

func personDifferences(old, now *roster.Person, today roster.Date) (ops []guard.Operation) {
	if !old.CivicNo.IsZero() && old.CivicNo.Reveal() != now.CivicNo.Reveal() {
		ops = append(ops, guard.Identity)
	}
	personas, account := len(old.Personas) != len(now.Personas), false
	for i := range old.Personas {
		was := &old.Personas[i]
		n := slices.IndexFunc(now.Personas, func(p roster.Persona) bool { return p.Role == was.Role })
		if n < 0 {
			personas = true
			continue
		}
		is := &now.Personas[n]
		account = account || changed(was.Username, is.Username) || changed(was.EPPN, is.EPPN) || changed(domain(was.Email), domain(is.Email))
	}
	if personas {
		ops = append(ops, guard.Personas)
	}
	if left(old, now, today) {
		ops = append(ops, guard.Units)
	}
	if account {
		ops = append(ops, guard.Account)
	}
	return ops
}

// changed tells whether a value that stood is another now, or none. What is filled in is harmless.
func changed(was, is roster.Personal) bool { return was != "" && was != is }

func domain(email roster.Personal) roster.Personal {
	_, d, _ := strings.Cut(email.Reveal(), "@")
	return roster.Personal(strings.ToLower(d))
}

// lost tells whether an attribute that stood is empty now. What has an operation of its own is not among them. When it
// is so for many, the source was not given the attribute, which says nothing about anybody.
func lost(old, now *roster.Record) bool {
	switch {
	case old.Person != nil && now.Person != nil:
		return lostOfPerson(old.Person, now.Person)
	case old.Group != nil && now.Group != nil:
		o, n := old.Group, now.Group
		return o.DisplayName != "" && n.DisplayName == "" || o.Type != "" && n.Type == "" || o.SchoolType != "" && n.SchoolType == "" ||
			o.Subject != "" && n.Subject == "" || o.SchoolYear != "" && n.SchoolYear == "" || lostExtra(o.Extra, n.Extra)
	case old.Organisation != nil && now.Organisation != nil:
		o, n := old.Organisation, now.Organisation
		return o.DisplayName != "" && n.DisplayName == "" || len(o.UnitCodes) > 0 && len(n.UnitCodes) == 0 ||
			len(o.SchoolTypes) > 0 && len(n.SchoolTypes) == 0 || lostExtra(o.Extra, n.Extra)
	}
	return false
}

func lostOfPerson(o, n *roster.Person) bool {
	if o.GivenName != "" && n.GivenName == "" || o.MiddleName != "" && n.MiddleName == "" || o.FamilyName != "" && n.FamilyName == "" ||
		o.BirthDate != "" && n.BirthDate == "" || o.Sex != "" && n.Sex == "" || lostExtra(o.Extra, n.Extra) {
		return true
	}
	return slices.ContainsFunc(o.Enrolments, func(was roster.Enrolment) bool {
		goesOn := func(is roster.Enrolment) bool {
			return is.EnroledAt == was.EnroledAt && is.Interval.Start == was.Interval.Start
		}
		gone := func(of func(roster.Enrolment) string) bool {
			return of(was) != "" && !slices.ContainsFunc(n.Enrolments, func(is roster.Enrolment) bool { return goesOn(is) && of(is) != "" })
		}
		return slices.ContainsFunc(n.Enrolments, goesOn) && (gone(func(e roster.Enrolment) string { return string(e.SchoolType) }) ||
			gone(func(e roster.Enrolment) string { return e.SchoolYear }) || gone(func(e roster.Enrolment) string { return e.Programme }))
	})
}

func lostExtra(o, n roster.Extra) bool {
	for name := range o {
		if _, there := n[name]; !there {
			return true
		}
	}
	return false
}

// left tells whether a person is no longer at a unit: what was over already may go, and what is given an end that has
// passed is gone.
func left(old, now *roster.Person, today roster.Date) bool {
	at := units(now, today)
	for k := range units(old, today) {
		if !at[k] {
			return true
		}
	}
	return false
}

// units returns the units at which a person is or will be.
func units(p *roster.Person, today roster.Date) map[roster.Key]bool {
	at := map[roster.Key]bool{}
	for _, e := range p.Enrolments {
		if !e.Interval.Ended(today) {
			at[e.EnroledAt] = true
		}
	}
	for _, d := range p.Duties {
		if !d.Interval.Ended(today) {
			at[d.DutyAt] = true
		}
	}
	return at
}

// exchange compares a group's pupils with those before. It is another group when most of them are others; it is emptied
// when most of them went elsewhere. Who left the register is not counted, for that is counted by itself, and a person
// with another key is the same person.
func exchange(old, now *roster.Group, gone map[roster.Key]bool, became map[roster.Key]roster.Key) (emptied, exchanged bool) {
	before, after := pupils(old), pupils(now)
	stay, leave := 0, 0
	for k := range before {
		if next, ok := became[k]; ok {
			k = next
		}
		switch {
		case after[k]:
			stay++
		case !gone[k]:
			leave++
		}
	}
	if len(before) < exchangedFrom {
		return false, false
	}
	limit := exchangedShare * float64(len(before))
	missing, joined := len(before)-stay, len(after)-stay
	exchanged = float64(min(missing, joined)) >= limit
	return !exchanged && float64(leave) >= limit, exchanged
}

// untaught tells whether a group has nobody any more who does what somebody did in it, a teacher or a mentor, who was to go
// on and is still in the register. When it is so for many, the source was not given who teaches what.
func untaught(old, now *roster.Group, today roster.Date, gone map[roster.Key]bool) bool {
	return slices.ContainsFunc(old.Members, func(was roster.Membership) bool {
		return (was.Role == roster.MemberTeacher || was.Role == roster.MemberMentor) && !gone[was.Person] && !was.Interval.Ended(today) &&
			!slices.ContainsFunc(now.Members, func(is roster.Membership) bool { return is.Role == was.Role })
	})
}

func pupils(g *roster.Group) map[roster.Key]bool {
	set := map[roster.Key]bool{}
	for _, m := range g.Members {
		if m.Role == roster.MemberPupil {
			set[m.Person] = true
		}
	}
	return set
}

// formsOf returns the school forms in which a record is counted.
func formsOf(r *roster.Record) (forms []roster.SchoolType) {
	switch {
	case r.Person != nil:
		for _, e := range r.Person.Enrolments {
			if !slices.Contains(forms, e.SchoolType) {
				forms = append(forms, e.SchoolType)
			}
		}
	case r.Group != nil:
		forms = append(forms, r.Group.SchoolType)
	}
	if len(forms) == 0 {
		forms = append(forms, "")
	}
	return forms
}

// newBefore returns a count of nothing, which remembers the records of the given entities.
func newBefore(wanted []Change) before {
	b := before{map[guard.Bucket]int{}, make(map[roster.Ref]*roster.Record, len(wanted))}
	for i := range wanted {
		b.old[wanted[i].Record.Ref] = nil
	}
	return b
}

// add takes in what the log holds of an entity.
func (b *before) add(r *roster.Record) {
	b.live[guard.Bucket{Kind: r.Ref.Kind, Form: guard.AllForms, Operation: ""}]++
	for _, f := range formsOf(r) {
		b.live[guard.Bucket{Kind: r.Ref.Kind, Form: f, Operation: ""}]++
	}
	if _, wanted := b.old[r.Ref]; wanted {
		b.old[r.Ref] = r
	}
}
