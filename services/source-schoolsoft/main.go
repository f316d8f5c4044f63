// Command source-schoolsoft reads SchoolSoft.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-schoolsoft/schoolsoft"
)

func main() { service.Source(schoolsoft.Connector()) }
