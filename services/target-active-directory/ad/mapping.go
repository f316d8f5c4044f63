package ad

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// The kinds of resource.
const (
	kindOU    = "ou"
	kindUser  = "user"
	kindGroup = "group"
)

// Fields that are no attributes of the same name: ou is where an object is, the key of an OU of ours or, where we make
// none, its path under the base; name is what an OU is called.
const (
	fieldOU   = "ou"
	fieldName = "name"

	fieldCN    = "cn"
	fieldSAM   = "sAMAccountName"
	fieldUPN   = "userPrincipalName"
	fieldMail  = "mail"
	fieldProxy = "proxyAddresses"
	fieldShown = "displayName"
	fieldType  = "groupType"
)

// setMembers is the set of a group: the accounts that are in it.
const setMembers = "members"

// The parts of a school, as they stand in ids behind the key of the unit.
const (
	partPupils = "pupils"
	partStaff  = "staff"
	partGroups = "groups"
)

// How many characters the directory takes (MS-ADA, and Windows for sAMAccountName of accounts).
const (
	mostCN   = 64
	mostSAM  = 20
	mostUPN  = 64 // of the part before the @, so that it gets through to the cloud
	mostMail = 256
	mostText = 1024
)

// limits are those of other attributes; one that is not here has mostText.
var limits = map[string]int{
	"givenname": 64, "sn": 64, "initials": 6, "displayname": 256, "department": 64, "company": 64, "title": 64, "physicaldeliveryofficename": 128,
	"employeeid": 16, "employeenumber": 512, "employeetype": 256, "telephonenumber": 64, "mobile": 64, "l": 128, "st": 128, "streetaddress": 1024,
	"postalcode": 40, "division": 256, "info": 1024, "departmentnumber": 64, "middlename": 64, "personaltitle": 64, "co": 128, "c": 2,
}

func limitOf(attribute string) int {
	if n, ok := limits[strings.ToLower(attribute)]; ok {
		return n
	}
	return mostText
}

// identifiers are attributes that are right or nothing: what is too long for one is left out, never cut.
func identifier(attribute string) bool {
	switch strings.ToLower(attribute) {
	case "employeeid", "employeenumber", "telephonenumber", "mobile":
		return true
	}
	return false
}

// mapping says which OUs, accounts and groups the directory should hold.
type mapping struct {
	Config
	version    string
	handling   map[roster.Role]target.Handling
	names      []string    // of Attributes, sorted
	attributes []attribute // in the order of names
	school, cn text
	groups     map[For]text
	mail       map[roster.Role]text
}

// attribute is one that the settings name.
type attribute struct {
	value text
	most  int  // how many characters the directory takes
	whole bool // see identifier
}

var _ target.Mapping = (*mapping)(nil)

// revision changes with the code below whenever the same roster would give other resources.
const revision = "2"

func newMapping(c Config, handling map[roster.Role]target.Handling) (*mapping, error) {
	c.LDAP, c.Rate = ldapx.Config{}, 0 // the way to the directory changes no object
	settings, err := json.Marshal(struct {
		Config
		Handling map[roster.Role]target.Handling
	}{c, handling})
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	sum := sha256.Sum256(settings)
	m := &mapping{
		Config: c, version: revision + "-" + hex.EncodeToString(sum[:8]), handling: handling,
		names: slices.Sorted(maps.Keys(c.Attributes)), school: compile(c.OUs.School), cn: compile(c.CN), groups: map[For]text{}, mail: map[roster.Role]text{},
	}
	for _, name := range m.names {
		m.attributes = append(m.attributes, attribute{compile(c.Attributes[name].Value), limitOf(name), identifier(name)})
	}
	for _, g := range c.Groups {
		m.groups[g.For] = compile(g.Name)
	}
	for _, role := range []roster.Role{roster.RolePupil, roster.RoleStaff} {
		if mail := c.account(role).Mail; mail != mailRegister && mail != mailNone {
			m.mail[role] = compile(mail)
		}
	}
	return m, nil
}

// Version returns the revision of the code and a digest of the settings.
func (m *mapping) Version() string { return m.version }

// Map returns the OUs and role groups of a school unit, the accounts of a person, or the group of a group.
func (m *mapping) Map(v target.View, e roster.Ref) []target.Wish {
	switch e.Kind {
	case roster.KindOrganisation:
		return m.unit(v, e)
	case roster.KindPerson:
		return m.person(v, e)
	case roster.KindGroup:
		return m.group(v, e)
	default:
		return nil
	}
}

