package target_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

const day = 24 * time.Hour

// protected is a person whom the register marks.
func protected(n int) roster.Record {
	r := person(n, "")
	r.Person, r.Tombstone = nil, &roster.Tombstone{Reason: roster.TombstoneProtected}
	return r
}

// unenrolled is a person who is in the register, without a role in any school: the test's mapping says that she has left.
func unenrolled(n int) roster.Record {
	r := person(n, "Ek")
	r.Person.MiddleName = "left"
	return r
}

func inStages(s setup) setup {
	s.life = target.Lifecycle{Stages: target.DefaultStages()}
	s.idle = time.Minute // so that what is known survives the ledger
	return s
}

func TestLeaveStagesInACompleteSet(t *testing.T) {
	for name, leave := range map[string]roster.Record{"gone from the register": gone(person(11, "")), "without a role": unenrolled(11)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, in := setsSetup()
				s = inStages(s)
				s.made.Omission = target.DisableStep
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				s.log.Publish(leave, group(21, 1, 12))
				p.reach(s.log)
				if !strings.Contains(in.last(), "family=Ek") || strings.Contains(in.last(), "members=[person/"+key(11).String()) {
					t.Errorf("on the day she left, want her row and no membership:\n%s", in.last())
				}
				_ = p.stop()
				time.Sleep(29 * day)
				p = start(t, s)
				synctest.Wait()
				if !strings.Contains(in.last(), "family=Ek") {
					t.Errorf("her row is gone a day early:\n%s", in.last())
				}
				time.Sleep(2 * day) // the link is cold and wakes by itself
				synctest.Wait()
				if strings.Contains(in.last(), "family=Ek") {
					t.Errorf("her row is still there after 30 days:\n%s", in.last())
				}
				s.log.Publish(person(11, "Ek"))
				p.reach(s.log)
				if !strings.Contains(in.last(), "person/"+key(11).String()+" family=Ek") {
					t.Errorf("she is back, and her row is not:\n%s", in.last())
				}
				_ = p.stop()
			})
		})
	}
}

func TestWhoHasLeftIsMovedAwayAndBack(t *testing.T) {
	for name, c := range map[string]struct {
		stages []target.Stage
		days   []string // how she is found on the days 1, 31, 61 and 181
	}{
		"disabled first":    {[]target.Stage{{After: 0, Do: target.LeaveGroups}, {After: 30, Do: target.DisableStep}, {After: 60, Do: target.MoveStep}, {After: 180, Do: target.DeleteStep}}, []string{"on", "off", "away", "gone"}},
		"moved at once":     {[]target.Stage{{After: 0, Do: target.MoveStep}}, []string{"away", "away", "away", "away"}},
		"both in one night": {[]target.Stage{{After: 30, Do: target.DisableStep}, {After: 30, Do: target.MoveStep}}, []string{"on", "away", "away", "away"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := callsSetup()
				s.life, s.made.Quarantine = target.Lifecycle{Stages: c.stages}, true
				s.made.Accounts = []string{"person"}
				s.log.Publish(small()...)
				p := start(t, s)
				p.reach(s.log)
				native := s.ledger.Entries[personID(11)].Native
				find := func() string {
					d.mu.Lock()
					defer d.mu.Unlock()
					switch _, held := d.held[personID(11)]; {
					case !held:
						return "gone"
					case d.away[personID(11)]:
						return "away"
					case d.off[personID(11)]:
						return "off"
					}
					return "on"
				}
				since := roster.Today(time.Now())
				s.log.Publish(gone(person(11, "")), group(21, 1, 12))
				p.reach(s.log)
				time.Sleep(day)
				for i, wait := range []time.Duration{0, 30 * day, 30 * day, 120 * day} {
					time.Sleep(wait)
					synctest.Wait()
					if got := find(); got != c.days[i] {
						t.Errorf("at look %d she is %s, want %s", i, got, c.days[i])
					}
					if i == 2 { // back, and gone again on the same day
						calls := d.count()
						s.log.Publish(person(11, "Ek"))
						p.reach(s.log)
						if got := find(); got != "on" || s.ledger.Entries[personID(11)].Native != native {
							t.Errorf("back again she is %s as %s, want on as %s", got, s.ledger.Entries[personID(11)].Native, native)
						}
						if d.count() != calls+1 {
							t.Errorf("to come back took %d calls", d.count()-calls)
						}
						s.log.Publish(gone(person(11, "")))
						p.reach(s.log)
						time.Sleep(61 * day)
						synctest.Wait()
					}
				}
				if len(d.left) == 0 || !strings.Contains(d.left[0], since.String()) || !strings.Contains(d.left[0], string(reason.Leaving)) {
					t.Errorf("the target was told %q, want since %s and why", d.left, since)
				}
				_ = p.stop()
			})
		})
	}
}

func TestWhoReturnsBeforeTheStageNeverLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s = inStages(s)
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		uploads := in.count()
		s.log.Publish(gone(person(13, "")))
		p.reach(s.log)
		time.Sleep(100 * day)
		s.log.Publish(person(13, "Björk"))
		p.reach(s.log)
		s.log.Publish(gone(person(13, ""))) // and leaves again: the days count anew
		p.reach(s.log)
		time.Sleep(100 * day)
		synctest.Wait()
		if in.count() != uploads || !strings.Contains(in.last(), "Björk") {
			t.Errorf("%d uploads, want %d, for nothing went:\n%s", in.count(), uploads, in.last())
		}
		time.Sleep(81 * day)
		synctest.Wait()
		if strings.Contains(in.last(), "Björk") {
			t.Errorf("he is still there:\n%s", in.last())
		}
		_ = p.stop()
	})
}

func TestR9ProtectionKnowsNoStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s = inStages(s)
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		s.log.Publish(protected(11))
		p.reach(s.log)
		if strings.Contains(in.last(), key(11).String()) {
			t.Errorf("a protected person is still there:\n%s", in.last())
		}
		_ = p.stop()
	})
}

func TestLeaveStagesInCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s = inStages(s)
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		ek := target.ID{Kind: "person", Key: key(11).String()}
		s.log.Publish(gone(person(11, "")), group(21, 1, 12))
		got := p.reach(s.log)
		if got.Disabled+got.Deleted != 0 || !d.enabled(ek) {
			t.Errorf("on the day she left: %+v", got)
		}
		time.Sleep(31 * day)
		synctest.Wait()
		if d.enabled(ek) || d.creates[ek] != 1 {
			t.Error("after 30 days her account is not disabled")
		}
		s.log.Publish(person(11, "Ek"))
		p.reach(s.log)
		if !d.enabled(ek) || d.creates[ek] != 1 {
			t.Error("she is back, and does not have the same account")
		}
		s.log.Publish(gone(person(11, "")))
		p.reach(s.log)
		time.Sleep(181 * day)
		synctest.Wait()
		if strings.Contains(d.text(), "family=Ek") {
			t.Errorf("after 180 days her account is still there:\n%s", d.text())
		}
		_ = p.stop()
	})
}

func TestJulyEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble's clock begins on 1 January 2000
		s, in := setsSetup()
		s = inStages(s)
		s.life.Stages = []target.Stage{{After: 0, Do: target.DeleteStep}}
		s.life.Quiet = []target.Season{{From: target.Day{Month: time.June, Day: 10}, To: target.Day{Month: time.August, Day: 20}}}
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		time.Sleep(time.Until(time.Date(2000, time.July, 3, 12, 0, 0, 0, time.UTC)))
		s.log.Publish(gone(person(11, "")), gone(person(13, "")))
		p.reach(s.log)
		time.Sleep(30 * day)
		synctest.Wait()
		if !strings.Contains(in.last(), "family=Ek") || !strings.Contains(in.last(), "Björk") {
			t.Errorf("somebody left in July:\n%s", in.last())
		}
		s.log.Publish(person(13, "Björk")) // back for the autumn
		time.Sleep(time.Until(time.Date(2000, time.August, 22, 12, 0, 0, 0, time.UTC)))
		synctest.Wait()
		if strings.Contains(in.last(), "family=Ek") || !strings.Contains(in.last(), "Björk") {
			t.Errorf("after the summer, want the one gone and the other there:\n%s", in.last())
		}
		_ = p.stop()
	})
}

func TestAGapBetweenTwoSchoolsIsNoLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s = inStages(s)
		s.life = target.Lifecycle{Gap: 3, Stages: []target.Stage{{After: 0, Do: target.DeleteStep}}}
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		s.log.Publish(unenrolled(11)) // on Friday
		p.reach(s.log)
		time.Sleep(2 * day)
		s.log.Publish(person(11, "Ek")) // on Monday, at the other school
		p.reach(s.log)
		if in.count() != 1 {
			t.Errorf("%d uploads, want 1: a pupil who changes school over a weekend is never out", in.count())
		}
		_ = p.stop()
	})
}

// What stays of a leaver says until when, also where there is no stage of what leaving a set means at the target.
func TestALeaverIsToldUntilWhenSomethingStays(t *testing.T) {
	for name, c := range map[string]struct {
		stages []target.Stage
		want   map[string]string // by engine; what is disabled in calls is still there
	}{
		"only a delete": {[]target.Stage{{After: 9, Do: target.DeleteStep}}, map[string]string{"calls": "2000-01-10", "sets": "2000-01-10"}},
		"both":          {stages(4, 9), map[string]string{"calls": "2000-01-10", "sets": "2000-01-05"}},
		"no delete":     {[]target.Stage{{After: 4, Do: target.DisableStep}}, map[string]string{"calls": "–", "sets": "2000-01-05"}},
	} {
		t.Run(name, func(t *testing.T) {
			configured(t, small(), func(t *testing.T, k kit) {
				k.life.Stages, k.mode = c.stages, target.ModePreview
				engine := "calls"
				if k.made.Deliverer != nil {
					engine, k.made.Omission = "sets", target.DisableStep
				}
				together(k.log, gone(person(11, "")))
				p := start(t, k.setup)
				seen := <-p.settled
				_ = p.stop()
				for _, row := range seen.Rows {
					if row.ID == idOf(11) && row.Reason != nil && row.Reason.Arg("until") == c.want[engine] {
						return
					}
				}
				t.Errorf("want %s until %s, got %+v", idOf(11), c.want[engine], seen.Rows)
			})
		})
	}
}
