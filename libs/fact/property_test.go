package fact_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

// anyDocs draws docs with every fault that the assembler knows: shared and invalid numbers, contradicting statements,
// references that lead nowhere, circles, unreadable dates.
func anyDocs() *rapid.Generator[[]fact.Doc] {
	return rapid.Custom(func(t *rapid.T) []fact.Doc {
		id := func(kind string) string { return fmt.Sprint(kind, rapid.IntRange(0, 5).Draw(t, kind)) }
		pick := func(words ...string) string { return rapid.SampledFrom(words).Draw(t, "word") }
		date := func() string {
			return pick("", "", "2026-08-17", "20270611", "1999-01-01T10:00:00", "31/Oct/2025", "9999-12-31")
		}
		extra := func() map[string]string {
			if rapid.Bool().Draw(t, "extra") {
				return map[string]string{"shoe size": pick("38", "42")}
			}
			return nil
		}
		one := func() fact.Fact {
			switch rapid.IntRange(0, 9).Draw(t, "fact") {
			case 0:
				return fact.Unit{
					ID: id("u"), Name: pick("Skolan", "Ska\u030Alan", ""), Type: pick("", "Huvudman", "Filial"), Parent: pick("", id("u")),
					UnitCodes: []string{pick("01234567", "1", "")}, SchoolTypes: []string{pick("GR", "VUX", "Månskola", "")}, Start: date(), End: date(), Extra: extra(),
				}
			case 1:
				which := pick(id("g"), id("g"), id("h"))
				return fact.Group{ID: which, About: which[0] == 'h' || rapid.Bool().Draw(t, "about"), Name: pick("1a", "1b"), Type: pick("Klass", "Kör", ""), Unit: id("u"), SchoolType: pick("GR", "GY", ""), SchoolYear: pick("F", "Gy1", "7A", "3", ""), Start: date(), End: date(), Extra: extra()}
			case 2:
				return fact.Enrolment{Person: id("p"), Unit: id("u"), SchoolType: pick("GR", "GY", "VUX", ""), SchoolYear: pick("F", "Gy1", "7A", "3", ""), Programme: pick("", "NA25"), Start: date(), End: date()}
			case 3:
				return fact.Duty{Person: id("p"), Unit: id("u"), Role: pick("Lärare", "Trollkarl", ""), Start: date(), End: date()}
			case 4:
				return fact.Member{Group: pick(id("g"), id("h")), Person: pick(id("p"), id("q")), Role: pick("pupil", "teacher", "troll", ""), Start: date(), End: date()}
			case 5:
				return fact.Foreign{
					Kind: roster.KindPerson, ID: id("q"), Source: roster.Source{System: pick("", "alvis"), Instance: "default"}, OtherID: pick("", "1", "2"),
					CivicNo: pick("", pnr(1), pnr(2), "20200101-TF12"),
				}
			case 6:
				if g := id("h"); rapid.Bool().Draw(t, "group") {
					return fact.Foreign{Kind: roster.KindGroup, ID: g, Source: roster.Source{System: "alvis", Instance: "default"}, OtherID: g}
				}
				return fact.Foreign{Kind: roster.KindOrganisation, ID: "v" + id("u"), Source: roster.Source{System: "alvis", Instance: "default"}, OtherID: "1"}
			case 7:
				of := rapid.SampledFrom([]roster.Kind{roster.KindPerson, roster.KindGroup}).Draw(t, "of")
				return fact.Directive{
					Kind: pick("exclude", "suspend", "override", "keepUntil", "new"), Of: of, ID: id(string(of)[:1]), Until: date(),
					Owner: pick("skolchef", "rektor"), Why: pick("beslut", "utredning"),
				}
			case 8:
				return fact.SameAs{Person: pick(id("p"), id("q")), Other: pick(id("p"), id("q"))}
			default:
				// Whom another source states under its own key this one only speaks about, or says so by a directive.
				who := pick(id("p"), id("p"), id("q"))
				return fact.Person{
					ID: who, About: who[0] == 'q' || rapid.Bool().Draw(t, "about"), FormerIDs: []string{pick("", id("p"), "old", pnr(7))}, CivicNo: pick("", pnr(1), pnr(2), "000000-0000", "saknas", "20200101-TF12"),
					GivenName: pick("Testa", "Olof", "", " A\u030A\x00sa "), FamilyName: pick("Åkesdotter", "Berg", ""), DisplayName: pick("", "Testa Berg"),
					BirthDate: pick("", "1890-01-01", "x"), Sex: pick("", "Kvinna", "2"), Marking: pick("", "Ingen", "Sekretessmarkering", "kanske"),
					Role: pick("", "pupil", "staff", "boss"), Email: pick("", "a@example.org", "no address"), Username: pick("", "tesake"), Extra: extra(),
				}
			}
		}
		docs := make([]fact.Doc, rapid.IntRange(0, 25).Draw(t, "docs"))
		for i := range docs {
			docs[i] = fact.Doc{ID: fmt.Sprint("doc", i)}
			for range rapid.IntRange(0, 3).Draw(t, "facts") {
				docs[i].Facts = append(docs[i].Facts, one())
			}
		}
		return docs
	})
}

