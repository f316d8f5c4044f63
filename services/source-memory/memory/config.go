package memory

import (
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// Config is one tenant's settings.
type Config struct {
	File string `yaml:"file"` // path of the register
}

func defaults() *Config { return &Config{} }

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) { p.At("file").Required(c.File) }

// Open makes the source. It opens no file.
func (c *Config) Open(source.Env) (source.Source, error) { return &memory{path: c.File}, nil }
