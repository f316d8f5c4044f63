// Command schema writes the JSON Schema of a tenant's document, for editors: from the Go types that read it, with their
// comments and the settings of every connector. It is run by make generate, at the root of the project.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/services/connectors"
)

// outputs are the places of the schema: for people and editors, and for essctl to print.
func outputs() []string {
	return []string{"docs/tenant.schema.json", "services/essctl/tenant.schema.json"}
}

func main() {
	text, err := generate(".")
	for _, path := range outputs() {
		if err == nil {
			err = os.WriteFile(filepath.FromSlash(path), text, 0o600)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

// generate returns the schema of the project in a folder.
func generate(root string) ([]byte, error) {
	g := &generator{comments: comments{root: root, files: map[string]map[string]string{}}, defs: object{}}
	doc := g.of(reflect.ValueOf(tenant.Document{Service: tenant.Silver}))
	var systems, targets []string
	var settings, sinks []any
	for _, c := range connectors.Sources() {
		systems = append(systems, c.System)
		settings = append(settings, when("system", c.System, g.of(reflect.ValueOf(c.New()))))
	}
	for _, c := range connectors.Targets() {
		targets = append(targets, c.System)
		sinks = append(sinks, when("target", c.System, g.of(reflect.ValueOf(c.New()))))
	}
	limits := g.of(reflect.ValueOf(guard.Limits{}))
	for _, x := range []struct {
		def, key string
		systems  []string
		settings []any
	}{{"tenant.Source", "system", systems, settings}, {"tenant.Link", "target", targets, sinks}} {
		def := g.defs[x.def].(object)
		properties := def["properties"].(object)
		properties[x.key].(object)["enum"] = x.systems
		properties["guard"] = with(limits, properties["guard"])
		def["allOf"], def["required"] = x.settings, []string{x.key}
	}
	for def, keys := range required() {
		g.defs[def].(object)["required"] = keys
	}
	for at, words := range choices() {
		g.defs[at.def].(object)["properties"].(object)[at.key].(object)["enum"] = words
	}
	if g.err != nil {
		return nil, g.err
	}
	schema := object{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "The document of a tenant of Eventful School Sync",
		"description": "For editors. essctl tenants apply --dry-run checks all of a document.",
		"$defs":       g.defs, "allOf": []any{doc},
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(schema)
	return out.Bytes(), err
}

// required are the keys without which a part of a document means nothing. The document itself has none: its parts stand in
// samples alone.
func required() map[string][]string {
	return map[string][]string{
		"tenant.Unit": {"source", "id"}, "tenant.UnitID": {"source", "id"}, "tenant.Stage": {"after", "do"}, "guard.Limit": {"operation"},
		"tenant.Exception":    {"of", "by", "reason", "until"},
		"tenant.PasswordRule": {"form"}, "tenant.UnitHandout": {"code", "recipients"},
	}
}

// place is a key of a definition.
type place struct{ def, key string }

// choices are the words that may stand at a key which is a plain text in Go.
func choices() map[place][]string {
	protected := []string{"flag", "omits", "none"}
	return map[place][]string{
		{"tenant.Source", "protected"}: protected, {"tenant.Source", "groupIds"}: {"stable", "yearly", "reused"},
		{"tenant.Link", "onOutOfScope"}: {tenant.Release, tenant.AsLeaver, tenant.Delete},
		{"tenant.Link", "protected"}:    {tenant.Withhold, tenant.Alias},
		{"tenant.Stage", "do"}:          {tenant.LeaveGroups, tenant.Disable, tenant.Move, tenant.Delete},
		{"tenant.Roles", "pupil"}:       {tenant.Manage, tenant.Match, tenant.Ignore}, {"tenant.Roles", "staff"}: {tenant.Manage, tenant.Match, tenant.Ignore},
	}
}

// when returns that a part has certain settings where a key has a value.
func when(key, value string, settings object) object {
	return object{
		"if":   object{"properties": object{key: object{"const": value}}, "required": []string{key}},
		"then": object{"properties": object{"settings": settings}},
	}
}

// with returns a schema that keeps the description of another.
func with(schema object, other any) object {
	out := object{"allOf": []any{schema}}
	if o, ok := other.(object); ok && o["description"] != nil {
		out["description"] = o["description"]
	}
	return out
}
