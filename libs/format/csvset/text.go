package csvset

import (
	"errors"
	"strings"
)

// text is how a column of a table is made of those of a file: parts that follow each other.
type text []part

// part is letters as they stand, or the first of some columns that has a value.
type part struct {
	as    string
	first []string // columns in lower case, of which the last may be empty: it may be missing
}

var errBraces = errors.New("a column of the file stands in braces, as {name}, and no other brace stands there")

// parse reads a text of the settings.
func parse(s string) (all text, err error) {
	for s != "" {
		as, rest, braced := strings.Cut(s, "{")
		if strings.Contains(as, "}") {
			return nil, errBraces
		}
		if as != "" {
			all = append(all, part{as: as})
		}
		if !braced {
			return all, nil
		}
		names, after, closed := strings.Cut(rest, "}")
		if !closed || strings.Contains(names, "{") || strings.Trim(names, "| ") == "" {
			return nil, errBraces
		}
		var p part
		for name := range strings.SplitSeq(names, "|") {
			p.first = append(p.first, strings.ToLower(strings.TrimSpace(name)))
		}
		all, s = append(all, p), after
	}
	return all, nil
}

// missing returns the first column without which a text says nothing of any row.
func (t text) missing(columns map[string]int) (name string, is bool) {
	for _, p := range t {
		there := p.first == nil
		for _, name := range p.first {
			_, has := columns[name]
			there = there || has || name == ""
		}
		if !there {
			return p.first[0], true
		}
	}
	return "", false
}

// of returns what a text is of a row; nothing where one of its columns has no value.
func (t text) of(get func(column string) string) string {
	if len(t) == 1 && t[0].first != nil {
		return t[0].value(get)
	}
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.as)
		if p.first == nil {
			continue
		}
		value := p.value(get)
		if value == "" {
			return ""
		}
		b.WriteString(value)
	}
	return b.String()
}

func (p part) value(get func(string) string) string {
	for _, name := range p.first {
		if value := get(name); value != "" {
			return value
		}
	}
	return ""
}
