package roster

import "testing"

// Two registers list a child, one marks her, and the other learns first that her number is another one now: she is
// protected under the new key until the register that marked her says of that very key, or of the old one, that she is
// not.
func TestR9AMarkFollowsToTheKeyThatAnotherRegisterGivesHer(t *testing.T) {
	before, now := Ref{KindPerson, key('p', 1)}, Ref{KindPerson, key('p', 2)}
	other := Source{"skola", "annan"}
	marked := Record{Ref: before, Source: skola, Tombstone: &Tombstone{Reason: TombstoneProtected}}
	became := Record{Ref: before, Source: other, Tombstone: &Tombstone{Reason: TombstoneBecame, Became: now.Key}}
	stands := func(ref Ref, s Source, former ...Key) Record {
		return Record{Ref: ref, Source: s, Former: former, Person: &Person{GivenName: "Testa"}}
	}
	hers := stands(now, other, before.Key)
	for name, c := range map[string]struct {
		records   []Record
		protected bool
	}{
		"marked before":                  {[]Record{marked, became, hers}, true},
		"marked after":                   {[]Record{became, hers, marked}, true},
		"the tombstone came last":        {[]Record{hers, marked, became}, true},
		"unmarked under the old key":     {[]Record{became, hers, marked, stands(before, skola)}, false},
		"unmarked under the new key":     {[]Record{marked, became, hers, stands(now, skola)}, false},
		"marked under the new key":       {[]Record{marked, became, hers, {Ref: now, Source: skola, Tombstone: &Tombstone{Reason: TombstoneProtected}}}, true},
		"somebody else has the old key":  {[]Record{marked, stands(before, Source{"skola", "tredje"}), hers}, false},
		"left the register that had her": {[]Record{{Ref: before, Source: skola, Tombstone: &Tombstone{Reason: TombstoneLeft}}, became, hers}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRoster(nil, day)
			for _, rec := range c.records {
				r.Apply(rec)
			}
			if m := r.State(now); m.Protected != c.protected || (m.State == Standing) == c.protected || r.Contained(now.Key) != c.protected {
				t.Errorf("protected is %t: %v", m.Protected, m)
			}
		})
	}
}
