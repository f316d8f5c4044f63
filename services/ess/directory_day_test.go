package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/testbed"
)

// protectedWithin is how soon after its register was begun to be read nobody may see who a protected person is.
const protectedWithin = time.Minute

// TestDirectoryAYear is what people go through: they come, are protected and are not any more, leave and return and leave for
// good. Nobody's account is lost, nothing is written that stands there already, and nothing outside of the configured OUs.
func TestDirectoryAYear(t *testing.T) {
	d := newDirectory(t)
	asa := d.school.add(1, "pupil", "Åsa", "Öberg", "7A")
	d.school.add(2, "pupil", "Bo", "Ek", "7A")
	d.school.add(3, "pupil", "Zoë", "O'Prov", "8B")
	kim := d.school.add(4, "pupil", "Kim", "Testlund", "8B")
	d.school.add(5, "staff", "Lära", "Provlund", "7A")
	d.school.add(6, "staff", "Rektor", "Testsson", "")
	d.school.write(t)
	d.komvux.add(5, "pupil", "Lära", "Provlund", "Kurs") // the teacher reads
	d.komvux.write(t)
	outside := d.outside()
	d.document("active", d.dc.Addr)
	d.reads()
	link, stop := d.links()
	if s := d.settle(link); s.Parked > 0 || s.Held > 0 || s.Waiting > 0 {
		t.Errorf("after the first load: %+v", s)
	}
	had := d.accounts()
	if len(had) != 7 || len(d.letters()) != 7 {
		t.Errorf("there are %d accounts and %d letters", len(had), len(d.letters()))
	}
	d.teacherReads()

	// All of it once more, by every way there is, writes nothing.
	stamps, end := d.stamps(), d.end()
	d.reads()
	for _, verify := range []bool{false, true} {
		if s, err := link.Resync(t.Context(), verify, false); err != nil || s.Operations() > 0 {
			t.Errorf("a resync: %+v, %v", s, err)
		}
	}
	if _, err := link.Replay(t.Context(), time.Time{}); err != nil {
		t.Error(err)
	}
	stop()
	link, _ = d.links()
	d.settle(link)
	if again := d.stamps(); again != stamps {
		t.Errorf("a replay wrote:\n%s", difference(stamps, again))
	}
	if again := d.end(); again != end {
		t.Errorf("a replay published: the log ended with %v, and ends with %v", end, again)
	}

	d.isProtected(asa)
	d.settle(link)
	asa.Marking = "Ingen"
	d.school.write(t)
	d.reads()
	d.settle(link)
	d.as(had[d.id(asa)])

	d.leaves(kim)
	for _, step := range []struct {
		days        int
		uac, parent string
	}{{0, "512", "OU=Elever,"}, {31, "514", "OU=Elever,"}, {30, "514", d.gone()}} {
		d.pass(step.days)
		d.settle(link)
		e := d.same(had[d.id(kim)])
		_, parent, _ := strings.Cut(e.DN, ",")
		if e.GetAttributeValue("userAccountControl") != step.uac || !strings.HasPrefix(parent, step.parent) || len(e.GetAttributeValues("memberOf")) > 0 ||
			(step.uac == "514") != strings.Contains(e.GetAttributeValue("description"), "har slutat") {
			t.Errorf("%d days later it is:\n%s", step.days, testbed.DumpEntries([]*ldap.Entry{e}))
		}
	}
	d.school.people = append(d.school.people, kim)
	d.school.write(t)
	d.reads()
	d.settle(link)
	d.as(had[d.id(kim)])

	d.leaves(kim)
	d.settle(link)
	d.pass(181)
	for range 2 { // the stages of half a year, in whatever order they are done
		d.settle(link)
	}
	if e := d.same(had[d.id(kim)]); e != nil {
		t.Errorf("half a year later there is:\n%s", testbed.DumpEntries([]*ldap.Entry{e}))
	}
	d.school.add(7, "pupil", "Kim", "Testlind", "8B") // would be called the same
	d.school.write(t)
	d.reads()
	d.settle(link)
	d.school.people = append(d.school.people, kim)
	d.school.write(t)
	d.reads()
	d.settle(link)
	if e := d.accounts()[d.id(kim)]; e == nil || e.GetAttributeValue("sAMAccountName") != "kimtes" {
		t.Errorf("who comes back later is %v", e)
	}
	if now := d.outside(); now != outside {
		t.Errorf("something outside of the configured OUs changed:\n%s", difference(outside, now))
	}
}

