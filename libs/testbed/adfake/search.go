package adfake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// rootDSE returns what the server says of itself.
func (d *directory) rootDSE(q searchRequest) []change {
	all := []change{
		{name: "defaultNamingContext", values: []string{BaseDN}},
		{name: "rootDomainNamingContext", values: []string{BaseDN}},
		{name: "configurationNamingContext", values: []string{"CN=Configuration," + BaseDN}},
		{name: "dnsHostName", values: []string{serverName}},
		{name: "dsServiceName", values: []string{serviceDN}},
		{name: "supportedControl", values: []string{oidPaging, oidDeleted, oidLenient}},
		{name: "supportedCapabilities", values: []string{"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"}},
		{name: "isGlobalCatalogReady", values: []string{"TRUE"}},
		{name: "highestCommittedUSN", values: []string{strconv.FormatInt(d.usn, 10)}},
	}
	return slices.DeleteFunc(all, func(a change) bool { return !wanted(q.attributes, a.name) })
}

// serviceDN is the object that stands for the server itself.
const serviceDN = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration," + BaseDN

// service returns what that object says.
func (d *directory) service(q searchRequest) []change {
	all := []change{{name: "objectClass", values: []string{"top", "nTDSDSA"}}, {name: "invocationId", values: []string{string(d.invocation[:])}}}
	return slices.DeleteFunc(all, func(a change) bool { return !wanted(q.attributes, a.name) })
}

// wanted tells whether an attribute was asked for.
func wanted(asked []string, name string) bool {
	return len(asked) == 0 || slices.ContainsFunc(asked, func(a string) bool { return a == "*" || strings.EqualFold(a, name) })
}

func (c *conn) search(m *message) []*ber.Packet {
	d, q := c.s.dir, m.search
	done := func(r result, controls ...*ber.Packet) *ber.Packet { return response(m.id, m.answer(), r, controls...) }
	if err := checkFilter(q.filter); err != nil {
		return []*ber.Packet{done(refusal(87, "00000057", "LdapErr: DSID-0C090AD1, comment: bad filter, data 0, v3839"))}
	}
	var found []*object
	if q.paged && q.cookie != "" {
		var ok bool
		if found, ok = c.pages[q.cookie]; !ok { // cookies belong to their connection
			return []*ber.Packet{done(refusal(12, "00000057", "LdapErr: DSID-0C090AD1, comment: Error processing control, data 0, v3839"))}
		}
		delete(c.pages, q.cookie)
	} else {
		base, err := d.find(m.dn)
		switch {
		case err != nil:
			return []*ber.Packet{done(badDN())}
		case base == nil && !inDomain(m.dn):
			return []*ber.Packet{done(result{code: 10, text: usualTexts[10], referral: referral(10)})}
		case base == nil || d.view(base) == nil || d.view(base).deleted && !q.deleted:
			return []*ber.Packet{done(noObject())}
		}
		found = d.match(d.view(base), q)
	}
	limit := c.s.o.MaxPage
	if q.paged && q.page > 0 {
		limit = min(limit, int(q.page))
	}
	if q.size > 0 {
		limit = min(limit, int(q.size))
	}
	rest := found[min(limit, len(found)):]
	var out []*ber.Packet
	for _, o := range found[:len(found)-len(rest)] {
		list := d.attributes(o, q)
		if slices.ContainsFunc(q.attributes, func(name string) bool { return strings.EqualFold(name, makes) }) && c.mayWrite(&message{dn: o.dn()}).code == 0 {
			list = append(list, change{name: makes, values: []string{"user", "group", "organizationalUnit"}})
		}
		out = append(out, entryPacket(m.id, o.dn(), list))
	}
	if strings.EqualFold(m.dn, BaseDN) && q.scope == ldap.ScopeWholeSubtree && len(rest) == 0 {
		for _, zone := range []string{"ForestDnsZones", "DomainDnsZones"} {
			out = append(out, referencePacket(m.id, "ldap://"+zone+".skola.test/DC="+zone+","+BaseDN))
		}
	}
	switch {
	case q.paged:
		cookie := ""
		if len(rest) > 0 {
			c.cookies++
			cookie = fmt.Sprintf("page %d", c.cookies)
			c.pages[cookie] = rest
		}
		return append(out, done(result{}, control(oidPaging, sequence(integer(0), octets(cookie)))))
	case len(rest) > 0:
		return append(out, done(result{code: 4}))
	default:
		return append(out, done(result{}))
	}
}

