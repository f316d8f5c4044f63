// Command source-skolplatsen reads Skolplatsen.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-skolplatsen/skolplatsen"
)

func main() { service.Source(skolplatsen.Connector()) }
