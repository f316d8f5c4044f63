package target_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target/targettest"
)

// TestR9WhoWasMadeTwiceIsContainedTwice: a target that made an account under each of two keys has both of them when they
// are joined, and neither is hers any longer when she is protected.
func TestR9WhoWasMadeTwiceIsContainedTwice(t *testing.T) {
	for name, engine := range map[string]func() (setup, func() string){
		"calls": func() (setup, func() string) { s, d := callsSetup(); return s, d.text },
		"sets":  func() (setup, func() string) { s, in := setsSetup(); return s, in.last },
	} {
		for order, say := range map[string]func(log *targettest.Log, joined, marked roster.Record){
			"joined, then protected": func(log *targettest.Log, joined, marked roster.Record) { log.Publish(joined); log.Publish(marked) },
			"at once":                func(log *targettest.Log, joined, marked roster.Record) { together(log, joined, marked) },
		} {
			t.Run(name+", "+order, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, text := engine()
					s.idle = time.Minute
					s.log.Publish(unit(1), person(11, "Ek"), person(12, "Ek"), person(13, "Ek"))
					p := start(t, s)
					p.reach(s.log)
					joined := decided(11, "")
					joined.SameAs = []roster.Key{key(12)}
					say(s.log, joined, protected(11))
					p.reach(s.log)
					for _, n := range []int{11, 12} {
						if strings.Contains(text(), idOf(n).String()) {
							t.Errorf("%s stays at the target:\n%s", idOf(n), text())
						}
					}
					if !strings.Contains(text(), idOf(13).String()) {
						t.Errorf("another person went:\n%s", text())
					}
					_ = p.stop()
				})
			})
		}
	}
}
