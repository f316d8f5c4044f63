package ad_test

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/roster"
)

// TestOtherLetters: a name in other letters of the same is written once, and one that a domain controller escapes otherwise than
// we do is the same.
func TestOtherLetters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(l *lab) {
		l.settings += "cn: '{familyName} ({username})'\n"
		pupil := func(given, family, email string) roster.Record {
			r := labPupil(11, 1, given, family)
			r.Person.Personas[0].Email = roster.Personal(email)
			return r
		}
		l.add("CN=Gammal,"+labBase, "user", "sAMAccountName", "AnvQz11", "userPrincipalName", "AnvQz11@elev.skola.test", "mail", "Post11@skola.example")
		const odd = ` =Ek\, Lo; #1+"<å>`
		if s := l.put(labUnit(1, "Ek=skolan, \"F-3\" + #1"), pupil("Testa", odd, "post11@skola.example"), labGroup(31, 1, "7A=", 11)); s.Halted != nil || s.Waiting+s.Parked > 0 {
			l.Fatalf("%+v", s)
		}
		dn := l.dnOf("user", 11)
		for name, want := range map[string]string{"sAMAccountName": "anvqz11", "userPrincipalName": "anvqz11@elev.skola.test", "mail": "post11@skola.example"} {
			if got := l.values(dn, name); len(got) != 1 || got[0] != want {
				l.Errorf("%s is %q, want it as the register has it", name, got)
			}
		}
		before := l.writes()
		for range 2 {
			l.made = nil
			l.settle(verify)
		}
		if n := l.writes() - before; n != 0 {
			l.Errorf("%d writes, and nothing has changed", n)
		}
		if l.put(pupil("Testa-Ny", odd, "post11@skola.example")); l.writes()-before != 1 || l.dnOf("user", 11) != dn {
			l.Errorf("%d writes for one attribute; %s was %s", l.writes()-before, l.dnOf("user", 11), dn)
		}
		// Her family name and address in other letters: attributes and name, once each.
		before = l.writes()
		l.put(pupil("Testa-Ny", strings.ReplaceAll(odd, "Ek", "EK"), "Post11@Skola.example"))
		if n := l.writes() - before; n != 2 || !strings.Contains(l.dnOf("user", 11), "EK") || l.values(dn, "mail")[0] != "Post11@Skola.example" {
			l.Errorf("%d writes; %s, %s", n, l.dnOf("user", 11), l.values(dn, "mail"))
		}
		for range 2 {
			l.made = nil
			l.settle(verify)
		}
		if n := l.writes() - before; n != 2 {
			l.Errorf("%d writes of what is so", n-2)
		}
		// What others wrote in other letters is another value, and is put right once.
		l.must(l.admin.ModifyDN(ldap.NewModifyDNRequest(l.dnOf("group", 31), strings.ToUpper(strings.SplitN(l.dnOf("group", 31), ",", 2)[0]), true, "")))
		before = l.writes()
		l.settle(verify)
		l.made = nil
		l.settle(verify)
		if n := l.writes() - before; n > 1 {
			l.Errorf("%d writes", n)
		}
	})
}
