package fact

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Report tells the people who keep the register what was in a read, per school and group type, and what is missing. It
// names no person, and it does not count protected ones: what it says may be read in a school.
type Report struct {
	Units    []UnitReport
	Groups   []GroupReport
	Persons  int
	NoEmail  int // persons without an e-mail address in any role
	NoNumber int // persons without a valid identity number
	NoUnit   int // persons without an enrolment or duty at any unit
	KeptBack int
	Findings []Total
}

// UnitReport counts what belongs to a unit. A person with two enrolments there counts once.
type UnitReport struct {
	Key    roster.Key
	Name   string
	Pupils int
	Staff  int
	Groups int
}

// GroupReport counts the groups of a type, and the memberships in them.
type GroupReport struct {
	Type    roster.GroupType
	Groups  int
	Members int
	Empty   int // groups without members
}

// NewReport counts what was assembled.
func NewReport(res Result) Report {
	r := Report{KeptBack: len(res.KeptBack), Findings: Totals(res.Findings)}
	units := map[roster.Key]*UnitReport{}
	unit := func(k roster.Key) *UnitReport {
		if units[k] == nil {
			units[k] = &UnitReport{Key: k}
		}
		return units[k]
	}
	groups := map[roster.GroupType]*GroupReport{}
	protected := map[roster.Key]bool{}
	for i := range res.Records {
		switch x := &res.Records[i]; {
		case x.Organisation != nil:
			unit(x.Ref.Key).Name = x.Organisation.DisplayName
		case x.Person != nil && x.Person.Marking.Protects():
			protected[x.Ref.Key] = true
		case x.Overlay:
		case x.Person != nil:
			r.countPerson(x.Person, unit)
		}
	}
	for i := range res.Records {
		if g := res.Records[i].Group; g != nil {
			if !g.Organisation.IsZero() {
				unit(g.Organisation).Groups++
			}
			countGroup(g, groups, protected)
		}
	}
	for _, u := range units {
		r.Units = append(r.Units, *u)
	}
	slices.SortFunc(r.Units, func(x, y UnitReport) int { return cmp.Or(cmp.Compare(x.Name, y.Name), x.Key.Compare(y.Key)) })
	for _, t := range sortedKeys(groups) {
		r.Groups = append(r.Groups, *groups[t])
	}
	return r
}

func (r *Report) countPerson(p *roster.Person, unit func(roster.Key) *UnitReport) {
	r.Persons++
	if !slices.ContainsFunc(p.Personas, func(x roster.Persona) bool { return x.Email != "" }) {
		r.NoEmail++
	}
	if k := p.CivicNo.Kind(); k == "" || k == roster.UnknownNumber {
		r.NoNumber++
	}
	if len(p.Enrolments)+len(p.Duties) == 0 {
		r.NoUnit++
	}
	for i, e := range p.Enrolments {
		if !slices.ContainsFunc(p.Enrolments[:i], func(x roster.Enrolment) bool { return x.EnroledAt == e.EnroledAt }) {
			unit(e.EnroledAt).Pupils++
		}
	}
	for i, d := range p.Duties {
		if !slices.ContainsFunc(p.Duties[:i], func(x roster.Duty) bool { return x.DutyAt == d.DutyAt }) {
			unit(d.DutyAt).Staff++
		}
	}
}

func countGroup(g *roster.Group, groups map[roster.GroupType]*GroupReport, protected map[roster.Key]bool) {
	t := groups[g.Type]
	if t == nil {
		t = &GroupReport{Type: g.Type}
		groups[g.Type] = t
	}
	members := 0
	for _, m := range g.Members {
		if !protected[m.Person] {
			members++
		}
	}
	t.Groups++
	t.Members += members
	if members == 0 {
		t.Empty++
	}
}

// Text writes the report for a person to read.
func (r Report) Text(l reason.Language) string {
	say := func(sv, en string) string {
		if l == reason.Swedish {
			return sv
		}
		return en
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", say("Skola", "School"), say("Elever", "Pupils"), say("Personal", "Staff"), say("Grupper", "Groups"))
	for _, u := range r.Units {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", cmp.Or(u.Name, u.Key.String()), u.Pupils, u.Staff, u.Groups)
	}
	fmt.Fprintf(w, "\n%s\t%s\t%s\t%s\n", say("Grupptyp", "Group type"), say("Grupper", "Groups"), say("Medlemskap", "Memberships"), say("Tomma", "Empty"))
	for _, g := range r.Groups {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", cmp.Or(string(g.Type), say("(ingen)", "(none)")), g.Groups, g.Members, g.Empty)
	}
	fmt.Fprintf(w, "\n%s\t%d\n", say("Personer", "Persons"), r.Persons)
	fmt.Fprintf(w, "%s\t%d\n", say("  utan e-post", "  without e-mail"), r.NoEmail)
	fmt.Fprintf(w, "%s\t%d\n", say("  utan giltigt identitetsnummer", "  without a valid identity number"), r.NoNumber)
	fmt.Fprintf(w, "%s\t%d\n", say("  utan skola", "  without a school"), r.NoUnit)
	fmt.Fprintf(w, "%s\t%d\n", say("Väntar", "Kept back"), r.KeptBack)
	w.Flush() //nolint:errcheck // a strings.Builder takes everything
	if len(r.Findings) > 0 {
		b.WriteString("\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%d × %s %s", f.Count, f.Reason.Text(l), f.Reason.Next(l))
		if f.Where != "" {
			fmt.Fprintf(&b, " (%s)", f.Where)
		}
		b.WriteString("\n")
	}
	return b.String()
}
