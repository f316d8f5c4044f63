package ims

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"
)

// token is what the scanner stands on.
type token uint8

const (
	startTag token = iota // name and attrs are set
	endTag                // name is set
	charData              // text is set, references expanded
	endOfDoc
)

// scanner splits a document into tokens and checks that it is well-formed: tags match, attributes are quoted and
// unique, references are XML's own, characters are XML's, nothing follows the root. What a token holds is valid until
// the next one. It knows no DTD, fetches nothing and expands nothing but the five entities and character references.
type scanner struct {
	ctx    context.Context
	in     *decoder
	limits Limits
	bare   bool // a document type without internal subset is passed over

	buf     []byte
	pos     int   // what lies before it is consumed
	valid   int   // what lies before it is checked text
	err     error // what follows the buffered bytes: io.EOF, or why there is no more
	line    int   // of buf[counted]
	counted int

	name  string // local name
	attrs []attr
	text  []byte

	names     map[string]string // local names seen, so that a name costs no allocation
	open      []byte            // qualified names of the open elements, end to end
	ends      []int
	locals    []string // and their local names
	closing   bool     // the tag just returned closes itself
	rootSeen  bool
	declared  bool // anything but white space has been seen, so no XML declaration may follow
	expansion []byte
}

// attr is an attribute with its local name and its value as written.
type attr struct{ qname, name, value []byte }

const (
	first    = 4 << 10   // bytes read at first
	window   = 128 << 10 // bytes read at a time, once the document turns out to be longer
	maxNames = 4096      // distinct names that are remembered
	maxAttrs = 256       // of one tag
)

func newScanner(ctx context.Context, in *decoder, l Limits, bareDoctype bool) *scanner {
	return &scanner{
		ctx: ctx, in: in, limits: l, bare: bareDoctype,
		buf: make([]byte, 0, first), line: 1, names: map[string]string{},
	}
}

// depth returns the number of open elements.
func (s *scanner) depth() int { return len(s.ends) }

// here returns the line of the token that comes next or, within next, that is being read.
func (s *scanner) here() int {
	if s.pos > s.counted {
		s.line += bytes.Count(s.buf[s.counted:s.pos], []byte{'\n'})
		s.counted = s.pos
	}
	return s.line
}

func (s *scanner) flaw(cause error, what string) error { return &flaw{s.here(), cause, what} }

// flawAt is flaw for a place at an offset in the window.
func (s *scanner) flawAt(off int, cause error, what string) error {
	off = min(off, len(s.buf)-s.pos)
	return &flaw{s.here() + bytes.Count(s.buf[s.pos:s.pos+off], []byte{'\n'}), cause, what}
}

