package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// broken does something while the register fails in one way; a register that cannot fail so ends the case.
func (s *suite) broken(t *testing.T, f Fault, do func()) {
	t.Helper()
	cannot, err := s.Register.Break(f)
	if err != nil {
		t.Fatalf("the register cannot be broken by %q: %v", f, err)
	}
	if cannot != "" {
		s.DoesNotApply(t, "%s", cannot)
	}
	defer func() {
		t.Helper()
		if err := s.Register.Mend(); err != nil {
			t.Fatalf("the register cannot be mended after %q: %v", f, err)
		}
	}()
	do()
}

// after changes the town so much that a read that is believed shows: somebody new, somebody else gone, and a new name.
func after(t *Town) {
	t.Persons = append(t.Persons, newPerson(900, roster.RolePupil, "u-1"))
	t.Drop("p-4")
	t.Person("p-6").FamilyName = familyCanary + "Nyss"
}

// failures: of a read that ends with an error nothing is believed.
func (s *suite) failures() {
	s.Case("a read that fails at any doc is not believed", conformance.CrashSafe, func(t *testing.T) {
		s.eachWay(t, func(t *testing.T, read func(*world) (source.Run, error)) {
			w := s.changedWorld(t)
			full := errors.New("nobody takes this doc")
			for n := 0; ; n = next(n) {
				w.tamper = func(x *watched) { x.at = failAt(n, full) }
				before := w.log.Messages()
				run, err := read(w)
				if err != nil {
					t.Fatal(err)
				}
				if !w.last.failed.Load() { // it has fewer docs
					break
				}
				if w.last.err == nil {
					t.Errorf("R3: doc %d was not taken, and the read ended as if it had been: return the error of emit", n)
				} else if !errors.Is(w.last.err, full) {
					t.Errorf("doc %d was not taken, and the read ended with another error: %v", n, w.last.err)
				}
				if run.Believed() || w.log.Messages() != before {
					t.Fatalf("R3: a read that failed at doc %d is %s and published %d changes", n, run.State, w.log.Messages()-before)
				}
			}
			w.agrees("failed reads, and one that did not")
		})
	})
	for _, f := range Faults() {
		s.Case("a register that fails is not believed: "+string(f), conformance.CrashSafe, func(t *testing.T) {
			s.broken(t, f, func() {}) // or the case ends here
			s.eachWay(t, func(t *testing.T, read func(*world) (source.Run, error)) {
				if f == Empty && !strings.HasSuffix(t.Name(), "/by_a_read_of_everything") {
					return // of nothing, nothing has changed
				}
				w := s.changedWorld(t)
				before := w.log.Messages()
				s.broken(t, f, func() {
					run, err := read(w)
					if err != nil {
						t.Fatalf("the run ended with an error of its own: %v", err)
					}
					if run.Believed() {
						t.Fatalf("R3: the register failed (%s), and the read is believed: it is %s", f, run.State)
					}
					if n := w.log.Messages() - before; n > 0 {
						t.Fatalf("R3: the register failed (%s), and %d changes are published", f, n)
					}
					w.known(run)
				})
				w.read()
				w.agrees("the register answered again")
			})
		})
	}
	s.Case("a register that takes its time is read all the same", conformance.CrashSafe, func(t *testing.T) {
		w := s.changedWorld(t)
		s.broken(t, Slow, func() { w.read() })
		w.agrees("a slow read")
	})
	s.Case("a run that could not be published or saved is made again, and misses nothing", conformance.CrashSafe, func(t *testing.T) {
		w := s.changedWorld(t)
		w.log.Fault = func(int, bool) error {
			return reason.Errorf(reason.Misconfigured, nil, reason.LogRefused, "subject", "all", "what", "it is closed")
		}
		if run, err := w.run(); err != nil || run.Believed() {
			t.Fatalf("the log refused what was read, and the run is %s (%v)", run.State, err)
		}
		w.log.Fault = nil
		w.runs.Fail = errors.New("the store of the runs is gone")
		for _, id := range []string{"p-8", "p-10"} {
			if _, err := w.run(); err == nil {
				t.Fatal("the run was saved nowhere, and says nothing of it")
			}
			w.agrees("a run whose publication failed, or whose end was not saved (R2: a restart may repeat, never skip)")
			w.change(func(t *Town) { t.Person(id).Unit = "u-2" })
		}
		w.runs.Fail = nil
		w.change(func(t *Town) { t.Drop("p-2") })
		w.read()
		w.agrees("runs whose ends were not saved (R2: a restart may repeat, never skip)")
	})
}

// changedWorld returns a world that was read once, and has changed since.
func (s *suite) changedWorld(t *testing.T) *world {
	t.Helper()
	w := s.world(t, t.Context())
	w.hold(invent(12))
	w.read()
	w.change(after)
	return w
}

