package tenant

import (
	"encoding"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"eventful.se/ess/libs/roster"
)

// The steps of leaving.
const (
	LeaveGroups = "leaveGroups"
	Disable     = "disable"
	Move        = "move"
	Delete      = "delete"
)

// Days is a number of days, written 30d.
type Days int

// UnmarshalText reads 30d.
func (d *Days) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimSuffix(string(text), "d"))
	if err != nil || n < 0 || !strings.HasSuffix(string(text), "d") {
		return fmt.Errorf("%q is not a number of days: write for example 30d", text)
	}
	*d = Days(n)
	return nil
}

// UnmarshalYAML reads 30d, and says where what is none stands.
func (d *Days) UnmarshalYAML(n ast.Node) error { return scalar(n, d) }

// MarshalText writes 30d.
func (d Days) MarshalText() ([]byte, error) { return []byte(strconv.Itoa(int(d)) + "d"), nil }

// Season is a span of days of every year, both ends included, written 06-10..08-20. It may span the turn of the year.
type Season struct{ From, To Day }

// Day is a day of every year, written 07-01.
type Day struct {
	Month time.Month
	Day   int
}

// UnmarshalText reads 07-01.
func (d *Day) UnmarshalText(text []byte) (err error) {
	if *d, err = parseDay(string(text)); err != nil {
		return fmt.Errorf("%q is not a day of every year: write for example 07-01", text)
	}
	return nil
}

// UnmarshalYAML reads 07-01, and says where what is none stands.
func (d *Day) UnmarshalYAML(n ast.Node) error { return scalar(n, d) }

// MarshalText writes 07-01.
func (d Day) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%02d-%02d", int(d.Month), d.Day), nil
}

// UnmarshalText reads 06-10..08-20.
func (s *Season) UnmarshalText(text []byte) error {
	from, to, ok := strings.Cut(string(text), "..")
	a, errA := parseDay(from)
	b, errB := parseDay(to)
	if !ok || errA != nil || errB != nil {
		return fmt.Errorf("%q is not a span of days: write for example 06-10..08-20", text)
	}
	s.From, s.To = a, b
	return nil
}

// UnmarshalYAML reads 06-10..08-20, and says where what is none stands.
func (s *Season) UnmarshalYAML(n ast.Node) error { return scalar(n, s) }

// MarshalText writes 06-10..08-20.
func (s Season) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%02d-%02d..%02d-%02d", int(s.From.Month), s.From.Day, int(s.To.Month), s.To.Day), nil
}

// scalar reads a value that is one text. Its error has the place, which the decoder gives to errors of its own only.
func scalar(n ast.Node, into encoding.TextUnmarshaler) error {
	if a, ok := n.(*ast.AnchorNode); ok {
		n = a.Value
	}
	at := n.GetToken()
	if err := into.UnmarshalText([]byte(at.Value)); err != nil {
		return fmt.Errorf("line %d, column %d: %w", at.Position.Line, at.Position.Column, err)
	}
	return nil
}

// parseDay reads MM-DD of a year that is no leap year: 29 February would be a day of some years only.
func parseDay(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, "2001-"+text)
	return Day{t.Month(), t.Day()}, err
}

// Lifecycle is what holds for some persons of a link in place of what the link says itself.
type Lifecycle struct {
	Role       roster.Role       `yaml:"role"`       // pupil or staff; pupil where only a school form is named
	SchoolForm roster.SchoolType `yaml:"schoolForm"` // by its code; VUX covers every form of komvux
	// What is left out comes from the next wider one: that of the whole of komvux, of the role, of the link.
	Gap    *Days   `yaml:"gap"`
	Lead   *Days   `yaml:"lead"`
	Linger *Days   `yaml:"linger"`
	Leave  []Stage `yaml:"leave"`
}

// komvuxGap is how long a pupil of komvux may be between two courses where nothing is said of pupils' gaps.
const komvuxGap = 60

