package service

import (
	"strings"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// everywhere is how long a user name may be that every target takes: as long as the shortest of the directories has it. A
// link does not know which other targets its tenant has, in other programs, now or later.
const everywhere = 20

// nameCharacters are those that names are made of.
const nameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-_"

// nameRules returns what a target's user names are made by; nil for one that makes no accounts.
func nameRules(d *tenant.Document, made *target.Target) (*names.Rules, error) {
	if made.Names == nil {
		return nil, nil //nolint:nilnil // nothing is wrong, and there are none
	}
	refused := strings.Map(func(r rune) rune { // what no name has makes no other names
		if strings.ContainsRune(nameCharacters, r) {
			return r
		}
		return -1
	}, made.Names.Refuse)
	return names.Compile(d.Names, names.Limits{Max: everywhere}.And(names.Limits{Max: made.Names.Max, Refuse: refused}))
}
