package ims

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
)

// Profile says what one exporter means by the format. The zero Profile is not usable: start from [Base], [Alvis], [Extens] or
// [ParseProfile].
//
// A place is where a value stands within its element: a path of local names ("org/id", "extension/unit/code"), an
// attribute ("extension/unit@code"), or "userid@PID" for the userid whose useridtype is PID. The first place that has
// a value counts.
type Profile struct {
	Name string `json:"name" yaml:"name"`
	// Extends names the profile that a YAML file is laid over: "base" (the default), "alvis" or "extens".
	Extends string `json:"extends,omitempty" yaml:"extends,omitempty"`

	// Encoding is that of a document with neither byte order mark nor declaration; EncodingOverride outranks a wrong
	// declaration. utf-8, iso-8859-1, windows-1252, utf-16le or utf-16be.
	Encoding         string `json:"encoding" yaml:"encoding"`
	EncodingOverride string `json:"encodingOverride,omitempty" yaml:"encodingOverride,omitempty"`
	// AllowDoctype is "none", or "bare" for a document type without internal subset, as samples of the format carry one.
	// It is passed over and never fetched.
	AllowDoctype string `json:"allowDoctype" yaml:"allowDoctype"`
	// Delta is "auto" (properties/type says delta or melding), "recstatus" (or any recstatus is seen), "always", "never".
	Delta string `json:"delta" yaml:"delta"`
	// IDs is "sourceAndId" (the key that the format means; ids of the main source are written bare) or "id".
	IDs string `json:"ids" yaml:"ids"`
	// MainSource is the sourcedid/source whose ids are written bare; empty for the first of the document.
	MainSource string `json:"mainSource,omitempty" yaml:"mainSource,omitempty"`
	// Dates is "restricted" (a role's date with restrict="0" is information only) or "all" (every date counts).
	Dates string `json:"dates" yaml:"dates"`

	// CivicNoFrom lists places of the identity number. At a place that may hold something else, sourcedid/id or a userid
	// without type, only what looks like a number is taken.
	CivicNoFrom  []string `json:"civicNoFrom" yaml:"civicNoFrom"`
	UsernameFrom []string `json:"usernameFrom" yaml:"usernameFrom"`
	EPPNFrom     []string `json:"eppnFrom,omitempty" yaml:"eppnFrom,omitempty"`
	// FN is "keep" (a formatted name alone becomes the display name) or "split" (its last word is the family name).
	FN string `json:"fn" yaml:"fn"`
	// SecurityMarking is the place of the protection flag; empty where the exporter has none.
	SecurityMarking string `json:"securityMarking,omitempty" yaml:"securityMarking,omitempty"`
	// SecurityMarkings translates the flag's values; one that is not here is kept, and keeps the person back unless it is
	// a word of SS 12000.
	SecurityMarkings map[string]string `json:"securityMarkings,omitempty" yaml:"securityMarkings,omitempty"`
	// YearGroups lists paths, in a person, of the school year: its text, with attributes unit and schoolType.
	YearGroups []string `json:"yearGroups" yaml:"yearGroups"`
	// InstitutionRoles translates institutionroletype into pupil, staff or none. Laid over by key.
	InstitutionRoles map[string]string `json:"institutionRoles" yaml:"institutionRoles"`

	// GroupTypes tells what a group is. The first row that fits counts; rows of a YAML file come before those below.
	GroupTypes []GroupType `json:"groupTypes" yaml:"groupTypes"`
	// UnitCodeFrom lists places of the skolenhetskod in a school's group. Only 8 digits are taken; in a description, the
	// only 8 digits that stand alone.
	UnitCodeFrom []string `json:"unitCodeFrom" yaml:"unitCodeFrom"`
	// DefaultSchoolType is the school type of units and enrolments for which the document tells none.
	DefaultSchoolType string `json:"defaultSchoolType,omitempty" yaml:"defaultSchoolType,omitempty"`

	// Roles translates roletype, a code ("01", "1") or a word. Laid over by key.
	Roles map[string]Role `json:"roles" yaml:"roles"`
	// EnrolFromGroups enrols a pupil without a membership of a school at the schools of his or her groups.
	EnrolFromGroups bool `json:"enrolFromGroups" yaml:"enrolFromGroups"`

	// Keep lists paths, in a person or group, that are kept as extra attributes; a path that ends in /* takes all below.
	Keep []string `json:"keep" yaml:"keep"`
}

