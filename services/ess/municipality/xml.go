package municipality

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// Encoding is a character encoding, by the name that an XML declaration gives it.
type Encoding string

// The encodings. A character that one does not have is written as a numeric reference.
const (
	UTF8        Encoding = "UTF-8"
	ISO88591    Encoding = "ISO-8859-1"
	Windows1252 Encoding = "Windows-1252"
	UTF16       Encoding = "UTF-16" // little endian, with a byte order mark
)

// xmlWriter writes XML in an encoding. The first error stays until close.
type xmlWriter struct {
	w    io.Writer
	buf  []byte
	rune func(buf []byte, r rune) ([]byte, bool) // appends a character unless the encoding lacks it; nil for UTF-8
	err  error
}

const xmlBuffer = 1 << 16

func newXMLWriter(w io.Writer, e Encoding, bom bool) (*xmlWriter, error) {
	x := &xmlWriter{w: w, buf: make([]byte, 0, xmlBuffer+4096)}
	switch e {
	case "", UTF8:
		e = UTF8
		if bom {
			x.buf = append(x.buf, "\ufeff"...)
		}
	case ISO88591:
		x.rune = single(charmap.ISO8859_1)
	case Windows1252:
		x.rune = single(charmap.Windows1252)
	case UTF16:
		x.rune = appendUTF16
		x.buf, _ = appendUTF16(x.buf, '\ufeff')
	default:
		return nil, fmt.Errorf("encoding %q is unknown: use %s, %s, %s or %s", e, UTF8, ISO88591, Windows1252, UTF16)
	}
	x.raw(`<?xml version="1.0" encoding="` + string(e) + "\"?>\n")
	return x, nil
}

func single(c *charmap.Charmap) func([]byte, rune) ([]byte, bool) {
	return func(buf []byte, r rune) ([]byte, bool) {
		b, ok := c.EncodeRune(r)
		if !ok {
			return buf, false
		}
		return append(buf, b), true
	}
}

func appendUTF16(buf []byte, r rune) ([]byte, bool) {
	for _, u := range utf16.AppendRune(nil, r) {
		buf = append(buf, byte(u), byte(u>>8))
	}
	return buf, true
}

// raw writes markup, which is ASCII.
func (x *xmlWriter) raw(s string) {
	if x.rune == nil {
		x.buf = append(x.buf, s...)
	} else {
		for _, r := range s {
			x.buf, _ = x.rune(x.buf, r)
		}
	}
	if len(x.buf) >= xmlBuffer {
		x.flush()
	}
}

// text writes character data.
func (x *xmlWriter) text(s string) {
	start := 0
	for i, r := range s {
		var with string
		switch r {
		case '&':
			with = "&amp;"
		case '<':
			with = "&lt;"
		case '>':
			with = "&gt;"
		default:
			continue
		}
		x.plain(s[start:i])
		x.raw(with)
		start = i + 1
	}
	x.plain(s[start:])
}

func (x *xmlWriter) plain(s string) {
	if x.rune == nil {
		x.raw(s)
		return
	}
	for _, r := range s {
		var ok bool
		if x.buf, ok = x.rune(x.buf, r); !ok {
			x.raw("&#" + strconv.Itoa(int(r)) + ";")
		}
	}
}

func (x *xmlWriter) element(name, value string) {
	x.raw("<" + name + ">")
	x.text(value)
	x.raw("</" + name + ">")
}

func (x *xmlWriter) line(name, value string) {
	x.element(name, value)
	x.raw("\n")
}

func (x *xmlWriter) flush() {
	if x.err == nil {
		_, x.err = x.w.Write(x.buf)
	}
	x.buf = x.buf[:0]
}

func (x *xmlWriter) close() error {
	x.flush()
	return x.err
}
