// Package guard holds what guards of sources and links have in common: which changes are dangerous, how many of them may
// pass before a person is asked, and the frozen sets that people decide about.
package guard

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// Window is how long the guard counts what it let through, how long a decision lives, and how long a frozen set may be
// decided about after the last read that saw it.
const Window = 7 * 24 * time.Hour

// ErrConflict says that somebody else has kept something newer since what was to be kept was read.
var ErrConflict = errors.New("somebody else decided or read meanwhile")

// Store keeps what the guards of one tenant know: those of its sources, or those of its links.
type Store interface {
	// Kept returns what is kept of a source or link; the zero value when there is nothing.
	Kept(ctx context.Context, of roster.Source) (Kept, error)
	// Keep keeps it, all of it or nothing. It ends with ErrConflict when somebody else has kept something since k was read.
	Keep(ctx context.Context, of roster.Source, k Kept) error
	// Version returns that of what is kept, to see for little whether it has changed; 0 when there is nothing.
	Version(ctx context.Context, of roster.Source) (uint64, error)
}

// Kept is what the guard of one source or link knows. It holds keys, never a name or a number.
type Kept struct {
	Version   uint64 // of the store, for Keep to compare
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

// Item names one change exactly: what it is about, what stood before, what it does and to what. An approval is of an item,
// so it fits one change once: as soon as anything is published about the entity, the log holds another sequence, and as
// soon as a link has done something to a resource, its ledger names another cause.
type Item struct {
	Ref       roster.Ref
	Expect    uint64 // of a source: the last sequence of the entity; of a link: that of what made the last operation
	Operation Operation
	Hash      string // of a source: roster.Keyer.Hash of the record; of a link: a hash of the resource and what it becomes
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

// Mark returns a short digest of the item.
func (i Item) Mark() uint64 {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d %s %s", i.Ref, i.Expect, i.Operation, i.Hash)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// Compare orders items by what they are about.
func (i Item) Compare(o Item) int {
	return cmp.Or(i.Ref.Compare(o.Ref), cmp.Compare(i.Expect, o.Expect), cmp.Compare(i.Operation, o.Operation), cmp.Compare(i.Hash, o.Hash))
}

// NewHold returns the frozen set of items; nil for none. A set that was frozen before keeps its age.
func NewHold(items []HeldItem, before *Hold, run string, now time.Time, doubt *reason.Reason) *Hold {
	if len(items) == 0 {
		return nil
	}
	slices.SortFunc(items, func(x, y HeldItem) int { return x.Compare(y.Item) })
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

// Forget takes out what is about some entities, and tells whether anything was. A set without them has another digest:
// what was looked at is not what there is now.
func (k *Kept) Forget(keys map[roster.Key]bool) bool {
	decided := len(k.Decisions)
	k.Decisions = slices.DeleteFunc(slices.Clone(k.Decisions), func(d Decision) bool { return keys[d.Ref.Key] })
	if h := k.Hold; h != nil && slices.ContainsFunc(h.Items, func(i HeldItem) bool { return keys[i.Ref.Key] }) {
		rest := slices.DeleteFunc(slices.Clone(h.Items), func(i HeldItem) bool { return keys[i.Ref.Key] })
		if k.Hold = NewHold(rest, nil, h.Run, h.Since, h.Doubt); k.Hold != nil {
			k.Hold.Seen = h.Seen
		}
		return true
	}
	return len(k.Decisions) < decided
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
func (k Kept) Groups(now time.Time) []HoldGroup {
	if k.Hold == nil {
		return nil
	}
	verdicts := k.Verdicts(now)
	index := map[string]int{}
	var groups []HoldGroup
	for _, item := range k.Hold.Items {
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

// Verdicts returns the decisions that still live.
func (k Kept) Verdicts(now time.Time) map[Item]Verdict {
	v := make(map[Item]Verdict, len(k.Decisions))
	for _, d := range k.Decisions {
		if now.Sub(d.At) <= Window {
			v[d.Item] = d.Verdict
		}
	}
	return v
}

// Decide records a verdict on the groups of the frozen set with the digest, or on all of it when no group is named, in
// place of earlier verdicts on the same items. It returns how many items the verdict is on. It fails, and changes nothing,
// when the frozen set is another, is too old, or has no such group.
func (k *Kept) Decide(digest string, groups []string, v Verdict, by string, now time.Time) (int, error) {
	switch {
	case k.Hold == nil:
		return 0, reason.Errorf(reason.Invalid, nil, reason.HoldGone, "digest", digest)
	case k.Hold.Digest != digest:
		return 0, reason.Errorf(reason.Conflict, nil, reason.HoldChanged, "digest", digest, "now", k.Hold.Digest)
	case k.Hold.Expired(now):
		return 0, reason.Errorf(reason.Invalid, nil, reason.HoldExpired, "digest", digest, "seen", k.Hold.Seen.Format(time.RFC3339))
	}
	parts := k.Groups(now)
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
	decisions := slices.DeleteFunc(slices.Clone(k.Decisions), func(d Decision) bool { return chosen[d.Item] })
	for _, i := range k.Hold.Items {
		if chosen[i.Item] {
			decisions = append(decisions, Decision{i.Item, v, now, by})
		}
	}
	k.Decisions = decisions
	return len(chosen), nil
}

// Window returns what was let through within [Window] before now, by the mark of each item.
func (k Kept) Window(now time.Time) map[Bucket]map[uint64]bool {
	w := map[Bucket]map[uint64]bool{}
	for _, p := range k.Passed {
		if now.Sub(p.At) > Window {
			continue
		}
		if w[p.Bucket] == nil {
			w[p.Bucket] = map[uint64]bool{}
		}
		for _, m := range p.Marks {
			w[p.Bucket][m] = true
		}
	}
	return w
}
