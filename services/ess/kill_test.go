package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// killed is what is done to the programs of an installation: it starts them, and returns when one was killed, or when
// it was not because the point was not reached.
type killed func(i *installation) (reached bool)

// TestKilledAtAnyPoint kills the reader, the writer, and both with the log, at points all along a first load and a
// change (F15, F16). Whatever the point: after a restart the log and the deliveries equal the register, nothing was
// published or uploaded twice, and another restart has nothing to do.
func TestKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	t.Run("apart", func(t *testing.T) {
		t.Parallel()
		for _, phase := range []string{"first load", "change"} {
			sent := sentUndisturbed(t, phase == "change")
			t.Logf("%s: the reader sends %d bytes to NATS, and the writer %d", phase, sent.reader, sent.writer)
			points := map[string]killed{
				"reader lists":             reader("register", "List", 1),
				"reader downloads":         reader("register", "Get", 1),
				"writer uploads":           writer("inbox", "Put", 1),
				"writer sends the content": writer("inbox", "Write", 1),
				"writer has uploaded":      writer("inbox", "Stat", 1),
			}
			for _, percent := range []int64{30, 60, 80, 90, 97} {
				points[fmt.Sprintf("reader has sent %d %%", percent)] = readerAfter(sent.reader * percent / 100)
			}
			for _, percent := range []int64{40, 70, 95} {
				points[fmt.Sprintf("writer has sent %d %%", percent)] = writerAfter(sent.writer * percent / 100)
			}
			for name, kill := range points {
				t.Run(phase+", "+name, func(t *testing.T) {
					i := installApart(t)
					if phase == "change" {
						i.settleApart()
						i.change()
					}
					if !kill(i) {
						t.Log("the point was not reached")
					}
					i.settleApart()
					i.checkSettledApart()
				})
			}
		}
	})

	t.Run("all in one", func(t *testing.T) {
		t.Parallel()
		for n := range 4 {
			for _, phase := range []string{"first load", "change"} {
				after := time.Duration(50+n*150+r.IntN(150)) * time.Millisecond
				t.Run(fmt.Sprintf("%s, after %s", phase, after), func(t *testing.T) {
					i := install(t, 300)
					if phase == "change" {
						i.settle()
						i.change()
					}
					c := i.allInOne()
					time.Sleep(after)
					c.kill()
					i.settle()
					i.checkSettled()
				})
			}
		}
	})
}

// settle runs all in one until the delivery equals the register.
func (i *installation) settle() {
	i.t.Helper()
	c := i.allInOne()
	c.await(i.t, `msg="run ended"`)
	i.awaitDelivery(&c.log)
	if status, _ := c.terminate(i.t); status != 0 {
		i.t.Errorf("exit status %d:\n%s", status, i.story())
	}
}

// checkSettled checks everything, and that another start has nothing to do.
func (i *installation) checkSettled() {
	i.t.Helper()
	uploads := i.uploads()
	c := i.allInOne()
	c.await(i.t, `msg="run ended"`, "state=unchanged")
	i.awaitDelivery(&c.log)
	if status, _ := c.terminate(i.t); status != 0 || i.uploads() != uploads {
		i.t.Errorf("another start: exit status %d and %d uploads:\n%s", status, i.uploads()-uploads, i.story())
	}
	i.checkDeliveries()
	i.checkLog(i.serveNATS().URL())
}

