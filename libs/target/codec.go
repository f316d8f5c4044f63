package target

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// setVersion is the first byte of an encoded set. A change of the encoding takes the next number; what an older program
// wrote is read for as long as ledgers may hold it. Version 1 had no capacity.
const setVersion = 2

// An encoded set is a row of zstd frames: one with the version and the number of entries, then the entries by entity and
// id, so many a frame, and last one that decoders skip, with what each frame begins with. So what is known of one entity is
// found without the rest.
const frameEntries = 1000

// encodeEntries writes the entries of a delivered set: the same entries are the same bytes.
func encodeEntries(entries map[ID]*Entry) ([]byte, error) {
	sorted := make([]*Entry, 0, len(entries))
	for _, e := range entries {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b *Entry) int { return cmp.Or(a.Entity.Compare(b.Entity), a.ID.Compare(b.ID)) })
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	var out []byte
	var plain, index bytes.Buffer
	w, at := &writer{bufio.NewWriter(&plain)}, &writer{bufio.NewWriter(&index)} // writes to memory do not fail
	flush := func() {
		_ = w.Flush()
		begin := len(out)
		out = enc.EncodeAll(plain.Bytes(), out)
		at.number(len(out) - begin)
		plain.Reset()
	}
	_ = w.WriteByte(setVersion)
	w.number(len(sorted))
	flush()
	for frame := range slices.Chunk(sorted, frameEntries) {
		at.entity(frame[0].Entity)
		for _, e := range frame {
			w.entry(e)
		}
		flush()
	}
	_ = at.Flush()
	return appendIndex(out, index.Bytes()), nil
}

func (w *writer) entity(r roster.Ref) {
	w.text(string(r.Kind))
	_, _ = w.Write(r.Key[:])
}

func (w *writer) entry(e *Entry) {
	w.id(e.ID)
	w.entity(e.Entity)
	w.text(string(e.State))
	w.number(bit(e.Held))
	w.number(int(e.Left))
	w.number(bit(e.Buried))
	w.number(bit(e.Approved))
	w.text(string(e.As.Role))
	w.text(string(e.As.Form))
	_, _ = w.Write(e.Anchor[:])
	w.number(len(e.Fields))
	for _, f := range e.Fields {
		w.text(f.Name)
		w.text(f.Value.Reveal())
	}
	w.ids(e.Needs)
	w.number(len(e.Sets))
	for _, s := range e.Sets {
		w.text(s.Name)
		w.ids(s.Members)
	}
	w.reason(e.Reason)
	w.cause(e.Cause)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decodeEntries reads what encodeEntries wrote.
func decodeEntries(blob []byte, each func(Entry)) error { return decodeSome(blob, nil, each) }

// decodeSome reads the entries of the entities that are wanted, which is cheaper than to read all; with nil all.
func decodeSome(blob []byte, wanted func(roster.Ref) bool, each func(Entry)) error {
	b, err := unpacked(blob)
	if err != nil {
		return err
	}
	if len(b) == 0 || b[0] < 1 || b[0] > setVersion {
		return errors.New("the delivered set is of a version that this program does not know: run the newer program")
	}
	r := &reader{b: b[1:], names: map[string]string{}}
	for range r.number() {
		if err := r.entry(b[0], wanted, each); err != nil {
			return err
		}
	}
	return nil
}

func unpacked(frames []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(4<<30))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	b, err := dec.DecodeAll(frames, nil)
	if err != nil {
		return nil, fmt.Errorf("the delivered set cannot be read: %w", err)
	}
	return b, nil
}

