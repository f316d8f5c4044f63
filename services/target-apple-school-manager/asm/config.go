package asm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target/files"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp"
)

// Config is what an operator says about one customer's Apple School Manager.
type Config struct {
	Delivery `yaml:",inline"`

	// PersonaWins is the role in which Apple gets a person who is a pupil and works at a school.
	PersonaWins roster.Role `yaml:"personaWins"`
	// GroupTypes are the types of group that become classes.
	GroupTypes []roster.GroupType `yaml:"groupTypes"`
	Courses    Courses            `yaml:"courses"`
	// Instructors are the roles in a group that make an instructor of a member of staff.
	Instructors []roster.MemberRole `yaml:"instructors"`

	Email        Email  `yaml:"email"`
	PersonNumber Origin `yaml:"personNumber"`
	SISUsername  Origin `yaml:"sisUsername"`
	// AccountName is the column that the portal makes Managed Apple Accounts of, or empty. Who lacks it is withheld.
	AccountName string `yaml:"accountName"`
	// PasswordPolicy is 4, 6 or 8 for pupils, or empty to keep the policy that they have.
	PasswordPolicy string `yaml:"passwordPolicy"`

	Separator Separator `yaml:"separator"`
	// Columns are the headers of the customer's own templates, by file name; a file that is not named has Apple's.
	Columns map[string][]string `yaml:"columns"`
}

// Delivery is how the files come to Apple. It changes no row.
type Delivery struct {
	SFTP      sftp.Config `yaml:"sftp"`
	Directory string      `yaml:"directory"` // Apple's drop folder
	// Upload is direct, for Apple takes each file as it comes, or rename.
	Upload sftp.Delivery `yaml:"upload"`
	// Consumes says that Apple takes files away when it has read them.
	Consumes bool `yaml:"consumes"`
	// Every is the shortest time between two uploads.
	Every time.Duration `yaml:"every"`
}

// Courses says what the classes of courses are.
type Courses string

// The ways. A class without a subject has a course of its own either way.
const (
	CoursePerGroup   Courses = "perGroup"   // every class is a course of its own
	CoursePerSubject Courses = "perSubject" // classes of one subject at one school unit are one course
)

// Email says whether Apple gets e-mail addresses.
type Email string

// The ways.
const (
	EmailOmit      Email = "omit"
	EmailInclude   Email = "include"
	EmailFederated Email = "federated" // the domain is federated: required and unique
)

// Origin says which attribute of an account fills a column.
type Origin string

// The origins. An identity number is not among them: Apple does not need it.
const (
	OriginNone     Origin = "none"
	OriginUsername Origin = "username"
	OriginEPPN     Origin = "eppn"
)

func (o Origin) of(p roster.Persona) roster.Personal {
	switch o {
	case OriginUsername:
		return p.Username
	case OriginEPPN:
		return p.EPPN
	default:
		return ""
	}
}

// Separator stands between two values.
type Separator string

// The separators that Apple takes.
const (
	Comma     Separator = ","
	Semicolon Separator = ";"
)

// defaults returns the settings of a customer who says nothing.
func defaults() *Config {
	return &Config{
		Delivery:     Delivery{Directory: "dropbox", Upload: sftp.Direct, Consumes: true, Every: 20 * time.Hour},
		PersonaWins:  roster.RoleStaff,
		GroupTypes:   []roster.GroupType{roster.TeachingGroup, roster.Class},
		Courses:      CoursePerGroup,
		Instructors:  []roster.MemberRole{roster.MemberTeacher},
		Email:        EmailInclude,
		PersonNumber: OriginNone,
		SISUsername:  OriginNone,
		Separator:    Comma,
		Columns:      map[string][]string{},
	}
}

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	c.SFTP.Validate(p.At("sftp"))
	p.At("directory").Required(c.Directory)
	oneOf(p.At("upload"), c.Upload, sftp.Direct, sftp.Rename)
	if c.Every < 0 || (c.Every > 0 && c.Every < time.Second) {
		p.At("every").Add("is not a usable time: write it with its unit, as in 20h")
	}
	oneOf(p.At("personaWins"), c.PersonaWins, roster.RoleStaff, roster.RolePupil)
	if len(c.GroupTypes) == 0 {
		p.At("groupTypes").Add("names no type of group: no class would be sent; write Undervisning, Klass or both")
	}
	oneOf(p.At("courses"), c.Courses, CoursePerGroup, CoursePerSubject)
	oneOf(p.At("email"), c.Email, EmailOmit, EmailInclude, EmailFederated)
	oneOf(p.At("personNumber"), c.PersonNumber, OriginNone, OriginUsername, OriginEPPN)
	oneOf(p.At("sisUsername"), c.SISUsername, OriginNone, OriginUsername, OriginEPPN)
	oneOf(p.At("accountName"), c.AccountName, "", "email_address", "person_number", "sis_username")
	empty := map[string]bool{
		"email_address": c.Email == EmailOmit,
		"person_number": c.PersonNumber == OriginNone,
		"sis_username":  c.SISUsername == OriginNone,
	}
	if empty[c.AccountName] {
		p.At("accountName").Add("is a column that the settings leave empty: nobody would be sent")
	}
	oneOf(p.At("passwordPolicy"), c.PasswordPolicy, "", "4", "6", "8")
	oneOf(p.At("separator"), c.Separator, Comma, Semicolon)
	c.validateColumns(p.At("columns"))
}

// validateColumns checks each header against Apple's: every required column, no unknown one, none twice.
func (c *Config) validateColumns(p tenant.Problems) {
	known := tables()
	for _, name := range slices.Sorted(maps.Keys(c.Columns)) {
		at := p.At("[%s]", name)
		i := slices.IndexFunc(known, func(t files.Table) bool { return t.File == name })
		if i < 0 {
			at.Add("is not one of Apple's six files")
			continue
		}
		validateHeader(at, known[i].Columns, c.Columns[name])
	}
}

func validateHeader(p tenant.Problems, columns []files.Column, header []string) {
	base := map[string]string{} // every name that may stand → its first column
	for _, col := range columns {
		for n := 1; n <= max(1, col.Most); n++ {
			base[files.Numbered(col.Name, n)] = col.Name
		}
		if !slices.Contains(header, col.Name) {
			p.Add("lacks the column %s", col.Name)
		}
	}
	for i, name := range header {
		switch {
		case base[name] == "":
			p.At("[%d]", i).Add("%q is not a column of this file", name)
		case slices.Contains(header[:i], name):
			p.At("[%d]", i).Add("stands twice")
		case base[name] != name && (i == 0 || base[header[i-1]] != base[name]):
			p.At("[%d]", i).Add("must follow the column %s", base[name])
		}
	}
}

// oneOf records a problem unless value is one of the choices.
func oneOf[T ~string](p tenant.Problems, value T, choices ...T) {
	if slices.Contains(choices, value) {
		return
	}
	list := make([]string, len(choices))
	for i, c := range choices {
		list[i] = fmt.Sprintf("%q", string(c))
	}
	p.Add("is %q: write one of %s", string(value), strings.Join(list, ", "))
}
