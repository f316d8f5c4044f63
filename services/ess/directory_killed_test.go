package main

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	usernames "eventful.se/ess/libs/names"
	"eventful.se/ess/libs/roster"
)

// TestDirectoryKilledInTheFirstLoad kills the program that writes to the directory in the middle of its first load: when some
// accounts are there, on the way to the domain controller, and on the way to its ledger. Whatever the point, in the end everybody has one account, nobody's
// name has become another's, and the letter of each account opens it; and an operator can give a class other passwords.
func TestDirectoryKilledInTheFirstLoad(t *testing.T) {
	d := newDirectory(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for n := range 20 {
		role, class := "pupil", []string{"7A", "8B"}[n%2]
		if n%5 == 4 {
			role, class = "staff", ""
		}
		d.school.add(n, role, []string{"Åsa", "Asa", "Bo", "Nils"}[n%4], []string{"Öberg", "Oberg", "Provlund"}[n%3], class)
	}
	d.school.write(t)
	for n := range 3 {
		d.komvux.add(5*n+4, "pupil", d.school.people[5*n+4].GivenName, d.school.people[5*n+4].FamilyName, "Kurs")
	}
	d.komvux.write(t)
	const everybody = 23
	d.document("active", d.dc.Addr)
	d.reads()

	given, within := map[usernames.Owner]string{}, 0
	// At are accounts or bytes. An undisturbed first load sends some 40,000 bytes to the directory, and 100,000 to its ledger.
	for _, point := range []struct {
		way string
		at  int
	}{{"accounts", 2 + r.IntN(8)}, {"ledger", 28_000 + r.IntN(20_000)}, {"directory", 10_000 + r.IntN(10_000)}} {
		controller, nats, reached, killed := d.dc.Addr+":636", d.url("link"), make(chan struct{}), make(chan struct{})
		limit := func() bool { close(reached); <-killed; return false }
		switch point.way {
		case "directory":
			controller = strings.TrimPrefix(newMeter(t, controller, int64(point.at), limit).url, "nats://")
		case "ledger":
			nats = strings.Replace(newMeter(t, d.nats.URL(), int64(point.at), limit).url, "nats://", "nats://link:x@", 1)
		}
		d.document("active", controller)
		c := d.program(nats)
		until(t, "point in the first load", &c.log, func() bool {
			select {
			case <-reached:
				return true
			default:
				return point.way == "accounts" && len(d.accounts()) >= point.at || d.loaded(everybody)
			}
		})
		c.kill()
		close(killed)
		there := len(d.accounts())
		t.Logf("killed at %d (%s): %d accounts, %d letters", point.at, point.way, there, len(d.letters()))
		if there > 0 && there < everybody {
			within++
		}
		d.keeps(given)
	}

	if within == 0 {
		t.Error("no point was in the middle of the first load")
	}
	d.document("active", d.dc.Addr)
	c := d.program(d.url("link"))
	until(t, "rest of the first load", &c.log, func() bool { return d.loaded(everybody) })
	accounts, letters := d.accounts(), d.letters()
	if users := d.search("(&(objectClass=user)(|(userPrincipalName=*@skola.test)(userPrincipalName=*@elev.skola.test))(!(adminCount=1)))"); len(users) != everybody+1 {
		t.Errorf("there are %d accounts, and one that signs in; want %d", len(users)-1, everybody)
	}
	d.keeps(given)
	if len(given) != everybody || len(letters) != everybody {
		t.Errorf("%d names and %d letters of %d accounts", len(given), len(letters), everybody)
	}
	for owner, name := range given {
		e := accounts[owner.Person.String()+"."+string(owner.Role)]
		if e == nil || e.GetAttributeValue("sAMAccountName") != name {
			t.Errorf("who is called %s has the account %v", name, e)
		} else if err := d.signsIn(e, letters[name]); err != nil {
			t.Errorf("%s cannot sign in by the letter: %v", name, err)
		}
	}

	// A class loses its slips.
	d.operator("passwords", "reset", "--tenant", tenantName, "--link", "active-directory", "--class", "7A", "--why", "lapparna kom bort")
	again, changed := d.letters(), 0
	for name, password := range again {
		e := d.called(name)
		if err := d.signsIn(e, password); err != nil {
			t.Errorf("%s cannot sign in after the reset: %v", name, err)
		}
		if in := slices.Contains(d.groupsOf(e), "Björkskolan 7A"); in != (letters[name] != password) {
			t.Errorf("%s is in the class: %t, and got another password: %t", name, in, !in)
		} else if in {
			if changed++; d.signsIn(e, letters[name]) == nil {
				t.Errorf("%s can use the old password", name)
			}
		}
	}
	d.operator("passwords", "sheet", "--tenant", tenantName, "--class", "7A", "--identity", d.path("school.key"), "--file", d.path("7a.pdf"), "--why", "nya lappar")
	if info, err := os.Stat(d.path("7a.pdf")); err != nil || info.Size() == 0 || changed == 0 || len(d.letters()) != everybody-changed {
		t.Errorf("%d slips of %d were printed: %v", everybody-len(d.letters()), changed, err)
	}
	var list []struct{ Name, Person, Role, State string }
	if err := json.Unmarshal([]byte(d.operator("names", "list", "--tenant", tenantName, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		key, err := roster.ParseKey(n.Person)
		if err != nil || n.State != "current" || given[usernames.Owner{Person: key, Role: roster.Role(n.Role)}] != n.Name {
			t.Errorf("an operator is told of the name %+v", n)
		}
	}
	if len(list) != everybody {
		t.Errorf("an operator is told of %d names, want %d", len(list), everybody)
	}
	if status, _ := c.terminate(t); status != 0 || strings.Contains(c.log.String(), "refuses a permission") {
		t.Errorf("exit status %d:\n%s", status, c.log.String())
	}
}

// loaded tells whether the link has so many accounts, and nothing left to do.
func (d *directory) loaded(accounts int) bool {
	d.Helper()
	marks, err := d.store.Ledger(tenantName).Marks(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	mark := marks[directoryLink]
	return mark.Cursor.Seq >= d.end().Seq && mark.Status.Waiting == 0 && len(d.accounts()) == accounts
}

// program starts the link as a process of its own.
func (d *directory) program(nats string) *child {
	d.Helper()
	return start(d, []string{
		"ESS_NATS_URL=" + nats, "ESS_CONFIG=nats:", "ESS_HTTP=127.0.0.1:0", "ESS_LOG_FORMAT=text",
	}, "target-active-directory")
}

// keeps checks that who had a name has it still, and notes who has one now.
func (d *directory) keeps(given map[usernames.Owner]string) {
	d.Helper()
	claims, _, err := d.store.Names(tenantName).Load(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	now := map[usernames.Owner]string{}
	for _, c := range claims {
		if now[c.Owner] != "" {
			d.Errorf("somebody has the names %s and %s", now[c.Owner], c.Name)
		}
		now[c.Owner] = c.Name
	}
	for owner, name := range given {
		if now[owner] != name {
			d.Errorf("who was called %s is called %s", name, now[owner])
		}
	}
	maps.Copy(given, now)
}
