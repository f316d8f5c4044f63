// Package metakatalog reads a municipality's own hub of persons (metakatalog), as the register itself, or as what adds user
// names and e-mail addresses to the persons of the register. A hub is each municipality's own: over SS 12000 everything is
// as the standard has it, and CSV files and views of a database are what the settings say. All else is done by
// libs/source/ss12000api, csvfiles and sqlviews.
package metakatalog

import (
	"eventful.se/ess/libs/format/csvset"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/csvfiles"
	"eventful.se/ess/libs/source/sqlviews"
	"eventful.se/ess/libs/source/ss12000api"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/httpx"
)

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "metakatalog",
		Title:  "Metakatalog",
		Defaults: source.Defaults{
			Schedule:  "15 6 * * *", // after the hub's own night
			Protected: source.ProtectedFlag,
			GroupIDs:  source.GroupIDsStable,
			Recommend: []source.Requirement{source.RequireCivicNo},
		},
		New: func() source.Config { return defaults() },
	}
}

// Config is one tenant's settings.
type Config struct {
	Mode Mode `yaml:"mode"`
	// Of is the source, as system/instance, whose persons an enrichment adds to.
	Of string `yaml:"of"`
	// Files has the hub read out of files in place of the API: where sftp.host is set.
	Files csvfiles.Config `yaml:"files"`
	// Views has it read out of its database: where driver is set.
	Views sqlviews.Config   `yaml:"views"`
	API   ss12000api.Config `yaml:",inline"`
}

// Mode is what the hub is.
type Mode string

// The modes.
const (
	Primary    Mode = "primary"    // the register
	Enrichment Mode = "enrichment" // what adds to the persons of the register, and makes nobody exist
)

// defaults returns the settings of a customer who says nothing; see the README.
func defaults() *Config {
	c := &Config{Mode: Primary, Files: csvfiles.Default(), Views: sqlviews.Default(), API: ss12000api.Default()}
	c.API.HTTP.Auth.Kind = httpx.APIKey
	return c
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	switch c.Mode {
	case Primary:
		if c.Of != "" {
			p.At("of").Add("is for the mode enrichment")
		}
	case Enrichment:
		p.At("of").Required(c.Of)
	default:
		p.At("mode").Add("write primary or enrichment")
	}
	if c.API.Profile.Enriches != "" {
		p.At("profile.enriches").Add("write mode: enrichment, and of")
	}
	if !c.Files.On() && !c.Views.On() {
		c.api().Validate(p)
		return
	}
	if c.Mode == Enrichment && c.Of != "" {
		_, err := roster.ParseSource(c.Of)
		p.At("of").Check(err)
	}
	if c.API.BaseURL != "" {
		p.At("baseURL").Add("is not for a source that reads files or views")
	}
	switch {
	case c.Files.On() && c.Views.On():
		p.At("views").Add("is not for a source that reads files")
	case c.Files.On():
		c.files().Validate(p.At("files"))
	default:
		c.views().Validate(p.At("views"))
	}
}

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) {
	switch {
	case c.Files.On():
		return csvfiles.New(c.files(), env), nil
	case c.Views.On():
		return sqlviews.New(c.views(), env), nil
	default:
		return ss12000api.New(c.api(), env), nil
	}
}

// of returns the source whose persons are added to; zero of a register.
func (c *Config) of() (of roster.Source) {
	of, _ = roster.ParseSource(c.Of) // what is none is refused by Validate
	return of
}

func (c *Config) files() csvfiles.Config {
	files := c.Files
	files.Profile.Rows.Enriches = c.of()
	return files.Tables(csvset.Plain(files.Profile.Rows.Tables()))
}

func (c *Config) views() sqlviews.Config {
	views := c.Views
	views.Profile.Enriches = c.of()
	return views
}

// api returns the settings of the API, for this mode.
func (c *Config) api() ss12000api.Config {
	api := c.API
	api.Profile.Enriches = c.Of
	return api
}
