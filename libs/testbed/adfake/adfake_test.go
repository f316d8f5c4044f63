package adfake_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/testbed/adfake"
	"eventful.se/ess/libs/transport/ldapx"
)

func client(t *testing.T, url, ca string, who testbed.Account) *ldapx.Client {
	t.Helper()
	c := ldapx.New(ldapx.Config{URLs: []string{url}, CAFile: ca, User: who.UPN, Password: tenant.Secret("file:" + who.PasswordFile)}, ldapx.Options{Now: time.Now})
	t.Cleanup(c.Close)
	return c
}

func fake(t *testing.T, s *adfake.Server) *ldapx.Client { return client(t, s.URL, s.CAFile, s.Admin) }

const base = "OU=Elever," + adfake.BaseDN

func object(dn string, pairs ...string) *ldap.AddRequest {
	add := ldap.NewAddRequest(dn, nil)
	for i := 0; i+1 < len(pairs); i += 2 {
		add.Attribute(pairs[i], strings.Split(pairs[i+1], "|"))
	}
	return add
}

func user(cn, sam string, pairs ...string) *ldap.AddRequest {
	return object(ldapx.Child(ldapx.RDN("CN", cn), base), append([]string{
		"objectClass", "user", "sAMAccountName", sam, "userAccountControl", "512", "unicodePwd", ldapx.UnicodePwd("Elev-Pass1!x"),
	}, pairs...)...)
}

func modify(dn string, changes ...ldap.Change) *ldap.ModifyRequest {
	return &ldap.ModifyRequest{DN: dn, Changes: changes}
}

func change(op uint, name string, values ...string) ldap.Change {
	return ldap.Change{Operation: op, Modification: ldap.PartialAttribute{Type: name, Vals: values}}
}

const (
	add     = ldap.AddAttribute
	del     = ldap.DeleteAttribute
	replace = ldap.ReplaceAttribute
)

