package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sourcetest"
)

const first = "group.created:1 organisation.created:1 person.created:5"

func TestRunPublishesWhatChanged(t *testing.T) {
	w := newWorld(t)
	w.want(source.Published, first)
	w.nextDay()
	w.want(source.Unchanged, "")
	if w.log.Publications() != 1 {
		t.Errorf("an unchanged export was published: %d calls", w.log.Publications())
	}
	w.nextDay()
	w.person(1, func(p *fact.Person) { p.FamilyName = "Berg" })
	w.want(source.Published, "person.updated:1")
	w.nextDay()
	w.reg.drop("person/p4")
	w.person(7, nil)
	w.want(source.Published, "person.created:1 person.deleted:1")
	if m := w.log.Changes()[w.log.Messages()-1]; m.Record.Tombstone == nil || m.Record.Tombstone.Reason != roster.TombstoneLeft || m.SourceID != "" {
		t.Error("the delete comes last, as a tombstone that names no id")
	}
	w.nextDay()
	w.want(source.Unchanged, "") // a tombstone is not repeated
	w.nextDay()
	w.person(4, nil)
	w.want(source.Published, "person.created:1") // who returns is the same person
}

func TestOrderOfChanges(t *testing.T) {
	w := newWorld(t)
	w.read()
	w.nextDay()
	for _, id := range []string{"person/p3", "person/p4"} {
		w.reg.drop(id)
	}
	w.reg.drop("group")
	w.reg.set("unit 2", fact.Unit{ID: "u2"})
	w.reg.set("group 2", fact.Group{ID: "g2"})
	w.person(8, nil)
	before := w.log.Messages()
	w.read()
	var got []string
	for _, m := range w.log.Changes()[before:] {
		what := string(m.Record.Ref.Kind)
		if m.Record.Tombstone != nil {
			what += " gone"
		}
		got = append(got, what)
	}
	want := []string{"organisation", "person", "group", "group gone", "person gone", "person gone"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

func TestReadsThatAreNotBelieved(t *testing.T) {
	failure := func(c reason.Code) func(*world) {
		return func(w *world) { w.reg.err = reason.Errorf(reason.Transient, errCut, c) }
	}
	cases := []struct {
		name string
		make func(*world)
		want source.State
	}{
		{"F29 no persons", func(w *world) { clear(w.reg.docs); w.reg.set("unit", fact.Unit{ID: "u"}) }, source.Empty},
		{"F32 an older file", func(w *world) { w.reg.time = w.reg.time.Add(-time.Hour) }, source.Stale},
		{"F49 the transfer broke", failure(reason.TransferCut), source.Incomplete},
		{"F31 the file grows", failure(reason.FileGrowing), source.Incomplete},
		{"F46 the host key changed", failure(reason.HostKeyChanged), source.Refused},
		{"F46 the host key is unknown", failure(reason.HostKeyUnknown), source.Refused},
		{"F48 wrong credentials", failure(reason.WrongCredentials), source.Refused},
		{"not permitted", failure(reason.NotPermitted), source.Refused},
		{"unreachable", failure(reason.Unreachable), source.Unreachable},
		{"no file", failure(reason.NoFile), source.Empty},
		{"stale file", failure(reason.StaleFile), source.Stale},
		{"unreadable", failure(reason.Unreadable), source.Unreadable},
		{"F31 a truncated file", failure(reason.TruncatedFile), source.Incomplete},
		{"too large", failure(reason.FileTooLarge), source.Unreadable},
		{"F45 an archive of two", failure(reason.ArchiveAmbiguous), source.Unreadable},
		{"F45 an archive that leads out", failure(reason.ArchiveUnsafe), source.Unreadable},
		{"no reason", func(w *world) { w.reg.err = errCut }, source.Failed},
		{"a faulty format", func(w *world) { w.reg.set(" ", fact.Unit{ID: "u"}) }, source.Failed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.reg.time = w.now
			believed := w.read()
			log, since := state(w.log), w.log.Messages()
			w.nextDay()
			docs := w.reg.docs
			w.reg.docs = map[string]fact.Doc{"person/p0": docs["person/p0"]} // everybody else seems gone
			c.make(w)
			run := w.read()
			if run.State != c.want || run.Reason == nil || run.Cursor != nil {
				t.Errorf("state %s with reason %v and cursor %q, want %s", run.State, run.Reason, run.Cursor, c.want)
			}
			if d := cmp.Diff(log, state(w.log)); d != "" || w.log.Messages() != since {
				t.Errorf("the log changed:\n%s", d)
			}
			w.reg.docs, w.reg.err, w.reg.time = docs, nil, believed.DataTime
			w.want(source.Unchanged, "")
		})
	}
}

// TestDataFromTheFuture reads data of a register whose clock is ahead, and then of one that is right again.
func TestDataFromTheFuture(t *testing.T) {
	for ahead, told := range map[time.Duration]bool{59 * time.Minute: false, 61 * time.Minute: true, 20 * 365 * 24 * time.Hour: true} {
		t.Run(ahead.String(), func(t *testing.T) {
			w := newWorld(t)
			w.reg.time = w.now.Add(ahead)
			run := w.want(source.Published, first)
			if told != run.DataTime.Equal(w.now) || told != slices.ContainsFunc(run.Findings, func(f source.FindingCount) bool {
				return f.Reason.Code == reason.FutureData
			}) {
				t.Errorf("the data is of %v, findings %v; want them to tell of the future %t", run.DataTime, run.Findings, told)
			}
			w.nextDay()
			w.reg.time = w.now
			w.person(1, func(p *fact.Person) { p.FamilyName = "Berg" })
			w.want(source.Published, "person.updated:1")
		})
	}
}

func TestRequirementsStopCreationOnly(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults.Require = []source.Requirement{source.RequireEmail, source.RequireCivicNo}
	w.read()
	w.nextDay()
	w.person(1, func(p *fact.Person) { p.Email = ""; p.FamilyName = "Berg" })      // exists: stays as it is
	w.person(8, func(p *fact.Person) { p.CivicNo = "" })                           // new: waits
	w.person(9, func(p *fact.Person) { p.CivicNo = "18900101-0000" })              // new, with a number that is none: waits
	w.person(2, func(p *fact.Person) { p.CivicNo = pnr(40); p.Email = "no mail" }) // has another key now, and waits under it
	run := w.want(source.Unchanged, "person.keptBack:4")
	if i := slices.IndexFunc(run.Findings, func(f source.FindingCount) bool {
		return f.Reason.Code == reason.MissingRequired && f.Effect == fact.KeptBack
	}); i < 0 {
		t.Errorf("no finding tells of it: %v", run.Findings)
	}
	w.nextDay()
	w.person(1, func(p *fact.Person) { p.FamilyName = "Berg" })
	w.person(2, nil)
	w.person(8, nil)
	w.reg.drop("person/p9")
	w.want(source.Published, "person.created:1 person.updated:1")
}

func TestRecommendationsAreReportedOnly(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults.Recommend = []source.Requirement{source.RequireEmail}
	w.person(8, func(p *fact.Person) { p.Email = "" })
	run := w.read()
	if run.State != source.Published || run.Counts["person.keptBack"] != 0 {
		t.Errorf("state %s, counts %v; want everybody published", run.State, run.Counts)
	}
	if !slices.ContainsFunc(run.Findings, func(f source.FindingCount) bool {
		return f.Reason.Code == reason.MissingRecommended && f.Count == 1
	}) {
		t.Errorf("no finding tells of the missing address: %v", run.Findings)
	}
}

func TestChangedNumberIsOnePerson(t *testing.T) {
	w := newWorld(t)
	w.read()
	old := person(t, w, "p2")
	w.nextDay()
	w.person(2, func(p *fact.Person) { p.CivicNo = pnr(40) })
	w.want(source.Published, "person.became:1 person.created:1")
	now := person(t, w, "p2")
	if !slices.Equal(now.Former, []roster.Key{old.Ref.Key}) || now.Ref == old.Ref {
		t.Errorf("former keys %v, want %v", now.Former, old.Ref.Key)
	}
	if tomb := w.log.Tombstone(old.Ref); tomb == nil || *tomb != (roster.Tombstone{Reason: roster.TombstoneBecame, Became: now.Ref.Key}) {
		t.Errorf("tombstone %v", tomb)
	}
	if i := slices.IndexFunc(w.log.Changes(), func(c source.Change) bool { return c.Record.Ref == old.Ref && c.Record.Tombstone != nil }); !w.log.Changes()[i].Joined || w.log.Changes()[i-1].Record.Ref != now.Ref {
		t.Error("both keys of one person belong in one batch")
	}
	w.nextDay()
	w.want(source.Unchanged, "") // the former key is remembered
	w.nextDay()
	w.person(2, nil) // and back again
	w.want(source.Published, "person.became:1 person.created:1")
	if back := person(t, w, "p2"); back.Ref != old.Ref || len(back.Former) != 1 {
		t.Errorf("came back as %v", back.Ref)
	}
	w.nextDay()
	w.want(source.Unchanged, "")
}

func person(t *testing.T, w *world, id string) roster.Record {
	t.Helper()
	for _, r := range live(w.log, roster.KindPerson) {
		if slices.ContainsFunc(r.Origins, func(o roster.Origin) bool { return o.ID.Reveal() == id }) {
			return r
		}
	}
	t.Fatalf("the log has no live person %s", id)
	return roster.Record{}
}

func TestReusedIDIsAnotherPerson(t *testing.T) {
	w := newWorld(t)
	w.read()
	w.nextDay()
	w.person(2, func(p *fact.Person) { p.CivicNo = pnr(40); p.GivenName, p.FamilyName = "Olof", "Berg" })
	w.want(source.Published, "person.created:1 person.deleted:1")
	if p := person(t, w, "p2"); len(p.Former) != 0 {
		t.Error("one child's account went to another")
	}
	w.nextDay()
	w.want(source.Unchanged, "")
	// A namesake with another birthday may be either: both stay as they are.
	w.nextDay()
	w.person(3, func(p *fact.Person) { p.CivicNo = pnr(50); p.FamilyName = "Dal" })
	w.want(source.Unchanged, "person.keptBack:1")
	if p := person(t, w, "p3"); p.Person.FamilyName.Reveal() != "Åkesdotter3" {
		t.Error("an unsure identity changed the log")
	}
}

// TestIDOfOneWhoLeftIsNobodysFormer gives the id of one whose number changed, and who left, to another.
func TestIDOfOneWhoLeftIsNobodysFormer(t *testing.T) {
	w := newWorld(t)
	w.read()
	var keys []roster.Key
	for _, n := range []int{50, 60} { // her number changes twice
		keys = append(keys, person(t, w, "p2").Ref.Key)
		w.nextDay()
		w.person(2, func(p *fact.Person) { p.CivicNo = pnr(n) })
		w.want(source.Published, "person.became:1 person.created:1")
	}
	slices.SortFunc(keys, roster.Key.Compare)
	herself := person(t, w, "p2")
	if !slices.Equal(herself.Former, keys) {
		t.Errorf("former keys %v, want both", herself.Former)
	}
	w.nextDay()
	w.want(source.Unchanged, "") // both are remembered
	w.nextDay()
	w.reg.drop("person/p2")
	w.want(source.Published, "person.deleted:1")
	w.nextDay()
	w.person(2, func(p *fact.Person) { p.CivicNo, p.GivenName, p.FamilyName = pnr(77), "Bengt", "Quist" })
	w.want(source.Published, "person.created:1")
	if p := person(t, w, "p2"); len(p.Former) != 0 {
		t.Errorf("he is said to have had the keys %v of another", p.Former)
	}
	w.nextDay()
	w.person(9, func(p *fact.Person) { p.CivicNo = pnr(60) }) // she returns, under another id
	w.want(source.Published, "person.created:1")
	if p := person(t, w, "p9"); p.Ref != herself.Ref || !slices.Equal(p.Former, keys) {
		t.Errorf("she came back as %v with the former keys %v", p.Ref, p.Former)
	}
}

func TestStatedFormerID(t *testing.T) {
	w := newWorld(t)
	w.person(6, func(p *fact.Person) { p.CivicNo = "" })
	w.read()
	old := person(t, w, "p6")
	w.nextDay()
	w.reg.drop("person/p6")
	w.reg.set("person/new", fact.Person{ID: "new", FormerIDs: []string{"p6"}, CivicNo: pnr(6), GivenName: "Testa"})
	w.want(source.Published, "person.became:1 person.created:1")
	if p := person(t, w, "new"); !slices.Equal(p.Former, []roster.Key{old.Ref.Key}) {
		t.Errorf("former keys %v", p.Former)
	}
	w.nextDay()
	w.reg.set("person/new", fact.Person{ID: "new", CivicNo: pnr(6), GivenName: "Testa"}) // the export forgets the old id
	w.want(source.Unchanged, "")
}

func TestDelta(t *testing.T) {
	w := newWorld(t)
	w.read()
	w.person(1, func(p *fact.Person) { p.FamilyName = "Berg" })
	w.person(8, nil)
	w.reg.drop("person/p4")
	run := w.want(source.Published, "person.created:1 person.deleted:1 person.updated:1")
	if run.Complete || string(w.reg.since[1]) != "after read 1" {
		t.Errorf("read since %q, complete %t", w.reg.since[1], run.Complete)
	}
	w.want(source.Unchanged, "") // sees nothing, takes nothing away
	w.person(2, func(p *fact.Person) { p.CivicNo = pnr(40) })
	w.want(source.Published, "person.became:1 person.created:1")
	w.nextDay()
	if run = w.want(source.Unchanged, ""); !run.Complete {
		t.Error("the first read of a day must be complete")
	}
}

func TestDeltaNeedsALogToLieOn(t *testing.T) {
	w := newWorld(t)
	w.read()
	w.log = newLog() // F21: the log was lost
	w.opts.Log = w.log
	if run := w.want(source.Published, first); !run.Complete {
		t.Error("a partial read was laid over an empty log")
	}
}

// TestLogOfAnotherTimeIsConfirmed reads what a log that was lost or set back still holds: links wait for the mark.
func TestLogOfAnotherTimeIsConfirmed(t *testing.T) {
	w := newWorld(t)
	w.want(source.Published, first)
	w.runs.Regressed = true
	run := w.want(source.Unchanged, "")
	if w.log.Publications() != 2 || !run.Complete || w.log.Messages() != 7 {
		t.Errorf("%d publications, complete %t, %d messages; want a second publication of nothing but its end", w.log.Publications(), run.Complete, w.log.Messages())
	}
	w.nextDay()
	w.want(source.Unchanged, "")
	if w.log.Publications() != 2 {
		t.Error("an unchanged export was published")
	}
}

func TestReusedGroupIDs(t *testing.T) {
	w := newWorld(t)
	w.opts.Defaults.GroupIDs = source.GroupIDsReused
	w.now = time.Date(2026, 6, 30, 18, 0, 0, 0, time.UTC)
	w.read()
	w.nextDay()
	w.want(source.Published, "group.created:1 group.deleted:1")
}

// TestKilledAfterEveryBatch steps through every point at which a reader can die or lose an answer (F14, F16), in a
// complete read and in one laid over the log.
func TestKilledAfterEveryBatch(t *testing.T) {
	for _, complete := range []bool{true, false} {
		for point := range 6 {
			for _, stands := range []bool{false, true} {
				t.Run(fmt.Sprintf("complete %t, batch %d stands %t", complete, point, stands), func(t *testing.T) {
					killedAt(t, complete, point, stands)
				})
			}
		}
	}
}

func killedAt(t *testing.T, complete bool, point int, stood bool) {
	change := func(w *world) {
		if complete {
			w.nextDay()
		}
		for i := 3; i < 12; i++ {
			w.person(i, func(p *fact.Person) { p.GivenName = "Testa Ny" })
		}
		w.person(2, func(p *fact.Person) { p.CivicNo = pnr(40) })
		w.reg.drop("person/p0")
		w.reg.drop("group")
	}
	calm := newWorld(t)
	calm.read()
	change(calm)
	calm.read()

	w := newWorld(t)
	w.read()
	change(w)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	killed := false
	w.log.Fault = func(batch int, stands bool) error {
		if batch == point && stands == stood {
			killed = true
			kill()
			return ctx.Err()
		}
		return nil
	}
	_, err := source.NewReader(w.opts).Run(ctx)
	if killed != (err != nil) || killed != (len(w.runs.List) == 1) {
		t.Fatalf("killed %t, but the run returned %v and %d runs are saved", killed, err, len(w.runs.List))
	}
	if point < 5 != killed {
		t.Fatalf("killed %t at batch %d: the test no longer steps through every batch", killed, point)
	}
	w.log.Fault = func(int, bool) error { return nil }
	w.read()
	if d := cmp.Diff(state(calm.log), state(w.log)); d != "" || w.log.Open() {
		t.Errorf("run open: %t; the log differs (-want +got):\n%s", w.log.Open(), d)
	}
	if w.log.Messages() != calm.log.Messages() {
		t.Errorf("%d messages, want %d: something was published twice", w.log.Messages(), calm.log.Messages())
	}
	w.nextDay()
	w.want(source.Unchanged, "")
}

// TestSaveFailed loses the run after its publication: the next one repeats the read and publishes nothing (R2).
func TestSaveFailed(t *testing.T) {
	w := newWorld(t)
	w.runs.Fail = errCut
	if _, err := source.NewReader(w.opts).Run(t.Context()); !errors.Is(err, errCut) {
		t.Fatalf("got %v, want the store's error", err)
	}
	w.runs.Fail = nil
	w.want(source.Unchanged, "")
	if w.reg.since[1] != nil {
		t.Error("a cursor counted that was never saved")
	}
}

func TestPublishRefused(t *testing.T) {
	cases := []struct {
		name   string
		fails  int // times
		err    error
		stands bool
		want   source.State
		calls  int
	}{
		{"a conflict, once", 1, source.ErrConflict, false, source.Published, 2},
		{"the answer is lost, twice", 2, context.DeadlineExceeded, true, source.Published, 3},
		{"a conflict each time", 99, source.ErrConflict, false, source.Failed, 3},
		{"a missing right is not asked for again", 99, reason.Errorf(reason.Misconfigured, errCut, reason.NotPermitted), false, source.Failed, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				w := newWorld(t)
				w.opts.Logger = slog.New(slog.NewTextHandler(&out, nil))
				w.log.Fault = func(batch int, stands bool) error {
					if batch == 0 && stands == c.stands && c.fails > 0 {
						c.fails--
						return c.err
					}
					return nil
				}
				run := w.read()
				if run.State != c.want || w.log.Publications() != c.calls {
					t.Fatalf("%s after %d calls, want %s after %d", run.State, w.log.Publications(), c.want, c.calls)
				}
				if failed := c.want == source.Failed; failed != strings.Contains(out.String(), "level=ERROR") || failed != (run.Reason != nil) {
					t.Errorf("reason %v, logged:\n%s", run.Reason, &out)
				}
				if c.want == source.Published && w.log.Messages() != 7 {
					t.Errorf("%d messages, want every record once", w.log.Messages())
				}
			})
		})
	}
}

