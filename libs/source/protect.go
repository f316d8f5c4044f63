package source

import (
	"context"
	"slices"

	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
)

// How many persons may lack a readable mark of protection before the read is not believed: more than so many, and more
// than one in a hundred.
const (
	unclearFloor = 3
	unclearShare = 100
)

// contains tells whether the read of a register marks a person: nothing of her or him is published but a tombstone,
// past guard and requirements (rule R9). What a source that is no register says of protection stays a record, for it
// may not be about a person of its own.
func (s *statement) contains(ref roster.Ref) bool { return s.reader.isRegister() && s.protected[ref] }

func (r *Reader) isRegister() bool { return !r.Defaults.MayBeEmpty }

// marks counts what a read tells of protection.
type marks struct{ persons, readable, unclear int }

// unclear tells whether it is not known if a person is protected.
func (s *statement) unclear(r *roster.Record) bool {
	if r.Person == nil || r.Overlay || !s.reader.isRegister() {
		return false
	}
	m := r.Person.Marking
	return !m.Known() && (m != "" || s.reader.Defaults.Protected == ProtectedFlag)
}

// check tells why the marks of a read are not believed: a column that is gone, or that nobody can read, is a broken
// read, and neither a thousand protected children nor none (rule R9).
func (s *statement) check(m marks) error {
	none := s.complete && s.reader.Defaults.Protected == ProtectedFlag && m.readable == 0
	if m.unclear > 0 && (none || m.unclear > max(unclearFloor, m.persons/unclearShare)) {
		return reason.Errorf(reason.Transient, nil, reason.MarksUnreadable, "count", m.unclear, "persons", m.persons)
	}
	return nil
}

// checkMarks compares the marks with the log. Many who stand there and are marked now, or the other way round, are
// a column that means something else today.
func (d *diff) checkMarks() error {
	if !d.reader.isRegister() {
		return nil
	}
	live, marked, contained, back := 0, 0, 0, 0
	for ref, head := range d.scan.Heads {
		switch {
		case ref.Kind != roster.KindPerson:
		case head.Protected && !head.Vanished: // who was missing for another reason comes back with all others
			contained++
			if d.stated[ref] && !d.protected[ref] && !d.keptBack[ref] {
				back++
			}
		case !head.Tombstone:
			live++
			if d.protected[ref] {
				marked++
			}
		}
	}
	for ref := range d.protected {
		marked += len(d.became[ref.Key])
	}
	allowed := func(o guard.Operation, of int) int {
		return d.reader.Limits.Allowed(guard.Bucket{Kind: roster.KindPerson, Form: guard.AllForms, Operation: o}, of)
	}
	if limit := allowed(guard.Protect, live); marked > limit {
		return reason.Errorf(reason.Transient, nil, reason.TooManyProtected, "limit", limit)
	}
	// A register that leaves protected persons out, and marks some all the same, has lost its marks where it tells none at all.
	if back > 0 && d.complete && d.reader.Defaults.Protected == ProtectedOmits && d.marks.readable == 0 {
		return reason.Errorf(reason.Transient, nil, reason.MarksUnreadable, "count", back, "persons", d.marks.persons)
	}
	if limit := allowed(guard.Unprotect, contained); back > limit {
		return reason.Errorf(reason.Transient, nil, reason.TooManyUnprotected, "limit", limit)
	}
	return nil
}

// findVanished finds who is gone from a register that leaves protected persons out, although an enrolment or a duty was
// not over: they may be protected, whether a read of everything or one of what changed says so. A leaver's ends first.
func (d *diff) findVanished(ctx context.Context) error {
	d.vanished = map[roster.Ref]bool{}
	if d.reader.Defaults.Protected != ProtectedOmits || len(d.absentOf(roster.KindPerson)) == 0 {
		return nil
	}
	today := roster.Today(d.reader.Now())
	return wrap("read the records in the log", d.eachInLog(ctx, func(r roster.Record) error {
		if d.absent[r.Ref] && r.Person != nil && len(units(r.Person, today)) > 0 {
			d.vanished[r.Ref] = true
		}
		return nil
	}))
}

// containments returns the tombstones of the persons whom the read marks, also of those whom the log never had: another
// source may have a record of the key. A key that a person had before is contained too, and neither tombstone tells of
// the other: a person who is given a new identity is not to be found by the old one.
func (d *diff) containments() []Change {
	if !d.reader.isRegister() {
		return nil
	}
	ids := map[roster.Ref]string{}
	for i := range d.records {
		if r := &d.records[i]; d.protected[r.Ref] {
			ids[r.Ref] = d.digest(roster.KindPerson, r.Origins[0].ID)
		}
	}
	var changes []Change
	for _, ref := range sortedRefs(d.protected) {
		c := d.contain(ref, ids[ref])
		if head := d.scan.Heads[ref]; !head.Protected || head.Hash != c.Hash {
			changes = append(changes, c)
		}
		for _, key := range slices.SortedFunc(slices.Values(d.became[ref.Key]), roster.Key.Compare) {
			changes = append(changes, d.contain(roster.Ref{Kind: roster.KindPerson, Key: key}, ""))
		}
	}
	return changes
}

// contain returns the tombstone of a protected person. It keeps the digest of the source's id, by which a later read
// knows of whom nothing may be told.
func (d *diff) contain(ref roster.Ref, id string) Change {
	c := d.tombstone(ref, roster.Tombstone{Reason: roster.TombstoneProtected})
	c.SourceID = id
	return c
}

// leaveOut takes out of a group the members whom nothing may be told about. They come back with the next read that
// states the group, once they are no longer protected.
func (d *diff) leaveOut(g *roster.Group) {
	if !d.reader.isRegister() {
		return
	}
	g.Members = slices.DeleteFunc(g.Members, func(m roster.Membership) bool {
		ref := roster.Ref{Kind: roster.KindPerson, Key: m.Person}
		return d.protected[ref] || d.scan.Heads[ref].Protected && (!d.stated[ref] || d.keptBack[ref])
	})
}

// secret tells whether nothing may be told about an entity: the read protects it, or the log does.
func (s *statement) secret(ref roster.Ref) bool { return s.protected[ref] || s.heads[ref].Protected }

// hide notes the ids under which the log holds protected persons.
func (s *statement) hide() {
	clear(s.hidden)
	for _, head := range s.heads {
		if head.Protected && head.SourceID != "" {
			s.hidden[head.SourceID] = true
		}
	}
}

// returns tells whether a change lets somebody stand again who was protected.
func returns(c Change, scan Scan) bool {
	return c.Record.Tombstone == nil && scan.Heads[c.Record.Ref].Protected
}

// counted tells whether a change may be counted where others read it: nothing counts protected persons.
func counted(c Change) bool {
	if t := c.Record.Tombstone; t != nil {
		return t.Reason != roster.TombstoneProtected || c.Vanished
	}
	return c.Record.Person == nil || !c.Record.Person.Marking.Protects()
}

func sortedRefs(set map[roster.Ref]bool) []roster.Ref {
	refs := make([]roster.Ref, 0, len(set))
	for ref := range set {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, roster.Ref.Compare)
	return refs
}
