package tenant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
)

const calendar = `
tenant: lund
pepper: env:PEPPER
links:
  - target: a
`

func TestWhatALifecycleLeavesOutComesFromTheNextWiderOne(t *testing.T) {
	own := "0d 0d 0d 0d:leaveGroups 30d:disable 180d:delete"
	for name, c := range map[string]struct {
		link string
		want map[string]string // by role and school form
	}{
		"nothing said":               {"", map[string]string{"pupil/VUX": "60d 0d 0d " + strings.TrimPrefix(own, "0d 0d 0d ")}},
		"a gap of the link, shorter": {"    gap: 14d\n    lead: 3d\n", map[string]string{"pupil/VUX": "60d 3d 0d 0d:leaveGroups 30d:disable 180d:delete"}},
		"a gap of the link, longer":  {"    gap: 90d\n", map[string]string{"pupil/VUX": "90d 0d 0d 0d:leaveGroups 30d:disable 180d:delete"}},
		"a gap of pupils": {"    lifecycles: [{role: pupil, gap: 5d, lead: 7d}]\n", map[string]string{
			"pupil/": "5d 7d 0d 0d:leaveGroups 30d:disable 180d:delete", "pupil/VUX": "5d 7d 0d 0d:leaveGroups 30d:disable 180d:delete",
		}},
		"pupils without a gap": {"    lifecycles: [{role: pupil, linger: 7d}]\n", map[string]string{
			"pupil/": "0d 0d 7d 0d:leaveGroups 30d:disable 180d:delete", "pupil/VUX": "60d 0d 7d 0d:leaveGroups 30d:disable 180d:delete",
		}},
		"a chain": {`    linger: 1d
    lifecycles:
      - {schoolForm: VUXSFI, linger: 2d}
      - {schoolForm: GR, leave: [{after: 1d, do: delete}]}
      - {role: staff, leave: [{after: 9d, do: disable}]}
      - {schoolForm: VUX, gap: 0d, leave: [{after: 2d, do: delete}]}
      - {role: pupil, lead: 4d}
`, map[string]string{
			"pupil/": "0d 4d 1d 0d:leaveGroups 30d:disable 180d:delete", "pupil/GR": "0d 4d 1d 1d:delete", "staff/": "0d 0d 1d 9d:disable",
			"pupil/VUX": "0d 4d 1d 2d:delete", "pupil/VUXSFI": "0d 4d 2d 2d:delete",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Parse([]byte(calendar + c.link))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, l := range d.Links[0].Complete() {
				text := fmt.Sprintf("%dd %dd %dd", *l.Gap, *l.Lead, *l.Linger)
				for _, s := range l.Leave {
					text += fmt.Sprintf(" %dd:%s", s.After, s.Do)
				}
				got[fmt.Sprintf("%s/%s", l.Role, l.SchoolForm)] = text
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got\n%v\nwant\n%v", got, c.want)
			}
			if again := d.Links[0].Complete(); len(again) != len(got) || again[0].SchoolForm != "" && len(got) > 1 {
				t.Errorf("asked twice: %v", again)
			}
		})
	}
}

func TestSchoolYear(t *testing.T) {
	for text, want := range map[string]Day{"": {time.July, 1}, "schoolYear: 08-10\n": {time.August, 10}, `schoolYear: "06-15"` + "\n": {time.June, 15}} {
		d, err := Parse([]byte("tenant: lund\npepper: env:PEPPER\n" + text))
		if err != nil || d.SchoolYear != want {
			t.Errorf("%q: %v, %v, want %v", text, d, err, want)
		}
	}
	if text, err := (Day{time.August, 1}).MarshalText(); string(text) != "08-01" || err != nil {
		t.Errorf("written %s, %v", text, err)
	}
}

func TestCalendarSaysEverythingThatIsWrong(t *testing.T) {
	_, err := Parse([]byte(calendar + `    leave: []
    lifecycles:
      - {gap: 1d}
      - {role: guardian}
      - {role: staff, schoolForm: GR}
      - {role: pupil, schoolForm: grundskola}
      - {role: pupil, schoolForm: GY, leave: []}
      - {schoolForm: GY}
      - {role: staff, leave: [{after: 3d, do: delete}, {after: 1d, do: disable}]}
`))
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		"links[0].leave: has no stage", "links[0].lifecycles[0]: names neither", `links[0].lifecycles[1].role: "guardian"`,
		"links[0].lifecycles[2].schoolForm: staff have", `links[0].lifecycles[3].schoolForm: "grundskola"`,
		"links[0].lifecycles[4].leave: has no stage", "links[0].lifecycles[5]: is there twice", "links[0].lifecycles[6].leave[1]: stands after",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	for _, bad := range []string{"schoolYear: 02-29\n", "schoolYear: 1 juli\n", "quiet: [06-10]\n"} {
		if _, err := Parse([]byte("tenant: lund\npepper: env:PEPPER\n" + bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if roster.SchoolVUXGY.Komvux() != true || roster.SchoolSFI.Komvux() != true || roster.SchoolGY.Komvux() || roster.SchoolYH.Komvux() {
		t.Error("komvux is other school forms")
	}
}