// unit maps a school unit to its OUs and to the groups of its people.
func (m *mapping) unit(v target.View, e roster.Ref) (wishes []target.Wish) {
	o := v.Organisation(e.Key)
	if o == nil || o.Type != roster.SchoolUnit {
		return nil
	}
	is := wordsOf(o, e.Key)
	check := func(w *wish) {
		if !o.Interval.Contains(v.Today()) {
			w.withhold(reason.NotCurrent)
		}
	}
	if m.MakeOUs {
		top := newWish(kindOU, e.Key.String(), e)
		check(top)
		top.require(fieldName, m.schoolOU(v, e.Key), mostCN)
		wishes = append(wishes, top.Wish)
		for _, part := range []string{partPupils, partStaff, partGroups} {
			if name := m.subOU(part); name != "" {
				w := newWish(kindOU, e.Key.String()+"."+part, e)
				check(w)
				w.require(fieldName, name, mostCN)
				w.need(target.ID{Kind: kindOU, Key: e.Key.String()})
				w.put(fieldOU, e.Key.String())
				wishes = append(wishes, w.Wish)
			}
		}
	}
	for _, f := range []For{ForSchool, ForPupils, ForStaff} {
		g, wanted := m.Config.group(f)
		if !wanted {
			continue
		}
		w := newWish(kindGroup, e.Key.String()+"."+string(f), e)
		check(w)
		m.groupFields(v, w, g, e.Key, is)
		if w.Withheld == nil {
			w.Resource.Sets = []target.Set{{Name: setMembers, Members: m.people(v, e.Key, f)}}
		}
		wishes = append(wishes, w.Wish)
	}
	return wishes
}

// people returns the accounts of everybody who is at a school today, or of its pupils or staff, sorted.
func (m *mapping) people(v target.View, unit roster.Key, f For) (list []target.ID) {
	for _, k := range target.Persons(v, unit) {
		p := v.Person(k)
		if p == nil {
			continue
		}
		studies := slices.ContainsFunc(p.Enrolments, func(e roster.Enrolment) bool { return e.EnroledAt == unit && e.Interval.Contains(v.Today()) })
		works := slices.ContainsFunc(p.Duties, func(d roster.Duty) bool { return d.DutyAt == unit && d.Interval.Contains(v.Today()) })
		for _, role := range m.roles(p, v.Today()) {
			here := studies && (role == roster.RolePupil || m.Accounts == PerPerson) && f != ForStaff ||
				works && (role == roster.RoleStaff || m.Accounts == PerPerson) && f != ForPupils
			if here && m.handling[role] != target.Ignore {
				list = append(list, target.ID{Kind: kindUser, Key: m.userKey(target.Anchor(v, k), role)})
			}
		}
	}
	slices.SortFunc(list, target.ID.Compare)
	return slices.Compact(list)
}

// groupFields puts what a group is called, and where it is.
func (m *mapping) groupFields(v target.View, w *wish, g Group, unit roster.Key, is func(string) string) {
	shown := m.groups[g.For].fill(is)
	w.place(m, v, unit, partGroups)
	w.require(fieldShown, shown, 256)
	name := groupName(shown, w.Resource.ID.Key)
	w.put(fieldCN, name)
	w.put(fieldSAM, name)
	w.put(fieldType, groupType(g))
}

// person maps a person to an account for each role, or to one for all of them.
func (m *mapping) person(v target.View, e roster.Ref) (wishes []target.Wish) {
	p := v.Person(e.Key)
	if p == nil {
		return nil
	}
	for _, role := range m.roles(p, v.Today()) {
		wishes = append(wishes, m.user(v, e, p, role))
	}
	return wishes
}

// roles returns those of which a person has, had or will have an account, the pupil's first.
func (m *mapping) roles(p *roster.Person, today roster.Date) []roster.Role {
	pupil, staff := len(p.Enrolments) > 0, len(p.Duties) > 0
	switch {
	case pupil && staff && m.Accounts == PerPersona:
		return []roster.Role{roster.RolePupil, roster.RoleStaff}
	case pupil && staff:
		studies := slices.ContainsFunc(p.Enrolments, func(e roster.Enrolment) bool { return e.Interval.Contains(today) })
		works := slices.ContainsFunc(p.Duties, func(d roster.Duty) bool { return d.Interval.Contains(today) })
		switch {
		case studies == works:
			return []roster.Role{m.PersonaWins}
		case studies:
			return []roster.Role{roster.RolePupil}
		}
		return []roster.Role{roster.RoleStaff}
	case staff:
		return []roster.Role{roster.RoleStaff}
	default:
		return []roster.Role{roster.RolePupil}
	}
}

