package ldapx_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/testbed/adfake"
	"eventful.se/ess/libs/transport/ldapx"
)

func strict(s *adfake.Server) ldapx.Config {
	return ldapx.Config{URLs: []string{s.URL}, User: s.Admin.UPN, Password: secret(s.Admin.PasswordFile), CAFile: s.CAFile}
}

const pupils = "OU=Elever," + adfake.BaseDN

// TestStrictLimits is what a directory gives in pieces only.
func TestStrictLimits(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := adfake.Start(t, adfake.Options{MaxPage: 10, MaxRange: 15})
	defer s.Stop()
	cfg := strict(s)
	cfg.PageSize = 1000 // the server gives 10 all the same
	c := open(t, cfg)
	defer c.Close()
	ctx := t.Context()
	must(t, c.Add(ctx, addOU(pupils)))
	const many = 47
	group := ldap.NewAddRequest("CN=klass,"+pupils, nil)
	group.Attribute("objectClass", []string{"group"})
	var members []string
	for i := range many {
		must(t, c.Add(ctx, addUser(fmt.Sprintf("elev%02d", i), pupils)))
		members = append(members, fmt.Sprintf("CN=elev%02d,%s", i, pupils))
	}
	group.Attribute("member", members)
	must(t, c.Add(ctx, group))
	for _, base := range []string{pupils, adfake.BaseDN} { // the domain has references to other servers among what it finds
		list, err := c.Search(ctx, ldapx.Query{Base: base, Scope: ldap.ScopeWholeSubtree, Filter: "(sAMAccountName=elev*)", Attributes: []string{"cn"}})
		if err != nil || len(list) != many {
			t.Errorf("%s: %d users, %v; want %d", base, len(list), err, many)
		}
	}
	for _, attributes := range [][]string{nil, {"member"}, {"member", "cn"}, {"member;range=3-20"}} {
		e, err := c.Read(ctx, "CN=klass,"+pupils, attributes...)
		must(t, err)
		want := many
		if len(attributes) == 1 && attributes[0] != "member" {
			want -= 3
		}
		if got := e.GetAttributeValues("member"); len(got) != want || got[len(got)-1] != members[many-1] {
			t.Errorf("%v: %d members, want %d", attributes, len(got), want)
		}
		for _, a := range e.Attributes {
			if strings.Contains(a.Name, ";") || a.Name == "member" && len(a.Values) != want {
				t.Errorf("%v: left over: %s", attributes, a.Name)
			}
		}
	}
	pages := 0
	stop := errors.New("stop")
	err := c.Pages(ctx, ldapx.Query{Base: pupils, Scope: ldap.ScopeSingleLevel}, func([]*ldap.Entry) error {
		if pages++; pages == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || pages != 2 {
		t.Errorf("%v after %d pages", err, pages)
	}
	if n := s.Counts(); n.SignIns != 1 || n.Connections != 1 {
		t.Errorf("%+v, want one connection and one sign-in", n)
	}
}

// TestAnswers is what each answer of a directory means.
func TestAnswers(t *testing.T) {
	s := adfake.Start(t, adfake.Options{})
	c := open(t, strict(s))
	ctx := t.Context()
	must(t, c.Add(ctx, addOU(pupils)))
	must(t, c.Add(ctx, addUser("anna", pupils)))
	const secretName = "Hemlig Person"
	for _, tt := range []struct {
		op    string
		code  int
		text  string
		fault reason.Fault
		want  reason.Code
		hex   string
	}{
		{"search", 1, "", reason.Transient, reason.DirectoryFailed, "000004DC"},
		{"search", 3, "", reason.Transient, reason.DirectoryLimit, "00000078"},
		{"search", 4, "x", reason.Transient, reason.DirectoryLimit, ""},
		{"modify", 8, "", reason.Misconfigured, reason.EncryptionRequired, "00002028"},
		{"modify", 10, "", reason.Misconfigured, reason.OtherDomain, "0000202B"},
		{"search", 11, "", reason.Transient, reason.DirectoryLimit, "00002024"},
		{"search", 12, "00002040: SvcErr", reason.Misconfigured, reason.DirectoryLacks, "00002040"},
		{"modify", 16, "00000057: LdapErr", reason.Misconfigured, reason.DirectoryLacks, "00000057"},
		{"password", 19, "0000052d: x", reason.Invalid, reason.PasswordRefused, "0000052D"},
		{"modify", 19, "000021C8: AtrErr", reason.Conflict, reason.NameTaken, "000021C8"},
		{"modify", 19, "0000202F: AtrErr", reason.Invalid, reason.ItemRefused, "0000202F"},
		{"modify", 20, "x", reason.Conflict, reason.ItemChanged, ""},
		{"modify", 21, "0000200B: AtrErr", reason.Invalid, reason.ItemRefused, "0000200B"},
		{"modify", 32, "0000208D: NameErr", reason.Conflict, reason.ItemChanged, "0000208D"},
		{"modify", 34, "x", reason.Invalid, reason.ItemRefused, ""},
		{"modify", 50, "", reason.Misconfigured, reason.RightMissing, "00002098"},
		{"modify", 51, "", reason.Transient, reason.Throttled, "00002024"},
		{"modify", 52, "", reason.Transient, reason.DirectoryFailed, "000020EF"},
		{"modify", 53, "", reason.Invalid, reason.DirectoryUnwilling, "0000001F"},
		{"modify", 53, "no code", reason.Invalid, reason.DirectoryUnwilling, ""},
		{"modify", 53, "0000052D: SvcErr", reason.Invalid, reason.PasswordNeeded, "0000052D"},
		{"password", 53, "0000052D: SvcErr", reason.Invalid, reason.PasswordRefused, "0000052D"},
		{"password", 53, "0000052C: SvcErr", reason.Invalid, reason.PasswordRefused, "0000052C"},
		{"modify", 53, "0000052A: SvcErr", reason.Invalid, reason.ObjectGuarded, "0000052A"},
		{"modify", 53, "0000055B: SvcErr", reason.Invalid, reason.ObjectGuarded, "0000055B"},
		{"modify", 53, "0000055E: SvcErr", reason.Invalid, reason.PrimaryGroup, "0000055E"},
		{"modify", 53, "0000209A: SvcErr", reason.Invalid, reason.AttributeGuarded, "0000209A"},
		{"modify", 19, "0000209A: AtrErr", reason.Invalid, reason.AttributeGuarded, "0000209A"},
		{"modify", 53, "00002144: SvcErr", reason.Invalid, reason.GroupTypeRefused, "00002144"},
		{"modify", 53, "0000214A: SvcErr", reason.Invalid, reason.DirectoryUnwilling, "0000214A"},
		{"modify", 65, "x", reason.Invalid, reason.ItemRefused, ""},
		{"modify", 66, "x", reason.Conflict, reason.NotEmpty, ""},
		{"modify", 68, "00000524: UpdErr", reason.Conflict, reason.NameTaken, "00000524"},
		{"modify", 80, "x", reason.Transient, reason.DirectoryFailed, ""},
		{"modify", 80, "00000523: SysErr", reason.Invalid, reason.ItemRefused, "00000523"},
		{"modify", 123, "x", reason.Transient, reason.DirectoryFailed, ""},
	} {
		t.Run(fmt.Sprint(tt.op, tt.code, tt.text), func(t *testing.T) {
			text := tt.text
			if text != "" {
				text += ", CN=" + secretName
			}
			op := tt.op
			if op == "password" {
				op = "modify"
			}
			s.Inject(adfake.Fault{Op: op, DN: "anna", Times: 1, Code: tt.code, Text: text})
			var err error
			switch tt.op {
			case "search":
				_, err = c.Read(ctx, "CN=anna,"+pupils)
			case "password":
				err = c.SetPassword(ctx, "CN=anna,"+pupils, "abc")
			default:
				modify := ldap.NewModifyRequest("CN=anna,"+pupils, nil)
				modify.Replace("title", []string{"x"})
				err = c.Modify(ctx, modify)
			}
			expect(t, err, tt.fault, tt.want, tt.hex)
			if !ldapx.Is(err, uint16(tt.code)) || ldapx.Unsure(err) || strings.Contains(err.Error(), secretName) {
				t.Errorf("got %v", err)
			}
			for _, l := range []reason.Language{reason.Swedish, reason.English} {
				if r := reason.Of(err); strings.ContainsAny(r.Text(l)+r.Next(l), "{}") {
					t.Errorf("an argument is missing: %s %s", r.Text(l), r.Next(l))
				}
			}
			if _, err := c.Read(ctx, "CN=anna,"+pupils); err != nil {
				t.Errorf("after that: %v", err)
			}
		})
	}
}

// TestRefusedSignIn is that each refusal has its reason, and is not repeated.
func TestRefusedSignIn(t *testing.T) {
	for data, want := range map[string]reason.Code{
		"525": reason.WrongCredentials, "52e": reason.WrongCredentials, "530": reason.SignInRestricted, "531": reason.SignInRestricted,
		"532": reason.PasswordExpired, "533": reason.AccountDisabled, "701": reason.AccountExpired, "773": reason.PasswordExpired, "775": reason.AccountLocked,
	} {
		s := adfake.Start(t, adfake.Options{})
		now := time.Now()
		c := ldapx.New(strict(s), ldapx.Options{Now: func() time.Time { return now }})
		defer c.Close()
		s.Inject(adfake.Fault{Op: "bind", Code: 49, Text: "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data " + data + ", v3839\x00"})
		for range 5 {
			_, err := c.RootDSE(t.Context())
			expect(t, err, reason.Misconfigured, want, "80090308")
			if got := ldapx.Of(err).Data; got != data {
				t.Errorf("data %q, want %q", got, data)
			}
		}
		if n := s.Counts().SignIns; n != 1 {
			t.Errorf("%s: %d sign-ins, want 1", data, n)
		}
		s.Mend()
		now = now.Add(ldapx.RefusalPause)
		if _, err := c.RootDSE(t.Context()); err != nil {
			t.Errorf("%s: after a while: %v", data, err)
		}
	}
}

// TestLostAnswers is a connection that ends, or says nothing, around a write.
func TestLostAnswers(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   adfake.Way
		code reason.Code
		done bool
	}{
		{"before", adfake.DropBefore, reason.Unreachable, false},
		{"after", adfake.DropAfter, reason.Unreachable, true},
		{"hang", adfake.Hang, reason.NoAnswer, false},
		{"hang after", adfake.HangAfter, reason.NoAnswer, true},
		{"garbage", adfake.Garbage, reason.Unreachable, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			s := adfake.Start(t, adfake.Options{})
			defer s.Stop()
			cfg := strict(s)
			cfg.Timeout = 300 * time.Millisecond
			c := open(t, cfg)
			defer c.Close()
			_, err := c.RootDSE(t.Context())
			must(t, err)
			s.Inject(adfake.Fault{Op: "add", Times: 1, Do: tt.do})
			err = c.Add(t.Context(), addOU(pupils))
			expect(t, err, reason.Transient, tt.code, "")
			if !ldapx.Unsure(err) {
				t.Errorf("sure: %v", err)
			}
			if n := s.Counts().Ops["add"]; n != 1 {
				t.Errorf("%d adds, want 1: a write is never repeated", n)
			}
			if _, err := c.Read(t.Context(), pupils); ldapx.Missing(err) == tt.done {
				t.Errorf("read back: %v, done %t", err, tt.done)
			}

			s.Inject(adfake.Fault{Op: "search", DN: "Elever", Times: 1, Do: tt.do})
			_, err = c.Search(t.Context(), ldapx.Query{Base: adfake.BaseDN})
			must(t, err)
			_, err = c.Read(t.Context(), pupils)
			if tt.code == reason.NoAnswer {
				expect(t, err, reason.Transient, reason.NoAnswer, "")
			} else if (err == nil) != tt.done && !ldapx.Missing(err) {
				t.Errorf("a read whose kept connection ended: %v", err)
			}
			if ldapx.Unsure(err) {
				t.Errorf("a read is unsure: %v", err)
			}
		})
	}
}