// GroupType is a row of the table of group types. What it leaves empty fits everything; case does not matter.
type GroupType struct {
	Scheme string `json:"scheme,omitempty" yaml:"scheme,omitempty"` // grouptype/scheme
	Level  string `json:"level,omitempty" yaml:"level,omitempty"`   // grouptype/typevalue@level
	Text   string `json:"text,omitempty" yaml:"text,omitempty"`     // grouptype/typevalue
	// As is Huvudman, Skola or Skolenhet for an organisation, else a group type of SS 12000.
	As string `json:"as" yaml:"as"`
}

// Role is what a roletype means, by what the membership is of.
type Role struct {
	// AtUnit is "enrolment", "none", "byInstitutionRole" (a pupil is enrolled, staff has a duty), or the role of a duty.
	AtUnit string `json:"atUnit" yaml:"atUnit"`
	// InGroup is the role of a member: pupil, teacher, mentor, other, or "byInstitutionRole".
	InGroup string `json:"inGroup" yaml:"inGroup"`
}

// The words of a profile that are no codes of the roster.
const (
	auto              = "auto"
	always            = "always"
	never             = "never"
	onRecstatus       = "recstatus"
	sourceAndID       = "sourceAndId"
	onlyID            = "id"
	restricted        = "restricted"
	all               = "all"
	keepName          = "keep"
	split             = "split"
	none              = "none"
	bare              = "bare"
	enrolment         = "enrolment"
	byInstitutionRole = "byInstitutionRole"
	otherStaff        = "Annan personal" // SS 12000's duty role for staff of no other
	otherGroup        = "Övrigt"         // SS 12000's group type for groups of no other
)

// Base returns the profile of the format itself with the vocabularies that are publicly known: the specification's
// codes, PIFU-IMS (Norway) and the Swedish and English words of the common exporters.
func Base() Profile {
	p := Profile{
		Name: "base", Encoding: utf8Name, AllowDoctype: none, Delta: auto, IDs: sourceAndID, Dates: restricted,
		CivicNoFrom: []string{"userid@PID", "userid@personNIN", "sourcedid/id"}, UsernameFrom: []string{"userid@username"},
		FN: keepName, YearGroups: []string{"extension/yeargroups/yeargroup", "extension/yeargroup"},
		InstitutionRoles: map[string]string{
			"student": "pupil", "faculty": "staff", "staff": "staff", "instructor": "staff", "administrator": "staff",
			"alumni": none, "prospectivestudent": none, "guest": none, "other": none, "observer": none,
		},
		UnitCodeFrom: []string{"org/id", "sourcedid/id"},
		Roles: layOver(nil, map[string]Role{
			"01": {enrolment, "pupil"}, "learner": {enrolment, "pupil"},
			"02": {"Lärare", "teacher"}, "instructor": {"Lärare", "teacher"},
			"03": {otherStaff, "other"}, "contentdeveloper": {otherStaff, "other"},
			"04": {byInstitutionRole, byInstitutionRole}, "member": {byInstitutionRole, byInstitutionRole},
			"05": {"Rektor", "other"}, "manager": {"Rektor", "other"},
			"06": {"Lärare", "mentor"}, "mentor": {"Lärare", "mentor"},
			"07": {"Skoladministratör", "other"}, "administrator": {"Skoladministratör", "other"},
			"08": {"Lärarassistent", "teacher"}, "teachingassistant": {"Lärarassistent", "teacher"},
		}),
		Keep: []string{"extension/*"},
	}
	row := func(as string, texts ...string) {
		for _, t := range texts {
			p.GroupTypes = append(p.GroupTypes, GroupType{Text: t, As: as})
		}
	}
	// A level has a meaning only together with its scheme (PIFU-IMS 1.3): level 1 is an owner there and a class here.
	for level, as := range []string{string(roster.Authority), string(roster.SchoolUnit)} {
		p.GroupTypes = append(p.GroupTypes, GroupType{Scheme: "pifu-ims-go-org", Level: fmt.Sprint(level + 1), As: as})
	}
	for level, as := range []string{"Klass", "Undervisning", "Mentor", otherGroup, otherGroup, otherGroup, otherGroup, otherGroup} {
		p.GroupTypes = append(p.GroupTypes, GroupType{Scheme: "pifu-ims-go-grp", Level: fmt.Sprint(level + 1), As: as})
	}
	row(string(roster.Authority), "huvudman", "kommun", "owner", "skoleeier", "organisation", "organization")
	row(string(roster.SchoolUnit), "skola", "skole", "school", "enhet", "skolenhet")
	row("Klass", "klass", "class", "basisgruppe", "avdelning")
	row("Undervisning", "undervisningsgrupp", "undervisning", "kurs", "course", "teaching group", "undervisningsgruppe")
	row("Mentor", "mentor", "mentorsgrupp", "kontaktlærergruppe")
	for _, own := range []string{"Provgrupp", "Schema", "Personalgrupp", otherGroup} {
		row(own, own)
	}
	return p
}

