package imsfiles

import (
	"maps"
	"net/url"
	"path"
	"slices"
	"time"

	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/httpx"
	"eventful.se/ess/libs/transport/sftp"
)

// Config says where an export is, on an SFTP server or one that is asked for by HTTP, and what it means.
type Config struct {
	Export sftp.SetConfig `yaml:",inline"`
	// Several says that all files of the folder are one export, as where there is one for each school; else the newest is.
	Several bool    `yaml:"several"`
	HTTP    HTTP    `yaml:"http"`
	Expect  Expect  `yaml:"expect"`
	Windows Windows `yaml:"windows"`
	// Profile is what this customer's export means by its types, roles and places; see docs of libs/format/ims.
	Profile ims.Profile `yaml:"profile"`
}

// HTTP says how the export is asked for: one call, whose answer is a document or an archive of them.
type HTTP struct {
	URL string `yaml:"url"` // of the export, without query; empty where it lies on an SFTP server
	// Query are the parameters of the call, each a secret: who knows them gets the export.
	Query  map[string]tenant.Secret `yaml:"query"`
	Accept string                   `yaml:"accept"` // the media type of the answer; a zip archive has application/zip
	Call   httpx.Config             `yaml:",inline"`
}

// Expect says which documents an export has. One that lacks any of them is not believed.
type Expect struct {
	Count int      `yaml:"count"` // how many; 0 for any number
	Files []string `yaml:"files"` // patterns, each of which fits the name of one at least
}

// Windows say for how long what has a first or a last day counts, as the register's own rules have it.
type Windows struct {
	Pupils Window `yaml:"pupils"` // at a school
	Staff  Window `yaml:"staff"`  // at a school
	Groups Window `yaml:"groups"` // and who is in them
}

// Window is how many days before its first day something counts, and how many after its last.
type Window struct {
	Before int `yaml:"before"`
	After  int `yaml:"after"`
}

// Default returns the settings of an export with a profile, of which every first and last day counts to the day.
func Default(profile ims.Profile) Config {
	c := Config{
		Export: sftp.DefaultSet(),
		HTTP: HTTP{Accept: "application/xml", Call: httpx.Config{
			Auth: httpx.Auth{Kind: httpx.NoAuth}, ConnectTimeout: 20 * time.Second, Timeout: 10 * time.Minute,
			Limits: httpx.Limits{MaxBytes: 256 << 20, MaxUnpacked: 1 << 30}, Retry: httpx.Retry{Tries: 4, Pause: time.Second},
		}},
		Profile: profile,
	}
	c.Export.Selection.Patterns = []string{"*.xml", "*.zip"}
	return c
}

// On tells whether an export is read.
func (c Config) On() bool { return c.Export.SFTP.Host != "" || c.HTTP.URL != "" }

// maxWindow is the longest a window is: what counts a year before it begins is a mistake.
const maxWindow = 366

// Validate reports everything wrong with the settings, without network.
func (c Config) Validate(p tenant.Problems) {
	switch {
	case c.HTTP.URL == "":
		c.Export.Validate(p)
	case c.Export.SFTP.Host != "":
		p.At("http.url").Add("an export lies on an SFTP server or is asked for by HTTP: write sftp or http")
	default:
		at := p.At("http")
		httpx.CheckURL(at.At("url"), c.HTTP.URL, c.HTTP.Call.PrivateAddresses)
		c.HTTP.Call.Validate(at)
		for _, name := range slices.Sorted(maps.Keys(c.HTTP.Query)) {
			at.At("query.%s", name).Check(c.HTTP.Query[name].Validate())
		}
	}
	if c.Expect.Count < 0 {
		p.At("expect.count").Add("must not be negative")
	}
	for i, pattern := range c.Expect.Files {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			p.At("expect.files[%d]", i).Add("is not a pattern of a file's name")
		}
	}
	for name, w := range map[string]Window{"pupils": c.Windows.Pupils, "staff": c.Windows.Staff, "groups": c.Windows.Groups} {
		if min(w.Before, w.After) < 0 || max(w.Before, w.After) > maxWindow {
			p.At("windows.%s", name).Add("has to be 0 to %d days", maxWindow)
		}
	}
	c.Profile.Validate(p.At("profile"))
}

// query reads the parameters of the call.
func (h HTTP) query() (url.Values, error) {
	q := url.Values{}
	for name, secret := range h.Query {
		value, err := secret.Reveal()
		if err != nil {
			return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", secret, "what", err)
		}
		q.Set(name, string(value))
	}
	return q, nil
}
