package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/roster"
)

// print prints a value as JSON or YAML, which name everything alike, or as the table that rows makes of it.
func (c *control) print(value any, rows func(*tabwriter.Writer)) error {
	switch c.format {
	case "json":
		e := json.NewEncoder(c.out)
		e.SetIndent("", "  ")
		return e.Encode(value)
	case "yaml":
		text, err := json.Marshal(value)
		if err == nil {
			text, err = yaml.JSONToYAML(text)
		}
		if err == nil {
			_, err = c.out.Write(text)
		}
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	rows(w)
	return w.Flush()
}

// clock prints a time as an operator reads it.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(roster.Stockholm()).Format("2006-01-02 15:04:05")
}

// counts prints "3 person.created, 2 person.held".
func counts[K ~string](m map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", m[k], k))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}
