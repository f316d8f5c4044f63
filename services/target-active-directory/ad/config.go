package ad

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/ldapx"
)

// Config is what an operator says about one directory.
type Config struct {
	// LDAP is how a domain controller is reached, and as whom.
	LDAP ldapx.Config `yaml:"ldap"`
	// Rate is how many calls a second a domain controller takes from all links to it; 0 is no limit.
	Rate float64 `yaml:"rate"`

	// BaseOU is the DN of the OU under which everything of ours is. It must exist, and is never changed itself.
	BaseOU string `yaml:"baseOU"`
	// QuarantineOU is where accounts wait before they are deleted, and where those of protected persons are kept; empty for
	// none. It must exist, and may lie outside of baseOU.
	QuarantineOU string `yaml:"quarantineOU"`
	// MakeOUs has OUs made, renamed and, when they are empty, deleted; else those of the names below must exist.
	MakeOUs bool `yaml:"makeOUs"`
	OUs     OUs  `yaml:"ous"`

	// Accounts says whether a pupil who works at a school has two accounts, or one.
	Accounts Accounts `yaml:"accounts"`
	// PersonaWins is whose account it is where there is one: pupil or staff.
	PersonaWins roster.Role `yaml:"personaWins"`
	Pupils      Account     `yaml:"pupils"`
	Staff       Account     `yaml:"staff"`
	// CN is what an account is called in its OU. It has {username} or {id}, so that namesakes do not collide.
	CN string `yaml:"cn"`
	// IDAttribute is the attribute of an account that holds our id: by it an account is found again, and known as ours.
	IDAttribute string `yaml:"idAttribute"`
	// Attributes are what else an account has, by the name of the attribute.
	Attributes map[string]Attribute `yaml:"attributes"`
	// OldAddresses says what becomes of an e-mail address in proxyAddresses when an account gets another one: keep or drop.
	OldAddresses OldAddresses `yaml:"oldAddresses"`
	Groups       []Group      `yaml:"groups"`
	// Members says what becomes of members of our groups that somebody else added: keepManual or exact.
	Members Members `yaml:"members"`

	// MatchBy are the attributes by which an account that ESS did not make is found, the first that finds one counts.
	MatchBy []string `yaml:"matchBy"`
	// Language is that of the text in description of an account that was disabled: sv or en.
	Language Language `yaml:"language"`
	// DisabledText is that text itself, in place of the usual one; {date} is the day.
	DisabledText string `yaml:"disabledText"`
}

// OUs are the names of the OUs of a school. An empty one puts its objects into the OU of the school itself.
type OUs struct {
	// School is the name of a school's OU under baseOU: {unit} is its name, {code} its skolenhetskod, {id} our id of it.
	// Empty for none: everything is in the OUs for pupils, staff and groups right under baseOU.
	School string `yaml:"school"`
	Pupils string `yaml:"pupils"`
	Staff  string `yaml:"staff"`
	Groups string `yaml:"groups"`
}

// Account is what the accounts of a role have.
type Account struct {
	// UPNSuffix stands behind the @ of userPrincipalName. It must be a suffix of the forest.
	UPNSuffix string `yaml:"upnSuffix"`
	// Mail is where the e-mail address comes from: register, none, or a pattern such as {username}@elev.example.
	Mail string `yaml:"mail"`
	// ProxyAddresses has the address in proxyAddresses too.
	ProxyAddresses bool `yaml:"proxyAddresses"`
}

// The words of Account.Mail that are no pattern.
const (
	mailRegister = "register"
	mailNone     = "none"
)

// Attribute is how an attribute of an account comes about.
type Attribute struct {
	// Value is a text with placeholders; without any text for them the attribute is deleted.
	Value string `yaml:"value"`
	// Policy is manage, onCreate or report.
	Policy Policy `yaml:"policy"`
}

// Policy says who has the last word on an attribute.
type Policy string

// The policies. The zero Policy is Manage.
const (
	Manage   Policy = "manage"   // ESS: what others write there is overwritten
	OnCreate Policy = "onCreate" // ESS writes it when it makes an account, and never after that
	Report   Policy = "report"   // others: a difference is counted, and nothing is written
)

// Accounts says how many accounts somebody has who is a pupil and staff.
type Accounts string

// The ways.
const (
	PerPersona Accounts = "persona"
	PerPerson  Accounts = "person"
)

// OldAddresses says what becomes of an address that an account had.
type OldAddresses string

// The ways.
const (
	KeepOld OldAddresses = "keep"
	DropOld OldAddresses = "drop"
)

// Language is that of a text in the directory.
type Language string

// The languages.
const (
	Swedish Language = "sv"
	English Language = "en"
)

