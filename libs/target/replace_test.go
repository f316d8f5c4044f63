package target_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// places is a mapping with one account a person, in one of two places: students or staff. Who is both is where wins says.
// A member of a group is a resource of its own.
type places struct{ wins string }

func (p places) Version() string { return cmp.Or(p.wins, "staff") }

func (p places) kind(r *roster.Person) string {
	switch pupil, works := len(r.Enrolments) > 0, len(r.Duties) > 0; {
	case pupil && works:
		return p.Version()
	case works:
		return "staff"
	default:
		return "student"
	}
}

func (p places) Map(v target.View, e roster.Ref) []target.Wish {
	switch e.Kind {
	case roster.KindPerson:
		person := v.Person(e.Key)
		if person == nil {
			return nil
		}
		r := target.Resource{
			ID: target.ID{Kind: p.kind(person), Key: target.Anchor(v, e.Key).String()}, Entity: e,
			Fields: target.Fields{{Name: "family", Value: person.FamilyName}},
		}
		need := func(unit roster.Key) { r.Needs = []target.ID{{Kind: "organisation", Key: unit.String()}} }
		if r.ID.Kind == "staff" {
			need(person.Duties[0].DutyAt)
		} else if len(person.Enrolments) > 0 {
			need(person.Enrolments[0].EnroledAt)
		}
		return []target.Wish{{Resource: r}}
	case roster.KindGroup:
		wishes := school{}.Map(v, e)
		if len(wishes) == 0 {
			return nil
		}
		wishes[0].Resource.Sets = nil
		for _, m := range v.Group(e.Key).Members {
			kind := "student"
			if who := v.Person(m.Person); who != nil {
				kind = p.kind(who)
			}
			who := target.ID{Kind: kind, Key: target.Anchor(v, m.Person).String()}
			wishes = append(wishes, target.Wish{Resource: target.Resource{
				ID: target.ID{Kind: "member", Key: who.Key + " of " + wishes[0].Resource.ID.Key}, Entity: e,
				Fields: target.Fields{{Name: "who", Value: roster.Personal(who.Kind)}}, Needs: []target.ID{wishes[0].Resource.ID, who},
			}})
		}
		return wishes
	default:
		return school{}.Map(v, e)
	}
}

// office is a person with a duty at a unit, and who is a pupil there too if told so.
func office(n, unit int, pupil bool) roster.Record {
	r := at(n, unit, "Ek")
	if !pupil {
		r.Person.Enrolments = nil
	}
	r.Person.Duties = []roster.Duty{{DutyAt: key(unit)}}
	return r
}

// placed runs a test on both engines, with a mapping of places whose target takes one account a person.
func placed(t *testing.T, records []roster.Record, test func(*testing.T, kit)) {
	t.Helper()
	for _, engine := range []string{"calls", "sets"} {
		t.Run(engine, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newPlaces(t, engine)
				k.run(t, 0, records...)
				test(t, k)
			})
		})
	}
}

func newPlaces(t testing.TB, engine string) (k kit) {
	if engine == "calls" {
		s, d := callsSetup()
		k = kit{s, d.text}
		d.kinds = []string{"organisation", "staff", "student", "group", "member"}
		d.fail = func(op target.Operation) error {
			for _, kind := range k.made.OneOf {
				if _, there := d.held[target.ID{Kind: kind, Key: op.Resource.ID.Key}]; there && op.Verb == target.Create && slices.Contains(k.made.OneOf, op.Resource.ID.Kind) {
					t.Errorf("asked for a second place for %s", op.Resource.ID)
				}
			}
			return nil
		}
	} else {
		s, in := setsSetup()
		k = kit{s, in.last}
	}
	k.holds, k.idle = &guardtest.Store{}, time.Minute
	k.made.Mapping, k.made.OneOf, k.made.Guarded = places{}, []string{"student", "staff"}, []string{"student", "staff"}
	return k
}

// place is where the target has a person: none, one, or wrongly both.
func (k kit) place(n int) string {
	var list []string
	for _, kind := range []string{"staff", "student"} {
		if strings.Contains(k.text(), kind+"/"+key(n).String()+" family") {
			list = append(list, kind)
		}
	}
	return strings.Join(list, "+")
}

