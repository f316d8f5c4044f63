package targettest

import (
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/rule"
	"eventful.se/ess/libs/target"
)

// people are the cases about whom the target may not have.
func (s *suite) people() {
	s.Case("who is protected, excluded or suspended is out at once, and back as before", conformance.Protects, func(t *testing.T) {
		if !s.under.Claims.Pupils {
			s.DoesNotApply(t, "the target holds nothing of pupils")
		}
		marked := pupil(12, 1)
		p := *marked.Person
		p.Marking = roster.MarkingConfidential
		marked.Person = &p
		back := gone(pupil(12, 1))
		back.Source, back.Overlay = byHand, true
		for _, c := range []struct {
			name      string
			out, back roster.Record
		}{
			{"the register marks her", marked, pupil(12, 1)},
			{"marked by hand", decided(12, roster.MarkingProtected), back},
			{"excluded", decided(12, "", roster.Directive{Kind: roster.Exclude}), back},
			{"suspended", decided(12, "", roster.Directive{Kind: roster.Suspend}), back},
		} {
			t.Run(c.name, func(t *testing.T) {
				w := s.world(t)
				w.options.Lifecycle = target.Lifecycle{Stages: target.DefaultStages()} // who is protected waits for none
				w.begin()
				ids, before := w.of(personRef(12)), w.natives(personRef(12))
				w.put(c.out)
				w.keptOut(ids, false)
				writes := w.peer.Writes()
				w.settle()
				if w.peer.Writes() != writes {
					t.Error("the next process contains her once more: what is done is done (R5)")
				}
				w.put(c.back)
				w.equal("after she was back")
				w.sameNatives(personRef(12), before, "a time out of sight")
			})
		}
	})
	s.Case("a protected person who is new never arrives", conformance.Protects, func(t *testing.T) {
		w := s.world(t)
		w.put(append(school(), decided(12, roster.MarkingConfidential))...)
		w.equal("with a protected pupil")
		w.keptOut(nil, false)
	})
	s.Case("by an alias the account goes on, and nobody sees whose it is", conformance.Protects, func(t *testing.T) {
		w := s.world(t)
		if len(w.made.Accounts) == 0 {
			if s.under.Claims.Aliases {
				t.Fatal("aliases are claimed, and the target names no kind of account (Accounts)")
			}
			s.DoesNotApply(t, "the target has no accounts of its own that could go on by an alias")
		}
		w.options.Protected = target.ByAlias
		w.begin()
		ids, before := w.of(personRef(12)), w.natives(personRef(12))
		w.put(decided(12, roster.MarkingConfidential))
		if !s.under.Claims.Aliases {
			for id, h := range w.held() {
				if slices.Contains(ids, id) && !h.Disabled && s.under.Claims.Disables {
					t.Fatalf("it is claimed that no account goes on by an alias, and %s of a protected person does: claim Aliases, or keep her out of it (R9)", id)
				}
			}
			s.DoesNotApply(t, "the system cannot keep an account by an alias")
		}
		w.keptOut(ids, true)
		back := gone(pupil(12, 1))
		back.Source, back.Overlay = byHand, true
		w.put(back)
		w.equal("after the alias")
		w.sameNatives(personRef(12), before, "a time by an alias")
	})
	s.Case("what a filter takes out is let go of as it is, and taken up again when it is back", conformance.Owns, func(t *testing.T) {
		w := s.world(t).begin()
		before, natives := w.picture(), w.natives(personRef(14))
		only, err := rule.Compile(`units.exists(u, u.id == "` + key(1).String() + `")`)
		if err != nil {
			t.Fatal(err)
		}
		w.options.Filter = only
		w.settle()
		if now := w.picture(); now != before {
			t.Error("a filter alone changed what the target holds: what is out of scope stays as it is (R6)")
		}
		w.put(renamed(pupil(14, 2)), gone(pupil(15, 2)))
		if id, there := w.shows(renamed(pupil(14, 2)).Person.GivenName.Reveal()); there {
			t.Errorf("%s of a person out of scope got a new name: what was let go of is not ours (R6)", id)
		}
		w.options.Filter = nil
		w.put(pupil(15, 2))
		w.equal("after the filter was taken away")
		w.sameNatives(personRef(14), natives, "a time out of scope")
	})
}

// keptOut holds the target to nothing of pupil 12 that anybody could see, and to accounts that nobody can use but by an
// alias.
func (w *world) keptOut(ids []target.ID, alias bool) {
	w.t.Helper()
	all := w.held()
	for _, id := range ids {
		h, there := all[id]
		switch account := slices.Contains(w.made.Accounts, id.Kind); {
		case account && !there:
			w.t.Errorf("%s was deleted to protect her: an account that holds a pupil's work is contained, never deleted (R9)", id)
		case account && !alias && !h.Disabled:
			w.t.Errorf("%s can still be used by who is contained (R9)", id)
		case account && alias && h.Disabled:
			w.t.Errorf("%s cannot be used by its alias", id)
		case !account && there:
			w.t.Errorf("%s is still there: what is no account goes at once (R9)", id)
		}
	}
	for id, h := range all {
		for _, f := range h.Fields {
			value := strings.ToLower(f.Value.Reveal())
			for what, text := range texts(pupil(12, 1)) {
				if strings.Contains(value, strings.ToLower(text)) {
					w.t.Errorf("%s still shows the %s of a protected person in %s (R9)", id, what, f.Name)
				}
			}
		}
		for _, set := range h.Sets {
			for _, m := range set.Members {
				if slices.Contains(ids, m) {
					w.t.Errorf("a protected person is still in %s of %s (R9)", set.Name, id)
				}
			}
		}
	}
}