// userKey is the key of an account.
func (m *mapping) userKey(anchor roster.Key, role roster.Role) string {
	if m.Accounts == PerPerson {
		return anchor.String()
	}
	return anchor.String() + "." + string(role)
}

func (m *mapping) user(v target.View, e roster.Ref, p *roster.Person, role roster.Role) target.Wish {
	anchor := target.Anchor(v, e.Key)
	w := newWish(kindUser, m.userKey(anchor, role), e)
	if m.handling[role] == target.Ignore {
		w.withhold(reason.OutOfScope)
		w.Fate = target.Let
		return w.Wish
	}
	at := stationsOf(v, p, role)
	switch {
	case !at.active:
		w.leave(reason.NoActiveRole)
	case len(at.units) == 0:
		w.leave(reason.NoSchoolUnit)
	}
	if w.Withheld != nil {
		return w.Wish
	}
	account := persona(p, role)
	if m.handling[role] == target.Match {
		w.Match = true
		m.matched(w, p, account)
		return w.Wish
	}
	username := target.UserName(v, anchor, role).Current
	if username == "" {
		username = account.Username.Reveal() // where the register gives the names
	}
	username = clean(username, 1<<16)
	switch {
	case username == "":
		w.doubt(reason.MissingValue, "column", fieldSAM)
	case length(username) > mostSAM || strings.ContainsAny(username, refused+" ") || strings.HasSuffix(username, "."):
		w.doubt(reason.NameUnfit, "column", fieldSAM, "limit", mostSAM, "refused", refused)
	}
	settings := m.account(role)
	mail := account.Email.Reveal()
	switch settings.Mail {
	case mailRegister:
	case mailNone:
		mail = ""
	default:
		mail = m.mail[role].fill(func(string) string { return username })
	}
	if mail = clean(mail, 1<<16); length(mail) > mostMail || strings.ContainsAny(mail, " ") {
		mail = ""
	}
	is := func(word string) string {
		switch word {
		case "username":
			return username
		case "id":
			return w.Resource.ID.Key
		case "mail":
			return mail
		case "givenName":
			return p.GivenName.Reveal()
		case "familyName":
			return p.FamilyName.Reveal()
		case "displayName":
			return shown(p)
		case "civicNo":
			return p.CivicNo.Reveal()
		case "role":
			return map[roster.Role]string{roster.RolePupil: "Elev", roster.RoleStaff: "Personal"}[role]
		case "schoolYear":
			return at.year
		case "schoolForm":
			return string(at.form)
		case "duty":
			return string(at.duty)
		case "class":
			if k, ok := roster.PrimaryGroup(v, e.Key, roster.Class, ""); ok && v.Group(k) != nil {
				return v.Group(k).DisplayName
			}
			return ""
		default:
			return wordsOf(v.Organisation(at.units[0]), at.units[0])(word)
		}
	}
	part := partStaff
	if role == roster.RolePupil {
		part = partPupils
	}
	if w.Withheld == nil {
		w.Resource.Fields = make(target.Fields, 0, 6+len(m.attributes))
	}
	w.place(m, v, at.units[0], part)
	w.require(fieldCN, m.called(is), mostCN)
	w.put(fieldSAM, username)
	w.put(fieldUPN, username+"@"+settings.UPNSuffix)
	w.put(fieldMail, mail)
	if mail != "" && settings.ProxyAddresses {
		w.put(fieldProxy, "SMTP:"+mail)
	}
	for i, name := range m.names {
		a := &m.attributes[i]
		value := a.value.fill(is)
		if a.whole && length(clean(value, 1<<16)) > a.most {
			continue
		}
		w.put(name, clean(value, a.most))
	}
	return w.Wish
}