// Complete returns the lifecycles of the link with nothing left out, the wider ones first, and with the one of komvux,
// which is there also when nobody wrote it.
func (l Link) Complete() []Lifecycle {
	list := slices.Clone(l.Lifecycles)
	find := func(form roster.SchoolType) int {
		return slices.IndexFunc(list, func(c Lifecycle) bool { return c.role() == roster.RolePupil && c.SchoolForm == form })
	}
	komvux, pupil := find(roster.SchoolVUX), find("")
	if komvux < 0 {
		komvux, list = len(list), append(list, Lifecycle{SchoolForm: roster.SchoolVUX})
	}
	if list[komvux].Gap == nil && (pupil < 0 || list[pupil].Gap == nil) {
		gap := max(l.Gap, komvuxGap)
		list[komvux].Gap = &gap
	}
	for i := range list {
		list[i].Role = list[i].role()
	}
	slices.SortStableFunc(list, func(a, b Lifecycle) int { return a.width() - b.width() })
	for i := range list {
		wider := Lifecycle{Gap: &l.Gap, Lead: &l.Lead, Linger: &l.Linger, Leave: l.Leave}
		for _, w := range list[:i] {
			if w.Role == list[i].Role && (w.SchoolForm == "" || w.SchoolForm == roster.SchoolVUX && list[i].SchoolForm.Komvux()) {
				wider = w
			}
		}
		list[i].inherit(wider)
	}
	return list
}

func (c Lifecycle) role() roster.Role {
	if c.Role == roster.RoleNone && c.SchoolForm != "" {
		return roster.RolePupil
	}
	return c.Role
}

// width orders lifecycles: those of a role, that of komvux, those of one school form.
func (c Lifecycle) width() int {
	switch c.SchoolForm {
	case "":
		return 0
	case roster.SchoolVUX:
		return 1
	default:
		return 2
	}
}

func (c *Lifecycle) inherit(from Lifecycle) {
	for _, x := range []struct{ to, from **Days }{{&c.Gap, &from.Gap}, {&c.Lead, &from.Lead}, {&c.Linger, &from.Linger}} {
		if *x.to == nil {
			*x.to = *x.from
		}
	}
	if c.Leave == nil {
		c.Leave = from.Leave
	}
}

func (l Link) validateLifecycles(p Problems) {
	validateLeave(p.At("leave"), l.Leave)
	type of struct {
		role roster.Role
		form roster.SchoolType
	}
	seen := map[of]bool{}
	for i, c := range l.Lifecycles {
		at := p.At("lifecycles[%d]", i)
		known, ok := roster.ParseSchoolType(string(c.SchoolForm), nil)
		switch {
		case c.Role == roster.RoleNone && c.SchoolForm == "":
			at.Add("names neither role nor schoolForm: write what holds for everybody into the link itself")
		case c.Role != roster.RoleNone && c.Role != roster.RolePupil && c.Role != roster.RoleStaff:
			at.At("role").Add("%q is not a role: write pupil or staff", c.Role)
		case c.Role == roster.RoleStaff && c.SchoolForm != "":
			at.At("schoolForm").Add("staff have no school form: leave it out")
		case c.SchoolForm != "" && (!ok || known != c.SchoolForm):
			at.At("schoolForm").Add("%q is not the code of a school form: write for example GR, GY or VUX", c.SchoolForm)
		case seen[of{c.role(), c.SchoolForm}]:
			at.Add("is there twice: write all of it in one place")
		}
		seen[of{c.role(), c.SchoolForm}] = true
		if c.Leave != nil {
			validateLeave(at.At("leave"), c.Leave)
		}
	}
}

// validateLeave checks the stages of leaving. None at all would take everything away at once.
func validateLeave(p Problems, stages []Stage) {
	if len(stages) == 0 {
		p.Add("has no stage: leave it out for the usual ones, or write [{after: 0d, do: leaveGroups}] where accounts stay for good")
	}
	steps := []string{LeaveGroups, Disable, Move, Delete}
	last := Stage{Do: LeaveGroups}
	for i, s := range stages {
		at := p.At("[%d]", i)
		switch harsher := slices.Index(steps, s.Do); {
		case harsher < 0:
			at.At("do").Add("%q is not a step: write leaveGroups, disable, move or delete", s.Do)
		case s.After < last.After || harsher < slices.Index(steps, last.Do):
			at.Add("stands after a later or harsher stage: write them in the order in which they come")
		default:
			last = s
		}
	}
}