func equalRecords(t *rapid.T, what string, want, got fact.Result) {
	t.Helper()
	show := func(r fact.Result) (lines []string) {
		for i := range r.Records {
			lines = append(lines, string(roster.AppendJSON(nil, &r.Records[i], true)))
		}
		return lines
	}
	if d := cmp.Diff(show(want), show(got)); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	o := options(t)
	rapid.Check(t, func(t *rapid.T) {
		docs := anyDocs().Draw(t, "docs")
		other := rapid.Permutation(docs).Draw(t, "other order")
		a, b := assemble(t, o, docs...), assemble(t, o, other...)
		equalRecords(t, "another order", a, b)
		if !slices.Equal(a.KeptBack, b.KeptBack) || !slices.Equal(a.KeptBackIDs, b.KeptBackIDs) {
			t.Fatalf("kept back %v and %v", a.KeptBack, b.KeptBack)
		}
		if d := cmp.Diff(a.Counts, b.Counts); d != "" || len(a.Findings) != len(b.Findings) {
			t.Fatalf("%d and %d findings; counts: %s", len(a.Findings), len(b.Findings), d)
		}
	})
}

// TestDocsInvertAssemble also shows that a read of nothing new, laid over the log, changes nothing.
func TestDocsInvertAssemble(t *testing.T) {
	o := options(t)
	rapid.Check(t, func(t *rapid.T) {
		want := assemble(t, o, anyDocs().Draw(t, "docs")...)
		equalRecords(t, "docs of the records", want, assemble(t, o, fact.Docs(want.Records)...))
		equalRecords(t, "nothing laid over", want, assembler(t, o).AssembleOver(fact.Docs(want.Records)))
	})
}

// TestDeltaOverLogEqualsCompleteRead draws a register without contradictions, where every entity has one doc, and any
// change of it.
func TestDeltaOverLogEqualsCompleteRead(t *testing.T) {
	o := options(t)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(id string) fact.Doc {
			n := func(kind string) string { return fmt.Sprint(kind, rapid.IntRange(0, 3).Draw(t, kind)) }
			name := fmt.Sprint("Namn", rapid.IntRange(0, 2).Draw(t, "name"))
			year := fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "year"))
			kind, number, _ := strings.Cut(id, "/")
			switch kind {
			case "u":
				return doc(id, fact.Unit{ID: number, Name: name, Parent: "0"})
			case "g":
				return doc(id, fact.Group{ID: number, Name: name, Unit: rapid.SampledFrom([]string{"0", "1"}).Draw(t, "unit"), SchoolYear: year})
			case "p":
				civicNo := ""
				if number != "0" {
					civicNo = pnr(len(number) + int(number[0]))
				}
				return doc(id, fact.Person{ID: number, CivicNo: civicNo, GivenName: "Testa", FamilyName: name, Email: name + "@example.org"})
			case "e":
				return doc(id, fact.Enrolment{Person: n("")[0:], Unit: "0", SchoolYear: year})
			case "d":
				return doc(id, fact.Duty{Person: n(""), Unit: "1", Role: "Lärare"})
			default:
				return doc(id, fact.Member{Group: n(""), Person: n(""), Role: "pupil"}, fact.Member{Group: n(""), Person: n(""), Role: "teacher"})
			}
		}
		var ids []string
		for _, kind := range []string{"u", "g", "p", "e", "d", "m"} {
			for i := range 4 {
				ids = append(ids, fmt.Sprintf("%s/%d", kind, i))
			}
		}
		var base, delta, final []fact.Doc
		for _, id := range ids {
			before := draw(id)
			entity := strings.Contains("ugp", id[:1])
			there := entity || rapid.Bool().Draw(t, "there")
			if there {
				base = append(base, before)
			}
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				after := draw(id)
				delta, final = append(delta, after), append(final, after)
			case 1:
				if !strings.HasPrefix(id, "u") { // who has no school any more is another question
					delta = append(delta, fact.Doc{ID: id, Deleted: true})
					continue
				}
				final = append(final, before)
			default:
				if there {
					final = append(final, before)
				}
			}
		}
		log := assemble(t, o, base...)
		delta = rapid.Permutation(delta).Draw(t, "order")
		got := assembler(t, o, delta...).AssembleOver(fact.Docs(log.Records))
		equalRecords(t, "delta over log", assemble(t, o, final...), got)
		for _, f := range got.Findings {
			t.Logf("finding %v at %s", f.Reason, f.Where)
		}
	})
}

