package fact_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
)

var alvis = roster.Source{System: "alvis", Instance: "default"}

// TestForeignKeysAreTheRegisters: by number, by a source's TF number and by a source's id alone, what another source
// says comes out under the key that the register's own reader makes.
func TestForeignKeysAreTheRegisters(t *testing.T) {
	register, manual := options(t), options(t)
	register.Source = alvis
	const tf = "20200101-TF12"
	for name, c := range map[string]struct {
		person  fact.Person
		foreign fact.Foreign
		same    bool
	}{
		"a personnummer":               {fact.Person{ID: "1", CivicNo: pnr(1)}, fact.Foreign{CivicNo: pnr(1)}, true},
		"with source and id too":       {fact.Person{ID: "1", CivicNo: pnr(1)}, fact.Foreign{Source: alvis, OtherID: "1", CivicNo: pnr(1)}, true},
		"a TF number":                  {fact.Person{ID: "1", CivicNo: tf}, fact.Foreign{Source: alvis, CivicNo: tf}, true},
		"a TF number of another":       {fact.Person{ID: "1", CivicNo: tf}, fact.Foreign{Source: testSource, CivicNo: tf}, false},
		"no number":                    {fact.Person{ID: "1"}, fact.Foreign{Source: alvis, OtherID: "1"}, true},
		"no number, of another source": {fact.Person{ID: "1"}, fact.Foreign{Source: testSource, OtherID: "1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := only(t, assemble(t, register, doc("p", c.person)), roster.KindPerson)
			c.foreign.Kind, c.foreign.ID = roster.KindPerson, "x"
			ours := only(t, assemble(t, manual, doc("d", c.foreign, fact.Person{ID: "x", About: true})), roster.KindPerson)
			if got := theirs.Ref == ours.Ref; got != c.same {
				t.Errorf("the same key: %v, want %v", got, c.same)
			}
			if !ours.Overlay || ours.Person.Personas != nil {
				t.Errorf("who is only spoken about is made to exist: %v", ours)
			}
		})
	}
	if got := codes(assemble(t, manual, doc("d", fact.Foreign{Kind: roster.KindPerson, ID: "x", CivicNo: tf}))); len(got) != 1 {
		t.Errorf("a TF number of no source: findings %v, want one", got)
	}
}

// TestTFNumbersOfTwoSourcesAreTwoPersons: 20200101-TF12 in two registers is two children, a personnummer is one.
func TestTFNumbersOfTwoSourcesAreTwoPersons(t *testing.T) {
	r := roster.NewRoster(nil, roster.NewDate(2026, 10, 1))
	for _, s := range []roster.Source{alvis, testSource} {
		o := options(t)
		o.Source = s
		for _, rec := range assemble(t, o, doc("a", fact.Person{ID: "1", CivicNo: "20200101-TF12", GivenName: "Testa"}), doc("b", fact.Person{ID: "2", CivicNo: pnr(1)})).Records {
			r.Apply(rec)
		}
	}
	if n := r.Len(); n != 3 {
		t.Errorf("%d persons, want two with TF numbers and one with a personnummer", n)
	}
}

func TestDirectivesAndJoins(t *testing.T) {
	o := options(t)
	say := func(f ...fact.Fact) fact.Doc {
		return doc("d", append(f, fact.Foreign{Kind: roster.KindPerson, ID: "x", CivicNo: pnr(1)}, fact.Person{ID: "x", About: true})...)
	}
	directive := fact.Directive{Kind: "suspend", Of: roster.KindPerson, ID: "x", Until: "2026-12-31", Owner: "skolchef", Why: "utredning"}
	r := only(t, assemble(t, o, say(directive)), roster.KindPerson)
	want := []roster.Directive{{Kind: roster.Suspend, Until: 2026_12_31, Owner: "skolchef", Reason: "utredning", Doc: "d"}}
	if d := cmp.Diff(want, r.Directives); d != "" {
		t.Error(d)
	}
	for name, spoil := range map[string]func(*fact.Directive){
		"an unreadable day":       func(d *fact.Directive) { d.Until = "31 december" },
		"of a person nobody said": func(d *fact.Directive) { d.ID = "y" },
		"of a group nobody said":  func(d *fact.Directive) { d.Of = roster.KindGroup },
	} {
		bad := directive
		spoil(&bad)
		res := assemble(t, o, say(bad))
		if r := only(t, res, roster.KindPerson); len(r.Directives) != 0 || len(codes(res)) != 1 {
			t.Errorf("%s: %v, findings %v", name, r.Directives, codes(res))
		}
	}
	nameless := directive
	nameless.Owner = ""
	if res := assemble(t, o, say(nameless)); len(res.KeptBack) != 1 {
		t.Errorf("R12: a directive without owner is taken: %v", res.Records)
	}
	other := fact.Foreign{Kind: roster.KindPerson, ID: "y", Source: alvis, OtherID: "7"}
	joined := only(t, assemble(t, o, say(other, fact.SameAs{Person: "x", Other: "y"})), roster.KindPerson)
	if want := []roster.Key{o.Keyer.Person(alvis, "7", roster.CivicNo{})}; !cmp.Equal(want, joined.SameAs) {
		t.Errorf("the same as %v, want %v", joined.SameAs, want)
	}
}

// TestAnOverrideMayGiveAnotherName: what is said about a person is not what tells two persons apart.
func TestAnOverrideMayGiveAnotherName(t *testing.T) {
	res := assemble(t, options(t), doc("a", fact.Person{ID: "1", GivenName: "Testa"}), doc("b", fact.Person{ID: "1", About: true, GivenName: "Quirin"}))
	if len(res.KeptBack) > 0 || !strings.Contains(strings.Join(codes(res), " "), "conflicting-attribute") {
		t.Errorf("kept back %v, findings %v", res.KeptBack, codes(res))
	}
}

// TestAMembershipByHand: a group of another source gets an overlay with the member, and a unit of another source
// its key.
func TestAMembershipByHand(t *testing.T) {
	o := options(t)
	res := assemble(t, o, doc("m",
		fact.Foreign{Kind: roster.KindGroup, ID: "g", Source: alvis, OtherID: "9b", SchoolYear: "2026/2027"},
		fact.Foreign{Kind: roster.KindOrganisation, ID: "u", Source: alvis, OtherID: "north"},
		fact.Group{ID: "g", About: true}, fact.Person{ID: "1", CivicNo: pnr(1)},
		fact.Member{Group: "g", Person: "1", Role: "teacher"}, fact.Enrolment{Person: "1", Unit: "u"},
		fact.Directive{Kind: "member", Of: roster.KindGroup, ID: "g", Owner: "rektor", Why: "vikarie"},
	))
	g, p := only(t, res, roster.KindGroup), only(t, res, roster.KindPerson)
	if g.Ref.Key != o.Keyer.Group(alvis, "9b", "2026/2027") || !g.Overlay || len(g.Group.Members) != 1 || len(g.Directives) != 1 {
		t.Errorf("the group is %v", g)
	}
	if p.Overlay || len(p.Person.Enrolments) != 1 || p.Person.Enrolments[0].EnroledAt != o.Keyer.Organisation(alvis, "north") {
		t.Errorf("the person is %v", p)
	}
}
