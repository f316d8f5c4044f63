package target_test

import (
	"testing"
	"testing/synctest"

	"eventful.se/ess/libs/target"
)

func TestAPreviewNamesWhatItSpeaksOf(t *testing.T) {
	for name, engine := range map[string]func() setup{
		"calls": func() setup { s, _ := callsSetup(); return s },
		"sets":  func() setup { s, _ := setsSetup(); return s },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := engine()
				s.mode = target.ModePreview
				together(s.log, append(small(), protected(12))...)
				p := start(t, s)
				seen := <-p.settled
				if got := seen.Names[key(11).String()]; got.Label == "" {
					t.Errorf("nobody knows who %s is among %d rows", key(11), len(seen.Rows))
				}
				if got, named := seen.Names[key(12).String()]; named {
					t.Errorf("R9: a protected person is named %q", got.Label.Reveal())
				}
				_ = p.stop()
			})
		})
	}
}
