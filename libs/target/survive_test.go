package target_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/guard/guardtest"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// The upload arrives, its answer is lost, and the register goes back before the next try.
func TestAnUploadOfUnknownOutcomeThenARevert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		first := in.last()
		in.onStep(func(step string) error {
			if step == "after upload" {
				return errors.New("the line broke after the rename")
			}
			return nil
		})
		s.log.Publish(person(11, "Fel"))
		for got := range p.settled {
			if got.Halted != nil {
				t.Logf("halted=%v", got.Halted)
				break
			}
		}
		in.onStep(nil)
		s.log.Publish(person(11, "Ek")) // the register is put right before the retry
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if in.last() != first {
			t.Errorf("the target holds the wrong set for good:\n%s", in.last())
		}
		_ = p.stop()
	})
}

// The directory does what it is asked, nobody is told, and the register goes back before the link tries again: what it
// holds is not what the ledger says, and must be asked for (R2).
func TestAnAnswerThatIsLostThenARevert(t *testing.T) {
	moved := group(21, 1, 11, 12, 13)
	for name, c := range map[string]struct{ change, back []roster.Record }{
		"another name":   {[]roster.Record{person(11, "Ekman")}, []roster.Record{person(11, "Ek")}},
		"one more":       {[]roster.Record{moved}, []roster.Record{group(21, 1, 11, 12)}},
		"one who leaves": {[]roster.Record{gone(person(13, ""))}, []roster.Record{person(13, "Björk")}},
		"a unit closes":  {[]roster.Record{gone(group(21, 1)), gone(unit(1))}, []roster.Record{unit(1), group(21, 1, 11, 12)}},
	} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, the process dies: %t", name, dies), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, d := callsSetup()
					s.log.Publish(small()...)
					p := start(t, s)
					p.reach(s.log)
					want := d.text()
					lost := func() error {
						if dies {
							p.cancel()
						}
						return errKilled
					}
					d.after = func(target.Operation) error { return lost() }
					s.log.Publish(c.change...)
					synctest.Wait()
					if d.text() == want {
						t.Fatal("nothing was done")
					}
					d.after = nil
					s.log.Publish(c.back...)
					if dies {
						_ = p.stop()
						p = start(t, s)
					}
					time.Sleep(time.Hour) // the retries
					synctest.Wait()
					if d.text() != want {
						t.Errorf("the directory holds\n%s\nwant\n%s", d.text(), want)
					}
					_ = p.stop()
				})
			})
		}
	}
}

// The same of an account that was to be used again: who is protected before that is known must be kept out once more.
func TestR9WhoWasLetInUnknownToUsIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := callsSetup()
		s.made.Accounts = []string{"person"}
		hidden := person(11, "Ek")
		hidden.Person.Marking = roster.MarkingConfidential
		s.log.Publish(append(small(), hidden)...)
		s.log.Publish(person(11, "Ek"))
		p := start(t, s)
		p.reach(s.log)
		s.log.Publish(hidden)
		p.reach(s.log)
		if d.enabled(idOf(11)) {
			t.Fatal("she is not contained")
		}
		d.after = func(target.Operation) error { return errKilled }
		s.log.Publish(person(11, "Ek"))
		synctest.Wait()
		if !d.enabled(idOf(11)) {
			t.Fatal("she was not let in")
		}
		d.after = nil
		s.log.Publish(hidden)
		time.Sleep(time.Hour)
		synctest.Wait()
		if d.enabled(idOf(11)) {
			t.Error("a protected person can be seen and used for good (R9)")
		}
		_ = p.stop()
	})
}

