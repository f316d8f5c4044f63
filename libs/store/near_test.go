package store

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

func TestLogReadsWhatConcernsOne(t *testing.T) {
	s := open(t)
	other := roster.Source{System: "extens", Instance: "default"}
	elsewhere := person(2, "Testa")
	elsewhere.Source = other
	group := roster.Record{
		Ref: roster.Ref{Kind: roster.KindGroup, Key: key(9)}, Source: alvis, Origins: person(9, "").Origins,
		Group: &roster.Group{DisplayName: "9B", Members: []roster.Membership{{Person: key(2)}}},
	}
	publish(t, s, "one", person(1, "Testa"), person(2, "Testa"), person(3, "Testa"), elsewhere, group)
	publish(t, s, "two", person(2, "Tests"), tombstone(person(3, "Testa"), roster.TombstoneLeft))
	log, her := s.Log(demo), roster.Ref{Kind: roster.KindPerson, Key: key(2)}
	var got []string
	take := func(e roster.Event) {
		line := e.Source.System + " " + e.Run
		if e.Record.Tombstone != nil {
			line += " gone"
		}
		got = append(got, line)
	}
	k := key(2)
	for _, tt := range []struct {
		name string
		read func() error
		want []string
	}{
		{"about a person", func() error { return log.About(t.Context(), her, take) }, []string{"alvis two", "extens one"}},
		{"about nobody", func() error { return log.About(t.Context(), roster.Ref{Kind: roster.KindPerson, Key: key(77)}, take) }, nil},
		{"the groups that name her", func() error { return log.Naming(t.Context(), roster.KindGroup, roster.Source{}, [][]byte{k[:]}, take) }, []string{"alvis one"}},
		{"those of one source", func() error { return log.Naming(t.Context(), roster.KindGroup, other, [][]byte{k[:]}, take) }, nil},
		{"everybody of one source", func() error { return log.Naming(t.Context(), roster.KindPerson, alvis, nil, take) }, []string{"alvis one", "alvis two", "alvis two gone"}},
		{"an id that stands no more", func() error {
			return log.Naming(t.Context(), roster.KindPerson, alvis, [][]byte{[]byte("p-3")}, take)
		}, nil},
		{"an id that ever stood", func() error {
			return log.NamingEver(t.Context(), roster.KindPerson, alvis, [][]byte{[]byte("p-3")}, take)
		}, []string{"alvis one"}},
		{"some, by request", func() error {
			return log.Each(t.Context(), []roster.Ref{her, {Kind: roster.KindPerson, Key: key(3)}, {Kind: roster.KindPerson, Key: key(77)}}, []roster.Source{alvis, other}, take)
		}, []string{"alvis two", "alvis two gone", "extens one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got = nil
			if err := tt.read(); err != nil {
				t.Fatal(err)
			}
			if slices.Sort(got); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLedgerFindsEntriesById(t *testing.T) {
	s := open(t)
	b := own(t, s, apple)
	gone := entry(2)
	gone.State, gone.Reason = target.Gone, nil
	if err := b.Save(t.Context(), []target.Entry{entry(1), entry(2), entry(3)}, target.Mark{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), []target.Entry{gone}, target.Mark{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Ledger(demo).Entries(t.Context(), apple, []target.ID{entry(1).ID, entry(2).ID, entry(9).ID})
	if err != nil || len(got) != 1 || got[0].ID != entry(1).ID {
		t.Errorf("found %v, %v", got, err)
	}
}

func TestDeliveredSetIsReadInParts(t *testing.T) {
	s := open(t)
	data := make([]byte, 2*chunk+17)
	for i := range data {
		data[i] = byte(i / 251)
	}
	if err := own(t, s, apple).Put(t.Context(), "set", "", data); err != nil {
		t.Fatal(err)
	}
	r, size, err := s.Ledger(demo).Delivered(t.Context(), apple, "set")
	if err != nil || size != int64(len(data)) {
		t.Fatalf("%d bytes, %v", size, err)
	}
	for _, at := range [][2]int64{{0, 10}, {chunk - 5, 10}, {0, size}, {2*chunk + 16, 1}, {chunk, 0}} {
		p := make([]byte, at[1])
		if n, err := r.ReadAt(p, at[0]); err != nil || int64(n) != at[1] || !bytes.Equal(p, data[at[0]:at[0]+at[1]]) {
			t.Errorf("at %v: %d bytes, %v", at, n, err)
		}
	}
	for _, at := range []int64{size, size + chunk} {
		if n, err := r.ReadAt(make([]byte, 1), at); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d bytes, %v", n, err)
		}
	}
	if n, err := r.ReadAt(make([]byte, 5), size-2); n != 2 || err != io.EOF {
		t.Errorf("over the end: %d bytes, %v", n, err)
	}
	if _, _, err := s.Ledger(demo).Delivered(t.Context(), apple, "none"); err == nil {
		t.Error("a set that is not there is no error")
	}
}
