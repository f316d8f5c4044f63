package skolplatsen_test

import (
	"fmt"
	"testing"

	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/services/source-skolplatsen/skolplatsen"
)

func options() ss12000server.Options { return ss12000server.Skolplatsen(nil) }

func TestConformance(t *testing.T) {
	o := options()
	r := ss12000test.New(t, o)
	reach := settings(r)
	sourcetest.Test(t, sourcetest.Under{
		Connector: skolplatsen.Connector(),
		Settings:  reach + "limit: 50\ndelta: {on: true}\n",
		Refused: map[string]string{
			"{}":                                  "baseURL",
			reach + "limit: 0":                    "limit",
			"files: {sftp: {host: sftp.example}}": "files.sftp.user",
			reach + "files: {sftp: {host: sftp.example}}":                            "baseURL",
			reach + "ims: {http: {url: 'https://skolplatsen.example/export'}}":       "baseURL",
			"ims: {sftp: {host: sftp.example}}":                                      "ims.sftp.user",
			"ims: {sftp: {host: sftp.example}}\nfiles: {sftp: {host: sftp.example}}": "files",
			reach + "without: [persons]":                                             "without[0]",
			"baseURL: https://skolplatsen.example/v2.0":                              "auth.clientId",
		},
		Secrets:  []string{o.Auth.ClientSecret},
		Register: r,
		Against:  "an SS 12000 server in the test's process, over TLS, that wants a client certificate beside the sign-in",
		Steps:    r.Steps(),
		Claims:   sourcetest.Claims{PerPerson: 512}, // who works there and what is taught is kept until everybody was read
	})
}

// settings are those by which a register like Skolplatsen is read.
func settings(r *ss12000test.Register) string {
	return fmt.Sprintf("baseURL: %s\nauth: {kind: clientCredentials, style: basic, tokenURL: %s, clientId: prov, clientSecret: 'file:%s'}\n",
		r.BaseURL(), r.TokenURL(), r.Secret) + r.Reach()
}

func TestCases(t *testing.T) {
	sourcetest.Cases(t, skolplatsen.Connector(), func(t *testing.T) sourcetest.Side { return sftptest.Beside(t, ss12000test.New(t, options()).Side()) })
}
