package main

import (
	"testing"
	"time"
)

// TestF70TerminatedInsideABatch asks programs to stop in the middle of things: they end soon and say that all is well,
// and what they left is finished by the next ones.
func TestF70TerminatedInsideABatch(t *testing.T) {
	t.Parallel()
	ends := func(t *testing.T, i *installation, c *child) {
		t.Helper()
		status, took := c.terminate(t)
		if status != 0 || took > 10*time.Second {
			t.Errorf("exit status %d after %s:\n%s", status, took, i.story())
		}
	}
	for name, at := range map[string]struct {
		server, method string
		nth            int
	}{
		"reading the export":   {"register", "Get", 1},
		"beginning to upload":  {"inbox", "Put", 1},
		"uploading":            {"inbox", "Write", 1},
		"asking what is there": {"inbox", "Stat", 1},
	} {
		t.Run("all in one, "+name, func(t *testing.T) {
			t.Parallel()
			i := install(t, 300)
			reached := make(chan struct{})
			i.when(at.server, at.method, at.nth, func() {
				close(reached)
				time.Sleep(100 * time.Millisecond) // the signal comes while the request is being served
			})
			c := i.allInOne()
			select {
			case <-reached:
			case <-time.After(20 * time.Second):
				t.Fatalf("%s %s never came:\n%s", at.server, at.method, i.story())
			}
			ends(t, i, c)
			i.settle()
			i.checkSettled()
		})
	}
	t.Run("a reader that publishes", func(t *testing.T) {
		t.Parallel()
		i := installApart(t)
		half := make(chan struct{})
		c := i.reader(newMeter(t, i.nats, 200_000, func() bool { // of the 340 kB that the first load takes
			close(half)
			time.Sleep(50 * time.Millisecond)
			return true
		}).url)
		<-half
		ends(t, i, c)
		i.settleApart()
		i.checkSettledApart()
	})
	t.Run("before anything happened", func(t *testing.T) {
		t.Parallel()
		i := install(t, 60)
		c := i.allInOne()
		c.await(t, "msg=started")
		ends(t, i, c)
		i.settle()
		i.checkSettled()
	})
}
