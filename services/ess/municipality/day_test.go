package municipality

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// whole compares municipalities with all that later days depend on.
func whole() cmp.Option {
	return cmp.AllowUnexported(Municipality{}, Unit{}, unitKind{}, course{}, Group{}, numberSeries{})
}

func drawOptions(t *rapid.T) Options {
	return Options{
		Pupils:    rapid.IntRange(MinPupils, 100).Draw(t, "pupils"),
		Seed:      rapid.Uint64().Draw(t, "seed"),
		Day:       DefaultDay.AddDays(rapid.IntRange(-400, 400).Draw(t, "days")),
		Shape:     rapid.SampledFrom([]Shape{ShapeAdult, ShapeSchools}).Draw(t, "shape"),
		Protected: rapid.SampledFrom([]Protected{"", ProtectedFlag, ProtectedOmits}).Draw(t, "protected"),
		GroupIDs:  rapid.SampledFrom([]GroupIDs{"", GroupIDsStable, GroupIDsYearly, GroupIDsReused}).Draw(t, "group ids"),
	}
}

func TestDaysAddUp_R11(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(drawOptions(t))
		a, b := rapid.IntRange(0, 60).Draw(t, "a"), rapid.IntRange(0, 120).Draw(t, "b")
		before := m.Clone()
		if diff := cmp.Diff(m.After(a+b), m.After(a).After(b), whole()); diff != "" {
			t.Errorf("%d days after %d days are not %d days:\n%s", b, a, a+b, diff)
		}
		if !cmp.Equal(before, m, whole()) {
			t.Error("what was is another now")
		}
	})
}

// The digests stand here for the same reason as those of the first day.
func TestSameDaysSameBytes_R11(t *testing.T) {
	for _, tt := range []struct {
		name string
		give Options
		days int
		want string
	}{
		{"adult, a day", Options{Pupils: 300, Seed: 1}, 1, "0ead9ce266e2444277c4f71b126b90bbe486ab9e10ea69d9911ed1f7f5b08479"},
		{"adult, a year", Options{Pupils: 300, Seed: 1}, 365, "850d5fc2865fed3696f670967465c2ccc56892df85768c5ebe649fad3153e925"},
		{"schools, six days", Options{Pupils: 300, Seed: 1, Shape: ShapeSchools, Protected: ProtectedFlag}, 6, "23d14d6c454aebd5a2aa64d966efaedb0fa178fb66d266e32c532ce586f2376b"},
		{"schools, a year", Options{Pupils: 300, Seed: 2, Shape: ShapeSchools, Protected: ProtectedFlag}, 365, "d7189e98dd81326d31a53d213534b8a7babab0e061a5205a71f50108a5f3f909"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := digest(t, New(tt.give).After(tt.days)); got != tt.want {
				t.Errorf("sha256 = %s, want %s", got, tt.want)
			}
		})
	}
}

// Every day is sound, and what is otherwise than the day before is exactly what the changes of the day are about.
func TestChangesTellWhatIsOtherwise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(drawOptions(t)).After(rapid.IntRange(0, 370).Draw(t, "passed"))
		for range 3 {
			before := m.Clone()
			before.withoutCases() // which is no change of the register
			told := map[string]bool{}
			for _, c := range m.NextDay() {
				for _, ids := range [][]string{{c.Person}, c.From, c.To, c.Persons, c.Groups, c.Units} {
					for _, id := range ids {
						told[id] = true
					}
				}
				if c.String() == "" || c.String() == string(c.Kind) {
					t.Errorf("%s says nothing", c.Kind)
				}
			}
			for _, id := range otherwise(before, m) {
				if !told[id] {
					t.Errorf("%s: %s is otherwise, and no change says so", m.Day, id)
				}
			}
			if m.Day != before.Day.AddDays(1) || !m.Time.After(before.Time) {
				t.Errorf("%s is followed by %s, exported at %s and %s", before.Day, m.Day, before.Time, m.Time)
			}
			for _, problem := range unsound(m) {
				t.Errorf("%s: %s", m.Day, problem)
			}
		}
	})
}

