package manual

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// parse reads a file. It ends with the line "...", YAML's mark of a document's end (YAML 1.2.2, section 9.1.2): a file
// that was cut off at the end of a line is valid YAML too, and the decisions that it lacks would be taken back.
func parse(name string, data []byte, today roster.Date) (*Decisions, error) {
	data = bytes.TrimRight(data, " \t\r\n")
	body, whole := bytes.CutSuffix(data, []byte("..."))
	if !whole || len(body) > 0 && !bytes.HasSuffix(body, []byte("\n")) {
		line := bytes.Count(data, []byte("\n")) + 1
		return nil, reason.Errorf(reason.Invalid, nil, reason.TruncatedFile, "file", name, "line", line, "what", `the last line is not "..."`)
	}
	f := &Decisions{}
	return f, Parse(name, body, f, func(p tenant.Problems) {
		own := map[roster.Personal]bool{}
		f.states(own)
		f.check(p, today, own)
	})
}

// Parse reads YAML into one of the types of this package, and checks it. The error has every problem with its path and
// line, and nothing of what the text says.
func Parse(name string, text []byte, into any, check func(tenant.Problems)) error {
	lines, p := lines{}, tenant.NewProblems()
	if err := lines.decode(text, into, p); err != nil {
		return unreadable(name, err.Error())
	}
	if d, ok := into.(*Decisions); ok {
		d.lines = lines
	}
	if len(p.List()) == 0 {
		check(p)
	}
	var what []string
	for _, x := range p.List() {
		what = append(what, strings.TrimSuffix(fmt.Sprintf("line %d, %s", lines.line(x.Path), x.Path), ", ")+": "+x.What)
	}
	if len(what) > 0 {
		return unreadable(name, strings.Join(what, "; "))
	}
	return nil
}

// lines are the lines of a text by the paths of what stands there.
type lines map[string]int

func unreadable(name, what string) error {
	return reason.Errorf(reason.Invalid, nil, reason.Unreadable, "file", name, "what", what)
}

// decode reads the texts. What stands where it may not is a problem; the error says that it is no YAML, or more than one
// document.
func (l lines) decode(body []byte, into any, p tenant.Problems) error {
	tree, err := parser.ParseBytes(body, 0)
	if err != nil {
		return errors.New(place(err) + "it is not YAML")
	}
	var docs []ast.Node
	for _, d := range tree.Docs {
		if d.Body != nil {
			docs = append(docs, d.Body)
		}
	}
	if len(docs) > 1 {
		return errors.New("it has more than one document")
	}
	if len(docs) == 0 {
		return nil
	}
	l.walk(docs[0], reflect.ValueOf(into).Elem(), p)
	return nil
}

// place tells where an error of the parser is. Its own text shows lines of the file, which name people.
func place(err error) string {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		return fmt.Sprintf("line %d: ", syntax.GetToken().Position.Line)
	}
	return ""
}

// walk takes over the texts below a node, and notes the line of every path and everything that may not stand where it
// does.
func (l lines) walk(n ast.Node, into reflect.Value, p tenant.Problems) {
	if _, known := l[p.Path()]; !known {
		l[p.Path()] = n.GetToken().Position.Line
	}
	if _, empty := n.(*ast.NullNode); empty {
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		pairs, ok := pairsOf(n)
		if !ok {
			p.Add("write keys and values here")
			return
		}
		l.walkPairs(pairs, fieldsOf(into), p)
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			p.Add("write a list here")
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list.Values), len(list.Values)))
		for i, v := range list.Values {
			l.walk(v, into.Index(i), p.At("[%d]", i))
		}
	case reflect.Map: // of texts
		pairs, ok := pairsOf(n)
		if !ok {
			p.Add("write keys and values here")
			return
		}
		into.Set(reflect.MakeMap(into.Type()))
		for i, pair := range pairs {
			text := reflect.New(into.Type().Elem()).Elem()
			l.walk(pair.Value, text, p.At("[%d]", i))
			into.SetMapIndex(reflect.ValueOf(keyOf(pair)), text)
		}
	default:
		text, ok := textOf(n)
		if !ok {
			p.Add("write a text here")
			return
		}
		into.SetString(text)
	}
}

func (l lines) walkPairs(pairs []*ast.MappingValueNode, fields map[string]reflect.Value, p tenant.Problems) {
	for _, pair := range pairs {
		key, line := keyOf(pair), pair.Key.GetToken().Position.Line
		field, known := fields[key]
		if !known { // what stands there may be a name, so it is not repeated
			at := p.At("?%d", line)
			l[at.Path()] = line
			at.Add("the key is not known here; write one of %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			continue
		}
		l[p.At("%s", key).Path()] = line
		l.walk(pair.Value, field, p.At("%s", key))
	}
}

// keyOf returns a key as it is meant, with or without quotes around it.
func keyOf(pair *ast.MappingValueNode) string {
	if text, ok := textOf(pair.Key); ok {
		return text
	}
	return pair.Key.String()
}

// textOf returns a scalar as it is written.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

func pairsOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// fieldsOf returns the fields of a struct by their keys, those of embedded ones too.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		switch tag := v.Type().Field(i).Tag.Get("yaml"); tag {
		case "":
		case ",inline":
			maps.Copy(fields, fieldsOf(v.Field(i)))
		default:
			fields[tag] = v.Field(i)
		}
	}
	return fields
}

// line returns the line of a path, or of the nearest above it that stands in the file.
func (l lines) line(path string) int {
	for path != "" {
		if n := l[path]; n > 0 {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}
