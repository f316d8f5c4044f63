package ldapx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/transport/ldapx"
)

func secret(file string) tenant.Secret { return tenant.Secret("file:" + file) }

func admin(s *testbed.SambaAD) ldapx.Config {
	return ldapx.Config{URLs: []string{s.URL}, User: s.AdminUPN, Password: secret(s.AdminPasswordFile), CAFile: s.CAFile}
}

func open(t *testing.T, cfg ldapx.Config) *ldapx.Client {
	t.Helper()
	p := tenant.NewProblems()
	cfg.Validate(p)
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	c := ldapx.New(cfg, ldapx.Options{Now: time.Now})
	t.Cleanup(c.Close)
	return c
}

func addOU(dn string) *ldap.AddRequest {
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	return add
}

func addUser(name, ou string) *ldap.AddRequest {
	add := ldap.NewAddRequest(ldapx.Child(ldapx.RDN("CN", name), ou), nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("userPrincipalName", []string{name + "@skola.test"})
	add.Attribute("userAccountControl", []string{"512"})
	add.Attribute(ldapx.AttributePassword, []string{ldapx.UnicodePwd("Elev-Pass1!x")})
	return add
}

// expect fails the test when an error has another fault, code and hexadecimal code than those.
func expect(t *testing.T, err error, fault reason.Fault, code reason.Code, hex string) {
	t.Helper()
	if err == nil || reason.FaultOf(err) != fault || reason.Of(err).Code != code || ldapx.Of(err).Hex != hex {
		t.Errorf("got %v (%s, %q), want %s, %s, %q", err, reason.FaultOf(err), ldapx.Of(err).Hex, fault, code, hex)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSamba is the life of objects in a real directory.
func TestSamba(t *testing.T) {
	s := testbed.StartSambaAD(t, testbed.SambaOptions{})
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx := t.Context()
	cfg := admin(s)
	cfg.PageSize = 7
	c := open(t, cfg)
	defer c.Close()
	root, err := c.RootDSE(ctx)
	must(t, err)
	if root.BaseDN != s.BaseDN || !root.IsAD() || !root.Can(ldap.ControlTypePaging) || root.USN == 0 || !strings.EqualFold(root.ServerName, s.ServerName) {
		t.Errorf("root DSE: %+v", root)
	}
	ou := "OU=Elever," + s.BaseDN
	must(t, c.Add(ctx, addOU(ou)))
	var members []string
	for i := range 20 {
		must(t, c.Add(ctx, addUser(fmt.Sprintf("elev%02d", i), ou)))
		members = append(members, fmt.Sprintf("CN=elev%02d,%s", i, ou))
	}
	mark, err := c.Mark(ctx)
	must(t, err)

	t.Run("search", func(t *testing.T) {
		q := ldapx.Query{Base: ou, Scope: ldap.ScopeWholeSubtree, Filter: "(objectClass=user)", Attributes: []string{"cn"}}
		list, err := c.Search(ctx, q)
		if err != nil || len(list) != 20 {
			t.Errorf("%d users, %v; want 20 in pages of 7", len(list), err)
		}
		for _, limit := range []int{3, 7, 9, 50} {
			q.Limit = limit
			if list, err = c.Search(ctx, q); err != nil || len(list) != min(limit, 20) {
				t.Errorf("limit %d: %d users, %v", limit, len(list), err)
			}
		}
		if list, err = c.Search(ctx, ldapx.Query{Base: s.BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: ldapx.Equal("cn", "elev03)(cn=*")}); err != nil || len(list) != 0 {
			t.Errorf("a value that looks like a filter finds %d, %v", len(list), err)
		}
		_, err = c.Read(ctx, "CN=none,"+ou)
		expect(t, err, reason.Conflict, reason.ItemChanged, ldapx.Of(err).Hex)
		if !ldapx.Missing(err) {
			t.Errorf("an object that does not exist: %v", err)
		}
	})
	t.Run("ranges", func(t *testing.T) {
		add := ldap.NewAddRequest("CN=klass,"+ou, nil)
		add.Attribute("objectClass", []string{"group"})
		add.Attribute("sAMAccountName", []string{"klass"})
		add.Attribute("member", members)
		must(t, c.Add(ctx, add))
		e, err := c.Read(ctx, "CN=klass,"+ou, "member;range=0-5", "cn")
		must(t, err)
		if got := e.GetAttributeValues("member"); len(got) != 20 || len(e.Attributes) != 2 {
			t.Errorf("%d members that came in ranges, %d attributes; want 20 and 2", len(got), len(e.Attributes))
		}
		modify := ldap.NewModifyRequest("CN=klass,"+ou, nil)
		modify.Add("member", members[:1])
		err = c.Modify(ctx, modify)
		expect(t, err, reason.Conflict, reason.ItemChanged, "")
		if !ldapx.ValueExists(err) {
			t.Errorf("a member that is there: %v", err)
		}
		modify = ldap.NewModifyRequest("CN=klass,"+ou, nil)
		modify.Delete("member", []string{"CN=Guest,CN=Users," + s.BaseDN})
		err = c.Modify(ctx, modify)
		expect(t, err, reason.Conflict, reason.ItemChanged, "")
		if !ldapx.ValueMissing(err) {
			t.Errorf("a member that is not there: %v", err)
		}
	})
	t.Run("guid, rename, password, delete", func(t *testing.T) {
		e, err := c.Read(ctx, members[3], "objectGUID")
		must(t, err)
		g, err := ldapx.GUIDOf(e.GetRawAttributeValue("objectGUID"))
		must(t, err)
		must(t, c.Rename(ctx, g.Base(), ldapx.RDN("CN", ` Ek, Lo+"<>;=#\ `), "CN=Users,"+s.BaseDN))
		must(t, c.SetPassword(ctx, g.Base(), "Nytt-Pass2!y"))
		e, err = c.Read(ctx, g.Base(), "cn", "userPrincipalName")
		must(t, err)
		if got := e.GetAttributeValue("cn"); got != ` Ek, Lo+"<>;=#\ ` || !ldapx.Below(e.DN, "cn=users,"+s.BaseDN) {
			t.Errorf("renamed to %q, %q", got, e.DN)
		}
		if _, err := s.SignIn(t, e.GetAttributeValue("userPrincipalName"), "Nytt-Pass2!y"); err != nil {
			t.Errorf("with the new password: %v", err)
		}
		s.Policy(t, map[string]string{"minPwdAge": "0"})
		must(t, c.ChangePassword(ctx, g.Base(), "Nytt-Pass2!y", "Annat-Pass3!z"))
		list, err := c.Search(ctx, ldapx.Query{Base: s.BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: g.Filter()})
		if err != nil || len(list) != 1 {
			t.Errorf("found %d by GUID, %v", len(list), err)
		}
		must(t, c.Delete(ctx, g.Base()))
		if err := c.Delete(ctx, g.Base()); !ldapx.Missing(err) {
			t.Errorf("deleted twice: %v", err)
		}
		q := ldapx.Query{Base: s.BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: "(isDeleted=TRUE)", Deleted: true}
		if list, err = c.Search(ctx, q); err != nil || !slices.ContainsFunc(list, func(e *ldap.Entry) bool {
			return string(e.GetRawAttributeValue("objectGUID")) == string(g[:])
		}) {
			t.Errorf("the deleted object is not among %d, %v", len(list), err)
		}
	})
	t.Run("changes", func(t *testing.T) {
		q := ldapx.Query{Base: s.BaseDN, Attributes: []string{"title"}}
		modify := ldap.NewModifyRequest(members[5], nil)
		modify.Replace("title", []string{"elev"})
		must(t, c.Modify(ctx, modify))
		q.Scope, q.Deleted = ldap.ScopeWholeSubtree, true
		next, err := c.Mark(ctx)
		must(t, err)
		since := func(m ldapx.Mark) int {
			t.Helper()
			q.Filter = "(&(objectClass=user)" + m.Since() + ")"
			list, err := c.Search(ctx, q)
			must(t, err)
			return len(list)
		}
		// Members' memberOf is computed: only the one that was deleted and the one that has a title have changed.
		if n := since(mark); n != 2 || next.USN <= mark.USN || !mark.Precedes(next) || next.Precedes(mark) {
			t.Errorf("%d changed from %s to %s", n, mark, next)
		}
		if n := since(next); n != 0 {
			t.Errorf("after that nothing changed, but %d", n)
		}
		if read, err := ldapx.ParseMark(next.String()); err != nil || read != next {
			t.Errorf("%s is read as %s, %v", next, read, err)
		}
	})
	t.Run("errors", func(t *testing.T) {
		expect(t, c.Add(ctx, addUser("elev01", ou)), reason.Conflict, reason.NameTaken, "")
		expect(t, c.Add(ctx, addUser("elev01", "CN=Users,"+s.BaseDN)), reason.Conflict, reason.NameTaken, "00002071")
		other := addUser("other", ou)
		other.Attributes[2].Vals = []string{"elev01@skola.test"}
		expect(t, c.Add(ctx, other), reason.Conflict, reason.NameTaken, "0000202F")
		weak := addUser("weak", ou)
		weak.Attributes[4].Vals = []string{ldapx.UnicodePwd("abc")}
		err := c.Add(ctx, weak)
		expect(t, err, reason.Invalid, reason.PasswordRefused, "0000052D")
		if !ldapx.WeakPassword(err) {
			t.Errorf("weak password: %v", err)
		}
		expect(t, c.Delete(ctx, ou), reason.Conflict, reason.NotEmpty, ldapx.Of(c.Delete(ctx, ou)).Hex)
		long := ldap.NewModifyRequest(members[5], nil)
		long.Replace("employeeID", []string{"12345678901234567"})
		expect(t, c.Modify(ctx, long), reason.Invalid, reason.ItemRefused, "0000200B")
		unknown := ldap.NewModifyRequest(members[5], nil)
		unknown.Replace("noSuchAttribute", []string{"x"})
		expect(t, c.Modify(ctx, unknown), reason.Misconfigured, reason.DirectoryLacks, "")
	})
}

// TestSambaSignIn is who may come in, and what a client does when it may not.
func TestSambaSignIn(t *testing.T) {
	s := testbed.StartSambaAD(t, testbed.SambaOptions{})
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx := t.Context()
	t.Run("check", func(t *testing.T) {
		for _, url := range []string{s.URL, s.PlainURL} {
			cfg := admin(s)
			cfg.URLs, cfg.StartTLS = []string{url}, true
			var steps []string
			must(t, open(t, cfg).Check(ctx, []string{"CN=Users," + s.BaseDN}, func(name, detail string, err error) {
				must(t, err)
				steps = append(steps, name+": "+detail)
			}))
			all := strings.Join(steps, "\n")
			for _, want := range []string{"connect: from 127.", "certificate: for " + s.ServerName, "sign-in: as " + s.AdminUPN, "directory: ", "Active Directory: true", "object "} {
				if !strings.Contains(all, want) {
					t.Errorf("%s: no step says %q:\n%s", url, want, all)
				}
			}
		}
		err := open(t, admin(s)).Check(ctx, []string{"OU=None," + s.BaseDN}, func(string, string, error) {})
		expect(t, err, reason.Misconfigured, reason.ObjectMissing, ldapx.Of(err).Hex)
	})
	t.Run("certificates", func(t *testing.T) {
		for _, startTLS := range []bool{false, true} {
			cfg := admin(s)
			if startTLS {
				cfg.URLs, cfg.StartTLS = []string{s.PlainURL}, true
			}
			stranger := cfg
			stranger.CAFile = testbed.NewCA(t).File
			_, err := open(t, stranger).RootDSE(ctx)
			expect(t, err, reason.Misconfigured, reason.CertificateUnknown, "")
			renamed := cfg
			renamed.ServerName = "other.skola.test"
			_, err = open(t, renamed).RootDSE(ctx)
			expect(t, err, reason.Misconfigured, reason.CertificateName, "")
			later := ldapx.New(cfg, ldapx.Options{Now: func() time.Time { return time.Now().AddDate(3, 0, 0) }})
			_, err = later.RootDSE(ctx)
			expect(t, err, reason.Misconfigured, reason.CertificateExpired, "")
			named := cfg
			named.ServerName = s.ServerName
			_, err = open(t, named).RootDSE(ctx)
			must(t, err)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		a := s.Delegate(t, "svc")
		s.Lockout(t, 5)
		file := filepath.Join(t.TempDir(), "password")
		must(t, os.WriteFile(file, []byte("wrong"), 0o600))
		cfg := admin(s)
		cfg.User, cfg.Password, cfg.Connections = a.UPN, secret(file), 8
		c := open(t, cfg)
		done := make(chan error, 20)
		for range cap(done) {
			go func() { _, err := c.RootDSE(ctx); done <- err }()
		}
		for range cap(done) {
			expect(t, <-done, reason.Misconfigured, reason.WrongCredentials, "80090308")
		}
		must(t, os.WriteFile(file, []byte(a.Password), 0o600))
		if _, err := c.RootDSE(ctx); err != nil {
			t.Errorf("with the right password, after many calls with a wrong one: %v", err)
		}
	})
	t.Run("locked", func(t *testing.T) {
		a := s.Delegate(t, "locked")
		s.Lockout(t, 1)
		if _, err := s.SignIn(t, a.UPN, "wrong"); err == nil {
			t.Fatal("signed in with a wrong password")
		}
		cfg := admin(s)
		cfg.User, cfg.Password = a.UPN, secret(a.PasswordFile)
		_, err := open(t, cfg).RootDSE(ctx)
		expect(t, err, reason.Misconfigured, reason.AccountLocked, "80090308")
	})
	t.Run("rights", func(t *testing.T) {
		a := s.Delegate(t, "small")
		cfg := admin(s)
		cfg.User, cfg.Password = a.UPN, secret(a.PasswordFile)
		err := open(t, cfg).Add(ctx, addOU("OU=Nej,"+s.BaseDN))
		expect(t, err, reason.Misconfigured, reason.RightMissing, ldapx.Of(err).Hex)
	})
}

// TestSambaComesAndGoes is a server that hangs, dies and returns.
func TestSambaComesAndGoes(t *testing.T) {
	s := testbed.StartSambaAD(t, testbed.SambaOptions{})
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer s.Kill() // what was started later is not current
	cfg := admin(s)
	cfg.URLs = []string{"ldaps://127.0.0.1:1", s.URL} // the first is away
	cfg.Timeout = time.Second
	c := open(t, cfg)
	defer c.Close()
	_, err := c.RootDSE(t.Context())
	must(t, err)
	if !strings.HasPrefix(c.Address(), s.Addr) {
		t.Errorf("pinned to %s, want %s", c.Address(), s.Addr)
	}

	resume := s.Pause()
	defer resume()
	err = c.Add(t.Context(), addOU("OU=Sent,"+s.BaseDN))
	expect(t, err, reason.Transient, reason.NoAnswer, "")
	if !ldapx.Unsure(err) {
		t.Errorf("a write without an answer is sure: %v", err)
	}
	resume()
	_, err = c.RootDSE(t.Context())
	must(t, err)

	resume = s.Pause()
	defer resume()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	time.AfterFunc(100*time.Millisecond, func() { cancel(enough) })
	began := time.Now()
	_, err = c.Search(ctx, ldapx.Query{Base: s.BaseDN})
	if !errors.Is(err, enough) || time.Since(began) > 900*time.Millisecond || ldapx.Unsure(err) {
		t.Errorf("a cancelled search: %v after %s", err, time.Since(began))
	}
	resume()

	_, err = c.RootDSE(t.Context())
	must(t, err)
	s.Kill()
	_, err = c.RootDSE(t.Context())
	expect(t, err, reason.Transient, reason.Unreachable, "")
	s.Start()
	_, err = c.RootDSE(t.Context())
	must(t, err)
	s.Kill()
	s.Start() // unseen: the kept connection is gone, and a read is made anew
	_, err = c.RootDSE(t.Context())
	must(t, err)
}
