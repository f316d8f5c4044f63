package fact_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
)

func TestReport(t *testing.T) {
	res := assemble(t, options(t),
		doc("u1", fact.Unit{ID: "u1", Name: "Norra skolan"}), doc("u2", fact.Unit{ID: "u2", Name: "Södra skolan"}),
		doc("1", fact.Person{ID: "1", CivicNo: pnr(1), GivenName: "Testa", Email: "testa@example.org"},
			fact.Enrolment{Person: "1", Unit: "u1", Start: "2025-08-01", End: "2026-06-01"}, fact.Enrolment{Person: "1", Unit: "u1", Start: "2026-08-01"}, fact.Duty{Person: "1", Unit: "u2"}),
		doc("2", fact.Person{ID: "2", GivenName: "Olof"}),
		doc("3", fact.Person{ID: "3", GivenName: "Okänd", Marking: "Sekretessmarkering"}, fact.Enrolment{Person: "3", Unit: "u1"}),
		doc("g1", fact.Group{ID: "g1", Name: "7a", Type: "Klass", Unit: "u1"}, fact.Member{Group: "g1", Person: "1"}, fact.Member{Group: "g1", Person: "3"}),
		doc("g2", fact.Group{ID: "g2", Name: "7b", Type: "Klass", Unit: "u1"}, fact.Member{Group: "g2", Person: "3"}, fact.Member{Group: "g2", Person: "nobody"}),
	)
	r := fact.NewReport(res)
	for i := range r.Units {
		r.Units[i].Key = [16]byte{}
	}
	want := fact.Report{
		Units:   []fact.UnitReport{{Name: "Norra skolan", Pupils: 1, Groups: 2}, {Name: "Södra skolan", Staff: 1}},
		Groups:  []fact.GroupReport{{Type: "Klass", Groups: 2, Members: 1, Empty: 1}},
		Persons: 2, NoEmail: 1, NoNumber: 1, NoUnit: 1, Findings: fact.Totals(res.Findings),
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
	for l, words := range map[reason.Language]string{reason.Swedish: "utan e-post", reason.English: "without e-mail"} {
		text := r.Text(l)
		if !strings.Contains(text, words) || !strings.Contains(text, "Norra skolan") || !strings.Contains(text, "(line of g2)") {
			t.Errorf("%s:\n%s", l, text)
		}
		for _, secret := range []string{"Testa", "Olof", "example.org", pnr(1)} {
			if strings.Contains(text, secret) {
				t.Errorf("%q stands in the report", secret)
			}
		}
	}
	t.Log("\n" + r.Text(reason.Swedish))
}
