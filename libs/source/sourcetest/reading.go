package sourcetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
)

// settings: what an operator writes.
func (s *suite) settings() {
	s.Case("wrong settings are refused, each with its path", conformance.Settings, func(t *testing.T) {
		if _, err := s.decode(s.Settings); err != nil {
			t.Fatalf("the settings that should work are refused: %v", err)
		}
		if _, err := s.decode(s.Settings + "\nnobodyKnowsThisKey: 1\n"); err == nil {
			t.Error("an unknown key is taken: a misspelt setting would have no effect, and nobody would know")
		}
		if s.Claims.NoWrong != "" && len(s.Refused) > 0 {
			t.Errorf("it claims that no value is wrong by itself (%s), and yet it has settings to refuse: drop the claim", s.Claims.NoWrong)
		}
		t.Run("wrong values", func(t *testing.T) {
			if s.Claims.NoWrong != "" {
				s.DoesNotApply(t, "%s", s.Claims.NoWrong)
			}
			if len(s.Refused) == 0 {
				t.Error("no wrong settings are given: fill in Refused, or claim NoWrong")
			}
			for settings, path := range s.Refused {
				s.refuses(t, settings, path)
			}
		})
	})
	s.Case("what the connector says of itself can be used, and its sample is valid", conformance.Settings, func(t *testing.T) {
		d := s.Connector.Defaults
		if err := source.CheckSchedule(d.Schedule); err != nil {
			t.Errorf("the default schedule %q is none: %v", d.Schedule, err)
		}
		if !slices.Contains([]source.Protected{source.ProtectedFlag, source.ProtectedOmits, source.ProtectedNone}, d.Protected) {
			t.Errorf("the default of protected is %q: write flag, omits or none", d.Protected)
		}
		if !slices.Contains([]source.GroupIDs{source.GroupIDsStable, source.GroupIDsYearly, source.GroupIDsReused}, d.GroupIDs) {
			t.Errorf("the default of groupIds is %q: write stable, yearly or reused", d.GroupIDs)
		}
		if s.Connector.Title == "" {
			t.Error("the connector has no title")
		}
		s.sample(t)
	})
	s.Case("settings are checked and a source is opened without network", conformance.Settings, func(t *testing.T) {
		w := s.world(t, t.Context())
		w.hold(invent(4))
		gone := Unreachable
		if cannot, err := s.Register.Break(gone); err == nil && cannot != "" {
			gone = Nothing
		} else if err := errors.Join(err, s.Register.Mend()); err != nil {
			t.Fatal(err)
		}
		s.broken(t, gone, func() {
			begun := time.Now()
			w.open()
			if took := time.Since(begun); took > time.Second {
				t.Errorf("it took %s to open a source whose register does not answer: no network is used before a read", took)
			}
		})
	})
}

// refuses checks that wrong settings are refused with a path.
func (s *suite) refuses(t *testing.T, settings, path string) {
	t.Helper()
	_, err := s.decode(settings)
	if err == nil {
		t.Errorf("%q is taken, want it refused at %q", settings, path)
		return
	}
	for _, secret := range s.Secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("R8: the problems show the secret %q", secret)
		}
	}
	invalid, ok := errors.AsType[*tenant.InvalidError](err)
	if path == "" {
		return
	}
	if !ok || !slices.ContainsFunc(invalid.Problems, func(p tenant.Problem) bool { return p.Path == path && p.What != "" }) {
		t.Errorf("%q is refused without naming %q: %v", settings, path, err)
	}
}

// sample checks the sample that an operator starts from.
func (s *suite) sample(t *testing.T) {
	t.Helper()
	path := s.Sample
	if path == "" {
		path = "../sample.yaml"
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("there is no sample: %v", err)
		return
	}
	d, err := tenant.Parse([]byte("tenant: sample\npepper: file:/run/secrets/pepper\n" + string(data)))
	if err != nil {
		t.Errorf("the sample is no part of a tenant's document: %v", err)
		return
	}
	n := 0
	for _, x := range d.Sources {
		if x.System != s.Connector.System {
			continue
		}
		n++
		c := s.Connector.New()
		if err := tenant.Decode(x.Settings, c); err != nil {
			t.Errorf("the sample's settings cannot be decoded: %v", err)
			continue
		}
		p := tenant.NewProblems()
		if c.Validate(p); p.Err() != nil {
			t.Errorf("the sample's settings are refused: %v", p.Err())
		}
	}
	if n == 0 {
		t.Errorf("the sample shows no source of the system %s", s.Connector.System)
	}
}

