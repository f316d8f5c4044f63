package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	_ "eventful.se/ess/libs/testbed/underrace"
)

// everything lets every change pass the guard.
func everything() (l guard.Limits) {
	for _, o := range append(guard.Dangerous(), guard.Create) {
		l = append(l, guard.Limit{Operation: o, Percent: 100, Floor: 1 << 30})
	}
	return l
}

// naiveLog is what a log has to say of a register, compared map with map: every record that the register states, without
// its former keys, and of every entity that it ever stated and does not state now, that it has ended. It adds to ever, and
// returns under which key each person stands.
func naiveLog(w *world, ever map[string]bool) (state map[string]string, keys map[string]roster.Key) {
	asm := fact.NewAssembler(fact.Options{Source: name, Keyer: w.opts.Keyer, Today: roster.Today(w.now)})
	for _, id := range sorted(w.reg.docs) {
		if err := asm.Add(w.reg.docs[id]); err != nil {
			w.t.Fatal(err)
		}
	}
	state, keys = map[string]string{}, map[string]roster.Key{}
	for ref := range ever {
		state[ref] = "ended"
	}
	for _, r := range asm.Assemble().Records {
		ref := r.Ref.String()
		state[ref], ever[ref] = string(roster.AppendJSON(nil, &r, true)), true
		if r.Person != nil {
			keys[r.Origins[0].ID.Reveal()] = r.Ref.Key
		}
	}
	return state, keys
}

// said is what the log says, in the same words.
func said(w *world) map[string]string {
	out := map[string]string{}
	for _, r := range w.log.Last() {
		out[r.Ref.String()] = "ended"
		if r.Tombstone == nil {
			r.Former = nil
			out[r.Ref.String()] = string(roster.AppendJSON(nil, &r, true))
		}
	}
	return out
}

// TestDiffIsTheDifference plays a register that changes as it likes, read whole or by what changed, by readers that fail
// and die at any batch. After every read that was believed the log says what a naive model says of the register (R3), no
// entity was published whose state is as it was (R5), and who has another number stands under it before the old one ends.
//
// A failure tells how to play it again with -rapid.seed or -rapid.failfile.
func TestDiffIsTheDifference(t *testing.T) {
	begun, reads, deaths := time.Now(), 0, 0
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		w.opts.Limits = everything()
		n := func(name string, top int) int { return rapid.IntRange(0, top).Draw(r, name) }
		numbers := map[int]int{}
		ever, stood, calm := map[string]bool{}, map[string]roster.Key{}, true // calm: nobody died since the last believed read
		change := func() {
			i := n("who", 7)
			switch n("what", 5) {
			case 0: // and the register says so of the group at once
				w.reg.drop(fmt.Sprint("person/p", i))
				if d, there := w.reg.docs["group"]; there {
					w.reg.set("group", slices.DeleteFunc(slices.Clone(d.Facts), func(f fact.Fact) bool {
						m, ok := f.(fact.Member)
						return ok && m.Person == fmt.Sprint("p", i)
					})...)
				}
			case 1:
				numbers[i] = n("number", 1) * 40
				fallthrough
			case 2:
				number := pnr(i + numbers[i])
				email := fmt.Sprint("p", i, n("address", 2), "@example.org")
				w.person(i, func(p *fact.Person) { p.CivicNo, p.Email = number, email })
			case 3:
				w.reg.set("unit/v", fact.Unit{ID: "v", Name: fmt.Sprint("Skolan ", n("name", 1))})
			case 4:
				w.reg.drop("group")
			default:
				facts := []fact.Fact{fact.Group{ID: "g", Name: fmt.Sprint("7", n("letter", 2)), Type: "Klass", Unit: "u"}}
				for m := range 5 {
					if _, there := w.reg.docs[fmt.Sprint("person/p", m)]; there && n("member", 1) == 0 {
						facts = append(facts, fact.Member{Group: "g", Person: fmt.Sprint("p", m), Role: "pupil"})
					}
				}
				w.reg.set("group", facts...)
			}
			w.person(8, nil) // a register without persons is not believed
		}
		read := func() bool {
			reads++
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			batch, stood := n("batch", 6), rapid.Bool().Draw(r, "stood")
			w.log.Fault, w.reg.err = nil, nil
			switch n("fate", 3) {
			case 0:
				w.log.Fault = func(b int, stands bool) error {
					if b != batch || stands != stood {
						return nil
					}
					deaths, calm = deaths+1, false
					kill()
					return ctx.Err()
				}
			case 1:
				w.reg.err = errCut
			}
			before, state := w.log.Messages(), said(w)
			run, err := source.NewReader(w.opts).Run(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				r.Fatal(err)
			}
			changes := w.log.Changes()[before:]
			for i, c := range changes {
				ref := c.Record.Ref.String()
				if after := said(w)[ref]; after == state[ref] && len(c.Record.Former) == 0 {
					r.Fatalf("%s was published, and is as it was", ref)
				}
				if s := c.Record.Tombstone; s != nil && s.Reason == roster.TombstoneBecame && c.Joined && changes[max(0, i-1)].Record.Ref.Key != s.Became {
					r.Fatalf("%s ends before the key that it became stands", ref)
				}
			}
			return err == nil && run.Believed()
		}
		for range 1 + n("reads", 8) {
			for range n("changes", 4) {
				change()
			}
			if n("a day later", 2) == 0 {
				w.nextDay()
			}
			if !read() {
				continue
			}
			w.reg.changed = nil        // the cursor counts
			for ref := range said(w) { // who died may have published what no later read saw
				ever[ref] = true
			}
			want, keys := naiveLog(w, ever)
			if d := cmp.Diff(want, said(w)); d != "" {
				r.Fatalf("the log differs from the register (-register +log): %s", d)
			}
			for id, was := range stood {
				t := w.log.Tombstone(roster.Ref{Kind: roster.KindPerson, Key: was})
				if now, there := keys[id]; calm && there && now != was && (t == nil || t.Became != now) {
					r.Fatalf("%s has another number, and the tombstone of the old one says %+v", id, t)
				}
			}
			stood, calm = keys, true
		}
	})
	t.Logf("%d reads, %.0f a second, in which %d readers died", reads, float64(reads)/time.Since(begun).Seconds(), deaths)
}

// A number changes, and the publication breaks off when the person stands under the new key and the group still lists the
// old one: the next read of what changed puts the group right, without a word of the register about it.
func TestAGroupFollowsANumberThatWasHalfPublished(t *testing.T) {
	w := newWorld(t)
	w.read()
	old := person(t, w, "p0").Ref
	w.log.Batch = 2
	w.person(0, func(p *fact.Person) { p.CivicNo = pnr(40) })
	ctx, kill := context.WithCancel(t.Context())
	w.log.Fault = func(batch int, stands bool) error {
		if batch == 1 && !stands {
			kill()
		}
		return ctx.Err()
	}
	if _, err := source.NewReader(w.opts).Run(ctx); err == nil {
		t.Fatal("the reader did not die")
	}
	w.log.Fault = nil
	if run := w.read(); run.Complete || run.State != source.Published {
		t.Fatalf("complete %t, %s", run.Complete, run.State)
	}
	want, _ := naiveLog(w, map[string]bool{old.String(): true})
	if d := cmp.Diff(want, said(w)); d != "" {
		t.Errorf("the log differs from the register (-register +log): %s", d)
	}
}
