package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is which half of ESS a connector belongs to.
type Kind string

// The kinds.
const (
	Source Kind = "source"
	Target Kind = "target"
)

// Mark stands in front of everything that only the author of a connector can say.
const Mark = "WRITE:"

// Scaffold says what to make.
type Scaffold struct {
	Root    string // folder of the workspace
	Kind    Kind
	Name    string // of the system: quiculum
	Title   string // what people call it; the name when it is empty
	Package string // of Go; the name without hyphens when it is empty
	Like    string // the system whose connector is copied; [Plainest] when it is empty
	model   string // its package
}

// Plainest is the system whose connectors have everything in them that one needs, and are small.
const Plainest = "memory"

// readmes are the READMEs of connectors as they begin; all else is copied.
//
//go:embed source.md target.md
var readmes embed.FS

func (s Scaffold) folder() string { return string(s.Kind) + "-" + s.Name }

// Make writes the connector and names what it wrote. Nothing is written when something is wrong with what is asked.
func (s Scaffold) Make(ctx context.Context) (made []string, err error) {
	if nameOf.MatchString(s.Name) { // else there is one thing to mend, and not three
		s.Title = cmp.Or(strings.TrimSpace(s.Title), s.Name)
		s.Package = cmp.Or(s.Package, strings.ReplaceAll(s.Name, "-", ""))
	}
	s.Like = cmp.Or(s.Like, Plainest)
	if err := s.validate(); err != nil {
		return nil, err
	}
	if s.model, err = s.modelOf(); err != nil {
		return nil, err
	}
	written := map[string][]byte{}
	if err := s.copy(written); err != nil {
		return nil, err
	}
	for path, edit := range map[string]func([]byte) ([]byte, error){"services/connectors/connectors.go": s.list, "README.md": s.row} {
		data, err := os.ReadFile(filepath.Join(s.Root, path))
		if err == nil {
			written[path], err = edit(data)
		}
		if err != nil {
			return nil, fmt.Errorf("add %s to %s: %w", s.folder(), path, err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(written)) {
		to := filepath.Join(s.Root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o750), os.WriteFile(to, written[path], 0o600)); err != nil {
			return made, fmt.Errorf("write %s: %w", path, err)
		}
		made = append(made, path)
	}
	return made, s.expect(ctx)
}

// expect writes anew what the golden cases expect: the same under keys of the new system's own.
func (s Scaffold) expect(ctx context.Context) error {
	folder := filepath.Join("services", s.folder(), s.Package)
	if _, err := os.Stat(filepath.Join(s.Root, folder, "testdata", "cases")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-run=Cases", "./"+filepath.ToSlash(folder), "-update") //nolint:gosec // the names are validated: letters, digits and hyphens
	cmd.Dir = s.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the golden cases of %s do not run: %w\n%s", s.folder(), err, out)
	}
	return nil
}

var (
	nameOf    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	packageOf = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	titleOf   = regexp.MustCompile(`^[^\x00-\x1f|"\\` + "`" + `]+$`)
)

// validate returns everything that is wrong with what is asked.
func (s Scaffold) validate() error {
	var wrong []error
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if _, err := os.Stat(filepath.Join(s.Root, "go.work")); err != nil {
		add("%q is not the workspace: there is no go.work", s.Root)
	}
	if s.Kind != Source && s.Kind != Target {
		add("kind is %q: write source or target", s.Kind)
	}
	if !nameOf.MatchString(s.Name) {
		add("name is %q: write lower-case letters, digits and hyphens, a letter first, as in NAME=google-workspace", s.Name)
	} else if _, err := os.Stat(filepath.Join(s.Root, "services", s.folder())); !errors.Is(err, fs.ErrNotExist) {
		add("services/%s is there already: choose another name, or go on with what is there", s.folder())
	}
	if s.Title != "" && !titleOf.MatchString(s.Title) {
		add("title is %q: write one line without quotes, bars and backslashes", s.Title)
	}
	if s.Package != "" && !packageOf.MatchString(s.Package) {
		add("package is %q: write lower-case letters and digits, a letter first, as in PACKAGE=workspace", s.Package)
	}
	if !nameOf.MatchString(s.Like) {
		add("like is %q: write the name of a system that is there, as in LIKE=%s", s.Like, Plainest)
	}
	return errors.Join(wrong...)
}

// modelOf returns the package of the connector that is copied. The suites of all connectors run, so that what is copied works.
func (s Scaffold) modelOf() (string, error) {
	files, err := filepath.Glob(filepath.Join(s.Root, "services", string(s.Kind)+"-"+s.Like, "*", "*.go"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("there is no services/%s-%s to copy: name a %[1]s that is there, as in LIKE=%s", s.Kind, s.Like, Plainest)
	}
	return filepath.Base(filepath.Dir(files[0])), nil
}

// copy reads the model as the new connector.
func (s Scaffold) copy(into map[string][]byte) error {
	from := os.DirFS(filepath.Join(s.Root, "services", string(s.Kind)+"-"+s.Like))
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		switch {
		case name == "README.md":
			data, err = s.readme()
		case filepath.Ext(name) == ".go":
			data, err = s.code(name, data)
		case name == "sample.yaml":
			data, err = s.sample(data)
		}
		if err != nil {
			return fmt.Errorf("copy %s of %s-%s: %w", name, s.Kind, s.Like, err)
		}
		into["services/"+s.folder()+"/"+s.rename(name)] = data
		return nil
	})
}

