package ims

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// The encodings, by the names that a profile uses.
const (
	utf8Name    = "utf-8"
	latin1Name  = "iso-8859-1"
	cp1252Name  = "windows-1252"
	utf16LEName = "utf-16le"
	utf16BEName = "utf-16be"
)

// encodingName returns our name of an encoding that a document or a profile names, or nothing for one not supported.
func encodingName(s string) string {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return utf8Name
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1":
		return latin1Name
	case "windows-1252", "cp1252", "cp-1252":
		return cp1252Name
	case "utf-16le":
		return utf16LEName
	case "utf-16be":
		return utf16BEName
	default:
		return ""
	}
}

// decoder reads a document as UTF-8, whatever its encoding. It never replaces what it cannot decode.
type decoder struct {
	name  string
	src   io.Reader
	left  int64  // bytes that may still be read
	raw   []byte // read and not yet decoded, a part of store
	store []byte
	err   error // what follows raw
	step  func(dst, src []byte) (wrote, read int, err error)
	table [256][]byte

	// In an encoding of one byte: bytes outside ASCII that would make sense as UTF-8, those that would not, and how
	// many continuation bytes the one before would want.
	asUTF8, notUTF8, want int
}

// newDecoder finds the encoding of a document: a byte order mark, else the profile's override, else the XML
// declaration, else the profile's default, else UTF-8.
func newDecoder(r io.Reader, p *Profile, maxBytes int64) (*decoder, error) {
	head := make([]byte, 1024)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	name, skip, err := sniff(head, p)
	if err != nil {
		return nil, err
	}
	d := &decoder{name: name, src: io.MultiReader(bytes.NewReader(head[skip:]), r), left: maxBytes - int64(skip)}
	switch name {
	case latin1Name, cp1252Name:
		d.step = d.stepByte
		for i := range d.table {
			// ISO-8859-1's 0x80 to 0x9F are control codes that no name holds: a file that has them is Windows-1252.
			if c := charmap.Windows1252.DecodeByte(byte(i)); c != utf8.RuneError {
				d.table[i] = utf8.AppendRune(nil, c)
			}
		}
	case utf16LEName:
		d.step = func(dst, src []byte) (int, int, error) { return stepUTF16(dst, src, 0, 1) }
	case utf16BEName:
		d.step = func(dst, src []byte) (int, int, error) { return stepUTF16(dst, src, 1, 0) }
	}
	return d, nil
}

func sniff(head []byte, p *Profile) (name string, skip int, err error) {
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		return utf8Name, 3, nil
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return utf16LEName, 2, nil
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return utf16BEName, 2, nil
	case bytes.HasPrefix(head, []byte{'<', 0}):
		return utf16LEName, 0, nil
	case bytes.HasPrefix(head, []byte{0, '<'}):
		return utf16BEName, 0, nil
	case p.EncodingOverride != "":
		return encodingName(p.EncodingOverride), 0, nil
	}
	declared := declaredEncoding(head)
	switch {
	case strings.HasPrefix(strings.ToLower(declared), "utf-16"):
		// A declaration that can be read byte by byte is not UTF-16: the exporter wrote a text as UTF-8 that it had made
		// as UTF-16. As UTF-8 is checked, believing the bytes is safe.
		return utf8Name, 0, nil
	case declared != "":
		if name = encodingName(declared); name == "" {
			return "", 0, &flaw{1, ErrEncoding, "declares an encoding that is not supported"}
		}
		return name, 0, nil
	case p.Encoding != "":
		return encodingName(p.Encoding), 0, nil
	default:
		return utf8Name, 0, nil
	}
}

// declaredEncoding returns the encoding that an XML declaration names.
func declaredEncoding(head []byte) string {
	head = bytes.TrimLeft(head, spaces)
	if !bytes.HasPrefix(head, []byte("<?xml")) {
		return ""
	}
	decl, _, ok := bytes.Cut(head, []byte("?>"))
	if !ok {
		return ""
	}
	_, after, ok := bytes.Cut(decl, []byte("encoding"))
	if !ok {
		return ""
	}
	after = bytes.TrimLeft(after, spaces+"=")
	if len(after) == 0 || after[0] != '"' && after[0] != '\'' {
		return ""
	}
	value, _, _ := bytes.Cut(after[1:], after[:1])
	return string(value)
}

