package ss12000

import (
	"time"

	"eventful.se/ess/libs/roster"
)

// Object is one of a list: a *[Organisation], *[Syllabus], *[Programme], *[Duty], *[Placement], *[Activity], *[Group] or
// *[Person].
type Object interface {
	Resource() Resource
	Head() *Meta
}

// Meta is what every object has.
type Meta struct {
	ID       string
	Created  time.Time // zero where the server does not say
	Modified time.Time // of what stands in the object itself: nothing that was expanded moves it
}

// Head returns what every object has.
func (m *Meta) Head() *Meta { return m }

// Ref points at an object.
type Ref struct {
	ID      string
	Name    string
	Marking string // securityMarking, of a reference to a person
}

// Organisation is an authority, a school, a school unit, or something between.
type Organisation struct {
	Meta
	Name             string
	Type             string
	Code             string
	OrganisationNo   string
	MunicipalityCode string
	Parent           Ref
	SchoolUnitCode   string
	SchoolTypes      []string
	Start, End       string
}

// Person is a pupil, a member of staff, a guardian, or several of them.
type Person struct {
	Meta
	GivenName   roster.Personal
	MiddleName  roster.Personal
	FamilyName  roster.Personal
	EPPNs       []roster.Personal
	Identifiers []Identifier
	CivicNo     roster.Personal
	BirthDate   roster.Personal
	Sex         string
	Marking     string // securityMarking
	Status      string // personStatus
	Emails      []Email
	Enrolments  []Enrolment
	Duties      []*Duty // expanded
}

// Identifier is an id that another system gave a person.
type Identifier struct {
	Value   roster.Personal
	Context string
}

// Email is an address, of a type such as "Skola elev".
type Email struct {
	Value roster.Personal
	Type  string
}

// Enrolment says that a person is a pupil at a unit.
type Enrolment struct {
	Unit          Ref
	SchoolType    string
	SchoolYear    string
	Start, End    string
	Cancelled     bool
	EducationCode string
	Programme     Ref
}

// Group is a class, a teaching group ... with its pupils.
type Group struct {
	Meta
	Name        string
	Type        string
	SchoolType  string
	Unit        Ref
	Start, End  string
	Memberships []Membership
}

// Membership is a person in a group.
type Membership struct {
	Person     Ref
	Start, End string
}

// Duty says that a person works at a unit.
type Duty struct {
	Meta
	Person      Ref
	Unit        Ref
	Role        string
	Start, End  string
	Assignments []Assignment
	Who         *Person // expanded
}

// Assignment is what a duty does for a group, such as "Mentor".
type Assignment struct {
	Group      Ref
	Role       string
	Start, End string
}

// Activity is teaching: groups, and the duties that teach them.
type Activity struct {
	Meta
	Name       string
	Type       string
	Unit       Ref
	Syllabus   Ref
	Groups     []Ref
	Teachers   []Teacher
	Start, End string
	Duties     []*Duty // expanded
}

// Teacher is a duty that teaches an activity.
type Teacher struct {
	Duty       Ref
	Start, End string
}

// Placement says that a child has a place at a preschool or a leisure-time centre.
type Placement struct {
	Meta
	Child      Ref
	Unit       Ref
	Group      Ref
	SchoolType string
	Start, End string
}

// Syllabus is a subject or a course.
type Syllabus struct {
	Meta
	SchoolType  string
	SubjectCode string
	SubjectName string
	CourseCode  string
	CourseName  string
	Official    bool
}

// Programme is a study programme.
type Programme struct {
	Meta
	Name       string
	Type       string
	Code       string
	SchoolType string
}

// Resource returns the list that the object stands in.
func (*Organisation) Resource() Resource { return Organisations }

// Resource returns the list that the object stands in.
func (*Person) Resource() Resource { return Persons }

// Resource returns the list that the object stands in.
func (*Group) Resource() Resource { return Groups }

// Resource returns the list that the object stands in.
func (*Duty) Resource() Resource { return Duties }

// Resource returns the list that the object stands in.
func (*Activity) Resource() Resource { return Activities }

// Resource returns the list that the object stands in.
func (*Placement) Resource() Resource { return Placements }

// Resource returns the list that the object stands in.
func (*Syllabus) Resource() Resource { return Syllabuses }

// Resource returns the list that the object stands in.
func (*Programme) Resource() Resource { return Programmes }

// Deleted are the ids that deletedEntities tells of.
type Deleted map[Resource][]string
