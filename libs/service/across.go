package service

import (
	"context"
	"slices"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/store"
)

// Across is what no source can know by itself: what all of them say together.
type Across struct {
	// Conflicts are the persons under whose key sources speak of two people, or whom a decision joins to somebody else,
	// in the order of the keys; see [roster.Roster.Conflicts].
	Conflicts []roster.Key
	whole     *roster.Roster
}

// AcrossSources reads the roster log of a tenant. What is not readable there is left out: links tell of it.
func AcrossSources(ctx context.Context, st *store.Store, tenant string, now time.Time) (Across, error) {
	a := Across{whole: roster.NewRoster(nil, roster.Today(now))}
	_, err := st.Log(tenant).Load(ctx, func(e roster.Event) error {
		if e.Record != nil {
			a.whole.Apply(*e.Record)
		}
		return nil
	})
	a.Conflicts = a.whole.Conflicts()
	return a, err
}

// Of counts the conflicts that a source is a part of.
func (a Across) Of(s roster.Source) (n int) {
	for _, key := range a.Conflicts {
		if slices.ContainsFunc(a.whole.Records(roster.Ref{Kind: roster.KindPerson, Key: key}), func(r *roster.Record) bool {
			return r.Source == s && r.Tombstone == nil
		}) {
			n++
		}
	}
	return n
}

// Told returns what a run found without what is about a person whom any source protects: the run knew only of its own.
func (a Across) Told(f *source.Found) *source.Found {
	if f == nil {
		return nil
	}
	told := *f
	told.Issues = slices.DeleteFunc(slices.Clone(f.Issues), func(i source.Issue) bool {
		return i.Ref.Kind == roster.KindPerson && a.whole.State(i.Ref).Protected
	})
	return &told
}
