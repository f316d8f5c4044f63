package rule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"eventful.se/ess/libs/roster"
)

// Text is a compiled expression that makes a text of a person in a role, such as a user name. Unlike a [Rule] it sees what
// the person is called. It is safe for concurrent use.
//
//	role     "pupil" or "staff"
//	person   givenName, middleName, familyName, displayName
//	         birthYear             four digits; empty where it is not known
//	         schoolForms, years, programmes   of the enrolments
//	persona  username, email, eppn   what the registers say of the role
//	unit     name, code, codes, type, schoolForms, controller of where the person belongs to in the role; empty where that
//	         is not known
//
// What is not known is empty. Beside what CEL has, it may call the functions of its [Texts] and the string functions of
// CEL's extension: lowerAscii, replace, split, substring and so on.
type Text struct {
	text    string
	program cel.Program
}

// Functions are what a text may call beside CEL's own, by name.
type Functions struct {
	Text  map[string]func(string) string      // name(text)
	Count map[string]func(string, int) string // name(text, number)
	List  map[string]func(string) []string    // name(text), a list
}

// Texts compiles expressions that may call some functions.
type Texts struct{ env *cel.Env }

// Named is whom a text is made of.
type Named struct {
	Person  *roster.Person
	Persona roster.Persona
	Role    roster.Role
	Unit    *roster.Organisation // nil where it is not known
}

// The types that a text has beside those of a rule.
const (
	namedType   = "ess.Named"
	personaType = "ess.Persona"
)

// costliest is how many steps a text may take; one that is made of a name takes some tens.
const costliest = 20_000

// longestName is how many bytes of a name, an address and so on a text sees.
const longestName = 256

// NewTexts returns what compiles expressions that may call functions.
func NewTexts(f Functions) (*Texts, error) {
	base, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make the types of texts: %w", err)
	}
	unit := maps.Clone(unitFields)
	delete(unit, "id") // what is given to a person outlives a key
	options := []cel.EnvOption{
		cel.CustomTypeProvider(provider{base, tables{unitType: unit, namedType: namedFields(), personaType: personaFields()}}),
		cel.Variable("role", cel.StringType),
		cel.Variable("person", cel.ObjectType(namedType)),
		cel.Variable("persona", cel.ObjectType(personaType)),
		cel.Variable("unit", cel.ObjectType(unitType)),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateHomogeneousAggregateLiterals()),
		ext.Strings(ext.StringsVersion(2)),
	}
	for name, do := range f.Text {
		options = append(options, cel.Function(name, cel.Overload(name+"_text", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return text(do(textOf(v))) }))))
	}
	for name, do := range f.List {
		options = append(options, cel.Function(name, cel.Overload(name+"_list", []*cel.Type{cel.StringType}, listOfTexts(),
			cel.UnaryBinding(func(v ref.Val) ref.Val { return list(do(textOf(v))) }))))
	}
	for name, do := range f.Count {
		options = append(options, cel.Function(name, cel.Overload(name+"_count", []*cel.Type{cel.StringType, cel.IntType}, cel.StringType,
			cel.BinaryBinding(func(v, n ref.Val) ref.Val { return text(do(textOf(v), numberOf(n))) }))))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make what texts are compiled in: %w", err)
	}
	return &Texts{env}, nil
}

func textOf(v ref.Val) string {
	s, _ := v.(types.String)
	return string(s)
}

func numberOf(v ref.Val) int {
	n, _ := v.(types.Int)
	return int(max(0, min(n, longest)))
}

// Compile checks an expression and returns its text. The error names every mistake, as that of [Compile] does.
func (t *Texts) Compile(expression string) (*Text, error) {
	ast, err := check(t.env, expression)
	if err != nil {
		return nil, err
	}
	if out := ast.OutputType(); !out.IsExactType(types.StringType) {
		return nil, fmt.Errorf("gives a value of type %s: write an expression that is a text", out)
	}
	program, err := t.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(costliest))
	if err != nil {
		return nil, err
	}
	return &Text{strings.TrimSpace(expression), program}, nil
}

// String returns the expression.
func (t *Text) String() string { return t.text }

// Of returns the text of a person. It fails with [ErrUnanswered], also where the expression takes too many steps.
func (t *Text) Of(n Named) (string, error) {
	if n.Person == nil {
		return "", ErrUnanswered
	}
	if n.Unit == nil {
		n.Unit = &roster.Organisation{}
	}
	out, _, err := t.program.Eval(&namedSubject{n})
	if err != nil {
		return "", ErrUnanswered
	}
	s, ok := out.(types.String)
	if !ok {
		return "", ErrUnanswered
	}
	return string(s), nil
}

// namedSubject is the variables of one evaluation.
type namedSubject struct{ Named }

// ResolveName returns a variable.
func (s *namedSubject) ResolveName(name string) (any, bool) {
	switch name {
	case "role":
		return text(string(s.Role)), true
	case "person":
		return object{namedType, s}, true
	case "persona":
		return object{personaType, s}, true
	case "unit":
		return object{unitType, &unit{of: s.Unit}}, true
	default:
		return nil, false
	}
}

// Parent returns nothing: there are no other variables.
func (s *namedSubject) Parent() cel.Activation { return nil }

func namedFields() map[string]field {
	enrolments := func(get func(roster.Enrolment) string) field {
		return field{listOfTexts(), func(of any) (ref.Val, error) {
			var all []string
			for _, e := range of.(*namedSubject).Person.Enrolments {
				if t := get(e); t != "" && !slices.Contains(all, t) {
					all = append(all, t)
				}
			}
			return list(all), nil
		}}
	}
	return map[string]field{
		"givenName":   ofNamed(func(s *namedSubject) string { return s.Person.GivenName.Reveal() }),
		"middleName":  ofNamed(func(s *namedSubject) string { return s.Person.MiddleName.Reveal() }),
		"familyName":  ofNamed(func(s *namedSubject) string { return s.Person.FamilyName.Reveal() }),
		"displayName": ofNamed(func(s *namedSubject) string { return s.Person.DisplayName.Reveal() }),
		"birthYear":   ofNamed(func(s *namedSubject) string { return birthYear(s.Person) }),
		"schoolForms": enrolments(func(e roster.Enrolment) string { return string(e.SchoolType) }),
		"years":       enrolments(func(e roster.Enrolment) string { return e.SchoolYear }),
		"programmes":  enrolments(func(e roster.Enrolment) string { return e.Programme }),
	}
}

func personaFields() map[string]field {
	return map[string]field{
		"username": ofNamed(func(s *namedSubject) string { return s.Persona.Username.Reveal() }),
		"email":    ofNamed(func(s *namedSubject) string { return s.Persona.Email.Reveal() }),
		"eppn":     ofNamed(func(s *namedSubject) string { return s.Persona.EPPN.Reveal() }),
	}
}

// ofNamed is a field that is a text, as much of it as counts.
func ofNamed(get func(*namedSubject) string) field {
	return field{cel.StringType, func(of any) (ref.Val, error) {
		s := get(of.(*namedSubject))
		if len(s) > longestName {
			s = s[:longestName]
		}
		return text(strings.ToValidUTF8(s, "")), nil
	}}
}

// birthYear returns the year in which a person was born, as the register or the number says.
func birthYear(p *roster.Person) string {
	born := p.CivicNo.Born()
	if d, err := roster.ParseDate(p.BirthDate.Reveal()); err == nil {
		born = d
	}
	if born.IsOpen() {
		return ""
	}
	const days = 10_000 // a date is the number YYYYMMDD
	return strconv.Itoa(int(born) / days)
}
