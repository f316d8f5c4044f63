// Package oneroster reads a set of OneRoster CSV files (1EdTech, "OneRoster: CSV Tables", versions 1.1 and 1.2) into docs
// and facts.
//
// Columns are known by their names, files and words whatever their case. A set that lacks a file or a column without
// which people would be lost, and a file that is no CSV in UTF-8 to its end, is an error, and nothing of the read is
// believed. A row that cannot be read, or a role that nobody knows, is left out and counted: as it may be anybody, the read
// is then not complete, so that nobody counts as gone. Nor is it where people have nothing to belong to: a file that is
// whole and has no rows is more often a fault of the exporter than the truth.
//
// A row is a doc. What stands in two files of the set is joined here only where a fact needs it: the days and the course
// of a class, and the school year of an enrolment. All other references are left to the assembler.
//
// Not read: demographics, profiles, resources, results, categories, line items, and every column named password.
package oneroster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/csvfile"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Set is the files of an export.
type Set interface {
	Names() []string
	// Open opens a file by its name, as often as it is asked to.
	Open(name string) (io.ReadCloser, error)
}

// Options are what a read needs beside the files.
type Options struct {
	Profile Profile
	Name    string // what messages call the set
	MaxRow  int    // bytes of a row; 1 MiB when it is 0
	// Loose says that nothing but its text tells whether a file is whole, as a zip archive does: one whose last line has
	// no end is then cut off.
	Loose bool
}

// Summary is what was in a set.
type Summary struct {
	Seen     map[string]int // rows, by the name of the file: "orgs", "users" ...
	Complete bool           // everything that is read is there, and whole, so absence means gone
	Findings []fact.Finding
}

// The causes of a set that is not read. Each comes wrapped in a [reason.Error] that names the file, and the line.
var (
	ErrMissing   = errors.New("a file or column is missing")
	ErrAmbiguous = csvfile.ErrAmbiguous
	ErrMalformed = csvfile.ErrMalformed
	ErrTruncated = csvfile.ErrTruncated
	ErrRow       = csvfile.ErrRow
	ErrManifest  = errors.New("the manifest says what no manifest says")
)

// Read reads a set, and emits its docs from the calling goroutine. Their ids are "org/<id>", "class/<id>", "user/<id>",
// "role/<id>" (of 1.2) and "enrollment/<id>".
//
// What the manifest calls delta is laid over what is known: a row to be deleted is a deleted doc, and one that cannot be
// understood without a row that is not in the set waits for a set that has both. What it calls absent, or does not
// name, is not read. Unless all that has people, units, groups or their ties is bulk, the read is not complete. Without
// a manifest all files are bulk.
//
// An error from emit, from the set or of ctx ends the read and is returned. Any other error is a [reason.Error] that
// wraps one of the causes above.
func Read(ctx context.Context, set Set, o Options, emit func(fact.Doc) error) (Summary, error) {
	r := &reader{
		ctx: ctx, set: set, Options: o, emit: emit, complete: true, parts: map[string]part{}, seen: map[string]int{},
		terms: map[string]roster.Interval{}, courses: map[string]string{}, users: map[string]user{}, found: map[found]int{},
	}
	if err := r.open(); err != nil {
		return Summary{}, err
	}
	for _, t := range r.tables() {
		if err := r.table(t); err != nil {
			return Summary{}, err
		}
	}
	r.hollow()
	return Summary{Seen: r.seen, Complete: r.complete, Findings: r.findings}, nil
}

// Reads tells whether a file of a set is one that is read, by its name.
func Reads(name string) bool {
	key, ok := strings.CutSuffix(strings.ToLower(name), ".csv")
	return ok && slices.Contains([]string{manifest, "orgs", "academicsessions", "courses", "classes", "users", "roles", "enrollments"}, key)
}

// reader reads one set.
type reader struct {
	Options
	ctx      context.Context
	set      Set
	emit     func(fact.Doc) error
	parts    map[string]part // by the name of the file in lower case, without its ending
	roles    bool            // roles stand in a file of their own, as of 1.2
	complete bool
	seen     map[string]int
	terms    map[string]roster.Interval
	courses  map[string]string // code or subject by id
	users    map[string]user   // of 1.2
	findings []fact.Finding
	found    map[found]int // place in findings
}

// manifest is the file that says what a set has.
const manifest = "manifest"

// part is a file of the set.
type part struct {
	name  string // as the set has it; empty where it has none
	delta bool
}

