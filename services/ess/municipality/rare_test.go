package municipality

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/roster"
	_ "eventful.se/ess/libs/testbed/underrace"
)

func (m *Municipality) person(id string) *Person {
	return &m.Persons[slices.IndexFunc(m.Persons, func(p Person) bool { return p.ID == id })]
}

func TestRareMutationsChangeWhatTheySayAndNothingElse(t *testing.T) {
	onePerson := func(c Change) changes {
		return changes{Persons: []string{c.Person}, Groups: slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.From, c.To))))}
	}
	groups := func(c Change) changes { return changes{Groups: c.Groups} }
	marked := func(m *Municipality) (n int) {
		for i := range m.Persons {
			if m.Persons[i].Marking.Protects() {
				n++
			}
		}
		return n
	}
	for _, tt := range []mutationTest{
		{name: "leave by date", mutate: (*Municipality).LeaveByDate, want: onePerson, check: func(t *rapid.T, before, after *Municipality, c Change) {
			e := after.person(c.Person).Enrolments[0]
			if e.End < after.Day || e.End >= after.Day.AddDays(14) {
				t.Errorf("%s: the end is %s", c, e.End)
			}
			for _, p := range after.Active(e.End.AddDays(1)).Pupils {
				if p.ID == c.Person {
					t.Errorf("%s: still there on the day after", c)
				}
			}
		}},
		{name: "change school", mutate: (*Municipality).ChangeSchool, want: onePerson, check: func(t *rapid.T, before, after *Municipality, c Change) {
			p := after.person(c.Person)
			first, second := p.Enrolments[0], p.Enrolments[1]
			if first.Unit == second.Unit || first.End != after.Day || second.Start <= after.Day || second.Start > after.Day.AddDays(3) ||
				second.Start.Start().Weekday()%6 == 0 {
				t.Errorf("%s: from %v to %v", c, first, second)
			}
		}},
		{name: "change number", mutate: (*Municipality).ChangeNumber, want: onePerson, check: func(t *rapid.T, before, after *Municipality, c Change) {
			was, is := *before.person(c.Person), *after.person(c.Person)
			old, now := roster.ParseCivicNo(was.CivicNo.Reveal(), after.Day), roster.ParseCivicNo(is.CivicNo.Reveal(), after.Day)
			if old.Kind() == roster.Personnummer || now.Kind() != roster.Personnummer || old.Born() != now.Born() || now.Born().IsOpen() {
				t.Errorf("%s: from a %s to a %s", c, old.Kind(), now.Kind())
			}
			was.CivicNo, was.Cases = is.CivicNo, is.Cases
			if !cmp.Equal(was, is) {
				t.Errorf("%s: more than the number is another", c)
			}
		}},
		{name: "protect", mutate: (*Municipality).Protect, want: onePerson, check: func(t *rapid.T, before, after *Municipality, c Change) {
			if !after.person(c.Person).Marking.Protects() || marked(after) != marked(before)+1 {
				t.Errorf("%s: %d are", c, marked(after))
			}
		}},
		{
			name: "unprotect", want: func(c Change) changes { return changes{} },
			mutate: func(m *Municipality) (Change, error) {
				was, err := m.Protect()
				if err != nil {
					return was, err
				}
				is, err := m.Unprotect()
				if was.Person != is.Person {
					return is, errors.New("another person is no longer protected")
				}
				return is, err
			},
			check: func(t *rapid.T, before, after *Municipality, c Change) {},
		},
		{
			name: "staff join", mutate: (*Municipality).JoinStaff,
			want: func(c Change) changes { return changes{Added: []string{c.Person}, Groups: c.To} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				if d := after.person(c.Person).Duties; len(d) != 1 || d[0].Start != after.Day || d[0].Unit != c.Units[0] {
					t.Errorf("%s: the duties are %v", c, d)
				}
			},
		},
		{
			name: "staff leave", mutate: (*Municipality).LeaveStaff,
			want: func(c Change) changes { return changes{Removed: []string{c.Person}, Groups: c.From} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				if n := len(before.Active(before.Day).Staff) - len(after.Active(after.Day).Staff); n != 1 {
					t.Errorf("%s: %d fewer, want 1", c, n)
				}
			},
		},
		{name: "staff leave by date", mutate: (*Municipality).LeaveStaffByDate, want: onePerson, check: func(t *rapid.T, before, after *Municipality, c Change) {
			last := after.person(c.Person).Duties[0].End
			led := func(day roster.Date) (n int) {
				for _, g := range after.Active(day).Groups {
					if slices.Contains(g.Teachers, c.Person) || slices.Contains(g.Mentors, c.Person) {
						n++
					}
				}
				return n
			}
			if last < after.Day || last >= after.Day.AddDays(14) || led(last.AddDays(1)) > 0 {
				t.Errorf("%s: the end is %s, and %d groups are led after it", c, last, led(last.AddDays(1)))
			}
		}},
		{name: "staff move", mutate: (*Municipality).MoveStaff, want: onePerson, check: func(t *rapid.T, before, after *Municipality, c Change) {
			d := after.person(c.Person).Duties
			if len(d) != 2 || d[0].Unit == d[1].Unit || d[0].End != after.Day || d[1].Start <= after.Day || !d[1].End.IsOpen() || d[0].Role != d[1].Role {
				t.Errorf("%s: the duties are %v", c, d)
			}
		}},
		{name: "change role", mutate: (*Municipality).ChangeRole, want: onePerson, check: func(t *rapid.T, before, after *Municipality, c Change) {
			if was, is := before.person(c.Person).Duties[0], after.person(c.Person).Duties[0]; was.Role == is.Role || was.Unit != is.Unit || was.Start != is.Start {
				t.Errorf("%s: from %v to %v", c, was, is)
			}
		}},
		{name: "rename class", mutate: (*Municipality).RenameClass, want: groups, check: func(t *rapid.T, before, after *Municipality, c Change) {
			for i := range before.Groups {
				was, is := before.Groups[i], after.Groups[i]
				if was.ID == c.Groups[0] && (was.Kind != Class || was.Name == is.Name || was.Name[:1] != is.Name[:1]) {
					t.Errorf("%s: %s is %s", c, was.Name, is.Name)
				}
			}
		}},
		{name: "reuse an id", mutate: (*Municipality).ReuseGroupID, want: groups, check: func(t *rapid.T, before, after *Municipality, c Change) {
			for _, id := range c.Groups {
				byID := func(m *Municipality) *Group {
					return &m.Groups[slices.IndexFunc(m.Groups, func(g Group) bool { return g.ID == id })]
				}
				was, is := byID(before), byID(after)
				if was.Unit != is.Unit || was.Kind != is.Kind || 5*shared(was, is) > 2*len(was.learners()) {
					t.Errorf("%s: %d of %d pupils are the same", c, shared(was, is), len(was.learners()))
				}
			}
		}},
		{
			name: "merge a school", mutate: (*Municipality).MergeSchool,
			want: func(c Change) changes { return changes{Persons: c.Persons, Groups: c.Groups} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				if len(after.Units) != len(before.Units)-1 || len(c.Persons) == 0 || c.Units[0] == c.Units[1] ||
					slices.ContainsFunc(after.Units, func(u Unit) bool { return u.ID == c.Units[0] }) {
					t.Errorf("%s: %d units are %d", c, len(before.Units), len(after.Units))
				}
				// Nobody is out for it, and no place in a group is lost.
				was, is := before.Active(before.Day), after.Active(after.Day)
				if len(was.Pupils) != len(is.Pupils) || len(was.Staff) != len(is.Staff) {
					t.Errorf("%s: %d pupils are %d", c, len(was.Pupils), len(is.Pupils))
				}
				for i := range was.Groups {
					was.Groups[i].Unit = is.Groups[i].Unit
				}
				if diff := cmp.Diff(was.Groups, is.Groups); diff != "" {
					t.Errorf("%s: groups are others (-was +is):\n%s", c, diff)
				}
			},
		},
		{name: "July", mutate: (*Municipality).JulyEmpties, want: groups, check: func(t *rapid.T, before, after *Municipality, c Change) {
			for i := range after.Groups {
				if g := &after.Groups[i]; g.Kind != Teaching && slices.ContainsFunc(g.Members, func(x Member) bool { return x.Role == Learner }) {
					t.Errorf("%s has learners", g.ID)
				}
			}
		}},
		{
			name: "many leave", mutate: ManyLeave(5),
			want: func(c Change) changes { return changes{Removed: c.Persons, Groups: c.Groups} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				if len(c.Persons) != 5 {
					t.Errorf("%d left, want 5", len(c.Persons))
				}
			},
		},
		{
			name: "these leave",
			mutate: func(m *Municipality) (Change, error) {
				last := m.Persons[len(m.Persons)-1]
				return TheseLeave(last.ID, "nobody")(m)
			},
			want: func(c Change) changes { return changes{Removed: c.Persons, Groups: c.Groups} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				if len(c.Persons) != 1 || c.Persons[0] != before.Persons[len(before.Persons)-1].ID {
					t.Errorf("%v left", c.Persons)
				}
			},
		},
		{
			name: "blank e-mails", mutate: BlankEmails(.03), unsound: true,
			want: func(c Change) changes { return changes{Persons: c.Persons} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				with := 0
				for i := range before.Persons {
					if before.Persons[i].Email != "" {
						with++
					}
				}
				if want := int(math.Ceil(.03 * float64(with))); len(c.Persons) != want {
					t.Errorf("%d of %d lost their address, want %d", len(c.Persons), with, want)
				}
				for _, id := range c.Persons {
					if after.person(id).Email != "" {
						t.Errorf("%s has an address", id)
					}
				}
			},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

// A turn that comes at any time leaves a sound municipality, and so does a second one on the same day.
func TestTheYearTurnsAtAnyTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := draw(t)
		for range 2 {
			before := m.Clone()
			c, err := m.AugustTurn()
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range unsound(m) {
				t.Error(problem)
			}
			for _, id := range otherwise(before, m) {
				if !slices.Contains(c.Persons, id) && !slices.Contains(c.Groups, id) {
					t.Errorf("%s is otherwise, and the change does not say so", id)
				}
			}
			if rapid.Bool().Draw(t, "July") {
				if _, err := m.JulyEmpties(); err != nil && !errors.Is(err, ErrNobody) {
					t.Fatal(err)
				}
			}
		}
	})
}

