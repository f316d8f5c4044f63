package target

import (
	"context"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
)

// Handling says what a link does with the accounts of people in a role.
type Handling string

// The handlings.
const (
	Manage Handling = "manage" // makes, changes, disables and deletes them
	Match  Handling = "match"  // finds the customer's own and uses them in groups, but never makes, changes or removes one
	Ignore Handling = "ignore" // has nothing to do with them
)

// Handling returns what the link does with the accounts of a role.
func (e Env) Handling(role roster.Role) Handling {
	if h, ok := e.Roles[role]; ok {
		return h
	}
	return Manage
}

// Names is the connector's word on user names, for a target that makes accounts.
type Names struct {
	Max    int    // most characters; 0 for no limit
	Refuse string // characters that a name must not have, beside those that the tenant's patterns never make
}

// Namer is an applier that knows which user names are taken in the target, by whomever: by accounts of ours, of the
// customer, of machines.
type Namer interface {
	// Taken returns, of some names, those that are taken, each with the target's own id of what has it. Names compare as
	// the target compares them.
	Taken(ctx context.Context, list []string) (map[string]string, error)
}

// Matcher is an applier that can find what the target holds and ESS did not make: to adopt it, or to use it as it is.
type Matcher interface {
	// Match finds, for each wanted resource, what may be it: by the keys that the tenant has configured, never by a
	// person's name alone. It looks nowhere outside of what the link may see.
	Match(ctx context.Context, wanted []Resource) ([][]Found, error)
}

// Found is something that a target holds and that may be what a link wants there.
type Found struct {
	Held
	By      string // the configured key that is equal, such as employeeID; empty for one that is only close
	Refused string // why it can never be adopted, in words for the operator without personal data; empty where it can
}

// Passwords are the initial passwords of new accounts.
type Passwords interface {
	// New returns a password for a new account, or for one whose password is to be another. What is to be handed out is
	// kept before it returns, so that no account has a password that nobody can learn where somebody was to. It takes the
	// place of what New gave for the account before: a sink that has asked and then finds the account there, made by an
	// attempt whose answer was lost, gives it this one. The person is the entity of the resource.
	New(ctx context.Context, person roster.Key, role roster.Role, username string) (Password, error)
}

// Password is an initial password.
type Password struct {
	Secret roster.Personal
	Change bool // it must be changed at the first logon
	Kept   bool // it waits to be handed out; else nobody learns it, and a hand-out is a reset
}

// PasswordKeeper keeps the passwords that wait to be handed out.
type PasswordKeeper interface {
	Passwords
	// Drop drops what is kept for a person's account in a role, or with no role for all of them.
	Drop(ctx context.Context, person roster.Key, role roster.Role) error
}

// PasswordSetter is an applier that can give an account of ours another password.
type PasswordSetter interface {
	SetPassword(ctx context.Context, id ID, native string, p Password) error
}

// UserName returns what a persona is called, in this target as in every other of the tenant. It is empty where the rules of
// the tenant give no name, or where a view knows none.
func UserName(v View, person roster.Key, role roster.Role) names.Name {
	if n, ok := v.(interface {
		UserName(roster.Key, roster.Role) names.Name
	}); ok {
		return n.UserName(person, role)
	}
	return names.Name{}
}