func (d *directory) end() roster.Position {
	d.Helper()
	end, err := d.store.Log(tenantName).End(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	return end
}

// key is a person's.
func (d *directory) key(p *card) roster.Key {
	d.Helper()
	k, err := roster.NewKeyer([]byte(pepper))
	if err != nil {
		d.Fatal(err)
	}
	return k.Person(schoolSource, p.ID, roster.ParseCivicNo(p.CivicNo, roster.Today(d.now())))
}

// id is our id of somebody's account.
func (d *directory) id(p *card) string { return d.key(p).String() + "." + p.Role }

// teacherReads checks who has two accounts: in the directory, and in the log.
func (d *directory) teacherReads() {
	d.Helper()
	accounts := d.accounts()
	i := slices.IndexFunc(d.school.people, func(p *card) bool { return p.GivenName == "Lära" })
	person := d.key(d.school.people[i])
	want := map[roster.Role]struct {
		upn, ou string
		groups  []string
	}{
		roster.RoleStaff: {"@skola.test", "OU=Personal,OU=Björkskolan,", []string{"Björkskolan 7A", "Björkskolan personal"}},
		roster.RolePupil: {"@elev.skola.test", "OU=Elever,OU=Komvux,", []string{"Komvux Kurs", "Komvux elever"}},
	}
	says := d.overlay(person)
	if len(says) != len(want) {
		d.Errorf("the log has %d personas of who teaches and reads", len(says))
	}
	for role, w := range want {
		e := accounts[person.String()+"."+string(role)]
		if e == nil {
			d.Fatalf("no account as %s", role)
		}
		name := e.GetAttributeValue("sAMAccountName")
		if upn := e.GetAttributeValue("userPrincipalName"); upn != name+w.upn || e.GetAttributeValue("mail") != upn || !strings.Contains(e.DN, ","+w.ou) {
			d.Errorf("the account as %s:\n%s", role, testbed.DumpEntries([]*ldap.Entry{e}))
		}
		if groups := d.groupsOf(e); !slices.Equal(groups, w.groups) {
			d.Errorf("as %s in the groups %v, want %v", role, groups, w.groups)
		}
		if p := says[role]; p.Username.Reveal() != name || p.Email.Reveal() != name+w.upn {
			d.Errorf("as %s the log says %s and %s of %s", role, p.Username.Reveal(), p.Email.Reveal(), name)
		}
	}
}

// groupsOf are the groups of an account, by what people see, sorted.
func (d *directory) groupsOf(e *ldap.Entry) (list []string) {
	d.Helper()
	for _, g := range d.search("(member=" + ldap.EscapeFilter(e.DN) + ")") {
		list = append(list, g.GetAttributeValue("displayName"))
	}
	slices.Sort(list)
	return list
}

// overlay is what the link says of somebody in the log.
func (d *directory) overlay(person roster.Key) map[roster.Role]roster.Persona {
	d.Helper()
	says := map[roster.Role]roster.Persona{}
	err := d.store.Log(tenantName).Records(d.Context(), directoryLink, func(r roster.Record) error {
		if r.Ref.Key == person && r.Person != nil {
			for _, p := range r.Person.Personas {
				says[p.Role] = p
			}
		}
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
	return says
}

// isProtected has a pupil be marked in mid-term: within a minute of the read nobody can use the account or see whose it is,
// and it is still there.
func (d *directory) isProtected(p *card) {
	d.Helper()
	was := d.accounts()[d.id(p)]
	p.Marking = "Sekretessmarkering"
	d.school.write(d)
	begun := time.Now()
	d.reads()
	until(d, "containment", &d.log, func() bool { return d.contained(was) == nil })
	took := time.Since(begun)
	d.Logf("contained %s after the read was begun", took.Round(time.Millisecond))
	if took > protectedWithin {
		d.Errorf("it took %s", took)
	}
	until(d, "end of the letter and of what the log says", &d.log, func() bool {
		return d.letters()[was.GetAttributeValue("sAMAccountName")] == "" && len(d.overlay(d.key(p))) == 0
	})
}

// contained tells what still shows whose an account is.
func (d *directory) contained(was *ldap.Entry) error {
	d.Helper()
	e := d.same(was)
	if e == nil {
		d.Fatalf("%s is gone", was.DN)
	}
	text := testbed.DumpEntries([]*ldap.Entry{e})
	for _, a := range []string{"sAMAccountName", "userPrincipalName", "cn", "givenName", "sn", "displayName", "mail"} {
		if v := was.GetAttributeValue(a); strings.Contains(text, v) {
			return fmt.Errorf("its %s shows", a)
		}
	}
	switch {
	case e.GetAttributeValue("userAccountControl") != "514":
		return fmt.Errorf("somebody can use it")
	case len(e.GetAttributeValues("memberOf")) > 0:
		return fmt.Errorf("it is in groups")
	case !strings.HasPrefix(e.GetAttributeValue("sAMAccountName"), "konto-"):
		return fmt.Errorf("it is called %s", e.GetAttributeValue("sAMAccountName"))
	}
	return nil
}

// leaves has somebody be in the register no more.
func (d *directory) leaves(p *card) {
	d.Helper()
	d.school.people = slices.DeleteFunc(d.school.people, func(o *card) bool { return o == p })
	d.school.write(d)
	d.reads()
}
