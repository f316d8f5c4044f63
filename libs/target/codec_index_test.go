package target

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// counted counts the bytes that are read of a set.
type counted struct {
	io.ReaderAt
	read int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.read += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

func manyEntries(n, perEntity int) map[ID]*Entry {
	why := reason.New(reason.NeedsMissing, "resource", "class/1")
	entries := map[ID]*Entry{}
	for i := range n {
		e := &Entry{
			ID: ID{[]string{"student", "roster"}[i%2], fmt.Sprint(i)}, Entity: roster.Ref{Kind: roster.Kinds()[i%3], Key: roster.Key{byte(i / perEntity), byte(i / perEntity >> 8)}},
			State: Applied, Held: i%5 > 0, Fields: Fields{{"name", roster.Personal(fmt.Sprint("n", i))}}, Needs: []ID{{"class", fmt.Sprint(i)}},
			Sets: []Set{{"members", []ID{{"student", fmt.Sprint(i)}}}}, Cause: Cause{Seq: uint64(i), Run: "run"},
		}
		if i%7 == 0 {
			e.Reason = &why
		}
		entries[e.ID] = e
	}
	return entries
}

// TestFindInSetFindsWhatDecodingFinds compares, for sets of several frames and entities of more entries than a frame has.
func TestFindInSetFindsWhatDecodingFinds(t *testing.T) {
	byID := func(a, b Entry) int { return a.ID.Compare(b.ID) }
	reveal := gocmp.Transformer("reveal", roster.Personal.Reveal)
	rapid.Check(t, func(t *rapid.T) {
		entries := manyEntries(rapid.IntRange(0, 4*frameEntries).Draw(t, "entries"), rapid.SampledFrom([]int{1, 3, 100, 3 * frameEntries}).Draw(t, "an entity"))
		blob, err := encodeEntries(entries)
		if err != nil {
			t.Fatal(err)
		}
		of := []roster.Ref{{Kind: roster.KindPerson, Key: roster.Key{255}}}
		for _, e := range entries {
			if of = append(of, e.Entity); len(of) > 3 {
				break
			}
		}
		want := []Entry{}
		if err := decodeEntries(blob, func(e Entry) {
			if slices.Contains(of, e.Entity) {
				want = append(want, e)
			}
		}); err != nil {
			t.Fatal(err)
		}
		got, err := FindInSet(bytes.NewReader(blob), int64(len(blob)), of)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, byID)
		slices.SortFunc(want, byID)
		if got = append([]Entry{}, got...); !reflect.DeepEqual(want, got) {
			t.Fatalf("-want +got:\n%s", gocmp.Diff(want, got, reveal))
		}
	})
}

func TestFindInSetReadsLittle(t *testing.T) {
	entries := manyEntries(50*frameEntries, 3)
	blob := encode(t, entries)
	c := &counted{ReaderAt: bytes.NewReader(blob)}
	got, err := FindInSet(c, int64(len(blob)), []roster.Ref{entries[ID{"student", "600"}].Entity})
	if err != nil || len(got) == 0 {
		t.Fatalf("found %d, %v", len(got), err)
	}
	if c.read > len(blob)/10 {
		t.Errorf("%d of %d bytes were read", c.read, len(blob))
	}
}

// TestFindInSetReadsASetWithoutAnIndex reads what programs before this one wrote.
func TestFindInSetReadsASetWithoutAnIndex(t *testing.T) {
	entries := manyEntries(10, 1)
	blob := encode(t, entries)
	frames, _, err := readIndex(bytes.NewReader(blob), int64(len(blob)))
	if err != nil || len(frames) != 1 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	blob = blob[:frames[0].from+frames[0].size]
	want := entries[ID{"roster", "3"}]
	got, err := FindInSet(bytes.NewReader(blob), int64(len(blob)), []roster.Ref{want.Entity})
	if err != nil || len(got) != 1 || got[0].ID != want.ID {
		t.Errorf("found %v, %v", got, err)
	}
}

func TestFindInSetTellsOfDamage(t *testing.T) {
	blob := encode(t, manyEntries(3*frameEntries, 3))
	of := []roster.Ref{{Kind: roster.KindPerson, Key: roster.Key{1}}}
	broken := errors.New("broken")
	if _, err := FindInSet(failing{broken}, int64(len(blob)), of); !errors.Is(err, broken) {
		t.Errorf("a set that cannot be read: %v", err)
	}
	cut := append(slices.Clone(blob[:100]), blob[len(blob)-200:]...)
	if _, err := FindInSet(bytes.NewReader(cut), int64(len(cut)), of); err == nil {
		t.Error("a set that lacks its middle is no error")
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func FuzzFindInSet(f *testing.F) {
	f.Add(encode(f, manyEntries(20, 3)))
	f.Add(appendIndex(nil, []byte{1, 2, 3}))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, blob []byte) {
		_, _ = FindInSet(bytes.NewReader(blob), int64(len(blob)), []roster.Ref{{Kind: roster.KindPerson}})
	})
}
