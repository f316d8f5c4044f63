package manual

import (
	"errors"

	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// Instance is the instance that reads what was decided by command: a tenant has one desk, and two readers of it would
// state the same persons twice.
const Instance = "default"

// Config is one tenant's settings.
type Config struct {
	File string `yaml:"file"` // path of the file; empty for none
}

func defaults() *Config { return &Config{} }

// Validate reports everything wrong with the settings.
func (c *Config) Validate(tenant.Problems) {}

// Open makes the source. It opens no file.
func (c *Config) Open(env source.Env) (source.Source, error) {
	m := &manual{path: c.File, now: env.Now}
	if env.Source.Instance == Instance {
		m.desk = env.Desk
	}
	if m.path == "" && env.Source.Instance != Instance {
		return nil, errors.New("settings.file is required: only the instance " + Instance + " reads what is decided by command")
	}
	return m, nil
}
