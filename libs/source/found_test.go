package source_test

import (
	"fmt"
	"strings"
	"testing"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/source"
)

// issues returns what the newest run found of a code, as "state count since".
func (w *world) issues(code reason.Code) (list []string) {
	w.t.Helper()
	f, err := w.runs.Found(w.t.Context(), name, "")
	if err != nil || f == nil {
		w.t.Fatalf("no findings: %v", err)
	}
	for _, i := range f.Issues {
		if i.Reason.Code == code {
			list = append(list, fmt.Sprintf("%s %d %s", i.State, i.Count, i.Since.Format("01-02")))
		}
	}
	return list
}

func (w *world) wantIssues(code reason.Code, want ...string) {
	w.t.Helper()
	if got := w.issues(code); strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.t.Errorf("%s: %v, want %v", code, got, want)
	}
}

func TestFindingsAreComparedWithTheRunBefore(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults.Recommend = []source.Requirement{source.RequireEmail}
	blank := func(p *fact.Person) { p.Email = "" }
	w.person(1, blank)
	w.read()
	w.wantIssues(reason.MissingRecommended, "new 1 10-01")
	w.nextDay()
	w.person(2, blank)
	w.read()
	f, err := w.runs.Found(t.Context(), name, "")
	if err != nil || len(f.Issues) != 2 || f.Issues[0].Ref == f.Issues[1].Ref || f.Issues[0].Ref.Key.IsZero() {
		t.Errorf("findings %+v, %v; want one of each of two persons", f, err)
	}
	states := strings.Join(w.issues(reason.MissingRecommended), ", ")
	if !strings.Contains(states, "still 1 10-01") || !strings.Contains(states, "new 1 10-02") {
		t.Errorf("issues: %s", states)
	}

	// A read that is not believed says nothing about what is still wrong.
	w.nextDay()
	w.reg.err = reason.Errorf(reason.Transient, errCut, reason.TransferCut)
	if run := w.read(); run.Found != nil {
		t.Errorf("a read that broke off found %+v", run.Found)
	}
	w.reg.err = nil
	w.person(1, nil)
	w.read()
	states = strings.Join(w.issues(reason.MissingRecommended), ", ")
	if !strings.Contains(states, "gone 1 10-01") || !strings.Contains(states, "still 1 10-02") {
		t.Errorf("issues: %s", states)
	}
	w.nextDay()
	w.read()
	w.wantIssues(reason.MissingRecommended, "still 1 10-02") // what is gone is told once

	// And a finding that comes back is new.
	w.nextDay()
	w.person(2, nil)
	w.read()
	w.wantIssues(reason.MissingRecommended, "gone 1 10-02")
	w.nextDay()
	w.person(2, blank)
	w.read()
	w.wantIssues(reason.MissingRecommended, "new 1 10-06")
}

func TestDeltaDoesNotEndFindings(t *testing.T) {
	w := newWorld(t)
	w.reg.set("group", fact.Group{ID: "g", Name: "7a", Type: "Klass", Unit: "u"}, fact.Member{Group: "g", Person: "nobody", Role: "pupil"})
	w.read()
	w.wantIssues(reason.UnknownReference, "new 1 10-01")
	w.person(3, func(p *fact.Person) { p.FamilyName = "Berg" })
	if run := w.read(); run.Complete {
		t.Fatal("the second read of a day is a delta")
	}
	w.wantIssues(reason.UnknownReference, "still 1 10-01")
}

func TestFindingsSayNothingOfProtectedPersons(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults.Recommend = []source.Requirement{source.RequireEmail}
	w.opts.Defaults.Require = []source.Requirement{source.RequireCivicNo}
	w.person(1, func(p *fact.Person) { p.Email, p.Marking = "", "Sekretessmarkering" })
	w.person(2, func(p *fact.Person) { p.CivicNo, p.Marking = "", "Skyddad folkbokföring" })
	run := w.read()
	w.wantIssues(reason.MissingRecommended)
	w.wantIssues(reason.MissingRequired)
	for _, f := range run.Findings {
		if f.Reason.Code == reason.MissingRecommended || f.Reason.Code == reason.MissingRequired {
			t.Errorf("the run counts %d × %s", f.Count, f.Reason)
		}
	}
}

func TestOwners(t *testing.T) {
	for code, want := range map[reason.Code]reason.Owner{
		reason.MissingRequired: reason.School, reason.ElementWithoutID: reason.Vendor, reason.RoleUnknown: reason.Operations,
		reason.ListMissing: reason.Vendor, reason.ClockDiffers: reason.Vendor, reason.DeltaDoubtful: reason.Operations, reason.RegisterArchives: reason.Operations,
	} {
		if got := code.Owner(); got != want {
			t.Errorf("%s is of %s, want %s", code, got, want)
		}
	}
}
