// Command source-extens-ims reads Extens, and IST Administration, as IMS Enterprise files.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-extens-ims/extensims"
)

func main() { service.Source(extensims.Connector()) }
