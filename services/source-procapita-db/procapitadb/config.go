package procapitadb

import (
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sqlviews"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sqlx"
)

// Config is one tenant's settings.
type Config struct {
	Views sqlviews.Config `yaml:",inline"`
}

// defaults returns what holds for every customer who makes the views as the README has them: SQL Server, and the words that
// Procapita has for groups.
func defaults() *Config {
	c := Config{Views: sqlviews.Default()}
	c.Views.DB.Driver = sqlx.SQLServer
	c.Views.Profile.GroupTypes["grupp"] = string(roster.TeachingGroup)
	c.Views.Profile.GroupTypes["avdelning"] = string(roster.Department)
	return &c
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) { c.Views.Validate(p) }

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) { return sqlviews.New(c.Views, env), nil }
