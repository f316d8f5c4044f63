package files

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// Difference is what a new set changes, row by row. It logs as counts; the values stay masked.
type Difference struct {
	Kinds []KindDifference // every kind of either set, in order
	Rows  []RowDifference  // in the order of their ids
}

// KindDifference counts the rows of one kind.
type KindDifference struct {
	Kind                      string
	Before, After             int
	Created, Changed, Removed int
}

// RowDifference is one row that is new, changed or gone.
type RowDifference struct {
	ID     target.ID
	Entity roster.Ref
	Verb   target.Verb
	Fields []FieldDifference // with an update: what changed, in order; values are the members' keys for a set
}

// FieldDifference is one field, or set, that changed.
type FieldDifference struct {
	Name     string
	Old, New []roster.Personal
}

// Diff compares the set that was delivered last with a new one.
func Diff(old, new []target.Resource) Difference {
	old, new = sorted(old), sorted(new)
	counts := map[string]*KindDifference{}
	count := func(id target.ID) *KindDifference {
		k := counts[id.Kind]
		if k == nil {
			k = &KindDifference{Kind: id.Kind}
			counts[id.Kind] = k
		}
		return k
	}
	var d Difference
	for len(old) > 0 || len(new) > 0 {
		switch order := first(old, new); {
		case order < 0:
			k := count(old[0].ID)
			k.Before, k.Removed = k.Before+1, k.Removed+1
			d.Rows = append(d.Rows, RowDifference{ID: old[0].ID, Entity: old[0].Entity, Verb: target.Delete})
			old = old[1:]
		case order > 0:
			k := count(new[0].ID)
			k.After, k.Created = k.After+1, k.Created+1
			d.Rows = append(d.Rows, RowDifference{ID: new[0].ID, Entity: new[0].Entity, Verb: target.Create})
			new = new[1:]
		default:
			k := count(new[0].ID)
			k.Before, k.After = k.Before+1, k.After+1
			if fields := changed(old[0], new[0]); len(fields) > 0 {
				k.Changed++
				d.Rows = append(d.Rows, RowDifference{ID: new[0].ID, Entity: new[0].Entity, Verb: target.Update, Fields: fields})
			}
			old, new = old[1:], new[1:]
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		d.Kinds = append(d.Kinds, *counts[kind])
	}
	return d
}

// IsZero tells whether nothing changes.
func (d Difference) IsZero() bool { return len(d.Rows) == 0 }

// LogValue returns the counts a kind.
func (d Difference) LogValue() slog.Value {
	attrs := make([]slog.Attr, len(d.Kinds))
	for i, k := range d.Kinds {
		attrs[i] = slog.String(k.Kind, k.String())
	}
	return slog.GroupValue(attrs...)
}

// String returns the counts: "1200 to 1198, 3 created, 7 changed, 5 removed".
func (k KindDifference) String() string {
	return fmt.Sprintf("%d to %d, %d created, %d changed, %d removed", k.Before, k.After, k.Created, k.Changed, k.Removed)
}

// first tells which list has the next id.
func first(old, new []target.Resource) int {
	switch {
	case len(old) == 0:
		return 1
	case len(new) == 0:
		return -1
	default:
		return old[0].ID.Compare(new[0].ID)
	}
}

func sorted(set []target.Resource) []target.Resource {
	order := func(a, b target.Resource) int { return a.ID.Compare(b.ID) }
	if slices.IsSortedFunc(set, order) {
		return set
	}
	return slices.SortedStableFunc(slices.Values(set), order)
}

// changed lists the fields and sets that differ.
func changed(old, new target.Resource) []FieldDifference {
	if slices.Equal(old.Fields, new.Fields) && slices.EqualFunc(old.Sets, new.Sets, equalSets) {
		return nil
	}
	var list []FieldDifference
	was, is := values(old), values(new)
	for _, name := range names(is, was) {
		o, n := of(was, name), of(is, name)
		if !slices.Equal(o, n) {
			list = append(list, FieldDifference{name, o, n})
		}
	}
	return list
}

// values returns a resource's fields, and the members of its sets as fields.
func values(r target.Resource) target.Fields {
	if len(r.Sets) == 0 {
		return r.Fields
	}
	f := slices.Clone(r.Fields)
	for _, s := range r.Sets {
		for _, m := range s.Members {
			f = append(f, target.Field{Name: s.Name, Value: roster.Personal(m.Key)})
		}
	}
	return f
}

func equalSets(a, b target.Set) bool { return a.Name == b.Name && slices.Equal(a.Members, b.Members) }

// names lists the names of both, once each, in their order.
func names(lists ...target.Fields) []string {
	var out []string
	for _, l := range lists {
		for _, f := range l {
			if !slices.Contains(out, f.Name) {
				out = append(out, f.Name)
			}
		}
	}
	return out
}

func of(fields target.Fields, name string) []roster.Personal {
	var out []roster.Personal
	for _, f := range fields {
		if f.Name == name {
			out = append(out, f.Value)
		}
	}
	return out
}
