package service

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

func TestLifecycleIsWhatTheDocumentSays(t *testing.T) {
	d, err := tenant.Parse([]byte(`
tenant: lund
pepper: env:PEPPER
quiet: ["06-10..08-20"]
schoolYear: 08-10
links:
  - target: a
    gap: 3d
    lead: 10d
    linger: 7d
    leave: [{after: 5d, do: delete}]
    lifecycles: [{role: staff, linger: 0d, leave: [{after: 1d, do: disable}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	own := []target.Stage{{After: 5, Do: target.DeleteStep}}
	want := target.Lifecycle{
		Gap: 3, Lead: 10, Linger: 7, Stages: own,
		Quiet: []target.Season{{From: target.Day{Month: time.June, Day: 10}, To: target.Day{Month: time.August, Day: 20}}},
		Rules: []target.Rule{
			{For: target.Capacity{Role: roster.RoleStaff}, Gap: 3, Lead: 10, Stages: []target.Stage{{After: 1, Do: target.DisableStep}}},
			{For: target.Capacity{Role: roster.RolePupil, Form: roster.SchoolVUX}, Gap: 60, Lead: 10, Linger: 7, Stages: own},
		},
	}
	if diff := cmp.Diff(want, lifecycle(d, d.Links[0])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for day, want := range map[roster.Date]string{2026_08_09: "2025/2026", 2026_08_10: "2026/2027"} {
		if got := schoolYear(d)(day); got != want {
			t.Errorf("%s is in %s, want %s", day, got, want)
		}
	}
}
