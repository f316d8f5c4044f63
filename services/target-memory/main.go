// Command target-memory keeps the directory in a file right for every tenant that has one.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/target-memory/memory"
)

func main() { service.Target(memory.Connector()) }