// entry reads an entry, and hands it over if its entity is wanted; with nil each is.
func (r *reader) entry(version byte, wanted func(roster.Ref) bool, each func(Entry)) error {
	kind, key := r.name(), r.bytes(r.number())
	e := Entry{Entity: roster.Ref{Kind: roster.Kind(r.name()), Key: r.key()}}
	if r.blind = wanted != nil && !wanted(e.Entity); !r.blind {
		e.ID = ID{kind, string(key)}
	}
	defer func() { r.blind = false }()
	e.State = EntryState(r.name())
	e.Held = r.number() > 0
	e.Left = r.date()
	if version > 1 {
		e.Buried, e.Approved = r.number() > 0, r.number() > 0
		e.As = Capacity{roster.Role(r.name()), roster.SchoolType(r.name())}
	}
	e.Anchor = r.key()
	for range r.number() {
		if f := (Field{r.name(), roster.Personal(r.text())}); !r.blind {
			e.Fields = append(e.Fields, f)
		}
	}
	e.Needs = r.ids()
	for range r.number() {
		if s := (Set{Name: r.name(), Members: r.ids()}); !r.blind {
			e.Sets = append(e.Sets, s)
		}
	}
	e.Reason, e.Cause = r.reason(), r.cause()
	if r.short {
		return errors.New("the delivered set is cut off")
	}
	if !r.blind {
		each(e)
	}
	return nil
}

type writer struct{ *bufio.Writer }

func (w *writer) number(n int) {
	_, _ = w.Write(binary.AppendUvarint(w.AvailableBuffer(), uint64(n)))
}

func (w *writer) text(s string) {
	w.number(len(s))
	_, _ = w.WriteString(s)
}

func (w *writer) ids(list []ID) {
	w.number(len(list))
	for _, id := range list {
		w.id(id)
	}
}

func (w *writer) id(i ID) {
	w.text(i.Kind)
	w.text(i.Key)
}

func (w *writer) reason(r *reason.Reason) {
	if r == nil {
		w.text("")
		return
	}
	w.text(string(r.Code))
	w.number(len(r.Args))
	for _, a := range r.Args {
		w.text(a.Name)
		w.text(a.Value)
	}
}

func (w *writer) cause(c Cause) {
	_, _ = w.Write(binary.AppendUvarint(w.AvailableBuffer(), c.Seq))
	w.text(c.Run)
	_, _ = w.Write(binary.AppendVarint(w.AvailableBuffer(), c.When.UnixMilli()))
}

// reader reads what a writer wrote. After the end it is short and returns nothing.
type reader struct {
	b     []byte
	short bool
	blind bool              // what comes is passed over: texts are read as empty
	names map[string]string // kinds, states and field names, which repeat
}

func (r *reader) number() int {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > uint64(len(r.b)) {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

// length reads a number that counts no bytes of what is read here.
func (r *reader) length() int {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > math.MaxInt32 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string {
	b := r.bytes(r.number())
	if r.blind {
		return ""
	}
	return string(b)
}

func (r *reader) name() string {
	b := r.bytes(r.number())
	if r.blind {
		return ""
	}
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	r.names[s] = s
	return s
}

func (r *reader) key() (k roster.Key) {
	copy(k[:], r.bytes(len(k)))
	return k
}

func (r *reader) date() roster.Date {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > 9999_12_31 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return roster.Date(n)
}

func (r *reader) ids() (list []ID) {
	n := r.number()
	if n > 0 && !r.blind {
		list = make([]ID, 0, n)
	}
	for range n {
		if id := r.id(); !r.blind {
			list = append(list, id)
		}
	}
	return list
}

func (r *reader) id() ID { return ID{r.name(), r.text()} }

func (r *reader) reason() *reason.Reason {
	code := r.bytes(r.number())
	if len(code) == 0 {
		return nil
	}
	out := &reason.Reason{Code: reason.Code(code)}
	for range r.number() {
		if a := (reason.Arg{Name: r.name(), Value: r.text()}); !r.blind {
			out.Args = append(out.Args, a)
		}
	}
	return out
}

func (r *reader) cause() (c Cause) {
	seq, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.short = true
		return c
	}
	r.b = r.b[size:]
	c.Seq, c.Run = seq, r.name()
	ms, size := binary.Varint(r.b)
	if size <= 0 {
		r.short = true
		return c
	}
	r.b, c.When = r.b[size:], time.UnixMilli(ms)
	return c
}