// complete: a read of everything.
func (s *suite) complete() {
	s.Case("a read of everything says what the register holds", conformance.Complete, func(t *testing.T) {
		w := s.world(t, t.Context())
		w.hold(invent(12))
		run := w.read()
		w.agrees("a first read")
		if !run.Complete {
			t.Error("R3: a read without cursor is not complete: without one that is, nobody is ever seen to be gone")
		}
		if run.Origin == "" {
			t.Error("R10: the read does not say what was read: fill in Result.Origin")
		}
		s.claimsAre(t, w.last)
		many := s.world(t, t.Context())
		many.hold(invent(300))
		many.read()
		many.agrees("a first read of more than a page")
	})
	s.Case("a register that has not changed publishes nothing", conformance.Idempotent, func(t *testing.T) {
		w := s.world(t, t.Context())
		w.hold(invent(12))
		w.read()
		before := w.log.Messages()
		for _, again := range []func() source.Run{w.read, w.readAll} {
			if run := again(); run.State != source.Unchanged || w.log.Messages() != before {
				t.Errorf("R5: it is read again, unchanged, and %d changes are published: %v", w.log.Messages()-before, run.Counts)
			}
		}
	})
}

// moments: what changes while it is read has the same time as what was read.
func (s *suite) moments() {
	s.Case("what changes in the very moment of a read is seen by the next one", conformance.Complete, func(t *testing.T) {
		s.eachWay(t, func(t *testing.T, read func(*world) (source.Run, error)) {
			w := s.world(t, t.Context())
			w.hold(invent(12))
			w.read()
			at := w.town.At
			after(&w.town)
			if w.town.At = at; w.Register.Hold(w.town.Clone()) != nil {
				t.Fatal("the register does not take a town")
			}
			if run, err := read(w); err != nil || !run.Believed() {
				t.Fatalf("nothing was wrong with the register, and the read is %s: %s (%v)", run.State, why(run), err)
			}
			w.agrees("a change that has the time of the read before it")
		})
	})
}

// claimsAre compares claims with what the docs of a complete read state.
func (s *suite) claimsAre(t *testing.T, x *watched) {
	t.Helper()
	for _, d := range x.docs {
		for _, f := range d.Facts {
			switch f := f.(type) {
			case fact.Unit:
				if s.Claims.NoUnits != "" {
					t.Fatalf("it claims to state no units (%s), and yet it states one: drop the claim", s.Claims.NoUnits)
				}
			case fact.Group:
				if s.Claims.NoGroups != "" && !f.About {
					t.Fatalf("it claims to state no groups (%s), and yet it states one: drop the claim", s.Claims.NoGroups)
				}
			default:
			}
		}
	}
}

// step is a change of a register that a read must see.
type step struct {
	name      string
	guarantee conformance.Guarantee
	needs     func(Claims) string // why it does not apply, or nothing
	before    func(*Town)         // done and read first; nil for nothing
	do        func(*Town)
}

// steps returns the changes. The ids are those of invent(12).
func steps() []step {
	ends := func(c Claims) string { return c.NoEnds }
	units := func(c Claims) string { return c.NoUnits }
	groups := func(c Claims) string { return c.NoGroups }
	drop := func(t *Town) { t.Drop("p-4") }
	back := invent(12)
	return []step{
		{name: "a person who is new is seen", guarantee: conformance.Complete, do: func(t *Town) {
			t.Persons = append(t.Persons, newPerson(900, roster.RolePupil, "u-1"))
		}},
		{name: "a new name and address are seen", guarantee: conformance.Complete, do: func(t *Town) {
			p := t.Person("p-4")
			p.GivenName, p.FamilyName, p.Email = givenCanary+"Ny", familyCanary+"Nyss", mailCanary+"ny@prov.example"
		}},
		{name: "a move to another school is seen", guarantee: conformance.Complete, do: func(t *Town) { t.Person("p-4").Unit = "u-2" }},
		{name: "the last day of a person at a school is seen", guarantee: conformance.Complete, needs: ends, do: func(t *Town) { t.Person("p-4").End = "2026-12-18" }},
		{name: "a last day that is taken back is seen", guarantee: conformance.Complete, needs: ends, before: func(t *Town) { t.Person("p-4").End = "2026-12-18" }, do: func(t *Town) { t.Person("p-4").End = "" }},
		{name: "a person who is deleted is gone", guarantee: conformance.Erases, do: drop},
		{name: "a person who returns is the same one", guarantee: conformance.Erases, before: drop, do: func(t *Town) { *t = back.Clone() }},
		{name: "who joins and leaves a group is seen", guarantee: conformance.Complete, do: func(t *Town) {
			g := t.Group("g-0")
			g.Members = append(g.Members[1:], Member{"p-3", roster.MemberPupil})
		}},
		{name: "a group that is new is seen", guarantee: conformance.Complete, needs: groups, do: func(t *Town) {
			t.Groups = append(t.Groups, Group{"g-900", "Grupp Ny", "u-1", []Member{{"p-4", roster.MemberPupil}}})
		}},
		{name: "a group's new name is seen", guarantee: conformance.Complete, needs: groups, do: func(t *Town) { t.Group("g-0").Name = "Grupp Nyss" }},
		{name: "a group that is deleted is gone, and its members are not", guarantee: conformance.Erases, needs: groups, do: func(t *Town) { t.Groups = t.Groups[1:] }},
		{name: "a school's new name is seen", guarantee: conformance.Complete, needs: units, do: func(t *Town) { t.Units[0].Name = "Provskolan Nyss" }},
	}
}

