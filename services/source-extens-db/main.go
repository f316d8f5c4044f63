// Command source-extens-db reads Extens out of its database.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-extens-db/extensdb"
)

func main() { service.Source(extensdb.Connector()) }
