package target_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"eventful.se/ess/libs/target"
)

func TestPreviewWritesNothingAndShowsEverything(t *testing.T) {
	for name, engine := range map[string]func() (setup, func() string){
		"calls": func() (setup, func() string) { s, d := callsSetup(); return s, d.text },
		"sets":  func() (setup, func() string) { s, in := setsSetup(); return s, in.last },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, text := engine()
				s.log.Publish(append(small(), person(14, ""))...)
				s.mode = target.ModePreview
				p := start(t, s)
				got := <-p.settled
				wantOps(t, got, 5, 0, 0)
				if len(got.Rows) != 6 || text() != "" || len(s.ledger.Entries) != 0 || s.ledger.Saves != 0 {
					t.Errorf("%d rows, target %q, ledger %d entries in %d saves; want 6 and nothing", len(got.Rows), text(), len(s.ledger.Entries), s.ledger.Saves)
				}
				_ = p.stop()

				s.mode = target.ModeActive
				p = start(t, s)
				wantOps(t, p.reach(s.log), 5, 0, 0)
				_ = p.stop()
				before := text()

				s.mode = target.ModePreview
				s.log.Publish(person(11, "Ekman"), gone(person(13, "")), person(15, "Rönn"))
				p = start(t, s)
				got = <-p.settled
				wantOps(t, got, 1, 1, 1)
				verbs := map[target.Verb]target.ID{}
				for _, r := range got.Rows {
					verbs[r.Verb] = r.ID
				}
				if verbs[target.Create].Key != key(15).String() || verbs[target.Update].Key != key(11).String() ||
					verbs[target.Delete].Key != key(13).String() || verbs[""].Key != key(14).String() {
					t.Errorf("rows %v", got.Rows)
				}
				if text() != before {
					t.Errorf("a preview wrote:\n%s", text())
				}
				_ = p.stop()
			})
		})
	}
}

func TestPausedDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, in := setsSetup()
		s.log.Publish(small()...)
		s.mode = target.ModePaused
		p := start(t, s)
		if _, err := p.link.Resync(t.Context(), false, true); !errors.Is(err, target.ErrPaused) {
			t.Errorf("a command to a paused link: %v", err)
		}
		synctest.Wait()
		if in.count() != 0 {
			t.Errorf("a paused link uploaded")
		}
		_ = p.stop()
		s.mode = target.ModeActive
		p = start(t, s)
		wantOps(t, p.reach(s.log), 5, 0, 0)
		_ = p.stop()
	})
}
