package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
)

// OriginRetired is the origin of the run that ended a source.
const OriginRetired = "retired"

// Standing is what the log holds of a source: all that its retirement ends.
type Standing struct {
	Source  roster.Source
	Changes []source.Change     // a tombstone for each, what refers before what it refers to; no guard asks again about them
	Counts  map[roster.Kind]int // without the records that protect: nothing counts whom they are about
	// Decisions are the kinds of what people decided that ends with it, in order, without how many there are of each.
	Decisions []roster.DirectiveKind
	Open      bool // a run was begun and never ended: an earlier retirement, or a read that died
}

// StandingOf returns what the log of a tenant holds of a source.
func StandingOf(ctx context.Context, log source.Log, s roster.Source) (Standing, error) {
	st := Standing{Source: s, Counts: map[roster.Kind]int{}}
	scan, err := log.Scan(ctx, s)
	if err != nil {
		return st, err
	}
	st.Open = scan.Open
	protects := map[roster.Ref]bool{}
	err = log.Records(ctx, s, func(r roster.Record) error {
		for _, d := range r.Directives {
			st.Decisions = append(st.Decisions, d.Kind)
		}
		protects[r.Ref] = r.Person != nil && r.Person.Marking.Protects()
		return nil
	})
	if err != nil {
		return st, fmt.Errorf("read what the log holds of %s: %w", s, err)
	}
	slices.Sort(st.Decisions)
	st.Decisions = slices.Compact(st.Decisions)
	for ref, head := range scan.Heads {
		if head.Tombstone {
			continue
		}
		if !protects[ref] {
			st.Counts[ref.Kind]++
		}
		st.Changes = append(st.Changes, source.Change{
			Record: roster.Record{Ref: ref, Source: s, Tombstone: &roster.Tombstone{Reason: roster.TombstoneLeft}},
			Expect: head.Seq, Approved: true,
		})
	}
	order := roster.Kinds() // a read ends what is gone the other way round, and so does this
	slices.SortFunc(st.Changes, func(a, b source.Change) int {
		return cmp.Or(cmp.Compare(slices.Index(order, b.Record.Ref.Kind), slices.Index(order, a.Record.Ref.Kind)), a.Record.Ref.Compare(b.Record.Ref))
	})
	return st, nil
}

// Empty tells whether nothing is left to end.
func (s Standing) Empty() bool { return len(s.Changes) == 0 && !s.Open }

// Digest names exactly what would be ended, the decisions too.
func (s Standing) Digest() string {
	sum := sha256.New()
	fmt.Fprintln(sum, s.Source, s.Decisions)
	for _, c := range s.Changes {
		fmt.Fprintf(sum, "%s %d\n", c.Record.Ref, c.Expect)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// Retire publishes that all of it has left, as a complete read that found nothing would: links take their own stages. What
// was held or decided of the source is void. A read of the source that runs meanwhile can write no more; what came to the
// log since Standing was taken ends it with source.ErrConflict, and a retirement that broke off is done again.
func (s Standing) Retire(ctx context.Context, st *store.Store, tenant, run string, now func() time.Time) error {
	begun := now()
	if err := st.Log(tenant).Publish(ctx, s.Source, run, s.Changes, nil); err != nil {
		return err
	}
	holds := st.Holds(tenant)
	kept, err := holds.Kept(ctx, s.Source)
	if err == nil && kept.Hold != nil {
		kept.Hold, kept.Decisions = nil, nil
		err = holds.Keep(ctx, s.Source, kept)
	}
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for kind, n := range s.Counts {
		counts[string(kind)+".deleted"] = n
	}
	// It has no cursor, so that a source that comes back is read in full.
	return st.Runs(tenant).Save(ctx, source.Run{
		ID: run, Source: s.Source, State: source.Published, Started: begun, Ended: now(), Complete: true, Origin: OriginRetired, Counts: counts,
	})
}

// Overlaid returns what the log holds on behalf of a link, and what ends it: a tombstone for each of whom the target made
// something.
func Overlaid(ctx context.Context, log source.Log, link roster.Source) (list []target.Overlay, err error) {
	scan, err := log.Scan(ctx, link)
	if err != nil {
		return nil, err
	}
	for ref, head := range scan.Heads {
		if !head.Tombstone {
			end := roster.Record{Ref: ref, Source: link, Overlay: true, Tombstone: &roster.Tombstone{Reason: roster.TombstoneLeft}}
			list = append(list, target.Overlay{Record: end, Expect: head.Seq})
		}
	}
	slices.SortFunc(list, func(a, b target.Overlay) int { return a.Record.Ref.Compare(b.Record.Ref) })
	return list, nil
}
