package manual

import (
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// Config is one tenant's settings of the file.
type Config struct {
	File string `yaml:"file"` // path of the file
}

func defaults() *Config { return &Config{} }

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) { p.At("file").Required(c.File) }

// Open makes the source. It opens no file.
func (c *Config) Open(env source.Env) (source.Source, error) {
	return &manual{path: c.File, now: env.Now}, nil
}
