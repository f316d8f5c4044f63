package service

import (
	"maps"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// handlings returns what a link does with the accounts of each role: what the document says, else what the connector does.
func handlings(l tenant.Link, c target.Connector, p tenant.Problems) map[roster.Role]target.Handling {
	said := map[roster.Role]string{roster.RolePupil: l.Roles.Pupil, roster.RoleStaff: l.Roles.Staff}
	maps.DeleteFunc(said, func(_ roster.Role, word string) bool { return word == "" })
	if c.Roles == nil {
		if len(said) > 0 {
			p.At("roles").Add("%s makes no difference between roles: leave roles out, and write a filter where some are not to be there", c.Title)
		}
		return nil
	}
	roles := maps.Clone(c.Roles)
	for role, word := range said {
		roles[role] = target.Handling(word)
	}
	return roles
}

// checkAbilities reports what the link asks for and the target cannot do.
func checkAbilities(l tenant.Link, made *target.Target, roles map[roster.Role]target.Handling, p tenant.Problems) {
	_, matches := made.Applier.(target.Matcher)
	for role, h := range roles {
		if h == target.Match && !matches {
			p.At("roles.%s", role).Add("the target cannot find accounts that it did not make: write manage or ignore")
		}
	}
	if _, lists := made.Applier.(target.Lister); l.Reconcile != nil && !lists {
		p.At("reconcile").Add("the target cannot tell all that it holds: leave this out")
	}
	if made.Quarantine {
		return
	}
	const advice = "move has no place to go to in this target: leave the stage out, or name the place in the settings of the target"
	moves := func(at tenant.Problems, stages []tenant.Stage) {
		for i, s := range stages {
			if s.Do == tenant.Move {
				at.At("leave[%d]", i).Add(advice)
			}
		}
	}
	moves(p, l.Leave)
	for i, c := range l.Lifecycles {
		moves(p.At("lifecycles[%d]", i), c.Leave)
	}
}
