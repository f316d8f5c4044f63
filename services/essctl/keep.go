package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/source-manual/manual"
)

func (c *control) keepCommand() *cobra.Command {
	var x deciding
	var until string
	cmd := &cobra.Command{
		Use:   "keep --tenant TENANT (--key KEY | --source SOURCE --id ID | --number -) --until DAY --why REASON",
		Short: "Keep a person whom the registers let go, as the log last had her or him",
		Long: `Keep a person whom the registers let go, or will let go, as the log last had her or him: names, accounts, schools.
An enrolment or duty that is over lasts until that day again. Groups are not kept: registers take who leaves out of them.
Of who left long ago the log keeps nothing; state the person with essctl manual add.`,
		Example: `  essctl manual keep --tenant lund --key 3f0c… --until 2026-11-30 --why "kontot behövs för omprov"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return x.run(cmd.Context(), c, func(d *desk, s *someone, deed printedDeed) error {
				p, err := lastOf(cmd.Context(), d, s)
				if err != nil {
					return err
				}
				last, err := roster.ParseDate(until)
				if err != nil || last.IsOpen() {
					return errors.New("--until is no day: write YYYY-MM-DD")
				}
				kept := stated(p, d.roster.Today(), last)
				deed.What, deed.Until = "manual.keep", until
				kept.Dated = manual.Dated{Decision: x.decision(deed), Person: s.ref, Until: until}
				kept.Person.Number = roster.Personal(p.CivicNo.Reveal())
				return c.put(cmd.Context(), d, deed, x.why, &manual.Decisions{KeepUntil: []manual.Person{kept}}, func(o manual.OnDesk) bool {
					return len(o.KeepUntil) > 0 && s.about(d.roster, o.KeepUntil[0].Person, o.ID)
				})
			})
		},
	}
	x.flags(cmd, "the person")
	untilFlag(cmd, &until)
	return cmd
}

// lastOf returns a person as the registers last stated her or him.
func lastOf(ctx context.Context, d *desk, s *someone) (*roster.Person, error) {
	if err := s.known(); err != nil {
		return nil, err
	}
	if s.state.Protected {
		return nil, errors.New("the person is protected, which outranks keeping")
	}
	last := map[roster.Source]*roster.Record{}
	err := d.st.Log(d.tenant).History(ctx, roster.Ref{Kind: roster.KindPerson, Key: s.key}, func(r roster.Record) {
		if r.Source != byHand() && !r.Overlay && r.Tombstone == nil {
			last[r.Source] = &r
		}
	})
	if err != nil {
		return nil, err
	}
	registers := slices.Collect(maps.Values(last))
	if p := roster.Merge(nil, d.roster.Today(), registers).Person; p != nil {
		return p, nil
	}
	return nil, errors.New("the log has nothing of the person any more: state her or him with essctl manual add --from -")
}

// stated returns a person in the words of a decision. What was over lasts until a day again.
func stated(p *roster.Person, today, until roster.Date) manual.Person {
	out := manual.Person{Attributes: manual.Attributes{
		GivenName: p.GivenName, MiddleName: p.MiddleName, FamilyName: p.FamilyName, DisplayName: p.DisplayName,
		BirthDate: p.BirthDate, Sex: string(p.Sex), Extra: p.Extra,
	}}
	for _, x := range p.Personas {
		role := x.Role
		switch {
		case role == roster.RoleNone && len(p.Enrolments) > 0:
			role = roster.RolePupil
		case role == roster.RoleNone:
			role = roster.RoleStaff
		}
		out.Personas = append(out.Personas, manual.Persona{Role: string(role), Email: x.Email, Username: x.Username, EPPN: x.EPPN})
	}
	last := lastDay(p)
	end := func(i roster.Interval) string {
		if i.Ended(today) && i.End == last {
			return until.String()
		}
		return i.End.String()
	}
	for _, e := range p.Enrolments {
		out.Enrolments = append(out.Enrolments, manual.Enrolment{
			Unit: manual.Ref{Key: e.EnroledAt.String()}, SchoolType: string(e.SchoolType), SchoolYear: e.SchoolYear, Programme: e.Programme,
			Start: e.Interval.Start.String(), End: end(e.Interval),
		})
	}
	for _, d := range p.Duties {
		out.Duties = append(out.Duties, manual.Duty{
			Unit: manual.Ref{Key: d.DutyAt.String()}, Role: string(d.Role), Start: d.Interval.Start.String(), End: end(d.Interval),
		})
	}
	return out
}

// lastDay returns the latest end of what a person has or had at schools; open when something has no end.
func lastDay(p *roster.Person) (last roster.Date) {
	for i, e := range p.Enrolments {
		if end := e.Interval.End; i == 0 || end.IsOpen() || !last.IsOpen() && end > last {
			last = end
		}
	}
	for i, d := range p.Duties {
		if end := d.Interval.End; i+len(p.Enrolments) == 0 || end.IsOpen() || !last.IsOpen() && end > last {
			last = end
		}
	}
	return last
}
