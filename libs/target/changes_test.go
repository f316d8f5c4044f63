package target_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/target"
)

// telling is a directory that can tell what has changed.
type telling struct {
	*listed
	asked    int
	database string
	was      []map[target.ID]string // by number
	applied  map[target.ID]int      // what was written and set back is a change too
}

func (d *telling) Apply(ctx context.Context, ops []target.Operation) []target.Outcome {
	d.behind(func() {
		for _, op := range ops {
			d.applied[op.Resource.ID]++
		}
	})
	return d.directory.Apply(ctx, ops)
}

func (d *telling) Changes(_ context.Context, since string, found func(target.Held, bool) error) (string, error) {
	d.mu.Lock()
	now, held, omit, err := map[target.ID]string{}, map[target.ID]target.Held{}, d.omit, d.err
	for id, h := range d.held {
		h.Disabled = d.off[id]
		held[id], now[id] = h, fmt.Sprint(h.Sets, h.Disabled, d.applied[id])
		for _, f := range h.Fields {
			now[id] += f.Value.Reveal()
		}
	}
	d.asked++
	d.was = append(d.was, now)
	mark := fmt.Sprintf("%s %d", d.database, len(d.was)-1)
	d.mu.Unlock()
	if err != nil || since == "" {
		return mark, err
	}
	var database string
	var n int
	if _, err := fmt.Sscanf(since, "%s %d", &database, &n); err != nil || database != d.database {
		return "", target.ErrNoMark
	}
	for id, h := range held {
		if omit != nil && omit(id) {
			continue
		}
		if err := found(target.Held{ID: id, Native: h.Native}, false); err != nil {
			return "", err
		}
		if now[id] != d.was[n][id] {
			if err := found(h, true); err != nil {
				return "", err
			}
		}
	}
	return mark, nil
}

// watching is a link that compares once a day, and every quarter what has changed.
func watching(t *testing.T, repair bool) (*process, setup, *telling) {
	t.Helper()
	p, s, d := reconcilingWith(t, 60, repair, nil, func(d *listed) target.Applier {
		return &telling{listed: d, database: "a", applied: map[target.ID]int{}}
	})
	return p, s, d.(*telling)
}

// soon waits for what has changed to be compared.
func soon(s setup) target.Reconciled {
	time.Sleep(20 * time.Minute)
	synctest.Wait()
	return s.ledger.Mark.Reconciled
}

func TestWhatOthersChangedIsFoundWithinMinutes(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(d *telling)
		want string // as it is named; ! where it is left
	}{
		"nothing": {func(*telling) {}, ""},
		"a field": {func(d *telling) { d.change(idOf(100), "family", "Annan") }, "family"},
		"gone":    {func(d *telling) { d.behind(func() { delete(d.held, idOf(100)) }) }, target.Missing},
		"a member": {func(d *telling) {
			d.behind(func() {
				id := target.ID{Kind: "group", Key: key(21).String()}
				h := d.held[id]
				h.Sets = []target.Set{{Name: h.Sets[0].Name, Members: append(slices.Clone(h.Sets[0].Members), idOf(101))}}
				d.held[id] = h
			})
		}, "members"},
		"turned off": {func(d *telling) { d.behind(func() { d.off[idOf(100)] = true }) }, "!" + target.TurnedOff},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s, d := watching(t, true)
				soon(s)
				state := func() string { return fmt.Sprint(d.enabled(idOf(100)), "\n", d.text()) }
				want, lists := state(), d.lists
				c.do(d)
				what, left := strings.CutPrefix(c.want, "!")
				if left {
					want = state()
				}
				got := soon(s)
				switch {
				case c.want == "":
					if got.Found != 0 || got.Last != nil {
						t.Errorf("with nothing changed: %+v", got)
					}
				case got.Last == nil || got.Found != 1 || (*got.Last)[0].What != what || (*got.Last)[0].Repaired == left || got.Repaired == got.Reported:
					t.Errorf("found %+v", got)
				}
				if state() != want {
					t.Errorf("after that the directory holds\n%s\nwant\n%s", state(), want)
				}
				if d.lists != lists {
					t.Errorf("%d lists of all", d.lists-lists)
				}
				_ = p.stop()
			})
		})
	}
}

// What is changed again and again is repaired once, and once a day after that; what is turned on that we turned off, always.
func TestTwoWhoDisagreeDoNotGoOnAllDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, d := watching(t, true)
		soon(s)
		writes := d.count()
		for range 10 {
			d.change(idOf(100), "family", "Annan")
			soon(s)
		}
		if got := s.ledger.Mark.Reconciled; got.Repaired != 1 || d.count() != writes+1 {
			t.Errorf("%d writes: %+v", d.count()-writes, got)
		}
		want := d.text()
		if got := lastCompared(s); d.text() == want || got.Reason != nil {
			t.Errorf("the comparison of all did not repair it: %+v", got)
		}
		s.log.Publish(gone(person(101, "Ek")))
		for range 3 {
			soon(s)
			if d.enabled(idOf(101)) {
				t.Fatal("who has left can sign in")
			}
			d.behind(func() { delete(d.off, idOf(101)) })
		}
		_ = p.stop()
	})
}

// A target that is another one by now, was restored, or misses much is not believed; it is listed whole, or asked again later.
func TestR3WhatHasChangedIsNotBelievedOfAnotherTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, d := watching(t, true)
		soon(s)
		want, writes, lists := d.text(), d.count(), d.lists
		d.behind(func() { d.database = "b" })
		if got := soon(s); got.Reason != nil || d.lists != lists+1 || !strings.HasPrefix(got.Since, "b ") {
			t.Errorf("of another database: %+v after %d lists", got, d.lists-lists)
		}
		d.behind(func() { d.omit = func(id target.ID) bool { return id.Kind == "person" } })
		if got := soon(s); got.Reason == nil || got.Reason.Code != reason.ListShort || got.Since != "" {
			t.Errorf("of what misses much: %+v", got)
		}
		d.behind(func() {
			d.omit, d.err = nil, reason.Errorf(reason.Transient, nil, reason.Unreachable, "address", "test")
		})
		time.Sleep(time.Hour)
		if got := soon(s); got.Reason == nil || got.Reason.Code != reason.Unreachable {
			t.Errorf("of one that does not answer: %+v", got)
		}
		if d.text() != want || d.count() != writes {
			t.Errorf("%d writes", d.count()-writes)
		}
		d.behind(func() { d.err = nil })
		d.change(idOf(100), "family", "Annan")
		time.Sleep(time.Hour)
		if got := soon(s); got.Reason != nil || got.Repaired != 1 || d.text() != want {
			t.Errorf("once it answers: %+v", got)
		}
		_ = p.stop()
	})
}