// matched puts by what the customer's own account is found.
func (m *mapping) matched(w *wish, p *roster.Person, account roster.Persona) {
	w.put("givenName", clean(p.GivenName.Reveal(), limitOf("givenName"))) // who is called the same is told of where none is found
	w.put("sn", clean(p.FamilyName.Reveal(), limitOf("sn")))
	for _, name := range m.MatchBy {
		switch name {
		case "employeeID":
			i := slices.Index(m.names, name)
			if i < 0 {
				continue
			}
			w.put(name, clean(m.attributes[i].value.fill(func(word string) string {
				switch word {
				case "civicNo":
					return p.CivicNo.Reveal()
				case "username":
					return account.Username.Reveal()
				case "mail":
					return account.Email.Reveal()
				default:
					return ""
				}
			}), limitOf(name)))
		case fieldMail:
			w.put(name, clean(account.Email.Reveal(), mostMail))
		case fieldUPN:
			w.put(name, clean(account.EPPN.Reveal(), mostText))
		}
	}
}

// group maps a class or another group of persons.
func (m *mapping) group(v target.View, e roster.Ref) []target.Wish {
	g := v.Group(e.Key)
	if g == nil {
		return nil
	}
	w := newWish(kindGroup, e.Key.String(), e)
	settings, wanted := Group{}, false
	for f, t := range groupTypes {
		if t == g.Type {
			settings, wanted = m.Config.group(f)
		}
	}
	switch {
	case !wanted:
		w.withhold(reason.GroupTypeLeftOut, "type", g.Type)
	case !g.Interval.Contains(v.Today()):
		w.withhold(reason.NotCurrent)
	case !standing(v, g.Organisation):
		w.withhold(reason.NoSchoolUnit)
	}
	if w.Withheld != nil {
		return []target.Wish{w.Wish}
	}
	unit := wordsOf(v.Organisation(g.Organisation), g.Organisation)
	m.groupFields(v, w, settings, g.Organisation, func(word string) string {
		switch word {
		case "group":
			return g.DisplayName
		case "subject":
			return g.Subject
		case "schoolYear":
			return g.SchoolYear
		case "schoolForm":
			return string(g.SchoolType)
		default:
			return unit(word)
		}
	})
	if w.Withheld == nil {
		w.Resource.Sets = []target.Set{{Name: setMembers, Members: m.members(v, g, settings)}}
	}
	return []target.Wish{w.Wish}
}

// members returns the accounts of a group's members today, sorted. Someone whom the view does not have is still wanted:
// whether the account stands is for the person's own record to say (rule R3).
func (m *mapping) members(v target.View, g *roster.Group, settings Group) (list []target.ID) {
	for _, member := range g.Members {
		if !member.Interval.Contains(v.Today()) || !slices.Contains(settings.Who, member.Role) {
			continue
		}
		role := roster.RoleStaff
		if member.Role == roster.MemberPupil {
			role = roster.RolePupil
		}
		if p := v.Person(member.Person); p != nil {
			if has := m.roles(p, v.Today()); !slices.Contains(has, role) {
				role = has[0]
			}
		}
		if m.handling[role] == target.Ignore {
			continue
		}
		list = append(list, target.ID{Kind: kindUser, Key: m.userKey(target.Anchor(v, member.Person), role)})
	}
	slices.SortFunc(list, target.ID.Compare)
	return slices.Compact(list)
}

// stations are where a person is in a role today.
type stations struct {
	active bool
	units  []roster.Key // the primary one first, the others by key
	year   string
	form   roster.SchoolType
	duty   roster.DutyRole
}

func stationsOf(v target.View, p *roster.Person, role roster.Role) (s stations) {
	var primary roster.Key
	if role == roster.RolePupil {
		now := roster.Person{}
		for _, e := range p.Enrolments {
			if !e.Interval.Contains(v.Today()) {
				continue
			}
			if s.active = true; standing(v, e.EnroledAt) {
				now.Enrolments, s.units = append(now.Enrolments, e), append(s.units, e.EnroledAt)
			}
		}
		if e, ok := roster.PrimaryEnrolment(&now, v.Today()); ok {
			primary, s.year, s.form = e.EnroledAt, e.SchoolYear, e.SchoolType
		}
	} else {
		now := roster.Person{}
		for _, d := range p.Duties {
			if !d.Interval.Contains(v.Today()) {
				continue
			}
			if s.active = true; standing(v, d.DutyAt) {
				now.Duties, s.units = append(now.Duties, d), append(s.units, d.DutyAt)
			}
		}
		if d, ok := roster.PrimaryDuty(&now, v.Today()); ok {
			primary, s.duty = d.DutyAt, d.Role
		}
	}
	slices.SortFunc(s.units, roster.Key.Compare)
	s.units = slices.Compact(s.units)
	if i := slices.Index(s.units, primary); i > 0 {
		copy(s.units[1:i+1], s.units[:i])
		s.units[0] = primary
	}
	return s
}

