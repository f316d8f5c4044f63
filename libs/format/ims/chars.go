package ims

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

const spaces = " \t\r\n"

// reference reads &name; or &#n; or &#xh; at the start of b and returns its character and length, or 0 when it is none
// that XML defines.
func reference(b []byte) (rune, int) {
	end := bytes.IndexByte(b[:min(len(b), 12)], ';')
	if end < 3 {
		return 0, 0
	}
	switch string(b[1:end]) {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	if b[1] != '#' {
		return 0, 0
	}
	digits, base := b[2:end], rune(10)
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	var r rune
	for _, c := range digits {
		var d rune
		switch {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case base == 16 && 'a' <= c|0x20 && c|0x20 <= 'f':
			d = rune(c|0x20-'a') + 10
		default:
			return 0, 0
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, 0
		}
	}
	if len(digits) == 0 || !isChar(r) {
		return 0, 0
	}
	return r, end + 1
}

// isChar tells whether r is a character in XML 1.0 (production 2).
func isChar(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	default:
		return r < 0xd800 || r > 0xdfff && r < 0xfffe || r > 0xffff && r <= utf8.MaxRune
	}
}

// checkText returns how many bytes from the start are whole characters of XML in UTF-8, and whether the bytes behind
// them may still become one.
func checkText(b []byte) (int, bool) {
	const high, low = 0x8080808080808080, 0x2020202020202020
	i := 0
	for i < len(b) {
		// Eight bytes at a time while all are plain ASCII from space on.
		for len(b)-i >= 8 {
			v := binary.LittleEndian.Uint64(b[i:])
			if (v|(v-low))&high != 0 {
				break
			}
			i += 8
		}
		for stop := min(i+8, len(b)); i < stop; {
			c := b[i]
			switch {
			case c >= 0x20 && c < utf8.RuneSelf, c == '\n', c == '\t', c == '\r':
				i++
			case c < 0x20:
				return i, false
			default:
				r, n := utf8.DecodeRune(b[i:])
				if r == utf8.RuneError && n <= 1 {
					return i, !utf8.FullRune(b[i:])
				}
				if !isChar(r) {
					return i, false
				}
				i += n
			}
		}
	}
	return i, true
}

func localName(qname []byte) []byte { return qname[bytes.LastIndexByte(qname, ':')+1:] }

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// nameLen returns the length of the name at the start of b. Letters outside ASCII are taken as they are.
func nameLen(b []byte) int {
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == ':', c >= utf8.RuneSelf:
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return i
		}
	}
	return len(b)
}
