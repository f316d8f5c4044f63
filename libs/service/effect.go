package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// Effect is what another document changes about what a link does now, with the roster as it is.
type Effect struct {
	Link   roster.Source
	Before tenant.Mode // empty where the link is new
	After  tenant.Mode // empty where the link is taken out: it stops, and what it holds stays
	Counts map[target.Verb]int
	Taken  []target.Row // what would be taken away or disabled, sorted by id
	Linked []target.Row // what the target has of its own and would be taken over, sorted by id
	// Held is how much more would wait at the link for an approval of its own. With Asks so does, a round later, what is
	// let go of here.
	Held int
	Asks bool
	// Unknown says why nothing can be told, of a link that may hold something.
	Unknown string
}

// Effects says link by link what a document does that the one in force does not; before is nil where none is. A link that
// is not active does nothing, so that to activate one is to do all that its preview shows. It writes nothing and needs none
// of the tenant's secrets. What a changed source will say, only its next read tells. A tenant that is new has no log, and
// its targets hold nothing of ours.
func (h *Host) Effects(ctx context.Context, before, after *tenant.Document, targets []target.Connector) ([]Effect, error) {
	does, will, marks, err := h.compared(ctx, before, after, targets)
	if err != nil && (before != nil || reason.Of(err).Code != reason.LogMissing) {
		return nil, err
	}
	effects := map[roster.Source]*Effect{}
	of := func(l tenant.Link) *Effect {
		if effects[l.Ref()] == nil {
			effects[l.Ref()] = &Effect{Link: l.Ref(), Counts: map[target.Verb]int{}}
		}
		return effects[l.Ref()]
	}
	if before != nil {
		for _, l := range before.Links {
			of(l).Before = l.Mode
		}
	}
	for _, l := range after.Links {
		e := of(l)
		e.After, e.Asks = l.Mode, l.OnOutOfScope != "" && l.OnOutOfScope != tenant.Release
		s, acts := will[l.Ref()]
		if !acts {
			continue
		}
		_, held := marks[l.Ref()] // who never settled anything has nothing to take away
		if e.Unknown = unknown(s); e.Unknown != "" && !held {
			e.Unknown = ""
		}
		e.Held = max(0, s.Held-does[l.Ref()].Held)
		e.compare(does[l.Ref()].Rows, s.Rows)
	}
	sorted := slices.SortedFunc(maps.Values(effects), func(a, b *Effect) int { return cmp.Compare(a.Link.String(), b.Link.String()) })
	out := make([]Effect, len(sorted))
	for i, e := range sorted {
		out[i] = *e
	}
	return out, nil
}

// compared returns what active links do by one document and by another, and which have ever settled anything.
func (h *Host) compared(ctx context.Context, before, after *tenant.Document, targets []target.Connector) (does, will map[roster.Source]target.Settled, marks map[roster.Source]target.Mark, err error) {
	if marks, err = h.Store.Ledger(after.Tenant).Marks(ctx); err != nil {
		return nil, nil, nil, err
	}
	active := func(l tenant.Link) bool { return l.Mode == tenant.Active }
	if will, err = h.previews(ctx, after, targets, active); err != nil || before == nil {
		return nil, will, marks, err
	}
	both := func(l tenant.Link) bool { _, ok := will[l.Ref()]; return ok && active(l) }
	if does, err = h.previews(ctx, before, targets, both); err != nil {
		err = fmt.Errorf("the document in force: %w", err)
	}
	return does, will, marks, err
}

// unknown says why a preview shows nothing.
func unknown(s target.Settled) string {
	switch {
	case s.Deferred != "":
		return s.Deferred
	case s.Halted != nil && len(s.Problems) == 0:
		return s.Halted.Text(reason.English)
	}
	return ""
}

// compare counts the rows that are new or another.
func (e *Effect) compare(does, will []target.Row) {
	known := make(map[target.ID]*target.Row, len(does))
	for i := range does {
		known[does[i].ID] = &does[i]
	}
	for _, row := range will {
		if old := known[row.ID]; row.Verb == "" || old != nil && old.Verb == row.Verb && slices.Equal(old.After, row.After) {
			continue
		}
		e.Counts[row.Verb]++
		switch {
		case row.Verb == target.Delete || row.Verb == target.Disable || row.Verb == target.Move:
			e.Taken = append(e.Taken, row)
		case row.FoundBy != "" && row.Verb != target.Use:
			e.Linked = append(e.Linked, row)
		}
	}
}

// EffectDigest names what effects take away or take over, and what they do not know; empty where that is nothing.
func EffectDigest(tenant string, effects []Effect) string {
	sum, asked := sha256.New(), false
	for _, e := range effects {
		if e.Unknown != "" {
			asked = true
			fmt.Fprintf(sum, "%s %s unknown\n", tenant, e.Link)
		}
		for _, row := range e.Taken {
			asked = true
			fmt.Fprintf(sum, "%s %s %s %s\n", tenant, e.Link, row.Verb, row.ID)
		}
		for _, row := range e.Linked {
			asked = true
			fmt.Fprintf(sum, "%s %s takes over %s as %s\n", tenant, e.Link, row.Native, row.ID)
		}
	}
	if !asked {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}
