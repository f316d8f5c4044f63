package conformance_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/conformance"
)

// A suite of its own, in a process of its own: what its report says, and that a failure is one.
func TestTheReportSaysWhatTheCasesSaw(t *testing.T) {
	if conformance.Planted() != "" {
		s := conformance.New(t, "source-x", "nothing")
		s.Case("what holds", conformance.Complete, func(*testing.T) {})
		s.Case("what is ruled out", conformance.Delta, func(t *testing.T) { s.DoesNotApply(t, "x reads %s", "everything") })
		s.Case("what holds in part", conformance.Checks, func(t *testing.T) {
			t.Run("cut", func(*testing.T) {})
			t.Run("hang", func(t *testing.T) { s.DoesNotApply(t, "x cannot hang") })
		})
		s.Case("what holds in no part", conformance.Partial, func(t *testing.T) {
			for _, why := range []string{"x has no rows", "x has no rows", "x takes no calls"} {
				t.Run("a part", func(t *testing.T) { s.DoesNotApply(t, "%s", why) })
			}
			s.NoPartApplies(t)
		})
		s.Case("what is ruled out for no reason", conformance.Delta, func(t *testing.T) { s.DoesNotApply(t, "%s", " ") })
		s.Case("what does not hold", conformance.Complete, func(t *testing.T) { t.Fatal("one is missing") })
		return
	}
	got, printed := conformance.RunPlanted(t, "TestTheReportSaysWhatTheCasesSaw", "a failure")
	want := conformance.Report{Connector: "source-x", Against: "nothing", Cases: []conformance.Case{
		{Name: "what holds", Guarantee: conformance.Complete, Outcome: conformance.Proved},
		{Name: "what is ruled out", Guarantee: conformance.Delta, Outcome: conformance.DoesNotApply, Why: "x reads everything"},
		{
			Name: "what holds in part", Guarantee: conformance.Checks, Outcome: conformance.Proved,
			Without: []conformance.Part{{Name: "hang", Why: "x cannot hang"}},
		},
		{Name: "what holds in no part", Guarantee: conformance.Partial, Outcome: conformance.DoesNotApply, Why: "x has no rows; x takes no calls"},
		{Name: "what is ruled out for no reason", Guarantee: conformance.Delta, Outcome: conformance.Failed},
		{Name: "what does not hold", Guarantee: conformance.Complete, Outcome: conformance.Failed},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !strings.Contains(printed, "one is missing") || !strings.Contains(printed, "does not apply: x reads everything") {
		t.Errorf("it printed:\n%s", printed)
	}
	if n := got.Skips(); n != 3 {
		t.Errorf("%d skips are counted, want 3", n)
	}
	for g, want := range map[conformance.Guarantee]conformance.Outcome{
		conformance.Complete: conformance.Failed, conformance.Delta: conformance.Failed, conformance.Partial: conformance.DoesNotApply, conformance.Checks: conformance.Proved, conformance.Erases: "",
	} {
		if o, _, tried := got.Of(g); o != want || tried != (want != "") {
			t.Errorf("%s is %q, want %q", g, o, want)
		}
	}
}

func TestEveryGuaranteeSaysWhatItIs(t *testing.T) {
	seen := map[string]bool{"": true}
	for _, g := range conformance.Guarantees() {
		if seen[g.Promise()] || seen[string(g)] {
			t.Errorf("%q is promised as %q: want every word and every promise once", g, g.Promise())
		}
		seen[g.Promise()], seen[string(g)] = true, true
	}
	if conformance.Guarantee("speed").Promise() != "" {
		t.Error("what is no guarantee promises something")
	}
}