// changes: what happens at a register is seen by the next read, whichever way it reads.
func (s *suite) changes() {
	for _, x := range steps() {
		s.Case(x.name, x.guarantee, func(t *testing.T) {
			if x.needs != nil && x.needs(s.Claims) != "" {
				s.DoesNotApply(t, "%s", x.needs(s.Claims))
			}
			t.Run("by a read of everything", func(t *testing.T) { s.sees(t, x, (*world).readAll) })
			t.Run("by a read of what changed", func(t *testing.T) {
				if s.Claims.NoDelta != "" {
					s.DoesNotApply(t, "%s", s.Claims.NoDelta)
				}
				s.sees(t, x, (*world).read)
			})
		})
	}
}

func (s *suite) sees(t *testing.T, x step, read func(*world) source.Run) {
	t.Helper()
	w := s.world(t, t.Context())
	w.hold(invent(12))
	w.read()
	if x.before != nil {
		w.change(x.before)
		read(w)
	}
	before := w.log.Messages()
	w.change(x.do)
	read(w)
	w.agrees("the change")
	if n := w.log.Messages() - before; n > 4 {
		t.Errorf("one change of the register publishes %d changes: what did not change must come out the same (R5)", n)
	}
}

// histories: whatever happens to a register, in whichever reads it is seen.
func (s *suite) histories() {
	s.Case("what changed since, read again and again, comes to the same as reading everything", conformance.Delta, func(t *testing.T) {
		w := s.world(t, t.Context())
		w.hold(invent(12))
		w.read()
		all := len(w.last.docs)
		if s.Claims.NoDelta != "" {
			if len(w.last.result.Cursor) > 0 {
				t.Fatalf("it claims to read everything every time (%s), and yet its read gives a cursor: drop the claim", s.Claims.NoDelta)
			}
			s.DoesNotApply(t, "%s", s.Claims.NoDelta)
		}
		w.change(func(t *Town) { t.Person("p-4").Email = mailCanary + "ny@prov.example" })
		w.read()
		switch {
		case len(w.last.since) > 0 && s.Claims.NoPart != "":
			s.still(t, w, all)
		case len(w.last.since) == 0:
			t.Fatal("its complete read gives no cursor, so the next one reads everything: give one, or claim NoDelta")
		case w.last.result.Complete:
			t.Error("R3: a read of what changed calls itself complete: everybody else would be gone")
		case len(w.last.docs) >= all:
			t.Errorf("one person of the register changed, and the read of what changed emits %d docs of %d: it reads everything", len(w.last.docs), all)
		}
		if !t.Failed() {
			s.walk(t, (*world).read)
		}
	})
	s.Case("a cursor that the register no longer knows is no reason to miss anything", conformance.Delta, func(t *testing.T) {
		if s.Claims.NoDelta != "" {
			s.DoesNotApply(t, "%s", s.Claims.NoDelta)
		}
		w := s.world(t, t.Context())
		w.hold(invent(12))
		w.read()
		w.now = w.now.Add(time.Minute)
		x := w.watch(w.open())
		res, err := x.Read(w.ctx, source.Cursor("\x00 no cursor of this source"), func(fact.Doc) error { return nil })
		if err == nil && !res.Complete {
			t.Error("a cursor that it never gave is taken for one: read everything, or fail, so that nothing is missed")
		}
	})
	s.Case("any history of the register comes to the same as its last state", conformance.Idempotent, func(t *testing.T) { s.walk(t, (*world).readAll) })
}