// Group is one sort of groups that are made.
type Group struct {
	// For is what has such a group: school (everybody of a school), pupils, staff, class, teachingGroup or mentorGroup.
	For For `yaml:"for"`
	// Name is a text with placeholders. The group's own token is added to it, so that no two groups have one name.
	Name string `yaml:"name"`
	// Type is security or distribution.
	Type GroupType `yaml:"type"`
	// Scope is global, universal or domainLocal.
	Scope Scope `yaml:"scope"`
	// Who are the roles in a class or another group that make a member of it.
	Who []roster.MemberRole `yaml:"who"`
}

// For is what has a group.
type For string

// What has groups.
const (
	ForSchool   For = "school"
	ForPupils   For = "pupils"
	ForStaff    For = "staff"
	ForClass    For = "class"
	ForTeaching For = "teachingGroup"
	ForMentor   For = "mentorGroup"
)

// groupTypes are what the roster calls the groups of persons.
var groupTypes = map[For]roster.GroupType{ForClass: roster.Class, ForTeaching: roster.TeachingGroup, ForMentor: roster.MentorGroup}

// GroupType is what a group is for.
type GroupType string

// The group types.
const (
	Security     GroupType = "security"
	Distribution GroupType = "distribution"
)

// Scope is where a group can be used.
type Scope string

// The scopes.
const (
	Global      Scope = "global"
	Universal   Scope = "universal"
	DomainLocal Scope = "domainLocal"
)

// Members says what becomes of members that somebody else added.
type Members string

// The ways.
const (
	Exact      Members = "exact"
	KeepManual Members = "keepManual"
)

// defaults returns the settings of a customer who says nothing.
func defaults() *Config {
	who := []roster.MemberRole{roster.MemberPupil, roster.MemberTeacher, roster.MemberMentor}
	usual := func(f For, name string) Group {
		return Group{For: f, Name: name, Type: Security, Scope: Global, Who: who}
	}
	return &Config{
		OUs:         OUs{School: "{unit}", Pupils: "Elever", Staff: "Personal", Groups: "Grupper"},
		Accounts:    PerPersona,
		PersonaWins: roster.RolePupil,
		Pupils:      Account{Mail: mailRegister, ProxyAddresses: true},
		Staff:       Account{Mail: mailRegister, ProxyAddresses: true},
		CN:          "{username}",
		IDAttribute: "employeeNumber",
		Attributes: map[string]Attribute{
			"givenName":   {Value: "{givenName}"},
			"sn":          {Value: "{familyName}"},
			"displayName": {Value: "{displayName}"},
			"department":  {Value: "{unit}"},
		},
		OldAddresses: KeepOld,
		Groups: []Group{
			usual(ForPupils, "{unit} elever"), usual(ForStaff, "{unit} personal"),
			usual(ForClass, "{unit} {group}"), usual(ForTeaching, "{unit} {group}"),
		},
		Members:  KeepManual,
		MatchBy:  []string{"employeeNumber"},
		Language: Swedish,
	}
}

// UnmarshalYAML fills in what a group does not say.
func (g *Group) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Group
	full := plain{Type: Security, Scope: Global, Who: []roster.MemberRole{roster.MemberPupil, roster.MemberTeacher, roster.MemberMentor}}
	if err := unmarshal(&full); err != nil {
		return err
	}
	*g = Group(full)
	return nil
}

// The placeholders of each text.
var (
	ouWords      = []string{"unit", "code", "id"}
	accountWords = []string{"username", "id", "givenName", "familyName", "displayName", "mail", "role", "unit", "code", "class", "schoolYear", "schoolForm", "duty"}
	groupWords   = []string{"unit", "code", "group", "subject", "schoolYear", "schoolForm"}
)

// ownAttributes are those that have settings of their own, or that nobody may set.
var ownAttributes = []string{
	"cn", "name", "distinguishedname", "objectclass", "objectguid", "objectsid", "samaccountname", "userprincipalname", "unicodepwd", "useraccountcontrol",
	"pwdlastset", "mail", "proxyaddresses", "member", "memberof", "primarygroupid", "admincount", "admindescription", "sidhistory", "serviceprincipalname",
	"grouptype", "description", "ntsecuritydescriptor", "accountexpires", "isdeleted",
}

var (
	attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	domainName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)
	placeholder   = regexp.MustCompile(`\{([^{}]*)\}`)
)

