package target

import (
	"encoding/binary"
	"errors"
	"io"

	"eventful.se/ess/libs/roster"
)

// The index of an encoded set is a skippable frame of zstd (RFC 8878, 3.1.2), so that who decodes all of it needs to know
// nothing of it. It ends with its length and a mark, by which it is found from the end.
const (
	skippable = 0x184D2A50
	indexMark = 0x31495345 // "ESI1"
	indexTail = 8
)

func appendIndex(out, index []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, skippable)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(index)+indexTail))
	out = append(out, index...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(index)))
	return binary.LittleEndian.AppendUint32(out, indexMark)
}

// FindInSet returns what a delivered set holds of some entities. It reads only the parts in which these can be, but of a
// set that an older program wrote all.
func FindInSet(set io.ReaderAt, size int64, of []roster.Ref) (list []Entry, err error) {
	wanted := make(map[roster.Ref]bool, len(of))
	for _, ref := range of {
		wanted[ref] = true
	}
	is := func(ref roster.Ref) bool { return wanted[ref] }
	add := func(e Entry) { list = append(list, e) }
	frames, version, err := readIndex(set, size)
	if err != nil {
		return nil, err
	}
	if frames == nil {
		all, err := readPart(set, 0, size)
		if err != nil {
			return nil, err
		}
		return list, decodeSome(all, is, add)
	}
	for i, f := range frames {
		needed := false
		for ref := range wanted {
			needed = needed || f.first.Compare(ref) <= 0 && (i+1 == len(frames) || ref.Compare(frames[i+1].first) <= 0)
		}
		if !needed {
			continue
		}
		packed, err := readPart(set, f.from, f.size)
		if err != nil {
			return nil, err
		}
		b, err := unpacked(packed)
		if err != nil {
			return nil, err
		}
		for r := (&reader{b: b, names: map[string]string{}}); len(r.b) > 0; {
			if err := r.entry(version, is, add); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// frame is a part of an encoded set.
type frame struct {
	from, size int64
	first      roster.Ref // the entity of its first entry
}

// readIndex returns the frames with entries, and the version of the encoding; no frames for a set without an index.
func readIndex(set io.ReaderAt, size int64) ([]frame, byte, error) {
	if size < indexTail {
		return nil, 0, nil
	}
	tail, err := readPart(set, size-indexTail, indexTail)
	if err != nil {
		return nil, 0, err
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	if binary.LittleEndian.Uint32(tail[4:]) != indexMark || length > size-indexTail {
		return nil, 0, nil
	}
	index, err := readPart(set, size-indexTail-length, length)
	if err != nil {
		return nil, 0, err
	}
	r := &reader{b: index, names: map[string]string{}}
	from := int64(r.length())
	head, err := readPart(set, 0, min(from, size))
	if err != nil {
		return nil, 0, err
	}
	if head, err = unpacked(head); err != nil {
		return nil, 0, err
	}
	if len(head) == 0 || head[0] < 1 || head[0] > setVersion {
		return nil, 0, errors.New("the delivered set is of a version that this program does not know: run the newer program")
	}
	frames := []frame{}
	for len(r.b) > 0 {
		f := frame{from: from, first: roster.Ref{Kind: roster.Kind(r.name()), Key: r.key()}}
		f.size = int64(r.length())
		if from += f.size; r.short || from > size {
			return nil, 0, errors.New("the index of the delivered set is damaged")
		}
		frames = append(frames, f)
	}
	return frames, head[0], nil
}

func readPart(set io.ReaderAt, from, size int64) ([]byte, error) {
	b := make([]byte, size)
	_, err := set.ReadAt(b, from)
	if errors.Is(err, io.EOF) {
		err = nil // the end of the set is the end of its last part
	}
	return b, err
}