// extend reads more behind the window, or tells why there is no more. Offsets into the window stay right.
func (s *scanner) extend() error {
	if s.err != nil {
		return s.err
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.here()
	rest := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
	s.buf, s.valid = s.buf[:rest], s.valid-s.pos
	s.pos, s.counted = 0, 0
	if rest > s.limits.Element {
		s.err = s.flaw(ErrElement, "a tag, text or comment is larger than the limit")
		return s.err
	}
	if rest > cap(s.buf)/2 || len(s.ends) > 0 && cap(s.buf) < window {
		s.buf = append(make([]byte, 0, max(window, 2*cap(s.buf))), s.buf...)
	}
	n, err := s.in.fill(s.buf[rest:cap(s.buf)])
	s.buf = s.buf[:rest+n]
	good, ok := checkText(s.buf[s.valid:])
	s.valid += good
	var f *flaw
	switch {
	case !ok:
		s.buf = s.buf[:s.valid]
		s.err = s.flawAt(s.valid, ErrEncoding, "bytes that are not text in "+s.in.name)
	case errors.Is(err, io.EOF) && s.valid < len(s.buf):
		s.buf = s.buf[:s.valid]
		s.err = s.flawAt(s.valid, ErrTruncated, "ends inside a character")
	case errors.As(err, &f):
		s.err = s.flawAt(len(s.buf), f.cause, f.what)
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.err = s.flawAt(len(s.buf), ErrTruncated, "ends before its transfer was complete")
	default:
		s.err = err
	}
	if n > 0 && len(s.buf) > rest {
		return nil
	}
	return s.err
}

// cut is what the end of the input means inside a token or an element.
func (s *scanner) cut(err error, what string) error {
	if errors.Is(err, io.EOF) {
		return s.flawAt(len(s.buf)-s.pos, ErrTruncated, what)
	}
	return err
}

// next moves to the next token.
func (s *scanner) next() (token, error) {
	if s.closing {
		s.closing = false
		return s.pop(), nil
	}
	for {
		if s.pos == len(s.buf) {
			if err := s.extend(); err != nil {
				return s.end(err)
			}
		}
		if s.buf[s.pos] != '<' {
			found, err := s.readText()
			if found || err != nil {
				return charData, err
			}
			continue
		}
		if len(s.buf)-s.pos < 2 {
			if err := s.extend(); err != nil {
				return 0, s.cut(err, "ends inside a tag")
			}
		}
		switch s.buf[s.pos+1] {
		case '/':
			return endTag, s.readEnd()
		case '?':
			if err := s.readInstruction(); err != nil {
				return 0, err
			}
		case '!':
			found, err := s.readBang()
			if found || err != nil {
				return charData, err
			}
		default:
			return startTag, s.readStart()
		}
	}
}

// end is what the end of the input means between tokens.
func (s *scanner) end(err error) (token, error) {
	switch {
	case !errors.Is(err, io.EOF):
		return 0, err
	case !s.rootSeen:
		return 0, s.flaw(ErrTruncated, "ends before its first element")
	case s.depth() > 0:
		return 0, s.flaw(ErrTruncated, "ends before its last element is closed")
	default:
		return endOfDoc, nil
	}
}

// readText reads to the next tag. It tells whether there is text to hear of: outside the root there is only space.
func (s *scanner) readText() (bool, error) {
	off := 0
	for {
		if i := bytes.IndexByte(s.buf[s.pos+off:], '<'); i >= 0 {
			off += i
			break
		}
		off = len(s.buf) - s.pos
		if err := s.extend(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return false, err
		}
	}
	raw := s.buf[s.pos : s.pos+off]
	if s.depth() == 0 {
		if i := len(raw) - len(bytes.TrimLeft(raw, spaces)); i < len(raw) {
			return false, s.flawAt(i, ErrMalformed, "text outside the root element")
		}
		s.pos += off
		return false, nil
	}
	if i := bytes.IndexByte(raw, '>'); i >= 0 && bytes.Contains(raw[max(0, i-2):], []byte("]]>")) {
		return false, s.flawAt(i, ErrMalformed, "]]> in text")
	}
	var err error
	if s.text, err = s.expand(raw); err != nil {
		return false, err
	}
	s.pos += off
	return true, nil
}

// expand returns text with its references replaced and its line ends as XML reads them.
func (s *scanner) expand(raw []byte) ([]byte, error) {
	i := bytes.IndexByte(raw, '&')
	if i < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw, nil
	}
	out := s.expansion[:0]
	for i >= 0 {
		out = append(out, raw[:i]...)
		raw = raw[i:]
		r, n := reference(raw)
		if n == 0 {
			return nil, s.flaw(ErrEntity, "a reference that is not one of XML's own")
		}
		out = utf8.AppendRune(out, r)
		raw = raw[n:]
		i = bytes.IndexByte(raw, '&')
	}
	out = append(out, raw...)
	s.expansion = out
	if bytes.IndexByte(out, '\r') < 0 {
		return out, nil
	}
	out = bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(out, []byte{'\r'}, []byte{'\n'}), nil
}

// readInstruction passes over a processing instruction or the XML declaration.
func (s *scanner) readInstruction() error {
	end, err := s.find(2, "?>", "ends inside a processing instruction")
	if err != nil {
		return err
	}
	body := s.buf[s.pos+2 : s.pos+end]
	n := nameLen(body)
	if n == 0 {
		return s.flaw(ErrMalformed, "a processing instruction without a name")
	}
	if bytes.EqualFold(body[:n], []byte("xml")) && s.declared {
		return s.flaw(ErrMalformed, "an XML declaration that is not at the start")
	}
	s.declared = true
	s.pos += end + 2
	return nil
}

