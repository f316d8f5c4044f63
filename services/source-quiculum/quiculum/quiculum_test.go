package quiculum_test

import (
	"fmt"
	"testing"

	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/services/source-quiculum/quiculum"
)

func options() ss12000server.Options { return ss12000server.Quiculum(nil) }

func TestConformance(t *testing.T) {
	o := options()
	r := ss12000test.New(t, o)
	reach := settings(r)
	sourcetest.Test(t, sourcetest.Under{
		Connector: quiculum.Connector(),
		Settings:  reach + "limit: 50\ndelta: {on: true}\n",
		Refused: map[string]string{
			"{}":                         "baseURL",
			reach + "limit: 0":           "limit",
			reach + "without: [persons]": "without[0]",
		},
		Secrets:  []string{o.Auth.Token},
		Register: r,
		Against:  "an SS 12000 server in the test's process, over TLS",
		Steps:    r.Steps(),
		Claims:   sourcetest.Claims{PerPerson: 512}, // who works there and what is taught is kept until everybody was read
	})
}

// settings are those by which a register like Quiculum is read.
func settings(r *ss12000test.Register) string {
	return fmt.Sprintf("baseURL: %s\nauth: {kind: bearer, token: 'file:%s'}\n", r.BaseURL(), r.Secret) + r.Reach()
}

func TestCases(t *testing.T) {
	sourcetest.Cases(t, quiculum.Connector(), func(t *testing.T) sourcetest.Side { return ss12000test.New(t, options()).Side() })
}
