// Command target-active-directory keeps the accounts, groups and OUs of a directory right for every tenant that has one.
package main

import (
	"eventful.se/ess/libs/service"
	"eventful.se/ess/services/target-active-directory/ad"
)

func main() { service.Target(ad.Connector()) }