func (k kit) member(n, group int) string {
	_, line, _ := strings.Cut(k.text(), fmt.Sprintf("member/%s of %s who=", key(n), key(group)))
	who, _, _ := strings.Cut(line, "\n")
	return who
}

func TestWhoTheRegisterMovesIsReplacedAtOnce(t *testing.T) {
	placed(t, []roster.Record{unit(1), at(11, 1, "Ek"), group(21, 1, 11)}, func(t *testing.T, k kit) {
		did := k.run(t, 0, office(11, 1, false))
		if k.place(11) != "staff" || k.member(11, 21) != "staff" {
			t.Errorf("want her among the staff alone:\n%s", k.text())
		}
		if did.Kinds["student"].Deleted+did.Kinds["staff"].Created != 2 {
			t.Errorf("counted as %+v", did.Kinds)
		}
		k.run(t, 0, at(11, 1, "Ek"))
		if k.place(11) != "student" || k.member(11, 21) != "student" {
			t.Errorf("and back:\n%s", k.text())
		}
	})
}

func TestOtherSettingsMoveNobodyUnasked(t *testing.T) {
	for _, outside := range []target.Outside{target.Release, target.AsLeaver, target.Drop} {
		t.Run(string(outside), func(t *testing.T) {
			placed(t, []roster.Record{unit(1), at(11, 1, "Ek"), office(12, 1, true), group(21, 1, 12)}, func(t *testing.T, k kit) {
				k.with = func(o *target.LinkOptions) { o.Outside = outside }
				k.made.Mapping = places{"student"}

				look := k
				look.mode = target.ModePreview
				p := start(t, look.setup)
				seen := <-p.settled
				_ = p.stop()
				if seen.Held != 1 || seen.Created+seen.Deleted != 0 {
					t.Errorf("the preview holds %d of %+v", seen.Held, seen.Rows)
				}

				did := k.run(t, 30)
				if k.place(12) != "staff" || k.member(12, 21) != "staff" || did.Halted != nil {
					t.Fatalf("want her where she was, got %+v:\n%s", did, k.text())
				}
				h := k.holds.Now().Hold
				if h == nil || len(h.Items) != 1 || h.Items[0].Operation != guard.Scope {
					t.Fatalf("want a question, got %+v", h)
				}
				if did = k.run(t, 0, at(13, 1, "Ny")); k.place(13) != "student" || did.Waiting == 0 {
					t.Errorf("want the others to go on, and what waits counted: %+v:\n%s", did, k.text())
				}
				decide(t, k.holds, guard.Approved, time.Now())
				k.run(t, 1)
				if k.place(12) != "student" || k.member(12, 21) != "student" || k.holds.Now().Hold != nil {
					t.Errorf("want her moved when it is approved:\n%s\n%+v", k.text(), k.holds.Now().Hold)
				}
				if did = k.run(t, 1); did.Operations() != 0 || did.Waiting != 0 {
					t.Errorf("want nothing more to do, got %+v", did)
				}
			})
		})
	}
}

func TestSettingsThatAreTakenBackMoveNobody(t *testing.T) {
	placed(t, []roster.Record{unit(1), office(12, 1, true), group(21, 1, 12)}, func(t *testing.T, k kit) {
		before := k.text()
		k.made.Mapping = places{"student"}
		k.run(t, 2)
		k.made.Mapping = places{"staff"}
		did := k.run(t, 2)
		if k.text() != before || k.holds.Now().Hold != nil || did.Waiting+did.Held != 0 {
			t.Errorf("want all as it was, got %+v, %+v:\n%s", did, k.holds.Now().Hold, k.text())
		}
	})
}

func TestNobodyIsTakenAwayForASuccessorThatCannotStand(t *testing.T) {
	placed(t, []roster.Record{unit(1), at(11, 1, "Ek")}, func(t *testing.T, k kit) {
		did := k.run(t, 2, office(11, 2, false)) // a unit that the register does not have
		if k.place(11) != "student" || did.Waiting == 0 {
			t.Fatalf("want her where she was, waiting: %+v\n%s", did, k.text())
		}
		k.run(t, 0, unit(2))
		if k.place(11) != "staff" {
			t.Errorf("want her moved once it is there:\n%s", k.text())
		}
	})
}

