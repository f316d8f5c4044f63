// Package share says which of several members has which of many items.
package share

import (
	"cmp"
	"container/heap"
	"hash/fnv"
	"slices"
)

// Assign returns the member that has each item. Everybody who asks about the same members and the same items, in whatever
// order, gets the same answer; what stands twice counts once. Without members nobody has anything.
//
// It is rendezvous hashing with bounded loads: an item is with the member that suits it best of those with room for it,
// and a member has room for [Room] items, those that suit it best. So no item and no member would rather have each other
// than what they have, and where one member comes or goes few items move but those that are to.
func Assign(members, items []string) map[string]string {
	members, items = unique(members), unique(items)
	owners := make(map[string]string, len(items))
	if len(members) == 0 {
		return owners
	}
	room := Room(len(items), len(members))
	seeds := make([]uint64, len(members))
	for i, m := range members {
		seeds[i] = mix(sum(m))
	}
	held := make([]tenancies, len(members))
	for i, item := range items {
		seeking := &tenancy{item: i, seed: sum(item)}
		for seeking != nil {
			seeking.next(seeds)
			h := &held[seeking.member]
			heap.Push(h, *seeking)
			seeking = nil
			if len(*h) > room {
				out := heap.Pop(h).(tenancy) //nolint:forcetypeassert // the heap holds nothing else
				seeking = &out
			}
		}
	}
	for m, h := range held {
		for _, t := range h {
			owners[items[t.item]] = members[m]
		}
	}
	return owners
}

// Room returns how many items a member has at the most: a quarter more than the mean, rounded up.
func Room(items, members int) int { return (5*items + 4*members - 1) / (4 * members) }

// tenancy is an item with a member.
type tenancy struct {
	item   int
	seed   uint64
	member int
	score  uint64 // how well the two suit each other
	asked  bool   // of the member that it has, and of all that suit it better
}

// next has the item seek the member that suits it best of those that it did not ask yet. There is always one: all members
// together have room for more than all items.
func (t *tenancy) next(seeds []uint64) {
	best, score, found := 0, uint64(0), false
	for m, seed := range seeds {
		s := mix(t.seed + seed)
		if t.asked && (s > t.score || s == t.score && m <= t.member) {
			continue
		}
		if !found || s > score {
			best, score, found = m, s, true
		}
	}
	t.member, t.score, t.asked = best, score, true
}

// tenancies is a heap with the one on top that suits the member least.
type tenancies []tenancy

func (h tenancies) Len() int { return len(h) }

func (h tenancies) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].score, h[j].score), cmp.Compare(h[j].item, h[i].item)) < 0
}

func (h tenancies) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *tenancies) Push(x any) { *h = append(*h, x.(tenancy)) } //nolint:forcetypeassert // as Assign calls it

func (h *tenancies) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func unique(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// sum is the same on every machine, and in every version of this program: replicas of two versions run side by side (F75).
func sum(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// mix spreads a number over all 64 bits: the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
// number generators", OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