// makes is the attribute that tells what who asks may make in an object.
const makes = "allowedChildClassesEffective"

// match returns what a search finds, as readers see it.
func (d *directory) match(base *object, q searchRequest) (list []*object) {
	filter := d.filter(q.filter)
	if q.scope == ldap.ScopeBaseObject {
		if filter(base) == yes {
			list = append(list, base)
		}
		return list
	}
	below := "," + base.path
	for _, live := range d.objects {
		o := d.view(live)
		if o == nil || o.deleted && !q.deleted {
			continue
		}
		in := o.live == base.live
		switch q.scope {
		case ldap.ScopeSingleLevel:
			in = o.parent != nil && o.parent.live == base.live
		case ldap.ScopeWholeSubtree:
			in = in || strings.HasSuffix(o.path, below)
		}
		if in && filter(o) == yes {
			list = append(list, o)
		}
	}
	return list
}

// values returns the values of an attribute, also of one that is computed.
func (d *directory) values(o *object, name string) []string {
	a, ok := d.attribute(name)
	if !ok {
		return nil
	}
	return d.valuesOf(o, a)
}

func (d *directory) valuesOf(o *object, a attribute) []string {
	switch a.name {
	case "distinguishedName":
		return []string{o.dn()}
	case "objectGUID":
		return []string{o.guid}
	case "unicodePwd":
		return nil
	case "member":
		list := make([]string, len(o.members))
		for i, m := range o.members {
			list[i] = m.dn()
		}
		return list
	case "memberOf":
		var list []string
		for g := range d.groups[o.live] {
			list = append(list, g.dn())
		}
		slices.Sort(list)
		return list
	}
	return o.attrs[a.name]
}

// names returns the attributes that an object has.
func (d *directory) names(o *object) []string {
	names := slices.Collect(maps.Keys(o.attrs))
	names = append(names, "distinguishedName", "objectGUID")
	if len(o.members) > 0 {
		names = append(names, "member")
	}
	if len(d.groups[o.live]) > 0 {
		names = append(names, "memberOf")
	}
	slices.Sort(names)
	return names
}

// attributes returns what a search shows of an object.
func (d *directory) attributes(o *object, q searchRequest) (list []change) {
	asked := q.attributes
	if len(asked) == 0 || slices.Contains(asked, "*") {
		asked = append(slices.Clone(asked), d.names(o)...)
	}
	seen := map[string]bool{}
	for _, name := range asked {
		plain, from, to, ranged := rangeOf(name)
		values := d.values(o, plain)
		a, _ := d.attribute(plain)
		if seen[a.name] || len(values) == 0 {
			continue
		}
		seen[a.name] = true
		limit := d.o.MaxRange
		if ranged || len(values) > limit {
			if from >= len(values) {
				continue
			}
			end := len(values)
			if to >= 0 {
				end = min(end, to+1)
			}
			end = min(end, from+limit)
			label := fmt.Sprintf("%s;range=%d-%d", a.name, from, end-1)
			if end == len(values) {
				label = fmt.Sprintf("%s;range=%d-*", a.name, from)
			}
			if !ranged {
				list = append(list, change{name: a.name})
			}
			list = append(list, change{name: label, values: values[from:end]})
			continue
		}
		list = append(list, change{name: a.name, values: values})
	}
	if q.typesOnly {
		for i := range list {
			list[i].values = nil
		}
	}
	return list
}

func rangeOf(name string) (plain string, from, to int, ranged bool) {
	plain, option, ok := strings.Cut(name, ";")
	if !ok || !strings.HasPrefix(strings.ToLower(option), "range=") {
		return name, 0, -1, false
	}
	low, high, _ := strings.Cut(option[len("range="):], "-")
	from, err := strconv.Atoi(low)
	if err != nil {
		return name, 0, -1, false
	}
	if to = -1; high != "*" {
		if to, err = strconv.Atoi(high); err != nil {
			return name, 0, -1, false
		}
	}
	return plain, from, to, true
}

// entries returns everything, for a dump.
func (d *directory) entries() (list []*ldap.Entry) {
	for _, o := range d.objects {
		e := &ldap.Entry{DN: o.dn()}
		for _, name := range d.names(o) {
			if values := d.values(o, name); len(values) > 0 {
				e.Attributes = append(e.Attributes, ldap.NewEntryAttribute(name, values))
			}
		}
		list = append(list, e)
	}
	return list
}
