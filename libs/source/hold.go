package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Window is how long the guard counts what it let through, how long a decision lives, and how long a frozen set may be
// decided about after the last read that saw it.
const Window = 7 * 24 * time.Hour

// Holds keeps what the guard of each source knows.
type Holds interface {
	// Guarded returns what is kept of a source; the zero value when there is nothing.
	Guarded(ctx context.Context, s roster.Source) (Guarded, error)
	// SaveGuarded keeps it, all of it or nothing. It ends with ErrConflict when somebody else has saved since g was
	// read.
	SaveGuarded(ctx context.Context, s roster.Source, g Guarded) error
}

// Guarded is what the guard of one source knows. It holds keys, never a name or a number.
type Guarded struct {
	Version   uint64 // of the store, for SaveGuarded to compare
	Hold      *Hold  // nil when nothing is frozen
	Decisions []Decision
	Passed    []Passed
}

// Hold is the frozen set of a source: changes that the register asks for, and that wait for a person. Every complete
// read makes it anew, so it is always what the register still asks for.
type Hold struct {
	Digest string         // of the items: what is approved is what was looked at
	Run    string         // the read that froze it or saw it last
	Since  time.Time      // when a read first froze this very set
	Seen   time.Time      // when a read saw it last
	Doubt  *reason.Reason // why the whole read was in doubt; nil when only its dangerous part is held
	Items  []HeldItem
}

// Item names one change exactly: what it is about, what the log held before, what it does and to what. An approval is of
// an item, so it fits one change once: as soon as anything is published about the entity, the log holds another sequence.
type Item struct {
	Ref       roster.Ref
	Expect    uint64
	Operation Operation
	Hash      string // roster.Keyer.Hash of the record
}

// HeldItem is a frozen change, and where a person would look for it.
type HeldItem struct {
	Item
	Unit  roster.Key // the school unit; zero for none
	Class roster.Key // the class; zero for none
	// Doubted marks what is held only because its whole read was in doubt. A later read that is not publishes it;
	// anything else that was ever frozen stays so until it is approved or the register takes it back.
	Doubted bool
}

// Verdict is what a person decided about an item.
type Verdict string

// The verdicts.
const (
	Approved Verdict = "approved"
	Rejected Verdict = "rejected" // stays frozen and is not asked about again, for [Window]
)

// Decision is a verdict on an item. It is void as soon as a complete read no longer asks for the item, and after
// [Window].
type Decision struct {
	Item
	Verdict Verdict
	At      time.Time
	By      string
}

// Passed is what the guard let through of a bucket without asking.
type Passed struct {
	At     time.Time
	Bucket Bucket
	Marks  []uint64 // each names an Item, so that one published again after a crash counts once
}