// rename returns where a file of the model is in the new connector.
func (s Scaffold) rename(name string) string {
	name = strings.Replace(name, s.model+"/", s.Package+"/", 1)
	name = strings.Replace(name, "/"+s.model+".go", "/"+s.Package+".go", 1)
	return strings.Replace(name, "/"+s.model+"_test.go", "/"+s.Package+"_test.go", 1)
}

func (s Scaffold) readme() ([]byte, error) {
	data, err := readmes.ReadFile(string(s.Kind) + ".md")
	return []byte(strings.NewReplacer("{{name}}", s.Name, "{{title}}", s.Title, "{{package}}", s.Package).Replace(string(data))), err
}

// sample names the system, in its title and in the tenant's section.
func (s Scaffold) sample(data []byte) ([]byte, error) {
	schema, text, _ := strings.Cut(string(data), "\n")
	title, rest, _ := strings.Cut(text, "\n")
	_, says, ok := strings.Cut(title, ": ")
	key := map[Kind]string{Source: "system: ", Target: "target: "}[s.Kind]
	if !ok || !strings.HasPrefix(schema, "# yaml-language-server: ") || strings.Count(rest, key+s.Like+"\n") != 1 {
		return nil, fmt.Errorf("it does not begin with its schema and a title, or has no %s%s", key, s.Like)
	}
	rest = strings.Replace(rest, key+s.Like+"\n", key+s.Name+"\n", 1)
	if s.Like != Plainest { // whose name is a word of every text
		rest = strings.ReplaceAll(rest, s.Like, s.Name)
	}
	return []byte(schema + "\n# " + s.Title + ": " + says + "\n" + rest), nil
}

// code returns a Go file under the new names. What is replaced are words of Go, never parts of a sentence.
func (s Scaffold) code(name string, src []byte) ([]byte, error) {
	if doc := s.doc(name); doc != "" {
		var err error
		if src, err = document(src, doc); err != nil {
			return nil, err
		}
	}
	var (
		out    bytes.Buffer
		files  = token.NewFileSet()
		file   = files.AddFile(name, -1, len(src))
		scan   scanner.Scanner
		copied int
		key    string // the field of a literal whose value comes
		last   string
	)
	scan.Init(file, src, nil, scanner.ScanComments)
	for {
		at, tok, lit := scan.Scan()
		if tok == token.EOF {
			break
		}
		if tok == token.COLON {
			key = last
		}
		last = lit
		with, err := s.word(tok, lit, key)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", file.Line(at), err)
		}
		if tok == token.COMMA || tok == token.STRING {
			key = ""
		}
		if with == lit {
			continue
		}
		offset := file.Offset(at)
		out.Write(src[copied:offset])
		out.WriteString(with)
		copied = offset + len(lit)
	}
	out.Write(src[copied:])
	return format.Source(out.Bytes())
}