// walk takes random walks through towns, and compares the log after each step with one that saw the last state only.
func (s *suite) walk(t *testing.T, read func(*world) source.Run) {
	t.Helper()
	conformance.Random(t, 1500*time.Millisecond, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed of the walk"), 0))
		length := rapid.IntRange(1, 6).Draw(rt, "steps")
		w := s.world(rt, t.Context())
		w.hold(invent(6))
		read(w)
		for n := range length {
			did := ""
			w.change(func(t *Town) {
				was := t.Clone()
				if did = s.stroll(t, n, r); was.peopled() && !t.peopled() { // a list that is empty may end a read
					*t, did = was, "nothing"
				}
			})
			read(w)
			w.agrees(did)
			other := w.again()
			other.read()
			if x, y := other.state(), w.state(); x != y {
				rt.Errorf("after %s the log is another than that of one read of everything: %s", did, lineDiff(x, y))
			}
		}
	})
}

// still: what changed had everything read, and what does not change any more is soon read no more.
func (s *suite) still(t *testing.T, w *world, all int) {
	t.Helper()
	if !w.last.result.Complete || len(w.last.docs) != all {
		t.Errorf("it claims to read everything when something changed (%s), and emits %d docs of %d, complete %t", s.Claims.NoPart, len(w.last.docs), all, w.last.result.Complete)
	}
	for range 3 {
		w.now = w.now.Add(time.Minute)
		w.read()
	}
	if w.last.result.Complete || len(w.last.docs) > 0 {
		t.Errorf("nothing has changed for four reads, and it emits %d docs, complete %t: claim NoDelta", len(w.last.docs), w.last.result.Complete)
	}
}

// state returns every record that stands, whole.
func (w *world) state() string {
	var lines []string
	for _, r := range w.log.Standing() {
		lines = append(lines, string(roster.AppendJSON(nil, &r, true)))
	}
	return strings.Join(lines, "\n")
}

// stroll changes one thing, and says which.
func (s *suite) stroll(t *Town, n int, r *rand.Rand) string {
	p := &t.Persons[r.IntN(len(t.Persons))]
	switch r.IntN(9) {
	case 0:
		t.Persons = append(t.Persons, newPerson(1000+n, roster.RolePupil, "u-1"))
		return "a new person"
	case 1:
		p.FamilyName = familyCanary + letters(1000+n)
		return "a new name"
	case 2:
		p.Unit = t.Units[r.IntN(2)].ID
		return "a move"
	case 3:
		p.End = []string{"", "2026-12-18", "2027-06-11"}[r.IntN(3)]
		return "another last day"
	case 4:
		if len(t.Persons) > 3 {
			t.Drop(p.ID)
		}
		return "a delete"
	case 5:
		for _, was := range invent(6).Persons {
			if t.Person(was.ID) == nil {
				t.Persons = append(t.Persons, was)
				return "a return"
			}
		}
		return "no return"
	case 6:
		if len(t.Groups) > 0 {
			g := &t.Groups[r.IntN(len(t.Groups))]
			i := slices.IndexFunc(g.Members, func(m Member) bool { return m.Person == p.ID })
			switch {
			case i >= 0:
				g.Members = slices.Delete(g.Members, i, i+1)
			case len(g.Members) < 5 && p.Role == roster.RolePupil:
				g.Members = append(g.Members, Member{p.ID, roster.MemberPupil})
			}
		}
		return "another membership"
	case 7:
		if len(t.Groups) > 0 && s.Claims.NoGroups == "" {
			t.Groups[r.IntN(len(t.Groups))].Name = fmt.Sprint("Grupp ", 1000+n)
		}
		return "a group's new name"
	default:
		if len(t.Groups) > 1 && s.Claims.NoGroups == "" {
			t.Groups = slices.Delete(t.Groups, 0, 1)
		}
		return "the end of a group"
	}
}

