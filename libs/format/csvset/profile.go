package csvset

import (
	"maps"
	"path"
	"slices"
	"strings"

	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/tenant"
)

// Profile is what the files of one register are.
type Profile struct {
	// Tables say which columns of which files are those of the tables. A file may be several tables, and a table may come of
	// several files. Empty for what the connector has.
	Tables []Mapping `yaml:"tables"`
	// Headers are the names of the columns of files without a row that names them: {students.txt: [id, active]}.
	Headers map[string][]string `yaml:"headers"`
	// Delimiter is what stands between the columns: ";", ",", "tab"; empty for whichever the first row has most of.
	Delimiter string `yaml:"delimiter"`
	// Encoding is utf-8 or windows-1252; empty for UTF-8 where a file is that, and else Windows-1252.
	Encoding string `yaml:"encoding"`
	// MayBeEmpty are files that may have no row. Of any other, nobody counts as gone then.
	MayBeEmpty []string `yaml:"mayBeEmpty"`
	// Rows is what stands in the tables.
	Rows table.Profile `yaml:",inline"`
}

// Mapping says how rows of a file are rows of a table.
type Mapping struct {
	Table string `yaml:"table"` // one of libs/format/table
	File  string `yaml:"file"`  // its name, whatever the case
	// Columns are the table's, each as a text in which names of the file's columns stand in braces: "{school}/{class}";
	// "{guid|socialnumber}" is the first of them with a value, and "{startdate|}" is nothing where the file does not have it.
	// A text with a column in it that has no value is nothing.
	Columns map[string]string `yaml:"columns"`
	// Where are columns of the file that have to have one of these values; with none, that have to have any.
	Where map[string][]string `yaml:"where"`
	// Split is a column of the file with several values, separated by commas: the row is one of the table for each.
	Split string `yaml:"split"`
}

// Plain returns tables of files that are named as they are, with their columns: persons.csv with id, civic_no ...
func Plain(tables []table.Table) (all []Mapping) {
	for _, t := range tables {
		m := Mapping{Table: t.Name, File: t.Name + ".csv", Columns: map[string]string{}}
		for _, c := range t.Columns {
			m.Columns[c.Name] = "{" + c.Name + "}"
		}
		all = append(all, m)
	}
	return all
}

const (
	utf8Name = "utf-8"
	cp1252   = "windows-1252"
)

// commas are the delimiters that a file may have.
func commas() map[string]rune { return map[string]rune{";": ';', ",": ',', "tab": '\t'} }

// Validate reports everything wrong with the settings.
func (f Profile) Validate(p tenant.Problems) {
	for i, m := range f.Tables {
		m.validate(p.At("tables[%d]", i), f.Rows)
	}
	if len(f.Tables) > 0 {
		for _, t := range f.Rows.Tables() {
			if !slices.Contains(table.Spare(), t.Name) && !slices.ContainsFunc(f.Tables, func(m Mapping) bool { return m.Table == t.Name }) {
				p.At("tables").Add("no file has the table %s", t.Name)
			}
		}
	}
	if _, ok := commas()[f.Delimiter]; !ok && f.Delimiter != "" {
		p.At("delimiter").Add(`write ";", "," or tab`)
	}
	if !slices.Contains([]string{"", utf8Name, cp1252}, f.Encoding) {
		p.At("encoding").Add("write %s or %s", utf8Name, cp1252)
	}
	f.Rows.Validate(p)
}

func (m Mapping) validate(p tenant.Problems, rows table.Profile) {
	if m.File == "" || path.Base(m.File) != m.File {
		p.At("file").Add("is not the name of a file: write it without a folder")
	}
	t, ok := rows.Find(m.Table)
	if !ok {
		p.At("table").Add("is not one of the tables that are read")
		return
	}
	for _, c := range t.Columns {
		if _, said := m.Columns[c.Name]; !said && c.Need != table.Optional {
			p.At("columns.%s", c.Name).Add("is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		at := p.At("columns.%s", name)
		if !slices.ContainsFunc(t.Columns, func(c table.Column) bool { return c.Name == name }) {
			at.Add("is not a column of %s", m.Table)
		}
		if _, err := parse(m.Columns[name]); err != nil {
			at.Add("%s", err.Error())
		}
	}
}

// Reads tells whether something is read of a file.
func (f Profile) Reads(name string) bool {
	return slices.ContainsFunc(f.Tables, func(m Mapping) bool { return strings.EqualFold(m.File, name) })
}
