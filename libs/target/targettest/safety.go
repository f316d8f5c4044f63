package targettest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// safety are the cases about what must never happen.
func (s *suite) safety() {
	s.Case("a preview tells everything and writes nothing", conformance.Preview, func(t *testing.T) {
		w := s.world(t)
		w.options.Mode = target.ModePreview
		did := w.put(school()...)
		if w.peer.Writes() != 0 || len(w.held()) > 0 {
			t.Errorf("a preview wrote %d times", w.peer.Writes())
		}
		for id := range w.wished() {
			if !slices.ContainsFunc(did.Rows, func(r target.Row) bool { return r.ID == id && r.Verb == target.Create }) {
				t.Errorf("the preview does not tell that %s would be made", id)
			}
		}
	})
	s.Case("what others lose or change there is found by a verifying resync and mended", conformance.Reconciles, func(t *testing.T) {
		if !s.under.Claims.Verifies {
			s.unverified(t)
		}
		parts(s, t, []Tampering{Lose, Change}, func(t *testing.T, how Tampering) {
			w := s.world(t).begin()
			for _, ref := range []roster.Ref{personRef(12), {Kind: roster.KindGroup, Key: key(31)}} {
				for _, id := range w.of(ref) {
					s.can(t, w.peer.Tamper(how, id))
					if len(compare(w.wished(), w.held())) == 0 {
						t.Fatalf("the peer of the test did not %s %s", how, id)
					}
					w.command(func(l *target.Link) (target.Settled, error) { return l.Resync(t.Context(), true, false) })
					w.equal("after somebody else's hands (" + string(how) + ")")
				}
			}
		})
	})
	s.Case("what others lose or change there is found by the daily comparison and mended", conformance.Reconciles, func(t *testing.T) {
		parts(s, t, []Tampering{Lose, Change}, func(t *testing.T, how Tampering) {
			w := s.world(t)
			if _, lists := w.made.Applier.(target.Lister); !lists {
				s.DoesNotApply(t, "the target cannot tell all that it holds")
			}
			w.options.Reconcile = target.Reconcile{Every: 24 * time.Hour, Repair: true}
			w.begin()
			day := func() target.Reconciled {
				w.pass(25 * time.Hour)
				return w.settle().Reconciled
			}
			if r := day(); r.Found != 0 || r.Reason != nil {
				t.Errorf("with nothing changed the comparison came to %+v: what List tells is not what was written", r)
			}
			for _, ref := range []roster.Ref{personRef(12), {Kind: roster.KindGroup, Key: key(31)}} {
				for _, id := range w.of(ref) {
					s.can(t, w.peer.Tamper(how, id))
					if r := day(); r.Repaired == 0 {
						t.Errorf("%s of %s is not found: %+v", how, id, r)
					}
					w.equal("a day after somebody else's hands (" + string(how) + ")")
				}
			}
		})
	})
	s.Case("what others took away is made again when it changes next", conformance.Reconciles, func(t *testing.T) {
		w := s.world(t)
		if w.made.Applier == nil {
			s.DoesNotApply(t, "a complete set is delivered whole, whatever was lost")
		}
		w.begin()
		for _, r := range []roster.Record{pupil(12, 1), group(31, 1, 21, 11, 12, 13)} {
			for _, id := range w.of(r.Ref) {
				s.can(t, w.peer.Tamper(Lose, id))
			}
			w.put(renamed(r))
			w.pass(2 * time.Hour)
			w.settle()
			w.equal("after " + string(r.Ref.Kind) + " was lost, and got a new name: what is not there is a conflict, never done;")
		}
	})
	s.Case("what the target says that it holds is what is there", conformance.Reconciles, func(t *testing.T) {
		w := s.world(t)
		if w.made.Applier == nil {
			s.DoesNotApply(t, "a complete set is known by its name, not row by row")
		}
		w.begin()
		for _, e := range w.ledgerEntries() {
			if h := w.held()[e.ID]; e.Held && e.Native != h.Native {
				t.Errorf("%s has another id there than Apply said: an outcome tells the target's own id (Outcome.Native)", e.ID)
			}
		}
		writes := w.peer.Writes()
		told := map[target.ID]target.Held{}
		for id := range w.held() {
			h, err := w.made.Applier.Lookup(t.Context(), id, "")
			if err != nil {
				t.Errorf("Lookup does not find %s, which is there: after a crash it would be made again (%v)", id, err)
			}
			told[id] = h
		}
		for _, problem := range compare(w.wished(), told) {
			t.Errorf("by what Lookup says, %s: verifying would repair what is right", problem)
		}
		if _, err := w.made.Applier.Lookup(t.Context(), target.ID{Kind: w.made.Applier.Kinds()[0], Key: key(99).String()}, ""); !errors.Is(err, target.ErrNotFound) {
			t.Errorf("Lookup of what is not there says %v, want ErrNotFound", err)
		}
		for id := range told {
			s.exact(t, w, id)
		}
		lister, ok := w.made.Applier.(target.Lister)
		if !ok {
			w.untouched(writes)
			return
		}
		listed := map[target.ID]target.Held{}
		if err := lister.List(t.Context(), func(h target.Held) error { listed[h.ID] = h; return nil }); err != nil {
			t.Fatal(err)
		}
		for id := range told {
			if _, ok := listed[id]; !ok {
				t.Errorf("List does not tell of %s: read every page, or verifying would take it for lost", id)
			}
			delete(listed, id)
		}
		for id := range listed {
			t.Errorf("List tells of %s, which is not ours (R6)", id)
		}
		w.untouched(writes)
	})
	s.Case("nothing is touched that is not ours", conformance.Owns, func(t *testing.T) {
		w := s.world(t)
		before, err := w.peer.Others()
		if err != nil {
			t.Fatal(err)
		}
		if before == "" {
			s.DoesNotApply(t, "nothing can be there that is not ours")
		}
		w.begin()
		check := func(when string) {
			t.Helper()
			if now, err := w.peer.Others(); err != nil || now != before {
				t.Errorf("%s something that is not ours is another, or gone (R6): %v", when, err)
			}
		}
		check("after the first time")
		w.command(func(l *target.Link) (target.Settled, error) {
			return l.Resync(t.Context(), s.under.Claims.Verifies, true)
		})
		check("after a forced resync")
		for _, r := range school() {
			w.log.Publish(gone(r))
		}
		w.settle()
		w.equal("after everybody left")
		check("after everybody left")
	})
	s.Case("a mass change waits for a person", conformance.Owns, func(t *testing.T) {
		t.Run("delete", func(t *testing.T) {
			s.held(t, func(n int) roster.Record { return gone(pupil(n, 1)) })
		})
		t.Run("rename", func(t *testing.T) {
			if !slices.Contains(s.under.Claims.Shows, Username) && !slices.Contains(s.under.Claims.Shows, Email) {
				s.DoesNotApply(t, "the target has neither user names nor e-mail addresses")
			}
			s.held(t, func(n int) roster.Record { return renamed(pupil(n, 1)) })
		})
	})
	s.Case("a link that is told to stop stops at once, though nobody answers", conformance.Prompt, func(t *testing.T) {
		const soon, atOnce = 100 * time.Millisecond, time.Second
		if s.under.Claims.Deadline < soon+atOnce {
			s.DoesNotApply(t, "with these settings every call ends within %v anyhow", s.under.Claims.Deadline)
		}
		w := s.world(t).begin()
		s.can(t, w.peer.Fail(Hang, target.ID{}))
		w.log.Publish(renamed(pupil(12, 1)), renamed(group(31, 1, 21, 11, 12, 13)), pupil(17, 1))
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		begun := time.Now()
		if _, err := w.runIn(ctx, nil); err == nil {
			t.Error("nobody answers, and the link has settled")
		}
		if took := time.Since(begun) - soon; took > atOnce {
			t.Errorf("told to stop, it took %v: hand the context to every call", took.Round(time.Millisecond))
		}
		if err := w.peer.Heal(); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.settle()
		w.equal("after a stop in the middle")
	})
	s.Case("the same set is the same bytes under the same name", conformance.Idempotent, func(t *testing.T) {
		w := s.world(t)
		if w.made.Deliverer == nil {
			s.DoesNotApply(t, "the target takes calls, not sets")
		}
		w.log.Publish(school()...)
		var set []target.Resource
		for _, r := range w.wished() {
			set = append(set, r)
		}
		slices.SortFunc(set, func(a, b target.Resource) int { return a.ID.Compare(b.ID) })
		first, problems := w.made.Deliverer.Render(set)
		if len(problems) > 0 {
			t.Fatalf("the set of an ordinary school would be refused: %v", problems)
		}
		again, _ := s.world(t).made.Deliverer.Render(set)
		if !bytes.Equal(first.Body, again.Body) || first.Digest != again.Digest || first.Name != again.Name {
			t.Error("the same set was rendered to other bytes, another digest or another name: a time or a random id is in it (R11)")
		}
		other, _ := w.made.Deliverer.Render(set[1:])
		if other.Digest == first.Digest || other.Name == first.Name {
			t.Error("another set has the same digest or name: it would not be delivered")
		}
		if strings.Contains(strings.ToLower(first.Name), marked) {
			t.Error("the name of the package has a person's name in it (R8)")
		}
	})
	s.Case("no name, number or secret is in an error or a log line", conformance.Private, s.private)
}

