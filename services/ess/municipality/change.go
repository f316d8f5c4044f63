package municipality

import "fmt"

// ChangeKind is the sort of a change.
type ChangeKind string

// The kinds of change.
const (
	Moved         ChangeKind = "moved"          // to another class or course of the unit
	Left          ChangeKind = "left"           // out of the register without a word
	Leaving       ChangeKind = "leaving"        // by an end date
	Joined        ChangeKind = "joined"         // a new person
	Returned      ChangeKind = "returned"       // who had left
	Renamed       ChangeKind = "renamed"        // another surname
	Renumbered    ChangeKind = "renumbered"     // a personnummer instead of another number, by the same id
	SchoolChanged ChangeKind = "school-changed" // out of one unit and into another
	StaffJoined   ChangeKind = "staff-joined"
	StaffLeft     ChangeKind = "staff-left"   // out of the register without a word
	RoleChanged   ChangeKind = "role-changed" // of a member of staff
	GotProtected  ChangeKind = "protected"
	Unprotected   ChangeKind = "unprotected"
	Extended      ChangeKind = "extended"       // enrolments that last longer
	ClassRenamed  ChangeKind = "class-renamed"  // by the same id
	IDReused      ChangeKind = "id-reused"      // two groups that have each other's id
	SchoolMerged  ChangeKind = "school-merged"  // a unit is gone, and everyone and everything in it is another's
	Emptied       ChangeKind = "emptied"        // classes and mentor groups without learners, for the summer
	YearTurned    ChangeKind = "year-turned"    // new classes and mentor groups for the läsår
	Opened        ChangeKind = "opened"         // a new course
	Expired       ChangeKind = "expired"        // what ended a while ago is no longer in the register
	EmailsBlanked ChangeKind = "emails-blanked" // addresses that are lost
)

// Change says what happened, in ids and never with a name.
type Change struct {
	Kind    ChangeKind
	Person  string   // to whom; empty when it happened to many or to none
	From    []string // ids of the groups that the person is no longer in
	To      []string // ids of the groups that the person is in now
	Persons []string // to whom beside Person
	Groups  []string // what groups are other than before, beside From and To
	Units   []string // what units it happened to: from which, then to which
}

// String returns a sentence such as "p-17 moved from g-4 to g-9".
func (c Change) String() string {
	switch c.Kind {
	case Moved:
		return fmt.Sprintf("%s moved from %s to %s", c.Person, c.From[0], c.To[0])
	case Left:
		if c.Person == "" {
			return fmt.Sprintf("%d persons left the municipality and %d groups", len(c.Persons), len(c.Groups))
		}
		return fmt.Sprintf("%s left the municipality and %d groups", c.Person, len(c.From))
	case Leaving:
		return fmt.Sprintf("%s leaves %s by an end date", c.Person, c.Units[0])
	case Joined:
		return fmt.Sprintf("%s joined the municipality and %d groups", c.Person, len(c.To))
	case Returned:
		return fmt.Sprintf("%s came back, and to %d groups", c.Person, len(c.To))
	case Renamed:
		return c.Person + " has another surname"
	case Renumbered:
		return c.Person + " has got a personnummer"
	case SchoolChanged:
		return fmt.Sprintf("%s changes from %s to %s", c.Person, c.Units[0], c.Units[1])
	case StaffJoined:
		return fmt.Sprintf("%s began to work at %s, with %d groups", c.Person, c.Units[0], len(c.To))
	case StaffLeft:
		return fmt.Sprintf("%s no longer works here, and %d groups have another leader", c.Person, len(c.From))
	case RoleChanged:
		return fmt.Sprintf("%s has another role at %s", c.Person, c.Units[0])
	case GotProtected:
		return c.Person + " is protected now"
	case Unprotected:
		return c.Person + " is no longer protected"
	case Extended:
		return fmt.Sprintf("%d enrolments last longer", len(c.Persons))
	case ClassRenamed:
		return c.Groups[0] + " has another name"
	case IDReused:
		return fmt.Sprintf("%s and %s have each other's id", c.Groups[0], c.Groups[1])
	case SchoolMerged:
		return fmt.Sprintf("%s is merged into %s with %d persons and %d groups", c.Units[0], c.Units[1], len(c.Persons), len(c.Groups))
	case Emptied:
		return fmt.Sprintf("%d classes and mentor groups were emptied for the summer", len(c.Groups))
	case YearTurned:
		return fmt.Sprintf("the läsår turned: %d persons and %d groups are others or elsewhere", len(c.Persons), len(c.Groups))
	case Opened:
		return fmt.Sprintf("%s opened at %s", c.Groups[0], c.Units[0])
	case Expired:
		return fmt.Sprintf("%d persons and %d groups are without what ended a while ago", len(c.Persons), len(c.Groups))
	case EmailsBlanked:
		return fmt.Sprintf("%d persons have no e-mail address any more", len(c.Persons))
	default:
		return string(c.Kind)
	}
}