// Alvis returns the profile of Alvis (GotIT), a register of adult education. What its export does not publicly
// document is as in [Base].
func Alvis() Profile {
	p := Base()
	p.Name = "alvis"
	p.DefaultSchoolType = "VUX"
	p.Dates = all
	return p
}

// Extens returns the profile of Extens and IST Administration (IST). Its classes and sections are told apart ("klass",
// "avdelning"), and every date counts; what its export does not publicly document is as in [Base].
func Extens() Profile {
	p := Base()
	p.Name = "extens"
	p.Dates = all
	p.Encoding = latin1Name
	p.GroupTypes = append([]GroupType{{Text: "avdelning", As: string(roster.Department)}}, p.GroupTypes...)
	p.CivicNoFrom = append(p.CivicNoFrom, "userid@personnummer")
	return p
}

// ParseProfile reads a profile from YAML. What it does not say is as in the profile that it extends.
func ParseProfile(data []byte) (Profile, error) {
	var head struct {
		Extends string `yaml:"extends"`
	}
	if err := yaml.Unmarshal(data, &head); err != nil {
		return Profile{}, fmt.Errorf("profile: %w", tenant.Unreadable(err))
	}
	var p Profile
	switch head.Extends {
	case "", "base":
		p = Base()
	case "alvis":
		p = Alvis()
	case "extens":
		p = Extens()
	default:
		return Profile{}, fmt.Errorf("profile: extends %q, want base, alvis or extens", head.Extends)
	}
	if err := p.UnmarshalYAML(data); err != nil {
		return Profile{}, fmt.Errorf("profile: %w", tenant.Unreadable(err))
	}
	problems := tenant.NewProblems()
	p.Validate(problems)
	return p, problems.Err()
}

// UnmarshalYAML lays a YAML mapping over the profile: group types go before those of the profile, roles are laid over
// by key, everything else is replaced. An unknown key is an error.
func (p *Profile) UnmarshalYAML(data []byte) error {
	type plain Profile
	over := plain(*p)
	over.GroupTypes, over.Roles, over.InstitutionRoles = nil, nil, nil
	if err := yaml.UnmarshalWithOptions(data, &over, yaml.Strict()); err != nil {
		return err
	}
	over.GroupTypes = append(over.GroupTypes, p.GroupTypes...)
	over.Roles = layOver(p.Roles, over.Roles)
	over.InstitutionRoles = layOver(p.InstitutionRoles, over.InstitutionRoles)
	*p = Profile(over)
	return nil
}

