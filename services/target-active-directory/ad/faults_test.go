package ad_test

import (
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/testbed/adfake"
)

// TestHalts is what keeps the whole directory from us: the link halts with a reason that says what and where, asks little, and
// goes on by itself. Where the sign-in was refused it asks as little if its process begins anew every minute.
func TestHalts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		fault   adfake.Fault
		options adfake.Options
		want    reason.Code
		signIns int // at most so many in an hour
	}{
		{name: "wrong password", fault: adfake.Fault{Op: "bind", Code: 49, Text: "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v3839"}, want: reason.WrongCredentials, signIns: 5},
		{name: "locked", fault: adfake.Fault{Op: "bind", Code: 49, Text: "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 775, v3839"}, want: reason.AccountLocked, signIns: 5},
		{name: "disabled", fault: adfake.Fault{Op: "bind", Code: 49, Text: "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 533, v3839"}, want: reason.AccountDisabled, signIns: 5},
		{name: "password expired", fault: adfake.Fault{Op: "bind", Code: 49, Text: "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 532, v3839"}, want: reason.PasswordExpired, signIns: 5},
		{name: "referral", fault: adfake.Fault{Op: "add", Code: 10}, want: reason.OtherDomain, signIns: 1},
		{name: "no rights on the OU", want: reason.RightMissing, signIns: 1},
		{name: "certificate expired", options: adfake.Options{Cert: testbed.Cert{Expired: true}}, want: reason.CertificateExpired},
		{name: "other name in the certificate", options: adfake.Options{Cert: testbed.Cert{Names: []string{"dc9.other.test"}}}, want: reason.CertificateName},
		{name: "no base OU", want: reason.ObjectMissing, signIns: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, tt.options)
			if tt.options.Cert.Expired {
				l.pass(20 * time.Hour)
			}
			if tt.fault.Op != "" {
				l.dc.Inject(tt.fault)
			}
			switch tt.name {
			case "no rights on the OU":
				l.service = l.dc.Delegate("utan")
				l.settings = strings.Replace(l.settings, "ess@skola.test", l.service.UPN, 1)
			case "no base OU":
				l.settings = strings.ReplaceAll(l.settings, "baseOU: OU=Skolor", "baseOU: OU=Skolorna")
			}
			l.log.Publish(labUnit(1, "Ekskolan"), labPupil(11, 1, "Testa", "Provsson"), labPupil(12, 1, "Testa", "Provsson"))
			before := l.dc.Counts()
			s := l.settle()
			if s.Halted == nil || s.Halted.Code != tt.want {
				t.Fatalf("halted %v, want %s", s.Halted, tt.want)
			}
			l.why(s.Halted)
			rounds := 0
			for end := l.now().Add(time.Hour); l.now().Before(end); rounds++ {
				if tt.fault.Op == "bind" {
					l.made = nil
					l.pass(time.Minute)
				} else {
					l.pass(max(time.Second, s.WakeAt.Sub(l.now())))
				}
				if s = l.settle(); s.Halted == nil || s.Halted.Code != tt.want {
					t.Fatalf("it went on: %v", s.Halted)
				}
			}
			after := l.dc.Counts()
			ops := 0
			for op, n := range after.Ops {
				ops += n - before.Ops[op]
			}
			t.Logf("%d rounds in an hour, %d sign-ins, %d operations %v", rounds, after.SignIns-before.SignIns, ops, after.Ops)
			if n := after.SignIns - before.SignIns; n > tt.signIns {
				t.Errorf("%d sign-ins in an hour", n)
			}
			if rounds > 60 || ops > 12*(rounds+1) {
				t.Errorf("%d rounds and %d operations in an hour", rounds, ops)
			}
			if tt.fault.Op == "" {
				return
			}
			l.dc.Mend()
			if tt.fault.Op == "bind" { // a person says when it is mended
				l.made = nil
				if s = l.settle(retry); s.Halted == nil || l.entry("user", 11).State != target.Applied {
					t.Errorf("mended, and told so: %v %v", s.Halted, l.entry("user", 11).State)
				}
			}
			l.pass(2 * time.Hour)
			if s = l.settle(); s.Halted != nil || l.entry("user", 11).State != target.Applied {
				t.Errorf("mended, and it did not go on: %v %v", s.Halted, l.entry("user", 11).State)
			}
			l.clean(nil)
		})
	}
}

// clean holds that nothing personal or secret was logged.
func (l *lab) clean(more []string) {
	l.Helper()
	l.mu.Lock()
	text := l.logged.String()
	l.mu.Unlock()
	for _, word := range append([]string{"Testa", "Provsson", "anvqz", "postqz", "18900101", l.service.Password}, more...) {
		if i := strings.Index(text, word); i >= 0 {
			l.Errorf("the log has %q: %s", word, text[max(0, i-200):min(len(text), i+50)])
		}
	}
}

// school is a lab that is settled with three pupils and a class.
func schoolLab(t *testing.T, o adfake.Options) *lab {
	t.Helper()
	l := newLab(t, o)
	s := l.put(labUnit(1, "Ekskolan"), labPupil(11, 1, "Testa", "Provsson"), labPupil(12, 1, "Testa", "Provsson"), labPupil(13, 1, "Testa", "Provsson"), labGroup(31, 1, "7A", 11, 12, 13))
	if s.Halted != nil || s.Waiting+s.Parked != 0 {
		t.Fatalf("%+v", s)
	}
	return l
}

