// Package target holds what a target is, and the link that keeps every one of them equal to the roster.
//
// A target is a mapping and a sink. The mapping is pure: given the roster and one entity, which resources should the
// target hold, or why not. The sink makes it so. The link in between is a level-triggered reconciler over an event
// log: events say what to look at, the roster says what is right (rule R4).
package target

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Connector describes a system that can be a target. It is what a connector's folder exports.
type Connector struct {
	System string // "apple-school-manager"; the folder is target-apple-school-manager
	Title  string // "Apple School Manager"
	OnSite bool   // it reaches into the customer's own network, which bronze has not
	// Roles say what a link does with the accounts of each role where its tenant says nothing of it: a directory manages
	// pupils and matches staff. Nil for a connector that makes no difference between roles, which a link cannot then either.
	Roles map[roster.Role]Handling
	// New returns settings with the defaults filled in, to decode a tenant's section into.
	New func() Config
}

// Config is one tenant's settings of a target. It is decoded from YAML; unknown keys are an error.
type Config interface {
	Validate(tenant.Problems)  // reports everything wrong, without network
	Open(Env) (*Target, error) // makes the target, without network
}

// Env is what a target is opened with.
type Env struct {
	Tenant string
	Target roster.Source // system and instance
	Logger *slog.Logger
	Now    func() time.Time
	// Budgets are those of the process. A sink that calls asks for one when it is opened, draws from it before every call,
	// and tells it when it was refused for calling too often. What links share they draw from together.
	Budgets *budget.Set
	// Roles say what the link does with the accounts of each role; a role that is not in it is managed.
	Roles map[roster.Role]Handling
	// Passwords are the initial passwords of new accounts; nil where there are none, as in a preview.
	Passwords Passwords
}

// Target is a mapping and a sink, ready to use. Exactly one of Applier and Deliverer is set.
type Target struct {
	Mapping   Mapping
	Applier   Applier       // a target that takes calls
	Deliverer Deliverer     // a target that takes complete sets
	Every     time.Duration // shortest time between two deliveries of complete sets
	// Parallel is how many calls of Apply the sink takes at once, 0 and 1 for one. No resource is in two of them, and all of
	// them are about one kind; a Lookup may come beside them. Such a sink signs in once for all of them: several that are
	// refused at once lock an account.
	Parallel int
	// Pace returns how many operations a second the sink may make now, and 0 where nothing limits it: the Rate of the budget
	// that it draws from. Batches are the smaller for a slow one. It may be nil.
	Pace func() float64
	// Omission is what leaving a complete set means for an account: DisableStep where the vendor keeps it for a while,
	// else DeleteStep. A leaver stays in the set until that step is due.
	Omission Step
	// Guarded are the kinds of resource that the guard counts; none are all of them. Those that it leaves out only join
	// others, as a member does a group: they come and go with what they join.
	Guarded []string
	// Watched are the fields that say how people are known: [guard.Rename] the user name, or [guard.Address] the e-mail
	// address. The guard counts who gets another one.
	Watched map[string]guard.Operation
	// Accounts are the kinds of resource that people keep work in. Nothing of them is deleted because a person is
	// contained; see [Contain]. Of every other kind it is.
	Accounts []string
	// OneOf are kinds of which the target holds one resource for a key, as of an account that is a pupil's or an
	// employee's. What is wished of one of them takes the place of what is held of another, which is never let go of
	// beside it. The sink takes it away before it makes the other, and brings along what needs it after that.
	OneOf []string
	// KeepsMembers are kinds whose sets keep the members that others added. The sink then adds what SetsAdd says and takes
	// away what SetsDrop says, and never writes a set whole; of every other kind a set is as wished and no more.
	KeepsMembers []string
	// Policies are the fields that others have the last word on, by name. The link has it on every other.
	Policies map[string]Policy
	// Quarantine says that the target has a place for the accounts of those who have left, so that it takes [Move].
	Quarantine bool
	// Names is set by a target that makes accounts with user names; its mapping asks for them with [UserName].
	Names *Names
	// Overlay returns what the target knows of a persona after it made or changed an account: user name, e-mail, eppn. Nil
	// where it makes no such data. What it returns is published for every other target.
	Overlay func(Held) (roster.Persona, bool)
}

// Counted returns the kinds of resource that the guard counts, as far as the target tells.
func (t *Target) Counted() []string {
	if len(t.Guarded) == 0 && t.Applier != nil {
		return t.Applier.Kinds()
	}
	return t.Guarded
}

