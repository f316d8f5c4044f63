package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	_ "eventful.se/ess/libs/testbed/underrace"
)

const quick = 2 * time.Second

func TestMembers(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir())})
	m := s.Members()
	a := Member{Program: "target-apple", Instance: "pod-a", Session: "s-a"}
	b := Member{Program: "target-apple", Instance: "pod-b", Session: "s-b"}
	other := Member{Program: "source-alvis", Instance: "pod-c", Session: "s-c"}
	for name, call := range map[string]func() error{
		"look":  func() error { _, err := m.Look(t.Context(), ""); return err },
		"renew": func() error { return m.Renew(t.Context(), a) },
		"leave": func() error { return m.Leave(t.Context(), a) },
		"when":  func() error { _, err := m.Renewed(t.Context(), a); return err },
	} {
		if err := call(); reason.Of(err).Code != reason.MembersMissing || reason.FaultOf(err) != reason.Misconfigured {
			t.Errorf("%s without a stream: %v", name, err)
		}
	}
	for range 2 {
		if err := s.EnsureMembers(t.Context(), 1, quick); err != nil {
			t.Fatal(err)
		}
	}
	renew := func(list ...Member) {
		t.Helper()
		for _, who := range list {
			if err := m.Renew(t.Context(), who); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(what, program string, list ...Member) (r Roll) {
		t.Helper()
		r, err := m.Look(t.Context(), program)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, what, r.Members, list)
		return r
	}
	if r := want("at first", "target-apple"); r.TTL != quick || r.Age < 0 || r.Age > time.Minute || r.Log.IsZero() {
		t.Errorf("the roll of an empty stream: %+v", r)
	}
	renew(a, b, other, a)
	want("of a program", "target-apple", a, b)
	want("of all", "", other, a, b)
	leaving := b
	leaving.Leaving = true
	renew(leaving)
	now := want("one that is leaving", "target-apple", a, leaving).Now
	first, errFirst := m.Renewed(t.Context(), a)
	then, errThen := m.Renewed(t.Context(), leaving)
	if errors.Join(errFirst, errThen) != nil || !first.Before(then) || now.Before(then) || now.Sub(first) > quick {
		t.Errorf("renewed at %s (%v) and %s (%v), looked at %s", first, errFirst, then, errThen, now)
	}
	if at, err := m.Renewed(t.Context(), Member{Program: "target-apple", Instance: "pod-a", Session: "s-d"}); err != nil || !at.IsZero() {
		t.Errorf("nobody renewed at %s, %v", at, err)
	}
	for session, lives := range map[string]int{"s-a": 1, "s-b": 1, "s-c": 1, "s-d": 0} {
		if r, err := m.Lives(t.Context(), session); err != nil || len(r.Members) != lives {
			t.Errorf("%s: %+v, %v; want %d", session, r.Members, err, lives)
		}
	}
	if err := m.Leave(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	last := want("one that left", "target-apple", a)
	if last.Seq < 5 {
		t.Errorf("the stream ends at %d after five renewals", last.Seq)
	}
	deadline := time.Now().Add(3 * quick)
	for {
		renew(other)
		r, err := m.Look(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Members) == 1 && r.Members[0] == other {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("one that does not renew is still on the roll: %+v", r.Members)
		}
		time.Sleep(quick / 10)
	}
	if err := m.Renew(t.Context(), Member{Program: "p", Instance: "a.b", Session: "*"}); err == nil {
		t.Error("a member took a name that no subject can have")
	}
}

func TestInstanceToken(t *testing.T) {
	for name, want := range map[string]string{
		"pod-7f9c-x2": "pod-7f9c-x2", "Host.Example_1": "host-example-1", "": "unknown", "värd": "v-rd", strings.Repeat("a", 99): strings.Repeat("a", 64),
	} {
		got := InstanceToken(name)
		if got != want || validToken("instance", got) != nil {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestALinkIsTakenOverFromWhoHasEnded(t *testing.T) {
	s := open(t)
	living := map[string]bool{}
	by := func(session string) target.Owner {
		return target.Owner{Name: "name of " + session, Session: session, Lives: func(_ context.Context, other string) (bool, error) {
			if other == "unknown" {
				return false, errors.New("no answer")
			}
			return living[other], nil
		}}
	}
	take := func(session string) (target.Book, error) { return s.Ledger(demo).Own(t.Context(), apple, by(session)) }
	must := func(session string) target.Book {
		t.Helper()
		b, err := take(session)
		if err != nil {
			t.Fatalf("%s: %v", session, err)
		}
		return b
	}
	save := func(b target.Book) error { return b.Save(t.Context(), []target.Entry{entry(1)}, target.Mark{}) }

	a := must("a")
	living["a"] = true
	if _, err := take("b"); !errors.Is(err, target.ErrOwned) || !strings.Contains(err.Error(), "name of a") {
		t.Errorf("from one that lives: %v", err)
	}
	if err := save(a); err != nil {
		t.Errorf("who was asked for its link may not write: %v", err)
	}
	again := must("a") // the same process, after a failure
	if err := save(a); !errors.Is(err, target.ErrOwnerLost) {
		t.Errorf("the book that a process had before: %v", err)
	}
	handOver := func(session string) {
		t.Helper()
		if err := s.Ledger(demo).HandOver(t.Context(), apple, by(session)); err != nil {
			t.Errorf("%s hands over: %v", session, err)
		}
	}
	handOver("b") // who is not the owner
	if err := save(again); err != nil {
		t.Errorf("after another than the owner handed over: %v", err)
	}
	handOver("a")
	handOver("a")
	if err := save(again); !errors.Is(err, target.ErrOwnerLost) {
		t.Errorf("who handed over may write: %v", err)
	}
	b := must("b") // a lives, and handed over
	handOver("a")
	delete(living, "b")
	c := must("c") // b is gone without a word
	if err := save(b); !errors.Is(err, target.ErrOwnerLost) {
		t.Errorf("F28 the one that was taken for gone: %v", err)
	}
	handOver("b")
	if err := save(c); err != nil {
		t.Error(err)
	}
	holders, err := s.Ledger(demo).Holders(t.Context())
	if h := holders[apple]; err != nil || h.Owner != "name of c" || h.Session != "c" || h.HandedOver || h.Since.IsZero() {
		t.Errorf("the holder is %+v, %v", h, err)
	}
	living["c"] = true
	if _, err := s.Ledger(demo).Own(t.Context(), apple, target.Owner{Name: "essctl"}); err != nil {
		t.Errorf("a command takes it over from whoever has it: %v", err)
	}
	must("unknown")
	if _, err := take("e"); err == nil || errors.Is(err, target.ErrOwned) {
		t.Errorf("where nobody can tell whether the owner lives: %v", err)
	}
}

// TestOneOfManyGetsALink has many take a link over at once, each of whom finds nobody alive: each owner is one that the
// next one saw.
func TestOneOfManyGetsALink(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	books := make([]target.Book, 8)
	for i := range books {
		wg.Go(func() {
			b, err := s.Ledger(demo).Own(t.Context(), apple, target.Owner{Name: fmt.Sprint(i), Session: fmt.Sprint("s-", i), Lives: func(context.Context, string) (bool, error) { return true, nil }})
			if err != nil && !errors.Is(err, target.ErrOwned) {
				t.Error(err)
			}
			books[i] = b
		})
	}
	wg.Wait()
	owners := 0
	for _, b := range books {
		if b != nil && b.Save(t.Context(), nil, target.Mark{Mapping: "x"}) == nil {
			owners++
		}
	}
	if owners != 1 {
		t.Errorf("%d of them may write", owners)
	}
}

// TestAnOwnerIsOneThatTheNextOneSawEnd has sessions take a link over, hand it over, end and write in any order: whoever was
// the last to own it may write, and nobody else; and nobody becomes the owner beside one that lives and has not ended.
func TestAnOwnerIsOneThatTheNextOneSawEnd(t *testing.T) {
	t.Parallel()
	s := open(t)
	instance := 0
	rapid.Check(t, func(t *rapid.T) {
		instance++
		link := roster.Source{System: "apple", Instance: fmt.Sprint("i", instance)}
		sessions := rapid.SampledFrom([]string{"a", "b", "c", ""})
		living, books := map[string]bool{"a": true, "b": true, "c": true}, map[string]target.Book{}
		by := func(session string) target.Owner {
			o := target.Owner{Name: "pod " + session, Session: session}
			if session != "" { // else a command, which asks nobody
				o.Lives = func(_ context.Context, other string) (bool, error) { return living[other], nil }
			}
			return o
		}
		owner, ended, tried := "", true, true
		t.Repeat(map[string]func(*rapid.T){
			"own": func(t *rapid.T) {
				who := sessions.Draw(t, "who")
				b, err := s.Ledger(demo).Own(t.Context(), link, by(who))
				free := ended || owner == who || owner == "" || who == "" || !living[owner]
				if free != (err == nil) || err != nil && !errors.Is(err, target.ErrOwned) {
					t.Fatalf("%q takes it over from %q (ended %v, lives %v): %v", who, owner, ended, living[owner], err)
				}
				if err == nil {
					books[who], owner, ended, tried = b, who, false, false
				}
			},
			"hand over": func(t *rapid.T) {
				who := sessions.Draw(t, "who")
				if err := s.Ledger(demo).HandOver(t.Context(), link, by(who)); err != nil {
					t.Fatal(err)
				}
				if who == owner && !ended {
					ended, tried = true, false
				}
			},
			"die":   func(t *rapid.T) { delete(living, sessions.Draw(t, "who")) },
			"start": func(t *rapid.T) { living[sessions.Draw(t, "who")] = true },
			"": func(t *rapid.T) {
				if tried {
					return // nothing has changed who may write
				}
				tried = true
				for who, b := range books {
					err := b.Save(t.Context(), nil, target.Mark{Mapping: who})
					if may := who == owner && !ended; may != (err == nil) || err != nil && !errors.Is(err, target.ErrOwnerLost) {
						t.Fatalf("%q writes, the owner is %q (ended %v): %v", who, owner, ended, err)
					}
					if err != nil {
						delete(books, who)
					}
				}
			},
		})
	})
}