// standing tells whether a school unit has its place in the directory.
func standing(v target.View, unit roster.Key) bool {
	o := v.Organisation(unit)
	return o != nil && o.Type == roster.SchoolUnit && o.Interval.Contains(v.Today())
}

// persona returns what the register says of a person's account in a role, or what it said without telling the role.
func persona(p *roster.Person, role roster.Role) (found roster.Persona) {
	for _, a := range p.Personas {
		if a.Role == role || a.Role == roster.RoleNone && found.Role == "" {
			found = a
		}
	}
	return found
}

// shown is how a person is called in lists.
func shown(p *roster.Person) string {
	if p.DisplayName != "" {
		return p.DisplayName.Reveal()
	}
	return strings.TrimSpace(p.GivenName.Reveal() + " " + p.FamilyName.Reveal())
}

// wordsOf are the placeholders of a unit.
func wordsOf(o *roster.Organisation, k roster.Key) func(string) string {
	return func(word string) string {
		switch {
		case word == "id":
			return k.String()
		case o != nil && word == "unit":
			return o.DisplayName
		case o != nil && word == "code" && len(o.UnitCodes) > 0:
			return o.UnitCodes[0]
		default:
			return ""
		}
	}
}

// subOU is what the OU for a part of a school is called; empty where that is the OU of the school itself.
func (m *mapping) subOU(part string) string {
	switch part {
	case partPupils:
		return m.OUs.Pupils
	case partStaff:
		return m.OUs.Staff
	default:
		return m.OUs.Groups
	}
}

// wish is a wish in the making. The first thing that keeps it from the directory is the one that is told.
type wish struct{ target.Wish }

func newWish(kind, key string, e roster.Ref) *wish {
	return &wish{target.Wish{Resource: target.Resource{ID: target.ID{Kind: kind, Key: key}, Entity: e}}}
}

func (w *wish) withhold(code reason.Code, args ...any) {
	if w.Withheld == nil {
		why := reason.New(code, args...)
		w.Wish = target.Wish{Resource: target.Resource{ID: w.Resource.ID, Entity: w.Resource.Entity}, Withheld: &why}
	}
}

// leave withholds the account of who has left.
func (w *wish) leave(code reason.Code) {
	w.withhold(code)
	w.Fate = target.Leaves
}

// doubt withholds what cannot be made of what is known. What the directory has stays as it is (rule R3).
func (w *wish) doubt(code reason.Code, args ...any) {
	if w.Withheld == nil {
		w.withhold(code, args...)
		w.Fate = target.Stays
	}
}

// put adds a field, unless it is empty.
func (w *wish) put(field, value string) {
	if value != "" && w.Withheld == nil {
		w.Resource.Fields = append(w.Resource.Fields, target.Field{Name: field, Value: roster.Personal(value)})
	}
}

// require adds a field that may not be empty.
func (w *wish) require(field, value string, most int) {
	if value = clean(value, most); value == "" {
		w.doubt(reason.MissingValue, "column", field)
	}
	w.put(field, value)
}

func (w *wish) need(id target.ID) {
	if w.Withheld == nil {
		w.Resource.Needs = append(w.Resource.Needs, id)
	}
}

// place puts an object into the OU for a part of a school, which must stand first where it is ours.
func (w *wish) place(m *mapping, v target.View, unit roster.Key, part string) {
	sub := m.subOU(part)
	if m.MakeOUs {
		key := unit.String()
		if sub != "" {
			key += "." + part
		}
		w.need(target.ID{Kind: kindOU, Key: key})
		w.put(fieldOU, key)
		return
	}
	var path []string
	if sub != "" {
		path = append(path, rdn("OU", sub))
	}
	if m.OUs.School != "" {
		name := clean(m.school.fill(wordsOf(v.Organisation(unit), unit)), mostCN)
		if name == "" {
			w.doubt(reason.MissingValue, "column", fieldOU)
		}
		path = append(path, rdn("OU", name))
	}
	w.put(fieldOU, strings.Join(path, ","))
}

// groupType is the attribute of that name: the scope, and a sign for security.
func groupType(g Group) string {
	scope := map[Scope]int32{Global: 2, DomainLocal: 4, Universal: 8}[g.Scope]
	if g.Type != Distribution {
		scope |= -1 << 31
	}
	return fmt.Sprint(scope)
}
