package source_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

const marked = "Sekretessmarkering"

// mark puts a person with a mark of protection into the register.
func (w *world) mark(i int, mark string, more ...func(*fact.Person)) {
	w.person(i, func(p *fact.Person) {
		p.Marking = mark
		for _, change := range more {
			change(p)
		}
	})
}

// flagged is a school whose register has a column for protection.
func flagged(t *testing.T, pupils int) *world {
	w := newWorld(t)
	w.opts.Defaults.Protected = source.ProtectedFlag
	clear(w.reg.docs)
	w.reg.set("unit", fact.Unit{ID: "u", Name: "Skolan"})
	for i := range pupils {
		w.mark(i, "Ingen")
	}
	w.classes(pupils)
	w.want(source.Published, fmt.Sprintf("group.created:%d organisation.created:1 person.created:%d", (pupils+24)/25, pupils))
	w.nextDay()
	return w
}

// refs returns the persons whom the log holds under ids of the register.
func (w *world) refs(ids ...string) (refs []roster.Ref) {
	w.t.Helper()
	for _, id := range ids {
		refs = append(refs, person(w.t, w, id).Ref)
	}
	return refs
}

// contained tells of each person whether a tombstone says that she or he is protected.
func (w *world) contained(refs ...roster.Ref) (n int) {
	for _, ref := range refs {
		if tomb := w.log.Tombstone(ref); tomb != nil && tomb.Reason == roster.TombstoneProtected {
			n++
		}
	}
	return n
}

// names tells whether a group in the log names the person, by key or by doc.
func (w *world) names(ref roster.Ref) bool {
	return slices.ContainsFunc(live(w.log, roster.KindGroup), func(g roster.Record) bool {
		return slices.ContainsFunc(g.Group.Members, func(m roster.Membership) bool { return m.Person == ref.Key })
	})
}

// TestFlagColumnGone is a register whose marks cannot be read: nothing is removed, and nobody is taken for protected.
func TestFlagColumnGone(t *testing.T) {
	cases := []struct {
		name  string
		marks func(i int) string
		want  source.State
		kept  int
	}{
		{"the column is gone", func(int) string { return "" }, source.Unreadable, 0},
		{"its values are others", func(int) string { return "0" }, source.Unreadable, 0},
		{"every second is empty", func(i int) string { return []string{"Ingen", ""}[i%2] }, source.Unreadable, 0},
		{"over one in a hundred", func(i int) string { return map[bool]string{true: "", false: "Ingen"}[i < 5] }, source.Unreadable, 0},
		{"one in a hundred", func(i int) string { return map[bool]string{true: "kanske", false: "Ingen"}[i < 4] }, source.Published, 4},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := flagged(t, 400)
			w.mark(399, marked)
			w.read()
			w.nextDay()
			log, since := state(w.log), w.log.Messages()
			for i := range 399 {
				w.mark(i, c.marks(i), func(p *fact.Person) { p.FamilyName += "sson" })
			}
			run := w.read()
			if run.State != c.want || run.Counts["person.keptBack"] != c.kept {
				t.Fatalf("%s with %v because of %v, want %s", run.State, run.Counts, run.Reason, c.want)
			}
			if c.want == source.Unreadable && (run.Reason.Code != reason.MarksUnreadable || w.log.Messages() != since || cmp.Diff(log, state(w.log)) != "") {
				t.Errorf("%d messages because of %v, want none", w.log.Messages()-since, run.Reason)
			}
			if n := w.tombstones(); n != 1 {
				t.Errorf("%d tombstones, want that of the protected one", n)
			}
		})
	}
}

// TestUnreadableMarkKeepsBack reads a mark that says nothing: who is new waits, who is known stays, protected or not.
func TestUnreadableMarkKeepsBack(t *testing.T) {
	for _, mark := range []string{"", "kanske"} {
		w := flagged(t, 50)
		p3 := w.refs("p3")[0]
		w.mark(3, marked)
		w.read()
		w.nextDay()
		w.mark(3, mark)
		w.mark(4, mark, func(p *fact.Person) { p.FamilyName = "Berg" })
		w.mark(70, mark)
		run := w.want(source.Unchanged, "person.keptBack:3")
		if w.contained(p3) != 1 || person(t, w, "p4").Person.FamilyName != "Åkesdotter4" || w.names(p3) {
			t.Error("a mark that cannot be read changed something")
		}
		for _, i := range run.Found.Issues {
			if i.Ref == p3 {
				t.Errorf("a finding tells of a protected person: %v", i.Reason)
			}
		}
	}
	t.Run("of a source without flag", func(t *testing.T) {
		w := school(t, 50)
		w.mark(3, "kanske")
		w.want(source.Unchanged, "person.keptBack:1")
	})
}

