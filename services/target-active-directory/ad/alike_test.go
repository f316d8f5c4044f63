package ad_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/testbed/adfake"
)

// schools is what the OUs right under the base are called, by the number of the unit.
func (l *lab) schools(units ...int) (names []string) {
	l.Helper()
	for _, n := range units {
		name, parent, _ := strings.Cut(l.dnOf("ou", n), ",")
		if parent != labBase {
			l.Errorf("unit %d is in %s", n, parent)
		}
		names = append(names, strings.TrimPrefix(name, "OU="))
	}
	return names
}

// TestUnitsThatAreCalledAlike: each has an OU of its own, whichever came first, and what becomes of one is seen in the others.
func TestUnitsThatAreCalledAlike(t *testing.T) {
	t.Parallel()
	names := map[int]string{1: "Åsa", 2: "Asa", 3: "ÅSA", 4: "Asa 00000002", 5: "Björk"}
	want := []string{"Åsa", "Asa", "ÅSA 00000003", "Asa 00000002", "Björk"}
	want[1] = "" // its code would make it the fourth: it has a token of its own
	for _, order := range [][]int{{1, 2, 3, 4, 5}, {5, 4, 3, 2, 1}, {3, 1, 4, 2, 5}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, adfake.Options{})
			for _, n := range order {
				l.put(labUnit(n, names[n]), labPupil(10+n, n, "Testa", "Provsson"))
				for range 3 {
					l.pass(time.Minute)
					l.settle()
				}
			}
			s := l.settle()
			if s.Halted != nil || s.Waiting+s.Parked > 0 {
				for id, e := range l.ledger.Entries {
					t.Log(id, e.State, e.Reason)
				}
				t.Fatalf("%+v", s)
			}
			got := l.schools(1, 2, 3, 4, 5)
			if !strings.HasPrefix(got[1], "Asa ") || len(got[1]) != len("Asa ")+8 {
				t.Errorf("the second is called %q", got[1])
			}
			token := got[1]
			got[1] = ""
			if !slices.Equal(got, want) {
				t.Errorf("they are called %q, want %q", got, want)
			}
			for n := range names {
				if dn := l.dnOf("user", 10+n); !strings.HasSuffix(dn, l.dnOf("ou", n)) {
					t.Errorf("the pupil of unit %d is %s", n, dn)
				}
			}
			before := l.writes()
			if l.settle(verify); l.writes() != before {
				t.Error("what has not changed was written")
			}
			// The fourth is called otherwise: the second has its code for itself. The first ends: the second has the name.
			l.put(labUnit(4, "Ek"))
			if got := l.schools(2)[0]; got != "Asa 00000002" {
				t.Errorf("the second is called %q, and was %q", got, token)
			}
			gone := labUnit(1, "Åsa")
			l.put(labPupil(11, 5, "Testa", "Provsson"), labLeft(gone))
			for range 4 {
				l.pass(time.Hour)
				l.settle()
			}
			if got := l.schools(2, 3); got[0] != "Asa" || got[1] != "ÅSA 00000003" {
				t.Errorf("the others are called %q", got)
			}
			l.clean(nil)
		})
	}
}

// TestUnitThatBeganFirst has the name stay with the school that had it.
func TestUnitThatBeganFirst(t *testing.T) {
	t.Parallel()
	l := newLab(t, adfake.Options{})
	began := func(n int, day roster.Date) roster.Record {
		r := labUnit(n, "Ek")
		r.Organisation.Interval.Start = day
		return r
	}
	l.put(began(7, roster.Today(l.now()).AddDays(-400)))
	before := l.writes()
	l.put(began(3, roster.Today(l.now()).AddDays(-3)))
	if got := l.schools(7, 3); got[0] != "Ek" || got[1] != "Ek 00000003" {
		t.Errorf("%q", got)
	}
	if n := l.writes() - before; n != 4+2 {
		t.Errorf("%d writes for a new school", n)
	}
}
