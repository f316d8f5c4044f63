package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
)

var directory = roster.Source{System: "active-directory", Instance: "default"}

func lettersOf(t *testing.T, l *Letters) string {
	t.Helper()
	list, err := l.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, x := range list {
		if time.Since(x.At) > time.Hour {
			t.Errorf("a letter is of %v", x.At)
		}
		all = append(all, fmt.Sprintf("%s %s %x %s=%s", x.Link, x.Role, x.Person[:1], ".", x.Body))
	}
	return strings.Join(all, "; ")
}

func TestTheNewestLetterWaitsUntilItIsHandedOut(t *testing.T) {
	s := open(t)
	l := s.Letters(demo)
	put := func(person byte, role roster.Role, body string) {
		t.Helper()
		if err := l.Put(t.Context(), Letter{Link: directory, Person: roster.Key{person}, Role: role, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	put(1, roster.RolePupil, "first")
	put(1, roster.RolePupil, "second")
	put(1, roster.RoleStaff, "as staff")
	put(2, roster.RoleNone, "of two")
	const link = "active-directory/default"
	want := link + " pupil 01 .=second; " + link + " staff 01 .=as staff; " + link + "  02 .=of two"
	if got := lettersOf(t, l); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	read, err := l.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(2, roster.RoleNone, "newer")
	if n, err := l.HandOut(t.Context(), read); err != nil || n != 2 {
		t.Errorf("%d of 3 were handed out, want 2: %v", n, err)
	}
	if got := lettersOf(t, l); got != link+"  02 .=newer" {
		t.Errorf("there wait %s", got)
	}
	if n, err := l.HandOut(t.Context(), read); err != nil || n != 0 {
		t.Errorf("handed out again: %d, %v", n, err)
	}
	put(2, roster.RolePupil, "pupil")
	if err := l.Drop(t.Context(), directory, roster.Key{2}, roster.RolePupil); err != nil {
		t.Fatal(err)
	}
	if got := lettersOf(t, l); got != link+"  02 .=newer" {
		t.Errorf("after one was dropped there wait %s", got)
	}
	if err := l.Drop(t.Context(), directory, roster.Key{2}, roster.RoleNone); err != nil {
		t.Fatal(err)
	}
	if got := lettersOf(t, l); got != "" {
		t.Errorf("after all were dropped there wait %s", got)
	}
	for _, bad := range []Letter{{}, {Link: directory}, {Link: directory, Person: roster.Key{1}, Role: "a.b", Body: []byte("x")}, {Link: directory, Person: roster.Key{1}}} {
		if err := l.Put(t.Context(), bad); err == nil {
			t.Errorf("%+v was kept", bad)
		}
	}
}

func TestALetterGoesWithItsPersonOrAfterThirtyDays(t *testing.T) {
	s := open(t)
	stays, left, protected, unknown, moved := person(1, "A"), person(2, "B"), person(3, "C"), person(4, "D"), person(5, "E")
	publish(t, s, "r1", stays, left, protected, moved)
	became := tombstone(moved, roster.TombstoneBecame)
	became.Tombstone.Became = stays.Ref.Key
	publish(t, s, "r2", tombstone(left, roster.TombstoneLeft), tombstone(protected, roster.TombstoneProtected), became)
	l := s.Letters(demo)
	for _, r := range []roster.Record{stays, left, protected, unknown, moved} {
		if err := l.Put(t.Context(), Letter{Link: directory, Person: r.Ref.Key, Role: roster.RolePupil, Body: []byte(r.Ref.Key.String())}); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(at time.Time, want int, keys ...roster.Key) {
		t.Helper()
		done, err := s.Janitor(t.Context(), demo, Retention{Now: at, Age: time.Hour, History: 9})
		if err != nil || done.Letters != want {
			t.Errorf("%d letters were swept, want %d: %v", done.Letters, want, err)
		}
		list, err := l.List(t.Context())
		if err != nil || len(list) != len(keys) {
			t.Fatalf("%d letters wait, want %d: %v", len(list), len(keys), err)
		}
		for i, x := range list {
			if x.Person != keys[i] {
				t.Errorf("the letter of %s waits", x.Person)
			}
		}
	}
	now := time.Now()
	sweep(now, 3, stays.Ref.Key, moved.Ref.Key)
	sweep(now.Add(29*24*time.Hour), 0, stays.Ref.Key, moved.Ref.Key)
	sweep(now.Add(31*24*time.Hour), 2)
}

func TestAnErasedPersonHasNoLetter(t *testing.T) {
	s := open(t)
	gone, other := person(1, "A"), person(2, "B")
	publish(t, s, "r1", gone, other)
	publish(t, s, "r2", tombstone(gone, roster.TombstoneErased))
	for _, r := range []roster.Record{gone, other} {
		if err := s.Letters(demo).Put(t.Context(), Letter{Link: directory, Person: r.Ref.Key, Role: roster.RolePupil, Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Purge(t.Context(), demo, gone.Ref.Key, nil); err != nil {
		t.Fatal(err)
	}
	list, err := s.Letters(demo).List(t.Context())
	if err != nil || len(list) != 1 || list[0].Person != other.Ref.Key {
		t.Errorf("there wait %d letters, %v", len(list), err)
	}
}