// TestFiveNewlyProtected marks five: in the same run they are gone from the log with their memberships, whatever else is
// wrong with their data and the read, nothing tells of it, and it can be undone.
func TestFiveNewlyProtected(t *testing.T) {
	var out bytes.Buffer
	w := flagged(t, 200)
	w.opts.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.opts.Defaults.Require = []source.Requirement{source.RequireEmail}
	w.opts.Defaults.Recommend = []source.Requirement{source.RequireCivicNo}
	before := state(w.log)
	refs := w.refs("p0", "p1", "p2", "p3", "p4")
	docs := maps.Clone(w.reg.docs)

	w.mark(0, marked)
	w.mark(1, "Skyddad folkbokföring", func(p *fact.Person) { p.Email = "x" })
	w.mark(2, marked, func(p *fact.Person) { p.BirthDate = "någon gång" })
	w.mark(3, marked, func(p *fact.Person) { p.CivicNo, p.GivenName, p.FamilyName = "18900101-0000", "Ny", "Nysson" })
	w.mark(4, marked)
	w.leave(100, 200) // far too many: the read is held, and contains all the same
	w.classes(200)
	run := w.run(source.Held, map[string]int{"person.held": 100, "person.deleted": 0, "person.updated": 0, "person.created": 0})
	w.wantContained(t, run, refs)
	for _, h := range w.hold.Now().Hold.Items {
		if slices.Contains(refs, h.Ref) {
			t.Error("a frozen item names a protected person")
		}
	}

	w.reg.docs = maps.Clone(docs)
	for i := range 5 {
		w.mark(i, marked)
	}
	w.nextDay()
	run = w.read()
	w.wantContained(t, run, refs)
	if len(run.Findings) != 0 || strings.Contains(fmt.Sprint(run.Counts), "person") {
		t.Errorf("findings %v, counts %v", run.Findings, run.Counts)
	}
	for _, ref := range refs {
		if strings.Contains(out.String(), ref.Key.String()) {
			t.Errorf("a key stands in the logs:\n%s", &out)
		}
	}
	w.nextDay()
	w.want(source.Unchanged, "")

	w.reg.docs = docs
	w.nextDay()
	if run = w.read(); run.State != source.Published || run.Counts["person.created"] != 5 {
		t.Errorf("%s with %v", run.State, run.Counts)
	}
	if d := cmp.Diff(before, w.alive()); d != "" {
		t.Errorf("what was taken away has not come back (-want +got):\n%s", d)
	}
}

// TestWhatWasFoundOfAProtectedPersonIsForgotten has a finding the day before the mark: it is not even told to be gone.
func TestWhatWasFoundOfAProtectedPersonIsForgotten(t *testing.T) {
	w := flagged(t, 30)
	w.opts.Defaults.Recommend = []source.Requirement{source.RequireEmail}
	w.mark(4, "Ingen", func(p *fact.Person) { p.Email = "" })
	if run := w.read(); len(run.Found.Issues) != 1 {
		t.Fatalf("%d issues, want one", len(run.Found.Issues))
	}
	w.mark(4, marked)
	for range 3 {
		w.nextDay()
		if run := w.read(); len(run.Found.Issues) != 0 {
			t.Errorf("told of a protected person: %v", run.Found.Issues)
		}
	}
}

// wantContained checks that nothing but a tombstone is left of persons, and that the run tells nothing of them.
func (w *world) wantContained(t *testing.T, run source.Run, refs []roster.Ref) {
	t.Helper()
	if n := w.contained(refs...); n != len(refs) {
		t.Errorf("%d of %d are contained", n, len(refs))
	}
	for _, ref := range refs {
		if w.names(ref) && run.State != source.Held { // a class whose change is held still names them, and shows nobody
			t.Error("a group names a protected person")
		}
		if r, _ := w.log.Record(ref); r.Person != nil || r.Origins != nil {
			t.Error("a tombstone holds personal data")
		}
	}
	for _, i := range run.Found.Issues {
		if slices.Contains(refs, i.Ref) {
			t.Errorf("a finding tells of a protected person: %v", i.Reason)
		}
	}
}