// readBang reads a CDATA section, which is text, or passes over a comment or a bare document type.
func (s *scanner) readBang() (bool, error) {
	s.declared = true
	for len(s.buf)-s.pos < 9 {
		if err := s.extend(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return false, err
		}
	}
	switch w := s.buf[s.pos:]; {
	case bytes.HasPrefix(w, []byte("<!--")):
		end, err := s.find(4, "--", "ends inside a comment")
		if err != nil {
			return false, err
		}
		for len(s.buf)-s.pos < end+3 {
			if err := s.extend(); err != nil {
				return false, s.cut(err, "ends inside a comment")
			}
		}
		if s.buf[s.pos+end+2] != '>' {
			return false, s.flaw(ErrMalformed, "-- inside a comment")
		}
		s.pos += end + 3
		return false, nil
	case bytes.HasPrefix(w, []byte("<![CDATA[")):
		if s.depth() == 0 {
			return false, s.flaw(ErrMalformed, "text outside the root element")
		}
		end, err := s.find(9, "]]>", "ends inside a CDATA section")
		if err != nil {
			return false, err
		}
		s.text = s.buf[s.pos+9 : s.pos+end]
		s.pos += end + 3
		return true, nil
	case bytes.HasPrefix(w, []byte("<!DOCTYPE")):
		return false, s.readDoctype()
	case len(w) < 9 && errors.Is(s.err, io.EOF):
		return false, s.cut(io.EOF, "ends inside a tag")
	default:
		return false, s.flaw(ErrMalformed, "<! that begins nothing XML knows")
	}
}

// readDoctype passes over <!DOCTYPE name SYSTEM "..."> where the profile allows it. It is never fetched. An internal
// subset, where entities are declared, is always refused.
func (s *scanner) readDoctype() error {
	if !s.bare || s.rootSeen {
		return s.flaw(ErrDoctype, "a document type declaration")
	}
	quote := byte(0)
	for off := 9; ; off++ {
		if s.pos+off == len(s.buf) {
			if err := s.extend(); err != nil {
				return s.cut(err, "ends inside a document type declaration")
			}
		}
		switch c := s.buf[s.pos+off]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[' || c == '<':
			return s.flaw(ErrDoctype, "a document type declaration with an internal subset")
		case c == '>':
			s.pos += off + 1
			return nil
		}
	}
}

// find returns the offset of a mark in the window.
func (s *scanner) find(from int, mark, cut string) (int, error) {
	for off := from; ; {
		if w := s.buf[s.pos:]; len(w) > off {
			if i := bytes.Index(w[off:], []byte(mark)); i >= 0 {
				return off + i, nil
			}
		}
		off = max(from, len(s.buf)-s.pos-len(mark)+1)
		if err := s.extend(); err != nil {
			return 0, s.cut(err, cut)
		}
	}
}

// readEnd reads an end tag and closes its element.
func (s *scanner) readEnd() error {
	end, err := s.find(2, ">", "ends inside a tag")
	if err != nil {
		return err
	}
	name := s.buf[s.pos+2 : s.pos+end]
	for n := len(name); n > 0 && isSpace(name[n-1]); n-- {
		name = name[:n-1]
	}
	if s.depth() == 0 || !bytes.Equal(name, s.open[s.topStart():]) {
		return s.flaw(ErrMalformed, "an end tag that does not match its start tag")
	}
	s.pos += end + 1
	s.pop()
	return nil
}

func (s *scanner) topStart() int {
	if len(s.ends) < 2 {
		return 0
	}
	return s.ends[len(s.ends)-2]
}

func (s *scanner) pop() token {
	top := s.topStart()
	last := len(s.ends) - 1
	s.name = s.locals[last]
	s.open, s.ends, s.locals = s.open[:top], s.ends[:last], s.locals[:last]
	return endTag
}

