package municipality

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// changes are the ids of what differs between two municipalities.
type changes struct {
	Added, Removed, Persons, Groups []string
}

func compare(before, after *Municipality) (c changes) {
	was := map[string]Person{}
	for _, p := range before.Persons {
		was[p.ID] = p
	}
	for _, p := range after.Persons {
		if old, ok := was[p.ID]; !ok {
			c.Added = append(c.Added, p.ID)
		} else if !cmp.Equal(old, p) {
			c.Persons = append(c.Persons, p.ID)
		}
		delete(was, p.ID)
	}
	for id := range was {
		c.Removed = append(c.Removed, id)
	}
	slices.Sort(c.Removed)
	for i, g := range after.Groups {
		if !cmp.Equal(before.Groups[i], g, cmp.AllowUnexported(Group{})) {
			c.Groups = append(c.Groups, g.ID)
		}
	}
	return c
}

func attending(m *Municipality, person string) (groups []string) {
	for _, g := range m.Active(m.Day).Groups {
		if slices.Contains(g.Pupils, person) {
			groups = append(groups, g.ID)
		}
	}
	return groups
}

// mutationTest says what a mutation changes.
type mutationTest struct {
	name   string
	mutate Mutation
	want   func(Change) changes
	check  func(t *rapid.T, before, after *Municipality, c Change)

	unsound bool // it loses e-mail addresses
}

func TestMutationsChangeWhatTheySayAndNothingElse(t *testing.T) {
	tests := []mutationTest{
		{
			name: "move", mutate: (*Municipality).MoveClass,
			want: func(c Change) changes { return changes{Groups: slices.Concat(c.From, c.To)} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				was, is := attending(before, c.Person), attending(after, c.Person)
				if !slices.Contains(was, c.From[0]) || slices.Contains(was, c.To[0]) || slices.Contains(is, c.From[0]) || !slices.Contains(is, c.To[0]) {
					t.Errorf("%s: was in %s, is in %s", c, was, is)
				}
			},
		},
		{
			name: "leave", mutate: (*Municipality).Leave,
			want: func(c Change) changes { return changes{Removed: []string{c.Person}, Groups: c.From} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				if n := len(before.Active(before.Day).Pupils) - len(after.Active(after.Day).Pupils); n != 1 {
					t.Errorf("%s: %d active pupils fewer, want 1", c, n)
				}
			},
		},
		{
			name: "join", mutate: (*Municipality).Join,
			want: func(c Change) changes { return changes{Added: []string{c.Person}, Groups: c.To} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				want := slices.Sorted(slices.Values(c.To))
				if got := slices.Sorted(slices.Values(attending(after, c.Person))); len(got) < 4 || !cmp.Equal(got, want) {
					t.Errorf("%s: attends %s, want %s", c, got, want)
				}
			},
		},
		{
			name: "rename", mutate: (*Municipality).Rename,
			want: func(c Change) changes { return changes{Persons: []string{c.Person}} },
			check: func(t *rapid.T, before, after *Municipality, c Change) {
				at := func(m *Municipality) Person {
					return m.Persons[slices.IndexFunc(m.Persons, func(p Person) bool { return p.ID == c.Person })]
				}
				was, is := at(before), at(after)
				if was.Family == is.Family {
					t.Errorf("%s: the surname is the same", c)
				}
				if was.Family = is.Family; !cmp.Equal(was, is) {
					t.Errorf("%s: more than the surname is another", c)
				}
			},
		},
	}
	if len(tests) != len(Mutations()) {
		t.Errorf("%d mutations are tested, there are %d", len(tests), len(Mutations()))
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func (tt mutationTest) run(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := draw(t)
		after, twin := before.Clone(), before.Clone()
		c, err := tt.mutate(after)
		if errors.Is(err, ErrNobody) {
			if diff := compare(before, after); !cmp.Equal(diff, changes{}) || !after.Time.Equal(before.Time) {
				t.Fatalf("nobody to change, and yet changed: %v", diff)
			}
			t.Skip("nobody to change")
		}
		if err != nil {
			t.Fatal(err)
		}
		got, want := compare(before, after), tt.want(c)
		for _, c := range []*changes{&got, &want} {
			for _, ids := range []*[]string{&c.Added, &c.Removed, &c.Persons, &c.Groups} {
				*ids = slices.Sorted(slices.Values(*ids))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c, diff)
		}
		if !after.Time.After(before.Time) {
			t.Errorf("%s: the export has the same time", c)
		}
		if same, _ := tt.mutate(twin); !cmp.Equal(same, c) {
			t.Errorf("the same mutation was %s, then %s", c, same)
		}
		if !strings.Contains(c.String(), c.Person) {
			t.Errorf("%q does not say who", c)
		}
		for _, problem := range unsound(after) {
			if !tt.unsound || !strings.Contains(problem, "e-mail") {
				t.Errorf("%s: %s", c, problem)
			}
		}
		tt.check(t, before, after, c)
	})
}

func TestMutationsRunOutOfPupils(t *testing.T) {
	m := New(Options{Pupils: MinPupils})
	left := 0
	for ; left < MinPupils; left++ {
		if _, err := m.Leave(); errors.Is(err, ErrNobody) {
			break
		}
	}
	if left == 0 || left == MinPupils {
		t.Errorf("%d of %d pupils could leave, want some and not the examples", left, MinPupils)
	}
	for _, mutate := range []Mutation{(*Municipality).Leave, (*Municipality).Rename, (*Municipality).MoveClass} {
		if _, err := mutate(m); !errors.Is(err, ErrNobody) {
			t.Errorf("error %v, want %v", err, ErrNobody)
		}
	}
}
