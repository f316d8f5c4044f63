package store

import (
	"strings"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

func TestHistoryHasWhatTheLogStillHas(t *testing.T) {
	log := open(t).Log(demo)
	publish := func(c ...source.Change) {
		t.Helper()
		if err := log.Publish(t.Context(), alvis, "run", c, nil); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(n int) uint64 {
		t.Helper()
		scan, err := log.Scan(t.Context(), alvis)
		if err != nil {
			t.Fatal(err)
		}
		return scan.Heads[roster.Ref{Kind: roster.KindPerson, Key: key(n)}].Seq
	}
	publish(change(person(1, "Testa"), 0), change(person(2, "Björn"), 0))
	publish(change(person(1, "Tästa"), expect(1)))
	gone := roster.Record{Ref: person(1, "").Ref, Source: alvis, Tombstone: &roster.Tombstone{Reason: roster.TombstoneLeft}}
	publish(source.Change{Record: gone, Hash: strings.Repeat("0", 32), Expect: expect(1)})
	for name, c := range map[string]struct {
		ref  roster.Ref
		want string
	}{
		"of one":  {gone.Ref, "Testa Tästa left"},
		"of all":  {roster.Ref{Kind: roster.KindPerson}, "Testa Björn Tästa left"},
		"of none": {roster.Ref{Kind: roster.KindGroup}, ""},
	} {
		var got []string
		err := log.History(t.Context(), c.ref, func(r roster.Record) {
			if r.Tombstone != nil {
				got = append(got, string(r.Tombstone.Reason))
			} else {
				got = append(got, r.Person.GivenName.Reveal())
			}
		})
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}