// renamed has a pupil called otherwise.
func labRenamed(n int) roster.Record { return labPupil(n, 1, "Testa", "Provsson-Ny") }

// TestOneObjectWithoutRights parks that one object, says so, and goes on with the others.
func TestOneObjectWithoutRights(t *testing.T) {
	t.Parallel()
	l := schoolLab(t, adfake.Options{})
	e := l.entry("user", 11)
	l.dc.Inject(adfake.Fault{Op: "modify", DN: "<GUID=" + e.Native + ">", Code: 50})
	before := l.dc.Counts().Ops["modify"]
	s := l.put(labRenamed(11), labRenamed(12), labRenamed(13))
	if s.Halted != nil {
		t.Fatalf("halted: %v", s.Halted)
	}
	if e = l.entry("user", 11); e.State == target.Applied && e.Reason == nil {
		t.Errorf("%+v", e)
	}
	l.why(e.Reason)
	for _, n := range []int{12, 13} {
		if e := l.entry("user", n); e.State != target.Applied || e.Reason != nil || l.dc.Values(l.dnOf("user", n), "sn")[0] != "Provsson-Ny" {
			t.Errorf("%d: %+v", n, e)
		}
	}
	for range 20 {
		l.pass(time.Hour)
		l.settle()
	}
	if n := l.dc.Counts().Ops["modify"] - before; n > 6 {
		t.Errorf("%d writes", n)
	}
	l.clean(nil)
}

// TestPassing are faults that pass: nothing is lost, nothing is made twice, and nothing is asked all the time.
func TestPassing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault adfake.Fault
		want  reason.Code
	}{
		{"add dropped before", adfake.Fault{Op: "add", DN: "anvqz", Do: adfake.DropBefore, Times: 1}, reason.Unreachable},
		{"add dropped after", adfake.Fault{Op: "add", DN: "anvqz", Do: adfake.DropAfter, Times: 1}, reason.Unreachable},
		{"group dropped after", adfake.Fault{Op: "add", DN: "7A", Do: adfake.DropAfter, Times: 1}, reason.Unreachable},
		{"OU dropped after", adfake.Fault{Op: "add", DN: "OU=Ekskolan", Do: adfake.DropAfter, Times: 1}, reason.Unreachable},
		{"hang after", adfake.Fault{Op: "add", DN: "anvqz", Do: adfake.HangAfter, Times: 1}, reason.NoAnswer},
		{"busy", adfake.Fault{Op: "add", Code: 51, Times: 3}, reason.Throttled},
		{"unavailable", adfake.Fault{Op: "add", Code: 52, Times: 3}, reason.DirectoryFailed},
		{"size limit", adfake.Fault{Op: "search", Code: 4, Times: 3, After: 2}, reason.DirectoryLimit},
		{"garbage", adfake.Fault{Op: "add", Do: adfake.Garbage, Times: 2}, reason.Unreachable},
		{"search dropped", adfake.Fault{Op: "search", Do: adfake.DropBefore, Times: 2, After: 3}, reason.Unreachable},
		{"unwilling", adfake.Fault{Op: "add", DN: "anvqz11", Code: 53, Times: 1}, reason.DirectoryUnwilling},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, adfake.Options{})
			if tt.fault.Do == adfake.HangAfter {
				l.settings = strings.Replace(l.settings, "timeout: 20s", "timeout: 2s", 1)
			}
			l.dc.Inject(tt.fault)
			outside := l.outside()
			l.log.Publish(labUnit(1, "Ekskolan"), labPupil(11, 1, "Testa", "Provsson"), labPupil(12, 1, "Testa", "Provsson"), labPupil(13, 1, "Testa", "Provsson"), labGroup(31, 1, "7A", 11, 12, 13))
			s := l.settle()
			told := s.Halted
			for _, e := range l.ledger.Entries {
				if e.Reason != nil && e.Reason.Code != reason.NeedsMissing && told == nil {
					told = e.Reason
				}
			}
			if told != nil {
				l.why(told)
			}
			if told != nil && told.Code != tt.want {
				t.Errorf("%v, want %s", told, tt.want)
			}
			if tt.want == reason.DirectoryUnwilling {
				if e := l.entry("user", 11); e.State != target.Parked {
					t.Errorf("%+v", e)
				}
				l.settle(retry)
			}
			for i := 0; i < 12 && (s.Halted != nil || s.Waiting+s.Parked > 0); i++ {
				l.pass(max(time.Second, s.WakeAt.Sub(l.now())))
				s = l.settle()
			}
			if s.Halted != nil || s.Waiting+s.Parked > 0 {
				for id, e := range l.ledger.Entries {
					t.Log(id, e.State, e.Reason)
				}
				t.Fatalf("%+v", s)
			}
			for _, n := range []int{11, 12, 13} {
				if l.dc.PasswordOf(l.dnOf("user", n)) == "" {
					t.Errorf("%d has no password", n)
				}
			}
			if n := len(l.dc.Values(l.dnOf("group", 31), "member")); n != 3 {
				t.Errorf("%d members", n)
			}
			if l.outside() != outside {
				t.Error("something outside was changed")
			}
			t.Log(l.dc.Counts())
			l.clean(nil)
		})
	}
}
