package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/source"
)

// another is a register whose person with the number has another family name too.
type another struct{ school }

func (a another) Read(ctx context.Context, since source.Cursor, emit func(fact.Doc) error) (source.Result, error) {
	return a.school.Read(ctx, since, func(d fact.Doc) error {
		for i, f := range d.Facts {
			if p, ok := f.(fact.Person); ok && p.ID == "p-1" {
				p.FamilyName = "Kvist"
				d.Facts[i] = p
			}
		}
		return emit(d)
	})
}

// What only several registers together tell stands where a school looks: two registers have different persons on one
// number; a register that knows nothing of a protection finds something about the person whom another protects.
func TestFindingsAcrossRegisters(t *testing.T) {
	w := newTown(t)
	extens := roster.Source{System: "extens", Instance: "default"}
	recommends := source.Defaults{Recommend: []source.Requirement{source.RequireCivicNo}}
	found := func(of string) map[reason.Code]int {
		t.Helper()
		var out bytes.Buffer
		c := &control{getenv: func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }, now: w.clock, out: &out, errs: &out}
		if got := c.run(t.Context(), []string{"findings", "--tenant", "lund", "--source", of, "-o", "json"}); got != 0 {
			t.Fatalf("status %d\n%s", got, &out)
		}
		var f printedFindings
		if err := json.Unmarshal(out.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		codes := map[reason.Code]int{}
		for _, x := range f.Findings {
			codes[x.Code] += x.Count
		}
		return codes
	}
	status := func() service.Status {
		t.Helper()
		s, err := service.StatusOf(t.Context(), w.store, service.Subject{Tenant: "lund", Sources: []roster.Source{alvis, extens}}, w.clock())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w.minute(alvis, school{herNumber, "Testa"}, recommends)
	w.minute(extens, school{herNumber, "Testa"}, recommends)
	if got := found("alvis"); got[reason.RegistersDisagree] != 0 || got[reason.MissingRecommended] != 1 {
		t.Errorf("findings %v, want one of who has no number", got)
	}
	if s := status(); s.Conflicts != 0 {
		t.Errorf("the status tells of %d conflicts", s.Conflicts)
	}
	w.minute(extens, another{school{herNumber, "Zlatina"}}, recommends)
	for _, of := range []string{"alvis", "extens"} {
		if got := found(of); got[reason.RegistersDisagree] != 1 {
			t.Errorf("findings of %s: %v, want that registers disagree about one", of, got)
		}
	}
	if s := status(); s.Conflicts != 1 || s.Verdict == service.OK {
		t.Errorf("the status tells of %d conflicts and is %s", s.Conflicts, s.Verdict)
	}
	w.do(0, "", "person", "protect", "--source", "alvis", "--id", "p-2")
	w.do(0, "", "person", "protect", "--key", w.key(herNumber))
	w.byCommand()
	for _, of := range []string{"alvis", "extens"} {
		want := 0
		if of == "extens" { // its p-2 is somebody else
			want = 1
		}
		if got := found(of); got[reason.RegistersDisagree] != 0 || got[reason.MissingRecommended] != want {
			t.Errorf("R9: findings of %s tell of who is protected: %v", of, got)
		}
	}
	if s := status(); s.Conflicts != 0 || len(s.Sources[0].Findings)+len(s.Sources[1].Findings) != 1 {
		t.Errorf("R9: the status counts who is protected: %+v", s)
	}
}
