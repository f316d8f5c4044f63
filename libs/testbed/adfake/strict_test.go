package adfake_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/testbed/adfake"
	"eventful.se/ess/libs/transport/ldapx"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStricterThanSamba is what Windows refuses and Samba does not.
func TestStricterThanSamba(t *testing.T) {
	s := adfake.Start(t, adfake.Options{Attributes: []string{"extensionAttribute1"}})
	c := fake(t, s)
	ctx := t.Context()
	must(t, c.Add(ctx, object(base, "objectClass", "organizationalUnit")))
	must(t, c.Add(ctx, user("Åsa Ek", "asaek", "extensionAttribute1", "x")))
	must(t, c.Add(ctx, object("CN=ny,"+base, "objectClass", "user")))
	if got := s.Values("CN=ny,"+base, "userAccountControl"); got[0] != "546" {
		t.Errorf("an account that says nothing is %s, want 546", got)
	}
	before := s.Dump("uSNChanged", "whenChanged")
	for name, tt := range map[string]struct {
		add  *ldap.AddRequest
		code uint16
		hex  string
		why  reason.Code
	}{
		"sAMAccountName of 21":     {user("a", strings.Repeat("x", 21)), 80, "00000523", reason.ItemRefused},
		"sAMAccountName with @":    {user("a", "a@b"), 80, "00000523", reason.ItemRefused},
		"sAMAccountName with dot":  {user("a", "a."), 80, "00000523", reason.ItemRefused},
		"cn of 65":                 {user(strings.Repeat("x", 65), "a"), 19, "00002082", reason.ItemRefused},
		"cn without accent":        {user("asa EK", "a"), 68, "00002071", reason.NameTaken},
		"sAMAccountName accent":    {user("a", "åsaek"), 68, "00000524", reason.NameTaken},
		"enabled without password": {object("CN=a,"+base, "objectClass", "user", "sAMAccountName", "a", "userAccountControl", "512"), 53, "0000052D", reason.PasswordNeeded},
		"employeeID of 17":         {user("a", "a", "employeeID", strings.Repeat("1", 17)), 19, "00002082", reason.ItemRefused},
		"password with the name":   {user("a", "elev"), 53, "0000052D", reason.PasswordRefused},
		"two values of one":        {user("a", "a", "title", "x|y"), 19, "00002081", reason.ItemRefused},
		"another domain":           {object("CN=a,DC=other,DC=test", "objectClass", "user"), 10, "0000202B", reason.OtherDomain},
	} {
		err := c.Add(ctx, tt.add)
		if e := ldapx.Of(err); e.Code != tt.code || e.Hex != tt.hex || reason.Of(err).Code != tt.why {
			t.Errorf("%s: %v, want result %d, %s, %s", name, err, tt.code, tt.hex, tt.why)
		}
	}
	if after := s.Dump("uSNChanged", "whenChanged"); after != before {
		t.Error("what was refused has left something")
	}
	conn, err := ldap.DialURL(s.URL, ldap.DialWithTLSConfig(s.TLS()))
	must(t, err)
	defer conn.Close()
	unsigned := ldap.NewSearchRequest(adfake.BaseDN, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)", nil, nil)
	if _, err := conn.Search(unsigned); !ldap.IsErrorWithCode(err, ldap.LDAPResultOperationsError) {
		t.Errorf("a search of nobody: %v", err)
	}
	must(t, conn.Bind(s.Admin.UPN, s.Admin.Password))
	for i := range 1001 {
		must(t, conn.Add(object(fmt.Sprintf("OU=o%d,%s", i, base), "objectClass", "organizationalUnit")))
	}
	result, err := conn.Search(unsigned)
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) || len(result.Entries) != 1000 {
		t.Errorf("more than 1,000 entries without paging: %d, %v", len(result.Entries), err)
	}
}