func TestAPastWakeTimeWithAnOpenRunIsNoBusyLoop(t *testing.T) {
	s, in := setsSetup()
	s.log.Publish(small()...)
	p := start(t, s)
	p.reach(s.log)
	in.set(nil, errors.New("the line broke")) // halts; tries again after 5 s
	s.log.Publish(person(11, "Ekman"))
	for got := range p.settled {
		if got.Halted != nil {
			break
		}
	}
	s.log.Mark(register, roster.RunOpened) // and a run is under way then
	in.set(nil, nil)
	time.Sleep(6 * time.Second)
	n := 0
	for len(p.settled) > 0 {
		<-p.settled
		n++
	}
	if n > 10 {
		t.Errorf("%d rounds in about a second while a run is open", n)
	}
	_ = p.stop()
}

// became is the tombstone of a key that has another now.
func became(old, now roster.Record) roster.Record {
	return roster.Record{Ref: old.Ref, Source: old.Source, Tombstone: &roster.Tombstone{Reason: roster.TombstoneBecame, Became: now.Ref.Key}}
}

func TestANewNumberMakesNoSecondAccount(t *testing.T) {
	for _, nums := range [][2]int{{11, 15}, {15, 11}} {
		synctest.Test(t, func(t *testing.T) {
			s, d := callsSetup()
			s.log.Publish(unit(1), person(nums[0], "Ek"))
			p := start(t, s)
			p.reach(s.log)
			_ = p.stop()
			now := person(nums[1], "Ek")
			now.Former = []roster.Key{key(nums[0])}
			s.log.Publish(now, became(person(nums[0], ""), now))
			p = start(t, s)
			got := p.reach(s.log)
			t.Logf("created %d updated %d deleted %d; creates %v\n%s", got.Created, got.Updated, got.Deleted, d.creates, d.text())
			if got.Deleted > 0 || got.Created > 0 {
				t.Errorf("a new number deletes the account and makes another")
			}
			for id, n := range d.creates {
				if n > 1 {
					t.Errorf("%s was created %d times", id, n)
				}
			}
			_ = p.stop()
		})
	}
}

func TestANewNumberIsOneAccountWhateverComesFirst(t *testing.T) {
	for name, engine := range map[string]func() (setup, func() string){
		"calls": func() (setup, func() string) { s, d := callsSetup(); return s, d.text },
		"sets":  func() (setup, func() string) { s, in := setsSetup(); return s, in.last },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, text := engine()
				s.log.Publish(unit(1), person(11, "Ek"), group(21, 1, 11))
				p := start(t, s)
				p.reach(s.log)
				now := person(15, "Ek")
				now.Former = []roster.Key{key(11)}
				sum := target.Settled{}
				for _, r := range []roster.Record{now, became(person(11, ""), now), group(21, 1, 15)} {
					s.log.Publish(r)
					got := p.reach(s.log)
					sum.Created, sum.Deleted = sum.Created+got.Created, sum.Deleted+got.Deleted
				}
				if sum.Created+sum.Deleted > 0 || !strings.Contains(text(), "members=[person/"+key(11).String()+"]") {
					t.Errorf("%d created, %d deleted; the target holds\n%s", sum.Created, sum.Deleted, text())
				}
				third := person(5, "Ek") // and once more, after a restart
				third.Former = []roster.Key{key(11), key(15)}
				_ = p.stop()
				s.log.Publish(third, became(person(15, ""), third), group(21, 1, 5))
				p = start(t, s)
				got := p.reach(s.log)
				if got.Created+got.Deleted > 0 || !strings.Contains(text(), "members=[person/"+key(11).String()+"]") {
					t.Errorf("%+v; the target holds\n%s", got, text())
				}
				_ = p.stop()
			})
		})
	}
}

