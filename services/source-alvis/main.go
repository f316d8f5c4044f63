// Command source-alvis reads Alvis for every tenant that has it.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-alvis/alvis"
)

func main() { service.Source(alvis.Connector()) }
