package targettest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

const day = 24 * time.Hour

// life are the cases about what comes, changes and goes.
func (s *suite) life() {
	s.Case("what the roster has the target gets, with the texts that are claimed and no other", conformance.Complete, func(t *testing.T) {
		w := s.world(t).begin()
		s.claims(t, w)
	})
	s.Case("a new name arrives, and the old one is nowhere", conformance.Complete, func(t *testing.T) {
		w := s.world(t).begin()
		old := []roster.Record{unit(1), pupil(12, 1), teacher(21, 1), group(31, 1, 21, 11, 12, 13)}
		for i, r := range old {
			old[i] = r
			w.log.Publish(renamed(r))
		}
		w.settle()
		w.equal("after new names")
		for _, r := range old {
			for what, was := range texts(r) {
				is := texts(renamed(r))[what]
				if !slices.Contains(s.under.Claims.Shows, what) || was == is || !s.has(r) {
					continue
				}
				if _, there := w.shows(is); !there {
					t.Errorf("the new %s of %s did not arrive", what, r.Ref)
				}
				if id, there := w.shows(was); there {
					t.Errorf("%s still shows the old %s of %s", id, what, r.Ref)
				}
			}
		}
	})
	s.Case("who moves to another school and group is there, and not where she was", conformance.Complete, func(t *testing.T) {
		w := s.world(t).begin()
		before := w.natives(personRef(12))
		w.put(pupil(12, 2), group(31, 1, 21, 11, 13), group(32, 2, 22, 11, 12, 14, 15, 16))
		w.equal("after a move")
		w.sameNatives(personRef(12), before, "a move")
		w.put(group(31, 2, 22, 11, 13)) // a class with another school and another teacher
		w.equal("after a class moved")
	})
	s.Case("what the register deletes goes, and nothing else does", conformance.Erases, func(t *testing.T) {
		w := s.world(t).begin()
		w.put(gone(pupil(14, 2))) // whom group 32 still lists
		w.equal("after a member was deleted")
		if did := w.settle(); did.Operations() > 0 {
			t.Errorf("after a member was deleted the next process has something left to do: %+v (R5)", did.Kinds)
		}
		w.put(gone(pupil(12, 1)), group(31, 1, 21, 11, 13))
		w.equal("after a pupil was deleted")
		w.put(gone(group(31, 1, 21, 11, 13)))
		w.equal("after a class was deleted")
		w.put(gone(unit(2)), gone(group(32, 2, 22)), gone(pupil(15, 2)), gone(pupil(16, 2)), gone(teacher(22, 2)))
		w.equal("after a whole school was deleted")
		for _, text := range []string{"12", "14", "22"} {
			if id, there := w.shows("provsson" + text + marked); there {
				t.Errorf("%s still shows a person who was deleted", id)
			}
		}
	})
	s.Case("references wait for what they need, and members follow when they come", conformance.OrderFree, func(t *testing.T) {
		w := s.world(t)
		w.put(group(31, 1, 21, 11, 12))
		w.equal("a group alone")
		w.put(unit(1))
		w.equal("a group and its unit")
		w.put(pupil(11, 1))
		w.equal("with one member")
		w.put(pupil(12, 1), teacher(21, 1))
		w.equal("with all members")
	})
	s.Case("the same again is nothing to do: a restart, a replay and a resync write nothing", conformance.ReplayClean, func(t *testing.T) {
		w := s.world(t).begin()
		writes := w.peer.Writes()
		quiet := func(what string, did target.Settled) {
			if did.Operations() != 0 || w.peer.Writes() != writes {
				t.Errorf("%s wrote %d times what stood already: %+v (R5)", what, w.peer.Writes()-writes, did.Kinds)
				writes = w.peer.Writes()
			}
		}
		quiet("a restart", w.settle())
		quiet("the same records again", w.put(school()...))
		quiet("a replay", w.command(func(l *target.Link) (target.Settled, error) { return l.Replay(t.Context(), time.Unix(0, 0)) }))
		quiet("a resync", w.command(func(l *target.Link) (target.Settled, error) { return l.Resync(t.Context(), false, false) }))
		if s.under.Claims.Verifies {
			quiet("a verifying resync", w.command(func(l *target.Link) (target.Settled, error) { return l.Resync(t.Context(), true, false) }))
		}
		w.pass(day)
		quiet("the next day", w.settle())
	})
	s.Case("done twice is done once: a forced resync changes nothing", conformance.Idempotent, func(t *testing.T) {
		w := s.world(t).begin()
		before := w.picture()
		w.command(func(l *target.Link) (target.Settled, error) { return l.Resync(t.Context(), false, true) })
		w.equal("after a forced resync")
		if w.picture() != before {
			t.Error("a forced resync made other things of the same: what stands keeps its own id (R5)")
		}
		s.twice(t, w)
	})
	s.Case("who leaves goes by the stages, and who returns gets the same account", conformance.Erases, s.stages)
	s.Case("a new identity number is the same person with the same account", conformance.Complete, func(t *testing.T) {
		w := s.world(t).begin()
		before := w.natives(personRef(12))
		now := pupil(112, 1)
		now.Former = []roster.Key{key(12)}
		became := roster.Record{Ref: personRef(12), Source: register, Tombstone: &roster.Tombstone{Reason: roster.TombstoneBecame, Became: key(112)}}
		w.anchors[key(112)] = key(12)
		w.put(now, became, group(31, 1, 21, 11, 112, 13))
		w.equal("after a new identity number")
		s.sound(t, w)
		if after := w.natives(personRef(112)); len(before) > 0 && fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("a pupil with a new number has %v in place of %v: make ids of target.Anchor, or her work is lost", after, before)
		}
	})
}

