package metakatalog_test

import (
	"fmt"
	"testing"

	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sftptest"
	"eventful.se/ess/libs/source/sourcetest/sqltest"
	"eventful.se/ess/libs/source/sourcetest/ss12000test"
	"eventful.se/ess/services/source-metakatalog/metakatalog"
)

func options() ss12000server.Options { return ss12000server.Metakatalog(nil) }

func TestConformance(t *testing.T) {
	o := options()
	r := ss12000test.New(t, o)
	reach := settings(r)
	sourcetest.Test(t, sourcetest.Under{
		Connector: metakatalog.Connector(),
		Settings:  reach + "limit: 50\ndelta: {on: true}\n",
		Refused: map[string]string{
			"{}":                                  "baseURL",
			reach + "limit: 0":                    "limit",
			reach + "without: [persons]":          "without[0]",
			reach + "mode: both":                  "mode",
			reach + "mode: enrichment":            "of",
			"files: {sftp: {host: sftp.example}}": "files.sftp.user",
			"views: {driver: oracle}":             "views.host",
			"views: {driver: oracle}\nfiles: {sftp: {host: sftp.example}}":                                                                "views",
			"files: {sftp: {host: sftp.example}}\nmode: enrichment\nof: alvis":                                                            "of",
			"files: {sftp: {host: sftp.example}, profile: {tables: [{table: groups, file: g.csv}]}}\nmode: enrichment\nof: alvis/default": "files.profile.tables[0].table",
			reach + "files: {sftp: {host: sftp.example}}":                                                                                 "baseURL",
			reach + "of: alvis/default":                  "of",
			reach + "mode: enrichment\nof: alvis":        "profile.enriches",
			reach + "profile: {enriches: alvis/default}": "profile.enriches",
		},
		Secrets:  []string{o.Auth.Key},
		Register: r,
		Against:  "an SS 12000 server in the test's process, over TLS",
		Steps:    r.Steps(),
		Claims:   sourcetest.Claims{PerPerson: 512}, // who works there and what is taught is kept until everybody was read
	})
}

// settings are those by which a hub is read.
func settings(r *ss12000test.Register) string {
	return fmt.Sprintf("baseURL: %s\nauth: {kind: apiKey, token: 'file:%s'}\n", r.BaseURL(), r.Secret) + r.Reach()
}

func TestCases(t *testing.T) {
	db := sqltest.New(t)
	sourcetest.Cases(t, metakatalog.Connector(), func(t *testing.T) sourcetest.Side {
		return sqltest.Beside(sftptest.Beside(t, ss12000test.New(t, options()).Side()), db)
	})
}
