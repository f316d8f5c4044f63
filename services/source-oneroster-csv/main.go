// Command source-oneroster-csv reads OneRoster CSV.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-oneroster-csv/rostercsv"
)

func main() { service.Source(rostercsv.Connector()) }
