package target_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/rule"
	"eventful.se/ess/libs/target"
)

// at is a pupil of a unit.
func at(n, unit int, family string) roster.Record {
	r := person(n, family)
	r.Person.Enrolments = []roster.Enrolment{{EnroledAt: key(unit), SchoolType: roster.SchoolGR, SchoolYear: "9"}}
	return r
}

// town are two schools: 1 with the pupils 11 and 12 and group 21, 2 with the pupil 13 and group 22.
func town() []roster.Record {
	return []roster.Record{unit(1), unit(2), at(11, 1, "Ek"), at(12, 1, "Al"), at(13, 2, "Björk"), group(21, 1, 11, 12), group(22, 2, 13)}
}

func filtered(t testing.TB, text string, outside target.Outside) func(*target.LinkOptions) {
	t.Helper()
	var filter *rule.Rule
	if text != "" {
		var err error
		if filter, err = rule.Compile(text); err != nil {
			t.Fatal(err)
		}
	}
	return func(o *target.LinkOptions) { o.Filter, o.Outside = filter, outside }
}

// inAWeek are stages that do not take long: while something is held, a link looks for decisions all the time.
func inAWeek() []target.Stage {
	return []target.Stage{{After: 2, Do: target.DisableStep}, {After: 5, Do: target.DeleteStep}}
}

const onlyUnit1 = `units.exists(u, u.name == "unit1")`

// configured runs a test on both engines, with the records at the target already; only then comes what the test changes
// in the configuration.
func configured(t *testing.T, records []roster.Record, test func(*testing.T, kit)) {
	t.Helper()
	for _, engine := range []string{"calls", "sets"} {
		t.Run(engine, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(engine)
				k.life = target.Lifecycle{Stages: inAWeek()}
				k.log.Publish(records...)
				p := start(t, k.setup)
				p.reach(k.log)
				_ = p.stop()
				test(t, k)
			})
		})
	}
}

// run has a link settle all, and lets days pass.
func (k kit) run(t *testing.T, days int, changes ...roster.Record) (did target.Settled) {
	t.Helper()
	together(k.log, changes...)
	p := start(t, k.setup)
	did = p.reach(k.log)
	if days > 0 {
		time.Sleep(time.Duration(days) * day)
		synctest.Wait()
	}
	_ = p.stop()
	return did
}

func TestASchoolThatIsFilteredOutIsReleased(t *testing.T) {
	configured(t, town(), func(t *testing.T, k kit) {
		before := k.text()
		k.with = filtered(t, onlyUnit1, target.Release)
		if did := k.run(t, 8); did.Operations() != 0 || k.text() != before {
			t.Fatalf("want nothing done, got %+v:\n%s", did, k.text())
		}
		k.run(t, 0, at(13, 2, "Gran"), at(14, 2, "Ny"), at(12, 1, "Asp"))
		if strings.Contains(k.text(), "Gran") || k.has(14) || !strings.Contains(k.text(), "family=Asp") {
			t.Errorf("want what is out of scope left alone, and nobody new there:\n%s", k.text())
		}
		k.with = nil
		k.run(t, 0)
		if !strings.Contains(k.text(), "family=Gran") || !k.has(14) {
			t.Errorf("want all of it again when the filter is gone:\n%s", k.text())
		}
	})
}

func TestWhatIsReleasedComesBackAsTheSameAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.log.Publish(town()...)
		k := kit{s, d.text}
		k.run(t, 0)
		native := d.held[idOf(13)].Native
		k.with = filtered(t, onlyUnit1, target.Release)
		k.run(t, 0)
		if e := s.ledger.Entries[idOf(13)]; e.State != target.Released || !e.Held || e.Reason.Code != reason.OutOfScope {
			t.Fatalf("want it released, for a reason: %+v", e)
		}
		d.held[idOf(13)] = target.Held{ID: idOf(13), Native: native, Fields: target.Fields{{Name: "family", Value: "changed meanwhile"}}}
		k.run(t, 0, at(13, 1, "Björk")) // moves to the school that is in scope
		if h := d.held[idOf(13)]; h.Native != native || d.creates[idOf(13)] != 1 || h.Fields[0].Value != "Björk" {
			t.Errorf("want the same account, right again: %+v", h)
		}
		k.run(t, 0, at(13, 2, "Björk"))
		delete(d.held, idOf(13)) // by the customer, whose it is now
		k.run(t, 0, at(13, 1, "Björk"))
		if d.creates[idOf(13)] != 2 || s.ledger.Entries[idOf(13)].State != target.Applied {
			t.Errorf("want it made again: %+v", s.ledger.Entries[idOf(13)])
		}
	})
}

func TestWhoLeavesAfterBeingReleased(t *testing.T) {
	configured(t, town(), func(t *testing.T, k kit) {
		k.with = filtered(t, onlyUnit1, target.Release)
		k.run(t, 0)
		k.run(t, 3, gone(at(13, 2, "")))
		if !k.has(13) {
			t.Fatalf("gone before the stage:\n%s", k.text())
		}
		k.run(t, 4)
		if calls := k.made.Applier != nil; k.has(13) != calls {
			t.Errorf("at the target: %t; an account that is not ours stays, a row leaves with its person:\n%s", k.has(13), k.text())
		}
	})
}

