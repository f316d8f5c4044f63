package ad_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/testbed/adfake"
)

// driftLab has a school with two pupils in a class, an account of a colleague, and a link that compares all once a day, and
// what has changed every ten minutes. It has asked once, so that it knows where it is.
func driftLab(l *lab, settings string) {
	l.Helper()
	l.settings += settings
	l.compare = target.Reconcile{Every: 24 * time.Hour, Changes: 10 * time.Minute, Repair: true}
	l.add("CN=kollega,"+labBase, "user", "sAMAccountName", "kollega")
	l.put(labUnit(1, "Provskolan"), labPupil(11, 1, "Testa", "Provsson"), labPupil(12, 1, "Prova", "Testsson"), labGroup(31, 1, "7A", 11, 12))
	if r := l.compared(); r.Since == "" || r.Reason != nil || r.Repaired > 0 {
		l.Fatalf("at the start: %+v", r)
	}
}

// compared is what the next comparison comes to.
func (l *lab) compared() target.Reconciled {
	l.Helper()
	l.pass(11 * time.Minute)
	return l.settle().Reconciled
}

func (l *lab) members(dn string) []string {
	l.Helper()
	list := l.values(dn, "member")
	slices.Sort(list)
	return list
}

// TestDrift has an administrator do by hand what administrators do, and holds that it is found within minutes.
func TestDrift(t *testing.T) {
	const exact = "members: exact\n"
	for name, c := range map[string]struct {
		settings string
		do       func(l *lab, user, group string)
		what     string // what is named; empty where it is no drift
		left     bool   // it is only told of
		settled  func(l *lab, user, group string)
	}{
		"nothing": {do: func(*lab, string, string) {}},
		"an attribute": {
			do:   func(l *lab, user, _ string) { l.set(user, "displayName", "Någon Annan") },
			what: "displayName",
			settled: func(l *lab, user, _ string) {
				if got := l.values(user, "displayName"); !slices.Equal(got, []string{"Testa Provsson"}) {
					l.Errorf("it is called %q", got)
				}
			},
		},
		"an attribute that others have the last word on": {
			settings: "attributes: {department: {value: \"{unit}\", policy: report}}\n",
			do:       func(l *lab, user, _ string) { l.set(user, "department", "Annat") },
			what:     "department", left: true,
			settled: func(l *lab, user, _ string) {
				if got := l.values(user, "department"); !slices.Equal(got, []string{"Annat"}) {
					l.Errorf("it is written over: %q", got)
				}
			},
		},
		"an attribute that is not ours": {do: func(l *lab, user, _ string) { l.set(user, "telephoneNumber", "010") }},
		"a member": {
			settings: exact,
			do:       func(l *lab, user, group string) { l.set(group, "member", user, "CN=kollega,"+labBase) }, what: "members",
			settled: func(l *lab, _, group string) {
				if got := l.members(group); len(got) != 2 || slices.ContainsFunc(got, func(dn string) bool { return strings.HasPrefix(dn, "CN=kollega,") }) {
					l.Errorf("the members are %q", got)
				}
			},
		},
		"a member, who may stay": {
			do: func(l *lab, user, group string) {
				l.set(group, "member", append(l.members(group), "CN=kollega,"+labBase)...)
			},
			settled: func(l *lab, _, group string) {
				if got := l.members(group); len(got) != 3 {
					l.Errorf("the members are %q", got)
				}
			},
		},
		"a member taken out, where others may stay": {
			do:   func(l *lab, user, group string) { l.set(group, "member", user, "CN=kollega,"+labBase) },
			what: "members",
			settled: func(l *lab, _, group string) {
				if got := l.members(group); len(got) != 3 {
					l.Errorf("the members are %q", got)
				}
			},
		},
		"deleted": {
			do: func(l *lab, user, _ string) { l.must(l.admin.Del(ldap.NewDelRequest(user, nil))) }, what: target.Missing,
			settled: func(l *lab, user, group string) {
				if now := l.dnOf("user", 11); now != user || len(l.members(group)) != 2 {
					l.Errorf("it is made anew as %s, with the members %q", now, l.members(group))
				}
			},
		},
		"moved inside": {
			do: func(l *lab, user, _ string) { l.move(user, labBase) }, what: "ou",
			settled: func(l *lab, user, _ string) {
				if now := l.dnOf("user", 11); now != user {
					l.Errorf("it lies in %s", now)
				}
			},
		},
		"moved out": {
			do:   func(l *lab, user, _ string) { l.move(user, strings.Replace(labBase, "OU=Skolor,", "CN=Users,", 1)) },
			what: target.Missing,
			settled: func(l *lab, _, _ string) {
				if now := l.dnOf("user", 11); !strings.Contains(now, "CN=Users,") || l.entry("user", 11).State != target.Parked {
					l.Errorf("%s is touched outside of the OUs, or not told of: %s", now, l.entry("user", 11).State)
				}
				l.why(l.entry("user", 11).Reason)
			},
		},
		"disabled": {
			do: func(l *lab, user, _ string) { l.set(user, "userAccountControl", "514") }, what: target.TurnedOff, left: true,
			settled: func(l *lab, user, _ string) {
				if got := l.values(user, "userAccountControl"); !slices.Equal(got, []string{"514"}) {
					l.Errorf("it is turned on again: %s", got)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(l *lab) {
				driftLab(l, c.settings)
				user, group := l.dnOf("user", 11), l.dnOf("group", 31)
				was := l.ledger.Mark.Reconciled.Found // an attribute that is only told of is not written when an account is made
				c.do(l, user, group)
				r := l.compared()
				var named []target.Drift
				if r.Last != nil {
					named = (*r.Last)[was:]
				}
				found := slices.ContainsFunc(named, func(d target.Drift) bool { return d.What == c.what && d.Repaired != c.left })
				if r.Reason != nil || (c.what == "") != (len(named) == 0) || c.what != "" && !found || r.Found != was+len(named) || r.Repaired+r.Reported != r.Found {
					l.Errorf("%+v, named %+v", r, named)
				}
				if c.settled != nil {
					c.settled(l, user, group)
				}
				if again := l.compared(); again.Found != r.Found || again.Reason != nil {
					l.Errorf("found again: %+v", again)
				}
			})
		})
	}
}

// TestDriftIsNotBelieved of a domain controller that cannot be reached, was restored, or shows little of what is ours.
func TestDriftIsNotBelieved(t *testing.T) {
	l := newLab(t, adfake.Options{})
	driftLab(l, "")
	before := l.entry("user", 11)
	user := l.dnOf("user", 11)
	l.dc.Restore()
	l.set(user, "displayName", "Någon Annan")
	was := l.compared()
	if was.Repaired != 1 || was.Reason != nil || !was.At.Equal(was.Asked) {
		t.Errorf("of one that was restored all is to be listed: %+v", was)
	}
	l.dc.Inject(adfake.Fault{Do: adfake.DropBefore})
	if r := l.compared(); r.Reason == nil || r.Reason.Code != reason.NoAnswer && r.Reason.Code != reason.Unreachable {
		t.Errorf("of one that cannot be reached: %+v", r)
	}
	l.dc.Mend()
	l.pass(time.Hour)
	if r := l.compared(); r.Reason != nil || r.Found != 0 || r.Since == "" {
		t.Errorf("once it can be: %+v", r)
	}
	if now := l.entry("user", 11); now.Native != before.Native {
		t.Errorf("it is another account: %s was %s", now.Native, before.Native)
	}
}
