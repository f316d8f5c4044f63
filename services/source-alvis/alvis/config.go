package alvis

import (
	"time"

	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp"
)

// Config is one tenant's settings of Alvis.
type Config struct {
	SFTP      sftp.Config    `yaml:"sftp"`
	Selection sftp.Selection `yaml:",inline"`
	Limits    Limits         `yaml:"limits"`
	// Profile is what this customer's export means by its types, roles and places; see docs of libs/format/ims.
	Profile ims.Profile `yaml:"profile"`
}

// Limits bound what is read of a file, in bytes.
type Limits struct {
	MaxBytes    int64 `yaml:"maxBytes"`    // of the file on the server
	MaxUnpacked int64 `yaml:"maxUnpacked"` // of the export in an archive
}

// defaults returns the settings of a customer who says nothing. Directory and file name of the export are not
// documented in public, so these fit any; see the README.
func defaults() *Config {
	return &Config{
		Selection: sftp.Selection{
			Dir:      "/",
			Patterns: []string{"*.xml", "*.zip"},
			MaxAge:   72 * time.Hour,
			Settle:   10 * time.Second,
		},
		Limits:  Limits{MaxBytes: 1 << 30, MaxUnpacked: 4 << 30},
		Profile: ims.Alvis(),
	}
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	c.SFTP.Validate(p.At("sftp"))
	c.Selection.Validate(p)
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
	return &alvis{
		client:  sftp.New(c.SFTP, sftp.Options{Logger: env.Logger, Now: env.Now}),
		pick:    c.Selection,
		limits:  sftp.Limits{MaxBytes: c.Limits.MaxBytes, MaxUnpacked: c.Limits.MaxUnpacked},
		profile: c.Profile,
	}, nil
}
