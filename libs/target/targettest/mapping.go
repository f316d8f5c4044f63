package targettest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// settings are the cases about what an operator writes.
func (s *suite) settings() {
	s.Case("wrong settings are refused, with the path of each mistake", conformance.Settings, func(t *testing.T) {
		if len(s.under.Refused) == 0 {
			t.Fatal("Refused is empty: name at least one mistake that an operator makes")
		}
		for settings, path := range s.under.Refused {
			_, err := s.config(settings)
			var invalid *tenant.InvalidError
			switch {
			case err == nil:
				t.Errorf("settings that are wrong at %s are taken: Validate must report them, or they fail at night", path)
			case !errors.As(err, &invalid):
				t.Errorf("settings that are wrong at %s are not read at all (%v): Validate must say what to write instead", path, err)
			case !slices.ContainsFunc(invalid.Problems, func(p tenant.Problem) bool { return p.Path == path }):
				t.Errorf("settings that are wrong at %s are refused for something else: %v", path, err)
			}
		}
	})
	s.Case("a key that does not exist is refused", conformance.Settings, func(t *testing.T) {
		_, settings := s.under.Peer(t)
		if _, err := s.config(settings + "\nnoSuchKey: 1\n"); err == nil {
			t.Error("an unknown key is taken: a misspelt setting would do nothing, and nobody would know")
		}
	})
}

// mapping are the cases about what is wished, without the other side.
func (s *suite) mapping() {
	s.Case("the same roster gives the same wishes, whatever was asked before", conformance.Idempotent, func(t *testing.T) {
		w := s.world(t)
		w.log.Publish(school()...)
		first, again := w.wishes(), s.worldLike(t).wishes()
		if diff := cmp.Diff(plain(first), plain(again)); diff != "" {
			t.Errorf("two mappings of the same settings wish other things of the same roster (R11) (-one +other):\n%s", diff)
		}
		v := w.eye()
		refs := slices.Collect(func(yield func(roster.Ref) bool) {
			for ref := range v.Each() {
				if !yield(ref) {
					return
				}
			}
		})
		slices.Reverse(refs)
		for _, ref := range refs {
			if diff := cmp.Diff(text(first[ref]), text(w.made.Mapping.Map(v, ref))); diff != "" {
				t.Errorf("%s is mapped to other things when others were mapped before it (R11) (-first +then):\n%s", ref, diff)
			}
		}
		if w.made.Mapping.Version() == "" || w.made.Mapping.Version() != s.worldLike(t).made.Mapping.Version() {
			t.Error("the version of the mapping must be a text that is the same for the same settings: another one has everything looked at as if the settings had changed")
		}
	})
	s.Case("a mapping writes nothing into the roster", conformance.Idempotent, func(t *testing.T) {
		w := s.world(t)
		w.log.Publish(school()...)
		v := w.eye()
		before := map[roster.Ref]string{}
		for ref, m := range v.Each() {
			before[ref] = reveal(m)
		}
		for ref := range v.Each() {
			w.made.Mapping.Map(v, ref)
		}
		for ref, m := range v.Each() {
			if reveal(m) != before[ref] {
				t.Errorf("mapping changed %s in the roster, which every link of the tenant shares: copy before sorting or filtering", ref)
			}
		}
	})
	s.Case("a mapping reads the entity and its neighbours, no further", conformance.OrderFree, func(t *testing.T) {
		w := s.world(t)
		w.log.Publish(school()...)
		v := w.eye()
		for ref := range v.Each() {
			v.read, v.groups = nil, nil
			w.made.Mapping.Map(v, ref)
			near := v.neighbours(ref)
			for _, read := range v.read {
				if !near[read] && !read.Key.IsZero() {
					t.Errorf("for %s the mapping read %s, which is no neighbour: when that changes, nobody would look at %s again", ref, read, ref)
				}
			}
			for _, k := range v.groups {
				if k != ref.Key {
					t.Errorf("for %s the mapping asked for the groups of %s, who is somebody else: when they change, nobody would look at %s again", ref, k, ref)
				}
			}
		}
	})
	s.Case("every resource has one entity, a known kind, and needs that come before it", conformance.OrderFree, func(t *testing.T) {
		w := s.world(t)
		w.log.Publish(school()...)
		s.sound(t, w)
	})
	s.Case("who is not in the target has a reason that people understand", conformance.Partial, func(t *testing.T) {
		w := s.world(t)
		idle := person(17, roster.RolePupil)
		w.log.Publish(append(school(), idle)...)
		for ref, wishes := range w.wishes() {
			if ref.Kind == roster.KindPerson && len(wishes) == 0 {
				t.Errorf("the mapping says nothing of %s: who is left out is left out for a reason, as a wish that is withheld (R12)", ref)
			}
			for _, x := range wishes {
				if x.Withheld != nil && (!reason.Known(x.Withheld.Code) || x.Withheld.Code == reason.Unexpected) {
					t.Errorf("%s is withheld for %q, which the catalogue has no text for (R12)", x.Resource.ID, x.Withheld.Code)
				}
			}
		}
		for _, x := range w.wishes()[idle.Ref] {
			if x.Withheld == nil {
				t.Errorf("%s is wished for a person without any role: nobody is in a target who is nowhere in a school", x.Resource.ID)
			} else if x.Fate != target.Leaves {
				t.Errorf("%s is withheld from a person without any role, and what is held would go at once: say that the person leaves, and the stages of the link count (Fate Leaves)", x.Resource.ID)
			}
		}
	})
}