// A pupil is new, gets another number before the link has seen her, and the link looks between the two messages of that:
// her record under the new number, and the tombstone of the old one.
func TestANewNumberThatIsHalfToldMakesNoSecondAccount(t *testing.T) {
	for name, engine := range map[string]func() (setup, func() string){
		"calls": func() (setup, func() string) { s, d := callsSetup(); return s, d.text },
		"sets":  func() (setup, func() string) { s, in := setsSetup(); return s, in.last },
	} {
		for _, somebodyElse := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, somebody else has the old number: %t", name, somebodyElse), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, text := engine()
					now := person(15, "Ek")
					now.Former = []roster.Key{key(11)}
					s.log.Publish(unit(1), person(11, "Ek"))
					s.log.Mark(register, roster.RunOpened)
					s.log.Publish(now)
					p := start(t, s)
					synctest.Wait()
					if !somebodyElse {
						s.log.Publish(became(person(11, ""), now))
					}
					s.log.Mark(register, roster.RunEnded)
					p.reach(s.log)
					if n := strings.Count(text(), "person/"); (n == 2) != somebodyElse {
						t.Errorf("%d accounts:\n%s", n, text())
					}
					_ = p.stop()
				})
			})
		}
	}
}

func TestANewNumberKeepsTheIDInASet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(unit(1), person(11, "Ek"))
		p := start(t, s)
		p.reach(s.log)
		now := person(15, "Ek")
		now.Former = []roster.Key{key(11)}
		s.log.Publish(now, became(person(11, ""), now))
		got := p.reach(s.log)
		t.Logf("created %d updated %d deleted %d\n%s", got.Created, got.Updated, got.Deleted, in.last())
		if !strings.Contains(in.last(), key(11).String()) {
			t.Error("the id at the target changed with the number")
		}
		_ = p.stop()
	})
}

func TestAnOpenRunOfARemovedSourceHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Mark(roster.Source{System: "old", Instance: "default"}, roster.RunOpened)
		s.sources = roster.Precedence{register}
		s.log.Mark(register, roster.RunOpened)
		s.log.Publish(small()...)
		s.log.Mark(register, roster.RunEnded)
		p := start(t, s)
		time.Sleep(30 * 24 * time.Hour)
		synctest.Wait()
		if in.count() == 0 {
			t.Error("nothing delivered in 30 days")
		}
		_ = p.stop()
	})
}

func TestARetryOfSomethingUnreadableIsNoBusyLoop(t *testing.T) {
	s, d := callsSetup()
	s.log.Publish(small()...)
	p := start(t, s)
	p.reach(s.log)
	d.set(func(op target.Operation) error {
		if op.Resource.ID.Key == key(11).String() {
			return errors.New("busy")
		}
		return nil
	})
	s.log.Publish(person(11, "Ekman"))
	for got := range p.settled {
		if got.Waiting > 0 {
			break
		}
	}
	s.log.Add(roster.Event{Ref: person(11, "").Ref, Source: register, Unreadable: errors.New("newer schema")})
	time.Sleep(6 * time.Second)
	n := 0
	for len(p.settled) > 0 {
		<-p.settled
		n++
	}
	if n > 10 {
		t.Errorf("%d rounds in about a second", n)
	}
	_ = p.stop()
}

func TestAColdLinkHearsThatTheLogIsAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := setsSetup()
		s.idle = time.Second
		s.log.Publish(small()...)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		log := &switched{log: s.log}
		feed := target.NewFeed(log, nil, slog.New(slog.DiscardHandler), time.Now)
		var halted, rounds atomic.Int32
		link := target.NewLink(target.LinkOptions{
			Target: roster.Source{System: "memory", Instance: "default"}, Made: s.made, Feed: feed, Log: log, Ledger: s.ledger,
			Owner: target.Owner{Name: "test"}, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Idle: s.idle, Holds: &guardtest.Store{},
			Observer: func(r target.Settled) {
				rounds.Add(1)
				if r.Halted != nil {
					halted.Add(1)
				}
			},
		})
		done := make(chan struct{}, 2)
		go func() { _ = feed.Run(ctx); done <- struct{}{} }()
		go func() { _ = link.Run(ctx); done <- struct{}{} }()
		time.Sleep(time.Minute) // cold now
		other := targettest.NewLog(time.Now)
		other.Created = time.Unix(2, 0)
		before := rounds.Load()
		log.to(other) // the log is restored elsewhere; the server closed the connection
		other.Publish(unit(1))
		time.Sleep(24 * time.Hour)
		other.Mark(register, roster.RunOpened)
		other.Publish(small()[1:]...)
		other.Publish(person(14, "Ny"))
		other.Mark(register, roster.RunEnded)
		time.Sleep(24 * 30 * time.Hour)
		if halted.Load() == 0 || rounds.Load() == before {
			t.Errorf("30 days after: %d rounds more, %d of them halted", rounds.Load()-before, halted.Load())
		}
		cancel()
		<-done
		<-done
	})
}

