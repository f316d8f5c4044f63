// Command source-quiculum reads Quiculum.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-quiculum/quiculum"
)

func main() { service.Source(quiculum.Connector()) }
