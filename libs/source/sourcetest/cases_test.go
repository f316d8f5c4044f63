package sourcetest_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/conformance/golden"
	"eventful.se/ess/libs/source/sourcetest"
)

// TestClayCases runs golden cases in a folder that TestACaseCanFail has planted.
func TestClayCases(t *testing.T) {
	c := newClay(golden.Planted(t))
	sourcetest.Cases(t, c.under().Connector, func(*testing.T) sourcetest.Side {
		return sourcetest.Side{Values: map[string]string{"name": "clay"}, Hold: func(files string, at time.Time) error {
			data, err := os.ReadFile(filepath.Join(files, "town.yaml"))
			town := sourcetest.Town{}
			err = errors.Join(err, yaml.Unmarshal(data, &town))
			town.At = at
			return errors.Join(err, c.Hold(town))
		}}
	})
}

func TestACaseCanFail(t *testing.T) {
	const before = `units: [{id: u-1, name: Provskolan}]
persons:
  - {id: p-1, civicno: "189001019802", givenname: Testa, familyname: Åkesdotter, email: testa@elev.example, role: pupil, unit: u-1}
  - {id: p-2, civicno: "188001019812", givenname: Prova, familyname: Provsson, email: prova@elev.example, role: pupil, unit: u-1}
`
	renamed, _, _ := strings.Cut(strings.Replace(before, "Testa", "Testina", 1), "  - {id: p-2")
	input := renamed + "groups: [{id: g-1, name: 7A, unit: u-1, members: [{person: p-1, role: pupil}]}]\n"
	plot := golden.Plot{Test: "TestClayCases", Dir: t.TempDir()}
	plot.Write(t, "renamed/settings.yaml", "name: ${name}\n")
	plot.Write(t, "renamed/before/town.yaml", before)
	plot.Write(t, "renamed/input/town.yaml", input)
	plot.Catches(t, "renamed", "state: published", "group.created: 1", "person: p-1", "key: a8856fbb-5119-8d08-92d5-6896ded92649",
		"givenName: Testina", `civicNo: "189001019802"`, "enroledAt: u-1", "role: pupil", "reason: left")
	plot.Shows(t, map[string]string{
		"forgets who left":        "reason: left",
		"names people in a place": "", // which no expectation shows: where something stands is left out
	})
}