// untouched holds what was only asked to having written nothing.
func (w *world) untouched(writes int) {
	w.t.Helper()
	if n := w.peer.Writes() - writes; n > 0 {
		w.t.Errorf("what was only asked (Lookup, List) wrote %d times: a preview and a check ask too", n)
	}
}

// exact looks for ids that are only like one that is there: searches of vendors find them.
func (s *suite) exact(t *testing.T, w *world, id target.ID) {
	t.Helper()
	alike := []target.ID{{Kind: id.Kind, Key: id.Key[:len(id.Key)-1]}, {Kind: id.Kind, Key: id.Key + "0"}}
	for _, kind := range w.made.Applier.Kinds() {
		if other := (target.ID{Kind: kind, Key: id.Key}); kind != id.Kind {
			if _, there := w.held()[other]; !there {
				alike = append(alike, other)
			}
		}
	}
	for _, other := range alike {
		if h, err := w.made.Applier.Lookup(t.Context(), other, ""); !errors.Is(err, target.ErrNotFound) {
			t.Errorf("Lookup of %s, which is not there, finds %s (%v): what is only alike is somebody else's (R6)", other, h.ID, err)
		}
	}
}

// unverified ends the case of a target that is claimed to see no loss, unless it does.
func (s *suite) unverified(t *testing.T) {
	t.Helper()
	w := s.world(t).begin()
	verify := func() bool {
		_, err := w.run(func(_ context.Context, l *target.Link) error {
			_, err := l.Resync(t.Context(), true, false)
			return err
		})
		return err == nil
	}
	if w.made.Deliverer != nil { // a set that may have been lost is delivered again
		if writes := w.peer.Writes(); verify() && w.peer.Writes() == writes {
			t.Fatal("it is claimed that the system cannot be asked what it holds, and a verifying resync knew that nothing was lost: claim Verifies")
		}
		s.DoesNotApply(t, "the system cannot be asked what it holds")
	}
	s.can(t, w.peer.Tamper(Lose, slices.SortedFunc(maps.Keys(w.held()), target.ID.Compare)[0]))
	if verify() && len(compare(w.wished(), w.held())) == 0 {
		t.Fatal("it is claimed that the system cannot be asked what it holds, and a verifying resync found and mended what was lost: claim Verifies")
	}
	s.DoesNotApply(t, "the system cannot be asked what it holds")
}

