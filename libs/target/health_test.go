package target_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

var (
	errDown   = reason.Errorf(reason.Transient, errors.New("connection refused"), reason.Unreachable, "address", "test")
	errSignIn = reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials, "address", "test", "user", "ess")
)

// remote is a directory that may be away, in whole or for some items, and that notes when it was called.
type remote struct {
	*directory
	mu    sync.Mutex
	away  error                    // what every call gets
	bad   func(id target.ID) error // what some get
	blind bool                     // it cannot be asked, but checks itself
	asked []time.Time              // when, of each call
}

func (r *remote) call(id target.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away != nil || r.bad == nil {
		return r.away
	}
	return r.bad(id)
}

func (r *remote) note() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, time.Now())
}

// Apply gives a batch up when it gets nowhere, as a sink does.
func (r *remote) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	r.note()
	out := make([]target.Outcome, len(ops))
	for i, op := range ops {
		if err := r.call(op.Resource.ID); err != nil {
			out[i].Err = err
			continue
		}
		out[i] = r.directory.Apply(ctx, []target.Operation{op})[0]
	}
	return out
}

func (r *remote) Lookup(ctx context.Context, id target.ID, native string) (target.Held, error) {
	r.mu.Lock()
	blind := r.blind
	r.mu.Unlock()
	if blind {
		return target.Held{}, target.ErrUnsupported
	}
	r.note()
	if err := r.call(id); err != nil {
		return target.Held{}, err
	}
	return r.directory.Lookup(ctx, id, native)
}

func (r *remote) Check(_ context.Context, step func(name, detail string, err error)) error {
	r.note()
	err := r.call(target.ID{})
	step("reach", "", err)
	return err
}

// be changes how it answers.
func (r *remote) be(away error, bad func(target.ID) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away, r.bad = away, bad
}

// since returns when it was called, from a time on.
func (r *remote) since(from time.Time) (list []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.asked {
		if !at.Before(from) {
			list = append(list, at)
		}
	}
	return list
}

// calls returns how often it was called, from a time on.
func (r *remote) calls(from time.Time) int { return len(r.since(from)) }

func remoteSetup() (setup, *remote) {
	s, d := callsSetup()
	r := &remote{directory: d}
	s.made.Applier = r
	s.with = func(o *target.LinkOptions) { o.Random = rand.New(rand.NewPCG(1, 2)) }
	return s, r
}

func TestATargetThatIsDownIsAskedOneQuestionAtGrowingWaits(t *testing.T) {
	for _, blind := range []bool{false, true} {
		t.Run(fmt.Sprintf("it cannot be asked: %t", blind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := remoteSetup()
				d.blind = blind
				s.log.Publish(small()...)
				people(s, 3000, "Ek")
				p := start(t, s)
				p.reach(s.log)
				time.Sleep(time.Second)
				d.be(errDown, nil)
				down := time.Now()
				people(s, 3000, "Ekman")
				synctest.Wait()
				if n := d.calls(down); n > 4 {
					t.Errorf("nobody answers, and it is called %d times at once", n)
				}
				if st := s.ledger.Status(); st.Mode != target.ModeHalted || st.Reason.Code != reason.Unreachable {
					t.Errorf("the link is %+v, want it halted with the reason", st)
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if n := d.calls(down); n < 20 || n > 35 {
					t.Errorf("it is called %d times in a day", n)
				}
				_ = p.stop() // and a process that starts meanwhile asks once
				again := time.Now()
				p = start(t, s)
				synctest.Wait()
				if n := d.calls(again); n != 1 {
					t.Errorf("a new process calls %d times at once", n)
				}
				d.be(nil, nil)
				time.Sleep(90 * time.Minute)
				synctest.Wait()
				if st := s.ledger.Status(); st.Mode != target.ModeActive || st.Waiting+st.Parked > 0 {
					t.Errorf("it answers again, and the link is %+v", st)
				}
				for n := range 3000 {
					if e, _ := s.ledger.Entry(idOf(100 + n)); e.Fields[0].Value.Reveal() != "Ekman" {
						t.Fatalf("%s is %+v", e.ID, e.Fields)
					}
				}
				_ = p.stop()
			})
		})
	}
}

// Who tries a wrong password five times within half an hour locks the account, in many directories.
func TestAWrongPasswordLocksNobodyOut(t *testing.T) {
	for name, when := range map[string]func(t *testing.T, s setup, d *remote) *process{
		"from the start": func(t *testing.T, s setup, d *remote) *process {
			d.be(errSignIn, nil)
			s.log.Publish(small()...)
			people(s, 1500, "Ek")
			return start(t, s)
		},
		"later": func(t *testing.T, s setup, d *remote) *process {
			s.log.Publish(small()...)
			p := start(t, s)
			p.reach(s.log)
			time.Sleep(time.Minute)
			d.be(errSignIn, nil)
			people(s, 1500, "Ek")
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := remoteSetup()
				s.made.Parallel = 4
				p := when(t, s, d)
				refused := time.Now()
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if n := len(d.since(refused)); n < 20 {
					t.Errorf("%d calls in a day: it does not go on by itself", n)
				}
				for _, from := range d.since(refused) {
					n := 0
					for _, at := range d.since(from) {
						if at.Before(from.Add(30 * time.Minute)) {
							n++
						}
					}
					if n > 4 {
						t.Fatalf("%d sign-ins within half an hour", n)
					}
				}
				if st := s.ledger.Status(); st.Mode != target.ModeHalted || st.Reason.Code != reason.WrongCredentials {
					t.Errorf("the link is %+v", st)
				}
				d.be(nil, nil)
				time.Sleep(90 * time.Minute)
				synctest.Wait()
				if d.count() < 1505 {
					t.Errorf("%d operations after the password was mended", d.count())
				}
				_ = p.stop()
			})
		})
	}
}

