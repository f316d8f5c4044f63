package roster

// Record is one source's statement about one entity: its full state, or a tombstone (rule R1). Exactly one of
// Organisation, Person, Group and Tombstone is set, and it fits Ref.Kind.
type Record struct {
	Ref    Ref
	Source Source
	// Origins are the docs in which the source states the entity, and the ids by which it calls it there.
	Origins []Origin
	// Former are keys that this entity had before; a link moves what it holds for them to Ref.Key.
	Former []Key
	// Overlay marks a record of a target that makes data: it adds attributes to a persona and never makes a person exist.
	Overlay bool
	// SameAs are keys under which the same person stands: a statement of the source, which the roster follows by
	// joining them to Ref.Key for as long as it stands. Of persons only.
	SameAs []Key
	// Directives are what people decided about the entity by hand.
	Directives []Directive

	Organisation *Organisation
	Person       *Person
	Group        *Group
	Tombstone    *Tombstone

	// Unknown holds wire fields that a newer minor version of the schema added. They travel on unread.
	Unknown []byte
}

// Origin is where a source states something: its doc, and its own id for the entity.
type Origin struct {
	ID  Personal // the source's id of the entity; some sources use the identity number
	Doc Personal // the source's id of the doc
}

// Tombstone says why an entity is gone. It holds no personal data.
type Tombstone struct {
	Reason TombstoneReason
	Became Key // the key that the entity has now, with TombstoneBecame
}

// TombstoneReason says why an entity is gone.
type TombstoneReason string

// The reasons of a tombstone.
const (
	TombstoneLeft      TombstoneReason = "left"
	TombstoneProtected TombstoneReason = "protected"
	TombstoneBecame    TombstoneReason = "became"
	TombstoneErased    TombstoneReason = "erased"
	// TombstoneExcluded is why a merged person is gone whom a directive excludes. It never stands in a log.
	TombstoneExcluded TombstoneReason = "excluded"
)

// Organisation is an authority, a school or a school unit (SS 12000: Organisation).
type Organisation struct {
	DisplayName string
	Type        OrganisationType
	Parent      Key      // zero at the top
	UnitCodes   []string // skolenhetskoder, 8 digits each; none, one or several
	SchoolTypes []SchoolType
	Interval    Interval
	Extra       Extra
}

// Person is a human being, with the roles that he or she has in the schools (SS 12000: Person).
type Person struct {
	CivicNo     CivicNo
	GivenName   Personal // the name in use
	MiddleName  Personal
	FamilyName  Personal
	DisplayName Personal // only when the source states it apart from the parts
	BirthDate   Personal // YYYY-MM-DD, only when the source states it
	Sex         Sex
	Marking     SecurityMarking
	Personas    []Persona // at most one a role, in the order of Role
	Enrolments  []Enrolment
	Duties      []Duty
	Extra       Extra
	// Suspended says that a directive suspends the person: no target lets her or him in. Only a merged person has it; a
	// record says so by a directive.
	Suspended bool
}

// Persona is a person in a role. It owns what an account is made of, so that a pupil who also works at the school has
// two accounts where the customer wants two.
type Persona struct {
	Role     Role
	Email    Personal
	Username Personal
	EPPN     Personal // eduPersonPrincipalName
}

// Enrolment is a pupil at a school unit (SS 12000: Person.enrolments).
type Enrolment struct {
	EnroledAt  Key
	SchoolType SchoolType
	SchoolYear string // årskurs, as the source writes it when no table knows it
	Programme  string // study programme code, verbatim
	Interval   Interval
	Doc        Personal
}

// Duty is a member of staff at a school unit (SS 12000: Duty).
type Duty struct {
	DutyAt   Key
	Role     DutyRole
	Interval Interval
	Doc      Personal
}

// Group is a class, a teaching group, a mentor group ... with its members (SS 12000: Group, groupMemberships and the
// staff that its activities assign).
type Group struct {
	DisplayName  string
	Type         GroupType
	Organisation Key
	SchoolType   SchoolType
	Subject      string // subject or course code, verbatim
	SchoolYear   string
	Interval     Interval
	Members      []Membership // sorted by person, role, start
	Extra        Extra
}

// Membership is a person in a group.
type Membership struct {
	Person   Key
	Role     MemberRole
	Interval Interval
	Doc      Personal
}

// Role is the role that makes a persona.
type Role string

// The roles. RoleNone holds what a source says of a person whose role it does not tell.
const (
	RoleNone  Role = ""
	RolePupil Role = "pupil"
	RoleStaff Role = "staff"
)

// MemberRole is what a person does in a group.
type MemberRole string

// The roles of a membership. Any other text is kept as the source wrote it.
const (
	MemberPupil   MemberRole = "pupil"
	MemberTeacher MemberRole = "teacher"
	MemberMentor  MemberRole = "mentor"
	MemberOther   MemberRole = "other"
)

// OrganisationType tells the levels of an organisation apart (SS 12000: OrganisationType, the three levels in use here).
type OrganisationType string

// The organisation types.
const (
	Authority  OrganisationType = "Huvudman"
	School     OrganisationType = "Skola"
	SchoolUnit OrganisationType = "Skolenhet"
)

// Sex as SS 12000 writes it.
type Sex string

// The values of Sex.
const (
	Man     Sex = "Man"
	Woman   Sex = "Kvinna"
	Unknown Sex = "Okänt"
)

// SecurityMarking is a person's protection in the population register (SS 12000: securityMarking). Any value but none
// and MarkingNone protects, an unknown one too.
type SecurityMarking string

// The values of SecurityMarking.
const (
	MarkingNone         SecurityMarking = "Ingen"
	MarkingConfidential SecurityMarking = "Sekretessmarkering"
	MarkingProtected    SecurityMarking = "Skyddad folkbokföring"
)

// Protects tells whether a person with this marking must be contained (rule R9).
func (m SecurityMarking) Protects() bool { return m != "" && m != MarkingNone }

// Known tells whether the marking is one of the values above.
func (m SecurityMarking) Known() bool {
	return m == MarkingNone || m == MarkingConfidential || m == MarkingProtected
}

// Extra holds attributes that the roster has no field for, by the source's name, verbatim, so that no fact is lost on
// the way through. The values may be personal.
type Extra map[string]Personal
