package testbed_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/testbed"
)

func TestSambaAD(t *testing.T) {
	s := testbed.StartSambaAD(t, testbed.SambaOptions{})
	s.AddLDIF(t, "dn: OU=Elever,"+s.BaseDN+"\nobjectClass: organizationalUnit\n\ndn: OU=Personal,"+s.BaseDN+"\nobjectClass: organizationalUnit\n")
	before := s.Dump(t, "lastLogon", "lastLogonTimestamp", "logonCount")
	if again := s.Dump(t, "lastLogon", "lastLogonTimestamp", "logonCount"); before != again {
		t.Error("two dumps of the same directory differ")
	}
	if !strings.Contains(before, "\ndn: OU=Elever,DC=skola,DC=test\n") || !strings.Contains(before, "\nnTSecurityDescriptor:: ") {
		t.Error("the dump is not of the whole directory")
	}

	a := s.Delegate(t, "svc", "OU=Elever,"+s.BaseDN)
	conn, err := s.SignIn(t, a.UPN, a.Password)
	if err != nil {
		t.Fatal(err)
	}
	for ou, want := range map[string]uint16{"Elever": ldap.LDAPResultSuccess, "Personal": ldap.LDAPResultInsufficientAccessRights} {
		add := ldap.NewAddRequest("CN=x,OU="+ou+","+s.BaseDN, nil)
		add.Attribute("objectClass", []string{"user"})
		add.Attribute("sAMAccountName", []string{"x" + ou})
		if err := conn.Add(add); want == 0 && err != nil || want != 0 && !ldap.IsErrorWithCode(err, want) {
			t.Errorf("an add in %s: %v, want result %d", ou, err, want)
		}
	}

	s.Lockout(t, 2)
	for i, want := range []string{"data 52e", "data 52e", "data 775"} {
		if _, err := s.SignIn(t, a.UPN, "wrong"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("wrong password %d: %v, want %s", i, err, want)
		}
	}

	s.Kill()
	s.Start()
	s.Admin(t)
	resume := s.Pause()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := s.SignIn(t, s.AdminUPN, s.AdminPassword); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-done:
		t.Error("a server that hangs answers")
	case <-time.After(300 * time.Millisecond):
	}
	resume()
	<-done
	if _, err := os.Stat(s.CAFile); err != nil {
		t.Error(err)
	}
}
