package ad

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/transport/ldapx"
)

// Attributes of every object.
const (
	attributeMark = "adminDescription" // of groups and OUs: our id
	attributeUAC  = "userAccountControl"
	attributeText = "description"
	attributePwd  = "pwdLastSet"

	attributeLogon = "lastLogonTimestamp"
)

// Bits of userAccountControl.
const (
	uacDisabled = 0x2
	uacNormal   = 0x200
)

// markForm begins our id in adminDescription, and markFound ends that of an OU that was there before us.
const (
	markForm  = "ess:"
	markFound = ";found"
)

// chunk is how many objects are asked for at once.
const chunk = 50

// object is something in the directory.
type object struct {
	id    target.ID // zero for what is not ours
	guid  string
	dn    string
	found bool // an OU that was there before us
	fresh bool // it was made a moment ago, as it is wanted
	whole bool // its members, if it has any, were read with it
	entry *ldap.Entry
	mark  string // what stands where our id does
}

// base is what the object is addressed by.
func (o *object) base() string { return "<GUID=" + o.guid + ">" }

func (o *object) value(name string) string    { return o.entry.GetEqualFoldAttributeValue(name) }
func (o *object) values(name string) []string { return o.entry.GetEqualFoldAttributeValues(name) }
func (o *object) is(class string) bool        { return slices.Contains(lower(o.values("objectClass")), class) }
func (o *object) claimed() bool               { return o.mark != "" }
func (o *object) number(name string) (n int64) {
	n, _ = strconv.ParseInt(o.value(name), 10, 64)
	return n
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// kind is that of the resource which the object can be.
func (o *object) kind() string {
	switch {
	case o.is("group"):
		return kindGroup
	case o.is("organizationalunit"):
		return kindOU
	case o.is("user") && !o.is("computer"):
		return kindUser
	default:
		return ""
	}
}

// firstOfOwn is the first relative id that a domain gives out: those below it are of its own accounts and groups.
const firstOfOwn = 1000

// protected tells whether an object rules the domain: an administrator of it, or one that came with it.
func (o *object) protected() bool {
	if n := o.number("adminCount"); n > 0 || strings.EqualFold(o.value("isCriticalSystemObject"), "TRUE") {
		return true
	}
	sid := o.entry.GetEqualFoldRawAttributeValue("objectSid")
	if len(sid) < 12 {
		return false
	}
	rid := sid[len(sid)-4:]
	return uint32(rid[0])|uint32(rid[1])<<8|uint32(rid[2])<<16|uint32(rid[3])<<24 < firstOfOwn
}

// disabled tells whether nobody can use an account.
func (o *object) disabled() bool {
	return o.kind() == kindUser && o.number(attributeUAC)&uacDisabled != 0
}

// attributes are those that are read of every object.
func (s *sink) attributes() []string {
	list := []string{
		"objectGUID", "objectClass", "objectSid", "adminCount", "isCriticalSystemObject", attributeMark, attributeUAC, attributeText, attributePwd, attributeLogon,
		fieldSAM, fieldUPN, fieldMail, fieldProxy, fieldShown, fieldType, "memberOf", s.IDAttribute,
	}
	return append(list, s.mapping.names...)
}

// objectOf reads an entry.
func (s *sink) objectOf(e *ldap.Entry) (*object, error) {
	guid, err := ldapx.GUIDOf(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		return nil, s.fault(reason.Transient, err, reason.AnswerUnreadable, "what", "objectGUID")
	}
	o := &object{guid: guid.String(), dn: e.DN, entry: e}
	kind := o.kind()
	if kind == kindUser {
		if o.mark = o.value(s.IDAttribute); keyForm.MatchString(o.mark) {
			o.id = target.ID{Kind: kind, Key: o.mark}
		}
		return o, nil
	}
	o.mark = o.value(attributeMark)
	if key, ok := strings.CutPrefix(o.mark, markForm+kind+":"); ok && kind != "" {
		key, o.found = strings.CutSuffix(key, markFound)
		o.id = target.ID{Kind: kind, Key: key}
	}
	return o, nil
}

// equalTo is the filter for what has an id of ours.
func (s *sink) equalTo(id target.ID) string {
	if id.Kind == kindUser {
		return ldapx.Equal(s.IDAttribute, id.Key)
	}
	mark := markForm + id.Kind + ":" + id.Key
	if id.Kind == kindOU {
		return "(|" + ldapx.Equal(attributeMark, mark) + ldapx.Equal(attributeMark, mark+markFound) + ")"
	}
	return ldapx.Equal(attributeMark, mark)
}

// anyOf is the filter for what one of several finds.
func anyOf(filters []string) string { return "(|" + strings.Join(filters, "") + ")" }

// filterOf is the filter for all objects of a kind.
func filterOf(kind string) string {
	switch kind {
	case kindUser:
		return "(&(objectCategory=person)(objectClass=user))"
	case kindGroup:
		return "(objectClass=group)"
	default:
		return "(objectClass=organizationalUnit)"
	}
}

// read returns the object of each operation, or nil where there is none: by its objectGUID, then by our id. What is to be
// made is taken for new.
func (s *sink) read(ctx context.Context, ops []target.Operation) ([]*object, error) {
	there := make([]*object, len(ops))
	byGUID := map[string][]int{}
	var guids []ldapx.GUID
	for i, op := range ops {
		if op.Verb == target.Create {
			continue
		}
		if g, err := ldapx.ParseGUID(op.Native); err == nil {
			if byGUID[g.String()] == nil {
				guids = append(guids, g)
			}
			byGUID[g.String()] = append(byGUID[g.String()], i)
		}
	}
	for part := range slices.Chunk(guids, chunk) {
		var filters []string
		for _, g := range part {
			filters = append(filters, g.Filter())
		}
		list, err := s.find(ctx, anyOf(filters), s.attributes())
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			for _, i := range byGUID[o.guid] {
				there[i] = o
			}
		}
	}
	for i, op := range ops {
		if there[i] != nil || op.Verb == target.Create {
			continue
		}
		o, err := s.byID(ctx, op.Resource.ID)
		if err != nil {
			return nil, err
		}
		there[i] = o
	}
	return there, nil
}