// Validate reports everything wrong with the settings.
func (c *Config) Validate(p tenant.Problems) {
	c.LDAP.Validate(p.At("ldap"))
	if !(c.Rate >= 0 && c.Rate <= math.MaxInt32) {
		p.At("rate").Add("is %v: write how many calls a second may be made, or 0 for no limit", c.Rate)
	}
	c.validateOUs(p)
	oneOf(p.At("accounts"), c.Accounts, PerPersona, PerPerson)
	oneOf(p.At("personaWins"), c.PersonaWins, roster.RolePupil, roster.RoleStaff)
	c.Pupils.validate(p.At("pupils"))
	c.Staff.validate(p.At("staff"))
	validText(p.At("cn"), c.CN, accountWords)
	if !strings.Contains(c.CN, "{username}") && !strings.Contains(c.CN, "{id}") {
		p.At("cn").Add("has neither {username} nor {id}: two who are called the same would collide")
	}
	if over := length(placeholder.ReplaceAllStringFunc(c.CN, longest)) - mostCN; over > 0 {
		p.At("cn").Add("may come to %d characters more than a name in the directory has (%d), without any name in it: write less around {username} and {id}", over, mostCN)
	}
	if !attributeName.MatchString(c.IDAttribute) || slices.Contains(ownAttributes, strings.ToLower(c.IDAttribute)) {
		p.At("idAttribute").Add("is %q: write an attribute of users that nothing else is in, as employeeNumber or extensionAttribute1", c.IDAttribute)
	}
	c.validateAttributes(p.At("attributes"))
	oneOf(p.At("oldAddresses"), c.OldAddresses, KeepOld, DropOld)
	for i, g := range c.Groups {
		g.validate(p.At("groups").At("[%d]", i))
		if j := slices.IndexFunc(c.Groups, func(o Group) bool { return o.For == g.For }); j < i {
			p.At("groups").At("[%d]", i).At("for").Add("is %q, which groups[%d] has already", g.For, j)
		}
	}
	oneOf(p.At("members"), c.Members, Exact, KeepManual)
	c.validateMatch(p.At("matchBy"))
	oneOf(p.At("language"), c.Language, Swedish, English)
	validText(p.At("disabledText"), c.DisabledText, []string{"date"})
}

// longest stands for the longest that a placeholder of cn comes to where it is not cut.
func longest(word string) string {
	switch word {
	case "{username}":
		return strings.Repeat("x", mostSAM)
	case "{id}":
		return strings.Repeat("x", len("00000000-0000-0000-0000-000000000000.pupil"))
	default:
		return ""
	}
}

func (c *Config) validateOUs(p tenant.Problems) {
	if c.MakeOUs && c.OUs.School == "" {
		p.At("makeOUs").Add("is true, and ous.school is empty: OUs that all schools share are not made; name one for each school, or make them and write false")
	}
	base := validDN(p.At("baseOU"), c.BaseOU)
	if c.BaseOU == "" {
		p.At("baseOU").Add("is required: the DN of the OU under which everything of ours is, as OU=Skolor,DC=skola,DC=example")
	}
	if q := validDN(p.At("quarantineOU"), c.QuarantineOU); q != nil && base != nil && q.EqualFold(base) {
		p.At("quarantineOU").Add("is baseOU: write an OU of its own, so that who leaves is out of the way")
	}
	validText(p.At("ous").At("school"), c.OUs.School, ouWords)
	if s := c.OUs.School; s != "" && !strings.Contains(s, "{unit}") && !strings.Contains(s, "{code}") && !strings.Contains(s, "{id}") {
		p.At("ous").At("school").Add("has none of {unit}, {code} and {id}: all schools would be one OU; leave it empty for that")
	}
	seen := map[string]string{}
	for _, sub := range [][2]string{{"pupils", c.OUs.Pupils}, {"staff", c.OUs.Staff}, {"groups", c.OUs.Groups}} {
		at := p.At("ous").At("%s", sub[0])
		validText(at, sub[1], nil)
		if other := seen[strings.ToLower(sub[1])]; other != "" && sub[1] != "" {
			at.Add("is the name of ous.%s too: with makeOUs each has its own", other)
		}
		seen[strings.ToLower(sub[1])] = sub[0]
		if sub[1] == "" && c.OUs.School == "" {
			at.Add("is empty, and so is ous.school: name one of them, so that baseOU itself holds no objects of ours")
		}
	}
}

func (a Account) validate(p tenant.Problems) {
	switch {
	case a.UPNSuffix == "":
		p.At("upnSuffix").Add("is required: what stands behind the @ when they sign in, as elev.skola.example")
	case !domainName.MatchString(a.UPNSuffix):
		p.At("upnSuffix").Add("is %q: write a domain without @, as elev.skola.example", a.UPNSuffix)
	}
	at := p.At("mail")
	switch a.Mail {
	case mailRegister, mailNone:
		return
	}
	validText(at, a.Mail, []string{"username"})
	if name, domain, found := strings.Cut(a.Mail, "@"); !found || !strings.Contains(name, "{username}") || !domainName.MatchString(domain) {
		at.Add("is %q: write register, none, or a pattern such as {username}@elev.skola.example", a.Mail)
	}
}

