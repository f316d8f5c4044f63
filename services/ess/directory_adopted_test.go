package main

import (
	"archive/zip"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/testbed"
	"eventful.se/ess/libs/transport/ldapx"
)

const oldPassword = "Gammalt-1-ord"

// TestDirectoryTakenOver takes over a directory that people have kept by hand: what would be done is shown, told in a workbook
// and approved, and then exactly that is done. Staff are found and used as they are. Nothing else is touched, wherever it is.
func TestDirectoryTakenOver(t *testing.T) {
	d := newDirectory(t)
	d.roles = "{pupil: manage, staff: match}"
	d.more = `
      matchBy: [employeeID]
      attributes:
        givenName: {value: "{givenName}"}
        sn: {value: "{familyName}"}
        displayName: {value: "{displayName}"}
        employeeID: {value: "{civicNo}", policy: report}
`
	asa := d.school.add(1, "pupil", "Åsa", "Öberg", "7A")
	bo := d.school.add(2, "pupil", "Bo", "Ek", "7A")
	zoe := d.school.add(3, "pupil", "Zoë", "O'Prov", "7A")
	kim := d.school.add(4, "pupil", "Kim", "Testlund", "7A")
	nils := d.school.add(5, "pupil", "Nils", "Prov", "7A")
	per := d.komvux.add(6, "pupil", "Per", "Testlind", "Kurs")
	teacher := d.school.add(7, "staff", "Lära", "Provlund", "7A")
	head := d.school.add(8, "staff", "Rektor", "Testsson", "")
	d.school.write(t)
	d.komvux.write(t)
	old := "OU=Gamla," + d.base()
	d.byHand(old, "organizationalUnit")
	d.byHand("CN=asa.o,"+old, "user", "displayName", "Åsa i 6A", "employeeID", asa.CivicNo)
	d.byHand("CN=bo1,"+old, "user", "employeeID", bo.CivicNo)
	d.byHand("CN=bo2,"+old, "user", "employeeID", bo.CivicNo)
	d.byHand("CN=zoe,"+old, "user", "employeeID", zoe.CivicNo, "adminCount", "1")
	d.byHand("CN=kim.t,"+old, "user", "employeeID", kim.CivicNo, "userAccountControl", "514")
	d.byHand("CN=nils,CN=Users,"+d.dc.BaseDN, "user", "employeeID", nils.CivicNo)
	d.byHand("CN=pertes,CN=Users,"+d.dc.BaseDN, "user", "displayName", "En vaktmästare")
	d.byHand("CN=lara,CN=Users,"+d.dc.BaseDN, "user", "displayName", "Lära P", "employeeID", teacher.CivicNo)
	d.byHand("CN=rektorn,CN=Users,"+d.dc.BaseDN, "user", "givenName", "Rektor", "sn", "Testsson")
	d.byHand("CN=schack,"+old, "group", "displayName", "schack", "member", "CN=bo1,"+old)
	d.byHand("CN=choir,CN=Users,"+d.dc.BaseDN, "group", "displayName", "choir", "member", "CN=asa.o,"+old)
	adopted := map[*card]*ldap.Entry{asa: d.called("asa.o"), kim: d.called("kim.t")}
	before := d.search("(objectClass=*)", "objectGUID")
	was := d.untouched(before, adopted)

	d.document("preview", d.dc.Addr)
	d.reads()
	stamps := d.stamps()
	told := d.operator("preview", "--tenant", tenantName, "--link", "active-directory", "--rows", "-o", d.path("prov.xlsx"))
	for p, want := range map[*card][]string{
		asa: {"take over", "by employeeID"}, kim: {"take over", "it is disabled there"}, per: {"create"}, bo: {"not sent", "several"},
		zoe: {"not sent", "administrator"}, nils: {"not sent", "outside of the OUs"}, teacher: {"use", "by employeeID"}, head: {"not sent", "Closest"},
	} {
		row := ""
		for line := range strings.Lines(told) {
			if strings.Contains(line, "user/"+d.id(p)) {
				row += line
			}
		}
		for _, w := range want {
			if !strings.Contains(row, w) {
				t.Errorf("the preview says of %s %s, and not %q: %q", p.GivenName, p.FamilyName, w, row)
			}
		}
	}
	book := workbookText(t, d.path("prov.xlsx"))
	for _, want := range []string{"Koppling", "tas över", "aktiveras", "lämnas orört", "måste avgöras", "Åsa i 6A", "Åsa Öberg"} {
		if !strings.Contains(book, want) {
			t.Errorf("the workbook lacks %q", want)
		}
	}
	write(t, d.path("prov.yaml"), d.text("active", d.dc.Addr))
	apply := []string{"tenants", "apply", d.path("prov.yaml"), "--why", "signed by the school"}
	out, err := d.essctl("applier", apply...)
	_, digest, asked := strings.Cut(out, "--approve ")
	if err == nil || !asked || strings.Count(out, "take over") != 2 {
		t.Fatalf("what is taken over is not asked about: %v\n%s", err, out)
	}
	if now := d.stamps(); now != stamps {
		t.Errorf("to look at it wrote:\n%s", difference(stamps, now))
	}
	if out, err := d.essctl("applier", append(apply, "--approve", strings.TrimSpace(digest))...); err != nil {
		t.Fatalf("what was approved is not applied: %v\n%s", err, out)
	}
	link, stop := d.links()
	if s := d.settle(link); s.Parked != 4 || s.Held+s.Waiting > 0 {
		t.Errorf("settled: %+v", s)
	}

	for p, e := range adopted { // with the names, passwords and groups that they had
		now, name := d.same(e), e.GetAttributeValue("sAMAccountName")
		if now.GetAttributeValue("employeeNumber") != d.id(p) || now.GetAttributeValue("displayName") != p.GivenName+" "+p.FamilyName ||
			now.GetAttributeValue("sAMAccountName") != name || now.GetAttributeValue("userPrincipalName") != name+"@elev.skola.test" ||
			!strings.Contains(now.DN, ",OU=Elever,OU=Björkskolan,") || d.signsIn(now, oldPassword) != nil {
			t.Errorf("taken over is:\n%s", testbed.DumpEntries([]*ldap.Entry{now}))
		}
	}
	for p, want := range map[*card][]string{asa: {"Björkskolan 7A", "Björkskolan elever", "choir"}, kim: {"Björkskolan 7A", "Björkskolan elever"}} {
		if groups := d.groupsOf(d.same(adopted[p])); !slices.Equal(groups, want) {
			t.Errorf("%s is in the groups %v, want %v", p.GivenName, groups, want)
		}
	}
	for name, want := range map[string][]string{"lara": {"Björkskolan 7A", "Björkskolan personal"}, "bo1": {"schack"}, "rektorn": nil, "nils": nil, "zoe": nil} {
		if groups := d.groupsOf(d.called(name)); !slices.Equal(groups, want) {
			t.Errorf("%s is in the groups %v, want %v", name, groups, want)
		}
	}
	if got := d.overlay(d.key(teacher))[roster.RoleStaff].Username.Reveal(); got != "lara" {
		t.Errorf("the log says that the teacher is called %q", got)
	}
	if e := d.accounts()[d.id(per)]; e == nil || e.GetAttributeValue("sAMAccountName") != "pertes2" {
		t.Errorf("whose name somebody outside of the schools has is %v", e)
	}
	if letters := d.letters(); len(letters) != 1 || letters["pertes2"] == "" {
		t.Errorf("%d letters wait, want one for the only account that was made", len(letters))
	}
	for _, e := range d.search("(&(|(objectClass=user)(objectClass=group)(objectClass=organizationalUnit))(!(employeeNumber=*))(!(adminDescription=ess:*)))", "objectGUID") {
		if !slices.ContainsFunc(before, func(b *ldap.Entry) bool {
			return slices.Equal(b.GetRawAttributeValue("objectGUID"), e.GetRawAttributeValue("objectGUID"))
		}) {
			t.Errorf("%s was made without our id", e.DN)
		}
	}
	parked := d.operator("parked", "show", "user/"+d.id(head), "--tenant", tenantName, "--link", "active-directory")
	if !strings.Contains(parked, "has nothing of its own") || !strings.Contains(parked, guidText(d.called("rektorn"))) {
		t.Errorf("of the head teacher is told:\n%s", parked)
	}
	stamps = d.stamps()
	if s, err := link.Resync(t.Context(), true, false); err != nil || s.Operations() > 0 || d.stamps() != stamps {
		t.Errorf("all of it once more: %+v, %v\n%s", s, err, difference(stamps, d.stamps()))
	}
	if now := d.untouched(before, adopted); now != was {
		t.Errorf("what is not ours changed:\n%s", difference(was, now))
	}

	// The customer goes back: everything stays as it is, and the log says nothing more on behalf of the link.
	stop()
	text := d.text("active", d.dc.Addr)
	write(t, d.path("prov.yaml"), text[:strings.Index(text, "links:\n")])
	if out, err := d.essctl("applier", "tenants", "apply", d.path("prov.yaml"), "--why", "another system"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	retire := []string{"tenants", "retire", tenantName, "--link", "active-directory", "--why", "another system"}
	out, _ = d.essctl("retirer", retire...)
	_, digest, _ = strings.Cut(out, "--approve ")
	if out, err := d.essctl("retirer", append(retire, "--approve", strings.TrimSpace(digest))...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if d.stamps() != stamps || len(d.overlay(d.key(teacher))) > 0 || len(d.overlay(d.key(asa))) > 0 {
		t.Errorf("the link is gone, and the log says still who is called how, or the directory changed:\n%s", difference(stamps, d.stamps()))
	}
	if out, err := d.essctl("retirer", retire...); err != nil || !strings.Contains(out, "nothing of it is left") {
		t.Errorf("once more: %v\n%s", err, out)
	}
}

// guidText is an object's id as people read it.
func guidText(e *ldap.Entry) string {
	b := e.GetRawAttributeValue("objectGUID")
	return fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x", b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8:10], b[10:])
}

// byHand makes an object as people do; an account that can be used, unless it says otherwise.
func (d *directory) byHand(dn, class string, pairs ...string) {
	d.Helper()
	rdn, _, _ := strings.Cut(dn, ",")
	_, name, _ := strings.Cut(rdn, "=")
	a := ldap.NewAddRequest(dn, nil)
	a.Attribute("objectClass", []string{class})
	if class != "organizationalUnit" {
		a.Attribute("sAMAccountName", []string{name})
	}
	if class == "user" {
		a.Attribute("userPrincipalName", []string{name + "@skola.test"})
		a.Attribute("unicodePwd", []string{ldapx.UnicodePwd(oldPassword)})
		if !slices.Contains(pairs, "userAccountControl") {
			a.Attribute("userAccountControl", []string{"512"})
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		a.Attribute(pairs[i], []string{pairs[i+1]})
	}
	if err := d.admin.Add(a); err != nil {
		d.Fatalf("%s: %v", dn, err)
	}
}

// untouched is all of what was there that is not taken over, with its stamps; but for the groups that name it, which is
// written there.
func (d *directory) untouched(before []*ldap.Entry, adopted map[*card]*ldap.Entry) string {
	d.Helper()
	const choir = "CN=choir," // has one in it who is moved
	there := map[string]bool{}
	for _, e := range before {
		there[string(e.GetRawAttributeValue("objectGUID"))] = true
	}
	for _, e := range adopted {
		delete(there, string(e.GetRawAttributeValue("objectGUID")))
	}
	list := slices.DeleteFunc(d.search("(objectClass=*)", "*", "nTSecurityDescriptor"), func(e *ldap.Entry) bool {
		return !there[string(e.GetRawAttributeValue("objectGUID"))] || e.DN == d.account.DN || strings.HasPrefix(e.DN, "CN=RID ") || strings.HasPrefix(e.DN, choir)
	})
	return testbed.DumpEntries(list, "memberOf", "lastLogon", "lastLogonTimestamp", "logonCount")
}

// workbookText is all that stands in a workbook.
func workbookText(t testing.TB, path string) string {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var b strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err == nil {
			_, err = io.Copy(&b, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
