package roster

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSuggestions(t *testing.T) {
	const born = "18900101"
	pnr, sam := ParseCivicNo("18900101-9802", day), CivicNoOf(Samordningsnummer, "189001619801")
	tf := ParseCivicNo(born+"-TF01", day)
	if pnr.Kind() != Personnummer || tf.Kind() != Temporary || pnr.Born() != sam.Born() || tf.Born() != pnr.Born() {
		t.Fatal("the numbers are not what the test needs")
	}
	other := Source{"schoolsoft", "gr"}
	named := func(given, family string) Person {
		return Person{GivenName: Personal(given), FamilyName: Personal(family), BirthDate: "1890-01-01"}
	}
	with := func(n CivicNo, p Person) Person {
		p.CivicNo, p.BirthDate = n, ""
		return p
	}
	testa := named("Testa", "Provsson")
	for name, c := range map[string]struct {
		a, b  Person
		in    Source // of b
		first func(*Roster)
		want  string
	}{
		"TF and personnummer in one source":    {with(tf, testa), with(pnr, testa), skola, nil, "number-followed likely"},
		"TF and personnummer in two":           {with(tf, testa), with(pnr, testa), other, nil, "number-followed likely"},
		"samordningsnummer, then personnummer": {with(sam, testa), with(pnr, testa), skola, nil, "number-followed likely"},
		"a spelling":                           {with(tf, testa), with(pnr, named("Tésta Maria", "Prowsson")), skola, nil, "number-followed possible"},
		"two registers, one without number":    {with(pnr, testa), testa, other, nil, "two-registers likely"},
		"two registers, two TF numbers":        {with(tf, testa), with(tf, testa), other, nil, "two-registers likely"},
		"one register that tells them apart":   {testa, testa, skola, nil, ""},
		"two personnummer are two persons":     {with(pnr, testa), with(CivicNoOf(Personnummer, "189001019810"), testa), other, nil, ""},
		"twins":                                {with(tf, testa), with(pnr, named("Björn", "Provsson")), skola, nil, ""},
		"another birth date":                   {testa, Person{GivenName: "Testa", FamilyName: "Provsson", BirthDate: "1890-01-02"}, other, nil, ""},
		"no birth date":                        {testa, Person{GivenName: "Testa", FamilyName: "Provsson"}, other, nil, ""},
		"no name":                              {testa, named("", ""), other, nil, ""},
		"R9 protected in the register":         {testa, func() Person { p := testa; p.Marking = MarkingConfidential; return p }(), other, nil, ""},
		"R9 protected by hand": {testa, testa, other, func(r *Roster) {
			r.Apply(*by(Person{Marking: MarkingConfidential}, true, until(MarkProtected, 0)))
		}, ""},
		"joined already": {testa, testa, other, func(r *Roster) {
			rec := by(Person{}, true, until(JoinKeys, 0))
			rec.SameAs = []Key{key('p', 2)}
			r.Apply(*rec)
		}, ""},
		"gone": {testa, testa, other, func(r *Roster) { r.Apply(*tombstoneOf(skola, TombstoneLeft)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRoster(nil, day)
			r.Apply(*personOf(skola, c.a))
			r.Apply(Record{Ref: Ref{KindPerson, key('p', 2)}, Source: c.in, Person: &c.b})
			if c.first != nil {
				c.first(r)
			}
			got := ""
			for _, s := range r.Suggestions() {
				got += fmt.Sprint(s.Why, " ", s.Sure)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func genSuspects() *rapid.Generator[[]*Record] {
	day1 := []string{"18900101-TF01", "18900101-9802", "18900101-TF02", ""}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Record {
		r := &Record{
			Ref: Ref{KindPerson, key('p', rapid.IntRange(1, 6).Draw(t, "key"))}, Source: Source{"a", rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "source")},
			Overlay: rapid.Bool().Draw(t, "overlay"),
			Person: &Person{
				CivicNo: ParseCivicNo(rapid.SampledFrom(day1).Draw(t, "number"), day), BirthDate: "1890-01-01", FamilyName: "Provsson",
				GivenName: Personal(rapid.SampledFrom([]string{"Testa", "Tästa", "Björn"}).Draw(t, "given")),
				Marking:   rapid.SampledFrom([]SecurityMarking{"", "", MarkingNone, MarkingConfidential}).Draw(t, "marking"),
			},
		}
		if rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
			r.Person, r.Overlay, r.Tombstone = nil, false, &Tombstone{Reason: rapid.SampledFrom([]TombstoneReason{TombstoneLeft, TombstoneProtected}).Draw(t, "why")}
		}
		return r
	}), 0, 12)
}

func TestR9NoSuggestionAndNoConflictNamesAProtectedPerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRoster(nil, day)
		for _, rec := range genSuspects().Draw(t, "records") {
			r.Apply(*rec)
		}
		keys := r.Conflicts()
		for _, s := range r.Suggestions() {
			keys = append(keys, s.Keys[:]...)
		}
		for _, k := range keys {
			for _, rec := range r.Records(Ref{KindPerson, k}) {
				if rec.protects() {
					t.Fatalf("%v is protected by %v", k, rec.Source)
				}
			}
		}
	})
}

func TestSuggestionsDoNotHangOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := map[string]*Record{}
		for _, rec := range genSuspects().Draw(t, "records") {
			last[rec.Ref.String()+rec.Source.String()] = rec
		}
		var records []*Record
		for _, rec := range last {
			records = append(records, rec)
		}
		slices.SortFunc(records, func(a, b *Record) int {
			return cmp.Or(a.Ref.Compare(b.Ref), a.Source.Compare(b.Source))
		})
		all := func(list []*Record) []Suggestion {
			r := NewRoster(nil, day)
			for _, rec := range list {
				r.Apply(*rec)
			}
			return r.Suggestions()
		}
		one, two := all(records), all(rapid.Permutation(records).Draw(t, "order"))
		if !slices.Equal(one, two) {
			t.Fatalf("%v, and in another order %v", one, two)
		}
		for _, s := range one {
			if s.Keys[0].Compare(s.Keys[1]) >= 0 {
				t.Fatalf("the keys of %v are not sorted", s)
			}
		}
	})
}

func TestSuggestIsSymmetric(t *testing.T) {
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"testa", "tasta", "maria", "björn", "prov"}), 1, 2)
	one := rapid.Custom(func(t *rapid.T) candidate {
		return candidate{
			key: key('p', rapid.IntRange(1, 9).Draw(t, "key")), sources: []Source{{"a", rapid.SampledFrom([]string{"x", "y"}).Draw(t, "source")}},
			number: rapid.SampledFrom([]CivicNoKind{"", Temporary, Samordningsnummer, Personnummer}).Draw(t, "number"),
			given:  words.Draw(t, "given"), family: words.Draw(t, "family"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := one.Draw(t, "a"), one.Draw(t, "b")
		x, ok := suggest(&a, &b)
		y, same := suggest(&b, &a)
		if x != y && ok || ok != same {
			t.Fatalf("%v %v, the other way round %v %v", x, ok, y, same)
		}
	})
}

// A tenant of 100,000 whose two registers know the same people by other keys: the worst case, for everybody is a pair.
func TestSuggestionsOfALargeTenantTakeSeconds(t *testing.T) {
	const n = 100_000
	r := NewRoster(nil, day)
	first := NewDate(1880, 1, 1)
	for i := range n {
		born := first.AddDays(i / 2 % 7300)
		p := &Person{BirthDate: Personal(born.String()), GivenName: Personal(fmt.Sprintf("Testa%c", 'a'+i/2%26)), FamilyName: Personal(fmt.Sprintf("Provsson%c", 'a'+i/52%26))}
		k := key('p', i)
		k[13] = byte(i >> 16)
		r.Apply(Record{Ref: Ref{KindPerson, k}, Source: Source{"a", fmt.Sprint("x", i%2)}, Person: p})
	}
	began := time.Now()
	list := r.Suggestions()
	if took := time.Since(began); len(list) < n/2 || took > 20*time.Second {
		t.Errorf("%d suggestions in %v", len(list), took)
	} else {
		t.Logf("%d suggestions in %v", len(list), took)
	}
}
