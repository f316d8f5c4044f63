package sqlviews

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"eventful.se/ess/libs/format/table"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sqlx"
)

// Config says how to read a register by queries.
type Config struct {
	DB sqlx.Config `yaml:",inline"`
	// Schema is where the views lie; empty for that of the account.
	Schema string `yaml:"schema"`
	// Queries are what is read in place of the view of that name: {persons: {view: V_ELEVER}}, {duties: {file: /etc/ess/duties.sql}}.
	Queries map[string]Query `yaml:"queries"`
	// Without are queries that nothing is read of: duties, groups or memberships.
	Without []string `yaml:"without"`
	// MayBeEmpty are queries that may have no row; any other one without rows ends the read.
	MayBeEmpty []string `yaml:"mayBeEmpty"`
	// Emails is a CSV file of addresses, which go before those of the view: columns email, and id or civic_no.
	Emails string `yaml:"emails"`
	// Modified is a column, which every view has then, in which the database notes when a row was last changed: while all
	// views have as many rows as before, and none was changed since, they are not read. Empty for reading them every time.
	Modified string        `yaml:"modified"`
	Profile  table.Profile `yaml:"profile"`
}

// Query is one of them; with neither it is the view of its name.
type Query struct {
	View string `yaml:"view"` // its name, in Schema
	File string `yaml:"file"` // a file with one SELECT, whose columns have the names of the contract
}

// Default returns the settings of a register whose views are as the contract has them.
func Default() Config { return Config{Profile: table.Default()} }

var plainName = regexp.MustCompile(`^[A-Za-z_ÅÄÖåäö][A-Za-z0-9_$#ÅÄÖåäö]*$`)

// On tells whether a database is read.
func (c Config) On() bool { return c.DB.Driver != "" }

// Validate reports everything wrong with the settings, without network and without reading a file.
func (c Config) Validate(p tenant.Problems) {
	c.DB.Validate(p)
	if c.Schema != "" && !plainName.MatchString(c.Schema) {
		p.At("schema").Add("is not a name")
	}
	if c.Modified != "" && !plainName.MatchString(c.Modified) {
		p.At("modified").Add("is not a name of a column")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Queries)) {
		at, q := p.At("queries.%s", name), c.Queries[name]
		switch {
		case !c.known(name):
			at.Add("is not a query that is read")
		case (q.View == "") == (q.File == ""):
			at.Add("write view, or file")
		case q.View != "" && !plainName.MatchString(q.View):
			at.At("view").Add("is not a name: write it without the schema, and a SELECT into a file")
		}
	}
	spare := table.Spare()
	of := func(at string, list []string) {
		for i, name := range list {
			if !slices.Contains(spare, name) {
				p.At("%s[%d]", at, i).Add("is not one of %s", strings.Join(spare, ", "))
			}
		}
	}
	of("without", c.Without)
	of("mayBeEmpty", c.MayBeEmpty)
	c.Profile.Validate(p.At("profile"))
}

func (c Config) known(name string) bool {
	_, ok := c.Profile.Find(name)
	return ok
}