// TestChangesAndTombstones is what is deleted, and what changed since.
func TestChangesAndTombstones(t *testing.T) {
	s := adfake.Start(t, adfake.Options{MaxPage: 3})
	c := fake(t, s)
	ctx := t.Context()
	must(t, c.Add(ctx, object(base, "objectClass", "organizationalUnit")))
	for _, name := range []string{"a", "b", "c", "d"} {
		must(t, c.Add(ctx, user(name, name, "title", "elev")))
	}
	since, err := c.Mark(ctx)
	must(t, err)
	must(t, c.Modify(ctx, modify("CN=a,"+base, change(del, "title"))))
	must(t, c.Delete(ctx, "CN=b,"+base))
	must(t, c.Modify(ctx, modify("CN=c,"+base, change(replace, "department", "7A"))))
	q := ldapx.Query{Base: adfake.BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: since.Since(), Deleted: true, Attributes: []string{"isDeleted"}}
	list, err := c.Search(ctx, q)
	must(t, err)
	if len(list) != 3 {
		t.Fatalf("%d changes, want 3", len(list))
	}
	for _, e := range list {
		if deleted := e.GetAttributeValue("isDeleted") == "TRUE"; deleted != strings.HasPrefix(e.DN, `CN=b\0ADEL:`) {
			t.Errorf("%s: deleted %t", e.DN, deleted)
		}
	}
	dead := ldapx.Query{Base: adfake.BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: "(isDeleted=TRUE)"}
	for _, deleted := range []bool{false, true} {
		dead.Deleted = deleted
		list, err := c.Search(ctx, dead)
		if err != nil || (len(list) == 1) != deleted {
			t.Errorf("tombstones, asked for %t: %d, %v", deleted, len(list), err)
		}
	}
	must(t, c.Add(ctx, user("b", "b"))) // the name is free
}

// TestLag is another domain controller, which learns later.
func TestLag(t *testing.T) {
	var ahead atomic.Int64
	began := time.Now()
	s := adfake.Start(t, adfake.Options{Now: func() time.Time { return began.Add(time.Duration(ahead.Load())) }})
	c := fake(t, s)
	ctx := t.Context()
	must(t, c.Add(ctx, object(base, "objectClass", "organizationalUnit")))
	must(t, c.Add(ctx, user("a", "a", "title", "old")))
	s.Lag(time.Minute)
	must(t, c.Add(ctx, user("b", "b")))
	must(t, c.Modify(ctx, modify("CN=a,"+base, change(replace, "title", "new"))))
	state := func() (title string, b bool) {
		e, err := c.Read(ctx, "CN=a,"+base)
		must(t, err)
		_, err = c.Read(ctx, "CN=b,"+base)
		return e.GetAttributeValue("title"), err == nil
	}
	if title, b := state(); title != "old" || b {
		t.Errorf("too early: %q, %t", title, b)
	}
	if err := c.Add(ctx, user("b", "b2")); !ldapx.Is(err, ldap.LDAPResultEntryAlreadyExists) {
		t.Errorf("what is there though it is not seen: %v", err)
	}
	ahead.Store(int64(2 * time.Minute))
	if title, b := state(); title != "new" || !b {
		t.Errorf("too late: %q, %t", title, b)
	}
}

// TestWhoMay is delegation, lockout and what else keeps an account out.
func TestWhoMay(t *testing.T) {
	s := adfake.Start(t, adfake.Options{Lockout: 2})
	admin := fake(t, s)
	ctx := t.Context()
	must(t, admin.Add(ctx, object(base, "objectClass", "organizationalUnit")))
	must(t, admin.Add(ctx, object("OU=Personal,"+adfake.BaseDN, "objectClass", "organizationalUnit")))
	who := s.Delegate("svc", base)
	c := client(t, s.URL, s.CAFile, who)
	must(t, c.Add(ctx, user("a", "a")))
	for _, err := range []error{
		c.Rename(ctx, "CN=a,"+base, "CN=a", "OU=Personal,"+adfake.BaseDN), c.Add(ctx, object("CN=b,OU=Personal,"+adfake.BaseDN, "objectClass", "user")), c.Delete(ctx, who.DN),
	} {
		if !ldapx.Is(err, ldap.LDAPResultInsufficientAccessRights) {
			t.Errorf("outside of its place: %v", err)
		}
	}
	conn, err := ldap.DialURL(s.URL, ldap.DialWithTLSConfig(s.TLS()))
	must(t, err)
	defer conn.Close()
	for _, want := range []string{"data 52e", "data 52e", "data 775"} {
		if err := conn.Bind(who.UPN, "wrong"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	must(t, admin.Modify(ctx, modify(who.DN, change(replace, "lockoutTime", "0"))))
	must(t, conn.Bind(who.UPN, who.Password))
	must(t, conn.Bind(who.DN, who.Password))
	must(t, conn.Bind(`SKOLA\svc`, who.Password))
	must(t, admin.Modify(ctx, modify(who.DN, change(replace, "userAccountControl", "514"))))
	if err := conn.Bind(who.UPN, who.Password); err == nil || !strings.Contains(err.Error(), "data 533") {
		t.Errorf("a disabled account: %v", err)
	}
}
