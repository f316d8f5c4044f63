package educloud_test

import (
	"fmt"
	"testing"

	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/services/source-educloud/educloud"
)

func TestConformance(t *testing.T) {
	o := ss12000server.EduCloud("SE00100", nil)
	r := ss12000test.New(t, o)
	r.Omits = true
	reach := settings(r, o)
	sourcetest.Test(t, sourcetest.Under{
		Connector: educloud.Connector(),
		Settings:  reach + "limit: 50\ndelta: {on: true}\n",
		Refused: map[string]string{
			"{}":                                      "customerId",
			"customerId: SE00100":                     "auth.clientId",
			"baseURL: http://api.ist.com/v2.0":        "baseURL",
			reach + "customerId: 'SE1/../SE2'":        "customerId",
			reach + "limit: 0":                        "limit",
			reach + "timeout: 30ns":                   "timeout",
			reach + "without: [persons]":              "without[0]",
			reach + "without: [grades]":               "without[0]",
			reach + "query: {groups: {limit: ['1']}}": "query.groups.limit",
			reach + "delta: {chain: 0}":               "delta.chain",
		},
		Secrets:  []string{o.Auth.ClientSecret, "access-"},
		Register: r,
		Against:  "an SS 12000 server in the test's process, over TLS, that signs in and pages as EduCloud does",
		Steps:    r.Steps(),
		Claims:   sourcetest.Claims{PerPerson: 512}, // who works there and what is taught is kept until everybody was read
	})
}

// settings are those by which a register like EduCloud is read.
func settings(r *ss12000test.Register, o ss12000server.Options) string {
	return fmt.Sprintf("baseURL: %s\nauth: {kind: clientCredentials, tokenURL: %s, clientId: %s, clientSecret: 'file:%s'}\n",
		r.BaseURL(), r.TokenURL(), o.Auth.ClientID, r.Secret) + r.Reach()
}

func TestCases(t *testing.T) {
	sourcetest.Cases(t, educloud.Connector(), func(t *testing.T) sourcetest.Side {
		return ss12000test.New(t, ss12000server.EduCloud("SE00100", nil)).Side()
	})
}