// alive returns what the log says of those who stand.
func (w *world) alive() map[string]string {
	s := state(w.log)
	maps.DeleteFunc(s, func(ref, _ string) bool {
		k := slices.IndexFunc(w.log.Changes(), func(c source.Change) bool { return c.Record.Ref.String() == ref })
		return w.log.Tombstone(w.log.Changes()[k].Record.Ref) != nil
	})
	return s
}

// TestProtectedFromTheStart publishes who was protected at once: another source may have a record of the key.
func TestProtectedFromTheStart(t *testing.T) {
	w := flagged(t, 30)
	w.mark(70, marked)
	w.want(source.Published, "")
	if n := w.tombstones(); n != 1 {
		t.Errorf("%d tombstones, want one", n)
	}
	w.nextDay()
	w.reg.drop("person/p70")
	w.want(source.Unchanged, "") // who is gone stays protected
	w.nextDay()
	w.mark(70, "Ingen")
	w.want(source.Published, "person.created:1")
}

// TestNumberChangesOfAProtectedPerson changes a number together with the mark and while it stands: no key tells of the
// other, and none is left open.
func TestNumberChangesOfAProtectedPerson(t *testing.T) {
	w := flagged(t, 30)
	old := w.refs("p2")[0]
	w.mark(2, marked, func(p *fact.Person) { p.CivicNo = pnr(60) })
	run := w.want(source.Published, "group.updated:1")
	w.wantContained(t, run, []roster.Ref{old})
	if n := w.tombstones(); n != 2 {
		t.Errorf("%d tombstones, want one of each key", n)
	}
	w.nextDay()
	w.want(source.Unchanged, "")
	w.nextDay()
	w.mark(2, marked, func(p *fact.Person) { p.CivicNo, p.GivenName, p.FamilyName = pnr(61), "Ny", "Nysson" })
	w.want(source.Published, "")
	if n := w.tombstones(); n != 3 {
		t.Errorf("%d tombstones, want one of each key", n)
	}
	w.nextDay()
	w.mark(2, "Ingen", func(p *fact.Person) { p.CivicNo, p.GivenName, p.FamilyName = pnr(61), "Ny", "Nysson" })
	w.want(source.Published, "group.updated:1 person.created:1")
	if p := person(t, w, "p2"); len(p.Former) != 0 || !w.names(p.Ref) || w.contained(old) != 1 {
		t.Errorf("former keys %v, want a person whom nothing leads to", p.Former)
	}
}

// TestUnlikePersonIsContainedToo gives a protected person's id another name and number: she may be either.
func TestUnlikePersonIsContainedToo(t *testing.T) {
	w := flagged(t, 30)
	old := w.refs("p3")[0]
	w.mark(3, marked, func(p *fact.Person) { p.CivicNo, p.FamilyName = pnr(40), "Dal" })
	w.read()
	if w.contained(old) != 1 || w.tombstones() != 2 {
		t.Error("a key of one who may be protected is left open")
	}
}

// TestTwoPersonsOnOneProtectedNumber keeps nothing back of which a part is protected.
func TestTwoPersonsOnOneProtectedNumber(t *testing.T) {
	w := flagged(t, 30)
	ref := w.refs("p3")[0]
	w.mark(50, marked, func(p *fact.Person) { p.CivicNo, p.GivenName, p.FamilyName = pnr(3), "Olof", "Berg" })
	run := w.read()
	w.wantContained(t, run, []roster.Ref{ref})
}