// eachWay tries both ways to read.
func (s *suite) eachWay(t *testing.T, try func(*testing.T, func(*world) (source.Run, error))) {
	t.Helper()
	t.Run("by a read of everything", func(t *testing.T) {
		try(t, func(w *world) (source.Run, error) {
			w.now = w.now.AddDate(0, 0, 1)
			return w.run()
		})
	})
	t.Run("by a read of what changed", func(t *testing.T) {
		if s.Claims.NoDelta != "" {
			s.DoesNotApply(t, "%s", s.Claims.NoDelta)
		}
		try(t, (*world).run)
	})
}

// next returns the doc to fail at after n: every one of the first ten, then ever fewer.
func next(n int) int { return n + 1 + n/10 }

func failAt(n int, err error) func(int) error {
	return func(i int) error {
		if i == n {
			return err
		}
		return nil
	}
}

// prompt: a read ends when it is told to, and leaves nothing running.
func (s *suite) prompt() {
	s.Case("a read that is called off ends within a second, wherever it is", conformance.Prompt, func(t *testing.T) {
		w := s.world(t, t.Context())
		w.hold(invent(300))
		w.read()
		all := len(w.last.docs)
		w.change(after)
		for _, n := range []int{0, all / 2, all - 2} {
			s.callOff(t, w, n, all)
		}
	})
	s.Case("a read of a register that hangs ends within a second of being called off", conformance.Prompt, func(t *testing.T) {
		w := s.changedWorld(t)
		s.broken(t, Hang, func() {
			ctx, cancel := context.WithCancel(t.Context())
			w.ctx = ctx
			var called time.Time
			timer := time.AfterFunc(300*time.Millisecond, func() { called = time.Now(); cancel() })
			defer timer.Stop()
			run, err := w.run()
			if ctx.Err() == nil {
				t.Fatalf("the register hangs, and the read ended by itself: it is %s (%v)", run.State, err)
			}
			if took := time.Since(called); took > soon {
				t.Errorf("the register hangs, the read was called off, and it went on for %s", took.Round(time.Millisecond))
			}
		})
	})
	s.Case("a read leaves nothing running, however it ends", conformance.Prompt, func(t *testing.T) {
		w := s.changedWorld(t)
		before := goleak.IgnoreCurrent()
		w.read()
		w.tamper = func(x *watched) { x.at = failAt(1, errors.New("nobody takes this doc")) }
		w.change(func(t *Town) { t.Person("p-8").Unit = "u-2" })
		w.now = w.now.AddDate(0, 0, 1)
		if _, err := w.run(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.ctx = ctx
		w.tamper = func(x *watched) { x.at = func(int) error { cancel(); return nil } }
		w.now = w.now.AddDate(0, 0, 1)
		_, _ = w.run() // it is called off
		cancel()
		if err := goleak.Find(before); err != nil {
			t.Errorf("after a read, one that failed and one that was called off something still runs: %v", err)
		}
	})
}

// soon is how long a read may go on after it was called off.
const soon = time.Second

// callOff calls a read off at a doc.
func (s *suite) callOff(t *testing.T, w *world, n, all int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var called time.Time
	w.tamper = func(x *watched) {
		x.at = func(i int) error {
			if i == n {
				called = time.Now()
				cancel()
			}
			if i > n {
				time.Sleep(5 * time.Millisecond) // who takes the docs is slow too
			}
			return nil
		}
	}
	w.ctx = ctx
	w.now = w.now.AddDate(0, 0, 1)
	before, saved := w.log.Messages(), len(w.runs.List)
	_, err := w.run()
	took := time.Since(called)
	cancel()
	if called.IsZero() {
		t.Fatalf("the read has no doc %d of %d now", n, all)
	}
	if took > soon {
		t.Errorf("the read was called off at doc %d of %d and went on for %s: look at the context between docs", n, all, took.Round(time.Millisecond))
	}
	if err == nil || w.log.Messages() != before || len(w.runs.List) != saved {
		t.Errorf("the read was called off at doc %d of %d, and something of it was published or saved", n, all)
	}
}

// bounded: what a read keeps in memory.
func (s *suite) bounded() {
	s.Case("a read emits as it goes, and keeps little in memory", conformance.Bounded, func(t *testing.T) {
		n, streams := 1000, s.Claims.NoStream == ""
		if !streams {
			n = 200 // to see that it keeps them
		}
		limit := s.Claims.PerPerson
		if limit == 0 {
			limit = 256
		}
		each, keeps := 0, streams
		for try := 0; try < 3 && keeps == streams; try++ { // what else is in this process, as the register's own server, may do something just then
			each = int(s.peak(t, 4*n)-s.peak(t, n)) / (3 * n)
			keeps = each > limit
		}
		switch {
		case !streams && !keeps:
			t.Fatalf("it claims to keep what it reads in memory (%s), and yet it keeps %d bytes a person: drop the claim", s.Claims.NoStream, each)
		case !streams:
			s.DoesNotApply(t, "%s", s.Claims.NoStream)
		case keeps:
			t.Errorf("a read keeps %d bytes in memory for each person, want at most %d: emit docs as they are read, and keep none", each, limit)
		}
		t.Logf("%d bytes a person", each)
	})
}

// peak returns how much memory a read of so many pupils keeps at most, beyond what there was before it.
func (s *suite) peak(t *testing.T, pupils int) int64 {
	t.Helper()
	w := s.world(t, t.Context())
	w.hold(invent(pupils))
	w.town = Town{}
	src := w.open()
	before := heap()
	most := before
	n := 0
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	_, err := src.Read(ctx, nil, func(fact.Doc) error {
		if n++; n%(pupils/4) == 0 {
			most = max(most, heap())
		}
		return nil
	})
	if err != nil {
		t.Fatalf("the read failed: %v", err)
	}
	runtime.KeepAlive(src)
	return most - before
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// checks: a check names the step that fails.
func (s *suite) checks() {
	well := func(t *testing.T) *world {
		t.Helper()
		w := s.world(t, t.Context())
		w.hold(invent(12))
		return w
	}
	check := func(t *testing.T, w *world) (steps []string, failed string, err error) {
		t.Helper()
		checker, ok := w.open().(source.Checker)
		if s.Claims.NoCheck != "" {
			if ok {
				t.Fatalf("it claims that it cannot check itself (%s), and yet it is a source.Checker: drop the claim", s.Claims.NoCheck)
			}
			s.DoesNotApply(t, "%s", s.Claims.NoCheck)
		}
		if !ok {
			t.Fatal("it is no source.Checker: an operator cannot find out which step fails; be one, or claim NoCheck")
		}
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		err = checker.Check(ctx, func(name, detail string, err error) {
			steps = append(steps, name)
			s.heard.add("the check says: %s: %s: %v", name, detail, err)
			switch {
			case failed != "":
				t.Errorf("after the step %q had failed the check went on to %q", failed, name)
			case err != nil:
				failed = name
			}
		})
		return steps, failed, err
	}
	s.Case("a check of a register that is well passes every step", conformance.Checks, func(t *testing.T) {
		steps, failed, err := check(t, well(t))
		if err != nil || failed != "" {
			t.Errorf("nothing was wrong, and the step %q failed: %v", failed, err)
		}
		if len(steps) == 0 {
			t.Error("the check has no steps")
		}
	})
	for _, f := range []Fault{Unreachable, SignIn, OtherPeer, Rights, Nothing, Garbage} {
		s.Case("a check names the step that fails: "+string(f), conformance.Checks, func(t *testing.T) {
			if s.Claims.NoCheck != "" {
				s.DoesNotApply(t, "%s", s.Claims.NoCheck)
			}
			w := well(t)
			s.broken(t, f, func() {
				want, seen := s.Steps[f]
				if !seen {
					if f != Garbage {
						t.Fatalf("which step fails when the register is broken so is not said: fill in Steps[%q]", f)
					}
					s.DoesNotApply(t, "a check reads no records")
				}
				steps, failed, err := check(t, w)
				switch {
				case failed == "" || err == nil:
					t.Errorf("the register failed (%s), and every step of the check is well: %s", f, strings.Join(steps, ", "))
				case failed != want:
					t.Errorf("the register failed (%s), and the check names the step %q, want %q", f, failed, want)
				}
			})
		})
	}
}

// private: nothing that others read shows a secret or a person.
func (s *suite) private() {
	s.Case("no error, log line or result shows a secret or a person", conformance.Private, func(t *testing.T) {
		w := s.changedWorld(t)
		w.read()
		for _, f := range append(Faults(), Slow) {
			t.Run(string(f), func(t *testing.T) {
				s.broken(t, f, func() {
					w.t = t
					if _, err := w.run(); err != nil {
						s.heard.add("the run failed with: %v", err)
					}
				})
			})
		}
		shown := 0
		for _, line := range s.heard.all() {
			if what := s.shows(line); what != "" {
				t.Errorf("R8: %s stands where others read it: %s", what, quote(line))
				if shown++; shown == 5 {
					t.Fatal("and so on")
				}
			}
		}
	})
}

// numberLike finds what may be an identity number, as registers write it and as people do.
var numberLike = regexp.MustCompile(`(?:\d\d)?\d{6}[-+]?\d{4}`)

// shows tells what a text has in it that may stand nowhere, or nothing.
func (s *suite) shows(text string) string {
	for part, what := range map[string]string{givenCanary: "a given name", familyCanary: "a family name", mailCanary: "an e-mail address"} {
		if strings.Contains(text, part) {
			return what
		}
	}
	for _, part := range s.Secrets {
		if strings.Contains(text, part) {
			return "a secret of the settings"
		}
	}
	for _, part := range numberLike.FindAllString(text, -1) {
		part = strings.NewReplacer("-", "", "+", "").Replace(part)
		if s.numbers[part[len(part)-10:]] {
			return "an identity number"
		}
	}
	return ""
}

// quote shortens a line.
func quote(line string) string {
	if len(line) > 400 {
		line = line[:400] + " …"
	}
	return fmt.Sprintf("%q", line)
}
