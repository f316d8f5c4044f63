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

// Fact is one thing that a doc says: a [Unit], [Person], [Group], [Enrolment], [Duty] or [Member].
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
	ID          string
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

func (Unit) isFact()      {}
func (Person) isFact()    {}
func (Group) isFact()     {}
func (Enrolment) isFact() {}
func (Duty) isFact()      {}
func (Member) isFact()    {}