// readStart reads a start tag and opens its element.
func (s *scanner) readStart() error {
	if s.rootSeen && s.depth() == 0 {
		return s.flaw(ErrMalformed, "an element after the root element")
	}
	for {
		n, self, err := s.parseStart(s.buf[s.pos:])
		if err != nil {
			return err
		}
		if n == 0 {
			if err := s.extend(); err != nil {
				return s.cut(err, "ends inside a tag")
			}
			continue
		}
		if s.depth() > s.limits.Depth {
			return s.flaw(ErrDepth, "elements nested deeper than the limit")
		}
		s.rootSeen, s.declared, s.closing = true, true, self
		s.pos += n
		return nil
	}
}

// parseStart reads a start tag at the start of w and returns its length, or 0 when w ends inside it.
func (s *scanner) parseStart(w []byte) (n int, self bool, err error) {
	s.attrs = s.attrs[:0]
	n = 1 + nameLen(w[1:])
	if n == len(w) {
		return 0, false, nil
	}
	if n == 1 {
		return 0, false, s.flaw(ErrMalformed, "< that begins no tag")
	}
	qname := w[1:n]
	for {
		from := n
		for n < len(w) && isSpace(w[n]) {
			n++
		}
		if n+1 >= len(w) && (n == len(w) || w[n] == '/') {
			return 0, false, nil
		}
		switch {
		case w[n] == '>':
			s.push(qname)
			return n + 1, false, nil
		case w[n] == '/' && w[n+1] == '>':
			s.push(qname)
			return n + 2, true, nil
		case n == from:
			return 0, false, s.flawAt(n, ErrMalformed, "a tag whose parts are not apart")
		}
		a, next, err := s.parseAttr(w, n)
		if next == 0 || err != nil {
			return 0, false, err
		}
		if len(s.attrs) == maxAttrs {
			return 0, false, s.flaw(ErrElement, "a tag with more attributes than the limit")
		}
		s.attrs = append(s.attrs, a)
		n = next
	}
}

// parseAttr reads an attribute at w[n:] and returns the offset behind it, or 0 when w ends inside it.
func (s *scanner) parseAttr(w []byte, n int) (a attr, next int, err error) {
	from := n
	n += nameLen(w[n:])
	a.qname = w[from:n]
	for n < len(w) && isSpace(w[n]) {
		n++
	}
	if n == len(w) {
		return a, 0, nil
	}
	if len(a.qname) == 0 || w[n] != '=' {
		return a, 0, s.flawAt(n, ErrMalformed, "an attribute without a value")
	}
	for n++; n < len(w) && isSpace(w[n]); n++ {
	}
	if n == len(w) {
		return a, 0, nil
	}
	quote := w[n]
	if quote != '"' && quote != '\'' {
		return a, 0, s.flawAt(n, ErrMalformed, "an attribute whose value is not quoted")
	}
	n++
	end := bytes.IndexByte(w[n:], quote)
	if end < 0 {
		return a, 0, nil
	}
	a.value = w[n : n+end]
	a.name = localName(a.qname)
	if bytes.IndexByte(a.value, '<') >= 0 {
		return a, 0, s.flawAt(n, ErrMalformed, "< inside an attribute")
	}
	for rest := a.value; ; {
		i := bytes.IndexByte(rest, '&')
		if i < 0 {
			break
		}
		_, size := reference(rest[i:])
		if size == 0 {
			return a, 0, s.flawAt(n, ErrEntity, "a reference that is not one of XML's own")
		}
		rest = rest[i+size:]
	}
	for _, b := range s.attrs {
		if bytes.Equal(a.qname, b.qname) {
			return a, 0, s.flawAt(n, ErrMalformed, "an attribute that stands twice in a tag")
		}
	}
	return a, n + end + 1, nil
}

func (s *scanner) push(qname []byte) {
	s.name = s.local(qname)
	s.open = append(s.open, qname...)
	s.ends = append(s.ends, len(s.open))
	s.locals = append(s.locals, s.name)
}

// local returns the local name of a qualified one.
func (s *scanner) local(qname []byte) string {
	b := localName(qname)
	if n, ok := s.names[string(b)]; ok {
		return n
	}
	n := string(b)
	if len(s.names) < maxNames {
		s.names[n] = n
	}
	return n
}