// Over a weekend a pupil who changes school is enrolled nowhere.
func TestAPupilChangesSchoolOverAWeekend(t *testing.T) {
	m := New(Options{Pupils: 300, Seed: 1, Shape: ShapeSchools, Day: 20260918})
	c, err := m.ChangeSchool()
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[roster.Date]string{20260918: c.Units[0], 20260919: "", 20260920: "", 20260921: c.Units[1]} {
		got := ""
		for _, p := range m.Active(day).Pupils {
			if p.ID == c.Person {
				got = m.Units[slices.IndexFunc(m.Units, func(u Unit) bool { return u.Name == p.Units[0] })].ID
			}
		}
		if got != want {
			t.Errorf("on %s the pupil is at %q, want %q", day, got, want)
		}
	}
	if len(c.To) == 0 || len(c.From) == 0 {
		t.Errorf("%s, out of %s and into %s", c, c.From, c.To)
	}
}

// Whole classes leave before anyone else does.
func TestManyLeaveClassByClass(t *testing.T) {
	m := New(Options{Pupils: 2000, Seed: 1, Shape: ShapeSchools})
	before := classes(m.Clone())
	sizes := map[string]int{}
	for id, g := range before {
		sizes[id] = len(g.learners())
	}
	c, err := ManyLeave(300)(m)
	if err != nil || len(c.Persons) != 300 {
		t.Fatalf("%d left: %v", len(c.Persons), err)
	}
	hit := 0
	for id, g := range classes(m) {
		if len(g.learners()) < sizes[id] {
			hit++
		}
	}
	if hit > 20 {
		t.Errorf("300 pupils left %d classes", hit)
	}
	if _, err := ManyLeave(2000)(m); !errors.Is(err, ErrNobody) {
		t.Errorf("error %v, want %v", err, ErrNobody)
	}
}

