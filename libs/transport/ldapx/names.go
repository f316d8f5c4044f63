package ldapx

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// AttributePassword is written, and never read.
const AttributePassword = "unicodePwd"

// UnicodePwd returns a password as a value of [AttributePassword]: in quotes, UTF-16, little end first.
func UnicodePwd(password string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// RDN returns the name of an object within its parent, escaped: CN=Ek\, Lo. An equals sign is escaped too: it need not
// be, and Samba stumbles on one that is not.
func RDN(attribute, value string) string {
	return attribute + "=" + strings.ReplaceAll(ldap.EscapeDN(value), "=", `\3D`)
}

// Child returns the distinguished name of an object below another.
func Child(rdn, parent string) string { return rdn + "," + parent }

// Split returns an object's name within its parent, and the parent's name: nothing for a root.
func Split(dn string) (rdn, parent string) {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return dn[:i], strings.TrimLeft(dn[i+1:], " ")
		}
	}
	return dn, ""
}

// SameDN tells whether two distinguished names are one, however they are written and in whatever case.
func SameDN(a, b string) bool {
	x, err := ldap.ParseDN(a)
	if err != nil {
		return false
	}
	y, err := ldap.ParseDN(b)
	return err == nil && x.EqualFold(y)
}

// Below tells whether an object lies below another, at any depth.
func Below(dn, base string) bool {
	x, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	y, err := ldap.ParseDN(base)
	return err == nil && y.AncestorOfFold(x)
}

// Equal returns a filter for objects with a value, escaped.
func Equal(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

// GUID is an object's objectGUID: what stays when it is renamed or moved.
type GUID [16]byte

// ParseGUID reads 8b7f3a2e-0000-4000-8000-000000000001, in braces or not.
func ParseGUID(text string) (g GUID, err error) {
	s := text
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s = s[1 : len(s)-1]
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return g, errors.New("is not a GUID")
	}
	b, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if err != nil {
		return g, errors.New("is not a GUID")
	}
	swap(b)
	return GUID(b), nil
}

// GUIDOf reads the 16 octets of the attribute.
func GUIDOf(octets []byte) (GUID, error) {
	if len(octets) != len(GUID{}) {
		return GUID{}, errors.New("is not a GUID")
	}
	return GUID(octets), nil
}

// swap turns the first three groups around: the octets have them with the little end first, the text has not.
func swap(b []byte) {
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
}

// String returns the text, in lower case.
func (g GUID) String() string {
	b := g
	swap(b[:])
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// IsZero tells whether it is no object's.
func (g GUID) IsZero() bool { return g == GUID{} }

// Base returns what stands for the object's distinguished name in a request and in a value: <GUID=…>.
func (g GUID) Base() string { return "<GUID=" + g.String() + ">" }

// Filter returns a filter for the object.
func (g GUID) Filter() string { return Equal("objectGUID", string(g[:])) }

// epoch is 1601-01-01 in Unix time: where the ticks of Windows begin.
const (
	epoch       = -11644473600
	tick        = 100 * time.Nanosecond
	perSecond   = int64(time.Second / tick)
	neverExpire = math.MaxInt64
)

// Ticks returns a moment as attributes such as accountExpires have it; the zero time is never.
func Ticks(t time.Time) int64 {
	if t.IsZero() {
		return neverExpire
	}
	return (t.Unix()-epoch)*perSecond + int64(t.Nanosecond())/int64(tick)
}

// FromTicks returns the moment of such an attribute; the zero time for never, which is 0 or the largest number.
func FromTicks(n int64) time.Time {
	if n <= 0 || n == neverExpire {
		return time.Time{}
	}
	return time.Unix(n/perSecond+epoch, n%perSecond*int64(tick)).UTC()
}

// Fold returns what two names have in common that Active Directory may take for one: case, accents and widths are gone,
// and ligatures are spelt out. Åsa, ASA and asa are one name of an object within its parent, one sAMAccountName, and
// match one another's filters. Samba ignores case alone. So what folds alike may be taken, and is not chosen; what is
// found by a filter is compared by itself before it counts as the same.
func Fold(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.Join(strings.Fields(name), " ")) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		switch r = unicode.ToLower(r); r {
		case 'ß':
			b.WriteString("ss")
		case 'æ':
			b.WriteString("ae")
		case 'œ':
			b.WriteString("oe")
		case 'ø':
			b.WriteRune('o')
		case 'đ', 'ð':
			b.WriteRune('d')
		case 'ł':
			b.WriteRune('l')
		case 'þ':
			b.WriteString("th")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