// fill fills dst with UTF-8. It returns less only together with an error, which is io.EOF at the end of the input.
func (d *decoder) fill(dst []byte) (int, error) {
	if d.step == nil {
		return d.readFull(dst)
	}
	wrote := 0
	for {
		w, r, err := d.step(dst[wrote:], d.raw)
		wrote += w
		d.raw = d.raw[r:]
		switch {
		case err != nil:
			return wrote, err
		case len(dst)-wrote < utf8.UTFMax:
			return wrote, nil
		case errors.Is(d.err, io.EOF) && len(d.raw) > 0:
			return wrote, &flaw{0, ErrTruncated, "ends inside a character"}
		case d.err != nil:
			return wrote, d.err
		}
		if d.store == nil {
			d.store = make([]byte, first)
		}
		kept := copy(d.store, d.raw)
		var n int
		n, d.err = d.readFull(d.store[kept:])
		d.raw = d.store[:kept+n]
	}
}

// readFull fills b with bytes as they stand, up to the limit.
func (d *decoder) readFull(b []byte) (int, error) {
	if int64(len(b)) > d.left+1 {
		b = b[:d.left+1]
	}
	n := 0
	for n < len(b) {
		m, err := d.src.Read(b[n:])
		n += m
		if err != nil {
			d.left -= int64(n)
			if d.left < 0 {
				return n, &flaw{0, ErrSize, "goes on behind the limit of its size"}
			}
			return n, err
		}
	}
	if d.left -= int64(n); d.left < 0 {
		return n, &flaw{0, ErrSize, "goes on behind the limit of its size"}
	}
	return n, nil
}

func (d *decoder) stepByte(dst, src []byte) (wrote, read int, err error) {
	for ; read < len(src) && len(dst)-wrote >= utf8.UTFMax; read++ {
		c := src[read]
		if c < utf8.RuneSelf {
			if d.want > 0 {
				d.notUTF8, d.want = d.notUTF8+1, 0
			}
			dst[wrote] = c
			wrote++
			continue
		}
		d.weigh(c)
		if d.table[c] == nil {
			return wrote, read, &flaw{0, ErrEncoding, fmt.Sprintf("byte 0x%02x, which %s does not have", c, d.name)}
		}
		wrote += copy(dst[wrote:], d.table[c])
	}
	return wrote, read, nil
}

// weigh notes whether a byte outside ASCII fits in UTF-8.
func (d *decoder) weigh(c byte) {
	switch {
	case c < 0xc0 && d.want > 0:
		if d.want--; d.want == 0 {
			d.asUTF8++
		}
		return
	case d.want > 0 || c < 0xc2 || c >= 0xf5:
		d.notUTF8++
		d.want = 0
	}
	switch {
	case c >= 0xf0:
		d.want = 3
	case c >= 0xe0:
		d.want = 2
	case c >= 0xc2:
		d.want = 1
	}
}

// suspect tells whether a document in an encoding of one byte reads better as UTF-8, so that its letters came out
// wrong; surely, when every byte outside ASCII does.
func (d *decoder) suspect() (suspect, surely bool) {
	return d.asUTF8 > 10*d.notUTF8, d.asUTF8 > 0 && d.notUTF8 == 0
}

// stepUTF16 decodes UTF-16 whose low byte stands at lo and high byte at hi of each pair.
func stepUTF16(dst, src []byte, lo, hi int) (wrote, read int, err error) {
	for len(src)-read >= 2 && len(dst)-wrote >= utf8.UTFMax {
		r, size := rune(src[read+hi])<<8|rune(src[read+lo]), 2
		if utf16.IsSurrogate(r) {
			if len(src)-read < 4 {
				return wrote, read, nil
			}
			r = utf16.DecodeRune(r, rune(src[read+2+hi])<<8|rune(src[read+2+lo]))
			if r == utf8.RuneError {
				return wrote, read, &flaw{0, ErrEncoding, "half a surrogate pair"}
			}
			size = 4
		}
		wrote += utf8.EncodeRune(dst[wrote:], r)
		read += size
	}
	return wrote, read, nil
}