// A secret that was written anew is tried within two minutes, by the process that was not let in and by the one after it, and
// nothing else shortens the wait.
func TestAMendedSignInIsTriedAtOnce(t *testing.T) {
	for name, restarts := range map[string]bool{"the same process": false, "the next one": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := remoteSetup()
				var written atomic.Int64
				with := s.with
				s.with = func(o *target.LinkOptions) {
					with(o)
					o.Settings = func() string { return fmt.Sprint(written.Load()) }
				}
				d.be(errSignIn, nil)
				people(s, 100, "Ek")
				p := start(t, s)
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if restarts {
					_ = p.stop()
					p = start(t, s)
				}
				d.be(nil, nil)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if d.count() != 0 {
					t.Fatalf("%d operations before anybody wrote anything", d.count())
				}
				written.Add(1)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if d.count() < 100 {
					t.Errorf("%d operations after the secret was written", d.count())
				}
				_ = p.stop()
			})
		})
	}
}

// A process dies with creates on their way, and the target is away when the next one starts.
func TestWhatWasInFlightKeepsNoLinkFromStarting(t *testing.T) {
	for name, err := range map[string]error{"down": errDown, "not let in": errSignIn} {
		for _, wished := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, d := remoteSetup()
					s.limits = anything
					people(s, 20, "Ek")
					var p *process
					runs := make(chan struct{})
					d.after = func(target.Operation) error {
						<-runs
						p.cancel()
						return errKilled
					}
					p = start(t, s)
					close(runs)
					if err := <-p.done; err == nil {
						t.Fatal("it did not die")
					}
					if e, _ := s.ledger.Entry(idOf(100)); e.State != target.InFlight {
						t.Fatalf("it is %s", e.State)
					}
					d.after = nil
					d.be(err, nil)
					if !wished {
						for n := range 20 {
							s.log.Publish(gone(person(100+n, "")))
						}
					}
					time.Sleep(time.Second)
					again := time.Now()
					p = start(t, s)
					synctest.Wait()
					select {
					case err := <-p.done:
						t.Fatalf("the link ended: %v", err)
					default:
					}
					if st := s.ledger.Status(); st.Mode != target.ModeHalted {
						t.Errorf("the link is %+v, want it halted", st)
					}
					if n := d.calls(again); n > 5 {
						t.Errorf("%d calls", n)
					}
					d.be(nil, nil)
					time.Sleep(2 * time.Hour)
					synctest.Wait()
					for n := range 20 {
						id := idOf(100 + n)
						if got, _ := s.ledger.Entry(id); got.Held != wished || d.enabled(id) != wished || d.creates[id] > 1 {
							t.Errorf("held by the ledger: %t, by the target: %t, want %t; made %d times", got.Held, d.enabled(id), wished, d.creates[id])
						}
					}
					_ = p.stop()
				})
			})
		}
	}
}

// Some items for which the target has nothing but errors of its own halt nobody: it answers when it is asked (R7).
func TestR7ItemsThatNeverSucceedHaltNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := remoteSetup()
		s.log.Publish(small()...)
		p := start(t, s)
		p.reach(s.log)
		bad := map[target.ID]bool{idOf(100): true, idOf(101): true, idOf(102): true, idOf(103): true}
		d.be(nil, func(id target.ID) error {
			if bad[id] {
				return errDown
			}
			return nil
		})
		people(s, 4, "Ek")
		for range 12 {
			time.Sleep(time.Hour)
			if st := s.ledger.Status(); st.Mode != target.ModeActive {
				t.Fatalf("the link is %+v", st)
			}
		}
		people(s, 600, "Ekman")
		p.reach(s.log)
		if n := d.count(); n != 5+596 {
			t.Errorf("%d operations, want all others", n)
		}
		_ = p.stop()
	})
}

func TestWhoAsksToWaitIsNotCalledUntilThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := remoteSetup()
		people(s, 2000, "Ek")
		const wait = 40 * time.Minute
		d.be(&reason.Error{Fault: reason.Transient, Reason: reason.New(reason.Throttled, "address", "test"), After: wait}, nil)
		asked := time.Now()
		p := start(t, s)
		p.reach(s.log)
		people(s, 2100, "Ekman") // and it goes on: who comes meanwhile waits too
		time.Sleep(wait - time.Second)
		synctest.Wait()
		if n := d.calls(asked); n != 1 {
			t.Errorf("it asked to wait, and is called %d times", n)
		}
		if st := s.ledger.Status(); st.Mode != target.ModeActive || st.Waiting != 2100 {
			t.Errorf("the link is %+v", st)
		}
		if e, _ := s.ledger.Entry(idOf(1900)); e.Attempts != 0 || e.Reason.Code != reason.Throttled {
			t.Errorf("what was not asked for is %+v", e)
		}
		d.be(nil, nil)
		time.Sleep(wait)
		synctest.Wait()
		if n := d.count(); n != 2100 {
			t.Errorf("%d operations after the wait", n)
		}
		_ = p.stop()
	})
}