// worldLike makes another world with the same school.
func (s *suite) worldLike(t *testing.T) *world {
	w := s.world(t)
	w.log.Publish(school()...)
	return w
}

// sound holds the wishes to what the engine counts on.
func (s *suite) sound(t *testing.T, w *world) {
	t.Helper()
	var kinds []string
	if w.made.Applier != nil {
		kinds = w.made.Applier.Kinds()
	}
	owner := map[target.ID]roster.Ref{}
	all := w.wishes()
	for ref, wishes := range all {
		for _, x := range wishes {
			id := x.Resource.ID
			if other, ok := owner[id]; ok && other != ref {
				t.Errorf("%s is wished for two entities, %s and %s: one would undo the other", id, other, ref)
			}
			owner[id] = ref
			if x.Resource.Entity != ref {
				t.Errorf("%s is wished for %s and says that it is for %s: it would be taken away with the wrong one", id, ref, x.Resource.Entity)
			}
			if strings.Contains(id.Key, "18900101") || strings.Contains(id.Key, marked) {
				t.Errorf("the id of a %s is made of a name or a number: ids stand in ledgers and logs, so make them of keys (R8)", id.Kind)
			}
			if kinds != nil && x.Withheld == nil && !slices.Contains(kinds, id.Kind) {
				t.Errorf("%s is of a kind that Kinds does not list: it would never be made", id)
			}
			for _, need := range x.Resource.Needs {
				if kinds != nil && slices.Index(kinds, need.Kind) > slices.Index(kinds, id.Kind) {
					t.Errorf("%s needs %s, whose kind is made later (Kinds)", id, need)
				}
			}
			for _, set := range x.Resource.Sets {
				if !slices.IsSortedFunc(set.Members, target.ID.Compare) {
					t.Errorf("the set %s of %s is not sorted: the same members would be another set", set.Name, id)
				}
			}
		}
	}
	for ref, wishes := range all {
		for _, x := range wishes {
			for _, to := range x.Resource.Needs {
				if _, ok := owner[to]; !ok {
					t.Errorf("%s of %s needs %s, which nobody wishes: it would wait for ever", x.Resource.ID, ref, to)
				}
			}
			for _, set := range x.Resource.Sets {
				for _, to := range set.Members {
					if _, ok := owner[to]; !ok {
						t.Errorf("the set %s of %s has %s, which nobody wishes", set.Name, x.Resource.ID, to)
					}
				}
			}
		}
	}
}

// plain are wishes as texts, in the order of the entities.
func plain(all map[roster.Ref][]target.Wish) map[string][]string {
	out := map[string][]string{}
	for ref, wishes := range all {
		out[ref.String()] = text(wishes)
	}
	return out
}

// text are wishes as lines. Everything in them is invented, so the values are told.
func text(wishes []target.Wish) (out []string) {
	for _, x := range wishes {
		line := []string{x.Resource.ID.String(), "for", x.Resource.Entity.String()}
		if x.Withheld != nil {
			line = append(line, "withheld", x.Withheld.String(), string(x.Fate))
		}
		for _, f := range x.Resource.Fields {
			line = append(line, f.Name+"="+f.Value.Reveal())
		}
		out = append(out, fmt.Sprint(strings.Join(line, " "), " needs ", x.Resource.Needs, " sets ", x.Resource.Sets))
	}
	return out
}

// reveal is an entity as text, its personal values too.
func reveal(m roster.Merged) string {
	switch {
	case m.Person != nil:
		p := m.Person
		return fmt.Sprint(texts(roster.Record{Person: p}), p.MiddleName.Reveal(), p.Enrolments, p.Duties, p.Marking)
	case m.Group != nil:
		return fmt.Sprint(*m.Group)
	case m.Organisation != nil:
		return fmt.Sprint(*m.Organisation)
	default:
		return string(m.State)
	}
}
