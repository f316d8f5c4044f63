package adfake

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// object is an object of the directory.
type object struct {
	guid     string // 16 octets
	rdn      string // CN, OU or DC
	name     string
	parent   *object // nil for the domain
	attrs    map[string][]string
	members  []*object
	password string
	wrong    int // passwords since the last right one
	deleted  bool
	path     string // its key, kept

	live   *object   // itself; of a view: what it is a view of
	before *object   // what it was before writes that readers do not see yet; nil for nothing
	fresh  time.Time // until when they do not
}

func (o *object) value(name string) string {
	if v := o.attrs[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (o *object) number(name string) int64 {
	n, _ := strconv.ParseInt(o.value(name), 10, 64)
	return n
}

func (o *object) expired(now time.Time) bool {
	at := o.number("accountExpires")
	return at != 0 && at != never && at <= ticks(now)
}

func (o *object) is(class string) bool { return slices.Contains(o.attrs["objectClass"], class) }

func (o *object) dn() string {
	if o.parent == nil {
		return BaseDN
	}
	return o.rdn + "=" + strings.ReplaceAll(ldap.EscapeDN(o.name), "\n", `\0A`) + "," + o.parent.dn()
}

func (o *object) key() string {
	if o.parent == nil {
		return fold(BaseDN)
	}
	return rdnKey(o.rdn, o.name) + "," + o.parent.key()
}

// copy returns a copy that can be changed, or kept as it is.
func (o *object) copy() *object {
	c := *o
	c.attrs = maps.Clone(o.attrs)
	c.members = slices.Clone(o.members)
	return &c
}

// directory is the objects of a domain. It has no lock of its own.
type directory struct {
	o       Options
	objects []*object
	byKey   map[string]*object
	byGUID  map[string]*object
	bySAM   map[string]*object
	byUPN   map[string]*object
	groups  map[*object]map[*object]bool // of each member
	extra   map[string]attribute
	grave   *object // CN=Deleted Objects
	usn     int64
	rid     uint32
	// invocation names the database that the numbers of changes are of.
	invocation [16]byte
	lag        time.Duration
}

func newDirectory(o Options) *directory {
	d := &directory{
		o: o, byKey: map[string]*object{}, byGUID: map[string]*object{}, bySAM: map[string]*object{}, byUPN: map[string]*object{},
		groups: map[*object]map[*object]bool{}, extra: map[string]attribute{}, rid: 1000, usn: 1000,
	}
	for _, name := range o.Attributes {
		d.extra[strings.ToLower(name)] = attribute{name: name}
	}
	root := d.make(nil, "DC", "skola", "top", "domain", "domainDNS")
	d.make(root, "CN", "Users", "top", "container")
	d.grave = d.make(root, "CN", "Deleted Objects", "top", "container")
	return d
}

// make makes an object of the server's own.
func (d *directory) make(parent *object, rdn, name string, classes ...string) *object {
	o := &object{parent: parent, rdn: rdn, name: name, attrs: map[string][]string{"objectClass": classes}}
	o.live = o
	d.enter(o)
	return o
}

// enter gives a new object what the server gives it, and its place.
func (d *directory) enter(o *object) {
	guid := make([]byte, 16)
	_, _ = rand.Read(guid)
	o.guid = string(guid)
	now := whenText(d.o.Now())
	o.attrs["whenCreated"], o.attrs["uSNCreated"] = []string{now}, []string{strconv.FormatInt(d.usn+1, 10)}
	o.attrs["name"] = []string{o.name}
	o.attrs[strings.ToLower(o.rdn)] = []string{o.name}
	d.objects = append(d.objects, o)
	d.byGUID[o.guid] = o
	o.path = o.key()
	d.byKey[o.path] = o
	d.stamp(o)
}

// stamp numbers a change of an object.
func (d *directory) stamp(o *object) {
	d.usn++
	o.attrs["whenChanged"] = []string{whenText(d.o.Now())}
	o.attrs["uSNChanged"] = []string{strconv.FormatInt(d.usn, 10)}
}

// keep keeps what readers see of an object that is about to change; nil where it is new.
func (d *directory) keep(o *object, view *object) {
	now := d.o.Now()
	if d.lag <= 0 {
		return
	}
	if now.After(o.fresh) {
		o.before = view
	}
	o.fresh = now.Add(d.lag)
}

// view returns an object as readers see it now; nil where they do not.
func (d *directory) view(o *object) *object {
	if o.fresh.IsZero() || d.o.Now().After(o.fresh) {
		return o
	}
	return o.before
}

// find returns the object of a distinguished name, or of <GUID=…>.
func (d *directory) find(dn string) (*object, error) {
	const prefix, suffix = "<guid=", ">"
	if lower := strings.ToLower(dn); strings.HasPrefix(lower, prefix) && strings.HasSuffix(lower, suffix) {
		guid, err := guidOctets(lower[len(prefix) : len(lower)-len(suffix)])
		if err != nil {
			return nil, err
		}
		return d.byGUID[guid], nil
	}
	key, err := dnKey(dn)
	if err != nil {
		return nil, err
	}
	return d.byKey[key], nil
}

func guidOctets(text string) (string, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		return "", errors.New("not a GUID")
	}
	if strings.Contains(text, "-") {
		slices.Reverse(b[:4])
		slices.Reverse(b[4:6])
		slices.Reverse(b[6:8])
	}
	return string(b), nil
}

// target returns the object of a write.
func (d *directory) target(dn string) (*object, result) {
	o, err := d.find(dn)
	switch {
	case err != nil:
		return nil, badDN()
	case o == nil && !inDomain(dn):
		return nil, result{code: 10, text: usualTexts[10], referral: referral(10)}
	case o == nil || o.deleted:
		return nil, noObject()
	default:
		return o, result{}
	}
}

func badDN() result {
	return refusal(34, "00002081", "NameErr: DSID-03050F42, problem 2006 (BAD_NAME), data 8349, best match of:\n")
}

func inDomain(dn string) bool {
	key, err := dnKey(dn)
	return err != nil || strings.HasSuffix(","+key, ","+fold(BaseDN))
}

// signInName returns the account of a UPN, a distinguished name or DOMAIN\name.
func (d *directory) signInName(name string) *object {
	if o := d.byUPN[fold(name)]; o != nil {
		return o
	}
	if _, sam, ok := strings.Cut(name, `\`); ok && !strings.Contains(name, "=") {
		return d.bySAM[fold(sam)]
	}
	if o, err := d.find(name); err == nil && o != nil && !o.deleted && o.is("user") {
		return o
	}
	return nil
}

func (d *directory) attribute(name string) (attribute, bool) {
	if a, ok := d.extra[strings.ToLower(name)]; ok {
		return a, true
	}
	a, ok := schema[strings.ToLower(name)]
	return a, ok
}

var classes = map[string][]string{
	"user":               {"top", "person", "organizationalPerson", "user"},
	"group":              {"top", "group"},
	"organizationalunit": {"top", "organizationalUnit"},
	"container":          {"top", "container"},
	"contact":            {"top", "person", "organizationalPerson", "contact"},
}

func (d *directory) add(r addRequest) result {
	parsed, err := ldap.ParseDN(r.dn)
	if err != nil || len(parsed.RDNs) < 2 || len(parsed.RDNs[0].Attributes) != 1 {
		return badDN()
	}
	own := parsed.RDNs[0].Attributes[0]
	parent, bad := d.target((&ldap.DN{RDNs: parsed.RDNs[1:]}).String())
	if bad.code != 0 {
		return bad
	}
	draft := &object{parent: parent, rdn: strings.ToUpper(own.Type), name: own.Value, attrs: map[string][]string{}}
	draft.live = draft
	for _, c := range r.attributes {
		if strings.EqualFold(c.name, "objectClass") {
			for _, v := range c.values {
				if list := classes[strings.ToLower(v)]; len(list) > len(draft.attrs["objectClass"]) {
					draft.attrs["objectClass"] = list
				}
			}
		}
	}
	if bad := judgeName(draft); bad.code != 0 {
		return bad
	}
	if d.byKey[draft.key()] != nil {
		return exists("00002071")
	}
	// The password is judged last: it must not hold the account's name.
	slices.SortStableFunc(r.attributes, func(a, b change) int { return boolInt(isPassword(a)) - boolInt(isPassword(b)) })
	for _, c := range r.attributes {
		a, ok := d.attribute(c.name)
		if !ok {
			return unknownAttribute()
		}
		if a.name == "objectClass" || a.rdn && fold(strings.Join(c.values, "")) == fold(draft.name) {
			continue
		}
		c.op = ldap.AddAttribute
		if len(c.values) == 0 {
			return attributeRefused(21, "0000200B", "1004 (ATTRIBUTE_OR_VALUE)", a.name)
		}
		if bad := d.change(draft, c); bad.code != 0 {
			return bad
		}
	}
	d.defaults(draft)
	if bad := d.judge(draft); bad.code != 0 {
		return bad
	}
	d.keep(draft, nil)
	d.enter(draft)
	d.index(draft, nil)
	return result{}
}

func isPassword(c change) bool { return strings.EqualFold(c.name, "unicodePwd") }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func unknownAttribute() result {
	return refusal(16, "00000057", "LdapErr: DSID-0C090FA8, comment: Error in attribute conversion operation, data 0, v3839")
}

// judgeName judges an object's class against its name.
func judgeName(o *object) result {
	const longest = 64
	switch {
	case len(o.attrs["objectClass"]) == 0:
		return refusal(65, "00002014", "UpdErr: DSID-031524C2, problem 6002 (OBJ_CLASS_VIOLATION), data 0\n")
	case o.is("organizationalUnit") != (o.rdn == "OU") || o.rdn != "OU" && o.rdn != "CN":
		return refusal(64, "00002099", "NameErr: DSID-03050DD7, problem 2005 (NAMING_VIOLATION), data 0, best match of:\n")
	case !o.is("organizationalUnit") && (o.parent.is("user") || o.parent.is("group")), o.is("organizationalUnit") && o.parent.is("container"):
		return refusal(64, "00002099", "UpdErr: DSID-03050DD7, problem 6001 (NAMING_VIOLATION), data 0\n")
	case o.name == "" || len([]rune(o.name)) > longest:
		return attributeRefused(19, "00002082", "1005 (CONSTRAINT_ATT_TYPE)", "cn")
	default:
		return result{}
	}
}

// defaults gives a new object what it was not given.
func (d *directory) defaults(o *object) {
	set := func(name, value string) {
		if len(o.attrs[name]) == 0 {
			o.attrs[name] = []string{value}
		}
	}
	set("instanceType", "4")
	account := o.is("user") || o.is("group")
	if account {
		d.rid++
		sid := []byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0}
		set("objectSid", string(binary.LittleEndian.AppendUint32(sid, d.rid)))
		set("sAMAccountName", fmt.Sprintf("$%06X-%012X", d.rid, d.rid))
	}
	switch {
	case o.is("user"):
		set("objectCategory", "CN=Person,CN=Schema,CN=Configuration,"+BaseDN)
		set("userAccountControl", strconv.Itoa(uacNormal|uacNoPassword|uacDisabled))
		set("accountExpires", strconv.FormatInt(never, 10))
		set("pwdLastSet", "0")
		set("sAMAccountType", "805306368")
		set("primaryGroupID", "513")
	case o.is("group"):
		set("objectCategory", "CN=Group,CN=Schema,CN=Configuration,"+BaseDN)
		set("groupType", groupGlobal)
		set("sAMAccountType", "268435456")
	case o.is("organizationalUnit"):
		set("objectCategory", "CN=Organizational-Unit,CN=Schema,CN=Configuration,"+BaseDN)
	}
}

// judge judges an object as a whole, before it is so.
func (d *directory) judge(o *object) result {
	if !o.is("user") && !o.is("group") {
		return result{}
	}
	sam := o.value("sAMAccountName")
	if sam == "" || strings.ContainsAny(sam, forbiddenInSAM) || strings.HasSuffix(sam, ".") || o.is("user") && len([]rune(sam)) > maxUserSAM {
		return refusal(80, "00000523", "SysErr: DSID-031A1256, problem 22 (Invalid argument), data 0\n")
	}
	if other := d.bySAM[fold(sam)]; other != nil && other != o.live {
		return exists("00000524")
	}
	if upn := o.value("userPrincipalName"); upn != "" {
		if other := d.byUPN[fold(upn)]; other != nil && other != o.live {
			return attributeRefused(19, "000021C8", "1005 (CONSTRAINT_ATT_TYPE)", "userPrincipalName")
		}
	}
	uac := o.number("userAccountControl")
	if o.is("user") && uac&uacDisabled == 0 && uac&uacNoPassword == 0 && o.password == "" {
		return unwilling("0000052D")
	}
	return result{}
}

// index moves an object to its place in the indexes; old is what it was, or nil.
func (d *directory) index(o, old *object) {
	if old != nil {
		delete(d.bySAM, fold(old.value("sAMAccountName")))
		delete(d.byUPN, fold(old.value("userPrincipalName")))
		for _, m := range old.members {
			delete(d.groups[m], o)
		}
	}
	if o.deleted {
		return
	}
	if sam := o.value("sAMAccountName"); sam != "" {
		d.bySAM[fold(sam)] = o
	}
	if upn := o.value("userPrincipalName"); upn != "" {
		d.byUPN[fold(upn)] = o
	}
	for _, m := range o.members {
		if d.groups[m] == nil {
			d.groups[m] = map[*object]bool{}
		}
		d.groups[m][o] = true
	}
}

func (d *directory) modify(dn string, changes []change) result {
	o, bad := d.target(dn)
	if bad.code != 0 {
		return bad
	}
	draft := o.copy()
	before := draft.copy()
	if bad := d.changePassword(draft, changes); bad.code != 0 {
		return bad
	}
	for _, c := range changes {
		if isPassword(c) {
			continue
		}
		if bad := d.change(draft, c); bad.code != 0 {
			return bad
		}
	}
	if bad := d.judge(draft); bad.code != 0 {
		return bad
	}
	d.commit(o, draft, before)
	return result{}
}

// commit makes an object what its draft is.
func (d *directory) commit(o, draft, before *object) {
	d.keep(o, before)
	o.attrs, o.members, o.password, o.wrong = draft.attrs, draft.members, draft.password, draft.wrong
	o.rdn, o.name, o.parent, o.deleted = draft.rdn, draft.name, draft.parent, draft.deleted
	d.stamp(o)
	d.index(o, before)
}

func (d *directory) rename(dn, newRDN, newParent string) result {
	o, bad := d.target(dn)
	if bad.code != 0 {
		return bad
	}
	parsed, err := ldap.ParseDN(newRDN)
	if err != nil || len(parsed.RDNs) != 1 || len(parsed.RDNs[0].Attributes) != 1 || o.parent == nil {
		return badDN()
	}
	draft, before := o.copy(), o.copy()
	draft.rdn, draft.name = strings.ToUpper(parsed.RDNs[0].Attributes[0].Type), parsed.RDNs[0].Attributes[0].Value
	if newParent != "" {
		if draft.parent, bad = d.target(newParent); bad.code != 0 {
			return bad
		}
		for p := draft.parent; p != nil; p = p.parent {
			if p == o {
				return unwilling("00002008")
			}
		}
	}
	if bad := judgeName(draft); bad.code != 0 {
		return bad
	}
	if other := d.byKey[draft.key()]; other != nil && other != o {
		return exists("00002071")
	}
	draft.attrs["name"], draft.attrs[strings.ToLower(draft.rdn)] = []string{draft.name}, []string{draft.name}
	d.move(o, draft, before)
	return result{}
}

// move commits a draft that has another name or place, and takes what lies below along.
func (d *directory) move(o, draft, before *object) {
	suffix := "," + o.path
	var below []*object
	for key, other := range d.byKey {
		if other == o || strings.HasSuffix(key, suffix) {
			below = append(below, other)
			delete(d.byKey, key)
		}
	}
	d.commit(o, draft, before)
	for _, other := range below {
		other.path = other.key()
		d.byKey[other.path] = other
	}
}

func (d *directory) delete(dn string) result {
	o, bad := d.target(dn)
	if bad.code != 0 {
		return bad
	}
	suffix := "," + o.path
	for key := range d.byKey {
		if strings.HasSuffix(key, suffix) {
			return refusal(66, "00002015", "UpdErr: DSID-031A1236, problem 6003 (CANT_ON_NON_LEAF), data 0\n")
		}
	}
	if o.parent == nil || o.parent.parent == nil && o.is("container") {
		return unwilling("00002016")
	}
	for group := range d.groups[o] {
		draft, before := group.copy(), group.copy()
		draft.members = slices.DeleteFunc(draft.members, func(m *object) bool { return m == o })
		d.commit(group, draft, before)
	}
	draft, before := o.copy(), o.copy()
	draft.deleted, draft.members, draft.password = true, nil, ""
	draft.attrs = map[string][]string{"isDeleted": {"TRUE"}, "lastKnownParent": {o.parent.dn()}}
	for _, name := range []string{"objectClass", "objectSid", "sAMAccountName", "whenCreated", "uSNCreated", "instanceType", "userAccountControl", "groupType"} {
		if v, ok := o.attrs[name]; ok {
			draft.attrs[name] = v
		}
	}
	guid := []byte(o.guid)
	slices.Reverse(guid[:4])
	slices.Reverse(guid[4:6])
	slices.Reverse(guid[6:8])
	draft.rdn, draft.parent = "CN", d.grave
	draft.name = fmt.Sprintf("%s\nDEL:%x-%x-%x-%x-%x", o.name, guid[:4], guid[4:6], guid[6:8], guid[8:10], guid[10:])
	draft.attrs["name"], draft.attrs["cn"] = []string{draft.name}, []string{draft.name}
	d.move(o, draft, before)
	return result{}
}