func TestManyWhoAreMovedAreHeld(t *testing.T) {
	var before, after []roster.Record
	for n := 100; n < 130; n++ {
		before, after = append(before, at(n, 1, "Ek")), append(after, office(n, 1, false))
	}
	placed(t, append(before, unit(1)), func(t *testing.T, k kit) {
		k.run(t, 2, after...)
		for n := 100; n < 130; n++ {
			if k.place(n) != "student" {
				t.Fatalf("%d is %q: want them held", n, k.place(n))
			}
		}
		decide(t, k.holds, guard.Approved, time.Now())
		k.run(t, 1)
		for n := 100; n < 130; n++ {
			if k.place(n) != "staff" {
				t.Fatalf("%d is %q: want them moved", n, k.place(n))
			}
		}
	})
}

func TestR9WhoWaitsForAPlaceIsContained(t *testing.T) {
	placed(t, []roster.Record{unit(1), office(12, 1, true), group(21, 1, 12)}, func(t *testing.T, k kit) {
		k.made.Mapping = places{"student"}
		k.run(t, 0)
		did := k.run(t, 0, protected(12))
		if strings.Contains(k.text(), key(12).String()) || did.Waiting+did.Held != 0 || k.holds.Now().Hold != nil {
			t.Errorf("want her gone, and nobody asked or told: %+v\n%s", did, k.text())
		}
	})
}

// Whatever registers and settings say, in any order, nobody ever stands in two places, nobody who is in the register is
// in none, and in the end all are where the settings have them.
func TestPropertyOnePlaceForEverybody(t *testing.T) {
	for _, engine := range []string{"calls", "sets"} {
		t.Run(engine, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				steps := rapid.SliceOfN(rapid.IntRange(0, 15), 1, 6).Draw(r, "steps")
				var wrong string
				synctest.Test(t, func(t *testing.T) { wrong = moved(t, engine, steps) })
				if wrong != "" {
					r.Fatal(wrong)
				}
			})
		})
	}
}

func moved(t *testing.T, engine string, steps []int) string {
	k := newPlaces(t, engine)
	k.run(t, 0, unit(1), at(11, 1, "Ek"), office(12, 1, true), group(21, 1, 11, 12))
	var want string
	for _, step := range steps {
		k.made.Mapping = places{[]string{"staff", "student"}[step&1]}
		who := step >> 1 & 3
		next := []roster.Record{at(12, 1, "Ek"), office(12, 1, false), office(12, 1, true), office(12, 1, true)}[who]
		want = []string{"student", "staff", k.made.Mapping.Version(), k.made.Mapping.Version()}[who]
		did := k.run(t, 1, next)
		if step&8 != 0 && k.holds.Now().Hold != nil {
			decide(t, k.holds, guard.Approved, time.Now())
			k.run(t, 1)
		}
		if at := k.place(12); did.Halted != nil || at != "staff" && at != "student" {
			return fmt.Sprintf("after %b: in %q: %+v", step, at, did)
		}
	}
	if k.holds.Now().Hold != nil {
		decide(t, k.holds, guard.Approved, time.Now())
		k.run(t, 1)
	}
	if at := k.place(12); at != want || k.member(12, 21) != want {
		return fmt.Sprintf("in %q and %q, want %q:\n%s", at, k.member(12, 21), want, k.text())
	}
	return ""
}

func TestWhyASuccessorWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newPlaces(t, "calls")
		k.run(t, 0, unit(1), office(12, 1, true))
		k.made.Mapping = places{"student"}
		k.run(t, 0)
		e := k.ledger.Entries[target.ID{Kind: "student", Key: key(12).String()}]
		if e.State != target.Waiting || e.Reason == nil || e.Reason.Code != reason.PlaceTaken {
			t.Errorf("got %+v", e)
		}
	})
}
