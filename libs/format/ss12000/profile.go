package ss12000

import "eventful.se/ess/libs/tenant"

// Profile is which of a register counts, and what its words mean.
type Profile struct{}

// Default is the profile of a register of which nothing else is known.
func Default() Profile { return Profile{} }

// Validate reports everything wrong with the profile.
func (p Profile) Validate(tenant.Problems) {}
