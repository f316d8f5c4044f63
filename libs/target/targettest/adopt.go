package targettest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// adoption are the cases about what the customer has already, and about where those lie who have left.
func (s *suite) adoption() {
	s.Case("what the customer has already is taken over, and nothing is made twice", conformance.Owns, func(t *testing.T) {
		w, own := s.populated(t)
		native := w.plant(own, personRef(12), false)
		w.put(school()...)
		w.equal("after an account was taken over")
		w.keeps(personRef(12), native, "taken over")
		if did := w.settle(); did.Operations() > 0 {
			t.Errorf("the next process has something left to do: %+v (R5)", did.Kinds)
		}
		w.put(renamed(pupil(12, 1)))
		w.equal("after a new name for who was taken over")
		w.keeps(personRef(12), native, "renamed")
	})
	s.Case("a crash while it is taken over makes nothing twice", conformance.Owns, func(t *testing.T) {
		w, own := s.populated(t)
		native := w.plant(own, personRef(12), false)
		w.log.Publish(school()...)
		s.can(t, w.peer.Fail(LostAnswer, target.ID{}))
		w.settle()
		if err := w.peer.Heal(); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Hour)
		w.settle()
		w.ledger = NewLedger() // and the ledger is lost too
		w.settle()
		w.equal("after lost answers and a lost ledger")
		w.keeps(personRef(12), native, "taken over")
	})
	s.Case("of several that may be it a person decides, and who may not be taken over is left alone", conformance.Owns, func(t *testing.T) {
		w, own := s.populated(t)
		both := []string{w.plant(own, personRef(12), false), w.plant(own, personRef(12), false)}
		guarded := w.plant(own, personRef(13), true)
		before := w.own(own, append(both, guarded)...)
		w.put(school()...)
		w.undecided(personRef(12), reason.Ambiguous)
		w.undecided(personRef(13), reason.AdoptionRefused)
		if now := w.own(own, append(both, guarded)...); now != before {
			t.Error("what nobody took over is another than it was: write to nothing but what is ours (R6)")
		}
	})
	s.Case("a preview tells what would be taken over, and touches nothing", conformance.Preview, func(t *testing.T) {
		w, own := s.populated(t)
		native := w.plant(own, personRef(12), false)
		before, writes := w.own(own, native), w.peer.Writes()
		w.options.Mode = target.ModePreview
		did := w.put(school()...)
		if w.own(own, native) != before || w.peer.Writes() != writes {
			t.Error("a preview wrote")
		}
		for _, id := range w.of(personRef(12)) {
			i := slices.IndexFunc(did.Rows, func(r target.Row) bool { return r.ID == id })
			if i < 0 || did.Rows[i].FoundBy == "" || did.Rows[i].Native != native || len(did.Rows[i].Before) == 0 {
				t.Errorf("the preview does not tell that %s is there already, and with what: Match says by which key (By), and what it holds", id)
			}
		}
	})
	s.Case("who is only used is in the groups, and nothing of hers is touched", conformance.Owns, func(t *testing.T) {
		w, own := s.populated(t)
		if !s.under.Claims.Staff {
			s.DoesNotApply(t, "the target holds nothing of staff")
		}
		native := w.plant(own, teacherRef(21), false)
		before := w.own(own, native)
		w.roles = map[roster.Role]target.Handling{roster.RolePupil: target.Manage, roster.RoleStaff: target.Match}
		check := func(when string) {
			t.Helper()
			if now := w.own(own, native); now != before {
				t.Errorf("%s the account of who is only used is another than it was (R6)", when)
			}
		}
		w.put(school()...)
		check("after the first time")
		ids := w.of(teacherRef(21))
		for _, id := range ids {
			if e := w.ledger.Entries[id]; e.State != target.Matched || e.Native != native {
				t.Errorf("%s is there, and is not found by its key: the ledger says %s", id, e.State)
			}
		}
		if s.under.Claims.Groups && !w.inGroup(groupRef(31), native) {
			t.Error("who is only used is in no group: take the ids of members from Operation.Natives, and tell of them as Foreign")
		}
		for _, other := range w.of(teacherRef(22)) {
			if _, made := w.held()[other]; made {
				t.Errorf("%s was made: of who is only used nothing is made", other)
			}
			if e := w.ledger.Entries[other]; e.Reason == nil || e.Reason.Code != reason.Unmatched {
				t.Errorf("that %s is not found is told by no reason", other)
			}
		}
		w.put(renamed(teacher(21, 1)))
		w.command(func(l *target.Link) (target.Settled, error) {
			return l.Resync(t.Context(), s.under.Claims.Verifies, true)
		})
		check("after a new name and a forced resync")
		w.put(gone(teacher(21, 1)), group(31, 1, 22, 11, 12, 13))
		check("after she left")
		if w.inGroup(groupRef(31), native) {
			t.Error("who is only used and has left is in the group still: take the ids of members from Operation.Natives")
		}
	})
	s.Case("who has left is moved away, and back", conformance.Erases, s.moves)
}