// The product's reader finds the mark where the profile says, on everyone; and no trace of who is left out.
func TestReaderFindsTheMark(t *testing.T) {
	for protected, want := range map[Protected][3]int{ // marked Ingen, marked otherwise, fewer persons
		ProtectedNone: {0, 0, 0}, ProtectedFlag: {1, 5, 0}, ProtectedOmits: {0, 0, 5},
	} {
		t.Run(string(protected), func(t *testing.T) {
			m := New(Options{Pupils: 200, Seed: 3, Shape: ShapeSchools, Protected: protected})
			for range 5 {
				if _, err := m.Protect(); err != nil {
					t.Fatal(err)
				}
			}
			profile := ims.Alvis()
			profile.SecurityMarking = "extension/securitymarking"
			marks, persons := map[string]int{}, 0
			sum, err := ims.Read(context.Background(), bytes.NewReader(write(t, m, IMSOptions{})), ims.Options{Profile: profile, File: "x.xml"}, func(d fact.Doc) error {
				for _, f := range d.Facts {
					if p, ok := f.(fact.Person); ok {
						persons++
						marks[p.Marking]++
						if protects := roster.SecurityMarking(p.Marking).Protects(); protects != (protected == ProtectedFlag && m.person(p.ID).Marking.Protects()) {
							t.Errorf("%s is marked %q", p.ID, p.Marking)
						}
					}
				}
				return nil
			})
			if err != nil || len(sum.Findings) > 0 {
				t.Fatalf("%v %v", err, sum.Findings)
			}
			none := marks[string(roster.MarkingNone)]
			other := persons - none - marks[""]
			if min(none, 1) != want[0] || other != want[1] || len(m.Persons)-persons != want[2] || none > 0 && marks[""] > 0 {
				t.Errorf("of %d persons %d are in the document, marked %v", len(m.Persons), persons, marks)
			}
		})
	}
}

