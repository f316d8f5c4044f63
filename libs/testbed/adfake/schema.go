package adfake

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// attribute is what the schema says of one.
type attribute struct {
	name   string
	max    int  // characters; 0 for any
	multi  bool // several values
	number bool
	dn     bool // its values are names of objects
	system bool // only the server writes it
	rdn    bool // only a rename changes it
}

var schema = func() map[string]attribute {
	m := map[string]attribute{}
	for _, a := range []attribute{
		{name: "objectClass", multi: true},
		{name: "cn", max: 64, rdn: true},
		{name: "ou", max: 64, rdn: true},
		{name: "dc", rdn: true},
		{name: "name", max: 255, rdn: true},
		{name: "description", max: 1024, multi: true},
		{name: "displayName", max: 256},
		{name: "givenName", max: 64},
		{name: "sn", max: 64},
		{name: "middleName", max: 64},
		{name: "initials", max: 6},
		{name: "personalTitle", max: 64},
		{name: "preferredLanguage"},
		{name: "sAMAccountName", max: 256},
		{name: "userPrincipalName", max: 1024},
		{name: "mail", max: 256},
		{name: "mailNickname"},
		{name: "proxyAddresses", max: 1123, multi: true},
		{name: "employeeID", max: 16},
		{name: "employeeNumber", max: 512},
		{name: "employeeType", max: 256},
		{name: "department", max: 64},
		{name: "departmentNumber", multi: true},
		{name: "division", max: 256},
		{name: "company", max: 64},
		{name: "title", max: 128},
		{name: "physicalDeliveryOfficeName", max: 128},
		{name: "telephoneNumber", max: 64},
		{name: "otherTelephone", max: 64, multi: true},
		{name: "mobile", max: 64},
		{name: "ipPhone", max: 64},
		{name: "pager", max: 64},
		{name: "info", max: 1024},
		{name: "comment"},
		{name: "adminDescription", max: 256},
		{name: "adminDisplayName", max: 256},
		{name: "streetAddress", max: 1024},
		{name: "l", max: 128},
		{name: "st", max: 128},
		{name: "postalCode", max: 40},
		{name: "co", max: 128},
		{name: "c", max: 3},
		{name: "wWWHomePage", max: 2048},
		{name: "url", multi: true},
		{name: "homeDirectory"},
		{name: "homeDrive"},
		{name: "profilePath"},
		{name: "scriptPath"},
		{name: "carLicense", multi: true},
		{name: "manager", dn: true},
		{name: "managedBy", dn: true},
		{name: "member", multi: true, dn: true},
		{name: "userAccountControl", number: true},
		{name: "adminCount", number: true},
		{name: "pwdLastSet", number: true},
		{name: "accountExpires", number: true},
		{name: "groupType", number: true},
		{name: "lockoutTime", number: true},
		{name: "unicodePwd"},
		{name: "memberOf", multi: true, dn: true, system: true},
		{name: "distinguishedName", dn: true, system: true},
		{name: "objectGUID", system: true},
		{name: "objectSid", system: true},
		{name: "objectCategory", dn: true, system: true},
		{name: "whenCreated", system: true},
		{name: "whenChanged", system: true},
		{name: "uSNCreated", number: true, system: true},
		{name: "uSNChanged", number: true, system: true},
		{name: "isDeleted", system: true},
		{name: "lastKnownParent", dn: true, system: true},
		{name: "sAMAccountType", number: true, system: true},
		{name: "primaryGroupID", number: true, system: true},
		{name: "lastLogonTimestamp", number: true, system: true},
		{name: "instanceType", number: true, system: true},
	} {
		m[strings.ToLower(a.name)] = a
	}
	for i := range 20 {
		name := "msDS-cloudExtensionAttribute" + strconv.Itoa(i+1)
		m[strings.ToLower(name)] = attribute{name: name}
	}
	return m
}()

// Bits of userAccountControl, and values of others.
const (
	uacDisabled    = 0x2
	uacNoPassword  = 0x20
	uacNormal      = 0x200
	groupGlobal    = "-2147483646"
	forbiddenInSAM = "\"/\\[]:;|=,+*?<>@"
	maxUserSAM     = 20
	never          = math.MaxInt64
)

// spelt are letters that are taken for others.
var spelt = map[rune]string{'ß': "ss", 'æ': "ae", 'ø': "o", 'œ': "oe", 'đ': "d", 'ł': "l"}

// fold returns what names have in common that collide in the directory: no case, no accents.
func fold(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return strings.ToLower(s) // nearly all: filters look at every object
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		switch r = unicode.ToLower(r); {
		case unicode.Is(unicode.Mn, r):
		case spelt[r] != "":
			b.WriteString(spelt[r])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// dnKey returns a distinguished name as it is compared.
func dnKey(dn string) (string, error) {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, r := range parsed.RDNs {
		for _, a := range r.Attributes { // names of two attributes do not exist here
			parts = append(parts, rdnKey(a.Type, a.Value))
		}
	}
	return strings.Join(parts, ","), nil
}

func rdnKey(attribute, value string) string {
	return strings.ToLower(attribute) + "=" + ldap.EscapeDN(fold(value))
}

// ticks returns a moment as Windows counts: 100 ns since 1601.
func ticks(t time.Time) int64 {
	const since1601 = 11644473600
	return (t.Unix()+since1601)*1e7 + int64(t.Nanosecond())/100
}

func whenText(t time.Time) string { return t.UTC().Format("20060102150405.0Z") }

func utf16le(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// plainPassword reads a value of unicodePwd; ok is false for anything but UTF-16 in quotes.
func plainPassword(value string) (password string, ok bool) {
	if len(value)%2 != 0 {
		return "", false
	}
	var units []uint16
	for i := 0; i < len(value); i += 2 {
		units = append(units, binary.LittleEndian.Uint16([]byte(value[i:])))
	}
	s := string(utf16.Decode(units))
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// strong tells whether a password meets the rules of a domain: length, three kinds of character of four, not the name.
func strong(password, name string, least int) bool {
	var kinds [4]int
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			kinds[0] = 1
		case unicode.IsLower(r):
			kinds[1] = 1
		case unicode.IsDigit(r):
			kinds[2] = 1
		default:
			kinds[3] = 1
		}
	}
	const shortName, wanted = 3, 3
	holdsName := len(name) >= shortName && strings.Contains(strings.ToLower(password), strings.ToLower(name))
	return len([]rune(password)) >= least && kinds[0]+kinds[1]+kinds[2]+kinds[3] >= wanted && !holdsName
}

// The answers of Windows.
func refusal(code int, hex, rest string) result {
	return result{code: code, text: hex + ": " + rest + "\x00"}
}

func noObject() result {
	return refusal(32, "0000208D", "NameErr: DSID-03100245, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'"+BaseDN+"'\n")
}

func attributeRefused(code int, hex, problem, name string) result {
	return refusal(code, hex, "AtrErr: DSID-03151A2B, #1:\n\t0: "+hex+": DSID-03151A2B, problem "+problem+", data 0, Att ("+name+")\n")
}

func unwilling(hex string) result {
	return refusal(53, hex, "SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n")
}

func exists(hex string) result {
	return refusal(68, hex, "UpdErr: DSID-031A11DA, problem 6005 (ENTRY_EXISTS), data 0\n")
}