// installApart makes an installation whose log outlives its reader and writer.
func installApart(t testing.TB) *installation {
	t.Helper()
	i := install(t, 300)
	i.nats = i.serveNATS().URL()
	// Who was killed has its links until the TTL ends, and here somebody is killed all the time.
	if err := connect(t, i.nats).EnsureMembers(t.Context(), 1, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	initialise(t, i.nats, i.path("tenants"), 1)
	return i
}

// settleApart runs reader and writer until the delivery equals the register.
func (i *installation) settleApart() {
	i.t.Helper()
	i.settleThrough(i.nats, i.nats)
}

func (i *installation) settleThrough(readerNATS, writerNATS string) {
	i.t.Helper()
	r, w := i.reader(readerNATS), i.writer(writerNATS)
	r.await(i.t, `msg="run ended"`)
	i.awaitDelivery(&w.log)
	for _, c := range []*child{r, w} {
		if status, _ := c.terminate(i.t); status != 0 {
			i.t.Errorf("exit status %d:\n%s", status, i.story())
		}
	}
}

func (i *installation) checkSettledApart() {
	i.t.Helper()
	uploads := i.uploads()
	r, w := i.reader(i.nats), i.writer(i.nats)
	r.await(i.t, `msg="run ended"`, "state=unchanged")
	i.awaitDelivery(&w.log)
	for _, c := range []*child{r, w} {
		if status, _ := c.terminate(i.t); status != 0 {
			i.t.Errorf("exit status %d:\n%s", status, i.story())
		}
	}
	if i.uploads() != uploads {
		i.t.Errorf("another start uploaded %d times:\n%s", i.uploads()-uploads, w.log.String())
	}
	i.checkDeliveries()
	i.checkLog(i.nats)
}

// sent counts what an undisturbed reader and writer send to NATS.
type sent struct{ reader, writer int64 }

func sentUndisturbed(t *testing.T, change bool) sent {
	t.Helper()
	i := installApart(t)
	if change {
		i.settleApart()
		i.change()
	}
	r, w := newMeter(t, i.nats, 0, nil), newMeter(t, i.nats, 0, nil)
	i.settleThrough(r.url, w.url)
	i.checkLog(i.nats)
	return sent{r.sent.Load(), w.sent.Load()}
}

// reader kills the reader at a request to a server.
func reader(server, method string, nth int) killed {
	return func(i *installation) bool {
		return killedAt(func(kill func()) *child {
			i.when(server, method, nth, kill)
			return i.reader(i.nats)
		}, `msg="run ended"`)
	}
}

// readerAfter kills the reader when it has sent a number of bytes to NATS.
func readerAfter(bytes int64) killed {
	return func(i *installation) bool {
		return killedAt(func(kill func()) *child {
			return i.reader(newMeter(i.t, i.nats, bytes, func() bool { kill(); return false }).url)
		}, `msg="run ended"`)
	}
}

// writer kills the writer at a request to a server, with a reader that nothing happens to.
func writer(server, method string, nth int) killed {
	return func(i *installation) bool {
		return killedAt(func(kill func()) *child {
			i.when(server, method, nth, kill)
			i.readOnce()
			return i.writer(i.nats)
		}, "msg=delivered")
	}
}

// writerAfter kills the writer when it has sent a number of bytes to NATS.
func writerAfter(bytes int64) killed {
	return func(i *installation) bool {
		return killedAt(func(kill func()) *child {
			i.readOnce()
			return i.writer(newMeter(i.t, i.nats, bytes, func() bool { kill(); return false }).url)
		}, "msg=delivered")
	}
}

// readOnce runs a reader that nothing happens to.
func (i *installation) readOnce() {
	r := i.reader(i.nats)
	r.await(i.t, `msg="run ended"`)
	r.terminate(i.t)
}

// killedAt starts a program that is killed by a call of kill, and waits until it is, or until it has said done and half
// a second went by.
func killedAt(start func(kill func()) *child, done string) (reached bool) {
	at, cancel := context.WithCancel(context.Background())
	defer cancel()
	dead := make(chan struct{})
	defer close(dead)
	c := start(func() { cancel(); <-dead }) // what calls it goes no further while the program lives
	deadline := time.After(20 * time.Second)
	for {
		select {
		case <-at.Done():
			c.kill()
			return true
		case <-deadline:
			c.kill()
			return false
		case <-time.After(10 * time.Millisecond):
			if c.log.has([]string{done}) {
				deadline = time.After(500 * time.Millisecond)
				done = "\x00" // found
			}
		}
	}
}