// layOver returns a map with the entries of both; those of over win, whatever the spelling of their key.
func layOver[V any](under, over map[string]V) map[string]V {
	out := map[string]V{}
	for _, m := range []map[string]V{under, over} {
		for k, v := range m {
			out[code(k)] = v
		}
	}
	return out
}

// code returns the one spelling by which codes and words are compared: lower case, no spaces, no leading zeros.
func code(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), ""))
	return strings.TrimLeft(s, "0")
}

// Validate reports everything wrong with the profile.
func (p Profile) Validate(problems tenant.Problems) {
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			problems.At("%s", key).Add("is %q, want one of %s", value, strings.Join(allowed, ", "))
		}
	}
	problems.At("name").Required(p.Name)
	oneOf("allowDoctype", p.AllowDoctype, none, bare)
	oneOf("delta", p.Delta, auto, onRecstatus, always, never)
	oneOf("ids", p.IDs, sourceAndID, onlyID)
	oneOf("dates", p.Dates, restricted, all)
	oneOf("fn", p.FN, keepName, split)
	encodings := []string{"", utf8Name, latin1Name, cp1252Name, utf16LEName, utf16BEName}
	oneOf("encoding", p.Encoding, encodings...)
	oneOf("encodingOverride", p.EncodingOverride, encodings...)
	lists := map[string][]string{
		"civicNoFrom": p.CivicNoFrom, "usernameFrom": p.UsernameFrom, "eppnFrom": p.EPPNFrom,
		"yearGroups": p.YearGroups, "unitCodeFrom": p.UnitCodeFrom, "keep": p.Keep,
	}
	for _, key := range slices.Sorted(maps.Keys(lists)) {
		for i, v := range lists[key] {
			problems.At("%s[%d]", key, i).Check(checkPlace(strings.TrimSuffix(v, "/*")))
		}
	}
	if p.SecurityMarking != "" {
		problems.At("securityMarking").Check(checkPlace(p.SecurityMarking))
	}
	for i, t := range p.GroupTypes {
		if t.Scheme == "" && t.Level == "" && t.Text == "" {
			problems.At("groupTypes[%d]", i).Add("fits every group: state scheme, level or text")
		}
		problems.At("groupTypes[%d].as", i).Required(t.As)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Roles)) {
		problems.At("roles.%s.atUnit", k).Required(p.Roles[k].AtUnit)
		problems.At("roles.%s.inGroup", k).Required(p.Roles[k].InGroup)
	}
	for _, k := range slices.Sorted(maps.Keys(p.InstitutionRoles)) {
		oneOf("institutionRoles."+k, p.InstitutionRoles[k], string(roster.RolePupil), string(roster.RoleStaff), none)
	}
}

func checkPlace(s string) error {
	pl := parsePlace(s)
	for _, name := range append(slices.Clone(pl.path), pl.attr) {
		if isPassword(name) {
			return fmt.Errorf("%q is never read", name)
		}
	}
	if slices.Contains(pl.path, "") {
		return fmt.Errorf("%q is not a path of element names", s)
	}
	return nil
}

// place is a parsed place.
type place struct {
	path []string
	attr string // the attribute, or for a userid its type
}

func parsePlace(s string) place {
	path, attr, _ := strings.Cut(s, "@")
	return place{strings.Split(path, "/"), attr}
}

func parsePlaces(list []string) []place {
	out := make([]place, len(list))
	for i, s := range list {
		out[i] = parsePlace(s)
	}
	return out
}

// in returns the value at the place below e, or nothing.
func (p place) in(e elem) (value []byte) {
	e.each(p.path, func(e elem) {
		switch {
		case len(value) > 0:
		case p.attr == "":
			value = e.text()
		case p.path[len(p.path)-1] == "userid":
			if strings.EqualFold(string(e.attr("useridtype")), p.attr) {
				value = e.text()
			}
		default:
			value = e.attr(p.attr)
		}
	})
	return value
}

// firstOf returns the value at the first place that has one.
func firstOf(places []place, e elem) string {
	for _, p := range places {
		if v := p.in(e); len(v) > 0 {
			return string(v)
		}
	}
	return ""
}