// TestManyAtOnce is that connections are limited, shared and reused, and that waiting ends with the context.
func TestManyAtOnce(t *testing.T) {
	s := adfake.Start(t, adfake.Options{})
	cfg := strict(s)
	cfg.Connections = 3
	c := open(t, cfg)
	must(t, c.Add(t.Context(), addOU(pupils)))
	done := make(chan error, 60)
	for i := range cap(done) {
		go func() { done <- c.Add(t.Context(), addUser(fmt.Sprintf("e%d", i), pupils)) }()
	}
	for range cap(done) {
		must(t, <-done)
	}
	if n := s.Counts(); n.Connections > 3 || n.SignIns > 3 {
		t.Errorf("%+v, want at most 3 connections", n)
	}
	s.Inject(adfake.Fault{Op: "delete", Do: adfake.Hang})
	hanging, stop := context.WithCancel(t.Context())
	for range 3 {
		go func() { done <- c.Delete(hanging, pupils) }()
	}
	for s.Counts().Ops["delete"] < 3 {
		time.Sleep(time.Millisecond)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.RootDSE(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no connection is free: %v", err)
	}
	stop()
	for range 3 {
		if err := <-done; !errors.Is(err, context.Canceled) || !ldapx.Unsure(err) {
			t.Errorf("cancelled: %v", err)
		}
	}
	s.Mend()
	if _, err := c.RootDSE(t.Context()); err != nil {
		t.Error(err)
	}
	s.Cut() // unseen by a client that is idle
	if _, err := c.RootDSE(t.Context()); err != nil {
		t.Error(err)
	}
}