// mark returns a short digest of the item.
func (i Item) mark() uint64 {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d %s %s", i.Ref, i.Expect, i.Operation, i.Hash)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

func (i Item) compare(o Item) int {
	return cmp.Or(i.Ref.Compare(o.Ref), cmp.Compare(i.Expect, o.Expect), cmp.Compare(i.Operation, o.Operation), cmp.Compare(i.Hash, o.Hash))
}

// newHold returns the frozen set of items; nil for none. A set that was frozen before keeps its age.
func newHold(items []HeldItem, before *Hold, run string, now time.Time, doubt *reason.Reason) *Hold {
	if len(items) == 0 {
		return nil
	}
	slices.SortFunc(items, func(x, y HeldItem) int { return x.compare(y.Item) })
	sum := sha256.New()
	for _, i := range items {
		fmt.Fprintf(sum, "%s %d %s %s\n", i.Ref, i.Expect, i.Operation, i.Hash)
	}
	h := &Hold{Digest: hex.EncodeToString(sum.Sum(nil)[:6]), Run: run, Since: now, Seen: now, Doubt: doubt, Items: items}
	if before != nil && before.Digest == h.Digest {
		h.Since = before.Since
	}
	return h
}

// Expired tells whether the set is too old to be decided about: what the register asks for now is not known.
func (h *Hold) Expired(now time.Time) bool { return now.Sub(h.Seen) > Window }

// HoldGroup is a part of a frozen set as a person thinks of it: "class 9B, 28 persons to delete".
type HoldGroup struct {
	ID        string // of this group in every frozen set of the source
	Operation Operation
	Unit      roster.Key
	Class     roster.Key
	Counts    map[roster.Kind]int
	Verdicts  map[Verdict]int // how many of the items are decided about
	Items     []HeldItem
}

// Open returns how many items of the group wait for a decision.
func (g HoldGroup) Open() int { return len(g.Items) - g.Verdicts[Approved] - g.Verdicts[Rejected] }

// Groups returns the frozen set by unit, class and operation.
func (g Guarded) Groups(now time.Time) []HoldGroup {
	if g.Hold == nil {
		return nil
	}
	verdicts := g.verdicts(now)
	index := map[string]int{}
	var groups []HoldGroup
	for _, item := range g.Hold.Items {
		sum := sha256.Sum256(fmt.Append(nil, item.Unit, item.Class, item.Operation))
		id := hex.EncodeToString(sum[:4])
		n, ok := index[id]
		if !ok {
			n = len(groups)
			index[id] = n
			groups = append(groups, HoldGroup{
				ID: id, Operation: item.Operation, Unit: item.Unit, Class: item.Class,
				Counts: map[roster.Kind]int{}, Verdicts: map[Verdict]int{},
			})
		}
		groups[n].Counts[item.Ref.Kind]++
		groups[n].Items = append(groups[n].Items, item)
		if v, ok := verdicts[item.Item]; ok {
			groups[n].Verdicts[v]++
		}
	}
	slices.SortFunc(groups, func(x, y HoldGroup) int {
		return cmp.Or(x.Unit.Compare(y.Unit), x.Class.Compare(y.Class), cmp.Compare(x.Operation, y.Operation))
	})
	return groups
}

// verdicts returns the decisions that still live.
func (g Guarded) verdicts(now time.Time) map[Item]Verdict {
	v := make(map[Item]Verdict, len(g.Decisions))
	for _, d := range g.Decisions {
		if now.Sub(d.At) <= Window {
			v[d.Item] = d.Verdict
		}
	}
	return v
}

// Decide records a verdict on the groups of the frozen set with the digest, or on all of it when no group is named, in
// place of earlier verdicts on the same items. It returns how many items the verdict is on. It fails, and changes nothing,
// when the frozen set is another, is too old, or has no such group.
func (g *Guarded) Decide(digest string, groups []string, v Verdict, by string, now time.Time) (int, error) {
	switch {
	case g.Hold == nil:
		return 0, reason.Errorf(reason.Invalid, nil, reason.HoldGone, "digest", digest)
	case g.Hold.Digest != digest:
		return 0, reason.Errorf(reason.Conflict, nil, reason.HoldChanged, "digest", digest, "now", g.Hold.Digest)
	case g.Hold.Expired(now):
		return 0, reason.Errorf(reason.Invalid, nil, reason.HoldExpired, "digest", digest, "seen", g.Hold.Seen.Format(time.RFC3339))
	}
	parts := g.Groups(now)
	for _, id := range groups {
		if !slices.ContainsFunc(parts, func(p HoldGroup) bool { return p.ID == id }) {
			return 0, reason.Errorf(reason.Invalid, nil, reason.HoldGroupUnknown, "digest", digest, "group", id)
		}
	}
	chosen := map[Item]bool{}
	for _, p := range parts {
		if len(groups) > 0 && !slices.Contains(groups, p.ID) {
			continue
		}
		for _, i := range p.Items {
			chosen[i.Item] = true
		}
	}
	decisions := slices.DeleteFunc(slices.Clone(g.Decisions), func(d Decision) bool { return chosen[d.Item] })
	for _, i := range g.Hold.Items {
		if chosen[i.Item] {
			decisions = append(decisions, Decision{i.Item, v, now, by})
		}
	}
	g.Decisions = decisions
	return len(chosen), nil
}