func TestBadExports(t *testing.T) {
	m := New(Options{Pupils: 400, Seed: 2})
	before := digest(t, m)
	part, empty := m.Part(.4), m.Empty()
	if got, want := len(part.Persons), len(m.Persons)-len(m.Persons)*4/10; got != want || len(part.Groups) != len(m.Groups) {
		t.Errorf("a part has %d persons, want %d", got, want)
	}
	if problems := unsound(part); len(problems) > 0 {
		t.Error(problems)
	}
	if e := read(t, write(t, empty, IMSOptions{})); e.Type != "full" || len(e.Person)+len(e.Group)+len(e.Membership) > 0 {
		t.Error("an empty export is none, or holds something")
	}
	for _, bad := range []*Municipality{part, empty} {
		if !bad.Time.After(m.Time) {
			t.Error("a bad export is as old as the good one")
		}
	}
	if digest(t, m) != before {
		t.Error("a bad export changed the municipality")
	}
	path := filepath.Join(t.TempDir(), "x.xml")
	if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []float64{.9, .5, 0} {
		was, _ := os.ReadFile(path)
		if err := Truncate(path, keep); err != nil {
			t.Fatal(err)
		}
		if is, err := os.ReadFile(path); err != nil || len(is) != int(keep*float64(len(was))) {
			t.Errorf("%v of %d bytes are %d", keep, len(was), len(is))
		}
	}
	if err := Truncate(path+".none", 1); err == nil {
		t.Error("a file that is not there was cut")
	}
}

// Who is protected shows nowhere until the mark is gone.
func TestProtectionIsSetAndRemoved(t *testing.T) {
	m := New(Options{Pupils: 300, Seed: 1, Shape: ShapeSchools, Protected: ProtectedFlag})
	protected := map[string]bool{}
	for day := 1; day <= unprotectedOn+1; day++ {
		for _, c := range m.NextDay() {
			switch c.Kind {
			case GotProtected:
				protected[c.Person] = true
			case Unprotected:
				if !protected[c.Person] {
					t.Errorf("day %d: %s, and was not protected", day, c)
				}
				protected[c.Person] = false
			}
		}
		for _, p := range m.Active(m.Day).Pupils {
			if protected[p.ID] {
				t.Errorf("day %d: %s shows", day, p.ID)
			}
		}
		want := map[bool]int{day >= firstProtectedOn: 1}[true] + map[bool]int{day >= secondProtectedOn: 1}[true]
		if len(protected) != want {
			t.Errorf("day %d: %d have been protected, want %d", day, len(protected), want)
		}
	}
	for id, still := range protected {
		if there := slices.ContainsFunc(m.Active(m.Day).Pupils, func(p ActivePerson) bool { return p.ID == id }); there == still {
			t.Errorf("%s shows: %t", id, there)
		}
	}
}

func TestWhoReturnsIsAsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := draw(t)
		before := m.Clone()
		left, err := m.Leave()
		if errors.Is(err, ErrNobody) {
			t.Skip("does not apply: nobody can leave")
		}
		back := Return(before.Clone(), left.Person)
		c, err := back(m)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(left.From, c.To); d != "" {
			t.Errorf("other groups than those that the pupil left:\n%s", d)
		}
		for _, x := range []*Municipality{before, m} {
			for i := range x.Groups {
				slices.SortFunc(x.Groups[i].Members, func(a, b Member) int { return strings.Compare(a.Person, b.Person) })
			}
		}
		if d := compare(before, m); len(d.Added)+len(d.Removed)+len(d.Persons)+len(d.Groups) > 0 {
			t.Errorf("not as before: %+v", d)
		}
		if _, err := back(m); !errors.Is(err, ErrNobody) {
			t.Errorf("who is there comes back (%v)", err)
		}
	})
}
