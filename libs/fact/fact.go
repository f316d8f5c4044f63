// Package fact holds what a source says before anything is concluded from it: docs with flat facts, in the source's own
// ids and raw text, and the assembler that makes records of them.
//
// A [Doc] is the source's own unit that a later read replaces: an XML element, a JSON object, a row. A [Fact] is one
// thing that a doc says. The pieces of one entity may stand in many docs, arrive in any order and refer to each other
// before the other is known; [Assembler] resolves, joins and normalises them.
package fact

import "eventful.se/ess/libs/roster"

// Doc is the source's own unit that carries facts and that a later read replaces.
type Doc struct {
	ID      string // stable over reads, unique within the source: "person/4711", "membership/9b/4711"
	Where   string // where a person finds it: "line 1234"; no personal data
	Deleted bool   // the source says that what the doc stated is gone
	Facts   []Fact
}

// Fact is one thing that a doc says: a [Unit], [Person], [Group], [Enrolment], [Duty] or [Member]; and, of a source that
// speaks of what others state, a [Foreign], [Directive] or [SameAs].
type Fact interface{ isFact() }

// Unit states an organisation: an authority, a school or a school unit.
type Unit struct {
	ID          string
	Name        string
	Type        string // a roster.OrganisationType, or empty for a school unit
	Parent      string // id of the unit above, or empty
	UnitCodes   []string
	SchoolTypes []string
	Start, End  string
	Extra       map[string]string
}

// Person states a person.
type Person struct {
	ID string
	// About says that the fact speaks of a person whom others state: what is said under the id only so makes nobody
	// exist, and the record is an overlay.
	About       bool
	FormerIDs   []string     // ids that the source says the person had before
	FormerKeys  []roster.Key // the same, of a doc that came out of the log; a source knows no keys
	CivicNo     string
	GivenName   string
	MiddleName  string
	FamilyName  string
	DisplayName string
	BirthDate   string
	Sex         string // a roster.Sex
	Marking     string // a roster.SecurityMarking
	Role        string // roster.RolePupil, roster.RoleStaff, or empty when the source does not tell
	Email       string
	Username    string
	EPPN        string
	Extra       map[string]string
}

// Group states a group.
type Group struct {
	ID         string
	About      bool // the fact speaks of a group that others state; see [Person]
	Name       string
	Type       string // a roster.GroupType, or the source's word
	Unit       string // id of the unit that it belongs to
	SchoolType string
	Subject    string
	SchoolYear string
	Start, End string
	Extra      map[string]string
}

// Enrolment states that a person is a pupil at a unit.
type Enrolment struct {
	Person     string
	Unit       string
	SchoolType string
	SchoolYear string
	Programme  string
	Start, End string
}

// Duty states that a person works at a unit.
type Duty struct {
	Person     string
	Unit       string
	Role       string // a roster.DutyRole, or the source's word
	Start, End string
}

// Member states that a person is in a group.
type Member struct {
	Group      string
	Person     string
	Role       string // a roster.MemberRole, or the source's word
	Start, End string
}

// Foreign says that by an id this source means what another source of the tenant states, so that what it says under the
// id comes out under the other's key. It must say so wherever the other's key is made of: for a person the number, if
// the other source states one, and else that source's id. An entity has one id in all docs.
type Foreign struct {
	Kind    roster.Kind
	ID      string        // by which this source's facts call the entity
	Source  roster.Source // whose it is; none for a person with a personnummer or samordningsnummer, who is one everywhere
	OtherID string        // that source's id
	CivicNo string        // of a person: the number that the other source states
	// SchoolYear is the läsår of a group, where that source gives next year's groups this year's ids.
	SchoolYear string
	Key        roster.Key // the same, of a doc that came out of the log; a source knows no keys
}

// Directive states what a human being decided about a person or group that the source states, or speaks about.
type Directive struct {
	Kind  string      // a roster.DirectiveKind
	Of    roster.Kind // person or group
	ID    string
	Until string // the last day; nothing where no day ends it
	Owner string // who answers for it: an office, no pupil
	Why   string
	Link  string // the one link that it is about, as system/instance; empty for all
}

// SameAs states that a person is the one whom another id calls, and is to stand under the key of the first.
type SameAs struct {
	Person string
	Other  string
}

func (Unit) isFact()      {}
func (Person) isFact()    {}
func (Group) isFact()     {}
func (Enrolment) isFact() {}
func (Duty) isFact()      {}
func (Member) isFact()    {}
func (Foreign) isFact()   {}
func (Directive) isFact() {}
func (SameAs) isFact()    {}
