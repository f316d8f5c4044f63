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
func parse(name string, data []byte, today roster.Date) (*file, error) {
	data = bytes.TrimRight(data, " \t\r\n")
	body, whole := bytes.CutSuffix(data, []byte("\n..."))
	if !whole {
		line := bytes.Count(data, []byte("\n")) + 1
		return nil, reason.Errorf(reason.Invalid, nil, reason.TruncatedFile, "file", name, "line", line, "what", `the last line is not "..."`)
	}
	f, p := &file{lines: map[string]int{}}, tenant.NewProblems()
	if err := f.decode(body, p); err != nil {
		return nil, unreadable(name, err.Error())
	}
	if len(p.List()) == 0 {
		f.check(p, today)
	}
	if list := p.List(); len(list) > 0 {
		var what []string
		for _, x := range list {
			what = append(what, fmt.Sprintf("line %d, %s: %s", f.line(x.Path), x.Path, x.What))
		}
		return nil, unreadable(name, strings.Join(what, "; "))
	}
	return f, nil
}

func unreadable(name, what string) error {
	return reason.Errorf(reason.Invalid, nil, reason.Unreadable, "file", name, "what", what)
}

// decode reads the texts of the file. What stands where it may not is a problem; the error says that the file is no
// YAML, or more than one document.
func (f *file) decode(body []byte, p tenant.Problems) error {
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
	f.walk(docs[0], reflect.ValueOf(f).Elem(), p)
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
func (f *file) walk(n ast.Node, into reflect.Value, p tenant.Problems) {
	if _, known := f.lines[p.Path()]; !known {
		f.lines[p.Path()] = n.GetToken().Position.Line
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
		f.walkPairs(pairs, fieldsOf(into), p)
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			p.Add("write a list here")
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list.Values), len(list.Values)))
		for i, v := range list.Values {
			f.walk(v, into.Index(i), p.At("[%d]", i))
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

func (f *file) walkPairs(pairs []*ast.MappingValueNode, fields map[string]reflect.Value, p tenant.Problems) {
	for _, pair := range pairs {
		key, line := pair.Key.String(), pair.Key.GetToken().Position.Line
		field, known := fields[key]
		if !known { // what stands there may be a name, so it is not repeated
			at := p.At("?%d", line)
			f.lines[at.Path()] = line
			at.Add("the key is not known here; write one of %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			continue
		}
		f.lines[p.At("%s", key).Path()] = line
		f.walk(pair.Value, field, p.At("%s", key))
	}
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
func (f *file) line(path string) int {
	for path != "" {
		if n := f.lines[path]; n > 0 {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}
