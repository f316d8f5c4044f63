package extensdb

import (
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sqlviews"
	"eventful.se/ess/libs/tenant"
)

// Config is one tenant's settings.
type Config struct {
	Views sqlviews.Config `yaml:",inline"`
}

// defaults returns what holds for every customer who makes the views as the README has them.
func defaults() *Config { return &Config{Views: sqlviews.Default()} }

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) { c.Views.Validate(p) }

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) { return sqlviews.New(c.Views, env), nil }
