// Command target-apple-school-manager keeps Apple School Manager right for every tenant that has it.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/target-apple-school-manager/asm"
)

func main() { service.Target(asm.Connector()) }
