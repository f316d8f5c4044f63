package ad_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/testbed/adfake"
)

func (l *lab) move(dn, parent string) string {
	l.Helper()
	rdn, _, _ := strings.Cut(dn, ",")
	l.must(l.admin.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, parent)))
	return rdn + "," + parent
}

func labExcluded(n int) roster.Record {
	return roster.Record{Ref: roster.Ref{Kind: roster.KindPerson, Key: labKey(n)}, Source: roster.Source{System: "manual", Instance: "default"}, Overlay: true, Person: &roster.Person{Marking: roster.MarkingProtected}}
}

// TestAstray is what somebody did to an object of ours in the directory: whatever becomes of its person, what is not ours any more is
// not touched, and no other one is made in its place.
func TestAstray(t *testing.T) {
	t.Parallel()
	deleteAtOnce := target.Lifecycle{Stages: []target.Stage{{Do: target.DeleteStep}}}
	disableAtOnce := target.Lifecycle{Stages: []target.Stage{{Do: target.DisableStep}}}
	for _, how := range []string{"moved out", "OU moved out", "mark taken", "mark of another", "administrator"} {
		for _, what := range []struct {
			name   string
			leave  target.Lifecycle
			record roster.Record
			verify bool
		}{
			{"renamed", target.Lifecycle{}, labRenamed(11), false},
			{"verified", target.Lifecycle{}, labRenamed(11), true},
			{"deleted", deleteAtOnce, labLeft(labRenamed(11)), false},
			{"disabled", disableAtOnce, labLeft(labRenamed(11)), false},
			{"contained", target.Lifecycle{}, labExcluded(11), false},
		} {
			if how == "mark taken" && (what.name == "renamed" || what.name == "verified") {
				continue // it is taken back, or found to be gone
			}
			t.Run(how+" "+what.name, func(t *testing.T) {
				t.Parallel()
				l := schoolLab(t, adfake.Options{})
				l.leave = what.leave
				l.add("OU=Annat,"+adfake.BaseDN, "organizationalUnit")
				dn := l.dnOf("user", 11)
				switch how {
				case "moved out":
					dn = l.move(dn, "OU=Annat,"+adfake.BaseDN)
				case "OU moved out":
					rdn, parent, _ := strings.Cut(dn, ",")
					dn = rdn + "," + l.move(parent, "OU=Annat,"+adfake.BaseDN)
				case "mark taken":
					l.set(dn, "employeeNumber")
				case "mark of another":
					l.set(dn, "employeeNumber", "4711")
				case "administrator":
					l.set(dn, "adminCount", "1")
				}
				own := func() string { return l.dump(dn) }
				before, users := own(), len(l.find("(objectCategory=person)"))
				l.log.Publish(what.record)
				var s target.Settled
				if what.verify {
					s = l.settle(verify)
				} else {
					s = l.settle()
				}
				for range 5 {
					l.pass(time.Hour)
					s = l.settle()
				}
				if s.Halted != nil {
					t.Errorf("halted: %v", s.Halted)
				}
				if after := own(); after != before {
					t.Errorf("it was changed:\n%s\n%s", before, after)
				}
				if n := len(l.find("(objectCategory=person)")); n != users {
					t.Errorf("%d accounts, %d before", n, users)
				}
				e := l.entry("user", 11)
				t.Log(e.State)
				l.why(e.Reason)
				l.clean(nil)
			})
		}
	}
}

// dump is an object, but for its groups.
func (l *lab) dump(dn string) string {
	l.Helper()
	r, err := l.admin.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"*"}, nil))
	l.must(err)
	var lines []string
	for _, a := range r.Entries[0].Attributes {
		if a.Name != "memberOf" {
			lines = append(lines, a.Name+": "+strings.Join(a.Values, ", "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestBaseRenamed halts a link whose OUs somebody renamed, and makes nothing anew.
func TestBaseRenamed(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{labBase, labGone} {
		l := schoolLab(t, adfake.Options{})
		l.must(l.admin.ModifyDN(ldap.NewModifyDNRequest(gone, "OU=Omdöpt", true, "")))
		before := l.dc.Dump()
		l.settle(func(ctx context.Context, link *target.Link) error {
			if err := verify(ctx, link); err == nil || reason.Of(err).Code != reason.ObjectMissing {
				t.Errorf("verify without %s: %v", gone, err)
			}
			return nil
		})
		if gone == labBase {
			s := l.put(labRenamed(11), labPupil(14, 1, "Testa", "Provsson"))
			if s.Halted == nil || s.Halted.Code != reason.ObjectMissing {
				t.Errorf("%v", s.Halted)
			}
			l.why(s.Halted)
		}
		if l.dc.Dump() != before {
			t.Error("something was changed")
		}
		l.clean(nil)
	}
}

// TestQuarantineMissing: a protected person is out of sight although the OU where the account would lie is not there, and the
// account goes there once it is.
func TestQuarantineMissing(t *testing.T) {
	t.Parallel()
	l := schoolLab(t, adfake.Options{})
	l.must(l.admin.ModifyDN(ldap.NewModifyDNRequest(labGone, "OU=Borta", true, "")))
	dn := l.dnOf("user", 11)
	s := l.put(labExcluded(11))
	l.why(s.Halted)
	list := l.find("(employeeNumber=" + labKey(11).String() + "*)")
	if len(list) != 1 || strings.Contains(l.dump(list[0].DN), "anvqz11") || strings.Contains(l.dump(list[0].DN), "Testa") || list[0].GetAttributeValue("userAccountControl") != "514" {
		t.Fatalf("it shows who it is: %s was %s", l.dump(list[0].DN), dn)
	}
	if n := len(l.dc.Values(l.dnOf("group", 31), "member")); n != 2 {
		t.Errorf("%d members", n)
	}
	l.must(l.admin.ModifyDN(ldap.NewModifyDNRequest("OU=Borta,"+adfake.BaseDN, "OU=Slutat", true, "")))
	for range 3 {
		l.pass(time.Hour)
		s = l.settle()
	}
	if list := l.find("(employeeNumber=" + labKey(11).String() + "*)"); s.Halted != nil || !strings.HasSuffix(list[0].DN, ","+labGone) {
		t.Errorf("%v, it lies in %s", s.Halted, list[0].DN)
	}
}

// TestMovedInside has an account back where its school is.
func TestMovedInside(t *testing.T) {
	t.Parallel()
	l := schoolLab(t, adfake.Options{})
	l.add("OU=Egen,"+labBase, "organizationalUnit")
	dn := l.dnOf("user", 11)
	l.move(dn, "OU=Egen,"+labBase)
	if s := l.put(labRenamed(11)); s.Halted != nil || s.Parked+s.Waiting > 0 {
		t.Errorf("%+v", s)
	}
	if now := l.dnOf("user", 11); now != dn {
		t.Errorf("it lies in %s", now)
	}
}