// TestAsSamba makes the same calls to the fake and to a real directory, where both are equally strict: each must answer
// alike, and the same must stand there in the end.
func TestAsSamba(t *testing.T) {
	s := testbed.StartSambaAD(t, testbed.SambaOptions{})
	f := adfake.Start(t, adfake.Options{})
	peers := []*ldapx.Client{
		client(t, s.URL, s.CAFile, testbed.Account{UPN: s.AdminUPN, PasswordFile: s.AdminPasswordFile}), fake(t, f),
	}
	a, b, group := "CN=a,"+base, "CN=b,"+base, "CN=klass,"+base
	s.Policy(t, map[string]string{"minPwdAge": "0", "pwdHistoryLength": "0"})
	calls := []struct {
		name string
		do   func(ctx context.Context, c *ldapx.Client) error
	}{
		{"OU", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, object(base, "objectClass", "organizationalUnit", "description", "elever"))
		}},
		{"OU again, in another case", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, object(strings.ToUpper(base), "objectClass", "organizationalUnit"))
		}},
		{"OU as CN", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, object("CN=x,"+base, "objectClass", "organizationalUnit"))
		}},
		{"user", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, user("a", "a", "givenName", "Åsa", "userPrincipalName", "a@skola.test"))
		}},
		{"user b", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, user("b", "b", "userPrincipalName", "b@skola.test"))
		}},
		{"user with odd name", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, user(` Ek, Lo+"<>;=#\ö `, "odd", "employeeNumber", "123"))
		}},
		{"same CN", func(ctx context.Context, c *ldapx.Client) error { return c.Add(ctx, user("A", "c")) }},
		{"same sAMAccountName", func(ctx context.Context, c *ldapx.Client) error { return c.Add(ctx, user("c", "A")) }},
		{"same UPN", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, user("c", "c", "userPrincipalName", "A@skola.test"))
		}},
		{"no parent", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, object("CN=x,OU=none,"+base, "objectClass", "user", "sAMAccountName", "x"))
		}},
		{"weak password", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, object("CN=w,"+base, "objectClass", "user", "sAMAccountName", "w", "userAccountControl", "512", "unicodePwd", ldapx.UnicodePwd("abc")))
		}},
		{"weak password later", func(ctx context.Context, c *ldapx.Client) error { return c.SetPassword(ctx, a, "abc") }},
		{"no class", func(ctx context.Context, c *ldapx.Client) error { return c.Add(ctx, object("CN=x,"+base, "cn", "x")) }},
		{"unknown attribute", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(replace, "noSuchAttribute", "x")))
		}},
		{"values", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(replace, "title", "elev"), change(replace, "department", "7A"), change(add, "otherTelephone", "1", "2")))
		}},
		{"value twice", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(add, "otherTelephone", "1")))
		}},
		{"empty value", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(replace, "title", "")))
		}},
		{"value that is not there", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(del, "otherTelephone", "3")))
		}},
		{"attribute that is not there", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(del, "company")))
		}},
		{"nothing for nothing", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(replace, "company")))
		}},
		{"good and bad", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(replace, "title", "lärare"), change(del, "company")))
		}},
		{"CN by modify", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(replace, "cn", "z")))
		}},
		{"group", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, object(group, "objectClass", "group", "sAMAccountName", "klass", "member", a))
		}},
		{"member", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(group, change(add, "member", b)))
		}},
		{"member twice", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(group, change(add, "member", a)))
		}},
		{"member of nowhere", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(group, change(add, "member", "CN=none,"+base)))
		}},
		{"member gone", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(group, change(del, "member", b)))
		}},
		{"member gone twice", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(group, change(del, "member", b)))
		}},
		{"sAMAccountName of another", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(b, change(replace, "sAMAccountName", "a")))
		}},
		{"UPN of another", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(b, change(replace, "userPrincipalName", "a@skola.test")))
		}},
		{"rename to another's", func(ctx context.Context, c *ldapx.Client) error { return c.Rename(ctx, b, "CN=A", "") }},
		{"rename in case", func(ctx context.Context, c *ldapx.Client) error { return c.Rename(ctx, b, "CN=B", "") }},
		{"inner OU", func(ctx context.Context, c *ldapx.Client) error {
			return c.Add(ctx, object("OU=Ute,"+base, "objectClass", "organizationalUnit"))
		}},
		{"move", func(ctx context.Context, c *ldapx.Client) error { return c.Rename(ctx, a, "CN=aa", "OU=Ute,"+base) }},
		{"move the OU", func(ctx context.Context, c *ldapx.Client) error { return c.Rename(ctx, "OU=Ute,"+base, "OU=Inne", "") }},
		{"the old name", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify(a, change(replace, "title", "x")))
		}},
		{"not empty", func(ctx context.Context, c *ldapx.Client) error { return c.Delete(ctx, "OU=Inne,"+base) }},
		{"delete", func(ctx context.Context, c *ldapx.Client) error { return c.Delete(ctx, b) }},
		{"delete twice", func(ctx context.Context, c *ldapx.Client) error { return c.Delete(ctx, b) }},
		{"not a name", func(ctx context.Context, c *ldapx.Client) error { return c.Delete(ctx, "rubbish") }},
		{"change of password", func(ctx context.Context, c *ldapx.Client) error {
			return c.ChangePassword(ctx, "CN=aa,OU=Inne,"+base, "Elev-Pass1!x", "Elev-Pass2!y")
		}},
		{"change of a password that it has not", func(ctx context.Context, c *ldapx.Client) error {
			return c.ChangePassword(ctx, "CN=aa,OU=Inne,"+base, "Elev-Pass1!x", "Elev-Pass3!z")
		}},
		{"disable", func(ctx context.Context, c *ldapx.Client) error {
			return c.Modify(ctx, modify("CN=aa,OU=Inne,"+base, change(replace, "userAccountControl", "514")))
		}},
	}
	// Samba has another number for the same refusal: what is compared is whether it was refused, and what the caller is told.
	for _, call := range calls {
		var answers []string
		for _, c := range peers {
			err := call.do(t.Context(), c)
			answers = append(answers, fmt.Sprintf("%d exists=%t missing=%t gone=%t weak=%t", family(ldapx.Of(err).Code), ldapx.ValueExists(err), ldapx.ValueMissing(err), ldapx.Missing(err), ldapx.WeakPassword(err)))
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: Samba %s, fake %s", call.name, answers[0], answers[1])
		}
	}
	for _, filter := range []string{
		"(objectClass=user)", "(&(objectClass=user)(!(title=*)))", "(|(cn=a*)(employeeNumber=123))", "(userAccountControl:1.2.840.113556.1.4.803:=2)",
		"(givenName=åsa)", "(noSuchAttribute=x)", ldapx.Equal("cn", ` Ek, Lo+"<>;=#\ö `), "(cn=*l*s*)", "(member=CN=aa,OU=Inne," + base + ")",
		"(objectCategory=person)", "(userAccountControl>=514)", "(sAMAccountName=AA)", "(sAMAccountName=A)",
	} {
		var found [][]string
		for _, c := range peers {
			list, err := c.Search(t.Context(), ldapx.Query{Base: base, Scope: ldap.ScopeWholeSubtree, Filter: filter})
			if err != nil {
				t.Errorf("%s: %v", filter, err)
			}
			found = append(found, shown(list))
		}
		if diff := cmp.Diff(found[0], found[1]); diff != "" {
			t.Errorf("%s: Samba -, fake +\n%s", filter, diff)
		}
	}
}

// family returns a result, with those that differ between Samba and Windows made one.
func family(code uint16) uint16 {
	switch code {
	case ldap.LDAPResultConstraintViolation:
		return ldap.LDAPResultUnwillingToPerform
	case ldap.LDAPResultObjectClassViolation:
		return ldap.LDAPResultNamingViolation
	default:
		return code
	}
}

// shown returns what both must agree on of a list of objects.
func shown(list []*ldap.Entry) (lines []string) {
	for _, e := range list {
		dn, err := ldap.ParseDN(e.DN)
		line := fmt.Sprint(e.DN, err)
		if err == nil {
			line = dn.String()
		}
		for _, name := range []string{
			"cn", "ou", "name", "givenName", "title", "department", "otherTelephone", "description", "sAMAccountName", "userPrincipalName", "employeeNumber",
			"userAccountControl", "groupType", "sAMAccountType", "member", "memberOf", "objectClass", "accountExpires", "distinguishedName",
		} {
			values := slices.Clone(e.GetAttributeValues(name))
			slices.Sort(values)
			if name == "distinguishedName" {
				values = []string{fmt.Sprint(values[0] == e.DN)}
			}
			line += fmt.Sprintf("; %s=%q", name, values)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}
