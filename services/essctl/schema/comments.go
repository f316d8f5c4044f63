package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// comments reads what the project's Go code says of its types.
type comments struct {
	root  string
	files map[string]map[string]string // by package: Type.Field to its comment, and Type= to its constants
}

// of returns the comment of a field.
func (c comments) of(t reflect.Type, field string) string {
	return c.read(t.PkgPath())[t.Name()+"."+field]
}

// constants returns the constants of a type of texts, as they are written.
func (c comments) constants(t reflect.Type) (words []string) {
	if list := c.read(t.PkgPath())[t.Name()+"="]; list != "" {
		words = strings.Split(strings.TrimSuffix(list, "\x00"), "\x00")
	}
	return words
}

func (c comments) read(pkg string) map[string]string {
	if known, ok := c.files[pkg]; ok {
		return known
	}
	found := map[string]string{}
	c.files[pkg] = found
	dir, ours := strings.CutPrefix(pkg, "eventful.se/ess/")
	paths, _ := filepath.Glob(filepath.Join(c.root, filepath.FromSlash(dir), "*.go")) // the pattern is a good one
	for _, path := range paths {
		if !ours || strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			continue // then nothing of this runs either
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok {
					fields(n.Name.Name, s, found)
				}
			case *ast.ValueSpec:
				constant(n, found)
			}
			return true
		})
	}
	return found
}

func fields(name string, s *ast.StructType, found map[string]string) {
	for _, f := range s.Fields.List {
		text := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
		for _, id := range f.Names {
			found[name+"."+id.Name] = text
		}
	}
}

func constant(n *ast.ValueSpec, found map[string]string) {
	id, ok := n.Type.(*ast.Ident)
	if !ok || len(n.Values) != 1 {
		return
	}
	if lit, ok := n.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil && text != "" {
			found[id.Name+"="] += text + "\x00"
		}
	}
}
