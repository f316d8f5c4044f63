package target

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// look is what a link sees when it looks at one entity.
type look struct {
	merged  roster.Merged
	wishes  []Wish
	contain bool // the person is to be contained: nothing is wished
	alias   bool // with contain: the person may stay under an alias
	outside bool // the entity stands, and is out of scope
}

// look returns what the link wants its target to hold for one entity, and how the entity stands to the link. Who is
// contained comes before everything else (rule R9); who leaves comes before scope, so that a pupil without a school is no
// pupil of another one. The caller is inside read.
func (l *Link) look(f *Feed, a anchors, ref roster.Ref) look {
	m := f.roster.State(ref)
	switch {
	case ref.Kind == roster.KindPerson && (m.Contained() || containedNow(f.roster, ref)):
		return look{merged: m, contain: true, alias: l.aliased(m, f.roster.Today())}
	case !f.known(ref):
		return look{merged: roster.Merged{State: roster.Missing}}
	case f.runOpen() && f.roster.Superseded(ref):
		// Between two messages of a batch: a resource that is made now would be a second one of the same person.
		l.sub.dirty[ref] = struct{}{}
		return look{merged: roster.Merged{State: roster.Missing}}
	}
	v := l.view(f, a)
	in, err := true, error(nil)
	switch {
	case m.State != roster.Standing:
	case f.units.Excluded(f.roster, ref):
		in = false
	case l.o.Filter != nil:
		in, err = l.o.Filter.Matches(v, ref)
	}
	l.naming.mapping(ref, !in || err != nil)
	s := look{merged: m, wishes: l.o.Made.Mapping.Map(v, ref)}
	if m.State != roster.Standing || leaves(ref, m, s.wishes) {
		return s
	}
	switch {
	case err != nil:
		s.withhold(reason.FilterFailed, Stays)
	case !in:
		s.outside = true
		s.withhold(reason.OutOfScope, Let)
	}
	return s
}

// withhold keeps every wish from the target. What it holds meets the fate; what it does not hold keeps the reason that
// the mapping gives, if it gives one.
func (s *look) withhold(code reason.Code, fate Fate) {
	for i, w := range s.wishes {
		why := w.Withheld
		if why == nil {
			r := reason.New(code)
			why = &r
		}
		s.wishes[i] = Wish{Resource: Resource{ID: w.Resource.ID, Entity: w.Resource.Entity}, Withheld: why, Fate: fate}
	}
}

// terms returns what the link plans by now.
func (l *Link) terms() terms {
	return terms{
		outside: l.o.Outside, accounts: l.o.Made.Accounts, changed: l.mark.Mapping != l.version(), complete: l.o.Made.Deliverer != nil,
		oneOf: l.o.Made.OneOf, preview: l.o.Mode == ModePreview,
	}
}

// version changes whenever the same roster log would give other wishes: with the mapping, the units, the filter, the roles,
// the rules of user names, and the sources and their precedence.
func (l *Link) version() string {
	v := l.o.Made.Mapping.Version() + l.o.Feed.units.Digest()
	unmanaged := slices.Sorted(maps.Keys(l.o.Roles))
	unmanaged = slices.DeleteFunc(unmanaged, func(r roster.Role) bool { return l.o.Roles[r] == Manage })
	if l.o.Filter == nil && len(l.o.Feed.precedence) == 0 && len(unmanaged) == 0 && !l.named() {
		return v
	}
	sum := sha256.New()
	if l.named() {
		l.sayNames(sum)
	}
	for _, r := range unmanaged {
		fmt.Fprintf(sum, "role %s %s\n", r, l.o.Roles[r])
	}
	if l.o.Filter != nil {
		fmt.Fprintf(sum, "filter %q\n", l.o.Filter)
	}
	for _, s := range l.o.Feed.precedence {
		fmt.Fprintf(sum, "source %s\n", s)
	}
	return v + "-" + hex.EncodeToString(sum.Sum(nil)[:4])
}
