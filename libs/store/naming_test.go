package store

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"eventful.se/ess/libs/names"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/target"
)

// namedAccounts is a target in memory that makes an account of every pupil, by the name that the tenant gives.
type namedAccounts struct {
	mu   sync.Mutex
	held map[target.ID]target.Held
	own  string // a name that something else there has
}

func (*namedAccounts) Version() string { return "1" }

func (*namedAccounts) Map(v target.View, e roster.Ref) []target.Wish {
	p := v.Person(e.Key)
	if e.Kind != roster.KindPerson || p == nil {
		return nil
	}
	name := target.UserName(v, target.Anchor(v, e.Key), roster.RolePupil).Current
	return []target.Wish{{Resource: target.Resource{
		ID: target.ID{Kind: "user", Key: target.Anchor(v, e.Key).String()}, Entity: e, Fields: target.Fields{{Name: "username", Value: roster.Personal(name)}},
	}}}
}

func (*namedAccounts) Kinds() []string { return []string{"user"} }

func (a *namedAccounts) Apply(_ context.Context, ops []target.Operation) []target.Outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]target.Outcome, len(ops))
	for i, op := range ops {
		id := op.Resource.ID
		taken := op.Resource.Fields[0].Value.Reveal() == a.own
		for other, h := range a.held {
			taken = taken || other != id && h.Fields[0] == op.Resource.Fields[0]
		}
		if taken {
			out[i].Err = reason.Errorf(reason.Conflict, nil, reason.NameTaken, "column", "username")
			continue
		}
		a.held[id] = target.Held{ID: id, Native: id.Key, Fields: op.Resource.Fields}
		out[i].Native = id.Key
	}
	return out
}

func (a *namedAccounts) Lookup(_ context.Context, id target.ID, _ string) (target.Held, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.held[id]
	if !ok {
		return h, target.ErrNotFound
	}
	return h, nil
}

func (a *namedAccounts) called() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]string{}
	for id, h := range a.held {
		out[id.Key] = h.Fields[0].Value.Reveal()
	}
	return out
}

func (a *namedAccounts) keep(ctx context.Context, s *Store, of roster.Source, rules *names.Rules, settled func(target.Settled)) error {
	made := &target.Target{Mapping: a, Applier: a, Accounts: []string{"user"}, Names: &target.Names{}, Overlay: func(h target.Held) (roster.Persona, bool) {
		return roster.Persona{Role: roster.RolePupil, Username: h.Fields[0].Value}, true
	}}
	log, quiet := s.Log(demo), slog.New(slog.DiscardHandler)
	feed := target.NewFeed(log, roster.Precedence{alvis}, quiet, time.Now)
	l := target.NewLink(target.LinkOptions{
		Tenant: demo, Target: of, Made: made, Feed: feed, Log: log, Ledger: s.Ledger(demo), Owner: target.Owner{Name: "test"}, Logger: quiet, Now: time.Now,
		Holds: s.LinkHolds(demo), Names: s.Names(demo), NameRules: rules, Overlays: log, Idle: 50 * time.Millisecond, Observer: settled,
	})
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { _ = feed.Run(ctx) })
	err := l.Run(ctx)
	cancel()
	group.Wait()
	return err
}

// Two links on a real server, each in a process of its own that dies at random, give every namesake one name in both
// targets, whoever comes first; and what they tell each other comes to an end.
func TestTwoLinksThatDieGiveEveryPersonaOneName(t *testing.T) {
	s := open(t)
	rules, err := names.Compile(names.Spec{}, names.Limits{Max: 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	const all = 30
	links := map[string]*namedAccounts{"one": {held: map[target.ID]target.Held{}, own: "annake2"}, "two": {held: map[target.ID]target.Held{}, own: "annake"}}
	var group sync.WaitGroup
	calm := make(chan struct{})
	for name, a := range links {
		dice := rand.New(rand.NewPCG(1, uint64(len(name))))
		group.Go(func() {
			for ctx.Err() == nil {
				life, kill := context.WithCancel(ctx)
				select {
				case <-calm:
				default:
					life, kill = context.WithTimeout(ctx, time.Duration(20+dice.IntN(200))*time.Millisecond)
				}
				err := a.keep(life, s, roster.Source{System: name, Instance: "default"}, rules, nil)
				if ctx.Err() == nil && life.Err() == nil && !errors.Is(err, target.ErrOwnerLost) {
					t.Logf("link %s is started again: %v", name, err)
				}
				kill()
			}
		})
	}
	for n := range all {
		publish(t, s, "run", person(n, "Anna"))
	}
	close(calm)
	equal := func() bool {
		one, two := links["one"].called(), links["two"].called()
		if len(one) != all || len(two) != all {
			return false
		}
		for k := range one {
			if one[k] != two[k] {
				return false
			}
		}
		return true
	}
	for !equal() && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	seen := map[string]bool{}
	for k, name := range links["one"].called() {
		if seen[name] || name == "" || name == "annake" || name == "annake2" || links["two"].called()[k] != name {
			t.Errorf("%s is called %q and %q", k, name, links["two"].called()[k])
		}
		seen[name] = true
	}
	if len(seen) != all {
		t.Errorf("%d names", len(seen))
	}
	log := s.Log(demo)
	told := func() (n int, end roster.Position) {
		end, err := log.Load(t.Context(), func(e roster.Event) error {
			if e.Record != nil && e.Record.Overlay && strings.Contains("one two", e.Source.System) {
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, end
	}
	n, end := told()
	for n < 2*all && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
		n, end = told()
	}
	time.Sleep(time.Second) // longer than a link stays warm
	if again, now := told(); again != 2*all || now != end {
		t.Errorf("%d are told, and %d messages later %d", n, now.Seq-end.Seq, again)
	}
	stop()
	group.Wait()
}

func TestAnOverlayIsPublishedWhereTheLogIsAsExpected(t *testing.T) {
	s := open(t)
	of := roster.Source{System: "memory", Instance: "default"}
	overlay := func(n int, name string, expect uint64) target.Overlay {
		return target.Overlay{Run: "run-1", Expect: expect, Record: roster.Record{
			Ref: person(n, "").Ref, Source: of, Overlay: true, Person: &roster.Person{Personas: []roster.Persona{{Role: roster.RolePupil, Username: roster.Personal(name)}}},
		}}
	}
	log := s.Log(demo)
	if refused, err := log.PublishOverlays(t.Context(), of, []target.Overlay{overlay(1, "annand", 0), overlay(2, "boek", 0)}); err != nil || len(refused) != 0 {
		t.Fatal(refused, err)
	}
	refused, err := log.PublishOverlays(t.Context(), of, []target.Overlay{overlay(1, "other", 0), overlay(3, "ciaek", 0)})
	if err != nil || len(refused) != 1 || refused[0] != person(1, "").Ref {
		t.Errorf("refused are %v, %v", refused, err)
	}
	var list []source.Change
	_, err = log.Load(t.Context(), func(e roster.Event) error {
		if e.Mark != "" {
			t.Errorf("the mark %s: a run was opened", e.Mark)
			return nil
		}
		list = append(list, source.Change{Record: *e.Record})
		if e.Run != "run-1" || !e.Record.Overlay || e.Record.Person.Personas[0].Username == "other" {
			t.Errorf("published is %+v", e)
		}
		return nil
	})
	if err != nil || len(list) != 3 {
		t.Errorf("%d messages, %v", len(list), err)
	}
	if _, err := log.PublishOverlays(t.Context(), alvis, []target.Overlay{overlay(4, "x", 0)}); err == nil {
		t.Error("a target speaks for another")
	}
}
