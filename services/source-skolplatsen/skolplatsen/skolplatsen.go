// Package skolplatsen reads Skolplatsen over SS 12000. Nothing is publicly known of an interface of Skolplatsen by which
// others read it, so everything is as the standard has it. All else is done by libs/source/ss12000api.
package skolplatsen

import (
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/ss12000api"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/httpx"
)

// Connector describes the register.
func Connector() source.Connector {
	return source.Connector{
		System: "skolplatsen",
		Title:  "Skolplatsen",
		Defaults: source.Defaults{
			Schedule:  "45 20 * * *",
			Protected: source.ProtectedFlag,
			GroupIDs:  source.GroupIDsStable,
			Recommend: []source.Requirement{source.RequireCivicNo, source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}

// Config is one tenant's settings: nothing but those of the API.
type Config struct {
	API ss12000api.Config `yaml:",inline"`
}

// defaults returns the settings of a customer who says nothing. Nothing about its API is publicly known; see the README.
func defaults() *Config {
	c := &Config{API: ss12000api.Default()}
	c.API.HTTP.Auth.Kind = httpx.ClientCredentials
	return c
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) { c.API.Validate(p) }

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) { return ss12000api.New(c.API, env), nil }