// switched is a log that can be replaced under its readers; Follow and End as the store's.
type switched struct {
	mu  sync.Mutex
	log *targettest.Log
	cut []context.CancelFunc
}

func (l *switched) now() *targettest.Log { l.mu.Lock(); defer l.mu.Unlock(); return l.log }
func (l *switched) to(n *targettest.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = n
	for _, c := range l.cut {
		c()
	}
}
func (l *switched) End(ctx context.Context) (roster.Position, error) { return l.now().End(ctx) }
func (l *switched) Load(ctx context.Context, each func(roster.Event) error) (roster.Position, error) {
	return l.now().Load(ctx, each)
}

func (l *switched) Since(ctx context.Context, t time.Time) (roster.Position, error) {
	return l.now().Since(ctx, t)
}

func (l *switched) Follow(ctx context.Context, from roster.Position, h bool, each func(roster.Event) error) error {
	for ctx.Err() == nil {
		one, cancel := context.WithCancel(ctx)
		l.mu.Lock()
		l.cut = append(l.cut, cancel)
		l.mu.Unlock()
		end, _ := l.End(ctx)
		if from.Regressed(end) {
			cancel()
			return reason.Errorf(reason.Misconfigured, nil, reason.LogRegressed, "seen", from.Seq, "end", end.Seq)
		}
		err := l.now().Follow(one, from, h, func(e roster.Event) error { from.Seq = e.Seq; return each(e) })
		cancel()
		if ctx.Err() == nil && one.Err() == nil {
			return err
		}
	}
	return ctx.Err()
}

// The sources have read everything again, then the writer starts, as docs/recover-a-target.md says.
func TestALostLogIsRecoveredAsDocumented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := settledOnce(t)
		s.log = targettest.NewLog(time.Now)
		s.log.Created = time.Unix(2, 0)
		s.log.Mark(register, roster.RunOpened)
		s.log.Publish(small()...)
		s.log.Mark(register, roster.RunEnded) // the source has read everything again
		p := start(t, s)
		time.Sleep(30 * 24 * time.Hour) // and has nothing to say after that: unchanged runs publish no mark
		synctest.Wait()
		var last target.Settled
		n := 0
		for len(p.settled) > 0 {
			last = <-p.settled
			n++
		}
		t.Logf("%d rounds, last %+v", n, last.Halted)
		if last.Halted != nil {
			t.Error("still halted 30 days later")
		}
		_ = p.stop()
	})
}

func TestAHaltedLinkWithAPastWakeTimeIsNoBusyLoop(t *testing.T) {
	s, _ := settledOnce(t)
	s.ledger.Mark.WakeAt = time.Now().Add(-time.Hour)
	s.log = targettest.NewLog(time.Now)
	s.log.Created = time.Unix(2, 0)
	s.log.Publish(unit(1))
	p := start(t, s)
	time.Sleep(time.Second)
	n := 0
	for len(p.settled) > 0 {
		<-p.settled
		n++
	}
	if n > 10 {
		t.Errorf("%d rounds in a second while halted", n)
	}
	_ = p.stop()
}

func TestAForcedResyncIsNotForgottenWhileARunIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		s.log.Mark(register, roster.RunOpened)
		synctest.Wait()
		got, err := p.link.Resync(t.Context(), false, true)
		t.Logf("deferred %q, %v", got.Deferred, err)
		s.log.Mark(register, roster.RunEnded)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if in.count() != 2 {
			t.Errorf("%d uploads, want 2", in.count())
		}
		_ = p.stop()
	})
}