// find returns the objects of the whole domain that a filter finds: one that somebody moved away is not a lost one.
func (s *sink) find(ctx context.Context, filter string, attributes []string) ([]*object, error) {
	domain, err := s.domainDN(ctx)
	if err != nil {
		return nil, err
	}
	return s.in(ctx, domain, filter, attributes)
}

// in returns the objects below a DN that a filter finds.
func (s *sink) in(ctx context.Context, base, filter string, attributes []string) ([]*object, error) {
	list, err := s.search(ctx, ldapx.Query{Base: base, Scope: ldap.ScopeWholeSubtree, Filter: filter, Attributes: attributes})
	if err != nil {
		return nil, err
	}
	out := make([]*object, 0, len(list))
	for _, e := range list {
		o, err := s.objectOf(e)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// byID returns what has an id of ours, or nil.
func (s *sink) byID(ctx context.Context, id target.ID) (*object, error) {
	list, err := s.find(ctx, "(&"+filterOf(id.Kind)+s.equalTo(id)+")", s.attributes())
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(o *object) bool { return o.id != id }) // filters find what is only alike
	switch len(list) {
	case 0:
		return nil, nil
	case 1:
		return list[0], nil
	default:
		return nil, s.fault(reason.Invalid, nil, reason.IDTwice, "object", list[0].guid, "other", list[1].guid)
	}
}

// Lookup finds an object by its objectGUID, then by our id. One that somebody moved out of the configured OUs is not held
// there; that there is one is told when it is to be made again.
func (s *sink) Lookup(ctx context.Context, id target.ID, native string) (target.Held, error) {
	defer s.use()()
	there, err := s.read(ctx, []target.Operation{{Verb: target.Update, Resource: target.Resource{ID: id}, Native: native}})
	if err != nil {
		return target.Held{}, err
	}
	o := there[0]
	if o == nil || o.id != id || !s.within(o.dn) {
		if err := s.stand(ctx); err != nil {
			return target.Held{}, err
		}
		return target.Held{}, target.ErrNotFound
	}
	return s.held(ctx, o)
}

// held is an object in the words of the mapping.
func (s *sink) held(ctx context.Context, o *object) (h target.Held, err error) {
	h = target.Held{ID: o.id, Native: o.guid, Disabled: o.disabled()}
	put := func(name, value string) {
		if value != "" {
			h.Fields = append(h.Fields, target.Field{Name: name, Value: roster.Personal(value)})
		}
	}
	at, err := s.ouOf(ctx, o)
	if err != nil {
		return h, err
	}
	name := nameOf(o.dn)
	switch o.kind() {
	case kindOU:
		put(fieldName, name)
		put(fieldOU, at)
	case kindUser:
		put(fieldOU, at)
		put(fieldCN, name)
		put(fieldSAM, o.value(fieldSAM))
		put(fieldUPN, o.value(fieldUPN))
		if s.hasMail() {
			put(fieldMail, o.value(fieldMail))
		}
		if s.hasProxies() {
			for _, v := range o.values(fieldProxy) {
				if strings.HasPrefix(v, primary) {
					put(fieldProxy, v)
				}
			}
		}
		for _, name := range s.mapping.names {
			put(name, o.value(name))
		}
	case kindGroup:
		put(fieldOU, at)
		put(fieldShown, o.value(fieldShown))
		put(fieldCN, name)
		put(fieldSAM, o.value(fieldSAM))
		put(fieldType, o.value(fieldType))
		members, err := s.membersOf(ctx, o)
		if err != nil {
			return h, err
		}
		h.Sets = []target.Set{{Name: setMembers, Members: members}}
	}
	return h, nil
}

// nameOf is the value of the first part of a DN.
func nameOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return ""
	}
	return parsed.RDNs[0].Attributes[0].Value
}

// fold is what two spellings of a DN have in common.
func fold(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	return strings.ToLower(parsed.String())
}

// know remembers an object that is ours.
func (s *sink) know(id target.ID, o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guids[id] = o.guid
	if s.people != nil && o.dn != "" {
		s.people[fold(o.dn)] = who{id, o.guid}
	}
}

// forget drops what is remembered of names and places, which were changed.
func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ous, s.ouKeys, s.people = map[string]string{}, map[string]string{}, nil
	if s.guids == nil {
		s.guids = map[target.ID]string{}
	}
}

// errNoObject says that a domain controller says nothing of what it made a moment ago.
var errNoObject = errors.New("what was made is not found")

// made reads back what was made, for its objectGUID.
func (s *sink) made(ctx context.Context, dn string) (*object, error) {
	list, err := s.search(ctx, ldapx.Query{Base: dn, Scope: ldap.ScopeBaseObject, Attributes: []string{"objectGUID", "objectClass"}})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, s.fault(reason.Transient, errNoObject, reason.AnswerUnreadable, "what", "objectGUID")
	}
	o, err := s.objectOf(list[0])
	if err != nil {
		return nil, err
	}
	o.fresh = true
	return o, nil
}
