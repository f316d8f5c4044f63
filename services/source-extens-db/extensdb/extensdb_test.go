package extensdb_test

import (
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sqltest"
	"eventful.se/ess/services/source-extens-db/extensdb"
)

func TestConformance(t *testing.T) {
	r := sqltest.New(t)
	reach := r.Reach()
	sourcetest.Test(t, sourcetest.Under{
		Connector: extensdb.Connector(),
		Settings:  reach + "modified: modified\n",
		Refused: map[string]string{
			"{}":                                   "driver",
			"driver: mysql":                        "driver",
			"host: 'db:1433'":                      "host",
			reach + "encryption: tls":              "encryption",
			reach + "encryption: none":             "encryption",
			reach + "timeout: 30ns":                "timeout",
			reach + "without: [persons]":           "without[0]",
			reach + "mayBeEmpty: [enrolments]":     "mayBeEmpty[0]",
			reach + "queries: {elever: {view: x}}": "queries.elever",
			reach + "queries: {persons: {}}":       "queries.persons",
			reach + "queries: {persons: {view: 'x; DROP TABLE y'}}": "queries.persons.view",
			reach + "profile: {groupTypes: {Klass: Klass}}":         "profile.groupTypes.Klass",
			reach + "profile: {openEnds: [aldrig]}":                 "profile.openEnds[0]",
			reach + "profile: {before: -1}":                         "profile.before",
			reach + "modified: 'a; b'":                              "modified",
		},
		Secrets:  []string{sqltest.Password},
		Register: r,
		Against:  "a PostgreSQL server with the views of the contract, over TLS",
		Steps:    sqltest.Steps(),
		Claims:   sourcetest.Claims{NoPart: "a view does not say which of its rows are gone"},
	})
}

func TestCases(t *testing.T) {
	r := sqltest.New(t)
	sourcetest.Cases(t, extensdb.Connector(), func(*testing.T) sourcetest.Side { return r.Side() })
}
