package schoolsoft

import (
	"regexp"
	"strings"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/csvfiles"
	"eventful.se/ess/libs/source/ss12000api"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/httpx"
)

// Config is one tenant's settings.
type Config struct {
	WebApp string `yaml:"webapp"` // the name of the customer's web application, which stands in the address
	Export Export `yaml:"export"`
	// Archiving are the days of a year on which the register archives: what is missing then is not gone.
	Archiving []Days `yaml:"archiving"`
	// Files has the export read out of files in place of the API: where sftp.host is set.
	Files csvfiles.Config   `yaml:"files"`
	API   ss12000api.Config `yaml:",inline"`
}

// Export is which of SchoolSoft's exports is read. A tenant with both has two sources.
type Export string

// The exports.
const (
	Complete Export = "complete"
	Marked   Export = "marked" // only the activities that the school has chosen, and their groups
)

// Days are days of every year, as month and day: 06-20. Both ends are included.
type Days struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// placeholder stands for the web application in the address.
const placeholder = "{webapp}"

// defaults returns what holds for every customer of SchoolSoft; see the README for where each is from.
func defaults() *Config {
	c := &Config{Export: Complete, Archiving: []Days{{From: "06-20", To: "07-05"}}, Files: ownFiles(), API: ss12000api.Default()}
	c.API.HTTP.Auth.Kind = httpx.Bearer
	return c
}

var webApp = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	switch at := p.At("webapp"); {
	case c.Files.On():
	case c.WebApp == "" && strings.Contains(c.API.BaseURL, placeholder):
		at.Add("is required, for it stands in baseURL")
	case c.WebApp != "" && !webApp.MatchString(c.WebApp):
		at.Add("is not the name of a web application: write what stands after the host in the customer's address")
	}
	if c.Export != Complete && c.Export != Marked {
		p.At("export").Add("write complete or marked")
	}
	for i, d := range c.Archiving {
		if d.valid(d.From) && d.valid(d.To) && d.From > d.To {
			p.At("archiving[%d]", i).Add("ends before it begins")
		}
		if !d.valid(d.From) {
			p.At("archiving[%d].from", i).Add("write month and day, as 06-20")
		}
		if !d.valid(d.To) {
			p.At("archiving[%d].to", i).Add("write month and day, as 07-05")
		}
	}
	if c.Files.On() {
		if c.API.BaseURL != "" {
			p.At("baseURL").Add("is not for a source that reads files: a tenant with both has two sources")
		}
		c.files().Validate(p.At("files"))
		return
	}
	c.api().Validate(p)
}

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) {
	if c.Files.On() {
		files := csvfiles.New(c.files(), env)
		return &ofFiles{archived{files, c.Archiving, env.Now}, files, files}, nil
	}
	api := ss12000api.New(c.api(), env)
	return &ofAPI{archived{api, c.Archiving, env.Now}, api, api}, nil
}

// api returns the settings of the API, for this customer and export.
func (c *Config) api() ss12000api.Config {
	api := c.API
	api.BaseURL = strings.ReplaceAll(api.BaseURL, placeholder, c.WebApp)
	api.Profile.OnlyTaught = api.Profile.OnlyTaught || c.Export == Marked
	return api
}

// valid tells whether a day is one of a leap year.
func (Days) valid(day string) bool {
	_, err := time.Parse(time.DateOnly, "2024-"+day)
	return err == nil
}

func (d Days) hold(today roster.Date) bool {
	_, day, _ := strings.Cut(today.String(), "-")
	return d.From <= day && day <= d.To
}
