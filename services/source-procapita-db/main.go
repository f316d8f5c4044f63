// Command source-procapita-db reads Procapita out of its database.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-procapita-db/procapitadb"
)

func main() { service.Source(procapitadb.Connector()) }