// has tells whether the target is claimed to hold anything of an entity.
func (s *suite) has(r roster.Record) bool {
	c := s.under.Claims
	switch {
	case r.Organisation != nil:
		return c.Units
	case r.Group != nil:
		return c.Groups
	case len(r.Person.Duties) > 0:
		return c.Staff
	default:
		return c.Pupils
	}
}

// claims holds the claims to what the target has of the school.
func (s *suite) claims(t *testing.T, w *world) {
	t.Helper()
	for what, r := range map[string]roster.Record{"units": unit(1), "pupils": pupil(12, 1), "staff": teacher(21, 1), "groups": group(31, 1, 21, 11, 12, 13)} {
		switch holds := len(w.of(r.Ref)) > 0; {
		case holds && !s.has(r):
			t.Errorf("it is claimed that the target holds no %s, and it does", what)
		case !holds && s.has(r):
			t.Errorf("it is claimed that the target holds %s, and it does not", what)
		}
		if !s.has(r) {
			continue
		}
		for attribute, is := range texts(r) {
			id, there := w.shows(is)
			switch claimed := slices.Contains(s.under.Claims.Shows, attribute); {
			case there && !claimed:
				t.Errorf("%s shows a person's or group's %s, which is not claimed: a target gets nothing that it does not need", id, attribute)
			case !there && claimed:
				t.Errorf("it is claimed that the target shows the %s of %s, and nothing does", attribute, what)
			}
		}
	}
	if _, lists := w.made.Applier.(target.Lister); lists != s.under.Claims.Lists {
		t.Errorf("it is claimed that it can list is %t, and that it has List is %t", s.under.Claims.Lists, lists)
	}
}

// twice has the sink make everything so that it has made so already.
func (s *suite) twice(t *testing.T, w *world) {
	t.Helper()
	if w.made.Applier == nil {
		return
	}
	before := w.picture()
	kinds := w.made.Applier.Kinds()
	var ops []target.Operation
	for _, r := range w.wished() {
		ops = append(ops, target.Operation{Verb: target.Create, Resource: r})
	}
	slices.SortFunc(ops, func(a, b target.Operation) int {
		return slices.Index(kinds, a.Resource.ID.Kind) - slices.Index(kinds, b.Resource.ID.Kind)
	})
	out := w.made.Applier.Apply(t.Context(), ops)
	if len(out) != len(ops) {
		t.Fatalf("the sink answered %d operations with %d outcomes", len(ops), len(out))
	}
	w.held() // which tells of what is there twice
	if w.picture() != before {
		t.Error("a create of what stands made something else of it: find it by its anchor, and leave one (R5)")
	}
	drop := target.Operation{Verb: target.Delete, Resource: target.Resource{ID: target.ID{Kind: kinds[len(kinds)-1], Key: key(99).String()}}, Native: "no-such-id"}
	for _, o := range w.made.Applier.Apply(t.Context(), []target.Operation{drop}) {
		if o.Err != nil {
			t.Errorf("a delete of what is not there is an error (%v): it is gone, which is what was asked (R5)", o.Err)
		}
	}
}

