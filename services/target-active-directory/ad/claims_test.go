package ad_test

import (
	"context"
	"crypto/tls"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/testbed/adfake"
)

// opens tells whether somebody can sign in.
func (l *lab) opens(user, password string) bool {
	l.Helper()
	conn, err := ldap.DialURL(l.url, ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}))
	l.must(err)
	defer conn.Close()
	return conn.Bind(user, password) == nil
}

// labTeacher is a member of staff, by the number of her own and of her unit.
func labTeacher(n, unit int) roster.Record {
	r := labPupil(n, unit, "Testa", "Provsson")
	r.Person.Enrolments = nil
	r.Person.Duties = []roster.Duty{{DutyAt: labKey(unit), Role: roster.Teacher}}
	r.Person.Personas[0].Role = roster.RoleStaff
	return r
}

// TestTwentyCharacters: a user name is as long as Windows takes, and one that is longer is told of and not cut.
func TestTwentyCharacters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(l *lab) {
		named := func(n int, name string) roster.Record {
			r := labPupil(n, 1, "Testa", "Provsson")
			r.Person.Personas[0].Username = roster.Personal(name)
			return r
		}
		longest := strings.Repeat("abcde", 4)
		l.put(labUnit(1, "Ekskolan"), named(11, longest), named(12, longest+"f"))
		if got := l.values(l.dnOf("user", 11), "sAMAccountName"); got[0] != longest {
			l.Errorf("it is called %q", got)
		}
		if e := l.entry("user", 12); e.State != target.Withheld || e.Reason.Code != reason.NameUnfit || len(l.find("(employeeNumber="+labKey(12).String()+"*)")) != 0 {
			l.Errorf("%v %v", e.State, e.Reason)
		} else {
			l.why(e.Reason)
		}
		if l.put(named(12, longest[1:]+"f")); l.entry("user", 12).State != target.Applied {
			l.Error("a shorter name is not taken")
		}
	})
}

// weakLetters gives one password to all.
type weakLetters struct{ secret roster.Personal }

func (w *weakLetters) New(context.Context, roster.Key, roster.Role, string) (target.Password, error) {
	return target.Password{Secret: w.secret}, nil
}

// TestWeakPassword: where the domain takes no password of ours, the account is there and nobody can use it, that is said, and it
// is tried once an hour; with a better one it is opened.
func TestWeakPassword(t *testing.T) {
	t.Parallel()
	onBoth(t, func(l *lab) {
		letters := &weakLetters{"abc"}
		l.letters = letters
		before := l.writes()
		s := l.put(labUnit(1, "Ekskolan"), labPupil(11, 1, "Testa", "Provsson"))
		if s.Halted != nil {
			l.Fatal(s.Halted)
		}
		for range 48 {
			l.pass(time.Hour)
			l.settle()
		}
		e := l.entry("user", 11)
		if e.Reason == nil || e.Reason.Code != reason.PasswordRefused || e.State != target.Disabled {
			l.Errorf("%v %v", e.State, e.Reason)
		}
		l.why(e.Reason)
		dn := l.dnOf("user", 11)
		if got := l.values(dn, "userAccountControl")[0]; got != "514" {
			l.Errorf("userAccountControl is %s", got)
		}
		if n := l.writes() - before; n > 48+12 { // one an hour, after those of the first
			l.Errorf("%d writes in two days", n)
		}
		letters.secret = "Prov.losen.1-Qz"
		l.settle(retry)
		if e := l.entry("user", 11); e.State != target.Applied || e.Reason != nil || l.values(dn, "userAccountControl")[0] != "512" {
			l.Errorf("with a better password: %v %v", e.State, e.Reason)
		}
		if !l.opens("anvqz11@elev.skola.test", "Prov.losen.1-Qz") {
			l.Error("the password does not open the account")
		}
		l.clean([]string{"Prov.losen"})
	})
}

// TestSetPassword: a hand-out is a new password for an account of ours, and for no other one.
func TestSetPassword(t *testing.T) {
	t.Parallel()
	onBoth(t, func(l *lab) {
		l.put(labUnit(1, "Ekskolan"), labPupil(11, 1, "Testa", "Provsson"))
		setter, ok := l.made.Applier.(target.PasswordSetter)
		if !ok {
			l.Fatal("it sets no passwords")
		}
		e := l.entry("user", 11)
		l.must(setter.SetPassword(l.Context(), e.ID, e.Native, target.Password{Secret: "Prov.losen.2-Qz"}))
		if !l.opens("anvqz11@elev.skola.test", "Prov.losen.2-Qz") {
			l.Error("the password does not open the account")
		}
		l.must(setter.SetPassword(l.Context(), e.ID, e.Native, target.Password{Secret: "Prov.losen.3-Qz", Change: true}))
		if got := l.values(l.dnOf("user", 11), "pwdLastSet"); got[0] != "0" {
			l.Errorf("it need not be changed: %s", got)
		}
		if err := setter.SetPassword(l.Context(), e.ID, e.Native, target.Password{Secret: "abc"}); reason.Of(err).Code != reason.PasswordRefused {
			l.Errorf("a weak one: %v", err)
		}
		l.set(l.dnOf("user", 11), "employeeNumber", "4711")
		if err := setter.SetPassword(l.Context(), e.ID, e.Native, target.Password{Secret: "Prov.losen.4-Qz"}); reason.Of(err).Code != reason.NotOurs {
			l.Errorf("of somebody else: %v", err)
		}
		l.clean([]string{"Prov.losen"})
	})
}