// TestMoreMarksThanCanBeTrue sets or removes many marks at once: a column that means something else today.
func TestMoreMarksThanCanBeTrue(t *testing.T) {
	w := flagged(t, 400)
	for i := range 26 {
		w.mark(i, marked)
	}
	if run := w.read(); run.State != source.Unreadable || run.Reason.Code != reason.TooManyProtected || w.tombstones() != 0 {
		t.Fatalf("%s because of %v with %d tombstones", run.State, run.Reason, w.tombstones())
	}
	w.opts.Limits = guard.Limits{{Operation: guard.Protect, Percent: 10}}
	w.classes(400)
	w.nextDay()
	if run := w.read(); run.State != source.Published || w.tombstones() != 26 {
		t.Fatalf("%s with %d tombstones", run.State, w.tombstones())
	}
	for i := range 26 {
		w.mark(i, "Ingen")
	}
	w.nextDay()
	if run := w.read(); run.State != source.Unreadable || run.Reason.Code != reason.TooManyUnprotected || w.tombstones() != 26 {
		t.Fatalf("%s because of %v", run.State, run.Reason)
	}
	w.opts.Limits = guard.Limits{{Operation: guard.Unprotect, Percent: 100}}
	w.nextDay()
	if run := w.read(); run.State != source.Published || w.tombstones() != 0 {
		t.Fatalf("%s with %d tombstones", run.State, w.tombstones())
	}
}

// TestFewMarksTakenAway takes marks away where few have one: five may go in one read, the sixth makes it unreadable.
func TestFewMarksTakenAway(t *testing.T) {
	for _, c := range []struct {
		back int
		want source.State
		left int
	}{{5, source.Published, 3}, {6, source.Unreadable, 8}, {8, source.Unreadable, 8}} {
		t.Run(fmt.Sprint(c.back), func(t *testing.T) {
			w := flagged(t, 60)
			for i := range 8 {
				w.mark(i, marked)
			}
			if run := w.read(); run.State != source.Published || w.tombstones() != 8 {
				t.Fatalf("%s because of %v with %d tombstones", run.State, run.Reason, w.tombstones())
			}
			for i := range c.back {
				w.mark(i, "Ingen")
			}
			w.nextDay()
			if run := w.read(); run.State != c.want || w.tombstones() != c.left {
				t.Errorf("%s because of %v with %d tombstones, want %s with %d", run.State, run.Reason, w.tombstones(), c.want, c.left)
			}
		})
	}
}

// TestOmits is a register that leaves protected persons out.
func TestOmits(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults.Protected = source.ProtectedOmits
	clear(w.reg.docs)
	w.reg.set("unit", fact.Unit{ID: "u", Name: "Skolan"})
	for i := range 400 {
		w.person(i, nil)
	}
	ended := func(i int, end string) {
		d := w.reg.docs[fmt.Sprint("person/p", i)]
		e := d.Facts[1].(fact.Enrolment)
		e.End = end
		w.reg.set(d.ID, d.Facts[0], e)
	}
	ended(2, "2026-09-30")
	ended(3, "2027-06-11")
	w.classes(400)
	w.read()
	refs := w.refs("p1", "p2", "p3")
	w.nextDay()
	w.leave(1, 4) // and their memberships still stand in the export
	run := w.want(source.Published, "group.updated:1 person.deleted:3")
	if w.contained(refs...) != 2 || w.contained(refs[1]) != 0 || len(run.Findings) != 0 {
		t.Errorf("%d are contained, want those whose enrolment is not over; findings %v", w.contained(refs...), run.Findings)
	}
	w.nextDay()
	w.want(source.Unchanged, "")
	w.nextDay()
	w.person(1, nil)
	w.want(source.Published, "group.updated:1 person.created:1")
	if !w.names(refs[0]) {
		t.Error("who is back is not in the class")
	}

	w.nextDay()
	w.leave(100, 300) // a file that is cut
	w.run(source.Held, map[string]int{"person.held": 200, "person.deleted": 0})
	if w.contained(refs...) != 1 || w.tombstones() != 2 {
		t.Error("a cut file contained somebody")
	}
	w.decide(guard.Approved)
	w.nextDay()
	w.run(source.Published, map[string]int{"person.held": 0, "person.deleted": 200})
	for i := 100; i < 300; i++ {
		w.person(i, nil)
	}
	w.nextDay()
	w.run(source.Published, map[string]int{"person.created": 200}) // they never left
}