// stages are those of a pupil who leaves and comes back.
func (s *suite) stages(t *testing.T) {
	if !s.under.Claims.Pupils {
		s.DoesNotApply(t, "the target holds nothing of pupils")
	}
	w := s.world(t)
	w.options.Lifecycle = target.Lifecycle{Stages: target.DefaultStages()}
	w.begin()
	ids, before := w.of(personRef(12)), w.natives(personRef(12))
	leave := []roster.Record{gone(pupil(12, 1)), group(31, 1, 21, 11, 13)}
	back := []roster.Record{pupil(12, 1), group(31, 1, 21, 11, 12, 13)}
	account := func(when string) (held, usable bool) {
		all := w.held()
		for _, id := range ids {
			h, ok := all[id]
			held, usable = held || ok, usable || ok && !h.Disabled
		}
		for id, h := range all {
			for _, set := range h.Sets {
				for _, m := range set.Members {
					if slices.Contains(ids, m) {
						t.Errorf("%s: %s still has her in %s", when, id, set.Name)
					}
				}
			}
		}
		return held, usable
	}

	w.put(leave...)
	if held, usable := account("on the day"); !held || !usable {
		t.Errorf("the account of who left today is held: %t, usable: %t; it stays for 30 days", held, usable)
	}
	w.pass(31 * day)
	w.settle()
	held, usable := account("a month later")
	complete := w.made.Deliverer != nil
	if disables := w.made.Omission == target.DisableStep; complete && disables != s.under.Claims.Disables {
		t.Errorf("it is claimed that the target disables is %t, and that leaving something out disables it (Omission) is %t", s.under.Claims.Disables, disables)
	}
	switch {
	case complete && w.made.Omission == target.DisableStep && held:
		t.Error("a month later the account is still in the set: leaving it out is what disables it there")
	case complete && w.made.Omission != target.DisableStep && !held:
		t.Error("a month later the account is out of the set: leaving it out deletes it there, and it was to be disabled")
	case !complete && !held:
		t.Error("a month later the account is gone: it was to be disabled, and people keep their work in it")
	case !complete && usable && s.under.Claims.Disables:
		t.Error("a month later the account can still be used: a disable must keep everybody out of it")
	case !complete && !usable && !s.under.Claims.Disables:
		t.Error("it is claimed that the target cannot disable, and it does")
	}
	w.put(back...)
	w.equal("after she came back")
	w.sameNatives(personRef(12), before, "a month away")
	w.put(leave...)
	w.pass(181 * day)
	w.settle()
	if held, _ := account("half a year later"); held {
		t.Error("half a year later the account is still there: it was to be deleted")
	}
	w.equal("after she left for good")
}

// natives returns the target's own ids of what it holds for an entity.
func (w *world) natives(ref roster.Ref) (list []string) {
	w.t.Helper()
	all := w.held()
	for _, id := range w.of(ref) {
		list = append(list, all[id].Native+" as "+id.String())
	}
	slices.Sort(list)
	return list
}

func (w *world) sameNatives(ref roster.Ref, before []string, after string) {
	w.t.Helper()
	if now := w.natives(ref); !slices.Equal(before, now) {
		w.t.Errorf("after %s %s has %v in place of %v: a person keeps the account that she has", after, ref, now, before)
	}
}

// picture is all that the target holds, as a text that can be compared.
func (w *world) picture() string {
	var out []string
	for id, h := range w.held() {
		out = append(out, fmt.Sprint(id, h.Native, h.Disabled, lines(h.Fields), members(h.Sets)))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