// found is what findings are counted by.
type found struct {
	code reason.Code
	file string
}

// open finds out what the set has.
func (r *reader) open() error {
	for _, name := range r.set.Names() {
		key, ok := strings.CutSuffix(strings.ToLower(name), ".csv")
		if !ok || path.Base(key) != key {
			continue // OneRoster has no folders
		}
		if r.parts[key].name != "" {
			return r.refuse(reason.Unreadable, ErrAmbiguous, name, 0, "another file has the same name but for its case")
		}
		r.parts[key] = part{name: name}
	}
	_, named := r.parts[manifest]
	version := ""
	if named {
		modes := map[string]string{}
		if err := r.manifest(modes); err != nil {
			return err
		}
		version = modes["oneroster.version"]
		if err := r.choose(modes); err != nil {
			return err
		}
	}
	_, r.roles = r.parts["roles"]
	r.roles = r.roles && version != "1.1"
	for _, key := range []string{"orgs", "users", "classes", "enrollments"} {
		p, ok := r.parts[key]
		if !ok && !named {
			return r.refuse(reason.Unreadable, ErrMissing, key+".csv", 0, "the file is not there; OneRoster has no folders in an archive")
		}
		r.complete = r.complete && ok && !p.delta
	}
	if _, ok := r.parts["users"]; version == "1.2" && ok && !r.roles {
		return r.refuse(reason.Unreadable, ErrMissing, "roles.csv", 0, "the file is not there, and without it nobody of version 1.2 has a role")
	}
	return nil
}

// manifest reads what the manifest says of the set.
func (r *reader) manifest(says map[string]string) error {
	err := r.table(table{name: manifest, columns: []string{"propertyName", "value"}, each: func(x row) error {
		says[strings.ToLower(x.get("propertyName"))] = strings.ToLower(x.get("value"))
		return nil
	}})
	if err == nil && !slices.Contains([]string{"1.1", "1.2"}, says["oneroster.version"]) {
		err = r.refuse(reason.Unreadable, ErrManifest, manifest+".csv", 0, "oneroster.version is neither 1.1 nor 1.2")
	}
	return err
}

// choose keeps the files that the manifest names.
func (r *reader) choose(modes map[string]string) error {
	for _, t := range append(r.tables(), table{name: "roles"}) {
		key := strings.ToLower(t.name)
		p, there := r.parts[key]
		switch mode := modes["file."+key]; {
		case mode == "absent" || mode == "":
			delete(r.parts, key)
		case mode != "bulk" && mode != "delta":
			return r.refuse(reason.Unreadable, ErrManifest, manifest+".csv", 0, fmt.Sprintf("file.%s is neither bulk, delta nor absent", t.name))
		case !there:
			return r.refuse(reason.Unreadable, ErrMissing, t.name+".csv", 0, "the manifest has the file, and the set has not")
		default:
			p.delta = mode == "delta"
			r.parts[key] = p
			r.complete = r.complete && !p.delta
		}
	}
	return nil
}

// hollow finds files without a row beside users, who would lose everything that stands there. A set without users is for
// the caller to refuse.
func (r *reader) hollow() {
	for _, name := range []string{"orgs", "roles", "classes", "enrollments"} {
		p, ok := r.parts[name]
		if !ok || p.delta || r.seen["users"] == 0 || r.seen[name] > 0 || name == "roles" && !r.roles || slices.Contains(r.Profile.MayBeEmpty, name) {
			continue
		}
		r.complete = false
		r.find(reason.FileWithoutRows, fact.Serious, row{file: name + ".csv", line: 1})
	}
}

// find counts what was left out of a file.
func (r *reader) find(code reason.Code, s fact.Severity, x row) {
	key := found{code, x.file}
	i, ok := r.found[key]
	if !ok {
		i = len(r.findings)
		r.found[key] = i
		r.findings = append(r.findings, fact.Finding{Reason: reason.New(code, "what", x.file), Severity: s, Effect: fact.Dropped, Where: x.where()})
	}
	r.findings[i].Count++
}

// refuse says why the set is not read. The text never quotes what stands there (rule R8).
func (r *reader) refuse(code reason.Code, cause error, file string, line int, what string) error {
	args := []any{"file", r.Name + ": " + file}
	switch {
	case code == reason.TruncatedFile:
		args = append(args, "line", line)
	case line > 0:
		what = fmt.Sprintf("line %d: %s", line, what)
	}
	return reason.Errorf(reason.Invalid, cause, code, append(args, "what", what)...)
}
