package manual

import "eventful.se/ess/libs/roster"

// Decisions is what a file, or a decision by command, says. Every value is a text: what it means is checked, with its
// place, in check.go. What is about a person prints masked.
type Decisions struct {
	Persons     []Person     `yaml:"persons"`
	KeepUntil   []Person     `yaml:"keepUntil"`
	Memberships []Membership `yaml:"memberships"`
	Overrides   []Override   `yaml:"overrides"`
	Exclude     []Dated      `yaml:"exclude"`
	Suspend     []Dated      `yaml:"suspend"`
	Protect     []Protect    `yaml:"protect"`
	SameAs      []SameAs     `yaml:"sameAs"`

	lines lines // where it stands
}

// Decision is who decided, and why.
type Decision struct {
	Owner  roster.Personal `yaml:"owner"`
	Reason roster.Personal `yaml:"reason"`
}

// Dated is a decision about a person that ends.
type Dated struct {
	Decision `yaml:",inline"`
	Person   Ref    `yaml:"person"`
	Until    string `yaml:"until"`
}

// Ref names a person, group or unit: by number, by a source and that source's id, by an id of the decisions themselves,
// or by the key that it has in the log, as commands print it.
type Ref struct {
	Number     roster.Personal `yaml:"number"`
	Source     string          `yaml:"source"`
	ID         roster.Personal `yaml:"id"`
	SchoolYear string          `yaml:"schoolYear"` // of a group, where its source gives next year's groups this year's ids
	Key        string          `yaml:"key"`
}

// Attributes are what is said of a person.
type Attributes struct {
	GivenName   roster.Personal            `yaml:"givenName"`
	MiddleName  roster.Personal            `yaml:"middleName"`
	FamilyName  roster.Personal            `yaml:"familyName"`
	DisplayName roster.Personal            `yaml:"displayName"`
	BirthDate   roster.Personal            `yaml:"birthDate"`
	Sex         string                     `yaml:"sex"`
	Personas    []Persona                  `yaml:"personas"`
	Extra       map[string]roster.Personal `yaml:"extra"`
}

// Persona is a person in a role.
type Persona struct {
	Role     string          `yaml:"role"`
	Email    roster.Personal `yaml:"email"`
	Username roster.Personal `yaml:"username"`
	EPPN     roster.Personal `yaml:"eppn"`
}

// Person states a person.
type Person struct {
	Dated      `yaml:",inline"`
	Attributes `yaml:",inline"`
	Enrolments []Enrolment `yaml:"enrolments"`
	Duties     []Duty      `yaml:"duties"`
}

// Enrolment is a pupil at a unit.
type Enrolment struct {
	Unit       Ref    `yaml:"unit"`
	SchoolType string `yaml:"schoolType"`
	SchoolYear string `yaml:"schoolYear"`
	Programme  string `yaml:"programme"`
	Start      string `yaml:"start"`
	End        string `yaml:"end"`
}

// Duty is a member of staff at a unit.
type Duty struct {
	Unit  Ref    `yaml:"unit"`
	Role  string `yaml:"role"`
	Start string `yaml:"start"`
	End   string `yaml:"end"`
}

// Membership adds a member to a group.
type Membership struct {
	Dated `yaml:",inline"`
	Group Ref    `yaml:"group"`
	Role  string `yaml:"role"`
	Start string `yaml:"start"`
}

// Override lets attributes win.
type Override struct {
	Dated      `yaml:",inline"`
	Attributes `yaml:",inline"`
}

// Protect protects a person.
type Protect struct {
	Decision `yaml:",inline"`
	Person   Ref      `yaml:"person"`
	Marking  string   `yaml:"marking"`
	Alias    []string `yaml:"alias"` // links that may have the person under an alias
}

// SameAs joins two keys.
type SameAs struct {
	Decision `yaml:",inline"`
	Person   Ref `yaml:"person"`
	Other    Ref `yaml:"other"`
}
