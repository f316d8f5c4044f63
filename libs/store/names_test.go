package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

func claimOf(name string, n int) names.Claim {
	return names.Claim{Name: name, Owner: names.Owner{Person: key(n), Role: roster.RolePupil}, Wanted: name, Since: 20260901}
}

// given returns what stands, and its version.
func given(t *testing.T, n *Names) ([]names.Claim, uint64) {
	t.Helper()
	list, version, err := n.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now, err := n.Version(t.Context()); err != nil || now != version {
		t.Errorf("the version is %d, %v; loaded was %d", now, err, version)
	}
	return list, version
}

func TestNamesStandAsTheyWereSaved(t *testing.T) {
	s := open(t)
	n := s.Names(demo)
	if list, version := given(t, n); len(list) != 0 || version != 0 {
		t.Fatalf("a new tenant has %v in version %d", list, version)
	}
	first := []names.Claim{claimOf("annand", 1), {Name: "admin", Since: 20260901}}
	version, err := n.Save(t.Context(), first, 0)
	if err != nil {
		t.Fatal(err)
	}
	ended := claimOf("annand", 1)
	ended.Ended, ended.Former, ended.Rules = 20270115, true, "r1"
	if version, err = n.Save(t.Context(), []names.Claim{ended, claimOf("annand2", 1)}, version); err != nil {
		t.Fatal(err)
	}
	list, now := given(t, s.Names(demo))
	want := []names.Claim{{Name: "admin", Since: 20260901}, ended, claimOf("annand2", 1)}
	if diff := cmp.Diff(want, list); diff != "" || now != version {
		t.Errorf("version %d, want %d: %s", now, version, diff)
	}
	if same, err := n.Save(t.Context(), nil, version); err != nil || same != version {
		t.Errorf("to save nothing makes version %d of %d, %v", same, version, err)
	}
}

