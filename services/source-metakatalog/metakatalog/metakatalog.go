// Package metakatalog reads a municipality's own hub of persons (metakatalog) over SS 12000: as the register itself, or as
// what adds user names and e-mail addresses to the persons of the register. A hub is each municipality's own, so everything
// is as the standard has it. All else is done by libs/source/ss12000api.
package metakatalog

import (
	"eventful.se/ess/libs/source"
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
	Of  string            `yaml:"of"`
	API ss12000api.Config `yaml:",inline"`
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
	c := &Config{Mode: Primary, API: ss12000api.Default()}
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
	c.api().Validate(p)
}

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) {
	return ss12000api.New(c.api(), env), nil
}

// api returns the settings of the API, for this mode.
func (c *Config) api() ss12000api.Config {
	api := c.API
	api.Profile.Enriches = c.Of
	return api
}