// Mapping says what a target should hold. It is pure: the same roster gives the same resources (rule R11).
type Mapping interface {
	// Version changes whenever the same roster would give other resources: code or settings.
	Version() string
	// Map returns what the target should hold for one entity, or why not. It reads the entity and its neighbours
	// (person ↔ groups ↔ unit, and of a unit the others; see [Units]), no further. An entity that the view does not have has no wishes.
	Map(v View, e roster.Ref) []Wish
}

// View is the merged roster of a tenant as a mapping sees it. What a method returns is shared: read it, never write it.
type View interface {
	Today() roster.Date
	Organisation(roster.Key) *roster.Organisation // nil when there is none
	Person(roster.Key) *roster.Person             // nil when there is none
	Group(roster.Key) *roster.Group               // nil when there is none
	Groups(person roster.Key) []roster.Key        // the groups that the person is or was a member of, sorted
}

// Anchor returns the key that a target knows a person by: the one that the person had when the first resource was made
// there. A new identity number is a new key and the same account. Mappings make ids of it.
func Anchor(v View, person roster.Key) roster.Key {
	if a, ok := v.(interface{ Anchor(roster.Key) roster.Key }); ok {
		return a.Anchor(person)
	}
	return person
}

// Wish is a resource that the target should hold, or one that it should not, with the reason.
type Wish struct {
	Resource Resource
	Match    bool           // the target's own account is to be found and used, and never made, changed or removed; see [Match]
	Withheld *reason.Reason // why the target does not get it; Resource then needs only its ID and Entity
	Fate     Fate           // what becomes of a withheld resource that the target holds
}

// Fate says what becomes of a resource that the target holds and the mapping withholds.
type Fate string

// The fates.
const (
	Taken  Fate = ""       // it goes at once
	Leaves Fate = "leaves" // its person has left: it goes by the stages of the link
	Stays  Fate = "stays"  // what is known cannot be made a resource of: what the target holds stays as it is
	Let    Fate = "let"    // it is out of scope: it stays as it is and is no longer ours, unless the link says otherwise
)

// ID names a resource of a link: its kind, and a key that is unique within the kind.
type ID struct{ Kind, Key string }

// String returns kind/key.
func (i ID) String() string { return i.Kind + "/" + i.Key }

// Compare orders ids by kind, then key.
func (i ID) Compare(o ID) int {
	if i.Kind != o.Kind {
		return strings.Compare(i.Kind, o.Kind)
	}
	return strings.Compare(i.Key, o.Key)
}

// Resource is a thing that a target holds: a user, a group, a row, a document.
type Resource struct {
	ID     ID
	Entity roster.Ref // for whom it exists
	Fields Fields     // in the order in which the target wants them
	Needs  []ID       // must stand in the target before this one, or it waits
	Sets   []Set      // those that stand are sent, the others follow
}

// Field is a named value of a resource. A field with several values stands several times.
type Field struct {
	Name  string
	Value roster.Personal
}

// Fields are the values of a resource, in order.
type Fields []Field

// of returns those of a name.
func (f Fields) of(name string) (list Fields) {
	for _, x := range f {
		if x.Name == name {
			list = append(list, x)
		}
	}
	return list
}

// Set is a reference to many: the members of a group, the teachers of a class.
type Set struct {
	Name    string
	Members []ID // sorted
}

// What a sink says of what it was asked.
var (
	ErrNotFound    = errors.New("the target does not hold the resource")
	ErrUnsupported = errors.New("the target cannot do this")
	ErrNoMark      = errors.New("the target cannot tell what has changed since")
)

// Applier is a sink that takes calls.
type Applier interface {
	// Kinds lists the kinds of resource in the order in which they are created; deletes go the other way.
	Kinds() []string
	// Apply makes the operations so, and returns one outcome each, in their order. Applied twice equals once. Where the
	// target refuses several that were sent together, and does not tell which is at fault, see [WholeBatch]. It is called
	// again before it has returned only as [Target.Parallel] says.
	Apply(ctx context.Context, ops []Operation) []Outcome
	// Lookup finds what the target holds under an id of ours: after a crash, and to verify. It returns ErrNotFound.
	Lookup(ctx context.Context, id ID, native string) (Held, error)
}

// Lister is an applier that can tell all it holds of ours, page by page. An end before the last page is an error.
type Lister interface {
	List(ctx context.Context, found func(Held) error) error
}

