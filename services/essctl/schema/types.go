package main

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// object is a part of a schema.
type object map[string]any

// generator makes schemas of Go types. What it cannot is in err.
type generator struct {
	comments comments
	defs     object
	err      error
}

// known returns the schemas of types that read themselves.
func known() map[reflect.Type]object {
	text := func(pattern, example string) object {
		return object{"type": "string", "pattern": pattern, "examples": []string{example}}
	}
	day := text(`^\d{4}-\d{2}-\d{2}$`, "2027-06-30")
	reference := text(`^(file|env):.+$`, "file:/etc/ess/secrets/lund")
	return map[reflect.Type]object{
		reflect.TypeFor[tenant.Secret](): {"oneOf": []any{reference, object{
			"type": "object", "additionalProperties": false, "required": []string{"ref"}, "properties": object{"ref": reference, "expires": day},
		}}},
		reflect.TypeFor[tenant.Days]():     text(`^\d+d$`, "30d"),
		reflect.TypeFor[tenant.Day]():      text(`^\d{2}-\d{2}$`, "07-01"),
		reflect.TypeFor[tenant.Season]():   text(`^\d{2}-\d{2}\.\.\d{2}-\d{2}$`, "06-10..08-20"),
		reflect.TypeFor[tenant.Years]():    {"type": []string{"string", "integer"}, "pattern": `^\d+(-\d+)?$`, "examples": []string{"1-3"}},
		reflect.TypeFor[tenant.Verbatim](): {"type": []string{"string", "number", "boolean"}},
		reflect.TypeFor[roster.Date]():     day,
		reflect.TypeFor[time.Duration]():   text(`^-?(0|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+)$`, "30s"),
		reflect.TypeFor[ast.Node]():        {},
	}
}

// of returns the schema of a type; what the value holds are the defaults.
func (g *generator) of(v reflect.Value) object {
	t := v.Type()
	if s, ok := known()[t]; ok {
		return g.define(t, func() object { return s })
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return g.of(reflect.Zero(t.Elem()))
		}
		return g.of(v.Elem())
	case reflect.Struct:
		return g.define(t, func() object {
			properties := object{}
			g.fields(v, properties)
			return object{"type": "object", "additionalProperties": false, "properties": properties}
		})
	case reflect.Slice:
		return object{"type": "array", "items": g.of(reflect.Zero(t.Elem()))}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": g.of(reflect.Zero(t.Elem()))}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.String:
		words := g.comments.constants(t)
		if len(words) == 0 || open()[t] || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return object{"type": "string"}
		}
		return g.define(t, func() object { return object{"enum": words} })
	default:
		g.err = fmt.Errorf("no schema is known of %s", t)
		return object{}
	}
}

// open are the types of texts that have constants, and more than these: a link's guard has the kinds of its resources.
func open() map[reflect.Type]bool {
	return map[reflect.Type]bool{reflect.TypeFor[roster.SchoolType](): true, reflect.TypeFor[roster.Kind](): true}
}

// define keeps the schema of a named type in one place, and returns the way to it.
func (g *generator) define(t reflect.Type, schema func() object) object {
	name := t.String()
	if strings.HasPrefix(t.PkgPath(), "eventful.se/ess/services/") { // packages of connectors may be called alike
		parts := strings.Split(t.PkgPath(), "/")
		name = parts[len(parts)-2] + "." + t.Name()
	}
	if t.PkgPath() == "" || t == reflect.TypeFor[ast.Node]() {
		return schema()
	}
	if _, ok := g.defs[name]; !ok {
		g.defs[name] = object{}
		g.defs[name] = schema()
	}
	return object{"$ref": "#/$defs/" + name}
}

// fields adds the fields of a struct, those of embedded ones too.
func (g *generator) fields(v reflect.Value, properties object) {
	for f, value := range v.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || key == "-":
		case strings.Contains(options, "inline"):
			g.fields(value, properties)
		case key == "":
			g.err = fmt.Errorf("%s.%s has no key", v.Type(), f.Name)
		default:
			schema := object{}
			if of := g.of(value); of["$ref"] != nil {
				schema["allOf"] = []any{of} // beside a $ref nothing else counts
			} else {
				schema = of
			}
			if text := g.comments.of(v.Type(), f.Name); text != "" {
				schema["description"] = text
			}
			if d, ok := defaultOf(value); ok {
				schema["default"] = d
			}
			properties[key] = schema
		}
	}
}

// defaultOf returns what a setting is when nobody says anything, where that is worth telling.
func defaultOf(v reflect.Value) (any, bool) {
	if v.IsZero() || v.Kind() == reflect.Struct || v.Kind() == reflect.Map {
		return nil, false
	}
	if d, ok := reflect.TypeAssert[time.Duration](v); ok {
		return d.String(), true
	}
	if v.Kind() == reflect.Slice && (v.Len() == 0 || v.Type().Elem().Kind() == reflect.Struct) {
		return nil, false
	}
	return v.Interface(), true
}
