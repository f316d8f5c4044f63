package target

import "eventful.se/ess/libs/roster"

// wishes returns what the link wants its target to hold for one entity. The caller is inside read.
func (l *Link) wishes(f *Feed, a anchors, ref roster.Ref) []Wish {
	return l.o.Made.Mapping.Map(view{f.roster, a}, ref)
}

// version changes whenever the same roster would give other wishes.
func (l *Link) version() string { return l.o.Made.Mapping.Version() + l.o.Feed.units.Digest() }
