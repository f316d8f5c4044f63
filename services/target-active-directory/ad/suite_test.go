package ad_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/testbed/adfake"
	"eventful.se/ess/libs/transport/ldapx"
	"eventful.se/ess/services/target-active-directory/ad"
)

const deadline = 1500 * time.Millisecond

func TestSuite(t *testing.T) {
	suite(t, newController(t), "Samba AD over LDAPS, as a delegated service account", 5)
}

// TestStrict holds the connector to what Windows refuses and Samba takes. Its processes die at every step.
func TestStrict(t *testing.T) {
	suite(t, newStrict(t), "a directory as strict as Windows, in memory", 0)
}

func suite(t *testing.T, dc *controller, against string, crashes int) {
	targettest.Test(t, targettest.Under{
		Connector: ad.Connector(),
		Peer: func(t *testing.T) (targettest.Peer, string) {
			p := dc.peer(t)
			return p, p.settings()
		},
		Refused: refusedSettings,
		Secrets: []string{dc.service.Password},
		Claims: targettest.Claims{
			Units: true, Pupils: true, Staff: true, Groups: true,
			Shows: []targettest.Attribute{
				targettest.GivenName, targettest.FamilyName, targettest.Username, targettest.Email, targettest.GroupName, targettest.UnitName,
			},
			Disables: true, Aliases: true, Lists: true, Verifies: true, Moves: true, Finds: "matchBy: [mail]",
			Rate:     &targettest.Rate{Settings: "rate: 20", PerSecond: 20, Burst: 20, Shared: true},
			Deadline: deadline,
		},
		Against: against,
		Crashes: crashes,
	})
}

// controller is a domain controller for all peers of a test: they have the same OUs, one after the other.
type controller struct {
	addr, name string // host:port, and what its certificate is good for
	BaseDN     string
	pool       *x509.CertPool
	service    testbed.Account
	admin      func(testing.TB) *ldap.Conn
}

func newController(t testing.TB) *controller {
	t.Helper()
	s := testbed.StartSambaAD(t, testbed.SambaOptions{})
	c := &controller{addr: s.Addr + ":636", name: s.ServerName, BaseDN: s.BaseDN, pool: poolOf(t, s.CAFile), admin: s.Admin}
	c.service = s.Delegate(t, "ess", c.places(t)...)
	return c
}