// TestTaken: a name is taken by whoever signs in by it or is written to under it.
func TestTaken(t *testing.T) {
	t.Parallel()
	onBoth(t, func(l *lab) {
		l.add("CN=a,"+labBase, "user", "sAMAccountName", "AnnEk01", "userPrincipalName", "upnek@other.test", "mail", "postek@other.test")
		m := ldap.NewModifyRequest("CN=a,"+labBase, nil)
		m.Add("proxyAddresses", []string{"SMTP:postek@other.test", "smtp:gammek@other.test"})
		l.must(l.admin.Modify(m))
		l.add("CN=b,CN=Users,DC=skola,DC=test", "group", "sAMAccountName", "klassen")
		l.open()
		namer, ok := l.made.Applier.(target.Namer)
		if !ok {
			l.Fatal("it knows no names")
		}
		taken, err := namer.Taken(l.Context(), []string{"annek01", "upnek", "postek", "gammek", "klassen", "annek0", "annek011", "ek", "*", "a*", "other.test"})
		l.must(err)
		if got := slices.Sorted(maps.Keys(taken)); !slices.Equal(got, []string{"annek01", "gammek", "klassen", "postek", "upnek"}) {
			l.Errorf("taken are %q", got)
		}
		for name, by := range taken {
			if len(by) != 36 {
				l.Errorf("%s is taken by %q", name, by)
			}
		}
	})
}

// TestCheck names the step that fails, and the reason says what to do.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*lab)
		step  string
		want  reason.Code
	}{
		"all is well": {func(*lab) {}, "", ""},
		"reach":       {func(l *lab) { l.dc.Stop() }, "connect", reason.Unreachable},
		"authority": {func(l *lab) {
			l.settings = strings.Replace(l.settings, l.ca, testbed.NewCA(l).File, 1)
		}, "certificate", reason.CertificateUnknown},
		"sign-in": {func(l *lab) { l.set(l.service.DN, "userAccountControl", "514") }, "sign-in", reason.AccountDisabled},
		"base":    {func(l *lab) { l.settings = strings.Replace(l.settings, "baseOU: OU=Skolor", "baseOU: OU=Skolorna", 1) }, `object "OU=Skolorna,DC=skola,DC=test"`, reason.ObjectMissing},
		"quarantine": {func(l *lab) {
			l.settings = strings.Replace(l.settings, "quarantineOU: OU=Slutat", "quarantineOU: OU=Borta", 1)
		}, `object "OU=Borta,DC=skola,DC=test"`, reason.ObjectMissing},
		"rights": {func(l *lab) {
			l.settings = strings.Replace(l.settings, l.service.UPN, l.dc.Delegate("utan", labGone).UPN, 1)
		}, "rights on OU=Skolor,DC=skola,DC=test", reason.RightMissing},
		"rights where who has left lies": {func(l *lab) {
			l.settings = strings.Replace(l.settings, l.service.UPN, l.dc.Delegate("halv", labBase).UPN, 1)
		}, "rights on OU=Slutat,DC=skola,DC=test", reason.RightMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, adfake.Options{})
			tt.spoil(l)
			l.open()
			before := l.dc.Dump()
			failed, steps := "", 0
			err := l.made.Applier.(target.Checker).Check(t.Context(), func(step, _ string, err error) {
				if steps++; err != nil {
					failed = step
				}
			})
			if failed != tt.step || (err == nil) != (tt.step == "") || steps == 0 {
				t.Errorf("after %d steps %q failed, want %q: %v", steps, failed, tt.step, err)
			}
			if err != nil {
				if r := reason.Of(err); r.Code != tt.want {
					t.Errorf("%v, want %s", r, tt.want)
				} else {
					l.why(&r)
				}
			}
			if l.dc.Dump() != before {
				t.Error("it changed something")
			}
			l.clean(nil)
		})
	}
}

