package target

import (
	"bufio"
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

func TestSetCodecKeepsEverything(t *testing.T) {
	why := reason.New(reason.NeedsMissing, "resource", "class/1")
	row := Entry{
		ID: ID{"class", "1"}, Entity: roster.Ref{Kind: roster.KindGroup, Key: roster.Key{1}}, Held: true, State: Applied,
		Fields: Fields{{"name", "9B"}, {"empty", ""}}, Needs: []ID{{"location", "u"}}, Sets: []Set{{"instructors", []ID{{"staff", "2"}}}},
		Cause: Cause{Seq: 7, Run: "run", When: time.UnixMilli(1_000)},
	}
	left := Entry{
		ID: ID{"class", "2"}, Entity: row.Entity, State: Waiting, Left: 20260620, Buried: true, Approved: true, As: Capacity{roster.RolePupil, roster.SchoolVUX}, Anchor: roster.Key{2}, Reason: &why, Cause: Cause{When: time.UnixMilli(0)},
	}
	entries := map[ID]*Entry{row.ID: &row, left.ID: &left}
	blob := encode(t, entries)
	got := map[ID]*Entry{}
	if err := decodeEntries(blob, func(e Entry) { got[e.ID] = &e }); err != nil {
		t.Fatal(err)
	}
	reveal := cmp.Transformer("reveal", roster.Personal.Reveal)
	if diff := cmp.Diff(entries, got, reveal); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if again := encode(t, got); string(again) != string(blob) {
		t.Error("the same entries are other bytes")
	}
}

// What a program wrote that knew no capacities is read as the link's own lifecycle.
func TestSetCodecReadsVersion1(t *testing.T) {
	var out bytes.Buffer
	enc, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{bufio.NewWriter(enc)}
	_ = w.WriteByte(1)
	w.number(1)
	w.id(ID{"student", "1"})
	w.text(string(roster.KindPerson))
	_, _ = w.Write(make([]byte, len(roster.Key{})))
	w.text(string(Applied))
	w.number(1)
	w.number(20260620)
	_, _ = w.Write(make([]byte, len(roster.Key{}))) // anchor
	for range 4 {                                   // fields, needs, sets, reason
		w.number(0)
	}
	w.cause(Cause{Seq: 7, Run: "run", When: time.UnixMilli(0)})
	if err := errors.Join(w.Flush(), enc.Close()); err != nil {
		t.Fatal(err)
	}
	var got []Entry
	if err := decodeEntries(out.Bytes(), func(e Entry) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !got[0].Held || got[0].Left != 20260620 || got[0].As != (Capacity{}) || got[0].Buried || got[0].Cause.Seq != 7 {
		t.Errorf("read %+v", got)
	}
}

func encode(t testing.TB, entries map[ID]*Entry) []byte {
	t.Helper()
	blob, err := encodeEntries(entries)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func FuzzDecodeEntries(f *testing.F) {
	f.Add(encode(f, map[ID]*Entry{{"a", "b"}: {ID: ID{"a", "b"}, State: Applied, Held: true}}))
	f.Add([]byte{})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(_ *testing.T, blob []byte) {
		_ = decodeEntries(blob, func(Entry) {})
	})
}
