package metakatalog_test

import (
	"fmt"
	"testing"

	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/services/source-metakatalog/metakatalog"
)

const secret = "nyckel-till-navet"

func options() ss12000server.Options {
	return ss12000server.Options{Path: "/v2.0", Auth: ss12000server.Auth{Header: "X-API-Key", Key: secret}}
}

func TestConformance(t *testing.T) {
	o := options()
	r := ss12000test.New(t, o)
	reach := settings(r)
	sourcetest.Test(t, sourcetest.Under{
		Connector: metakatalog.Connector(),
		Settings:  reach + "limit: 50\ndelta: {on: true}\n",
		Refused: map[string]string{
			"{}":                                         "baseURL",
			reach + "limit: 0":                           "limit",
			reach + "without: [persons]":                 "without[0]",
			reach + "mode: both":                         "mode",
			reach + "mode: enrichment":                   "of",
			reach + "of: alvis/default":                  "of",
			reach + "mode: enrichment\nof: alvis":        "profile.enriches",
			reach + "profile: {enriches: alvis/default}": "profile.enriches",
		},
		Secrets:  []string{secret},
		Register: r,
		Against:  "an SS 12000 server in the test's process, over TLS",
		Steps:    steps(),
		Claims:   sourcetest.Claims{PerPerson: 512}, // who works there and what is taught is kept until everybody was read
	})
}

// settings are those by which a hub is read.
func settings(r *ss12000test.Register) string {
	return fmt.Sprintf("baseURL: %s\nauth: {kind: apiKey, token: 'file:%s'}\n", r.BaseURL(), r.Secret) + r.Reach()
}

// steps are those of a sign-in that shows at the first list only.
func steps() map[sourcetest.Fault]string {
	all := ss12000test.Steps()
	all[sourcetest.SignIn], all[sourcetest.Garbage] = "organisations", "organisations"
	return all
}

func TestCases(t *testing.T) {
	sourcetest.Cases(t, metakatalog.Connector(), func(t *testing.T) sourcetest.Side { return ss12000test.New(t, options()).Side() })
}