// TestOUsOfTheCustomer: with makeOUs false everything goes into OUs that are there, and what has none waits for it.
func TestOUsOfTheCustomer(t *testing.T) {
	t.Parallel()
	l := newLab(t, adfake.Options{})
	l.settings = strings.Replace(l.settings, "makeOUs: true", "makeOUs: false", 1)
	for _, ou := range []string{"OU=Ekskolan," + labBase, "OU=Elever,OU=Ekskolan," + labBase} {
		l.add(ou, "organizationalUnit", "description", "kommunens")
	}
	s := l.put(labUnit(1, "Ekskolan"), labPupil(11, 1, "Testa", "Provsson"), labGroup(31, 1, "7A", 11))
	if s.Halted != nil {
		t.Fatal(s.Halted)
	}
	if dn := l.dnOf("user", 11); !strings.HasSuffix(dn, ",OU=Elever,OU=Ekskolan,"+labBase) {
		t.Errorf("it lies in %s", dn)
	}
	e := l.entry("group", 31)
	if e.State == target.Applied || e.Reason.Code != reason.ObjectMissing {
		t.Errorf("%v %v", e.State, e.Reason)
	}
	l.why(e.Reason)
	l.add("OU=Grupper,OU=Ekskolan,"+labBase, "organizationalUnit")
	for range 3 {
		l.pass(time.Hour)
		s = l.settle()
	}
	if s.Waiting+s.Parked > 0 || !strings.HasSuffix(l.dnOf("group", 31), ",OU=Grupper,OU=Ekskolan,"+labBase) {
		t.Errorf("%+v", s)
	}
	l.put(labLeft(labGroup(31, 1, "7A")), labUnit(1, "Ekskolan"))
	for _, e := range l.find("(objectClass=organizationalUnit)") {
		if e.GetAttributeValue("adminDescription") != "" {
			t.Errorf("%s is taken for ours", e.DN)
		}
	}
}

// TestOneAccountForEach: with accounts: person who studies and works has one account, as personaWins says, and keeps it when one of
// the two ends.
func TestOneAccountForEach(t *testing.T) {
	t.Parallel()
	for wins, suffixes := range map[string][2]string{"pupil": {"elev.skola.test", "skola.test"}, "staff": {"skola.test", "skola.test"}} {
		l := newLab(t, adfake.Options{})
		l.settings += "accounts: person\npersonaWins: " + wins + "\n"
		both := labPupil(11, 1, "Testa", "Provsson")
		both.Person.Duties = labTeacher(11, 1).Person.Duties
		both.Person.Personas = append(both.Person.Personas, labTeacher(11, 1).Person.Personas...)
		group := labGroup(31, 1, "7A", 11)
		group.Group.Members = append(group.Group.Members, roster.Membership{Person: labKey(11), Role: roster.MemberTeacher})
		if s := l.put(labUnit(1, "Ekskolan"), both, group); s.Halted != nil || s.Waiting+s.Parked > 0 {
			t.Fatalf("%s: %+v", wins, s)
		}
		is := func(what, suffix string) string {
			t.Helper()
			dn := l.dnOf("user", 11) // fails where there are two
			if got := l.values(dn, "userPrincipalName"); got[0] != "anvqz11@"+suffix {
				t.Errorf("%s, %s: %q", wins, what, got)
			}
			if got := l.values(dn, "employeeNumber"); got[0] != labKey(11).String() {
				t.Errorf("%s, %s: our id is %q", wins, what, got)
			}
			return l.entry("user", 11).Native
		}
		native := is("both", suffixes[0])
		if got := l.values(l.dnOf("group", 31), "member"); len(got) != 1 {
			t.Errorf("%d members", len(got))
		}
		ended := labTeacher(11, 1)
		if l.put(ended); is("only works", suffixes[1]) != native {
			t.Errorf("%s: it is another account", wins)
		}
	}
}

// TestMembersOfOthers: whom somebody else put into our group stays with keepManual and goes with exact; who was taken out is back.
func TestMembersOfOthers(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]int{"keepManual": 3, "exact": 2} {
		t.Run(members, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(l *lab) {
				l.settings += "members: " + members + "\n"
				l.add("CN=vikarie,"+labBase, "user", "sAMAccountName", "vikarie")
				l.put(labUnit(1, "Ekskolan"), labPupil(11, 1, "Testa", "Provsson"), labPupil(12, 1, "Testa", "Provsson"), labGroup(31, 1, "7A", 11, 12))
				m := ldap.NewModifyRequest(l.dnOf("group", 31), nil)
				m.Add("member", []string{"CN=vikarie," + labBase})
				l.must(l.admin.Modify(m))
				l.regroup(31, false, 12)
				l.settle(verify)
				got := l.values(l.dnOf("group", 31), "member")
				if len(got) != want || !slices.Contains(got, l.dnOf("user", 12)) {
					l.Errorf("members are %q", got)
				}
				before := l.writes()
				if l.settle(verify); l.writes() != before {
					l.Errorf("%d writes of what is so", l.writes()-before)
				}
			})
		})
	}
}
