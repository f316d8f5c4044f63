package ad_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/testbed/adfake"
	"eventful.se/ess/libs/transport/ldapx"
)

// hostile are names that mean something else where they are not escaped, or cannot be seen.
func hostile() []string {
	return []string{
		`*`, `*)(objectClass=*`, `a)(|(cn=*`, `Ek\2a`, `\`, `\\`, `a\`, `,OU=Annat,DC=skola,DC=test`, `a,b+c=d<e>f#g;h"i`, `#hash`, `=`, `CN=x`, `<GUID=00000000-0000-0000-0000-000000000000>`,
		"nul\x00efter", "\x00", " före", "efter ", "  båda  ", "\u202eomvänd", "noll\u200bbredd\ufeff", "\u200b", strings.Repeat("Lång", 2500), "👩‍🏫🎓", strings.Repeat("👩‍🏫", 40),
		norm.NFD.String("Åsa Öberg"), "Åsa", "Asa", "ÅSA", "rad\nbrytning\ttab\r", "\xff\xfeogiltig", "(&(a=b))", "a/b", "ess:user:x;found", "ﬀ ligatur", "Straße", "Strasse",
	}
}

// TestHostileNames gives every such name to a person, a group and a unit: each is made once, within the OUs, and an unchanged
// roster writes nothing more.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, cn := range []string{"{username}", "{familyName}, {givenName} ({username})"} {
		t.Run(cn, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, adfake.Options{})
			l.settings += "cn: \"" + cn + "\"\nattributes: {givenName: {value: \"{givenName}\"}, sn: {value: \"{familyName}\"}, displayName: {value: \"{displayName}\"}, department: {value: \"{unit}\"}, title: {value: \"{class}\"}}\n"
			outside := l.outside()
			var all []roster.Record
			for i, name := range hostile() {
				unit := labUnit(1000+i, name)
				all = append(all, unit, labPupil(2000+i, 1000+i, name, name), labPupil(3000+i, 1000+i, name, name), labGroup(4000+i, 1000+i, name, 2000+i, 3000+i))
			}
			s := l.put(all...)
			if s.Halted != nil {
				t.Fatalf("halted: %v", s.Halted)
			}
			parked := map[string]int{}
			for id, e := range l.ledger.Entries {
				if e.Reason != nil {
					parked[fmt.Sprint(id.Kind, " ", e.State, " ", e.Reason.Code)]++
				}
			}
			t.Log(cn, parked)
			if l.outside() != outside {
				t.Error("something outside was changed")
			}
			for i, name := range hostile() {
				unit, _ := l.ledger.Entry(target.ID{Kind: "ou", Key: labKey(1000 + i).String()})
				if unit.State != target.Applied {
					t.Logf("unit %d %.20q: %v %v", i, name, unit.State, unit.Reason)
					continue
				}
				for _, n := range []int{2000 + i, 3000 + i} {
					if e := l.entry("user", n); e.State != target.Applied {
						t.Errorf("%d %.20q: %v %v", n, name, e.State, e.Reason)
					} else if dn := l.dnOf("user", n); !ldapx.Below(dn, labBase) {
						t.Errorf("%s is outside", dn)
					}
				}
				if n := len(l.dc.Values(l.dnOf("group", 4000+i), "member")); n != 2 {
					t.Errorf("group %d %.20q has %d members", 4000+i, name, n)
				}
			}
			before := l.dc.Counts().Ops
			for _, do := range []func(){func() { l.settle(verify) }, func() { l.made = nil; l.settle() }} {
				do()
			}
			after := l.dc.Counts().Ops
			for _, op := range []string{"modify", "rename", "delete"} {
				if after[op] != before[op] {
					t.Errorf("%s: %d %s of what has not changed", cn, after[op]-before[op], op)
				}
			}
			// One change of an attribute is one write, whatever the name.
			for i := range hostile() {
				l.log.Publish(labPupil(2000+i, 1000+i, "Ny", hostile()[i]))
			}
			l.settle()
			if n := l.dc.Counts().Ops["rename"] - after["rename"]; cn == "{username}" && n != 0 {
				t.Errorf("%d renames of what has its name", n)
			}
			l.clean(nil)
		})
	}
}

// TestHostileDirectory has such names stand in the directory already, as those of other people's accounts, groups and OUs, and as
// candidates: none is taken for another, and none is changed that is not the one that is meant.
func TestHostileDirectory(t *testing.T) {
	t.Parallel()
	l := newLab(t, adfake.Options{})
	l.settings += "members: exact\n"
	l.add("OU=Kommunens,"+labBase, "organizationalUnit")
	var dns []string
	for i, name := range hostile() {
		name = strings.ToValidUTF8(name, "?")
		if len([]rune(name)) > 60 || strings.ContainsRune(name, 0) {
			continue
		}
		dn := ldapx.RDN("CN", fmt.Sprintf("%s %d", name, i)) + ",OU=Kommunens," + labBase
		a := ldap.NewAddRequest(dn, nil)
		a.Attribute("objectClass", []string{"user"})
		a.Attribute("sAMAccountName", []string{fmt.Sprintf("annan%d", i)})
		a.Attribute("displayName", []string{name})
		a.Attribute("mail", []string{name})
		l.must(l.admin.Add(a))
		dns = append(dns, dn)
	}
	before := map[string]string{}
	for _, dn := range dns {
		before[dn] = l.dump(dn)
	}
	pupil := labPupil(11, 1, "Testa", "Provsson")
	pupil.Person.Personas[0].Email = "*" // nobody's, though a filter of it finds all
	star := slices.IndexFunc(dns, func(dn string) bool { return strings.HasPrefix(dn, "CN=* ") })
	s := l.put(labUnit(1, "Ekskolan"), pupil, labPupil(12, 1, "Testa", "Provsson"), labGroup(31, 1, "7A", 11, 12))
	if s.Halted != nil {
		t.Fatal(s.Halted)
	}
	m := ldap.NewModifyRequest(l.dnOf("group", 31), nil)
	m.Add("member", slices.Concat(dns[:star], dns[star+1:])) // that one is hers: it has been taken over, by its address
	l.must(l.admin.Modify(m))
	l.settle(verify)
	l.pass(time.Hour)
	l.settle()
	changed := 0
	for i, dn := range dns {
		r, err := l.admin.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"cn"}, nil))
		if err != nil || len(r.Entries) != 1 || l.dump(dn) != before[dn] {
			if changed++; i != star {
				t.Errorf("%s was changed", dn)
			}
		}
	}
	if n := len(l.dc.Values(l.dnOf("group", 31), "member")); n > 2 {
		t.Errorf("%d members", n)
	}
	t.Log(changed, "taken over")
}