// otherwise returns the ids of the units, persons and groups that differ.
func otherwise(before, after *Municipality) (ids []string) {
	at := func(m *Municipality) map[string]any {
		all := map[string]any{}
		for _, u := range m.Units {
			all[u.ID] = u
		}
		for _, p := range m.Persons {
			all[p.ID] = p
		}
		for _, g := range m.Groups {
			g.away, g.past = nil, false
			all[g.ID] = g
		}
		return all
	}
	was, is := at(before), at(after)
	same := func(a, b any) bool { return cmp.Equal(a, b, whole(), cmp.Comparer(sameMembers)) }
	for id, v := range was {
		if now, ok := is[id]; !ok || !same(v, now) {
			ids = append(ids, id)
		}
	}
	for id := range is {
		if _, ok := was[id]; !ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func sameMembers(a, b []Member) bool { return slices.Equal(a, b) }

// A year of days has everything in it, and leaves about as many pupils.
func TestAYearHasEverything(t *testing.T) {
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		t.Run(string(shape), func(t *testing.T) {
			m := New(Options{Pupils: 1300, Seed: 4, Shape: shape})
			seen := map[ChangeKind]int{}
			for range 365 {
				for _, c := range m.NextDay() {
					seen[c.Kind]++
				}
			}
			for _, kind := range []ChangeKind{
				Moved, Left, Leaving, Joined, Renamed, Renumbered, SchoolChanged, GotProtected, Unprotected, Extended,
				ClassRenamed, IDReused, SchoolMerged, Emptied, YearTurned, Opened, Expired, StaffJoined, StaffLeft, RoleChanged,
			} {
				if seen[kind] == 0 {
					t.Errorf("in a year nothing %s", kind)
				}
			}
			if seen[GotProtected] != 2 || seen[Unprotected] != 1 || seen[SchoolMerged] != 1 || seen[YearTurned] != 1 {
				t.Errorf("what happens once did not: %v", seen)
			}
			if n := m.Size().Pupils; n < 1170 || n > 1430 {
				t.Errorf("of 1300 pupils there are %d after a year", n)
			}
			if n := m.Size().Staff; n < 90 || n > 140 {
				t.Errorf("of 110 members of staff there are %d after a year", n)
			}
			if m.Day != DefaultDay.AddDays(365) {
				t.Errorf("the day is %s", m.Day)
			}
		})
	}
}

// The oracle and a recount of the document agree on later days too, and whatever the register tells of protection.
func TestActiveEqualsARecountOnLaterDays(t *testing.T) {
	for _, protected := range []Protected{ProtectedNone, ProtectedFlag, ProtectedOmits} {
		m := New(Options{Pupils: 100, Seed: 11, Shape: ShapeSchools, Protected: protected})
		for _, days := range []int{6, 30, 170, 90, 39} {
			m = m.After(days)
			e := read(t, write(t, m, IMSOptions{}))
			for _, shift := range []int{0, 3} {
				day := m.Day.AddDays(shift)
				if diff := cmp.Diff(recount(e, day.String()), m.Active(day)); diff != "" {
					t.Errorf("%s on %s, seen on %s: (-recount +oracle)\n%s", protected, m.Day, day, diff)
				}
			}
		}
	}
}

// until returns the municipality on the next day that has the month and date.
func until(m *Municipality, month time.Month, day int) *Municipality {
	for n := 0; ; n++ {
		if d := m.Day.AddDays(n); time.Month(d/100%100) == month && int(d%100) == day {
			return m.After(n)
		}
	}
}

func classes(m *Municipality) map[string]*Group {
	byID := map[string]*Group{}
	for i := range m.Groups {
		if g := &m.Groups[i]; g.Kind == Class && inForce(g.Start, g.End, m.Day) {
			byID[g.ID] = g
		}
	}
	return byID
}

func TestJulyEmptiesTheClassesAndNothingElse(t *testing.T) {
	june := until(New(Options{Pupils: 600, Seed: 2, Shape: ShapeSchools}), time.June, 30)
	july := june.After(4)
	was, is := classes(june), classes(july)
	if len(was) == 0 || len(is) != len(was) {
		t.Fatalf("%d classes are %d in July", len(was), len(is))
	}
	for id, g := range was {
		learners, leaders := split(is[id].Members)
		_, before := split(g.Members)
		if len(g.learners()) == 0 || len(learners) > 0 || !cmp.Equal(leaders, before) {
			t.Errorf("%s has %d learners, %d before", id, len(learners), len(g.learners()))
		}
	}
	if a, b := len(june.Active(june.Day).Pupils), len(july.Active(july.Day).Pupils); b < a*99/100 {
		t.Errorf("of %d pupils %d are left in July", a, b)
	}
}

// 7B becomes 8B with its pupils, and what its id was is what the register does with ids.
func TestTheTurnOfTheYear(t *testing.T) {
	for _, ids := range []GroupIDs{GroupIDsStable, GroupIDsYearly, GroupIDsReused} {
		t.Run(string(ids), func(t *testing.T) {
			m := until(New(Options{Pupils: 900, Seed: 2, Shape: ShapeSchools, GroupIDs: ids}), time.June, 29)
			august := until(m, time.August, 15)
			was, is := classes(m), classes(august)
			rose, same, sameName := 0, 0, 0
			for id, g := range is {
				if len(g.learners()) == 0 || g.Start != august.Day || g.End != 20280814 {
					t.Errorf("%s has %d learners from %s to %s", id, len(g.learners()), g.Start, g.End)
				}
				if _, leaders := split(g.Members); len(leaders) == 0 {
					t.Errorf("%s has no teacher", id)
				}
				before := was[id]
				for _, old := range was {
					if old.Grade+1 == g.Grade && old.Unit == g.Unit && shared(old, g) > len(g.learners())*8/10 {
						rose++
						if strings.Replace(old.Name, string('0'+rune(old.Grade)), string('0'+rune(g.Grade)), 1) != g.Name {
							t.Errorf("the pupils of %s are in %s", old.Name, g.Name)
						}
						if old.ID == g.ID {
							same++
						}
					}
				}
				if before != nil && before.Name == g.Name {
					sameName++
					if shared(before, g) > len(g.learners())*2/5 {
						t.Errorf("%s %s has the pupils of last year's", id, g.Name)
					}
				}
			}
			within(t, "% of the classes go on", rose*100, len(is), 50, 80)
			within(t, "classes now and before", len(is)*100, len(was), 90, 110)
			want := map[GroupIDs][2]bool{GroupIDsStable: {true, false}, GroupIDsYearly: {}, GroupIDsReused: {false, true}}[ids]
			if got := [2]bool{same == rose, sameName > len(is)/2}; got != want || !want[0] && same > 0 {
				t.Errorf("%d of %d classes that go on have their id, and %d of %d the id of last year's of the name", same, rose, sameName, len(is))
			}
			within(t, "% of the pupils", len(august.Active(august.Day).Pupils)*100, len(m.Active(m.Day).Pupils), 95, 108)
		})
	}
}

func shared(a, b *Group) (n int) {
	in := b.learners()
	for _, id := range a.learners() {
		if slices.Contains(in, id) {
			n++
		}
	}
	return n
}

func BenchmarkYear(b *testing.B) {
	for _, shape := range []Shape{ShapeAdult, ShapeSchools} {
		b.Run(string(shape), func(b *testing.B) {
			m := New(Options{Pupils: 5000, Seed: 1, Shape: shape})
			for b.Loop() {
				m.After(365)
			}
		})
	}
}
