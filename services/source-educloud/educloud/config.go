package educloud

import (
	"regexp"
	"strings"

	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/ss12000api"
	"eventful.se/ess/libs/tenant"
)

// Config is one tenant's settings.
type Config struct {
	CustomerID string            `yaml:"customerId"` // SE and a number, as IST calls the customer: SE00100
	API        ss12000api.Config `yaml:",inline"`
}

// placeholder stands for the customer in the address.
const placeholder = "{customerId}"

// defaults returns what holds for every customer of EduCloud; see the README for where each is from.
func defaults() *Config {
	c := &Config{API: ss12000api.Default()}
	c.API.BaseURL = "https://api.ist.com/ss12000v2-api/source/" + placeholder + "/v2.0"
	c.API.HTTP.Auth.TokenURL = "https://skolid.se/connect/token"
	c.API.Limit = 1000
	return c
}

var customerID = regexp.MustCompile(`^[A-Za-z]{2}[0-9]{1,10}$`)

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	switch at := p.At("customerId"); {
	case c.CustomerID == "" && strings.Contains(c.API.BaseURL, placeholder):
		at.Add("is required")
	case c.CustomerID != "" && !customerID.MatchString(c.CustomerID):
		at.Add("is not an id of a customer: write SE and a number, as SE00100")
	}
	c.api().Validate(p)
}

// Open makes the source. It uses no network.
func (c *Config) Open(env source.Env) (source.Source, error) {
	return ss12000api.New(c.api(), env), nil
}

// api returns the settings of the API, for this customer.
func (c *Config) api() ss12000api.Config {
	api := c.API
	api.BaseURL = strings.ReplaceAll(api.BaseURL, placeholder, c.CustomerID)
	return api
}