// TestOmitsThatMarksTooLosesItsMarks is a register that leaves protected persons out and marks one all the same: without any mark
// she is not let out, with one she is, and who was only missing comes back.
func TestOmitsThatMarksTooLosesItsMarks(t *testing.T) {
	w := flagged(t, 400)
	w.opts.Defaults.Protected = source.ProtectedOmits
	refs := w.refs("p1", "p2")
	w.mark(1, marked)
	w.leave(2, 3)
	if run := w.read(); run.State != source.Published || w.contained(refs...) != 2 {
		t.Fatalf("%s because of %v, %d are contained", run.State, run.Reason, w.contained(refs...))
	}
	for i := range 400 {
		w.mark(i, "")
	}
	w.nextDay()
	if run := w.read(); run.State != source.Unreadable || run.Reason.Code != reason.MarksUnreadable || w.contained(refs...) != 2 {
		t.Fatalf("without marks: %s because of %v, %d are contained", run.State, run.Reason, w.contained(refs...))
	}
	w.mark(1, marked)
	w.nextDay()
	if run := w.read(); run.State != source.Published || w.contained(refs[0]) != 1 || w.contained(refs[1]) != 0 {
		t.Fatalf("she is marked again, and the other one back: %s because of %v", run.State, run.Reason)
	}
	w.mark(1, "Ingen")
	w.nextDay()
	if run := w.read(); run.State != source.Published || w.contained(refs...) != 0 {
		t.Fatalf("she is said to be unprotected: %s because of %v", run.State, run.Reason)
	}
}

// TestNoneSaysNothing keeps to what a register without marks says: who is gone has left.
func TestNoneSaysNothing(t *testing.T) {
	w := school(t, 400)
	w.opts.Defaults.Protected = source.ProtectedNone
	ref := w.refs("p1")[0]
	w.leave(1, 2)
	w.run(source.Published, map[string]int{"person.deleted": 1})
	if w.contained(ref) != 0 {
		t.Error("a leaver is taken for protected")
	}
}

// TestMarksInADelta sets a mark and takes it away in reads that see only what changed.
func TestMarksInADelta(t *testing.T) {
	w := flagged(t, 30)
	w.read()
	ref := w.refs("p2")[0]
	w.mark(2, marked)
	run := w.want(source.Published, "group.updated:1")
	w.wantContained(t, run, []roster.Ref{ref})
	w.reg.set("class/c1", w.reg.docs["class/c1"].Facts...)
	w.reg.set("class/c0", w.reg.docs["class/c0"].Facts...)
	if run = w.want(source.Unchanged, ""); run.Complete || len(run.Findings) != 0 {
		t.Errorf("complete %t, findings %v; a class that names her is no finding", run.Complete, run.Findings)
	}
	w.mark(2, "Ingen")
	if run = w.want(source.Published, "person.created:1"); run.Complete || run.Cursor != nil {
		t.Errorf("complete %t, cursor %q", run.Complete, run.Cursor)
	}
	if run = w.want(source.Published, "group.updated:1"); !run.Complete || !w.names(ref) {
		t.Errorf("complete %t; she is back, and not in her class", run.Complete)
	}
}

// TestOverlaysMayProtect reads a source that is no register: what it says of protection stays a record.
func TestOverlaysMayProtect(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults = source.Defaults{Protected: source.ProtectedFlag, MayBeEmpty: true, Require: []source.Requirement{source.RequireEmail}}
	clear(w.reg.docs)
	w.want(source.Unchanged, "")
	w.nextDay()
	w.reg.set("protect", fact.Person{ID: "x", About: true, Marking: marked})
	w.want(source.Published, "")
	if live := live(w.log, roster.KindPerson); len(live) != 1 || !live[0].Overlay || !live[0].Person.Marking.Protects() {
		t.Errorf("the log holds %d records", len(live))
	}
}