// held changes twelve pupils of sixteen at once, and holds the target to what it had.
func (s *suite) held(t *testing.T, change func(n int) roster.Record) {
	if !s.under.Claims.Pupils {
		s.DoesNotApply(t, "the target holds nothing of pupils")
	}
	w := s.world(t)
	w.options.Limits = nil // as a link has them by default
	var many []roster.Record
	for n := 41; n < 53; n++ {
		many = append(many, pupil(n, 1))
	}
	w.log.Publish(many...)
	w.begin()
	before := w.natives(personRef(41))
	picture := w.picture()
	for n := 41; n < 53; n++ {
		w.log.Publish(change(n))
	}
	did := w.settle()
	if did.Held == 0 {
		t.Error("twelve accounts at once are not held: Guarded must name the kinds that people miss, and Watched the fields by which they sign in")
	}
	if now := w.picture(); now != picture && len(before) > 0 {
		t.Error("the target was changed in what is held for a person's decision")
	}
}

// private looks for what is personal or secret in all that the connector said while it worked, and while all kinds of
// faults befell it.
func (s *suite) private(t *testing.T) {
	forbidden := append([]string{marked, "18900101"}, s.under.Secrets...)
	look := func(where, text string) {
		for _, f := range forbidden {
			if f != "" && strings.Contains(strings.ToLower(text), strings.ToLower(f)) {
				t.Errorf("%s has a name, an identity number or a secret in it (R8)", where)
				return
			}
		}
	}
	for _, fault := range []Fault{RefuseOne, HalfBatch, Broken, Garbage, Throttle, SignIn, LostAnswer} {
		w := s.world(t).begin()
		of := target.ID{}
		if ids := w.of(personRef(12)); len(ids) > 0 {
			of = ids[0]
		}
		if err := w.peer.Fail(fault, of); err != nil {
			continue
		}
		w.put(renamed(pupil(12, 2)), gone(pupil(13, 1)), pupil(17, 1), renamed(group(31, 1, 21, 11, 12, 17)))
		for _, a := range w.witness.errors() {
			look("the error of a "+a.call+" ("+string(fault)+")", a.err.Error())
		}
		look("the log of the connector ("+string(fault)+")", w.logged.String())
		for _, name := range w.witness.names {
			look("the name of a package", name)
		}
	}
}