func TestR9WhoIsReleasedIsContainedAllTheSame(t *testing.T) {
	configured(t, town(), func(t *testing.T, k kit) {
		k.with = filtered(t, onlyUnit1, target.Release)
		k.run(t, 0)
		k.run(t, 0, protected(13))
		if k.has(13) {
			t.Errorf("still there:\n%s", k.text())
		}
	})
}

func TestOutOfScopeGoesOnlyAfterAnApproval(t *testing.T) {
	for _, outside := range []target.Outside{target.Drop, target.AsLeaver} {
		for name, change := range map[string]func(*testing.T, *kit){
			"a filter": func(t *testing.T, k *kit) { k.with = filtered(t, onlyUnit1, outside) },
			"another mapping": func(t *testing.T, k *kit) {
				k.made.Mapping = without{version: "2", unit: 2}
				k.with = filtered(t, "", outside)
			},
			"an excluded unit": func(t *testing.T, k *kit) { k.units = excluded(2); k.with = filtered(t, "", outside) },
		} {
			t.Run(fmt.Sprint(outside, ", ", name), func(t *testing.T) {
				configured(t, town(), func(t *testing.T, k kit) {
					change(t, &k)
					k.run(t, 8)
					h := k.holds.Now().Hold
					if !k.has(13) || !k.has(11) || h == nil {
						t.Fatalf("want it held: %+v\n%s", h, k.text())
					}
					for _, i := range h.Items {
						if i.Operation != guard.Scope {
							t.Errorf("held as %s, want scope", i.Operation)
						}
					}
					p := start(t, k.setup)
					for range 3 { // who leaves by stages is asked about at each
						synctest.Wait()
						if k.holds.Now().Hold == nil {
							break
						}
						decide(t, k.holds, guard.Approved, time.Now())
						time.Sleep(4 * day)
						synctest.Wait()
					}
					if k.has(13) || !k.has(11) || !k.has(12) || k.holds.Now().Hold != nil {
						t.Errorf("want it gone after the approval, and nobody else: %+v\n%s", k.holds.Now().Hold, k.text())
					}
					_ = p.stop()
				})
			})
		}
	}
}

func TestOtherSettingsTakeNothingAway(t *testing.T) {
	for name, m := range map[string]without{
		"do not wish it":     {version: "2", unit: 2},
		"say that she left":  {version: "2", unit: 2, fate: target.Leaves},
		"wish nothing of it": {version: "2", unit: 2, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			configured(t, town(), func(t *testing.T, k kit) {
				before := k.text()
				k.made.Mapping = m
				if k.run(t, 8); k.text() != before {
					t.Fatalf("want all as it was:\n%s", k.text())
				}
				k.run(t, 8, at(12, 1, "Asp"))
				if !k.has(13) || !strings.Contains(k.text(), "family=Asp") {
					t.Errorf("want it let alone later too, and the rest kept right:\n%s", k.text())
				}
				k.run(t, 0, gone(at(11, 1, "")))
				k.run(t, 8)
				if k.has(11) {
					t.Errorf("want who leaves to leave as ever:\n%s", k.text())
				}
			})
		})
	}
}

func TestWhatARuleCannotAnswerStaysAsItIs(t *testing.T) {
	configured(t, town(), func(t *testing.T, k kit) {
		before := k.text()
		k.with = filtered(t, `kind != "person" || person.years[1] == "9"`, target.Drop)
		if k.run(t, 8); k.text() != before || k.holds.Now().Hold != nil {
			t.Errorf("want all as it was:\n%s", k.text())
		}
		if e, ok := k.ledger.Entries[idOf(11)]; k.made.Applier != nil && (!ok || e.State != target.Parked || e.Reason.Code != reason.FilterFailed) {
			t.Errorf("want it to say why: %+v", e)
		}
	})
}

func TestASourceThatIsTakenOutTakesNothingAway(t *testing.T) {
	configured(t, town(), func(t *testing.T, k kit) {
		before := k.text()
		k.sources = roster.Precedence{{System: "other", Instance: "default"}}
		k.log.Mark(k.sources[0], roster.RunEnded)
		if k.run(t, 8); k.text() != before {
			t.Errorf("want all as it was:\n%s", k.text())
		}
	})
}

// without is the tests' mapping, with settings that leave a unit's persons out.
type without struct {
	school
	version string
	unit    int
	fate    target.Fate
	silent  bool // it does not even say why
}

func (w without) Version() string { return cmp.Or(w.version, "1") }

