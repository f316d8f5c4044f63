package source

import (
	"cmp"
	"slices"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Found is every finding of a run, compared with the run before that came to findings. It holds keys, never a name or a
// number, and nothing about who is protected.
type Found struct {
	Run    string
	At     time.Time
	Issues []Issue // in the order of the codes, then of the entities
}

// Issue is one finding about one entity, or about the read.
type Issue struct {
	Reason   reason.Reason
	Severity fact.Severity
	Effect   fact.Effect
	Ref      roster.Ref // zero when it is about the read
	Where    string
	Count    int
	Since    time.Time // when a run found it first, and every one since found it again
	State    IssueState
}

// IssueState says how an issue stands beside the run before.
type IssueState string

// The states of an issue. What is gone is told once.
const (
	IssueNew   IssueState = "new"
	IssueStill IssueState = "still"
	IssueGone  IssueState = "gone"
)

// id names an issue in every run. Where it stands is no part of it, for a line number changes from file to file.
type issueID struct {
	code   reason.Code
	args   string
	effect fact.Effect
	ref    roster.Ref
}

func (i *Issue) id() issueID {
	id := issueID{i.Reason.Code, "", i.Effect, i.Ref}
	for _, a := range i.Reason.Args {
		id.args += a.Name + "=" + a.Value + "\x00"
	}
	return id
}

// newFound returns the findings of a run, each issue once.
func newFound(run string, at time.Time, findings []fact.Finding) *Found {
	f := &Found{Run: run, At: at}
	index := map[issueID]int{}
	for _, x := range findings {
		i := Issue{Reason: x.Reason, Severity: x.Severity, Effect: x.Effect, Ref: x.Ref, Where: x.Where, Count: max(1, x.Count), Since: at, State: IssueNew}
		if n, ok := index[i.id()]; ok {
			f.Issues[n].Count += i.Count
			continue
		}
		index[i.id()] = len(f.Issues)
		f.Issues = append(f.Issues, i)
	}
	return f
}

// compare says which issues are new, which were there already and since when, and which are gone; of those about an
// entity that is secret now it says nothing. A read that was not complete sees only a part, so what it does not find is
// there still.
func (f *Found) compare(before *Found, complete bool, secret func(roster.Ref) bool) {
	if before != nil {
		now := map[issueID]*Issue{}
		for n := range f.Issues {
			now[f.Issues[n].id()] = &f.Issues[n]
		}
		var rest []Issue
		for _, was := range before.Issues {
			is := now[was.id()]
			switch {
			case was.State == IssueGone || secret(was.Ref):
			case is != nil:
				is.Since, is.State = was.Since, IssueStill
			case complete:
				was.State = IssueGone
				rest = append(rest, was)
			default:
				was.State = IssueStill
				rest = append(rest, was)
			}
		}
		f.Issues = append(f.Issues, rest...)
	}
	slices.SortStableFunc(f.Issues, func(x, y Issue) int {
		return cmp.Or(cmp.Compare(x.Reason.Code, y.Reason.Code), x.Ref.Compare(y.Ref))
	})
}

// unprotected leaves out what is about a protected person; and, where a register leaves them out, which references
// lead to nobody, for that is what it leaves of them.
func (s *statement) unprotected(findings []fact.Finding) []fact.Finding {
	omits := s.reader.Defaults.Protected == ProtectedOmits
	return slices.DeleteFunc(slices.Clone(findings), func(f fact.Finding) bool {
		return s.secret(f.Ref) || omits && f.Reason.Code == reason.ReferenceDangling
	})
}
