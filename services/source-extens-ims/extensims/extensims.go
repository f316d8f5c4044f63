// Package extensims reads the student register Extens (IST), later IST Administration, as IMS Enterprise files: out of a
// folder on an SFTP server, or from IST's integration API. Each export is whole, and leaves protected persons out. All else
// is done by libs/source/imsfiles.
package extensims

import (
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/imsfiles"
	"eventful.se/ess/libs/tenant"
)

// Connector describes Extens by IMS.
func Connector() source.Connector {
	return source.Connector{
		System: "extens-ims",
		Title:  "Extens, IST Administration (IMS)",
		Defaults: source.Defaults{
			Schedule:  "0 20 * * *",
			Protected: source.ProtectedOmits,
			GroupIDs:  source.GroupIDsStable,
			Recommend: []source.Requirement{source.RequireCivicNo, source.RequireEmail},
		},
		New: func() source.Config { return defaults() },
	}
}

// Config is one tenant's settings: an export on an SFTP server, or one that is asked for by HTTP.
type Config struct {
	Export imsfiles.Config `yaml:",inline"`
}

// defaults returns the settings of a customer who says nothing. What the files are called, and how the API is asked, is not
// publicly known; see the README.
func defaults() *Config {
	c := &Config{Export: imsfiles.Default(ims.Extens())}
	ten := imsfiles.Window{Before: 10, After: 10}
	c.Export.Windows.Pupils, c.Export.Windows.Groups = ten, ten
	return c
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) { c.Export.Validate(p) }

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) { return imsfiles.New(c.Export, env), nil }