// stable: the same register is read the same way.
func (s *suite) stable() {
	s.Case("the same register gives the same docs in the same order", conformance.Idempotent, func(t *testing.T) {
		w := s.world(t, t.Context())
		w.hold(invent(40))
		w.read()
		first := w.last.docs
		seen := map[string]bool{}
		for _, d := range first {
			if d.ID == "" || seen[d.ID] {
				t.Errorf("two docs of one read have one id, or a doc has none (%s): the later would hide the earlier", d.Where)
			}
			seen[d.ID] = true
		}
		w.readAll()
		if d := cmp.Diff(first, w.last.docs); d != "" {
			t.Errorf("R11: the same register is read twice, and says something else:\n%s", d)
		}
	})
	s.Case("a doc keeps its id when others come and go", conformance.Idempotent, func(t *testing.T) {
		w := s.world(t, t.Context())
		w.hold(invent(12))
		w.read()
		before := w.last.docs
		w.change(func(t *Town) { t.Persons = append([]Person{newPerson(900, roster.RolePupil, "u-1")}, t.Persons...) })
		w.readAll()
		now := map[string][]fact.Fact{}
		for _, d := range w.last.docs {
			now[d.ID] = d.Facts
		}
		other := 0
		for _, d := range before {
			if !cmp.Equal(d.Facts, now[d.ID]) {
				other++
			}
		}
		if other > 0 {
			t.Errorf("a person is put before the others, and %d docs of %d are gone or say something else: an id hangs on what a doc is about, never on its place", other, len(before))
		}
	})
}

// protects: what the defaults claim about protected persons holds.
func (s *suite) protects() {
	s.Case("a protected person is kept as the connector says", conformance.Protects, func(t *testing.T) {
		t.Run("by a read of everything", func(t *testing.T) { s.protectsOne(t, (*world).readAll) })
		t.Run("by a read of what changed", func(t *testing.T) {
			if s.Claims.NoDelta != "" {
				s.DoesNotApply(t, "%s", s.Claims.NoDelta)
			}
			s.protectsOne(t, (*world).read)
		})
	})
}

// protectsOne has the register mark a person, and take that back.
func (s *suite) protectsOne(t *testing.T, read func(*world) source.Run) {
	t.Helper()
	w := s.world(t, t.Context())
	w.hold(invent(12))
	w.read()
	p := *w.town.Person("p-4")
	ref := roster.Ref{Kind: roster.KindPerson, Key: w.keyer.Person(w.name, "", roster.ParseCivicNo(p.CivicNo, roster.Today(w.now)))}
	w.change(func(t *Town) { t.Person("p-4").Protected = true })
	run := read(w)
	marked := slices.ContainsFunc(w.last.docs, func(d fact.Doc) bool {
		return slices.ContainsFunc(d.Facts, func(f fact.Fact) bool {
			x, ok := f.(fact.Person)
			return ok && roster.SecurityMarking(x.Marking).Protects()
		})
	})
	tombstone := w.log.Tombstone(ref)
	switch d := s.Connector.Defaults; {
	case d.Protected == source.ProtectedNone:
		if marked {
			t.Error("R9: its defaults say that it knows nothing of protection, and yet a doc has a mark: let them say flag")
		}
	case d.Protected == source.ProtectedFlag && !marked:
		t.Error("R9: a person is marked as protected in the register, and no doc says so")
	case d.Protected == source.ProtectedOmits && marked:
		t.Error("R9: its defaults say that protected persons are left out, and yet a doc marks one: let them say flag")
	case d.MayBeEmpty:
		if !slices.ContainsFunc(w.log.Standing(), func(r roster.Record) bool {
			return r.Ref == ref && r.Person != nil && r.Person.Marking.Protects()
		}) {
			t.Error("R9: the log has no record that protects the person")
		}
	case tombstone == nil || tombstone.Reason != roster.TombstoneProtected:
		t.Errorf("R9: the person still stands in the log after a %s read", run.State)
	}
	if !s.Connector.Defaults.MayBeEmpty && s.Connector.Defaults.Protected != source.ProtectedNone {
		w.agrees("the protection")
	}
	w.change(func(t *Town) { t.Person("p-4").Protected = false })
	w.readAll() // what changed is the person: the groups, which do not, tell of her or him again when all is read
	w.agrees("the end of the protection")
}

// known tells whether a run says why it is not believed, in words that a person understands.
func (w *world) known(run source.Run) {
	w.t.Helper()
	if run.Reason == nil || run.Reason.Code == reason.Unexpected || !reason.Known(run.Reason.Code) {
		w.t.Errorf("R12: the read is %s and says no reason that a person could act on: %s; give its error a code of package reason", run.State, why(run))
		return
	}
	for _, l := range []reason.Language{reason.Swedish, reason.English} {
		text, next := run.Reason.Text(l), run.Reason.Next(l)
		if text == "" || next == "" || strings.Contains(text+next, "{") {
			w.t.Errorf("R12: the reason %s lacks an argument: in %s it says %q and %q", run.Reason.Code, l, text, next)
		}
	}
}
