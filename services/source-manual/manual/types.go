package manual

// file is what a file says. Every value is a text: what it means is checked, with its place, in check.go.
type file struct {
	Persons     []person     `yaml:"persons"`
	KeepUntil   []person     `yaml:"keepUntil"`
	Memberships []membership `yaml:"memberships"`
	Overrides   []override   `yaml:"overrides"`
	Exclude     []dated      `yaml:"exclude"`
	Suspend     []dated      `yaml:"suspend"`
	Protect     []protect    `yaml:"protect"`
	SameAs      []sameAs     `yaml:"sameAs"`

	lines map[string]int // of each path
}

// decision is who decided, and why.
type decision struct {
	Owner  string `yaml:"owner"`
	Reason string `yaml:"reason"`
}

// dated is a decision about a person that ends.
type dated struct {
	decision `yaml:",inline"`
	Person   ref    `yaml:"person"`
	Until    string `yaml:"until"`
}

// ref names a person, group or unit: by number, by a source and that source's id, or by an id of this file.
type ref struct {
	Number     string `yaml:"number"`
	Source     string `yaml:"source"`
	ID         string `yaml:"id"`
	SchoolYear string `yaml:"schoolYear"` // of a group, where its source gives next year's groups this year's ids
}

// attributes are what is said of a person.
type attributes struct {
	GivenName   string    `yaml:"givenName"`
	MiddleName  string    `yaml:"middleName"`
	FamilyName  string    `yaml:"familyName"`
	DisplayName string    `yaml:"displayName"`
	BirthDate   string    `yaml:"birthDate"`
	Sex         string    `yaml:"sex"`
	Personas    []persona `yaml:"personas"`
}

type persona struct {
	Role     string `yaml:"role"`
	Email    string `yaml:"email"`
	Username string `yaml:"username"`
	EPPN     string `yaml:"eppn"`
}

// person states a person.
type person struct {
	dated      `yaml:",inline"`
	attributes `yaml:",inline"`
	Enrolments []enrolment `yaml:"enrolments"`
	Duties     []duty      `yaml:"duties"`
}

type enrolment struct {
	Unit       ref    `yaml:"unit"`
	SchoolType string `yaml:"schoolType"`
	SchoolYear string `yaml:"schoolYear"`
	Programme  string `yaml:"programme"`
	Start      string `yaml:"start"`
	End        string `yaml:"end"`
}

type duty struct {
	Unit  ref    `yaml:"unit"`
	Role  string `yaml:"role"`
	Start string `yaml:"start"`
	End   string `yaml:"end"`
}

type membership struct {
	dated `yaml:",inline"`
	Group ref    `yaml:"group"`
	Role  string `yaml:"role"`
	Start string `yaml:"start"`
}

type override struct {
	dated      `yaml:",inline"`
	attributes `yaml:",inline"`
}

type protect struct {
	decision `yaml:",inline"`
	Person   ref    `yaml:"person"`
	Marking  string `yaml:"marking"`
}

type sameAs struct {
	decision `yaml:",inline"`
	Person   ref `yaml:"person"`
	Other    ref `yaml:"other"`
}
