// Package tenant holds what an operator writes about a customer: settings that report every problem at once, with its
// path, and secrets that are only ever references.
package tenant

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"eventful.se/ess/libs/roster"
)

// Document is what an operator writes about one customer: which registers are read and which targets are kept right.
type Document struct {
	Tenant  string   `yaml:"tenant"`  // name: lower-case letters, digits and hyphens; a token of every subject
	Title   string   `yaml:"title"`   // the customer's name, for people
	Service Level    `yaml:"service"` // bronze, silver or gold
	Pepper  Secret   `yaml:"pepper"`  // secret that makes the keys; it never rotates
	Sources []Source `yaml:"sources"` // in order of precedence: the first one's attributes win
	Links   []Link   `yaml:"links"`
}

// Level is what the customer has bought.
type Level string

// The service levels.
const (
	Bronze Level = "bronze"
	Silver Level = "silver"
	Gold   Level = "gold"
)

// Source is one register of a tenant.
type Source struct {
	System   string   `yaml:"system"`
	Instance string   `yaml:"instance"` // default "default"
	Schedule string   `yaml:"schedule"` // cron expression of five fields in Europe/Stockholm; default the connector's
	Settings ast.Node `yaml:"settings"` // the connector's own
}

// Link is one target of a tenant.
type Link struct {
	Target   string   `yaml:"target"`
	Instance string   `yaml:"instance"` // default "default"
	Settings ast.Node `yaml:"settings"` // the connector's own
}

// Ref returns the source's system and instance.
func (s Source) Ref() roster.Source { return roster.Source{System: s.System, Instance: s.Instance} }

// Ref returns the target's system and instance.
func (l Link) Ref() roster.Source { return roster.Source{System: l.Target, Instance: l.Instance} }

// Precedence returns the sources in the order in which their attributes win.
func (d *Document) Precedence() (p roster.Precedence) {
	for _, s := range d.Sources {
		p = append(p, s.Ref())
	}
	return p
}

// Parse reads a document and checks everything but the connectors' own settings. The error names every problem.
func Parse(data []byte) (*Document, error) {
	d := &Document{Service: Silver}
	if err := decode(bytes.NewReader(data), d); err != nil {
		return nil, err
	}
	for i := range d.Sources {
		d.Sources[i].Instance = orDefault(d.Sources[i].Instance)
	}
	for i := range d.Links {
		d.Links[i].Instance = orDefault(d.Links[i].Instance)
	}
	p := NewProblems()
	d.validate(p)
	return d, p.Err()
}

// Load reads the document in a file. A relative file: secret is meant from the file's folder.
func Load(path string) (*Document, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// LoadDir reads every *.yaml in a folder, sorted by name.
func LoadDir(dir string) ([]*Document, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var docs []*Document
	var errs []error
	seen := map[string]string{}
	for _, path := range paths {
		d, err := Load(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if other, dup := seen[d.Tenant]; dup {
			errs = append(errs, fmt.Errorf("%s: tenant %s is already in %s", path, d.Tenant, other))
			continue
		}
		seen[d.Tenant] = path
		docs = append(docs, d)
	}
	if len(paths) == 0 {
		errs = append(errs, fmt.Errorf("%s holds no tenant: no file named *.yaml", dir))
	}
	return docs, errors.Join(errs...)
}

// Decode reads a connector's settings strictly into config, which holds the defaults.
func Decode(settings ast.Node, config any) error {
	if settings == nil {
		return nil
	}
	return yaml.NodeToValue(settings, config, yaml.Strict())
}

func decode(r io.Reader, into any) error {
	err := yaml.NewDecoder(r, yaml.Strict()).Decode(into)
	if errors.Is(err, io.EOF) {
		return errors.New("the document is empty")
	}
	return err
}

func orDefault(instance string) string {
	if instance == "" {
		return "default"
	}
	return instance
}

var token = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (d *Document) validate(p Problems) {
	checkToken(p.At("tenant"), d.Tenant)
	if !slices.Contains([]Level{Bronze, Silver, Gold}, d.Service) {
		p.At("service").Add("%q is not a service level: write bronze, silver or gold", d.Service)
	}
	p.At("pepper").Check(d.Pepper.Validate())
	if d.Service == Bronze && len(d.Sources) > 1 {
		p.At("sources").Add("bronze has one source: take the others out, or raise the service level")
	}
	seen := map[roster.Source]bool{}
	for i, s := range d.Sources {
		checkRef(p.At("sources[%d]", i), "system", s.Ref(), seen)
	}
	clear(seen)
	for i, l := range d.Links {
		checkRef(p.At("links[%d]", i), "target", l.Ref(), seen)
	}
}

// checkRef checks the two names of a source or a target, and that no other has both.
func checkRef(p Problems, system string, ref roster.Source, seen map[roster.Source]bool) {
	checkToken(p.At("%s", system), ref.System)
	checkToken(p.At("instance"), ref.Instance)
	if seen[ref] {
		p.Add("%s is there twice: give one of them another instance", ref)
	}
	seen[ref] = true
}

func checkToken(p Problems, s string) {
	if !token.MatchString(s) {
		p.Add("%q may only have lower-case letters, digits and hyphens, such as lund-gy", s)
	}
}
