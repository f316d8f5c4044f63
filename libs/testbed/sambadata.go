package testbed

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// Admin returns a connection of the administrator, which ends with the test.
func (s *SambaAD) Admin(t testing.TB) *ldap.Conn {
	t.Helper()
	conn, err := s.SignIn(t, s.AdminUPN, s.AdminPassword)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// SignIn returns a connection of a user, which ends with the test; an error when the server refuses the sign-in.
func (s *SambaAD) SignIn(t testing.TB, user, password string) (*ldap.Conn, error) {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	// The name is judged by whom a test tests, not here: the certificate may be a wrong one on purpose.
	conn, err := ldap.DialURL(s.URL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: pool, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, conn.Bind(user, password)
}

// AddLDIF adds objects as the administrator, with the tool of OpenLDAP.
func (s *SambaAD) AddLDIF(t testing.TB, ldif string) {
	t.Helper()
	cmd := exec.Command(Need(t, "ldapadd"), "-x", "-H", s.URL, "-D", s.AdminUPN, "-y", s.AdminPasswordFile)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+s.CAFile, "LDAPTLS_REQCERT=demand")
	cmd.Stdin = strings.NewReader(ldif)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ldapadd: %v\n%s", err, out)
	}
}

// Password returns a value of unicodePwd as LDIF writes it, after "unicodePwd:: ".
func (s *SambaAD) Password(password string) string {
	return base64.StdEncoding.EncodeToString(unicodePwd(password))
}