// newStrict is one that refuses what Windows does, and is not a real one.
func newStrict(t testing.TB) *controller {
	t.Helper()
	s := adfake.Start(t, adfake.Options{Attributes: []string{"adminCount"}})
	addr := strings.TrimPrefix(s.URL, "ldaps://")
	c := &controller{addr: addr, name: "127.0.0.1", BaseDN: adfake.BaseDN, pool: poolOf(t, s.CAFile)}
	c.admin = func(t testing.TB) *ldap.Conn {
		t.Helper()
		conn, err := ldap.DialURL(s.URL, ldap.DialWithTLSConfig(s.TLS()))
		if err == nil {
			err = conn.Bind(s.Admin.UPN, s.Admin.Password)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	c.service = s.Delegate("ess", c.places(t)...)
	return c
}

// places makes the OUs of the settings.
func (c *controller) places(t testing.TB) (list []string) {
	t.Helper()
	for _, name := range []string{"Skolor", "Slutat"} {
		a := ldap.NewAddRequest("OU="+name+","+c.BaseDN, nil)
		a.Attribute("objectClass", []string{"organizationalUnit"})
		if err := c.admin(t).Add(a); err != nil {
			t.Fatal(err)
		}
		list = append(list, a.DN)
	}
	return list
}

func poolOf(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// peer is the directory as an administrator sees it, and a wire to it that can be made to fail.
type peer struct {
	t     testing.TB
	c     *controller
	admin *ldap.Conn
	wire  *wire
	dir   string
	base  string
	gone  string // the OU of those who have left

	planted int
}

func (c *controller) peer(t testing.TB) *peer {
	t.Helper()
	p := &peer{t: t, c: c, admin: c.admin(t), dir: t.TempDir(), base: "OU=Skolor," + c.BaseDN, gone: "OU=Slutat," + c.BaseDN}
	p.wipe()
	p.wire = newWire(t, wideTLS(t, p.dir), c.addr, &tls.Config{RootCAs: c.pool, ServerName: c.name, MinVersion: tls.VersionTLS12})
	// What was there before us: a unit and a colleague's account in the base, an account elsewhere, and a group.
	p.add("OU=Kommunens,"+p.base, "organizationalUnit", "description", "IT")
	p.add("CN=chefen,OU=Kommunens,"+p.base, "user", "sAMAccountName", "chefen", "userPrincipalName", "chefen@skola.test", "employeeNumber", "4711")
	p.add("CN=vaktis,CN=Users,"+c.BaseDN, "user", "sAMAccountName", "vaktis", "displayName", "Vaktis Invented")
	p.add("CN=alla,OU=Kommunens,"+p.base, "group", "sAMAccountName", "alla", "member", "CN=chefen,OU=Kommunens,"+p.base)
	return p
}

func (p *peer) settings() string {
	return fmt.Sprintf(`
ldap: {urls: ["ldaps://%s"], caFile: "%s", user: %s, password: "file:%s", timeout: 1500ms, connectTimeout: 1500ms, pageSize: 3}
baseOU: %s
quarantineOU: %s
makeOUs: true
pupils: {upnSuffix: elev.skola.test, mail: register, proxyAddresses: true}
staff: {upnSuffix: skola.test, mail: register, proxyAddresses: true}
`, p.wire.addr, filepath.Join(p.dir, "wide.pem"), p.c.service.UPN, p.c.service.PasswordFile, p.base, p.gone)
}

func (p *peer) add(dn, class string, pairs ...string) {
	p.t.Helper()
	a := ldap.NewAddRequest(dn, nil)
	a.Attribute("objectClass", []string{class})
	for i := 0; i < len(pairs); i += 2 {
		a.Attribute(pairs[i], []string{pairs[i+1]})
	}
	if err := p.admin.Add(a); err != nil {
		p.t.Fatal(err)
	}
}

// wipe takes away what the peer before this one had.
func (p *peer) wipe() {
	p.t.Helper()
	list := p.search(p.base, "(objectClass=*)", "1.1")
	list = append(list, p.search(p.gone, "(objectClass=*)", "1.1")...)
	list = append(list, p.search("CN=Users,"+p.c.BaseDN, "(sAMAccountName=vaktis)", "1.1")...)
	slices.SortFunc(list, func(a, b *ldap.Entry) int { return strings.Count(b.DN, ",") - strings.Count(a.DN, ",") })
	for _, e := range list {
		if e.DN != p.base && e.DN != p.gone {
			if err := p.admin.Del(ldap.NewDelRequest(e.DN, nil)); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

func (p *peer) search(base, filter string, attributes ...string) []*ldap.Entry {
	p.t.Helper()
	r, err := p.admin.SearchWithPaging(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, 0, 0, 0, false, filter, attributes, nil), 500)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.Entries
}

// idOf is what of ours an object is.
func idOf(e *ldap.Entry) target.ID {
	if n := e.GetAttributeValue("employeeNumber"); len(n) > 30 {
		return target.ID{Kind: "user", Key: n}
	}
	kind, key, _ := strings.Cut(strings.TrimPrefix(e.GetAttributeValue("adminDescription"), "ess:"), ":")
	return target.ID{Kind: kind, Key: strings.TrimSuffix(key, ";found")}
}

func (p *peer) ours() []*ldap.Entry {
	list := p.search(p.c.BaseDN, "(|(employeeNumber=*)(adminDescription=ess:*))", "*")
	return slices.DeleteFunc(list, func(e *ldap.Entry) bool { return idOf(e).Key == "" })
}

func (p *peer) Holds() (out []target.Held, err error) {
	byDN := map[string]target.ID{}
	list := p.ours()
	for _, e := range list {
		byDN[plain(e.DN)] = idOf(e)
	}
	for _, e := range list {
		id := idOf(e)
		dn, err := ldap.ParseDN(e.DN)
		if err != nil {
			return nil, err
		}
		h := target.Held{ID: id, Native: guidOf(e)}
		put := func(name, value string) {
			value = strings.ReplaceAll(value, h.Native[:8], "GUID") // which a neutral name has in it
			h.Fields = append(h.Fields, target.Field{Name: name, Value: roster.Personal(value)})
		}
		if parent := (&ldap.DN{RDNs: dn.RDNs[1:]}).String(); parent != plain(p.base) {
			put("ou", byDN[parent].Key)
		}
		name := dn.RDNs[0].Attributes[0].Value
		switch id.Kind {
		case "ou":
			put("name", name)
		case "user":
			put("cn", name)
			for _, a := range []string{"sAMAccountName", "userPrincipalName", "mail", "givenName", "sn", "displayName", "department"} {
				put(a, e.GetAttributeValue(a))
			}
			for _, v := range e.GetAttributeValues("proxyAddresses") {
				if strings.HasPrefix(v, "SMTP:") {
					put("proxyAddresses", v)
				}
			}
			h.Disabled = e.GetAttributeValue("userAccountControl") == "514"
		case "group":
			put("cn", name)
			for _, a := range []string{"sAMAccountName", "displayName", "groupType"} {
				put(a, e.GetAttributeValue(a))
			}
			set := target.Set{Name: "members"}
			for _, dn := range e.GetAttributeValues("member") {
				m, ok := byDN[plain(dn)]
				if !ok {
					m = target.ID{Kind: target.Foreign, Key: guidOf(p.search(dn, "(objectClass=*)", "objectGUID")[0])}
				}
				set.Members = append(set.Members, m)
			}
			h.Sets = []target.Set{set}
		}
		out = append(out, h)
	}
	return out, nil
}

// plain is a DN in one spelling.
func plain(text string) string {
	dn, err := ldap.ParseDN(text)
	if err != nil {
		return text
	}
	return dn.String()
}

func guidOf(e *ldap.Entry) string {
	b := e.GetRawAttributeValue("objectGUID")
	return fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%x", b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10:])
}

// Others is the whole domain without what is ours: every attribute but those of sign-ins, the account that signs in, and the
// numbers that the domain controller gives to new accounts.
func (p *peer) Others() (string, error) {
	mine := map[string]bool{}
	for _, e := range p.ours() {
		mine[e.DN] = true
	}
	list := slices.DeleteFunc(p.search(p.c.BaseDN, "(objectClass=*)", "*", "nTSecurityDescriptor"), func(e *ldap.Entry) bool {
		return mine[e.DN] || strings.HasPrefix(e.DN, "CN=RID ") || e.DN == p.c.service.DN
	})
	return testbed.DumpEntries(list, "lastLogon", "lastLogonTimestamp", "logonCount"), nil
}

// Away tells whether an account of ours lies where those lie who have left.
func (p *peer) Away(id target.ID) (bool, error) {
	for _, e := range p.ours() {
		if idOf(e) == id {
			return strings.HasSuffix(e.DN, ","+p.gone), nil
		}
	}
	return false, errors.New("no " + id.String())
}

// Plant makes an account with the same address, or a group or OU that nothing finds.
func (p *peer) Plant(r target.Resource, guarded bool) (string, error) {
	if r.ID.Kind != "user" {
		return "", targettest.Cannot("only accounts are found by a key")
	}
	var mail string
	for _, f := range r.Fields {
		if f.Name == "mail" {
			mail = f.Value.Reveal()
		}
	}
	p.planted++
	name := fmt.Sprintf("gammal%d", p.planted)
	dn := "CN=" + name + ",OU=Kommunens," + p.base
	p.add(dn, "user", "sAMAccountName", name, "displayName", "Invented Sedan Förut", "mail", mail, "userAccountControl", "512", "unicodePwd", ldapx.UnicodePwd("Gammalt-1-ord"))
	if guarded {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace("adminCount", []string{"1"})
		if err := p.admin.Modify(m); err != nil {
			return "", err
		}
	}
	return guidOf(p.search(dn, "(objectClass=*)", "objectGUID")[0]), nil
}

// Own is all that is there of an object, but for its groups.
func (p *peer) Own(native string) (string, error) {
	return testbed.DumpEntries(p.search("<GUID="+native+">", "(objectClass=*)", "*"), "memberOf"), nil
}

func (p *peer) Calls() int  { calls, _ := p.wire.counts(); return calls }
func (p *peer) Writes() int { _, writes := p.wire.counts(); return writes }

func (p *peer) Fail(f targettest.Fault, of target.ID) error {
	if f == targettest.Throttle {
		return targettest.Cannot("a domain controller that is busy says so, and never how long to wait")
	}
	native := ""
	for _, e := range p.ours() {
		if idOf(e) == of {
			native = guidOf(e)
		}
	}
	p.wire.fail(f, marksOf(of, native)...)
	return nil
}

func (p *peer) Heal() error { p.wire.heal(); return nil }

func (p *peer) Tamper(how targettest.Tampering, id target.ID) error {
	for _, e := range p.ours() {
		if idOf(e) != id {
			continue
		}
		if how == targettest.Lose {
			return p.admin.Del(ldap.NewDelRequest(e.DN, nil))
		}
		m := ldap.NewModifyRequest(e.DN, nil)
		m.Replace("displayName", []string{"En Annan"})
		if id.Kind == "user" {
			m.Replace("mail", []string{"nagon.annan@skola.test"})
		}
		return p.admin.Modify(m)
	}
	return errors.New("no " + id.String())
}