// word returns what stands in the place of a token.
func (s Scaffold) word(tok token.Token, lit, key string) (string, error) {
	if tok != token.IDENT && tok != token.STRING && tok != token.COMMENT {
		if tok.IsKeyword() && lit == s.Package {
			return "", s.taken()
		}
		return lit, nil
	}
	switch {
	case tok == token.IDENT && (lit == s.model || lit == s.model+"_test"):
		return strings.Replace(lit, s.model, s.Package, 1), nil
	case tok == token.IDENT && lit == s.Package:
		return "", s.taken()
	case tok == token.STRING && key == "Title":
		return strconv.Quote(s.Title), nil
	case tok == token.STRING && lit == strconv.Quote(s.Like):
		return strconv.Quote(s.Name), nil
	case tok == token.COMMENT:
		lit = regexp.MustCompile(`^// `+s.model+`\b`).ReplaceAllString(lit, "// "+s.Package)
		if s.Like != Plainest {
			lit = regexp.MustCompile(`(?i)([^-/]\b)`+s.Like+`\b`).ReplaceAllString(lit, "${1}"+s.Title)
		}
	}
	elsewhere := regexp.MustCompile(`\b(source|target)-` + s.Like + `\b(/` + s.model + `\b)?`)
	return elsewhere.ReplaceAllStringFunc(lit, func(m string) string {
		with := elsewhere.ReplaceAllString(m, "$1-"+s.Name)
		if strings.Contains(m, "/") {
			with += "/" + s.Package
		}
		return with
	}), nil
}

func (s Scaffold) taken() error {
	return fmt.Errorf("the code uses the word %q for something else: give the package another name, as in PACKAGE=%sapi", s.Package, s.Package)
}

// doc returns the documentation of a package, of the file that has it.
func (s Scaffold) doc(name string) string {
	does := map[Kind]string{Source: "reads " + s.Title, Target: "keeps " + s.Title + " equal to the roster"}[s.Kind]
	switch name {
	case "main.go":
		return "// Command " + s.folder() + " " + does + ".\n"
	case s.model + "/" + s.model + ".go":
		asks := map[Kind]string{
			Source: "what the register is, how it is reached, whether a read is whole, how it tells of protected persons.",
			Target: "what the system holds, how it is reached, what becomes of who leaves, which anchor finds what is ours.",
		}[s.Kind]
		return fmt.Sprintf("// Package %s %s.\n//\n// %s %s\n//\n// %s the source of every format fact: document, section, date.\n", s.Package, does, Mark, asks, Mark)
	default:
		return ""
	}
}

// document gives a package another documentation.
func document(src []byte, doc string) ([]byte, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", src, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	if f.Doc == nil {
		return nil, errors.New("its package has no documentation")
	}
	at := func(p token.Pos) int { return files.Position(p).Offset }
	return slices.Concat(src[:at(f.Doc.Pos())], []byte(doc), src[at(f.Package):]), nil
}

// list adds the connector to those that ess, essctl and the console know.
func (s Scaffold) list(src []byte) ([]byte, error) {
	imported := `"eventful.se/ess/services/` + s.folder() + "/" + s.Package + `"`
	name := s.Package
	if regexp.MustCompile(`\b` + name + `\b`).Match(src) {
		name = string(s.Kind) + name
		imported = name + " " + imported
	}
	open := map[Kind]string{Source: "return []source.Connector{\n", Target: "return []target.Connector{\n"}[s.Kind]
	before, after, ok := strings.Cut(string(src), open)
	inside, rest, closed := strings.Cut(after, "\n\t}")
	if !ok || !closed {
		return nil, fmt.Errorf("there is no %q", strings.TrimSpace(open))
	}
	text := before + open + inside + "\n\t\t" + name + ".Connector(),\n\t}" + rest
	end := strings.Index(text, "\n)")
	if end < 0 {
		return nil, errors.New("there are no imports")
	}
	return format.Source([]byte(text[:end] + "\n\t" + imported + text[end:]))
}

// row adds the connector to the table of what works, after the last of its kind.
func (s Scaffold) row(src []byte) ([]byte, error) {
	lines := strings.SplitAfter(string(src), "\n")
	last := -1
	for i, line := range lines {
		if strings.HasPrefix(line, "|") && strings.Contains(line, "| "+string(s.Kind)+": ") {
			last = i
		}
	}
	if last < 0 {
		return nil, fmt.Errorf("no row of its table has a %s", s.Kind)
	}
	row := fmt.Sprintf("| %s | %s: %s how, and what, in a few words | [services/%s](services/%[4]s) |\n", s.Title, s.Kind, Mark, s.folder())
	return []byte(strings.Join(slices.Insert(lines, last+1, row), "")), nil
}