// More than a batch holds, by many at once, each of whom reads again when another was faster.
func TestOfManyWhoGiveNamesAtOnceNoneOverwritesAnother(t *testing.T) {
	s := open(t)
	const each, writers = 1200, 4
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			n := s.Names(demo)
			for {
				list, version, err := n.Load(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				taken := map[string]bool{}
				for _, c := range list {
					taken[c.Name] = taken[c.Name] || c.Owner.Person != key(w)
				}
				var mine []names.Claim
				for i := range each {
					if name := fmt.Sprintf("name%d", i); !taken[name] {
						mine = append(mine, claimOf(name, w))
					}
				}
				if _, err = n.Save(t.Context(), mine, version); err == nil {
					return
				} else if !errors.Is(err, target.ErrNamesChanged) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	list, _ := given(t, s.Names(demo))
	if len(list) != each {
		t.Errorf("%d names stand, want %d", len(list), each)
	}
	// Whoever was refused read what stood: each name was given once.
	first := map[string]names.Claim{}
	for _, c := range list {
		if other, twice := first[c.Name]; twice {
			t.Errorf("%s is %v's and %v's", c.Name, other.Owner, c.Owner)
		}
		first[c.Name] = c
	}
}

func TestANameSavedOnWhatWasReadBeforeIsRefused(t *testing.T) {
	s := open(t)
	a, b := s.Names(demo), s.Names(demo)
	_, version := given(t, a)
	given(t, b)
	if _, err := b.Save(t.Context(), []names.Claim{claimOf("annand", 2)}, version); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and again: who was refused must load
		if _, err := a.Save(t.Context(), []names.Claim{claimOf("annand", 1)}, version); !errors.Is(err, target.ErrNamesChanged) {
			t.Fatalf("two gave one name: %v", err)
		}
	}
	list, _ := given(t, a)
	if len(list) != 1 || list[0].Owner.Person != key(2) {
		t.Errorf("given is %v", list)
	}
}

// A book of which a name is missing is not one in which it is free.
func TestR3ABookThatLostANameIsNotRead(t *testing.T) {
	s := open(t)
	n := s.Names(demo)
	if _, err := n.Save(t.Context(), []names.Claim{claimOf("annand", 1), claimOf("bober", 2)}, 0); err != nil {
		t.Fatal(err)
	}
	_, version := given(t, n)
	lost, err := s.js.Stream(t.Context(), n.stream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.lastMsg(t.Context(), n.stream, n.claim(n.last.token("annand")))
	if err != nil {
		t.Fatal(err)
	}
	if err := lost.DeleteMsg(t.Context(), m.Sequence); err != nil {
		t.Fatal(err)
	}
	_, _, err = n.Load(t.Context())
	wantCode(t, err, reason.NamesIncomplete, reason.Transient)
	if _, err := s.Names(demo).Save(t.Context(), []names.Claim{claimOf("annand", 3)}, version); !errors.Is(err, target.ErrNamesChanged) {
		t.Errorf("the lost name was given again: %v", err)
	}
	if err := s.Purge(t.Context(), demo, key(2), nil); err == nil {
		t.Error("a book that cannot be read says that nothing is left to erase")
	}
}

func TestNamesOfNoTenantAreNotNone(t *testing.T) {
	s := open(t)
	_, _, err := s.Names("nowhere").Load(t.Context())
	wantCode(t, err, reason.LogMissing, reason.Misconfigured)
	_, err = s.Names(demo).Save(t.Context(), []names.Claim{claimOf(strings.Repeat("x", 2<<20), 1)}, 0)
	wantCode(t, err, reason.RecordTooLarge, reason.Invalid)
	if _, err := s.publish(t.Context(), ledgerStream(demo), nats.NewMsg(nameSubjects+demo+".head")); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Names(demo).Load(t.Context())
	wantCode(t, err, reason.MessageUnreadable, reason.Misconfigured)
}

// R8: a name is made of a person's name.
func TestR8NoNameStandsInASubject(t *testing.T) {
	s := open(t)
	if _, err := s.Names(demo).Save(t.Context(), []names.Claim{claimOf("annand", 1), claimOf("bober", 2)}, 0); err != nil {
		t.Fatal(err)
	}
	var salts [2]string
	for i, tenant := range []string{demo, "other"} {
		if err := s.EnsureTenant(t.Context(), tenant, 0); err != nil {
			t.Fatal(err)
		}
		n := s.Names(tenant)
		_, version := given(t, n)
		if _, err := n.Save(t.Context(), []names.Claim{claimOf("annand", 1)}, version); err != nil {
			t.Fatal(err)
		}
		info, err := s.info(t.Context(), n.stream)
		if err != nil || info.State.Msgs == 0 {
			t.Fatalf("%+v, %v", info, err)
		}
		salts[i] = n.last.token("annand")
		for standing := range n.last.standing {
			if strings.Contains(standing, "annand") || len(standing) != 32 {
				t.Errorf("a subject ends with %s", standing)
			}
		}
	}
	if salts[0] == salts[1] {
		t.Error("one name has one hash in two tenants, so that it can be guessed")
	}
}

func TestWhoIsErasedLeavesOnlyThatTheNameIsTaken(t *testing.T) {
	dir := t.TempDir()
	s := connect(t, Options{Server: start(t, dir)})
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	n := s.Names(demo)
	if _, err := n.Save(t.Context(), []names.Claim{claimOf("annand", 1), claimOf("bober", 2)}, 0); err != nil {
		t.Fatal(err)
	}
	publish(t, s, "run-1", person(1, "Anna"))
	publish(t, s, "run-2", tombstone(person(1, ""), roster.TombstoneErased))
	if err := s.Purge(t.Context(), demo, key(1), nil); err != nil {
		t.Fatal(err)
	}
	list, _ := given(t, n)
	want := []names.Claim{{Name: "annand", Since: 20260901}, claimOf("bober", 2)}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
}

// A tenant that was applied by an older version has a stream without the subjects of names, until it is applied again.
func TestAnOlderTenantGetsNamesWhenItIsApplied(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir()), Timeout: 5 * time.Second})
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	older := streamConfigs(demo, 1)[1]
	older.Subjects = slices.DeleteFunc(older.Subjects, func(s string) bool { return strings.HasPrefix(s, nameSubjects) })
	if _, err := s.js.UpdateStream(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	n := s.Names(demo)
	if _, err := n.Save(t.Context(), []names.Claim{claimOf("annand", 1)}, 0); err == nil {
		t.Fatal("a stream took a subject that it does not have")
	}
	if err := s.EnsureTenant(t.Context(), demo, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Save(t.Context(), []names.Claim{claimOf("annand", 1)}, 0); err != nil {
		t.Error(err)
	}
}

func TestClaimsComeThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := names.Claim{
			Name: genText.Draw(t, "name"), Wanted: genText.Draw(t, "wanted"), Rules: genText.Draw(t, "rules"), Since: genDate.Draw(t, "since"),
			Ended: genDate.Draw(t, "ended"), Former: rapid.Bool().Draw(t, "former"),
			Owner: names.Owner{Person: genKey.Draw(t, "person"), Role: roster.Role(genText.Draw(t, "role"))},
		}
		b, err := encodeClaim(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeClaim(b); err != nil || got != c {
			t.Errorf("got %+v, %v; want %+v", got, err, c)
		}
	})
}