func (c *Config) validateAttributes(p tenant.Problems) {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		at, lower := p.At("%s", name), strings.ToLower(name)
		switch {
		case !attributeName.MatchString(name):
			at.Add("is not the name of an attribute")
		case slices.Contains(ownAttributes, lower):
			at.Add("cannot be set here: it has a setting of its own, or the directory keeps it by itself")
		case strings.EqualFold(name, c.IDAttribute):
			at.Add("is idAttribute, which holds our id")
		case seen[lower] != "":
			at.Add("is %s in other letters", seen[lower])
		}
		seen[lower] = name
		if c.Attributes[name].Value == "" {
			at.At("value").Add("is required: a text with placeholders such as {unit}")
		}
		validText(at.At("value"), c.Attributes[name].Value, append([]string{"civicNo"}, accountWords...))
		if policy := c.Attributes[name].Policy; policy != "" {
			oneOf(at.At("policy"), policy, Manage, OnCreate, Report)
		}
	}
}

func (g Group) validate(p tenant.Problems) {
	oneOf(p.At("for"), g.For, ForSchool, ForPupils, ForStaff, ForClass, ForTeaching, ForMentor)
	words := groupWords
	if _, persons := groupTypes[g.For]; !persons {
		words = ouWords[:2]
	} else if !strings.Contains(g.Name, "{group}") {
		p.At("name").Add("lacks {group}: groups of a school would be told apart by their tokens only")
	}
	validText(p.At("name"), g.Name, words)
	if g.Name == "" {
		p.At("name").Add("is required: a text with placeholders such as {unit}")
	}
	oneOf(p.At("type"), g.Type, Security, Distribution)
	oneOf(p.At("scope"), g.Scope, Global, Universal, DomainLocal)
	for i, w := range g.Who {
		oneOf(p.At("who").At("[%d]", i), w, roster.MemberPupil, roster.MemberTeacher, roster.MemberMentor, roster.MemberOther)
	}
	if len(g.Who) == 0 {
		p.At("who").Add("is empty: nobody would be a member; write pupil, teacher, mentor or other")
	}
}

// matchable are the attributes by which an account may be found. A person's name is not among them.
var matchable = []string{"employeeNumber", "employeeID", "mail", "userPrincipalName"}

func (c *Config) validateMatch(p tenant.Problems) {
	for i, name := range c.MatchBy {
		at := p.At("[%d]", i)
		oneOf(at, name, matchable...)
		if slices.Contains(c.MatchBy[:i], name) {
			at.Add("stands twice")
		}
		if _, known := c.Attributes[name]; name == "employeeID" && !known {
			at.Add("is employeeID, and attributes.employeeID does not say what stands there: write it, as {value: \"{civicNo}\", policy: report}")
		}
	}
}

// validDN checks a DN of an OU.
func validDN(p tenant.Problems, text string) *ldap.DN {
	if text == "" {
		return nil
	}
	dn, err := ldap.ParseDN(text)
	if err != nil || len(dn.RDNs) < 2 {
		p.Add("is not a DN: write it as OU=Skolor,DC=skola,DC=example")
		return nil
	}
	if !strings.EqualFold(dn.RDNs[0].Attributes[0].Type, "OU") && !strings.EqualFold(dn.RDNs[0].Attributes[0].Type, "CN") {
		p.Add("is the DN of a whole domain: write an OU of its own for what ESS makes")
		return nil
	}
	return dn
}

// validText checks the placeholders of a text.
func validText(p tenant.Problems, text string, words []string) {
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(words, m[1]) {
			p.Add("has {%s}, which is not known here: %s", m[1], known(words))
		}
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(text, ""), "{}") {
		p.Add("has a brace that belongs to no placeholder")
	}
	if text != strings.TrimSpace(text) || text != clean(text, math.MaxInt) {
		p.Add("begins or ends with a blank, or has characters that cannot be seen")
	}
}

func known(words []string) string {
	if len(words) == 0 {
		return "write it without braces"
	}
	return "write one of {" + strings.Join(words, "}, {") + "}"
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

// account returns the settings of the accounts of a role.
func (c *Config) account(r roster.Role) Account {
	if r == roster.RolePupil {
		return c.Pupils
	}
	return c.Staff
}

// group returns the settings of a sort of groups.
func (c *Config) group(f For) (Group, bool) {
	i := slices.IndexFunc(c.Groups, func(g Group) bool { return g.For == f })
	if i < 0 {
		return Group{}, false
	}
	return c.Groups[i], true
}

// policy returns who has the last word on an attribute.
func (c *Config) policy(name string) Policy {
	if p := c.Attributes[name].Policy; p != "" {
		return p
	}
	return Manage
}
