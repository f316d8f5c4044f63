// Command source-manual reads what people decided by hand, for every tenant that has such a file.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-manual/manual"
)

func main() { service.Source(manual.Connector()) }
