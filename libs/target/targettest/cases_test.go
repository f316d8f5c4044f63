package targettest_test

import (
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance/golden"
	"eventful.se/ess/libs/target/targettest"
)

// TestFakeCases runs golden cases in a folder that TestACaseCanFail has planted.
func TestFakeCases(t *testing.T) {
	u := (&fake{broken: golden.Planted(t), deadline: time.Second}).under()
	targettest.Cases(t, u.Connector, func(t *testing.T) (targettest.Peer, map[string]string) {
		p, settings := u.Peer(t)
		return p, map[string]string{"peer": strings.TrimPrefix(settings, "peer: ")}
	})
}

func TestACaseCanFail(t *testing.T) {
	const school = `organisations: [{id: north, displayName: Norra}]
persons:
  - {id: anna, givenName: Anna, familyName: Provsson, personas: [{role: pupil, username: annpro}], enrolments: [{enroledAt: north}]}
  - {id: bo, givenName: Bo, familyName: Provsson, personas: [{role: pupil, username: bopro}], enrolments: [{enroledAt: north}]}
  - {id: cia, givenName: Cia, familyName: Provsson, personas: [{role: pupil, username: ciapro}], securityMarking: Ingen, enrolments: [{enroledAt: north}]}
groups: [{id: 7a, displayName: 7A, groupType: Klass, organisation: north, groupMemberships: [{person: anna, role: pupil}, {person: bo, role: pupil}]}]
`
	plot := golden.Plot{Test: "TestFakeCases", Dir: t.TempDir()}
	plot.Write(t, "october/settings.yaml", "peer: ${peer}\n")
	plot.Write(t, "october/before.yaml", "today: 2026-10-01\n"+school)
	anna, rest, _ := strings.Cut(school, "  - {id: bo,")
	_, cia, _ := strings.Cut(rest, "\n")
	plot.Write(t, "october/roster.yaml", "today: 2026-10-14\n"+strings.NewReplacer("Anna,", "Annika,", "Ingen", "Sekretessmarkering").Replace(anna+cia))
	plot.Catches(t, "october", "resource: user/anna", "Annika", "members", "- user/anna", "state: applied", "code: leaving",
		`since: "2026-10-14"`, "disabled: true", "state: contained")
	plot.Shows(t, map[string]string{
		"says that it did and did not": "Annika",
		"shows who is protected":       "ciapro",
		"lists one page":               "", // which no case asks for
	})
	for roster, says := range map[string]string{
		"organisations: [{id: north, label: Norra}]\n": "label",
		school: "write today",
		"today: 2026-10-14\norganisations: [{id: north}, {id: north}]\n": "twice",
		"today: 2026-10-14\norganisations: [{displayName: Norra}]\n":     "without id",
	} {
		plot.Write(t, "october/roster.yaml", roster)
		if passed, printed := plot.Run(t, ""); passed || !strings.Contains(printed, says) {
			t.Errorf("passed is %v, want it to say %q; it printed\n%s", passed, says, printed)
		}
	}
}
