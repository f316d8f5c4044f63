package adfake

import (
	"errors"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// The operations, as counters and faults call them.
const (
	opAbandon  = "abandon"
	opAdd      = "add"
	opBind     = "bind"
	opDelete   = "delete"
	opExtended = "extended"
	opModify   = "modify"
	opRename   = "rename"
	opSearch   = "search"
	opUnbind   = "unbind"
)

const tagExtended = ldap.ApplicationExtendedRequest

var operations = map[ber.Tag]string{
	ldap.ApplicationBindRequest: opBind, ldap.ApplicationUnbindRequest: opUnbind, ldap.ApplicationSearchRequest: opSearch,
	ldap.ApplicationModifyRequest: opModify, ldap.ApplicationAddRequest: opAdd, ldap.ApplicationDelRequest: opDelete,
	ldap.ApplicationModifyDNRequest: opRename, ldap.ApplicationAbandonRequest: opAbandon, ldap.ApplicationExtendedRequest: opExtended,
}

// message is a request.
type message struct {
	id       int64
	op       string
	tag      ber.Tag
	dn       string // of the object; of a bind: who
	password string

	add               addRequest
	changes           []change
	newRDN, newParent string
	search            searchRequest
	bad               *result // what is wrong with the request itself
}

// answer returns the tag of the response.
func (m *message) answer() ber.Tag {
	switch m.op {
	case opSearch:
		return ldap.ApplicationSearchResultDone
	default:
		return m.tag + 1
	}
}

type addRequest struct {
	dn         string
	attributes []change
}

// change is a change of an attribute; op is ldap.AddAttribute, DeleteAttribute or ReplaceAttribute.
type change struct {
	op      int64
	name    string
	values  []string
	lenient bool // what is so already is no mistake
}

type searchRequest struct {
	scope      int64
	size       int64
	filter     *ber.Packet
	attributes []string
	typesOnly  bool

	paged   bool
	page    int64
	cookie  string
	deleted bool
}

var errMessage = errors.New("not a request")

// kids returns the children of a constructed packet, if they are at least so many.
func kids(p *ber.Packet, least int) ([]*ber.Packet, error) {
	if p == nil || len(p.Children) < least {
		return nil, errMessage
	}
	return p.Children, nil
}

func text(p *ber.Packet) string { return p.Data.String() }

func number(p *ber.Packet) int64 {
	n, err := ber.ParseInt64(p.Data.Bytes())
	if err != nil {
		return -1
	}
	return n
}

func parseMessage(p *ber.Packet) (*message, error) {
	parts, err := kids(p, 2)
	if err != nil || parts[1].ClassType != ber.ClassApplication {
		return nil, errMessage
	}
	m := &message{id: number(parts[0]), tag: parts[1].Tag, op: operations[parts[1].Tag]}
	switch m.op {
	case opUnbind, opAbandon, opExtended:
	case opBind:
		err = m.parseBind(parts[1])
	case opSearch:
		err = m.parseSearch(parts[1])
	case opModify:
		err = m.parseModify(parts[1])
	case opAdd:
		err = m.parseAdd(parts[1])
	case opRename:
		err = m.parseRename(parts[1])
	case opDelete:
		m.dn = text(parts[1])
	default:
		err = errMessage
	}
	if err == nil && len(parts) > 2 {
		err = m.parseControls(parts[2])
	}
	return m, err
}

func (m *message) parseBind(p *ber.Packet) error {
	parts, err := kids(p, 3)
	if err != nil {
		return err
	}
	m.dn, m.password = text(parts[1]), text(parts[2])
	if parts[2].Tag != 0 {
		m.bad = &result{code: 7, text: "00002027: LdapErr: DSID-0C0905D0, comment: Invalid Authentication method, data 0, v3839"}
	}
	return nil
}

func parseAttribute(p *ber.Packet) (c change, err error) {
	parts, err := kids(p, 2)
	if err != nil {
		return c, err
	}
	c.name = text(parts[0])
	for _, v := range parts[1].Children {
		c.values = append(c.values, text(v))
	}
	return c, nil
}

func (m *message) parseAdd(p *ber.Packet) error {
	parts, err := kids(p, 2)
	if err != nil {
		return err
	}
	m.dn = text(parts[0])
	m.add.dn = m.dn
	for _, a := range parts[1].Children {
		c, err := parseAttribute(a)
		if err != nil {
			return err
		}
		m.add.attributes = append(m.add.attributes, c)
	}
	return nil
}

func (m *message) parseModify(p *ber.Packet) error {
	parts, err := kids(p, 2)
	if err != nil {
		return err
	}
	m.dn = text(parts[0])
	for _, a := range parts[1].Children {
		two, err := kids(a, 2)
		if err != nil {
			return err
		}
		c, err := parseAttribute(two[1])
		if err != nil {
			return err
		}
		c.op = number(two[0])
		m.changes = append(m.changes, c)
	}
	return nil
}

func (m *message) parseRename(p *ber.Packet) error {
	parts, err := kids(p, 3)
	if err != nil {
		return err
	}
	m.dn, m.newRDN = text(parts[0]), text(parts[1])
	if number(parts[2]) == 0 {
		m.bad = &result{code: 53, text: usualTexts[53]} // the old name always goes
	}
	if len(parts) > 3 {
		m.newParent = text(parts[3])
	}
	return nil
}

func (m *message) parseSearch(p *ber.Packet) error {
	parts, err := kids(p, 8)
	if err != nil {
		return err
	}
	m.dn = text(parts[0])
	m.search = searchRequest{scope: number(parts[1]), size: number(parts[3]), typesOnly: number(parts[5]) != 0, filter: parts[6]}
	for _, a := range parts[7].Children {
		m.search.attributes = append(m.search.attributes, text(a))
	}
	return nil
}

// Controls.
const (
	oidPaging  = "1.2.840.113556.1.4.319"
	oidDeleted = "1.2.840.113556.1.4.417"
	oidLenient = "1.2.840.113556.1.4.1413"
)

func (m *message) parseControls(p *ber.Packet) error {
	for _, c := range p.Children {
		parts, err := kids(c, 1)
		if err != nil {
			return err
		}
		critical := false
		var value []byte
		for _, part := range parts[1:] {
			if part.Tag == ber.TagBoolean {
				critical = number(part) != 0
			} else {
				value = part.Data.Bytes()
			}
		}
		switch oid := text(parts[0]); oid {
		case oidPaging:
			if m.search.paged = true; m.paging(value) != nil {
				return errMessage
			}
		case oidDeleted:
			m.search.deleted = true
		case oidLenient:
			for i := range m.changes {
				m.changes[i].lenient = true
			}
		default:
			if critical {
				m.bad = &result{code: 12, text: "00002040: SvcErr: DSID-031401E7, problem 5010 (UNAVAIL_EXTENSION), data 0"}
			}
		}
	}
	return nil
}

// paging reads how many entries a page is to have, and the cookie of the last one.
func (m *message) paging(value []byte) error {
	p, err := ber.DecodePacketErr(value)
	if err != nil {
		return err
	}
	parts, err := kids(p, 2)
	if err != nil {
		return err
	}
	m.search.page, m.search.cookie = number(parts[0]), text(parts[1])
	return nil
}

// result is the end of an operation.
type result struct {
	code     int
	text     string
	referral string
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func sequence(children ...*ber.Packet) *ber.Packet {
	p := ber.NewSequence("")
	for _, c := range children {
		p.AppendChild(c)
	}
	return p
}

func integer(n int64) *ber.Packet {
	return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, n, "")
}

func application(tag ber.Tag, children ...*ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	for _, c := range children {
		p.AppendChild(c)
	}
	return p
}

func response(id int64, tag ber.Tag, r result, controls ...*ber.Packet) *ber.Packet {
	body := application(tag, ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(r.code), ""), octets(""), octets(r.text))
	if r.referral != "" {
		ref := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		ref.AppendChild(octets(r.referral))
		body.AppendChild(ref)
	}
	p := sequence(integer(id), body)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range controls {
			list.AppendChild(c)
		}
		p.AppendChild(list)
	}
	return p
}

func control(oid string, value *ber.Packet) *ber.Packet {
	return sequence(octets(oid), octets(string(value.Bytes())))
}

func entryPacket(id int64, dn string, attributes []change) *ber.Packet {
	list := sequence()
	for _, a := range attributes {
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.values {
			set.AppendChild(octets(v))
		}
		list.AppendChild(sequence(octets(a.name), set))
	}
	return sequence(integer(id), application(ldap.ApplicationSearchResultEntry, octets(dn), list))
}

func referencePacket(id int64, url string) *ber.Packet {
	return sequence(integer(id), application(ldap.ApplicationSearchResultReference, octets(url)))
}