// TestOtherWriterBetween lets another reader write between scan and publish; the delta is laid over what it wrote.
func TestOtherWriterBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.read()
		other := newWorld(t)
		other.log, other.opts.Log = w.log, w.log
		other.person(1, func(p *fact.Person) { p.FamilyName = "Berg" })
		w.person(1, func(p *fact.Person) { p.FamilyName = "Dal" })
		w.opts.Log = &interrupted{Log: w.log, before: func() { other.read() }}
		if run := w.read(); run.State != source.Published {
			t.Fatalf("state %s", run.State)
		}
		if p := person(t, w, "p1"); p.Person.FamilyName.Reveal() != "Dal" {
			t.Error("the later read did not win")
		}
	})
}

// interrupted runs before once, just before the first publication.
type interrupted struct {
	*sourcetest.Log
	before func()
}

func (i *interrupted) Publish(ctx context.Context, s roster.Source, run string, changes []source.Change, progress func(int)) error {
	if i.before != nil {
		i.before()
		i.before = nil
	}
	return i.Log.Publish(ctx, s, run, changes, progress)
}

func TestEndedAndProgressAreTold(t *testing.T) {
	w := newWorld(t)
	var told []string
	w.opts.Progress = func(done, total int) { told = append(told, fmt.Sprint(done, "/", total)) }
	w.opts.Ended = func(_ context.Context, r source.Run) { told = append(told, r.ID+" "+string(r.State)) }
	w.read()
	if want := []string{"3/7", "6/7", "7/7", "run1 published"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestLogsHoldNothingPersonal(t *testing.T) {
	var out bytes.Buffer
	w := newWorld(t)
	w.opts.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.opts.Defaults.Require = []source.Requirement{source.RequireEmail}
	w.person(1, func(p *fact.Person) { p.Email = "x" })
	w.read()
	for i := range w.runs.List {
		fmt.Fprintf(&out, "%+v %v", w.runs.List[i], w.runs.List[i].Findings)
	}
	for _, secret := range []string{"Testa", "kesdotter", "example.org", pnr(0)[2:8], "p0", "person/p"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q stands in the logs:\n%s", secret, &out)
		}
	}
}

func TestCheckPassesThrough(t *testing.T) {
	w := newWorld(t)
	if err := source.NewReader(w.opts).Check(t.Context(), nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want that the source cannot", err)
	}
	w.opts.Source = checker{w.reg}
	var steps []string
	err := source.NewReader(w.opts).Check(t.Context(), func(name, _ string, _ error) { steps = append(steps, name) })
	if err != nil || !slices.Equal(steps, []string{"reach"}) {
		t.Errorf("steps %v, error %v", steps, err)
	}
}

type checker struct{ *register }

func (checker) Check(_ context.Context, step func(name, detail string, err error)) error {
	step("reach", "", nil)
	return nil
}
