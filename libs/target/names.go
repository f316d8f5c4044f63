package target

import (
	"cmp"
	"strings"

	"eventful.se/ess/libs/roster"
)

// Name is what people call an entity, and the school unit at which they look for it.
type Name struct {
	Label roster.Personal
	Unit  string
}

// names returns, by their keys, what people call the entities of rows and those that their fields refer to. It names nobody
// who is contained, and of who has left the log knows no name.
func (l *Link) names(rows []Row) map[string]Name {
	named := map[string]Name{}
	l.o.Feed.read(func(f *Feed) {
		add := func(text string) {
			if _, done := named[text]; done || len(text) != len(roster.Key{}.String()) {
				return
			}
			k, err := roster.ParseKey(text)
			if err != nil {
				return
			}
			if n := nameOf(f.roster, k); n != (Name{}) {
				named[text] = n
			}
		}
		for _, r := range rows {
			add(r.Entity.Key.String())
			for _, fields := range []Fields{r.Before, r.After} {
				for _, field := range fields {
					add(field.Value.Reveal())
				}
			}
		}
	})
	return named
}

// nameOf returns the name of what stands under a key, or under the one that it has now.
func nameOf(r *roster.Roster, k roster.Key) Name {
	if now, moved := r.Became(k); moved {
		k = now
	}
	unit := func(k roster.Key) string {
		if o := r.Organisation(k); o != nil {
			return o.DisplayName
		}
		return ""
	}
	if o := r.Organisation(k); o != nil {
		return Name{Label: roster.Personal(o.DisplayName)}
	}
	if g := r.Group(k); g != nil {
		return Name{Label: roster.Personal(g.DisplayName), Unit: unit(g.Organisation)}
	}
	p := r.Person(k)
	if p == nil || r.Contained(k) {
		return Name{}
	}
	n := Name{Label: roster.Personal(cmp.Or(p.DisplayName.Reveal(), strings.TrimSpace(p.GivenName.Reveal()+" "+p.FamilyName.Reveal())))}
	if e, ok := roster.PrimaryEnrolment(p, r.Today()); ok {
		n.Unit = unit(e.EnroledAt)
	} else if d, ok := roster.PrimaryDuty(p, r.Today()); ok {
		n.Unit = unit(d.DutyAt)
	}
	return n
}