// populated is a world whose peer can have things of the customer.
func (s *suite) populated(t *testing.T) (*world, Populated) {
	t.Helper()
	if s.under.Claims.Finds == "" {
		s.DoesNotApply(t, "the target takes nothing over")
	}
	if !s.under.Claims.Pupils {
		s.DoesNotApply(t, "the target holds nothing of pupils")
	}
	w := s.worldWith(t, s.under.Claims.Finds)
	own, ok := w.peer.(Populated)
	if !ok {
		t.Fatal("it is claimed that the target finds what it did not make: its peer must be Populated")
	}
	if _, ok := w.made.Applier.(target.Matcher); !ok {
		t.Fatal("it is claimed that the target finds what it did not make, and its sink is no Matcher")
	}
	return w, own
}

func teacherRef(n int) roster.Ref { return teacher(n, 1).Ref }
func groupRef(n int) roster.Ref   { return roster.Ref{Kind: roster.KindGroup, Key: key(n)} }

// plant puts something of the customer there that is what the school wishes of an entity.
func (w *world) plant(own Populated, ref roster.Ref, guarded bool) string {
	w.t.Helper()
	log := w.log
	defer func() { w.log = log }()
	w.log = NewLog(w.now)
	w.log.Publish(school()...)
	ids := w.of(ref)
	if len(ids) == 0 {
		w.t.Fatalf("the mapping wishes nothing of %s", ref)
	}
	native, err := own.Plant(w.wished()[ids[0]], guarded)
	if err != nil {
		w.t.Fatalf("the peer of the test failed: %v", err)
	}
	return native
}

// own is what is there under some of the other side's own ids.
func (w *world) own(own Populated, natives ...string) string {
	w.t.Helper()
	var out []string
	for _, native := range natives {
		text, err := own.Own(native)
		if err != nil {
			w.t.Fatalf("the peer of the test failed: %v", err)
		}
		out = append(out, text)
	}
	return strings.Join(out, "\n")
}

// keeps holds an entity to the account that was there.
func (w *world) keeps(ref roster.Ref, native, when string) {
	w.t.Helper()
	all := w.held()
	for _, id := range w.of(ref)[:1] {
		if all[id].Native != native {
			w.t.Errorf("when it is %s, %s has the id %q there, want %q, which it had before us", when, id, all[id].Native, native)
		}
	}
}

// undecided holds an entity to nothing but a reason.
func (w *world) undecided(ref roster.Ref, code reason.Code) {
	w.t.Helper()
	for _, id := range w.of(ref)[:1] {
		if _, there := w.held()[id]; there {
			w.t.Errorf("%s was made or taken over: where several have the key, or the one may not be had, a person decides", id)
		}
		if e := w.ledger.Entries[id]; e.State != target.Parked || e.Reason == nil || e.Reason.Code != code || len(e.Near) == 0 {
			w.t.Errorf("of %s the ledger says %s %v, want parked, %s and what it may be: Match returns all that has the key, and says what is refused", id, e.State, e.Reason, code)
		}
	}
}

// inGroup tells whether the target's group of an entity has something that is not ours.
func (w *world) inGroup(ref roster.Ref, native string) bool {
	w.t.Helper()
	all := w.held()
	for _, id := range w.of(ref) {
		for _, set := range all[id].Sets {
			if slices.Contains(set.Members, target.ID{Kind: target.Foreign, Key: native}) {
				return true
			}
		}
	}
	return false
}

// moves are the stages of a pupil who leaves, is moved away, and comes back.
func (s *suite) moves(t *testing.T) {
	w := s.world(t)
	if w.made.Quarantine != s.under.Claims.Moves {
		t.Fatalf("it is claimed that it moves those who have left is %t, and Quarantine is %t", s.under.Claims.Moves, w.made.Quarantine)
	}
	if !s.under.Claims.Moves || !s.under.Claims.Pupils {
		s.DoesNotApply(t, "the target has no place for accounts of those who have left")
	}
	mover, ok := w.peer.(Mover)
	if !ok {
		t.Fatal("it is claimed that the target moves those who have left: its peer must be a Mover")
	}
	w.options.Lifecycle = target.Lifecycle{Stages: []target.Stage{{After: 0, Do: target.LeaveGroups}, {After: 30, Do: target.DisableStep}, {After: 60, Do: target.MoveStep}}}
	w.begin()
	ids, before := w.of(personRef(12)), w.natives(personRef(12))
	look := func(when string, away bool) {
		t.Helper()
		for _, id := range ids {
			h, there := w.held()[id]
			is, err := mover.Away(id)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(w.made.Accounts, id.Kind) && (is != away || !there || h.Disabled != away && when != "a month later") {
				t.Errorf("%s the account is there: %t, moved away: %t, disabled: %t; want it moved away and disabled: %t", when, there, is, h.Disabled, away)
			}
		}
	}
	for _, days := range []int{61, 0} { // by way of the disable, and both at once
		w.put(gone(pupil(12, 1)), group(31, 1, 21, 11, 13))
		look("on the day", false)
		if days == 61 {
			w.pass(31 * day)
			w.settle()
			look("a month later", false)
		}
		w.pass(61 * day)
		w.settle()
		look("two months later", true)
		if did := w.command(func(l *target.Link) (target.Settled, error) {
			return l.Resync(t.Context(), s.under.Claims.Verifies, false)
		}); did.Operations() > 0 {
			t.Errorf("who lies there already is moved again: %s (R5)", fmt.Sprint(did.Kinds))
		}
		w.put(pupil(12, 1), group(31, 1, 21, 11, 12, 13))
		w.equal("after she came back")
		w.sameNatives(personRef(12), before, "a time away")
		look("back again", false)
	}
}