func unicodePwd(password string) (b []byte) {
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// Dump returns the whole domain, deleted objects too, as LDIF: objects by name, every stored attribute by name. What
// ignore names is left out: for example lastLogon, lastLogonTimestamp and logonCount, which a sign-in changes.
func (s *SambaAD) Dump(t testing.TB, ignore ...string) string {
	t.Helper()
	result, err := s.Admin(t).SearchWithPaging(ldap.NewSearchRequest(
		s.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"*", "nTSecurityDescriptor"},
		[]ldap.Control{ldap.NewControlMicrosoftShowDeleted()},
	), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return DumpEntries(result.Entries, ignore...)
}

// DumpEntries writes entries as LDIF, in the order of their names.
func DumpEntries(entries []*ldap.Entry, ignore ...string) string {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b *ldap.Entry) int { return strings.Compare(a.DN, b.DN) })
	var b strings.Builder
	line := func(name string, value []byte) {
		text := string(value)
		if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || r < ' ' }) || strings.HasPrefix(text, " ") || strings.HasPrefix(text, ":") {
			fmt.Fprintf(&b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString(value))
		} else {
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		}
	}
	for _, e := range entries {
		line("dn", []byte(e.DN))
		attributes := slices.Clone(e.Attributes)
		slices.SortFunc(attributes, func(a, b *ldap.EntryAttribute) int { return strings.Compare(a.Name, b.Name) })
		for _, a := range attributes {
			if slices.ContainsFunc(ignore, func(name string) bool { return strings.EqualFold(name, a.Name) }) {
				continue
			}
			values := slices.Clone(a.ByteValues)
			slices.SortFunc(values, slices.Compare)
			for _, v := range values {
				line(a.Name, v)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Account is a user that a client signs in as.
type Account struct {
	DN, UPN      string
	Password     string
	PasswordFile string
}

// Delegate makes an account without rights of its own, as CN=name in CN=Users, which may do everything in the given OUs
// (and below) but change who may do what.
func (s *SambaAD) Delegate(t testing.TB, name string, ous ...string) Account {
	t.Helper()
	a := Account{DN: "CN=" + name + ",CN=Users," + s.BaseDN, UPN: name + "@skola.test", Password: "Dele-Gated1!" + name}
	a.PasswordFile = filepath.Join(t.TempDir(), "password")
	writeFile(t, a.PasswordFile, []byte(a.Password))
	conn := s.Admin(t)
	add := ldap.NewAddRequest(a.DN, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("userPrincipalName", []string{a.UPN})
	add.Attribute("userAccountControl", []string{"512"})
	add.Attribute("unicodePwd", []string{string(unicodePwd(a.Password))})
	if err := conn.Add(add); err != nil {
		t.Fatal(err)
	}
	sid := s.read(t, conn, a.DN, "objectSid")
	// Create and delete children, list, self, read and write properties, delete tree, list object, control access,
	// delete, read control.
	const rights = 0x301ff
	for _, ou := range ous {
		sd, err := allow(s.read(t, conn, ou, "nTSecurityDescriptor"), sid, rights)
		if err != nil {
			t.Fatal(err)
		}
		modify := ldap.NewModifyRequest(ou, []ldap.Control{daclOnly()})
		modify.Replace("nTSecurityDescriptor", []string{string(sd)})
		if err := conn.Modify(modify); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// daclOnly has a search or a change of a security descriptor be about its DACL, not about owner or audit.
func daclOnly() ldap.Control {
	const dacl = "\x30\x03\x02\x01\x04"
	return ldap.NewControlString("1.2.840.113556.1.4.801", true, dacl)
}

func (s *SambaAD) read(t testing.TB, conn *ldap.Conn, dn, attribute string) []byte {
	t.Helper()
	result, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{attribute}, []ldap.Control{daclOnly()}))
	if err != nil {
		t.Fatal(err)
	}
	return result.Entries[0].GetRawAttributeValue(attribute)
}

// allow adds an entry that gives sid the rights, here and below, to the DACL of a self-relative security descriptor
// (MS-DTYP 2.4.6) that consists of a DACL.
func allow(sd, sid []byte, rights uint32) ([]byte, error) {
	const header, aclHeader, containerInherit = 20, 8, 2
	if len(sd) < header {
		return nil, errors.New("the security descriptor is too short")
	}
	at := int(binary.LittleEndian.Uint32(sd[16:]))
	if at < header || at+aclHeader > len(sd) {
		return nil, errors.New("the security descriptor has no DACL")
	}
	size := int(binary.LittleEndian.Uint16(sd[at+2:]))
	if at+size > len(sd) {
		return nil, errors.New("the DACL is cut")
	}
	ace := []byte{0, containerInherit, 0, 0}
	binary.LittleEndian.PutUint16(ace[2:], uint16(8+len(sid)))
	ace = append(binary.LittleEndian.AppendUint32(ace, rights), sid...)
	acl := slices.Concat(sd[at:at+aclHeader], ace, sd[at+aclHeader:at+size])
	binary.LittleEndian.PutUint16(acl[2:], uint16(len(acl)))
	binary.LittleEndian.PutUint16(acl[4:], binary.LittleEndian.Uint16(acl[4:])+1)
	out := make([]byte, header, header+len(acl))
	out[0] = sd[0]
	binary.LittleEndian.PutUint16(out[2:], binary.LittleEndian.Uint16(sd[2:]))
	binary.LittleEndian.PutUint32(out[16:], header)
	return append(out, acl...), nil
}

// Policy sets attributes of the domain that rule passwords and lockout, for example lockoutThreshold: 3, or
// minPwdLength: 12. Times are negative counts of 100 ns.
func (s *SambaAD) Policy(t testing.TB, attributes map[string]string) {
	t.Helper()
	modify := ldap.NewModifyRequest(s.BaseDN, nil)
	for name, value := range attributes {
		modify.Replace(name, []string{value})
	}
	if err := s.Admin(t).Modify(modify); err != nil {
		t.Fatal(err)
	}
}

// Lockout has an account be locked for a long time after so many wrong passwords.
func (s *SambaAD) Lockout(t testing.TB, attempts int) {
	t.Helper()
	const hour = "-36000000000"
	s.Policy(t, map[string]string{"lockoutThreshold": fmt.Sprint(attempts), "lockoutDuration": hour, "lockOutObservationWindow": hour})
}
