package tenant

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"eventful.se/ess/libs/roster"
)

// Secret is a reference to a secret: file:PATH or env:NAME. It is read each time it is used, so that a rotated secret
// needs no restart; it prints as the reference, never as the secret. In a document it may be written with the day on which
// the secret stops to work, {ref: file:PATH, expires: 2027-03-01}; see [Document.Endings].
type Secret string

// UnmarshalYAML reads both forms.
func (s *Secret) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if unmarshal(&text) == nil {
		*s = Secret(text)
		return nil
	}
	var long struct {
		Ref     string      `yaml:"ref"`
		Expires roster.Date `yaml:"expires"`
	}
	if err := unmarshal(&long); err != nil {
		return fmt.Errorf("a secret with the day on which it expires: %w", err)
	}
	*s = Secret(long.Ref)
	return nil
}

// expiring returns the secrets of a document that say when they end: every mapping that has ref and expires.
func expiring(document []byte) (list []Ending, err error) {
	file, err := parser.ParseBytes(document, 0)
	if err != nil {
		return nil, Unreadable(err)
	}
	var walk func(n ast.Node, path string)
	values := func(pairs []*ast.MappingValueNode, path string) {
		var ref, expires string
		for _, pair := range pairs {
			key := pair.Key.GetToken().Value
			switch key {
			case "ref":
				ref = pair.Value.GetToken().Value
			case "expires":
				expires = pair.Value.GetToken().Value
			}
			walk(pair.Value, strings.TrimPrefix(path+"."+key, "."))
		}
		if on, err := roster.ParseDate(expires); err == nil && ref != "" {
			list = append(list, Ending{path, Secret(ref).String(), true, on})
		}
	}
	walk = func(n ast.Node, path string) {
		switch n := n.(type) {
		case *ast.MappingNode:
			values(n.Values, path)
		case *ast.MappingValueNode:
			values([]*ast.MappingValueNode{n}, path)
		case *ast.SequenceNode:
			for i, v := range n.Values {
				walk(v, fmt.Sprintf("%s[%d]", path, i))
			}
		case *ast.AnchorNode:
			walk(n.Value, path)
		case *ast.TagNode:
			walk(n.Value, path)
		}
	}
	for _, d := range file.Docs {
		walk(d.Body, "")
	}
	return list, nil
}

// IsZero tells whether no secret is named.
func (s Secret) IsZero() bool { return s == "" }

// Validate checks the form of the reference without reading it.
func (s Secret) Validate() error {
	scheme, name, _ := strings.Cut(string(s), ":")
	if (scheme != "file" && scheme != "env") || name == "" {
		return errors.New("is not a reference to a secret: write file:PATH or env:NAME, never the secret itself")
	}
	return nil
}

// Reveal reads the secret. A trailing line end is not part of it; an empty secret is an error.
func (s Secret) Reveal() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("secret %w", err)
	}
	scheme, name, _ := strings.Cut(string(s), ":")
	var v []byte
	switch scheme {
	case "env":
		v = []byte(os.Getenv(name))
	case "file":
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", s, err)
		}
		v = []byte(strings.TrimRight(string(b), "\r\n"))
	}
	if len(v) == 0 {
		return nil, fmt.Errorf("secret %s is empty", s)
	}
	return v, nil
}

// Written returns when the file of a secret was written; zero where there is none.
func (s Secret) Written() time.Time {
	path, ok := strings.CutPrefix(string(s), "file:")
	if !ok {
		return time.Time{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// String returns the reference, or a mask when the text is not one, for then it may be the secret itself.
func (s Secret) String() string {
	if s != "" && s.Validate() != nil {
		return "***"
	}
	return string(s)
}

// Format prints what String returns for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Secrets returns the secrets that settings name, each once.
func Secrets(config any) (list []Secret) {
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			walk(v.Elem())
		case reflect.Struct:
			for f, field := range v.Fields() {
				if f.IsExported() {
					walk(field)
				}
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for _, value := range v.Seq2() {
				walk(value)
			}
		case reflect.String:
			s, ok := reflect.TypeAssert[Secret](v)
			if ok && !s.IsZero() && !slices.Contains(list, s) {
				list = append(list, s)
			}
		default:
		}
	}
	walk(reflect.ValueOf(config))
	return list
}
