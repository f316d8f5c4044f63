package rostercsv

import (
	"eventful.se/ess/libs/format/oneroster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp"
)

// Config is one tenant's settings.
type Config struct {
	Export sftp.SetConfig `yaml:",inline"`
	// Profile is what this customer's export means; see docs of libs/format/oneroster.
	Profile oneroster.Profile `yaml:"profile"`
}

// defaults returns the settings of a customer who says nothing. OneRoster says nothing of directories and names of
// archives, so these fit any; see the README.
func defaults() *Config { return &Config{Export: sftp.DefaultSet(), Profile: oneroster.Default()} }

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	c.Export.Validate(p)
	c.Profile.Validate(p.At("profile"))
}

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) {
	return &rostercsv{
		client:  sftp.New(c.Export.SFTP, sftp.Options{Logger: env.Logger, Now: env.Now}),
		pick:    c.Export.Selection,
		spread:  c.Export.Spread,
		limits:  c.Export.Limits.Of(ending),
		profile: c.Profile,
	}, nil
}