// TestR9WhoIsMarkedNeverStands plays a register of any kind that marks, leaves out, renumbers and brings back whom it
// likes, in complete reads and in deltas. After every read that is believed, nobody whom the register marks stands or is
// named by a group, nothing is told of them, and a complete read of a calm register brings everybody else back.
func TestR9WhoIsMarkedNeverStands(t *testing.T) {
	const pupils = 30
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		kind := rapid.SampledFrom([]source.Protected{source.ProtectedFlag, source.ProtectedOmits, source.ProtectedNone}).Draw(rt, "kind")
		w.opts.Defaults = source.Defaults{Protected: kind, Require: []source.Requirement{source.RequireEmail}, Recommend: []source.Requirement{source.RequireCivicNo}}
		w.opts.Limits = guard.Limits{{Operation: guard.Unprotect, Percent: 100}}
		clear(w.reg.docs)
		w.reg.set("unit", fact.Unit{ID: "u"})
		numbers, marks := map[int]int{}, map[int]string{}
		put := func(i int) {
			w.mark(i, marks[i], func(p *fact.Person) {
				p.CivicNo = pnr(numbers[i])
				if rapid.IntRange(0, 9).Draw(rt, "blank") == 0 {
					p.Email = ""
				}
			})
		}
		for i := range pupils {
			numbers[i], marks[i] = i, "Ingen"
			put(i)
		}
		w.classes(pupils)
		w.read()
		for range rapid.IntRange(1, 8).Draw(rt, "reads") {
			if rapid.Bool().Draw(rt, "next day") {
				w.nextDay()
			}
			for range rapid.IntRange(0, 3).Draw(rt, "moves") {
				i := rapid.IntRange(0, pupils-1).Draw(rt, "who")
				switch rapid.IntRange(0, 4).Draw(rt, "what") {
				case 0, 1:
					marks[i] = marked
				case 2:
					marks[i] = rapid.SampledFrom([]string{"Ingen", "", "kanske"}).Draw(rt, "mark")
				case 3:
					numbers[i] = rapid.SampledFrom([]int{i, i + 100, i + 200}).Draw(rt, "number")
				case 4:
					w.reg.drop(fmt.Sprint("person/p", i))
					w.classes(pupils)
					continue
				}
				put(i)
			}
			if rapid.Bool().Draw(rt, "the classes are stated") {
				w.classes(pupils)
			}
			run := w.read()
			if run.State == source.Unreadable {
				continue
			}
			for i := range pupils {
				if _, there := w.reg.docs[fmt.Sprint("person/p", i)]; !there || marks[i] != marked {
					continue
				}
				for _, n := range []int{i, i + 100, i + 200} {
					ref := roster.Ref{Kind: roster.KindPerson, Key: w.opts.Keyer.Person(name, "", roster.ParseCivicNo(pnr(n), roster.Today(w.now)))}
					r, known := w.log.Record(ref)
					if known && r.Person != nil || !known && n == numbers[i] {
						rt.Fatalf("p%d is marked and stands, or is not known to be protected, after a run that is %s", i, run.State)
					}
					// A key of hers under which nothing was ever published is nobody's until a complete read: she was kept
					// back with it, and had another number when the class was read last.
					if run.State != source.Held && known && w.names(ref) {
						rt.Fatalf("a group names p%d, who is marked", i)
					}
					if slices.ContainsFunc(run.Found.Issues, func(x source.Issue) bool { return x.Ref == ref && n == numbers[i] }) {
						rt.Fatalf("a finding tells of p%d, who is marked", i)
					}
				}
			}
		}
	})
}

func TestCanaries(t *testing.T) {
	cases := []struct {
		name string
		make func(*world)
		want string // the kinds that are told
	}{
		{"all there", func(*world) {}, ""},
		{"a person is kept back", func(w *world) { w.person(1, func(p *fact.Person) { p.Email = "" }) }, ""},
		{"a person is protected", func(w *world) { w.mark(1, marked) }, ""},
		{"a person is missing", func(w *world) { w.reg.drop("person/p1") }, "1 persons"},
		{"a unit and a group are missing", func(w *world) {
			w.reg.drop("group")
			w.reg.drop("unit")
			w.reg.set("unit 2", fact.Unit{ID: "u2"})
		}, "2 units, groups"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			w := newWorld(t)
			w.opts.Logger = slog.New(slog.NewTextHandler(&out, nil))
			w.opts.Canaries = source.Canaries{Units: []string{"u"}, Groups: []string{"g"}, Persons: []string{"p0", "p1"}}
			w.opts.Defaults.Require = []source.Requirement{source.RequireEmail}
			w.want(source.Published, first)
			w.nextDay()
			c.make(w)
			run, missing := w.read(), ""
			if run.Reason != nil && run.Reason.Code == reason.CanaryMissing {
				for _, a := range run.Reason.Args {
					missing = strings.TrimSpace(missing + " " + a.Value)
				}
			}
			if missing != c.want || (run.State == source.Incomplete) != (c.want != "") {
				t.Errorf("%s because of %v, want %q", run.State, run.Reason, c.want)
			}
			if c.want != "" && w.tombstones() != 0 {
				t.Error("something was taken away")
			}
			if strings.Contains(out.String(), "p1") {
				t.Errorf("an id stands in the log:\n%s", &out)
			}
		})
	}
}
