// Command source-metakatalog reads a municipality's own hub of persons.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-metakatalog/metakatalog"
)

func main() { service.Source(metakatalog.Connector()) }
