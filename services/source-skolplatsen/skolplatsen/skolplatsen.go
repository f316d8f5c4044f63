// Package skolplatsen reads Skolplatsen over SS 12000, or out of files: IMS Enterprise documents, or CSV. Nothing is publicly
// known of an interface of Skolplatsen by which others read it, so everything is as the standards have it, and CSV files are
// what the settings say. All else is done by libs/source/ss12000api, imsfiles and csvfiles.
package skolplatsen

import (
	"eventful.se/ess/libs/format/csvset"
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/csvfiles"
	"eventful.se/ess/libs/source/imsfiles"
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

// Config is one tenant's settings: nothing but those of the API, or of files in its place.
type Config struct {
	// IMS has the register read out of IMS Enterprise documents: where sftp.host or http.url is set.
	IMS imsfiles.Config `yaml:"ims"`
	// Files has it read out of CSV files: where sftp.host is set.
	Files csvfiles.Config   `yaml:"files"`
	API   ss12000api.Config `yaml:",inline"`
}

// defaults returns the settings of a customer who says nothing. Nothing about its API is publicly known; see the README.
func defaults() *Config {
	c := &Config{IMS: imsfiles.Default(ims.Base()), Files: csvfiles.Default(), API: ss12000api.Default()}
	counts := imsfiles.Window{Before: 60, After: 30} // as over the API and in CSV files
	c.IMS.Windows = imsfiles.Windows{Pupils: counts, Staff: counts, Groups: counts}
	c.API.HTTP.Auth.Kind = httpx.ClientCredentials
	return c
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	if (c.IMS.On() || c.Files.On()) && c.API.BaseURL != "" {
		p.At("baseURL").Add("is not for a source that reads files")
	}
	switch {
	case c.IMS.On() && c.Files.On():
		p.At("files").Add("is not for a source that reads IMS Enterprise documents")
	case c.IMS.On():
		c.IMS.Validate(p.At("ims"))
	case c.Files.On():
		c.files().Validate(p.At("files"))
	default:
		c.API.Validate(p)
	}
}

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) {
	switch {
	case c.IMS.On():
		return imsfiles.New(c.IMS, env), nil
	case c.Files.On():
		return csvfiles.New(c.files(), env), nil
	default:
		return ss12000api.New(c.API, env), nil
	}
}

func (c *Config) files() csvfiles.Config {
	return c.Files.Tables(csvset.Plain(c.Files.Profile.Rows.Tables()))
}
