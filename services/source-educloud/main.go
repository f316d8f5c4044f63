// Command source-educloud reads EduCloud (IST).
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/source-educloud/educloud"
)

func main() { service.Source(educloud.Connector()) }