// TestMembersOfWaitingPersonsStay lays over a log that lacks a person who was kept back.
func TestMembersOfWaitingPersonsStay(t *testing.T) {
	o := options(t)
	docs := []fact.Doc{doc("p", fact.Person{ID: "1", CivicNo: pnr(1)}), doc("g", fact.Group{ID: "g"}), doc("m", fact.Member{Group: "g", Person: "1"})}
	complete := assemble(t, o, docs...)
	log := slices.DeleteFunc(slices.Clone(complete.Records), func(r roster.Record) bool { return r.Person != nil })
	over := assembler(t, o, doc("other", fact.Group{ID: "h"})).AssembleOver(fact.Docs(log))
	for _, r := range over.Records {
		if r.Group != nil && r.Origins[0].ID == "g" && len(r.Group.Members) != 1 {
			t.Error("the member is gone, although the person only waits")
		}
	}
	back := assembler(t, o, docs[0]).AssembleOver(fact.Docs(log))
	if d := cmp.Diff(len(complete.Records), len(back.Records)); d != "" || len(back.Findings) > 0 {
		t.Errorf("the person came back to other records (%s), findings %v", d, codes(back))
	}
}

func FuzzTexts(f *testing.F) {
	for _, s := range []string{"", " Åsa ", "A\u030A", "\x00\u202E\xff", "2026-02-31", "0001-01-01", "20260817", "2026-08-17T23:59:59+14:00", "\x00018f"} {
		f.Add(s)
	}
	o := options(f)
	f.Fuzz(func(t *testing.T, s string) {
		p := fact.Person{ID: s, CivicNo: s, GivenName: s, BirthDate: s, Email: s, Role: s, Marking: s, FormerIDs: []string{s}, Extra: map[string]string{s: s}}
		a := fact.NewAssembler(o)
		err := a.Add(fact.Doc{ID: "doc", Facts: []fact.Fact{
			p,
			fact.Unit{ID: s, Parent: s, UnitCodes: []string{s}},
			fact.Group{ID: s, Unit: s, SchoolYear: s},
			fact.Enrolment{Person: s, Unit: s, SchoolType: s, SchoolYear: s, Start: s, End: s},
			fact.Member{Group: s, Person: s, Role: s},
		}})
		if err != nil {
			t.Fatal(err)
		}
		once := a.Assemble()
		twice := assemble(t, o, fact.Docs(once.Records)...)
		if len(once.Records) != len(twice.Records) {
			t.Fatalf("%d records, then %d", len(once.Records), len(twice.Records))
		}
		for i := range once.Records {
			if a, b := o.Keyer.Hash(&once.Records[i]), o.Keyer.Hash(&twice.Records[i]); a != b {
				t.Fatalf("read twice it is another: %s", roster.AppendJSON(nil, &once.Records[i], true))
			}
		}
	})
}

// BenchmarkAssemble assembles 100,000 persons, 10,000 groups and 400,000 members.
func BenchmarkAssemble(b *testing.B) {
	o := options(b)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		a := fact.NewAssembler(o)
		add := func(d fact.Doc) {
			if err := a.Add(d); err != nil {
				b.Fatal(err)
			}
		}
		for i := range 100 {
			id := fmt.Sprint("u", i)
			add(fact.Doc{ID: id, Where: "line 1", Facts: []fact.Fact{fact.Unit{ID: id, Name: "Skolan"}}})
		}
		for i := range 100_000 {
			id, unit := fmt.Sprint("p", i), fmt.Sprint("u", i%100)
			add(fact.Doc{ID: "person/" + id, Where: "line 1", Facts: []fact.Fact{
				fact.Person{ID: id, CivicNo: pnr(i), GivenName: "Testa", FamilyName: "Åkesdotter", Email: id + "@example.org"},
				fact.Enrolment{Person: id, Unit: unit, SchoolType: "GR", SchoolYear: "7"},
			}})
		}
		for i := range 10_000 {
			id, unit := fmt.Sprint("g", i), fmt.Sprint("u", i%100)
			add(fact.Doc{ID: "group/" + id, Where: "line 1", Facts: []fact.Fact{fact.Group{ID: id, Name: "7a", Type: "Klass", Unit: unit}}})
		}
		for i := range 400_000 {
			group, person := fmt.Sprint("g", i%10_000), fmt.Sprint("p", i%100_000)
			add(fact.Doc{ID: "m/" + group + "/" + fmt.Sprint(i), Where: "line 1", Facts: []fact.Fact{fact.Member{Group: group, Person: person, Role: "pupil", Start: "2026-08-17"}}})
		}
		r := a.Assemble()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-live")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6, "MB-allocated")
		if r.Counts["members"] != 400_000 {
			b.Fatal(r.Counts)
		}
		runtime.KeepAlive(a)
	}
}
