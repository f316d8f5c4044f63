package rule

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"eventful.se/ess/libs/roster"
)

// The names of the types.
const (
	unitType   = "ess.Unit"
	personType = "ess.Person"
	groupType  = "ess.Group"
)

func listOfTexts() *cel.Type { return cel.ListType(cel.StringType) }

// environment returns what an expression is compiled in.
func environment() (*cel.Env, error) {
	base, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make the types of rules: %w", err)
	}
	return cel.NewEnv(
		cel.CustomTypeProvider(provider{base, tables{unitType: unitFields, personType: personFields, groupType: groupFields}}),
		cel.Variable("kind", cel.StringType),
		cel.Variable("unit", cel.ObjectType(unitType)),
		cel.Variable("units", cel.ListType(cel.ObjectType(unitType))),
		cel.Variable("person", cel.ObjectType(personType)),
		cel.Variable("group", cel.ObjectType(groupType)),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateHomogeneousAggregateLiterals()),
	)
}

// field is one field of an object, and how its value is got.
type field struct {
	t   *cel.Type
	get func(of any) (ref.Val, error)
}

// tables are the fields of types, by the types' names.
type tables map[string]map[string]field

var unitFields = map[string]field{
	"id":          {cel.StringType, func(of any) (ref.Val, error) { return text(of.(*unit).key.String()), nil }},
	"name":        ofUnit(cel.StringType, func(o *roster.Organisation) ref.Val { return text(o.DisplayName) }),
	"code":        ofUnit(cel.StringType, func(o *roster.Organisation) ref.Val { return text(firstOf(o.UnitCodes)) }),
	"codes":       ofUnit(listOfTexts(), func(o *roster.Organisation) ref.Val { return list(o.UnitCodes) }),
	"type":        ofUnit(cel.StringType, func(o *roster.Organisation) ref.Val { return text(string(o.Type)) }),
	"schoolForms": ofUnit(listOfTexts(), func(o *roster.Organisation) ref.Val { return list(o.SchoolTypes) }),
	"controller": ofUnit(cel.StringType, func(o *roster.Organisation) ref.Val {
		return text(o.Extra[roster.ExtraController].Reveal())
	}),
}

var personFields = map[string]field{
	"pupil": ofSubject(cel.BoolType, func(s *subject) ref.Val { return types.Bool(len(s.enrolments) > 0) }),
	"staff": ofSubject(cel.BoolType, func(s *subject) ref.Val { return types.Bool(len(s.duties) > 0) }),
	"schoolForms": ofSubject(listOfTexts(), func(s *subject) ref.Val {
		return each(s, func(e roster.Enrolment) string { return string(e.SchoolType) })
	}),
	"years":        ofSubject(listOfTexts(), func(s *subject) ref.Val { return each(s, func(e roster.Enrolment) string { return e.SchoolYear }) }),
	"programmes":   ofSubject(listOfTexts(), func(s *subject) ref.Val { return each(s, func(e roster.Enrolment) string { return e.Programme }) }),
	"emailDomains": ofSubject(listOfTexts(), func(s *subject) ref.Val { return list(s.emailDomains()) }),
}

var groupFields = map[string]field{
	"type":       ofSubject(cel.StringType, func(s *subject) ref.Val { return text(string(s.group.Type)) }),
	"name":       ofSubject(cel.StringType, func(s *subject) ref.Val { return text(s.group.DisplayName) }),
	"schoolForm": ofSubject(cel.StringType, func(s *subject) ref.Val { return text(string(s.group.SchoolType)) }),
	"year":       ofSubject(cel.StringType, func(s *subject) ref.Val { return text(s.group.SchoolYear) }),
	"subject":    ofSubject(cel.StringType, func(s *subject) ref.Val { return text(s.group.Subject) }),
}

var errUnknownUnit = errors.New("the roster does not have the unit")

// ofUnit is a field of a unit. Of one that is named and that the roster does not have, nobody knows it.
func ofUnit(t *cel.Type, get func(*roster.Organisation) ref.Val) field {
	return field{t, func(of any) (ref.Val, error) {
		u := of.(*unit)
		if u.of == nil {
			return nil, errUnknownUnit
		}
		return get(u.of), nil
	}}
}

func ofSubject(t *cel.Type, get func(*subject) ref.Val) field {
	return field{t, func(of any) (ref.Val, error) { return get(of.(*subject)), nil }}
}

func text(s string) ref.Val { return types.String(s) }

// list returns texts as a list of CEL.
func list[T ~string](texts []T) ref.Val {
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = string(t)
	}
	return types.NewStringList(types.DefaultTypeAdapter, all)
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// each returns what the enrolments of a person say, each text once.
func each(s *subject, get func(roster.Enrolment) string) ref.Val {
	var all []string
	for _, e := range s.enrolments {
		if t := get(e); t != "" && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return list(all)
}

// emailDomains returns the domains of a person's addresses, in lower case.
func (s *subject) emailDomains() (domains []string) {
	if s.person == nil {
		return nil
	}
	for _, p := range s.person.Personas {
		address := p.Email.Reveal()
		if i := strings.LastIndexByte(address, '@'); i >= 0 {
			if d := strings.ToLower(address[i+1:]); !slices.Contains(domains, d) {
				domains = append(domains, d)
			}
		}
	}
	return domains
}

// provider tells CEL of types.
type provider struct {
	types.Provider
	of tables
}

// FindStructType returns a type by its name.
func (p provider) FindStructType(name string) (*types.Type, bool) {
	if p.of[name] != nil {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames returns the fields of a type.
func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if all := p.of[name]; all != nil {
		names := make([]string, 0, len(all))
		for n := range all {
			names = append(names, n)
		}
		slices.Sort(names)
		return names, true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType returns a field of a type.
func (p provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	all := p.of[name]
	if all == nil {
		return p.Provider.FindStructFieldType(name, fieldName)
	}
	f, ok := all[fieldName]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:  f.t,
		IsSet: func(any) bool { return true },
		GetFrom: func(of any) (any, error) {
			return f.get(of)
		},
	}, true
}

// NewValue says that rules make no objects.
func (p provider) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("a rule cannot make a %s", name)
}

// object is a value of one of the types above.
type object struct {
	t  string // its name
	of any
}

var _ ref.Val = object{}

// ConvertToNative says that an object is nothing else.
func (o object) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s is no %s", o.t, t)
}

// ConvertToType says that an object is nothing else.
func (o object) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return cel.ObjectType(o.t)
	}
	return types.NewErr("%s is no %s", o.t, t.TypeName())
}

// Equal tells whether two objects are the same.
func (o object) Equal(other ref.Val) ref.Val {
	p, ok := other.(object)
	if !ok {
		return types.False
	}
	u, ok := o.of.(*unit)
	w, both := p.of.(*unit)
	return types.Bool(ok && both && u.key == w.key || o.of == p.of)
}

// Type returns the type of the object.
func (o object) Type() ref.Type { return cel.ObjectType(o.t) }

// Value returns what the object is of.
func (o object) Value() any { return o.of }
