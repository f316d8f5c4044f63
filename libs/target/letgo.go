package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Holding is what the ledger of a link knows that its target holds and that is ours to change.
type Holding struct {
	Counts   map[string]int // by kind
	Released int            // what the target has and what is not ours any more

	book    Book
	mark    Mark
	entries []Entry       // of a target that takes calls
	set     map[ID]*Entry // of one that takes complete sets: all that was delivered and withheld
}

// Hold reads what a link holds from its book.
func Hold(ctx context.Context, b Book) (h Holding, err error) {
	h = Holding{Counts: map[string]int{}, book: b, set: map[ID]*Entry{}}
	note := func(e Entry) {
		switch {
		case ours(&e):
			h.Counts[e.ID.Kind]++
		case e.State == Released:
			h.Released++
		}
	}
	h.mark, err = b.Load(ctx, func(e Entry) error {
		note(e)
		h.entries = append(h.entries, e)
		return nil
	})
	if err != nil || h.mark.Set.Blob == "" {
		return h, err
	}
	blob, err := b.Blob(ctx, h.mark.Set.Blob)
	if err != nil {
		return h, fmt.Errorf("the last delivered set: %w", err)
	}
	return h, decodeEntries(blob, func(e Entry) {
		note(e)
		h.set[e.ID] = &e
	})
}

// Entries returns everything that the ledger knows of the link, also what is withheld and why, by id.
func (h Holding) Entries() []Entry {
	all := slices.Clone(h.entries)
	for _, e := range h.set {
		all = append(all, *e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return a.ID.Compare(b.ID) })
	return all
}

// ours tells whether an entry is of something that the target holds and that a link would change or take away.
func ours(e *Entry) bool { return e.Held && e.State != Released && e.State != Gone && !e.theirs() }

// Empty tells whether nothing is held.
func (h Holding) Empty() bool { return len(h.Counts) == 0 }

// Digest names exactly what is held.
func (h Holding) Digest() string {
	var ids []ID
	for i := range h.entries {
		if ours(&h.entries[i]) {
			ids = append(ids, h.entries[i].ID)
		}
	}
	for id, e := range h.set {
		if ours(e) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, ID.Compare)
	sum := sha256.New()
	for _, id := range ids {
		fmt.Fprintln(sum, id)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// LetGo releases all of it: the target keeps what it has, and a link that comes back takes nothing of it away, and knows
// again what is still wished. The book must be owned.
func (h Holding) LetGo(ctx context.Context) error {
	var changed []Entry
	for _, e := range h.entries {
		if ours(&e) {
			e.State, e.Reason = Released, nil
			changed = append(changed, e)
		}
	}
	if len(h.set) > 0 {
		set := maps.Clone(h.set)
		for id, e := range set {
			if ours(e) {
				released := *e
				released.State, released.Reason = Released, nil
				set[id] = &released
			}
		}
		blob, err := encodeEntries(set)
		if err == nil {
			err = h.book.Put(ctx, h.mark.Set.Blob, h.mark.InFlight.Blob, blob)
		}
		if err != nil {
			return fmt.Errorf("keep the set: %w", err)
		}
	}
	return h.book.Save(ctx, changed, h.mark)
}
