package files

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

// Tables is a [Format] of text tables: a file a table, a header, a row a resource, rows in the order of their ids. A
// table without rows is written too, with its header.
type Tables struct {
	Dialect Dialect
	Tables  []Table
}

// Dialect says how rows are written.
type Dialect struct {
	Separator string
	LineEnd   string
	// Quote appends a value as it stands in the file.
	Quote func(dst []byte, value, separator string) []byte
	// Allowed tells whether a character may stand in a value of a column without a rule of its own; nil allows all.
	Allowed func(rune) bool
}

// Table is one file.
type Table struct {
	File    string
	Kind    string // the resources that are its rows
	Columns []Column
}

// Column is one column of a table, or several that are numbered: location_id, location_id_2, location_id_3. Its value
// is the field of that name, unless Key or Set says otherwise.
type Column struct {
	Name string
	Key  bool   // the value is the key of the resource
	Set  string // the values are the members of this set that stand in the files; the others are left out
	// Least and Most say how many columns there always are and how many there can be; 0 is 1. Between the two there are
	// as many as the fullest row needs.
	Least, Most int

	Required bool
	Unique   string              // values that share this name differ, in every table
	Same     func(string) string // what unique values are compared by; nil is the value itself
	Refers   string              // the value is the key of a resource of this kind, in the files
	Allowed  func(rune) bool     // replaces the rule of the dialect
}

// Files writes the tables, and checks every value against the rules of its column. What it says of a problem names the
// file, the key of the row, the column and the rule, never the value.
func (t Tables) Files(set []target.Resource) ([]File, []target.Problem) {
	rows := make(map[string][]*target.Resource, len(t.Tables))
	for i := range set {
		rows[set[i].ID.Kind] = append(rows[set[i].ID.Kind], &set[i])
	}
	c := checker{keys: map[string]map[string]bool{}, seen: map[string]map[string]string{}}
	for _, table := range t.Tables {
		list := rows[table.Kind]
		if !slices.IsSortedFunc(list, byKey) {
			slices.SortStableFunc(list, byKey)
		}
		for _, col := range table.Columns {
			c.index(table.Kind, col, rows)
		}
	}
	list := make([]File, len(t.Tables))
	for i, table := range t.Tables {
		list[i] = File{table.File, t.write(table, rows[table.Kind], &c)}
	}
	return list, c.problems
}

func byKey(a, b *target.Resource) int { return strings.Compare(a.ID.Key, b.ID.Key) }

// write renders one table. It goes over the rows twice: to see how many numbered columns there are, and to write.
func (t Tables) write(table Table, rows []*target.Resource, c *checker) []byte {
	values := make([]string, 0, 16)
	width := make([]int, len(table.Columns))
	for i, col := range table.Columns {
		width[i] = max(1, col.Least)
		if col.Most <= 1 {
			continue
		}
		for _, r := range rows {
			values = c.values(values[:0], col, r)
			width[i] = min(max(width[i], len(values)), col.Most)
		}
	}

	out := make([]byte, 0, 256+len(rows)*128)
	for i, col := range table.Columns {
		for n := 1; n <= width[i]; n++ {
			if len(out) > 0 {
				out = append(out, t.Dialect.Separator...)
			}
			out = t.Dialect.Quote(out, Numbered(col.Name, n), t.Dialect.Separator)
		}
	}
	out = append(out, t.Dialect.LineEnd...)
	for _, r := range rows {
		for i, col := range table.Columns {
			values = c.values(values[:0], col, r)
			c.check(table.File, col, r, values, t.Dialect.Allowed)
			for n := range width[i] {
				if i+n > 0 {
					out = append(out, t.Dialect.Separator...)
				}
				if n < len(values) {
					out = t.Dialect.Quote(out, values[n], t.Dialect.Separator)
				}
			}
		}
		out = append(out, t.Dialect.LineEnd...)
	}
	return out
}

// Numbered returns the name of the nth column of several: name, name_2, name_3.
func Numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%s_%d", name, n)
}

// RFC4180 quotes a value as RFC 4180 says: where it holds a separator, a quote or a line break, quotes doubled.
func RFC4180(dst []byte, value, separator string) []byte {
	if !strings.ContainsAny(value, "\"\r\n") && !strings.Contains(value, separator) {
		return append(dst, value...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(value, `"`, `""`)...)
	return append(dst, '"')
}

// checker holds what the rules of the columns compare with.
type checker struct {
	keys     map[string]map[string]bool   // kind → keys in the files, of kinds that a column refers to
	seen     map[string]map[string]string // Unique → value → key of the row that has it
	problems []target.Problem
}

// index prepares what the rules of a column need.
func (c *checker) index(kind string, col Column, rows map[string][]*target.Resource) {
	if col.Unique != "" && c.seen[col.Unique] == nil {
		c.seen[col.Unique] = make(map[string]string, len(rows[kind]))
	}
	if col.Refers == "" || c.keys[col.Refers] != nil {
		return
	}
	keys := make(map[string]bool, len(rows[col.Refers]))
	for _, r := range rows[col.Refers] {
		keys[r.ID.Key] = true
	}
	c.keys[col.Refers] = keys
}

// values appends the values of a column in a row.
func (c *checker) values(dst []string, col Column, r *target.Resource) []string {
	switch {
	case col.Key:
		return append(dst, r.ID.Key)
	case col.Set != "":
		for _, s := range r.Sets {
			for _, m := range s.Members {
				if s.Name == col.Set && (col.Refers == "" || c.keys[col.Refers][m.Key]) {
					dst = append(dst, m.Key)
				}
			}
		}
		return dst
	default:
		for _, f := range r.Fields {
			if f.Name == col.Name && f.Value != "" {
				dst = append(dst, f.Value.Reveal())
			}
		}
		return dst
	}
}

// check records what is wrong with the values of a column in a row.
func (c *checker) check(file string, col Column, r *target.Resource, values []string, allowed func(rune) bool) {
	problem := func(code reason.Code, more ...any) {
		why := reason.New(code, append([]any{"file", file, "row", r.ID.Key, "column", col.Name}, more...)...)
		c.problems = append(c.problems, target.Problem{ID: r.ID, Reason: why})
	}
	if col.Required && len(values) == 0 {
		problem(reason.RowMissing)
	}
	if most := max(1, col.Least, col.Most); len(values) > most {
		problem(reason.RowTooMany, "limit", most)
	}
	if col.Allowed != nil {
		allowed = col.Allowed
	}
	for _, v := range values {
		switch resolves := c.keys[col.Refers][v]; {
		case resolves: // the characters of a key are looked at where it is the key
		case !consists(v, allowed):
			problem(reason.RowCharacters)
		case col.Refers != "":
			problem(reason.RowUnresolved)
		}
		if col.Unique == "" {
			continue
		}
		if col.Same != nil {
			v = col.Same(v)
		}
		if other, taken := c.seen[col.Unique][v]; taken {
			problem(reason.RowDuplicate, "other", other)
		} else {
			c.seen[col.Unique][v] = r.ID.Key
		}
	}
}

// consists tells whether a text is UTF-8 and of nothing but allowed characters.
func consists(s string, allowed func(rune) bool) bool {
	if !utf8.ValidString(s) {
		return false
	}
	if allowed == nil {
		return true
	}
	for _, c := range s {
		if !allowed(c) {
			return false
		}
	}
	return true
}
