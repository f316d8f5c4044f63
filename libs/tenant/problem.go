package tenant

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong with settings.
type Problem struct {
	Path string // "sources[0].transport.hostKeys"
	What string // what is wrong and what to write instead
}

// String returns path: what.
func (p Problem) String() string { return p.Path + ": " + p.What }

// Problems collects everything wrong with settings, so that an operator mends a document once.
type Problems struct {
	prefix string
	list   *[]Problem
}

// NewProblems returns an empty collection.
func NewProblems() Problems { return Problems{list: new([]Problem)} }

// At returns the collection for the settings below a key.
func (p Problems) At(format string, args ...any) Problems {
	key := fmt.Sprintf(format, args...)
	if p.prefix != "" && !strings.HasPrefix(key, "[") {
		key = "." + key
	}
	return Problems{p.prefix + key, p.list}
}

// Path returns the place: what stands before the problems that are added here.
func (p Problems) Path() string { return p.prefix }

// Add records a problem at this place.
func (p Problems) Add(format string, args ...any) {
	*p.list = append(*p.list, Problem{p.prefix, fmt.Sprintf(format, args...)})
}

// Check records err, if there is one, as a problem at this place.
func (p Problems) Check(err error) {
	if err != nil {
		p.Add("%v", err)
	}
}

// Required records a problem when value is empty.
func (p Problems) Required(value string) {
	if strings.TrimSpace(value) == "" {
		p.Add("is required")
	}
}

// List returns the problems in the order of their finding.
func (p Problems) List() []Problem { return *p.list }

// Err returns all problems as one error, or nil.
func (p Problems) Err() error {
	if len(*p.list) == 0 {
		return nil
	}
	return &InvalidError{*p.list}
}

// InvalidError says that settings cannot be used, and everything that is wrong with them.
type InvalidError struct{ Problems []Problem }

// Error returns a line a problem.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "settings are not valid:\n  " + strings.Join(lines, "\n  ")
}
