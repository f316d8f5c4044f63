package source

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// guarded is what the guard made of the changes of a run, and what is kept of that.
type guarded struct {
	judgement
	kept guard.Kept
}

// guard has the guard judge the changes, and keeps what it said before anything is published: what counts against a
// limit is counted also if the run dies while it publishes, and who reads the frozen set sees what is held now.
func (r *Reader) guard(ctx context.Context, run *Run, say *statement, scan Scan, changes []Change, first bool) (guarded, error) {
	kept, err := r.Holds.Kept(ctx, r.Name)
	if err != nil {
		return guarded{}, wrap("read what is held", err)
	}
	g := guarding{
		limits: r.Limits, now: r.Now(), complete: say.complete, changes: changes, heads: scan.Heads, kept: kept,
		keptBack: say.keptBackOf(scan), hash: r.Keyer.Hash, unknown: first,
	}
	keys := newKeysBefore(say, scan)
	if g.before, err = r.before(ctx, say, scan, changes, keys); err != nil {
		return guarded{}, err
	}
	if keys.others() {
		return guarded{}, reason.Errorf(reason.Misconfigured, nil, reason.PepperChanged)
	}
	g.rekeyed = keys.rekeyed
	// A first load that broke off leaves a part of the register in the log: what is new is still no reason to doubt.
	g.first = g.before.live[guard.Bucket{Kind: roster.KindPerson, Form: guard.AllForms, Operation: ""}] == 0 || first && scan.Open
	j := g.judge()
	next, changed := kept.Next(guard.NewHold(j.held, kept.Hold, run.ID, g.now, j.doubt), j.valid, j.passed, g.now)
	if !changed {
		return guarded{j, kept}, nil
	}
	return guarded{j, next}, wrap("save what is held", r.Holds.Keep(ctx, r.Name, next))
}

// settle takes away the approvals that were used. That fits none any more in any case, for the log holds another
// sequence; so it does no harm when somebody decided meanwhile and the next read takes them away.
func (r *Reader) settle(ctx context.Context, g guarded) error {
	if len(g.used) == 0 {
		return nil
	}
	now, err := r.Holds.Kept(ctx, r.Name)
	if err != nil {
		return wrap("read what is held", err)
	}
	now.Decisions = slices.DeleteFunc(now.Decisions, func(d guard.Decision) bool { return g.used[d.Item] })
	if err := r.Holds.Keep(ctx, r.Name, now); !errors.Is(err, guard.ErrConflict) {
		return wrap("save what is held", err)
	}
	return nil
}

// before reads what the log holds that the guard needs. Where nothing is to change that stands, nobody needs the records.
func (r *Reader) before(ctx context.Context, say *statement, scan Scan, changes []Change, keys *keysBefore) (before, error) {
	wanted := slices.DeleteFunc(slices.Clone(changes), func(c Change) bool {
		head, ok := scan.Heads[c.Record.Ref]
		return !ok || head.Tombstone
	})
	b := newBefore(wanted)
	if len(wanted) == 0 {
		for ref, head := range scan.Heads {
			if !head.Tombstone {
				b.live[guard.Bucket{Kind: ref.Kind, Form: guard.AllForms, Operation: ""}]++
			}
		}
		return b, nil
	}
	each := func(rec roster.Record) error {
		b.add(&rec)
		keys.add(&rec)
		return nil
	}
	if say.complete {
		return b, wrap("read the records in the log", r.Log.Records(ctx, r.Name, each))
	}
	for _, rec := range say.base {
		_ = each(rec)
	}
	return b, nil
}

// keptBackOf counts the persons of the log whom the read keeps back. Who is new and waits casts no doubt.
func (s *statement) keptBackOf(scan Scan) (n int) {
	if len(s.keptBack)+len(s.waiting) == 0 {
		return 0
	}
	for ref, head := range scan.Heads {
		if ref.Kind == roster.KindPerson && !head.Tombstone && (s.keptBack[ref] || head.SourceID != "" && s.waiting[head.SourceID]) {
			n++
		}
	}
	return n
}

// reason tells why a run is held; nil when it is not. What was rejected is not asked about again.
func (g guarded) reason(now time.Time) *reason.Reason {
	if g.kept.Hold == nil {
		return nil
	}
	if g.doubt != nil {
		return g.doubt
	}
	verdicts, open := g.kept.Verdicts(now), 0
	for _, i := range g.kept.Hold.Items {
		if verdicts[i.Item] != guard.Rejected {
			open++
		}
	}
	why := reason.New(reason.ChangesHeld, "count", open, "digest", g.kept.Hold.Digest)
	if open == 0 {
		why = reason.New(reason.ChangesRejected, "count", len(g.kept.Hold.Items), "digest", g.kept.Hold.Digest)
	}
	return &why
}

// count adds what is held to the counts of a run: "person.held".
func (g guarded) count(counts map[string]int) {
	held := map[string]int{}
	for _, i := range g.kept.Hold.Items {
		held[string(i.Ref.Kind)+".held"]++
	}
	maps.Copy(counts, held)
}