func (w without) Map(v target.View, e roster.Ref) []target.Wish {
	wishes := w.school.Map(v, e)
	p := v.Person(e.Key)
	if e.Kind != roster.KindPerson || p == nil || len(p.Enrolments) == 0 || p.Enrolments[0].EnroledAt != key(w.unit) {
		return wishes
	}
	if w.silent {
		return nil
	}
	why := reason.New(reason.NoActiveRole)
	return []target.Wish{{Resource: target.Resource{ID: wishes[0].Resource.ID, Entity: e}, Withheld: &why, Fate: w.fate}}
}

func excluded(unit int) roster.Units {
	return roster.NewUnits(map[roster.Key]roster.UnitRule{key(unit): {Excluded: true}})
}

// configuration is one that an operator may write.
type configuration struct {
	filter   string
	outside  target.Outside
	unit     int // that the mapping leaves out
	fate     target.Fate
	silent   bool
	excluded int
	other    bool // another source, and not the one that the records are of
	stopped  bool // the link is not there at all
}

func anyConfiguration(t *rapid.T, name string) configuration {
	one := func(what string, list ...string) string { return rapid.SampledFrom(list).Draw(t, name+" "+what) }
	return configuration{
		filter: one("filter", "", "true", "false", onlyUnit1, `kind != "person"`, `kind != "group"`, `kind == "unit"`,
			`person.years.exists(y, y == "9")`, `person.years[0] == "9"`, `unit.code == "00000000"`, `!(unit.name in ["unit2", "unit3"])`),
		outside:  target.Outside(one("outside", "", "release", "asLeaver", "delete")),
		unit:     rapid.IntRange(0, 3).Draw(t, name+" mapping"),
		fate:     target.Fate(one("fate", "", "leaves")),
		silent:   rapid.Bool().Draw(t, name+" silent"),
		excluded: rapid.IntRange(0, 3).Draw(t, name+" excluded"),
		other:    rapid.Bool().Draw(t, name+" other source"),
		stopped:  rapid.IntRange(0, 4).Draw(t, name+" stopped") == 0,
	}
}

func (k *kit) configure(t *testing.T, c configuration) {
	m := without{unit: c.unit, fate: c.fate, silent: c.silent}
	m.version = fmt.Sprint(m.unit, m.fate, m.silent)
	k.made.Mapping, k.units, k.sources = m, roster.Units{}, nil
	if c.excluded > 0 {
		k.units = excluded(c.excluded)
	}
	if c.other {
		k.sources = roster.Precedence{{System: "other", Instance: "default"}}
		k.log.Mark(k.sources[0], roster.RunEnded)
	}
	k.with = filtered(t, c.filter, c.outside)
}

// For every pair of configurations: no delete and no disable without an approval, however long it lasts.
func TestPropertyNoConfigurationTakesAnythingAway(t *testing.T) {
	for _, engine := range []string{"calls", "sets"} {
		t.Run(engine, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				configs := []configuration{{}, anyConfiguration(r, "second"), anyConfiguration(r, "third")}
				if rapid.Bool().Draw(r, "from any") {
					configs[0] = anyConfiguration(r, "first")
				}
				units, days := make([]int, 5), make([]int, len(configs))
				for i := range units {
					units[i] = rapid.IntRange(1, 3).Draw(r, "unit")
				}
				for i := range days {
					days[i] = rapid.SampledFrom([]int{0, 3, 8}).Draw(r, "days")
				}
				wrong := ""
				synctest.Test(t, func(t *testing.T) { wrong = takenAway(t, engine, configs, units, days) })
				if wrong != "" {
					r.Fatal(wrong)
				}
			})
		})
	}
}

// takenAway runs configurations one after another, and tells what one of them has taken away or disabled.
func takenAway(t *testing.T, engine string, configs []configuration, units, days []int) string {
	k := newKit(engine)
	k.life = target.Lifecycle{Stages: inAWeek()}
	members := map[int][]int{}
	k.log.Publish(unit(1), unit(2), unit(3))
	for i, u := range units {
		k.log.Publish(at(11+i, u, fmt.Sprint("Ek", i)))
		members[u] = append(members[u], 11+i)
	}
	for u := 1; u <= 3; u++ {
		k.log.Publish(group(20+u, u, members[u]...))
	}
	k.log.Mark(register, roster.RunEnded)
	disabled := 0
	if d, ok := k.made.Applier.(*directory); ok {
		d.fail = func(op target.Operation) error {
			if op.Verb == target.Disable || op.Verb == target.Delete || op.Verb == target.Contain {
				disabled++
			}
			return nil
		}
	}
	for i, c := range configs {
		if c.stopped {
			time.Sleep(time.Duration(days[i]) * day)
			continue
		}
		before := k.ids()
		k.configure(t, c)
		k.run(t, days[i])
		after := k.ids()
		for id := range before {
			if !after[id] {
				return fmt.Sprintf("configuration %d took %s away", i, id)
			}
		}
	}
	if disabled > 0 {
		return fmt.Sprintf("%d disabled or deleted", disabled)
	}
	return ""
}

// ids are the resources at the target.
func (k kit) ids() map[string]bool {
	ids := map[string]bool{}
	for line := range strings.Lines(k.text()) {
		id, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		ids[id] = id != ""
	}
	return ids
}
