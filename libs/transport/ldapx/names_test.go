package ldapx

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/tenant"
)

func TestConfig(t *testing.T) {
	good := Config{URLs: []string{"ldaps://dc1.skola.test"}, User: "svc@skola.test", Password: "env:X"}
	for _, tt := range []struct {
		name string
		edit func(*Config)
		want string // a path, or nothing
	}{
		{"good", func(*Config) {}, ""},
		{"DN, port", func(c *Config) { c.User, c.URLs = "CN=svc,DC=skola,DC=test", []string{"ldaps://dc1:10636/"} }, ""},
		{"StartTLS", func(c *Config) { c.URLs, c.StartTLS = []string{"ldap://dc1"}, true }, ""},
		{"plain", func(c *Config) { c.URLs = []string{"ldaps://dc1", "ldap://dc1"} }, "urls[1]"},
		{"none", func(c *Config) { c.URLs = nil }, "urls"},
		{"web", func(c *Config) { c.URLs = []string{"https://dc1"} }, "urls[0]"},
		{"bare", func(c *Config) { c.URLs = []string{"dc1"} }, "urls[0]"},
		{"path", func(c *Config) { c.URLs = []string{"ldaps://dc1/DC=x"} }, "urls[0]"},
		{"user in URL", func(c *Config) { c.URLs = []string{"ldaps://a:b@dc1"} }, "urls[0]"},
		{"user", func(c *Config) { c.User = "svc" }, "user"},
		{"password", func(c *Config) { c.Password = "hemligt" }, "password"},
		{"timeout", func(c *Config) { c.Timeout = 5 }, "timeout"},
		{"connections", func(c *Config) { c.Connections = 17 }, "connections"},
		{"page", func(c *Config) { c.PageSize = 1001 }, "pageSize"},
		{"server name", func(c *Config) { c.ServerName = "https://x" }, "serverName"},
	} {
		c := good
		tt.edit(&c)
		p := tenant.NewProblems()
		c.Validate(p)
		switch list := p.List(); {
		case tt.want == "" && len(list) > 0, tt.want != "" && (len(list) != 1 || list[0].Path != tt.want):
			t.Errorf("%s: %v, want %q", tt.name, list, tt.want)
		case len(list) > 0 && strings.Contains(list[0].String(), "hemligt"):
			t.Errorf("the secret is told: %s", list[0])
		}
	}
}

// TestNamesAreNames is that what is escaped is read back as it was, by the library and by Split.
func TestNamesAreNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune(` ,+"\<>;=#/åÅé*()`)), rapid.Rune())).Filter(func(s string) bool {
			return s != "" && utf8.ValidString(s) && !strings.Contains(s, "\x00")
		}).Draw(t, "name")
		rdn := RDN("CN", name)
		dn := Child(rdn, "OU=a,DC=b")
		parsed, err := ldap.ParseDN(dn)
		if err != nil || len(parsed.RDNs) != 3 || parsed.RDNs[0].Attributes[0].Value != name {
			t.Fatalf("%q became %q: %v, %v", name, dn, parsed, err)
		}
		if a, b := Split(dn); a != rdn || b != "OU=a,DC=b" {
			t.Fatalf("%q split into %q and %q", dn, a, b)
		}
		if !Below(dn, "ou=A,dc=B") || Below("OU=a,DC=b", dn) || !SameDN(dn, rdn+", ou=A, dc=B") {
			t.Fatalf("%q is not below its parent", dn)
		}
		packet, err := ldap.CompileFilter(Equal("cn", name))
		if err != nil || packet.Tag != ldap.FilterEqualityMatch || packet.Children[1].Data.String() != name {
			t.Fatalf("%q is another filter: %v", name, err)
		}
	})
}

func TestTicks(t *testing.T) {
	for when, want := range map[string]int64{"1601-01-01T00:00:00Z": 0, "1970-01-01T00:00:00Z": 116444736000000000, "2026-08-15T12:30:00.0000001Z": 134312706000000001} {
		at, err := time.Parse(time.RFC3339Nano, when)
		if err != nil {
			t.Fatal(err)
		}
		if got := Ticks(at); got != want {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
		if got := FromTicks(want); want > 0 && !got.Equal(at) {
			t.Errorf("%d: %s, want %s", want, got, at)
		}
	}
	if Ticks(time.Time{}) != 9223372036854775807 || !FromTicks(0).IsZero() || !FromTicks(9223372036854775807).IsZero() {
		t.Error("never is not never")
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][]string{{"Åsa", "ASA", "asa", "A\u030asa"}, {"Öberg", "oberg", "Øberg"}, {"Weiß", "WEISS"}, {"Bo  Ek", "bo ek"}, {"Ærø", "aero"}} {
		for _, s := range same[1:] {
			if Fold(s) != Fold(same[0]) {
				t.Errorf("%q and %q: %q, %q", same[0], s, Fold(same[0]), Fold(s))
			}
		}
	}
	if Fold("Asa") == Fold("Osa") {
		t.Error("other letters are the same")
	}
}

func TestUnicodePwd(t *testing.T) {
	if got, want := UnicodePwd("å😀"), "\"\x00\xe5\x00\x3d\xd8\x00\xde\"\x00"; got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestGUID(t *testing.T) {
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	g, err := ParseGUID("{" + strings.ToUpper(text) + "}")
	octets := "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	if err != nil || string(g[:]) != octets || g.String() != text || g.Base() != "<GUID="+text+">" {
		t.Errorf("%x, %s, %v", g[:], g, err)
	}
}

func FuzzGUID(f *testing.F) {
	f.Add("00112233-4455-6677-8899-aabbccddeeff")
	f.Add("{00112233-4455-6677-8899-aabbccddeeff}")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ParseGUID(s)
		if err != nil {
			return
		}
		if got := g.String(); !strings.EqualFold(got, strings.Trim(s, "{}")) {
			t.Errorf("%q is %q", s, got)
		}
		if again, err := GUIDOf(g[:]); err != nil || again != g {
			t.Errorf("%x is %x, %v", g, again, err)
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"member;range=0-1499", "member;Range=1500-*", "member", ";range=0-1", "member;range=5-2", "a;binary;range=0-99999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, high, ranged := parseRange(s)
		switch {
		case !ranged && (name != s || high != 0):
			t.Errorf("%q: %q, %d", s, name, high)
		case ranged && (name == "" || high < -1 || !strings.HasPrefix(s, name+";")):
			t.Errorf("%q: %q, %d", s, name, high)
		}
	})
}

func FuzzDiagnostic(f *testing.F) {
	for _, s := range []string{
		"80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v3839\x00", "0000052d: x", "0000052D", "Entry CN=x already exists", "00000001: , data Åsa,",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hex, data := diagnostic(s)
		if hex != "" && (len(hex) != 8 || !isHex(hex)) || data != "" && (len(data) > 8 || !isHex(data) || hex == "") {
			t.Errorf("%q: %q, %q: more than a number is told", s, hex, data)
		}
	})
}