// ChangeLister is a [Lister] that can tell for little what has changed.
type ChangeLister interface {
	Lister
	// Changes tells of all that it holds of ours: of what differs since a mark all, as List does, of the rest no more than
	// ID and Native. It returns the mark of now; what changes while it tells, it tells again from there. With an empty mark it
	// tells of nothing. Where it cannot tell since that mark it fails with [ErrNoMark], and all is listed.
	Changes(ctx context.Context, since string, found func(h Held, differs bool) error) (mark string, err error)
}

// Checker is an applier or a deliverer that can tell, step by step, whether it could write: reach, with the address that we
// come from, sign-in, rights, and what would be written where. It changes nothing.
type Checker interface {
	Check(ctx context.Context, step func(name, detail string, err error)) error
}

// Verb is what an operation does.
type Verb string

// The verbs.
const (
	Create  Verb = "create"
	Update  Verb = "update"
	Disable Verb = "disable" // keep it, but let nobody use it
	// Move puts the account of who has left where those lie who have, and keeps everybody out of it as a disable does. It is
	// asked for where the target has such a place ([Target.Quarantine]). An update with Enable undoes it.
	Move   Verb = "move"
	Delete Verb = "delete"
	// Contain keeps an account of a contained person out of everybody's sight, with all that is in it: nobody can use it,
	// or its owner only by an alias, it is in no group or address list, and its names are neutral. What of that the
	// system can do, and what its neutral names are, the connector knows. An update with Enable undoes it.
	Contain Verb = "contain"
)

// Adopt says in a preview that what the target holds would be ours as it is, and Use that it would be used and never
// touched. No sink is asked to do either; what is taken over and changed is an [Update].
const (
	Adopt Verb = "adopt"
	Use   Verb = "use"
)

// LetGo says in a preview that a link would release what the target holds; see [Outside]. No sink is asked to do it.
const LetGo Verb = "release"

// Operation is one thing to make so in a target.
type Operation struct {
	Verb     Verb
	Resource Resource // wanted state; for a disable or delete only ID and Entity
	Enable   bool     // with an update: the target holds it disabled, moved away or contained
	Alias    bool     // with a contain: its owner goes on to use it, by an alias
	Native   string   // the target's own id, when known
	Before   Fields   // what we know that the target holds
	SetsAdd  []Set    // with an update: members to add
	SetsDrop []Set    // with an update: members to take away; of kind [Foreign] those that are not ours
	// Natives are the target's own ids of what the resource needs and has in its sets, and of what leaves them, as far as
	// they are known: what was adopted or is only used there does not have our id.
	Natives map[ID]string
	// Left is since when the person has left, with a disable, move or delete of who has; Why is the reason, in words that
	// hold nothing personal. The sink may keep both with the account.
	Left roster.Date
	Why  *reason.Reason
}

// Outcome is what became of one operation.
type Outcome struct {
	Native string // the target's own id
	Err    error  // nil when the target confirmed
	// Refused are set members that the target did not take, with the error of each; the operation itself stands.
	Refused map[ID]error
}

// Held is a resource as the target holds it.
type Held struct {
	ID       ID
	Native   string
	Fields   Fields
	Sets     []Set
	Disabled bool // nobody can use it
}

// Deliverer is a sink that takes the complete set of resources at once.
type Deliverer interface {
	// Render makes what would be delivered, from a set in which every need stands. It is pure: same set, same bytes
	// (rule R11). Problems are what the target would refuse; with any of them the package is not for delivery.
	Render(set []Resource) (Package, []Problem)
	// Deliver brings the package to the target whole or not at all.
	Deliver(ctx context.Context, p Package) error
	// Delivered tells whether the target still shows the package, so that an interrupted delivery is not repeated and
	// --verify sees a loss. ErrUnsupported says that the target cannot tell.
	Delivered(ctx context.Context, p Package) (bool, error)
}

// Withdrawer is a [Deliverer] that can take away what an interrupted delivery left at the target, a part of a package or one
// that is out of date, before another package comes. What is not there is no error.
type Withdrawer interface {
	Withdraw(ctx context.Context, name string) error
}

// Problem is something in a set that the target would refuse.
type Problem struct {
	ID     ID // the resource that is at fault; zero when it is the set as a whole
	Reason reason.Reason
}

// Package is a rendered complete set.
type Package struct {
	Name   string // what it is called at the target; made of its content, never of a person
	Digest string // hash of the content; an equal digest is not delivered again
	Body   []byte
}
