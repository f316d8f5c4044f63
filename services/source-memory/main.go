// Command source-memory reads small registers that lie in files.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-memory/memory"
)

func main() { service.Source(memory.Connector()) }
