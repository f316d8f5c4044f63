package ad_test

import (
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/libs/testbed/adfake"
)

// class is so many pupils in one class, and their unit.
func class(pupils []int) []roster.Record {
	list := []roster.Record{labUnit(1, "Ekskolan"), labGroup(31, 1, "7A", pupils...)}
	for _, n := range pupils {
		list = append(list, labPupil(n, 1, "Testa", "Provsson"))
	}
	return list
}

func numbers(from, n int) (list []int) {
	for i := range n {
		list = append(list, from+i)
	}
	return list
}

// regroup has somebody else add members to the group of a number, or take them away.
func (l *lab) regroup(group int, add bool, pupils ...int) {
	l.Helper()
	m := ldap.NewModifyRequest(l.dnOf("group", group), nil)
	var dns []string
	for _, n := range pupils {
		dns = append(dns, l.dnOf("user", n))
	}
	if add {
		m.Add("member", dns)
	} else {
		m.Delete("member", dns)
	}
	l.must(l.admin.Modify(m))
}

// isGroup holds that a group has these pupils as members, and that all is well with it.
func (l *lab) isGroup(what string, n int, pupils []int) {
	l.Helper()
	if e := l.entry("group", n); e.State != target.Applied || e.Reason != nil {
		l.Errorf("%s: %v %v", what, e.State, e.Reason)
	}
	var want []string
	for _, p := range pupils {
		want = append(want, l.dnOf("user", p))
	}
	got := l.values(l.dnOf("group", n), "member")
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		l.Errorf("%s: %d members, want %d", what, len(got), len(want))
	}
}

// TestMembersThatStand: who is a member already is no mistake, nor who is none any more, and neither costs a call for each.
func TestMembersThatStand(t *testing.T) {
	t.Parallel()
	onBoth(t, func(l *lab) {
		all := numbers(100, 24)
		l.made = nil
		before := l.writes()
		if s := l.put(class(all)...); s.Halted != nil || s.Waiting+s.Parked > 0 {
			l.Fatalf("%+v", s)
		}
		if n := l.writes() - before - len(all); n != 4+3 { // OUs and groups
			l.Errorf("%d writes for four OUs and three groups", n)
		}
		l.isGroup("made", 31, all)

		l.ledger, l.made = targettest.NewLedger(), nil // all of it is to be made again
		before = l.writes()
		l.settle()
		if n := l.writes() - before; n > 2 {
			l.Errorf("%d writes for two groups that have their members", n)
		}
		l.isGroup("found", 31, all)

		// Somebody else was first with half of what is to be done, and undid some of what was.
		fresh := append([]int{90, 91, 92, 93}, all[4:]...)
		var more []roster.Record
		for _, n := range fresh[:4] {
			more = append(more, labPupil(n, 1, "Testa", "Provsson"))
		}
		l.put(more...)
		l.regroup(31, true, 90, 91)
		l.regroup(31, false, all[0], all[1])
		before = l.writes()
		l.put(labGroup(31, 1, "7A", fresh...))
		if n := l.writes() - before; n > 4 {
			l.Errorf("%d writes for who joins and who leaves", n)
		}
		l.isGroup("where others were first", 31, fresh)
		l.clean(nil)
	})
}

// TestMany is a school of more pupils than a page has entries and a range has values: all of them are read, and of a group no
// more is written than who joins and who leaves.
func TestMany(t *testing.T) {
	t.Parallel()
	l := newLab(t, adfake.Options{})
	l.settings += "members: exact\ngroups: [{for: class, name: \"{unit} {group}\"}]\n"
	all := numbers(1000, 1520)
	if s := l.put(class(all)...); s.Halted != nil || s.Waiting+s.Parked > 0 {
		t.Fatalf("%+v", s)
	}
	ops := l.dc.Counts().Ops
	if n := ops["modify"]; n != 3 { // 500 by the add, then 500, 500 and 20
		t.Errorf("%d changes of a group that was made a moment ago", n)
	}
	l.settle(verify)
	if n := l.dc.Counts().Ops["modify"] - ops["modify"]; n != 0 {
		t.Errorf("%d changes after reading everything", n)
	}
	l.regroup(31, false, 1000, 2519)
	before := l.writes()
	l.settle(verify)
	if n := l.writes() - before; n != 1 || len(l.dc.Values(l.dnOf("group", 31), "member")) != len(all) {
		t.Errorf("%d writes to put two members back", n)
	}
	before = l.writes()
	l.put(labGroup(31, 1, "7A", all[1:]...))
	if n := l.writes() - before; n != 1 || len(l.dc.Values(l.dnOf("group", 31), "member")) != len(all)-1 {
		t.Errorf("%d writes for one who leaves", n)
	}
}
