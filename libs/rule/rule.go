// Package rule has a customer's own rules: expressions in CEL (https://cel.dev) about one entity of the merged roster,
// compiled and checked before anything is done by them.
//
// A rule sees these variables. What an entity is not, is empty: of a group, person.pupil is false and person.years has
// nothing in it, so that one rule can speak of all kinds.
//
//	kind     "person", "group" or "unit"
//	unit     the school unit: of a person the primary one, of a group its own, of a unit itself
//	units    all school units of a person; of a group or a unit the one
//	person   pupil, staff            whether the person is one
//	         schoolForms, years      of the enrolments, as SS 12000 writes them: "GR", "9"
//	         programmes              of the enrolments
//	         emailDomains            of the person's addresses in the registers, in lower case
//	group    type, name, schoolForm, year, subject
//
// A unit has id (the key of the roster), name, code, codes, type, schoolForms and controller. Of a person, what holds today
// or will counts; of one for whom nothing does, what held last. Identity numbers and names of persons are no part of it.
package rule

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"eventful.se/ess/libs/roster"
)

// Rule is a compiled expression. It is safe for concurrent use.
type Rule struct {
	text    string
	program cel.Program
}

// View is what a rule reads of the merged roster: the entity and the units that it names.
type View interface {
	Today() roster.Date
	Organisation(roster.Key) *roster.Organisation // nil when there is none
	Person(roster.Key) *roster.Person             // nil when there is none
	Group(roster.Key) *roster.Group               // nil when there is none
}

// longest is how many bytes a rule may have.
const longest = 16 << 10

// Compile checks an expression and returns its rule. The error names every mistake with its line and column: what is no
// CEL, a name that does not exist, a comparison that cannot be true, or a result that is not true or false.
func Compile(text string) (*Rule, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, err := check(env, text)
	if err != nil {
		return nil, err
	}
	if out := ast.OutputType(); !out.IsExactType(types.BoolType) {
		return nil, fmt.Errorf("gives a value of type %s: write an expression that is true or false", out)
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	return &Rule{strings.TrimSpace(text), program}, nil
}

// check returns the expression as CEL understands it, or every mistake.
func check(env *cel.Env, text string) (*cel.Ast, error) {
	if len(text) > longest {
		return nil, fmt.Errorf("has %d bytes: write at most %d", len(text), longest)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		var all []string
		for _, e := range issues.Errors() {
			all = append(all, fmt.Sprintf("line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, e.Message))
		}
		return nil, errors.New(strings.Join(all, "; "))
	}
	return ast, nil
}

// String returns the expression.
func (r *Rule) String() string { return r.text }

// ErrUnanswered says that a rule has no answer for an entity: the expression counts on something that it does not have,
// such as the first of no years, or on a unit that the roster does not know. It does not say what: that may be personal.
var ErrUnanswered = errors.New("the rule has no answer")

// Matches tells whether the rule is true for an entity that the view has. It fails with [ErrUnanswered].
func (r *Rule) Matches(v View, e roster.Ref) (bool, error) {
	out, _, err := r.program.Eval(newSubject(v, e))
	if err != nil {
		return false, ErrUnanswered
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, ErrUnanswered
	}
	return bool(yes), nil
}
