package ims

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

// tree holds one element with what is below it. It is used again for each.
type tree struct {
	nodes []node
	attrs []treeAttr
	text  []byte
	path  []int32 // the open elements, while reading
}

type node struct {
	name              string
	textFrom, textTo  int32
	attrFrom, attrTo  int32
	first, last, next int32 // children and sibling; 0 for none
}

type treeAttr struct {
	name     string
	from, to int32
}

// read reads the element whose start tag the scanner stands on, to its end tag. Of its children it keeps those that
// want names; passwords are passed over wherever they stand.
func (t *tree) read(s *scanner, want map[string]bool) error {
	t.nodes, t.attrs, t.text, t.path = t.nodes[:0], t.attrs[:0], t.text[:0], t.path[:0]
	t.open(s)
	for len(t.path) > 0 {
		tok, err := s.next()
		if err != nil {
			return err
		}
		switch tok {
		case startTag:
			if isPassword(s.name) || len(t.path) == 1 && !want[s.name] {
				if err := skip(s); err != nil {
					return err
				}
				continue
			}
			t.open(s)
		case endTag:
			t.path = t.path[:len(t.path)-1]
		case charData:
			t.append(s.text)
		}
		if len(t.text)+len(t.nodes)*32+len(t.attrs)*16 > s.limits.Element {
			return s.flaw(ErrElement, "a person, group or member is larger than the limit")
		}
	}
	return nil
}

// isPassword tells whether an element or an attribute holds a password or tells about one.
func isPassword(name string) bool {
	switch strings.ToLower(name) {
	case "password", "pwencryptiontype", "authenticationtype":
		return true
	}
	return false
}

// skip passes over the element whose start tag the scanner stands on.
func skip(s *scanner) error {
	for above := s.depth() - 1; ; {
		tok, err := s.next()
		if err != nil {
			return err
		}
		if tok == endTag && s.depth() == above {
			return nil
		}
	}
}

func (t *tree) open(s *scanner) {
	i := int32(len(t.nodes))
	n := node{name: s.name, attrFrom: int32(len(t.attrs))}
	for _, a := range s.attrs {
		name := s.local(a.name)
		if isPassword(name) || bytes.HasPrefix(a.qname, []byte("xmlns")) {
			continue
		}
		from := len(t.text)
		value, err := s.expand(a.value)
		if err != nil {
			continue // the scanner has checked the references of every attribute
		}
		t.text = append(t.text, value...)
		t.attrs = append(t.attrs, treeAttr{name, int32(from), int32(len(t.text))})
	}
	n.attrTo = int32(len(t.attrs))
	n.textFrom, n.textTo = int32(len(t.text)), int32(len(t.text))
	if len(t.path) > 0 {
		above := &t.nodes[t.path[len(t.path)-1]]
		if above.first == 0 {
			above.first = i
		} else {
			t.nodes[above.last].next = i
		}
		above.last = i
	}
	t.nodes = append(t.nodes, n)
	t.path = append(t.path, i)
}

// append adds text to the innermost element. The space between its children is no text.
func (t *tree) append(text []byte) {
	n := &t.nodes[t.path[len(t.path)-1]]
	if n.textFrom == n.textTo {
		for len(text) > 0 && isSpace(text[0]) {
			text = text[1:]
		}
		if len(text) == 0 {
			return
		}
		n.textFrom, n.textTo = int32(len(t.text)), int32(len(t.text))
	}
	if int(n.textTo) != len(t.text) {
		if len(bytes.TrimLeft(text, spaces)) == 0 {
			return
		}
		from := int32(len(t.text))
		t.text = append(t.text, t.text[n.textFrom:n.textTo]...)
		n.textFrom = from
	}
	t.text = append(t.text, text...)
	n.textTo = int32(len(t.text))
}

// elem is an element of a tree.
type elem struct {
	t *tree
	i int32
}

func (t *tree) root() elem { return elem{t, 0} }

func (e elem) node() *node    { return &e.t.nodes[e.i] }
func (e elem) name() string   { return e.node().name }
func (e elem) text() []byte   { n := e.node(); return trim(e.t.text[n.textFrom:n.textTo]) }
func (e elem) string() string { return string(e.text()) }

// attr returns the value of an attribute, or nothing.
func (e elem) attr(name string) []byte {
	n := e.node()
	for _, a := range e.t.attrs[n.attrFrom:n.attrTo] {
		if a.name == name {
			return trim(e.t.text[a.from:a.to])
		}
	}
	return nil
}

// all yields the children; with a name, those that have it.
func (e elem) all(name string) iter.Seq[elem] {
	return func(yield func(elem) bool) {
		for i := e.node().first; i != 0; i = e.t.nodes[i].next {
			if c := (elem{e.t, i}); (name == "" || c.name() == name) && !yield(c) {
				return
			}
		}
	}
}

// child returns the first child of a name.
func (e elem) child(name string) (elem, bool) {
	for c := range e.all(name) {
		return c, true
	}
	return elem{}, false
}

// at returns the text of the first element at a path below, or nothing.
func (e elem) at(path ...string) []byte {
	for _, name := range path {
		var ok bool
		if e, ok = e.child(name); !ok {
			return nil
		}
	}
	return e.text()
}

// each calls f for every element at a path below.
func (e elem) each(path []string, f func(elem)) {
	if len(path) == 0 {
		f(e)
		return
	}
	for c := range e.all(path[0]) {
		c.each(path[1:], f)
	}
}

// extras gathers texts and attributes by path.
type extras struct {
	values map[string]string // nil while there is none
	count  map[string]int
}

// take gathers everything from e down.
func (x *extras) take(e elem, path string) {
	x.put(path, e.text())
	n := e.node()
	for _, a := range e.t.attrs[n.attrFrom:n.attrTo] {
		x.put(path+"@"+a.name, trim(e.t.text[a.from:a.to]))
	}
	for c := range e.all("") {
		x.take(c, path+"/"+c.name())
	}
}

// put adds a value; a path that repeats is numbered from 2.
func (x *extras) put(path string, value []byte) {
	if len(value) == 0 {
		return
	}
	if x.values == nil {
		x.values, x.count = map[string]string{}, map[string]int{}
	}
	if x.count[path]++; x.count[path] > 1 {
		path += "[" + strconv.Itoa(x.count[path]) + "]"
	}
	x.values[path] = string(value)
}

// trim cuts the space around a text, also the kinds outside ASCII that exporters pad with.
func trim(b []byte) []byte {
	if n := len(b); n > 0 && b[0] > ' ' && b[0] < 0x80 && b[n-1] > ' ' && b[n-1] < 0x80 {
		return b
	}
	return bytes.TrimSpace(b)
}
