package procapitadb_test

import (
	"testing"

	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/source/sourcetest/sqltest"
	"eventful.se/ess/services/source-procapita-db/procapitadb"
)

func TestConformance(t *testing.T) {
	r := sqltest.New(t)
	reach := r.Reach()
	sourcetest.Test(t, sourcetest.Under{
		Connector: procapitadb.Connector(),
		Settings:  reach,
		Refused: map[string]string{
			"{}":                                 "host",
			"driver: mysql":                      "driver",
			"{driver: oracle, serverName: db.x}": "serverName",
			reach + "without: [enrolments]":      "without[0]",
			reach + "queries: {persons: {view: a, file: b}}":     "queries.persons",
			reach + "profile: {groupTypes: {grupp: Gruppering}}": "profile.groupTypes.grupp",
			reach + "profile: {dutyRoles: {rektor: Chef}}":       "profile.dutyRoles.rektor",
		},
		Secrets:  []string{sqltest.Password},
		Register: r,
		Against:  "a PostgreSQL server with the views of the contract, over TLS",
		Steps:    sqltest.Steps(),
		Claims:   sourcetest.Claims{NoDelta: "every read reads all views, in one snapshot"},
	})
}

func TestCases(t *testing.T) {
	r := sqltest.New(t)
	sourcetest.Cases(t, procapitadb.Connector(), func(*testing.T) sourcetest.Side { return r.Side() })
}
