// Package names gives people their user names: by the tenant's patterns, within the limits of the targets that make
// accounts, unique over all of a tenant, and never given to somebody else for years after.
package names

import "eventful.se/ess/libs/roster"

// Owner is whose a name is: a person in a role. A teacher who is a pupil too has two names.
type Owner struct {
	Person roster.Key // the key under which the name was given; see target.Anchor
	Role   roster.Role
}

// Name is what a persona is called.
type Name struct {
	Current string
	// Former are the names that it had before and keeps as aliases, oldest first. A tenant whose policy is [Rename] keeps no
	// aliases, and they are none; the names stay the owner's all the same.
	Former []string
}

// Subject is whom a name is for, as the patterns see it.
type Subject struct {
	Person  *roster.Person
	Persona roster.Persona // zero where the person has none in the role
	Role    roster.Role
	Unit    *roster.Organisation // where the person belongs to in the role; nil where that is not known
}

// Claim is one name of a tenant and whose it is.
type Claim struct {
	Name   string
	Owner  Owner       // zero: somebody's outside of ESS, so that nobody gets it
	Wanted string      // the first choice when the name was given; another first choice is another name of the person
	Rules  string      // [Rules.Version] by which Wanted was made; by other rules another first choice says nothing
	Since  roster.Date // when it was given
	Ended  roster.Date // when the last account with it was deleted; open while there is one
	Former bool        // its owner has another one now
}
