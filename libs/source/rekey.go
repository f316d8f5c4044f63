package source

import (
	"eventful.se/ess/libs/roster"
)

// keysBefore compares the keys in the log with those that the source's ids have now. Keys are made of settings too: the
// pepper, and what is said of the source's group ids. Where those change by mistake, everything in the register is gone
// and new at once, and nobody in it has done anything.
type keysBefore struct {
	say    *statement
	heads  map[roster.Ref]Head
	groups map[string]*roster.Record // what the source states, by the digest of its id
	last   string                    // the läsår before, of a source that reuses its ids; empty for any other

	known, unknown int // records of the log by whether this keyer names the source's id as the log does
	rekeyed        int
}

func newKeysBefore(s *statement, scan Scan) *keysBefore {
	k := &keysBefore{say: s, heads: scan.Heads, groups: map[string]*roster.Record{}}
	for i := range s.records {
		if r := &s.records[i]; r.Group != nil && !r.Overlay {
			for _, o := range r.Origins {
				k.groups[s.digest(roster.KindGroup, o.ID)] = r
			}
		}
	}
	if s.reader.Defaults.GroupIDs == GroupIDsReused {
		k.last = s.reader.SchoolYear(roster.Today(s.reader.Now().AddDate(-1, 0, 0)))
	}
	return k
}

// add looks at a record of the log.
func (k *keysBefore) add(r *roster.Record) {
	head := k.heads[r.Ref]
	if head.SourceID == "" || len(r.Origins) == 0 {
		return
	}
	if k.known == 0 {
		if k.say.digest(r.Ref.Kind, r.Origins[0].ID) == head.SourceID {
			k.known++
		} else {
			k.unknown++
		}
	}
	now := k.groups[head.SourceID]
	if now == nil || now.Ref == r.Ref || r.Overlay {
		return
	}
	// Last year's group under this id ended with its year; any other is the same group.
	if k.last == "" || k.say.reader.Keyer.Group(k.say.reader.Name, r.Origins[0].ID.Reveal(), k.last) != r.Ref.Key {
		k.rekeyed++
	}
}

// others tells whether the log was written with another pepper: it names none of the ids as this keyer does.
func (k *keysBefore) others() bool { return k.known == 0 && k.unknown > 0 }
