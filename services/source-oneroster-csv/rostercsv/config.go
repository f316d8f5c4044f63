package rostercsv

import (
	"time"

	"eventful.se/ess/libs/format/oneroster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp"
)

// Config is one tenant's settings.
type Config struct {
	SFTP      sftp.Config    `yaml:"sftp"`
	Selection sftp.Selection `yaml:",inline"`
	// Spread is how far apart the files of a folder may have been written; 0 for any time.
	Spread time.Duration `yaml:"spread"`
	Limits Limits        `yaml:"limits"`
	// Profile is what this customer's export means; see docs of libs/format/oneroster.
	Profile oneroster.Profile `yaml:"profile"`
}

// Limits bound what is read of an export, in bytes.
type Limits struct {
	MaxBytes    int64 `yaml:"maxBytes"`    // of each file on the server
	MaxUnpacked int64 `yaml:"maxUnpacked"` // of all files in an archive
}

// defaults returns the settings of a customer who says nothing. OneRoster says nothing of directories and names of
// archives, so these fit any; see the README.
func defaults() *Config {
	return &Config{
		Selection: sftp.Selection{Dir: "/", Patterns: []string{"*.zip"}, MaxAge: 72 * time.Hour, Settle: 10 * time.Second},
		Spread:    time.Hour,
		Limits:    Limits{MaxBytes: 1 << 30, MaxUnpacked: 4 << 30},
		Profile:   oneroster.Default(),
	}
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	c.SFTP.Validate(p.At("sftp"))
	c.Selection.Validate(p)
	if c.Spread < 0 {
		p.At("spread").Add("must not be negative")
	}
	if c.Limits.MaxBytes <= 0 {
		p.At("limits.maxBytes").Add("has to be above 0")
	}
	if c.Limits.MaxUnpacked <= 0 {
		p.At("limits.maxUnpacked").Add("has to be above 0")
	}
	c.Profile.Validate(p.At("profile"))
}

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) {
	return &rostercsv{
		client: sftp.New(c.SFTP, sftp.Options{Logger: env.Logger, Now: env.Now}),
		pick:   c.Selection,
		spread: c.Spread,
		limits: sftp.Limits{
			MaxBytes: c.Limits.MaxBytes, MaxUnpacked: c.Limits.MaxUnpacked, Members: []string{ending}, Several: true,
		},
		profile: c.Profile,
	}, nil
}
